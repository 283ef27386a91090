//! The tracks of one room against each other: who is told as speaking, who is forwarded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::loudness::Loudness;
use crate::engine::rewrite::SourceRun;
use crate::engine::router::TrackKey;

/// Tracks are compared this often while somebody speaks.
pub const COMPARE_EVERY: Duration = Duration::from_millis(100);

/// The list of speakers is told at most this often.
pub const TELL_EVERY: Duration = Duration::from_millis(300);

/// Somebody takes the place of another who speaks only when this much louder (twice as loud to the
/// ear is 10 dB)...
const LOUDER_DB: f32 = 6.0;

/// ...all this time: longer than a laugh or an aside.
const LOUDER_FOR: Duration = Duration::from_millis(600);

/// Whoever got a place keeps it at least so long.
const HOLD: Duration = Duration::from_secs(1);

/// Speakers that the node is told of; nobody tells more voices apart.
pub const MAX_TOLD: usize = 16;

#[derive(Debug)]
struct Voice {
    loudness: Loudness,
    /// Says how loud it is; else it is always forwarded and never compared.
    speaks_up: bool,
    forwarded: bool,
    forwarded_since: Instant,
    gate: Gate,
}

/// Names another run for what comes after a pause, so that whoever numbers the packets anew sees no
/// gap where packets were held back.
#[derive(Debug, Default)]
struct Gate {
    paused: bool,
    /// The source's run, and what it is called instead.
    renamed: Option<(SourceRun, SourceRun)>,
}

impl Gate {
    fn pass(&mut self, run: SourceRun, runs: &mut SourceRun) -> SourceRun {
        if std::mem::take(&mut self.paused) {
            *runs += 1;
            self.renamed = Some((run, *runs));
        }
        match self.renamed {
            Some((known, name)) if known == run => name,
            _ => run,
        }
    }
}

/// What one who is behind needs to be ahead: being louder than the same other for some time.
#[derive(Debug, Clone, Copy)]
struct Overtaking {
    who: TrackKey,
    whom: TrackKey,
    since: Instant,
}

/// What a packet of sound says.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// `None` when it does not say how loud it is.
    pub below_overload_db: Option<u8>,
    pub time: u32,
    pub run: SourceRun,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Go on with it, as a packet of this run.
    pub forward: Option<SourceRun>,
    /// [`Voices::compare`] is to be called now.
    pub compare: bool,
}

/// A speaker as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaking {
    pub track: TrackKey,
    pub level_db: i64,
}

/// All tracks of sound of one room.
#[derive(Debug)]
pub struct Voices {
    voices: BTreeMap<TrackKey, Voice>,
    /// So many are forwarded; 0 for all.
    loudest: usize,
    /// How many say how loud they are and are forwarded.
    taken: usize,
    /// The loudest first.
    speakers: Vec<TrackKey>,
    told: Vec<TrackKey>,
    told_at: Option<Instant>,
    compared_at: Option<Instant>,
    /// A challenger for a place among the forwarded.
    challenge: Option<Overtaking>,
    /// A speaker about to pass the one before it.
    passing: Option<Overtaking>,
    margin_db: f32,
    patience: Duration,
}

impl Default for Voices {
    fn default() -> Self {
        Self {
            voices: BTreeMap::new(),
            loudest: 0,
            taken: 0,
            speakers: Vec::new(),
            told: Vec::new(),
            told_at: None,
            compared_at: None,
            challenge: None,
            passing: None,
            margin_db: LOUDER_DB,
            patience: LOUDER_FOR,
        }
    }
}

impl Voices {
    /// Forward only so many, the loudest; 0 for all.
    pub fn set_loudest(&mut self, loudest: usize, now: Instant) {
        self.loudest = loudest;
        self.challenge = None;
        self.fill(now);
    }

    /// Hear a packet of a track. `runs` is counted up for a name that no other run has.
    ///
    /// A track that never said how loud it is is always forwarded, on top of the loudest: to fall
    /// silent for want of a header extension would be a fault that nobody could find.
    pub fn hear(
        &mut self,
        track: TrackKey,
        sample: Sample,
        runs: &mut SourceRun,
        now: Instant,
    ) -> Heard {
        let free = self.loudest == 0 || self.taken < self.loudest;
        let voice = self.voices.entry(track).or_insert_with(|| Voice {
            loudness: Loudness::new(now),
            speaks_up: false,
            forwarded: false,
            forwarded_since: now,
            gate: Gate::default(),
        });
        let mut compare = false;
        if let Some(level) = sample.below_overload_db {
            if !std::mem::replace(&mut voice.speaks_up, true) {
                voice.forwarded = free;
                voice.forwarded_since = now;
                self.taken += usize::from(free);
            }
            let spoke = voice.loudness.speaks();
            voice.loudness.hear(level, sample.time, now);
            let due = self.compared_at.is_none_or(|at| now >= at + COMPARE_EVERY);
            compare = voice.loudness.speaks() && (due || !spoke);
        }
        let forward = if voice.forwarded || !voice.speaks_up {
            Some(voice.gate.pass(sample.run, runs))
        } else {
            voice.gate.paused = true;
            None
        };
        Heard { forward, compare }
    }

    /// The track ended.
    pub fn end(&mut self, track: TrackKey, now: Instant) {
        if let Some(voice) = self.voices.remove(&track) {
            self.taken -= usize::from(voice.forwarded);
            self.speakers.retain(|known| *known != track);
            self.fill(now);
        }
    }

    /// Compare all tracks. Returns when to be called again while there is anything to wait for.
    pub fn compare(&mut self, now: Instant) -> Option<Instant> {
        self.compared_at = Some(now);
        for voice in self.voices.values_mut() {
            voice.loudness.fade(now);
        }
        self.fill(now);
        self.challenge_places(now);
        self.list_speakers(now);
        (!self.speakers.is_empty() || self.is_untold() || self.challenge.is_some())
            .then(|| now + COMPARE_EVERY)
    }

    /// The list of speakers, the loudest first, if it changed and may be told now.
    pub fn tell(&mut self, now: Instant) -> Option<Vec<Speaking>> {
        if !self.is_untold() || self.told_at.is_some_and(|at| now < at + TELL_EVERY) {
            return None;
        }
        self.told_at = Some(now);
        self.told.clear();
        self.told.extend(self.speakers.iter().take(MAX_TOLD));
        Some(
            self.told
                .iter()
                .map(|track| Speaking {
                    track: *track,
                    level_db: self.level(*track).round() as i64,
                })
                .collect(),
        )
    }

    /// Whether a track is forwarded.
    #[must_use]
    pub fn is_forwarded(&self, track: TrackKey) -> bool {
        self.voices
            .get(&track)
            .is_none_or(|voice| voice.forwarded || !voice.speaks_up)
    }

    fn is_untold(&self) -> bool {
        !self.told.iter().eq(self.speakers.iter().take(MAX_TOLD))
    }

    fn level(&self, track: TrackKey) -> f32 {
        self.voices
            .get(&track)
            .map_or(super::loudness::FLOOR_DB, |voice| voice.loudness.level_db())
    }

    fn speaks(&self, track: TrackKey) -> bool {
        self.voices
            .get(&track)
            .is_some_and(|voice| voice.loudness.speaks())
    }

    fn forward(&mut self, track: TrackKey, forwarded: bool, now: Instant) {
        if let Some(voice) = self.voices.get_mut(&track)
            && voice.forwarded != forwarded
        {
            voice.forwarded = forwarded;
            voice.forwarded_since = now;
            if forwarded {
                self.taken += 1;
            } else {
                self.taken -= 1;
            }
        }
    }

    /// The loudest that is not forwarded; the quietest that is.
    fn extreme(&self, forwarded: bool) -> Option<TrackKey> {
        let sign = if forwarded { -1.0 } else { 1.0 };
        self.voices
            .iter()
            .filter(|(_, voice)| voice.speaks_up && voice.forwarded == forwarded)
            .max_by(|(_, one), (_, other)| {
                let levels = (one.loudness.level_db(), other.loudness.level_db());
                (sign * levels.0).total_cmp(&(sign * levels.1))
            })
            .map(|(track, _)| *track)
    }

    /// Hand out free places, and take back those that are too many.
    fn fill(&mut self, now: Instant) {
        let most = if self.loudest == 0 {
            usize::MAX
        } else {
            self.loudest
        };
        while self.taken > most
            && let Some(quietest) = self.extreme(true)
        {
            self.forward(quietest, false, now);
        }
        while self.taken < most
            && let Some(loudest) = self.extreme(false)
        {
            self.forward(loudest, true, now);
        }
    }

    /// Give the places of those who are silent to those who speak; the place of one who speaks only
    /// to one who is clearly louder for a while.
    fn challenge_places(&mut self, now: Instant) {
        while let (Some(who), Some(whom)) = (self.extreme(false), self.extreme(true)) {
            if !self.speaks(who) {
                self.challenge = None;
                return;
            }
            if self.speaks(whom) {
                self.challenge = self.overtake(self.challenge, who, whom, now);
                let held = self
                    .voices
                    .get(&whom)
                    .is_none_or(|voice| now >= voice.forwarded_since + HOLD);
                let long = self
                    .challenge
                    .is_some_and(|challenge| now >= challenge.since + self.patience);
                if !(held && long) {
                    return;
                }
                self.challenge = None;
            }
            self.forward(whom, false, now);
            self.forward(who, true, now);
        }
        self.challenge = None;
    }

    /// How long `who` has been clearly louder than `whom`.
    fn overtake(
        &self,
        before: Option<Overtaking>,
        who: TrackKey,
        whom: TrackKey,
        now: Instant,
    ) -> Option<Overtaking> {
        if self.level(who) < self.level(whom) + self.margin_db {
            return None;
        }
        let since = before
            .filter(|known| known.who == who && known.whom == whom)
            .map_or(now, |known| known.since);
        Some(Overtaking { who, whom, since })
    }

    fn list_speakers(&mut self, now: Instant) {
        let voices = &self.voices;
        let is_heard =
            |voice: &Voice| voice.speaks_up && voice.forwarded && voice.loudness.speaks();
        self.speakers
            .retain(|track| voices.get(track).is_some_and(is_heard));
        let begin = self.speakers.len();
        for (track, voice) in voices {
            if is_heard(voice) && !self.speakers.contains(track) {
                self.speakers.push(*track);
            }
        }
        let level = |track: &TrackKey| {
            voices
                .get(track)
                .map_or(0.0, |voice| voice.loudness.level_db())
        };
        self.speakers[begin..].sort_by(|one, other| level(other).total_cmp(&level(one)));
        // The loudest of those who are clearly louder than the one before them.
        let passes = self
            .speakers
            .windows(2)
            .find(|pair| level(&pair[1]) >= level(&pair[0]) + self.margin_db)
            .map(|pair| (pair[1], pair[0]));
        self.passing = passes.and_then(|(who, whom)| self.overtake(self.passing, who, whom, now));
        if let Some(passing) = self.passing
            && now >= passing.since + self.patience
            && let Some(at) = self.speakers.iter().position(|track| *track == passing.who)
        {
            self.speakers.swap(at - 1, at);
            self.passing = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    const PACKET: Duration = Duration::from_millis(20);

    /// A room on a clock of its own, in which every track sends a packet each 20 ms.
    struct Room {
        voices: Voices,
        now: Instant,
        number: u32,
        runs: SourceRun,
        wake: Option<Instant>,
        /// Each list that was told, and when.
        told: Vec<(Instant, Vec<TrackKey>)>,
        /// Each change of who is forwarded.
        changes: Vec<(Instant, Vec<TrackKey>)>,
    }

    impl Room {
        fn of(loudest: usize) -> Self {
            let now = Instant::now();
            let mut voices = Voices::default();
            voices.set_loudest(loudest, now);
            Self {
                voices,
                now,
                number: 0,
                runs: 1000,
                wake: None,
                told: Vec::new(),
                changes: Vec::new(),
            }
        }

        /// Play these levels (by track, dB below overload) for a while.
        fn play(&mut self, levels: &[u8], span: Duration) {
            let end = self.now + span;
            while self.now < end {
                for (track, level) in levels.iter().enumerate() {
                    let sample = Sample {
                        below_overload_db: Some(*level),
                        time: self.number * 960,
                        run: track as SourceRun,
                    };
                    let heard = self.voices.hear(track, sample, &mut self.runs, self.now);
                    if heard.compare {
                        self.compare();
                    }
                }
                self.number += 1;
                self.now += PACKET;
                if self.wake.is_some_and(|at| at <= self.now) {
                    self.compare();
                }
            }
        }

        fn compare(&mut self) {
            self.wake = self.voices.compare(self.now);
            if let Some(list) = self.voices.tell(self.now) {
                let list = list.iter().map(|speaking| speaking.track).collect();
                self.told.push((self.now, list));
            }
            let forwarded = self.forwarded();
            if self.changes.last().map(|(_, list)| list) != Some(&forwarded) {
                self.changes.push((self.now, forwarded));
            }
        }

        fn forwarded(&self) -> Vec<TrackKey> {
            let voices = self.voices.voices.keys().copied();
            voices
                .filter(|track| self.voices.is_forwarded(*track))
                .collect()
        }
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn who_speaks_is_told_once_and_again_when_it_ends() {
        let mut room = Room::of(0);
        room.play(&[127, 127], S);
        assert_eq!(room.told, []);
        room.play(&[127, 25], 3 * S);
        room.play(&[127, 127], 3 * S);
        let lists: Vec<_> = room.told.iter().map(|(_, list)| list.clone()).collect();
        assert_eq!(lists, [vec![1], vec![]]);
        assert_eq!(room.wake, None, "a silent room waits for nothing");
    }

    #[test]
    fn a_track_that_stops_sending_is_told_as_silent_by_the_clock_alone() {
        let mut room = Room::of(0);
        room.play(&[25], S);
        room.play(&[], 3 * S);
        assert_eq!(room.told.last().unwrap().1, []);
    }

    #[test]
    fn the_loudest_are_forwarded_and_silence_gives_its_place_at_once() {
        let mut room = Room::of(2);
        room.play(&[127, 127, 127], S);
        assert_eq!(room.forwarded(), [0, 1]);
        room.play(&[127, 127, 30], Duration::from_millis(80));
        assert!(room.forwarded().contains(&2));
        assert_eq!(room.forwarded().len(), 2);
    }

    #[test]
    fn an_interrupter_must_be_louder_for_a_while() {
        let mut room = Room::of(1);
        room.play(&[30, 127], 2 * S);
        room.play(&[30, 20], Duration::from_millis(500));
        assert_eq!(room.forwarded(), [0], "not yet");
        room.play(&[30, 20], Duration::from_millis(500));
        assert_eq!(room.forwarded(), [1]);
        room.play(&[30, 27], 5 * S);
        assert_eq!(room.forwarded(), [1], "as good as equal");
    }

    #[test]
    fn the_louder_speaker_moves_to_the_front() {
        let mut room = Room::of(0);
        room.play(&[35, 127], 2 * S);
        room.play(&[35, 20], 2 * S);
        assert_eq!(room.told.last().unwrap().1, [1, 0]);
    }

    #[test]
    fn what_does_not_say_how_loud_it_is_is_forwarded_on_top() {
        let mut room = Room::of(1);
        room.play(&[30], S);
        let mut sample = Sample {
            below_overload_db: None,
            time: 0,
            run: 5,
        };
        let heard = room.voices.hear(9, sample, &mut room.runs, room.now);
        assert_eq!(heard.forward, Some(5));
        assert_eq!(room.forwarded(), [0, 9]);
        sample.below_overload_db = Some(127);
        let heard = room.voices.hear(9, sample, &mut room.runs, room.now);
        assert_eq!(heard.forward, None, "now it needs a place");
        room.voices.end(0, room.now);
        let heard = room.voices.hear(9, sample, &mut room.runs, room.now);
        assert_eq!(heard.forward, Some(1001), "another run after the pause");
        let heard = room.voices.hear(9, sample, &mut room.runs, room.now);
        assert_eq!(heard.forward, Some(1001));
        sample.run = 6;
        let heard = room.voices.hear(9, sample, &mut room.runs, room.now);
        assert_eq!(heard.forward, Some(6));
    }

    #[test]
    fn fewer_places_are_taken_from_the_quietest() {
        let mut room = Room::of(0);
        room.play(&[40, 20, 30], S);
        room.voices.set_loudest(2, room.now);
        assert_eq!(room.forwarded(), [1, 2]);
        room.voices.set_loudest(0, room.now);
        assert_eq!(room.forwarded(), [0, 1, 2]);
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
                prop_assert_eq!(any.forwarded().len(), 3);
                prop_assert_eq!(any.voices.taken, 3);
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
        // Hands out a place more than there are.
        assert!(!is_stable(|loudest| Room::of(loudest + 1)));
        // Takes whoever is the loudest at the moment.
        assert!(!is_stable(|loudest| {
            let mut room = Room::of(loudest);
            room.voices.margin_db = 0.0;
            room.voices.patience = Duration::ZERO;
            room
        }));
    }
}
