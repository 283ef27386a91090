//! Sound on its way in: how loud it is, who speaks, and what is held back.

use std::time::Instant;

use super::packet::MediaPacket;
use super::rooms::RoomKey;
use super::router::TrackKey;
use super::speakers::voices::Sample;
use super::timers::Timer;
use super::worker::Worker;
use crate::control::messages::{Message, Speaker};
use crate::control::outgoing::Importance;

impl Worker {
    /// Hear a packet of sound; `false` when its room does not forward it.
    pub(super) fn listen(
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
            run: packet.run,
        };
        let heard = voices.hear(track, sample, &mut self.runs, now);
        if heard.compare {
            self.compare_voices(room, now);
        }
        if packet.audio_level.is_none() {
            self.counters.count("audio_without_level");
        }
        match heard.forward {
            Some(run) => packet.run = run,
            None => self.counters.count("audio_not_among_loudest"),
        }
        heard.forward.is_some()
    }

    /// See who speaks in a room, and tell the node if that changed.
    pub(super) fn compare_voices(&mut self, room: RoomKey, now: Instant) {
        let Some(voices) = self.rooms.voices(room) else {
            return;
        };
        let next = voices.compare(now);
        let told = voices.tell(now);
        if let Some(at) = next {
            self.timers.wake_by(at, Timer::Room(room));
        }
        if let Some(told) = told
            && let Some(room) = self.rooms.get(room)
        {
            let message = Message::Speakers {
                room: room.name.clone(),
                speakers: told
                    .iter()
                    .filter_map(|speaking| {
                        Some(Speaker {
                            track: self.router.get(speaking.track)?.id.clone(),
                            level_db: speaking.level_db,
                        })
                    })
                    .collect(),
            };
            self.tell(&message, Importance::Needed);
        }
    }
}
