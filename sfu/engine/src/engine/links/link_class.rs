//! The two RTP streams of a link: every number that both ends must agree on, and nothing else.
//!
//! One carries the frames of all audio legs, the other those of all video legs, so that loss of
//! sound is found and repaired apart from loss of picture.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::format::{Codec as Format, FormatParams};
use str0m::media::{Frequency, MediaKind as RtcKind};
use str0m::rtp::Ssrc;

use crate::control::messages::MediaKind;
use crate::engine::data::link_data::MAX_BUFFERED_BYTES;
use crate::engine::peers::measured::STATS_INTERVAL;
use crate::engine::peers::opened::provider;

/// Both classes count their own time stamps in this rate; nobody reads them.
pub const CLASS_TICKS_PER_S: u32 = 90_000;

/// One of the two RTP streams of a direction.
pub struct Class {
    pub mid: &'static str,
    pub kind: MediaKind,
    pub rtc_kind: RtcKind,
    format: Format,
    rate: Frequency,
    channels: Option<u8>,
    pub pt: u8,
    pub resend_pt: u8,
    /// Added to by 1 for resends and by 16 for the side that is not controlling.
    ssrc: u32,
}

/// Sound and picture.
pub const CLASSES: [Class; 2] = [
    Class {
        mid: "a",
        kind: MediaKind::Audio,
        rtc_kind: RtcKind::Audio,
        format: Format::Opus,
        rate: Frequency::FORTY_EIGHT_KHZ,
        channels: Some(2),
        pt: 100,
        resend_pt: 101,
        ssrc: 0x51_00,
    },
    Class {
        mid: "v",
        kind: MediaKind::Video,
        rtc_kind: RtcKind::Video,
        format: Format::Vp8,
        rate: Frequency::NINETY_KHZ,
        channels: None,
        pt: 102,
        resend_pt: 103,
        ssrc: 0x52_00,
    },
];

impl Class {
    /// The SSRCs of a side: media and resends.
    #[must_use]
    pub fn ssrc(&self, controlling: bool) -> (Ssrc, Ssrc) {
        let ssrc = self.ssrc + if controlling { 0 } else { 16 };
        (ssrc.into(), (ssrc + 1).into())
    }
}

/// Build an `Rtc` for a link.
#[must_use]
pub fn build(now: Instant) -> Rtc {
    let mut config = Rtc::builder()
        .clear_codecs()
        .clear_extension_map()
        .set_rtp_mode(true)
        // What the other end misses is ours to send again.
        .enable_raw_packets(true)
        .set_crypto_provider(provider())
        .set_sctp_max_buffered_amount(MAX_BUFFERED_BYTES)
        .set_stats_interval(Some(STATS_INTERVAL));
    for class in &CLASSES {
        config.codec_config().add_config(
            class.pt.into(),
            Some(class.resend_pt.into()),
            class.format,
            class.rate,
            class.channels,
            FormatParams::default(),
        );
    }
    config.build(now)
}

/// Index of the class of a kind.
#[must_use]
pub fn class_of(kind: MediaKind) -> usize {
    usize::from(kind != CLASSES[0].kind)
}

/// Time stamps of a class since the link began.
#[must_use]
pub fn ticks(elapsed: Duration) -> u32 {
    (elapsed.as_micros() as u64 * u64::from(CLASS_TICKS_PER_S) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_classes_are_told_apart() {
        for class in &CLASSES {
            assert_eq!(CLASSES[class_of(class.kind)].mid, class.mid);
            assert_ne!(class.ssrc(true), class.ssrc(false));
        }
    }
}
