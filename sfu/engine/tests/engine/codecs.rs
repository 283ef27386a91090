//! Codecs, repair and header extensions between clients that negotiated different things.

use std::collections::BTreeSet;
use std::time::Duration;

use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::Message;
use starling_sfu::engine::media::codec::{Codec, Format, offered};
use starling_sfu::engine::peers::extensions::{RawDescriptor, descriptor};
use str0m::media::{MediaTime, Pt};
use str0m::rtp::ExtensionValues;
use str0m::{Event, Rtc, RtcConfig};

use crate::stage::{
    Client, Node, Written, both_connected, formats, like_engine, number, picture, play, play_for,
    pt_of, written,
};

#[test]
fn every_codec_reaches_a_client_that_numbers_it_otherwise() {
    let mut node = Node::start();
    let mut config = Rtc::builder().set_stats_interval(None).clear_codecs();
    for params in offered(RtcConfig::new()).codec_config().params() {
        let spec = params.spec();
        let [pt, resends] = [127 - *params.pt() % 32, 63 - *params.pt() % 28].map(Pt::from);
        let codecs = config.codec_config();
        codecs.add_config(
            pt,
            Some(resends),
            spec.codec,
            spec.clock_rate,
            spec.channels,
            spec.format,
        );
    }
    let (mut ann, mut ben) = (Client::new("ann"), Client::with("ben", config));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    let sent: Vec<_> = formats(&ann)
        .into_iter()
        .filter(|(format, _)| format.codec != Codec::Opus)
        .collect();
    assert_eq!(sent.len(), 11);
    for (at, (format, pt)) in sent.into_iter().enumerate() {
        let payload = picture(format.codec, at as u8);
        let mut time = at as u32 * 1_000_000;
        play(&mut [&mut ann, &mut ben], "it arrived", |all| {
            time += 3000;
            all[0].write(written(&payload, pt, time));
            all[1]
                .packets
                .iter()
                .any(|packet| number(packet) == Some(at as u8))
        });
        let got = ben
            .packets
            .iter()
            .find(|packet| number(packet) == Some(at as u8));
        let got = got.unwrap().header.payload_type;
        let known = formats(&ben);
        let (as_what, _) = known.iter().find(|(_, pt)| *pt == got).unwrap();
        assert_eq!(*as_what, format);
    }
}

#[test]
fn redundant_audio_goes_whole_to_those_who_take_it_and_plain_to_the_others() {
    let mut node = Node::start();
    let red = || {
        Rtc::builder()
            .set_stats_interval(None)
            .enable_opus(true, true)
    };
    let mut ann = Client::with("ann", red());
    let (mut ben, mut cleo) = (Client::with("ben", red()), Client::new("cleo"));
    node.publish(&mut ann, &[Audio]);
    node.subscribe(&mut ben, &[("ann_audio", Audio)]);
    node.subscribe(&mut cleo, &[("ann_audio", Audio)]);
    let opus = |client: &Client| {
        let opus = client
            .rtc
            .codec_config()
            .find(|params| {
                Format::of(&params.spec()).is_some_and(|known| known.codec == Codec::Opus)
            })
            .unwrap();
        (opus.pt(), opus.red())
    };
    let (pt, Some(wrapped)) = opus(&ann) else {
        panic!("nothing redundant was negotiated");
    };
    let primary = picture(Codec::Opus, 7);
    let mut payload = vec![0x80 | *pt, 0x03, 0xc0, 3, *pt, 1, 2, 3];
    payload.extend_from_slice(&primary);
    play(
        &mut [&mut ann, &mut ben, &mut cleo],
        "both heard it",
        |all| {
            if all.iter().all(|client| client.connected) {
                all[0].write(Written {
                    kind: Audio,
                    ..written(&payload, wrapped, 960)
                });
            }
            all[1..].iter().all(|client| !client.packets.is_empty())
        },
    );
    assert_eq!(Some(ben.packets[0].header.payload_type), opus(&ben).1);
    assert_eq!(*ben.packets[0].payload, *payload);
    assert_eq!(cleo.packets[0].header.payload_type, opus(&cleo).0);
    assert_eq!(*cleo.packets[0].payload, *primary);
    // What only pretends to be redundant is dropped.
    ann.write(Written {
        kind: Audio,
        ..written(&[0x80 | *pt, 0, 255], wrapped, 1920)
    });
    play(&mut [&mut ann], "it was counted", |_| {
        node.counter("payloads_malformed") == 1
    });
}

#[test]
fn what_packets_say_of_themselves_is_carried_along() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (
        Client::with("ann", like_engine()),
        Client::with("ben", like_engine()),
    );
    let mut cleo = Client::new("cleo");
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    node.subscribe(&mut cleo, &[("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    play(&mut [&mut cleo], "all are connected", |all| {
        all[0].connected
    });
    let pt = pt_of(&ann, Codec::Vp8);
    // Behind the short and the long form of header extensions.
    for (at, length) in [5usize, 90].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..length as u8).map(|byte| byte | 0x80).collect();
        let payload = picture(Codec::Vp8, at as u8);
        let mut time = at as u32 * 1_000_000;
        play(&mut [&mut ann, &mut ben, &mut cleo], "it arrived", |all| {
            time += 3000;
            let mut values = ExtensionValues {
                play_delay_min: Some(MediaTime::from_hundredths(3)),
                play_delay_max: Some(MediaTime::from_hundredths(40)),
                video_orientation: Some(str0m::rtp::VideoOrientation::Deg90),
                ..ExtensionValues::default()
            };
            values.user_values.set(RawDescriptor::new(&bytes).unwrap());
            all[0].write(Written {
                values,
                ..written(&payload, pt, time)
            });
            all[1..].iter().all(|client| {
                client
                    .packets
                    .iter()
                    .any(|packet| number(packet) == Some(at as u8))
            })
        });
        let of = |client: &Client| {
            let packet = client
                .packets
                .iter()
                .find(|packet| number(packet) == Some(at as u8));
            packet.unwrap().header.ext_vals.clone()
        };
        let got = of(&ben);
        assert_eq!(descriptor(&got).unwrap().bytes(), bytes);
        assert_eq!(got.play_delay_min.unwrap().numer(), 3);
        assert_eq!(got.play_delay_max.unwrap().numer(), 40);
        assert_eq!(
            got.video_orientation,
            Some(str0m::rtp::VideoOrientation::Deg90)
        );
        assert_eq!(
            of(&cleo).video_orientation,
            Some(str0m::rtp::VideoOrientation::Deg90)
        );
        assert!(
            descriptor(&of(&cleo)).is_none(),
            "cleo knows of no descriptors"
        );
    }
}

#[test]
fn who_cannot_play_a_track_is_named_once() {
    let mut node = Node::start();
    let config = Rtc::builder().set_stats_interval(None).clear_codecs();
    let mut ann = Client::new("ann");
    let mut ben = Client::with("ben", config.enable_vp8(true).enable_h264(true));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    let pt = pt_of(&ann, Codec::Av1);
    for number in 0..20 {
        ann.write(written(
            &picture(Codec::Av1, number),
            pt,
            u32::from(number) * 3000,
        ));
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(2));
    }
    let refused = node.event(|event| match event {
        Message::TrackRefused {
            peer,
            track,
            codec,
            accepted,
        } => Some((peer.clone(), track.clone(), codec.clone(), accepted.clone())),
        _ => None,
    });
    assert_eq!(
        (&*refused.0, &*refused.1, &*refused.2),
        ("ben", "ann_video", "av1")
    );
    assert_eq!(refused.3, ["vp8", "h264"]);
    node.statistics();
    let again = |event: &Message| matches!(event, Message::TrackRefused { .. });
    assert!(!node.poll().iter().any(again), "said once");
    assert!(ben.packets.is_empty());
    // In a codec that the client takes the track goes on.
    let pt = pt_of(&ann, Codec::Vp8);
    play(&mut [&mut ann, &mut ben], "the track goes on", |all| {
        all[0].write(written(&picture(Codec::Vp8, 1), pt, 900_000));
        !all[1].packets.is_empty()
    });
}

#[test]
fn the_cipher_is_authenticated_encryption() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    ben.received.clear();
    play(&mut [&mut ann, &mut ben], "a packet arrived", |all| {
        all[0].send(Video, &picture(Codec::Vp8, 1));
        !all[1].packets.is_empty()
    });
    let sequence = ben.packets[0].header.sequence_number.to_be_bytes();
    let datagram = ben
        .received
        .iter()
        .find(|bytes| bytes[0] >> 6 == 2 && bytes[2..4] == sequence)
        .unwrap();
    assert_ne!(datagram[0] & 0x10, 0, "it has extensions");
    let extensions = 4 + 4 * usize::from(u16::from_be_bytes([datagram[14], datagram[15]]));
    let tag = datagram.len() - 12 - extensions - ben.packets[0].payload.len();
    // AES-GCM has a tag of 16 bytes (RFC 7714), AES-CM with SHA-1 one of 10.
    assert_eq!(tag, 16);
}

#[test]
fn every_video_codec_is_repaired_on_both_ways() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
        let mut node = Node::start();
        let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
        node.publish(&mut ann, &[Video]);
        node.subscribe(&mut ben, &[("ann_video", Video)]);
        both_connected(&mut ann, &mut ben);
        let pt = pt_of(&ann, codec);
        ben.lose_one_in = 12;
        for number in 0..100 {
            // Not the first ones: nobody asks for what he does not know of.
            if number % 10 == 9 {
                ann.swallow_next = 1;
            }
            ann.write(written(
                &picture(codec, number),
                pt,
                u32::from(number) * 3000,
            ));
            play_for(&mut [&mut ann, &mut ben], Duration::from_millis(3));
        }
        play(&mut [&mut ann, &mut ben], "all were repaired", |all| {
            let got: BTreeSet<u8> = all[1].packets.iter().filter_map(number).collect();
            (0..95).all(|wanted| got.contains(&wanted))
        });
    }
}

#[test]
fn a_publisher_hears_of_its_loss_and_of_the_way() {
    let mut node = Node::start();
    let config = Rtc::builder()
        .set_stats_interval(Some(Duration::from_millis(200)))
        .enable_bwe(Some(str0m::bwe::Bitrate::kbps(300)));
    let mut ann = Client::with("ann", config);
    node.publish(&mut ann, &[Video]);
    play(&mut [&mut ann], "it is connected", |all| all[0].connected);
    let (mut reported, mut estimated) = (false, BTreeSet::new());
    play(&mut [&mut ann], "reports and feedback came", |all| {
        all[0].send(Video, &picture(Codec::Vp8, 1));
        for event in all[0].events.drain(..) {
            match event {
                Event::MediaEgressStats(stats) => {
                    reported |= stats.remote.is_some() && stats.rtt.is_some()
                }
                Event::EgressBitrateEstimate(estimate) => {
                    estimated.insert(format!("{estimate:?}"));
                }
                _ => {}
            }
        }
        // The first is the one it was made with; others come of transport-wide feedback.
        reported && estimated.len() > 1
    });
}

#[test]
fn all_simulcast_streams_come_in_and_pictures_are_asked_of_them() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    let rids = ["h", "m", "l"];
    node.publish_simulcast(&mut ann, &rids);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    both_connected(&mut ann, &mut ben);
    let pt = pt_of(&ann, Codec::Vp8);
    for number in 0..20 {
        for rid in rids {
            let payload = picture(Codec::Vp8, number);
            ann.write(Written {
                rid: Some(rid),
                ..written(&payload, pt, u32::from(number) * 3000)
            });
        }
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(5));
    }
    play(&mut [&mut ann, &mut ben], "all came in", |_| {
        node.statistics().1.iter().any(|track| track.packets == 60)
    });
    assert!(!ben.packets.is_empty());
    let streams: BTreeSet<_> = ben
        .packets
        .iter()
        .map(|packet| packet.header.ssrc)
        .collect();
    assert_eq!(streams.len(), 1, "one stream goes out");
    let ssrc = ben.packets[0].header.ssrc;
    ann.keyframe_requests.clear();
    play(&mut [&mut ann, &mut ben], "a picture is asked for", |all| {
        all[1].ask_picture(ssrc);
        all[0]
            .keyframe_requests
            .iter()
            .any(|request| request.rid.is_some())
    });
}
