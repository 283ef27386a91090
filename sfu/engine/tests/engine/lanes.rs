//! Two links between the same two sockets: one takes the place of the other.

use std::time::Duration;

use crate::data::{await_hearing, from, gather, heard};
use crate::stage::{Client, Node, play, play_for};
use starling_sfu::control::messages::{Command, State};

#[test]
fn a_link_beside_another_takes_over_what_people_say_and_outlives_it() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    Node::link((&mut oslo, "lima"), (&mut lima, "oslo"));
    let (mut ben, mut cleo) = (Client::new("ben"), Client::new("cleo"));
    lima.subscribe(&mut cleo, &[]);
    oslo.span("lima", true);
    let mut ann = gather(&mut oslo, "ann", &mut [&mut ben]);
    await_hearing(&mut ann, &mut [&mut cleo]);
    Node::link_beside(
        (&mut oslo, ["lima:2", "lima"]),
        (&mut lima, ["oslo:2", "oslo"]),
        1,
    );
    for number in 0..10u8 {
        if number == 5 {
            oslo.span("lima:2", true);
        }
        ann.say("hello", &[number]);
        play_for(
            &mut [&mut ann, &mut ben, &mut cleo],
            Duration::from_millis(20),
        );
    }
    let expected = |count: u8| -> Vec<_> { (0..count).map(|at| from("ann", &[at])).collect() };
    play(&mut [&mut ann, &mut ben, &mut cleo], "all arrived", |all| {
        heard(all[2], "hello").len() >= 10
    });
    assert_eq!(heard(&cleo, "hello"), expected(10), "each once");
    // Both are alive, though every datagram of both comes from one socket to one socket.
    assert_eq!(oslo.counter("datagrams_unknown"), 0);
    assert_eq!(oslo.counter("checks_refused"), 0);
    oslo.done(|id| Command::ClosePeer {
        peer: "lima".into(),
        id,
    });
    lima.state("oslo", State::Closed);
    for number in 10..15u8 {
        ann.say("hello", &[number]);
    }
    play(&mut [&mut ann, &mut ben, &mut cleo], "all arrived", |all| {
        heard(all[2], "hello").len() >= 15
    });
    assert_eq!(heard(&cleo, "hello"), expected(15), "over the other link");
}
