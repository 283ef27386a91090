//! Where an engine can be reached: both families, behind a NAT, and where STUN servers see it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::stage::{Client, Greeting, Node, PATIENCE, play};
use starling_sfu::control::messages::MediaKind::{self, Video};
use starling_sfu::control::messages::{Command, Message};
use str0m::ice::StunMessage;

const VIDEO: [(&str, MediaKind); 1] = [("ann_video", Video)];

fn flows(ann: &mut Client, ben: &mut Client) {
    play(&mut [ann, ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[5; 600]);
        }
        all[1].packets.len() >= 5
    });
}

#[test]
fn one_socket_serves_both_families() {
    let mut node = Node::silent().greet("::", &["127.0.0.1", "::1"], 1);
    let mut ann = Client::at("ann", "[::1]:0");
    let mut ben = Client::at("ben", "127.0.0.1:0");
    node.publish(&mut ann, &[Video]);
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
    assert!(ann.senders.iter().all(SocketAddr::is_ipv6));
    assert!(ben.senders.iter().all(SocketAddr::is_ipv4));
}

#[test]
fn behind_a_nat_the_advertised_address_is_the_one_that_clients_know() {
    let mut node = Node::silent().greet("0.0.0.0", &["203.0.113.7"], 1);
    let port = node.address.port();
    let seen = SocketAddr::from(([203, 0, 113, 7], port));
    let real = SocketAddr::from(([127, 0, 0, 1], port));
    let mut clients = ["ann", "ben"].map(Client::new);
    for client in &mut clients {
        client.behind = Some([seen, real]);
    }
    let [ann, ben] = &mut clients;
    node.publish(ann, &[Video]);
    node.subscribe(ben, &VIDEO);
    flows(ann, ben);
    for client in [ann, ben] {
        assert_eq!(client.senders.iter().collect::<Vec<_>>(), [&seen]);
    }
}

/// A STUN server that says of everybody that he is seen at this address; silent when told so.
struct Server {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Server {
    fn seeing(seen: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let pause = Duration::from_millis(20);
        socket.set_read_timeout(Some(pause)).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                // Read and written by the library, so that both sides are not wrong alike.
                let request = UNREAD.len().min(length);
                assert_eq!(&buffer[..request], UNREAD);
                let id = id_of(&buffer[..length]);
                let reply = StunMessage::binding_reply(id, seen);
                let mut bytes = [0; 200];
                let length = reply.to_bytes(None, &mut bytes, |_, _| [0; 20]).unwrap();
                socket.send_to(&bytes[..length], asker).unwrap();
            }
        });
        Self { address, over }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A binding request without attributes.
const UNREAD: &[u8] = &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];

/// The transaction id, by way of an error response, which the library reads without integrity.
fn id_of(request: &[u8]) -> str0m::ice::TransId {
    let mut failure = request.to_vec();
    failure[..2].copy_from_slice(&[0x01, 0x11]);
    StunMessage::parse(&failure).unwrap().trans_id()
}

#[test]
fn what_stun_servers_see_is_told_to_nodes_and_clients() {
    let seen: SocketAddr = "203.0.113.9:4567".parse().unwrap();
    let server = Server::seeing(seen);
    let by_name = format!("localhost:{}", server.address.port());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let mut node = Node::silent().hello(Greeting {
        stun_servers: &[&silent, &by_name],
        ..Greeting::default()
    });
    let mut attempts = 0;
    let end = std::time::Instant::now() + PATIENCE;
    let candidates = loop {
        attempts += 1;
        let peer = format!("link{attempts}");
        let opened = node.ask(|id| Command::OpenLink {
            peer: peer.clone(),
            controlling: true,
            lane: 0,
            beside: String::new(),
            id,
        });
        let Message::LinkOpened { candidates, .. } = opened else {
            panic!("{opened:?}");
        };
        if candidates.len() > 1 {
            break candidates;
        }
        assert!(std::time::Instant::now() < end, "no server was heard");
        thread::sleep(Duration::from_millis(5));
    };
    let host = format!("host 127.0.0.1 {}", node.address.port());
    assert_eq!(candidates, [host, "srflx 203.0.113.9 4567".to_owned()]);
    // A client is told too, and its call goes on by whichever address works.
    let mut ann = Client::new("ann");
    let (sdp, mids) = ann.offer(&[Video]);
    let Message::Described { sdp, .. } = node.publish_sdp("ann", sdp, &mids, &["ann_video"]) else {
        panic!("refused");
    };
    assert!(sdp.contains("203.0.113.9 4567 typ host"), "{sdp}");
    ann.take_answer(&sdp);
    let mut ben = Client::new("ben");
    node.subscribe(&mut ben, &VIDEO);
    flows(&mut ann, &mut ben);
}

#[test]
fn a_server_that_is_none_is_refused_by_name() {
    let mut node = Node::silent();
    let refused = node.refused(|id| Command::Hello {
        protocol: starling_sfu::control::messages::ENGINE_PROTOCOL,
        media_address: "127.0.0.1".into(),
        media_port: 0,
        advertised: Vec::new(),
        workers: 1,
        stun_servers: vec!["stun.example.net".into()],
        tcp: false,
        id,
    });
    assert_eq!(refused, "stun_server_invalid");
}
