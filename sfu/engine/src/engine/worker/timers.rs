//! Who is to be woken when: ordered, so that a turn costs what is due and not what exists.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::engine::rooms::RoomKey;
use crate::engine::router::{PeerKey, TrackKey};

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    Peer(PeerKey),
    /// A keyframe request that was put off, of one encoding.
    Keyframe(TrackKey, u8),
    /// A subscriber's bandwidth is to be shared anew.
    Allocation(PeerKey),
    /// The source of a track is to hear what is wanted of it.
    Demand(TrackKey),
    /// Somebody speaks there.
    Room(RoomKey),
    /// A question to a STUN server.
    Stun,
    /// A TCP connection that is to prove itself, or to read on.
    Connection(usize),
    /// TCP connections are accepted again, which every turn does.
    Accept,
}

/// One deadline for each timer, earliest first.
#[derive(Debug, Default)]
pub struct Timers {
    order: BTreeSet<(Instant, Timer)>,
    set_for: HashMap<Timer, Instant>,
}

impl Timers {
    /// Wake `timer` by `at`. A deadline that is set earlier stays: whoever is woken too early looks,
    /// and sets the next one; that is cheaper than moving a deadline with every packet.
    pub fn wake_by(&mut self, at: Instant, timer: Timer) {
        if let Some(before) = self.set_for.get(&timer) {
            if *before <= at {
                return;
            }
            self.order.remove(&(*before, timer));
        }
        self.set_for.insert(timer, at);
        self.order.insert((at, timer));
    }

    /// Never mind.
    pub fn forget(&mut self, timer: Timer) {
        if let Some(at) = self.set_for.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Take one timer that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.set_for.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let now = Instant::now();
        let mut timers = Timers::default();
        timers.wake_by(now + 2 * S, Timer::Peer(2));
        timers.wake_by(now + S, Timer::Keyframe(1, 0));
        assert_eq!(timers.pop(now), None);
        assert_eq!(timers.pop(now + 3 * S), Some(Timer::Keyframe(1, 0)));
        assert_eq!(timers.pop(now + 3 * S), Some(Timer::Peer(2)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_timer_has_one_deadline_whatever_is_said_how_often() {
        let now = Instant::now();
        let mut timers = Timers::default();
        for round in 0..1000 {
            timers.wake_by(now + (round % 7 + 1) * S, Timer::Peer(1));
        }
        assert_eq!(timers.next(), Some(now + S));
        assert_eq!(timers.order.len(), 1);
        timers.forget(Timer::Peer(1));
        assert_eq!(timers.pop(now + 10 * S), None);
    }
}
