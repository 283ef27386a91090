//! The forwarding half of the program.
//!
//! The dispatcher ([`dispatch`]) takes the node's commands and gives each to the worker of its peer.
//! A [`worker`] is a thread that owns a socket ([`network`]) and its peers; what workers tell each
//! other is in [`exchange`]. [`peers`] are browsers, [`links`] are other nodes. The [`router`] knows
//! which track goes where, [`rooms`] whose it is. A packet comes in, becomes one of a track
//! ([`media`], read by [`payload`]), and leaves for every sink of it in the same turn: those that
//! [`layers`] chose for each subscriber, those that [`speakers`] let through. It leaves by [`egress`], sealed with
//! [`srtp`], at the rate that [`bandwidth`] finds. [`data`] are the messages that people send each other.
//!
//! What decides without I/O is plain and tested alone; what a worker does with it is an `impl
//! Worker` in a file of its own ([`worker`], [`commands`]).

use std::io;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::control::frame;
use crate::control::messages::Numbered;
use crate::control::outgoing::Outgoing;
use dispatch::post::Asking;
use dispatch::{Dispatcher, Said};
use worker::EachTurn;

pub mod bandwidth;
mod commands;
pub mod counters;
pub mod data;
pub mod dispatch;
pub mod egress;
pub mod exchange;
pub mod layers;
pub mod links;
pub mod media;
pub mod network;
pub mod payload;
pub mod peers;
pub mod refusal;
pub mod rooms;
pub mod router;
pub mod speakers;
pub mod srtp;
mod statistics;
pub mod track;
pub mod worker;

/// What may wait for the dispatcher, which never waits for anybody: commands, and reports on them.
const MAX_WAITING: usize = 1024;

/// Serve the node on the inherited socket `control_fd` until it closes its end.
///
/// # Errors
/// When the descriptor is not a connected socket, or the node stops reading.
pub fn run(control_fd: i32) -> io::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        // Without the message: it may quote what a client sent.
        let place = panic.location().map(ToString::to_string);
        eprintln!(
            "starling-sfu: panic at {}",
            place.as_deref().unwrap_or("an unknown place")
        );
    }));
    let stream = crate::control::socket::inherit(control_fd)?;
    // The node is gone, or has told us to go: nothing here is worth another moment.
    serve(stream, || exit(0))
}

/// Serve the node on `stream`; `on_end` is called from another thread when it closed its end.
///
/// # Errors
/// When a thread cannot be made, a worker hangs, or the node stops reading.
pub fn serve(stream: UnixStream, on_end: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    serve_watched(stream, on_end, None)
}

/// [`serve`], with `each_turn` called in every turn of every worker: a test makes them fail there.
///
/// # Errors
/// As [`serve`].
pub fn serve_watched(
    stream: UnixStream,
    on_end: impl Fn() + Send + Sync + 'static,
    each_turn: Option<EachTurn>,
) -> io::Result<()> {
    let (asking, said) = sync_channel(MAX_WAITING);
    let reports = asking.clone();
    let on_end = Arc::new(on_end);
    let on_write_end = Arc::clone(&on_end);
    let outgoing = Outgoing::start(stream.try_clone()?, move || on_write_end())?;
    thread::Builder::new()
        .name("control-in".into())
        .spawn(move || {
            if read_commands(stream, &asking) {
                on_end();
            }
            let _ = asking.send(Said::NodeEnded);
        })?;
    Dispatcher::new(said, reports, outgoing, each_turn).run()
}

/// Read until the node closes its end, or says what cannot be understood nor answered. `false` when
/// the dispatcher ended before; then it is the one that says why.
fn read_commands(mut stream: UnixStream, asking: &SyncSender<Said>) -> bool {
    loop {
        let body = match frame::read(&mut stream) {
            Ok(Some(body)) => body,
            Ok(None) => return true,
            // It went with things of ours unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return true,
            Err(error) => {
                eprintln!("starling-sfu: reading commands failed: {error}");
                return true;
            }
        };
        let next = match frame::decode(&body) {
            Ok(command) => Asking::Command(command),
            Err(garbled) => match frame::decode::<Numbered>(&body) {
                Ok(Numbered { id }) => Asking::Garbled {
                    id,
                    why: garbled.to_string(),
                },
                Err(_) => {
                    eprintln!(
                        "starling-sfu: a frame is no command; the node speaks another protocol"
                    );
                    return true;
                }
            },
        };
        if asking.send(Said::Asked(next)).is_err() {
            return false;
        }
    }
}
