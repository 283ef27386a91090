//! Packets and what is decided about one alone: its codec, its time, its numbers.

pub mod clock;
pub mod codec;
pub mod keyframes;
pub mod packet;
pub mod rewrite;
