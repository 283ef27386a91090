//! Clients whose network lets TCP through alone, and connections that are none of a client's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::stage::{Client, Greeting, Node, PATIENCE, play, play_for};
use starling_sfu::control::messages::Command;
use starling_sfu::control::messages::MediaKind::{self, Video};

const VIDEO: [(&str, MediaKind); 1] = [("ann_video", Video)];

fn start() -> Node {
    Node::silent().hello(Greeting {
        tcp: true,
        ..Greeting::default()
    })
}

fn flows(ann: &mut Client, ben: &mut Client) {
    let before = ben.packets.len();
    play(&mut [ann, ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[5; 900]);
        }
        all[1].packets.len() >= before + 20
    });
}

#[test]
fn a_call_goes_over_tcp_both_ways_and_beside_udp() {
    let mut node = start();
    let mut ann = Client::over_tcp("ann", node.address);
    let mut ben = Client::over_tcp("ben", node.address);
    let mut cleo = Client::new("cleo");
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    node.subscribe(&mut cleo, &VIDEO);
    flows(&mut ann, &mut ben);
    play(
        &mut [&mut ann, &mut ben, &mut cleo],
        "udp flows too",
        |all| {
            all[0].send(Video, &[6; 900]);
            all[2].packets.len() > 5
        },
    );
    let numbers: Vec<u64> = ben.packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    assert_eq!(node.counter("tcp_connections"), 2);
    assert!(node.counter("tcp_frames_out") > 20);
    // Whoever is closed has his connection closed.
    node.done(|id| Command::ClosePeer {
        peer: "ben".into(),
        id,
    });
    let stream = &ben.wire.as_ref().unwrap().stream;
    assert!(ends(stream));
}

/// Whether the other end closes the connection, in time.
fn ends(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn what_speaks_something_else_is_closed_and_harms_nobody() {
    let mut node = start();
    let mut ann = Client::over_tcp("ann", node.address);
    let mut ben = Client::over_tcp("ben", node.address);
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    let no_frame = TcpStream::connect(node.address).unwrap();
    (&no_frame).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // Media before any check: nobody's.
    let no_check = TcpStream::connect(node.address).unwrap();
    (&no_check)
        .write_all(&[0, 12, 0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        .unwrap();
    // Somebody's check, cut short.
    let cut = TcpStream::connect(node.address).unwrap();
    (&cut).write_all(&[0, 50, 0, 1, 0, 30]).unwrap();
    assert!(ends(&no_frame) && ends(&no_check));
    flows(&mut ann, &mut ben);
    assert_eq!(node.counter("tcp_connections_garbled"), 1);
    assert_eq!(node.counter("tcp_frames_refused"), 1);
    assert_eq!(node.statistics().0.len(), 2);
}

#[test]
fn too_many_connections_without_owner_are_turned_away() {
    let mut node = start();
    let mut ann = Client::over_tcp("ann", node.address);
    let mut ben = Client::over_tcp("ben", node.address);
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    let crowd: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(node.address).unwrap())
        .collect();
    play(&mut [&mut ann, &mut ben], "some are turned away", |_| {
        node.counter("tcp_connections_refused") == 44
    });
    flows(&mut ann, &mut ben);
    drop(crowd);
    // Room again once they are gone.
    play(&mut [&mut ann, &mut ben], "there is room again", |_| {
        let one = TcpStream::connect(node.address).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        one.set_nonblocking(true).unwrap();
        let gone = matches!((&one).read(&mut [0]), Ok(0));
        !gone
    });
}

#[test]
fn a_slow_reader_loses_packets_and_costs_bounded_memory() {
    let mut node = start();
    let mut ann = Client::new("ann");
    let mut ben = Client::over_tcp("ben", node.address);
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    // Ben reads no more; system buffers fill, then ours, then packets are dropped.
    for round in 0..40_000 {
        ann.send(Video, &[7; 1100]);
        if round % 50 == 0 {
            play_for(&mut [&mut ann], Duration::from_millis(1));
            if round % 1000 == 0 && node.counter("tcp_frames_dropped") > 100 {
                break;
            }
        }
    }
    assert!(node.counter("tcp_frames_dropped") > 100);
    assert_eq!(node.statistics().0.len(), 2);
}
