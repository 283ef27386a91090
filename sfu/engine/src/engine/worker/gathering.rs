//! How long a turn waits for the rest of what is arriving.
//!
//! A sender's packets come in bursts: the packets of a picture within some hundred microseconds. Whoever wakes for
//! the first of them and forwards it alone pays for a turn and a send call a packet and subscriber. So a turn that has
//! only the beginning of a picture, or that follows the one before closely, sleeps for a moment, takes the burst whole,
//! drains each peer once for all of it and hands each peer's datagrams to the kernel as one.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::control::messages::MediaKind;
use crate::engine::media::packet::MediaPacket;

/// 98 of 100 pictures that Chromium sent at 720p (9 packets each, recorded for the benchmark) arrived within this, from
/// their first packet to their last. It is a tenth of the 5 ms in which browsers pace a burst, and half of the 1 ms
/// that their bandwidth estimates can tell apart.
const MOMENT: Duration = Duration::from_micros(500);

/// While a picture goes on, the socket is looked at this often: a look costs a tenth of what forwarding a part does. A
/// first look after 25 us sent a burst in twice as many parts, and made a hop longer, not shorter: the next node wakes
/// for each part.
pub const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Nanoseconds by which the kernel may prolong a sleep of a worker; other threads' by 50 us, a quarter of a look.
const SLACK_NS: NonZeroU64 = NonZeroU64::new(1000).unwrap();

/// A picture that is not complete by then goes on in the next turn.
pub const LONGEST: Duration = Duration::from_millis(1);

/// Turns that follow each other more closely than this forward more than a thousand times a second.
const BUSY: Duration = Duration::from_millis(1);

/// Knows how busy it is.
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
            Some(at) if now.saturating_duration_since(at) < BUSY => MOMENT,
            _ => Duration::ZERO,
        }
    }
}

/// Let this thread's sleeps end when they are to. Where the kernel refuses, they are longer.
pub fn sleep_exactly() {
    let _ = rustix::thread::set_current_timer_slack(Some(SLACK_NS));
}

/// Whether the newest packet leaves its picture unfinished: the marker is on the last one (RFC 7741 section 4.1 and
/// its like).
#[must_use]
pub fn goes_on(newest: &MediaPacket) -> bool {
    newest.codec.kind() == MediaKind::Video && !newest.marker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_turn_is_waited_for() {
        let now = Instant::now();
        let mut gathering = Gathering::default();
        assert_eq!(gathering.wait(now), Duration::ZERO);
        gathering.flowed(now);
        assert_eq!(gathering.wait(now + Duration::from_micros(999)), MOMENT);
        assert_eq!(
            gathering.wait(now + Duration::from_millis(1)),
            Duration::ZERO
        );
    }
}
