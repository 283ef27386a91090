//! One `Rtc` each: who sends to us, who gets from us, and what keeps one from harming another.
//!
//! A [`peer`] is an `Rtc` that is always [`drained`]; packets that its ciphers [`opened`] pass the [`stream_gate`].
//! A [`publisher`] turns its streams into tracks ([`incoming`]); a [`subscriber`] has [`lines`], each with an
//! [`outgoing_stream`], and what goes out on them does not pass its `Rtc` (see [`egress`](super::egress)). Other nodes are
//! peers too, see [`links`](super::links).
//!
//! What bounds the memory of a peer, by the names of the constants: its streams (`stream_gate::MAX_STREAMS`), the tracks
//! that it publishes or gets (`MAX_TRACKS` of `publisher` and of `sdp`), what is kept of each stream to be sent
//! again (`MAX_AGE` of [`resends`](super::egress::resends)) and to be reported on (`MAX_AGE` of
//! [`history`](super::egress::history)), its encodings (`packet::MAX_ENCODINGS`) and the packets held of one keyframe (`MAX_HELD` of
//! [`selector`](super::layers::selector)), the formats that it may change between (`MAX_PAYLOAD_TYPE_CHANGES`), its data
//! channels and what waits in them (`MAX_CHANNELS` and `MAX_BUFFERED_BYTES` of [`data`](super::data)), its addresses
//! (`MAX_ADDRESSES_PER_PEER` of [`demux`](super::network::demux)), and of a link its legs (`MAX_LEGS` of
//! [`leg`](super::links::leg)), incomplete frames (`MAX_WAITING` of [`link_pieces`](super::links::link_pieces)), what it has
//! sent (`MAX_BYTES` of [`sent_cache`](super::links::sent_cache)) and misses (`MAX_GAPS` of [`gap_list`](super::links::gap_list)).
//! How many there are is bounded by `MAX_PEERS` of the dispatcher, and the tracks that they name by
//! [`router::MAX_TRACKS`](super::router::MAX_TRACKS); other workers want no tracks here but those that they know.

#[cfg(test)]
mod consent_tests;
pub mod drained;
pub mod extensions;
pub mod incoming;
pub mod lines;
pub mod measured;
mod misread;
pub mod opened;
pub mod outgoing_stream;
pub mod peer;
pub mod publisher;
pub mod receiver_limit;
pub mod sdp;
pub mod stream_gate;
pub mod subscriber;
