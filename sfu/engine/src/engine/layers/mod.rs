//! Which part of a picture goes to whom: simulcast encodings, spatial and temporal layers.
//!
//! A [`table`] for each track knows what its source sends and what it costs. The [`allocator`]
//! shares a subscriber's bandwidth among its lines, and so gives each an aim. The [`selector`] of a
//! line takes the stream there, packet by packet, at the places where a decoder can follow.
//! [`picture`] keeps the numbers inside the payloads continuous, as [`super::media::rewrite`] does outside.
//! What no sink of a track could use is told to its source by [`demand`].
//!
//! All of it is plain: no sockets, no clock of its own.

pub mod allocator;
pub mod demand;
pub mod line;
pub mod picture;
pub mod selector;
pub mod share;
pub mod table;

/// The encoding, and how much of it: everything up to this spatial and this temporal layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layer {
    /// Rank among the simulcast streams of the track, as [`super::media::packet::Layering`] has it.
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
}

/// Width and height in pixels.
pub type Size = (u16, u16);

/// How many pixels a picture has.
#[must_use]
pub fn pixels(size: Size) -> u32 {
    u32::from(size.0) * u32::from(size.1)
}
