//! How many packets get lost, and what that means for the rate (draft-ietf-rmcat-gcc-02 section 6).

use std::time::{Duration, Instant};

/// Fewer packets than this say nothing: at 2 % of loss one report in a thousand would look like 10 %.
const LEAST_PACKETS: u32 = 40;

/// A cut shows in the reports after a round trip and this.
const INTERVAL: Duration = Duration::from_millis(300);

/// Less than this share lost lets the rate grow; more than the other cuts it.
const LITTLE: f64 = 0.02;
const MUCH: f64 = 0.10;

/// So much lost is a full queue that drops rather than grows: what arrives is what it carries.
const FLOOD: f64 = 0.30;

/// What the losses say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Losses {
    /// The rate may grow.
    #[default]
    Few,
    /// It may not.
    Some,
    /// It is to be multiplied by `by`, and not to exceed what arrives if there is a `flood`.
    Many { by: f64, flood: bool },
}

/// The packets since the last conclusion.
#[derive(Debug)]
pub struct LossControl {
    lost: u32,
    reported: u32,
    concluded_at: Instant,
    losses: Losses,
}

impl LossControl {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            lost: 0,
            reported: 0,
            concluded_at: now,
            losses: Losses::Few,
        }
    }

    /// Count one packet. Padding of probes is not to be counted: it asks for trouble.
    pub fn count(&mut self, lost: bool) {
        self.reported = self.reported.saturating_add(1);
        self.lost = self.lost.saturating_add(u32::from(lost));
    }

    /// The last conclusion, for whoever wants to grow.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// A new conclusion, when there is one.
    pub fn conclude(&mut self, rtt: Duration, now: Instant) -> Option<Losses> {
        let elapsed = now.saturating_duration_since(self.concluded_at);
        if self.reported < LEAST_PACKETS || elapsed < rtt.saturating_add(INTERVAL) {
            return None;
        }
        let share = f64::from(self.lost) / f64::from(self.reported);
        self.losses = if share > MUCH {
            Losses::Many {
                by: 1.0 - share / 2.0,
                flood: share > FLOOD,
            }
        } else if share > LITTLE {
            Losses::Some
        } else {
            Losses::Few
        };
        (self.lost, self.reported, self.concluded_at) = (0, 0, now);
        Some(self.losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(lost_of_100: u32) -> Option<Losses> {
        let now = Instant::now();
        let mut control = LossControl::new(now);
        (0..100).for_each(|at| control.count(at < lost_of_100));
        let rtt = Duration::from_millis(100);
        assert_eq!(control.conclude(rtt, now + INTERVAL), None, "too early");
        control.conclude(rtt, now + INTERVAL + rtt)
    }

    #[test]
    fn few_losses_are_nothing_and_many_cut() {
        assert_eq!(concluded(2), Some(Losses::Few));
        assert_eq!(concluded(3), Some(Losses::Some));
        assert_eq!(concluded(10), Some(Losses::Some));
        let many = |by, flood| Some(Losses::Many { by, flood });
        assert_eq!(concluded(20), many(0.9, false));
        assert_eq!(concluded(40), many(0.8, true));
    }

    #[test]
    fn few_packets_say_nothing() {
        let now = Instant::now();
        let mut control = LossControl::new(now);
        (1..LEAST_PACKETS).for_each(|_| control.count(true));
        assert_eq!(control.conclude(Duration::ZERO, now + 10 * INTERVAL), None);
        control.count(true);
        assert!(
            control
                .conclude(Duration::ZERO, now + 10 * INTERVAL)
                .is_some()
        );
    }
}
