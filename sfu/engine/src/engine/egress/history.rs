//! What was sent to a peer and when, by transport-wide numbers, until the peer reports on it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::bandwidth::Outcome;

/// What was not reported on by then never will be: the longest round trip of a call, and the interval of reports.
const MAX_AGE: Duration = Duration::from_secs(2);

/// Packets that are remembered at most: half of what 16-bit numbers can tell apart.
const MAX_PACKETS: usize = 1 << 15;

/// The oldest packet is looked at only when so many more are there: it lies where the cache has long forgotten it, and
/// reports mostly take it away before.
const LOOK_EVERY: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    bytes: u32,
    /// The probe that it is part of.
    probe: Option<u32>,
}

/// The packets to one peer.
#[derive(Debug, Default)]
pub struct History {
    sent: VecDeque<Sent>,
    /// The number of the next packet.
    next: u64,
}

impl History {
    /// Number a packet that leaves now.
    pub fn number(&mut self, bytes: u32, probe: Option<u32>, now: Instant) -> u16 {
        if self.sent.len().is_multiple_of(LOOK_EVERY) {
            self.forget_old(now);
        }
        self.sent.push_back(Sent {
            at: now,
            bytes,
            probe,
        });
        self.next += 1;
        (self.next - 1) as u16
    }

    fn forget_old(&mut self, now: Instant) {
        while self.sent.len() >= MAX_PACKETS
            || self
                .sent
                .front()
                .is_some_and(|oldest| now.saturating_duration_since(oldest.at) > MAX_AGE)
        {
            self.sent.pop_front();
        }
    }

    /// The number of the newest packet, extended over rollovers; what reports are read by.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// What became of the packets of a report: each number with its arrival in microseconds of the receiver's clock, if
    /// it arrived. Returns what is news, and when the newest that arrived was sent. What was reported on is forgotten.
    pub fn report(
        &mut self,
        arrivals: impl Iterator<Item = (u64, Option<i64>)>,
    ) -> (Vec<Outcome>, Option<Instant>) {
        let oldest = self.next - self.sent.len() as u64;
        let mut outcomes = Vec::new();
        let (mut newest_sent, mut end) = (None, oldest);
        for (number, arrived_us) in arrivals {
            let known = number
                .checked_sub(oldest)
                .and_then(|at| self.sent.get(usize::try_from(at).ok()?));
            // A number said twice in one report counts once.
            if let Some(sent) = known
                && number >= end
            {
                end = number + 1;
                if arrived_us.is_some() {
                    newest_sent = Some(sent.at);
                }
                outcomes.push(Outcome {
                    sent: sent.at,
                    arrived_us,
                    bytes: sent.bytes,
                    probe: sent.probe,
                });
            }
        }
        self.sent.drain(..(end - oldest) as usize);
        if self.sent.capacity() > 64 && self.sent.len() < self.sent.capacity() / 8 {
            self.sent.shrink_to(self.sent.capacity() / 2);
        }
        (outcomes, newest_sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_reported_on_once_and_others_never() {
        let now = Instant::now();
        let mut history = History::default();
        assert_eq!(history.newest(), None);
        for size in 0..5 {
            assert_eq!(history.number(size, None, now), size as u16);
        }
        let said = [
            (900, None),
            (1, Some(10)),
            (1, Some(11)),
            (0, Some(1)),
            (2, None),
        ];
        let (outcomes, newest) = history.report(said.into_iter());
        let sizes: Vec<_> = outcomes
            .iter()
            .map(|one| (one.bytes, one.arrived_us))
            .collect();
        assert_eq!(sizes, [(1, Some(10)), (2, None)]);
        assert_eq!(newest, Some(now));
        assert!(history.report([(1, Some(10))].into_iter()).0.is_empty());
        assert_eq!(history.report((3..9).map(|at| (at, None))).0.len(), 2);
        assert!(history.sent.is_empty());
    }

    #[test]
    fn numbers_go_on_and_what_nobody_reports_on_is_forgotten() {
        let now = Instant::now();
        let mut history = History::default();
        for _ in 0..3 * MAX_PACKETS {
            history.number(1, None, now);
        }
        assert!(history.sent.len() <= MAX_PACKETS);
        while !history.sent.len().is_multiple_of(LOOK_EVERY) {
            history.number(1, None, now);
        }
        let next = history.next;
        assert_eq!(history.number(1, None, now + 2 * MAX_AGE), next as u16);
        assert_eq!(history.sent.len(), 1);
        let (outcomes, _) = history.report([(next, Some(5))].into_iter());
        assert_eq!(outcomes.len(), 1);
    }
}
