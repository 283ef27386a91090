//! The forwarding half of the program.
//!
//! The [`dispatch`]er takes the node's commands and gives each to the worker of its peer, by its
//! mailbox ([`post`]). A [`worker`] owns a socket and its peers; what workers tell each other is in
//! [`exchange`]. A peer is an `Rtc` that is always [`drained`], in one of
//! three roles: a [`publisher`] sends us tracks, a [`subscriber`] gets them, a [`link`] is another
//! node and does both. The [`router`] knows which track goes where. A packet comes in through
//! [`socket`] and [`demux`], becomes a [`packet`] of a track, and leaves for every sink of it in the
//! same turn, gathered by [`batch`] into few sends.
//!
//! What decides without I/O is plain and tested alone: [`rewrite`] (numbers of an outgoing stream),
//! [`keyframes`] (how often a source is asked), [`link_health`] (what keepalives say),
//! [`link_class`], [`link_frame`] and [`link_signal`] (what nodes agree on), [`clock`] (lip sync), [`address`].

use std::io;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::control::frame;
use crate::control::messages::Numbered;
use crate::control::outgoing::Outgoing;
use dispatch::{Dispatcher, Said};
use post::Asking;
use worker::EachTurn;

pub mod address;
pub mod batch;
pub mod clock;
pub mod codec;
mod commands;
#[cfg(test)]
mod consent;
pub mod counters;
mod crossing;
pub mod data;
pub mod demux;
pub mod dispatch;
pub mod drained;
pub mod exchange;
pub mod extensions;
mod forward;
mod gathering;
pub mod incoming;
pub mod keyframes;
pub mod layers;
pub mod leg;
pub mod link;
pub mod link_class;
pub mod link_frame;
pub mod link_health;
pub mod link_signal;
mod listen;
pub mod measured;
pub mod opened;
pub mod outgoing_stream;
pub mod packet;
pub mod payload;
pub mod peer;
pub mod post;
pub mod publisher;
mod reflexive;
pub mod refusal;
pub mod rewrite;
pub mod rooms;
pub mod router;
pub mod sdp;
mod sharing;
pub mod socket;
pub mod speakers;
mod spread;
mod statistics;
pub mod stream_gate;
pub mod stun;
pub mod subscriber;
pub mod tcp;
pub mod tcp_frame;
mod tcp_turn;
pub mod timers;
mod turn;
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
