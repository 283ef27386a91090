//! The media worker: one thread that owns one UDP socket and every peer on it.
//!
//! A turn: wait for datagrams, commands or a deadline; hand each datagram to its peer; forward what
//! came of them; wake who is due; obey commands; send everything in one go. Nobody else touches
//! this state, so there are no locks.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use slab::Slab;
use str0m::Event;

use super::address::Addresses;
use super::batch::Batch;
use super::counters::Counters;
use super::demux::Demux;
use super::drained::{Broken, Sink};
use super::forward::Way;
use super::packet::MediaPacket;
use super::peer::Peer;
use super::rewrite::SourceRun;
use super::rooms::Rooms;
use super::router::{PeerKey, Router, TrackKey};
use super::socket::MediaSocket;
use super::timers::{Timer, Timers};
use crate::control::frame;
use crate::control::messages::{Command, Message, State};
use crate::control::outgoing::{Importance, Outgoing};

const SOCKET: Token = Token(0);

/// The token by which the control reader wakes the worker.
pub const WAKE: Token = Token(1);

/// Commands between two looks at the socket.
const MAX_COMMANDS_PER_TURN: usize = 32;

/// The longest sleep; nothing depends on it.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// What the control reader hands over.
#[derive(Debug)]
pub enum Asking {
    Command(Command),
    /// Not understood, but numbered.
    Garbled {
        id: u64,
        why: String,
    },
}

/// The worker's whole state.
pub struct Worker {
    pub(super) poll: Poll,
    commands: Receiver<Asking>,
    outgoing: Outgoing,
    pub(super) socket: Option<MediaSocket>,
    pub(super) addresses: Addresses,
    pub(super) peers: Slab<Peer>,
    pub(super) names: HashMap<String, PeerKey>,
    pub(super) links: Vec<PeerKey>,
    pub(super) demux: Demux,
    pub(super) router: Router,
    pub(super) rooms: Rooms,
    pub(super) timers: Timers,
    pub(super) counters: Counters,
    pub(super) runs: SourceRun,
    pub(super) batch: Batch,
    pub(super) events: Vec<Event>,
    pub(super) pending: Vec<(TrackKey, MediaPacket)>,
    pub(super) ways: Vec<Way>,
    /// Subscribers whose wants or state changed in this command.
    pub(super) to_offer: Vec<PeerKey>,
    pub(super) readable: bool,
    wake_again: bool,
    stuck: bool,
}

impl Worker {
    /// A worker without socket; `hello` binds it.
    #[must_use]
    pub fn new(poll: Poll, commands: Receiver<Asking>, outgoing: Outgoing) -> Self {
        Self {
            poll,
            commands,
            outgoing,
            socket: None,
            addresses: Addresses::default(),
            peers: Slab::new(),
            names: HashMap::new(),
            links: Vec::new(),
            demux: Demux::default(),
            router: Router::default(),
            rooms: Rooms::default(),
            timers: Timers::default(),
            counters: Counters::default(),
            runs: 0,
            batch: Batch::default(),
            events: Vec::new(),
            pending: Vec::new(),
            ways: Vec::new(),
            to_offer: Vec::new(),
            readable: false,
            wake_again: false,
            stuck: false,
        }
    }

    /// Serve until the commands end.
    ///
    /// # Errors
    /// When polling fails, or the node stopped reading what we write.
    pub fn run(&mut self) -> io::Result<()> {
        let mut polled = Events::with_capacity(16);
        loop {
            let now = Instant::now();
            let wait = if self.readable || std::mem::take(&mut self.wake_again) {
                Duration::ZERO
            } else {
                self.timers.next().map_or(MAX_SLEEP, |at| {
                    at.saturating_duration_since(now).min(MAX_SLEEP)
                })
            };
            match self.poll.poll(&mut polled, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.readable |= polled.iter().any(|event| event.token() == SOCKET);
            if !self.turn() {
                return Ok(());
            }
            if self.stuck {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the node does not read its events; nothing of them may be lost",
                ));
            }
        }
    }

    /// One turn; `false` when the commands ended.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        self.receive(now);
        self.forward(now);
        self.wake(now);
        let goes_on = self.obey(now);
        self.forward(now);
        self.flush();
        goes_on
    }

    /// Bind the media socket to this worker.
    pub(super) fn take_socket(&mut self, mut socket: MediaSocket) -> io::Result<()> {
        socket.register(self.poll.registry(), SOCKET)?;
        self.addresses = socket.addresses().clone();
        self.socket = Some(socket);
        Ok(())
    }

    /// Tell the node; `false` when the message fits no frame and was not told.
    pub(super) fn tell(&mut self, message: &Message, importance: Importance) -> bool {
        match frame::encode(message) {
            Ok(bytes) if bytes.len() < frame::MAX_FRAME_BYTES - 8 => {
                self.stuck |= self.outgoing.push(bytes, importance).is_err();
                true
            }
            _ => {
                self.counters.count("messages_too_large");
                false
            }
        }
    }

    /// Tell the node what another node says; `false` when too much of that waits already.
    pub(super) fn tell_of_link(&mut self, message: &Message) -> bool {
        frame::encode(message)
            .is_ok_and(|bytes| self.outgoing.push(bytes, Importance::OfLink).is_ok())
    }

    pub(super) fn events_dropped(&self) -> u64 {
        self.outgoing.dropped()
    }

    /// Run `act` on a peer; if that breaks it, the peer is closed.
    pub(super) fn with<R>(
        &mut self,
        key: PeerKey,
        act: impl FnOnce(&mut Peer, &mut Sink<'_>, &mut Counters, &mut SourceRun) -> Result<R, Broken>,
    ) -> Option<R> {
        let peer = self.peers.get_mut(key)?;
        let mut sink = Sink {
            batch: &mut self.batch,
            events: &mut self.events,
            addresses: &self.addresses,
        };
        match act(peer, &mut sink, &mut self.counters, &mut self.runs) {
            Ok(result) => Some(result),
            Err(broken) => {
                if broken == Broken::Panicked {
                    self.counters.count("peer_panics");
                }
                self.events.clear();
                self.close(key, Some(broken.reason()));
                None
            }
        }
    }

    /// End a peer. With a reason the node is told; without one it asked for it.
    pub(super) fn close(&mut self, key: PeerKey, reason: Option<&'static str>) {
        let Some(mut peer) = self.peers.try_remove(key) else {
            return;
        };
        self.names.remove(&peer.name);
        self.links.retain(|link| *link != key);
        self.demux.forget(key, &peer.fragment);
        self.timers.forget(Timer::Peer(key));
        self.router.forget_peer(key);
        self.rooms.forget_peer(key);
        if reason != Some("panic") {
            // Say goodbye, so that the other side need not find out by silence.
            let mut parting = Vec::new();
            let mut sink = Sink {
                batch: &mut self.batch,
                events: &mut parting,
                addresses: &self.addresses,
            };
            let _ = peer
                .drained
                .change(Instant::now(), &mut sink, |rtc| rtc.close().is_ok());
        }
        if let Some(reason) = reason {
            let message = Message::PeerState {
                peer: peer.name,
                state: State::Closed,
                reason: reason.to_owned(),
            };
            self.tell(&message, Importance::Needed);
        }
    }

    /// Wake the peer by its deadline.
    pub(super) fn schedule(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get(key) {
            self.timers.wake_by(peer.deadline(), Timer::Peer(key));
        }
    }

    fn obey(&mut self, now: Instant) -> bool {
        for _ in 0..MAX_COMMANDS_PER_TURN {
            match self.commands.try_recv() {
                Ok(asking) => self.answer(asking, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // More may wait; their wake-up is spent.
        self.wake_again = true;
        true
    }

    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if let Some(socket) = &self.socket {
            let sent = socket.send(&self.batch);
            self.counters.add("datagrams_out", sent.datagrams);
            self.counters.add("send_calls", sent.calls);
            self.counters.add("datagrams_unsent", sent.lost);
        }
        self.batch.clear();
    }
}
