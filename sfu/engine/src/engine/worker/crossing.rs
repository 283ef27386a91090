//! The worker's part in the exchange: what it hears from other workers, and what it tells them.

use std::time::Instant;

use super::Worker;
use crate::engine::dispatch::post::WorkerIndex;
use crate::engine::exchange::{Export, Letter, Note};
use crate::engine::layers::demand::Demand;
use crate::engine::media::packet::MediaPacket;
use crate::engine::router::{Track, TrackKey};

impl Worker {
    /// Take what another worker has for us.
    pub(in crate::engine) fn on_letter(&mut self, from: WorkerIndex, letter: Letter, now: Instant) {
        for note in letter.notes {
            self.on_note(from, note, now);
        }
        for (number, packet) in letter.packets {
            match self.exchange.imported(from, number) {
                Some(track) => self.ingest_crossed(track, packet, now),
                None => self.counters.count("exchange_packets_unwanted"),
            }
        }
    }

    fn on_note(&mut self, from: WorkerIndex, note: Note, now: Instant) {
        match note {
            Note::Want { number, track } => {
                let worker = from;
                self.exchange.note_want(from, number, &track);
                self.router.export(&track, Export { worker, number });
            }
            Note::Unwant { number } => {
                let worker = from;
                if let Some(track) = self.exchange.note_unwant(from, number) {
                    self.router.unexport(&track, Export { worker, number });
                }
            }
            Note::Claim { number, since } => {
                if let Some(track) = self.exchange.note_claim(from, number, since) {
                    self.begin_import(track, now);
                }
                if let Some((track, superseded)) = self.exchange.superseded(number)
                    && let Some(track) = self.router.get_mut(track)
                {
                    track.superseded = superseded;
                }
            }
            Note::Voices { room, levels, anew } => match self.rooms.hold(&room) {
                Ok(room) => self.hear_voices(room, from, levels, anew, now),
                Err(_) => self.counters.count("voices_without_room"),
            },
            Note::Places { room, numbers } => self.place_voices(&room, &numbers),
            Note::Data { message, crosses } => self.hear_data(&message, crosses, now),
            Note::LayersWanted { number, wanted } => {
                let worker = from;
                if let Some(id) = self.exchange.exported(from, number)
                    && let Some(track) = self.router.key(id)
                {
                    self.router
                        .want_exported(track, Export { worker, number }, wanted);
                }
            }
            Note::KeyframeWanted { number, encoding } => {
                let track = self
                    .exchange
                    .exported(from, number)
                    .and_then(|id| self.router.key(id));
                if let Some(track) = track {
                    self.ask_keyframe(track, encoding, now);
                }
            }
        }
    }

    /// A new worker took the place of a lost one.
    pub(in crate::engine) fn on_replaced(&mut self, worker: WorkerIndex, now: Instant) {
        for id in self.exchange.replaced(worker) {
            self.router.forget_exports_to(&id, worker);
        }
        // Last: what was to be said to the old one is not said any more.
        self.replace_floors(worker, now);
    }

    /// Tell the others what changed in the tracks of this turn, forget those that nobody knows any
    /// more, and send the others their packets.
    pub(in crate::engine) fn cross(&mut self, now: Instant) {
        let touched = self.router.take_touched();
        let is_alone = self.exchange.is_alone();
        if !is_alone {
            for id in &touched {
                self.reconcile(id, now);
            }
        }
        self.router.sweep(&touched);
        if !is_alone {
            let (packets, dropped) = self.exchange.post();
            self.counters.add("exchange_packets", packets);
            self.counters.add("exchange_packets_dropped", dropped);
        }
    }

    /// A source can be begun with: it may take the place of another worker's, from this packet on.
    pub(in crate::engine) fn settle_source(&mut self, key: TrackKey, now: Instant) {
        if let Some(id) = self.router.get(key).map(|track| track.id.clone()) {
            self.reconcile(&id, now);
        }
    }

    fn reconcile(&mut self, id: &str, now: Instant) {
        let key = self.router.key(id);
        let track = key.and_then(|key| self.router.get(key));
        let wanted = track.is_some_and(|track| !track.sinks.is_empty());
        let since = track.and_then(Track::claim);
        let exports = track.map_or(&[][..], |track| &track.exports);
        let taken = self.exchange.reconcile(id, key, wanted, since, exports);
        let Some(key) = key else {
            return;
        };
        let superseded = self.exchange.source_of(id).is_some();
        if let Some(track) = self.router.get_mut(key) {
            track.superseded = superseded;
        }
        if taken {
            self.begin_import(key, now);
        }
    }

    /// Packets of a track come from another worker now: they begin in the middle of a picture, and
    /// that worker does not know what is wanted here.
    fn begin_import(&mut self, track: TrackKey, now: Instant) {
        if let Some(known) = self.router.get_mut(track) {
            known.demand = Demand::default();
        }
        self.router.unsettle(track);
        self.ask_all_keyframes(track, now);
    }

    /// Hand a packet to the other workers that want its track.
    pub(in crate::engine) fn export(&mut self, key: TrackKey, packet: &MediaPacket) {
        if let Some(track) = self.router.get(key) {
            for export in &track.exports {
                self.exchange.carry(*export, packet);
            }
        }
    }
}
