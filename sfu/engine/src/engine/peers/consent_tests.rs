//! Tests of what happens when a client goes silent, by a clock that is made up: nothing but STUN is
//! sent once its consent is gone, and in the end its peer is.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::media::{Direction, MediaKind as RtcKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use super::drained::{Drained, Sink};
use super::peer::{CONNECT_TIMEOUT, GONE_TIMEOUT, Peer, Role};
use super::publisher::{Publisher, browser_config};
use crate::control::messages::State;
use crate::engine::counters::Counters;
use crate::engine::network::address::Addresses;
use crate::engine::network::batch::Batch;
use crate::engine::network::socket::Incoming;

/// str0m takes this long to miss checks (measured); a browser's own patience is 15 to 30 s.
const LONGEST_TO_NOTICE: Duration = Duration::from_secs(35);

const STEP: Duration = Duration::from_millis(10);

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A client and the engine's end of it, and no network between them.
struct Stage {
    now: Instant,
    client: Rtc,
    peer: Peer,
    addresses: Addresses,
    /// The client is gone: it neither sends nor hears.
    gone: bool,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let mut client = Rtc::builder().set_rtp_mode(true).build(now);
        client.add_local_candidate(Candidate::host(at(1), "udp").unwrap());
        let mut api = client.sdp_api();
        api.add_media(RtcKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        let offer = SdpOffer::from_sdp_string(&offer.to_sdp_string()).unwrap();
        let mut rtc = browser_config().build(now);
        rtc.add_local_candidate(Candidate::host(at(2), "udp").unwrap());
        let answer = rtc.sdp_api().accept_offer(offer).unwrap();
        client.sdp_api().accept_answer(pending, answer).unwrap();
        let role = Role::Publisher(Publisher::default());
        Self {
            now,
            client,
            peer: Peer::new(
                "ann".into(),
                Drained::build(now, |_| rtc).unwrap(),
                role,
                now,
            ),
            addresses: Addresses::default(),
            gone: false,
        }
    }

    /// Let one step pass; returns what the engine sent.
    fn step(&mut self) -> Vec<Vec<u8>> {
        self.now += STEP;
        let to_engine = if self.gone {
            VecDeque::new()
        } else {
            self.client.handle_input(Input::Timeout(self.now)).unwrap();
            self.drain_client()
        };
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        let mut sink = Sink {
            batch: &mut batch,
            events: &mut events,
            addresses: &self.addresses,
        };
        for bytes in &to_engine {
            let incoming = Incoming {
                protocol: Protocol::Udp,
                source: at(1),
                destination: at(2),
                local: None,
                bytes,
            };
            let mut counters = Counters::default();
            let peer = &mut self.peer;
            peer.receive(self.now, &incoming, &mut sink, &mut counters)
                .unwrap();
        }
        self.peer.drained.elapse(self.now, &mut sink).unwrap();
        for event in events {
            match event {
                Event::IceConnectionStateChange(state) => self.peer.on_ice(state, self.now),
                Event::Connected => drop(self.peer.reach(State::Connected, self.now)),
                _ => {}
            }
        }
        let sent = datagrams(&mut batch);
        for bytes in &sent {
            if !self.gone {
                let received = Receive::new(Protocol::Udp, at(2), at(1), bytes).unwrap();
                self.client
                    .handle_input(Input::Receive(self.now, received))
                    .unwrap();
                self.drain_client();
            }
        }
        sent
    }

    fn drain_client(&mut self) -> VecDeque<Vec<u8>> {
        let mut sent = VecDeque::new();
        loop {
            match self.client.poll_output().unwrap() {
                Output::Timeout(_) => return sent,
                Output::Transmit(transmit) => sent.push_back(transmit.contents.to_vec()),
                Output::Event(_) => {}
            }
        }
    }

    /// Datagrams but STUN that leave when the engine closes its end.
    fn said_when_closed(&mut self) -> usize {
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        let mut sink = Sink {
            batch: &mut batch,
            events: &mut events,
            addresses: &self.addresses,
        };
        let drained = &mut self.peer.drained;
        let closing = drained.change(self.now, &mut sink, |rtc| rtc.close().is_ok());
        assert_eq!(closing, Ok(true));
        let sent = datagrams(&mut batch);
        sent.iter().filter(|bytes| !is_stun(bytes)).count()
    }

    fn until(&mut self, longest: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + longest;
        while !done(self) {
            assert!(self.now < end, "not within {longest:?}");
            self.step();
        }
    }
}

fn datagrams(batch: &mut Batch) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    batch.each_run(|run, bytes| sent.extend(bytes.chunks(run.segment).map(<[u8]>::to_vec)));
    sent
}

fn is_stun(bytes: &[u8]) -> bool {
    bytes[0] < 4
}

#[test]
fn without_consent_nothing_but_stun_leaves_and_in_the_end_the_peer_does() {
    let mut stage = Stage::new();
    stage.until(Duration::from_secs(5), |stage| stage.peer.drained.flows());
    assert_eq!(stage.peer.overdue(stage.now), None);
    stage.gone = true;
    stage.until(LONGEST_TO_NOTICE, |stage| !stage.peer.drained.flows());
    let lost = stage.now;
    for _ in 0..200 {
        assert!(stage.step().iter().all(|bytes| is_stun(bytes)));
    }
    // str0m would go on: what it says when it is told to close stays with us.
    assert_eq!(stage.said_when_closed(), 0);
    let end = lost + GONE_TIMEOUT;
    assert!(stage.peer.deadline() <= end);
    assert_eq!(stage.peer.overdue(end - Duration::from_millis(1)), None);
    assert_eq!(stage.peer.overdue(end), Some("ice_disconnected"));
}

#[test]
fn who_comes_back_in_time_goes_on() {
    let mut stage = Stage::new();
    stage.until(Duration::from_secs(5), |stage| stage.peer.drained.flows());
    stage.gone = true;
    stage.until(LONGEST_TO_NOTICE, |stage| !stage.peer.drained.flows());
    assert!(stage.peer.gone_by.is_some());
    stage.gone = false;
    stage.until(GONE_TIMEOUT, |stage| stage.peer.drained.flows());
    assert_eq!(stage.peer.gone_by, None);
    assert!(stage.said_when_closed() > 0);
}

#[test]
fn who_never_connects_is_closed_in_time() {
    let mut stage = Stage::new();
    stage.gone = true;
    let end = stage.now + CONNECT_TIMEOUT;
    stage.peer.connect_by = Some(end);
    stage.step();
    // Before the first connection there is no consent to lose.
    stage
        .peer
        .on_ice(IceConnectionState::Disconnected, stage.now);
    assert_eq!(stage.peer.gone_by, None);
    assert_eq!(stage.peer.overdue(end - Duration::from_millis(1)), None);
    assert_eq!(stage.peer.overdue(end), Some("connect_timeout"));
}
