//! The channels on which one client sends.

use std::time::Instant;

use str0m::channel::ChannelId;

use super::allowance::{Allowance, Verdict};
use super::{Kind, MAX_LABEL_BYTES, MAX_PAYLOAD_BYTES};

/// Channels that one client may have open.
pub const MAX_CHANNELS: usize = 16;

#[derive(Debug)]
struct Open {
    channel: ChannelId,
    label: String,
    kind: Kind,
}

/// What is to become of a message of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// It goes to the room, under this label.
    Message(&'a str, Kind),
    /// It is dropped; why, by the name of its counter.
    Dropped(&'static str),
    /// A reliable channel would lose it silently: the channel is closed, and counted by this name.
    Close(&'static str),
    /// The client is closed.
    Flood,
}

/// The channels of one client, and what it may say.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Stands before each message.
    pub sender: String,
    channels: Vec<Open>,
    allowance: Allowance,
}

impl Incoming {
    /// A client opened a channel. Says `false` when it is to be closed.
    pub fn open(&mut self, channel: ChannelId, label: &str, kind: Kind, now: Instant) -> bool {
        let fits = !label.is_empty()
            && label.len() <= MAX_LABEL_BYTES
            && self.channels.len() < MAX_CHANNELS
            // Opening costs as much as a message.
            && self.allowance.spend(label.len(), now) == Verdict::Allowed;
        if fits {
            self.channels.push(Open {
                channel,
                label: label.to_owned(),
                kind,
            });
        }
        fits
    }

    /// A channel is closed.
    pub fn close(&mut self, channel: ChannelId) {
        self.channels.retain(|open| open.channel != channel);
    }

    /// Judge a message of so many bytes.
    pub fn take(&mut self, channel: ChannelId, bytes: usize, now: Instant) -> Taken<'_> {
        let verdict = self.allowance.spend(bytes, now);
        if verdict == Verdict::Flood {
            return Taken::Flood;
        }
        let Some(open) = self.channels.iter().find(|open| open.channel == channel) else {
            return Taken::Dropped("data_channels_unknown");
        };
        if bytes == 0 {
            // It says nothing, and costs each receiver as much as one that does.
            return Taken::Dropped("data_empty");
        }
        let why = if bytes > MAX_PAYLOAD_BYTES {
            "data_too_large"
        } else if verdict == Verdict::TooMuch {
            "data_too_much"
        } else {
            return Taken::Message(&open.label, open.kind);
        };
        match open.kind {
            Kind::Reliable => Taken::Close(why),
            Kind::Unreliable => Taken::Dropped(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::Rtc;

    #[test]
    fn a_message_without_content_is_dropped_and_its_channel_goes_on() {
        let now = Instant::now();
        let channel = Rtc::new(now)
            .direct_api()
            .create_data_channel(Kind::Reliable.channel("chat", None));
        let mut incoming = Incoming::default();
        assert!(incoming.open(channel, "chat", Kind::Reliable, now));
        assert_eq!(incoming.take(channel, 0, now), Taken::Dropped("data_empty"));
        let message = Taken::Message("chat", Kind::Reliable);
        assert_eq!(incoming.take(channel, 1, now), message);
        let floods = (0..20_000).any(|_| incoming.take(channel, 0, now) == Taken::Flood);
        assert!(floods, "they count as messages all the same");
    }

    #[test]
    fn labels_and_channels_are_bounded() {
        let now = Instant::now();
        let mut rtc = Rtc::new(now);
        let mut channel = || {
            rtc.direct_api()
                .create_data_channel(Kind::Reliable.channel("any", None))
        };
        let mut incoming = Incoming::default();
        for label in ["", &"l".repeat(MAX_LABEL_BYTES + 1)] {
            assert!(!incoming.open(channel(), label, Kind::Reliable, now));
        }
        let opened = (0..2 * MAX_CHANNELS)
            .filter(|_| incoming.open(channel(), "any", Kind::Reliable, now))
            .count();
        assert_eq!(opened, MAX_CHANNELS);
    }
}
