//! Packets of every codec, as clients of any set-up send them.

use std::time::Instant;

use starling_sfu::control::messages::MediaKind::Video;
use starling_sfu::engine::media::codec::{Codec, Format, offered};
use starling_sfu::engine::peers::extensions::negotiated;
use str0m::media::Pt;
use str0m::rtp::{ExtensionValues, RtpPacket};
use str0m::{Rtc, RtcConfig};

use super::{Client, Written, play};

/// What stands at the end of every payload, before its number.
const MARK: [u8; 3] = *b"end";

/// A whole picture of a codec, as far as anybody looks, that carries a number.
pub fn picture(codec: Codec, number: u8) -> Vec<u8> {
    let mut payload = match codec {
        Codec::Opus => vec![0x78, 1, 2],
        Codec::Vp8 => vec![
            0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01,
        ],
        Codec::Vp9 => vec![0x8c, 0x05],
        Codec::H264 => vec![0x65, 0x88],
        Codec::Av1 => vec![0x18, 0x32],
    };
    payload.resize(200, 0x55);
    payload.extend_from_slice(&MARK);
    payload.push(number);
    payload
}

pub fn number(packet: &RtpPacket) -> Option<u8> {
    let (number, before) = packet.payload.split_last()?;
    before.ends_with(&MARK).then_some(*number)
}

pub fn written(payload: &[u8], pt: Pt, time: u32) -> Written<'_> {
    Written {
        kind: Video,
        rid: None,
        pt,
        time,
        wallclock: Instant::now(),
        values: ExtensionValues::default(),
        payload,
    }
}

/// The formats that a client negotiated, under its payload types.
pub fn formats(client: &Client) -> Vec<(Format, Pt)> {
    client
        .rtc
        .codec_config()
        .params()
        .iter()
        .filter_map(|params| Some((Format::of(&params.spec())?, params.pt())))
        .collect()
}

pub fn pt_of(client: &Client, codec: Codec) -> Pt {
    formats(client)
        .into_iter()
        .find(|(format, _)| format.codec == codec)
        .unwrap()
        .1
}

/// A client that negotiates what the engine does.
pub fn like_engine() -> RtcConfig {
    negotiated(offered(Rtc::builder())).set_stats_interval(None)
}

pub fn both_connected(ann: &mut Client, ben: &mut Client) {
    play(&mut [ann, ben], "both are connected", |all| {
        all.iter().all(|client| client.connected)
    });
}
