//! What the node asks for, one method a command.

use std::time::Instant;

use super::links::link::Introduction;
use super::peers::drained::Drained;
use super::peers::peer::{CONNECT_TIMEOUT, Peer, Role};
use super::refusal::Refusal;
use super::rooms::Policy;
use super::router::{PeerKey, Source, TrackKey};
use super::worker::Worker;
use crate::control::messages::{Command, Message, PeerKind, State};
use crate::control::outgoing::Importance;

mod browsers;
mod links;
mod rooms;

use browsers::Place;

pub(super) type Answer = Result<Message, Refusal>;

/// The reply that tells the outcome of command `id`.
pub(super) fn reply(id: u64, answer: Answer) -> Message {
    answer.unwrap_or_else(|refusal| Message::Failed {
        code: refusal.code.to_owned(),
        message: refusal.message,
        id,
    })
}

/// Stands for the reply to `id` that fits no frame.
pub(super) fn too_large(id: u64) -> Message {
    Message::Failed {
        code: "reply_too_large".to_owned(),
        message: "The reply is larger than a frame.".to_owned(),
        id,
    }
}

impl Worker {
    /// A track comes from `source` no more; where another source stays, the track stays in its room.
    fn end_source(&mut self, track: TrackKey, source: Source) {
        self.router.end(track, source);
        match self.router.get(track).and_then(|track| track.source) {
            Some(stays) => self.rooms.hand_over(track, source.peer(), stays.peer()),
            None => self.rooms.displace(track, source.peer()),
        }
    }

    /// Obey and reply, or leave the reply to another worker that does the same.
    pub(super) fn answer(&mut self, command: Command, quiet: bool, now: Instant) {
        let id = command.id();
        let reply = reply(id, self.carry_out(command, now));
        if !quiet && !self.tell(&reply, Importance::Needed) {
            self.tell(&too_large(id), Importance::Needed);
        }
    }

    fn carry_out(&mut self, command: Command, now: Instant) -> Answer {
        match command {
            Command::Publish {
                peer,
                sdp,
                tracks,
                room,
                sender,
                id,
            } => {
                let place = Place {
                    room: &room,
                    participant: &sender,
                };
                self.publish(&peer, &sdp, &tracks, place, id, now)
            }
            Command::Subscribe {
                peer,
                tracks,
                room,
                participant,
                id,
            } => {
                let place = Place {
                    room: &room,
                    participant: &participant,
                };
                self.subscribe(&peer, tracks, place, id, now)
            }
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
            Command::Prefer { peer, tracks, id } => self.prefer(&peer, tracks, id, now),
            Command::ClosePeer { peer, id } => {
                if let Some(key) = self.names.get(&peer) {
                    self.close(*key, None);
                }
                Ok(Message::Done { id })
            }
            Command::OpenLink {
                peer,
                controlling,
                lane,
                beside,
                id,
            } => self.open_link(&peer, controlling, (lane, beside), id, now),
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
                room,
                id,
            } => self.open_leg_out(&peer, leg, &track, &room, id, now),
            Command::CloseLegOut { peer, leg, id } => self.close_leg_out(&peer, leg, id),
            Command::OpenLegIn {
                peer,
                leg,
                track,
                kind,
                room,
                id,
            } => self.open_leg_in(&peer, leg, (&track, kind), &room, id, now),
            Command::CloseLegIn { peer, leg, id } => self.close_leg_in(&peer, leg, id),
            Command::SpanRoom {
                peer,
                room,
                spans,
                id,
            } => self.span_room(&peer, &room, spans, id),
            Command::SetRoom {
                room,
                loudest,
                max_height,
                max_bitrate_bps,
                id,
            } => {
                let policy = Policy {
                    loudest,
                    max_height,
                    max_bitrate_bps,
                };
                self.set_room(&room, policy, id, now)
            }
            Command::CloseRoom { room, id } => self.close_room(&room, id, now),
            Command::Hello { .. } | Command::GetStatistics { .. } => Err(Refusal::new(
                "command_misdirected",
                "That is answered by the engine as a whole, not by a worker.",
            )),
        }
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

    /// Build an `Rtc`; a panic there refuses the command.
    fn build(
        &mut self,
        now: Instant,
        build: impl FnOnce(Instant) -> str0m::Rtc,
    ) -> Result<Drained, Refusal> {
        Drained::build(now, build).map_err(|broken| {
            self.counters.count("peer_panics");
            Refusal::new(broken.reason(), "Building the peer connection failed.")
        })
    }

    fn insert(&mut self, name: &str, drained: Drained, role: Role, now: Instant) -> PeerKey {
        let key = self
            .peers
            .insert(Peer::new(name.to_owned(), drained, role, now));
        self.names.insert(name.to_owned(), key);
        let candidates = match self.peers[key].role {
            Role::Link(_) => self.addresses.for_nodes(),
            Role::Publisher(_) | Role::Subscriber(_) => self.addresses.for_clients(),
        };
        self.with(key, |peer, sink, _, _| {
            peer.drained.change(now, sink, |rtc| {
                for candidate in candidates {
                    rtc.add_local_candidate(candidate);
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
            let before = std::mem::replace(&mut peer.fragment, fragment.clone());
            self.demux.expect(fragment, &before, key);
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
