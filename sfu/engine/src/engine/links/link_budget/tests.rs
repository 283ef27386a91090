use super::*;

const RTT: Duration = Duration::from_millis(60);
const STEP_MS: f64 = 50.0;

/// A path of some rate with a queue that loses what it cannot hold, fed at what the budget leaves of a want.
struct World {
    path_bps: f64,
    holds_ms: f64,
    loses: f64,
    queue_ms: f64,
    /// What the way became longer by.
    longer_ms: f64,
    budget: LinkBudget,
    now: Instant,
}

impl World {
    fn new(path_bps: f64, holds_ms: f64, loses: f64) -> Self {
        Self {
            path_bps,
            holds_ms,
            loses,
            queue_ms: 0.0,
            longer_ms: 0.0,
            budget: LinkBudget::default(),
            now: Instant::now(),
        }
    }

    /// Let a report's time pass; returns what was sent, bit/s.
    fn step(&mut self, wanted_bps: f64) -> f64 {
        let limit = self.budget.limit_bps().map_or(f64::MAX, |bps| bps as f64);
        let sent = wanted_bps.min(limit);
        let comes = sent * STEP_MS / 1000.0 * (1.0 - self.loses);
        let holds = self.path_bps * self.holds_ms / 1000.0;
        let waits = self.queue_ms / 1000.0 * self.path_bps + comes;
        let passes = (self.path_bps * STEP_MS / 1000.0).min(waits);
        let stays = (waits - passes).min(holds);
        let lost = waits - passes - stays + comes / (1.0 - self.loses) * self.loses;
        self.queue_ms = stays / self.path_bps * 1000.0;
        self.now += Duration::from_millis(STEP_MS as u64);
        let received = Received {
            elapsed_us: STEP_MS as u32 * 1000,
            packets: (passes / 8000.0) as u32,
            bytes: (passes / 8.0) as u32,
            lost: (lost / 8000.0) as u32,
            queue_us: ((self.queue_ms + self.longer_ms) * 1000.0) as u32,
        };
        let situation = Situation {
            wanted_bps: wanted_bps as u64,
            rtt: RTT,
            risen_at: None,
        };
        self.budget.hear(received, situation, self.now);
        sent
    }

    fn run(&mut self, seconds: u32, wanted_bps: f64) -> Vec<f64> {
        let steps = f64::from(seconds) * 1000.0 / STEP_MS;
        (0..steps as u32).map(|_| self.step(wanted_bps)).collect()
    }
}

#[test]
fn a_path_with_room_has_no_limit_whatever_it_loses() {
    for loses in [0.0, 0.1, 0.3] {
        let mut world = World::new(10e6, 300.0, loses);
        world.run(30, 5e6);
        assert_eq!(world.budget.limit_bps(), None, "{loses}");
    }
}

#[test]
fn twice_what_the_path_carries_is_cut_and_its_queue_is_gone_in_three_seconds() {
    for holds_ms in [100.0, 300.0, 1000.0] {
        let mut world = World::new(2e6, holds_ms, 0.0);
        world.run(3, 4e6);
        assert!(world.queue_ms < 50.0, "{}", world.queue_ms);
        let mut most = 0.0f64;
        let mut late = 0;
        let steps = 60 * 20;
        for _ in 0..steps {
            world.step(4e6);
            most = most.max(world.queue_ms);
            late += u32::from(world.queue_ms > 100.0);
        }
        assert!(most < 200.0, "{most} ms in a queue of {holds_ms}");
        assert!(late * 50 < steps, "{late} of {steps} reports");
        let limit = world.budget.limit_bps().unwrap();
        assert!((1_200_000..2_200_000).contains(&limit), "{limit}");
    }
}

#[test]
fn a_path_that_drops_and_never_queues_is_found_too() {
    let mut world = World::new(2e6, 5.0, 0.0);
    let sent = world.run(5, 4e6);
    assert!(*sent.last().unwrap() < 2.1e6);
}

#[test]
fn a_path_that_widens_is_used_again_and_the_limit_goes() {
    let mut world = World::new(2e6, 300.0, 0.0);
    world.run(5, 4e6);
    world.path_bps = 20e6;
    world.run(30, 4e6);
    assert_eq!(world.budget.limit_bps(), None);
}

#[test]
fn a_path_that_was_gone_for_a_moment_is_as_wide_as_before() {
    let mut world = World::new(10e6, 300.0, 0.0);
    world.run(3, 5e6);
    let gone = Received {
        elapsed_us: 900_000,
        packets: 20,
        bytes: 20_000,
        lost: 500,
        queue_us: 0,
    };
    let situation = Situation {
        wanted_bps: 5_000_000,
        rtt: RTT,
        risen_at: None,
    };
    world.budget.hear(gone, situation, world.now);
    world.run(3, 5e6);
    assert_eq!(world.budget.limit_bps(), None);
}

#[test]
fn a_longer_way_is_soon_known_for_one() {
    for loses in [0.0, 0.1] {
        let mut world = World::new(10e6, 300.0, loses);
        world.run(2, 5e6);
        world.longer_ms = 150.0;
        let limited = |world: &mut World| {
            world.step(5e6);
            u32::from(world.budget.limit_bps().is_some())
        };
        let steps: u32 = (0..60 * 20).map(|_| limited(&mut world)).sum();
        assert!(steps < 20, "{steps} reports with {loses} lost");
        // A queue on top of it is one.
        world.run(5, 12e6);
        assert!(world.queue_ms < 60.0, "{}", world.queue_ms);
        // As short again as before.
        world.longer_ms = 0.0;
        world.run(60, 5e6);
        assert_eq!(world.budget.limit_bps(), None);
    }
}

/// A far engine that gets no processor for a fifth of a second, and catches up.
#[test]
fn a_receiver_that_is_held_up_for_a_moment_is_no_narrow_path() {
    let mut world = World::new(10e6, 1000.0, 0.0);
    for _ in 0..20 {
        world.run(2, 5e6);
        world.path_bps = 2e6;
        for _ in 0..4 {
            world.step(5e6);
        }
        assert!(world.queue_ms > STANDING_MS);
        (world.path_bps, world.queue_ms) = (10e6, 0.0);
    }
    world.run(1, 5e6);
    assert_eq!(world.budget.limit_bps(), None);
}

#[test]
fn one_late_report_is_nothing() {
    let mut world = World::new(10e6, 300.0, 0.0);
    world.run(2, 5e6);
    world.queue_ms = 200.0;
    world.step(0.0);
    world.queue_ms = 0.0;
    world.run(1, 5e6);
    assert_eq!(world.budget.limit_bps(), None);
}

#[test]
fn nonsense_from_the_other_end_harms_nobody() {
    let mut budget = LinkBudget::default();
    let mut now = Instant::now();
    for word in [0, 1, u32::MAX, 7, u32::MAX, u32::MAX, 0, u32::MAX] {
        for _ in 0..100 {
            let received = Received {
                elapsed_us: word,
                packets: word,
                bytes: word,
                lost: word,
                queue_us: word,
            };
            now += Duration::from_millis(1);
            let situation = Situation {
                wanted_bps: 1_000_000,
                rtt: Duration::from_secs(9),
                risen_at: Some(now),
            };
            budget.hear(received, situation, now);
            assert!(budget.limit_bps().is_none_or(|bps| bps >= 20_000));
        }
    }
}
