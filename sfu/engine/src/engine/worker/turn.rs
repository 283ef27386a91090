//! The receiving half of a turn: datagrams to peers, deadlines to peers, and what peers say of it.

use std::time::Instant;

use str0m::Event;
use str0m::bwe::BweKind;
use str0m::channel::ChannelData;
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{RawPacket, RtpPacket};

use super::Worker;
use super::timers::Timer;
use crate::control::messages::{Message, State};
use crate::control::outgoing::Importance;
use crate::engine::egress::way::Way;
use crate::engine::links::link::Heard;
use crate::engine::links::link_health::HealthEffect;
use crate::engine::links::link_signal::LinkSignal;
use crate::engine::media::packet::RTP_HEADER_BYTES;
use crate::engine::network::demux::{MAX_DATAGRAM_BYTES, Shape};
use crate::engine::network::lane::{self, Origin};
use crate::engine::network::socket::Incoming;
use crate::engine::peers::drained::{Broken, Drained, Sink, Taken};
use crate::engine::peers::peer::{Role, is_rtp};
use crate::engine::peers::publisher::Arrival;
use crate::engine::router::{PeerKey, Source};

/// Receive batches between two looks at timers and commands: 32 datagrams each, 2 ms of work.
const MAX_BATCHES_PER_TURN: usize = 16;

/// Packets that wait to be forwarded before reading pauses: 32 full `UDP_GRO` buffers bring 1400.
const MAX_PENDING_PACKETS: usize = 2048;

/// Timers served before datagrams get their turn again.
const MAX_TIMERS_PER_TURN: usize = 1024;

impl Worker {
    /// Read what came in, up to a bound.
    pub(in crate::engine) fn receive(&mut self, now: Instant) {
        let Some(mut socket) = self.socket.take() else {
            return;
        };
        for _ in 0..MAX_BATCHES_PER_TURN {
            if !self.readable || self.pending.len() >= MAX_PENDING_PACKETS {
                break;
            }
            let mut count = 0;
            self.readable = socket.receive(|incoming| {
                count += 1;
                self.on_datagram(&incoming, now);
            });
            self.counters.add("datagrams_in", count);
        }
        self.socket = Some(socket);
    }

    /// Wake who is due.
    pub(in crate::engine) fn wake(&mut self, now: Instant) {
        for _ in 0..MAX_TIMERS_PER_TURN {
            match self.timers.pop(now) {
                Some(Timer::Peer(key)) => self.wake_peer(key, now),
                Some(Timer::Keyframe(track, encoding)) => {
                    self.wake_keyframe(track, encoding, now);
                }
                Some(Timer::Allocation(key)) => self.allocate(key, now),
                Some(Timer::Demand(track)) => self.tend_demand(track, now),
                Some(Timer::Room(room)) => self.tend_room(room, now),
                Some(Timer::Stun) => self.tend_stun(now),
                Some(Timer::Connection(connection)) => self.wake_connection(connection, now),
                Some(Timer::Accept) => {}
                None => return,
            }
        }
    }

    /// Attend to everything that the last change of a peer led to.
    pub(in crate::engine) fn settle(&mut self, key: PeerKey, now: Instant) {
        while !self.events.is_empty() {
            let mut events = std::mem::take(&mut self.events);
            for event in events.drain(..) {
                self.on_event(key, event, now);
            }
            if self.events.is_empty() {
                // Keep the memory for the next ones.
                self.events = events;
            }
        }
        self.schedule(key);
    }

    fn on_datagram(&mut self, incoming: &Incoming<'_>, now: Instant) {
        if incoming.bytes.len() > MAX_DATAGRAM_BYTES {
            self.counters.count("datagrams_too_large");
            return;
        }
        let (lane, bytes) = lane::split(incoming.bytes);
        let (incoming, origin) = (&Incoming { bytes, ..*incoming }, (incoming.source, lane));
        match Shape::of(incoming.bytes) {
            Shape::Check(fragment) => match self.demux.by_fragment(fragment) {
                Some(key) if self.is_in(key, lane) => {
                    self.hand_over(key, incoming, origin, true, now);
                }
                _ => self.counters.count("checks_unknown"),
            },
            Shape::Question if lane == 0 => self.answer_stun(incoming, now),
            Shape::Stun if self.take_stun(incoming.source, incoming.bytes, now) => {}
            Shape::Stun => match self.demux.by_address(origin) {
                Some(key) => self.hand_over(key, incoming, origin, true, now),
                // The answer to a check of ours, from an address that did not check us yet.
                None => self.offer_to_links(incoming, origin, now),
            },
            Shape::Media => match self.demux.by_address(origin) {
                Some(key) => self.hand_over(key, incoming, origin, false, now),
                None => self.counters.count("datagrams_unknown"),
            },
            Shape::Question | Shape::Garbage => self.counters.count("datagrams_garbage"),
        }
    }

    fn is_in(&self, key: PeerKey, lane: u8) -> bool {
        let peer = self.peers.get(key);
        peer.is_some_and(|peer| peer.drained.lane() == lane)
    }

    fn offer_to_links(&mut self, incoming: &Incoming<'_>, origin: Origin, now: Instant) {
        for key in self.links.clone() {
            if self.is_in(key, origin.1)
                && self.take_datagram(key, incoming, now) == Some(Taken::Yes)
            {
                self.demux.learn(origin, key, now);
                return;
            }
        }
        self.counters.count("datagrams_unknown");
    }

    fn hand_over(
        &mut self,
        key: PeerKey,
        incoming: &Incoming<'_>,
        origin: Origin,
        proves: bool,
        now: Instant,
    ) {
        if proves && !self.demux.may_prove(origin, key, now) {
            self.counters.count("checks_refused");
            return;
        }
        if is_rtp(incoming.bytes) && self.linked(key).is_some() {
            self.take_link_packet(key, incoming.bytes, now);
            return;
        }
        match self.take_datagram(key, incoming, now) {
            // str0m took it, so its integrity was right: the sender knows the password.
            Some(Taken::Yes) if proves => self.demux.learn(origin, key, now),
            Some(Taken::No) => self.counters.count("datagrams_refused"),
            Some(Taken::Unopened) => self.counters.count("packets_unopened"),
            _ => {}
        }
    }

    pub(in crate::engine) fn take_datagram(
        &mut self,
        key: PeerKey,
        incoming: &Incoming<'_>,
        now: Instant,
    ) -> Option<Taken> {
        let taken = self.with(key, |peer, sink, counters, _| {
            peer.receive(now, incoming, sink, counters)
        });
        self.settle(key, now);
        taken.filter(|_| self.peers.contains(key))
    }

    fn wake_peer(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        if let Some(reason) = peer.overdue(now) {
            self.close(key, Some(reason));
            return;
        }
        if peer.drained.deadline() <= now {
            self.with(key, |peer, sink, _, _| peer.drained.elapse(now, sink));
            // What is due besides may concern others, who are not to take these events for theirs.
            self.settle(key, now);
        }
        self.tend_health(key, now);
        self.tend_repair(key, now);
        self.tend_limit(key, now);
        self.tend_sender(key, now);
        self.settle(key, now);
    }

    fn tend_health(&mut self, key: PeerKey, now: Instant) {
        let effects = match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Link(link)) => link.health.as_mut().map(|health| health.elapse(now)),
            _ => None,
        };
        for effect in effects.into_iter().flatten() {
            self.on_health(key, effect, now);
        }
    }

    pub(super) fn on_health(&mut self, key: PeerKey, effect: HealthEffect, now: Instant) {
        match effect {
            HealthEffect::Send(keepalive) => {
                self.signal(key, &LinkSignal::Keepalive(keepalive), now);
                self.tell_sent(key, now);
                self.tend_silence(key, now);
            }
            HealthEffect::Report(health) => {
                if let Some(peer) = self.peers.get(key) {
                    let message = Message::LinkMeasured {
                        peer: peer.name.clone(),
                        rtt_ms: health.rtt_ms,
                        jitter_ms: health.jitter_ms,
                        loss: health.loss,
                    };
                    self.tell(&message, Importance::Droppable);
                }
            }
            HealthEffect::Suspect => self.set_state(key, State::Suspect),
            HealthEffect::Recovered => self.set_state(key, State::Connected),
        }
    }

    /// Note how far a peer got, and tell the node.
    fn set_state(&mut self, key: PeerKey, state: State) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if !peer.reach(state, Instant::now()) {
            return;
        }
        let message = Message::PeerState {
            peer: peer.name.clone(),
            state,
            reason: String::new(),
        };
        self.tell(&message, Importance::Needed);
    }

    fn on_event(&mut self, key: PeerKey, event: Event, now: Instant) {
        match event {
            Event::RtpPacket(packet) => self.on_packet(key, packet, now),
            Event::Connected => self.on_connected(key, now),
            Event::IceConnectionStateChange(state) => {
                if let Some(peer) = self.peers.get_mut(key) {
                    peer.on_ice(state, now);
                }
            }
            Event::KeyframeRequest(request) => {
                let track = self.peers.get_mut(key).and_then(|peer| match &peer.role {
                    Role::Subscriber(subscriber) => {
                        peer.measured.hear_keyframe_request(request.mid);
                        subscriber.track_on(request.mid)
                    }
                    _ => None,
                });
                if let Some((track, encoding)) = track {
                    self.ask_keyframe(track, encoding, now);
                }
            }
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.on_guess(key, estimate.as_u64(), now);
            }
            Event::RawPacket(packet) => {
                if let RawPacket::RtcpRx(report) = *packet {
                    self.on_report(key, report, now);
                }
            }
            Event::ChannelOpen(channel, label) => {
                let opened = match self.peers.get_mut(key).map(|peer| &mut peer.role) {
                    Some(Role::Link(link)) => link.channel_opened(channel, now),
                    _ => false,
                };
                if opened {
                    if let Some(peer) = self.peers.get_mut(key) {
                        peer.connect_by = None;
                    }
                    self.set_state(key, State::Connected);
                    self.tend_health(key, now);
                    self.ask_neighbours(now);
                }
                self.data_channel_opened(key, channel, &label, now);
            }
            Event::ChannelClose(channel) => self.data_channel_closed(key, channel),
            Event::ChannelData(data) => self.on_channel(key, data, now),
            Event::Closed => self.close(key, Some("remote_closed")),
            Event::PeerStats(_) | Event::MediaIngressStats(_) => {
                if let Some(peer) = self.peers.get_mut(key) {
                    peer.measured.note(&event);
                }
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let agreed = peer.drained.take_keys();
        match (&mut peer.role, agreed) {
            (Role::Subscriber(subscriber), Some(agreed)) => subscriber.sender.key(&agreed),
            (Role::Link(link), Some(agreed)) => {
                if !link.key(&agreed) {
                    self.close(key, Some(Broken::Failed.reason()));
                }
                // It is connected when its control channel is.
                return;
            }
            (Role::Link(_), None) => return,
            _ => {}
        }
        peer.connect_by = None;
        self.set_state(key, State::Connected);
        self.allocate(key, now);
    }

    /// A peer reports on what it gets.
    fn on_report(&mut self, key: PeerKey, report: Rtcp, now: Instant) {
        self.with(key, |peer, sink, counters, _| {
            let Some(mut way) = way_to(&peer.drained, sink, now) else {
                return Ok(());
            };
            match &mut peer.role {
                Role::Subscriber(subscriber) => {
                    subscriber.heard(report, &mut way, &mut peer.measured, counters);
                }
                // A link's two ends tell each other by signals.
                Role::Link(_) | Role::Publisher(_) => {}
            }
            Ok(())
        });
        self.on_estimate(key, now);
    }

    /// Let a subscriber have what is due of reports and probes.
    fn tend_sender(&mut self, key: PeerKey, now: Instant) {
        let is_due = match self.peers.get(key).map(|peer| &peer.role) {
            Some(Role::Subscriber(subscriber)) => {
                subscriber.sender.deadline().is_some_and(|at| at <= now)
            }
            _ => false,
        };
        if !is_due {
            return;
        }
        self.with(key, |peer, sink, _, _| {
            if let Role::Subscriber(subscriber) = &mut peer.role
                && let Some(mut way) = way_to(&peer.drained, sink, now)
            {
                subscriber.tend(&mut way);
            }
            Ok(())
        });
        self.on_estimate(key, now);
    }

    fn on_packet(&mut self, key: PeerKey, packet: RtpPacket, now: Instant) {
        let bytes = packet.payload.len() as u64 + RTP_HEADER_BYTES;
        let arrival = self.with(key, |peer, sink, counters, runs| {
            let Role::Publisher(publisher) = &mut peer.role else {
                return Ok(Arrival::Dropped);
            };
            peer.traffic.packets_in += 1;
            peer.traffic.bytes_in += bytes;
            publisher.take(&mut peer.drained, now, sink, packet, runs, counters)
        });
        match arrival {
            Some(Arrival::Media(track, mid, packet)) => {
                let source = Source::Publisher { peer: key, mid };
                self.ingest(track, source, packet, now);
            }
            Some(Arrival::TooManyPayloadTypes) => self.close(key, Some("too_many_payload_types")),
            Some(Arrival::Dropped) | None => {}
        }
    }

    fn on_channel(&mut self, key: PeerKey, data: ChannelData, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Role::Link(link) = &peer.role else {
            self.take_data(key, data.id, &data.data, now);
            return;
        };
        match link.hear(data.id, data.data) {
            Heard::Message(data) => {
                let message = Message::LinkMessage {
                    peer: peer.name.clone(),
                    data,
                };
                if !self.tell_of_link(&message) {
                    self.close(key, Some("node_slow"));
                }
            }
            Heard::Data(data) => self.take_crossed_data(&data, now),
            Heard::Nothing => {}
        }
    }
}

/// The way to a peer, while packets may take it.
pub(in crate::engine) fn way_to<'a>(
    drained: &Drained,
    sink: &'a mut Sink<'_>,
    now: Instant,
) -> Option<Way<'a>> {
    let path = drained.path().filter(|_| drained.flows())?;
    Some(Way::new(path, sink.batch, now))
}
