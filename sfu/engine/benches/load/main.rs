//! The load that benchmarks put on a media server: clients that send, clients that receive, and the
//! bare loop that a server is compared with.
//!
//! ```text
//!   tests/bench  <--lines of JSON-->  load clients   WebRTC clients, not counted
//!                <--lines of JSON-->  load bare      receive, open, N x seal, sendmmsg: counted
//!                <--lines of JSON-->  load hop       receive, send: a hop, timed from outside
//!                <--lines of JSON-->  load meter     times packets through hops
//! ```
//!
//! It is no part of the engine: `cargo build --release --bench load` makes it for `make bench` alone.
//! One conversation serves every mode: a line in is a [`words::Command`], and each is answered by
//! one line out.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

mod bare;
mod clients;
mod handshakes;
mod hop;
mod orders;
mod peer;
mod picture;
mod plain;
mod schedule;
mod sender;
mod wan;
mod words;

/// Often enough for feedback on arrival times, seldom enough to cost the sender nothing.
const BEAT: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let outcome = match mode.as_str() {
        "clients" => clients::serve(beat(), address()),
        "bare" => bare::serve(),
        "hop" => hop::forward(),
        "meter" => hop::measure(),
        // `cargo bench` and `cargo test --benches` call it without a mode.
        _ => {
            println!("load: run by `make bench`, as: load clients | bare | hop | meter");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// How often clients read their sockets: an argument, in microseconds.
fn beat() -> Duration {
    let named = std::env::args().nth(2).and_then(|beat| beat.parse().ok());
    named.map_or(BEAT, Duration::from_micros)
}

/// Where clients bind: an argument; loopback without one.
fn address() -> IpAddr {
    let named = std::env::args()
        .nth(3)
        .and_then(|address| address.parse().ok());
    named.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("load: {error}");
    ExitCode::FAILURE
}
