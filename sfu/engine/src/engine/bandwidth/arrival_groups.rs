//! Packets that left together, and how much further apart than they left two such groups arrived.

/// Packets that leave within this belong together (draft-ietf-rmcat-gcc-02 section 5.2): a pacer's tick.
const BURST_US: i64 = 5000;

/// Packets that piled up on the way arrive in one burst, of at most this length.
const MAX_BURST_US: i64 = 100_000;

/// A clock that moved so much against ours was set anew; no queue of a call is that long.
const JUMP_US: i64 = 3_000_000;

/// After so many groups that arrived before their predecessors it is the clock that went back.
const MAX_BACKWARDS: u8 = 3;

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    sent: i64,
    first_arrived: i64,
    arrived: i64,
}

/// How one group compares with the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    pub sent_ms: f64,
    pub arrived_ms: f64,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grouped {
    /// Its group is not complete yet, or it says nothing.
    Waits,
    /// It began a new group; the one before is complete.
    Complete(Spacing),
    /// The receiver's clock jumped: what was learnt of delays is void.
    Jumped,
}

/// The two newest groups.
#[derive(Debug, Default)]
pub struct ArrivalGroups {
    before: Option<Group>,
    current: Option<Group>,
    backwards: u8,
}

impl ArrivalGroups {
    /// Take one packet, in the order in which they left. Both times in microseconds.
    pub fn add(&mut self, sent: i64, arrived: i64) -> Grouped {
        let fresh = Group {
            first_sent: sent,
            sent,
            first_arrived: arrived,
            arrived,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(fresh);
            return Grouped::Waits;
        };
        if sent < current.first_sent {
            return Grouped::Waits;
        }
        if current.takes(sent, arrived) {
            current.sent = current.sent.max(sent);
            current.arrived = current.arrived.max(arrived);
            return Grouped::Waits;
        }
        let complete = *current;
        let before = self.before;
        let Some(before) = before else {
            self.before = Some(complete);
            self.current = Some(fresh);
            return Grouped::Waits;
        };
        let sent_us = complete.sent.saturating_sub(before.sent);
        let arrived_us = complete.arrived.saturating_sub(before.arrived);
        self.current = Some(fresh);
        if arrived_us.saturating_sub(sent_us).saturating_abs() > JUMP_US {
            self.restart(fresh);
            return Grouped::Jumped;
        }
        if arrived_us < 0 {
            self.backwards += 1;
            if self.backwards >= MAX_BACKWARDS {
                self.restart(fresh);
                return Grouped::Jumped;
            }
            return Grouped::Waits;
        }
        self.backwards = 0;
        self.before = Some(complete);
        Grouped::Complete(Spacing {
            sent_ms: sent_us as f64 / 1000.0,
            arrived_ms: arrived_us as f64 / 1000.0,
        })
    }

    fn restart(&mut self, fresh: Group) {
        *self = Self {
            current: Some(fresh),
            ..Self::default()
        };
    }
}

impl Group {
    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent.saturating_sub(self.first_sent) <= BURST_US {
            return true;
        }
        let arrived_later = arrived.saturating_sub(self.arrived);
        let sent_later = sent.saturating_sub(self.sent);
        // It waited for the others rather than for itself: a link that was asleep let them out at once.
        (0..=BURST_US).contains(&arrived_later)
            && arrived_later < sent_later
            && arrived.saturating_sub(self.first_arrived) < MAX_BURST_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1000;

    fn spacing(grouped: Grouped) -> (f64, f64) {
        match grouped {
            Grouped::Complete(spacing) => (spacing.sent_ms, spacing.arrived_ms),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn packets_of_one_burst_count_as_one() {
        let mut groups = ArrivalGroups::default();
        for (sent, arrived) in [(0, 100), (1, 101), (20, 120), (24, 131)] {
            assert_eq!(groups.add(sent * MS, arrived * MS), Grouped::Waits);
        }
        assert_eq!(spacing(groups.add(40 * MS, 150 * MS)), (23.0, 30.0));
    }

    #[test]
    fn what_a_sleeping_link_lets_out_at_once_counts_as_one() {
        let mut groups = ArrivalGroups::default();
        for (sent, arrived) in [(0, 100), (20, 180), (40, 182), (60, 184)] {
            assert_eq!(groups.add(sent * MS, arrived * MS), Grouped::Waits);
        }
        assert_eq!(spacing(groups.add(120 * MS, 220 * MS)), (60.0, 84.0));
    }

    #[test]
    fn clocks_that_jump_or_go_back_are_noticed() {
        let mut groups = ArrivalGroups::default();
        groups.add(0, 0);
        groups.add(20 * MS, 20 * MS);
        groups.add(40 * MS, 9_000 * MS);
        assert_eq!(groups.add(60 * MS, 9_020 * MS), Grouped::Jumped);
        groups.add(80 * MS, 9_040 * MS);
        spacing(groups.add(100 * MS, 9_060 * MS));
        let jumped = (6..20).any(|at| {
            let back = groups.add(at * 20 * MS, (8_000 + at * 20) * MS);
            back == Grouped::Jumped
        });
        assert!(jumped);
    }

    #[test]
    fn absurd_times_are_survived() {
        let mut groups = ArrivalGroups::default();
        for (sent, arrived) in [
            (0, i64::MAX),
            (10_000, i64::MIN),
            (20_000, 0),
            (i64::MAX, 1),
        ] {
            groups.add(sent, arrived);
        }
    }
}
