use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn numbers(out: Option<Numbers>) -> Option<(u64, u32)> {
    out.map(|numbers| (numbers.sequence, numbers.time))
}

/// Captured and sent at the same moment.
fn next(
    rewriter: &mut Rewriter,
    run: SourceRun,
    sequence: u64,
    time: u32,
    at: Instant,
) -> Option<(u64, u32)> {
    numbers(rewriter.next(run, sequence, time, at, at, 90_000))
}

#[test]
fn an_old_source_starts_low() {
    let mut rewriter = Rewriter::new(100, 7);
    let now = Instant::now();
    assert_eq!(next(&mut rewriter, 1, 5_000_000, 900, now), Some((100, 7)));
    assert_eq!(next(&mut rewriter, 1, 5_000_002, 990, now), Some((102, 97)));
    assert_eq!(next(&mut rewriter, 1, 5_000_001, 900, now), Some((101, 7)));
}

#[test]
fn another_source_goes_on_where_the_last_one_was() {
    let mut rewriter = Rewriter::new(100, 0);
    let now = Instant::now();
    next(&mut rewriter, 1, 10, 1000, now);
    let later = now + 100 * MS;
    assert_eq!(next(&mut rewriter, 2, 77, 5, later), Some((101, 9000)));
    assert_eq!(next(&mut rewriter, 2, 78, 95, later), Some((102, 9090)));
    assert_eq!(next(&mut rewriter, 2, 76, 5, later), None);
}

#[test]
fn a_pause_leaves_no_gap() {
    let mut rewriter = Rewriter::new(100, 0);
    let now = Instant::now();
    next(&mut rewriter, 1, 10, 1000, now);
    rewriter.pause();
    let later = now + 1000 * MS;
    assert_eq!(
        next(&mut rewriter, 1, 40, 91_000, later),
        Some((101, 90_000))
    );
}

#[test]
fn time_stamps_follow_the_clock_of_the_capture_not_that_of_the_arrival() {
    let mut rewriter = Rewriter::new(1, 0);
    let now = Instant::now();
    rewriter.next(1, 1, 0, now, now, 90_000);
    // Captured 33 ms after the last one, arrived after 80.
    let out = rewriter.next(2, 1, 500, now + 33 * MS, now + 80 * MS, 90_000);
    assert_eq!(numbers(out), Some((2, 2970)));
    // A clock that nobody tied to the last one's.
    let odd = now + Duration::from_secs(3600);
    let out = rewriter.next(3, 1, 0, odd, now + 180 * MS, 90_000);
    assert_eq!(numbers(out), Some((3, 2970 + 9000)));
}

#[test]
fn what_time_stamps_were_made_to_run_ahead_is_given_back() {
    let mut rewriter = Rewriter::new(1, 0);
    let now = Instant::now() + 1000 * MS;
    rewriter.next(1, 1, 0, now, now, 90_000);
    // The other encoding is a picture behind.
    let mut time = |sequence: u64, ms: u32| {
        let captured = now - 33 * MS + ms * MS;
        rewriter
            .next(2, sequence, ms * 90, captured, now + ms * MS, 90_000)
            .unwrap()
            .time
    };
    assert_eq!(time(1, 0), 1);
    assert_eq!(time(2, 0), 1);
    assert_eq!(time(3, 33), 2);
    assert_eq!(time(4, 66), 33 * 90);
    assert_eq!(time(5, 99), 66 * 90);
    // The pictures before are where they were.
    assert_eq!(time(2, 0), 1);
    assert_eq!(time(3, 33), 2);
}

#[test]
fn pictures_that_are_left_out_are_counted_once() {
    let mut rewriter = Rewriter::new(1, 0);
    let now = Instant::now();
    rewriter.next(1, 1, 0, now, now, 90_000);
    for sequence in 2..5 {
        assert_eq!(rewriter.leave_out(1, sequence, 10, true), None);
    }
    rewriter.leave_out(1, 5, 20, true);
    rewriter.leave_out(1, 6, 30, false);
    let out = rewriter.next(1, 7, 30, now, now, 90_000).unwrap();
    assert_eq!((out.sequence, out.pictures_left_out), (2, 2));
    assert_eq!(rewriter.leave_out(9, 8, 40, true), None);
    assert_eq!(next(&mut rewriter, 1, 8, 40, now), Some((3, 40)));
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
            let (run, start) = (run as u64, u64::from(start) + 1);
            for sequence in start..start + count {
                last += 1;
                let out = next(&mut rewriter, run, sequence, now);
                prop_assert_eq!(out.map(|(number, _)| number), Some(last));
            }
            prop_assert_eq!(next(&mut rewriter, run, start - 1, now), None);
        }
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn a_stream_counts_on_over_runs_and_one_that_does_not_is_found_out() {
    assert!(counts_on(|rewriter, run, sequence, now| {
        next(rewriter, run, sequence, 0, now)
    }));
    // Takes all runs for one.
    assert!(!counts_on(|rewriter, _, sequence, now| {
        next(rewriter, 1, sequence, 0, now)
    }));
    // Forgets where a run began.
    assert!(!counts_on(|rewriter, run, sequence, now| {
        let out = next(rewriter, run, sequence, 0, now);
        rewriter.spans[0].from = 0;
        out.or_else(|| next(rewriter, run, sequence, 0, now))
    }));
}

type Give = fn(&mut Rewriter, u64, u32, bool) -> Option<u64>;

/// Pictures of several packets, some left out, some packets late: what goes out has the order of
/// the source, each number once, and none is missing at the end.
fn closes_up(give: Give) -> bool {
    let pictures = prop::collection::vec((1usize..5, any::<bool>()), 2..30);
    let late = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    let outcome = TestRunner::deterministic().run(&(pictures, late), |(pictures, late)| {
        let mut packets = Vec::new();
        for (number, (size, sent)) in pictures.into_iter().enumerate() {
            for _ in 0..size {
                packets.push((packets.len() as u64 + 9, number as u32, sent || number == 0));
            }
        }
        let mut arrivals = packets.clone();
        for at in late {
            // Not the first: where a stream begins is decided by what comes first.
            let at = 1 + at.index(arrivals.len());
            if at < arrivals.len() {
                let packet = arrivals.remove(at);
                arrivals.insert((at + 7).min(arrivals.len()), packet);
            }
        }
        let mut rewriter = Rewriter::new(1, 0);
        let mut out = Vec::new();
        for (sequence, picture, sent) in arrivals {
            if let Some(number) = give(&mut rewriter, sequence, picture, sent) {
                out.push((sequence, number));
            }
        }
        out.sort_unstable();
        for (at, (_, number)) in out.iter().enumerate() {
            prop_assert_eq!(*number, at as u64 + 1);
        }
        let given: Vec<u64> = out.iter().map(|(sequence, _)| *sequence).collect();
        for (sequence, _, sent) in packets {
            prop_assert!(!sent || given.contains(&sequence), "{} is lost", sequence);
        }
        Ok(())
    });
    outcome.is_ok()
}

fn give(rewriter: &mut Rewriter, sequence: u64, picture: u32, sent: bool) -> Option<u64> {
    let now = Instant::now();
    let numbers = if sent {
        rewriter.next(1, sequence, picture, now, now, 90_000)
    } else {
        rewriter.leave_out(1, sequence, picture, true)
    };
    numbers.map(|numbers| numbers.sequence)
}

#[test]
fn numbers_close_up_behind_what_is_left_out_and_a_rewriter_that_does_not_is_found_out() {
    assert!(closes_up(give));
    // Leaves holes.
    assert!(!closes_up(|rewriter, sequence, picture, sent| {
        if sent {
            give(rewriter, sequence, picture, sent)
        } else {
            None
        }
    }));
    // Forgets the numbers that it kept for what is left out late.
    assert!(!closes_up(|rewriter, sequence, picture, sent| {
        give(rewriter, sequence, picture, sent).filter(|_| sent)
    }));
    // Gives what comes late the shift of today.
    assert!(!closes_up(|rewriter, sequence, picture, sent| {
        if sent && sequence < rewriter.head {
            let last = rewriter.spans.back().unwrap();
            return Some(last.numbers(sequence, picture).sequence);
        }
        give(rewriter, sequence, picture, sent)
    }));
}
