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

/// Bytes of one message as a client sends it: a sixteenth of what browsers could, because each goes
/// out once for every receiver. The SDK's `MAX_MESSAGE_BYTES` is the same number.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024;

/// Bytes of one message as a client gets it: with its sender in front.
pub const MAX_DELIVERY_BYTES: usize = 1 + MAX_SENDER_BYTES + MAX_PAYLOAD_BYTES;

/// What we announce to clients that we take (`a=max-message-size`). Chromium takes no larger message
/// than it was offered to send, so this has room for a delivery; and SCTP ends over a message above
/// it, so there is room for one that is too large, to be refused by name. As much holds for whoever
/// announces nothing (RFC 8841 section 6.1).
pub const ANNOUNCED_BYTES: u32 = 64 * 1024;
const _: () = assert!(MAX_DELIVERY_BYTES < ANNOUNCED_BYTES as usize);

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
