//! One track: where it comes from, where it goes, and which of its sources is believed.
//!
//! A new source takes the place of the old one where a decoder can follow, so nobody sees the change:
//! what came before goes on until the new one brings a keyframe, or its first sound. A leg follows
//! another leg of the same worker encoding by encoding, as both bring the same pictures; any other
//! source follows as a whole. One that never begins leaves the old one in its place, and one that
//! follows another in silence need not wait for a keyframe.
//!
//! Other workers are told of a source as new once it was begun with ([`Track::claim`]); until then it
//! counts less than any that flows.

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

/// A source that cannot be begun with is asked for a keyframe this often: about a round trip.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A source that brought nothing for so long holds nobody up: several pictures of the slowest camera.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(500);

/// A source that flows for so long counts, whether or not its keyframes can be told.
pub(super) const COUNTS_AFTER: Duration = Duration::from_secs(1);

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

/// A source that is taking the place of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub source: Source,
    /// Encodings (by bit) that come from it already; none of one that follows as a whole.
    moved: u8,
    /// All encodings move at once.
    whole: bool,
}

impl Next {
    /// A source of which nothing came yet, for a track that comes from `before`.
    pub fn new(before: Source, source: Source) -> Self {
        let both_legs = matches!((before, source), (Source::Leg { .. }, Source::Leg { .. }));
        Self {
            source,
            moved: 0,
            whole: !both_legs,
        }
    }
}

/// What is to be done with a packet of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Take,
    /// It comes from a source that was replaced.
    Superseded,
    /// Another worker's source is taken, but now this one could be: to be told, and asked again.
    Begins,
    /// It comes from a source whose turn has not come; with `ask`, a keyframe of it is to be asked for.
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
    /// What is taking the place of `source`.
    pub(super) next: Option<Next>,
    /// Serial of the command that made the newest source.
    pub since: u64,
    /// The source was begun with.
    flows: bool,
    /// When its first packet came, its last one, and when a keyframe was last asked of who waits.
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    asked: Option<Instant>,
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
            flows: false,
            first_at: None,
            last_at: None,
            asked: None,
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

    /// Let the track come from `source`, at once where nothing else flows here.
    pub(super) fn follow(&mut self, source: Source) {
        if self.next.is_some_and(|next| next.moved != 0) && !self.is_from(source) {
            self.promote();
        }
        match self.source {
            Some(before) if before == source => self.next = None,
            Some(before) if !self.superseded => {
                if self.next.is_none_or(|next| next.source != source) {
                    self.next = Some(Next::new(before, source));
                }
            }
            _ => self.begin(Some(source)),
        }
    }

    fn is_from(&self, source: Source) -> bool {
        self.next.map_or(self.source, |next| Some(next.source)) == Some(source)
    }

    /// Forget all that is known of the former source.
    fn begin(&mut self, source: Option<Source>) {
        self.source = source;
        self.next = None;
        self.flows = false;
        self.first_at = None;
        self.last_at = None;
        self.codec = None;
        self.layers = LayerTable::default();
        self.demand = Demand::default();
    }

    /// Since when the source of this worker counts: by the serial of its command once it was begun
    /// with. Before that it counts less than all that were, and least before anything came of it.
    #[must_use]
    pub fn claim(&self) -> Option<u64> {
        self.source.map(|_| match (self.flows, self.first_at) {
            (true, _) => self.since.saturating_add(2),
            (false, Some(_)) => 1,
            (false, None) => 0,
        })
    }

    /// Whether a packet from there is this track's. A source that was superseded may go on sending
    /// for a while, and keep the key longer than the track does.
    pub fn admit(&mut self, source: Source, packet: &MediaPacket, now: Instant) -> Admission {
        let layering = &packet.layering;
        let begins = packet.codec.kind() == MediaKind::Audio
            || (layering.keyframe && layering.begins_frame && layering.spatial == 0);
        if self.superseded {
            if self.source != Some(source) || self.flows {
                return Admission::Superseded;
            }
            if !begins {
                return self.early(now);
            }
            self.flows = true;
            return Admission::Begins;
        }
        let one = bit(layering.encoding);
        match self.next {
            Some(next) if next.source == source && next.whole => {
                let is_silent = self.last_at.is_none_or(|at| now >= at + SILENT_AFTER);
                if !begins && !is_silent {
                    return self.early(now);
                }
                self.begin(Some(source));
                self.flow(begins, now);
                Admission::Take
            }
            Some(next) if next.source == source => {
                if next.moved & one == 0 && !begins {
                    return self.early(now);
                }
                self.next = Some(Next {
                    moved: next.moved | one,
                    ..next
                });
                self.flow(begins, now);
                Admission::Take
            }
            next if self.source == Some(source)
                && next.is_none_or(|next| next.moved & one == 0) =>
            {
                self.flow(begins, now);
                Admission::Take
            }
            _ => Admission::Superseded,
        }
    }

    fn early(&mut self, now: Instant) -> Admission {
        let ask = self.asked.is_none_or(|at| now >= at + ASK_AGAIN_AFTER);
        if ask {
            self.asked = Some(now);
        }
        Admission::Early { ask }
    }

    fn flow(&mut self, begins: bool, now: Instant) {
        let first = *self.first_at.get_or_insert(now);
        self.last_at = Some(now);
        self.flows |= begins || now >= first + COUNTS_AFTER;
    }

    /// Where an encoding comes from now.
    #[must_use]
    pub fn source_of(&self, encoding: u8) -> Option<Source> {
        match self.next {
            Some(next) if next.moved & bit(encoding) != 0 => Some(next.source),
            _ => self.source,
        }
    }

    /// What is taking the place of another source has no other before it any more.
    pub(super) fn promote(&mut self) {
        match self.next.take() {
            Some(next) if !next.whole => {
                self.source = Some(next.source);
                self.demand = Demand::default();
                if next.moved == 0 {
                    self.flows = false;
                    self.first_at = None;
                }
            }
            next => self.begin(next.map(|next| next.source)),
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
        let moving = self.next.filter(|next| next.moved != 0);
        let back = [link(self.source), link(moving.map(|next| next.source))];
        self.sinks
            .iter()
            .filter(move |sink| !back.contains(&Some(sink.peer)))
    }
}
