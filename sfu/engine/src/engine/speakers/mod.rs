//! Who speaks in a room, and whose sound is worth forwarding.
//!
//! Every packet of sound says how loud it is (RFC 6464). [`loudness`] makes of that how loud a track
//! is and whether it is speech; [`voices`] has the tracks of one room on one worker, and tells how
//! loud they are to the room's [`floor`], which is on one worker alone: it compares them all, keeps
//! the list of speakers that the node is told, and, where a room forwards only its N loudest,
//! decides which.
//!
//! Both decisions are slow to change. Somebody who coughs is no speaker, somebody who breathes still
//! is one, and two who are about as loud do not change places. The windows follow Volfin and Cohen
//! (Dominant speaker identification for multipoint videoconferencing, Computer Speech and Language
//! 27, 2013): one packet tells nothing, tens of milliseconds tell speech from a click, a second tells
//! who has the floor. Their likelihoods are replaced by two time constants and thresholds in dB,
//! which anybody can check by hand.
//!
//! Time comes with packets; a room in which nobody speaks has no deadline and costs nothing.

pub mod floor;
pub mod loudness;
pub mod voices;

#[cfg(test)]
mod tests;
