//! How long a turn waits for the rest of what is arriving.
//!
//! A sender's packets come in bursts: the packets of a picture within some hundred microseconds. Whoever wakes for
//! the first of them and forwards it alone pays for a turn and a send call a packet and subscriber. So while media
//! flows, a turn that was woken by a datagram sleeps for a moment first, takes the burst whole, drains each peer once
//! for all of it and hands each peer's datagrams to the kernel as one.

use std::time::{Duration, Instant};

/// 98 of 100 pictures that Chromium sent at 720p (9 packets each, recorded for the benchmark) arrived within this, from
/// their first packet to their last. It is a tenth of the 5 ms in which browsers pace a burst, and half of the 1 ms
/// that their bandwidth estimates can tell apart.
const MOMENT: Duration = Duration::from_micros(500);

/// Without a packet for so long nothing flows: a first packet, or a handshake, waits for nobody.
const STILL_FLOWS: Duration = Duration::from_millis(100);

/// Knows whether media flows.
#[derive(Debug, Default)]
pub struct Gathering {
    flowed: Option<Instant>,
}

impl Gathering {
    /// Packets were forwarded.
    pub fn flowed(&mut self, now: Instant) {
        self.flowed = Some(now);
    }

    /// How long to sleep before a turn that a datagram woke.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        match self.flowed {
            Some(at) if now.saturating_duration_since(at) < STILL_FLOWS => MOMENT,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flowing_media_is_waited_for() {
        let now = Instant::now();
        let mut gathering = Gathering::default();
        assert_eq!(gathering.wait(now), Duration::ZERO);
        gathering.flowed(now);
        assert_eq!(gathering.wait(now + Duration::from_millis(99)), MOMENT);
        assert_eq!(
            gathering.wait(now + Duration::from_millis(100)),
            Duration::ZERO
        );
    }
}
