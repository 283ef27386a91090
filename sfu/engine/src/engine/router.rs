//! Which track goes where: sources, sinks and what is known about each track.
//!
//! A track is named by its id alone. Sinks attach whether or not its source exists yet, and stay
//! when the source is replaced, so that nothing here depends on the order in which the node says
//! things.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use slab::Slab;

use super::dispatch::post::WorkerIndex;
use super::exchange::Export;
use super::layers::demand::Wanted;
use super::media::packet::MediaPacket;
use super::refusal::Refusal;
pub use super::track::{Admission, Sink, Source, Track};
use crate::control::messages::MediaKind;

/// A peer of this engine; reused after it closed.
pub type PeerKey = usize;

/// A track of this engine; reused in a later turn once nobody knows the track any more.
pub type TrackKey = usize;

/// Tracks that one worker knows, those that nobody sends included: more than three for each peer that
/// an engine takes. A track that nobody sends takes about a kilobyte.
pub const MAX_TRACKS: usize = 65_536;

/// What a packet was to its track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// The first of its source.
    pub first: bool,
    /// A layer that did not flow before.
    pub layer_appears: bool,
}

/// All tracks.
#[derive(Debug, Default)]
pub struct Router {
    tracks: Slab<Track>,
    by_id: HashMap<String, TrackKey>,
    /// Serial of the command that is carried out.
    pub serial: u64,
    /// Tracks whose source or sinks changed since other workers were told.
    touched: HashSet<String>,
    /// Tracks of which perhaps something else is wanted now.
    unsettled: Vec<TrackKey>,
}

impl Router {
    /// Whether all of these tracks, known or new, may be known at once.
    ///
    /// # Errors
    /// `too_many_tracks_known`; the bound is [`MAX_TRACKS`].
    pub fn admits<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
        let new: HashSet<&str> = ids
            .into_iter()
            .filter(|id| !self.by_id.contains_key(*id))
            .collect();
        if !new.is_empty() && self.tracks.len() + new.len() > MAX_TRACKS {
            return Err(Refusal::new(
                "too_many_tracks_known",
                format!(
                    "A worker knows {MAX_TRACKS} tracks at most, also those that nobody sends."
                ),
            ));
        }
        Ok(())
    }

    /// Let the track come from `source`; the last one to say so is believed, once it can be begun
    /// with, see [`Track::admit`].
    pub fn start(&mut self, id: &str, kind: MediaKind, source: Source) -> TrackKey {
        let key = self.entry(id);
        let track = &mut self.tracks[key];
        track.follow(source);
        track.kind = Some(kind);
        track.since = self.serial;
        self.touch(key);
        key
    }

    /// The track comes from `source` no more; another source in its place stays.
    pub fn end(&mut self, key: TrackKey, source: Source) {
        self.end_where(key, |known| known == source);
    }

    /// End the sources of a track that are such; gives whether there was one.
    fn end_where(&mut self, key: TrackKey, is_over: impl Fn(Source) -> bool) -> bool {
        let Some(track) = self.tracks.get_mut(key) else {
            return false;
        };
        let next_ends = track.next.is_some_and(|next| is_over(next.source));
        if next_ends {
            track.next = None;
        }
        let ends = track.source.is_some_and(is_over);
        if ends {
            track.promote();
        }
        if ends || next_ends {
            self.touch(key);
        }
        ends || next_ends
    }

    /// Whether a packet from there is to be taken, see [`Track::admit`].
    pub fn admit(
        &mut self,
        key: TrackKey,
        source: Source,
        packet: &MediaPacket,
        now: Instant,
    ) -> Admission {
        let Some(track) = self.tracks.get_mut(key) else {
            return Admission::Superseded;
        };
        let (source_before, claim) = (track.source, track.claim());
        let admission = track.admit(source, packet, now);
        if (track.source, track.claim()) != (source_before, claim) {
            self.touch(key);
        }
        admission
    }

    /// Let the track go to `sink` too.
    pub fn attach(&mut self, id: &str, sink: Sink) -> TrackKey {
        let key = self.entry(id);
        let track = &mut self.tracks[key];
        if !track.sinks.contains(&sink) {
            track.sinks.push(sink);
        }
        self.touch(key);
        key
    }

    /// The track goes to `sink` no more.
    pub fn detach(&mut self, key: TrackKey, sink: Sink) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.sinks.retain(|known| *known != sink);
            self.touch(key);
        }
    }

    /// Let the track go to another worker too.
    pub fn export(&mut self, id: &str, export: Export) {
        let key = self.entry(id);
        let track = &mut self.tracks[key];
        if !track.exports.contains(&export) {
            track.exports.push(export);
        }
        self.touch(key);
    }

    /// The track goes to that worker under that number no more.
    pub fn unexport(&mut self, id: &str, export: Export) {
        self.retain_exports(id, |known| *known != export);
    }

    /// The track goes to that worker no more.
    pub fn forget_exports_to(&mut self, id: &str, worker: WorkerIndex) {
        self.retain_exports(id, |known| known.worker != worker);
    }

    fn retain_exports(&mut self, id: &str, keep: impl FnMut(&Export) -> bool) {
        if let Some(key) = self.key(id) {
            self.tracks[key].exports.retain(keep);
            self.touch(key);
        }
    }

    /// The track of that id, if it is known.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<TrackKey> {
        self.by_id.get(id).copied()
    }

    /// The tracks whose source, sinks or exports changed since the last call.
    pub fn take_touched(&mut self) -> HashSet<String> {
        std::mem::take(&mut self.touched)
    }

    /// Forget those of these tracks that nobody knows any more. At the end of a turn alone: until
    /// then packets and other workers' wants go by their keys.
    pub fn sweep(&mut self, touched: &HashSet<String>) {
        for id in touched {
            let Some(key) = self.key(id) else {
                continue;
            };
            let track = &self.tracks[key];
            if track.source.is_none() && track.sinks.is_empty() && track.exports.is_empty() {
                self.tracks.remove(key);
                self.by_id.remove(id);
            }
        }
    }

    fn touch(&mut self, key: TrackKey) {
        self.unsettle(key);
        if let Some(track) = self.tracks.get(key)
            && !self.touched.contains(&track.id)
        {
            self.touched.insert(track.id.clone());
        }
    }

    /// The peer is gone, and with it what came from it and what went to it. Gives the tracks that it
    /// was a source of and what they come from now.
    pub fn forget_peer(&mut self, peer: PeerKey) -> Vec<(TrackKey, Source)> {
        let mut stays = Vec::new();
        let keys: Vec<TrackKey> = self.tracks.iter().map(|(key, _)| key).collect();
        for key in keys {
            let track = &mut self.tracks[key];
            let sinks = track.sinks.len();
            track.sinks.retain(|sink| sink.peer != peer);
            if track.sinks.len() < sinks {
                self.touch(key);
            }
            if self.end_where(key, |source| source.peer() == peer) {
                stays.extend(self.tracks[key].source.map(|source| (key, source)));
            }
        }
        stays
    }

    /// Count a packet that came in.
    pub fn note(&mut self, key: TrackKey, packet: &MediaPacket, now: Instant) -> Noted {
        let Some(track) = self.tracks.get_mut(key) else {
            return Noted::default();
        };
        let bytes = packet.rtp_bytes();
        track.packets += 1;
        track.bytes += bytes;
        Noted {
            first: track.codec.replace(packet.codec).is_none(),
            layer_appears: packet.codec.kind() == MediaKind::Video
                && track.layers.note(&packet.layering, bytes, now),
        }
    }

    /// Note what another worker wants of a track.
    pub fn want_exported(&mut self, key: TrackKey, export: Export, wanted: Wanted) {
        if let Some(track) = self.tracks.get_mut(key) {
            let exports = &track.exports;
            track
                .exports_want
                .retain(|(known, _)| *known != export && exports.contains(known));
            track.exports_want.push((export, wanted));
            self.unsettle(key);
        }
    }

    /// The tracks whose source or sinks changed since the last call, or whose sinks want something
    /// else now.
    pub fn take_unsettled(&mut self) -> Vec<TrackKey> {
        std::mem::take(&mut self.unsettled)
    }

    /// Somebody wants something else of the track now.
    pub fn unsettle(&mut self, key: TrackKey) {
        if !self.unsettled.contains(&key) {
            self.unsettled.push(key);
        }
    }

    /// Look at a track.
    #[must_use]
    pub fn get(&self, key: TrackKey) -> Option<&Track> {
        self.tracks.get(key)
    }

    /// Change what is known about a track.
    pub fn get_mut(&mut self, key: TrackKey) -> Option<&mut Track> {
        self.tracks.get_mut(key)
    }

    /// Every track.
    pub fn iter(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().map(|(_, track)| track)
    }

    fn entry(&mut self, id: &str) -> TrackKey {
        if let Some(key) = self.by_id.get(id) {
            return *key;
        }
        let key = self.tracks.insert(Track::new(id));
        self.by_id.insert(id.to_owned(), key);
        key
    }
}

#[cfg(test)]
mod tests;
