//! Rooms whose people sit on several workers, and workers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::{self, Audio, Video};
use starling_sfu::control::messages::{Command, Message, State};

const VIDEO: [(&str, MediaKind); 1] = [("ann_video", Video)];

/// A frame of VP8 in one packet, by its first two bytes: it begins one, and it is a keyframe.
const WHOLE_PICTURE: [u8; 700] = [0x10; 700];

/// Nobody: no worker has this number.
const NOBODY: usize = usize::MAX;

fn flows(publisher: &mut Client, others: &mut [&mut Client]) {
    let before: Vec<usize> = others.iter().map(|client| client.packets.len()).collect();
    let mut all: Vec<&mut Client> = vec![publisher];
    all.extend(others.iter_mut().map(|client| &mut **client));
    play(&mut all, "packets flow to all", |all| {
        if all.iter().all(|client| client.connected) {
            all[0].send_picture(&WHOLE_PICTURE);
        }
        all[1..]
            .iter()
            .zip(&before)
            .all(|(client, before)| client.packets.len() >= before + 5)
    });
}

/// Let `client` publish Ann's video, as somebody does who moves.
fn take_over(node: &mut Node, client: &mut Client) {
    let (sdp, mids) = client.offer(&[Video]);
    let publish = |id| Command::Publish {
        peer: client.name.clone(),
        sdp: sdp.clone(),
        tracks: [(mids[0].clone(), "ann_video".to_owned())].into(),
        room: ROOM.into(),
        sender: client.name.clone(),
        id,
    };
    let Message::Described { sdp: answer, .. } = node.ask(publish) else {
        panic!("refused");
    };
    client.take_answer(&answer);
}

#[test]
fn a_room_on_three_workers_is_one_room_and_a_packet_crosses_once() {
    let mut node = Node::start_with(3);
    assert_eq!(node.addresses.len(), 3);
    let ports: Vec<u16> = node.addresses.iter().map(|at| at.port()).collect();
    assert_eq!(ports, [ports[0], ports[0] + 1, ports[0] + 2]);
    let mut ann = Client::new("ann");
    let mut others = ["ben", "cleo", "dan", "eve", "fay"].map(Client::new);
    node.publish(&mut ann, &[Video]);
    for client in &mut others {
        node.subscribe(client, &VIDEO);
    }
    let [ben, cleo, dan, eve, fay] = &mut others;
    flows(&mut ann, &mut [ben, cleo, dan, eve, fay]);
    play_for(
        &mut [&mut ann, ben, cleo, dan, eve, fay],
        Duration::from_millis(20),
    );
    let mut senders: Vec<_> = [&ben, &cleo, &dan, &eve, &fay]
        .iter()
        .flat_map(|client| client.senders.iter().copied())
        .collect();
    senders.sort();
    senders.dedup();
    assert_eq!(senders.len(), 3, "the subscribers sit on all workers");
    for client in [&ben, &cleo, &dan, &eve, &fay] {
        assert!(
            client
                .packets
                .windows(2)
                .all(|pair| *pair[1].seq_no == *pair[0].seq_no + 1)
        );
    }
    let (peers, tracks, counters) = node.statistics();
    assert_eq!((peers.len(), tracks.len()), (6, 1));
    assert_eq!(tracks[0].subscribers, 5);
    assert_eq!(counters["exchange_packets"], 2 * tracks[0].packets);
    assert!(!counters.contains_key("exchange_packets_dropped"));
    let started = node
        .poll()
        .iter()
        .filter(|event| matches!(event, Message::TrackStarted { .. }))
        .count();
    assert_eq!(started, 1);
}

#[test]
fn wants_come_first_sources_move_and_keyframes_are_asked_for_across_workers() {
    let mut node = Node::start_with(2);
    let (mut ben, mut ann) = (Client::new("ben"), Client::new("ann"));
    node.subscribe(&mut ben, &VIDEO);
    node.publish(&mut ann, &[Video]);
    play(
        &mut [&mut ann, &mut ben],
        "a keyframe is asked for",
        |all| !all[0].keyframe_requests.is_empty(),
    );
    flows(&mut ann, &mut [&mut ben]);
    // The track moves to another peer, which sits beside its subscriber.
    let mut again = Client::new("again");
    take_over(&mut node, &mut again);
    // What there was goes on until the other one begins.
    flows(&mut ann, &mut [&mut ben]);
    flows(&mut again, &mut [&mut ben]);
    assert_ne!(again.senders, ann.senders);
    // And back, by ending where it is.
    node.done(|id| Command::ClosePeer {
        peer: "again".into(),
        id,
    });
    flows(&mut ann, &mut [&mut ben]);
    assert!(
        ben.packets
            .windows(2)
            .all(|pair| *pair[1].seq_no == *pair[0].seq_no + 1)
    );
}

#[test]
fn legs_of_links_cross_workers_too() {
    let (mut oslo, mut lima) = (Node::start_with(2), Node::start_with(2));
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    oslo.publish(&mut ann, &[Video]);
    lima.subscribe(&mut ben, &VIDEO);
    // Each link lands on the worker that has nobody yet.
    let seen = [oslo.addresses[1], lima.addresses[1]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    Node::leg((&mut oslo, "lima"), (&mut lima, "oslo"), "ann_video", Video);
    flows(&mut ann, &mut [&mut ben]);
    assert!(oslo.counter("exchange_packets") > 0 && lima.counter("exchange_packets") > 0);
    let (_, tracks, _) = oslo.statistics();
    assert_eq!((tracks[0].legs, tracks[0].subscribers), (1, 0));
    // Its publisher comes over: the leg is needed until the first picture is there.
    let mut again = Client::new("again");
    take_over(&mut lima, &mut again);
    flows(&mut ann, &mut [&mut ben]);
    flows(&mut again, &mut [&mut ben]);
    assert!(
        ben.packets
            .windows(2)
            .all(|pair| *pair[1].seq_no == *pair[0].seq_no + 1)
    );
}

/// An engine of two workers, of which the one whose number is put there panics in its next turn.
fn fragile() -> (Node, Arc<AtomicUsize>) {
    let victim = Arc::new(AtomicUsize::new(NOBODY));
    let aim = Arc::clone(&victim);
    let node = Node::silent_watched(Some(Arc::new(move |worker| {
        // Once: the next worker of that number lives.
        let hit = aim.compare_exchange(worker, NOBODY, Ordering::Relaxed, Ordering::Relaxed);
        assert!(hit.is_err(), "on purpose");
    })));
    (node.greet("127.0.0.1", &[], 2), victim)
}

#[test]
fn a_worker_that_dies_is_replaced_and_costs_its_own_peers_alone() {
    let (mut node, victim) = fragile();
    let (mut ann, mut ben, mut cleo) =
        (Client::new("ann"), Client::new("ben"), Client::new("cleo"));
    node.publish(&mut ann, &[Video, Audio]);
    node.subscribe(&mut ben, &VIDEO);
    node.subscribe(&mut cleo, &VIDEO);
    flows(&mut ann, &mut [&mut ben, &mut cleo]);
    victim.store(1, Ordering::Relaxed);
    assert_eq!(node.state("ben", State::Closed), "worker_lost");
    // Who sat on the other worker notices nothing.
    flows(&mut ann, &mut [&mut cleo]);
    let (peers, _, counters) = node.statistics();
    assert_eq!((peers.len(), counters["workers_lost"]), (2, 1));
    // Ben comes back, to the same port, and the wants of the room reach the new worker.
    let mut again = Client::new("ben");
    node.subscribe(&mut again, &VIDEO);
    flows(&mut ann, &mut [&mut again, &mut cleo]);
    assert_eq!(again.senders, ben.senders);
    // And the other way round: the publisher's worker dies.
    victim.store(0, Ordering::Relaxed);
    assert_eq!(node.state("ann", State::Closed), "worker_lost");
    let mut ann = Client::new("ann");
    node.publish(&mut ann, &[Video]);
    flows(&mut ann, &mut [&mut again]);
}

#[test]
fn statistics_do_not_wait_for_a_worker_that_hangs() {
    let victim = Arc::new(AtomicUsize::new(NOBODY));
    let aim = Arc::clone(&victim);
    let mut node = Node::silent_watched(Some(Arc::new(move |worker| {
        while worker == aim.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    })))
    .greet("127.0.0.1", &[], 2);
    victim.store(1, Ordering::Relaxed);
    // It may be in a turn that began before: then it answers once more. The other one answers in time,
    // unless this machine keeps it from it.
    play(&mut [], "one of two is silent", |_| {
        node.counter("workers_silent") == 1
    });
    // Commands for the others go on.
    node.want("ben", &[]);
    victim.store(NOBODY, Ordering::Relaxed);
    play(&mut [], "it answers again", |_| {
        node.counter("workers_silent") == 0
    });
}
