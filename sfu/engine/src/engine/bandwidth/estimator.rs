//! The estimate of one peer, of all that is known of its path.

use std::time::{Duration, Instant};

use super::acknowledged::{LONG, RateWindow, SHORT};
use super::arrival_groups::{ArrivalGroups, Grouped};
use super::loss::{LossControl, Losses};
use super::probing::{Probing, Situation};
use super::queue::Queue;
use super::rate_control::RateControl;
use super::trendline::{Trendline, Usage};
use super::{CEILING_BPS, FLOOR_BPS, Outcome, Probe};

/// Less sent than this share of the estimate proves nothing about it (browsers: 0.65)...
const LIMITED: f64 = 0.65;

/// ...until it is more than this one.
const UNLIMITED: f64 = 0.75;

/// A queue below this is no over-use, however it grows: less is jitter (10 ms of it are usual on Wi-Fi).
const LEAST_QUEUE_MS: f64 = 12.0;

/// A queue above this, left by over-use, is drained by sending less than arrives...
const DRAIN_ABOVE_MS: f64 = 60.0;

/// ...so much less that it is gone after about this...
const DRAIN_WITHIN_MS: f64 = 1000.0;

/// ...but not below this share of the rate.
const LEAST_DRAINED: f64 = 0.25;

/// Delays of what left so soon after a probe show the queue of the probe.
const BLIND_US: i64 = 150_000;

/// Without feedback for so long the rate falls: three round trips of a slow path, or a lost report or ten.
const SILENCE: Duration = Duration::from_millis(1500);

/// It falls by this factor each step: from 3 Mbit/s to the floor in 11 s.
const SILENCE_STEP: Duration = Duration::from_millis(500);
const SILENCE_CUT: f64 = 0.8;

/// The bandwidth of one peer's path.
#[derive(Debug)]
pub struct Estimator {
    started: Instant,
    rtt: Duration,
    rate: RateControl,
    groups: ArrivalGroups,
    trend: Trendline,
    queue: Queue,
    /// A queue that over-use left is being drained.
    draining: bool,
    acknowledged: RateWindow,
    sent: RateWindow,
    limited: bool,
    loss: LossControl,
    probing: Probing,
    blind_until_us: i64,
    /// When the rate falls unless feedback comes.
    silent_at: Option<Instant>,
    silent: bool,
}

impl Estimator {
    /// Begin with `initial_bps`, a guess.
    #[must_use]
    pub fn new(initial_bps: u64, now: Instant) -> Self {
        Self {
            started: now,
            rtt: Duration::from_millis(100),
            rate: RateControl::new(initial_bps),
            groups: ArrivalGroups::default(),
            trend: Trendline::default(),
            queue: Queue::default(),
            draining: false,
            acknowledged: RateWindow::default(),
            sent: RateWindow::default(),
            limited: true,
            loss: LossControl::new(now),
            probing: Probing::new(now),
            blind_until_us: i64::MIN,
            silent_at: None,
            silent: false,
        }
    }

    /// Note a packet of media, sent for the first time or again, that leaves now. Not padding of probes.
    pub fn sent(&mut self, bytes: u32, now: Instant) {
        self.sent.add(self.clock_us(now), bytes);
        if self.silent_at.is_none() {
            let wait = if self.silent { SILENCE_STEP } else { SILENCE };
            self.silent_at = Some(now + wait);
        }
    }

    /// Take what became of packets, in the order in which they left, at a round trip of `rtt`.
    pub fn feedback(&mut self, outcomes: &[Outcome], rtt: Duration, now: Instant) {
        if outcomes.is_empty() {
            return;
        }
        self.rtt = rtt;
        self.silent_at = None;
        if std::mem::take(&mut self.silent) {
            self.probing.hurry(now);
        }
        for outcome in outcomes {
            self.take(outcome);
        }
        self.queue.conclude();
        let before = self.rate.bps();
        self.limit(now);
        let over_used = self.control(now);
        self.drain();
        let shown = self.probing.conclude(now);
        if self.rate.bps() < before {
            self.probing.note_drop(before, now);
        } else if let Some(shown) = shown
            && !over_used
            && shown > before
        {
            self.rate.set(shown);
        }
    }

    /// Bit/s that the wanted layers take; 0: nothing is wanted. Ask [`Estimator::probe`] afterwards.
    pub fn set_desired(&mut self, bps: u64, now: Instant) {
        self.probing.set_desired(bps.min(CEILING_BPS) as f64, now);
    }

    /// Bit/s that the path takes.
    #[must_use]
    pub fn estimate_bps(&self) -> u64 {
        let bps = (self.rate.bps() * self.drained()) as u64;
        bps.clamp(FLOOR_BPS, CEILING_BPS)
    }

    /// A probe that is due; to be asked after each feedback and at [`Estimator::deadline`].
    pub fn probe(&mut self, now: Instant) -> Option<Probe> {
        self.note_silence(now);
        let many = matches!(self.loss.losses(), Losses::Many { .. });
        let situation = Situation {
            estimate_bps: self.rate.bps(),
            is_busy: many || self.draining || self.silent,
            rtt: self.rtt,
        };
        self.probing.probe(situation, now)
    }

    /// When [`Estimator::probe`] is to be asked at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let probe = self.probing.deadline(self.rate.bps());
        match (probe, self.silent_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Our clock: microseconds since the start.
    fn clock_us(&self, now: Instant) -> i64 {
        let elapsed = now.saturating_duration_since(self.started);
        i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
    }

    fn take(&mut self, outcome: &Outcome) {
        let sent_us = self.clock_us(outcome.sent);
        self.probing.add(outcome, sent_us);
        match outcome.probe {
            None => self.loss.count(outcome.arrived_us.is_none()),
            Some(_) => self.blind_until_us = sent_us.saturating_add(BLIND_US),
        }
        let Some(arrived_us) = outcome.arrived_us else {
            return;
        };
        self.acknowledged.add(arrived_us, outcome.bytes);
        if sent_us < self.blind_until_us {
            return;
        }
        self.queue.add(sent_us, arrived_us);
        match self.groups.add(sent_us, arrived_us) {
            Grouped::Waits => {}
            Grouped::Complete(spacing) => self.trend.add(spacing),
            Grouped::Jumped => {
                self.trend = Trendline::default();
                self.queue = Queue::default();
                self.draining = false;
            }
        }
    }

    /// Whether what is sent falls short of the estimate.
    fn limit(&mut self, now: Instant) {
        let flows = self.sent.bps_until(LONG, self.clock_us(now)).unwrap_or(0.0);
        let share = if self.limited { UNLIMITED } else { LIMITED };
        self.limited = flows < self.rate.bps() * self.drained() * share;
    }

    /// Move the rate; returns whether the path is full.
    fn control(&mut self, now: Instant) -> bool {
        let builds_up = self.trend.usage() == Usage::Over && self.queue.ms() >= LEAST_QUEUE_MS;
        let over_used = builds_up || self.queue.surges();
        let flows = self.acknowledged.bps(LONG);
        let concluded = self.loss.conclude(self.rtt, now);
        if let Some(Losses::Many { by, flood }) = concluded {
            let cut = self.rate.bps() * by;
            let most = flows.filter(|_| flood).unwrap_or(cut);
            self.rate.set(cut.min(most));
        }
        if over_used {
            let newest = self.acknowledged.bps(SHORT);
            let least = flows.zip(newest).map(|(one, other)| one.min(other));
            self.rate.decrease(least.or(flows), self.rtt, now);
            self.draining = true;
            return true;
        }
        let grows = !self.limited
            && !self.draining
            && self.trend.usage() == Usage::Normal
            && self.loss.losses() == Losses::Few;
        match flows.filter(|_| grows) {
            Some(flows) => self.rate.increase(flows, self.rtt, now),
            None => self.rate.hold(),
        }
        false
    }

    fn drain(&mut self) {
        self.draining &= self.queue.ms() > DRAIN_ABOVE_MS;
    }

    /// The share of the rate that is left while a queue drains.
    fn drained(&self) -> f64 {
        if !self.draining {
            return 1.0;
        }
        let over_ms = (self.queue.ms() - DRAIN_ABOVE_MS).max(0.0);
        (1.0 - over_ms / DRAIN_WITHIN_MS).max(LEAST_DRAINED)
    }

    fn note_silence(&mut self, now: Instant) {
        if self.silent_at.is_some_and(|at| now >= at) {
            self.silent_at = None;
            self.silent = true;
            let before = self.rate.bps();
            self.rate.set(before * SILENCE_CUT);
            self.probing.note_drop(before, now);
        }
    }
}
