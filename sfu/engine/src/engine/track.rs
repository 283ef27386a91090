//! One track: where it comes from, where it goes, and which of its sources is believed.
//!
//! A leg that takes the place of another leg of this worker does so where a decoder can follow: each
//! encoding goes on from the old one until the new one brings a keyframe of it, so nobody sees the
//! change of path. Any other new source takes the place of the old one at once.

use std::time::{Duration, Instant};

use str0m::media::Mid;

use super::exchange::Export;
use super::layers::demand::{Demand, Wanted};
use super::layers::selector::bit;
use super::layers::table::LayerTable;
use super::media::codec::Codec;
use super::media::keyframes::KeyframeThrottles;
use super::media::packet::MediaPacket;
use super::router::PeerKey;
use crate::control::messages::MediaKind;

/// A leg that cannot be begun with is asked for a keyframe this often: about a round trip.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

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

/// A leg that takes the place of another, encoding by encoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub source: Source,
    /// Encodings (by bit) that come from it already.
    moved: u8,
    /// When it was last asked for a keyframe because what came could not be begun with.
    asked: Option<Instant>,
}

impl Next {
    /// A leg of which nothing came yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            moved: 0,
            asked: None,
        }
    }
}

/// What is to be done with a packet of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Take,
    /// It comes from a source that was replaced.
    Superseded,
    /// It comes from a leg whose turn has not come; with `ask`, a keyframe of it is to be asked for.
    Early {
        ask: bool,
    },
}

/// A track that somebody sends, or wants.
#[derive(Debug)]
pub struct Track {
    pub id: String,
    pub kind: Option<MediaKind>,
    pub source: Option<Source>,
    /// The leg that is taking the place of the leg in `source`.
    pub(super) next: Option<Next>,
    /// Serial of the command that made the source.
    pub since: u64,
    /// Another worker has a newer source, and its packets are taken.
    pub superseded: bool,
    pub sinks: Vec<Sink>,
    /// Other workers with sinks of this track.
    pub exports: Vec<Export>,
    /// What those want of it that said so.
    pub(super) exports_want: Vec<(Export, Wanted)>,
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
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: None,
            source: None,
            next: None,
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

    /// Whether a packet from there is this track's. A source that was superseded may go on sending
    /// for a while, and keep the key longer than the track does.
    pub fn admit(&mut self, source: Source, packet: &MediaPacket, now: Instant) -> Admission {
        if self.superseded {
            return Admission::Superseded;
        }
        let layering = &packet.layering;
        let one = bit(layering.encoding);
        match &mut self.next {
            Some(next) if next.source == source => {
                let begins = layering.keyframe && layering.begins_frame && layering.spatial == 0;
                if next.moved & one == 0 && packet.codec.kind() == MediaKind::Video && !begins {
                    let ask = next.asked.is_none_or(|at| now >= at + ASK_AGAIN_AFTER);
                    if ask {
                        next.asked = Some(now);
                    }
                    return Admission::Early { ask };
                }
                next.moved |= one;
                Admission::Take
            }
            Some(next) if self.source == Some(source) && next.moved & one == 0 => Admission::Take,
            None if self.source == Some(source) => Admission::Take,
            _ => Admission::Superseded,
        }
    }

    /// Where an encoding comes from now.
    #[must_use]
    pub fn source_of(&self, encoding: u8) -> Option<Source> {
        match self.next {
            Some(next) if next.moved & bit(encoding) != 0 => Some(next.source),
            _ => self.source,
        }
    }

    /// The leg that is taking the place of another has no other before it any more.
    pub(super) fn promote(&mut self) {
        self.source = self.next.take().map(|next| next.source);
        self.demand = Demand::default();
        if self.source.is_none() {
            self.codec = None;
        }
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

    /// The sinks of this track, without the links that it comes over: a leg never goes back.
    pub fn ways(&self) -> impl Iterator<Item = &Sink> {
        let link = |source: Option<Source>| match source {
            Some(Source::Leg { peer, .. }) => Some(peer),
            _ => None,
        };
        let back = [link(self.source), link(self.next.map(|next| next.source))];
        self.sinks
            .iter()
            .filter(move |sink| !back.contains(&Some(sink.peer)))
    }
}
