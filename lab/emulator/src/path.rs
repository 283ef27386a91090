//! One direction between two hosts: what it does to a packet.

use serde::{Deserialize, Serialize};

use crate::loss::GilbertChannel;

/// How good or bad a path is in one direction.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// From leaving the bottleneck until arrival.
    pub delay_ms: f64,
    /// Added to the delay: the absolute value of a normal variable of this standard deviation.
    pub jitter_ms: f64,
    /// Share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// Packets lost in a row, on average; 1 for losses that do not depend on each other.
    pub burst: f64,
    /// What the bottleneck lets through, headers included; 0 for any amount.
    pub rate_mbit_s: f64,
    /// How long a packet may wait before the bottleneck; one that would wait longer is dropped.
    pub queue_ms: f64,
    /// Whether jitter may let packets overtake each other.
    pub reorder: bool,
}

impl Conditions {
    /// Say what is wrong with them, if anything is.
    pub fn fault(&self) -> Option<String> {
        let ranges = [
            ("delay_ms", self.delay_ms, 0.0, 60_000.0),
            ("jitter_ms", self.jitter_ms, 0.0, 60_000.0),
            ("loss", self.loss, 0.0, 1.0),
            ("burst", self.burst, 1.0, 1e6),
            ("rate_mbit_s", self.rate_mbit_s, 0.0, 1e6),
            ("queue_ms", self.queue_ms, 0.0, 60_000.0),
        ];
        let (name, value, low, high) = ranges
            .into_iter()
            .find(|(_, value, low, high)| !(low..=high).contains(&value))?;
        Some(format!("{name} is {value}; it must be {low} to {high}"))
    }
}

/// What happened on a path so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counters {
    /// Packets that a host sent into it.
    pub sent: u64,
    /// Their bytes, IP header included.
    pub sent_bytes: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Lost by lot.
    pub lost: u64,
    /// Dropped because the path was cut.
    pub cut: u64,
    /// Dropped before the bottleneck because the queue was full.
    pub overflowed: u64,
    /// Due, but the far host took none: its device is down or full.
    pub refused: u64,
    /// How long the packets that were let through are under way, all together.
    pub took_us: u64,
}

/// One direction between two hosts.
#[derive(Debug)]
pub struct Path {
    conditions: Conditions,
    channel: GilbertChannel,
    /// When the bottleneck has sent all it was given.
    free_ns: u64,
    /// When the last packet arrives: none after it arrives earlier, unless reordering is wanted.
    last_ns: u64,
    /// Whether nothing passes, whatever the conditions.
    pub is_cut: bool,
    /// What happened so far.
    pub counters: Counters,
}

impl Path {
    /// A path under these conditions.
    pub fn new(conditions: Conditions) -> Self {
        let channel = GilbertChannel::new(conditions.loss, conditions.burst);
        Self {
            conditions,
            channel,
            free_ns: 0,
            last_ns: 0,
            is_cut: false,
            counters: Counters::default(),
        }
    }

    /// Be as these conditions say from now on; what is under way arrives as it would have.
    pub fn set(&mut self, conditions: Conditions) {
        self.channel = GilbertChannel::new(conditions.loss, conditions.burst);
        self.conditions = conditions;
        // What an old, slower rate still had queued, or a longer delay under way, holds nobody up any more.
        self.free_ns = 0;
        self.last_ns = 0;
    }

    /// Take a packet of so many bytes; returns when it arrives, or nothing if it does not.
    pub fn admit(&mut self, bytes: usize, now_ns: u64, dice: &mut fastrand::Rng) -> Option<u64> {
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes as u64;
        if self.is_cut {
            self.counters.cut += 1;
            return None;
        }
        if self.channel.loses(dice) {
            self.counters.lost += 1;
            return None;
        }
        let left_ns = self.leave_bottleneck(bytes, now_ns)?;
        let mut due_ns = left_ns + nanoseconds(self.conditions.delay_ms);
        if self.conditions.jitter_ms > 0.0 {
            due_ns += nanoseconds(self.conditions.jitter_ms * normal(dice).abs());
        }
        if !self.conditions.reorder {
            due_ns = due_ns.max(self.last_ns);
            self.last_ns = due_ns;
        }
        self.counters.took_us += (due_ns - now_ns) / 1000;
        Some(due_ns)
    }

    fn leave_bottleneck(&mut self, bytes: usize, now_ns: u64) -> Option<u64> {
        if self.conditions.rate_mbit_s <= 0.0 {
            return Some(now_ns);
        }
        let start_ns = self.free_ns.max(now_ns);
        if start_ns - now_ns > nanoseconds(self.conditions.queue_ms) {
            self.counters.overflowed += 1;
            return None;
        }
        // Bits by Mbit/s are microseconds.
        self.free_ns =
            start_ns + nanoseconds(bytes as f64 * 8.0 / self.conditions.rate_mbit_s / 1e3);
        Some(self.free_ns)
    }
}

fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}

/// A standard normal variable (Box and Muller, 1958).
fn normal(dice: &mut fastrand::Rng) -> f64 {
    // 1 - x, because the logarithm of 0 is none.
    let radius = (-2.0 * (1.0 - dice.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * dice.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const PERFECT: Conditions = Conditions {
        delay_ms: 40.0,
        jitter_ms: 0.0,
        loss: 0.0,
        burst: 1.0,
        rate_mbit_s: 0.0,
        queue_ms: 200.0,
        reorder: false,
    };

    fn dice() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    #[test]
    fn a_packet_arrives_after_the_delay() {
        let mut path = Path::new(PERFECT);
        assert_eq!(path.admit(100, 5 * MS, &mut dice()), Some(45 * MS));
        assert_eq!(path.counters.took_us, 40_000);
    }

    #[test]
    fn a_bottleneck_spaces_packets_and_drops_what_would_wait_too_long() {
        // 1250 bytes at 1 Mbit/s take 10 ms; three fit into 25 ms of waiting: at 0, 10 and 20 ms.
        let mut path = Path::new(Conditions {
            rate_mbit_s: 1.0,
            queue_ms: 25.0,
            delay_ms: 0.0,
            ..PERFECT
        });
        let arrivals: Vec<_> = (0..4).map(|_| path.admit(1250, 0, &mut dice())).collect();
        assert_eq!(
            arrivals,
            [Some(10 * MS), Some(20 * MS), Some(30 * MS), None]
        );
        assert_eq!(path.counters.overflowed, 1);
        assert_eq!(path.counters.took_us, 60_000);
        // Once it is empty, nobody waits for the past.
        assert_eq!(path.admit(1250, 100 * MS, &mut dice()), Some(110 * MS));
    }

    #[test]
    fn a_cut_path_delivers_nothing() {
        let mut path = Path::new(PERFECT);
        path.is_cut = true;
        assert_eq!(path.admit(100, 0, &mut dice()), None);
        assert_eq!(
            (path.counters.sent, path.counters.cut, path.counters.lost),
            (1, 1, 0)
        );
    }

    #[test]
    fn jitter_only_adds_and_keeps_the_order_unless_reordering_is_wanted() {
        for reorder in [false, true] {
            let mut path = Path::new(Conditions {
                jitter_ms: 5.0,
                reorder,
                ..PERFECT
            });
            let mut dice = dice();
            let due: Vec<u64> = (0..2000)
                .map(|at| path.admit(100, at * MS, &mut dice).expect("no loss"))
                .collect();
            assert_eq!(due.is_sorted(), !reorder);
            assert!(due.iter().zip(0..).all(|(due, at)| *due >= (at + 40) * MS));
        }
    }

    #[test]
    fn the_mean_of_jitter_is_that_of_half_a_normal_curve() {
        let mut path = Path::new(Conditions {
            jitter_ms: 5.0,
            delay_ms: 0.0,
            reorder: true,
            ..PERFECT
        });
        let mut dice = dice();
        let sum: u64 = (0..20_000)
            .map(|_| path.admit(100, 0, &mut dice).expect("no loss"))
            .sum();
        let mean_ms = sum as f64 / 20_000.0 / MS as f64;
        let wanted_ms = 5.0 * (2.0 / std::f64::consts::PI).sqrt();
        assert!((mean_ms / wanted_ms - 1.0).abs() < 0.03, "{mean_ms}");
    }

    #[test]
    fn a_shorter_delay_holds_at_once() {
        let mut path = Path::new(PERFECT);
        assert_eq!(path.admit(100, 0, &mut dice()), Some(40 * MS));
        path.set(Conditions {
            delay_ms: 1.0,
            ..PERFECT
        });
        assert_eq!(path.admit(100, MS, &mut dice()), Some(2 * MS));
    }

    #[test]
    fn impossible_conditions_are_named() {
        assert_eq!(PERFECT.fault(), None);
        let fault = Conditions {
            loss: 1.5,
            ..PERFECT
        }
        .fault();
        assert_eq!(fault.as_deref(), Some("loss is 1.5; it must be 0 to 1"));
        assert!(
            Conditions {
                delay_ms: f64::NAN,
                ..PERFECT
            }
            .fault()
            .is_some()
        );
    }
}
