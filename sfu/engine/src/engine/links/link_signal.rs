//! What two engines tell each other on a link, in packets that may be lost.
//!
//! One byte says which message; unknown ones are of a newer version and ignored. Everything here
//! is said again while it matters, because nothing here is resent.

use super::gap_list::{MAX_RANGES, Range};
use super::link_streams::CLASSES;
use crate::engine::layers::demand::Wanted;

/// A message between the two engines of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// These packets of a class are to be sent again.
    Missing {
        class: u8,
        ranges: Vec<Range>,
    },
    /// Of each class everything before that number was sent: what is missing at the end shows by no packet after it.
    Sent {
        before: [u64; 2],
    },
    Received(Received),
    /// All that the path carries of a leg now: whoever gets the rest is to take something smaller at once.
    LayersCarried {
        leg: u32,
        carried: Wanted,
    },
}

/// What came since the report before, sent often while anything comes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub elapsed_us: u32,
    pub packets: u32,
    /// Of their payloads.
    pub bytes: u32,
    /// Packets that were found missing.
    pub lost: u32,
    /// How long each packet waited on the way at least, beyond the shortest way of late.
    pub queue_us: u32,
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
const MISSING: u8 = 4;
const SENT: u8 = 5;
const RECEIVED: u8 = 6;
const LAYERS_CARRIED: u8 = 7;

/// Numbers of one request: more are missing only where there is no path.
const MAX_ASKED: u64 = 8192;

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
            Self::LayersWanted { leg, wanted } => layers(LAYERS_WANTED, *leg, *wanted),
            Self::LayersCarried { leg, carried } => layers(LAYERS_CARRIED, *leg, *carried),
            Self::Missing { class, ranges } => {
                let mut bytes = vec![MISSING, *class];
                let mut end = 0;
                for range in ranges {
                    write_number(range.first.wrapping_sub(end), &mut bytes);
                    write_number(range.count.into(), &mut bytes);
                    end = range.first + u64::from(range.count);
                }
                bytes
            }
            Self::Sent { before } => {
                let mut bytes = vec![SENT];
                for number in before {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                bytes
            }
            Self::Received(received) => {
                let mut bytes = vec![RECEIVED];
                for number in [
                    received.elapsed_us,
                    received.packets,
                    received.bytes,
                    received.lost,
                    received.queue_us,
                ] {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
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
            LAYERS_WANTED | LAYERS_CARRIED => {
                let (leg, body) = body.split_first_chunk()?;
                let ([encodings, spatial], _) = body.split_first_chunk()?;
                let leg = u32::from_be_bytes(*leg);
                let layers = Wanted {
                    encodings: *encodings,
                    spatial: *spatial,
                };
                Some(match *kind {
                    LAYERS_WANTED => Self::LayersWanted {
                        leg,
                        wanted: layers,
                    },
                    _ => Self::LayersCarried {
                        leg,
                        carried: layers,
                    },
                })
            }
            MISSING => {
                let (class, body) = body.split_first()?;
                let known = usize::from(*class) < CLASSES;
                known.then_some(Self::Missing {
                    class: *class,
                    ranges: read_ranges(body)?,
                })
            }
            SENT => {
                let (first, body) = body.split_first_chunk()?;
                let (second, _) = body.split_first_chunk()?;
                Some(Self::Sent {
                    before: [first, second].map(|number| u64::from_be_bytes(*number)),
                })
            }
            RECEIVED => {
                let (words, _) = body.split_first_chunk::<20>()?;
                let word = |at: usize| {
                    let bytes = [words[at], words[at + 1], words[at + 2], words[at + 3]];
                    u32::from_be_bytes(bytes)
                };
                Some(Self::Received(Received {
                    elapsed_us: word(0),
                    packets: word(4),
                    bytes: word(8),
                    lost: word(12),
                    queue_us: word(16),
                }))
            }
            _ => None,
        }
    }
}

fn layers(kind: u8, leg: u32, layers: Wanted) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&leg.to_be_bytes());
    bytes.extend_from_slice(&[layers.encodings, layers.spatial]);
    bytes
}

/// Pairs of how far from the end of the one before and how many; a cut or broken list is read as far as it goes.
fn read_ranges(mut bytes: &[u8]) -> Option<Vec<Range>> {
    let (mut ranges, mut end, mut asked) = (Vec::new(), 0u64, 0);
    while let Some((skipped, rest)) = read_number(bytes)
        && let Some((count, rest)) = read_number(rest)
        && ranges.len() < MAX_RANGES
    {
        if count == 0 || count > MAX_ASKED - asked {
            break;
        }
        asked += count;
        let first = end.checked_add(skipped)?;
        end = first.checked_add(count)?;
        ranges.push(Range {
            first,
            count: count as u32,
        });
        bytes = rest;
    }
    (!ranges.is_empty()).then_some(ranges)
}

/// Seven bits a byte, the lowest first; all but the last have the eighth.
fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
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
            let sent = LinkSignal::Sent { before: [sent_us, echo_us] };
            let received = LinkSignal::Received(Received {
                elapsed_us: sequence,
                packets: held_us,
                bytes: sent_us as u32,
                lost: echo_us as u32,
                queue_us: sequence / 2,
            });
            let carried = LinkSignal::LayersCarried { leg: sequence, carried: wanted };
            for signal in [keepalive, keyframe, layers, carried, sent, received] {
                let mut bytes = signal.encode();
                for cut in 0..bytes.len() {
                    prop_assert_eq!(LinkSignal::decode(&bytes[..cut]), None);
                }
                bytes.push(0);
                prop_assert_eq!(LinkSignal::decode(&bytes), Some(signal));
            }
        }

        #[test]
        fn ranges_are_read_as_they_were_written(
            class in 0u8..2,
            start in 0u64..1 << 48,
            pairs in prop::collection::vec((1u64..5000, 1u32..40), 1..MAX_RANGES),
        ) {
            let mut end = start;
            let ranges: Vec<Range> = pairs.into_iter().map(|(skipped, count)| {
                let first = end + skipped;
                end = first + u64::from(count);
                Range { first, count }
            }).collect();
            let signal = LinkSignal::Missing { class, ranges };
            let bytes = signal.encode();
            prop_assert!(bytes.len() < 1100);
            prop_assert_eq!(LinkSignal::decode(&bytes), Some(signal));
        }

        #[test]
        fn more_than_may_be_asked_for_is_not_read(count in MAX_ASKED as u32 - 50..MAX_ASKED as u32 + 200) {
            let ranges = vec![Range { first: 1, count: 50 }, Range { first: 100, count }];
            let bytes = LinkSignal::Missing { class: 0, ranges: ranges.clone() }.encode();
            let read = if u64::from(count) + 50 <= MAX_ASKED { 2 } else { 1 };
            let signal = LinkSignal::Missing { class: 0, ranges: ranges[..read].to_vec() };
            prop_assert_eq!(LinkSignal::decode(&bytes), Some(signal));
        }

        #[test]
        fn garbage_is_nothing_or_a_signal(
            kind in 0u8..9, bytes in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            let _ = LinkSignal::decode(&bytes);
            let headed = [&[kind][..], &bytes].concat();
            if let Some(LinkSignal::Missing { ranges, .. }) = LinkSignal::decode(&headed) {
                let asked: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
                prop_assert!(asked <= MAX_ASKED);
            }
        }
    }
}
