//! The two channels of a link on which messages cross, beside those of the nodes themselves.

use std::time::Instant;

use str0m::change::DirectApi;
use str0m::channel::ChannelId;

use super::Kind;
use crate::engine::peers::drained::{Broken, Drained, Sink};

/// Both ends know the channels by these numbers.
const RELIABLE_STREAM: u16 = 1;
const UNRELIABLE_STREAM: u16 = 2;

/// Bytes of messages that wait on a link's channels: reliable ones for two seconds of 2 Mbit/s,
/// unreliable ones for a fraction of it.
const MAX_RELIABLE_BYTES: usize = 512 * 1024;
const MAX_UNRELIABLE_BYTES: usize = 64 * 1024;

/// Bytes that wait in a link's SCTP altogether: whatever people say, as much again is left for the
/// nodes' own words.
pub const MAX_BUFFERED_BYTES: usize = 2 * (MAX_RELIABLE_BYTES + MAX_UNRELIABLE_BYTES);

/// The channels of one link.
#[derive(Debug)]
pub struct LinkData {
    reliable: ChannelId,
    unreliable: ChannelId,
}

impl LinkData {
    /// Make our end of both.
    pub fn open(api: &mut DirectApi<'_>) -> Self {
        let mut open =
            |kind: Kind, label, stream| api.create_data_channel(kind.channel(label, Some(stream)));
        Self {
            reliable: open(Kind::Reliable, "data", RELIABLE_STREAM),
            unreliable: open(Kind::Unreliable, "fleeting", UNRELIABLE_STREAM),
        }
    }

    /// Whether a channel is one of these.
    #[must_use]
    pub fn has(&self, channel: ChannelId) -> bool {
        channel == self.reliable || channel == self.unreliable
    }

    /// Send a message; `false` when too much waits already, or the link is not open.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn send(
        &self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        kind: Kind,
        bytes: &[u8],
    ) -> Result<bool, Broken> {
        let (channel, most) = match kind {
            Kind::Reliable => (self.reliable, MAX_RELIABLE_BYTES),
            Kind::Unreliable => (self.unreliable, MAX_UNRELIABLE_BYTES),
        };
        drained.change(now, sink, |rtc| {
            rtc.channel(channel).is_some_and(|mut channel| {
                channel.buffered_amount() + bytes.len() <= most
                    && channel.write(true, bytes).is_ok_and(|taken| taken)
            })
        })
    }
}
