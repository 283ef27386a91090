//! Picture ids and frame numbers of one outgoing stream, continuous whatever its source is.
//!
//! A VP8 receiver takes a missing picture id for a lost picture and waits for it (RFC 7741 section
//! 4.2), so its ids close up behind pictures that were left out. Dependency descriptors name frames
//! by differences of frame numbers, so inside a stream those stay as they are.

use std::sync::Arc;

use crate::engine::media::codec::Codec;
use crate::engine::media::packet::MediaPacket;
use crate::engine::payload::vp8::Ids;
use crate::engine::peers::extensions::RawDescriptor;

/// Pictures are counted in 15 bits (or 7, of which these are the lower).
const ID_MASK: u16 = 0x7fff;

/// The picture ids of one outgoing stream.
#[derive(Debug, Default)]
pub struct PictureIds {
    shift: u16,
    base_shift: u8,
    newest: Option<Ids>,
    frame_shift: u16,
    newest_frame: Option<u16>,
}

impl PictureIds {
    /// The ids that a VP8 packet is to have, if they are not its own. `begins` where the source changes; `left_out` is how
    /// many of the source's pictures before this one were left out since then.
    pub fn patch(&mut self, packet: &MediaPacket, begins: bool, left_out: u16) -> Option<Ids> {
        if packet.codec != Codec::Vp8 {
            return None;
        }
        let source = Ids::read(&packet.payload)?;
        let ids = self.place(source, begins, left_out);
        (ids != source).then_some(ids)
    }

    /// A dependency descriptor with a frame number that goes on over changes of source: a receiver
    /// drops a keyframe whose number is before that of the last one. Inside a stream the numbers
    /// stay, because frames are named by differences of them (AV1 RTP specification, appendix A).
    pub fn renumber(&mut self, raw: Arc<RawDescriptor>, begins: bool) -> Arc<RawDescriptor> {
        let bytes = raw.bytes();
        let [_, high, low, ..] = *bytes else {
            return raw;
        };
        let source = u16::from_be_bytes([high, low]);
        if begins {
            self.frame_shift = self
                .newest_frame
                .map_or(0, |newest| newest.wrapping_add(1).wrapping_sub(source));
        }
        let out = source.wrapping_add(self.frame_shift);
        let ahead = |newest: u16| out.wrapping_sub(newest) <= u16::MAX / 2;
        if begins || self.newest_frame.is_none_or(ahead) {
            self.newest_frame = Some(out);
        }
        if out == source {
            return raw;
        }
        let mut changed = bytes.to_vec();
        changed[1..3].copy_from_slice(&out.to_be_bytes());
        RawDescriptor::new(&changed).map_or(raw, Arc::new)
    }

    fn place(&mut self, source: Ids, begins: bool, left_out: u16) -> Ids {
        if begins && let Some(newest) = self.newest {
            self.shift = newest.picture.wrapping_add(1).wrapping_sub(source.picture);
            self.base_shift = match (newest.base, source.base) {
                (Some(before), Some(now)) => before.wrapping_add(1).wrapping_sub(now),
                _ => 0,
            };
        }
        let out = Ids {
            picture: source
                .picture
                .wrapping_add(self.shift)
                .wrapping_sub(left_out)
                & ID_MASK,
            base: source.base.map(|base| base.wrapping_add(self.base_shift)),
        };
        let ahead = |newest: Ids| {
            let distance = out.picture.wrapping_sub(newest.picture) & ID_MASK;
            distance != 0 && distance <= ID_MASK / 2
        };
        if begins || self.newest.is_none_or(ahead) {
            self.newest = Some(out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::media::packet::Layering;
    use std::time::Instant;

    fn vp8(picture: u16, base: u8) -> MediaPacket {
        let [high, low] = picture.to_be_bytes();
        MediaPacket {
            codec: Codec::Vp8,
            profile: 0,
            run: 1,
            sequence: 1,
            time: 1,
            marker: true,
            wallclock: Instant::now(),
            audio_level: None,
            orientation: None,
            playout_delay: None,
            dependency: None,
            layering: Layering::default(),
            payload: vec![0x90, 0xe0, 0x80 | high, low, base, 0x20, 0, 7].into(),
            redundant: None,
        }
    }

    fn placed(ids: &mut PictureIds, source: (u16, u8), begins: bool, left_out: u16) -> (u16, u8) {
        let source = Ids {
            picture: source.0,
            base: Some(source.1),
        };
        let out = ids.place(source, begins, left_out);
        (out.picture, out.base.unwrap())
    }

    #[test]
    fn ids_count_on_over_a_change_and_close_up_behind_what_was_left_out() {
        let mut ids = PictureIds::default();
        assert_eq!(placed(&mut ids, (0x7ffe, 255), true, 0), (0x7ffe, 255));
        assert_eq!(placed(&mut ids, (0x7fff, 0), false, 0), (0x7fff, 0));
        assert_eq!(placed(&mut ids, (1, 1), false, 1), (0, 1));
        assert_eq!(placed(&mut ids, (500, 77), true, 0), (1, 2));
        assert_eq!(placed(&mut ids, (501, 77), false, 0), (2, 2));
        // One that comes late does not set them back.
        assert_eq!(placed(&mut ids, (500, 77), false, 0), (1, 2));
        assert_eq!(placed(&mut ids, (9, 9), true, 0), (3, 3));
    }

    #[test]
    fn what_need_not_change_is_not_patched() {
        let mut ids = PictureIds::default();
        assert!(ids.patch(&vp8(10, 1), true, 0).is_none());
        assert!(ids.patch(&vp8(11, 2), false, 0).is_none());
        assert!(ids.patch(&vp8(13, 3), false, 1).is_some());
        let mut garbage = vp8(14, 4);
        garbage.payload = vec![0xff].into();
        assert!(ids.patch(&garbage, false, 1).is_none());
    }

    #[test]
    fn frame_numbers_go_on_over_a_change_and_keep_their_differences() {
        let mut ids = PictureIds::default();
        let mut out = |number: u16, begins| {
            let [high, low] = number.to_be_bytes();
            let raw = RawDescriptor::new(&[0xc0, high, low, 7]).unwrap();
            let out = ids.renumber(Arc::new(raw), begins);
            let bytes = out.bytes();
            assert_eq!((bytes[0], bytes[3]), (0xc0, 7));
            u16::from_be_bytes([bytes[1], bytes[2]])
        };
        assert_eq!([out(900, true), out(902, false)], [900, 902]);
        assert_eq!(
            [out(7, true), out(10, false), out(9, false)],
            [903, 906, 905]
        );
        assert_eq!(out(65_000, true), 907);
    }
}
