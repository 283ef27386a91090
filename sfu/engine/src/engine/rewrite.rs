//! Sequence numbers and time stamps of one outgoing stream, without a gap over changes of source.
//!
//! A subscriber's stream starts in the low 16 bits whatever the age of its source (a receiver
//! assumes rollover counter 0, else SRTP authentication fails), and goes on from where it was
//! when another source takes its place.

use std::time::Instant;

/// Names one uninterrupted run of source numbers; another value means the numbers start anew.
pub type SourceRun = u64;

/// Maps the numbers of a source to those of one outgoing stream.
#[derive(Debug)]
pub struct Rewriter {
    run: Option<SourceRun>,
    /// Added (wrapping) to the source's sequence number.
    sequence_offset: u64,
    /// Added (wrapping) to the source's time stamp.
    time_offset: u32,
    /// Numbers below belong to an earlier run.
    floor: u64,
    last_sequence: u64,
    last_time: u32,
    last_at: Option<Instant>,
}

impl Rewriter {
    /// Start at a sequence number and a time stamp of our own choice.
    #[must_use]
    pub fn new(first_sequence: u16, first_time: u32) -> Self {
        Self {
            run: None,
            sequence_offset: 0,
            time_offset: 0,
            floor: 0,
            last_sequence: u64::from(first_sequence).saturating_sub(1),
            last_time: first_time,
            last_at: None,
        }
    }

    /// Forget the source: what it sent meanwhile was not meant for this stream, and is no loss.
    pub fn pause(&mut self) {
        self.run = None;
    }

    /// The outgoing numbers for a packet of `run`, or `None` when it came too late to be sent.
    ///
    /// `ticks_per_s` is the clock rate, used to bridge the pause between two runs.
    pub fn next(
        &mut self,
        run: SourceRun,
        sequence: u64,
        time: u32,
        now: Instant,
        ticks_per_s: u32,
    ) -> Option<(u64, u32)> {
        if self.run != Some(run) {
            self.run = Some(run);
            self.floor = self.last_sequence + 1;
            self.sequence_offset = self.floor.wrapping_sub(sequence);
            let bridged = self.last_at.map_or(self.last_time, |at| {
                self.last_time.wrapping_add(ticks(now - at, ticks_per_s))
            });
            self.time_offset = bridged.wrapping_sub(time);
        }
        let out = sequence.wrapping_add(self.sequence_offset);
        // A number of before the switch wraps below zero or falls under the floor.
        if out < self.floor || out > u64::MAX / 2 {
            return None;
        }
        let out_time = time.wrapping_add(self.time_offset);
        if out > self.last_sequence {
            self.last_sequence = out;
            self.last_time = out_time;
            self.last_at = Some(now);
        }
        Some((out, out_time))
    }
}

/// At least one tick, so that two frames never share a time stamp.
fn ticks(elapsed: std::time::Duration, ticks_per_s: u32) -> u32 {
    let whole = elapsed.as_micros() * u128::from(ticks_per_s) / 1_000_000;
    (whole as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use std::time::Duration;

    #[test]
    fn an_old_source_starts_low() {
        let mut rewriter = Rewriter::new(100, 7);
        let now = Instant::now();
        assert_eq!(
            rewriter.next(1, 5_000_000, 900, now, 90_000),
            Some((100, 7))
        );
        assert_eq!(
            rewriter.next(1, 5_000_002, 990, now, 90_000),
            Some((102, 97))
        );
        assert_eq!(
            rewriter.next(1, 5_000_001, 900, now, 90_000),
            Some((101, 7))
        );
    }

    #[test]
    fn another_source_goes_on_where_the_last_one_was() {
        let mut rewriter = Rewriter::new(100, 0);
        let now = Instant::now();
        rewriter.next(1, 10, 1000, now, 90_000);
        let later = now + Duration::from_millis(100);
        assert_eq!(rewriter.next(2, 77, 5, later, 90_000), Some((101, 9000)));
        assert_eq!(rewriter.next(2, 78, 95, later, 90_000), Some((102, 9090)));
        assert_eq!(rewriter.next(2, 76, 5, later, 90_000), None);
    }

    #[test]
    fn a_pause_leaves_no_gap() {
        let mut rewriter = Rewriter::new(100, 0);
        let now = Instant::now();
        rewriter.next(1, 10, 1000, now, 90_000);
        rewriter.pause();
        let later = now + Duration::from_secs(1);
        assert_eq!(
            rewriter.next(1, 40, 91_000, later, 90_000),
            Some((101, 90_000))
        );
    }

    type Next = fn(&mut Rewriter, SourceRun, u64, Instant) -> Option<(u64, u32)>;

    /// Numbers never repeat, never shrink and leave no gap, whatever runs follow each other; a number
    /// of before a run's first is not sent.
    fn counts_on(next: Next) -> bool {
        let runs = prop::collection::vec((any::<u32>(), 1u64..50), 1..20);
        let outcome = TestRunner::deterministic().run(&runs, |runs| {
            let mut rewriter = Rewriter::new(1, 0);
            let now = Instant::now();
            let mut last = 0;
            for (run, (start, count)) in runs.into_iter().enumerate() {
                let (run, start) = (run as u64, u64::from(start));
                for sequence in start..start + count {
                    last += 1;
                    let out = next(&mut rewriter, run, sequence, now);
                    prop_assert_eq!(out.map(|(number, _)| number), Some(last));
                }
                let before = start.wrapping_sub(1);
                prop_assert_eq!(next(&mut rewriter, run, before, now), None);
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_stream_counts_on_over_runs_and_one_that_does_not_is_found_out() {
        assert!(counts_on(|rewriter, run, sequence, now| {
            rewriter.next(run, sequence, 0, now, 90_000)
        }));
        // Takes all runs for one.
        assert!(!counts_on(|rewriter, _, sequence, now| {
            rewriter.next(1, sequence, 0, now, 90_000)
        }));
        // Forgets where a run began.
        assert!(!counts_on(|rewriter, run, sequence, now| {
            let out = rewriter.next(run, sequence, 0, now, 90_000);
            rewriter.floor = 0;
            out.or_else(|| rewriter.next(run, sequence, 0, now, 90_000))
        }));
    }
}
