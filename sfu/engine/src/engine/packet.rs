//! One media packet on its way through the engine.

use std::sync::Arc;
use std::time::Instant;

use super::codec::Codec;
use super::rewrite::SourceRun;

/// Larger RTP payloads are dropped at the door: str0m's send path panics above 2000 B in all,
/// and nothing that fits an Ethernet frame is larger.
pub const MAX_PAYLOAD_BYTES: usize = 1400;

/// RTP header without extensions (RFC 3550 section 5.1).
pub const RTP_HEADER_BYTES: u64 = 12;

/// How loud a packet is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// 0 is loudest, 127 silence: the negative of decibels relative to overload.
    pub below_overload_db: u8,
    pub voice: bool,
}

/// A packet between its source and its sinks. Cloning shares the payload.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    pub codec: Codec,
    /// Changes whenever `sequence` and `time` start anew.
    pub run: SourceRun,
    /// Extended over rollovers.
    pub sequence: u64,
    pub time: u32,
    pub marker: bool,
    /// When the source captured it, on a clock that its other tracks share.
    pub wallclock: Instant,
    pub audio_level: Option<AudioLevel>,
    /// Of a picture, clockwise, as in the header extension `urn:3gpp:video-orientation`.
    pub orientation: Option<u8>,
    pub payload: Arc<[u8]>,
}

impl MediaPacket {
    /// Bytes of RTP: header and payload.
    #[must_use]
    pub fn rtp_bytes(&self) -> u64 {
        self.payload.len() as u64 + RTP_HEADER_BYTES
    }
}
