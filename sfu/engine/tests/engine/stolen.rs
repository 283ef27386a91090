//! Checks that somebody saw, sent again from elsewhere: who may speak for an address, and who may not.

use std::net::UdpSocket;
use std::time::Duration;

use crate::stage::{Client, Node, play, play_for};
use starling_sfu::control::messages::MediaKind::{self, Video};

fn flows(ann: &mut Client, ben: &mut Client) {
    let before = ben.packets.len();
    play(&mut [ann, ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[5; 600]);
        }
        all[1].packets.len() >= before + 5
    });
}

const VIDEO: [(&str, MediaKind); 1] = [("ann_video", Video)];

#[test]
fn nobody_takes_an_address_that_another_peer_holds() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    let before = ben.packets.len();
    for round in 0..200 {
        // A check of ben's own, with an address of ann's as its sender.
        let _ = ann
            .socket
            .send_to(&ben.checks[round % ben.checks.len()], node.address);
        ann.send(Video, &[7; 600]);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(2));
    }
    play(
        &mut [&mut ann, &mut ben],
        "nearly all that was sent arrived",
        |all| all[1].packets.len() >= before + 190,
    );
}

#[test]
fn a_check_that_is_sent_again_from_elsewhere_moves_no_call() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let before = ben.packets.len();
    for round in 0..200 {
        for client in [&ann, &ben] {
            let check = &client.checks[round % client.checks.len()];
            let _ = stranger.send_to(check, node.address);
        }
        ann.send(Video, &[7; 600]);
        play_for(&mut [&mut ann, &mut ben], Duration::from_millis(2));
    }
    play(
        &mut [&mut ann, &mut ben],
        "nearly all that was sent arrived",
        |all| all[1].packets.len() >= before + 190,
    );
    let mut buffer = [0; 2000];
    while let Ok(length) = stranger.recv(&mut buffer) {
        assert!(buffer[0] < 4 && length < 200, "media went to a stranger");
    }
}
