//! Starting workers: their sockets, their threads, and who takes the place of one that was lost.

use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use super::names::{self, Names};
use super::post::{Mail, Post, WorkerIndex};
use super::{Report, Said};
use crate::control::outgoing::Outgoing;
use crate::engine::network::address::parse;
use crate::engine::network::socket::{BindError, MediaSocket};
use crate::engine::worker::{EachTurn, Start, WAKE, Worker};

/// More cores than a media node has; each worker needs a port.
pub const MAX_WORKERS: u16 = 64;

/// Where ports are ours to choose: attempts at a row of free ones.
const MAX_ROWS_TRIED: usize = 16;

/// Where the media sockets are bound.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    pub address: String,
    /// Of the first worker, the others follow; 0 for any.
    pub port: u16,
    pub advertised: Vec<String>,
    /// `host:port` each.
    pub stun_servers: Vec<String>,
    /// Whether media is taken over TCP too.
    pub tcp: bool,
}

impl MediaConfig {
    fn bind(&self, port: u16) -> Result<MediaSocket, BindError> {
        MediaSocket::bind(&self.address, port, &self.advertised)
    }

    /// Bind the sockets of so many workers, on ports in a row where there is one: the next engine,
    /// told the first port, then has the same.
    ///
    /// # Errors
    /// [`BindError`] of the first socket that cannot be had.
    pub fn bind_all(&self, workers: usize) -> Result<Vec<MediaSocket>, BindError> {
        if self.port != 0 {
            return self.row(self.bind(self.port)?, workers);
        }
        for _ in 0..MAX_ROWS_TRIED {
            if let Ok(row) = self.row(self.bind(0)?, workers) {
                return Ok(row);
            }
        }
        (0..workers).map(|_| self.bind(0)).collect()
    }

    /// A TCP socket for the worker whose UDP port this is, on the same number where it is free.
    fn listen(&self, port: u16) -> io::Result<Option<TcpListener>> {
        if !self.tcp {
            return Ok(None);
        }
        let ip = parse(&self.address).map_err(|error| io::Error::other(error.to_string()))?;
        TcpListener::bind((ip, port))
            .or_else(|_| TcpListener::bind((ip, 0)))
            .map(Some)
    }

    fn row(&self, first: MediaSocket, workers: usize) -> Result<Vec<MediaSocket>, BindError> {
        let port = first.bound().port();
        let mut row = vec![first];
        for at in 1..workers {
            let next = u16::try_from(at)
                .ok()
                .and_then(|at| port.checked_add(at))
                .ok_or_else(|| BindError {
                    code: "media_port_taken",
                    message: format!(
                        "{workers} workers need as many ports from {port} on, and the last port \
                         is 65535; choose a lower media port."
                    ),
                })?;
            row.push(self.bind(next)?);
        }
        Ok(row)
    }
}

/// How many workers `wanted` stands for: 0 leaves one core to the node.
#[must_use]
pub fn count(wanted: u16) -> usize {
    let wanted = if wanted == 0 {
        thread::available_parallelism().map_or(1, |cores| cores.get() - 1)
    } else {
        usize::from(wanted)
    };
    wanted.clamp(1, usize::from(MAX_WORKERS))
}

/// The threads.
pub struct Workers {
    config: MediaConfig,
    posts: Vec<Post>,
    ports: Vec<u16>,
    threads: Vec<Option<JoinHandle<()>>>,
    lives: u64,
    reports: SyncSender<Said>,
    outgoing: Outgoing,
    each_turn: Option<EachTurn>,
    names: Option<Names>,
}

impl Workers {
    /// Start one worker on each socket.
    ///
    /// # Errors
    /// When a poll or a thread cannot be made.
    pub fn start(
        config: MediaConfig,
        sockets: Vec<MediaSocket>,
        reports: SyncSender<Said>,
        outgoing: Outgoing,
        each_turn: Option<EachTurn>,
    ) -> io::Result<Self> {
        let mut workers = Self {
            config,
            posts: sockets.iter().map(|_| Post::default()).collect(),
            ports: sockets.iter().map(|socket| socket.bound().port()).collect(),
            threads: sockets.iter().map(|_| None).collect(),
            lives: 0,
            reports,
            outgoing,
            each_turn,
            names: None,
        };
        // Every box has its reader's waker before anybody writes.
        let polls = (0..sockets.len())
            .map(|index| workers.poll(index))
            .collect::<io::Result<Vec<_>>>()?;
        for (index, (poll, socket)) in polls.into_iter().zip(sockets).enumerate() {
            workers.spawn(index, poll, socket)?;
        }
        workers.follow_names()?;
        Ok(workers)
    }

    fn follow_names(&mut self) -> io::Result<()> {
        let servers = &self.config.stun_servers;
        if !servers.is_empty() {
            self.names = Some(names::follow(servers.clone(), self.posts.clone())?);
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.posts.len()
    }

    /// The mailbox of one.
    #[must_use]
    pub fn post(&self, worker: WorkerIndex) -> Option<&Post> {
        self.posts.get(worker)
    }

    /// Whether another command would be taken by it.
    #[must_use]
    pub fn has_room(&self, worker: WorkerIndex) -> bool {
        self.post(worker).is_some_and(Post::has_room)
    }

    /// Start a worker in the place of one that was lost, on the same port.
    ///
    /// # Errors
    /// When there is no socket, poll or thread to be had; try again later.
    pub fn replace(&mut self, worker: WorkerIndex) -> io::Result<()> {
        if let Some(ended) = self.threads[worker].take() {
            // It has said its last word already.
            let _ = ended.join();
        }
        let socket = self
            .config
            .bind(self.ports[worker])
            .map_err(|error| io::Error::other(error.to_string()))?;
        let poll = self.poll(worker)?;
        // Before the new one can say anything, the others forget the old one.
        for (other, post) in self.posts.iter().enumerate() {
            if other != worker {
                let _ = post.put(Mail::Replaced { worker });
            }
        }
        // The new one has not heard of any server.
        self.follow_names()?;
        self.spawn(worker, poll, socket)
    }

    fn poll(&self, worker: WorkerIndex) -> io::Result<Poll> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        self.posts[worker].take_over(Arc::new(waker));
        Ok(poll)
    }

    fn spawn(&mut self, index: WorkerIndex, poll: Poll, socket: MediaSocket) -> io::Result<()> {
        let listener = self.config.listen(self.ports[index])?;
        let start = Start {
            listener,
            index,
            life: self.lives,
            poll,
            socket,
            posts: self.posts.clone(),
            reports: self.reports.clone(),
            outgoing: self.outgoing.clone(),
            each_turn: self.each_turn.clone(),
        };
        self.lives += 1;
        let reports = self.reports.clone();
        let thread = thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let run = || Worker::new(start)?.run();
                let last = match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => Report::Failed(error),
                    Err(_) => Report::Lost,
                };
                let _ = reports.send(Said::Report(index, last));
            })?;
        self.threads[index] = Some(thread);
        Ok(())
    }

    /// Stop all and wait for them, except for those of `stuck`, which would be waited for in vain.
    pub fn stop(self, stuck: &[WorkerIndex]) {
        for post in &self.posts {
            let _ = post.put(Mail::End);
        }
        for (worker, thread) in self.threads.into_iter().enumerate() {
            if let Some(thread) = thread
                && !stuck.contains(&worker)
            {
                let _ = thread.join();
            }
        }
    }
}
