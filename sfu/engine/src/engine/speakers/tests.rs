//! Whole rooms of voices, on a clock of their own: on one worker, and spread over several.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::floor::{Floor, TELL_EVERY, VoiceLevel};
use super::voices::{Sample, Voices};
use crate::engine::dispatch::post::WorkerIndex;
use crate::engine::media::rewrite::SourceRun;
use crate::engine::router::TrackKey;

const PACKET: Duration = Duration::from_millis(20);
const S: Duration = Duration::from_secs(1);

/// A room in which every track sends a packet each 20 ms, tracks on the workers in turn.
struct Room {
    workers: Vec<Voices>,
    floor: Floor,
    now: Instant,
    number: u32,
    runs: SourceRun,
    wake: Option<Instant>,
    reports: Vec<Option<Instant>>,
    /// Each list that was told, and when.
    told: Vec<(Instant, Vec<String>)>,
    /// Each change of who is forwarded.
    changes: Vec<(Instant, Vec<TrackKey>)>,
    /// The last worker hears of its places only in the beginning.
    is_deaf: bool,
}

impl Room {
    fn of(loudest: usize) -> Self {
        Self::over(1, loudest)
    }

    fn over(workers: usize, loudest: usize) -> Self {
        let mut room = Self {
            workers: (0..workers).map(|_| Voices::default()).collect(),
            floor: Floor::default(),
            now: Instant::now(),
            number: 0,
            runs: 1000,
            wake: None,
            reports: vec![None; workers],
            told: Vec::new(),
            changes: Vec::new(),
            is_deaf: false,
        };
        room.set_loudest(loudest);
        room
    }

    fn set_loudest(&mut self, loudest: usize) {
        self.floor.set_places(loudest);
        for voices in &mut self.workers {
            voices.let_places_count(loudest > 0);
        }
        self.compare();
    }

    fn voices(&mut self, track: TrackKey) -> (WorkerIndex, &mut Voices) {
        let worker = track % self.workers.len();
        (worker, &mut self.workers[worker])
    }

    /// A packet of a track arrives; what it goes on as.
    fn hear(&mut self, track: TrackKey, sample: Sample, run: SourceRun) -> Option<SourceRun> {
        let (mut runs, now) = (self.runs, self.now);
        let (worker, voices) = self.voices(track);
        if voices.hear(track, sample, &mut runs, now) {
            self.report(worker);
        }
        let (_, voices) = self.voices(track);
        let passed = voices.pass(track, run, &mut runs);
        self.runs = runs;
        passed
    }

    /// Play these levels (by track, dB below overload) for a while.
    fn play(&mut self, levels: &[u8], span: Duration) {
        let end = self.now + span;
        while self.now < end {
            for (track, level) in levels.iter().enumerate() {
                let sample = Sample {
                    below_overload_db: Some(*level),
                    time: self.number * 960,
                };
                self.hear(track, sample, track as SourceRun);
            }
            self.number += 1;
            self.now += PACKET;
            for worker in 0..self.workers.len() {
                if self.reports[worker].is_some_and(|at| at <= self.now) {
                    self.report(worker);
                }
            }
            if self.wake.is_some_and(|at| at <= self.now) {
                self.compare();
            }
        }
    }

    fn end(&mut self, track: TrackKey) {
        let (worker, voices) = self.voices(track);
        assert!(voices.end(track));
        self.report(worker);
    }

    fn report(&mut self, worker: WorkerIndex) {
        let (levels, next) = self.workers[worker].report(self.now);
        self.reports[worker] = next;
        let levels = levels.iter().map(|level| VoiceLevel {
            number: level.number,
            track: level.track.to_string().into(),
            level_db: level.level_db,
            speaks: level.speaks,
        });
        self.floor.hear(worker, levels.collect(), self.now);
        self.compare();
    }

    fn compare(&mut self) {
        self.wake = self.floor.compare(self.now);
        if let Some(list) = self.floor.tell(self.now) {
            let list = list.into_iter().map(|speaker| speaker.track).collect();
            self.told.push((self.now, list));
        }
        for (worker, numbers) in self.floor.restate() {
            if !self.is_deaf || self.number == 0 || worker + 1 < self.workers.len() {
                self.workers[worker].place(&numbers);
            }
        }
        let forwarded = self.forwarded(6);
        if self.changes.last().map(|(_, list)| list) != Some(&forwarded) {
            self.changes.push((self.now, forwarded));
        }
    }

    /// Of so many tracks.
    fn forwarded(&self, tracks: usize) -> Vec<TrackKey> {
        let is_forwarded =
            |track: &TrackKey| self.workers[track % self.workers.len()].is_forwarded(*track);
        (0..tracks).filter(is_forwarded).collect()
    }

    fn last_told(&self) -> &[String] {
        self.told.last().map_or(&[], |(_, list)| list)
    }
}

#[test]
fn who_speaks_is_told_once_and_again_when_it_ends() {
    for workers in [1, 2] {
        let mut room = Room::over(workers, 0);
        room.play(&[127, 127], S);
        assert_eq!(room.told, []);
        room.play(&[127, 25], 3 * S);
        room.play(&[127, 127], 3 * S);
        let lists: Vec<_> = room.told.iter().map(|(_, list)| list.clone()).collect();
        assert_eq!(lists, [vec!["1".to_owned()], vec![]]);
        assert_eq!(room.wake, None, "a silent room waits for nothing");
        assert!(room.reports.iter().all(Option::is_none));
    }
}

#[test]
fn a_track_that_stops_sending_is_told_as_silent_by_the_clock_alone() {
    let mut room = Room::of(0);
    room.play(&[25], S);
    room.play(&[], 3 * S);
    assert_eq!(room.last_told(), [""; 0]);
}

#[test]
fn the_loudest_are_forwarded_and_silence_gives_its_place_at_once() {
    for workers in [1, 3] {
        let mut room = Room::over(workers, 2);
        room.play(&[127, 127, 127], S);
        assert_eq!(room.forwarded(3).len(), 2);
        let waits = (0..3).find(|track| !room.forwarded(3).contains(track));
        let levels = [0, 1, 2].map(|track| if Some(track) == waits { 30 } else { 127 });
        room.play(&levels, Duration::from_millis(80));
        assert!(room.forwarded(3).contains(&waits.unwrap()));
        assert_eq!(room.forwarded(3).len(), 2);
    }
}

#[test]
fn an_interrupter_must_be_louder_for_a_while() {
    for workers in [1, 2] {
        let mut room = Room::over(workers, 1);
        room.play(&[30, 127], 2 * S);
        room.play(&[30, 20], Duration::from_millis(500));
        assert_eq!(room.forwarded(2), [0], "not yet");
        room.play(&[30, 20], Duration::from_millis(500));
        assert_eq!(room.forwarded(2), [1]);
        room.play(&[30, 27], 5 * S);
        assert_eq!(room.forwarded(2), [1], "as good as equal");
    }
}

#[test]
fn the_louder_speaker_moves_to_the_front() {
    for workers in [1, 2] {
        let mut room = Room::over(workers, 0);
        room.play(&[35, 127], 2 * S);
        room.play(&[35, 20], 2 * S);
        assert_eq!(room.last_told(), ["1", "0"]);
    }
}

#[test]
fn what_does_not_say_how_loud_it_is_is_forwarded_on_top() {
    let mut room = Room::of(1);
    room.play(&[30], S);
    let mut sample = Sample {
        below_overload_db: None,
        time: 0,
    };
    assert_eq!(room.hear(9, sample, 5), Some(5));
    sample.below_overload_db = Some(127);
    assert_eq!(room.hear(9, sample, 5), None, "now it needs a place");
    room.end(0);
    let renamed = room.hear(9, sample, 5);
    assert!(renamed > Some(1000), "another run after the pause");
    assert_eq!(room.hear(9, sample, 5), renamed);
    assert_eq!(room.hear(9, sample, 6), Some(6));
}

#[test]
fn fewer_places_are_taken_from_the_quietest() {
    for workers in [1, 2] {
        let mut room = Room::over(workers, 0);
        room.play(&[40, 20, 30], S);
        room.set_loudest(2);
        assert_eq!(room.forwarded(3), [1, 2]);
        room.set_loudest(0);
        assert_eq!(room.forwarded(3), [0, 1, 2]);
        room.set_loudest(2);
        assert_eq!(room.forwarded(3), [1, 2]);
    }
}

#[test]
fn a_lost_worker_leaves_its_places_and_a_new_floor_tells_the_node_anew() {
    let mut room = Room::over(2, 1);
    room.play(&[30, 127], S);
    room.play(&[30, 35], S);
    assert_eq!((room.forwarded(2), room.last_told().len()), (vec![0], 1));
    room.floor.forget_worker(0);
    room.compare();
    assert!(room.workers[1].is_forwarded(1));
    let mut floor = Floor::default();
    floor.succeed();
    assert!(!floor.is_empty());
    floor.hear(1, Vec::new(), room.now);
    floor.compare(room.now);
    assert_eq!(floor.tell(room.now), Some(Vec::new()));
    assert!(floor.is_empty());
}

/// Whatever is said: never more places than there are, none empty while somebody waits, lists no
/// closer than they may be, and nobody loses a place within its hold to one who is not clearly
/// louder: with `jitter` of less than the margin the set stays as it is.
fn is_stable(room: fn(usize) -> Room) -> bool {
    let steps = prop::collection::vec((prop::collection::vec(0u8..128, 6), 1u64..80), 1..12);
    let chatter = prop::collection::vec(prop::collection::vec(22u8..26, 4), 20..60);
    let outcome = TestRunner::deterministic().run(&(steps, chatter), |(steps, chatter)| {
        let mut any = room(3);
        for (levels, packets) in steps {
            any.play(&levels, PACKET * packets as u32);
            prop_assert_eq!(any.forwarded(6).len(), 3);
        }
        for pair in any.told.windows(2) {
            prop_assert!(pair[1].0 >= pair[0].0 + TELL_EVERY);
            prop_assert_ne!(&pair[1].1, &pair[0].1);
        }
        let mut same = room(2);
        same.play(&[24, 24, 127, 127], 2 * S);
        let before = same.changes.len();
        for levels in chatter {
            same.play(&levels, PACKET * 10);
        }
        prop_assert_eq!(same.changes.len(), before, "about as loud");
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn places_are_stable_and_rules_that_flicker_are_found_out() {
    assert!(is_stable(Room::of));
    assert!(is_stable(|loudest| Room::over(3, loudest)));
    // Hands out a place more than there are.
    assert!(!is_stable(|loudest| Room::of(loudest + 1)));
    // Takes whoever is the loudest at the moment.
    assert!(!is_stable(|loudest| {
        let mut room = Room::of(loudest);
        room.floor.margin_db = 0.0;
        room.floor.patience = Duration::ZERO;
        room
    }));
    // Does not agree with the others.
    assert!(!is_stable(|loudest| {
        let mut room = Room::over(3, loudest);
        room.is_deaf = true;
        room
    }));
}
