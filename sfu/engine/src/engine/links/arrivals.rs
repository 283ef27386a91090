//! What the receiving end of a link tells the sending one, so that this does not send more than the path carries.
//!
//! The time stamps of a class's packets say when they left. A packet that took longer than the quickest of late waited in a
//! queue; how long even the luckiest of a report waited is the queue that stands.

use std::time::{Duration, Instant};

use super::link_signal::Received;
use super::link_streams::CLASS_TICKS_PER_S;
use crate::engine::bandwidth::queue::Queue;

/// While packets come a report leaves this long after the one before, with a packet of media that leaves anyway: so it
/// takes nobody a wake of its own.
const RIPE_AFTER: Duration = Duration::from_millis(50);

/// Where no such packet leaves it goes alone.
const DUE_AFTER: Duration = Duration::from_millis(100);

/// While every packet is as late as this neither is waited for.
const LATE_MS: f64 = 20.0;
const URGENT_AFTER: Duration = Duration::from_millis(20);

/// The arrivals of one link.
#[derive(Debug)]
pub struct Arrivals {
    started: Instant,
    /// The newest time stamp, and the same without its wraps, in ticks.
    newest: Option<(u32, i64)>,
    queue: Queue,
    began: Instant,
    packets: u32,
    bytes: u32,
}

impl Arrivals {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            newest: None,
            queue: Queue::default(),
            began: now,
            packets: 0,
            bytes: 0,
        }
    }

    /// Count a packet that came.
    pub fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(bytes as u32);
    }

    /// Note when a packet left that came now for the first time.
    pub fn note(&mut self, time: u32, now: Instant) {
        let sent = match self.newest {
            None => i64::from(time),
            Some((newest, sent)) => sent + i64::from(time.wrapping_sub(newest) as i32),
        };
        if self.newest.is_none_or(|(_, newest)| sent >= newest) {
            self.newest = Some((time, sent));
        }
        let sent_us = sent.saturating_mul(1_000_000) / i64::from(CLASS_TICKS_PER_S);
        let arrived = now.saturating_duration_since(self.started).as_micros();
        self.queue.add(sent_us, i64::try_from(arrived).unwrap_or(0));
    }

    /// From when on a report may go with what else leaves; `None` while nothing comes.
    #[must_use]
    pub fn ripe(&self) -> Option<Instant> {
        self.after(RIPE_AFTER)
    }

    /// When a report is to leave in any case; sooner while packets are `missing`, which is news too.
    #[must_use]
    pub fn deadline(&self, missing: bool) -> Option<Instant> {
        self.after(if missing { RIPE_AFTER } else { DUE_AFTER })
    }

    fn after(&self, patience: Duration) -> Option<Instant> {
        let late = self.queue.least_ms().is_some_and(|ms| ms >= LATE_MS);
        let patience = if late { URGENT_AFTER } else { patience };
        (self.packets > 0).then(|| self.began + patience)
    }

    /// The report that is due: `lost` packets were found missing since the last one.
    pub fn report(&mut self, lost: u32, now: Instant) -> Received {
        self.queue.conclude();
        let elapsed = now.saturating_duration_since(self.began).as_micros();
        let received = Received {
            elapsed_us: u32::try_from(elapsed).unwrap_or(u32::MAX),
            packets: self.packets,
            bytes: self.bytes,
            lost,
            queue_us: (self.queue.ms() * 1000.0).clamp(0.0, 60e6) as u32,
        };
        (self.packets, self.bytes, self.began) = (0, 0, now);
        received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_report_says_what_came_and_how_long_it_waited_over_the_wrap_of_the_clock() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        assert_eq!((arrivals.ripe(), arrivals.deadline(true)), (None, None));
        let first = u32::MAX - 90 * 55;
        let mut reports = Vec::new();
        for number in 0..100u32 {
            // From the fiftieth on each waits 40 ms longer.
            let wait = if number < 50 { 10 } else { 50 };
            let now = start + MS * (number * 2 + wait);
            arrivals.note(first.wrapping_add(number * 180), now);
            arrivals.count(500);
            if arrivals.ripe().is_some_and(|at| at <= now) {
                reports.push(arrivals.report(3, now));
            }
        }
        let first = reports[0];
        assert_eq!((first.queue_us, first.lost), (0, 3));
        assert_eq!(first.bytes, first.packets * 500);
        assert_eq!(reports.last().unwrap().queue_us / 1000, 40);
    }

    #[test]
    fn a_report_waits_for_company_unless_packets_are_late_or_missing() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        let waits = |arrivals: &Arrivals| {
            let all = [
                arrivals.ripe(),
                arrivals.deadline(true),
                arrivals.deadline(false),
            ];
            all.map(|at| at.map(|at| (at - start).as_millis()))
        };
        for number in 0..10 {
            arrivals.note(number * 900, start + MS * number * 10);
            arrivals.count(100);
        }
        assert_eq!(waits(&arrivals), [Some(50), Some(50), Some(100)]);
        // Half a second on, each of them 40 ms late.
        let report = start + MS * 500;
        arrivals.report(0, report);
        for number in 50..60 {
            arrivals.note(number * 900, start + MS * (number * 10 + 40));
            arrivals.count(100);
        }
        assert_eq!(waits(&arrivals), [Some(520); 3]);
    }

    #[test]
    fn after_a_pause_the_first_report_is_of_the_pause_too() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        arrivals.count(100);
        let report = arrivals.report(0, start + 2000 * MS);
        assert_eq!(report.elapsed_us, 2_000_000);
    }
}
