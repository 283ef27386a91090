//! Peers that are other nodes: all legs over one transport.
//!
//! A [`link`] carries [`leg`]s as frames ([`link_frame`], the largest in two [`link_pieces`]) in one RTP stream for each
//! class, and what its two ends tell each other ([`link_signal`]) in another ([`link_streams`], sent by [`link_sender`]); that includes the
//! keepalives that its health is read from ([`link_health`]). None of it passes the link's `Rtc`, which finds the way,
//! agrees on keys ([`srtp`](super::srtp)) and carries the words of the nodes.
//!
//! What its path loses it repairs itself: the receiving end lists what is missing ([`gap_list`]) and asks for it, the
//! sending end keeps what it sent ([`sent_cache`]) and sends it again ([`resent`]). What its path does not carry is not sent:
//! the receiving end reports what came and how long it queued ([`arrivals`]), the sending end finds a limit
//! ([`link_budget`]) and leaves out layers and pictures until the rest fits ([`shedding`]).

pub mod arrivals;
pub mod gap_list;
pub mod leg;
pub mod link;
pub mod link_budget;
pub mod link_frame;
pub mod link_health;
pub mod link_pieces;
pub mod link_sender;
pub mod link_signal;
pub mod link_streams;
pub mod resent;
pub mod sent_cache;
pub mod shedding;
