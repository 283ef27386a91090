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
use super::layers::demand::{Demand, Wanted};
use super::layers::table::LayerTable;
use super::media::packet::MediaPacket;
use super::refusal::Refusal;
use super::track::Next;
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

    /// Let the track come from `source`; the last one to say so is believed. A leg that follows a leg
    /// is believed encoding by encoding, see [`Track::admit`].
    pub fn start(&mut self, id: &str, kind: MediaKind, source: Source) -> TrackKey {
        let key = self.entry(id);
        let track = &mut self.tracks[key];
        let follows = match (track.source, source) {
            (Some(Source::Leg { .. }), Source::Leg { .. }) => !track.superseded,
            _ => false,
        };
        if follows {
            let known = track.next.map_or(track.source, |next| Some(next.source));
            if known != Some(source) {
                track.next = Some(Next::new(source));
            }
        } else if track.source != Some(source) {
            track.source = Some(source);
            track.next = None;
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
            if track.sinks.len() < sinks {
                self.touch(key);
            }
            self.end_where(key, |source| source.peer() == peer);
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
    use crate::engine::media::codec::Codec;
    use crate::engine::media::packet::Layering;

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

    fn video(encoding: u8, keyframe: bool) -> MediaPacket {
        MediaPacket {
            codec: Codec::Vp8,
            profile: 0,
            run: 1,
            sequence: 1,
            time: 0,
            marker: true,
            wallclock: Instant::now(),
            audio_level: None,
            orientation: None,
            playout_delay: None,
            dependency: None,
            layering: Layering {
                encoding,
                keyframe,
                begins_frame: true,
                ..Layering::default()
            },
            payload: [0].into(),
            redundant: None,
        }
    }

    #[test]
    fn a_leg_takes_the_place_of_another_where_a_decoder_can_follow() {
        let now = Instant::now();
        let mut router = Router::default();
        let key = router.start("t", MediaKind::Video, leg(3));
        router.start("t", MediaKind::Video, leg(4));
        router.start("t", MediaKind::Video, leg(4));
        let track = router.get_mut(key).unwrap();
        let early = track.admit(leg(4), &video(0, false), now);
        assert_eq!(early, Admission::Early { ask: true });
        let early = track.admit(leg(4), &video(1, false), now);
        assert_eq!(early, Admission::Early { ask: false }, "asked just now");
        assert_eq!(track.admit(leg(3), &video(0, false), now), Admission::Take);
        assert_eq!(track.admit(leg(4), &video(0, true), now), Admission::Take);
        assert_eq!(track.admit(leg(4), &video(0, false), now), Admission::Take);
        let late = track.admit(leg(3), &video(0, true), now);
        assert_eq!(late, Admission::Superseded);
        assert_eq!(track.admit(leg(3), &video(1, false), now), Admission::Take);
        assert_eq!(track.source_of(0), Some(leg(4)));
        assert_eq!(track.source_of(1), Some(leg(3)));
        router.end(key, leg(3));
        let track = router.get_mut(key).unwrap();
        assert_eq!(track.source, Some(leg(4)));
        assert_eq!(track.admit(leg(4), &video(1, false), now), Admission::Take);
    }

    #[test]
    fn a_leg_that_never_got_its_turn_leaves_the_other_in_its_place() {
        let now = Instant::now();
        let mut router = Router::default();
        let key = router.start("t", MediaKind::Video, leg(3));
        router.start("t", MediaKind::Video, leg(4));
        router.forget_peer(4);
        let track = router.get_mut(key).unwrap();
        assert_eq!(track.admit(leg(3), &video(0, false), now), Admission::Take);
        router.start("t", MediaKind::Video, leg(4));
        router.forget_peer(3);
        let track = router.get_mut(key).unwrap();
        assert_eq!(track.admit(leg(4), &video(0, false), now), Admission::Take);
    }

    #[test]
    fn sinks_may_come_first_and_outlive_their_source() {
        let now = Instant::now();
        let publisher = |peer| Source::Publisher {
            peer,
            mid: "0".into(),
        };
        let mut router = Router::default();
        let key = router.attach("t", LINE);
        assert_eq!(router.start("t", MediaKind::Video, publisher(3)), key);
        router.start("t", MediaKind::Video, leg(4));
        router.end(key, publisher(3));
        assert_eq!(router.get(key).unwrap().source, Some(leg(4)));
        let track = router.get_mut(key).unwrap();
        let packet = video(0, false);
        assert_eq!(track.admit(leg(4), &packet, now), Admission::Take);
        let former = track.admit(publisher(3), &packet, now);
        assert_eq!(former, Admission::Superseded);
        track.superseded = true;
        assert_eq!(track.admit(leg(4), &packet, now), Admission::Superseded);
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
