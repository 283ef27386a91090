//! What anybody still wants of a track, so that its source need not send the rest.
//!
//! A wish is told at once when it grows and a second late when it shrinks: whoever turns a page
//! and back shall not stop and start an encoder.

use std::time::{Duration, Instant};

/// How long a layer must be unwanted before its source hears of it.
pub const SHRINK_AFTER: Duration = Duration::from_secs(1);

/// What is wanted of a track: nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Encodings, by bit.
    pub encodings: u8,
    /// Spatial layers, from 0 to this one.
    pub spatial: u8,
}

impl Wanted {
    /// Everything that there may be.
    pub const ALL: Self = Self {
        encodings: u8::MAX,
        spatial: u8::MAX,
    };

    /// What either wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            encodings: self.encodings | other.encodings,
            spatial: self.spatial.max(other.spatial),
        }
    }
}

/// What the source of one track was told.
#[derive(Debug)]
pub struct Demand {
    told: Wanted,
    /// The wish shrank, and is told then.
    shrink_at: Option<Instant>,
}

impl Default for Demand {
    /// A source sends everything until it is told otherwise.
    fn default() -> Self {
        Self {
            told: Wanted::ALL,
            shrink_at: None,
        }
    }
}

impl Demand {
    /// What is wanted now. Returns what to tell the source, if anything.
    pub fn update(&mut self, wanted: Wanted, now: Instant) -> Option<Wanted> {
        if wanted == self.told {
            self.shrink_at = None;
            return None;
        }
        let grown = self.told.or(wanted);
        if grown != self.told {
            // What shrank meanwhile waits on.
            self.told = grown;
            return Some(grown);
        }
        let at = *self.shrink_at.get_or_insert(now + SHRINK_AFTER);
        if now < at {
            return None;
        }
        self.shrink_at = None;
        self.told = wanted;
        Some(wanted)
    }

    /// When [`Demand::update`] is to be called again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shrink_at
    }

    /// What the source was told.
    #[must_use]
    pub fn told(&self) -> Wanted {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn encodings(encodings: u8) -> Wanted {
        Wanted {
            encodings,
            ..Wanted::default()
        }
    }

    #[test]
    fn growth_is_told_at_once_and_shrinking_after_a_second() {
        let now = Instant::now();
        let mut demand = Demand::default();
        assert_eq!(demand.update(encodings(0b111), now), None);
        assert_eq!(demand.deadline(), Some(now + SHRINK_AFTER));
        let now = now + SHRINK_AFTER;
        assert_eq!(demand.update(encodings(0b111), now), Some(encodings(0b111)));
        assert_eq!(demand.update(encodings(0b001), now), None);
        let later = now + 900 * MS;
        assert_eq!(demand.update(encodings(0b001), later), None);
        // Wanted again in time: nobody hears of it.
        assert_eq!(demand.update(encodings(0b111), later), None);
        assert_eq!(demand.deadline(), None);
        assert_eq!(demand.update(encodings(0), later), None);
        let end = later + SHRINK_AFTER;
        assert_eq!(demand.update(encodings(0), end), Some(encodings(0)));
        assert_eq!(demand.update(encodings(0b010), end), Some(encodings(0b010)));
    }

    #[test]
    fn a_wish_that_grows_and_shrinks_is_told_in_two_steps() {
        let now = Instant::now();
        let mut demand = Demand {
            told: encodings(0b001),
            shrink_at: None,
        };
        assert_eq!(demand.update(encodings(0b010), now), Some(encodings(0b011)));
        assert_eq!(demand.update(encodings(0b010), now), None);
        let end = now + SHRINK_AFTER;
        assert_eq!(demand.update(encodings(0b010), end), Some(encodings(0b010)));
    }
}
