//! When to probe, and at what rate: from the first guess up to what is wanted.
//!
//! ```text
//!   more is wanted --> 3x --> showed enough --> 2x --> ... --> all that is wanted
//!                              showed less --> again after a while
//! ```

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::{Outcome, Probe};

/// How far a first probe goes beyond the estimate; with the doubling that follows 3x and 6x, as browsers begin.
const FIRST: f64 = 3.0;

/// How far later ones go.
const FURTHER: f64 = 2.0;

/// A probe that showed at least this share of its rate is followed by another (browsers: 0.7).
const ENOUGH: f64 = 0.7;

/// No probe goes further beyond what is wanted: layers of a picture vary by as much.
const BEYOND_DESIRED: f64 = 1.5;

/// Slower probes take too long for five packets.
const LEAST_BPS: f64 = 300_000.0;

/// How long a probe lasts (browsers: 15 ms): long enough for a rate, short enough for queues.
const LASTS_S: f64 = 0.015;

/// Five packets of 1200 bytes.
const LEAST_BYTES: f64 = 6000.0;

/// While more is wanted than was shown. Browsers take 5 s; at 15 ms each, 3 s cost one percent of the
/// rate, and a page whose cap is lifted has its picture back within four seconds.
const PERIOD: Duration = Duration::from_secs(3);

/// Between the end of a probe and one because more is wanted than before, or that found nothing to send.
const SPACING: Duration = Duration::from_secs(1);

/// More is wanted when it is so many times what was wanted at the last probe.
const WANTED_MORE: f64 = 1.1;

/// What was had before a drop is tried again, less this (browsers: 0.85)...
const RECOVERY: f64 = 0.85;

/// ...for so long after it.
const RECOVERY_LASTS: Duration = Duration::from_secs(60);

/// Time for the padding itself and for a feedback, beyond the round trip, before a probe is given up.
const PATIENCE: Duration = Duration::from_millis(700);

/// Longest round trip that a probe is waited for.
const MAX_RTT: Duration = Duration::from_secs(1);

/// While the path is busy a probe is put off by this.
const PUT_OFF: Duration = Duration::from_millis(500);

/// What the rest of the estimator says to a probe that is due.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub estimate_bps: f64,
    /// A queue that is to drain or many losses: no time for padding.
    pub is_busy: bool,
    pub rtt: Duration,
}

/// A fall of the rate, in one step or several.
#[derive(Debug, Clone, Copy)]
struct Drop {
    from_bps: f64,
    first_at: Instant,
    newest_at: Instant,
}

impl Drop {
    fn is_remembered(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.first_at) < RECOVERY_LASTS
    }
}

/// The probes to one peer: one at a time.
#[derive(Debug)]
pub struct Probing {
    desired_bps: f64,
    /// What was wanted at the last probe.
    aimed_for_bps: f64,
    next_id: u32,
    running: Option<(Cluster, Instant)>,
    /// How far the next one goes beyond the estimate.
    step: f64,
    due_at: Instant,
    ended_at: Option<Instant>,
    drop: Option<Drop>,
}

impl Probing {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            desired_bps: 0.0,
            aimed_for_bps: 0.0,
            next_id: 0,
            running: None,
            step: FIRST,
            due_at: now,
            ended_at: None,
            drop: None,
        }
    }

    /// Bit/s that is wanted.
    pub fn set_desired(&mut self, bps: f64, now: Instant) {
        self.desired_bps = bps;
        if bps > self.aimed_for_bps * WANTED_MORE {
            self.aimed_for_bps = bps;
            self.step = FIRST;
            let soonest = self.ended_at.map_or(now, |at| now.max(at + SPACING));
            self.due_at = self.due_at.min(self.not_before(soonest));
        }
    }

    /// The rate fell from `bps` at `now`: wait, then try it again.
    pub fn note_drop(&mut self, bps: f64, now: Instant) {
        let drop = self
            .drop
            .filter(|drop| drop.is_remembered(now))
            .unwrap_or(Drop {
                from_bps: bps,
                first_at: now,
                newest_at: now,
            });
        self.drop = Some(Drop {
            from_bps: drop.from_bps.max(bps),
            newest_at: now,
            ..drop
        });
        self.step = FURTHER;
        self.due_at = self.not_before(self.due_at);
    }

    /// Packets flow again after silence: try soon.
    pub fn hurry(&mut self, now: Instant) {
        self.due_at = self.due_at.min(now + PUT_OFF);
    }

    /// Take what became of a packet, of a probe or not.
    pub fn add(&mut self, outcome: &Outcome, sent_us: i64) {
        if let Some((cluster, _)) = &mut self.running {
            cluster.add(outcome, sent_us);
        }
    }

    /// What the running probe showed, if that is known now. Schedules the next.
    pub fn conclude(&mut self, now: Instant) -> Option<f64> {
        let (cluster, _) = self.running.as_ref()?;
        let shown = cluster.result()?;
        let enough = shown >= cluster.probe.rate_bps as f64 * ENOUGH;
        let wait = if enough { Duration::ZERO } else { PERIOD };
        self.end(wait, now);
        Some(shown)
    }

    /// A probe that is due.
    pub fn probe(&mut self, situation: Situation, now: Instant) -> Option<Probe> {
        self.give_up(now);
        let enough = situation.estimate_bps >= self.desired_bps;
        if self.running.is_some() || enough || now < self.due_at {
            return None;
        }
        if situation.is_busy {
            self.due_at = now + PUT_OFF;
            return None;
        }
        let aim = (situation.estimate_bps * self.step)
            .max(self.recovery(now))
            .min(self.desired_bps * BEYOND_DESIRED)
            .max(LEAST_BPS);
        self.step = FURTHER;
        self.aimed_for_bps = self.desired_bps;
        let probe = Probe {
            id: self.next_id,
            rate_bps: aim as u64,
            bytes: (aim / 8.0 * LASTS_S).max(LEAST_BYTES) as u64,
        };
        self.next_id = self.next_id.wrapping_add(1);
        let until = now + situation.rtt.min(MAX_RTT) + PATIENCE;
        self.running = Some((Cluster::new(probe), until));
        Some(probe)
    }

    /// When [`Probing::probe`] may have something to do, with that estimate.
    #[must_use]
    pub fn deadline(&self, estimate_bps: f64) -> Option<Instant> {
        if let Some((_, until)) = &self.running {
            return Some(*until);
        }
        (estimate_bps < self.desired_bps).then_some(self.due_at)
    }

    fn recovery(&self, now: Instant) -> f64 {
        self.drop
            .filter(|drop| drop.is_remembered(now))
            .map_or(0.0, |drop| drop.from_bps * RECOVERY)
    }

    /// Not before `at`, and not soon after a drop.
    fn not_before(&self, at: Instant) -> Instant {
        self.drop.map_or(at, |drop| at.max(drop.newest_at + PERIOD))
    }

    fn give_up(&mut self, now: Instant) {
        if let Some((cluster, until)) = &self.running
            && now >= *until
        {
            let wait = if cluster.is_heard_of() {
                PERIOD
            } else {
                SPACING
            };
            self.end(wait, now);
        }
    }

    fn end(&mut self, wait: Duration, now: Instant) {
        self.running = None;
        self.ended_at = Some(now);
        self.due_at = self.not_before(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(estimate_bps: f64) -> Situation {
        Situation {
            estimate_bps,
            is_busy: false,
            rtt: 50 * MS,
        }
    }

    /// All packets of `probe` arrive at `rate_bps`.
    fn answer(probing: &mut Probing, probe: Probe, rate_bps: f64, now: Instant) -> Option<f64> {
        for packet in 0..=(probe.bytes / 1000) as i64 {
            let spread = |bps: f64| (packet as f64 * 8e9 / bps) as i64;
            let outcome = Outcome {
                sent: now,
                arrived_us: Some(spread(rate_bps)),
                bytes: 1000,
                probe: Some(probe.id),
            };
            probing.add(&outcome, spread(probe.rate_bps as f64));
        }
        probing.conclude(now)
    }

    #[test]
    fn it_begins_threefold_doubles_and_stops_where_more_is_not_wanted() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        assert_eq!(probing.probe(at(300e3), now), None, "nothing is wanted");
        probing.set_desired(2e6, now);
        assert_eq!(probing.deadline(300e3), Some(now));
        let mut estimate = 300e3;
        for rate in [900e3, 1.8e6, 3e6] {
            let probe = probing.probe(at(estimate), now).unwrap();
            assert!(
                (probe.rate_bps as f64 / rate - 1.0).abs() < 0.01,
                "{probe:?}"
            );
            assert_eq!(probing.probe(at(estimate), now), None, "one at a time");
            estimate = answer(&mut probing, probe, rate, now).unwrap();
        }
        assert_eq!(probing.probe(at(estimate), now), None);
        assert_eq!(probing.deadline(estimate), None);
    }

    #[test]
    fn a_probe_that_shows_little_is_repeated_after_a_while() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        probing.set_desired(5e6, now);
        let probe = probing.probe(at(1e6), now).unwrap();
        assert_eq!(probe.rate_bps, 3_000_000);
        assert!(answer(&mut probing, probe, 1.1e6, now).is_some());
        assert_eq!(probing.probe(at(1e6), now + PERIOD - MS), None);
        let again = probing.probe(at(1e6), now + PERIOD).unwrap();
        assert_eq!((again.rate_bps, again.id), (2_000_000, 1));
    }

    #[test]
    fn a_probe_that_nothing_came_of_is_given_up_and_tried_again() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        probing.set_desired(5e6, now);
        assert!(probing.probe(at(1e6), now).is_some());
        let until = probing.deadline(1e6).unwrap();
        assert_eq!(until, now + 50 * MS + PATIENCE);
        assert_eq!(probing.probe(at(1e6), until), None);
        assert_eq!(probing.deadline(1e6), Some(until + SPACING));
        assert!(probing.probe(at(1e6), until + SPACING).is_some());
    }

    #[test]
    fn what_was_had_before_a_drop_is_tried_after_a_while() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        probing.set_desired(4e6, now);
        probing.note_drop(4e6, now);
        probing.note_drop(1e6, now + MS);
        assert_eq!(probing.probe(at(400e3), now + PERIOD), None);
        let probe = probing.probe(at(400e3), now + PERIOD + MS).unwrap();
        assert_eq!(probe.rate_bps, 3_400_000);
        let later = now + RECOVERY_LASTS;
        probing.probe(at(400e3), later);
        let probe = probing.probe(at(400e3), later + PERIOD).unwrap();
        assert_eq!(probe.rate_bps, 800_000, "long ago");
    }

    #[test]
    fn it_soon_follows_a_wish_for_more_and_waits_while_the_path_is_busy() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        probing.set_desired(1e6, now);
        let probe = probing.probe(at(500e3), now).unwrap();
        assert_eq!(probe.rate_bps, 1_500_000, "not much beyond what is wanted");
        answer(&mut probing, probe, 600e3, now);
        probing.set_desired(1.05e6, now);
        assert_eq!(probing.deadline(1e6), Some(now + PERIOD));
        probing.set_desired(3e6, now);
        assert_eq!(probing.deadline(1e6), Some(now + SPACING));
        let now = now + SPACING;
        let busy = Situation {
            is_busy: true,
            ..at(1e6)
        };
        assert_eq!(probing.probe(busy, now), None);
        assert_eq!(probing.probe(at(1e6), now), None);
        assert!(probing.probe(at(1e6), now + PUT_OFF).is_some());
    }
}
