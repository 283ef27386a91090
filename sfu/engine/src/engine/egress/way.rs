//! Where a peer's packets leave to, and with what time on them.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use str0m::net::Protocol;

use super::reports::send_time;
use crate::engine::network::batch::Batch;
use crate::engine::network::lane;

/// Where the packets of a peer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    pub protocol: Protocol,
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
    /// Which of several connections between the same two sockets it is.
    pub lane: u8,
}

impl Path {
    /// Put a packet that is made already.
    pub fn push(&self, batch: &mut Batch, packet: &[u8]) {
        if self.protocol == Protocol::Tcp {
            batch.push_framed(self.destination, packet);
        } else {
            self.put(batch, packet.len(), |room| {
                room.copy_from_slice(packet);
                true
            });
        }
    }

    /// Put a datagram of `length` bytes that is written in place, in its lane.
    fn put(&self, batch: &mut Batch, length: usize, fill: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let Some(prefix) = lane::prefix(self.lane) else {
            return batch.push_with(self.destination, self.source, length, fill);
        };
        batch.push_with(self.destination, self.source, length + 1, |room| {
            room[0] = prefix;
            fill(&mut room[1..])
        })
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
        if self.path.protocol == Protocol::Tcp {
            let destination = self.path.destination;
            self.batch.push_framed_with(destination, length, fill)
        } else {
            self.path.put(self.batch, length, fill)
        }
    }
}
