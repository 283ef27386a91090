//! Starling's media engine: the process beside a node through which every media packet flows.
//!
//! The node (Python) decides who hears whom; this program forwards. They speak over an inherited
//! socket: [`control`] is that conversation, [`engine`] the forwarding itself, [`participants`]
//! the synthetic people that demos, load tests and benchmarks put into rooms.
//!
//! ```text
//!   node  <--frames of CBOR-->  control  <--commands, replies, events-->  engine::worker
//!                                                                          |  one thread, one
//!   browsers, other nodes  <--------------- UDP --------------------------->  socket, all peers
//! ```
//!
//! When the node's end of the socket closes, the process exits at once: an engine without a node
//! would forward for nobody.

pub mod control;
pub mod engine;
pub mod participants;
