//! Sound on its way in: how loud it is, who speaks, and what is held back.

use std::time::Instant;

use super::Worker;
use super::timers::Timer;
use crate::control::messages::Message;
use crate::control::outgoing::Importance;
use crate::engine::dispatch::post::WorkerIndex;
use crate::engine::exchange::Note;
use crate::engine::media::packet::MediaPacket;
use crate::engine::rooms::RoomKey;
use crate::engine::router::TrackKey;
use crate::engine::speakers::floor::VoiceLevel;
use crate::engine::speakers::voices::{Sample, VoiceNumber};

impl Worker {
    /// Hear a packet of sound; `false` when its room does not forward it.
    pub(in crate::engine) fn listen(
        &mut self,
        track: TrackKey,
        packet: &mut MediaPacket,
        now: Instant,
    ) -> bool {
        let Some(room) = self.rooms.of_track(track) else {
            return true;
        };
        let Some(voices) = self.rooms.voices(room) else {
            return true;
        };
        let sample = Sample {
            below_overload_db: packet.audio_level.map(|level| level.below_overload_db),
            time: packet.time,
        };
        if packet.audio_level.is_none() {
            self.counters.count("audio_without_level");
        }
        if voices.hear(track, sample, &mut self.runs, now) {
            self.report_voices(room, false, now);
        }
        let Some(voices) = self.rooms.voices(room) else {
            return true;
        };
        let passed = voices.pass(track, packet.run, &mut self.runs);
        match passed {
            Some(run) => packet.run = run,
            None => self.counters.count("audio_not_among_loudest"),
        }
        passed.is_some()
    }

    /// Tell of the voices here, and see who speaks if the floor is here: it is time for that.
    pub(in crate::engine) fn tend_room(&mut self, room: RoomKey, now: Instant) {
        self.report_voices(room, false, now);
        self.compare_voices(room, now);
    }

    /// Tell the floors of rooms in which a voice ended.
    pub(in crate::engine) fn tend_quieter_rooms(&mut self, now: Instant) {
        for room in self.rooms.take_quieter() {
            self.report_voices(room, false, now);
            self.rooms.forget_over(room);
        }
    }

    /// Tell the floor of a room of all its voices here.
    fn report_voices(&mut self, room: RoomKey, anew: bool, now: Instant) {
        let Some(voices) = self.rooms.voices(room) else {
            return;
        };
        if voices.is_empty() && !voices.owes_report() {
            return;
        }
        let (levels, next) = voices.report(now);
        if let Some(at) = next {
            self.timers.wake_by(at, Timer::Room(room));
        }
        let levels = levels
            .into_iter()
            .filter_map(|level| {
                Some(VoiceLevel {
                    number: level.number,
                    track: self.router.get(level.track)?.id.as_str().into(),
                    level_db: level.level_db,
                    speaks: level.speaks,
                })
            })
            .collect();
        let Some(name) = self.rooms.get(room).map(|room| room.name.clone()) else {
            return;
        };
        let floor = self.exchange.floor_of(&name);
        if floor == self.exchange.me() {
            self.hear_voices(room, floor, levels, anew, now);
        } else {
            let room = name;
            self.exchange
                .tell(floor, Note::Voices { room, levels, anew });
        }
    }

    /// Hear of the voices on a worker: the floor of their room is here.
    pub(in crate::engine) fn hear_voices(
        &mut self,
        room: RoomKey,
        worker: WorkerIndex,
        levels: Vec<VoiceLevel>,
        anew: bool,
        now: Instant,
    ) {
        if let Some(floor) = self.rooms.floor(room) {
            if anew {
                floor.succeed();
            }
            floor.hear(worker, levels, now);
        }
        self.compare_voices(room, now);
    }

    /// See who speaks in a room whose floor is here; tell the node and the workers what changed.
    pub(in crate::engine) fn compare_voices(&mut self, room: RoomKey, now: Instant) {
        let Some(known) = self.rooms.get(room) else {
            return;
        };
        let name = known.name.clone();
        let Some(floor) = self.rooms.floor(room).filter(|floor| !floor.is_empty()) else {
            return;
        };
        let next = floor.compare(now);
        let told = floor.tell(now);
        let placed = floor.restate();
        if let Some(at) = next {
            self.timers.wake_by(at, Timer::Room(room));
        }
        if let Some(speakers) = told {
            let room = name.clone();
            let message = Message::Speakers { room, speakers };
            self.tell(&message, Importance::Needed);
        }
        for (worker, numbers) in placed {
            if worker == self.exchange.me() {
                self.place_voices(&name, &numbers);
            } else {
                let room = name.clone();
                self.exchange.tell(worker, Note::Places { room, numbers });
            }
        }
        self.rooms.forget_over(room);
    }

    /// These voices of ours have the places of their room.
    pub(in crate::engine) fn place_voices(&mut self, room: &str, numbers: &[VoiceNumber]) {
        if let Some(room) = self.rooms.find(room)
            && let Some(voices) = self.rooms.voices(room)
        {
            voices.place(numbers);
        }
    }

    /// A worker was lost: floors here forget its voices, a floor that it had hears of ours again.
    pub(in crate::engine) fn replace_floors(&mut self, worker: WorkerIndex, now: Instant) {
        for room in self.rooms.keys() {
            let Some(name) = self.rooms.get(room).map(|room| room.name.as_str()) else {
                continue;
            };
            if self.exchange.floor_of(name) == worker {
                self.report_voices(room, true, now);
            } else if let Some(floor) = self.rooms.floor(room) {
                floor.forget_worker(worker);
                self.compare_voices(room, now);
            }
        }
    }
}
