//! The rate: up a little while the path is empty, down to what arrives when it is not.
//!
//! Additive or multiplicative increase, multiplicative decrease (draft-ietf-rmcat-gcc-02 section 5.5).

use std::time::{Duration, Instant};

use super::{CEILING_BPS, FLOOR_BPS};

/// What arrives is multiplied by this when the path is full (the draft's beta), so that its queue drains.
const DECREASE: f64 = 0.85;

/// Growth in a second, far from what the path is known to carry (the draft's eta).
const GROWTH: f64 = 1.08;

/// The rate never grows beyond this many times what arrives (section 5.5), and a little for small rates.
const MAX_OVER_ACKNOWLEDGED: f64 = 1.5;
const SLACK_BPS: f64 = 10_000.0;

/// Near what the path carries the rate grows by one packet in a round trip and this.
const RESPONSE: Duration = Duration::from_millis(100);
const PACKET_BITS: f64 = 9_600.0;

/// Growth counts at most so much time at once.
const MAX_ELAPSED: Duration = Duration::from_secs(1);

/// Between two decreases lies a round trip, within these.
const LEAST_BETWEEN: Duration = Duration::from_millis(50);
const MOST_BETWEEN: Duration = Duration::from_millis(200);

/// Weight of a new sample in what the path carries (section 5.5).
const CAPACITY_GAIN: f64 = 0.05;

/// What the path carried when it was full: the mean, and its spread as a share of the mean.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    bps: f64,
    spread: f64,
}

/// Spread of what a path carries: at first, and within.
const SPREAD: f64 = 0.1;
const LEAST_SPREAD: f64 = 0.03;

/// The rate by delays.
#[derive(Debug)]
pub struct RateControl {
    bps: f64,
    grown_at: Option<Instant>,
    decreased_at: Option<Instant>,
    capacity: Option<Capacity>,
}

impl RateControl {
    #[must_use]
    pub fn new(bps: u64) -> Self {
        let mut control = Self {
            bps: 0.0,
            grown_at: None,
            decreased_at: None,
            capacity: None,
        };
        control.set(bps as f64);
        control
    }

    #[must_use]
    pub fn bps(&self) -> f64 {
        self.bps
    }

    /// Take a rate that was found otherwise.
    pub fn set(&mut self, bps: f64) {
        self.bps = bps.clamp(FLOOR_BPS as f64, CEILING_BPS as f64);
    }

    /// Time passes without growth.
    pub fn hold(&mut self) {
        self.grown_at = None;
    }

    /// The path is empty and `acknowledged` bit/s arrive.
    pub fn increase(&mut self, acknowledged: f64, rtt: Duration, now: Instant) {
        let elapsed = self
            .grown_at
            .replace(now)
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
            .min(MAX_ELAPSED)
            .as_secs_f64();
        if self
            .capacity
            .is_some_and(|it| acknowledged > it.bps * (1.0 + 3.0 * it.spread))
        {
            self.capacity = None;
        }
        let response = rtt.saturating_add(RESPONSE).as_secs_f64();
        let grown = if self.capacity.is_some() {
            self.bps + PACKET_BITS / response * elapsed
        } else {
            self.bps * GROWTH.powf(elapsed)
        };
        let most = acknowledged * MAX_OVER_ACKNOWLEDGED + SLACK_BPS;
        self.set(grown.min(most.max(self.bps)));
    }

    /// The path is full and `acknowledged` bit/s get through. Returns whether the rate fell.
    pub fn decrease(&mut self, acknowledged: Option<f64>, rtt: Duration, now: Instant) -> bool {
        self.hold();
        let between = rtt.clamp(LEAST_BETWEEN, MOST_BETWEEN);
        let soon = self
            .decreased_at
            .is_some_and(|at| now.saturating_duration_since(at) < between);
        let far_off = acknowledged.is_some_and(|bps| bps < self.bps / 2.0);
        if soon && !far_off {
            return false;
        }
        self.decreased_at = Some(now);
        if let Some(bps) = acknowledged {
            self.note_capacity(bps);
        }
        let aim = acknowledged.unwrap_or(self.bps) * DECREASE;
        if aim >= self.bps {
            return false;
        }
        self.set(aim);
        true
    }

    fn note_capacity(&mut self, bps: f64) {
        let capacity = self.capacity.get_or_insert(Capacity {
            bps,
            spread: SPREAD,
        });
        let off = (bps - capacity.bps).abs() / capacity.bps.max(1.0);
        // Far from what was known: another path.
        if off > 3.0 * capacity.spread {
            *capacity = Capacity {
                bps,
                spread: SPREAD,
            };
            return;
        }
        capacity.bps += (bps - capacity.bps) * CAPACITY_GAIN;
        capacity.spread += (off - capacity.spread) * CAPACITY_GAIN;
        capacity.spread = capacity.spread.max(LEAST_SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);
    const STEP: Duration = Duration::from_millis(100);

    fn grow(control: &mut RateControl, acknowledged: f64, from: Instant, steps: u32) -> Instant {
        for step in 0..=steps {
            control.increase(acknowledged, RTT, from + STEP * step);
        }
        from + STEP * steps
    }

    #[test]
    fn it_grows_by_eight_percent_a_second_and_not_without_proof() {
        let now = Instant::now();
        let mut control = RateControl::new(1_000_000);
        grow(&mut control, 1_000_000.0, now, 10);
        assert!(
            (control.bps() - 1_080_000.0).abs() < 2000.0,
            "{}",
            control.bps()
        );
        grow(&mut control, 1_000_000.0, now + 2 * RTT, 1000);
        assert_eq!(control.bps(), 1_510_000.0);
        grow(&mut control, 100_000.0, now + 2 * RTT, 100);
        assert_eq!(
            control.bps(),
            1_510_000.0,
            "nor does it fall for lack of proof"
        );
    }

    #[test]
    fn it_falls_to_less_than_arrives_and_then_grows_by_packets() {
        let now = Instant::now();
        let mut control = RateControl::new(2_000_000);
        assert!(control.decrease(Some(1_000_000.0), RTT, now));
        assert_eq!(control.bps(), 850_000.0);
        assert!(
            !control.decrease(Some(900_000.0), RTT, now + RTT / 2),
            "too soon"
        );
        let now = grow(&mut control, 850_000.0, now + RTT, 10);
        assert!(
            (control.bps() - 898_000.0).abs() < 1000.0,
            "{}",
            control.bps()
        );
        let before = control.bps();
        grow(&mut control, 1_500_000.0, now, 10);
        assert!(
            control.bps() > before * 1.07,
            "beyond what was known to be full"
        );
    }

    #[test]
    fn more_than_we_send_is_no_reason_to_fall() {
        let mut control = RateControl::new(500_000);
        assert!(!control.decrease(Some(1_000_000.0), RTT, Instant::now()));
        assert_eq!(control.bps(), 500_000.0);
    }
}
