//! The codecs that we forward, under the numbers they have on links.
//!
//! A codec alone does not say whether a receiver can play a stream: H264, VP9 and AV1 have profiles
//! (and H264 packetization modes), each under a payload type of its own. A [`Format`] is both.

use str0m::RtcConfig;
use str0m::format::{Codec as Name, CodecSpec};

use crate::control::messages::MediaKind;

/// How a payload is coded. The numbers travel on links and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    Opus = 1,
    Vp8 = 2,
    Vp9 = 3,
    H264 = 4,
    Av1 = 5,
}

/// Every codec, most wanted first within its kind.
pub const ALL: [Codec; 5] = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];

impl Codec {
    /// By its number on a link.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|codec| *codec as u8 == number)
    }

    /// By str0m's name for it.
    #[must_use]
    pub fn from_format(name: Name) -> Option<Self> {
        ALL.into_iter().find(|codec| codec.format() == name)
    }

    /// str0m's name for it.
    #[must_use]
    pub fn format(self) -> Name {
        match self {
            Self::Opus => Name::Opus,
            Self::Vp8 => Name::Vp8,
            Self::Vp9 => Name::Vp9,
            Self::H264 => Name::H264,
            Self::Av1 => Name::Av1,
        }
    }

    /// Sound or picture.
    #[must_use]
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => MediaKind::Video,
        }
    }

    /// The name that people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::H264 => "h264",
            Self::Av1 => "av1",
        }
    }

    /// RTP clock rate, Hz (RFC 7587, RFC 7741, RFC 9628, RFC 6184, AV1 RTP section 4.1).
    #[must_use]
    pub fn ticks_per_s(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }
}

/// H264 profiles by what their streams may use, from the first two bytes of `profile-level-id`:
/// (mask of the constraint bits, their value, profile_idc, class), after RFC 6184 table 5.
const H264_PROFILES: [(u8, u8, u8, u8); 8] = [
    (0x4f, 0x40, 0x42, CONSTRAINED_BASELINE),
    (0x8f, 0x80, 0x4d, CONSTRAINED_BASELINE),
    (0xcf, 0xc0, 0x58, CONSTRAINED_BASELINE),
    (0x4f, 0x00, 0x42, BASELINE),
    (0xcf, 0x80, 0x58, BASELINE),
    (0xaf, 0x00, 0x4d, MAIN),
    (0xff, 0x00, 0x64, HIGH),
    (0xff, 0x0c, 0x64, CONSTRAINED_HIGH),
];

const CONSTRAINED_BASELINE: u8 = 1;
const BASELINE: u8 = 2;
const MAIN: u8 = 3;
const CONSTRAINED_HIGH: u8 = 4;
const HIGH: u8 = 5;

/// RFC 6184 section 8.1: what a description without `profile-level-id` means.
const H264_DEFAULT: u32 = 0x42_00_0a;

/// A codec and its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    pub codec: Codec,
    /// VP9 and AV1: the number of the profile. H264: the class of the profile, doubled, and one
    /// more for packetization mode 1. Otherwise 0. Travels on links.
    pub profile: u8,
}

impl Format {
    /// What str0m negotiated, if it is one of ours.
    #[must_use]
    pub fn of(spec: &CodecSpec) -> Option<Self> {
        let codec = Codec::from_format(spec.codec)?;
        let format = &spec.format;
        let profile = match codec {
            Codec::Opus | Codec::Vp8 => 0,
            Codec::Vp9 => format.profile_id.unwrap_or(0) as u8,
            Codec::Av1 => format.profile.unwrap_or(0),
            Codec::H264 => {
                let class = h264_class(format.profile_level_id.unwrap_or(H264_DEFAULT));
                class << 1 | u8::from(format.packetization_mode == Some(1))
            }
        };
        Some(Self { codec, profile })
    }

    /// Whether who can play this can play that: the same, or less of the same codec.
    #[must_use]
    pub fn plays(self, stream: Self) -> bool {
        if self == stream {
            return true;
        }
        if self.codec != Codec::H264 || stream.codec != Codec::H264 {
            return false;
        }
        // Every profile contains constrained baseline, and high contains main and its own
        // constrained form (H.264 annex A.2); mode 1 contains mode 0.
        let contained = match (self.profile >> 1, stream.profile >> 1) {
            (one, other) if one == other => true,
            (BASELINE | MAIN | CONSTRAINED_HIGH | HIGH, CONSTRAINED_BASELINE) => true,
            (HIGH, MAIN | CONSTRAINED_HIGH) => true,
            _ => false,
        };
        contained && self.profile & 1 >= stream.profile & 1
    }
}

fn h264_class(profile_level_id: u32) -> u8 {
    let [_, profile, constraints, _] = profile_level_id.to_be_bytes();
    H264_PROFILES
        .into_iter()
        .find(|(mask, value, idc, _)| *idc == profile && constraints & mask == *value)
        .map_or(0, |(_, _, _, class)| class)
}

/// Let a browser peer negotiate exactly these codecs.
#[must_use]
pub fn offered(config: RtcConfig) -> RtcConfig {
    ALL.into_iter()
        .fold(config.clear_codecs(), |config, codec| match codec {
            // In-band repair of Opus is inside the payload; redundancy is a payload of its own.
            Codec::Opus => config.enable_opus(true, true),
            Codec::Vp8 => config.enable_vp8(true),
            Codec::Vp9 => config.enable_vp9(true),
            Codec::H264 => config.enable_h264(true),
            Codec::Av1 => config.enable_av1(true),
        })
}

/// The names of all codecs, as people read them.
#[must_use]
pub fn names() -> String {
    ALL.map(Codec::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_found_again_by_number_and_format() {
        for codec in ALL {
            assert_eq!(Codec::from_number(codec as u8), Some(codec));
            assert_eq!(Codec::from_format(codec.format()), Some(codec));
        }
        assert_eq!(Codec::from_number(0), None);
    }

    #[test]
    fn everything_that_is_offered_has_a_format_of_its_own() {
        let mut config = offered(RtcConfig::new());
        let formats: Vec<Format> = config
            .codec_config()
            .params()
            .iter()
            .map(|params| Format::of(&params.spec()).unwrap())
            .collect();
        assert!(formats.len() >= ALL.len());
        for (at, format) in formats.iter().enumerate() {
            assert!(!formats[..at].contains(format), "{format:?}");
        }
    }

    #[test]
    fn h264_is_told_apart_by_profile_and_packetization() {
        let h264 = |class: u8, mode: u8| Format {
            codec: Codec::H264,
            profile: class << 1 | mode,
        };
        assert_eq!(h264_class(0x42_e0_1f), CONSTRAINED_BASELINE);
        assert_eq!(h264_class(0x42_00_1f), BASELINE);
        assert_eq!(h264_class(0x4d_00_1f), MAIN);
        assert_eq!(h264_class(0x64_00_1f), HIGH);
        assert_eq!(h264_class(0x64_0c_1f), CONSTRAINED_HIGH);
        assert_eq!(h264_class(0x7a_00_1f), 0);
        assert!(h264(MAIN, 1).plays(h264(CONSTRAINED_BASELINE, 1)));
        assert!(h264(MAIN, 1).plays(h264(MAIN, 0)));
        assert!(!h264(MAIN, 0).plays(h264(MAIN, 1)));
        assert!(!h264(CONSTRAINED_BASELINE, 1).plays(h264(MAIN, 1)));
        assert!(!h264(BASELINE, 1).plays(h264(HIGH, 1)));
    }

    #[test]
    fn another_profile_of_vp9_is_another_format() {
        let vp9 = |profile| Format {
            codec: Codec::Vp9,
            profile,
        };
        assert!(vp9(2).plays(vp9(2)));
        assert!(!vp9(2).plays(vp9(0)) && !vp9(0).plays(vp9(2)));
    }
}
