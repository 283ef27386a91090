//! What the node asks for, one method a command.

use std::collections::BTreeMap;
use std::time::Instant;

use super::drained::Drained;
use super::link::{self, Introduction, Link};
use super::peer::{CONNECT_TIMEOUT, Peer, Role};
use super::publisher::{self, OfferedTrack, Publisher};
use super::refusal::Refusal;
use super::router::{PeerKey, Sink as TrackSink, Source};
use super::sdp::{is_usable, strip_candidates};
use super::socket::MediaSocket;
use super::statistics;
use super::subscriber::{MAX_TRACKS, Subscriber};
use super::worker::{Asking, Worker};
use crate::control::messages::{
    Command, ENGINE_PROTOCOL, MediaKind, Message, PeerKind, State, WantedTrack,
};
use crate::control::outgoing::Importance;

/// SHA-256.
const FINGERPRINT_BYTES: usize = 32;

type Answer = Result<Message, Refusal>;

impl Worker {
    /// Obey and reply.
    pub(super) fn answer(&mut self, asking: Asking, now: Instant) {
        let (id, answer) = match asking {
            Asking::Command(command) => (command.id(), self.carry_out(command, now)),
            Asking::Garbled { id, why } => (
                id,
                Err(Refusal::new(
                    "command_invalid",
                    format!("The command was not understood: {why}."),
                )),
            ),
        };
        let reply = answer.unwrap_or_else(|refusal| Message::Failed {
            code: refusal.code.to_owned(),
            message: refusal.message,
            id,
        });
        self.tell(&reply, Importance::Needed);
        self.speak_after(now);
    }

    fn carry_out(&mut self, command: Command, now: Instant) -> Answer {
        if self.socket.is_none() && !matches!(command, Command::Hello { .. }) {
            return Err(Refusal::new(
                "hello_missing",
                "The first command is hello; it binds the media socket.",
            ));
        }
        match command {
            Command::Hello {
                protocol,
                media_address,
                media_port,
                advertised,
                id,
            } => self.hello(protocol, &media_address, media_port, &advertised, id),
            Command::Publish {
                peer,
                sdp,
                tracks,
                id,
            } => self.publish(&peer, &sdp, &tracks, id, now),
            Command::Subscribe { peer, tracks, id } => self.subscribe(&peer, tracks, id, now),
            Command::Answered {
                peer,
                generation,
                sdp,
                id,
            } => self.answered(&peer, generation, &sdp, id, now),
            Command::AddCandidate {
                peer,
                candidate,
                id,
            } => self.add_candidate(&peer, &candidate, id),
            Command::ClosePeer { peer, id } => {
                if let Some(key) = self.names.get(&peer) {
                    self.close(*key, None);
                }
                Ok(Message::Done { id })
            }
            Command::OpenLink {
                peer,
                controlling,
                id,
            } => self.open_link(&peer, controlling, id, now),
            Command::ConnectLink {
                peer,
                ufrag,
                password,
                fingerprint,
                candidates,
                id,
            } => {
                let other = Introduction {
                    ufrag,
                    password,
                    fingerprint,
                };
                self.connect_link(&peer, &other, &candidates, id, now)
            }
            Command::SendLink { peer, data, id } => self.send_link(&peer, &data, id, now),
            Command::OpenLegOut {
                peer,
                leg,
                track,
                id,
            } => self.open_leg_out(&peer, leg, &track, id, now),
            Command::CloseLegOut { peer, leg, id } => self.close_leg_out(&peer, leg, id),
            Command::OpenLegIn {
                peer,
                leg,
                track,
                kind,
                id,
            } => self.open_leg_in(&peer, leg, &track, kind, id, now),
            Command::CloseLegIn { peer, leg, id } => self.close_leg_in(&peer, leg, id),
            Command::GetStatistics { id } => Ok(statistics::read(self, id, now)),
        }
    }

    fn hello(
        &mut self,
        protocol: u64,
        address: &str,
        port: u16,
        advertised: &[String],
        id: u64,
    ) -> Answer {
        if protocol != ENGINE_PROTOCOL {
            return Err(Refusal::new(
                "protocol_unsupported",
                format!(
                    "The node speaks protocol {protocol}, this engine {ENGINE_PROTOCOL}; install \
                     both from one build."
                ),
            ));
        }
        if self.socket.is_some() {
            return Err(Refusal::new(
                "hello_repeated",
                "The media socket is bound already.",
            ));
        }
        let socket = MediaSocket::bind(address, port, advertised)
            .map_err(|error| Refusal::new(error.code, error.message))?;
        let bound = socket.bound();
        self.take_socket(socket).map_err(|error| {
            Refusal::new(
                "media_bind_failed",
                format!("Polling the media socket failed: {error}."),
            )
        })?;
        Ok(Message::Ready {
            protocol: ENGINE_PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            addresses: vec![bound.to_string()],
            id,
        })
    }

    fn publish(
        &mut self,
        name: &str,
        sdp: &str,
        tracks: &BTreeMap<String, String>,
        id: u64,
        now: Instant,
    ) -> Answer {
        let known = self.find(name, PeerKind::Publisher)?;
        let key = known.unwrap_or_else(|| {
            let rtc = publisher::browser_config().build(now);
            self.open(name, rtc, Role::Publisher(Publisher::default()), now)
        });
        let offer = strip_candidates(sdp);
        self.counters.add("candidates_ignored", offer.unusable);
        let accepted = self
            .with(key, |peer, sink, _, _| {
                publisher::accept(&mut peer.drained, now, sink, &offer, tracks)
            })
            .unwrap_or_else(|| Err(Refusal::new("sdp_invalid", "The SDP broke the peer.")));
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                if known.is_none() {
                    self.close(key, None);
                }
                return Err(refusal);
            }
        };
        self.set_published(key, accepted.tracks);
        self.expect_checks(key);
        if known.is_none() {
            self.connect_within(key, now);
        }
        self.settle(key, now);
        Ok(Message::Described {
            sdp: accepted.answer,
            id,
        })
    }

    fn set_published(&mut self, key: PeerKey, tracks: Vec<OfferedTrack>) {
        let tracks = tracks
            .into_iter()
            .map(|OfferedTrack { mid, track, kind }| {
                let source = Source::Publisher { peer: key, mid };
                (mid, self.router.start(&track, kind, source))
            })
            .collect();
        let gone = match self.peers.get_mut(key) {
            Some(Peer {
                role: Role::Publisher(publisher),
                drained,
                ..
            }) => publisher.set_tracks(drained, tracks),
            _ => Vec::new(),
        };
        for (mid, track) in gone {
            self.router.end(track, Source::Publisher { peer: key, mid });
        }
    }

    fn subscribe(&mut self, name: &str, tracks: Vec<WantedTrack>, id: u64, now: Instant) -> Answer {
        if tracks.len() > MAX_TRACKS {
            return Err(Refusal::new(
                "too_many_tracks",
                format!("{} tracks where {MAX_TRACKS} fit an offer.", tracks.len()),
            ));
        }
        let known = self.find(name, PeerKind::Subscriber)?;
        let key = known.unwrap_or_else(|| {
            let rtc = publisher::browser_config().build(now);
            self.open(name, rtc, Role::Subscriber(Subscriber::default()), now)
        });
        if let Some(subscriber) = self.subscriber(key) {
            for (slot, track) in subscriber.want(tracks) {
                self.router.detach(track, line(key, slot));
            }
        }
        self.begin_lines(key, now);
        self.to_offer.push(key);
        Ok(Message::Done { id })
    }

    fn answered(
        &mut self,
        name: &str,
        generation: u64,
        sdp: &str,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Subscriber)?;
        self.with(key, |peer, sink, counters, _| match &mut peer.role {
            Role::Subscriber(subscriber) => {
                subscriber.answer(&mut peer.drained, now, sink, generation, sdp, counters)
            }
            _ => Ok(Ok(())),
        })
        .unwrap_or_else(|| {
            Err(Refusal::new(
                "sdp_invalid",
                "The answer does not fit its offer; the peer was closed.",
            ))
        })?;
        self.begin_lines(key, now);
        self.to_offer.push(key);
        self.settle(key, now);
        Ok(Message::Done { id })
    }

    /// Attach the lines that the client agreed to, and get whole pictures for them.
    fn begin_lines(&mut self, key: PeerKey, now: Instant) {
        let beginning = self
            .subscriber(key)
            .map(|subscriber| subscriber.beginning())
            .unwrap_or_default();
        for begins in beginning {
            let track = self.router.attach(&begins.track, line(key, begins.slot));
            if let Some(subscriber) = self.subscriber(key) {
                subscriber.set_live(begins.slot, track);
            }
            if self.peers[key].state == State::Connected {
                self.ask_keyframe(track, now);
            }
        }
    }

    /// After a reply: the offers that its command led to.
    fn speak_after(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.to_offer) {
            let offer = self
                .with(key, |peer, sink, _, _| match &mut peer.role {
                    Role::Subscriber(subscriber) => subscriber.offer(&mut peer.drained, now, sink),
                    _ => Ok(None),
                })
                .flatten();
            let Some(offer) = offer else {
                continue;
            };
            if offer.generation == 1 {
                self.expect_checks(key);
                self.connect_within(key, now);
            }
            let Some(peer) = self.peers.get(key) else {
                continue;
            };
            let message = Message::Offered {
                peer: peer.name.clone(),
                generation: offer.generation,
                sdp: offer.sdp,
                tracks: offer.tracks,
            };
            self.tell(&message, Importance::Needed);
            self.settle(key, now);
        }
    }

    fn add_candidate(&mut self, name: &str, candidate: &str, id: u64) -> Answer {
        if !self.names.contains_key(name) {
            return Err(Refusal::peer_unknown(name));
        }
        // Browsers check us, we never check them (ICE-lite): their candidates are only judged.
        if !is_usable(candidate) {
            self.counters.count("candidates_ignored");
        }
        Ok(Message::Done { id })
    }

    fn open_link(&mut self, name: &str, controlling: bool, id: u64, now: Instant) -> Answer {
        if self.names.contains_key(name) {
            return Err(Refusal::new(
                "peer_exists",
                format!("Peer {name:?} is open already; close it first."),
            ));
        }
        let mut drained = Drained::new(link::build(now), now);
        let mut sink = super::drained::Sink {
            batch: &mut self.batch,
            events: &mut self.events,
            addresses: &self.addresses,
        };
        let (link, introduction) = Link::open(&mut drained, now, &mut sink, controlling)
            .map_err(|broken| Refusal::new("link_broken", format!("{}.", broken.reason())))?;
        let key = self.insert(name, drained, Role::Link(Box::new(link)), now);
        self.links.push(key);
        self.expect_checks(key);
        self.connect_within(key, now);
        self.settle(key, now);
        Ok(Message::LinkOpened {
            ufrag: introduction.ufrag,
            password: introduction.password,
            fingerprint: introduction.fingerprint,
            candidates: self
                .addresses
                .candidates()
                .iter()
                .map(|address| format!("host {} {}", address.ip(), address.port()))
                .collect(),
            id,
        })
    }

    fn connect_link(
        &mut self,
        name: &str,
        other: &Introduction,
        candidates: &[String],
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        if other.fingerprint.len() != FINGERPRINT_BYTES {
            return Err(Refusal::new(
                "fingerprint_invalid",
                "A link's fingerprint is the 32 bytes of a SHA-256.",
            ));
        }
        self.with(key, |peer, sink, counters, _| match &mut peer.role {
            Role::Link(link) => {
                link.connect(&mut peer.drained, now, sink, other, candidates, counters)
            }
            _ => Ok(()),
        })
        .ok_or_else(|| Refusal::new("link_broken", "The link could not be started."))?;
        self.connect_within(key, now);
        self.settle(key, now);
        Ok(Message::Done { id })
    }

    fn send_link(&mut self, name: &str, data: &[u8], id: u64, now: Instant) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        self.with(key, |peer, sink, _, _| match &peer.role {
            Role::Link(link) => link.send(&mut peer.drained, now, sink, data),
            _ => Ok(Ok(())),
        })
        .unwrap_or_else(|| Err(Refusal::peer_unknown(name)))?;
        self.settle(key, now);
        Ok(Message::Done { id })
    }

    fn open_leg_out(&mut self, name: &str, leg: u32, track: &str, id: u64, now: Instant) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        let track = self.router.attach(track, leg_sink(key, leg));
        let before = self
            .link(key)
            .and_then(|link| link.open_leg_out(leg, track));
        if let Some(before) = before {
            self.router.detach(before, leg_sink(key, leg));
        }
        self.ask_keyframe(track, now);
        Ok(Message::Done { id })
    }

    fn close_leg_out(&mut self, name: &str, leg: u32, id: u64) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        if let Some(track) = self.link(key).and_then(|link| link.close_leg_out(leg)) {
            self.router.detach(track, leg_sink(key, leg));
        }
        Ok(Message::Done { id })
    }

    fn open_leg_in(
        &mut self,
        name: &str,
        leg: u32,
        track: &str,
        kind: MediaKind,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        let source = Source::Leg { peer: key, leg };
        let track = self.router.start(track, kind, source);
        let mut runs = self.runs;
        let before = self
            .link(key)
            .and_then(|link| link.open_leg_in(leg, track, &mut runs));
        self.runs = runs;
        if let Some(before) = before {
            self.router.end(before, source);
        }
        if self
            .router
            .get(track)
            .is_some_and(|track| !track.sinks.is_empty())
        {
            self.ask_keyframe(track, now);
        }
        Ok(Message::Done { id })
    }

    fn close_leg_in(&mut self, name: &str, leg: u32, id: u64) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        if let Some(track) = self.link(key).and_then(|link| link.close_leg_in(leg)) {
            self.router.end(track, Source::Leg { peer: key, leg });
        }
        Ok(Message::Done { id })
    }

    /// The peer of that name, if there is one; another kind of peer is refused.
    fn find(&self, name: &str, kind: PeerKind) -> Result<Option<PeerKey>, Refusal> {
        let Some(key) = self.names.get(name).copied() else {
            return Ok(None);
        };
        if self.peers[key].role.kind() == kind {
            Ok(Some(key))
        } else {
            let wanted = match kind {
                PeerKind::Publisher => "publisher",
                PeerKind::Subscriber => "subscriber",
                PeerKind::Link => "link",
            };
            Err(Refusal::peer_kind(name, wanted))
        }
    }

    fn need(&self, name: &str, kind: PeerKind) -> Result<PeerKey, Refusal> {
        self.find(name, kind)?
            .ok_or_else(|| Refusal::peer_unknown(name))
    }

    fn subscriber(&mut self, key: PeerKey) -> Option<&mut Subscriber> {
        match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Subscriber(subscriber)) => Some(subscriber),
            _ => None,
        }
    }

    fn link(&mut self, key: PeerKey) -> Option<&mut Link> {
        match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Link(link)) => Some(link),
            _ => None,
        }
    }

    fn open(&mut self, name: &str, rtc: str0m::Rtc, role: Role, now: Instant) -> PeerKey {
        self.insert(name, Drained::new(rtc, now), role, now)
    }

    fn insert(&mut self, name: &str, drained: Drained, role: Role, now: Instant) -> PeerKey {
        let key = self.peers.insert(Peer::new(name.to_owned(), drained, role));
        self.names.insert(name.to_owned(), key);
        let candidates = self.addresses.candidates().to_vec();
        self.with(key, |peer, sink, _, _| {
            peer.drained.change(now, sink, |rtc| {
                for address in candidates {
                    if let Ok(candidate) = str0m::Candidate::host(address, "udp") {
                        rtc.add_local_candidate(candidate);
                    }
                }
            })
        });
        key
    }

    /// Let checks with the peer's user fragment find it; a restart of ICE gives it a new one.
    fn expect_checks(&mut self, key: PeerKey) {
        let fragment = self.with(key, |peer, sink, _, _| {
            peer.drained.change(Instant::now(), sink, |rtc| {
                rtc.direct_api().local_ice_credentials().ufrag
            })
        });
        if let Some(fragment) = fragment
            && let Some(peer) = self.peers.get_mut(key)
            && peer.fragment != fragment
        {
            peer.fragment.clone_from(&fragment);
            self.demux.expect(fragment, key);
        }
    }

    fn connect_within(&mut self, key: PeerKey, now: Instant) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.state == State::Connecting
        {
            peer.connect_by = Some(now + CONNECT_TIMEOUT);
        }
    }
}

fn line(peer: PeerKey, slot: u32) -> TrackSink {
    TrackSink {
        peer,
        slot,
        leg: false,
    }
}

fn leg_sink(peer: PeerKey, leg: u32) -> TrackSink {
    TrackSink {
        peer,
        slot: leg,
        leg: true,
    }
}
