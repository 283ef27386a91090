//! VP9 (RFC 9628): spatial and temporal layers from the payload descriptor, sizes from the structure.

use super::bits::Bits;
use crate::engine::media::packet::Layering;

/// Spatial layers of a scalability structure: three bits count them.
const MAX_SPATIAL: usize = 8;

/// References of one frame (RFC 9628 section 4.2: at most three).
const MAX_REFERENCES: usize = 3;

/// Read a packet.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Layering> {
    let mut bits = Bits::new(payload);
    let has_picture_id = bits.flag()?;
    let predicted = bits.flag()?;
    let has_layers = bits.flag()?;
    let flexible = bits.flag()?;
    let begins_frame = bits.flag()?;
    let ends_frame = bits.flag()?;
    let has_structure = bits.flag()?;
    bits.take(1)?;
    if has_picture_id {
        let wide = bits.flag()?;
        bits.take(if wide { 15 } else { 7 })?;
    }
    let (mut temporal, mut spatial, mut switch_up) = (0, 0, true);
    if has_layers {
        temporal = bits.take(3)? as u8;
        switch_up = bits.flag()? || temporal == 0;
        spatial = bits.take(3)? as u8;
        bits.take(1)?;
        if !flexible {
            bits.take(8)?;
        }
    }
    if flexible && predicted {
        for _ in 0..MAX_REFERENCES {
            bits.take(7)?;
            if !bits.flag()? {
                break;
            }
        }
    }
    let sizes = if has_structure {
        sizes(&mut bits)?
    } else {
        [None; MAX_SPATIAL]
    };
    Some(Layering {
        spatial,
        temporal,
        // Not predicted from other pictures: at most from lower layers of its own.
        keyframe: !predicted,
        switch_up,
        begins_frame,
        ends_frame,
        resolution: sizes[usize::from(spatial)],
        ..Layering::default()
    })
}

/// The size of each spatial layer, where the structure says it.
fn sizes(bits: &mut Bits<'_>) -> Option<[Option<(u16, u16)>; MAX_SPATIAL]> {
    let mut sizes = [None; MAX_SPATIAL];
    let count = bits.take(3)? as usize + 1;
    let has_sizes = bits.flag()?;
    bits.take(4)?;
    if has_sizes {
        for size in &mut sizes[..count] {
            *size = Some((bits.take(16)? as u16, bits.take(16)? as u16));
        }
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[derive(Debug, Clone, Copy)]
    struct Sent {
        wide: bool,
        flexible: bool,
        predicted: bool,
        begins: bool,
        ends: bool,
        switch_up: bool,
        spatial: u8,
        temporal: u8,
        structure: bool,
    }

    fn packet(sent: Sent) -> Vec<u8> {
        let flag = |is: bool, bit: u8| u8::from(is) << bit;
        let mut bytes = vec![
            0xa0 | flag(sent.predicted, 6)
                | flag(sent.flexible, 4)
                | flag(sent.begins, 3)
                | flag(sent.ends, 2)
                | flag(sent.structure, 1),
        ];
        bytes.extend_from_slice(if sent.wide {
            &[0x92, 0x34][..]
        } else {
            &[0x12]
        });
        bytes.push(sent.temporal << 5 | flag(sent.switch_up, 4) | sent.spatial << 1 | 1);
        if !sent.flexible {
            bytes.push(42);
        }
        if sent.flexible && sent.predicted {
            bytes.extend_from_slice(&[1 << 1 | 1, 2 << 1]);
        }
        if sent.structure {
            bytes.push(2 << 5 | 1 << 4);
            for size in [320u16, 180, 640, 360, 1280, 720] {
                bytes.extend_from_slice(&size.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 9]);
        bytes
    }

    prop_compose! {
        fn all_sent()(
            (wide, flexible, predicted, begins, ends, switch_up, structure)
                in any::<(bool, bool, bool, bool, bool, bool, bool)>(),
            spatial in 0u8..3, temporal in 0u8..8,
        ) -> Sent {
            Sent { wide, flexible, predicted, begins, ends, switch_up, spatial, temporal, structure }
        }
    }

    type Read = fn(&[u8]) -> Option<Layering>;

    fn reads(read: Read) -> bool {
        let outcome = TestRunner::deterministic().run(&all_sent(), |sent| {
            let size = [(320, 180), (640, 360), (1280, 720)][usize::from(sent.spatial)];
            let wanted = Layering {
                encoding: 0,
                spatial: sent.spatial,
                temporal: sent.temporal,
                keyframe: !sent.predicted,
                switch_up: sent.switch_up || sent.temporal == 0,
                begins_frame: sent.begins,
                ends_frame: sent.ends,
                resolution: sent.structure.then_some(size),
            };
            prop_assert_eq!(read(&packet(sent)), Some(wanted));
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn layers_are_read_and_a_wrong_reader_is_found_out() {
        assert!(reads(read));
        let mutants: [Read; 2] = [
            // Mixes up the layers.
            |bytes| {
                read(bytes).map(|layering| Layering {
                    spatial: layering.temporal,
                    temporal: layering.spatial,
                    ..layering
                })
            },
            // Knows of no flexible mode.
            |bytes| {
                let mut rigid = bytes.to_vec();
                rigid[0] &= 0xef;
                read(&rigid)
            },
        ];
        for (number, mutant) in mutants.into_iter().enumerate() {
            assert!(!reads(mutant), "mutant {number} lives");
        }
    }

    #[test]
    fn a_packet_without_layers_is_of_the_base() {
        let layering = read(&[0x8c, 0x05]).unwrap();
        assert!(layering.keyframe && layering.begins_frame && layering.ends_frame);
        assert_eq!((layering.spatial, layering.temporal), (0, 0));
        assert!(read(&[0x80]).is_none());
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_something(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = read(&bytes);
        }
    }
}
