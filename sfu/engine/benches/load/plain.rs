//! Packets without WebRTC: what the bare loop is fed with, and what counts its output.
//!
//! They are sealed as SRTP does it with AES-256-GCM (RFC 7714), under a key that both ends know, so
//! that the loop has the same to open and to seal as a server has.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::schedule::{Due, Schedule};
use super::sender::punctual;
use super::words::Shape;

/// RTP header without extensions, as the loop rewrites it.
pub const HEADER_BYTES: usize = 12;

/// What sealing adds.
pub const TAG_BYTES: usize = 16;

const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// A socket as every client has it.
pub fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}

/// Read a socket empty and count.
pub fn count(socket: &UdpSocket) -> u64 {
    let mut datagram = [0; 2048];
    let mut received = 0;
    while socket.recv_from(&mut datagram).is_ok() {
        received += 1;
    }
    received
}

/// The key of a stream; number 0 is the publisher's.
///
/// # Errors
/// When the cipher library takes no key of this length.
pub fn key(number: u8) -> io::Result<LessSafeKey> {
    let unbound = UnboundKey::new(&AES_256_GCM, &[number; 32]);
    let unbound = unbound.map_err(|_| io::Error::other("AES-256-GCM takes no key"))?;
    Ok(LessSafeKey::new(unbound))
}

/// The nonce of a packet: its extended number under the stream's salt.
#[must_use]
pub fn nonce(number: u64) -> Nonce {
    let mut bytes = [7; NONCE_LEN];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Seal a packet whose header stands at its front; the payload is sealed in place, the tag appended.
pub fn seal(key: &LessSafeKey, number: u64, packet: &mut Vec<u8>) {
    let (header, payload) = packet.split_at_mut(HEADER_BYTES);
    let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(&*header), payload);
    if let Ok(tag) = tag {
        packet.extend_from_slice(tag.as_ref());
    }
}

/// A thread that sends sealed packets of a shape until it is dropped.
pub struct PlainSender {
    sent: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PlainSender {
    /// Begin now.
    ///
    /// # Errors
    /// When there is no socket or thread.
    pub fn start(to: SocketAddr, shape: Shape, tracks: usize) -> io::Result<Self> {
        let socket = open()?;
        let key = key(0)?;
        let sent = Arc::new(AtomicU64::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (counting, stopping) = (Arc::clone(&sent), Arc::clone(&stopped));
        let thread = thread::Builder::new().name("plain".into()).spawn(move || {
            let send = |number, bytes: usize| {
                let _ = socket.send_to(&packet(&key, number, bytes), to);
                counting.store(number, Ordering::Relaxed);
            };
            run(
                Schedule::new(shape, tracks, Instant::now()),
                &stopping,
                send,
            );
        })?;
        Ok(Self {
            sent,
            stopped,
            thread: Some(thread),
        })
    }

    /// Packets so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Send no more; what was sent stays counted.
    pub fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for PlainSender {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Send what is due, numbered from 1, until told to stop.
pub fn run(mut schedule: Schedule, stop: &AtomicBool, mut send: impl FnMut(u64, usize)) {
    punctual();
    let mut due: Vec<Due> = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let wait = schedule
            .next()
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        thread::sleep(wait.min(Duration::from_millis(5)));
        due.clear();
        schedule.take(Instant::now(), &mut due);
        for packet in &due {
            number += 1;
            send(number, packet.bytes);
        }
    }
}

fn packet(key: &LessSafeKey, number: u64, bytes: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_BYTES + bytes + TAG_BYTES);
    packet.extend_from_slice(&[0x80, 96]);
    packet.extend_from_slice(&(number as u16).to_be_bytes());
    packet.extend_from_slice(&(number as u32 * 30).to_be_bytes());
    packet.extend_from_slice(&1u32.to_be_bytes());
    packet.resize(HEADER_BYTES + bytes, 0x55);
    seal(key, number, &mut packet);
    packet
}
