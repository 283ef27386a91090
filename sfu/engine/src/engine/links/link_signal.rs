//! What two engines tell each other on a link's unreliable channel.
//!
//! One byte says which message; unknown ones are of a newer version and ignored. Everything here
//! is said again while it matters, because nothing here is resent.

use crate::engine::layers::demand::Wanted;

/// A message between the two engines of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSignal {
    Keepalive(Keepalive),
    /// Whoever watches the leg needs a whole picture of an encoding.
    KeyframeWanted {
        leg: u32,
        encoding: u8,
    },
    /// All that is wanted of the leg. A leg of which nothing is said gets everything.
    LayersWanted {
        leg: u32,
        wanted: Wanted,
    },
}

/// Sent every 200 ms by both sides; two of them make a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    pub sequence: u32,
    /// On the sender's clock.
    pub sent_us: u64,
    /// `sent_us` of the newest keepalive received; 0 for none yet.
    pub echo_us: u64,
    /// How long that one waited here to be echoed.
    pub held_us: u32,
}

const KEEPALIVE: u8 = 1;
const KEYFRAME_WANTED: u8 = 2;
const LAYERS_WANTED: u8 = 3;

impl LinkSignal {
    /// Encode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Keepalive(keepalive) => {
                let mut bytes = vec![KEEPALIVE];
                bytes.extend_from_slice(&keepalive.sequence.to_be_bytes());
                bytes.extend_from_slice(&keepalive.sent_us.to_be_bytes());
                bytes.extend_from_slice(&keepalive.echo_us.to_be_bytes());
                bytes.extend_from_slice(&keepalive.held_us.to_be_bytes());
                bytes
            }
            Self::KeyframeWanted { leg, encoding } => {
                let mut bytes = vec![KEYFRAME_WANTED];
                bytes.extend_from_slice(&leg.to_be_bytes());
                bytes.push(*encoding);
                bytes
            }
            Self::LayersWanted { leg, wanted } => {
                let mut bytes = vec![LAYERS_WANTED];
                bytes.extend_from_slice(&leg.to_be_bytes());
                bytes.extend_from_slice(&[wanted.encodings, wanted.spatial]);
                bytes
            }
        }
    }

    /// Decode; `None` for what is not ours. Fields that a newer version appends are ignored.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, body) = bytes.split_first()?;
        match *kind {
            KEEPALIVE => {
                let (sequence, body) = body.split_first_chunk()?;
                let (sent_us, body) = body.split_first_chunk()?;
                let (echo_us, body) = body.split_first_chunk()?;
                let (held_us, _) = body.split_first_chunk()?;
                Some(Self::Keepalive(Keepalive {
                    sequence: u32::from_be_bytes(*sequence),
                    sent_us: u64::from_be_bytes(*sent_us),
                    echo_us: u64::from_be_bytes(*echo_us),
                    held_us: u32::from_be_bytes(*held_us),
                }))
            }
            KEYFRAME_WANTED => {
                let (leg, body) = body.split_first_chunk()?;
                Some(Self::KeyframeWanted {
                    leg: u32::from_be_bytes(*leg),
                    encoding: *body.first()?,
                })
            }
            LAYERS_WANTED => {
                let (leg, body) = body.split_first_chunk()?;
                let ([encodings, spatial], _) = body.split_first_chunk()?;
                Some(Self::LayersWanted {
                    leg: u32::from_be_bytes(*leg),
                    wanted: Wanted {
                        encodings: *encodings,
                        spatial: *spatial,
                    },
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(sequence: u32, sent_us: u64, echo_us: u64, held_us: u32) {
            let keepalive = LinkSignal::Keepalive(Keepalive { sequence, sent_us, echo_us, held_us });
            let keyframe = LinkSignal::KeyframeWanted { leg: sequence, encoding: held_us as u8 };
            let wanted = Wanted { encodings: sequence as u8, spatial: held_us as u8 };
            let layers = LinkSignal::LayersWanted { leg: held_us, wanted };
            for signal in [keepalive, keyframe, layers] {
                let mut bytes = signal.encode();
                for cut in 0..bytes.len() {
                    prop_assert_eq!(LinkSignal::decode(&bytes[..cut]), None);
                }
                bytes.push(0);
                prop_assert_eq!(LinkSignal::decode(&bytes), Some(signal));
            }
        }

        #[test]
        fn garbage_is_nothing_or_a_signal(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = LinkSignal::decode(&bytes);
        }
    }
}
