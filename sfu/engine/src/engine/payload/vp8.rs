//! VP8 (RFC 7741): where frames begin, which are whole pictures, and which temporal layer they are of.

use crate::engine::media::packet::Layering;

const EXTENDED: u8 = 0x80;
const BEGINS_PARTITION: u8 = 0x10;
const PARTITION: u8 = 0x0f;

const HAS_PICTURE_ID: u8 = 0x80;
const HAS_BASE_INDEX: u8 = 0x40;
const HAS_TEMPORAL: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;

/// Bytes of a whole picture's header up to its height, and what they begin with behind the first
/// three (RFC 6386 section 9.1).
const PICTURE_HEADER_BYTES: usize = 10;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// Width and height; the upper two bits scale.
const SIZE: u16 = 0x3fff;

/// The numbers of a picture (RFC 7741 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// 15 bits, or 7 where the packet has no more.
    pub picture: u16,
    /// `TL0PICIDX`: counts the pictures of the lowest temporal layer.
    pub base: Option<u8>,
}

/// Where picture ids stand in a packet that has them, and the bit that says that they are of 15 bits.
const IDS_AT: usize = 2;
const WIDE: u8 = 0x80;

impl Ids {
    /// Those of a packet; `None` when it has no picture id.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let [first, has, ..] = *payload else {
            return None;
        };
        if first & EXTENDED == 0 || has & HAS_PICTURE_ID == 0 {
            return None;
        }
        let high = *payload.get(IDS_AT)?;
        let (picture, after) = if high & WIDE == 0 {
            (high.into(), IDS_AT + 1)
        } else {
            let low = *payload.get(IDS_AT + 1)?;
            (u16::from_be_bytes([high & !WIDE, low]), IDS_AT + 2)
        };
        let base = match has & HAS_BASE_INDEX {
            0 => None,
            _ => Some(*payload.get(after)?),
        };
        Some(Self { picture, base })
    }

    /// Put them in the place of those of a packet, in as many bits as that has; nothing where it has none.
    pub fn write(self, payload: &mut [u8]) {
        let Some(before) = Self::read(payload) else {
            return;
        };
        let [high, low] = self.picture.to_be_bytes();
        let after = if payload[IDS_AT] & WIDE == 0 {
            payload[IDS_AT] = low & !WIDE;
            IDS_AT + 1
        } else {
            payload[IDS_AT] = high | WIDE;
            payload[IDS_AT + 1] = low;
            IDS_AT + 2
        };
        if let (Some(_), Some(base)) = (before.base, self.base) {
            payload[after] = base;
        }
    }
}

/// Read a packet. What ends a frame is its marker, which is not in the payload.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Layering> {
    let (first, mut rest) = payload.split_first()?;
    let (mut temporal, mut synchronised) = (0, false);
    if first & EXTENDED != 0 {
        let (has, after) = rest.split_first()?;
        rest = after;
        if has & HAS_PICTURE_ID != 0 {
            let wide = rest.first()? & 0x80 != 0;
            rest = rest.get(if wide { 2 } else { 1 }..)?;
        }
        if has & HAS_BASE_INDEX != 0 {
            rest = rest.get(1..)?;
        }
        if has & (HAS_TEMPORAL | HAS_KEY_INDEX) != 0 {
            let (layer, after) = rest.split_first()?;
            rest = after;
            if has & HAS_TEMPORAL != 0 {
                temporal = layer >> 6;
                synchronised = layer & 0x20 != 0;
            }
        }
    }
    let begins_frame = first & BEGINS_PARTITION != 0 && first & PARTITION == 0;
    let keyframe = begins_frame && rest.first()? & 1 == 0;
    Some(Layering {
        temporal,
        keyframe,
        switch_up: synchronised || temporal == 0,
        begins_frame,
        resolution: keyframe.then(|| size(rest)).flatten(),
        ..Layering::default()
    })
}

fn size(picture: &[u8]) -> Option<(u16, u16)> {
    let header = picture.first_chunk::<PICTURE_HEADER_BYTES>()?;
    if header[3..6] != START_CODE {
        return None;
    }
    let width = u16::from_le_bytes([header[6], header[7]]) & SIZE;
    let height = u16::from_le_bytes([header[8], header[9]]) & SIZE;
    Some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    /// A packet of libwebrtc: wide picture id, base index, temporal layer and key index.
    fn packet(
        begins: bool,
        temporal: u8,
        synchronised: bool,
        keyframe: bool,
        wide: bool,
    ) -> Vec<u8> {
        let mut bytes = vec![EXTENDED | if begins { BEGINS_PARTITION } else { 0 }, 0xf0];
        bytes.extend_from_slice(if wide { &[0x81, 0x02][..] } else { &[0x02] });
        bytes.extend_from_slice(&[7, temporal << 6 | u8::from(synchronised) << 5 | 3]);
        bytes.extend_from_slice(&[u8::from(!keyframe), 0, 0]);
        bytes.extend_from_slice(&START_CODE);
        bytes.extend_from_slice(&[0x80, 0x02, 0x68, 0x41]);
        bytes
    }

    #[test]
    fn a_whole_picture_says_its_size() {
        let read_one = read(&packet(true, 0, false, true, true)).unwrap();
        assert!(read_one.keyframe && read_one.begins_frame && read_one.switch_up);
        assert_eq!(read_one.resolution, Some((640, 360)));
    }

    #[test]
    fn a_packet_without_extensions_is_read_too() {
        let read_one = read(&[BEGINS_PARTITION, 1]).unwrap();
        assert!(read_one.begins_frame && !read_one.keyframe);
        assert!(!read(&[BEGINS_PARTITION | 1, 0]).unwrap().begins_frame);
        assert!(
            read(&[BEGINS_PARTITION, 0]).unwrap().keyframe,
            "of unknown size"
        );
    }

    #[test]
    fn ids_are_written_in_the_place_and_width_of_those_before() {
        let ids = Ids {
            picture: 0x1234,
            base: Some(9),
        };
        let mut wide = [0x90, 0xe0, 0x81, 0x02, 7, 0x20, 0, 7];
        let read = Ids::read(&wide).unwrap();
        assert_eq!((read.picture, read.base), (0x0102, Some(7)));
        ids.write(&mut wide);
        assert_eq!(wide, [0x90, 0xe0, 0x92, 0x34, 9, 0x20, 0, 7]);
        let mut short = [0x90, 0x80, 100, 0, 7];
        ids.write(&mut short);
        assert_eq!(short, [0x90, 0x80, 0x34, 0, 7]);
        for mut none in [
            vec![],
            vec![0x90],
            vec![0x90, 0x80],
            vec![0x90, 0xc0, 0x81, 2],
            vec![0x10, 1, 2, 3],
        ] {
            let before = none.clone();
            assert_eq!(Ids::read(&none), None);
            ids.write(&mut none);
            assert_eq!(none, before);
        }
    }

    type Read = fn(&[u8]) -> Option<Layering>;

    fn reads(read: Read) -> bool {
        let all = (any::<(bool, bool, bool, bool)>(), 0u8..4);
        let outcome = TestRunner::deterministic().run(
            &all,
            |((begins, synchronised, key, wide), temporal)| {
                let bytes = packet(begins, temporal, synchronised, key, wide);
                let got = read(&bytes);
                let wanted = Layering {
                    temporal,
                    keyframe: begins && key,
                    switch_up: synchronised || temporal == 0,
                    begins_frame: begins,
                    resolution: (begins && key).then_some((640, 360)),
                    ..Layering::default()
                };
                prop_assert_eq!(got, Some(wanted));
                Ok(())
            },
        );
        outcome.is_ok()
    }

    #[test]
    fn layers_are_read_and_a_wrong_reader_is_found_out() {
        assert!(reads(read));
        // Takes every picture id for a wide one.
        assert!(!reads(|bytes| {
            let mut wide = bytes.to_vec();
            wide[2] |= 0x80;
            read(&wide)
        }));
        // Takes every packet of a partition for its first.
        assert!(!reads(|bytes| read(bytes).map(|layering| Layering {
            begins_frame: true,
            ..layering
        })));
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_something(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = read(&bytes);
        }
    }
}
