//! A packet of a link that is sent again: the payload of a packet of the stream of resends.
//!
//! ```text
//! 0     class
//! 1-6   its number in that class's stream
//! 7-    what it carried
//! ```
//!
//! The stream has numbers of its own, so that no number is sealed twice; and they are new to str0m, which drops what comes
//! more than a hundred numbers late.

use std::sync::Arc;

use super::link_streams::CLASSES;

/// What it adds to a packet.
pub const HEADER_BYTES: usize = 7;

const NUMBER_MASK: u64 = (1 << 48) - 1;

/// A packet that came again.
#[derive(Debug, PartialEq, Eq)]
pub struct Resent<'a> {
    pub class: usize,
    pub number: u64,
    pub payload: &'a [u8],
}

impl<'a> Resent<'a> {
    /// Encode.
    #[must_use]
    pub fn encode(&self) -> Arc<[u8]> {
        let number = (self.number & NUMBER_MASK).to_be_bytes();
        [&[self.class as u8], &number[2..], self.payload]
            .concat()
            .into()
    }

    /// Decode; `None` for what is not ours.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let ([class, number @ ..], payload) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let class = usize::from(*class);
        (class < CLASSES).then(|| Self {
            class,
            number: number
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            class in 0usize..2, number in 0..=NUMBER_MASK, payload in prop::collection::vec(any::<u8>(), 0..50)
        ) {
            let resent = Resent { class, number, payload: &payload };
            let bytes = resent.encode();
            prop_assert_eq!(bytes.len(), HEADER_BYTES + payload.len());
            prop_assert_eq!(Resent::decode(&bytes), Some(resent));
        }

        #[test]
        fn garbage_is_nothing_or_a_packet(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = Resent::decode(&bytes);
        }
    }
}
