//! Named oddities since the start: everything that is dropped or ignored is counted by name.

use std::collections::BTreeMap;

/// The counters, by the name that the node shows.
#[derive(Debug, Default)]
pub struct Counters {
    counts: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Count one.
    pub fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// Count several.
    pub fn add(&mut self, name: &'static str, amount: u64) {
        if amount > 0 {
            *self.counts.entry(name).or_default() += amount;
        }
    }

    /// As the node reads them.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, u64> {
        self.counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }
}
