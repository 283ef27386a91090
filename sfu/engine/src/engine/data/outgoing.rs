//! The channels on which one client hears the others.

use std::collections::VecDeque;
use std::time::Instant;

use str0m::Rtc;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::error::{ProtoError, RtcError, SctpError};

use super::Kind;
use crate::engine::counters::Counters;
use crate::engine::peers::drained::{Broken, Drained, Sink};

/// Channels that one client is opened: more labels than a page tells apart.
pub const MAX_CHANNELS: usize = 64;

/// Bytes that wait in SCTP for a client that is slow: more is a second of 2 Mbit/s and too late. As
/// many may wait for a client to connect, and for channels to open, which takes a round trip, and
/// then all go there at once.
pub const MAX_BUFFERED_BYTES: usize = 256 * 1024;

/// Messages that wait for a client to connect, however small.
const MAX_EARLY: usize = 1024;

/// Bytes that wait on one unreliable channel; what comes later is newer than what is dropped for it.
const MAX_UNRELIABLE_BYTES: usize = 32 * 1024;

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
    waiting: Option<Waiting>,
}

/// Messages in their order.
#[derive(Debug, Default)]
struct Waiting {
    messages: Vec<Vec<u8>>,
    bytes: usize,
}

/// The channels to one client.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Whose messages are not sent to it: its own.
    pub participant: String,
    /// Channels can be opened.
    up: bool,
    early: Early,
    channels: Vec<Out>,
}

/// What is said to a client that is in the room already and still connects, in its order: the
/// newest, as if it had come a little later. It waits no longer than a peer has to connect.
#[derive(Debug, Default)]
struct Early {
    messages: VecDeque<(String, Kind, Vec<u8>)>,
    bytes: usize,
}

impl Early {
    /// Keep a message. Says how many older ones are dropped for it.
    fn keep(&mut self, (label, kind): (&str, Kind), message: &[u8]) -> usize {
        self.bytes += message.len();
        self.messages
            .push_back((label.to_owned(), kind, message.to_vec()));
        let before = self.messages.len();
        while (self.bytes > MAX_BUFFERED_BYTES || self.messages.len() > MAX_EARLY)
            && let Some((.., dropped)) = self.messages.pop_front()
        {
            self.bytes -= dropped.len();
        }
        before - self.messages.len()
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    Full,
    /// The client announced that it takes none as large.
    TooLarge,
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
        if !self.up {
            let dropped = self.early.keep((label, kind), bytes);
            counters.add("data_receivers_away", dropped as u64);
            return Ok(true);
        }
        if !drained.flows() {
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
                    waiting: Some(Waiting::default()),
                });
                self.channels.len() - 1
            }
        };
        let sent = if self.channels[at].waiting.is_some() {
            self.wait(at, bytes)
        } else {
            let channel = self.channels[at].channel;
            drained.change(now, sink, |rtc| write(rtc, channel, kind, bytes))?
        };
        self.conclude(drained, now, sink, (at, &[sent]), counters)
    }

    /// Keep a message until its channel is open.
    fn wait(&mut self, at: usize, bytes: &[u8]) -> Sent {
        let waits = |out: &Out| out.waiting.as_ref().map_or(0, |waiting| waiting.bytes);
        let all: usize = self.channels.iter().map(waits).sum();
        let out = &mut self.channels[at];
        let full = all + bytes.len() > MAX_BUFFERED_BYTES
            || out.kind == Kind::Unreliable && waits(out) + bytes.len() > MAX_UNRELIABLE_BYTES;
        if full {
            return Sent::Full;
        }
        let waiting = out.waiting.get_or_insert_default();
        waiting.bytes += bytes.len();
        waiting.messages.push(bytes.to_vec());
        Sent::Yes
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
        if !self.up {
            self.up = true;
            for (label, kind, bytes) in std::mem::take(&mut self.early).messages {
                if !self.deliver(drained, now, sink, (&label, kind), &bytes, counters)? {
                    return Ok(Some(false));
                }
            }
        }
        let Some(at) = self.channels.iter().position(|out| out.channel == channel) else {
            return Ok((label == FIRST_LABEL).then_some(true));
        };
        let kind = self.channels[at].kind;
        let waiting = self.channels[at].waiting.take().unwrap_or_default();
        let sent: Vec<Sent> = drained.change(now, sink, |rtc| {
            let write = |bytes: &Vec<u8>| write(rtc, channel, kind, bytes);
            waiting.messages.iter().map(write).collect()
        })?;
        self.conclude(drained, now, sink, (at, &sent), counters)
            .map(Some)
    }

    /// A channel is closed; the next message of its label opens another one. Says how many waited
    /// for it to open, and are lost.
    pub fn closed(&mut self, channel: ChannelId) -> usize {
        let at = self.channels.iter().position(|out| out.channel == channel);
        let waiting = at.and_then(|at| self.channels.swap_remove(at).waiting);
        waiting.map_or(0, |waiting| waiting.messages.len())
    }

    /// Count what became of messages on one channel, each by itself: one that is refused is no
    /// reason to drop the next. What is given up is closed, so that the client sees it end.
    fn conclude(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        (at, sent): (usize, &[Sent]),
        counters: &mut Counters,
    ) -> Result<bool, Broken> {
        let Out { kind, channel, .. } = self.channels[at];
        for one in sent {
            match one {
                Sent::Yes => counters.count("data_messages_out"),
                Sent::Full if kind == Kind::Reliable => return Ok(false),
                Sent::Full => counters.count("data_receivers_behind"),
                Sent::TooLarge => counters.count("data_too_large_for_receiver"),
                Sent::Gone => counters.count("data_messages_lost"),
            }
        }
        if sent.contains(&Sent::Gone) {
            counters.count("data_channels_gone");
            self.channels.swap_remove(at);
            drained.change(now, sink, |rtc| {
                rtc.direct_api().close_data_channel(channel)
            })?;
        }
        Ok(true)
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
        Err(RtcError::Sctp(SctpError::Proto(ProtoError::ErrOutboundPacketTooLarge))) => {
            Sent::TooLarge
        }
        Err(_) => Sent::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sizes: &[usize]) -> (Vec<usize>, usize) {
        let mut early = Early::default();
        let mut dropped = 0;
        for size in sizes {
            dropped += early.keep(("notes", Kind::Reliable), &vec![0; *size]);
        }
        let left = early.messages.iter().map(|(.., message)| message.len());
        (left.collect(), dropped)
    }

    #[test]
    fn of_what_is_said_early_the_newest_is_kept() {
        assert_eq!(kept(&[1, 2, 3]), (vec![1, 2, 3], 0));
        let half = MAX_BUFFERED_BYTES / 2;
        assert_eq!(kept(&[1, half, half]), (vec![half, half], 1));
        assert_eq!(kept(&[1, 2, half, half, 3]), (vec![half, 3], 3));
        let (left, dropped) = kept(&[5; MAX_EARLY + 7]);
        assert_eq!((left.len(), dropped), (MAX_EARLY, 7));
    }
}
