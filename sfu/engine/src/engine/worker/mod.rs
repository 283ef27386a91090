//! The media worker: one thread that owns one UDP socket and every peer on it.
//!
//! A turn: wait for datagrams, mail or a deadline; hand each datagram to its peer; forward what
//! came of them; wake who is due; read the mail; tell the other workers; send everything in one go.
//! Nobody else touches this state, so there are no locks.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use slab::Slab;
use str0m::Event;

use super::counters::Counters;
use super::dispatch::post::{Mail, Post, WorkerIndex};
use super::dispatch::{Report, Said};
use super::exchange::Exchange;
use super::media::packet::MediaPacket;
use super::media::rewrite::SourceRun;
use super::network::address::Addresses;
use super::network::batch::Batch;
use super::network::demux::Demux;
use super::network::socket::{MediaSocket, SOCKET_BUFFER_BYTES};
use super::network::stun::{StunAnswers, StunClient};
use super::network::tcp::{Arrivals, Tcp};
use super::peers::drained::{Broken, Sink, guarded};
use super::peers::peer::Peer;
use super::rooms::Rooms;
use super::router::{PeerKey, Router, TrackKey};
use super::statistics;
use crate::control::frame;
use crate::control::messages::{Command, Message, State};
use crate::control::outgoing::{Importance, Outgoing};
use forward::ToSink;
use gathering::Gathering;
use timers::{Timer, Timers};

mod crossing;
mod evening;
mod forward;
mod gathering;
mod linking;
mod listen;
mod reflexive;
mod sharing;
mod spread;
mod tcp_turn;
pub mod timers;
mod turn;

const SOCKET: Token = Token(0);

/// The token by which mail wakes the worker.
pub const WAKE: Token = Token(1);

/// Commands between two looks at the socket.
const MAX_COMMANDS_PER_TURN: usize = 32;

/// Sockets that one poll tells of; those left out are told of by the next.
const MAX_POLLED: usize = 256;

/// The longest sleep; nothing depends on it.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// While other workers have no room for notes they are tried again this often.
const HELD_UP_SLEEP: Duration = Duration::from_millis(5);

/// Wants and runs of one worker's life are numbered from its life times this: none is used twice.
const NUMBERS_PER_LIFE: u64 = 1 << 40;

/// Called at the start of every turn, with the worker's number.
pub type EachTurn = Arc<dyn Fn(WorkerIndex) + Send + Sync>;

/// What a worker is started with.
pub struct Start {
    pub index: WorkerIndex,
    /// How many workers were started before in this engine.
    pub life: u64,
    pub poll: Poll,
    pub socket: MediaSocket,
    /// Takes TCP, if that is wanted.
    pub listener: Option<TcpListener>,
    /// The mailboxes of all workers.
    pub posts: Vec<Post>,
    pub reports: SyncSender<Said>,
    pub outgoing: Outgoing,
    /// For tests of what happens when a worker fails; nobody else has one.
    pub each_turn: Option<EachTurn>,
}

/// The worker's whole state.
pub struct Worker {
    pub(super) index: WorkerIndex,
    poll: Poll,
    post: Post,
    /// Mail that was taken and not read yet.
    pub(super) mail: VecDeque<Mail>,
    reports: SyncSender<Said>,
    each_turn: Option<EachTurn>,
    /// Serial of the newest command that was read.
    serial: u64,
    outgoing: Outgoing,
    pub(super) exchange: Exchange,
    pub(super) stun: StunClient,
    pub(super) stun_answers: StunAnswers,
    pub(super) tcp: Option<Tcp>,
    pub(super) arrivals: Arrivals,
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
    pub(super) ways: Vec<ToSink>,
    /// Padding for each pending packet.
    pub(super) padding: Vec<u8>,
    /// A link's packet while it is opened.
    pub(super) opening: Vec<u8>,
    /// Subscribers whose wants or state changed in this command.
    pub(super) to_offer: Vec<PeerKey>,
    pub(super) readable: bool,
    pub(super) load: Load,
    pub(super) gathering: Gathering,
    wake_again: bool,
    stuck: bool,
}

/// How much a worker works.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Load {
    pub turns: u64,
    /// In turns; the rest of the time it waits.
    pub busy: Duration,
}

impl Worker {
    /// A worker without peers.
    ///
    /// # Errors
    /// When its socket cannot be polled.
    pub fn new(start: Start) -> io::Result<Self> {
        let mut socket = start.socket;
        socket.register(start.poll.registry(), SOCKET)?;
        let mut addresses = socket.addresses().clone();
        let mut tcp = None;
        if let Some(listener) = start.listener {
            addresses.set_tcp_port(listener.local_addr()?.port());
            tcp = Some(Tcp::new(listener, start.poll.registry())?);
        }
        let mut counters = Counters::default();
        counters.add("socket_buffer_bytes", socket.buffer_bytes() as u64);
        let capped = socket.buffer_bytes() < SOCKET_BUFFER_BYTES;
        counters.add("socket_buffers_capped", u64::from(capped));
        let first = start.life * NUMBERS_PER_LIFE;
        Ok(Self {
            index: start.index,
            poll: start.poll,
            post: start.posts[start.index].clone(),
            mail: VecDeque::new(),
            reports: start.reports,
            each_turn: start.each_turn,
            serial: 0,
            outgoing: start.outgoing,
            exchange: Exchange::new(start.index, start.posts, first),
            stun: StunClient::default(),
            stun_answers: StunAnswers::default(),
            tcp,
            arrivals: Arrivals::default(),
            addresses,
            socket: Some(socket),
            peers: Slab::new(),
            names: HashMap::new(),
            links: Vec::new(),
            demux: Demux::default(),
            router: Router::default(),
            rooms: Rooms::default(),
            timers: Timers::default(),
            counters,
            runs: first,
            batch: Batch::default(),
            events: Vec::new(),
            pending: Vec::new(),
            ways: Vec::new(),
            padding: Vec::new(),
            opening: Vec::new(),
            to_offer: Vec::new(),
            readable: false,
            load: Load::default(),
            gathering: Gathering::default(),
            wake_again: false,
            stuck: false,
        })
    }

    /// Serve until told to stop.
    ///
    /// # Errors
    /// When polling fails, or the node stopped reading what we write.
    pub fn run(&mut self) -> io::Result<()> {
        gathering::sleep_exactly();
        let mut polled = Events::with_capacity(MAX_POLLED);
        loop {
            let now = Instant::now();
            let behind = self.readable || self.tcp.as_ref().is_some_and(Tcp::is_behind);
            let wait = if behind || std::mem::take(&mut self.wake_again) {
                Duration::ZERO
            } else {
                let longest = if self.exchange.is_held_up() {
                    HELD_UP_SLEEP
                } else {
                    MAX_SLEEP
                };
                self.timers
                    .next()
                    .map_or(longest, |at| at.saturating_duration_since(now).min(longest))
            };
            match self.poll.poll(&mut polled, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let left_over = self.readable;
            for event in &polled {
                self.readable |= event.token() == SOCKET;
                if let Some(tcp) = &mut self.tcp {
                    tcp.note(event.token(), event.is_readable(), event.is_writable());
                }
            }
            if self.readable && !left_over {
                thread::sleep(self.gathering.wait(Instant::now()));
            }
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

    /// One turn; `false` when it was the last.
    fn turn(&mut self) -> bool {
        if let Some(each_turn) = &self.each_turn {
            each_turn(self.index);
        }
        let begun = self.receive_whole();
        let now = Instant::now();
        self.receive_tcp(now);
        self.forward(now);
        // Media does not wait for what is due.
        self.flush();
        self.wake(now);
        let goes_on = self.read_mail(now);
        self.forward(now);
        self.tend_demands(now);
        self.tend_quieter_rooms(now);
        self.cross(now);
        self.flush();
        self.load.turns += 1;
        self.load.busy += begun + now.elapsed();
        goes_on
    }

    /// Read what came in, and the rest of a picture that began. Returns how long the reading took.
    fn receive_whole(&mut self) -> Duration {
        let begun = Instant::now();
        let mut took = Duration::ZERO;
        loop {
            let now = Instant::now();
            self.receive(now);
            took += now.elapsed();
            let goes_on = match self.pending.last() {
                Some((_, newest)) => !self.readable && gathering::goes_on(newest),
                None => false,
            };
            if !goes_on || begun.elapsed() >= gathering::LONGEST {
                return took;
            }
            thread::sleep(gathering::LOOK_EVERY);
            self.readable = true;
        }
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

    /// Tell the dispatcher; it takes what it gets, and when it is gone the process is about to be.
    fn report(&self, report: Report) {
        let _ = self.reports.send(Said::Report(self.index, report));
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
        let (counters, runs) = (&mut self.counters, &mut self.runs);
        match guarded(|| act(peer, &mut sink, counters, runs)).flatten() {
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
        self.timers.forget(Timer::Allocation(key));
        for (track, stays) in self.router.forget_peer(key) {
            self.rooms.hand_over(track, key, stays.peer());
        }
        self.forget_connections(key);
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
        let name = std::mem::take(&mut peer.name);
        // What broke may break once more when it is taken apart.
        if peer.drained.end().is_err() {
            self.counters.count("peer_panics");
        }
        if let Some(reason) = reason {
            self.report(Report::Gone {
                peer: name.clone(),
                serial: self.serial,
            });
            let message = Message::PeerState {
                peer: name,
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

    /// Read the mail, up to a bound of commands; `false` when told to stop.
    fn read_mail(&mut self, now: Instant) -> bool {
        if self.mail.is_empty() {
            self.post.take(&mut self.mail);
        }
        let mut commands = 0;
        while let Some(mail) = self.mail.pop_front() {
            match mail {
                Mail::Command {
                    serial,
                    command,
                    quiet,
                } => {
                    self.obey(serial, command, quiet, now);
                    commands += 1;
                }
                Mail::ReadStatistics { question } => {
                    let part = statistics::read(self, question, now);
                    self.report(Report::Statistics { question, part });
                }
                Mail::StunServers(servers) => self.set_stun_servers(&servers, now),
                Mail::Look => self.report(Report::Alive),
                Mail::Letter { from, letter } => self.on_letter(from, letter, now),
                Mail::Replaced { worker } => self.on_replaced(worker, now),
                Mail::End => return false,
            }
            if commands == MAX_COMMANDS_PER_TURN {
                break;
            }
        }
        // What came while we read was announced to an empty box: its wake-up is still to come.
        self.wake_again = !self.mail.is_empty();
        true
    }

    fn obey(&mut self, serial: u64, command: Command, quiet: bool, now: Instant) {
        self.serial = serial;
        self.router.serial = serial;
        let peer = command.peer().map(str::to_owned);
        self.answer(command, quiet, now);
        let there = peer.is_some_and(|peer| self.names.contains_key(&peer));
        self.report(Report::Obeyed { serial, there });
        self.speak_after(now);
    }

    pub(super) fn flush(&mut self) {
        self.flush_tcp(Instant::now());
        if self.batch.is_empty() {
            return;
        }
        if let Some(socket) = &self.socket {
            let sent = socket.send(&mut self.batch);
            self.counters.add("datagrams_out", sent.datagrams);
            self.counters.add("send_calls", sent.calls);
            self.counters.add("datagrams_unsent", sent.lost);
        }
        self.batch.clear();
    }
}
