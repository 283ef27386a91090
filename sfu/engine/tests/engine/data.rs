//! Messages between people: over data channels, over links, over workers.

use std::time::Duration;

use crate::stage::{Client, Node, ROOM, play, play_for};
use starling_sfu::control::messages::MediaKind::Audio;
use starling_sfu::control::messages::{Command, State};
use starling_sfu::engine::data::MAX_PAYLOAD_BYTES;
use str0m::Rtc;

/// Said until it is heard, and never looked at.
const READY: &[u8] = b"ready?";

/// What a client gets of a message.
pub fn from(sender: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![sender.len() as u8];
    bytes.extend_from_slice(sender.as_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// A publisher with a line for data, and subscribers that have nothing else.
pub fn gather(node: &mut Node, speaker: &str, listeners: &mut [&mut Client]) -> Client {
    let mut speaker = Client::new(speaker);
    speaker.wants_data = true;
    node.publish(&mut speaker, &[Audio]);
    for listener in listeners.iter_mut() {
        node.subscribe(listener, &[]);
    }
    let mut all = vec![&mut speaker];
    all.extend(listeners.iter_mut().map(|client| &mut **client));
    play(&mut all, "the line for data is open", |all| {
        all[0].has_open("hello")
    });
    await_hearing(&mut speaker, listeners);
    speaker
}

/// Say something until everybody hears: nothing tells a client that it could.
pub fn await_hearing(speaker: &mut Client, listeners: &mut [&mut Client]) {
    let mut all = vec![speaker];
    all.extend(listeners.iter_mut().map(|client| &mut **client));
    play(&mut all, "everybody hears", |all| {
        all[0].say("hello", READY);
        std::thread::sleep(Duration::from_millis(5));
        all[1..].iter().all(|one| !one.heard.is_empty())
    });
    play_for(&mut all, Duration::from_millis(50));
}

pub fn heard(client: &Client, label: &str) -> Vec<Vec<u8>> {
    client
        .heard
        .iter()
        .filter(|(known, message)| known == label && !message.ends_with(READY))
        .map(|(_, message)| message.clone())
        .collect()
}

#[test]
fn a_message_reaches_everybody_in_the_room_under_its_label() {
    let mut node = Node::start();
    let (mut ben, mut cleo) = (Client::new("ben"), Client::new("cleo"));
    let mut ann = gather(&mut node, "ann", &mut [&mut ben, &mut cleo]);
    ann.open("chat", true);
    ann.open("moves", false);
    play(&mut [&mut ann], "both are open", |all| {
        all[0].has_open("chat") && all[0].has_open("moves")
    });
    let long = vec![7; 16 * 1024];
    for number in 0..20u8 {
        assert!(ann.say("chat", &[number]));
        assert!(ann.say("moves", &[number]));
    }
    assert!(ann.say("chat", &long));
    play(&mut [&mut ann, &mut ben, &mut cleo], "all arrived", |all| {
        all[1..]
            .iter()
            .all(|one| heard(one, "chat").len() == 21 && heard(one, "moves").len() == 20)
    });
    for one in [&ben, &cleo] {
        let mut expected: Vec<_> = (0..20u8).map(|number| from("ann", &[number])).collect();
        assert_eq!(heard(one, "moves").len(), expected.len());
        expected.push(from("ann", &long));
        assert_eq!(heard(one, "chat"), expected);
    }
}

#[test]
fn who_says_something_does_not_hear_it() {
    let mut node = Node::start();
    let (mut ben, mut hers) = (Client::new("ben"), Client::new("hers"));
    node.done(|id| Command::Subscribe {
        peer: "hers".into(),
        tracks: Vec::new(),
        room: ROOM.into(),
        participant: "ann".into(),
        id,
    });
    node.negotiate(&mut hers);
    play(&mut [&mut hers], "it is connected", |all| all[0].connected);
    let mut ann = gather(&mut node, "ann", &mut [&mut ben]);
    for message in [b"one", b"two"] {
        assert!(ann.say("hello", message));
    }
    play(&mut [&mut ann, &mut ben, &mut hers], "both came", |all| {
        heard(all[1], "hello").len() == 2
    });
    play_for(
        &mut [&mut ann, &mut ben, &mut hers],
        Duration::from_millis(100),
    );
    assert_eq!(
        heard(&ben, "hello"),
        [from("ann", b"one"), from("ann", b"two")]
    );
    assert_eq!(hers.heard, [], "her own");
    // Whoever else says something is heard by both.
    let mut dan = gather(&mut node, "dan", &mut []);
    await_hearing(&mut dan, &mut [&mut hers]);
}

#[test]
fn what_is_said_while_somebody_connects_reaches_them() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let mut ann = gather(&mut node, "ann", &mut [&mut ben]);
    let mut late = Client::new("late");
    node.done(|id| Command::Subscribe {
        peer: "late".into(),
        tracks: Vec::new(),
        room: ROOM.into(),
        participant: "late".into(),
        id,
    });
    node.negotiate(&mut late);
    for number in 0..20u8 {
        assert!(ann.say("hello", &[number]));
    }
    play(&mut [&mut ann, &mut ben], "who is there heard it", |all| {
        heard(all[1], "hello").len() == 20
    });
    assert!(!late.connected);
    play(&mut [&mut late], "who came later heard it", |all| {
        heard(all[0], "hello").len() == 20
    });
    let said: Vec<_> = (0..20u8).map(|number| from("ann", &[number])).collect();
    assert_eq!(heard(&late, "hello"), said);
}

#[test]
fn messages_reach_people_on_every_worker_and_links_on_any_once() {
    let (mut oslo, mut lima) = (Node::start_with(2), Node::start_with(2));
    let (mut ben, mut cleo) = (Client::new("ben"), Client::new("cleo"));
    let mut ann = gather(&mut oslo, "ann", &mut [&mut ben, &mut cleo]);
    assert_ne!(ben.senders, cleo.senders, "one on each");
    // Each link lands on the worker that has the fewest, people on both.
    let (mut dan, mut eve) = (Client::new("dan"), Client::new("eve"));
    for client in [&mut dan, &mut eve] {
        lima.subscribe(client, &[]);
    }
    let seen = [oslo.addresses[1], lima.addresses[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    oslo.span("lima", true);
    await_hearing(&mut ann, &mut [&mut ben, &mut cleo, &mut dan, &mut eve]);
    for number in 0..20u8 {
        assert!(ann.say("hello", &[number]));
    }
    let mut all = [&mut ann, &mut ben, &mut cleo, &mut dan, &mut eve];
    play(&mut all, "all arrived", |all| {
        all[1..].iter().all(|one| heard(one, "hello").len() == 20)
    });
    play_for(&mut all, Duration::from_millis(50));
    let expected: Vec<_> = (0..20u8).map(|number| from("ann", &[number])).collect();
    for one in [&ben, &cleo, &dan, &eve] {
        assert_eq!(heard(one, "hello"), expected, "{}: once", one.name);
    }
    assert_ne!(dan.senders, eve.senders, "one on each");
    oslo.span("lima", false);
    ann.say("hello", b"among ourselves");
    let mut all = [&mut ann, &mut ben, &mut cleo, &mut dan, &mut eve];
    play(&mut all, "it arrived here", |all| {
        all[1..3].iter().all(|one| heard(one, "hello").len() == 21)
    });
    play_for(&mut all, Duration::from_millis(100));
    assert!(
        [&dan, &eve]
            .iter()
            .all(|one| heard(one, "hello").len() == 20)
    );
}

#[test]
fn another_room_hears_nothing() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let mut ann = gather(&mut node, "ann", &mut [&mut ben]);
    node.done(|id| Command::Subscribe {
        peer: "ben".into(),
        tracks: Vec::new(),
        room: "elsewhere".into(),
        participant: "ben".into(),
        id,
    });
    ann.say("hello", b"anybody?");
    play_for(&mut [&mut ann, &mut ben], Duration::from_millis(200));
    assert_eq!(heard(&ben, "hello"), Vec::<Vec<u8>>::new());
}

#[test]
fn messages_cross_a_link_once_and_no_further() {
    let (mut oslo, mut lima, mut perth) = (Node::start(), Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    Node::link((&mut lima, "perth"), (&mut perth, "lima"));
    let (mut ben, mut cleo, mut dan) =
        (Client::new("ben"), Client::new("cleo"), Client::new("dan"));
    lima.subscribe(&mut cleo, &[]);
    perth.subscribe(&mut dan, &[]);
    // Nobody publishes: no leg is open. Lima has people for Perth, which is nothing to Oslo.
    oslo.span("lima", true);
    lima.span("perth", true);
    let mut ann = gather(&mut oslo, "ann", &mut [&mut ben]);
    play(&mut [&mut dan], "dan is connected", |all| all[0].connected);
    await_hearing(&mut ann, &mut [&mut cleo]);
    ann.open("moves", false);
    play(&mut [&mut ann], "it is open", |all| {
        all[0].has_open("moves")
    });
    for number in 0..10u8 {
        assert!(ann.say("hello", &[number]));
        assert!(ann.say("moves", &[number]));
    }
    play(&mut [&mut ann, &mut ben, &mut cleo], "all arrived", |all| {
        all[1..]
            .iter()
            .all(|one| heard(one, "hello").len() == 10 && heard(one, "moves").len() == 10)
    });
    let expected: Vec<_> = (0..10u8).map(|number| from("ann", &[number])).collect();
    assert_eq!(heard(&cleo, "hello"), expected);
    play_for(&mut [&mut dan, &mut cleo], Duration::from_millis(200));
    assert_eq!(dan.heard, [], "what came over a link goes over no other");
    assert_eq!(
        heard(&cleo, "hello").len() + heard(&cleo, "moves").len(),
        20
    );
}

#[test]
fn who_says_too_much_loses_the_channel_and_then_the_call() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let mut ann = gather(&mut node, "ann", &mut [&mut ben]);
    ann.open("moves", false);
    play(&mut [&mut ann], "it is open", |all| {
        all[0].has_open("moves")
    });
    // Of a reliable channel nothing is lost in silence.
    play(&mut [&mut ann, &mut ben], "it is closed", |all| {
        for _ in 0..60 {
            all[0].say("hello", b"!");
        }
        all[0].closed == ["hello"]
    });
    let before = node.counter("data_too_much");
    assert!(before > 0);
    play(&mut [&mut ann, &mut ben], "the flood ends", |all| {
        for _ in 0..60 {
            all[0].say("moves", b"!");
        }
        node.poll().iter().any(|event| {
            matches!(event, starling_sfu::control::messages::Message::PeerState { state, reason, .. }
                if *state == State::Closed && reason == "data_flood")
        })
    });
}

#[test]
fn a_slow_receiver_harms_nobody_else() {
    let mut node = Node::start();
    let (mut ben, mut slow) = (Client::new("ben"), Client::new("slow"));
    let mut ann = gather(&mut node, "ann", &mut [&mut ben, &mut slow]);
    // From here on `slow` reads nothing.
    let message = vec![1; 16 * 1024];
    let mut said = 0;
    let mut closed = false;
    play(&mut [&mut ann, &mut ben], "the slow one is closed", |all| {
        if said < 60 && heard(all[1], "hello").len() == said && all[0].say("hello", &message) {
            said += 1;
        }
        closed |= node.poll().iter().any(|event| {
            matches!(event, starling_sfu::control::messages::Message::PeerState { peer, reason, .. }
                if peer == "slow" && reason == "data_too_slow")
        });
        closed && heard(all[1], "hello").len() == said
    });
    assert_eq!(node.counter("data_receivers_too_slow"), 1);
    assert!(said > 15);
}

/// A client that announces that it takes messages of so many bytes.
fn taking(name: &str, bytes: usize) -> Client {
    let config = Rtc::builder().set_stats_interval(None);
    Client::with(name, config.set_sctp_max_message_size(bytes as u32))
}

#[test]
fn the_largest_message_and_all_behind_it_arrive_on_channels_that_just_opened() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    oslo.span("lima", true);
    let largest = vec![7; MAX_PAYLOAD_BYTES];
    let room_for_it = from("ann", &largest).len();
    let (mut ben, mut cleo) = (taking("ben", room_for_it), taking("cleo", room_for_it));
    lima.subscribe(&mut cleo, &[]);
    let mut ann = gather(&mut oslo, "ann", &mut [&mut ben]);
    await_hearing(&mut ann, &mut [&mut cleo]);
    for (label, reliable) in [("sure", true), ("quick", false)] {
        ann.open(label, reliable);
        play(&mut [&mut ann], "it is open", |all| all[0].has_open(label));
        // The first of its label: wherever it is to arrive, a channel is yet to be opened.
        let mut expected = vec![from("ann", &largest)];
        assert!(ann.say(label, &largest));
        for number in 0..200u8 {
            assert!(ann.say(label, &[number]));
            expected.push(from("ann", &[number]));
        }
        play(&mut [&mut ann, &mut ben, &mut cleo], label, |all| {
            all[1..].iter().all(|one| heard(one, label).len() == 201)
        });
        for one in [&ben, &cleo] {
            let mut got = heard(one, label);
            if !reliable {
                // A large one may be overtaken.
                got.sort();
                expected.sort();
            }
            assert!(got == expected, "{} on {label}", one.name);
        }
    }
    for node in [&mut oslo, &mut lima] {
        assert_eq!(node.counter("data_channels_gone"), 0);
        assert_eq!(node.counter("data_messages_lost"), 0);
    }
}

#[test]
fn who_takes_only_small_messages_gets_those_around_a_large_one() {
    let mut node = Node::start();
    let (mut ben, mut small) = (Client::new("ben"), taking("small", 1000));
    let mut ann = gather(&mut node, "ann", &mut [&mut ben, &mut small]);
    ann.open("chat", true);
    play(&mut [&mut ann], "it is open", |all| all[0].has_open("chat"));
    // Both while the channel opens and after it did.
    for round in 1..=2 {
        for message in [&[1][..], &[2; 1000], &[3]] {
            assert!(ann.say("chat", message));
        }
        play(&mut [&mut ann, &mut ben, &mut small], "they came", |all| {
            heard(all[1], "chat").len() == 3 * round && heard(all[2], "chat").len() == 2 * round
        });
        assert_eq!(node.counter("data_too_large_for_receiver"), round as u64);
    }
    let around = [from("ann", &[1]), from("ann", &[3])];
    assert_eq!(heard(&small, "chat"), [around.clone(), around].concat());
    assert_eq!(small.closed, Vec::<String>::new());
}

#[test]
fn a_message_that_is_too_large_costs_its_channel_at_most() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let mut ann = gather(&mut node, "ann", &mut [&mut ben]);
    for (label, reliable) in [("chat", true), ("moves", false)] {
        ann.open(label, reliable);
        play(&mut [&mut ann], "it is open", |all| all[0].has_open(label));
        assert!(ann.say(label, &vec![1; MAX_PAYLOAD_BYTES + 1]));
        assert!(ann.say(label, b"next"));
    }
    assert!(ann.say("hello", b"still there"));
    play(&mut [&mut ann, &mut ben], "the rest came", |all| {
        all[0].closed == ["chat"]
            && heard(all[1], "moves") == [from("ann", b"next")]
            && heard(all[1], "hello") == [from("ann", b"still there")]
    });
    assert_eq!(heard(&ben, "chat"), Vec::<Vec<u8>>::new());
    assert_eq!(node.counter("data_too_large"), 2);
}
