//! Sends on the streams of a link: each has numbers of its own, and all are sealed with the link's keys.

use std::sync::Arc;
use std::time::Instant;

use super::link_streams::{CLASS_TICKS_PER_S, CLASSES, FIRST_NUMBER, STREAMS};
use crate::engine::egress::content::Content;
use crate::engine::egress::sender::Sender;
use crate::engine::egress::stream::{Outgoing, RtpStream};
use crate::engine::egress::way::Way;
use crate::engine::srtp::keys::Agreed;

/// What one end of a link sends.
#[derive(Debug)]
pub struct LinkSender {
    sender: Sender,
    streams: [RtpStream; STREAMS.len()],
    next: [u64; STREAMS.len()],
}

impl LinkSender {
    /// One that has sent nothing, and sends nothing before it has keys.
    #[must_use]
    pub fn new(controlling: bool, now: Instant) -> Self {
        Self {
            sender: Sender::new(0, now),
            streams: STREAMS.map(|stream| RtpStream::plain(stream.ssrc(controlling))),
            next: [FIRST_NUMBER; STREAMS.len()],
        }
    }

    /// Seal with these keys from now on.
    pub fn key(&mut self, agreed: &Agreed) {
        self.sender.key(agreed);
    }

    /// The number that the next packet of a stream will have.
    #[must_use]
    pub fn next(&self, stream: usize) -> u64 {
        self.next[stream]
    }

    /// Of each class the number that its next packet will have.
    #[must_use]
    pub fn next_of_classes(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| self.next[class])
    }

    /// Send a packet. Returns whether it left.
    pub fn send(
        &mut self,
        stream: usize,
        payload: Arc<[u8]>,
        time: u32,
        way: &mut Way<'_>,
    ) -> bool {
        let outgoing = Outgoing {
            sequence: self.next[stream],
            content: Content {
                payload,
                time,
                payload_type: STREAMS[stream].pt,
                ..Content::default()
            },
            wallclock: way.now,
            ticks_per_s: CLASS_TICKS_PER_S,
            padding: 0,
            resendable: false,
        };
        self.next[stream] += 1;
        self.sender.send(&mut self.streams[stream], outgoing, way)
    }
}
