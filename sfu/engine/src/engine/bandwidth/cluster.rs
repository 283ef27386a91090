//! What one probe showed: how fast it left, and how fast it arrived.

use super::{Outcome, Probe};

/// So much of a probe has to arrive before it counts.
const LEAST_ARRIVED: f64 = 0.8;

/// Fewer packets have no rate.
const LEAST_PACKETS: u32 = 4;

/// A probe that is spread over more than this is none.
const LONGEST_US: i64 = 1_000_000;

/// One that arrived so much faster than it left sat behind something else on the way.
const MAX_COMPRESSION: f64 = 2.0;

/// Arrival below this share of departure: the path was full.
const FULL: f64 = 0.9;

/// What a full path is then trusted with, so that the queue of the probe drains.
const DISCOUNT: f64 = 0.95;

/// A count of bytes between a first and a last time.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
    at_first: u64,
    at_last: u64,
}

impl Span {
    fn new(at: i64) -> Self {
        Self {
            first: at,
            last: at,
            at_first: 0,
            at_last: 0,
        }
    }

    fn add(&mut self, at: i64, bytes: u64) {
        if at < self.first {
            (self.first, self.at_first) = (at, 0);
        }
        if at > self.last {
            (self.last, self.at_last) = (at, 0);
        }
        if at == self.first {
            self.at_first = self.at_first.saturating_add(bytes);
        }
        if at == self.last {
            self.at_last = self.at_last.saturating_add(bytes);
        }
    }

    fn bps(&self, bytes: u64) -> Option<f64> {
        let width = self.last.saturating_sub(self.first);
        (1..=LONGEST_US)
            .contains(&width)
            .then(|| bytes as f64 * 8e6 / width as f64)
    }
}

/// The packets of one probe, and those of media between them, as far as they were reported on.
#[derive(Debug)]
pub struct Cluster {
    pub probe: Probe,
    packets: u32,
    /// Padding that arrived.
    padding: u64,
    /// All that arrived, first to last packet of the probe.
    bytes: u64,
    /// Media since the newest packet of the probe.
    between: u64,
    sent: Option<Span>,
    arrived: Option<Span>,
}

impl Cluster {
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            packets: 0,
            padding: 0,
            bytes: 0,
            between: 0,
            sent: None,
            arrived: None,
        }
    }

    /// Whether any of its packets arrived.
    #[must_use]
    pub fn is_heard_of(&self) -> bool {
        self.packets > 0
    }

    /// Take what became of a packet that left at `sent_us`.
    pub fn add(&mut self, outcome: &Outcome, sent_us: i64) {
        let Some(arrived_us) = outcome.arrived_us else {
            return;
        };
        let bytes = u64::from(outcome.bytes);
        if outcome.probe != Some(self.probe.id) {
            self.between = self.between.saturating_add(bytes);
            return;
        }
        let sent = self.sent.get_or_insert(Span::new(sent_us));
        let arrived = self.arrived.get_or_insert(Span::new(arrived_us));
        if self.packets > 0 {
            self.bytes = self.bytes.saturating_add(self.between);
        }
        self.between = 0;
        self.packets = self.packets.saturating_add(1);
        self.padding = self.padding.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        sent.add(sent_us, bytes);
        arrived.add(arrived_us, bytes);
    }

    /// Bit/s that it showed, once enough of it arrived.
    #[must_use]
    pub fn result(&self) -> Option<f64> {
        let enough = (self.probe.bytes as f64 * LEAST_ARRIVED) as u64;
        if self.packets < LEAST_PACKETS || self.padding < enough {
            return None;
        }
        let (sent, arrived) = (self.sent?, self.arrived?);
        // What left last took its time after the last departure, what arrived first before the first arrival.
        let left = sent.bps(self.bytes.saturating_sub(sent.at_last))?;
        let came = arrived.bps(self.bytes.saturating_sub(arrived.at_first))?;
        if came > left * MAX_COMPRESSION {
            return None;
        }
        let shown = if came < left * FULL {
            came * DISCOUNT
        } else {
            came.min(left)
        };
        // Media may have made it faster than it was meant to be: a few milliseconds prove no more than was asked.
        Some(shown.min(self.probe.rate_bps as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const PROBE: Probe = Probe {
        id: 3,
        rate_bps: 4_000_000,
        bytes: 10_000,
    };

    /// A probe of ten packets of 1000 bytes, each `left_us` and `came_us` apart, with those `lost`.
    fn result(left_us: i64, came_us: i64, lost: u32) -> Option<f64> {
        let mut cluster = Cluster::new(PROBE);
        for at in 0..10 {
            let outcome = Outcome {
                sent: Instant::now(),
                arrived_us: (at % 10 >= lost).then_some(7 + i64::from(at) * came_us),
                bytes: 1000,
                probe: Some(3),
            };
            cluster.add(&outcome, i64::from(at) * left_us);
        }
        cluster.result()
    }

    #[test]
    fn the_slower_of_both_rates_counts() {
        assert_eq!(result(2000, 2000, 0), Some(4_000_000.0));
        assert_eq!(result(4000, 3000, 0), Some(2_000_000.0));
        assert_eq!(
            result(2000, 8000, 0),
            Some(950_000.0),
            "a full path is discounted"
        );
        assert_eq!(
            result(1000, 1000, 0),
            Some(4_000_000.0),
            "no more than was asked"
        );
    }

    #[test]
    fn a_probe_of_which_too_little_came_says_nothing() {
        assert!(result(2000, 2000, 2).is_some());
        assert_eq!(result(2000, 2000, 3), None);
        assert_eq!(result(2000, 500, 0), None, "it sat behind something");
        assert_eq!(result(0, 2000, 0), None);
        assert_eq!(result(2000, 0, 0), None);
        assert_eq!(result(2000, 200_000, 0), None);
    }

    #[test]
    fn media_in_between_counts_and_media_around_does_not() {
        let mut cluster = Cluster::new(Probe {
            rate_bps: 40_000_000,
            ..PROBE
        });
        for at in -20..30 {
            let outcome = Outcome {
                sent: Instant::now(),
                arrived_us: Some(at * 1000),
                bytes: 1000,
                probe: ((0..20).contains(&at) && at % 2 == 0).then_some(3),
            };
            cluster.add(&outcome, at * 1000);
        }
        assert_eq!(cluster.result(), Some(8_000_000.0));
    }
}
