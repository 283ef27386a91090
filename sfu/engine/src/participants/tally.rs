//! What arrived of one kind from one sender, by the numbers in its stamps.
//!
//! The newest [`WINDOW`] numbers are kept as bits. A number that leaves the window without its bit
//! is lost; until then it is missing and may still come, resent or overtaken.

use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// Numbers that may still come: five seconds of sound, four of a small picture. A multiple of 64.
pub const WINDOW: u64 = 256;

/// Where a packet's number falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before.
    Newest,
    /// Older than the newest, for the first time and in time.
    Reordered,
    /// Once more.
    Duplicate,
    /// After it was given up.
    Late,
}

/// Which of the numbers have come.
pub struct Sequence {
    bits: [u64; (WINDOW / 64) as usize],
    first: u64,
    newest: u64,
    lost: u64,
}

impl Sequence {
    /// Begin with the first packet's number.
    #[must_use]
    pub fn new(first: u64) -> Self {
        let mut sequence = Self {
            bits: [0; (WINDOW / 64) as usize],
            first,
            newest: first,
            lost: 0,
        };
        sequence.mark(first);
        sequence
    }

    /// Take the next packet's number.
    pub fn take(&mut self, number: u64) -> Arrival {
        if number > self.newest {
            self.slide(number);
            self.mark(number);
            return Arrival::Newest;
        }
        if self.newest - number >= WINDOW {
            return Arrival::Late;
        }
        if self.has(number) {
            return Arrival::Duplicate;
        }
        self.first = self.first.min(number);
        self.mark(number);
        Arrival::Reordered
    }

    /// Numbers that left the window without having come.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Numbers in the window that have not come yet.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let span = self.newest - self.oldest() + 1;
        span - self
            .bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum::<u64>()
    }

    /// The oldest number that counts and is still in the window.
    fn oldest(&self) -> u64 {
        self.first.max(self.newest.saturating_sub(WINDOW - 1))
    }

    fn slide(&mut self, newest: u64) {
        if newest - self.newest >= WINDOW {
            // All in the window leave it, and so do those that were skipped over.
            self.lost += self.missing() + (newest - WINDOW - self.newest);
            self.bits = Default::default();
        } else {
            for number in self.newest + 1..=newest {
                if number >= WINDOW && number - WINDOW >= self.first && !self.has(number) {
                    self.lost += 1;
                }
                self.bits[word(number)] &= !bit(number);
            }
        }
        self.newest = newest;
    }

    /// Whether the bit stands that `number` shares with the one a window before it.
    fn has(&self, number: u64) -> bool {
        self.bits[word(number)] & bit(number) != 0
    }

    fn mark(&mut self, number: u64) {
        self.bits[word(number)] |= bit(number);
    }
}

fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

/// Counters of one kind from one sender.
pub struct Tally {
    sequence: Sequence,
    pub packets: u64,
    pub bytes: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub late: u64,
    pub delays: Histogram,
    pub first_at: Instant,
    last_at: Instant,
    longest_gap: Duration,
}

impl Tally {
    /// Begin with the first packet.
    #[must_use]
    pub fn new(number: u64, delay_us: u64, bytes: usize, now: Instant) -> Self {
        let mut delays = Histogram::default();
        delays.add(delay_us);
        Self {
            sequence: Sequence::new(number),
            packets: 1,
            bytes: bytes as u64,
            duplicates: 0,
            reordered: 0,
            late: 0,
            delays,
            first_at: now,
            last_at: now,
            longest_gap: Duration::ZERO,
        }
    }

    /// Count the next packet; false for one that came before, or is given up already.
    pub fn take(&mut self, number: u64, delay_us: u64, bytes: usize, now: Instant) -> bool {
        match self.sequence.take(number) {
            Arrival::Newest => {}
            Arrival::Reordered => self.reordered += 1,
            Arrival::Duplicate => {
                self.duplicates += 1;
                return false;
            }
            Arrival::Late => {
                self.late += 1;
                return false;
            }
        }
        self.packets += 1;
        self.bytes += bytes as u64;
        self.delays.add(delay_us);
        self.longest_gap = self.longest_gap(now);
        self.last_at = now;
        true
    }

    /// The longest silence so far, the present one included.
    #[must_use]
    pub fn longest_gap(&self, now: Instant) -> Duration {
        self.longest_gap
            .max(now.saturating_duration_since(self.last_at))
    }

    /// See [`Sequence::lost`].
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sequence.lost()
    }

    /// See [`Sequence::missing`].
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.sequence.missing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The same by the book: every number that ever came is remembered.
    struct Model {
        window: u64,
        came: HashSet<u64>,
        first: u64,
        newest: u64,
    }

    impl Model {
        fn run(window: u64, numbers: &[u64]) -> (Vec<Arrival>, u64, u64) {
            let mut model = Self {
                window,
                came: HashSet::from([numbers[0]]),
                first: numbers[0],
                newest: numbers[0],
            };
            let arrivals = numbers[1..].iter().map(|&n| model.take(n)).collect();
            let edge = model.newest.saturating_sub(window - 1).max(model.first);
            let absent = |range: std::ops::Range<u64>| {
                range.filter(|n| !model.came.contains(n)).count() as u64
            };
            (
                arrivals,
                absent(model.first..edge),
                absent(edge..model.newest + 1),
            )
        }

        fn take(&mut self, number: u64) -> Arrival {
            if number > self.newest {
                self.newest = number;
                self.came.insert(number);
                return Arrival::Newest;
            }
            if number + self.window <= self.newest {
                return Arrival::Late;
            }
            if !self.came.insert(number) {
                return Arrival::Duplicate;
            }
            self.first = self.first.min(number);
            Arrival::Reordered
        }
    }

    fn count(numbers: &[u64]) -> (Vec<Arrival>, u64, u64) {
        let mut sequence = Sequence::new(numbers[0]);
        let arrivals = numbers[1..].iter().map(|&n| sequence.take(n)).collect();
        (arrivals, sequence.lost(), sequence.missing())
    }

    proptest! {
        #[test]
        fn the_window_counts_like_the_book(numbers in prop::collection::vec(0..900u64, 1..400)) {
            prop_assert_eq!(count(&numbers), Model::run(WINDOW, &numbers));
        }

        #[test]
        fn mostly_in_order_counts_like_the_book(
            start in 0..1000u64,
            steps in prop::collection::vec((0..4u64, 0..6u64), 1..600),
        ) {
            let mut next = start + 6;
            let numbers: Vec<u64> = steps
                .iter()
                .map(|(ahead, back)| {
                    next += ahead;
                    next - back
                })
                .collect();
            prop_assert_eq!(count(&numbers), Model::run(WINDOW, &numbers));
        }
    }

    #[test]
    fn the_property_kills_a_window_off_by_one() {
        let numbers: Vec<u64> = [0, 2].into_iter().chain(3..=WINDOW + 1).collect();
        assert_eq!(count(&numbers), Model::run(WINDOW, &numbers));
        assert_ne!(count(&numbers), Model::run(WINDOW + 1, &numbers));
    }

    #[test]
    fn a_leap_to_the_end_of_numbers_costs_nothing() {
        let mut sequence = Sequence::new(7);
        assert_eq!(sequence.take(u64::MAX), Arrival::Newest);
        assert_eq!(sequence.lost() + sequence.missing(), u64::MAX - 8);
    }

    #[test]
    fn gaps_in_time_are_the_longest_silence() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally::new(0, 10, 100, at(0));
        tally.take(1, 10, 100, at(300));
        tally.take(2, 10, 100, at(320));
        assert_eq!(tally.longest_gap(at(330)), Duration::from_millis(300));
        assert_eq!(tally.longest_gap(at(920)), Duration::from_millis(600));
    }
}
