//! Link frames that are too large for one datagram, in two halves.
//!
//! A frame is a header longer than the packet that it carries, and what came in on a datagram of full
//! size may not go out on one. The path between two nodes need not take larger ones, and IP's own
//! fragments die at many a firewall; so such a frame crosses as two packets of its class, which
//! are repaired like any others and joined beyond. Below the limit a frame is a packet as it is.
//!
//! ```text
//! 0     15 (4 bits, where a frame has its version), three zero bits, 1 for the second half (1 bit)
//! 1-4   number of the frame among those of this link that were halved
//! 5-    the half
//! ```

use std::collections::VecDeque;

use crate::engine::media::packet::MAX_PAYLOAD_BYTES;

/// Largest payload of a packet on a link. With 12 bytes of RTP header, 7 of a resend's and 16 of a
/// seal it is a datagram of 1435, which fits Ethernet also under IPv6 (1452).
pub const MAX_PIECE_BYTES: usize = MAX_PAYLOAD_BYTES;

const HEADER_BYTES: usize = 5;

/// No version of a frame.
const HALF: u8 = 0xf0;
const SECOND: u8 = 0x01;

/// Halves that wait for their other ones. The two leave together; what waits was torn apart by loss, and a
/// resend takes one and a half round trips: at 300 ms, this many are one in seven of 1,000 a second.
const MAX_WAITING: usize = 64;

/// Cut frames in halves.
#[derive(Debug, Default)]
pub struct Halving {
    halved: u32,
}

impl Halving {
    /// The packets of a frame: itself, if it fits. `None` when it does not fit two either, which
    /// no frame of a packet that came in at the door does.
    pub fn cut(&mut self, frame: Vec<u8>) -> Option<[Option<Vec<u8>>; 2]> {
        if frame.len() <= MAX_PIECE_BYTES {
            return Some([Some(frame), None]);
        }
        // Alike in size: what lies in one group for the kernel has one size.
        let (first, second) = frame.split_at(frame.len().div_ceil(2));
        if HEADER_BYTES + first.len() > MAX_PIECE_BYTES {
            return None;
        }
        self.halved = self.halved.wrapping_add(1);
        let half = |kind: u8, part: &[u8]| {
            let mut bytes = Vec::with_capacity(HEADER_BYTES + part.len());
            bytes.push(HALF | kind);
            bytes.extend_from_slice(&self.halved.to_be_bytes());
            bytes.extend_from_slice(part);
            bytes
        };
        Some([Some(half(0, first)), Some(half(SECOND, second))])
    }
}

/// A half that came alone.
#[derive(Debug)]
struct Waiting {
    number: u32,
    is_second: bool,
    part: Vec<u8>,
}

/// Put halves together.
#[derive(Debug, Default)]
pub struct Joining {
    /// Oldest first.
    waiting: VecDeque<Waiting>,
}

/// What came of a half.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The frame is whole.
    Frame(Vec<u8>),
    /// It waits for the other one.
    Waits,
    /// It waits, and the oldest that waited was given up.
    Displaced,
    /// It is no half.
    Malformed,
}

impl Joining {
    /// Whether a packet's payload is half a frame.
    #[must_use]
    pub fn is_half(payload: &[u8]) -> bool {
        payload.first().is_some_and(|first| first & HALF == HALF)
    }

    /// Take a half; it may come before or after the other one, and again.
    pub fn take(&mut self, payload: &[u8]) -> Joined {
        let Some(([kind, number @ ..], part)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            return Joined::Malformed;
        };
        if kind & !SECOND != HALF {
            return Joined::Malformed;
        }
        let (number, is_second) = (u32::from_be_bytes(*number), *kind & SECOND != 0);
        // The newest is the likely one.
        let known = self.waiting.iter().rposition(|half| half.number == number);
        if let Some(at) = known {
            if self.waiting[at].is_second == is_second {
                return Joined::Waits;
            }
            let Some(other) = self.waiting.remove(at) else {
                return Joined::Waits;
            };
            let (first, second) = match is_second {
                true => (&other.part[..], part),
                false => (part, &other.part[..]),
            };
            return Joined::Frame([first, second].concat());
        }
        self.waiting.push_back(Waiting {
            number,
            is_second,
            part: part.to_vec(),
        });
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
            return Joined::Displaced;
        }
        Joined::Waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    type Take = fn(&mut Joining, &[u8]) -> Joined;

    /// Whatever their size, frames come out as they went in, each once; however their halves are
    /// shuffled among a few and some are sent again.
    fn frames_come_out_whole(take: Take) -> bool {
        let frames = prop::collection::vec(
            (
                prop::sample::select(vec![1, 700, 1399, 1400, 1401, 1402, 1673, 2789, 2790]),
                0u8..0xf0,
            ),
            1..12,
        );
        let swaps = prop::collection::vec((0usize..24, 0usize..24), 0..12);
        let outcome = TestRunner::deterministic().run(&(frames, swaps), |(frames, swaps)| {
            let (mut halving, mut joining) = (Halving::default(), Joining::default());
            let frames: Vec<Vec<u8>> = frames
                .into_iter()
                .map(|(length, first)| {
                    let mut frame: Vec<u8> = (0..length).map(|at| at as u8).collect();
                    frame[0] = first;
                    frame
                })
                .collect();
            let mut packets: Vec<Vec<u8>> = frames
                .iter()
                .flat_map(|frame| halving.cut(frame.clone()).unwrap())
                .flatten()
                .collect();
            for (one, other) in swaps {
                let count = packets.len();
                packets.swap(one % count, other % count);
                packets.insert(other % count, packets[other % count].clone());
            }
            let mut whole: Vec<Vec<u8>> = Vec::new();
            for packet in packets {
                prop_assert!(packet.len() <= MAX_PIECE_BYTES);
                if !Joining::is_half(&packet) {
                    whole.push(packet);
                } else if let Joined::Frame(frame) = take(&mut joining, &packet) {
                    whole.push(frame);
                }
            }
            for frame in &frames {
                prop_assert!(whole.contains(frame));
            }
            for frame in &whole {
                prop_assert!(frames.contains(frame));
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn frames_cross_whole_and_a_careless_joiner_is_found_out() {
        assert!(frames_come_out_whole(Joining::take));
        // Takes what comes later for the second half.
        assert!(!frames_come_out_whole(|joining, packet| {
            match (joining.take(packet), packet[0] & SECOND) {
                (Joined::Frame(mut frame), 0) => {
                    let middle = frame.len() / 2;
                    frame.rotate_left(middle);
                    Joined::Frame(frame)
                }
                (joined, _) => joined,
            }
        }));
        // Knows one frame at a time.
        assert!(!frames_come_out_whole(|joining, packet| {
            let joined = joining.take(packet);
            let newest = joining.waiting.len().saturating_sub(1);
            joining.waiting.drain(..newest);
            joined
        }));
    }

    #[test]
    fn what_fits_no_two_packets_is_not_cut() {
        let mut halving = Halving::default();
        let most = 2 * (MAX_PIECE_BYTES - HEADER_BYTES);
        assert!(halving.cut(vec![0; most]).is_some());
        assert!(halving.cut(vec![0; most + 1]).is_none());
    }

    #[test]
    fn halves_that_wait_are_few() {
        let mut joining = Joining::default();
        let half = |number: u32| [&[HALF][..], &number.to_be_bytes(), b"x"].concat();
        for number in 0..MAX_WAITING as u32 {
            assert_eq!(joining.take(&half(number)), Joined::Waits);
        }
        assert_eq!(joining.take(&half(1000)), Joined::Displaced);
        assert_eq!(joining.waiting.len(), MAX_WAITING);
    }

    proptest! {
        #[test]
        fn garbage_joins_nothing_or_something(
            pieces in prop::collection::vec(
                (prop::sample::select(vec![0xf0u8, 0xf1, 0xf2, 0xff, 0x10]),
                 prop::collection::vec(0u8..3, 0..12)),
                0..40,
            ),
        ) {
            let mut joining = Joining::default();
            for (first, rest) in pieces {
                let bytes = [&[first][..], &rest].concat();
                let _ = Joining::is_half(&bytes);
                let _ = joining.take(&bytes);
                prop_assert!(joining.waiting.len() <= MAX_WAITING);
            }
        }
    }
}
