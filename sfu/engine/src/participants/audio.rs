//! Silence as Opus: one frame a packet, whose padding carries the stamp.

use std::time::Duration;

use super::stamp::STAMP_BYTES;

/// Time between packets, the length of their frame.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// Clock of Opus in RTP (RFC 7587 section 4.1).
pub const CLOCK_HZ: u32 = 48_000;

/// RFC 6716 section 3.1: CELT, full band, 20 ms, mono; code 3, a number of frames follows.
const TOC: u8 = 31 << 3 | 3;

/// Section 3.2.5: constant rate, with padding, one frame.
const FRAME_COUNT: u8 = 0x40 | 1;

/// A CELT frame that decodes to silence.
const SILENT_FRAME: [u8; 2] = [0xff, 0xfe];

/// Newer decoders look for extensions in the padding; this one says that the rest is just padding.
const NO_EXTENSION: u8 = 0;

const PADDING_BYTES: u8 = 1 + STAMP_BYTES as u8;

/// A packet, with room for a stamp at its end.
#[must_use]
pub fn packet() -> Vec<u8> {
    let mut payload = vec![TOC, FRAME_COUNT, PADDING_BYTES];
    payload.extend_from_slice(&SILENT_FRAME);
    payload.push(NO_EXTENSION);
    payload.resize(payload.len() + STAMP_BYTES, 0);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_the_one_that_a_decoder_was_tried_with() {
        // As in tests/unit/sfu/test_cards.py.
        let packet = packet();
        assert_eq!(packet[..6], [0xfb, 0x41, 37, 0xff, 0xfe, 0]);
        assert_eq!(packet.len(), 6 + STAMP_BYTES);
    }
}
