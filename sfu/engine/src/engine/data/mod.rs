//! Messages between the people of a room, over data channels.
//!
//! A client opens channels with labels of its own on its *publisher* connection, reliable or not
//! ([`incoming`]). What it sends on one goes to every *subscriber* connection of its room, on a
//! channel of the same label and kind that the engine opens when it is first needed ([`outgoing`]),
//! and over each link that the room spans ([`link_data`]); what came over a link goes to subscribers
//! only, so that nothing goes round. [`message`] says how a message looks on the way, [`allowance`]
//! how much one sender may say.
//!
//! Nobody waits for anybody. What an unreliable channel does not take at once is dropped; a receiver
//! that does not take reliable messages as fast as they come is closed, and nobody else notices.

use str0m::channel::{ChannelConfig, Reliability};

use incoming::Incoming;
use outgoing::Outgoing;

pub mod allowance;
pub mod incoming;
pub mod link_data;
pub mod message;
pub mod outgoing;

/// Bytes of one message: what every browser sends and takes whole (RFC 8831 section 6.6).
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024;

/// Bytes of a channel's label.
pub const MAX_LABEL_BYTES: usize = 64;

/// Bytes of a sender's name.
pub const MAX_SENDER_BYTES: usize = 64;

/// How messages of a channel travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In order, all of them.
    Reliable,
    /// Once and at once, or never.
    Unreliable,
}

impl Kind {
    /// What a client's channel is here: whatever it may lose, we do not repeat.
    #[must_use]
    pub fn of(config: &ChannelConfig) -> Self {
        if config.reliability == Reliability::Reliable {
            Self::Reliable
        } else {
            Self::Unreliable
        }
    }

    /// A channel of this kind.
    #[must_use]
    pub fn channel(self, label: &str, negotiated: Option<u16>) -> ChannelConfig {
        let reliable = self == Self::Reliable;
        ChannelConfig {
            label: label.to_owned(),
            ordered: reliable,
            reliability: if reliable {
                Reliability::Reliable
            } else {
                Reliability::MaxRetransmits { retransmits: 0 }
            },
            negotiated,
            ..ChannelConfig::default()
        }
    }
}

/// The data channels of a browser's peer, by what it is.
#[derive(Debug)]
pub enum Channels {
    Of(Incoming),
    To(Outgoing),
    /// A link has [`link_data::LinkData`].
    None,
}
