//! Asking STUN servers under which address our media socket is seen (RFC 8489).
//!
//! A plain state machine: the worker sends what [`StunClient::poll`] returns and hands over what
//! comes from servers. An answer belongs to a question when it bears its transaction id and comes
//! from the server that was asked; the id is drawn at random, so nobody else can answer. Every
//! mapping is asked for anew before a NAT forgets it.
//!
//! Besides the servers that somebody named the nodes at the other ends of links are asked: behind a NAT one link to a
//! node in the open is enough to learn what others can be told. So every node answers such questions, too; an answer is
//! half as long again as its question, and there are [`MAX_ANSWERS_PER_S`] at most, so nobody gains by forging one.
//!
//! The answers are read here rather than by str0m, which takes a binding response with message
//! integrity alone, as ICE has it; public servers answer without.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Random, as drawn by the caller.
pub type TransactionId = [u8; 12];

/// NATs keep UDP mappings for 30 s at least (seen; RFC 4787 wants two minutes).
const REFRESH_INTERVAL: Duration = Duration::from_secs(25);

/// First retransmission after this, then doubled (RFC 8489 section 6.2.1).
const FIRST_TIMEOUT: Duration = Duration::from_millis(500);

/// Questions of one transaction: the last one leaves after 7.5 s, and is waited for 8 s more.
const MAX_SENT: u32 = 5;

/// To all askers together: a node asks each 25 s, so this is for a thousand of them.
const MAX_ANSWERS_PER_S: u32 = 50;

/// Servers that are asked; two are enough to agree.
pub const MAX_SERVERS: usize = 8;

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    sent: u32,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    transaction: Option<Transaction>,
    /// When the next question leaves, or the last one is given up.
    at: Instant,
    mapped: Option<SocketAddr>,
}

/// What became of a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It answers no question of ours.
    No,
    /// It does, and says what we knew, or nothing.
    Same,
    /// It does, and our address is another one than before.
    Changed,
}

/// All questions of one socket.
#[derive(Debug, Default)]
pub struct StunClient {
    servers: Vec<Server>,
    /// Those that somebody named.
    named: Vec<SocketAddr>,
}

/// What we answer to others.
#[derive(Debug, Default)]
pub struct StunAnswers {
    since: Option<Instant>,
    given: u32,
}

impl StunAnswers {
    /// The answer to a question from `source`, if it is one and not too many were answered of late.
    pub fn answer(&mut self, source: SocketAddr, question: &[u8], now: Instant) -> Option<Vec<u8>> {
        let header = question.first_chunk::<HEADER_BYTES>()?;
        if self
            .since
            .is_none_or(|since| now >= since + Duration::from_secs(1))
        {
            (self.since, self.given) = (Some(now), 0);
        }
        if self.given >= MAX_ANSWERS_PER_S {
            return None;
        }
        self.given += 1;
        let (family, ip) = match source.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        let value = [
            vec![0, family],
            masked(&source.port().to_be_bytes(), header),
            masked(&ip, header),
        ]
        .concat();
        let length = value.len() as u16;
        let mut answer = BINDING_SUCCESS.to_vec();
        answer.extend_from_slice(&(length + 4).to_be_bytes());
        answer.extend_from_slice(&header[4..]);
        answer.extend_from_slice(&XOR_MAPPED_ADDRESS);
        answer.extend_from_slice(&length.to_be_bytes());
        answer.extend_from_slice(&value);
        Some(answer)
    }
}

impl StunClient {
    /// Ask these servers from now on; those that were asked before are not asked anew.
    pub fn set_servers(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.named = addresses.to_vec();
        self.ask(addresses, now);
    }

    /// Ask these nodes, too, as far as there is room beside the servers that were named.
    pub fn set_neighbours(&mut self, addresses: &[SocketAddr], now: Instant) {
        let all = [&self.named, addresses].concat();
        self.ask(&all, now);
    }

    fn ask(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.servers
            .retain(|server| addresses.contains(&server.address));
        for address in addresses.iter().take(MAX_SERVERS) {
            if !self.servers.iter().any(|server| server.address == *address) {
                self.servers.push(Server {
                    address: *address,
                    transaction: None,
                    at: now,
                    mapped: None,
                });
            }
        }
    }

    /// When [`StunClient::poll`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.servers.iter().map(|server| server.at).min()
    }

    /// The questions that are due, and whether an address was forgotten for want of answers.
    /// `fresh` draws a transaction id; without one nothing is asked this time.
    pub fn poll(
        &mut self,
        now: Instant,
        mut fresh: impl FnMut() -> Option<TransactionId>,
    ) -> (Vec<(SocketAddr, [u8; HEADER_BYTES])>, bool) {
        let mut questions = Vec::new();
        let mut forgotten = false;
        for server in self.servers.iter_mut().filter(|server| server.at <= now) {
            let transaction = match server.transaction.take() {
                Some(asked) if asked.sent >= MAX_SENT => {
                    forgotten |= server.mapped.take().is_some();
                    server.at = now + REFRESH_INTERVAL;
                    continue;
                }
                Some(asked) => Some(asked),
                None => fresh().map(|id| Transaction { id, sent: 0 }),
            };
            let Some(mut transaction) = transaction else {
                server.at = now + REFRESH_INTERVAL;
                continue;
            };
            server.at = now + FIRST_TIMEOUT * (1 << transaction.sent);
            transaction.sent += 1;
            questions.push((server.address, request(&transaction.id)));
            server.transaction = Some(transaction);
        }
        (questions, forgotten)
    }

    /// Take a STUN message, if it answers a question of ours.
    pub fn take(&mut self, source: SocketAddr, message: &[u8], now: Instant) -> Taken {
        let Some(header) = message.first_chunk::<HEADER_BYTES>() else {
            return Taken::No;
        };
        let asked = self.servers.iter_mut().find(|server| {
            let id = server.transaction.as_ref().map(|asked| asked.id);
            server.address == source && id.is_some_and(|id| id == header[8..])
        });
        let Some(server) = asked else {
            return Taken::No;
        };
        server.transaction = None;
        server.at = now + REFRESH_INTERVAL;
        let mapped = mapped_address(message);
        if mapped.is_none() || mapped == server.mapped {
            return Taken::Same;
        }
        server.mapped = mapped;
        Taken::Changed
    }

    /// The addresses that servers see us at, each once.
    #[must_use]
    pub fn mapped(&self) -> Vec<SocketAddr> {
        let mut mapped: Vec<_> = self
            .servers
            .iter()
            .filter_map(|server| server.mapped)
            .collect();
        mapped.sort_unstable();
        mapped.dedup();
        mapped
    }
}

fn request(id: &TransactionId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..2].copy_from_slice(&BINDING_REQUEST);
    bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
    bytes[8..].copy_from_slice(id);
    bytes
}

/// The address in a binding response (RFC 8489 section 14.2), if it is one.
fn mapped_address(message: &[u8]) -> Option<SocketAddr> {
    let (header, mut attributes) = message.split_first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != BINDING_SUCCESS || header[4..8] != MAGIC_COOKIE || length != attributes.len()
    {
        return None;
    }
    while let [kind_high, kind_low, length_high, length_low, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value = rest.get(..length)?;
        if [*kind_high, *kind_low] == XOR_MAPPED_ADDRESS {
            return unmask(value, header);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Hide an address behind the cookie and the id, or bring it to light: both are the same.
fn masked(bytes: &[u8], header: &[u8; HEADER_BYTES]) -> Vec<u8> {
    bytes
        .iter()
        .zip(&header[4..])
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

fn unmask(value: &[u8], header: &[u8; HEADER_BYTES]) -> Option<SocketAddr> {
    let plain = |bytes: &[u8]| masked(bytes, header);
    let (family, port, ip) = (value.get(1)?, value.get(2..4)?, value.get(4..)?);
    let port = u16::from_be_bytes(plain(port).try_into().ok()?);
    let ip: IpAddr = match family {
        1 => Ipv4Addr::from(
            <[u8; 4]>::try_from(plain(ip))
                .ok()
                .filter(|_| ip.len() == 4)?,
        )
        .into(),
        2 => Ipv6Addr::from(
            <[u8; 16]>::try_from(plain(ip))
                .ok()
                .filter(|_| ip.len() == 16)?,
        )
        .into(),
        _ => return None,
    };
    let usable = port != 0 && !ip.is_unspecified() && !ip.is_multicast();
    usable.then_some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[test]
    fn what_a_node_answers_another_understands() {
        let now = Instant::now();
        for mapped in ["198.51.100.7:4000", "[2001:db8::7]:65535"].map(at) {
            let (mut client, mut answers) = (client(now), StunAnswers::default());
            let (questions, _) = client.poll(now, || Some([9; 12]));
            let answer = answers.answer(mapped, &questions[0].1, now).unwrap();
            assert_eq!(client.take(at(SERVER), &answer, now), Taken::Changed);
            assert_eq!(client.mapped(), [mapped]);
        }
    }

    #[test]
    fn questions_without_end_are_not_all_answered() {
        let (now, mut answers) = (Instant::now(), StunAnswers::default());
        let question = request(&[1; 12]);
        let given = |answers: &mut StunAnswers, now| {
            let answered =
                (0..1000).filter(|_| answers.answer(at(SERVER), &question, now).is_some());
            answered.count()
        };
        assert_eq!(given(&mut answers, now), MAX_ANSWERS_PER_S as usize);
        assert_eq!(answers.answer(at(SERVER), &question, now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!(given(&mut answers, later), MAX_ANSWERS_PER_S as usize);
        assert_eq!(answers.answer(at(SERVER), &[0, 1], later), None);
    }

    #[test]
    fn neighbours_are_asked_beside_the_servers_that_were_named() {
        let now = Instant::now();
        let mut client = client(now);
        client.set_neighbours(&[at("192.0.2.9:4000"), at(SERVER)], now);
        assert_eq!(ask(&mut client, now, 1), 2);
        client.set_neighbours(&[], now);
        assert_eq!(client.servers.len(), 1);
    }

    const SERVER: &str = "192.0.2.1:3478";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn client(now: Instant) -> StunClient {
        let mut client = StunClient::default();
        client.set_servers(&[at(SERVER)], now);
        client
    }

    fn ask(client: &mut StunClient, now: Instant, id: u8) -> usize {
        client.poll(now, || Some([id; 12])).0.len()
    }

    /// What a server answers; attributes of no interest come before the address.
    fn answer(id: &TransactionId, mapped: SocketAddr, before: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut mask = MAGIC_COOKIE.to_vec();
        mask.extend_from_slice(id);
        let xor =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(&mask).map(|(a, b)| a ^ b).collect() };
        let mut value = vec![0, if mapped.is_ipv4() { 1 } else { 2 }];
        value.extend(xor(&mapped.port().to_be_bytes()));
        value.extend(match mapped.ip() {
            IpAddr::V4(ip) => xor(&ip.octets()),
            IpAddr::V6(ip) => xor(&ip.octets()),
        });
        let mut body = Vec::new();
        for (kind, value) in before.iter().chain(&[(0x20, value)]) {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = BINDING_SUCCESS.to_vec();
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    fn a_question_is_repeated_at_doubled_intervals_and_then_given_up() {
        let start = Instant::now();
        let mut client = client(start);
        let mut sent = Vec::new();
        let mut now = start;
        for _ in 0..MAX_SENT {
            assert_eq!(ask(&mut client, now, 7), 1);
            sent.push((now - start).as_millis());
            now = client.deadline().unwrap();
        }
        assert_eq!(sent, [0, 500, 1500, 3500, 7500]);
        assert_eq!(ask(&mut client, now, 7), 0);
        assert_eq!(client.deadline(), Some(now + REFRESH_INTERVAL));
    }

    #[test]
    fn an_answer_is_taken_from_the_server_asked_by_its_id_alone() {
        let now = Instant::now();
        let mut client = client(now);
        ask(&mut client, now, 7);
        let mapped = at("203.0.113.9:4000");
        let right = answer(&[7; 12], mapped, &[]);
        assert_eq!(client.take(at("192.0.2.2:3478"), &right, now), Taken::No);
        assert_eq!(
            client.take(at(SERVER), &answer(&[8; 12], mapped, &[]), now),
            Taken::No
        );
        assert_eq!(client.take(at(SERVER), &right, now), Taken::Changed);
        assert_eq!(client.mapped(), [mapped]);
        // Said again it answers nothing any more.
        assert_eq!(client.take(at(SERVER), &right, now), Taken::No);
        let later = client.deadline().unwrap();
        assert_eq!(later, now + REFRESH_INTERVAL);
        ask(&mut client, later, 9);
        assert_eq!(
            client.take(at(SERVER), &answer(&[9; 12], mapped, &[]), later),
            Taken::Same
        );
    }

    #[test]
    fn an_address_is_forgotten_when_nobody_confirms_it() {
        let now = Instant::now();
        let mut client = client(now);
        ask(&mut client, now, 1);
        client.take(at(SERVER), &answer(&[1; 12], at("203.0.113.9:1"), &[]), now);
        let mut forgotten = false;
        for _ in 0..=MAX_SENT {
            forgotten |= client.poll(client.deadline().unwrap(), || Some([2; 12])).1;
        }
        assert!(forgotten && client.mapped().is_empty());
    }

    proptest! {
        #[test]
        fn garbage_is_no_address(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = mapped_address(&bytes);
            let mut framed = answer(&[3; 12], at("203.0.113.9:4000"), &[]);
            framed.truncate(20);
            framed.extend_from_slice(&bytes);
            framed[2..4].copy_from_slice(&(bytes.len() as u16).to_be_bytes());
            let _ = mapped_address(&framed);
        }
    }

    /// Whatever address and whatever attributes before it: it comes out as it went in.
    fn reads(read: fn(&[u8]) -> Option<SocketAddr>) -> bool {
        let address = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ];
        let attribute = (0x8000u16..0x9000, prop::collection::vec(any::<u8>(), 0..9));
        let cases = (
            any::<[u8; 12]>(),
            address,
            1u16..,
            prop::collection::vec(attribute, 0..4),
        );
        let outcome = TestRunner::deterministic().run(&cases, |(id, ip, port, before)| {
            let mapped = SocketAddr::new(ip, port);
            let usable = !ip.is_unspecified() && !ip.is_multicast();
            let got = read(&answer(&id, mapped, &before));
            prop_assert_eq!(got, usable.then_some(mapped));
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn addresses_of_both_families_are_read_and_a_careless_reader_is_found_out() {
        assert!(reads(mapped_address));
        // Masks the address with the cookie alone.
        assert!(!reads(|bytes| {
            let mut bytes = bytes.to_vec();
            bytes[8..20].fill(0);
            mapped_address(&bytes)
        }));
        // Looks at the first attribute alone.
        assert!(!reads(|bytes| {
            (bytes.get(20..22) == Some(&XOR_MAPPED_ADDRESS)).then(|| mapped_address(bytes))?
        }));
    }
}
