//! A card as VP8 over RTP: one keyframe, filler up to the wanted rate, a stamp in every packet.
//!
//! Decoders ignore what follows the last partition of a frame (tried with libvpx), so the filler
//! and the stamps need no place of their own in the bitstream.

use super::cards;
use super::stamp::STAMP_BYTES;

/// Greatest payload of a packet: leaves room for headers, SRTP and a relay's frame in 1200 bytes.
const MAX_PAYLOAD_BYTES: usize = 1100;

/// RFC 7741 section 4.2: first octet, extension octet, 15-bit picture id.
const DESCRIPTOR_BYTES: usize = 4;

const HEAD_BYTES: usize = DESCRIPTOR_BYTES + STAMP_BYTES;

/// Most packets of one frame, whatever rate is asked for: 4 Mbit/s at 25 frames a second.
const MAX_PACKETS: usize = 18;

/// Clock of VP8 in RTP.
pub const CLOCK_HZ: u32 = 90_000;

/// One participant's picture.
pub struct Video {
    frames: Vec<&'static [u8]>,
    frame_bytes: usize,
    shown: u64,
}

impl Video {
    /// Show the card of this stamp, each frame at about so many bytes.
    #[must_use]
    pub fn new(stamp: u64, frame_bytes: usize) -> Self {
        Self {
            frames: cards::card(stamp),
            frame_bytes,
            shown: 0,
        }
    }

    /// The payloads of the next frame, each with room for a stamp at its end.
    pub fn next_frame(&mut self) -> Vec<Vec<u8>> {
        // A step of the card lasts a few frames, or its square would race.
        let step = (self.shown / 5) as usize % self.frames.len();
        let picture = self.frames[step];
        let picture_id = (self.shown % 0x8000) as u16;
        self.shown += 1;
        let least = picture.len() + HEAD_BYTES;
        let packets = self
            .frame_bytes
            .max(least)
            .div_ceil(MAX_PAYLOAD_BYTES)
            .min(MAX_PACKETS);
        let each = (self.frame_bytes / packets).clamp(HEAD_BYTES, MAX_PAYLOAD_BYTES);
        (0..packets)
            .map(|number| {
                let first = number == 0;
                let length = if first { each.max(least) } else { each };
                let mut payload = Vec::with_capacity(length);
                payload.extend_from_slice(&descriptor(first, picture_id));
                if first {
                    payload.extend_from_slice(picture);
                }
                payload.resize(length, 0);
                payload
            })
            .collect()
    }
}

fn descriptor(first: bool, picture_id: u16) -> [u8; DESCRIPTOR_BYTES] {
    let [high, low] = picture_id.to_be_bytes();
    [if first { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use str0m::rtp::Vp8Descriptor;

    #[test]
    fn a_small_camera_is_two_packets_of_a_thousand() {
        let frame = Video::new(1, 2000).next_frame();
        assert_eq!(frame.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000]);
    }

    #[test]
    fn picture_ids_wrap_at_fifteen_bits() {
        let mut video = Video::new(0, 0);
        video.shown = 0x7fff;
        assert_eq!(video.next_frame()[0][..4], [0x90, 0x80, 0xff, 0xff]);
        assert_eq!(video.next_frame()[0][..4], [0x90, 0x80, 0x80, 0x00]);
    }

    proptest! {
        #[test]
        fn frames_begin_with_a_keyframe_and_keep_to_their_size(stamp in any::<u64>(), bytes in 0..30_000usize) {
            let frame = Video::new(stamp, bytes).next_frame();
            let parsed = Vp8Descriptor::parse(&frame[0]).unwrap();
            prop_assert!(parsed.starts_keyframe(&frame[0]));
            prop_assert!(frame.iter().all(|p| p.len() <= MAX_PAYLOAD_BYTES && p.len() >= HEAD_BYTES));
            let total: usize = frame.iter().map(Vec::len).sum();
            if (300..MAX_PACKETS * MAX_PAYLOAD_BYTES).contains(&bytes) {
                prop_assert!(total.abs_diff(bytes) <= MAX_PACKETS + 130, "{total} for {bytes}");
            }
            for continued in &frame[1..] {
                prop_assert!(!Vp8Descriptor::parse(continued).unwrap().starts_keyframe(continued));
            }
        }
    }
}
