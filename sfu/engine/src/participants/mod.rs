//! Synthetic participants: people without a browser, for demos, load tests and benchmarks.
//!
//! Each is a WebRTC client with two peer connections, like a browser's: it offers the publisher
//! and answers the offers for the subscriber. A driver does the signalling and passes the SDP
//! through; [`messages`] are the words between the two.
//!
//! ```text
//!   driver  <--frames of CBOR-->  control thread  -->  crowd: one thread, one epoll, one timer heap
//!                                                        |  participant: publisher, subscriber
//!   nodes   <------------- UDP, a socket per peer connection --------->  peer: one str0m client
//! ```
//!
//! What they send can be told apart, timed and decoded: every packet ends in a [`stamp`], behind a
//! [`video`] frame or an [`audio`] packet that browsers play. What they receive is counted by the
//! stamps alone, in a [`tally`].
//!
//! A socket per peer connection, as browsers have it: an engine serves all of its peers on one
//! address and tells them apart by where packets come from, so two of them must not come from the
//! same socket. One thread, because six people cost some percent of a core and a load test starts
//! the program several times.

use std::io;

mod audio;
mod cards;
mod clock;
mod commanding;
mod crowd;
mod histogram;
pub mod messages;
mod participant;
mod peer;
mod sending;
mod stamp;
mod tally;
mod timers;
mod timing;
mod video;

/// Serve the conversation on the inherited socket `control_fd` until the other end closes it.
///
/// # Errors
/// When the descriptor is not a connected socket, or the machine has no more of what an event
/// loop needs.
pub fn run(control_fd: i32) -> io::Result<()> {
    let stream = crate::control::socket::inherit(control_fd)?;
    str0m::crypto::from_feature_flags().install_process_default();
    crowd::Crowd::new(stream)?.serve()
}
