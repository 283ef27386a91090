//! How far one drain lets the time of an `Rtc` run.
//!
//! str0m's pacer hands out one packet, and then wants to hear that time has passed before it hands out the next: by a
//! microsecond, for which a timer would sleep a millisecond. So a drain follows what is due at once.

use std::time::{Duration, Instant};

/// How far a drain may run ahead of time: as many packets as it follows leave now, in one burst; what is paced further
/// apart waits for its time.
const AHEAD: Duration = Duration::from_micros(300);

/// Times that one drain says it to an `Rtc`: four full GSO sends. An `Rtc` that always wants more costs one turn no more
/// than that.
const MAX_TIMEOUTS: usize = 256;

/// The time of an `Rtc` while it is drained.
#[derive(Debug)]
pub struct RunAhead {
    /// Not later than this.
    until: Instant,
    clock: Instant,
    timeouts: usize,
}

impl RunAhead {
    /// A drain begins at `now`, which the `Rtc` has heard.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            until: now + AHEAD,
            clock: now,
            timeouts: 0,
        }
    }

    /// What to tell an `Rtc` that wants to be woken by `at`; `None` when it is to wait for that.
    pub fn follow(&mut self, at: Instant) -> Option<Instant> {
        if at > self.until {
            return None;
        }
        self.clock = self.clock.max(at);
        self.go_on()
    }

    /// What to tell an `Rtc` that just sent a packet, without having it look through all its parts only to learn that
    /// it wants this; `None` when it is to ask.
    pub fn go_on(&mut self) -> Option<Instant> {
        if self.timeouts == MAX_TIMEOUTS {
            return None;
        }
        self.timeouts += 1;
        Some(self.clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn what_is_due_at_once_is_followed_and_what_is_later_waits() {
        let now = Instant::now();
        let mut ahead = RunAhead::new(now);
        assert_eq!(ahead.follow(now + US), Some(now + US));
        assert_eq!(ahead.follow(now + AHEAD), Some(now + AHEAD));
        assert_eq!(ahead.follow(now + AHEAD + US), None);
    }

    #[test]
    fn time_never_goes_back() {
        let now = Instant::now();
        let mut ahead = RunAhead::new(now);
        // Overdue: no time before the drain began is told.
        assert_eq!(ahead.follow(now - US), Some(now));
        assert_eq!(ahead.follow(now + 7 * US), Some(now + 7 * US));
        assert_eq!(ahead.follow(now + US), Some(now + 7 * US));
        assert_eq!(ahead.go_on(), Some(now + 7 * US));
    }

    #[test]
    fn an_rtc_that_always_wants_more_waits_for_the_next_turn() {
        let now = Instant::now();
        let mut ahead = RunAhead::new(now);
        let followed = (0..2 * MAX_TIMEOUTS).filter(|at| match at % 2 {
            0 => ahead.follow(now).is_some(),
            _ => ahead.go_on().is_some(),
        });
        assert_eq!(followed.count(), MAX_TIMEOUTS);
    }
}
