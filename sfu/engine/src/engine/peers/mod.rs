//! One `Rtc` each: who sends to us, who gets from us, and what keeps one from harming another.
//!
//! A [`peer`] is an `Rtc` that is always [`drained`]; packets that its ciphers [`opened`] pass the [`stream_gate`].
//! A [`publisher`] turns its streams into tracks ([`incoming`]); a [`subscriber`] has lines, each with an
//! [`outgoing_stream`]. Other nodes are peers too, see [`links`](super::links).

#[cfg(test)]
mod consent;
pub mod drained;
pub mod extensions;
pub mod incoming;
pub mod measured;
pub mod opened;
pub mod outgoing_stream;
pub mod peer;
pub mod publisher;
pub mod receiver_limit;
pub mod sdp;
pub mod stream_gate;
pub mod subscriber;
