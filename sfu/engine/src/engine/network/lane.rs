//! Several connections between the same two sockets.
//!
//! A link that is made anew stands beside the one that it replaces, and both go from the same port to the same port:
//! nothing in DTLS or SRTP says which of the two a datagram is of. So each datagram of the later one is preceded by one
//! byte that does, its *lane*. The values are those that RFC 7983 gives to nobody, so a datagram without such a byte is of
//! lane 0, where everybody is who is not made anew. The two nodes agree on a lane when they agree on the link.

use std::net::SocketAddr;

/// Lanes beside the plain one: an attempt takes the next, so that it never meets what is left of the one before.
pub const MAX_LANE: u8 = 63;

/// The byte before a datagram of lane 0, if that had one.
const BASE: u8 = 192;

/// Where a datagram comes from: an address, and the lane.
pub type Origin = (SocketAddr, u8);

/// The lane of a datagram, and what it is without the byte that says so.
#[must_use]
pub fn split(datagram: &[u8]) -> (u8, &[u8]) {
    match datagram {
        [first, rest @ ..] if *first > BASE => (first - BASE, rest),
        _ => (0, datagram),
    }
}

/// The byte to put before each datagram of a lane.
#[must_use]
pub fn prefix(lane: u8) -> Option<u8> {
    (1..=MAX_LANE).contains(&lane).then(|| BASE + lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_read_as_it_was_written_and_nothing_else_is_one() {
        for lane in 1..=MAX_LANE {
            let datagram = [prefix(lane).unwrap(), 1, 2];
            assert_eq!(split(&datagram), (lane, &[1, 2][..]));
        }
        assert_eq!((prefix(0), prefix(MAX_LANE + 1)), (None, None));
        for first in 0..=BASE {
            assert_eq!(split(&[first, 1]), (0, &[first, 1][..]));
        }
        assert_eq!(split(&[]), (0, &[][..]));
    }
}
