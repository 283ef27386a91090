//! What a publisher is told to send at most (REMB, draft-alvestrand-rmcat-remb-03), where it does not
//! number its packets for feedback on each (transport-cc), from which it would find out by itself.
//!
//! The way is known by what it delivers: while little is lost, half as much again may be tried; what
//! loses a tenth gives way (the thresholds of draft-ietf-rmcat-gcc-02 section 6).

use std::time::{Duration, Instant};

/// Between two words to one publisher: encoders take about as long to follow.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Never less: a small picture at 15 frames a second.
const LEAST_BPS: u64 = 300_000;

/// In hundredths of what was delivered.
const TRY_PERCENT: u64 = 150;
const GIVE_WAY_PERCENT: u64 = 85;

/// Shares of the packets.
const LITTLE_LOSS: f64 = 0.02;
const MUCH_LOSS: f64 = 0.1;

/// Of one publisher.
#[derive(Debug, Default)]
pub struct ReceiverLimit {
    /// Its packets are numbered for feedback.
    numbered: bool,
    bytes: u64,
    since: Option<Instant>,
}

impl ReceiverLimit {
    /// Count a packet with a picture.
    pub fn note(&mut self, bytes: u64, numbered: bool, now: Instant) {
        self.numbered |= numbered;
        if !self.numbered {
            self.bytes += bytes;
            self.since.get_or_insert(now);
        }
    }

    /// When [`ReceiverLimit::take`] is to be called; never while no picture comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !self.numbered)?;
        Some(since + INTERVAL)
    }

    /// The bit/s to tell the publisher, if it is time. `loss` is the share lost on the way, and
    /// `most_bps` what it may send in any case; 0 for no limit.
    pub fn take(&mut self, loss: Option<f64>, most_bps: u64, now: Instant) -> Option<u64> {
        self.deadline().filter(|at| *at <= now)?;
        let elapsed = now.saturating_duration_since(self.since.take()?);
        let bytes = std::mem::take(&mut self.bytes);
        let delivered = bytes * 8 * 1000 / (elapsed.as_millis() as u64).max(1);
        let limit = match loss {
            Some(loss) if loss > MUCH_LOSS => delivered * GIVE_WAY_PERCENT / 100,
            Some(loss) if loss > LITTLE_LOSS => delivered,
            _ => delivered * TRY_PERCENT / 100,
        };
        let most = if most_bps == 0 { u64::MAX } else { most_bps };
        Some(limit.min(most).max(LEAST_BPS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: u64, loss: Option<f64>, most_bps: u64) -> Option<u64> {
        let now = Instant::now();
        let mut limit = ReceiverLimit::default();
        limit.note(bytes, false, now);
        assert_eq!(limit.deadline(), Some(now + INTERVAL));
        assert_eq!(limit.take(loss, most_bps, now + INTERVAL / 2), None);
        let told = limit.take(loss, most_bps, now + INTERVAL);
        assert_eq!(limit.deadline(), None, "silence is not measured");
        told
    }

    #[test]
    fn what_was_delivered_says_what_may_be_tried() {
        assert_eq!(told(100_000, None, 0), Some(1_200_000));
        assert_eq!(told(100_000, Some(0.05), 0), Some(800_000));
        assert_eq!(told(100_000, Some(0.2), 0), Some(680_000));
        assert_eq!(told(100_000, None, 1_000_000), Some(1_000_000));
        assert_eq!(told(100_000, None, 1000), Some(LEAST_BPS));
        assert_eq!(told(10, None, 0), Some(LEAST_BPS));
    }

    #[test]
    fn who_has_feedback_is_told_nothing() {
        let now = Instant::now();
        let mut limit = ReceiverLimit::default();
        limit.note(1000, false, now);
        limit.note(1000, true, now);
        assert_eq!(limit.deadline(), None);
        assert_eq!(limit.take(None, 0, now + INTERVAL), None);
    }
}
