//! Where a peer's packets leave to, and with what time on them.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use str0m::net::Protocol;

use super::reports::send_time;
use crate::engine::network::batch::Batch;

/// Where the packets of a peer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    pub protocol: Protocol,
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
}

impl Path {
    /// Put a packet that is made already.
    pub fn push(&self, batch: &mut Batch, packet: &[u8]) {
        if self.protocol == Protocol::Tcp {
            batch.push_framed(self.destination, packet);
        } else {
            batch.push(self.destination, self.source, packet);
        }
    }
}

/// Where packets are put, and when.
pub struct Way<'a> {
    pub path: Path,
    pub batch: &'a mut Batch,
    pub now: Instant,
    /// The same as in packets that leave.
    pub send_time: u32,
}

impl<'a> Way<'a> {
    /// Now, on a path.
    pub fn new(path: Path, batch: &'a mut Batch, now: Instant) -> Self {
        Self {
            path,
            batch,
            now,
            send_time: send_time(now),
        }
    }

    /// Put a packet of `length` bytes, unless `fill` fails to make it.
    pub fn put(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let Path {
            protocol,
            destination,
            source,
        } = self.path;
        if protocol == Protocol::Tcp {
            self.batch.push_framed_with(destination, length, fill)
        } else {
            self.batch.push_with(destination, source, length, fill)
        }
    }
}
