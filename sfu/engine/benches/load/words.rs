//! What the driver says and what it is answered: one JSON object a line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How packets leave: the same for a WebRTC client and for a plain one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `burst` packets of `bytes` at a time, evenly; on so many tracks at once, all in turn.
    Smooth {
        packets_per_s: f64,
        burst: usize,
        bytes: usize,
        at_once: usize,
    },
    /// Each track repeats a recording: microseconds since the packet before, payload bytes, and
    /// whether it ends its picture. Tracks start apart, so that their pictures do not meet.
    Frames { packets: Vec<(u64, usize, bool)> },
}

/// Asked by the driver.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Make a client that sends; answered by its offer.
    Offer {
        client: String,
        video: usize,
        audio: usize,
        /// The path to the server: round trip in ms, and the share of datagrams lost each way.
        rtt_ms: f64,
        loss: f64,
    },
    /// The answer to that offer.
    Answer { client: String, sdp: String },
    /// Make a client that receives, or let one renegotiate; answered by its answer.
    Accept {
        client: String,
        sdp: String,
        rtt_ms: f64,
        loss: f64,
    },
    /// Let every sending client send.
    Play { video: Option<Shape>, audio: bool },
    /// Let nobody send any more.
    Stop,
    /// Read all counters.
    Report,
    /// Keep when packets of this client arrive from now on, and tell with [`Command::Report`].
    Record { client: String },
    /// Open plain sockets that count what comes.
    Sinks { count: usize },
    /// Send sealed packets of so many tracks from a plain socket.
    Plain {
        to: SocketAddr,
        shape: Shape,
        tracks: usize,
    },
    /// Bare loop: forward what comes to these, sealed anew for each; answered by its address.
    /// Hop: forward to this one, as it is.
    Forward { to: Vec<SocketAddr> },
    /// Meter: say where packets are to arrive.
    Meter,
    /// Meter: send packets of one track there for so long; answered by what each took to arrive. They are sent on the
    /// first of these cores and taken on the second; anywhere without.
    Time {
        to: SocketAddr,
        shape: Shape,
        seconds: f64,
        cores: Option<(usize, usize)>,
    },
    /// Complete so many DTLS handshakes in memory; answered by what the servers' halves took.
    Handshakes { count: usize },
}

/// One client's counters since it was made.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Tally {
    pub connected: bool,
    /// RTP packets.
    pub sent: u64,
    pub received: u64,
    /// Bytes that encryption added to the newest packet: 16 is AES-GCM, 10 AES-CM with SHA-1.
    pub overhead: usize,
    /// Pictures asked for by the server.
    pub keyframes_wanted: u64,
    /// Packets missing for good among those received, by their sequence numbers.
    pub missing: u64,
    /// When the first RTP packet came, seconds on the system's monotonic clock.
    pub first_packet_at_s: Option<f64>,
    /// Microseconds since the packet before, payload bytes, whether it ends its picture.
    pub arrivals: Vec<(u64, usize, bool)>,
}

/// Answered to the driver.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Reply {
    Done {
        done: bool,
    },
    Described {
        sdp: String,
        mids: BTreeMap<String, String>,
    },
    Ports {
        addresses: Vec<SocketAddr>,
    },
    Report {
        clients: BTreeMap<String, Tally>,
        /// What the plain sender sent, and what each plain sink got.
        plain_sent: u64,
        plain_received: Vec<u64>,
    },
    Handshakes {
        count: usize,
        server_cpu_s: f64,
    },
    /// Microseconds, packet by packet.
    Delays {
        delays_us: Vec<f64>,
    },
    Failed {
        error: String,
    },
}

/// Nothing more to say.
pub const DONE: Reply = Reply::Done { done: true };
