//! How much one subscriber's path carries, found by its sender.
//!
//! Google congestion control over transport-wide feedback (draft-ietf-rmcat-gcc-02; Carlucci et al.,
//! "Analysis and design of the Google congestion control for WebRTC", MMSys 2016). Pure: time is an
//! argument, nothing is sent, nothing is logged.
//!
//! ```text
//!   outcomes --> arrival_groups --> trendline --> over-use? --> rate_control --> estimate
//!          \                    \-> queue -----> drain, guard -/   |   |
//!           \--> acknowledged --------------- what flows ----------/   |
//!            \--> loss ------------------------ cut, hold -------------/
//!             \--> probing <-- desired -------- raise ----------------/
//! ```
//!
//! A queue that grows means that the path is full: the rate goes to 0.85 of what arrives. A path
//! that stays empty lets the rate grow slowly, and only as far as packets prove it. What is more than
//! media can prove is asked of probes, short bursts of padding.
//!
//! The receiver may claim anything. The estimate stays between [`FLOOR_BPS`] and [`CEILING_BPS`].

use std::time::Instant;

mod acknowledged;
mod arrival_groups;
mod cluster;
mod estimator;
mod loss;
mod probing;
pub(in crate::engine) mod queue;
mod rate_control;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod trendline;

pub use estimator::Estimator;

/// No estimate is lower: one stream of sound.
pub const FLOOR_BPS: u64 = 30_000;

/// No estimate is higher, whatever a receiver claims.
pub const CEILING_BPS: u64 = 1_000_000_000;

/// What became of one packet, by a feedback of the receiver.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// When it left, by our clock.
    pub sent: Instant,
    /// Microseconds of the receiver's clock, of any origin; `None`: lost.
    pub arrived_us: Option<i64>,
    pub bytes: u32,
    /// The probe that it was padding of.
    pub probe: Option<u32>,
}

/// Padding that is to be sent so that the path shows whether it carries more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub id: u32,
    pub rate_bps: u64,
    /// At least five packets, and what leaves in 15 ms.
    pub bytes: u64,
}
