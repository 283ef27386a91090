//! A hundred thousand datagrams that nobody should send, on calls that go on meanwhile.
//!
//! Of every shape that somebody on the network could make, or could make of what he saw go by, and
//! from every sender that he could be or pretend to be: strangers, and the very addresses that the
//! engine trusts. In the end the calls are the same calls, and new ones can be made.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::stage::{Client, Node, PATIENCE, Path, play};
use starling_sfu::control::messages::Command;
use starling_sfu::control::messages::MediaKind::{Audio, Video};

const DATAGRAMS: u64 = 100_000;

/// Few enough for a socket buffer of the system's default size.
const BURST: usize = 40;

/// A small generator of its own: the same attack every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll() as u8).collect()
    }

    fn pick<'a>(&mut self, from: &'a [Vec<u8>]) -> &'a [u8] {
        let at = self.below(from.len());
        &from[at]
    }
}

/// Makes a datagram of what was seen on the wire.
type Shape = fn(&mut Dice, &[Vec<u8>]) -> Vec<u8>;

const SHAPES: [Shape; 12] = [
    // A copy.
    |dice, seen| dice.pick(seen).to_vec(),
    |dice, seen| flipped(dice, seen, 1),
    |dice, seen| flipped(dice, seen, 8),
    // Cut short.
    |dice, seen| {
        let bytes = dice.pick(seen);
        bytes[..dice.below(bytes.len())].to_vec()
    },
    // With a tail; some exceed what an Ethernet frame holds.
    |dice, seen| {
        let mut bytes = dice.pick(seen).to_vec();
        let tail = dice.below(1000);
        bytes.extend(dice.bytes(tail));
        bytes
    },
    // The head of one on the body of another.
    |dice, seen| {
        let head = 1 + dice.below(40);
        let mut bytes: Vec<u8> = dice.pick(seen).iter().take(head).copied().collect();
        bytes.extend(dice.pick(seen).iter().skip(head));
        bytes
    },
    |dice, _| {
        let count = dice.below(1600);
        dice.bytes(count)
    },
    // Random behind each first byte that means something (RFC 7983).
    |dice, _| {
        let firsts = [0, 1, 20, 21, 22, 23, 25, 63, 64, 79, 128, 144, 159, 191];
        let count = 1 + dice.below(200);
        let mut bytes = dice.bytes(count);
        bytes[0] = firsts[dice.below(firsts.len())];
        bytes
    },
    |dice, _| dtls(dice),
    |dice, seen| stun(dice, seen),
    |dice, seen| rtp(dice, seen),
    |dice, seen| rtcp(dice, seen),
];

fn flipped(dice: &mut Dice, seen: &[Vec<u8>], most: usize) -> Vec<u8> {
    let mut bytes = dice.pick(seen).to_vec();
    for _ in 0..=dice.below(most) {
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
    }
    bytes
}

/// A record of DTLS 1.2 (RFC 6347 section 4.1): an alert, a handshake message, application data.
fn dtls(dice: &mut Dice) -> Vec<u8> {
    let kind = 20 + dice.below(5) as u8;
    let body = match kind {
        // Fatal, in as many words: handshake failure, close notify, unexpected message.
        21 => vec![2, [40, 0, 10][dice.below(3)]],
        // A client's or a server's first message, a finish: with lengths that fit or do not.
        22 => {
            let length = dice.below(300);
            let stated = [length, dice.below(1 << 16)][dice.below(2)];
            let mut body = vec![[1, 2, 20, 16][dice.below(4)]];
            body.extend(&(stated as u32).to_be_bytes()[1..]);
            body.extend((dice.below(4) as u16).to_be_bytes());
            body.extend([0; 3]);
            body.extend(&(stated as u32).to_be_bytes()[1..]);
            body.extend([254, 253]);
            body.extend(dice.bytes(length));
            body
        }
        20 => vec![1],
        _ => {
            let length = dice.below(300);
            dice.bytes(length)
        }
    };
    let mut record = vec![kind, 254, [253, 255][dice.below(2)]];
    record.extend((dice.below(3) as u16).to_be_bytes());
    record.extend(&dice.roll().to_be_bytes()[2..]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// A check or an answer with a transaction of its own; a user name that is right, no password.
fn stun(dice: &mut Dice, seen: &[Vec<u8>]) -> Vec<u8> {
    let check = seen.iter().find(|bytes| bytes.starts_with(&[0, 1]));
    let mut bytes = check.map_or_else(|| dice.bytes(40), Clone::clone);
    let kinds = [[0, 1], [1, 1], [1, 0x11], [0, 0x11], [0, 3]];
    bytes[..2].copy_from_slice(&kinds[dice.below(kinds.len())]);
    let transaction = dice.bytes(12);
    bytes[8..20].copy_from_slice(&transaction);
    if dice.below(2) == 0 {
        let at = 20 + dice.below(bytes.len() - 20);
        bytes[at] = dice.roll() as u8;
    }
    bytes
}

/// A packet of a stream that is there, or of one that is not: another number, time, type; contributors,
/// an extension and padding that reach beyond its end.
fn rtp(dice: &mut Dice, seen: &[Vec<u8>]) -> Vec<u8> {
    let known = seen
        .iter()
        .find(|bytes| bytes.len() > 12 && bytes[0] >> 6 == 2 && !(192..224).contains(&bytes[1]));
    let mut bytes = known.map_or_else(|| dice.bytes(60), Clone::clone);
    bytes[0] = 0x80 | (dice.roll() as u8 & 0x3f);
    bytes[1] = dice.roll() as u8;
    let numbers = dice.bytes(6);
    bytes[2..8].copy_from_slice(&numbers);
    if dice.below(4) == 0 {
        let ssrc = dice.bytes(4);
        bytes[8..12].copy_from_slice(&ssrc);
    }
    bytes
}

/// Reports, goodbyes and feedback in the clear, with counts and lengths as the dice fall.
fn rtcp(dice: &mut Dice, seen: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=dice.below(3) {
        let words = dice.below(12);
        let stated = [words, dice.below(1 << 16)][dice.below(2)] as u16;
        bytes.extend([
            0x80 | dice.below(32) as u8,
            [200, 201, 202, 203, 205, 206][dice.below(6)],
        ]);
        bytes.extend(stated.to_be_bytes());
        match seen.iter().find(|bytes| bytes.len() > 12) {
            Some(known) if words > 0 => bytes.extend(&known[8..12]),
            _ => {}
        }
        bytes.extend(dice.bytes(words * 4));
    }
    bytes
}

fn flows(ann: &mut Client, watching: &mut [&mut Client]) {
    let before: Vec<usize> = watching.iter().map(|client| client.packets.len()).collect();
    let mut all: Vec<&mut Client> = vec![ann];
    all.extend(watching.iter_mut().map(|client| &mut **client));
    play(&mut all, "packets flow", |all| {
        if all.iter().all(|client| client.connected) {
            all[0].send(Video, &[5; 600]);
        }
        let mut counts = all[1..].iter().zip(&before);
        counts.all(|(client, before)| client.packets.len() >= before + 3)
    });
}

/// Wait until the engine has read so many datagrams.
fn read(node: &mut Node, least: u64) {
    let end = Instant::now() + PATIENCE;
    while node.counter("datagrams_in") < least {
        assert!(Instant::now() < end, "the engine lost datagrams unread");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_hundred_thousand_bad_datagrams_end_no_call() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    let seen_at = [path.seen[1], path.seen[0]];
    Node::link_over(seen_at, (&mut oslo, "lima"), (&mut lima, "oslo"));
    Node::leg((&mut oslo, "lima"), (&mut lima, "oslo"), "ann_video", Video);
    let [mut ann, mut ben, mut cleo] = ["ann", "ben", "cleo"].map(Client::new);
    let video = [("ann_video", Video)];
    oslo.publish(&mut ann, &[Audio, Video]);
    oslo.subscribe(&mut ben, &video);
    lima.subscribe(&mut cleo, &video);
    flows(&mut ann, &mut [&mut ben, &mut cleo]);

    // What a stranger's own handshake looks like, and what goes by on these calls.
    let mut eve = Client::new("eve");
    oslo.publish(&mut eve, &[Video]);
    play(&mut [&mut eve], "the stranger is connected", |all| {
        all[0].connected
    });
    let handshakes: Vec<Vec<u8>> = [&eve, &ann, &ben]
        .iter()
        .flat_map(|client| client.sent_lately.iter().chain(&client.received))
        .cloned()
        .collect();
    oslo.done(|id| Command::ClosePeer {
        peer: "eve".into(),
        id,
    });
    let strangers: Vec<UdpSocket> = (0..8)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();

    let mut dice = Dice(0x5eed);
    let (mut injected, mut seen) = (0, handshakes.clone());
    let started = oslo.counter("datagrams_in");
    while injected < DATAGRAMS {
        for _ in 0..BURST {
            let shape = SHAPES[dice.below(SHAPES.len())];
            let bytes = shape(&mut dice, &seen);
            match dice.below(4) {
                0 => drop(ann.socket.send_to(&bytes, oslo.address)),
                1 => drop(ben.socket.send_to(&bytes, oslo.address)),
                2 => path.inject(0, &bytes),
                _ => drop(strangers[dice.below(8)].send_to(&bytes, oslo.address)),
            }
        }
        injected += BURST as u64;
        read(&mut oslo, started + injected);
        if injected % (25 * BURST as u64) == 0 {
            flows(&mut ann, &mut [&mut ben, &mut cleo]);
            seen.clone_from(&handshakes);
            seen.extend(ann.sent_lately.iter().chain(&ben.sent_lately).cloned());
            seen.extend(path.overheard());
        }
    }

    // The same calls: media, requests for pictures, changes.
    flows(&mut ann, &mut [&mut ben, &mut cleo]);
    let asked = ann.keyframe_requests.len();
    let ssrc = ben.ssrc_of(600);
    ben.ask_picture(ssrc);
    play(&mut [&mut ann, &mut ben], "a picture is asked for", |all| {
        all[0].keyframe_requests.len() > asked
    });
    oslo.subscribe(&mut ben, &[("ann_video", Video), ("ann_audio", Audio)]);
    play(&mut [&mut ann, &mut ben], "sound flows too", |all| {
        all[0].send(Audio, &[6; 60]);
        all[1]
            .packets
            .iter()
            .any(|packet| packet.payload.len() == 60)
    });
    // And one more.
    let mut dora = Client::new("dora");
    oslo.subscribe(&mut dora, &video);
    flows(&mut ann, &mut [&mut dora, &mut ben, &mut cleo]);

    let (peers, _, counters) = oslo.statistics();
    let names: Vec<&str> = peers.iter().map(|peer| peer.peer.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?} {:?}", oslo.poll());
    assert!(!counters.contains_key("peer_panics"), "{counters:?}");
    for name in [
        "checks_unknown",
        "datagrams_garbage",
        "datagrams_refused",
        "datagrams_too_large",
        "datagrams_unknown",
    ] {
        assert!(
            counters.get(name).is_some_and(|count| *count > 100),
            "{name} in {counters:?}"
        );
    }
}

/// The names of streams stand in the clear. A packet that nobody can open, with a name that is right
/// and an SSRC of its own, must not take the place of the stream that bears the name.
#[test]
fn a_forged_name_takes_no_stream() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Audio, Video]);
    node.subscribe(&mut ben, &[("ann_audio", Audio), ("ann_video", Video)]);
    flows(&mut ann, &mut [&mut ben]);
    play(&mut [&mut ann, &mut ben], "sound flows too", |all| {
        all[0].send(Audio, &[6; 60]);
        all[1]
            .packets
            .iter()
            .any(|packet| packet.payload.len() == 60)
    });
    let named: Vec<Vec<u8>> = [60, 600]
        .iter()
        .filter_map(|bytes| ann.sent_lately.iter().find(|sent| is_rtp(sent, *bytes)))
        .cloned()
        .collect();
    // A client that was understood names its streams no more; of str0m that is true of sound.
    play(
        &mut [&mut ann, &mut ben],
        "streams are named no more",
        |all| {
            all[0].send(Audio, &[6; 60]);
            let mut sent = all[0].sent_lately.iter().rev();
            sent.find(|sent| is_rtp(sent, 60))
                .is_some_and(|last| last.len() < named[0].len())
        },
    );
    flows(&mut ann, &mut [&mut ben]);
    for number in 0..200u32 {
        let mut forged = named[number as usize % 2].clone();
        forged[8..12].copy_from_slice(&(0x7000_0000 + number).to_be_bytes());
        if number % 4 == 3 {
            // As a resend.
            forged[1] = (forged[1] & 0x80) | ((forged[1] & 0x7f) + 1);
        }
        let _ = ann.socket.send_to(&forged, node.address);
    }
    flows(&mut ann, &mut [&mut ben]);
    let counters = node.statistics().2;
    assert!(counters["packets_stream_taken"] >= 100, "{counters:?}");
    let asked = ann.keyframe_requests.len();
    let ssrc = ben.ssrc_of(600);
    ben.ask_picture(ssrc);
    play(&mut [&mut ann, &mut ben], "a picture is asked for", |all| {
        all[0].keyframe_requests.len() > asked
    });
    // What is lost is still sent again, and sound still comes: none of their places was taken.
    let count = |client: &Client, bytes: usize| {
        let packets = client.packets.iter();
        packets
            .filter(|packet| packet.payload.len() == bytes)
            .count()
    };
    let before = (count(&ben, 60), count(&ben, 500));
    ann.swallow_next = 1;
    for _ in 0..20 {
        ann.send(Video, &[7; 500]);
        ann.send(Audio, &[6; 60]);
    }
    play(&mut [&mut ann, &mut ben], "all came after all", |all| {
        count(all[1], 60) >= before.0 + 20 && count(all[1], 500) >= before.1 + 20
    });
}

/// An RTP packet with a payload of so many bytes, one that may have a name in its header.
fn is_rtp(bytes: &[u8], payload: usize) -> bool {
    let most = payload + 80;
    matches!(bytes, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)))
        && (payload..most).contains(&bytes.len())
}
