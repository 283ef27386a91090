//! Clocks of others, placed on ours: what keeps sound and picture in step over every hop.
//!
//! The time a packet was captured comes from its sender (sender reports, or a link's frames), on
//! the sender's clock. Only differences on that clock mean anything here: one [`Anchor`] per peer
//! ties it to ours, once, so that all tracks of the peer shift alike.

use std::time::{Duration, Instant};

/// Moments are placed this far in the past, because the first word of a peer's clock may be about
/// its slowest track and str0m reports nonsense (time stamp 0) on a moment that is still to come. It
/// is the same for all tracks of the peer, so that nobody can tell.
pub const PAST: Duration = Duration::from_secs(1);

/// A clock that jumps further than this was set anew; it is tied anew.
const MAX_DRIFT: Duration = Duration::from_secs(5);

/// Ties the clock of a peer to ours.
#[derive(Debug, Default, Clone, Copy)]
pub struct Anchor {
    tied: Option<(i64, Instant)>,
}

impl Anchor {
    /// The moment that the peer's clock calls `theirs_us` (microseconds), heard of at `now`.
    pub fn place(&mut self, theirs_us: i64, now: Instant) -> Instant {
        if let Some((origin_us, at)) = self.tied
            && let Some(moment) = shift(at, theirs_us.saturating_sub(origin_us))
            && moment < now + MAX_DRIFT
            && moment + MAX_DRIFT > now
        {
            return moment;
        }
        let at = now.checked_sub(PAST).unwrap_or(now);
        self.tied = Some((theirs_us, at));
        at
    }
}

/// Which moment an RTP time stamp stands for: one known pair, extended by the clock rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpClock {
    pub time: u32,
    pub at: Instant,
}

impl RtpClock {
    /// The moment of `time`; within half a wrap (6.6 h at 90 kHz) of the known pair.
    #[must_use]
    pub fn moment(&self, time: u32, ticks_per_s: u32) -> Instant {
        let distance = i64::from(time.wrapping_sub(self.time) as i32);
        shift(self.at, distance * 1_000_000 / i64::from(ticks_per_s)).unwrap_or(self.at)
    }
}

fn shift(at: Instant, us: i64) -> Option<Instant> {
    let span = Duration::from_micros(us.unsigned_abs());
    if us >= 0 {
        at.checked_add(span)
    } else {
        at.checked_sub(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn time_stamps_before_and_after_the_known_pair_are_placed_by_the_rate() {
        let at = later();
        let clock = RtpClock { time: 10, at };
        assert_eq!(clock.moment(90_010, 90_000), at + Duration::from_secs(1));
        let before = 10u32.wrapping_sub(48_000);
        assert_eq!(clock.moment(before, 48_000), at - Duration::from_secs(1));
    }

    #[test]
    fn differences_are_kept_and_jumps_are_tied_anew() {
        let now = later();
        let mut anchor = Anchor::default();
        assert_eq!(anchor.place(5_000_000, now), now - PAST);
        let next = now + Duration::from_secs(1);
        assert_eq!(
            anchor.place(6_020_000, next),
            next - PAST + Duration::from_millis(20)
        );
        assert_eq!(anchor.place(i64::MAX, next), next - PAST);
        assert_eq!(anchor.place(i64::MIN, next), next - PAST);
    }
}
