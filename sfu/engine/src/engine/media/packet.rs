//! One media packet on its way through the engine.

use std::sync::Arc;
use std::time::Instant;

use super::codec::{Codec, Format};
use super::rewrite::SourceRun;
use crate::engine::peers::extensions::RawDescriptor;

/// Larger RTP payloads are dropped at the door: str0m's send path panics above 2000 B in all,
/// and nothing that fits an Ethernet frame is larger.
pub const MAX_PAYLOAD_BYTES: usize = 1400;

/// Padding behind a payload, to make packets equally long. More is not worth its bytes: two words of header extensions that
/// some packets of a picture have and others lack.
pub const MAX_PADDING_BYTES: usize = 8;

/// RTP header without extensions (RFC 3550 section 5.1).
pub const RTP_HEADER_BYTES: u64 = 12;

/// The payload type of Opus inside [`MediaPacket::redundant`]: that of our own offers.
pub const REDUNDANT_TYPE: u8 = 111;

/// How long a receiver may hold a picture back (the playout delay extension of libwebrtc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// In units of 10 ms, 12 bits.
    pub min: u16,
    /// In units of 10 ms, 12 bits.
    pub max: u16,
}

/// How loud a packet is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// 0 is loudest, 127 silence: the negative of decibels relative to overload.
    pub below_overload_db: u8,
    pub voice: bool,
}

/// Simulcast streams of one track; browsers send three.
pub const MAX_ENCODINGS: usize = 8;

/// How a packet of video hangs together with others of its track.
///
/// It comes from header extensions where they were negotiated, else from the payload; sound and
/// video of which nothing is known have the default: one layer, every packet a frame of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layering {
    /// Simulcast: the rank of the stream among those of its track, 0 for the first offered.
    pub encoding: u8,
    /// SVC: spatial layer inside the stream, 0 for the base.
    pub spatial: u8,
    /// Temporal layer, 0 for the base.
    pub temporal: u8,
    /// Decoding of this spatial layer may begin at this frame with nothing before it.
    pub keyframe: bool,
    /// Whoever got the lower temporal layers may take this one from this frame on.
    pub switch_up: bool,
    /// The first packet of its frame (of one spatial layer).
    pub begins_frame: bool,
    /// The last packet of its frame (of one spatial layer).
    pub ends_frame: bool,
    /// Width and height of the frame in pixels, where a keyframe says them.
    pub resolution: Option<(u16, u16)>,
}

impl Default for Layering {
    fn default() -> Self {
        Self {
            encoding: 0,
            spatial: 0,
            temporal: 0,
            keyframe: false,
            switch_up: false,
            begins_frame: true,
            ends_frame: true,
            resolution: None,
        }
    }
}

/// A packet between its source and its sinks. Cloning shares the payload.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    pub codec: Codec,
    /// As in [`Format::profile`].
    pub profile: u8,
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
    pub playout_delay: Option<PlayoutDelay>,
    /// Of the stream it came in on: its numbers mean nothing beside those of another encoding.
    pub dependency: Option<Arc<RawDescriptor>>,
    pub layering: Layering,
    pub payload: Arc<[u8]>,
    /// The payload once more, with copies of earlier ones (RFC 2198), for those who take it so.
    pub redundant: Option<Arc<[u8]>>,
}

impl MediaPacket {
    /// What a receiver must be able to play.
    #[must_use]
    pub fn format(&self) -> Format {
        Format {
            codec: self.codec,
            profile: self.profile,
        }
    }

    /// Bytes of RTP: header and payload.
    #[must_use]
    pub fn rtp_bytes(&self) -> u64 {
        self.payload.len() as u64 + RTP_HEADER_BYTES
    }
}
