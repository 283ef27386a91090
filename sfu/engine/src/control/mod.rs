//! The conversation with the node: frames of CBOR over an inherited socket.
//!
//! A frame is a 4-byte big-endian length and that many bytes. Towards us it holds one command,
//! from us an array of replies and events. [`frame`] knows the bytes, [`messages`] the words,
//! [`socket`] where the socket comes from, [`outgoing`] how much may wait for a slow node.

pub mod frame;
pub mod messages;
pub mod outgoing;
pub mod socket;
