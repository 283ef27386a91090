//! What a stream may be asked for again: its packets of the last second, whose payloads all streams of a track share.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::content::Content;

/// How long a packet is kept. A second lets a receiver ask several times over the longest round trips of a call; the rest
/// is for what lies between a packet and the request for it.
pub const MAX_AGE: Duration = Duration::from_millis(1100);

/// The oldest packets are looked at once in so many: they lie where the cache has long forgotten them.
const LOOK_EVERY: u8 = 16;

#[derive(Debug)]
struct Kept {
    sequence: u64,
    at: Instant,
    /// From then to its newest resend, microseconds; 0 before the first.
    resent_us: u32,
    content: Content,
}

/// The newest packets of one stream, by their numbers.
#[derive(Debug)]
pub struct Resends {
    kept: VecDeque<Kept>,
    most: usize,
    since_look: u8,
}

impl Resends {
    /// Keep so many packets at most, whatever their age.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            most,
            since_look: 0,
        }
    }

    /// Keep a packet that is sent now.
    pub fn keep(&mut self, sequence: u64, content: Content, now: Instant) {
        self.since_look += 1;
        if self.since_look >= LOOK_EVERY || self.kept.len() >= self.most {
            self.since_look = 0;
            self.forget_old(now);
        }
        let kept = Kept {
            sequence,
            at: now,
            resent_us: 0,
            content,
        };
        match self.kept.back() {
            Some(newest) if newest.sequence >= sequence => {
                let at = self.kept.partition_point(|one| one.sequence < sequence);
                self.kept.insert(at, kept);
            }
            _ => self.kept.push_back(kept),
        }
    }

    /// Let go of what is too old to be asked for, also where nothing is sent any more.
    pub fn forget_old(&mut self, now: Instant) {
        while self.kept.len() >= self.most
            || self
                .kept
                .front()
                .is_some_and(|oldest| now.saturating_duration_since(oldest.at) > MAX_AGE)
        {
            self.kept.pop_front();
        }
    }

    /// The packet that a receiver misses, unless it was resent within `pause`: that one is still on its way.
    pub fn take(
        &mut self,
        sequence: u16,
        pause: Duration,
        now: Instant,
    ) -> Option<(u64, &Content)> {
        let newest = self.kept.back()?.sequence;
        let behind = (newest as u16).wrapping_sub(sequence);
        let sequence = newest.checked_sub(behind.into())?;
        let at = self
            .kept
            .binary_search_by_key(&sequence, |one| one.sequence)
            .ok()?;
        let kept = self.kept.get_mut(at)?;
        let age = now.saturating_duration_since(kept.at);
        let resent = Duration::from_micros(kept.resent_us.into());
        if age > MAX_AGE || (kept.resent_us > 0 && age < resent + pause) {
            return None;
        }
        kept.resent_us = (age.as_micros() as u32).max(1);
        Some((sequence, &kept.content))
    }

    /// The newest packet, to be sent again as padding.
    #[must_use]
    pub fn newest(&self) -> Option<(u64, &Content)> {
        self.kept.back().map(|kept| (kept.sequence, &kept.content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 100;
    const PAUSE: Duration = Duration::from_millis(50);

    fn content(time: u32) -> Content {
        Content {
            time,
            ..Content::default()
        }
    }

    fn time_of(resends: &mut Resends, sequence: u16, now: Instant) -> Option<u32> {
        let (_, content) = resends.take(sequence, PAUSE, now)?;
        Some(content.time)
    }

    #[test]
    fn a_packet_is_found_by_its_number_also_one_that_came_late() {
        let now = Instant::now();
        let mut resends = Resends::new(MOST);
        for sequence in [65_534, 65_537, 65_535] {
            resends.keep(sequence, content(sequence as u32), now);
        }
        assert_eq!(time_of(&mut resends, 1, now), Some(65_537));
        assert_eq!(time_of(&mut resends, 65_535, now), Some(65_535));
        assert_eq!(time_of(&mut resends, 0, now), None);
        assert_eq!(time_of(&mut resends, 2, now), None);
    }

    #[test]
    fn one_on_its_way_is_not_sent_again_and_an_old_one_neither() {
        let now = Instant::now();
        let mut resends = Resends::new(MOST);
        resends.keep(7, content(7), now);
        assert_eq!(time_of(&mut resends, 7, now), Some(7));
        assert_eq!(time_of(&mut resends, 7, now + PAUSE / 2), None);
        assert_eq!(time_of(&mut resends, 7, now + 2 * PAUSE), Some(7));
        assert_eq!(time_of(&mut resends, 7, now + 2 * MAX_AGE), None);
        for number in 8..8 + u64::from(LOOK_EVERY) {
            resends.keep(number, content(8), now + 2 * MAX_AGE);
        }
        assert_eq!(resends.kept.front().map(|kept| kept.sequence), Some(8));
    }

    #[test]
    fn a_burst_leaves_no_more_than_the_bound() {
        let now = Instant::now();
        let mut resends = Resends::new(MOST);
        for sequence in 0..3 * MOST as u64 {
            resends.keep(sequence, content(1), now);
        }
        assert_eq!(resends.kept.len(), MOST);
        assert_eq!(
            resends.newest().map(|(sequence, _)| sequence),
            Some(3 * MOST as u64 - 1)
        );
    }
}
