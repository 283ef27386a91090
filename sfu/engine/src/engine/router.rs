//! Which track goes where: sources, sinks and what is known about each track.
//!
//! A track is named by its id alone. Sinks attach whether or not its source exists yet, and stay
//! when the source is replaced, so that nothing here depends on the order in which the node says
//! things.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use slab::Slab;
use str0m::media::Mid;

use super::dispatch::post::WorkerIndex;
use super::exchange::Export;
use super::layers::demand::{Demand, Wanted};
use super::layers::table::LayerTable;
use super::media::codec::Codec;
use super::media::keyframes::KeyframeThrottles;
use super::media::packet::MediaPacket;
use super::refusal::Refusal;
use crate::control::messages::MediaKind;

/// A peer of this engine; reused after it closed.
pub type PeerKey = usize;

/// A track of this engine; reused in a later turn once nobody knows the track any more.
pub type TrackKey = usize;

/// Tracks that one worker knows, those that nobody sends included: more than three for each peer that
/// an engine takes. A track that nobody sends takes about a kilobyte.
pub const MAX_TRACKS: usize = 65_536;

/// Where a track comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Publisher { peer: PeerKey, mid: Mid },
    Leg { peer: PeerKey, leg: u32 },
}

impl Source {
    /// The peer it comes in on.
    #[must_use]
    pub fn peer(&self) -> PeerKey {
        match self {
            Self::Publisher { peer, .. } | Self::Leg { peer, .. } => *peer,
        }
    }
}

/// Where a track goes: a line of a subscriber, or a leg of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sink {
    pub peer: PeerKey,
    /// Index of the subscriber's line, or number of the leg.
    pub slot: u32,
    pub leg: bool,
}

/// A track that somebody sends, or wants.
#[derive(Debug)]
pub struct Track {
    pub id: String,
    pub kind: Option<MediaKind>,
    pub source: Option<Source>,
    /// Serial of the command that made the source.
    pub since: u64,
    /// Another worker has a newer source, and its packets are taken.
    pub superseded: bool,
    pub sinks: Vec<Sink>,
    /// Other workers with sinks of this track.
    pub exports: Vec<Export>,
    /// What those want of it that said so.
    exports_want: Vec<(Export, Wanted)>,
    pub codec: Option<Codec>,
    pub packets: u64,
    pub bytes: u64,
    pub keyframe_requests: u64,
    pub throttles: KeyframeThrottles,
    /// What its source sends.
    pub layers: LayerTable,
    /// What its source was told to send.
    pub demand: Demand,
}

impl Track {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: None,
            source: None,
            since: 0,
            superseded: false,
            sinks: Vec::new(),
            exports: Vec::new(),
            exports_want: Vec::new(),
            codec: None,
            packets: 0,
            bytes: 0,
            keyframe_requests: 0,
            throttles: KeyframeThrottles::default(),
            layers: LayerTable::default(),
            demand: Demand::default(),
        }
    }

    /// Whether packets from there are this track's: of its newest source alone. One that was
    /// superseded may go on sending for a while, and keep the key longer than the track does.
    #[must_use]
    pub fn takes_from(&self, source: Source) -> bool {
        self.source == Some(source) && !self.superseded
    }

    /// What other workers want of this track.
    #[must_use]
    pub fn wanted_elsewhere(&self) -> Wanted {
        let of = |export: &Export| {
            let said = self.exports_want.iter().find(|(known, _)| known == export);
            said.map_or(Wanted::ALL, |(_, wanted)| *wanted)
        };
        self.exports
            .iter()
            .map(of)
            .fold(Wanted::default(), Wanted::or)
    }

    /// The sinks of this track, without the link that it came over: a leg never goes back.
    pub fn ways(&self) -> impl Iterator<Item = &Sink> {
        let back = match self.source {
            Some(Source::Leg { peer, .. }) => Some(peer),
            _ => None,
        };
        self.sinks
            .iter()
            .filter(move |sink| Some(sink.peer) != back)
    }
}

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

    /// Let the track come from `source`; the last one to say so is believed.
    pub fn start(&mut self, id: &str, kind: MediaKind, source: Source) -> TrackKey {
        let key = self.entry(id);
        let track = &mut self.tracks[key];
        if track.source != Some(source) {
            track.source = Some(source);
            track.codec = None;
            track.layers = LayerTable::default();
            track.demand = Demand::default();
        }
        track.kind = Some(kind);
        track.since = self.serial;
        self.touch(key);
        key
    }

    /// The track comes from `source` no more; another source in its place stays.
    pub fn end(&mut self, key: TrackKey, source: Source) {
        if let Some(track) = self.tracks.get_mut(key)
            && track.source == Some(source)
        {
            track.source = None;
            track.codec = None;
            self.touch(key);
        }
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

    /// The peer is gone, and with it what came from it and what went to it.
    pub fn forget_peer(&mut self, peer: PeerKey) {
        let keys: Vec<TrackKey> = self.tracks.iter().map(|(key, _)| key).collect();
        for key in keys {
            let track = &mut self.tracks[key];
            let sinks = track.sinks.len();
            track.sinks.retain(|sink| sink.peer != peer);
            let mut changed = track.sinks.len() < sinks;
            if track.source.is_some_and(|source| source.peer() == peer) {
                track.source = None;
                track.codec = None;
                changed = true;
            }
            if changed {
                self.touch(key);
            }
        }
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
mod tests {
    use super::*;

    const LINE: Sink = Sink {
        peer: 2,
        slot: 0,
        leg: false,
    };
    const OUT: Sink = Sink {
        peer: 3,
        slot: 9,
        leg: true,
    };

    fn leg(peer: PeerKey) -> Source {
        Source::Leg { peer, leg: 1 }
    }

    #[test]
    fn sinks_may_come_first_and_outlive_their_source() {
        let mut router = Router::default();
        let key = router.attach("t", LINE);
        assert_eq!(router.start("t", MediaKind::Video, leg(3)), key);
        router.start("t", MediaKind::Video, leg(4));
        router.end(key, leg(3));
        assert_eq!(router.get(key).unwrap().source, Some(leg(4)));
        let track = router.get_mut(key).unwrap();
        assert!(track.takes_from(leg(4)) && !track.takes_from(leg(3)));
        track.superseded = true;
        assert!(!track.takes_from(leg(4)));
        router.forget_peer(4);
        assert_eq!(router.get(key).unwrap().sinks, [LINE]);
        router.detach(key, LINE);
        let touched = router.take_touched();
        router.sweep(&touched);
        assert!(router.get(key).is_none());
        assert_eq!(router.iter().count(), 0);
    }

    #[test]
    fn tracks_are_bounded_also_those_that_nobody_sends() {
        let mut router = Router::default();
        for track in 1..MAX_TRACKS {
            router.attach(&track.to_string(), LINE);
        }
        assert!(router.admits(["new", "1", "new"]).is_ok());
        let refused = router.admits(["new", "newer"]).unwrap_err();
        assert_eq!(refused.code, "too_many_tracks_known");
        let key = router.attach("new", LINE);
        assert!(router.admits(["newer"]).is_err());
        assert!(router.admits(["new", "1"]).is_ok());
        router.detach(key, LINE);
        let touched = router.take_touched();
        router.sweep(&touched);
        assert!(router.admits(["newer"]).is_ok());
    }

    #[test]
    fn a_track_keeps_its_key_for_the_turn_whoever_comes_and_goes() {
        let mut router = Router::default();
        let key = router.attach("t", LINE);
        router.detach(key, LINE);
        let other = router.attach("u", OUT);
        assert_ne!(other, key);
        assert_eq!(router.attach("t", LINE), key);
        let touched = router.take_touched();
        router.sweep(&touched);
        assert_eq!((router.key("t"), router.key("u")), (Some(key), Some(other)));
        assert!(router.take_touched().is_empty());
    }

    #[test]
    fn a_leg_is_never_sent_back_over_its_link() {
        let mut router = Router::default();
        let key = router.start("t", MediaKind::Audio, leg(3));
        router.attach("t", LINE);
        router.attach("t", OUT);
        let ways: Vec<_> = router.get(key).unwrap().ways().copied().collect();
        assert_eq!(ways, [LINE]);
    }
}
