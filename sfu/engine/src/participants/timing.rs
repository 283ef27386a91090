//! How evenly the packets of one flow came: their delays, how these differ, silences, the first whole frame.

use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// A silence that people see as a freeze: three frames at 15 a second, the slowest picture that moves.
pub const FREEZE: Duration = Duration::from_millis(200);

/// What a packet is of its frame.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// RTP's, the same for all packets of a frame.
    pub timestamp: u32,
    pub begins: bool,
    pub ends: bool,
}

/// Times of one flow, duplicates left out.
#[derive(Default)]
pub struct Timing {
    pub delay_sum_us: u64,
    pub jitter_sum_us: u64,
    pub jitters: Histogram,
    last: Option<(Instant, u64)>,
    longest_gap: Duration,
    freezes: u64,
    frozen: Duration,
    frame: FirstFrame,
}

impl Timing {
    /// Count the next packet.
    pub fn take(&mut self, delay_us: u64, now: Instant) {
        self.delay_sum_us += delay_us;
        if let Some((at, before_us)) = self.last {
            let jitter_us = delay_us.abs_diff(before_us);
            self.jitter_sum_us += jitter_us;
            self.jitters.add(jitter_us);
            let gap = now.saturating_duration_since(at);
            self.longest_gap = self.longest_gap.max(gap);
            if gap > FREEZE {
                self.freezes += 1;
                self.frozen += gap;
            }
        }
        self.last = Some((now, delay_us));
    }

    /// Look whether a frame is whole with this packet; cheap once there was one.
    pub fn assemble(&mut self, number: u64, part: impl FnOnce() -> Part, now: Instant) {
        if self.frame.whole_at.is_none() {
            self.frame.take(number, part(), now);
        }
    }

    /// When the first frame was whole.
    #[must_use]
    pub fn first_frame(&self) -> Option<Instant> {
        self.frame.whole_at
    }

    /// How many silences were freezes, and how long they were together; the present one included.
    #[must_use]
    pub fn freezes(&self, now: Instant) -> (u64, Duration) {
        let silence = self.silence(now);
        if silence > FREEZE {
            (self.freezes + 1, self.frozen + silence)
        } else {
            (self.freezes, self.frozen)
        }
    }

    /// The longest silence since this was asked last, the present one included.
    pub fn take_longest_gap(&mut self, now: Instant) -> Duration {
        std::mem::take(&mut self.longest_gap).max(self.silence(now))
    }

    fn silence(&self, now: Instant) -> Duration {
        self.last
            .map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(at))
    }
}

/// The newest frame so far, until one is whole.
#[derive(Default)]
struct FirstFrame {
    whole_at: Option<Instant>,
    timestamp: u32,
    begin: Option<u64>,
    end: Option<u64>,
    packets: u64,
}

impl FirstFrame {
    fn take(&mut self, number: u64, part: Part, now: Instant) {
        if self.packets == 0 || self.timestamp != part.timestamp {
            *self = Self {
                timestamp: part.timestamp,
                ..Self::default()
            };
        }
        self.packets += 1;
        if part.begins {
            self.begin = Some(number);
        }
        if part.ends {
            self.end = Some(number);
        }
        if let (Some(begin), Some(end)) = (self.begin, self.end)
            && end.checked_sub(begin) == Some(self.packets - 1)
        {
            self.whole_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn part(timestamp: u32, begins: bool, ends: bool) -> Part {
        Part {
            timestamp,
            begins,
            ends,
        }
    }

    #[test]
    fn delays_and_their_differences_add_up() {
        let start = Instant::now();
        let mut timing = Timing::default();
        for (number, delay_us) in [1000, 1500, 900].into_iter().enumerate() {
            timing.take(delay_us, at(start, number as u64 * 20));
        }
        assert_eq!(timing.delay_sum_us, 3400);
        assert_eq!(timing.jitter_sum_us, 500 + 600);
        assert_eq!(timing.jitters.max_us(), 600);
    }

    #[test]
    fn a_silence_is_told_once_and_a_long_one_is_a_freeze() {
        let start = Instant::now();
        let mut timing = Timing::default();
        timing.take(0, start);
        timing.take(0, at(start, 300));
        timing.take(0, at(start, 320));
        let gap = |timing: &mut Timing, ms| timing.take_longest_gap(at(start, ms)).as_millis();
        assert_eq!(gap(&mut timing, 330), 300);
        assert_eq!(gap(&mut timing, 340), 20);
        let freezes = |ms| timing.freezes(at(start, ms));
        assert_eq!(freezes(340), (1, Duration::from_millis(300)));
        assert_eq!(freezes(620), (2, Duration::from_millis(600)));
    }

    #[test]
    fn a_frame_is_whole_when_all_of_it_is_there() {
        let start = Instant::now();
        let mut timing = Timing::default();
        let steps = [
            (1, part(7, false, true)),
            (2, part(8, true, false)),
            (4, part(8, false, true)),
            (5, part(9, true, false)),
            (7, part(9, false, true)),
            (6, part(9, false, false)),
            (8, part(10, true, true)),
        ];
        let mut whole = Vec::new();
        for (number, part) in steps {
            timing.assemble(number, || part, at(start, number));
            whole.push(timing.first_frame());
        }
        let late = Some(at(start, 6));
        assert_eq!(whole, [None, None, None, None, None, late, late]);
    }
}
