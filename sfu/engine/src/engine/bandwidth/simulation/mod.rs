//! Seeded paths on which the estimator has to find its level.

mod world;

use super::FLOOR_BPS;
use world::{PATH, Path, World, all_of_it, layers};

const SEEDS: std::ops::Range<u64> = 0..20;

#[test]
fn it_rises_to_what_is_wanted() {
    for seed in SEEDS {
        let jitter_ms = (seed % 4) as f64;
        let feedback_ms = 50 + 10 * (seed % 6);
        let path = Path {
            jitter_ms,
            feedback_ms,
            ..PATH
        };
        for flow in [all_of_it, layers] {
            let mut world = World::new(seed, path, 300_000, 3_000_000);
            world.flow = flow;
            world.run(3000);
            assert!(
                world.estimate() >= 2_400_000,
                "{seed}: {}",
                world.estimate()
            );
            assert!(world.run(2000) >= 2_400_000, "{seed}");
        }
    }
}

#[test]
fn a_cap_is_found_its_queue_drained_and_its_end_noticed() {
    for seed in SEEDS {
        let path = Path {
            jitter_ms: (seed % 5) as f64,
            feedback_ms: 50 + 10 * (seed % 6),
            ..PATH
        };
        let free = Path {
            rate_bps: 3e6,
            ..path
        };
        let mut world = World::new(seed, free, 1_000_000, 2_500_000);
        world.run(5000);
        assert!(
            world.estimate() >= 2_000_000,
            "{seed}: {}",
            world.estimate()
        );
        let probes = world.probes;
        world.path = Path {
            rate_bps: 450_000.0,
            ..free
        };
        world.run(1500);
        assert!(world.estimate() < 450_000, "{seed}: {}", world.estimate());
        world.run(1500);
        let queue_ms = world.queue_ms;
        assert_eq!(world.probes, probes, "nothing is probed soon after a drop");
        let flows = world.run(17_000 + 100 * seed);
        assert!(queue_ms < 150.0, "{seed}: {queue_ms}");
        assert!(flows > 270_000, "{seed}: {flows}");
        world.path = free;
        world.run(5000);
        assert!(
            world.estimate() >= 2_500_000,
            "{seed}: {}",
            world.estimate()
        );
    }
}

#[test]
fn random_loss_and_jitter_change_little_and_heavy_loss_cuts() {
    for seed in SEEDS {
        let path = Path {
            delay_ms: 45.0,
            jitter_ms: 10.0,
            feedback_ms: 100,
            ..PATH
        };
        let mut world = World::new(seed, path, 1_000_000, 2_000_000);
        world.run(5000);
        let before = world.estimate();
        world.path.loss = 0.02;
        world.run(20_000);
        assert!(
            world.least_bps * 10 >= before.min(2_000_000) * 8,
            "{seed}: {before} {}",
            world.least_bps
        );
        world.path.loss = 0.15;
        world.run(5000);
        assert!(
            world.estimate() * 10 < before * 8,
            "{seed}: {before} {}",
            world.estimate()
        );
    }
}

#[test]
fn one_that_has_what_it_wants_is_left_alone() {
    for seed in SEEDS {
        let mut world = World::new(
            seed,
            Path {
                jitter_ms: 5.0,
                ..PATH
            },
            300_000,
            200_000,
        );
        world.run(60_000);
        assert!(world.least_bps >= 200_000 && world.most_bps <= 1_000_000);
        assert!(world.probes <= 3, "{}", world.probes);
    }
}

#[test]
fn without_feedback_it_falls_to_the_floor_and_comes_back() {
    for seed in SEEDS {
        let mut world = World::new(seed, PATH, 1_000_000, 3_000_000);
        world.run(5000);
        world.path.answers = false;
        world.run(1000);
        assert!(world.estimate() >= 2_400_000, "one second is not silence");
        world.run(14_000);
        assert_eq!(world.estimate(), FLOOR_BPS);
        world.path.answers = true;
        world.run(5000);
        assert!(
            world.estimate() >= 2_400_000,
            "{seed}: {}",
            world.estimate()
        );
    }
}

/// Short queues drop what does not fit: losses tell, where delays hardly can.
#[test]
fn caps_are_found_whatever_their_queue_holds() {
    for seed in SEEDS {
        for queue_ms in [60.0, 150.0, 500.0] {
            let free = Path {
                rate_bps: 3e6,
                queue_ms,
                jitter_ms: 2.0,
                ..PATH
            };
            let mut world = World::new(seed, free, 1_000_000, 2_500_000);
            world.run(5000);
            for cap in [2_000_000, 1_000_000, 450_000] {
                world.path.rate_bps = cap as f64;
                world.run(1500);
                assert!(
                    world.estimate() * 10 < cap * 11,
                    "{cap}: {}",
                    world.estimate()
                );
                let flows = world.run(8500);
                assert!(flows * 10 > cap * 7, "{seed} {queue_ms} {cap}: {flows}");
                assert!(world.most_bps * 10 < cap * 13, "{cap}: {}", world.most_bps);
            }
        }
    }
}

/// A sender of layers leaves room below its estimate, which nothing but probes can show.
#[test]
fn layers_come_back_when_a_cap_ends() {
    for seed in SEEDS {
        let mut world = World::new(seed, PATH, 1_000_000, 3_000_000);
        world.flow = layers;
        world.run(5000);
        world.path.rate_bps = 450_000.0;
        world.run(10_000 + 150 * seed);
        assert!(world.most_bps > 450_000 && world.estimate() < 450_000);
        world.path.rate_bps = PATH.rate_bps;
        world.run(4000);
        assert!(
            world.estimate() >= 3_000_000,
            "{seed}: {}",
            world.estimate()
        );
    }
}

/// Thirty packets a second: two that are lost in a row are no ten percent.
#[test]
fn a_thin_stream_survives_a_little_loss() {
    for seed in SEEDS {
        let path = Path {
            loss: 0.02,
            jitter_ms: 10.0,
            ..PATH
        };
        let mut world = World::new(seed, path, 300_000, 100_000);
        world.run(60_000);
        assert!(world.least_bps >= 240_000, "{seed}: {}", world.least_bps);
    }
}

/// Probes that go beyond what a path carries leave a queue for a moment; that is no reason to fall.
#[test]
fn probes_in_vain_do_no_harm() {
    for seed in SEEDS {
        for (rate_bps, least_bps) in [(600_000.0, 500_000), (1e6, 700_000), (3e6, 2_200_000)] {
            let path = Path {
                rate_bps,
                jitter_ms: 5.0,
                ..PATH
            };
            let mut world = World::new(seed, path, 700_000, 6_000_000);
            world.flow = layers;
            world.run(5000);
            world.run(60_000);
            assert!(world.probes > 15, "{}", world.probes);
            let fell_to = world.least_bps;
            assert!(fell_to >= least_bps, "{seed} {rate_bps}: {fell_to}");
        }
    }
}
