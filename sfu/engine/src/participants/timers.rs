//! One heap for all timers, in which a timer can be moved without being searched for.
//!
//! Moving a timer later leaves its old entry in the heap; when that comes up, it is put back at the
//! right time. So a timer has one live entry, and one that is moved with every packet (a client's
//! retransmissions) costs nothing until it is due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

struct Armed {
    wanted: Instant,
    queued: Instant,
}

/// Timers by number.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    armed: HashMap<usize, Armed>,
}

impl Timers {
    /// Set or move a timer.
    pub fn arm(&mut self, timer: usize, at: Instant) {
        if let Some(armed) = self.armed.get_mut(&timer) {
            armed.wanted = at;
            if at >= armed.queued {
                return;
            }
            armed.queued = at;
        } else {
            let armed = Armed {
                wanted: at,
                queued: at,
            };
            self.armed.insert(timer, armed);
        }
        self.heap.push(Reverse((at, timer)));
    }

    /// Forget a timer.
    pub fn disarm(&mut self, timer: usize) {
        self.armed.remove(&timer);
    }

    /// When to look again; early at worst.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A timer that is due, which is then forgotten.
    pub fn pop_due(&mut self, now: Instant) -> Option<usize> {
        while let Some(&Reverse((at, timer))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let Some(armed) = self.armed.get_mut(&timer) else {
                continue;
            };
            if armed.queued != at {
                continue;
            }
            if armed.wanted <= now {
                self.armed.remove(&timer);
                return Some(timer);
            }
            armed.queued = armed.wanted;
            self.heap.push(Reverse((armed.wanted, timer)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[derive(Clone, Debug)]
    enum Step {
        Arm(usize, u64),
        Disarm(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..5usize, 0..50u64).prop_map(|(timer, ms)| Step::Arm(timer, ms)),
            (0..5usize).prop_map(Step::Disarm),
            (0..20u64).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_when_it_was_last_set_for(steps in steps()) {
            let start = Instant::now();
            let (mut now, mut timers, mut model) = (0, Timers::default(), HashMap::new());
            let at = |ms| start + Duration::from_millis(ms);
            for step in steps {
                match step {
                    Step::Arm(timer, ms) => {
                        timers.arm(timer, at(now + ms));
                        model.insert(timer, now + ms);
                    }
                    Step::Disarm(timer) => {
                        timers.disarm(timer);
                        model.remove(&timer);
                    }
                    Step::Wait(ms) => now += ms,
                }
                let mut fired: Vec<usize> = std::iter::from_fn(|| timers.pop_due(at(now))).collect();
                fired.sort_unstable();
                let mut due: Vec<usize> =
                    model.iter().filter(|(_, when)| **when <= now).map(|(timer, _)| *timer).collect();
                due.sort_unstable();
                prop_assert_eq!(&fired, &due);
                due.iter().for_each(|timer| { model.remove(timer); });
                let next = model.values().min().map(|ms| at(*ms));
                prop_assert!(next.is_none_or(|next| timers.next().is_some_and(|told| told <= next)));
            }
        }
    }
}
