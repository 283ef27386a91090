//! The words between node and engine: the same schema as `sfu/protocol.py`, seen from Rust.
//!
//! Every field, its order and its meaning is described there; `sfu/vectors.json` holds the bytes
//! that both sides test themselves against. A field added here is added there in the same change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Raised with every change that an older engine or node would misread; checked at hello.
pub const ENGINE_PROTOCOL: u64 = 3;

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Audio,
    Video,
}

/// A track that a subscriber is to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedTrack {
    pub track: String,
    pub kind: MediaKind,
    pub stream: String,
}

/// How a subscriber's client would like to be sent a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferredTrack {
    pub track: String,
    pub width: u32,
    pub height: u32,
    pub priority: u8,
    pub paused: bool,
}

/// Asked of the engine; answered by exactly one reply with the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Hello {
        protocol: u64,
        media_address: String,
        media_port: u16,
        advertised: Vec<String>,
        workers: u16,
        stun_servers: Vec<String>,
        tcp: bool,
        id: u64,
    },
    Publish {
        peer: String,
        sdp: String,
        tracks: BTreeMap<String, String>,
        room: String,
        sender: String,
        id: u64,
    },
    Subscribe {
        peer: String,
        tracks: Vec<WantedTrack>,
        room: String,
        participant: String,
        id: u64,
    },
    Prefer {
        peer: String,
        tracks: Vec<PreferredTrack>,
        id: u64,
    },
    Answered {
        peer: String,
        generation: u64,
        sdp: String,
        id: u64,
    },
    AddCandidate {
        peer: String,
        candidate: String,
        id: u64,
    },
    ClosePeer {
        peer: String,
        id: u64,
    },
    OpenLink {
        peer: String,
        controlling: bool,
        lane: u8,
        beside: String,
        id: u64,
    },
    ConnectLink {
        peer: String,
        ufrag: String,
        password: String,
        #[serde(with = "serde_bytes")]
        fingerprint: Vec<u8>,
        candidates: Vec<String>,
        id: u64,
    },
    SendLink {
        peer: String,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
        id: u64,
    },
    OpenLegOut {
        peer: String,
        leg: u32,
        track: String,
        room: String,
        id: u64,
    },
    CloseLegOut {
        peer: String,
        leg: u32,
        id: u64,
    },
    OpenLegIn {
        peer: String,
        leg: u32,
        track: String,
        kind: MediaKind,
        room: String,
        id: u64,
    },
    CloseLegIn {
        peer: String,
        leg: u32,
        id: u64,
    },
    SpanRoom {
        peer: String,
        room: String,
        spans: bool,
        id: u64,
    },
    SetRoom {
        room: String,
        loudest: u32,
        max_height: u32,
        max_bitrate_bps: u64,
        id: u64,
    },
    CloseRoom {
        room: String,
        id: u64,
    },
    GetStatistics {
        page: u64,
        id: u64,
    },
}

impl Command {
    /// The number that the reply repeats.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Hello { id, .. }
            | Self::Publish { id, .. }
            | Self::Subscribe { id, .. }
            | Self::Prefer { id, .. }
            | Self::Answered { id, .. }
            | Self::AddCandidate { id, .. }
            | Self::ClosePeer { id, .. }
            | Self::OpenLink { id, .. }
            | Self::ConnectLink { id, .. }
            | Self::SendLink { id, .. }
            | Self::OpenLegOut { id, .. }
            | Self::CloseLegOut { id, .. }
            | Self::OpenLegIn { id, .. }
            | Self::CloseLegIn { id, .. }
            | Self::SpanRoom { id, .. }
            | Self::SetRoom { id, .. }
            | Self::CloseRoom { id, .. }
            | Self::GetStatistics { id, .. } => *id,
        }
    }
}

/// Who carries a command out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The worker that has this peer; a command that `opens` it may choose one, or the one of the peer `beside`.
    Peer {
        peer: &'a str,
        opens: bool,
        beside: &'a str,
    },
    /// All workers.
    Everywhere,
    /// The engine as a whole.
    Engine,
}

impl Command {
    /// Who is to carry it out.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match self {
            Self::Hello { .. } | Self::GetStatistics { .. } => Place::Engine,
            Self::SetRoom { .. } | Self::CloseRoom { .. } => Place::Everywhere,
            Self::OpenLink { peer, beside, .. } => Place::Peer {
                peer,
                opens: true,
                beside,
            },
            Self::Publish { peer, .. } | Self::Subscribe { peer, .. } => Place::Peer {
                peer,
                opens: true,
                beside: "",
            },
            Self::Prefer { peer, .. }
            | Self::Answered { peer, .. }
            | Self::AddCandidate { peer, .. }
            | Self::ClosePeer { peer, .. }
            | Self::ConnectLink { peer, .. }
            | Self::SendLink { peer, .. }
            | Self::OpenLegOut { peer, .. }
            | Self::CloseLegOut { peer, .. }
            | Self::OpenLegIn { peer, .. }
            | Self::CloseLegIn { peer, .. }
            | Self::SpanRoom { peer, .. } => Place::Peer {
                peer,
                opens: false,
                beside: "",
            },
        }
    }

    /// The peer that it is about.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        match self.place() {
            Place::Peer { peer, .. } => Some(peer),
            Place::Everywhere | Place::Engine => None,
        }
    }
}

/// All that is read of a command that is not one of ours: enough to refuse it by its number.
#[derive(Debug, Deserialize)]
pub struct Numbered {
    pub id: u64,
}

/// What a peer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerKind {
    Publisher,
    Subscriber,
    Link,
}

/// How far a peer got. `Connecting` is never announced, `Closed` never listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Connecting,
    Connected,
    Suspect,
    Closed,
}

/// Counters of one peer since it was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerStatistics {
    pub peer: String,
    pub kind: PeerKind,
    pub state: State,
    pub worker: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub nacks: u64,
    pub keyframe_requests: u64,
    pub rtt_ms: Option<f64>,
    pub jitter_ms: Option<f64>,
    pub loss: Option<f64>,
    pub estimate_bps: Option<u64>,
    pub desired_bps: Option<u64>,
    pub handshake_ms: Option<f64>,
}

/// Counters of one track since its first packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackStatistics {
    pub track: String,
    pub kind: MediaKind,
    pub codec: String,
    pub relayed: bool,
    pub packets: u64,
    pub bytes: u64,
    pub keyframe_requests: u64,
    pub nacks: u64,
    pub subscribers: u64,
    pub legs: u64,
    pub jitter_ms: Option<f64>,
    pub loss: Option<f64>,
}

/// Counters of one leg since it was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegStatistics {
    pub peer: String,
    pub leg: u64,
    pub track: String,
    pub outgoing: bool,
    pub packets: u64,
    pub bytes: u64,
}

/// What a line with a picture gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Waiting,
    Flowing,
    Paused,
    Starved,
}

/// The picture on one line of a subscriber, as it goes out now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineStatistics {
    pub peer: String,
    pub track: String,
    pub state: LineState,
    pub encoding: Option<u8>,
    pub spatial: Option<u8>,
    pub temporal: Option<u8>,
    pub height: Option<u16>,
    pub bitrate_bps: u64,
}

/// One worker since it was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatistics {
    pub worker: u64,
    pub peers: u64,
    pub tracks: u64,
    pub turns: u64,
    pub busy_ms: u64,
    pub waiting: u64,
}

/// Somebody who is heard in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    pub track: String,
    pub level_db: i64,
}

/// A reply (with an id) or an event (without).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    Ready {
        protocol: u64,
        version: String,
        addresses: Vec<String>,
        id: u64,
    },
    Done {
        id: u64,
    },
    Described {
        sdp: String,
        id: u64,
    },
    LinkOpened {
        ufrag: String,
        password: String,
        #[serde(with = "serde_bytes")]
        fingerprint: Vec<u8>,
        candidates: Vec<String>,
        id: u64,
    },
    Failed {
        code: String,
        message: String,
        id: u64,
    },
    Statistics {
        peers: Vec<PeerStatistics>,
        tracks: Vec<TrackStatistics>,
        counters: BTreeMap<String, u64>,
        legs: Vec<LegStatistics>,
        lines: Vec<LineStatistics>,
        workers: Vec<WorkerStatistics>,
        memory_bytes: u64,
        queued_bytes: u64,
        page: u64,
        pages: u64,
        id: u64,
    },
    PeerState {
        peer: String,
        state: State,
        reason: String,
    },
    Offered {
        peer: String,
        generation: u64,
        sdp: String,
        tracks: BTreeMap<String, String>,
    },
    TrackStarted {
        track: String,
        codec: String,
    },
    LayersWanted {
        peer: String,
        track: String,
        encodings: BTreeMap<String, bool>,
        spatial: Option<u8>,
    },
    TrackRefused {
        peer: String,
        track: String,
        codec: String,
        accepted: Vec<String>,
    },
    LinkMessage {
        peer: String,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    LinkMeasured {
        peer: String,
        rtt_ms: f64,
        jitter_ms: f64,
        loss: f64,
    },
    Speakers {
        room: String,
        speakers: Vec<Speaker>,
    },
}
