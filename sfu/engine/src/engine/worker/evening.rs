//! A few bytes of padding that make packets of a picture equally long, because the kernel takes equal ones in one go.
//!
//! Browsers cut a picture into parts that differ by a byte (4 of 1100, then 6 of 1101), and whoever is sent ten such
//! packets costs two sends where one would do (`UDP_SEGMENT` wants all but the last alike). RTP may end with padding (RFC
//! 3550 section 5.1), which every receiver takes off again.

use crate::control::messages::MediaKind;
use crate::engine::media::packet::{MAX_PADDING_BYTES, MediaPacket};
use crate::engine::router::TrackKey;

/// Packets behind one that it is compared with: a burst that takes more than this is sent in parts anyway.
const LOOK_AHEAD: usize = 16;

/// How long a packet gets on the wire, but for what all packets of its track have.
fn length(packet: &MediaPacket) -> usize {
    let descriptor = packet
        .dependency
        .as_ref()
        .map_or(0, |raw| raw.bytes().len() + 1);
    let delay = if packet.playout_delay.is_some() { 4 } else { 0 };
    let orientation = if packet.orientation.is_some() { 2 } else { 0 };
    // With abs-send-time and transport-cc, in whole words.
    packet.payload.len() + (7 + descriptor + delay + orientation).next_multiple_of(4)
}

fn of_one_picture(one: &(TrackKey, MediaPacket), other: &(TrackKey, MediaPacket)) -> bool {
    one.0 == other.0
        && one.1.time == other.1.time
        && one.1.layering.encoding == other.1.layering.encoding
}

/// Note for each packet of a turn how much padding it gets: enough to be as long as the longest behind it that is hardly
/// longer.
pub fn even_out(pending: &[(TrackKey, MediaPacket)], padding: &mut Vec<u8>) {
    padding.clear();
    padding.extend(pending.iter().enumerate().map(|(at, one)| {
        if one.1.codec.kind() == MediaKind::Audio || one.1.payload.is_empty() {
            return 0;
        }
        let own = length(&one.1);
        let longest = pending[at + 1..]
            .iter()
            .take(LOOK_AHEAD)
            .filter(|other| of_one_picture(one, other))
            .map(|other| length(&other.1))
            .filter(|length| (own..=own + MAX_PADDING_BYTES).contains(length))
            .max();
        longest.map_or(0, |longest| (longest - own) as u8)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::media::codec::Codec;
    use crate::engine::media::packet::Layering;
    use std::time::Instant;

    fn packet(codec: Codec, time: u32, length: usize) -> MediaPacket {
        MediaPacket {
            codec,
            profile: 0,
            run: 1,
            sequence: 1,
            time,
            marker: false,
            wallclock: Instant::now(),
            audio_level: None,
            orientation: None,
            playout_delay: None,
            dependency: None,
            layering: Layering::default(),
            payload: vec![0; length].into(),
            redundant: None,
        }
    }

    fn padding(turn: &[(TrackKey, MediaPacket)]) -> Vec<u8> {
        let mut padding = vec![9];
        even_out(turn, &mut padding);
        padding
    }

    #[test]
    fn packets_of_a_picture_become_as_long_as_those_hardly_longer() {
        let lengths = [1100, 1100, 1101, 1109, 1101, 60];
        let turn = lengths.map(|length| (1, packet(Codec::Vp8, 7, length)));
        assert_eq!(padding(&turn), [1, 1, 8, 0, 0, 0]);
    }

    #[test]
    fn other_pictures_other_tracks_and_sound_stay_as_they_are() {
        let turn = [
            (1, packet(Codec::Vp8, 7, 1100)),
            (1, packet(Codec::Vp8, 8, 1101)),
            (2, packet(Codec::Vp8, 8, 1102)),
            (3, packet(Codec::Opus, 1, 80)),
            (3, packet(Codec::Opus, 1, 81)),
        ];
        assert_eq!(padding(&turn), [0; 5]);
    }

    #[test]
    fn extensions_that_some_packets_have_count() {
        let mut first = packet(Codec::Vp8, 7, 1100);
        first.orientation = Some(1);
        let turn = [(1, packet(Codec::Vp8, 7, 1100)), (1, first)];
        assert_eq!(padding(&turn), [4, 0]);
    }
}
