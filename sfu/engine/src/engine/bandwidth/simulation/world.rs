//! One sender, one bottleneck and one receiver, in steps of a millisecond; all chance comes from a seed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::bandwidth::{Estimator, Outcome, Probe};

const MS: Duration = Duration::from_millis(1);
const PACKET_BYTES: u64 = 1200;
/// A picture each 33 ms, its packets two a millisecond.
const FRAME_MS: u64 = 33;
const PACKETS_PER_MS: u64 = 2;

/// A sequence of numbers from a seed (SplitMix64).
struct Seeded(u64);

impl Seeded {
    /// Between 0 and 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What a path is like; may change while packets flow.
#[derive(Clone, Copy)]
pub struct Path {
    pub rate_bps: f64,
    /// What the bottleneck holds before it drops.
    pub queue_ms: f64,
    /// One way.
    pub delay_ms: f64,
    pub jitter_ms: f64,
    pub loss: f64,
    pub feedback_ms: u64,
    /// Reports come back.
    pub answers: bool,
}

pub const PATH: Path = Path {
    rate_bps: 10e6,
    queue_ms: 3000.0,
    delay_ms: 25.0,
    jitter_ms: 0.0,
    loss: 0.0,
    feedback_ms: 50,
    answers: true,
};

struct Flying {
    outcome: Outcome,
    /// Milliseconds since the start, by the receiver; infinite when it gets lost.
    arrives_ms: f64,
}

/// A sender, a path and a receiver whose clock is off by a day.
pub struct World {
    pub path: Path,
    random: Seeded,
    start: Instant,
    pub ms: u64,
    pub estimator: Estimator,
    desired_bps: u64,
    /// Media that is sent, for an estimate.
    pub flow: fn(u64, u64) -> u64,
    frame: u64,
    probe: Option<(Probe, u64)>,
    busy_until_ms: f64,
    flying: VecDeque<Flying>,
    reports: VecDeque<(u64, Vec<Outcome>, Duration)>,
    arrived_bytes: u64,
    pub queue_ms: f64,
    pub probes: u32,
    pub least_bps: u64,
    pub most_bps: u64,
}

/// As much as the estimate allows, up to what is wanted.
pub fn all_of_it(estimate: u64, desired: u64) -> u64 {
    estimate.min(desired)
}

/// The best of three layers that fits.
pub fn layers(estimate: u64, desired: u64) -> u64 {
    let layers = [100_000, 500_000, 1_500_000, 3_000_000];
    let fits = |layer: &u64| *layer <= estimate.min(desired);
    layers.into_iter().rfind(fits).unwrap_or(50_000)
}

impl World {
    pub fn new(seed: u64, path: Path, initial_bps: u64, desired_bps: u64) -> Self {
        let start = Instant::now();
        let mut estimator = Estimator::new(initial_bps, start);
        estimator.set_desired(desired_bps, start);
        Self {
            path,
            random: Seeded(seed),
            start,
            ms: 0,
            estimator,
            desired_bps,
            flow: all_of_it,
            frame: 0,
            probe: None,
            busy_until_ms: 0.0,
            flying: VecDeque::new(),
            reports: VecDeque::new(),
            arrived_bytes: 0,
            queue_ms: 0.0,
            probes: 0,
            least_bps: u64::MAX,
            most_bps: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + MS * self.ms as u32
    }

    /// Let time pass. Returns the bit/s that arrived meanwhile; `least_bps` and `most_bps` are of this time.
    pub fn run(&mut self, ms: u64) -> u64 {
        (self.arrived_bytes, self.least_bps, self.most_bps) = (0, u64::MAX, 0);
        for _ in 0..ms {
            self.step();
            let estimate = self.estimator.estimate_bps();
            self.least_bps = self.least_bps.min(estimate);
            self.most_bps = self.most_bps.max(estimate);
        }
        self.arrived_bytes * 8000 / ms
    }

    fn step(&mut self) {
        self.ms += 1;
        self.send();
        if self.ms.is_multiple_of(self.path.feedback_ms) {
            self.report();
        }
        let now = self.now();
        while self.reports.front().is_some_and(|(at, ..)| *at <= self.ms) {
            if let Some((_, outcomes, rtt)) = self.reports.pop_front() {
                self.estimator.feedback(&outcomes, rtt, now);
                self.ask();
            }
        }
        if self.estimator.deadline().is_some_and(|at| at <= now) {
            self.ask();
            let next = self.estimator.deadline();
            assert!(next.is_none_or(|at| at > now), "a timer that never ends");
        }
    }

    fn ask(&mut self) {
        if let Some(probe) = self.estimator.probe(self.now()) {
            assert!(self.probe.is_none(), "one probe at a time");
            self.probes += 1;
            self.probe = Some((probe, self.ms));
        }
    }

    fn send(&mut self) {
        if self.ms.is_multiple_of(FRAME_MS) {
            let bps = (self.flow)(self.estimator.estimate_bps(), self.desired_bps);
            self.frame += bps * FRAME_MS / 8000;
        }
        for _ in 0..PACKETS_PER_MS {
            let bytes = self.frame.min(PACKET_BYTES);
            if bytes > 0 {
                self.frame -= bytes;
                self.estimator.sent(bytes as u32, self.now());
                self.transmit(bytes, None);
            }
        }
        if let Some((probe, began)) = self.probe {
            let by_now = probe.rate_bps * (self.ms - began + 1) / 8000;
            let mut sent = probe.rate_bps * (self.ms - began) / 8000;
            while sent < by_now.min(probe.bytes) {
                self.transmit((by_now - sent).min(PACKET_BYTES), Some(probe.id));
                sent += PACKET_BYTES;
            }
            if by_now >= probe.bytes {
                self.probe = None;
            }
        }
    }

    fn transmit(&mut self, bytes: u64, probe: Option<u32>) {
        let now = self.ms as f64;
        self.queue_ms = (self.busy_until_ms - now).max(0.0);
        let lost = self.queue_ms > self.path.queue_ms || self.random.next() < self.path.loss;
        let mut arrives_ms = f64::INFINITY;
        if !lost {
            self.busy_until_ms =
                now.max(self.busy_until_ms) + bytes as f64 * 8000.0 / self.path.rate_bps;
            let jitter = self.random.next() * self.path.jitter_ms;
            arrives_ms = self.busy_until_ms + self.path.delay_ms + jitter;
        }
        let outcome = Outcome {
            sent: self.now(),
            arrived_us: None,
            bytes: bytes as u32,
            probe,
        };
        self.flying.push_back(Flying {
            outcome,
            arrives_ms,
        });
    }

    /// The receiver tells of all up to the newest that it has.
    fn report(&mut self) {
        let now = self.ms as f64;
        let Some(newest) = self.flying.iter().rposition(|one| one.arrives_ms <= now) else {
            return;
        };
        let rtt = self.ms as f64 + self.path.delay_ms
            - (self.flying[newest].outcome.sent - self.start).as_secs_f64() * 1000.0;
        let outcomes = self.flying.drain(..=newest).map(|mut one| {
            // In steps of 250 us, as the feedback of browsers; a day off.
            one.outcome.arrived_us = (one.arrives_ms <= now)
                .then(|| (one.arrives_ms * 4.0) as i64 * 250 - 86_400_000_000);
            self.arrived_bytes += one
                .outcome
                .arrived_us
                .map_or(0, |_| u64::from(one.outcome.bytes));
            one.outcome
        });
        let outcomes: Vec<_> = outcomes.collect();
        if self.path.answers {
            let at = self.ms + self.path.delay_ms as u64;
            self.reports
                .push_back((at, outcomes, Duration::from_secs_f64(rtt / 1000.0)));
        }
    }

    pub fn estimate(&self) -> u64 {
        self.estimator.estimate_bps()
    }
}
