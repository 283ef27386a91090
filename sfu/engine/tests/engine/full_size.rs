//! The largest payloads that are taken, over a path that takes nothing larger than Ethernet does.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::stage::{Client, Node, Path, play, play_for};
use starling_sfu::control::messages::MediaKind::Video;

#[test]
fn a_full_payload_crosses_a_link_also_when_half_of_it_is_lost() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    let seen = [path.seen[1], path.seen[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Video]);
    lima.subscribe(&mut ben, &[("ann_video", Video)]);
    Node::leg((&mut oslo, "lima"), (&mut lima, "oslo"), "ann_video", Video);
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[1; 500]);
        }
        has(all[1], 500)
    });
    let largest = |path: &Path| path.overheard().iter().map(Vec::len).max();
    path.weather.lose_one_in.store(10, Ordering::Relaxed);
    for number in 0..100 {
        ann.send(Video, &[number; 1400]);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(4));
        assert!(
            largest(&path) <= Some(1452),
            "what IPv6 takes over Ethernet"
        );
    }
    path.weather.lose_one_in.store(0, Ordering::Relaxed);
    let mut turns = 0;
    // Without repair 81 come; now and then one has its resends lost too, until nobody asks again.
    play(&mut [&mut ann, &mut ben], "all came whole", |all| {
        // A loss shows by what comes after it; of so many, that what was lost is remembered still.
        turns += 1;
        if turns % 20 == 0 {
            all[0].send(Video, &[1; 500]);
        }
        let full = all[1].packets.iter();
        let full = full.filter(|packet| packet.payload.len() == 1400);
        let whole = full.filter(|packet| {
            packet.payload[1..]
                .iter()
                .all(|byte| *byte == packet.payload[1])
        });
        let numbers: BTreeSet<u8> = whole.map(|packet| packet.payload[1]).collect();
        numbers.len() >= 96
    });
    assert_eq!(oslo.counter("link_frames_too_large"), 0);
    assert_eq!(lima.counter("link_frames_malformed"), 0);
}

fn has(client: &Client, bytes: usize) -> bool {
    let mut packets = client.packets.iter();
    packets.any(|packet| packet.payload.len() == bytes)
}
