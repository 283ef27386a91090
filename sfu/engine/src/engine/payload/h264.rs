//! H264 (RFC 6184): which packets begin a picture that needs none before it.
//!
//! The payload has no layers in it, and what begins a frame is a change of the time stamp.

const TYPE: u8 = 0x1f;
const IDR: u8 = 5;
const PARAMETERS: u8 = 7;
const AGGREGATE: u8 = 24;
const FRAGMENT: u8 = 28;
const FRAGMENT_BEGINS: u8 = 0x80;

/// Units in one aggregate that are looked at; the parameters come first.
const MAX_UNITS: usize = 16;

/// Whether a packet begins a whole picture, or the parameters that come before one. `None` where the
/// packet is of no kind that packetization modes 0 and 1 have.
#[must_use]
pub fn begins_whole_picture(payload: &[u8]) -> Option<bool> {
    let (first, rest) = payload.split_first()?;
    match first & TYPE {
        0 => None,
        AGGREGATE => {
            let mut units = rest;
            for _ in 0..MAX_UNITS {
                let Some((length, after)) = units.split_first_chunk() else {
                    return Some(false);
                };
                let (unit, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
                if unit.first().is_some_and(|first| is_whole(first & TYPE)) {
                    return Some(true);
                }
                units = after;
            }
            Some(false)
        }
        FRAGMENT => {
            let header = rest.first()?;
            Some(header & FRAGMENT_BEGINS != 0 && is_whole(header & TYPE))
        }
        kind if kind < AGGREGATE => Some(is_whole(kind)),
        _ => None,
    }
}

fn is_whole(kind: u8) -> bool {
    kind == IDR || kind == PARAMETERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[test]
    fn single_units_aggregates_and_fragments() {
        for (payload, wanted) in [
            (&[0x65, 1][..], Some(true)),
            (&[0x67, 1], Some(true)),
            (&[0x41, 1], Some(false)),
            (&[0x78, 0, 1, 0x09, 0, 2, 0x67, 1, 0, 1, 0x68], Some(true)),
            (&[0x78, 0, 1, 0x41], Some(false)),
            (&[0x78, 0, 9, 0x67], None),
            (&[0x7c, 0x85, 1], Some(true)),
            (&[0x7c, 0x05, 1], Some(false)),
            (&[0x7c, 0x81, 1], Some(false)),
            (&[0x7c], None),
            (&[0x1d, 0x85, 0, 0], None),
            (&[0], None),
            (&[], None),
        ] {
            assert_eq!(begins_whole_picture(payload), wanted, "{payload:?}");
        }
    }

    type Find = fn(&[u8]) -> Option<bool>;

    /// An aggregate begins a whole picture if one of its units does.
    fn looks_into_aggregates(find: Find) -> bool {
        let kinds = prop::collection::vec((1u8..24, 0usize..9), 1..8);
        let outcome = TestRunner::deterministic().run(&kinds, |units| {
            let mut payload = vec![0x60 | AGGREGATE];
            for (kind, length) in &units {
                payload.extend_from_slice(&(*length as u16 + 1).to_be_bytes());
                payload.push(0x60 | kind);
                payload.resize(payload.len() + length, 0xff);
            }
            let wanted = units.iter().any(|(kind, _)| is_whole(*kind));
            prop_assert_eq!(find(&payload), Some(wanted));
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn aggregates_are_looked_into_and_who_sees_their_first_unit_only_is_found_out() {
        assert!(looks_into_aggregates(begins_whole_picture));
        assert!(!looks_into_aggregates(|payload| begins_whole_picture(
            &payload[3..]
        )));
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_something(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = begins_whole_picture(&bytes);
        }
    }
}
