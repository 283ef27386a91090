//! Redundant audio (RFC 2198): one packet that carries its own frame and copies of earlier ones.
//!
//! ```text
//!  for each copy:   1 (1 bit), payload type (7), time stamp offset (14), length (10)
//!  for the primary: 0 (1 bit), payload type (7)
//!  then the copies in that order, then the primary up to the end
//! ```

/// Copies in one packet; browsers send two at most, and nothing needs more.
const MAX_COPIES: usize = 16;

const COPY_HEADER_BYTES: usize = 4;
const FOLLOWED: u8 = 0x80;
const TYPE: u8 = 0x7f;

/// The payload of a packet with copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Red<'a> {
    /// The frame of the packet's own time stamp.
    pub primary: &'a [u8],
    /// Its payload type.
    pub payload_type: u8,
    /// All copies have that payload type too.
    pub alike: bool,
}

impl<'a> Red<'a> {
    /// Read; `None` when lengths and bytes do not agree.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (mut rest, mut copied, mut alike) = (bytes, 0, true);
        let mut of_copies = None;
        for _ in 0..=MAX_COPIES {
            let (first, after) = rest.split_first()?;
            let payload_type = first & TYPE;
            if first & FOLLOWED == 0 {
                return Some(Self {
                    primary: after.get(copied..)?,
                    payload_type,
                    alike: alike && of_copies.is_none_or(|known| known == payload_type),
                });
            }
            let (header, after) = rest.split_first_chunk::<COPY_HEADER_BYTES>()?;
            copied += usize::from(u16::from_be_bytes([header[2], header[3]]) & 0x3ff);
            alike &= *of_copies.get_or_insert(payload_type) == payload_type;
            rest = after;
        }
        None
    }
}

/// Give the primary and all copies another payload type, as another peer negotiated it.
pub fn retype(bytes: &mut [u8], payload_type: u8) {
    let mut at = 0;
    for _ in 0..=MAX_COPIES {
        let Some(first) = bytes.get_mut(at) else {
            return;
        };
        let followed = *first & FOLLOWED;
        *first = followed | (payload_type & TYPE);
        if followed == 0 {
            return;
        }
        at += COPY_HEADER_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    fn build(copies: &[(u8, Vec<u8>)], payload_type: u8, primary: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, copy) in copies {
            let length = copy.len() as u16;
            bytes.extend_from_slice(&[FOLLOWED | kind, 1, (length >> 8) as u8, length as u8]);
        }
        bytes.push(payload_type);
        copies.iter().for_each(|(_, copy)| bytes.extend(copy));
        bytes.extend_from_slice(primary);
        bytes
    }

    #[test]
    fn a_packet_of_chromium_with_one_copy() {
        let bytes = build(&[(111, vec![1, 2, 3])], 111, &[4, 5]);
        assert_eq!(bytes[..5], [0xef, 1, 0, 3, 111]);
        let red = Red::parse(&bytes).unwrap();
        assert_eq!(
            (red.primary, red.payload_type, red.alike),
            (&[4, 5][..], 111, true)
        );
        let mixed = build(&[(13, vec![1]), (111, vec![])], 111, &[4]);
        assert!(!Red::parse(&mixed).unwrap().alike);
        assert!(Red::parse(&build(&[], 9, &[])).unwrap().primary.is_empty());
        assert!(Red::parse(&bytes[..7]).is_none(), "a copy is cut off");
        assert!(Red::parse(&[FOLLOWED; 400]).is_none(), "copies without end");
    }

    type Parse = for<'a> fn(&'a [u8]) -> Option<Red<'a>>;

    /// The primary and its type are found behind any copies, also after they were given another type.
    fn finds_the_primary(parse: Parse) -> bool {
        let copies =
            prop::collection::vec((0u8..128, prop::collection::vec(any::<u8>(), 0..400)), 0..4);
        let all = (
            copies,
            0u8..128,
            0u8..128,
            prop::collection::vec(any::<u8>(), 0..100),
        );
        let outcome = TestRunner::deterministic().run(&all, |(copies, kind, other, primary)| {
            let mut bytes = build(&copies, kind, &primary);
            let alike = copies.iter().all(|(copy, _)| *copy == kind);
            let wanted = Red {
                primary: &primary,
                payload_type: kind,
                alike,
            };
            prop_assert_eq!(parse(&bytes), Some(wanted));
            retype(&mut bytes, other);
            let wanted = Red {
                primary: &primary,
                payload_type: other,
                alike: true,
            };
            prop_assert_eq!(parse(&bytes), Some(wanted));
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn the_primary_is_found_and_a_wrong_parser_is_found_out() {
        assert!(finds_the_primary(|bytes| Red::parse(bytes)));
        let mutants: [Parse; 2] = [
            // Takes the copies for the primary.
            |bytes| {
                Red::parse(bytes).map(|red| Red {
                    primary: &bytes[bytes.len().min(1)..],
                    ..red
                })
            },
            // Believes that all copies are alike.
            |bytes| Red::parse(bytes).map(|red| Red { alike: true, ..red }),
        ];
        for (number, mutant) in mutants.into_iter().enumerate() {
            assert!(!finds_the_primary(mutant), "mutant {number} lives");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_a_part_of_itself(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(red) = Red::parse(&bytes) {
                prop_assert!(bytes.ends_with(red.primary));
            }
            let length = bytes.len();
            retype(&mut bytes, 255);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
