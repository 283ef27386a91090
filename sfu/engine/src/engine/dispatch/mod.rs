//! The dispatcher: takes the node's commands and gives each to the worker that has its peer.
//!
//! It owns no media. Workers reply and tell their events themselves, so that what is said of one
//! peer stays in order; to the dispatcher they report which commands are done and which peers are
//! gone. It never waits for a worker: a full mailbox refuses the command (`worker_busy`), and
//! statistics are answered in time with what is there.
//!
//! When a worker dies, its peers are told closed (`worker_lost`), commands it had not answered
//! fail, and another takes its place on the same port. A worker that hangs cannot be ended without
//! the process: then the engine ends, says why, and the node starts the next within a second.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::commands::{reply, too_large};
use super::peers::drained::Drained;
use super::peers::publisher::browser_config;
use super::refusal::Refusal;
use super::worker::EachTurn;
use crate::control::frame;
use crate::control::messages::{Command, ENGINE_PROTOCOL, Message, Place, State};
use crate::control::outgoing::{Importance, Outgoing};
use known::{Known, Outstanding};
use merging::Own;
use placement::Placement;
use post::{Asking, Mail, WorkerIndex};
use questions::{Questions, Tick};
use stated::Stated;
use workers::{MediaConfig, Workers};

mod known;
mod merging;
mod names;
mod placement;
pub mod post;
mod questions;
mod stated;
mod workers;

/// How often workers are asked whether they are there, and lost ones are replaced anew.
const TICK: Duration = Duration::from_secs(1);

/// Workers lost in a row (no minute between) after which the engine as a whole is given up.
const MAX_LOST_IN_A_ROW: u32 = 5;
const STEADY: Duration = Duration::from_secs(60);

/// What the dispatcher hears.
#[derive(Debug)]
pub enum Said {
    Asked(Asking),
    Report(WorkerIndex, Report),
    /// The node closed its end.
    NodeEnded,
}

/// What a worker reports.
#[derive(Debug)]
pub enum Report {
    /// The command was replied to, and its peer is there now, or not.
    Obeyed { serial: u64, there: bool },
    /// A peer ended; the command of that serial was the last one read.
    Gone { peer: String, serial: u64 },
    /// The answer to a look.
    Alive,
    /// A part of an answer.
    Statistics { question: u64, part: Message },
    /// The worker panicked and is no more.
    Lost,
    /// It cannot go on, and no other could: the node does not read, or polling fails.
    Failed(io::Error),
}

/// The engine once it was greeted.
struct Running {
    workers: Workers,
    placement: Placement,
    known: Vec<Known>,
}

/// The dispatcher's whole state.
pub struct Dispatcher {
    said: Receiver<Said>,
    reports: SyncSender<Said>,
    outgoing: Outgoing,
    each_turn: Option<EachTurn>,
    running: Option<Running>,
    serial: u64,
    questions: Questions,
    stated: Stated,
    counters: BTreeMap<&'static str, u64>,
    lost_at: Option<Instant>,
    lost_in_a_row: u32,
    failure: Option<io::Error>,
}

impl Dispatcher {
    /// A dispatcher without workers; `hello` starts them. Workers report into `reports`.
    #[must_use]
    pub fn new(
        said: Receiver<Said>,
        reports: SyncSender<Said>,
        outgoing: Outgoing,
        each_turn: Option<EachTurn>,
    ) -> Self {
        Self {
            said,
            reports,
            outgoing,
            each_turn,
            running: None,
            serial: 0,
            questions: Questions::default(),
            stated: Stated::default(),
            counters: BTreeMap::new(),
            lost_at: None,
            lost_in_a_row: 0,
            failure: None,
        }
    }

    /// Serve until the node ends.
    ///
    /// # Errors
    /// When a worker hangs, workers die in a row, or the node stopped reading what we write.
    pub fn run(mut self) -> io::Result<()> {
        let mut tick_at = Instant::now() + TICK;
        loop {
            let now = Instant::now();
            if tick_at <= now {
                tick_at = now + TICK;
                self.tick();
            }
            self.answer_overdue(now);
            if let Some(failure) = self.failure.take() {
                self.stop();
                return Err(failure);
            }
            let until = self
                .questions
                .deadline()
                .map_or(tick_at, |at| at.min(tick_at));
            match self.said.recv_timeout(until.saturating_duration_since(now)) {
                Ok(Said::Asked(Asking::Command(command))) => self.dispatch(command),
                Ok(Said::Asked(Asking::Garbled { id, why })) => self.refuse(
                    id,
                    Refusal::new(
                        "command_invalid",
                        format!("The command was not understood: {why}."),
                    ),
                ),
                Ok(Said::Report(worker, report)) => self.hear(worker, report),
                Ok(Said::NodeEnded) | Err(RecvTimeoutError::Disconnected) => {
                    self.stop();
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn stop(self) {
        // Nobody waits for us to read any more.
        drop(self.said);
        if let Some(Running { workers, known, .. }) = self.running {
            let stuck: Vec<WorkerIndex> = (0..known.len())
                .filter(|worker| known[*worker].watch.is_silent())
                .collect();
            workers.stop(&stuck);
        }
    }

    fn dispatch(&mut self, command: Command) {
        let id = command.id();
        self.serial += 1;
        let serial = self.serial;
        match (&mut self.running, command.place()) {
            (_, Place::Engine) => {
                if let Err(refusal) = self.carry_out(command) {
                    self.refuse(id, refusal);
                }
            }
            (None, _) => self.refuse(id, Refusal::hello_missing()),
            (
                Some(running),
                Place::Peer {
                    peer,
                    opens,
                    beside,
                },
            ) => match running.placement.choose(peer, opens, beside) {
                Ok(worker) if running.workers.has_room(worker) => {
                    self.order(worker, serial, command, false);
                }
                Ok(_) => self.refuse_busy(id),
                Err(refusal) => self.refuse(id, refusal),
            },
            (Some(running), Place::Everywhere) => {
                let workers: Vec<WorkerIndex> = (0..running.workers.len())
                    .filter(|worker| running.placement.runs(*worker))
                    .collect();
                if workers.is_empty() {
                    self.refuse(id, Refusal::worker_lost());
                } else if workers.iter().any(|at| !running.workers.has_room(*at)) {
                    // All or nobody: what one of them missed would be missing there for ever.
                    self.refuse_busy(id);
                } else {
                    self.stated.note(&command);
                    for (at, worker) in workers.iter().enumerate() {
                        self.order(*worker, serial, command.clone(), at > 0);
                    }
                }
            }
        }
    }

    fn refuse_busy(&mut self, id: u64) {
        *self.counters.entry("commands_refused_busy").or_default() += 1;
        self.refuse(
            id,
            Refusal::new(
                "worker_busy",
                "Too many commands wait for a worker; say it again later.",
            ),
        );
    }

    /// Give a command to a worker that has room for it.
    fn order(&mut self, worker: WorkerIndex, serial: u64, command: Command, quiet: bool) {
        let Some(running) = &mut self.running else {
            return;
        };
        let outstanding = Outstanding {
            serial,
            id: command.id(),
            peer: command.peer().map(str::to_owned),
            quiet,
        };
        let opens = matches!(command.place(), Place::Peer { opens: true, .. });
        let mail = Mail::Command {
            serial,
            command,
            quiet,
        };
        let put = running
            .workers
            .post(worker)
            .is_some_and(|post| post.put(mail).is_ok());
        if put {
            if let Some(peer) = &outstanding.peer {
                running.placement.given(worker, peer, opens, serial);
            }
            running.known[worker].outstanding.push_back(outstanding);
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Hello {
                protocol,
                media_address,
                media_port,
                advertised,
                workers,
                stun_servers,
                tcp,
                id,
            } => {
                let config = MediaConfig {
                    address: media_address,
                    port: media_port,
                    advertised,
                    stun_servers,
                    tcp,
                };
                let addresses = self.hello(protocol, config, workers)?;
                self.tell(&Message::Ready {
                    protocol: ENGINE_PROTOCOL,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    addresses,
                    id,
                });
            }
            Command::GetStatistics { page, id } => {
                let running = self.running.as_ref().ok_or_else(Refusal::hello_missing)?;
                let question = self.serial;
                let waits_for: Vec<WorkerIndex> = (0..running.workers.len())
                    .filter(|worker| running.placement.runs(*worker))
                    .collect();
                for worker in &waits_for {
                    if let Some(post) = running.workers.post(*worker) {
                        let _ = post.put(Mail::ReadStatistics { question });
                    }
                }
                self.questions
                    .ask(question, (id, page), waits_for, Instant::now());
            }
            _ => {}
        }
        Ok(())
    }

    fn hello(
        &mut self,
        protocol: u64,
        config: MediaConfig,
        wanted: u16,
    ) -> Result<Vec<String>, Refusal> {
        if protocol != ENGINE_PROTOCOL {
            return Err(Refusal::new(
                "protocol_unsupported",
                format!(
                    "The node speaks protocol {protocol}, this engine {ENGINE_PROTOCOL}; install \
                     both from one build."
                ),
            ));
        }
        if self.running.is_some() {
            return Err(Refusal::new(
                "hello_repeated",
                "The media sockets are bound already.",
            ));
        }
        names::check(&config.stun_servers)?;
        // The first key that the cipher library makes takes 20 ms: no client is to wait for that.
        drop(Drained::build(Instant::now(), |now| {
            browser_config().build(now)
        }));
        let sockets = config
            .bind_all(workers::count(wanted))
            .map_err(|error| Refusal::new(error.code, error.message))?;
        let addresses = sockets
            .iter()
            .map(|socket| socket.bound().to_string())
            .collect();
        let count = sockets.len();
        let (reports, outgoing) = (self.reports.clone(), self.outgoing.clone());
        let workers = Workers::start(config, sockets, reports, outgoing, self.each_turn.clone())
            .map_err(|error| {
                Refusal::new(
                    "workers_not_started",
                    format!("Starting {count} workers failed: {error}."),
                )
            })?;
        self.running = Some(Running {
            workers,
            placement: Placement::new(count),
            known: (0..count).map(|_| Known::default()).collect(),
        });
        Ok(addresses)
    }

    fn hear(&mut self, worker: WorkerIndex, report: Report) {
        let Some(running) = &mut self.running else {
            return;
        };
        let known = &mut running.known[worker];
        match report {
            Report::Obeyed { serial, there } => {
                while known
                    .outstanding
                    .front()
                    .is_some_and(|next| next.serial <= serial)
                    && let Some(done) = known.outstanding.pop_front()
                {
                    if let Some(peer) = done.peer
                        && !there
                    {
                        running.placement.gone(worker, &peer, done.serial);
                    }
                }
            }
            Report::Gone { peer, serial } => running.placement.gone(worker, &peer, serial),
            Report::Alive => known.watch.alive(),
            Report::Statistics { question, part } => self.questions.take(question, worker, part),
            Report::Lost => self.lose(worker),
            Report::Failed(error) => self.failure = Some(error),
        }
    }

    /// A worker died: say so of everything that it had, and start another.
    fn lose(&mut self, worker: WorkerIndex) {
        *self.counters.entry("workers_lost").or_default() += 1;
        let now = Instant::now();
        let steady = self.lost_at.is_none_or(|at| now >= at + STEADY);
        self.lost_in_a_row = if steady { 1 } else { self.lost_in_a_row + 1 };
        self.lost_at = Some(now);
        if self.lost_in_a_row > MAX_LOST_IN_A_ROW {
            self.failure = Some(io::Error::other(format!(
                "worker {worker} died, the {}th in a row",
                self.lost_in_a_row
            )));
            return;
        }
        let Some(running) = &mut self.running else {
            return;
        };
        let known = std::mem::take(&mut running.known[worker]);
        let peers = running.placement.lost(worker);
        self.questions.forget(worker);
        for unanswered in known.outstanding.iter().filter(|next| !next.quiet) {
            self.refuse(unanswered.id, Refusal::worker_lost());
        }
        for peer in peers {
            self.tell(&Message::PeerState {
                peer,
                state: State::Closed,
                reason: "worker_lost".to_owned(),
            });
        }
        self.replace(worker);
    }

    fn replace(&mut self, worker: WorkerIndex) {
        let Some(running) = &mut self.running else {
            return;
        };
        match running.workers.replace(worker) {
            Ok(()) => running.placement.begins(worker),
            Err(error) => {
                eprintln!("starling-sfu: worker {worker} could not be replaced: {error}");
                return;
            }
        }
        if let Some(post) = running.workers.post(worker) {
            self.stated.tell(post, self.serial);
        }
    }

    /// Look whether the workers are there.
    fn tick(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let mut lost = Vec::new();
        for (worker, known) in running.known.iter_mut().enumerate() {
            if !running.placement.runs(worker) {
                lost.push(worker);
                continue;
            }
            match known.watch.tick() {
                Tick::Look => {
                    if let Some(post) = running.workers.post(worker) {
                        let _ = post.put(Mail::Look);
                    }
                }
                Tick::Wait => {}
                Tick::Hangs => {
                    self.failure = Some(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("worker {worker} hangs, and a thread cannot be ended alone"),
                    ));
                }
            }
        }
        for worker in lost {
            self.replace(worker);
        }
    }

    /// Answer the questions that have all their parts, or whose time is over.
    fn answer_overdue(&mut self, now: Instant) {
        loop {
            let own = || Own::read(&self.counters, &self.outgoing);
            let Some((id, answer)) = self.questions.pop(now, own) else {
                return;
            };
            if !self.tell(&answer) {
                self.tell(&too_large(id));
            }
        }
    }

    fn refuse(&mut self, id: u64, refusal: Refusal) {
        self.tell(&reply(id, Err(refusal)));
    }

    /// Tell the node; `false` when the message fits no frame.
    fn tell(&mut self, message: &Message) -> bool {
        match frame::encode(message) {
            Ok(bytes) if bytes.len() < frame::MAX_FRAME_BYTES - 8 => {
                if self.outgoing.push(bytes, Importance::Needed).is_err() {
                    self.failure = Some(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the node does not read its events; nothing of them may be lost",
                    ));
                }
                true
            }
            _ => {
                *self.counters.entry("messages_too_large").or_default() += 1;
                false
            }
        }
    }
}
