//! Which peer a datagram belongs to.
//!
//! Peers share one socket. Everything from an address that a peer has proven by a STUN check with
//! its password is that peer's; a check from elsewhere finds its peer by the user fragment that we
//! gave it. All else is nobody's: foreign DTLS never reaches a peer.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::router::PeerKey;

/// Larger ones are no WebRTC packet on any path of ours (Ethernet's payload).
pub const MAX_DATAGRAM_BYTES: usize = 1500;

/// Addresses that one peer may hold: every pair of a few interfaces; more is an attack.
const MAX_ADDRESSES_PER_PEER: usize = 16;

/// RFC 8489 section 5.
const STUN_HEADER_BYTES: usize = 20;
const STUN_MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const STUN_BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const STUN_USERNAME: u16 = 0x0006;

/// What a datagram is, as far as its way depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// An ICE check for the peer with this local user fragment.
    Check(&'a str),
    /// Another STUN message: the answer to a check of ours, or an indication.
    Stun,
    /// DTLS, RTP or RTCP (RFC 7983); who sent it decides.
    Media,
    /// Nothing that we speak.
    Garbage,
}

impl<'a> Shape<'a> {
    /// Look at the first bytes, and for a check at the attributes.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::of_stun(bytes),
            Some(20..=63 | 128..=191) => Self::Media,
            _ => Self::Garbage,
        }
    }

    fn of_stun(bytes: &'a [u8]) -> Self {
        let Some((header, attributes)) = bytes.split_first_chunk::<STUN_HEADER_BYTES>() else {
            return Self::Garbage;
        };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != STUN_MAGIC_COOKIE || length != attributes.len() {
            return Self::Garbage;
        }
        if header[..2] != STUN_BINDING_REQUEST {
            return Self::Stun;
        }
        username(attributes)
            .and_then(|name| std::str::from_utf8(name).ok())
            .and_then(|name| name.split_once(':'))
            .map_or(Self::Garbage, |(ours, _)| Self::Check(ours))
    }
}

fn username(mut attributes: &[u8]) -> Option<&[u8]> {
    while let [kind_high, kind_low, length_high, length_low, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([*kind_high, *kind_low]) == STUN_USERNAME {
            return Some(value);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The tables.
#[derive(Debug, Default)]
pub struct Demux {
    by_address: HashMap<SocketAddr, PeerKey>,
    by_fragment: HashMap<String, PeerKey>,
    addresses: HashMap<PeerKey, VecDeque<SocketAddr>>,
}

impl Demux {
    /// Checks with this user fragment are for `peer`.
    pub fn expect(&mut self, fragment: String, peer: PeerKey) {
        self.by_fragment.insert(fragment, peer);
    }

    /// The peer that a check with this user fragment is for.
    #[must_use]
    pub fn by_fragment(&self, fragment: &str) -> Option<PeerKey> {
        self.by_fragment.get(fragment).copied()
    }

    /// The peer that has proven this address.
    #[must_use]
    pub fn by_address(&self, address: SocketAddr) -> Option<PeerKey> {
        self.by_address.get(&address).copied()
    }

    /// `peer` has proven this address; the oldest of too many is forgotten.
    pub fn learn(&mut self, address: SocketAddr, peer: PeerKey) {
        let before = self.by_address.insert(address, peer);
        if before == Some(peer) {
            return;
        }
        if let Some(held) = before.and_then(|before| self.addresses.get_mut(&before)) {
            held.retain(|known| *known != address);
        }
        let held = self.addresses.entry(peer).or_default();
        held.push_back(address);
        if held.len() > MAX_ADDRESSES_PER_PEER
            && let Some(oldest) = held.pop_front()
        {
            self.by_address.remove(&oldest);
        }
    }

    /// The peer is gone.
    pub fn forget(&mut self, peer: PeerKey) {
        for address in self.addresses.remove(&peer).into_iter().flatten() {
            self.by_address.remove(&address);
        }
        self.by_fragment.retain(|_, holder| *holder != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = STUN_BINDING_REQUEST.to_vec();
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&STUN_MAGIC_COOKIE);
        bytes.extend_from_slice(&[7; 12]);
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    fn a_check_names_our_fragment() {
        let bytes = check(&[(0x0024, &[1, 2, 3, 4]), (STUN_USERNAME, b"ours:theirs")]);
        assert_eq!(Shape::of(&bytes), Shape::Check("ours"));
        assert_eq!(Shape::of(&bytes[..bytes.len() - 1]), Shape::Garbage);
        assert_eq!(Shape::of(&check(&[])), Shape::Garbage);
        assert_eq!(
            Shape::of(&check(&[(STUN_USERNAME, b"nocolon")])),
            Shape::Garbage
        );
        assert_eq!(
            Shape::of(&check(&[(STUN_USERNAME, b"\xff:x")])),
            Shape::Garbage
        );
        let mut answer = check(&[]);
        answer[0] = 1;
        assert_eq!(Shape::of(&answer), Shape::Stun);
        assert_eq!(Shape::of(&[22, 254]), Shape::Media);
        assert_eq!(Shape::of(&[]), Shape::Garbage);
    }

    #[test]
    fn one_peer_cannot_fill_the_table() {
        let mut demux = Demux::default();
        demux.expect("u".into(), 1);
        for port in 1..100 {
            demux.learn(SocketAddr::from(([127, 0, 0, 1], port)), 1);
        }
        assert_eq!(demux.by_address.len(), MAX_ADDRESSES_PER_PEER);
        let moved = SocketAddr::from(([127, 0, 0, 1], 99));
        demux.learn(moved, 2);
        assert_eq!(demux.by_address(moved), Some(2));
        demux.forget(1);
        assert_eq!(demux.by_address.len(), 1);
        assert_eq!(demux.by_fragment("u"), None);
    }

    proptest! {
        #[test]
        fn garbage_has_a_shape(
            first in 0u8..4,
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            flips in prop::collection::vec((0usize..60, any::<u8>()), 0..4),
        ) {
            let _ = Shape::of(&bytes);
            let mut stun = vec![first];
            stun.extend_from_slice(&bytes);
            let _ = Shape::of(&stun);
            let mut mutated = check(&[(STUN_USERNAME, b"ours:theirs"), (0x8022, &bytes)]);
            for (at, value) in flips {
                let at = at % mutated.len();
                mutated[at] = value;
            }
            let _ = Shape::of(&mutated);
        }
    }
}
