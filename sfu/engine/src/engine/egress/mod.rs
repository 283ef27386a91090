//! What subscribers and links are sent, sealed here and not by their `Rtc`.
//!
//! str0m finds the way (ICE), agrees on keys (DTLS) and reads what receivers report; the packets that go out are ours: a
//! [`sender`] a subscriber, a [`stream`] a line. So a packet costs a [`header`], one pass of the cipher
//! ([`srtp`](super::srtp)) and its place in the batch of the turn, and nothing has to be drained after it. What may be
//! asked for again is kept by age, without a copy ([`resends`]); what was sent when is kept until the receiver reports on
//! it ([`history`]), and the estimate follows from that ([`bandwidth`](super::bandwidth)), with padding where the path is
//! to be [`probing`]. [`reports`] tie time stamps to the wall clock, a second apart.

pub mod content;
pub mod header;
pub mod history;
pub mod probing;
pub mod reports;
pub mod resends;
pub mod sender;
pub mod stream;
pub mod way;
