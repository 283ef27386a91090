//! Which packets are lost: a Gilbert channel, which is good or bad and loses everything while it is bad.

/// A channel that loses a given share of packets, in runs of a given mean length.
///
/// After E. N. Gilbert, "Capacity of a Burst-Noise Channel" (1960), with a bad state that loses all: the chance to
/// leave it is 1 / burst, and the chance to enter it follows from the share.
#[derive(Debug, Default)]
pub struct GilbertChannel {
    enter: f64,
    leave: f64,
    bad: bool,
}

impl GilbertChannel {
    /// Lose `share` (0 to 1) of all packets, `burst` (1 or more) in a row on average.
    ///
    /// With a burst of 1, losses are independent of each other, and two in a row are as likely as the share says.
    pub fn new(share: f64, burst: f64) -> Self {
        let share = share.clamp(0.0, 1.0);
        // Independent losses come in runs of 1 / (1 - share) by themselves; shorter ones would be a pattern.
        let leave = (1.0 / burst.max(1.0)).min(1.0 - share);
        let enter = if share < 1.0 {
            (share * leave / (1.0 - share)).min(1.0)
        } else {
            1.0
        };
        Self {
            enter,
            leave,
            bad: false,
        }
    }

    /// Whether the next packet is lost.
    pub fn loses(&mut self, dice: &mut fastrand::Rng) -> bool {
        if self.enter == 0.0 {
            return false;
        }
        let chance = dice.f64();
        self.bad = if self.bad {
            chance >= self.leave
        } else {
            chance < self.enter
        };
        self.bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of lost packets and mean length of a run, over many packets.
    fn measured(share: f64, burst: f64) -> (f64, f64) {
        let mut channel = GilbertChannel::new(share, burst);
        let mut dice = fastrand::Rng::with_seed(1);
        let (mut lost, mut runs, mut before) = (0u32, 0u32, false);
        let packets = 400_000;
        for _ in 0..packets {
            let now = channel.loses(&mut dice);
            lost += u32::from(now);
            runs += u32::from(now && !before);
            before = now;
        }
        (
            f64::from(lost) / f64::from(packets),
            f64::from(lost) / f64::from(runs.max(1)),
        )
    }

    #[test]
    fn share_and_burst_are_what_was_asked_for() {
        for (share, burst) in [(0.01, 1.0), (0.02, 5.0), (0.1, 3.0), (0.3, 8.0)] {
            let (lost, run) = measured(share, burst);
            assert!((lost / share - 1.0).abs() < 0.05, "{share} {burst}: {lost}");
            let wanted = burst.max(1.0 / (1.0 - share));
            assert!((run / wanted - 1.0).abs() < 0.05, "{share} {burst}: {run}");
        }
    }

    #[test]
    fn none_and_all() {
        assert_eq!(measured(0.0, 4.0).0, 0.0);
        assert_eq!(measured(1.0, 1.0).0, 1.0);
    }
}
