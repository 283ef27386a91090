//! How much one link may send, by what its other end reports: a core without clock or socket.
//!
//! There is no limit until the path shows one. A queue that grows, or stands for long, or a flood of losses, means that what
//! arrives is all that the path carries: the limit is a little less than that, and less still while the queue drains. After a
//! while it grows again, slowly; the media that it lets in is the probe. When that filled the path again, the next try comes
//! later. Losses alone are no sign: a link repairs them. Nor is a longer way: it is no shorter when less is sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::link_signal::Received;

/// A queue this long is no jitter...
const STANDING_MS: f64 = 50.0;

/// ...and the path is full when it grew in so many of the newest reports, by so much each...
const NEWEST: usize = 5;
const RISES: usize = 3;
const RISE_MS: f64 = 2.0;

/// ...or so large a share of them was lost...
const LOSING: f64 = 0.1;

/// ...and it stood for so long already: an engine that got no processor for a moment is late too, and no path is full...
const PERSISTS_FOR: Duration = Duration::from_millis(300);

/// ...or it stands for so long, whatever else.
const STANDS_FOR: Duration = Duration::from_secs(2);

/// Soon after more was let in a queue half as long that grew once by so much is enough: nothing is lost by a caution too many.
const TRIAL_MS: f64 = 25.0;
const TRIAL_RISE_MS: f64 = 10.0;
const TRIED_FOR: Duration = Duration::from_secs(1);

/// When so much less arrives than did at the cut, and so much of the queue is left, it is none.
const UNFILLED: f64 = 0.9;

/// A queue below this lets the limit grow.
const EMPTY_MS: f64 = 25.0;

/// What arrives is multiplied by this when the path is full, so that its queue drains (the beta of
/// draft-ietf-rmcat-gcc-02 section 4.4).
const DECREASE: f64 = 0.85;

/// While a queue drains no more is sent than what arrived less this for each millisecond of it, but this share at least.
const DRAINED_PER_MS: f64 = 1.0 / 600.0;
const LEAST_DRAINED: f64 = 0.5;

/// What flowed without a queue before more was let in may flow again, and a little more.
const KNOWN_GOOD: f64 = 1.05;

/// What arrives is taken over as many reports as make this.
const RATE_WINDOW: Duration = Duration::from_millis(300);

/// A path that drops rather than queues: so large a share of as many reports and packets is lost (three in ten lost at
/// random are as many as that once in 100,000 reports), and not at once, as by a path that was gone for a moment.
const FLOOD: f64 = 0.42;
const FLOOD_REPORTS: usize = 20;
const FLOOD_PACKETS: u64 = 300;
const LEAST_EACH: f64 = 0.2;
const MOST_OF_THEM: usize = 14;

/// A report of a longer time says nothing of the rate: something stood still.
const LONGEST_REPORT: Duration = Duration::from_millis(200);

/// A cut shows after a round trip and this.
const SHOWS_AFTER: Duration = Duration::from_millis(250);

/// The limit rests so long after a cut; twice as long after one that growth led to, up to the most.
const REST: Duration = Duration::from_secs(4);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A cut so soon after growth was led to by it.
const TRIAL: Duration = Duration::from_secs(10);

/// Growth in a second, at first; as much more for each [`FASTER_EVERY`] that it goes well.
const GROWTH: f64 = 0.08;
const FASTER_EVERY: Duration = Duration::from_secs(3);

/// A limit so far above what is wanted is none.
const FREE: f64 = 1.3;

/// No limit is lower: one stream of sound.
const FLOOR_BPS: f64 = 50_000.0;

/// Reports that are remembered at most.
const MAX_REPORTS: usize = 64;

/// What the sending end knows besides.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Bit/s that would be sent without a limit.
    pub wanted_bps: u64,
    pub rtt: Duration,
    /// When more was let in last.
    pub risen_at: Option<Instant>,
}

/// What one link may send.
#[derive(Debug)]
pub struct LinkBudget {
    limit_bps: Option<f64>,
    queue_ms: f64,
    /// What turned out to be no queue of what is reported as one.
    way_ms: f64,
    stands_since: Option<Instant>,
    queue_at_cut_ms: f64,
    arrived_at_cut: f64,
    /// What arrived before more was let in.
    good_bps: f64,
    reports: VecDeque<Received>,
    /// No other cut before.
    cut_from: Option<Instant>,
    grow_from: Option<Instant>,
    growing_since: Option<Instant>,
    grown_at: Option<Instant>,
    rest: Duration,
}

impl Default for LinkBudget {
    fn default() -> Self {
        Self {
            limit_bps: None,
            queue_ms: 0.0,
            way_ms: 0.0,
            stands_since: None,
            queue_at_cut_ms: 0.0,
            arrived_at_cut: 0.0,
            good_bps: 0.0,
            reports: VecDeque::new(),
            cut_from: None,
            grow_from: None,
            growing_since: None,
            grown_at: None,
            rest: REST,
        }
    }
}

impl LinkBudget {
    /// Bit/s of payloads that may be sent; `None` for as many as there are.
    #[must_use]
    pub fn limit_bps(&self) -> Option<u64> {
        let over_ms = (self.queue_ms - EMPTY_MS).max(0.0);
        let drained = (1.0 - over_ms * DRAINED_PER_MS).max(LEAST_DRAINED);
        let most = self.arrived_at_cut * drained;
        self.limit_bps
            .map(|bps| if over_ms > 0.0 { bps.min(most) } else { bps })
            .map(|bps| bps.max(FLOOR_BPS) as u64)
    }

    /// A queue stands before the path's narrow place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limit_bps.is_some() && self.queue_ms >= STANDING_MS
    }

    /// Take a report. Returns whether the limit fell.
    pub fn hear(&mut self, received: Received, situation: Situation, now: Instant) -> bool {
        let Situation {
            wanted_bps,
            rtt,
            risen_at,
        } = situation;
        self.reports.push_back(received);
        if self.reports.len() > MAX_REPORTS {
            self.reports.pop_front();
        }
        let before_ms = self.queue_ms;
        let reported_ms = f64::from(received.queue_us) / 1000.0;
        self.way_ms = self.way_ms.min(reported_ms);
        self.queue_ms = reported_ms - self.way_ms;
        if self.queue_ms < STANDING_MS {
            self.stands_since = None;
        } else if self.is_longer_way(now) {
            self.way_ms = reported_ms;
            self.queue_ms = 0.0;
            self.stands_since = None;
            (self.limit_bps, self.grow_from) = (None, None);
            return false;
        }
        let flood = self.is_flood();
        let tried = risen_at.is_some_and(|at| now < at + rtt + TRIED_FOR);
        let fails =
            tried && self.queue_ms >= TRIAL_MS && self.queue_ms >= before_ms + TRIAL_RISE_MS;
        if !fails && !self.is_queued(now) && !flood {
            if !tried && self.queue_ms < EMPTY_MS {
                self.good_bps = self.rate().unwrap_or(0.0);
            }
            self.grow(wanted_bps, now);
            return false;
        }
        self.grown_at = None;
        let drains = self.limit_bps.is_some()
            && !flood
            && self.queue_ms <= before_ms
            && self.queue_ms < self.queue_at_cut_ms * 0.9;
        if drains || self.cut_from.is_some_and(|from| now < from) {
            self.queue_at_cut_ms = self.queue_at_cut_ms.max(self.queue_ms);
            return false;
        }
        let good_bps = if tried { self.good_bps } else { 0.0 };
        self.cut(good_bps * KNOWN_GOOD, rtt, now)
    }

    /// A queue stands and grows, or loses, or stands for long.
    fn is_queued(&mut self, now: Instant) -> bool {
        if self.queue_ms < STANDING_MS {
            return false;
        }
        let since = *self.stands_since.get_or_insert(now);
        let newest = || self.reports.iter().rev().take(NEWEST);
        let before = self.reports.iter().rev().skip(1);
        let rises = newest()
            .zip(before)
            .filter(|(after, before)| {
                let rise_us = f64::from(after.queue_us) - f64::from(before.queue_us);
                rise_us > RISE_MS * 1000.0
            })
            .count();
        let lost: u64 = newest().map(|report| u64::from(report.lost)).sum();
        let came: u64 = newest().map(|report| u64::from(report.packets)).sum();
        let shows = rises >= RISES || lost as f64 > (lost + came) as f64 * LOSING;
        (shows && now >= since + PERSISTS_FOR) || now >= since + STANDS_FOR
    }

    /// Less arrives than the path was seen to carry, and the queue is as long as it was: it is none.
    fn is_longer_way(&self, now: Instant) -> bool {
        self.limit_bps.is_some()
            && self.cut_from.is_some_and(|from| now >= from)
            && self.queue_ms > self.queue_at_cut_ms * UNFILLED
            && self
                .rate()
                .is_some_and(|bps| bps < self.arrived_at_cut * UNFILLED)
    }

    /// Send less: what arrives, less a share, but not less than `least`.
    fn cut(&mut self, least: f64, rtt: Duration, now: Instant) -> bool {
        let Some(arrives) = self.rate() else {
            return false;
        };
        let by_growth = self.grow_from.is_some_and(|from| {
            let grew = now.saturating_duration_since(from);
            now > from && (self.limit_bps.is_some() || grew < TRIAL)
        });
        if by_growth {
            self.rest = (self.rest * 2).min(LONGEST_REST);
        } else if self.limit_bps.is_none() {
            self.rest = REST;
        }
        let aim = (arrives * DECREASE).max(least).max(FLOOR_BPS);
        self.limit_bps = Some(self.limit_bps.map_or(aim, |limit| limit.min(aim)));
        self.queue_at_cut_ms = self.queue_ms;
        self.arrived_at_cut = arrives;
        self.stands_since = Some(now);
        self.cut_from = Some(now + rtt + SHOWS_AFTER);
        self.grow_from = Some(now + self.rest);
        self.growing_since = None;
        self.reports.clear();
        true
    }

    fn grow(&mut self, wanted_bps: u64, now: Instant) {
        let Some(limit) = self.limit_bps else {
            return;
        };
        let rests = self.grow_from.is_some_and(|from| now < from);
        if rests || self.queue_ms > EMPTY_MS {
            self.grown_at = None;
            return;
        }
        let elapsed = self
            .grown_at
            .replace(now)
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
            .min(Duration::from_secs(1));
        let since = *self.growing_since.get_or_insert(now);
        let well = now.saturating_duration_since(since).as_secs_f64();
        let growth = GROWTH * (1.0 + well / FASTER_EVERY.as_secs_f64());
        let grown = limit * (1.0 + growth * elapsed.as_secs_f64());
        if grown > wanted_bps as f64 * FREE {
            // What the path carries is known to be enough, unless it fails soon.
            self.limit_bps = None;
            self.grow_from = Some(now);
            return;
        }
        self.limit_bps = Some(grown);
    }

    /// Bit/s that arrive; `None` before enough reports.
    fn rate(&self) -> Option<f64> {
        let (mut bytes, mut elapsed) = (0, Duration::ZERO);
        for report in self.reports.iter().rev() {
            let took = Duration::from_micros(report.elapsed_us.into());
            if elapsed >= RATE_WINDOW || took > LONGEST_REPORT {
                break;
            }
            bytes += u64::from(report.bytes);
            elapsed += took;
        }
        (elapsed >= RATE_WINDOW / 3).then(|| bytes as f64 * 8.0 / elapsed.as_secs_f64())
    }

    fn is_flood(&self) -> bool {
        if self.reports.len() < FLOOD_REPORTS {
            return false;
        }
        let (mut sent, mut lost, mut floods) = (0, 0, 0);
        for report in self.reports.iter().rev().take(FLOOD_REPORTS) {
            let all = u64::from(report.lost) + u64::from(report.packets);
            sent += all;
            lost += u64::from(report.lost);
            floods += usize::from(f64::from(report.lost) > all as f64 * LEAST_EACH);
        }
        sent >= FLOOD_PACKETS && lost as f64 > sent as f64 * FLOOD && floods >= MOST_OF_THEM
    }
}

#[cfg(test)]
mod tests;
