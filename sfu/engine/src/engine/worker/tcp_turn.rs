//! The worker's part in TCP: frames to peers, packets to connections.

use std::time::Instant;

use str0m::net::Protocol;

use super::Worker;
use super::timers::Timer;
use crate::engine::network::demux::Shape;
use crate::engine::network::socket::Incoming;
use crate::engine::network::tcp::{Arrived, ConnectionKey, Owner, Tally};
use crate::engine::peers::drained::Taken;
use crate::engine::router::PeerKey;

impl Worker {
    /// Take new connections, and what came on those that are there.
    pub(in crate::engine) fn receive_tcp(&mut self, now: Instant) {
        let Some(tcp) = &mut self.tcp else {
            return;
        };
        let timers = &mut self.timers;
        let new = tcp.accept(now, |key, by| timers.wake_by(by, Timer::Connection(key)));
        let mut arrivals = std::mem::take(&mut self.arrivals);
        if let Some(at) = tcp.paused_until() {
            timers.wake_by(at, Timer::Accept);
        }
        let read = tcp.read(&mut arrivals);
        self.count_tcp(new);
        self.count_tcp(read);
        for arrived in &arrivals.packets {
            self.on_frame(arrived, &arrivals.arena[arrived.bytes.clone()], now);
        }
        arrivals.packets.clear();
        arrivals.arena.clear();
        self.arrivals = arrivals;
    }

    fn count_tcp(&mut self, tally: Tally) {
        self.counters.add("tcp_connections", tally.accepted);
        self.counters.add("tcp_connections_refused", tally.refused);
        self.counters.add("tcp_connections_garbled", tally.garbled);
    }

    fn on_frame(&mut self, arrived: &Arrived, bytes: &[u8], now: Instant) {
        let key = arrived.connection;
        let candidate = self
            .addresses
            .tcp_candidate_for(arrived.local, arrived.source);
        let (Some(tcp), Some(destination)) = (&mut self.tcp, candidate) else {
            return;
        };
        let owner = tcp.owner(key);
        let meant = match Shape::of(bytes) {
            Shape::Check(fragment) => self.demux.by_fragment(fragment),
            _ => None,
        };
        // A connection has one owner for life, and before its first check nothing to say.
        let peer = match (owner, meant) {
            (Owner::Unproven, Some(meant)) => meant,
            (Owner::Peer(owner), Some(meant)) if owner == meant => owner,
            (Owner::Peer(owner), None) => owner,
            _ => {
                self.counters.count("tcp_frames_refused");
                if owner == Owner::Unproven {
                    tcp.close(key);
                }
                return;
            }
        };
        let incoming = Incoming {
            protocol: Protocol::Tcp,
            source: arrived.source,
            destination,
            local: None,
            bytes,
        };
        match self.take_datagram(peer, &incoming, now) {
            Some(Taken::Yes) => {
                if let Some(tcp) = &mut self.tcp {
                    tcp.prove(key, peer);
                }
            }
            Some(Taken::Unopened) => self.counters.count("packets_unopened"),
            Some(Taken::No) => self.counters.count("datagrams_refused"),
            None => {}
        }
    }

    /// Send what this turn has for connections.
    pub(in crate::engine) fn flush_tcp(&mut self, now: Instant) {
        let Some(tcp) = &mut self.tcp else {
            return;
        };
        let (mut sent, mut dropped) = (0, 0);
        for (destination, packet) in self.batch.framed() {
            if tcp.send(destination, packet) {
                sent += 1;
            } else {
                dropped += 1;
            }
        }
        self.counters.add("tcp_frames_out", sent);
        self.counters.add("tcp_frames_dropped", dropped);
        let timers = &mut self.timers;
        tcp.write(now, |key, by| timers.wake_by(by, Timer::Connection(key)));
    }

    /// A peer is gone: its last words leave, then its connections close.
    pub(in crate::engine) fn forget_connections(&mut self, peer: PeerKey) {
        if let Some(tcp) = &mut self.tcp {
            tcp.release(peer);
        }
    }

    /// A connection's deadline may have passed.
    pub(in crate::engine) fn wake_connection(&mut self, key: ConnectionKey, now: Instant) {
        let Some(tcp) = &mut self.tcp else {
            return;
        };
        match tcp.look(key, now) {
            Ok(Some(at)) => self.timers.wake_by(at, Timer::Connection(key)),
            Ok(None) => {}
            Err(why) => self.counters.count(why),
        }
    }
}
