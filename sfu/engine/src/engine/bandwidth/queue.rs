//! How long packets wait on the way, beyond the shortest transit of late.

/// The shortest transit is taken over one to two of these. Clocks of two machines drift apart by less
/// than a millisecond in that time.
const EPOCH_US: i64 = 5_000_000;

/// Waits above this, of all packets of [`SURGE_US`], are no jitter and no frame that arrives in pieces.
const SURGE_WAIT_US: i64 = 60_000;

/// Two frames of 30 a second and a little: what arrives in that time shows whether a queue grows.
const SURGE_US: i64 = 80_000;

/// A queue that grows by more than 0.3 s a second is growing fast: a third of what is sent does not get through.
const SURGE_GROWTH: i64 = 3;
const SURGE_PER: i64 = 10;

/// The waits of the newest packets, against the shortest transit of two epochs.
#[derive(Debug, Default)]
pub struct Queue {
    epoch: Option<Epoch>,
    /// The least wait since the last [`Queue::conclude`].
    least_us: Option<i64>,
    standing_us: i64,
    /// Arrival and wait from which on every packet waited long.
    since: Option<(i64, i64)>,
    surges: bool,
}

#[derive(Debug)]
struct Epoch {
    began_us: i64,
    least: i64,
    least_before: i64,
}

impl Queue {
    /// Take a packet that left at `sent_us` of our clock and arrived at `arrived_us` of another.
    pub fn add(&mut self, sent_us: i64, arrived_us: i64) {
        let transit_us = arrived_us.saturating_sub(sent_us);
        let epoch = self.epoch.get_or_insert(Epoch {
            began_us: sent_us,
            least: transit_us,
            least_before: transit_us,
        });
        if sent_us.saturating_sub(epoch.began_us) >= EPOCH_US {
            epoch.began_us = sent_us;
            epoch.least_before = epoch.least;
            epoch.least = transit_us;
        }
        epoch.least = epoch.least.min(transit_us);
        let wait_us = transit_us.saturating_sub(epoch.least.min(epoch.least_before));
        self.least_us = Some(self.least_us.map_or(wait_us, |least| least.min(wait_us)));
        self.watch(arrived_us, wait_us);
    }

    /// All packets of a feedback were taken.
    pub fn conclude(&mut self) {
        match self.least_us.take() {
            Some(least) => self.standing_us = least,
            None => self.surges = false,
        }
    }

    /// Milliseconds that each packet since [`Queue::conclude`] waited at least, if there were any.
    #[must_use]
    pub fn least_ms(&self) -> Option<f64> {
        self.least_us.map(|us| us as f64 / 1000.0)
    }

    /// Milliseconds that each packet of the last feedback waited at least.
    #[must_use]
    pub fn ms(&self) -> f64 {
        self.standing_us as f64 / 1000.0
    }

    /// The queue grows so fast that there is no time for a line through many groups: a frame that left in
    /// 3 ms may take 200 ms to arrive, and is but one group.
    #[must_use]
    pub fn surges(&self) -> bool {
        self.surges
    }

    fn watch(&mut self, arrived_us: i64, wait_us: i64) {
        if wait_us < SURGE_WAIT_US {
            self.since = None;
            self.surges = false;
            return;
        }
        let (since, wait_then) = *self.since.get_or_insert((arrived_us, wait_us));
        let elapsed = arrived_us.saturating_sub(since);
        if elapsed >= SURGE_US {
            let grown = wait_us.saturating_sub(wait_then);
            self.surges = grown.saturating_mul(SURGE_PER) >= elapsed.saturating_mul(SURGE_GROWTH);
            self.since = Some((arrived_us, wait_us));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets each 20 ms from `from` to `until`, with a transit by number.
    fn add(queue: &mut Queue, from: i64, until: i64, transit_ms: impl Fn(i64) -> i64) {
        for at in from..until {
            queue.add(at * 20_000, at * 20_000 + transit_ms(at) * 1000);
        }
        queue.conclude();
    }

    #[test]
    fn a_queue_is_what_the_quickest_packet_waits_more_than_the_least() {
        let mut queue = Queue::default();
        add(&mut queue, 0, 100, |_| -900);
        assert_eq!(queue.ms(), 0.0);
        add(&mut queue, 100, 120, |at| -800 + at % 2 * 50);
        assert_eq!(queue.ms(), 100.0);
        assert!(!queue.surges(), "it stands");
    }

    #[test]
    fn a_longer_way_is_no_queue_after_ten_seconds() {
        let mut queue = Queue::default();
        add(&mut queue, 0, 1, |_| 0);
        add(&mut queue, 1, 600, |_| 200);
        add(&mut queue, 600, 601, |_| 200);
        assert_eq!(queue.ms(), 0.0);
    }

    #[test]
    fn a_queue_that_grows_fast_is_seen_within_a_few_packets() {
        let mut queue = Queue::default();
        add(&mut queue, 0, 100, |at| at % 3 * 10);
        assert!(!queue.surges());
        add(&mut queue, 100, 110, |at| (at - 100) * 20);
        assert!(queue.surges());
        add(&mut queue, 110, 120, |_| 200);
        assert!(!queue.surges());
    }

    #[test]
    fn a_link_that_slept_is_no_surge() {
        let mut queue = Queue::default();
        add(&mut queue, 0, 100, |_| 0);
        add(&mut queue, 100, 115, |at| (115 - at) * 20);
        assert!(!queue.surges());
    }
}
