//! The codecs that we forward, under the numbers they have on links.

use str0m::RtcConfig;
use str0m::format::Codec as Format;

use crate::control::messages::MediaKind;

/// How a payload is coded. The numbers travel on links and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    Opus = 1,
    Vp8 = 2,
}

/// Every codec, most wanted first within its kind.
pub const ALL: [Codec; 2] = [Codec::Opus, Codec::Vp8];

impl Codec {
    /// By its number on a link.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|codec| *codec as u8 == number)
    }

    /// By str0m's name for it.
    #[must_use]
    pub fn from_format(format: Format) -> Option<Self> {
        ALL.into_iter().find(|codec| codec.format() == format)
    }

    /// str0m's name for it.
    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Self::Opus => Format::Opus,
            Self::Vp8 => Format::Vp8,
        }
    }

    /// Sound or picture.
    #[must_use]
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Vp8 => MediaKind::Video,
        }
    }

    /// The name that people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "vp8",
        }
    }

    /// RTP clock rate, Hz (RFC 7587, RFC 7741).
    #[must_use]
    pub fn ticks_per_s(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 => 90_000,
        }
    }
}

/// Let a browser peer negotiate exactly these codecs.
#[must_use]
pub fn offered(config: RtcConfig) -> RtcConfig {
    ALL.into_iter()
        .fold(config.clear_codecs(), |config, codec| match codec {
            Codec::Opus => config.enable_opus(true, false),
            Codec::Vp8 => config.enable_vp8(true),
        })
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
}
