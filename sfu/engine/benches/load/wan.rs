//! A path with delay and loss, inside a client: what it sends and gets waits here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One direction.
pub struct Path {
    delay: Duration,
    loss: f64,
    random: u64,
    under_way: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
}

impl Path {
    /// A path that takes `delay` and loses a share of `loss`; `seed` makes its losses its own.
    pub fn new(delay: Duration, loss: f64, seed: u64) -> Self {
        Self {
            delay,
            loss,
            random: seed | 1,
            under_way: VecDeque::new(),
        }
    }

    /// Take a datagram; `None` when it is on its way, or lost. Without delay it comes out at once.
    pub fn enter<'a>(
        &mut self,
        now: Instant,
        address: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<&'a [u8]> {
        if self.loss > 0.0 && self.roll() < self.loss {
            return None;
        }
        if self.delay.is_zero() {
            return Some(bytes);
        }
        self.under_way
            .push_back((now + self.delay, address, bytes.to_vec()));
        None
    }

    /// What has arrived.
    pub fn leave(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if self.next()? > now {
            return None;
        }
        let (_, address, bytes) = self.under_way.pop_front()?;
        Some((address, bytes))
    }

    /// When the next one arrives.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _, _)| *at)
    }

    /// xorshift64: even enough for losses.
    fn roll(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}
