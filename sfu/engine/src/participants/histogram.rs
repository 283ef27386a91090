//! Delays in bounded memory: 32 steps per power of two, so a quantile is exact to 3 %.

/// Steps per power of two, and the number of single microseconds before the first power.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Longer delays (67 s) count as this one.
const MAX_US: u64 = (1 << 26) - 1;

const BUCKETS: usize = (STEPS * (26 - STEP_BITS as u64 + 1)) as usize;

/// Counts of delays by size.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Count a delay of so many microseconds.
    pub fn add(&mut self, delay_us: u64) {
        self.counts[bucket(delay_us.min(MAX_US))] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(delay_us);
    }

    /// The longest delay in microseconds, exactly; 0 when empty.
    #[must_use]
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// How many were counted up to each greatest microsecond, where any were; ascending.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        let counted = self.counts.iter().enumerate();
        counted
            .filter(|(_, count)| **count > 0)
            .map(|(index, count)| (upper_edge(index), *count))
    }

    /// The delay in microseconds that the share `share` (0 to 1) of all do not exceed, to within
    /// one step above; 0 when empty.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> u64 {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_edge(index).min(self.max_us);
            }
        }
        0
    }
}

fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let shift = us.ilog2() - STEP_BITS;
    (u64::from(shift + 1) * STEPS + (us >> shift) - STEPS) as usize
}

/// The greatest value that [`bucket`] puts there.
fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((STEPS + index % STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        let mut expected = 0;
        for us in 0..200_000 {
            if us > upper_edge(expected) {
                expected += 1;
            }
            assert_eq!(bucket(us), expected, "{us}");
        }
        assert_eq!(bucket(MAX_US), BUCKETS - 1);
        assert_eq!(upper_edge(BUCKETS - 1), MAX_US);
    }

    #[test]
    fn an_empty_one_says_zero() {
        assert_eq!(Histogram::default().quantile_us(0.5), 0);
    }

    #[test]
    fn counts_say_where_they_were_counted() {
        let mut histogram = Histogram::default();
        [7, 7, 1000].into_iter().for_each(|us| histogram.add(us));
        let counts: Vec<_> = histogram.counts().collect();
        assert_eq!(counts, [(7, 2), (upper_edge(bucket(1000)), 1)]);
    }

    proptest! {
        #[test]
        fn quantiles_are_exact_to_three_percent(
            mut delays in prop::collection::vec(0..2 * MAX_US, 1..300),
            share in 0.0..=1.0f64,
        ) {
            let mut histogram = Histogram::default();
            delays.iter().for_each(|&delay| histogram.add(delay));
            delays.sort_unstable();
            let rank = ((delays.len() as f64 * share).ceil() as usize).clamp(1, delays.len());
            let exact = delays[rank - 1].min(MAX_US);
            let told = histogram.quantile_us(share);
            prop_assert!(exact <= told && told as f64 <= exact as f64 * 1.032, "{exact} {told}");
            prop_assert_eq!(histogram.max_us(), delays[delays.len() - 1]);
        }
    }
}
