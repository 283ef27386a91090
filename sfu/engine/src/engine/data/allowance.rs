//! How much one sender may say: messages and bytes a second, each with room for a burst.

use std::time::Instant;

/// Positions of a game at 60 Hz on several channels, with room to spare.
pub const MESSAGES_PER_S: f64 = 500.0;
const MESSAGES_AT_ONCE: f64 = 1000.0;

/// Every byte goes out once for each receiver: 2 Mbit/s, as a camera sends.
pub const BYTES_PER_S: f64 = 262_144.0;
const BYTES_AT_ONCE: f64 = 1_048_576.0;

/// Messages refused without a pause before the sender counts as one that floods: ten seconds at
/// twice what it may.
const PATIENCE: f64 = 5000.0;

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    TooMuch,
    /// It has been far too much for far too long.
    Flood,
}

/// What one sender has left.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    messages: f64,
    bytes: f64,
    patience: f64,
    at: Option<Instant>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            messages: MESSAGES_AT_ONCE,
            bytes: BYTES_AT_ONCE,
            patience: PATIENCE,
            at: None,
        }
    }
}

impl Allowance {
    /// Spend a message of so many bytes; one that is refused costs nothing but patience.
    pub fn spend(&mut self, bytes: usize, now: Instant) -> Verdict {
        let passed = self
            .at
            .replace(now)
            .map_or(0.0, |before| (now - before).as_secs_f64());
        self.messages = (self.messages + passed * MESSAGES_PER_S).min(MESSAGES_AT_ONCE);
        self.bytes = (self.bytes + passed * BYTES_PER_S).min(BYTES_AT_ONCE);
        self.patience = (self.patience + passed * MESSAGES_PER_S).min(PATIENCE);
        let bytes = bytes as f64;
        if self.messages >= 1.0 && self.bytes >= bytes {
            self.messages -= 1.0;
            self.bytes -= bytes;
            return Verdict::Allowed;
        }
        self.patience -= 1.0;
        if self.patience < 0.0 {
            Verdict::Flood
        } else {
            Verdict::TooMuch
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Verdicts on a sender of so many messages a second for so long.
    fn verdicts(per_s: u32, bytes: usize, seconds: u32) -> (u32, u32, u32) {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        let mut counts = (0, 0, 0);
        for number in 0..per_s * seconds {
            let now = start + Duration::from_secs(1) * number / per_s;
            match allowance.spend(bytes, now) {
                Verdict::Allowed => counts.0 += 1,
                Verdict::TooMuch => counts.1 += 1,
                Verdict::Flood => counts.2 += 1,
            }
        }
        counts
    }

    #[test]
    fn what_is_allowed_is_allowed_for_ever() {
        assert_eq!(verdicts(499, 100, 60), (499 * 60, 0, 0));
        assert_eq!(verdicts(15, 16 * 1024, 60), (15 * 60, 0, 0));
    }

    #[test]
    fn what_is_too_much_is_cut_down_to_the_allowance() {
        let (allowed, refused, floods) = verdicts(900, 10, 60);
        assert!((30_999..=31_001).contains(&allowed), "{allowed}");
        assert_eq!((allowed + refused, floods), (54_000, 0));
        let (allowed, ..) = verdicts(100, 16 * 1024, 60);
        assert!(
            (64 + 16 * 60 - 2..=64 + 16 * 60).contains(&allowed),
            "{allowed}"
        );
    }

    #[test]
    fn a_flood_is_noticed_within_seconds() {
        assert_eq!(verdicts(2000, 10, 4).2, 0);
        assert!(verdicts(2000, 10, 8).2 > 0);
    }
}
