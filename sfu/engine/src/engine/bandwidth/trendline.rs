//! Whether delays grow: a line through the newest of them, against a threshold that adapts.
//!
//! The line takes the place of the draft's Kalman filter, as in browsers since 2016. The threshold is
//! that of Carlucci et al. section 4.2: it follows what is usual on the path, so that neither jitter
//! nor a rival TCP flow looks like over-use for long.

use super::arrival_groups::Spacing;

/// Points of the line, groups of packets: 100 ms of a dense flow, 600 ms of one frame each 33 ms.
const POINTS: usize = 20;

/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;

/// The slope is scaled by the number of groups, up to so many, so that few of them alarm nobody...
const MAX_DELTAS: u32 = 60;

/// ...and by this, to be compared with a threshold in milliseconds.
const GAIN: f64 = 4.0;

/// Where the threshold begins, in milliseconds (the paper's), and where it stays between.
const THRESHOLD_MS: f64 = 12.5;
const LEAST_THRESHOLD_MS: f64 = 6.0;
const MOST_THRESHOLD_MS: f64 = 600.0;

/// How fast the threshold goes up and down, per millisecond (the paper's k_u and k_d, with the values of
/// browsers: the paper's own come down so slowly that one noisy second hides a full queue for minutes).
const UP: f64 = 0.0087;
const DOWN: f64 = 0.039;

/// A slope that is so much over the threshold is a sudden change, and no measure of what is usual.
const OUTLIER_MS: f64 = 15.0;

/// The threshold moves for at most this long at once.
const MAX_STEP_MS: f64 = 100.0;

/// Over the threshold for so long is over-use (draft section 5.5).
const OVERUSE_MS: f64 = 10.0;

/// What the delays say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    #[default]
    Normal,
    Over,
    Under,
}

/// The newest delays and what was concluded from them.
#[derive(Debug)]
pub struct Trendline {
    /// Time of arrival and smoothed delay since the start, in milliseconds.
    points: [(f64, f64); POINTS],
    next: usize,
    deltas: u32,
    arrived_ms: f64,
    delay_ms: f64,
    smooth_ms: f64,
    threshold_ms: f64,
    over_ms: f64,
    overs: u32,
    before: f64,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); POINTS],
            next: 0,
            deltas: 0,
            arrived_ms: 0.0,
            delay_ms: 0.0,
            smooth_ms: 0.0,
            threshold_ms: THRESHOLD_MS,
            over_ms: 0.0,
            overs: 0,
            before: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// What the newest group said.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Take the spacing of the newest group.
    pub fn add(&mut self, spacing: Spacing) {
        self.arrived_ms += spacing.arrived_ms;
        self.delay_ms += spacing.arrived_ms - spacing.sent_ms;
        self.smooth_ms = SMOOTHING * self.smooth_ms + (1.0 - SMOOTHING) * self.delay_ms;
        self.points[self.next] = (self.arrived_ms, self.smooth_ms);
        self.next = (self.next + 1) % POINTS;
        self.deltas = self.deltas.saturating_add(1);
        if (self.deltas as usize) < POINTS {
            return;
        }
        let scale = f64::from(self.deltas.min(MAX_DELTAS)) * GAIN;
        let trend = self.slope().map_or(self.before, |slope| slope * scale);
        self.judge(trend, spacing.sent_ms);
        self.adapt(trend, spacing.arrived_ms);
    }

    /// Milliseconds of delay for each millisecond, by least squares.
    fn slope(&self) -> Option<f64> {
        let count = POINTS as f64;
        let (x, y) = self
            .points
            .iter()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (x, y) = (x / count, y / count);
        let (mut above, mut below) = (0.0, 0.0);
        for point in &self.points {
            above += (point.0 - x) * (point.1 - y);
            below += (point.0 - x) * (point.0 - x);
        }
        (below > 1e-6).then_some(above / below)
    }

    fn judge(&mut self, trend: f64, sent_ms: f64) {
        if trend > self.threshold_ms {
            // Of the first group nobody knows since when: half of its time.
            self.over_ms += if self.overs == 0 {
                sent_ms / 2.0
            } else {
                sent_ms
            };
            self.overs = self.overs.saturating_add(1);
            if self.over_ms > OVERUSE_MS && self.overs > 1 && trend >= self.before {
                self.over_ms = 0.0;
                self.overs = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_ms = 0.0;
            self.overs = 0;
            self.usage = if trend < -self.threshold_ms {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.before = trend;
    }

    fn adapt(&mut self, trend: f64, elapsed_ms: f64) {
        let size = trend.abs();
        if size > self.threshold_ms + OUTLIER_MS {
            return;
        }
        let gain = if size < self.threshold_ms { DOWN } else { UP };
        let step = gain * (size - self.threshold_ms) * elapsed_ms.min(MAX_STEP_MS);
        self.threshold_ms = (self.threshold_ms + step).clamp(LEAST_THRESHOLD_MS, MOST_THRESHOLD_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is concluded at the end of `groups` groups, each 20 ms after the one before and `late` more.
    fn concluded(line: &mut Trendline, groups: u32, late: impl Fn(u32) -> f64) -> Usage {
        for group in 0..groups {
            line.add(Spacing {
                sent_ms: 20.0,
                arrived_ms: 20.0 + late(group),
            });
        }
        line.usage()
    }

    #[test]
    fn a_queue_that_grows_is_over_use_and_one_that_drains_is_under_use() {
        let mut line = Trendline::default();
        assert_eq!(concluded(&mut line, 100, |_| 0.0), Usage::Normal);
        assert_eq!(concluded(&mut line, 10, |_| 4.0), Usage::Over);
        assert_eq!(concluded(&mut line, 40, |_| -4.0), Usage::Under);
        assert_eq!(concluded(&mut line, 40, |_| 0.0), Usage::Normal);
    }

    #[test]
    fn jitter_is_no_over_use() {
        let mut line = Trendline::default();
        let late = |group: u32| f64::from(group * 7919 % 11) - f64::from((group + 1) * 7919 % 11);
        for _ in 0..1000 {
            assert_ne!(concluded(&mut line, 1, late), Usage::Over);
        }
        for group in 0..1000 {
            assert_ne!(concluded(&mut line, 1, |_| late(group)), Usage::Over);
        }
    }

    #[test]
    fn a_thousand_hours_change_nothing() {
        let mut line = Trendline {
            arrived_ms: 3.6e9,
            ..Trendline::default()
        };
        concluded(&mut line, 100, |_| 0.0);
        assert_eq!(concluded(&mut line, 10, |_| 4.0), Usage::Over);
    }
}
