//! Padding that shows whether a path carries more, spread over the time that its rate takes.

use std::time::{Duration, Instant};

use crate::engine::bandwidth::Probe;

/// Between two parts of a probe: what a timer can tell apart.
const STEP: Duration = Duration::from_millis(1);

/// A probe that found nothing to send by then is given up.
const LONGEST: Duration = Duration::from_millis(200);

/// A probe that is being sent.
#[derive(Debug)]
pub struct Probing {
    probe: Probe,
    began: Instant,
    next: Instant,
    sent: u64,
}

impl Probing {
    /// Begin now.
    #[must_use]
    pub fn new(probe: Probe, now: Instant) -> Self {
        Self {
            probe,
            began: now,
            next: now,
            sent: 0,
        }
    }

    /// What packets of it are marked with.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.probe.id
    }

    /// When the next part is to leave.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Bytes that are to leave now.
    pub fn due(&mut self, now: Instant) -> u64 {
        if now < self.next {
            return 0;
        }
        self.next = now + STEP;
        let elapsed = now.saturating_duration_since(self.began) + STEP;
        let by_now = u128::from(self.probe.rate_bps) * elapsed.as_micros() / 8_000_000;
        let by_now = u64::try_from(by_now).unwrap_or(u64::MAX);
        by_now.min(self.probe.bytes).saturating_sub(self.sent)
    }

    /// Note what left.
    pub fn sent(&mut self, bytes: u64) {
        self.sent = self.sent.saturating_add(bytes);
    }

    /// Whether nothing more is to be sent of it.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.sent >= self.probe.bytes || now >= self.began + LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_at_its_rate_and_then_ends() {
        let now = Instant::now();
        let probe = Probe {
            id: 7,
            rate_bps: 8_000_000,
            bytes: 5000,
        };
        let mut probing = Probing::new(probe, now);
        assert_eq!(probing.due(now), 1000);
        probing.sent(1200);
        assert_eq!(probing.due(now), 0, "not twice in one step");
        assert_eq!(probing.due(now + STEP), 800);
        probing.sent(800);
        assert!(!probing.is_over(now + STEP));
        assert_eq!(probing.due(now + 9 * STEP), 3000, "no more than there is");
        probing.sent(3000);
        assert!(probing.is_over(now + 9 * STEP));
    }

    #[test]
    fn a_probe_without_anything_to_send_is_given_up() {
        let now = Instant::now();
        let probe = Probe {
            id: 1,
            rate_bps: u64::MAX,
            bytes: u64::MAX,
        };
        let mut probing = Probing::new(probe, now);
        assert!(probing.due(now) > 0);
        assert!(!probing.is_over(now));
        assert!(probing.is_over(now + LONGEST));
    }
}
