//! The channels on which one client hears the others.

use std::time::Instant;

use str0m::Rtc;
use str0m::channel::{ChannelConfig, ChannelId};

use super::Kind;
use crate::engine::counters::Counters;
use crate::engine::peers::drained::{Broken, Drained, Sink};

/// Channels that one client is opened: more labels than a page tells apart.
pub const MAX_CHANNELS: usize = 64;

/// Bytes that wait in SCTP for a client that is slow: more is a second of 2 Mbit/s and too late.
pub const MAX_BUFFERED_BYTES: usize = 256 * 1024;

/// Bytes that wait on one unreliable channel; what comes later is newer than what is dropped for it.
const MAX_UNRELIABLE_BYTES: usize = 32 * 1024;

/// Bytes that wait for a channel to open, which takes a round trip.
const MAX_OPENING_BYTES: usize = 64 * 1024;

/// The channel that is in every first offer, so that others open without another one. It is known
/// to both ends by its number alone, and nothing is ever sent on it.
const FIRST_STREAM: u16 = 1;
const FIRST_LABEL: &str = "starling";

/// The channel for a first offer.
#[must_use]
pub fn first_channel() -> ChannelConfig {
    Kind::Reliable.channel(FIRST_LABEL, Some(FIRST_STREAM))
}

#[derive(Debug)]
struct Out {
    label: String,
    kind: Kind,
    channel: ChannelId,
    /// What waits until it is open; `None` once it is.
    waiting: Option<Vec<Vec<u8>>>,
}

/// The channels to one client.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Whose messages are not sent to it: its own.
    pub participant: String,
    /// Channels can be opened.
    up: bool,
    channels: Vec<Out>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    Full,
    Gone,
}

impl Outgoing {
    /// Send a message, opening a channel for its label if there is none. Says `false` when the
    /// client does not take reliable messages as fast as they come, and is to be closed.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn deliver(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        (label, kind): (&str, Kind),
        bytes: &[u8],
        counters: &mut Counters,
    ) -> Result<bool, Broken> {
        if !self.up || !drained.flows() {
            counters.count("data_receivers_away");
            return Ok(true);
        }
        let known = self
            .channels
            .iter()
            .position(|out| out.kind == kind && out.label == label);
        let at = match known {
            Some(at) => at,
            None if self.channels.len() >= MAX_CHANNELS => {
                counters.count("data_labels_too_many");
                return Ok(true);
            }
            None => {
                let channel = drained.change(now, sink, |rtc| {
                    rtc.direct_api()
                        .create_data_channel(kind.channel(label, None))
                })?;
                self.channels.push(Out {
                    label: label.to_owned(),
                    kind,
                    channel,
                    waiting: Some(Vec::new()),
                });
                self.channels.len() - 1
            }
        };
        let out = &mut self.channels[at];
        let sent = match &mut out.waiting {
            Some(waiting) => {
                let bytes_waiting: usize = waiting.iter().map(Vec::len).sum();
                if bytes_waiting + bytes.len() <= MAX_OPENING_BYTES {
                    waiting.push(bytes.to_vec());
                    Sent::Yes
                } else {
                    Sent::Full
                }
            }
            None => {
                let channel = out.channel;
                drained.change(now, sink, |rtc| write(rtc, channel, kind, bytes))?
            }
        };
        Ok(self.conclude(at, sent, counters))
    }

    /// A channel opened. Says `None` when it is none of ours, else as [`Outgoing::deliver`].
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn opened(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        (channel, label): (ChannelId, &str),
        counters: &mut Counters,
    ) -> Result<Option<bool>, Broken> {
        self.up = true;
        let Some(at) = self.channels.iter().position(|out| out.channel == channel) else {
            return Ok((label == FIRST_LABEL).then_some(true));
        };
        let kind = self.channels[at].kind;
        let waiting = self.channels[at].waiting.take().unwrap_or_default();
        let sent = drained.change(now, sink, |rtc| {
            waiting
                .iter()
                .map(|bytes| write(rtc, channel, kind, bytes))
                .find(|sent| *sent != Sent::Yes)
        })?;
        Ok(Some(self.conclude(at, sent.unwrap_or(Sent::Yes), counters)))
    }

    /// A channel is closed; the next message of its label opens another one.
    pub fn closed(&mut self, channel: ChannelId) {
        self.channels.retain(|out| out.channel != channel);
    }

    fn conclude(&mut self, at: usize, sent: Sent, counters: &mut Counters) -> bool {
        match (sent, self.channels[at].kind) {
            (Sent::Yes, _) => counters.count("data_messages_out"),
            (Sent::Full, Kind::Unreliable) => counters.count("data_receivers_behind"),
            (Sent::Full, Kind::Reliable) => return false,
            (Sent::Gone, _) => {
                counters.count("data_channels_gone");
                self.channels.swap_remove(at);
            }
        }
        true
    }
}

fn write(rtc: &mut Rtc, channel: ChannelId, kind: Kind, bytes: &[u8]) -> Sent {
    let Some(mut channel) = rtc.channel(channel) else {
        return Sent::Gone;
    };
    if kind == Kind::Unreliable && channel.buffered_amount() + bytes.len() > MAX_UNRELIABLE_BYTES {
        return Sent::Full;
    }
    match channel.write(true, bytes) {
        Ok(true) => Sent::Yes,
        Ok(false) => Sent::Full,
        Err(_) => Sent::Gone,
    }
}
