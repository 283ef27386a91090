//! Who has the floor of one room: who is told as speaking, who is forwarded.
//!
//! A room has one floor, on one worker, whichever workers its people are on: they tell it how loud
//! their voices are and it tells them who has a place, so that a room never has two opinions. Which
//! worker that is follows from the room's name alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::voices::VoiceNumber;
use crate::control::messages::Speaker;
use crate::engine::dispatch::post::WorkerIndex;

/// Voices are compared at least this often while there is something to wait for.
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

/// How a voice is, as its worker says.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceLevel {
    pub number: VoiceNumber,
    pub track: Arc<str>,
    /// dB, from -70 to 0.
    pub level_db: f32,
    pub speaks: bool,
}

#[derive(Debug)]
struct Known {
    worker: WorkerIndex,
    track: Arc<str>,
    level_db: f32,
    speaks: bool,
    has_place: bool,
    placed_at: Instant,
}

/// What one who is behind needs to be ahead: being louder than the same other for some time.
#[derive(Debug, Clone, Copy)]
struct Overtaking {
    who: VoiceNumber,
    whom: VoiceNumber,
    since: Instant,
}

/// All voices of one room.
#[derive(Debug)]
pub struct Floor {
    voices: BTreeMap<VoiceNumber, Known>,
    /// So many are forwarded; 0 for all, and then nobody needs a place.
    places: usize,
    /// Places that somebody has.
    taken: usize,
    /// The loudest first.
    speakers: Vec<VoiceNumber>,
    /// `None` when it is unknown what the node was told.
    told: Option<Vec<Arc<str>>>,
    told_at: Option<Instant>,
    /// Who of them has a place, as each worker knows.
    stated: BTreeMap<WorkerIndex, Vec<VoiceNumber>>,
    /// A challenger for a place among the forwarded.
    challenge: Option<Overtaking>,
    /// A speaker about to pass the one before it.
    passing: Option<Overtaking>,
    pub(super) margin_db: f32,
    pub(super) patience: Duration,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            voices: BTreeMap::new(),
            places: 0,
            taken: 0,
            speakers: Vec::new(),
            told: Some(Vec::new()),
            told_at: None,
            stated: BTreeMap::new(),
            challenge: None,
            passing: None,
            margin_db: LOUDER_DB,
            patience: LOUDER_FOR,
        }
    }
}

impl Floor {
    /// Forward only so many, the loudest; 0 for all.
    pub fn set_places(&mut self, places: usize) {
        if self.places != places {
            self.places = places;
            self.challenge = None;
            self.stated.clear();
        }
    }

    /// Hear all voices of a worker; those that it names no more have ended.
    pub fn hear(&mut self, worker: WorkerIndex, levels: Vec<VoiceLevel>, now: Instant) {
        let named: BTreeSet<VoiceNumber> = levels.iter().map(|level| level.number).collect();
        self.voices
            .retain(|number, known| known.worker != worker || named.contains(number));
        for level in levels {
            let known = self.voices.entry(level.number).or_insert_with(|| Known {
                worker,
                track: level.track,
                level_db: level.level_db,
                speaks: level.speaks,
                has_place: false,
                placed_at: now,
            });
            known.level_db = level.level_db;
            known.speaks = level.speaks;
        }
        self.recount();
    }

    /// A worker was lost, and its voices with it.
    pub fn forget_worker(&mut self, worker: WorkerIndex) {
        self.voices.retain(|_, known| known.worker != worker);
        self.stated.remove(&worker);
        self.recount();
    }

    /// Another floor stood in the place of this one: what it told the node is unknown.
    pub fn succeed(&mut self) {
        self.told = None;
    }

    /// Whether there is nothing here that has to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.voices.is_empty() && self.told.as_ref().is_some_and(Vec::is_empty)
    }

    /// Compare all voices. Returns when to be called again while there is anything to wait for.
    pub fn compare(&mut self, now: Instant) -> Option<Instant> {
        self.fill(now);
        self.challenge_places(now);
        self.list_speakers(now);
        (!self.speakers.is_empty() || self.is_untold() || self.challenge.is_some())
            .then(|| now + COMPARE_EVERY)
    }

    /// The list of speakers, the loudest first, if it changed and may be told now.
    pub fn tell(&mut self, now: Instant) -> Option<Vec<Speaker>> {
        if !self.is_untold() || self.told_at.is_some_and(|at| now < at + TELL_EVERY) {
            return None;
        }
        self.told_at = Some(now);
        let (told, speakers) = self
            .list()
            .into_iter()
            .map(|known| {
                let speaker = Speaker {
                    track: known.track.to_string(),
                    level_db: known.level_db.round() as i64,
                };
                (Arc::clone(&known.track), speaker)
            })
            .unzip();
        self.told = Some(told);
        Some(speakers)
    }

    /// The workers for whose voices something changed, and who of them has a place now.
    pub fn restate(&mut self) -> Vec<(WorkerIndex, Vec<VoiceNumber>)> {
        if self.places == 0 {
            return Vec::new();
        }
        let mut by_worker: BTreeMap<WorkerIndex, Vec<VoiceNumber>> = BTreeMap::new();
        for (number, known) in &self.voices {
            let placed = by_worker.entry(known.worker).or_default();
            if known.has_place {
                placed.push(*number);
            }
        }
        let changed = by_worker
            .iter()
            .filter(|(worker, placed)| self.stated.get(worker) != Some(placed))
            .map(|(worker, placed)| (*worker, placed.clone()))
            .collect();
        self.stated = by_worker;
        changed
    }

    fn recount(&mut self) {
        self.taken = self.voices.values().filter(|known| known.has_place).count();
    }

    /// A track that changes workers may have two voices for a while: it is told once.
    fn list(&self) -> Vec<&Known> {
        let mut list: Vec<&Known> = Vec::new();
        for known in self.speakers.iter().filter_map(|who| self.voices.get(who)) {
            if list.len() < MAX_TOLD && list.iter().all(|one| one.track != known.track) {
                list.push(known);
            }
        }
        list
    }

    fn is_untold(&self) -> bool {
        let list = self.list();
        self.told
            .as_ref()
            .is_none_or(|told| !told.iter().eq(list.iter().map(|known| &known.track)))
    }

    fn level(&self, who: VoiceNumber) -> f32 {
        let known = self.voices.get(&who);
        known.map_or(super::loudness::FLOOR_DB, |known| known.level_db)
    }

    fn speaks(&self, who: VoiceNumber) -> bool {
        self.voices.get(&who).is_some_and(|known| known.speaks)
    }

    fn put(&mut self, who: VoiceNumber, has_place: bool, now: Instant) {
        if let Some(known) = self.voices.get_mut(&who)
            && known.has_place != has_place
        {
            known.has_place = has_place;
            known.placed_at = now;
            if has_place {
                self.taken += 1;
            } else {
                self.taken -= 1;
            }
        }
    }

    /// The loudest that has no place; the quietest that has one.
    fn extreme(&self, has_place: bool) -> Option<VoiceNumber> {
        let sign = if has_place { -1.0 } else { 1.0 };
        self.voices
            .iter()
            .filter(|(_, known)| known.has_place == has_place)
            .max_by(|(_, one), (_, other)| {
                (sign * one.level_db).total_cmp(&(sign * other.level_db))
            })
            .map(|(who, _)| *who)
    }

    /// Hand out free places, and take back those that are too many.
    fn fill(&mut self, now: Instant) {
        while self.taken > self.places
            && let Some(quietest) = self.extreme(true)
        {
            self.put(quietest, false, now);
        }
        while self.taken < self.places
            && let Some(loudest) = self.extreme(false)
        {
            self.put(loudest, true, now);
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
                    .is_none_or(|known| now >= known.placed_at + HOLD);
                let long = self
                    .challenge
                    .is_some_and(|challenge| now >= challenge.since + self.patience);
                if !(held && long) {
                    return;
                }
                self.challenge = None;
            }
            self.put(whom, false, now);
            self.put(who, true, now);
        }
        self.challenge = None;
    }

    /// How long `who` has been clearly louder than `whom`.
    fn overtake(
        &self,
        before: Option<Overtaking>,
        who: VoiceNumber,
        whom: VoiceNumber,
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
        let (voices, all) = (&self.voices, self.places == 0);
        let is_heard = |known: &Known| known.speaks && (all || known.has_place);
        self.speakers
            .retain(|who| voices.get(who).is_some_and(is_heard));
        let begin = self.speakers.len();
        for (who, known) in voices {
            if is_heard(known) && !self.speakers.contains(who) {
                self.speakers.push(*who);
            }
        }
        let level = |who: &VoiceNumber| voices.get(who).map_or(0.0, |known| known.level_db);
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
            && let Some(at) = self.speakers.iter().position(|who| *who == passing.who)
        {
            self.speakers.swap(at - 1, at);
            self.passing = None;
        }
    }
}
