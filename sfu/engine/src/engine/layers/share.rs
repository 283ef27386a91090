//! The bandwidth of one subscriber: what is known of it, and what its lines were told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::line::Wish;

/// Where the estimate of a new subscriber begins: a small picture and sound; probes find the rest
/// within a second or two.
pub const INITIAL_BPS: u64 = 1_000_000;

/// What the estimator is to aim at as long as any picture is shown. A picture that stands still costs
/// a tenth of one that moves, and no probe looks further than half as much again as the aim: with an aim of what flows just
/// now nobody would know whether the next keyframe fits.
pub const LEAST_DESIRED_BPS: u64 = INITIAL_BPS;

/// At least this long between two allocations of one subscriber.
pub const ALLOCATION_INTERVAL: Duration = Duration::from_millis(100);

/// At most this long, while packets flow.
pub const ALLOCATION_PERIOD: Duration = Duration::from_secs(1);

/// Nobody is starved so soon after an estimate first came: it is still finding its level.
const SETTLING: Duration = Duration::from_secs(4);

/// Nobody is starved before an estimate was too low for so long: one bad second is no state.
const STARVE_AFTER: Duration = Duration::from_secs(2);

/// Changes of the wish below one in so many are not worth another probe.
const TELL_CHANGES: u64 = 20;

/// The state of one subscriber's bandwidth.
#[derive(Debug, Default)]
pub struct Share {
    /// What the page asks for, by track.
    pub wishes: HashMap<String, Wish>,
    estimate_bps: Option<u64>,
    /// The estimate comes from feedback on every packet, not from the receiver's own guess.
    by_feedback: bool,
    estimated_since: Option<Instant>,
    too_low_since: Option<Instant>,
    allocated_at: Option<Instant>,
    measured_at: Option<Instant>,
    /// Bytes of sound since they were last measured.
    pub audio_bytes: u64,
    audio_bps: u64,
    told: Option<u64>,
    pub sum_bps: u64,
}

impl Share {
    /// Note what feedback on every packet shows, bit/s; `true` when it changes what can be had.
    pub fn measured(&mut self, estimate_bps: u64, now: Instant) -> bool {
        self.by_feedback = true;
        self.estimate(estimate_bps, now)
    }

    /// Note what the receiver guesses, which counts as long as nothing was measured; `true` when it changes what can be
    /// had.
    pub fn guessed(&mut self, estimate_bps: u64, now: Instant) -> bool {
        !self.by_feedback && self.estimate(estimate_bps, now)
    }

    fn estimate(&mut self, estimate_bps: u64, now: Instant) -> bool {
        self.estimated_since.get_or_insert(now);
        // What was told stays until something else is, or small changes would add up unheard.
        let changes = |before: u64| before.abs_diff(estimate_bps) * TELL_CHANGES >= before;
        let changed = self.estimate_bps.is_none_or(changes);
        if changed {
            self.estimate_bps = Some(estimate_bps);
        }
        changed
    }

    /// Bit/s that the path takes, while anybody knows.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        self.estimate_bps
    }

    /// What the estimator was told to aim at, in all.
    #[must_use]
    pub fn desired_bps(&self) -> Option<u64> {
        self.told
    }

    /// The earliest moment for the next allocation.
    #[must_use]
    pub fn next_allocation(&self, now: Instant) -> Instant {
        self.allocated_at
            .map_or(now, |at| (at + ALLOCATION_INTERVAL).max(now))
    }

    /// Begin an allocation. Returns the bit/s of sound.
    pub fn begin(&mut self, now: Instant) -> u64 {
        self.allocated_at = Some(now);
        let since = *self.measured_at.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        // A shorter time says nothing about a stream of fifty packets a second.
        if elapsed >= ALLOCATION_PERIOD / 2 {
            self.audio_bps = self.audio_bytes * 8 * 1000 / elapsed.as_millis() as u64;
            self.audio_bytes = 0;
            self.measured_at = Some(now);
        }
        self.audio_bps
    }

    /// Whether lines may get nothing at all.
    #[must_use]
    pub fn may_starve(&mut self, least_bps: u64, now: Instant) -> bool {
        let too_low = self
            .estimate_bps
            .is_some_and(|estimate| estimate < least_bps);
        if !too_low {
            self.too_low_since = None;
            return true;
        }
        let since = *self.too_low_since.get_or_insert(now);
        let settled = self
            .estimated_since
            .is_some_and(|since| now >= since + SETTLING);
        settled && now >= since + STARVE_AFTER
    }

    /// Note what the estimator is to aim at; returns it when it is news.
    pub fn tell(&mut self, desired: u64) -> Option<u64> {
        let close = |told: u64| told.abs_diff(desired) * TELL_CHANGES <= told.max(desired);
        if self.told.is_some_and(close) {
            return None;
        }
        self.told = Some(desired);
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packets_show_counts_more_than_what_receivers_guess() {
        let now = Instant::now();
        let mut share = Share::default();
        assert!(share.guessed(900_000, now));
        assert!(share.measured(400_000, now));
        assert!(!share.guessed(900_000, now));
        for _ in 0..9 {
            assert!(!share.measured(410_000, now));
        }
        assert!(share.measured(421_000, now), "small changes add up");
        assert_eq!(share.estimate_bps(), Some(421_000));
    }

    #[test]
    fn one_bad_second_starves_nobody() {
        let now = Instant::now();
        let mut share = Share::default();
        assert!(share.may_starve(500_000, now));
        share.measured(100_000, now);
        assert!(!share.may_starve(500_000, now));
        assert!(!share.may_starve(500_000, now + STARVE_AFTER));
        assert!(share.may_starve(500_000, now + SETTLING));
        share.measured(600_000, now);
        assert!(share.may_starve(500_000, now + SETTLING));
        share.measured(100_000, now);
        assert!(!share.may_starve(500_000, now + SETTLING));
    }

    #[test]
    fn the_estimator_hears_of_real_changes() {
        let mut share = Share::default();
        assert!(share.tell(1_000_000).is_some());
        assert!(share.tell(1_030_000).is_none());
        assert!(share.tell(1_200_000).is_some());
        assert_eq!(share.desired_bps(), Some(1_200_000));
    }
}
