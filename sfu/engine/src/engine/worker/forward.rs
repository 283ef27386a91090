//! The sending half of a turn: every packet of the turn to every sink, peer by peer.

use std::time::Instant;

use super::Worker;
use super::evening::even_out;
use super::timers::Timer;
use super::turn::way_to;
use crate::control::messages::{MediaKind, Message};
use crate::control::outgoing::Importance;
use crate::engine::exchange::Note;
use crate::engine::links::link_signal::LinkSignal;
use crate::engine::media::keyframes::Asked;
use crate::engine::media::packet::MediaPacket;
use crate::engine::peers::outgoing_stream::RefusedCodec;
use crate::engine::peers::peer::Role;
use crate::engine::peers::subscriber::ForLine;
use crate::engine::router::{Admission, PeerKey, Source, TrackKey};

/// A packet of the turn on its way to one sink.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct ToSink {
    peer: PeerKey,
    slot: u32,
    packet: u32,
    /// Bytes to be added at its end.
    padding: u8,
}

impl Worker {
    /// Take a packet of a track into this turn, unless the track comes from another source by now.
    pub(in crate::engine) fn ingest(
        &mut self,
        track: TrackKey,
        source: Source,
        mut packet: MediaPacket,
        now: Instant,
    ) {
        let mut admission = self.router.admit(track, source, &packet, now);
        if admission == Admission::Begins {
            self.settle_source(track, now);
            admission = self.router.admit(track, source, &packet, now);
        }
        match admission {
            Admission::Take => {}
            Admission::Superseded | Admission::Begins => {
                self.counters.count("packets_superseded");
                return;
            }
            Admission::Early { ask } => {
                self.counters.count("packets_early");
                if ask {
                    self.ask_source(source, packet.layering.encoding, now);
                }
                return;
            }
        }
        let noted = self.router.note(track, &packet, now);
        if noted.layer_appears {
            self.layers_change(track, now);
        }
        if noted.first
            && let Some(known) = self.router.get(track)
        {
            let message = Message::TrackStarted {
                track: known.id.clone(),
                codec: packet.codec.name().to_owned(),
            };
            self.tell(&message, Importance::Needed);
        }
        if packet.codec.kind() == MediaKind::Audio && !self.listen(track, &mut packet, now) {
            return;
        }
        self.export(track, &packet);
        self.pending.push((track, packet));
    }

    /// Take a packet that another worker took in; it has told the node.
    pub(in crate::engine) fn ingest_crossed(
        &mut self,
        track: TrackKey,
        packet: MediaPacket,
        now: Instant,
    ) {
        if self.router.note(track, &packet, now).layer_appears {
            self.layers_change(track, now);
        }
        self.pending.push((track, packet));
    }

    /// Send what came in this turn to everybody who wants it.
    pub(in crate::engine) fn forward(&mut self, now: Instant) {
        // Writing to a peer may bring in packets of its own that were ready; seldom, and few.
        while !self.pending.is_empty() {
            self.gathering.flowed(now);
            let mut pending = std::mem::take(&mut self.pending);
            let mut ways = std::mem::take(&mut self.ways);
            even_out(&pending, &mut self.padding);
            self.find_ways(&pending, &mut ways);
            for group in ways.chunk_by(|one, other| one.peer == other.peer) {
                self.forward_to(group[0].peer, group, &pending, now);
                if self.batch.is_full() {
                    self.flush();
                }
            }
            ways.clear();
            self.ways = ways;
            if self.pending.is_empty() {
                // Keep the memory for the next turn.
                pending.clear();
                self.pending = pending;
            }
        }
    }

    /// Where each packet goes, peer by peer, so that each peer's datagrams leave in one run; packets keep their order.
    fn find_ways(&self, pending: &[(TrackKey, MediaPacket)], ways: &mut Vec<ToSink>) {
        for (at, ((track, _), padding)) in pending.iter().zip(&self.padding).enumerate() {
            if let Some(track) = self.router.get(*track) {
                ways.extend(track.ways().map(|sink| ToSink {
                    peer: sink.peer,
                    slot: sink.slot,
                    packet: at as u32,
                    padding: *padding,
                }));
            }
        }
        ways.sort_by_key(|way| way.peer);
    }

    fn forward_to(
        &mut self,
        key: PeerKey,
        group: &[ToSink],
        pending: &[(TrackKey, MediaPacket)],
        now: Instant,
    ) {
        let mut reported = false;
        self.with(key, |peer, sink, counters, _| {
            let packet_of = |way: &ToSink| &pending[way.packet as usize].1;
            let Some(mut way) = way_to(&peer.drained, sink, now) else {
                return Ok(());
            };
            let (count, bytes) = match &mut peer.role {
                Role::Subscriber(subscriber) => {
                    let lines = group.iter().map(|way| ForLine {
                        slot: way.slot,
                        packet: packet_of(way),
                        padding: way.padding,
                    });
                    subscriber.write(&mut way, lines, counters)
                }
                Role::Link(link) => {
                    let packets = group.iter().map(|way| (way.slot, packet_of(way)));
                    let sent = link.write(&mut way, packets, counters);
                    reported = sent.0 > 0 && link.report_along(&mut way);
                    sent
                }
                Role::Publisher(_) => (0, 0),
            };
            peer.traffic.packets_out += count;
            peer.traffic.bytes_out += bytes;
            Ok(())
        });
        self.tell_refused(key);
        if reported {
            // It need not be woken for that any more.
            self.timers.forget(Timer::Peer(key));
        }
        self.settle(key, now);
    }

    /// Tell the node which tracks a subscriber was found not to play.
    fn tell_refused(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let refused = match &mut peer.role {
            Role::Subscriber(subscriber) if !subscriber.refused.is_empty() => {
                std::mem::take(&mut subscriber.refused)
            }
            _ => return,
        };
        let name = peer.name.clone();
        for (track, RefusedCodec { codec, accepted }) in refused {
            let message = Message::TrackRefused {
                peer: name.clone(),
                track,
                codec: codec.to_owned(),
                accepted: accepted.into_iter().map(str::to_owned).collect(),
            };
            self.tell(&message, Importance::Needed);
        }
    }

    /// Somebody needs a whole picture of an encoding of a track.
    pub(in crate::engine) fn ask_keyframe(&mut self, key: TrackKey, encoding: u8, now: Instant) {
        let Some(track) = self.router.get_mut(key) else {
            return;
        };
        if track.kind == Some(MediaKind::Audio) {
            return;
        }
        let asked = track.throttles.of(encoding).ask(now);
        self.follow_asked(asked, key, encoding, now);
    }

    /// A request that was put off.
    pub(in crate::engine) fn wake_keyframe(&mut self, key: TrackKey, encoding: u8, now: Instant) {
        let asked = self
            .router
            .get_mut(key)
            .and_then(|track| track.throttles.of(encoding).wake(now));
        if let Some(asked) = asked {
            self.follow_asked(asked, key, encoding, now);
        }
    }

    fn follow_asked(&mut self, asked: Asked, key: TrackKey, encoding: u8, now: Instant) {
        match asked {
            Asked::Now => self.request_keyframe(key, encoding, now),
            Asked::At(at) => self.timers.wake_by(at, Timer::Keyframe(key, encoding)),
            Asked::Already => {}
        }
    }

    fn request_keyframe(&mut self, key: TrackKey, encoding: u8, now: Instant) {
        let Some(track) = self.router.get_mut(key) else {
            return;
        };
        if let Some(export) = self.exchange.source_of(&track.id) {
            let number = export.number;
            self.exchange
                .tell(export.worker, Note::KeyframeWanted { number, encoding });
            return;
        }
        let Some(source) = track.source_of(encoding) else {
            return;
        };
        track.keyframe_requests += 1;
        self.ask_source(source, encoding, now);
    }

    fn ask_source(&mut self, source: Source, encoding: u8, now: Instant) {
        match source {
            Source::Publisher { peer, mid } => {
                self.with(peer, |peer, sink, _, _| match &peer.role {
                    Role::Publisher(publisher) => {
                        publisher.request_keyframe(&mut peer.drained, now, sink, mid, encoding)
                    }
                    _ => Ok(()),
                });
                self.settle(peer, now);
            }
            Source::Leg { peer, leg } => {
                self.signal(peer, &LinkSignal::KeyframeWanted { leg, encoding }, now);
            }
        }
    }
}
