//! The TCP connections of one worker: for clients whose network lets no UDP through.
//!
//! Clients connect to us, never we to them (RFC 6544's passive candidates). A connection belongs to
//! nobody until an ICE check on it proves whose it is, soon; then it carries that peer's packets
//! alone. Everything is bounded: how many connections, how many without owner, and how much waits
//! for a slow reader, who first loses packets, as on any congested path, and then the connection.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use slab::Slab;

use super::address::plain;
use super::tcp_frame::{Deframer, frame};
use crate::engine::router::PeerKey;

/// Connections of one worker: half as many people as it serves well.
const MAX_CONNECTIONS: usize = 2048;

/// Connections that have not proven whose they are; a flood of them costs nobody else's.
const MAX_UNPROVEN: usize = 256;

/// Their time; the first check follows the handshake at once.
const PROVE_WITHIN: Duration = Duration::from_secs(10);

/// What may wait for a slow reader: a second of 4 Mbit/s. More is older than it is worth.
const MAX_WAITING_BYTES: usize = 512 << 10;

/// A reader that takes nothing for so long is gone.
const SLOW_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections taken in one turn, and bytes read of one.
const MAX_ACCEPTED_PER_TURN: usize = 32;
const READ_BYTES: usize = 64 << 10;

/// Where the system has no descriptor left for a connection, it is asked again this much later: the
/// connection waits, and without a pause the worker would do nothing but ask.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Tokens of connections start here; below are the worker's own.
const FIRST_TOKEN: usize = 16;

/// The listening socket's own token.
pub const LISTEN: Token = Token(2);

/// Index of a connection; reused after it closed.
pub type ConnectionKey = usize;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody has shown by a check whose it is.
    Unproven,
    Peer(PeerKey),
    /// A peer's that is gone; what waits still leaves.
    Released,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    source: SocketAddr,
    local: Option<IpAddr>,
    owner: Owner,
    prove_by: Instant,
    deframer: Deframer,
    waiting: Vec<u8>,
    /// Since when bytes wait without any being taken.
    stalled: Option<Instant>,
    readable: bool,
}

/// A packet that came in.
#[derive(Debug)]
pub struct Arrived {
    pub connection: ConnectionKey,
    pub source: SocketAddr,
    pub local: Option<IpAddr>,
    pub bytes: Range<usize>,
}

/// The packets of one turn, and their bytes; the memory is kept from turn to turn.
#[derive(Debug, Default)]
pub struct Arrivals {
    pub packets: Vec<Arrived>,
    pub arena: Vec<u8>,
}

/// What a turn of the connections came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub accepted: u64,
    /// Turned away because there are too many.
    pub refused: u64,
    /// Closed because what came is no frame of ours.
    pub garbled: u64,
}

/// The listening socket and its connections.
pub struct Tcp {
    listener: TcpListener,
    registry: Registry,
    connections: Slab<Connection>,
    by_source: HashMap<SocketAddr, ConnectionKey>,
    unproven: usize,
    acceptable: bool,
    /// Nothing is accepted before.
    paused_until: Option<Instant>,
    buffer: Vec<u8>,
    /// Connections with something to read.
    ready: Vec<ConnectionKey>,
    /// Connections with bytes of this turn.
    to_write: Vec<ConnectionKey>,
}

impl Tcp {
    /// Serve a bound listener by this poll.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn new(listener: std::net::TcpListener, registry: &Registry) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, LISTEN, Interest::READABLE)?;
        Ok(Self {
            listener,
            registry: registry.try_clone()?,
            connections: Slab::new(),
            by_source: HashMap::new(),
            unproven: 0,
            acceptable: false,
            paused_until: None,
            buffer: vec![0; READ_BYTES],
            ready: Vec::new(),
            to_write: Vec::new(),
        })
    }

    /// The poll says something of this token.
    pub fn note(&mut self, token: Token, readable: bool, writable: bool) {
        if token == LISTEN {
            self.acceptable = true;
            return;
        }
        let Some(key) = token.0.checked_sub(FIRST_TOKEN) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(key) {
            if readable && !std::mem::replace(&mut connection.readable, true) {
                self.ready.push(key);
            }
            if writable && !connection.waiting.is_empty() {
                self.to_write.push(key);
            }
        }
    }

    /// Whether there is more to read or to accept than the last turn took.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        (self.acceptable && self.paused_until.is_none()) || !self.ready.is_empty()
    }

    /// When [`Tcp::accept`] is to be called again although nothing happens.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Take new connections; `each` hears of every one, and by when it is to prove itself.
    pub fn accept(&mut self, now: Instant, mut each: impl FnMut(ConnectionKey, Instant)) -> Tally {
        let mut tally = Tally::default();
        self.paused_until = self.paused_until.filter(|until| *until > now);
        for _ in 0..MAX_ACCEPTED_PER_TURN {
            if !self.acceptable || self.paused_until.is_some() {
                break;
            }
            match self.listener.accept() {
                Ok((stream, source)) => match self.admit(stream, source, now) {
                    Some(key) => {
                        tally.accepted += 1;
                        each(key, now + PROVE_WITHIN);
                    }
                    None => tally.refused += 1,
                },
                Err(error) => self.not_accepted(&error, now),
            }
        }
        tally
    }

    fn not_accepted(&mut self, error: &io::Error, now: Instant) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.acceptable = false,
            // That one is gone already, others may wait.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
            _ => self.paused_until = Some(now + ACCEPT_AGAIN_AFTER),
        }
    }

    fn admit(
        &mut self,
        stream: TcpStream,
        source: SocketAddr,
        now: Instant,
    ) -> Option<ConnectionKey> {
        if self.connections.len() >= MAX_CONNECTIONS || self.unproven >= MAX_UNPROVEN {
            return None;
        }
        // A packet leaves when it is there; there is no larger one to wait for.
        stream.set_nodelay(true).ok()?;
        let local = stream.local_addr().ok().map(|at| plain(at.ip()));
        let source = SocketAddr::new(plain(source.ip()), source.port());
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let mut stream = stream;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry
            .register(&mut stream, Token(FIRST_TOKEN + key), interest)
            .ok()?;
        entry.insert(Connection {
            stream,
            source,
            local,
            owner: Owner::Unproven,
            prove_by: now + PROVE_WITHIN,
            deframer: Deframer::default(),
            waiting: Vec::new(),
            stalled: None,
            readable: true,
        });
        self.by_source.insert(source, key);
        self.ready.push(key);
        self.unproven += 1;
        Some(key)
    }

    /// Read a bounded amount of every connection that has something.
    pub fn read(&mut self, into: &mut Arrivals) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.ready.len() {
            let key = self.ready.swap_remove(0);
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            let over = match connection.stream.read(&mut self.buffer) {
                Ok(0) => true,
                Ok(count) => {
                    let (source, local) = (connection.source, connection.local);
                    let garbled = connection
                        .deframer
                        .feed(&self.buffer[..count], |packet| {
                            let start = into.arena.len();
                            into.arena.extend_from_slice(packet);
                            into.packets.push(Arrived {
                                connection: key,
                                source,
                                local,
                                bytes: start..into.arena.len(),
                            });
                        })
                        .is_err();
                    tally.garbled += u64::from(garbled);
                    garbled
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.readable = false;
                    false
                }
                Err(error) => error.kind() != io::ErrorKind::Interrupted,
            };
            if over {
                self.close(key);
            } else if connection.readable {
                self.ready.push(key);
            }
        }
        tally
    }

    /// Whose connection it is; one that is gone was released.
    #[must_use]
    pub fn owner(&self, key: ConnectionKey) -> Owner {
        self.connections
            .get(key)
            .map_or(Owner::Released, |known| known.owner)
    }

    /// A check on it proved it to be this peer's.
    pub fn prove(&mut self, key: ConnectionKey, peer: PeerKey) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.owner == Owner::Unproven
        {
            connection.owner = Owner::Peer(peer);
            self.unproven -= 1;
        }
    }

    /// Queue a packet for the connection to this address; `false` when it cannot be sent.
    pub fn send(&mut self, destination: SocketAddr, packet: &[u8]) -> bool {
        let Some(key) = self.by_source.get(&destination).copied() else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        if connection.waiting.len() + packet.len() > MAX_WAITING_BYTES {
            return false;
        }
        self.to_write.push(key);
        frame(packet, &mut connection.waiting)
    }

    /// Write what waits; `each` hears of the connections that take nothing now, and by when they must.
    pub fn write(&mut self, now: Instant, mut each: impl FnMut(ConnectionKey, Instant)) {
        let mut keys = std::mem::take(&mut self.to_write);
        keys.sort_unstable();
        keys.dedup();
        for key in keys.drain(..) {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            match connection.drain() {
                Ok(0) if !connection.waiting.is_empty() => {
                    let since = *connection.stalled.get_or_insert(now);
                    each(key, since + SLOW_TIMEOUT);
                }
                Ok(_) if !connection.waiting.is_empty() => {
                    connection.stalled = Some(now);
                    each(key, now + SLOW_TIMEOUT);
                }
                Ok(_) if connection.owner == Owner::Released => self.close(key),
                Ok(_) => connection.stalled = None,
                Err(_) => self.close(key),
            }
        }
        self.to_write = keys;
    }

    /// Look at a connection whose deadline may have passed. Returns why it was closed, or when to
    /// look again.
    pub fn look(
        &mut self,
        key: ConnectionKey,
        now: Instant,
    ) -> Result<Option<Instant>, &'static str> {
        let Some(connection) = self.connections.get(key) else {
            return Ok(None);
        };
        let unproven = (connection.owner == Owner::Unproven).then_some(connection.prove_by);
        let slow = connection.stalled.map(|since| since + SLOW_TIMEOUT);
        let why = if unproven.is_some_and(|by| by <= now) {
            "tcp_connections_unproven"
        } else if slow.is_some_and(|by| by <= now) {
            "tcp_connections_slow"
        } else {
            return Ok([unproven, slow].into_iter().flatten().min());
        };
        self.close(key);
        Err(why)
    }

    /// The peer is gone: its connections belong to nobody else, and close once what waits has left.
    pub fn release(&mut self, peer: PeerKey) {
        for (key, connection) in &mut self.connections {
            if connection.owner == Owner::Peer(peer) {
                connection.owner = Owner::Released;
                self.to_write.push(key);
            }
        }
    }

    /// Close one.
    pub fn close(&mut self, key: ConnectionKey) {
        let Some(mut connection) = self.connections.try_remove(key) else {
            return;
        };
        self.unproven -= usize::from(connection.owner == Owner::Unproven);
        if self.by_source.get(&connection.source) == Some(&key) {
            self.by_source.remove(&connection.source);
        }
        let _ = self.registry.deregister(&mut connection.stream);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}

impl Connection {
    /// Write as much as the system takes; returns how much that was.
    fn drain(&mut self) -> io::Result<usize> {
        let mut written = 0;
        let outcome = loop {
            if written == self.waiting.len() {
                break Ok(written);
            }
            match self.stream.write(&self.waiting[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..written);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_descriptors_is_not_asked_all_the_time() {
        let now = Instant::now();
        let poll = mio::Poll::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut tcp = Tcp::new(listener, poll.registry()).unwrap();
        tcp.note(LISTEN, true, false);
        assert!(tcp.is_behind());
        // EMFILE; no error of its own in the standard library.
        tcp.not_accepted(&io::Error::from_raw_os_error(24), now);
        assert!(!tcp.is_behind());
        let _client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(tcp.accept(now, |_, _| {}), Tally::default());
        let again = tcp.paused_until().unwrap();
        assert_eq!(tcp.accept(again, |_, _| {}).accepted, 1);
        assert_eq!((tcp.paused_until(), tcp.len()), (None, 1));
    }
}
