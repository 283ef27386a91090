//! A narrow way to a client: datagrams queue up, are late, and are lost when the queue is full.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a home router's queue holds.
const QUEUE: Duration = Duration::from_millis(300);

/// A queue that empties at a rate.
#[derive(Default)]
pub struct Bottleneck {
    /// Bit/s; 0 for no limit.
    pub rate_bps: u64,
    free_at: Option<Instant>,
    waiting: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
}

impl Bottleneck {
    /// Put a datagram into the queue, if there is room.
    pub fn push(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        let begins = self.free_at.map_or(now, |at| at.max(now));
        if begins > now + QUEUE {
            return;
        }
        let took = match self.rate_bps {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes.len() as f64 * 8.0 / rate as f64),
        };
        self.free_at = Some(begins + took);
        self.waiting
            .push_back((begins + took, source, bytes.to_vec()));
    }

    /// Take a datagram that came through.
    pub fn pop(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let (at, ..) = self.waiting.front()?;
        if *at > now {
            return None;
        }
        self.waiting
            .pop_front()
            .map(|(_, source, bytes)| (source, bytes))
    }
}
