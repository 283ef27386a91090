//! The pictures that participants show: small VP8 keyframes in IVF files.
//!
//! Drawn and encoded by `python -m tests.unit.sfu.cards`, which also tells what is on them.

/// The files as they are.
const FILES: [&[u8]; 6] = [
    include_bytes!("cards/brick.ivf"),
    include_bytes!("cards/moss.ivf"),
    include_bytes!("cards/sea.ivf"),
    include_bytes!("cards/plum.ivf"),
    include_bytes!("cards/sand.ivf"),
    include_bytes!("cards/slate.ivf"),
];

const FILE_HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 12;

/// The frames of the card for a stamp, to be shown in turn; never empty.
#[must_use]
pub fn card(stamp: u64) -> Vec<&'static [u8]> {
    frames(FILES[(stamp % FILES.len() as u64) as usize])
}

fn frames(file: &'static [u8]) -> Vec<&'static [u8]> {
    let mut rest = file.get(FILE_HEAD_BYTES..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((head, body)) = rest.split_at_checked(FRAME_HEAD_BYTES) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((frame, behind)) = body.split_at_checked(length) else {
            break;
        };
        frames.push(frame);
        rest = behind;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_eight_keyframes_that_fit_one_packet() {
        for stamp in 0..FILES.len() as u64 {
            let frames = card(stamp);
            assert_eq!(frames.len(), 8);
            for frame in frames {
                assert!(frame.len() < 1000);
                // RFC 6386 section 9.1: lowest bit clear in a keyframe, then a start code.
                assert_eq!(frame[0] & 1, 0);
                assert_eq!(frame[3..6], [0x9d, 0x01, 0x2a]);
            }
        }
    }
}
