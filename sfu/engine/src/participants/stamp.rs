//! The last bytes of every packet: who sent it, which kind, how many before it, and when.
//!
//! ```text
//!   0      4    5       8        16         24        32      36
//!   "SLNG"  kind  zeros  source   sequence   sent_ns   check      (integers big-endian)
//! ```
//!
//! `check` is the 32-bit FNV-1a hash of what stands before it. Together with the fixed bytes it
//! keeps other people's media from being taken for ours.

use crate::control::messages::MediaKind;

/// Length of a stamp.
pub const STAMP_BYTES: usize = 36;

const MAGIC: [u8; 4] = *b"SLNG";
const CHECKED_BYTES: usize = 32;

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub kind: MediaKind,
    /// The sender's number, picked by the driver.
    pub source: u64,
    /// Packets of that source and kind before this one.
    pub sequence: u64,
    /// The sender's monotonic clock, nanoseconds.
    pub sent_ns: u64,
}

impl Stamp {
    /// Write it as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = match self.kind {
            MediaKind::Audio => 1,
            MediaKind::Video => 2,
        };
        bytes[8..16].copy_from_slice(&self.source.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.sent_ns.to_be_bytes());
        let check = hash(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// Read the stamp at the end of a packet's payload, if there is one.
    #[must_use]
    pub fn at_end_of(payload: &[u8]) -> Option<Self> {
        let bytes = payload.last_chunk::<STAMP_BYTES>()?;
        let (checked, check) = bytes.split_at(CHECKED_BYTES);
        if checked[..4] != MAGIC || hash(checked).to_be_bytes() != check {
            return None;
        }
        let kind = match checked[4..8] {
            [1, 0, 0, 0] => MediaKind::Audio,
            [2, 0, 0, 0] => MediaKind::Video,
            _ => return None,
        };
        Some(Self {
            kind,
            source: number(&checked[8..16]),
            sequence: number(&checked[16..24]),
            sent_ns: number(&checked[24..32]),
        })
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// FNV-1a, 32 bits.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamps() -> impl Strategy<Value = Stamp> {
        (any::<bool>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
            |(audio, source, sequence, sent_ns)| Stamp {
                kind: if audio {
                    MediaKind::Audio
                } else {
                    MediaKind::Video
                },
                source,
                sequence,
                sent_ns,
            },
        )
    }

    proptest! {
        #[test]
        fn a_stamp_is_read_behind_any_payload(stamp in stamps(), front in prop::collection::vec(any::<u8>(), 0..99)) {
            let payload = [front.as_slice(), &stamp.encode()].concat();
            prop_assert_eq!(Stamp::at_end_of(&payload), Some(stamp));
        }

        #[test]
        fn a_stamp_with_a_wrong_bit_is_none(stamp in stamps(), bit in 0..STAMP_BYTES * 8) {
            let mut bytes = stamp.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Stamp::at_end_of(&bytes), None);
        }

        #[test]
        fn noise_is_no_stamp(noise in prop::collection::vec(any::<u8>(), 0..99)) {
            prop_assert_eq!(Stamp::at_end_of(&noise), None);
        }
    }
}
