//! The numbers of a stream, each once.
//!
//! None is sealed twice: two packets under one number of a counter mode, and the first one's secret is the second one's
//! too (RFC 3711 section 9.1, RFC 7714 section 8.4). None is heard twice, or whoever keeps a packet could say it again.

/// Numbers behind the newest that still count: packets that come this late are of no use to anybody.
const WINDOW: u64 = 1024;
const WORD: u64 = u64::BITS as u64;

/// The numbers of one stream that were used.
#[derive(Debug, Default)]
pub struct Once {
    /// One bit a number, at its remainder by [`WINDOW`].
    used: [u64; (WINDOW / WORD) as usize],
    /// The number after the newest.
    head: u64,
}

impl Once {
    /// Note that a number is used now; `false` when it must not be.
    #[must_use]
    pub fn first(&mut self, number: u64) -> bool {
        if number >= self.head {
            let fresh = number.saturating_add(1);
            if fresh - self.head >= WINDOW {
                self.used = Default::default();
            } else {
                (self.head..fresh).for_each(|between| self.set(between, false));
            }
            self.head = fresh;
        } else if number + WINDOW < self.head || self.is_set(number) {
            return false;
        }
        self.set(number, true);
        true
    }

    fn is_set(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.used[word] & bit != 0
    }

    fn set(&mut self, number: u64, used: bool) {
        let (word, bit) = place(number);
        if used {
            self.used[word] |= bit;
        } else {
            self.used[word] &= !bit;
        }
    }
}

fn place(number: u64) -> (usize, u64) {
    let at = number % WINDOW;
    ((at / WORD) as usize, 1 << (at % WORD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use std::collections::HashSet;

    #[test]
    fn late_is_allowed_once_and_too_late_is_not() {
        let mut once = Once::default();
        for number in [5, 6, 9] {
            assert!(once.first(number));
        }
        assert_eq!(
            [7, 7, 9, 5].map(|number| once.first(number)),
            [true, false, false, false]
        );
        assert!(once.first(9 + WINDOW));
        assert!(!once.first(8));
        assert!(once.first(10));
    }

    /// Whether no number passes twice, and none that is fresh is refused.
    fn holds(first: fn(&mut Once, u64) -> bool) -> bool {
        let steps = prop::collection::vec(-1500i64..1500, 1..400);
        let outcome = TestRunner::deterministic().run(&steps, |steps| {
            let (mut once, mut seen) = (Once::default(), HashSet::new());
            let (mut at, mut newest) = (3000i64, -1);
            for step in steps {
                at = (at + step).max(0);
                let fresh = at > newest;
                newest = newest.max(at);
                let passed = first(&mut once, at as u64);
                prop_assert!(!passed || seen.insert(at));
                prop_assert!(passed || !fresh);
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn no_number_passes_twice_and_one_that_forgets_to_clear_is_found_out() {
        assert!(holds(Once::first));
        assert!(!holds(|once, number| {
            once.head = once.head.max(number + 1);
            once.first(number)
        }));
    }
}
