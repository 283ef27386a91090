//! The RTP streams of a link: every number that both ends must agree on, and nothing else.
//!
//! One carries the frames of all audio legs, one those of all video legs, so that loss of
//! sound is found and repaired apart from loss of picture; a third one what is sent again of both, and a fourth one what
//! the two ends tell each other of it.

use std::time::{Duration, Instant};

use str0m::Rtc;

use crate::control::messages::MediaKind;
use crate::engine::data::link_data::MAX_BUFFERED_BYTES;
use crate::engine::peers::opened::provider;

/// The streams of a direction by their index in [`STREAMS`]: sound, picture, what is sent again of both, and what the two
/// ends tell each other.
pub const AUDIO: usize = 0;
pub const VIDEO: usize = 1;
pub const RESENDS: usize = 2;
pub const SIGNALS: usize = 3;

/// Sound and picture.
pub const CLASSES: usize = 2;

/// The first number of a class's stream.
pub const FIRST_NUMBER: u64 = 1;

/// The time stamps of all streams say in this rate when a packet left, since the link began.
pub const CLASS_TICKS_PER_S: u32 = 90_000;

/// How often a link's `Rtc` says which way it found: as often as a keepalive leaves. It sends nothing itself for long that
/// would show another one.
const WAY_INTERVAL: Duration = Duration::from_millis(200);

/// One of the RTP streams of a direction.
pub struct LinkStream {
    pub pt: u8,
    /// Added to by 16 for the side that is not controlling.
    ssrc: u32,
}

/// Every stream of a direction.
pub const STREAMS: [LinkStream; 4] = [
    LinkStream {
        pt: 100,
        ssrc: 0x51_00,
    },
    LinkStream {
        pt: 102,
        ssrc: 0x52_00,
    },
    LinkStream {
        pt: 104,
        ssrc: 0x53_00,
    },
    LinkStream {
        pt: 106,
        ssrc: 0x54_00,
    },
];

impl LinkStream {
    /// The SSRC of a side.
    #[must_use]
    pub fn ssrc(&self, controlling: bool) -> u32 {
        self.ssrc + if controlling { 0 } else { 16 }
    }
}

/// Build an `Rtc` for a link: it finds the way, agrees on keys and carries the channels; media passes beside it.
#[must_use]
pub fn build(now: Instant) -> Rtc {
    Rtc::builder()
        .clear_codecs()
        .clear_extension_map()
        .set_rtp_mode(true)
        .set_crypto_provider(provider())
        .set_sctp_max_buffered_amount(MAX_BUFFERED_BYTES)
        .set_stats_interval(Some(WAY_INTERVAL))
        .build(now)
}

/// Index of the class of a kind.
#[must_use]
pub fn class_of(kind: MediaKind) -> usize {
    match kind {
        MediaKind::Audio => AUDIO,
        MediaKind::Video => VIDEO,
    }
}

/// Time stamps of a class since the link began.
#[must_use]
pub fn ticks(elapsed: Duration) -> u32 {
    (elapsed.as_micros() as u64 * u64::from(CLASS_TICKS_PER_S) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_streams_are_told_apart() {
        let of = |controlling| STREAMS.iter().map(move |stream| stream.ssrc(controlling));
        let ssrcs: HashSet<u32> = of(true).chain(of(false)).collect();
        let types: HashSet<u8> = STREAMS.iter().map(|stream| stream.pt).collect();
        assert_eq!((ssrcs.len(), types.len()), (8, 4));
        assert_ne!(class_of(MediaKind::Audio), class_of(MediaKind::Video));
    }
}
