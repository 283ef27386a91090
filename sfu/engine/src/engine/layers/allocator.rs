//! Shares the bandwidth of one subscriber among its lines.
//!
//! 1. Sound comes first: it is taken off before.
//! 2. Every line gets its lowest layer before any gets a second step. Where not even that fits, the
//!    least important lines get nothing until it does; the most important one always gets it.
//! 3. Then step by step, the most important lines first and among equals whoever has least, up to
//!    what the page shows and the room allows.
//!
//! What a line has it keeps while it fits; more it gets only with room to spare and seldom, because
//! estimates and rates waver, and every change of encoding costs a keyframe.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::Layer;
use super::table::Rung;

/// A step up must leave this much of itself unused, in hundredths: measured rates waver by a tenth.
const SPARE_PERCENT: u64 = 15;

/// More bit/s than anybody has, and little enough to count with.
const UNLIMITED: u64 = u64::MAX / 4;

/// What a line has it may exceed the estimate by one in so many of.
const KEEP_TOLERANCE: u64 = 10;

/// Between two steps up of one line: an estimate needs about as long to feel the first.
const UPGRADE_INTERVAL: Duration = Duration::from_secs(1);

/// Who had the next step already goes before others of its kind, unless they have less than this
/// much of what it has, in hundredths: else lines that cost the same would take turns.
const PEER_PERCENT: u64 = 75;

/// A picture may be stretched by a tenth each way before more pixels are worth their bits.
const STRETCH_PERCENT: u64 = 120;

/// What one line may have.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What flows, from the least to the most.
    pub rungs: &'a [Rung],
    /// Pixels that the page shows; `None` for as many as there are.
    pub shown_pixels: Option<u32>,
    /// Pixels that the room allows; `None` for any number.
    pub allowed_pixels: Option<u32>,
    /// 255 is the most important.
    pub priority: u8,
    /// The page does not show it at all.
    pub paused: bool,
    /// What the line was given last.
    pub given: Grant,
    /// When it last was given more than before.
    pub upgraded_at: Option<Instant>,
}

/// What a line gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// Nothing of the track is known yet, or flows.
    #[default]
    Unknown,
    /// Nothing, as its page wants.
    Paused,
    /// Nothing, because it does not fit.
    Starved,
    Layer(Layer),
}

/// Everybody's share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// For each line, in the order of the asks.
    pub grants: Vec<Grant>,
    /// Bit/s of everything granted, with sound.
    pub sum_bps: u64,
    /// Bit/s that would give everybody what is wanted.
    pub desired_bps: u64,
}

/// What the bandwidth is shared by.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bit/s that the path to the subscriber takes; `None` while nobody knows.
    pub estimate_bps: Option<u64>,
    /// Bit/s of sound.
    pub audio_bps: u64,
    /// Lines may be starved; not so while the estimate is still finding its level.
    pub may_starve: bool,
}

struct Candidate<'a> {
    at: usize,
    ask: &'a Ask<'a>,
    /// Highest rung that is of use.
    cap: usize,
    rung: Option<usize>,
    /// Rung that it had.
    had: Option<usize>,
    stuck: bool,
}

impl Candidate<'_> {
    fn rate(&self) -> u64 {
        self.rung.map_or(0, |rung| self.ask.rungs[rung].rate_bps)
    }

    /// Whose turn it is to get more: the lowest's.
    fn turn(&self) -> u64 {
        if self.had > self.rung {
            self.rate() * PEER_PERCENT / 100
        } else {
            self.rate()
        }
    }

    /// What the next rung costs more than this one.
    fn step(&self) -> Option<u64> {
        let next = self.rung.map_or(0, |rung| rung + 1);
        (next <= self.cap).then(|| self.ask.rungs[next].rate_bps - self.rate())
    }
}

/// Share the bandwidth.
#[must_use]
pub fn allocate(budget: &Budget, asks: &[Ask<'_>], now: Instant) -> Allocation {
    let whole = budget.estimate_bps.unwrap_or(UNLIMITED).min(UNLIMITED);
    let tolerance = (whole / KEEP_TOLERANCE) as i64;
    let mut left = whole as i64 - budget.audio_bps as i64;
    let mut candidates: Vec<Candidate<'_>> = asks
        .iter()
        .enumerate()
        .filter(|(_, ask)| !ask.paused && !ask.rungs.is_empty())
        .map(|(at, ask)| Candidate {
            at,
            ask,
            cap: cap(ask),
            rung: None,
            had: had(ask),
            stuck: false,
        })
        .collect();
    candidates.sort_by_key(|one| {
        let starved = one.ask.given == Grant::Starved;
        (
            Reverse(one.ask.priority),
            starved,
            one.ask.rungs[0].rate_bps,
        )
    });
    for (place, one) in candidates.iter_mut().enumerate() {
        let cost = one.ask.rungs[0].rate_bps;
        let fits = match one.ask.given {
            // Without any packets of ours the estimate would never rise again.
            _ if place == 0 => true,
            Grant::Starved => with_spare(cost) <= left,
            _ => cost as i64 <= left + tolerance,
        };
        if fits || !budget.may_starve {
            one.rung = Some(0);
            left -= cost as i64;
        } else {
            one.stuck = true;
        }
    }
    for group in candidates.chunk_by_mut(|one, other| one.ask.priority == other.ask.priority) {
        climb(group, &mut left, tolerance, now);
    }
    let mut allocation = Allocation {
        grants: asks
            .iter()
            .map(|ask| match ask {
                Ask { paused: true, .. } => Grant::Paused,
                _ => Grant::Unknown,
            })
            .collect(),
        ..Allocation::default()
    };
    let mut wanted = 0;
    for one in &candidates {
        allocation.grants[one.at] = one.rung.map_or(Grant::Starved, |rung| {
            Grant::Layer(one.ask.rungs[rung].layer)
        });
        allocation.sum_bps += one.rate();
        wanted += one.ask.rungs[one.cap].rate_bps;
    }
    allocation.sum_bps += budget.audio_bps;
    allocation.desired_bps = budget.audio_bps + with_spare(wanted) as u64;
    allocation
}

/// One step after the other for whoever has least, until nothing more fits anybody.
fn climb(group: &mut [Candidate<'_>], left: &mut i64, tolerance: i64, now: Instant) {
    while let Some(one) = group
        .iter_mut()
        .filter(|one| !one.stuck)
        .min_by_key(|one| one.turn())
    {
        let Some(step) = one.step() else {
            one.stuck = true;
            continue;
        };
        let next = one.rung.map_or(0, |rung| rung + 1);
        let fits = if one.had.is_some_and(|had| had >= next) {
            step as i64 <= *left + tolerance
        } else {
            let rested = one
                .ask
                .upgraded_at
                .is_none_or(|at| now.saturating_duration_since(at) >= UPGRADE_INTERVAL);
            rested && with_spare(step) <= *left
        };
        if fits {
            one.rung = Some(next);
            *left -= step as i64;
        } else {
            one.stuck = true;
        }
    }
}

/// Where in its rungs a line was; a layer that flows no more counts as the next lower one.
fn had(ask: &Ask<'_>) -> Option<usize> {
    match ask.given {
        Grant::Layer(layer) => {
            let same = ask.rungs.iter().rposition(|rung| rung.layer == layer);
            same.or_else(|| {
                ask.rungs.iter().rposition(|rung| {
                    let lower = rung.layer;
                    lower.encoding == layer.encoding
                        && (lower.spatial, lower.temporal) <= (layer.spatial, layer.temporal)
                })
            })
        }
        _ => None,
    }
}

/// The highest rung that is of use: enough for what is shown, no more than is allowed.
fn cap(ask: &Ask<'_>) -> usize {
    let last = ask.rungs.len() - 1;
    let enough = enough(ask.rungs.iter().map(|rung| rung.pixels), ask.shown_pixels)
        .map_or(last, |at| end_of_size(ask.rungs, at));
    let allowed = ask.allowed_pixels.map_or(last, |pixels| {
        ask.rungs
            .iter()
            .rposition(|rung| rung.pixels <= pixels)
            .unwrap_or(0)
    });
    enough.min(allowed)
}

/// Of ascending sizes, the first that is enough for what is shown.
pub fn enough(mut sizes: impl Iterator<Item = u32>, shown: Option<u32>) -> Option<usize> {
    let shown = u64::from(shown?);
    sizes.position(|pixels| u64::from(pixels) * STRETCH_PERCENT / 100 >= shown)
}

/// The rung with all temporal layers of the same picture.
fn end_of_size(rungs: &[Rung], at: usize) -> usize {
    let size = |rung: &Rung| (rung.layer.encoding, rung.layer.spatial);
    let of = size(&rungs[at]);
    rungs
        .iter()
        .rposition(|rung| size(rung) == of)
        .unwrap_or(at)
}

fn with_spare(rate: u64) -> i64 {
    (rate + rate * SPARE_PERCENT / 100) as i64
}

#[cfg(test)]
mod tests;
