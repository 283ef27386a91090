//! What the engine says of itself: numbers of workers, peers, tracks and legs while a call flows.

use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play};
use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::{Command, Message};

#[test]
fn a_call_shows_in_every_number() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    oslo.done(|id| Command::OpenLegOut {
        peer: "lima".into(),
        leg: 7,
        track: "ann_video".into(),
        room: ROOM.into(),
        id,
    });
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Audio, Video]);
    oslo.subscribe(&mut ben, &[("ann_video", Video)]);
    ben.lose_one_in = 20;
    // The transports speak of themselves every two seconds, of resends once there were some.
    play(&mut [&mut ann, &mut ben], "all is measured", |all| {
        if all.iter().all(|client| client.connected) {
            for _ in 0..5 {
                all[0].send(Video, &[5; 600]);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
        let (peers, tracks, _) = oslo.statistics();
        let of = |name: &str| peers.iter().find(|peer| peer.peer == name).unwrap();
        of("ben").nacks > 0
            && of("ben").loss.is_some_and(|loss| loss > 0.0)
            && of("ben").rtt_ms.is_some()
            && of("lima").rtt_ms.is_some()
            && tracks.iter().all(|track| track.jitter_ms.is_some())
    });
    let Message::Statistics {
        peers,
        tracks,
        legs,
        workers,
        memory_bytes,
        page,
        pages,
        ..
    } = oslo.ask(|id| Command::GetStatistics { page: 0, id })
    else {
        panic!("asked for statistics");
    };
    assert_eq!((page, pages), (0, 1));
    let of = |name: &str| peers.iter().find(|peer| peer.peer == name).unwrap();
    for name in ["ann", "ben", "lima"] {
        let handshake = of(name).handshake_ms.unwrap();
        assert!((0.0..10_000.0).contains(&handshake), "{name}: {handshake}");
    }
    assert!((0.001..1000.0).contains(&of("ben").rtt_ms.unwrap()));
    assert!((0.001..0.5).contains(&of("ben").loss.unwrap()));
    assert_eq!(tracks.len(), 1);
    assert!(tracks[0].jitter_ms.is_some() && tracks[0].packets > 100);
    assert_eq!(legs.len(), 1);
    assert_eq!((legs[0].leg, legs[0].outgoing), (7, true));
    assert_eq!(legs[0].track, "ann_video");
    assert!(legs[0].packets > 100 && legs[0].bytes > 60_000);
    assert!(workers.iter().map(|worker| worker.peers).sum::<u64>() >= 3);
    assert!(
        workers
            .iter()
            .any(|worker| worker.turns > 100 && worker.busy_ms > 0)
    );
    assert!(memory_bytes > 1 << 20);
    let Message::Statistics { peers, .. } = oslo.ask(|id| Command::GetStatistics { page: 1, id })
    else {
        panic!("asked for statistics");
    };
    assert!(peers.is_empty());
}
