//! The words between driver and participants: the schema of `sfu/participants_protocol.py`.
//!
//! Every field, its order and its meaning is described there. Framing, `done`, `described` and
//! `failed` are those of the engine.

use serde::{Deserialize, Serialize};

use crate::control::messages::MediaKind;

/// Raised with every change that an older program or driver would misread; checked at hello.
pub const PARTICIPANTS_PROTOCOL: u64 = 1;

/// Asked of the program; answered by exactly one reply with the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Hello {
        protocol: u64,
        address: String,
        id: u64,
    },
    Open {
        participant: String,
        stamp: u64,
        video_frames_per_s: u32,
        video_bits_per_s: u64,
        audio: bool,
        id: u64,
    },
    Published {
        participant: String,
        sdp: String,
        id: u64,
    },
    Offered {
        participant: String,
        sdp: String,
        id: u64,
    },
    Close {
        participant: String,
        id: u64,
    },
    GetReport {
        id: u64,
    },
    GetTimings {
        id: u64,
    },
}

/// One of a participant's two peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Publisher,
    Subscriber,
}

/// How far a peer connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    None,
    Connecting,
    Connected,
    Closed,
}

/// What an m-line of the publisher's offer sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTrack {
    pub mid: String,
    pub kind: MediaKind,
}

/// What a participant has sent of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMedia {
    pub kind: MediaKind,
    pub packets: u64,
    pub bytes: u64,
    pub keyframe_requests: u64,
}

/// What a participant has received of one kind from one sender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReceivedMedia {
    pub stamp: u64,
    pub kind: MediaKind,
    pub mid: String,
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub missing: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub late: u64,
    pub delay_p50_ms: f64,
    pub delay_p99_ms: f64,
    pub delay_max_ms: f64,
    pub first_packet_ms: f64,
    pub longest_gap_ms: f64,
}

/// One participant's counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParticipantReport {
    pub participant: String,
    pub stamp: u64,
    pub publisher: State,
    pub subscriber: State,
    pub sent: Vec<SentMedia>,
    pub received: Vec<ReceivedMedia>,
    pub foreign_packets: u64,
}

/// When what a participant has received of one kind from one sender came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaTiming {
    pub stamp: u64,
    pub kind: MediaKind,
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub missing: u64,
    pub delay_sum_ms: f64,
    pub jitter_sum_ms: f64,
    pub recent_gap_ms: f64,
    pub freezes: u64,
    pub frozen_ms: f64,
    pub first_frame_ms: Option<f64>,
    pub delays_us: Vec<(u64, u64)>,
    pub jitters_us: Vec<(u64, u64)>,
}

/// One participant's times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParticipantTimings {
    pub participant: String,
    pub sent: Vec<SentMedia>,
    pub received: Vec<MediaTiming>,
}

/// A reply (with an id) or an event (without).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    Ready {
        protocol: u64,
        version: String,
        id: u64,
    },
    Opened {
        sdp: String,
        tracks: Vec<SentTrack>,
        id: u64,
    },
    Done {
        id: u64,
    },
    Described {
        sdp: String,
        id: u64,
    },
    Report {
        participants: Vec<ParticipantReport>,
        id: u64,
    },
    Timings {
        participants: Vec<ParticipantTimings>,
        id: u64,
    },
    Failed {
        code: String,
        message: String,
        id: u64,
    },
    Progress {
        participant: String,
        peer: Side,
        state: State,
        reason: String,
    },
}
