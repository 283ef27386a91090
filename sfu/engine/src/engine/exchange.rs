//! What workers have to tell each other: which tracks are wanted elsewhere, and their packets.
//!
//! A room's people sit on any worker. A worker whose subscribers or legs want a track tells all
//! others so, under a number of its own ([`Note::Want`]); whoever has the source answers with
//! [`Note::Claim`] and from then on puts each packet of it once into the letter of that worker,
//! however many sinks are there. Packets are [`MediaPacket`]s: their payload is shared, not copied.
//! Keyframe requests go back by the same number.
//!
//! Nothing depends on the order in which the node says things. Wants may come before the source
//! exists, sources may move between workers: a claim carries the serial of the command that made
//! the source, and the newest claim wins, as the last word does inside one worker.
//!
//! **To tell other workers something new**, add a variant to [`Note`], queue it with
//! [`Exchange::tell`] or [`Exchange::tell_all`], and take it in `Worker::on_note` (crossing.rs).
//! Notes arrive, in order, before the packets of the same turn. A worker that takes the place of a
//! lost one knows nothing: what must reach it too is told again in `Worker::on_replaced`, and what
//! came from its predecessor is forgotten there.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::dispatch::post::{Post, WorkerIndex};
use super::layers::demand::Wanted;
use super::media::packet::MediaPacket;
use super::router::TrackKey;
use super::speakers::floor::VoiceLevel;
use super::speakers::voices::VoiceNumber;

/// Numbers the wants of one worker; never used twice, also not by the one in its place.
pub type WantNumber = u64;

/// One word from worker to worker. Every variant may be heard twice and then does nothing more.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Send me this track, under this number.
    Want { number: WantNumber, track: String },
    /// Send it no more.
    Unwant { number: WantNumber },
    /// I have the source of what you want under this number, since the command of that serial;
    /// with `None` no more.
    Claim {
        number: WantNumber,
        since: Option<u64>,
    },
    /// Somebody said this to a room, as nodes write it (data/message.rs): for your subscribers, and
    /// for your links unless it came over one.
    Data { message: Arc<[u8]>, crosses: bool },
    /// All voices of a room that are here, for the worker that has its floor; `anew` when that is
    /// another one than before.
    Voices {
        room: String,
        levels: Vec<VoiceLevel>,
        anew: bool,
    },
    /// Of the voices that are there, these have a place in the room.
    Places {
        room: String,
        numbers: Vec<VoiceNumber>,
    },
    /// Somebody here needs a whole picture of an encoding of what I want under this number.
    KeyframeWanted { number: WantNumber, encoding: u8 },
    /// All that anybody here wants of it; before this is said, everything.
    LayersWanted { number: WantNumber, wanted: Wanted },
}

/// All that one worker has for another after a turn.
#[derive(Debug, Default)]
pub struct Letter {
    pub notes: Vec<Note>,
    pub packets: Vec<(WantNumber, MediaPacket)>,
}

impl Letter {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.packets.is_empty()
    }
}

/// Another worker that wants a track of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    pub worker: WorkerIndex,
    pub number: WantNumber,
}

/// A track that we want from the others.
#[derive(Debug)]
struct Import {
    id: String,
    track: TrackKey,
    /// Since when our own source exists; it counts like any other.
    own: Option<u64>,
    claims: Vec<(WorkerIndex, u64)>,
}

impl Import {
    /// The worker whose packets are taken: the one whose source is the newest, unless ours is.
    fn accepted(&self) -> Option<WorkerIndex> {
        let (worker, since) = self
            .claims
            .iter()
            .max_by_key(|(worker, since)| (*since, *worker))?;
        self.own.is_none_or(|own| *since > own).then_some(*worker)
    }
}

/// One worker's side of the exchange.
pub struct Exchange {
    me: WorkerIndex,
    posts: Vec<Post>,
    letters: Vec<Letter>,
    next_number: WantNumber,
    imports: HashMap<WantNumber, Import>,
    wanted: HashMap<String, WantNumber>,
    /// What we told other workers that we have.
    told: HashMap<(WorkerIndex, WantNumber), u64>,
    /// Who wants what of us, to find the track of a number.
    exports: HashMap<(WorkerIndex, WantNumber), String>,
}

impl Exchange {
    /// The side of worker `me`; `posts` are the mailboxes of all, `first_number` its own alone.
    #[must_use]
    pub fn new(me: WorkerIndex, posts: Vec<Post>, first_number: WantNumber) -> Self {
        Self {
            me,
            letters: posts.iter().map(|_| Letter::default()).collect(),
            posts,
            next_number: first_number,
            imports: HashMap::new(),
            wanted: HashMap::new(),
            told: HashMap::new(),
            exports: HashMap::new(),
        }
    }

    /// Whether there is anybody to exchange with.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.posts.len() < 2
    }

    /// The worker that has the floor of a room: the same whoever asks.
    #[must_use]
    pub fn floor_of(&self, room: &str) -> WorkerIndex {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        (hasher.finish() % self.posts.len().max(1) as u64) as WorkerIndex
    }

    /// Which worker this is the side of.
    #[must_use]
    pub fn me(&self) -> WorkerIndex {
        self.me
    }

    /// Queue a note for one worker.
    pub fn tell(&mut self, worker: WorkerIndex, note: Note) {
        if worker != self.me
            && let Some(letter) = self.letters.get_mut(worker)
        {
            letter.notes.push(note);
        }
    }

    /// Queue a note for every other worker.
    pub fn tell_all(&mut self, note: &Note) {
        for worker in 0..self.letters.len() {
            self.tell(worker, note.clone());
        }
    }

    /// Queue a packet for the worker that wants it.
    pub fn carry(&mut self, export: Export, packet: &MediaPacket) {
        if let Some(letter) = self.letters.get_mut(export.worker) {
            letter.packets.push((export.number, packet.clone()));
        }
    }

    /// Send the letters of this turn; returns how many packets were in them, and how many found no
    /// room and are lost. Notes that found none wait for the next turn.
    pub fn post(&mut self) -> (u64, u64) {
        let (mut packets, mut dropped) = (0, 0);
        for (worker, letter) in self.letters.iter_mut().enumerate() {
            if !letter.is_empty() {
                packets += letter.packets.len() as u64;
                dropped += self.posts[worker].send(self.me, letter);
            }
        }
        (packets, dropped)
    }

    /// Whether notes wait for room.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.letters.iter().any(|letter| !letter.is_empty())
    }

    /// Say of a track what changed here: whether sinks of ours want it, since when we have its
    /// source, and who else wants it. Returns whether another worker's source is newly taken.
    pub fn reconcile(
        &mut self,
        id: &str,
        track: Option<TrackKey>,
        wanted: bool,
        since: Option<u64>,
        exports: &[Export],
    ) -> bool {
        let taken = match (track, self.wanted.get(id).copied()) {
            (Some(track), None) if wanted => {
                self.want(id, track, since);
                false
            }
            (_, Some(number)) if !wanted => {
                self.wanted.remove(id);
                self.imports.remove(&number);
                self.tell_all(&Note::Unwant { number });
                false
            }
            (_, Some(number)) => self.change(number, |import| import.own = since),
            _ => false,
        };
        for export in exports {
            self.claim(*export, since);
        }
        taken
    }

    fn want(&mut self, id: &str, track: TrackKey, own: Option<u64>) {
        let number = self.next_number;
        self.next_number += 1;
        self.wanted.insert(id.to_owned(), number);
        self.imports.insert(
            number,
            Import {
                id: id.to_owned(),
                track,
                own,
                claims: Vec::new(),
            },
        );
        self.tell_all(&Note::Want {
            number,
            track: id.to_owned(),
        });
    }

    /// Change an import; `true` when it takes the packets of another worker than before.
    fn change(&mut self, number: WantNumber, change: impl FnOnce(&mut Import)) -> bool {
        let Some(import) = self.imports.get_mut(&number) else {
            return false;
        };
        let before = import.accepted();
        change(import);
        let after = import.accepted();
        after.is_some() && after != before
    }

    /// Tell a worker whether we have the source of what it wants, unless it knows.
    fn claim(&mut self, export: Export, since: Option<u64>) {
        let key = (export.worker, export.number);
        let before = match since {
            Some(since) => self.told.insert(key, since),
            None => self.told.remove(&key),
        };
        if before != since {
            let number = export.number;
            self.tell(export.worker, Note::Claim { number, since });
        }
    }

    /// Worker `from` wants a track.
    pub fn note_want(&mut self, from: WorkerIndex, number: WantNumber, id: &str) {
        self.exports.insert((from, number), id.to_owned());
    }

    /// Worker `from` wants it no more; returns which track that was.
    pub fn note_unwant(&mut self, from: WorkerIndex, number: WantNumber) -> Option<String> {
        self.told.remove(&(from, number));
        self.exports.remove(&(from, number))
    }

    /// The track that `from` wants under this number.
    #[must_use]
    pub fn exported(&self, from: WorkerIndex, number: WantNumber) -> Option<&str> {
        self.exports.get(&(from, number)).map(String::as_str)
    }

    /// Worker `from` has a source, or no more. Returns our track when its packets are newly taken.
    pub fn note_claim(
        &mut self,
        from: WorkerIndex,
        number: WantNumber,
        since: Option<u64>,
    ) -> Option<TrackKey> {
        let taken = self.change(number, |import| {
            import.claims.retain(|(worker, _)| *worker != from);
            import.claims.extend(since.map(|since| (from, since)));
        });
        taken
            .then(|| self.imports.get(&number).map(|import| import.track))
            .flatten()
    }

    /// Our track of that number, and whether the packets of another worker are taken for it.
    #[must_use]
    pub fn superseded(&self, number: WantNumber) -> Option<(TrackKey, bool)> {
        let import = self.imports.get(&number)?;
        Some((import.track, import.accepted().is_some()))
    }

    /// The track that a packet of `from` belongs to, when it comes from the source that we take.
    #[must_use]
    pub fn imported(&self, from: WorkerIndex, number: WantNumber) -> Option<TrackKey> {
        self.imports
            .get(&number)
            .filter(|import| import.accepted() == Some(from))
            .map(|import| import.track)
    }

    /// Who is to be asked for a whole picture of a track, and under which number.
    #[must_use]
    pub fn source_of(&self, id: &str) -> Option<Export> {
        let number = *self.wanted.get(id)?;
        let worker = self.imports.get(&number)?.accepted()?;
        Some(Export { worker, number })
    }

    /// The worker was lost, a new one has its number: forget what the old one said, and tell the new
    /// one what we want. Returns the tracks that the old one wanted or had.
    pub fn replaced(&mut self, worker: WorkerIndex) -> HashSet<String> {
        let mut touched = HashSet::new();
        self.exports.retain(|(from, _), id| {
            if *from == worker {
                touched.insert(id.clone());
            }
            *from != worker
        });
        self.told.retain(|(to, _), _| *to != worker);
        if let Some(letter) = self.letters.get_mut(worker) {
            *letter = Letter::default();
        }
        let mut wants = Vec::new();
        for (number, import) in &mut self.imports {
            let before = import.claims.len();
            import.claims.retain(|(from, _)| *from != worker);
            if import.claims.len() < before {
                touched.insert(import.id.clone());
            }
            wants.push((*number, import.id.clone()));
        }
        for (number, track) in wants {
            self.tell(worker, Note::Want { number, track });
        }
        touched
    }
}

#[cfg(test)]
mod tests;
