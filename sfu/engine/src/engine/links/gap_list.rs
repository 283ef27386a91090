//! What is missing of one class of a link, as its receiving end knows it: a core without clock or socket.
//!
//! A number that was skipped is a gap from then on, is asked for after a moment (it may only be late) and again about each
//! round trip, until it comes or [`GIVE_UP_AFTER`] has passed. What comes is passed on as soon as it is there: whoever
//! waits for the order does so at the end of the path, once, and not on each hop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A gap is asked for when it is this old: packets overtake each other by less.
const FIRST_ASK_AFTER: Duration = Duration::from_millis(5);

/// From one request to the next: a round trip and this, and a quarter of both more each time. Over 300 ms a gap is asked for
/// six times; where each round fails with one in five, that leaves one of 16,000.
const MARGIN: Duration = Duration::from_millis(10);

/// Before a round trip was measured it is thought to take this.
const FIRST_RTT: Duration = Duration::from_millis(100);

/// What has not come by then is of no use: no receiver waits so long with a picture.
pub const GIVE_UP_AFTER: Duration = Duration::from_millis(2500);

/// Gaps that are known at most, the newest: 2.5 s of 10,000 packets/s, a third of them lost.
const MAX_GAPS: usize = 8192;

/// Requests leave this far apart, so that one message asks for much.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Ranges in one message: it fits one datagram.
pub const MAX_RANGES: usize = 200;

/// What the other end says it has sent is believed up to so many numbers ahead: the most that 16 bits can skip.
const MAX_LEAP: u64 = 1 << 15;

/// Consecutive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: u64,
    pub count: u32,
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    found: Instant,
    due: Instant,
    asked: u8,
}

/// The gaps of one class.
#[derive(Debug)]
pub struct GapList {
    /// The number after the newest that is known of.
    head: u64,
    gaps: BTreeMap<u64, Gap>,
    /// Before this no gap is due.
    next_due: Option<Instant>,
    asked_at: Option<Instant>,
    /// Gaps since somebody last asked how many.
    found: u32,
    given_up: u32,
}

impl GapList {
    /// Nothing came yet; the first number is `first`.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self {
            head: first,
            gaps: BTreeMap::new(),
            next_due: None,
            asked_at: None,
            found: 0,
            given_up: 0,
        }
    }

    /// Take a number that came in its stream; `false` when it came before, or was given up.
    pub fn arrive(&mut self, number: u64, now: Instant) -> bool {
        if number < self.head {
            return self.gaps.remove(&number).is_some();
        }
        self.skip_to(number, now);
        self.head = number.saturating_add(1);
        true
    }

    /// Take a number that was sent again; `false` when nobody waits for it.
    pub fn take_resent(&mut self, number: u64) -> bool {
        self.gaps.remove(&number).is_some()
    }

    /// The other end says that it has sent everything before `next`.
    pub fn sent_before(&mut self, next: u64, now: Instant) {
        if next > self.head && next - self.head <= MAX_LEAP {
            self.skip_to(next, now);
            self.head = next;
        }
    }

    fn skip_to(&mut self, number: u64, now: Instant) {
        if number == self.head {
            return;
        }
        let skipped = number - self.head;
        self.found = self.found.saturating_add(skipped.min(MAX_LEAP) as u32);
        let due = now + FIRST_ASK_AFTER;
        let first = number.saturating_sub(MAX_GAPS as u64).max(self.head);
        let lost = first - self.head;
        self.given_up = self.given_up.saturating_add(lost.min(MAX_LEAP) as u32);
        for missing in first..number {
            self.gaps.insert(
                missing,
                Gap {
                    found: now,
                    due,
                    asked: 0,
                },
            );
        }
        while self.gaps.len() > MAX_GAPS {
            self.gaps.pop_first();
            self.given_up = self.given_up.saturating_add(1);
        }
        self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
    }

    /// When [`GapList::ask`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let due = self.next_due.filter(|_| !self.gaps.is_empty())?;
        Some(self.asked_at.map_or(due, |at| due.max(at + ASK_EVERY)))
    }

    /// What is to be asked for now, at most [`MAX_RANGES`] ranges; the rest is due at once.
    pub fn ask(&mut self, rtt: Option<Duration>, now: Instant) -> Vec<Range> {
        if self.deadline().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let before = self.gaps.len();
        self.gaps.retain(|_, gap| now < gap.found + GIVE_UP_AFTER);
        let given_up = (before - self.gaps.len()) as u32;
        self.given_up = self.given_up.saturating_add(given_up);
        let wait = rtt.unwrap_or(FIRST_RTT).min(GIVE_UP_AFTER) + MARGIN;
        let mut ranges: Vec<Range> = Vec::new();
        let mut next_due: Option<Instant> = None;
        for (number, gap) in &mut self.gaps {
            if gap.due <= now {
                let goes_on = ranges
                    .last()
                    .is_some_and(|range| range.first + u64::from(range.count) == *number);
                if goes_on {
                    if let Some(range) = ranges.last_mut() {
                        range.count += 1;
                    }
                } else if ranges.len() < MAX_RANGES {
                    ranges.push(Range {
                        first: *number,
                        count: 1,
                    });
                } else {
                    next_due = Some(now);
                    continue;
                }
                gap.due = now + wait + wait * u32::from(gap.asked) / 4;
                gap.asked = gap.asked.saturating_add(1);
            }
            let due = gap.due.min(gap.found + GIVE_UP_AFTER);
            next_due = Some(next_due.map_or(due, |next| next.min(due)));
        }
        self.next_due = next_due;
        self.asked_at = Some(now);
        ranges
    }

    /// Gaps appeared since [`GapList::take_found`] was asked.
    #[must_use]
    pub fn has_found(&self) -> bool {
        self.found > 0
    }

    /// Gaps that appeared since the last call.
    pub fn take_found(&mut self) -> u32 {
        std::mem::take(&mut self.found)
    }

    /// Gaps that were given up since the last call.
    pub fn take_given_up(&mut self) -> u32 {
        std::mem::take(&mut self.given_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use std::collections::HashSet;

    const MS: Duration = Duration::from_millis(1);

    fn range(first: u64, count: u32) -> Range {
        Range { first, count }
    }

    #[test]
    fn gaps_are_asked_for_in_ranges_after_a_moment_and_again_after_a_round_trip() {
        let now = Instant::now();
        let mut list = GapList::new(1);
        for number in [1, 5, 6, 8] {
            assert!(list.arrive(number, now));
        }
        assert_eq!(list.take_found(), 4);
        assert_eq!(list.ask(Some(100 * MS), now), []);
        let now = now + FIRST_ASK_AFTER;
        assert_eq!(list.deadline(), Some(now));
        let asked = list.ask(Some(100 * MS), now);
        assert_eq!(asked, [range(2, 3), range(7, 1)]);
        assert!(
            list.arrive(7, now + MS),
            "late, or sent again in its stream"
        );
        assert!(list.take_resent(3));
        assert!(!list.take_resent(3), "once");
        assert_eq!(list.ask(Some(100 * MS), now + 100 * MS), []);
        let asked = list.ask(Some(100 * MS), now + 110 * MS);
        assert_eq!(asked, [range(2, 1), range(4, 1)]);
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let mut now = Instant::now();
        let mut list = GapList::new(1);
        list.arrive(2, now);
        let mut asked = 0;
        while let Some(at) = list.deadline() {
            now = at;
            asked += list.ask(Some(300 * MS), now).len();
        }
        assert_eq!((asked, list.take_given_up()), (6, 1));
        assert!(!list.arrive(1, now), "nobody waits for it any more");
    }

    #[test]
    fn the_end_of_a_burst_is_missed_when_the_sender_says_so() {
        let now = Instant::now();
        let mut list = GapList::new(1);
        list.arrive(1, now);
        list.sent_before(4, now);
        list.sent_before(3, now);
        list.sent_before(u64::MAX, now);
        assert_eq!(list.ask(None, now + 10 * MS), [range(2, 2)]);
        assert!(list.arrive(4, now));
    }

    #[test]
    fn gaps_without_end_are_bounded_and_asked_for_bit_by_bit() {
        let now = Instant::now();
        let mut list = GapList::new(1);
        for number in (0..100_000).step_by(2) {
            list.arrive(number, now);
        }
        assert_eq!(list.gaps.len(), MAX_GAPS);
        assert!(list.take_given_up() > 0);
        let now = now + 10 * MS;
        assert_eq!(list.ask(None, now).len(), MAX_RANGES);
        assert_eq!(list.deadline(), Some(now + ASK_EVERY));
        assert_eq!(list.ask(None, now + ASK_EVERY).len(), MAX_RANGES);
        list.arrive(u64::MAX, now);
        assert_eq!(list.gaps.len(), MAX_GAPS);
    }

    type Arrive = fn(&mut GapList, u64, Instant) -> bool;

    /// Whether over a path that loses, repeats and swaps every number passes once at most, and all pass in the end.
    fn all_pass_once(arrive: Arrive) -> bool {
        let fates = prop::collection::vec((0u8..10, any::<bool>()), 20..200);
        let outcome = TestRunner::deterministic().run(&fates, |fates| {
            let mut now = Instant::now();
            let (mut list, mut passed) = (GapList::new(1), HashSet::new());
            let last = fates.len() as u64;
            let mut held = None;
            for (number, (fate, again)) in (1..).zip(&fates) {
                now += MS;
                let mut coming = Vec::new();
                match fate {
                    0 | 1 => {}
                    2 => held = Some(number),
                    _ => coming.push(number),
                }
                if *fate > 2 {
                    coming.extend(held.take());
                }
                if *again {
                    coming.extend_from_within(..);
                }
                for number in coming {
                    if arrive(&mut list, number, now) {
                        prop_assert!(passed.insert(number));
                    }
                }
            }
            list.sent_before(last + 1, now);
            let mut tries = 0;
            while let Some(at) = list.deadline() {
                now = at;
                for range in list.ask(Some(20 * MS), now) {
                    for number in range.first..range.first + u64::from(range.count) {
                        tries += 1;
                        if tries % 3 != 0 && list.take_resent(number) {
                            prop_assert!(passed.insert(number));
                        }
                    }
                }
            }
            prop_assert_eq!(passed.len() as u64, last);
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn every_number_passes_once_and_a_list_that_forgets_is_found_out() {
        assert!(all_pass_once(GapList::arrive));
        // Does not note what it skips.
        assert!(!all_pass_once(|list, number, now| {
            let fresh = list.arrive(number, now);
            list.gaps.pop_last();
            fresh
        }));
        // Takes everything.
        assert!(!all_pass_once(|list, number, now| {
            list.arrive(number, now);
            true
        }));
    }
}
