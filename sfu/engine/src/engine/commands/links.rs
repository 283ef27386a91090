//! Links and their legs: what is agreed with other nodes.

use std::time::Instant;

use super::Answer;
use crate::control::messages::{MediaKind, Message, PeerKind};
use crate::engine::links::link::{Introduction, Link};
use crate::engine::links::link_streams;
use crate::engine::network::lane::MAX_LANE;
use crate::engine::peers::drained;
use crate::engine::peers::peer::Role;
use crate::engine::refusal::Refusal;
use crate::engine::rooms::Leg;
use crate::engine::router::{PeerKey, Sink, Source};
use crate::engine::worker::Worker;

/// SHA-256.
const FINGERPRINT_BYTES: usize = 32;

impl Worker {
    pub(super) fn open_link(
        &mut self,
        name: &str,
        controlling: bool,
        (lane, beside): (u8, String),
        id: u64,
        now: Instant,
    ) -> Answer {
        if lane > MAX_LANE {
            return Err(Refusal::new(
                "lane_invalid",
                format!("A link has a lane of at most {MAX_LANE}."),
            ));
        }
        if self.names.contains_key(name) {
            return Err(Refusal::new(
                "peer_exists",
                format!("Peer {name:?} is open already; close it first."),
            ));
        }
        let mut drained = self.build(now, link_streams::build)?;
        drained.take_lane(lane);
        let mut sink = drained::Sink {
            batch: &mut self.batch,
            events: &mut self.events,
            addresses: &self.addresses,
        };
        let (mut link, introduction) = Link::open(&mut drained, now, &mut sink, controlling)
            .map_err(|broken| Refusal::new("link_broken", format!("{}.", broken.reason())))?;
        link.beside = beside;
        let key = self.insert(name, drained, Role::Link(Box::new(link)), now);
        if self.peers.contains(key) {
            self.links.push(key);
        }
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
                .map(|at| ("host", *at))
                .chain(self.addresses.reflexive().map(|at| ("srflx", at)))
                .map(|(kind, at)| format!("{kind} {} {}", at.ip(), at.port()))
                .collect(),
            id,
        })
    }

    pub(super) fn connect_link(
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

    pub(super) fn send_link(&mut self, name: &str, data: &[u8], id: u64, now: Instant) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        self.with(key, |peer, sink, _, _| match &peer.role {
            Role::Link(link) => link.send(&mut peer.drained, now, sink, data),
            _ => Ok(Ok(())),
        })
        .unwrap_or_else(|| Err(Refusal::peer_unknown(name)))?;
        self.settle(key, now);
        Ok(Message::Done { id })
    }

    pub(super) fn span_room(&mut self, name: &str, room: &str, spans: bool, id: u64) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        let before = self
            .link(key)
            .and_then(|link| spans.then(|| link.beside.clone()));
        let before = before.and_then(|before| self.names.get(&before).copied());
        self.rooms.span(key, room, spans)?;
        if let Some(before) = before {
            // No message goes by both, and none by neither.
            self.rooms.span(before, room, false)?;
        }
        Ok(Message::Done { id })
    }

    pub(super) fn open_leg_out(
        &mut self,
        name: &str,
        leg: u32,
        track: &str,
        room: &str,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        self.link(key).map_or(Ok(()), |link| link.admits_out(leg))?;
        self.router.admits([track])?;
        self.rooms.open_leg(of_room(key, leg, true), room)?;
        let track = self.router.attach(track, leg_sink(key, leg));
        let before = self
            .link(key)
            .and_then(|link| link.open_leg_out(leg, track));
        if let Some(before) = before {
            self.router.detach(before, leg_sink(key, leg));
        }
        self.ask_all_keyframes(track, now);
        Ok(Message::Done { id })
    }

    pub(super) fn close_leg_out(&mut self, name: &str, leg: u32, id: u64) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        if let Some(track) = self.link(key).and_then(|link| link.close_leg_out(leg)) {
            self.router.detach(track, leg_sink(key, leg));
        }
        self.rooms.close_leg(of_room(key, leg, true));
        Ok(Message::Done { id })
    }

    pub(super) fn open_leg_in(
        &mut self,
        name: &str,
        leg: u32,
        (track, kind): (&str, MediaKind),
        room: &str,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        self.link(key).map_or(Ok(()), |link| link.admits_in(leg))?;
        self.router.admits([track])?;
        let room = self.rooms.open_leg(of_room(key, leg, false), room)?;
        let source = Source::Leg { peer: key, leg };
        let track = self.router.start(track, kind, source);
        self.rooms.place(track, room, key);
        let before = self.link(key).and_then(|link| link.open_leg_in(leg, track));
        if let Some(before) = before {
            self.end_source(before, source);
        }
        if self
            .router
            .get(track)
            .is_some_and(|track| !track.sinks.is_empty())
        {
            self.ask_all_keyframes(track, now);
        }
        Ok(Message::Done { id })
    }

    pub(super) fn close_leg_in(&mut self, name: &str, leg: u32, id: u64) -> Answer {
        let key = self.need(name, PeerKind::Link)?;
        if let Some(track) = self.link(key).and_then(|link| link.close_leg_in(leg)) {
            self.end_source(track, Source::Leg { peer: key, leg });
        }
        self.rooms.close_leg(of_room(key, leg, false));
        Ok(Message::Done { id })
    }

    fn link(&mut self, key: PeerKey) -> Option<&mut Link> {
        match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Link(link)) => Some(link),
            _ => None,
        }
    }
}

fn of_room(link: PeerKey, number: u32, outgoing: bool) -> Leg {
    Leg {
        link,
        number,
        outgoing,
    }
}

fn leg_sink(peer: PeerKey, leg: u32) -> Sink {
    Sink {
        peer,
        slot: leg,
        leg: true,
    }
}
