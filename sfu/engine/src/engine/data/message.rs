//! A message on its way: to a client, and from node to node.
//!
//! To a client it is the sender (one byte that counts its bytes, then UTF-8) and the payload. To a
//! node it is
//!
//! ```text
//!  0      version (4 bits), three zero bits, 1 for unreliable
//!  then   room, label, sender: each one byte that counts its bytes, then UTF-8
//!  then   the payload
//! ```

use super::{Kind, MAX_LABEL_BYTES, MAX_PAYLOAD_BYTES, MAX_SENDER_BYTES};
use crate::engine::rooms::MAX_NAME_BYTES;

/// The only version there is.
const VERSION: u8 = 1;

/// A message, borrowing all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataMessage<'a> {
    pub room: &'a str,
    pub label: &'a str,
    pub sender: &'a str,
    pub kind: Kind,
    pub payload: &'a [u8],
}

impl<'a> DataMessage<'a> {
    /// As a client gets it.
    #[must_use]
    pub fn delivery(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.sender.len() + self.payload.len());
        push(&mut bytes, self.sender);
        bytes.extend_from_slice(self.payload);
        bytes
    }

    /// As another node gets it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let names = [self.room, self.label, self.sender];
        let length: usize = names.iter().map(|name| 1 + name.len()).sum();
        let mut bytes = Vec::with_capacity(1 + length + self.payload.len());
        bytes.push(VERSION << 4 | u8::from(self.kind == Kind::Unreliable));
        for name in names {
            push(&mut bytes, name);
        }
        bytes.extend_from_slice(self.payload);
        bytes
    }

    /// Read what another node sent; `None` for what is not ours.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first()?;
        if head >> 4 != VERSION {
            return None;
        }
        let (room, rest) = take(rest, MAX_NAME_BYTES)?;
        let (label, rest) = take(rest, MAX_LABEL_BYTES)?;
        let (sender, payload) = take(rest, MAX_SENDER_BYTES)?;
        (payload.len() <= MAX_PAYLOAD_BYTES).then_some(Self {
            room,
            label,
            sender,
            kind: if head & 1 == 0 {
                Kind::Reliable
            } else {
                Kind::Unreliable
            },
            payload,
        })
    }
}

/// Names are at most 64 bytes where they come in.
fn push(bytes: &mut Vec<u8>, name: &str) {
    let name = &name.as_bytes()[..name.len().min(usize::from(u8::MAX))];
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name);
}

fn take(bytes: &[u8], most: usize) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length);
    if length == 0 || length > most {
        return None;
    }
    let (name, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::MAX_DELIVERY_BYTES;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[test]
    fn a_client_reads_who_sent_it_first() {
        let message = DataMessage {
            room: "hall",
            label: "chat",
            sender: "ann",
            kind: Kind::Reliable,
            payload: b"hello",
        };
        assert_eq!(message.delivery(), b"\x03annhello");
    }

    #[test]
    fn the_largest_message_of_the_longest_name_is_as_large_as_a_delivery_gets() {
        let message = DataMessage {
            room: "hall",
            label: "chat",
            sender: &"s".repeat(MAX_SENDER_BYTES),
            kind: Kind::Reliable,
            payload: &[7; MAX_PAYLOAD_BYTES],
        };
        assert_eq!(message.delivery().len(), MAX_DELIVERY_BYTES);
    }

    type Through = for<'a> fn(DataMessage<'a>, &'a mut Vec<u8>) -> Option<DataMessage<'a>>;

    /// What one node encodes the other reads the same; nothing cut short of its names is read.
    fn crosses_whole(through: Through) -> bool {
        let messages = (
            ("[a-zé]{1,32}", "[a-zé]{1,32}", "[a-zé]{1,32}"),
            any::<bool>(),
            prop::collection::vec(any::<u8>(), 0..40),
        );
        let outcome = TestRunner::deterministic().run(
            &messages,
            |((room, label, sender), reliable, payload)| {
                let message = DataMessage {
                    room: &room,
                    label: &label,
                    sender: &sender,
                    kind: if reliable {
                        Kind::Reliable
                    } else {
                        Kind::Unreliable
                    },
                    payload: &payload,
                };
                let mut wire = Vec::new();
                prop_assert_eq!(through(message, &mut wire), Some(message));
                for cut in 0..wire.len() - payload.len() {
                    prop_assert_eq!(DataMessage::decode(&wire[..cut]), None);
                }
                Ok(())
            },
        );
        outcome.is_ok()
    }

    #[test]
    fn messages_cross_whole_and_a_codec_that_loses_something_is_found_out() {
        assert!(crosses_whole(|message, wire| {
            *wire = message.encode();
            DataMessage::decode(wire)
        }));
        // Forgets that it may be lost.
        assert!(!crosses_whole(|message, wire| {
            *wire = message.encode();
            wire[0] &= 0xf0;
            DataMessage::decode(wire)
        }));
    }

    proptest! {
        #[test]
        fn garbage_is_nothing_or_a_message_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(message) = DataMessage::decode(&bytes) {
                prop_assert!(message.room.len() <= MAX_NAME_BYTES);
                prop_assert_eq!(message.encode().len(), bytes.len());
            }
        }
    }
}
