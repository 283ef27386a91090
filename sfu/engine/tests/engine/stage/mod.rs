//! A stage for whole calls: engines as the node sees them, and clients made of str0m, over loopback.

mod bottleneck;
mod client;
mod node;
mod path;
mod pictures;
mod wire;

pub use client::{Client, Written};
pub use node::{Greeting, Node, ROOM};
pub use path::Path;
pub use pictures::{both_connected, formats, like_engine, number, picture, pt_of, written};

use std::time::{Duration, Instant};

/// Every wait ends here; on an idle machine none takes a tenth of it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Let the clients run until `done` says so.
pub fn play(
    clients: &mut [&mut Client],
    what: &str,
    mut done: impl FnMut(&mut [&mut Client]) -> bool,
) {
    let end = Instant::now() + PATIENCE;
    loop {
        for client in clients.iter_mut() {
            client.turn();
        }
        if done(clients) {
            return;
        }
        assert!(Instant::now() < end, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Let the clients run for a while.
pub fn play_for(clients: &mut [&mut Client], span: Duration) {
    let end = Instant::now() + span;
    play(clients, "the time is over", |_| Instant::now() >= end);
}
