//! AV1 (AV1 RTP specification): where sequences begin, and the layers that units name.
//!
//! ```text
//!  Z (1 bit)  the first element goes on from the packet before
//!  Y (1)      the last element goes on in the next packet
//!  W (2)      how many elements; 0: each has its length before it, else all but the last
//!  N (1)      the first packet of a sequence
//! ```

/// Bits of the first byte.
const CONTINUES: u8 = 0x80;
const ELEMENTS: u8 = 0x30;
const BEGINS_SEQUENCE: u8 = 0x08;

/// Bits of a unit's header (AV1 section 5.3.2).
const HAS_LAYERS: u8 = 0x04;

/// Elements that are looked at: parameters and delimiters come before the first that has layers.
const MAX_ELEMENTS: usize = 8;

/// What a packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Av1 {
    /// The first packet of a sequence, which begins with a whole picture.
    pub begins_sequence: bool,
    /// It begins with a unit of its own.
    pub begins_unit: bool,
    /// Temporal and spatial layer of the first unit that names them.
    pub layers: Option<(u8, u8)>,
}

/// Read a packet.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Av1> {
    let (header, mut rest) = payload.split_first()?;
    let count = usize::from((header & ELEMENTS) >> 4);
    let mut layers = None;
    for at in 0..MAX_ELEMENTS {
        if rest.is_empty() || layers.is_some() || (count != 0 && at == count) {
            break;
        }
        let element = if count != 0 && at + 1 == count {
            std::mem::take(&mut rest)
        } else {
            let (length, after) = leb128(rest)?;
            let (element, after) = after.split_at_checked(length)?;
            rest = after;
            element
        };
        if at > 0 || header & CONTINUES == 0 {
            layers = named(element);
        }
    }
    Some(Av1 {
        begins_sequence: header & BEGINS_SEQUENCE != 0,
        begins_unit: header & CONTINUES == 0,
        layers,
    })
}

fn named(unit: &[u8]) -> Option<(u8, u8)> {
    match unit {
        [header, layers, ..] if header & HAS_LAYERS != 0 => Some((layers >> 5, layers >> 3 & 3)),
        _ => None,
    }
}

/// A number in groups of seven bits, lowest first (AV1 section 4.10.5); no payload needs three.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(3) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[test]
    fn a_sequence_begins_with_its_parameters() {
        // Parameters (without layers), then a frame of temporal layer 2 and spatial layer 1.
        let got = read(&[0x20 | BEGINS_SEQUENCE, 2, 0x08, 1, 0x34, 0x48, 9, 9]).unwrap();
        assert!(got.begins_sequence && got.begins_unit);
        assert_eq!(got.layers, Some((2, 1)));
        let rest = read(&[CONTINUES | 0x10, 0x34, 0x48]).unwrap();
        assert_eq!(
            rest,
            Av1 {
                begins_sequence: false,
                begins_unit: false,
                layers: None
            }
        );
        assert!(read(&[0x20, 9, 1]).is_none(), "an element is cut off");
        assert!(
            read(&[0x00, 0x80, 0x80, 0x80, 0x80]).is_none(),
            "a length without end"
        );
    }

    type Read = fn(&[u8]) -> Option<Av1>;

    /// The layers of the first unit that has any are found, however the elements are counted.
    fn finds_layers(read: Read) -> bool {
        let elements = prop::collection::vec((any::<bool>(), 0u8..8, 0u8..4, 0usize..200), 1..4);
        let outcome =
            TestRunner::deterministic().run(&(elements, any::<bool>()), |(elements, counted)| {
                let mut payload = vec![if counted {
                    (elements.len() as u8) << 4
                } else {
                    0
                }];
                for (at, (has, temporal, spatial, bytes)) in elements.iter().enumerate() {
                    if !(counted && at + 1 == elements.len()) {
                        let length = bytes + 2;
                        payload.extend_from_slice(&[
                            (length & 0x7f) as u8 | 0x80,
                            (length >> 7) as u8,
                        ]);
                    }
                    payload.push(0x30 | if *has { HAS_LAYERS } else { 0 });
                    payload.push(temporal << 5 | spatial << 3);
                    payload.resize(payload.len() + bytes, 0xff);
                }
                let wanted = elements
                    .iter()
                    .find(|(has, ..)| *has)
                    .map(|(_, temporal, spatial, _)| (*temporal, *spatial));
                prop_assert_eq!(read(&payload).map(|got| got.layers), Some(wanted));
                Ok(())
            });
        outcome.is_ok()
    }

    #[test]
    fn layers_are_found_and_a_wrong_reader_is_found_out() {
        assert!(finds_layers(read));
        // Believes that lengths stand before all elements.
        assert!(!finds_layers(|payload| {
            let mut uncounted = payload.to_vec();
            uncounted[0] = 0;
            read(&uncounted)
        }));
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_something(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&bytes);
        }
    }
}
