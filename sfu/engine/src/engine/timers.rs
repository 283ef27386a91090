//! Who is to be woken when: a heap, so that a turn costs what is due and not what exists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::router::{PeerKey, TrackKey};

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    Peer(PeerKey),
    /// A keyframe request that was put off.
    Keyframe(TrackKey),
}

/// Deadlines, earliest first. Entries may be stale: whoever is woken looks whether it is due.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    /// Wake `timer` at `at`.
    pub fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// The next deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Take one entry that is due, with the deadline it was set for.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let now = Instant::now();
        let mut timers = Timers::default();
        timers.set(now + Duration::from_secs(2), Timer::Peer(2));
        timers.set(now + Duration::from_secs(1), Timer::Keyframe(1));
        assert_eq!(timers.pop(now), None);
        let later = now + Duration::from_secs(3);
        assert_eq!(timers.pop(later).unwrap().1, Timer::Keyframe(1));
        assert_eq!(timers.pop(later).unwrap().1, Timer::Peer(2));
        assert_eq!(timers.pop(later), None);
    }
}
