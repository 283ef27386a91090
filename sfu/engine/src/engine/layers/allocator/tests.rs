use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

fn layer(encoding: u8) -> Layer {
    Layer {
        encoding,
        ..Layer::default()
    }
}

/// Rungs at these rates, kbit/s, each of four times the pixels of the one before.
fn rungs(rates: &[u64]) -> Vec<Rung> {
    rates
        .iter()
        .enumerate()
        .map(|(at, rate)| Rung {
            layer: layer(at as u8),
            rate_bps: rate * 1000,
            pixels: (320 * 180) << (2 * at),
        })
        .collect()
}

fn ask(rungs: &[Rung]) -> Ask<'_> {
    Ask {
        rungs,
        shown_pixels: None,
        allowed_pixels: None,
        priority: 128,
        paused: false,
        given: Grant::Unknown,
        upgraded_at: None,
    }
}

fn budget(kbps: u64) -> Budget {
    Budget {
        estimate_bps: Some(kbps * 1000),
        audio_bps: 0,
        may_starve: true,
    }
}

fn share(kbps: u64, asks: &[Ask<'_>]) -> Vec<Option<u8>> {
    allocate(&budget(kbps), asks, Instant::now())
        .grants
        .iter()
        .map(|grant| match grant {
            Grant::Layer(layer) => Some(layer.encoding),
            _ => None,
        })
        .collect()
}

const CAMERA: [u64; 3] = [150, 500, 1500];

#[test]
fn nobody_gets_a_second_layer_before_everybody_has_one() {
    let camera = rungs(&CAMERA);
    let asks = [ask(&camera), ask(&camera), ask(&camera)];
    assert_eq!(share(500, &asks), [Some(0); 3]);
    assert_eq!(share(900, &asks), [Some(1), Some(0), Some(0)]);
    assert_eq!(share(10_000, &asks), [Some(2); 3]);
    assert_eq!(share(200, &asks), [Some(0), None, None]);
}

#[test]
fn the_important_come_first_and_the_least_important_is_starved() {
    let camera = rungs(&CAMERA);
    let vital = Ask {
        priority: 200,
        ..ask(&camera)
    };
    let asks = [ask(&camera), vital];
    assert_eq!(share(1900, &asks), [Some(0), Some(2)]);
    assert_eq!(share(160, &asks), [None, Some(0)]);
}

#[test]
fn more_is_given_with_room_to_spare_and_not_at_once_again() {
    let camera = rungs(&CAMERA);
    let now = Instant::now();
    let has = Ask {
        given: Grant::Layer(layer(1)),
        ..ask(&camera)
    };
    assert_eq!(share(1550, &[has]), [Some(1)]);
    assert_eq!(share(1700, &[has]), [Some(2)]);
    let fresh = Ask {
        upgraded_at: Some(now),
        ..has
    };
    assert_eq!(share(1700, &[fresh]), [Some(1)]);
    // What it has it keeps, within the noise; and loses at once what does not fit.
    assert_eq!(share(470, &[fresh]), [Some(1)]);
    assert_eq!(share(400, &[fresh]), [Some(0)]);
    let starved = Ask {
        given: Grant::Starved,
        ..ask(&camera)
    };
    let tiny = rungs(&[10]);
    let vital = Ask {
        priority: 200,
        ..ask(&tiny)
    };
    assert_eq!(share(170, &[vital, starved]), [Some(0), None]);
    assert_eq!(share(190, &[vital, starved]), [Some(0), Some(0)]);
    assert_eq!(share(1, &[vital, starved]), [Some(0), None]);
}

#[test]
fn nobody_gets_more_than_is_shown_or_allowed() {
    let camera = rungs(&CAMERA);
    let shows = |width: u32, height: u32| Ask {
        shown_pixels: Some(width * height),
        ..ask(&camera)
    };
    assert_eq!(share(9000, &[shows(320, 180)]), [Some(0)]);
    assert_eq!(share(9000, &[shows(340, 190)]), [Some(0)]);
    assert_eq!(share(9000, &[shows(400, 300)]), [Some(1)]);
    assert_eq!(share(9000, &[shows(4000, 3000)]), [Some(2)]);
    let allowed = Ask {
        allowed_pixels: Some(640 * 360),
        ..ask(&camera)
    };
    assert_eq!(share(9000, &[allowed]), [Some(1)]);
    let nothing = Ask {
        allowed_pixels: Some(1),
        ..ask(&camera)
    };
    assert_eq!(share(9000, &[nothing]), [Some(0)]);
    let paused = Ask {
        paused: true,
        ..ask(&camera)
    };
    let allocation = allocate(&budget(9000), &[paused], Instant::now());
    assert_eq!(allocation.grants, [Grant::Paused]);
    assert_eq!(allocation.desired_bps, 0);
}

#[test]
fn what_is_wished_for_follows_the_lines() {
    let camera = rungs(&CAMERA);
    let audio = Budget {
        audio_bps: 40_000,
        ..budget(1000)
    };
    let allocation = allocate(&audio, &[ask(&camera)], Instant::now());
    assert_eq!(allocation.sum_bps, 540_000);
    assert_eq!(allocation.desired_bps, 40_000 + 1_725_000);
    let unknown = Budget {
        estimate_bps: None,
        ..audio
    };
    let allocation = allocate(&unknown, &[ask(&camera)], Instant::now());
    assert_eq!(allocation.grants, [Grant::Layer(layer(2))]);
}

#[test]
fn nobody_is_starved_while_the_estimate_finds_its_level() {
    let camera = rungs(&CAMERA);
    let early = Budget {
        may_starve: false,
        ..budget(10)
    };
    let allocation = allocate(&early, &[ask(&camera)], Instant::now());
    assert_eq!(allocation.grants, [Grant::Layer(layer(0))]);
}

type Allocate = fn(&Budget, &[Ask<'_>], Instant) -> Allocation;

/// The sum fits, nobody gets nothing while his least would fit, or while a less important one gets
/// as much, and the same question has the same answer.
fn is_fair(allocate: Allocate) -> bool {
    let lines = prop::collection::vec((prop::collection::vec(10u64..900, 1..5), 0u8..3), 1..6);
    let outcome = TestRunner::deterministic().run(&(lines, 0u64..6000), |(lines, kbps)| {
        let now = Instant::now();
        let ladders: Vec<(Vec<Rung>, u8)> = lines
            .into_iter()
            .map(|(steps, priority)| {
                let mut sum = 0;
                let rates: Vec<u64> = steps
                    .iter()
                    .map(|step| {
                        sum += step;
                        sum
                    })
                    .collect();
                (rungs(&rates), priority)
            })
            .collect();
        let asks: Vec<Ask<'_>> = ladders
            .iter()
            .map(|(rungs, priority)| Ask {
                priority: *priority,
                ..ask(rungs)
            })
            .collect();
        let budget = budget(kbps);
        let first = allocate(&budget, &asks, now);
        let alone = asks
            .iter()
            .filter(|ask| asks.iter().all(|other| other.priority <= ask.priority))
            .map(|ask| ask.rungs[0].rate_bps)
            .min()
            .unwrap_or(0);
        prop_assert!(first.sum_bps <= alone.max(kbps * 1100), "{first:?}");
        let steps = |allocation: &Allocation| -> Vec<usize> {
            allocation
                .grants
                .iter()
                .zip(&asks)
                .map(|(grant, ask)| match grant {
                    Grant::Layer(layer) => {
                        1 + ask
                            .rungs
                            .iter()
                            .position(|rung| rung.layer == *layer)
                            .unwrap()
                    }
                    _ => 0,
                })
                .collect()
        };
        let given = steps(&first);
        let least = |at: usize| asks[at].rungs[0].rate_bps;
        let granted = |at: &usize| given[*at] > 0;
        for starved in (0..asks.len()).filter(|at| !granted(at)) {
            let others: u64 = (0..asks.len()).filter(granted).map(least).sum();
            prop_assert!(others + least(starved) > kbps * 1000, "{given:?}");
            let displaced = (0..asks.len()).filter(granted).any(|other| {
                asks[other].priority < asks[starved].priority && least(other) >= least(starved)
            });
            prop_assert!(!displaced, "{given:?}");
        }
        let again: Vec<Ask<'_>> = asks
            .iter()
            .zip(&first.grants)
            .map(|(ask, given)| Ask {
                given: *given,
                upgraded_at: Some(now),
                ..*ask
            })
            .collect();
        let second = allocate(&budget, &again, now);
        prop_assert_eq!(&second.grants, &first.grants, "it wavers");
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn shares_are_fair_and_do_not_waver_and_others_are_found_out() {
    assert!(is_fair(allocate));
    // Takes the estimate for twice what it is.
    assert!(!is_fair(|budget, asks, now| {
        let twice = budget.estimate_bps.map(|estimate| estimate * 2);
        allocate(
            &Budget {
                estimate_bps: twice,
                ..*budget
            },
            asks,
            now,
        )
    }));
    // Takes the least important first.
    assert!(!is_fair(|budget, asks, now| {
        let turned: Vec<Ask<'_>> = asks
            .iter()
            .map(|ask| Ask {
                priority: 255 - ask.priority,
                ..*ask
            })
            .collect();
        allocate(budget, &turned, now)
    }));
    // Forgets what was given.
    assert!(!is_fair(|budget, asks, now| {
        let fresh: Vec<Ask<'_>> = asks
            .iter()
            .map(|ask| Ask {
                given: Grant::Unknown,
                ..*ask
            })
            .collect();
        allocate(budget, &fresh, now)
    }));
}

/// How often grants change in a minute of two lines that cost about the same, now one a little more
/// and now the other.
fn changes(kbps: u64) -> usize {
    let start = Instant::now();
    let mut given = [Grant::Unknown; 2];
    let mut upgraded_at = [None; 2];
    let mut changes = 0;
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        let percent = |line: u64| {
            if (second + line).is_multiple_of(2) {
                96
            } else {
                104
            }
        };
        let ladders = [0, 1].map(|line| rungs(&CAMERA.map(|rate| rate * percent(line) / 100)));
        let asks = [0, 1].map(|at| Ask {
            given: given[at],
            upgraded_at: upgraded_at[at],
            ..ask(&ladders[at])
        });
        let grants = allocate(&budget(kbps), &asks, now).grants;
        for at in 0..2 {
            if grants[at] != given[at] {
                changes += 1;
                upgraded_at[at] = Some(now);
            }
            given[at] = grants[at];
        }
    }
    changes
}

#[test]
fn lines_that_cost_the_same_do_not_take_turns() {
    let restless: Vec<(u64, usize)> = (50..4000)
        .step_by(10)
        .map(|kbps| (kbps, changes(kbps)))
        .filter(|(_, changes)| *changes > 6)
        .collect();
    assert_eq!(restless, []);
}

#[test]
fn no_limit_is_too_large_to_count_with() {
    let camera = rungs(&CAMERA);
    let boundless = Budget {
        estimate_bps: Some(u64::MAX),
        ..budget(0)
    };
    let allocation = allocate(&boundless, &[ask(&camera)], Instant::now());
    assert_eq!(allocation.grants, [Grant::Layer(layer(2))]);
}
