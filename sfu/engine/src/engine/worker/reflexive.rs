//! The worker's part in asking STUN servers: questions leave from the media socket, because it is
//! this socket's mapping that matters.

use std::net::SocketAddr;
use std::time::Instant;

use super::Worker;
use super::timers::Timer;
use crate::engine::network::socket::Incoming;
use crate::engine::network::stun::{Taken, TransactionId};

impl Worker {
    /// Ask these servers from now on; the socket reaches those of its own family alone.
    pub(in crate::engine) fn set_stun_servers(&mut self, servers: &[SocketAddr], now: Instant) {
        let reachable: Vec<SocketAddr> = servers
            .iter()
            .copied()
            .filter(|server| self.addresses.reaches(server.ip()))
            .collect();
        self.stun.set_servers(&reachable, now);
        self.tend_stun(now);
    }

    /// Ask the nodes at the other ends of links, too, unless what to tell others was settled by somebody.
    pub(super) fn ask_neighbours(&mut self, now: Instant) {
        if !self.addresses.are_local() {
            return;
        }
        let links = self.links.iter().filter_map(|key| self.peers.get(*key));
        let neighbours: Vec<SocketAddr> = links
            .filter_map(|link| link.drained.path())
            .map(|path| path.destination)
            .collect();
        self.stun.set_neighbours(&neighbours, now);
        self.note_mapped();
        self.tend_stun(now);
    }

    /// Say under which address we see who asks.
    pub(super) fn answer_stun(&mut self, incoming: &Incoming<'_>, now: Instant) {
        match self
            .stun_answers
            .answer(incoming.source, incoming.bytes, now)
        {
            Some(answer) => self.batch.push(incoming.source, incoming.local, &answer),
            None => self.counters.count("stun_questions_refused"),
        }
    }

    /// Ask what is due.
    pub(in crate::engine) fn tend_stun(&mut self, now: Instant) {
        let (questions, forgotten) = self.stun.poll(now, draw);
        for (server, question) in questions {
            self.batch.push(server, None, &question);
        }
        if forgotten {
            self.counters.count("stun_mappings_lost");
            self.note_mapped();
        }
        if let Some(at) = self.stun.deadline() {
            self.timers.wake_by(at, Timer::Stun);
        }
    }

    /// Whether a STUN message was the answer to a question of ours.
    pub(in crate::engine) fn take_stun(
        &mut self,
        source: SocketAddr,
        message: &[u8],
        now: Instant,
    ) -> bool {
        match self.stun.take(source, message, now) {
            Taken::No => return false,
            Taken::Same => {}
            Taken::Changed => self.note_mapped(),
        }
        true
    }

    fn note_mapped(&mut self) {
        self.addresses.set_mapped(self.stun.mapped());
    }
}

/// From the system: an id that can be guessed could be answered by anybody.
fn draw() -> Option<TransactionId> {
    let mut id = TransactionId::default();
    let drawn = rustix::rand::getrandom(&mut id[..], rustix::rand::GetRandomFlags::empty()).ok()?;
    (drawn == id.len()).then_some(id)
}
