//! Which peer a datagram belongs to.
//!
//! Peers share one socket. Everything from an address that a peer has proven by a STUN check with
//! its password is that peer's; a check from elsewhere finds its peer by the user fragment that we
//! gave it. All else is nobody's: foreign DTLS never reaches a peer.
//!
//! The sender of a datagram can be forged, a check can be seen and sent again. So an address that a
//! peer goes on proving stays that peer's, whoever else has a valid check from there.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::lane::Origin;
use crate::engine::router::PeerKey;

/// Larger ones are no WebRTC packet on any path of ours (Ethernet's payload).
pub const MAX_DATAGRAM_BYTES: usize = 1500;

/// Addresses that one peer may hold: every pair of a few interfaces; more is an attack.
const MAX_ADDRESSES_PER_PEER: usize = 16;

/// Addresses that one peer may ever prove; str0m remembers each. Nobody roams that often in a call.
const MAX_ADDRESSES_EVER: usize = 1000;

/// An address is free for others when its peer has not proven it for so long. Agents check every
/// 2.5 s (Chromium) to 6 s (RFC 7675 section 5.1); a NAT that gives a port away again waits longer.
const HELD_FOR: Duration = Duration::from_secs(15);

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
    /// Somebody asks under which address we see him (a binding request of no ICE).
    Question,
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
        let Some(name) = username(attributes) else {
            return Self::Question;
        };
        std::str::from_utf8(name)
            .ok()
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

/// Who has proven an address, and when last.
#[derive(Debug, Clone, Copy)]
struct Holder {
    peer: PeerKey,
    proven: Instant,
}

/// The addresses of a peer.
#[derive(Debug, Default)]
struct Held {
    /// Oldest first.
    addresses: VecDeque<Origin>,
    ever: usize,
}

/// The tables.
#[derive(Debug, Default)]
pub struct Demux {
    by_address: HashMap<Origin, Holder>,
    by_fragment: HashMap<String, PeerKey>,
    held: HashMap<PeerKey, Held>,
}

impl Demux {
    /// Checks with the user fragment `fragment` are for `peer`, those with `before` no longer.
    pub fn expect(&mut self, fragment: String, before: &str, peer: PeerKey) {
        self.by_fragment.remove(before);
        self.by_fragment.insert(fragment, peer);
    }

    /// The peer that a check with this user fragment is for.
    #[must_use]
    pub fn by_fragment(&self, fragment: &str) -> Option<PeerKey> {
        self.by_fragment.get(fragment).copied()
    }

    /// The peer that has proven this address.
    #[must_use]
    pub fn by_address(&self, address: Origin) -> Option<PeerKey> {
        self.by_address.get(&address).map(|holder| holder.peer)
    }

    /// Whether a check from this address may reach `peer`.
    #[must_use]
    pub fn may_prove(&self, address: Origin, peer: PeerKey, now: Instant) -> bool {
        match self.by_address.get(&address) {
            Some(holder) if holder.peer == peer => true,
            Some(holder) if now < holder.proven + HELD_FOR => false,
            _ => self
                .held
                .get(&peer)
                .is_none_or(|held| held.ever < MAX_ADDRESSES_EVER),
        }
    }

    /// `peer` has proven this address; the oldest of too many is forgotten.
    pub fn learn(&mut self, address: Origin, peer: PeerKey, now: Instant) {
        let before = self
            .by_address
            .insert(address, Holder { peer, proven: now })
            .map(|holder| holder.peer);
        if before == Some(peer) {
            return;
        }
        if let Some(held) = before.and_then(|before| self.held.get_mut(&before)) {
            held.addresses.retain(|known| *known != address);
        }
        let held = self.held.entry(peer).or_default();
        held.ever += 1;
        held.addresses.push_back(address);
        if held.addresses.len() > MAX_ADDRESSES_PER_PEER
            && let Some(oldest) = held.addresses.pop_front()
        {
            self.by_address.remove(&oldest);
        }
    }

    /// The peer is gone.
    pub fn forget(&mut self, peer: PeerKey, fragment: &str) {
        let held = self.held.remove(&peer).unwrap_or_default();
        for address in held.addresses {
            self.by_address.remove(&address);
        }
        self.by_fragment.remove(fragment);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

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
        assert_eq!(Shape::of(&check(&[])), Shape::Question);
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

    fn at(port: u16) -> Origin {
        (SocketAddr::from(([127, 0, 0, 1], port)), 0)
    }

    #[test]
    fn one_peer_cannot_fill_the_table() {
        let now = Instant::now();
        let mut demux = Demux::default();
        demux.expect("u".into(), "", 1);
        for port in 1..=1000 {
            assert!(demux.may_prove(at(port), 1, now));
            demux.learn(at(port), 1, now);
        }
        assert_eq!(demux.by_address.len(), MAX_ADDRESSES_PER_PEER);
        assert!(!demux.may_prove(at(1001), 1, now));
        assert!(demux.may_prove(at(1000), 1, now) && demux.may_prove(at(1001), 2, now));
        demux.expect("v".into(), "u", 1);
        assert_eq!(demux.by_fragment("u"), None);
        demux.forget(1, "v");
        assert!(demux.by_address.is_empty() && demux.by_fragment.is_empty());
        assert!(demux.held.is_empty());
    }

    #[test]
    fn an_address_passes_on_once_its_peer_no_longer_proves_it() {
        let now = Instant::now();
        let mut demux = Demux::default();
        demux.learn(at(7), 1, now);
        let later = now + HELD_FOR / 2;
        assert!(!demux.may_prove(at(7), 2, later));
        demux.learn(at(7), 1, later);
        assert!(!demux.may_prove(at(7), 2, now + HELD_FOR));
        assert!(demux.may_prove(at(7), 2, later + HELD_FOR));
        demux.learn(at(7), 2, later + HELD_FOR);
        assert_eq!(demux.by_address(at(7)), Some(2));
        demux.forget(1, "");
        assert_eq!(demux.by_address(at(7)), Some(2));
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

    /// Whatever comes before it, the user name is found; whatever is cut off, it is no check.
    fn finds_names(shape: for<'a> fn(&'a [u8]) -> Shape<'a>) -> bool {
        let attribute = (0x8000u16..0x9000, prop::collection::vec(any::<u8>(), 0..20));
        let cases = (
            prop::collection::vec(attribute, 0..5),
            "[a-z+/]{4,20}",
            1usize..20,
        );
        let outcome = TestRunner::deterministic().run(&cases, |(before, name, cut)| {
            let named = format!("{name}:theirs");
            let mut attributes: Vec<(u16, &[u8])> = before
                .iter()
                .map(|(kind, value)| (*kind, value.as_slice()))
                .collect();
            attributes.push((STUN_USERNAME, named.as_bytes()));
            let bytes = check(&attributes);
            prop_assert_eq!(shape(&bytes), Shape::Check(&name));
            prop_assert_eq!(shape(&bytes[..bytes.len() - cut]), Shape::Garbage);
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_user_name_is_found_behind_any_attributes_and_a_short_sighted_search_is_found_out() {
        assert!(finds_names(|bytes| Shape::of(bytes)));
        // Looks at the first attribute alone.
        assert!(!finds_names(|bytes| match bytes.get(20..22) {
            Some([0x00, 0x06]) => Shape::of(bytes),
            _ => Shape::Garbage,
        }));
        // Does not look at the length.
        assert!(!finds_names(|bytes| match Shape::of(bytes) {
            Shape::Garbage => Shape::Stun,
            other => other,
        }));
    }
}
