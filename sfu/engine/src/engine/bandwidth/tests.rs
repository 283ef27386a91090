//! What the estimator as a whole does, packet by packet; and what it does with garbage.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{CEILING_BPS, Estimator, FLOOR_BPS, Outcome};

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(50);

/// Packets of 1000 bytes each `every` ms for `ms`, that all arrive, late by so many ms; a feedback each 50 ms.
fn flow(
    estimator: &mut Estimator,
    from: Instant,
    ms: u32,
    every: u32,
    late_ms: impl Fn(u32) -> i64,
) -> Instant {
    let mut outcomes = Vec::new();
    for at in 1..=ms {
        let now = from + MS * at;
        if at.is_multiple_of(every) {
            estimator.sent(1000, now);
            outcomes.push(Outcome {
                sent: now,
                arrived_us: Some((i64::from(at) + late_ms(at)) * 1000),
                bytes: 1000,
                probe: None,
            });
        }
        if at.is_multiple_of(50) {
            estimator.feedback(&outcomes, RTT, now);
            outcomes.clear();
        }
    }
    from + MS * ms
}

#[test]
fn it_grows_no_further_than_packets_prove() {
    let now = Instant::now();
    let mut estimator = Estimator::new(1_000_000, now);
    // 1 Mbit/s.
    let now = flow(&mut estimator, now, 60_000, 8, |_| 0);
    let full = estimator.estimate_bps();
    assert!((1_400_000..1_600_000).contains(&full), "{full}");
    // A tenth of that proves nothing, and is no reason to fall.
    flow(&mut estimator, now, 60_000, 80, |_| 0);
    assert_eq!(estimator.estimate_bps(), full);
}

#[test]
fn padding_that_arrives_does_not_let_it_grow() {
    let now = Instant::now();
    let mut estimator = Estimator::new(1_000_000, now);
    for at in 0..200 {
        let now = now + MS * 50 * at;
        let outcome = |step: u32| Outcome {
            sent: now + MS * step,
            arrived_us: Some(i64::from(at * 50 + step) * 1000),
            bytes: 1000,
            probe: (step > 20).then_some(9),
        };
        let outcomes: Vec<_> = (0..50).step_by(5).map(outcome).collect();
        for outcome in outcomes.iter().filter(|outcome| outcome.probe.is_none()) {
            estimator.sent(outcome.bytes, outcome.sent);
        }
        estimator.feedback(&outcomes, RTT, now + MS * 50);
    }
    // 1.6 Mbit/s arrived, of which half was media; so 1.06 of it is not proven.
    assert!(
        estimator.estimate_bps() < 1_300_000,
        "{}",
        estimator.estimate_bps()
    );
}

/// A queue that grows by 30 ms in 200 ms, and then stands: less arrives, and the rate goes below that.
#[test]
fn a_clock_that_was_set_anew_makes_no_queue() {
    for jump_ms in [0, 20_000, -20_000] {
        let now = Instant::now();
        let mut estimator = Estimator::new(1_000_000, now);
        flow(&mut estimator, now, 8000, 8, |at| {
            let jump = if at < 4000 { 0 } else { jump_ms };
            jump + i64::from(at.saturating_sub(6000).min(200)) * 30 / 200
        });
        let estimate = estimator.estimate_bps();
        assert!(
            (750_000..1_000_000).contains(&estimate),
            "{jump_ms}: {estimate}"
        );
    }
}

#[test]
fn only_silence_while_packets_leave_is_a_reason_to_fall() {
    let now = Instant::now();
    let mut estimator = Estimator::new(1_000_000, now);
    assert_eq!(estimator.deadline(), None);
    estimator.probe(now + MS * 10_000);
    assert_eq!(estimator.estimate_bps(), 1_000_000);
    estimator.sent(1000, now);
    let deadline = estimator.deadline().unwrap();
    assert_eq!(deadline, now + MS * 1500);
    estimator.probe(deadline);
    assert_eq!(estimator.estimate_bps(), 800_000);
    assert_eq!(estimator.deadline(), None, "nothing more left since");
    estimator.sent(1000, deadline);
    assert_eq!(estimator.deadline(), Some(deadline + MS * 500));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u32),
    Sent(u32),
    Feedback(Vec<(u32, Option<i64>, u32, Option<u32>)>, u64),
    Repeated(i64, u32),
    Desired(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        any::<i64>(),
        -1_000_000..1_000_000_i64,
        Just(i64::MIN),
        Just(0)
    ];
    let size = prop_oneof![any::<u32>(), 0..1500_u32];
    let outcome = (
        0..10_000_u32,
        prop::option::of(arrival.clone()),
        size.clone(),
    );
    let outcome = (outcome, prop::option::of(0..4_u32))
        .prop_map(|((ago, arrived, bytes), probe)| (ago, arrived, bytes, probe));
    prop_oneof![
        prop_oneof![0..200_u32, any::<u32>()].prop_map(Step::Wait),
        size.clone().prop_map(Step::Sent),
        (prop::collection::vec(outcome, 0..40), any::<u64>())
            .prop_map(|(outcomes, rtt)| Step::Feedback(outcomes, rtt)),
        (arrival, size).prop_map(|(arrived, bytes)| Step::Repeated(arrived, bytes)),
        any::<u64>().prop_map(Step::Desired),
    ]
}

fn apply(estimator: &mut Estimator, step: Step, now: Instant) {
    let outcome = |ago, arrived_us, bytes, probe| Outcome {
        sent: now.checked_sub(MS * ago).unwrap_or(now),
        arrived_us,
        bytes,
        probe,
    };
    match step {
        Step::Wait(_) => {}
        Step::Sent(bytes) => estimator.sent(bytes, now),
        Step::Feedback(packets, rtt) => {
            let outcomes: Vec<_> = packets
                .into_iter()
                .map(|(ago, arrived, bytes, probe)| outcome(ago, arrived, bytes, probe))
                .collect();
            estimator.feedback(&outcomes, Duration::from_micros(rtt), now);
        }
        Step::Repeated(arrived, bytes) => {
            let outcomes: Vec<_> = (0..3000)
                .map(|at| {
                    outcome(
                        3000 - at,
                        arrived.checked_add(i64::from(at) * 1000),
                        bytes,
                        Some(at % 3),
                    )
                })
                .collect();
            estimator.feedback(&outcomes, RTT, now);
        }
        Step::Desired(bps) => estimator.set_desired(bps, now),
    }
}

proptest! {
    #[test]
    fn whatever_a_receiver_claims_the_estimate_is_sane(
        initial in any::<u64>(),
        steps in prop::collection::vec(steps(), 1..80),
    ) {
        let mut now = Instant::now();
        let mut estimator = Estimator::new(initial, now);
        for step in steps {
            if let Step::Wait(ms) = step {
                now += MS * ms;
            }
            apply(&mut estimator, step, now);
            let estimate = estimator.estimate_bps();
            prop_assert!((FLOOR_BPS..=CEILING_BPS).contains(&estimate));
            if let Some(probe) = estimator.probe(now) {
                prop_assert!(probe.rate_bps >= FLOOR_BPS && probe.rate_bps <= CEILING_BPS * 2);
                prop_assert!((6000..CEILING_BPS).contains(&probe.bytes));
            }
            prop_assert!(estimator.deadline().is_none_or(|at| at > now));
        }
    }
}

/// Thousands of subscribers have one each.
#[test]
fn it_is_small() {
    let size = std::mem::size_of::<Estimator>();
    assert!(size <= 1500, "{size}");
}
