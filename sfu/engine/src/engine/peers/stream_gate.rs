//! Who may be a stream of a publisher: a packet's header says it before its seal proves it.
//!
//! A client names its streams in header extensions (RFC 9143, RFC 8852), in the clear, until it has
//! been understood; then it names them no more. str0m believes the name of a packet that it has not
//! opened yet: one forged datagram with another SSRC takes the place of a stream, and what the client
//! sends on that stream finds no place again. So a name that a stream has proven stays that stream's
//! while it is heard, and whoever is new is on trial until a packet of his opens.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use str0m::media::{Mid, Rid};

/// A stream that is silent for so long may be replaced; browsers keep an SSRC for a whole call.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// SSRCs of one peer connection, resends too: those that opened and those that an offer named. str0m
/// never forgets one. A line needs two, a simulcast line six.
pub const MAX_STREAMS: usize = 64;

/// RFC 3550 section 5.1.
const FIXED_HEADER_BYTES: usize = 12;
const EXTENSION_BIT: u8 = 0x10;

/// RFC 8285 sections 4.2 and 4.3.
const ONE_BYTE_FORM: u16 = 0xbede;
const TWO_BYTE_FORM: u16 = 0x1000;
const TWO_BYTE_FORM_MASK: u16 = 0xfff0;

/// How a client's offer says that its packets name their streams.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Naming {
    mid: Vec<u8>,
    rid: Vec<u8>,
    repaired: Vec<u8>,
    /// Payload types of resends.
    resends: Vec<u8>,
}

impl Naming {
    /// Read it from an offer.
    #[must_use]
    pub fn read(sdp: &str) -> Self {
        let mut naming = Self::default();
        for line in sdp.lines() {
            if let Some(mapped) = line.strip_prefix("a=extmap:") {
                naming.read_extension(mapped);
            } else if let Some(format) = line.strip_prefix("a=rtpmap:")
                && let Some((number, name)) = format.trim().split_once(' ')
                && name.trim_start().to_ascii_lowercase().starts_with("rtx/")
            {
                note(&mut naming.resends, number);
            }
        }
        naming
    }

    /// `<id>[/<direction>] <uri> ...` (RFC 8285 section 8)
    fn read_extension(&mut self, mapped: &str) {
        let mut fields = mapped.split_ascii_whitespace();
        let (Some(id), Some(uri)) = (fields.next(), fields.next()) else {
            return;
        };
        let of = match uri {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => &mut self.mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => &mut self.rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => &mut self.repaired,
            _ => return,
        };
        note(of, id.split('/').next().unwrap_or_default());
    }
}

fn note(numbers: &mut Vec<u8>, text: &str) {
    if let Ok(number) = text.parse()
        && !numbers.contains(&number)
    {
        numbers.push(number);
    }
}

/// A place for one stream: media or resends of a line, or of one of its simulcast streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub mid: Mid,
    pub rid: Option<Rid>,
    pub resends: bool,
}

/// A stream that nothing has opened of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomer {
    pub ssrc: u32,
    /// `None` when its packet does not say.
    pub place: Option<Place>,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Of a stream that is there; its index.
    Known(usize),
    /// Hand it over, and put back what it changed unless it opens.
    Trial(Newcomer),
    /// Its place is another's.
    Taken,
    /// Shorter than a header.
    Malformed,
}

#[derive(Debug)]
struct Owner {
    ssrc: u32,
    place: Option<Place>,
    heard: Instant,
}

/// The streams of one publisher.
#[derive(Debug, Default)]
pub struct StreamGate {
    naming: Naming,
    owners: Vec<Owner>,
    /// SSRCs that offers named, whether or not anything opened of them.
    announced: BTreeSet<u32>,
}

/// The peer makes streams without end: more than [`MAX_STREAMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyStreams;

impl StreamGate {
    /// The newest offer names streams like this.
    pub fn set_naming(&mut self, naming: Naming) {
        self.naming = naming;
    }

    /// The newest offer names these SSRCs, which str0m is about to remember.
    ///
    /// # Errors
    /// When they would be too many; nothing has changed then.
    pub fn announce(&mut self, ssrcs: &BTreeSet<u32>) -> Result<(), TooManyStreams> {
        let opened = self.owners.iter().map(|owner| owner.ssrc);
        let all: BTreeSet<u32> = self.announced.union(ssrcs).copied().collect();
        if opened.filter(|ssrc| !all.contains(ssrc)).count() + all.len() > MAX_STREAMS {
            return Err(TooManyStreams);
        }
        self.announced = all;
        Ok(())
    }

    /// Judge an RTP packet by its header.
    #[must_use]
    pub fn judge(&self, packet: &[u8], now: Instant) -> Verdict {
        let Some(ssrc) = packet.get(8..FIXED_HEADER_BYTES) else {
            return Verdict::Malformed;
        };
        let ssrc = u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]);
        if let Some(at) = self.owners.iter().position(|owner| owner.ssrc == ssrc) {
            return Verdict::Known(at);
        }
        let place = self.place(packet);
        let taken = place.is_some()
            && self
                .owners
                .iter()
                .any(|owner| owner.place == place && now < owner.heard + SILENT_AFTER);
        if taken {
            Verdict::Taken
        } else {
            Verdict::Trial(Newcomer { ssrc, place })
        }
    }

    /// A packet of a known stream opened.
    pub fn heard(&mut self, at: usize, now: Instant) {
        if let Some(owner) = self.owners.get_mut(at) {
            owner.heard = now;
        }
    }

    /// A packet of a new stream opened: its place is its own.
    ///
    /// # Errors
    /// When it is one too many: only somebody with the keys can have made it.
    pub fn admit(&mut self, newcomer: Newcomer, now: Instant) -> Result<(), TooManyStreams> {
        if newcomer.place.is_some() {
            for owner in &mut self.owners {
                if owner.place == newcomer.place {
                    owner.place = None;
                }
            }
        }
        self.owners.push(Owner {
            ssrc: newcomer.ssrc,
            place: newcomer.place,
            heard: now,
        });
        self.announce(&BTreeSet::new())
    }

    /// The place that a packet's extensions name, read as str0m reads them.
    fn place(&self, packet: &[u8]) -> Option<Place> {
        let naming = &self.naming;
        let (first, second) = (packet.first()?, packet.get(1)?);
        if first & EXTENSION_BIT == 0 {
            return None;
        }
        let block = packet.get(FIXED_HEADER_BYTES + 4 * usize::from(first & 0x0f)..)?;
        let (head, block) = block.split_first_chunk::<4>()?;
        let form = u16::from_be_bytes([head[0], head[1]]);
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let block = block.get(..4 * words)?;
        let (mut mid, mut rid, mut repaired) = (None, None, None);
        let mut take = |id: u8, value: &[u8]| {
            let Ok(name) = std::str::from_utf8(value) else {
                return;
            };
            if naming.mid.contains(&id) {
                mid = Some(Mid::from(name));
            }
            if naming.rid.contains(&id) {
                rid = Some(Rid::from(name));
            }
            if naming.repaired.contains(&id) {
                repaired = Some(Rid::from(name));
            }
        };
        if form == ONE_BYTE_FORM {
            elements(block, one_byte_head, &mut take);
        } else if form & TWO_BYTE_FORM_MASK == TWO_BYTE_FORM {
            elements(block, two_byte_head, &mut take);
        }
        Some(Place {
            mid: mid?,
            rid: rid.or(repaired),
            resends: rid.is_none()
                && (repaired.is_some() || naming.resends.contains(&(second & 0x7f))),
        })
    }
}

/// Id, length of the value, and what follows the head.
type Head = for<'a> fn(&'a [u8]) -> Option<(u8, usize, &'a [u8])>;

fn one_byte_head(block: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (head, rest) = block.split_first()?;
    // 15 ends the block, whatever follows.
    (head >> 4 != 15).then_some((head >> 4, usize::from(head & 0x0f) + 1, rest))
}

fn two_byte_head(block: &[u8]) -> Option<(u8, usize, &[u8])> {
    let ([id, length], rest) = block.split_first_chunk()?;
    Some((*id, usize::from(*length), rest))
}

fn elements(mut block: &[u8], head: Head, take: &mut impl FnMut(u8, &[u8])) {
    while let Some(first) = block.first() {
        if *first == 0 {
            // Padding.
            block = &block[1..];
            continue;
        }
        let Some((id, length, rest)) = head(block) else {
            return;
        };
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return;
        };
        take(id, value);
        block = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    const OFFER: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:10/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
        a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
        a=extmap:2 urn:3gpp:video-orientation\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=extmap:x\r\na=rtpmap:300 rtx/90000\r\n";

    fn gate() -> StreamGate {
        let mut gate = StreamGate::default();
        gate.set_naming(Naming::read(OFFER));
        gate
    }

    fn packet(pt: u8, ssrc: u32, two_bytes: bool, named: &[(u8, &[u8])]) -> Vec<u8> {
        let mut block = Vec::new();
        for (id, value) in named {
            if two_bytes {
                block.extend([*id, value.len() as u8]);
            } else {
                block.push(id << 4 | (value.len() as u8 - 1));
            }
            block.extend_from_slice(value);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        let mut bytes = vec![0x90, pt, 0, 1, 0, 0, 0, 0];
        bytes.extend(ssrc.to_be_bytes());
        let form = if two_bytes {
            TWO_BYTE_FORM
        } else {
            ONE_BYTE_FORM
        };
        bytes.extend(form.to_be_bytes());
        bytes.extend((block.len() as u16 / 4).to_be_bytes());
        bytes.extend(block);
        bytes
    }

    fn trial(verdict: Verdict) -> Newcomer {
        match verdict {
            Verdict::Trial(newcomer) => newcomer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_offer_says_how_streams_are_named() {
        let naming = Naming::read(OFFER);
        assert_eq!((naming.mid, naming.rid), (vec![4], vec![10]));
        assert_eq!((naming.repaired, naming.resends), (vec![11], vec![97]));
    }

    #[test]
    fn a_place_is_its_streams_while_that_is_heard() {
        let (mut gate, now) = (gate(), Instant::now());
        let first = packet(96, 1, false, &[(4, b"0")]);
        let newcomer = trial(gate.judge(&first, now));
        // Nothing is believed before a packet opened.
        assert_eq!(
            trial(gate.judge(&packet(96, 2, false, &[(4, b"0")]), now)).ssrc,
            2
        );
        gate.admit(newcomer, now).unwrap();
        assert_eq!(gate.judge(&first, now), Verdict::Known(0));
        let other = packet(96, 2, true, &[(4, b"0")]);
        assert_eq!(gate.judge(&other, now), Verdict::Taken);
        // Resends and other lines have places of their own; without a name there is nothing to take.
        for (pt, named) in [(97, (4, b"0")), (96, (4, b"1")), (96, (2, b"0"))] {
            trial(gate.judge(&packet(pt, 3, false, &[(named.0, named.1)]), now));
        }
        gate.heard(0, now + SILENT_AFTER / 2);
        assert_eq!(gate.judge(&other, now + SILENT_AFTER), Verdict::Taken);
        let later = now + SILENT_AFTER * 2;
        let newcomer = trial(gate.judge(&other, later));
        gate.admit(newcomer, later).unwrap();
        assert_eq!(
            gate.judge(&packet(96, 9, false, &[(4, b"0")]), later),
            Verdict::Taken
        );
        assert_eq!(gate.judge(&first, later), Verdict::Known(0));
    }

    #[test]
    fn streams_without_end_are_too_many() {
        let (mut gate, now) = (gate(), Instant::now());
        for ssrc in 0..MAX_STREAMS as u32 {
            let newcomer = trial(gate.judge(&packet(96, ssrc, false, &[]), now));
            gate.admit(newcomer, now).unwrap();
        }
        // A stranger's packet opens nothing, and ends nothing.
        let newcomer = trial(gate.judge(&packet(96, 9999, false, &[]), now));
        assert_eq!(gate.admit(newcomer, now), Err(TooManyStreams));
        assert_eq!(gate.judge(&[0x80; 11], now), Verdict::Malformed);
    }

    #[test]
    fn streams_that_offers_name_count_once_whether_they_open_or_not() {
        let (mut gate, now) = (gate(), Instant::now());
        let half = 0..MAX_STREAMS as u32 / 2;
        let other: BTreeSet<u32> = half.clone().map(|ssrc| ssrc + 1000).collect();
        for ssrc in half.clone() {
            let newcomer = trial(gate.judge(&packet(96, ssrc, false, &[]), now));
            gate.admit(newcomer, now).unwrap();
        }
        assert_eq!(gate.announce(&other), Ok(()));
        assert_eq!(gate.announce(&other), Ok(()), "named again");
        assert_eq!(gate.announce(&half.collect()), Ok(()), "opened before");
        assert_eq!(gate.announce(&[9999].into()), Err(TooManyStreams));
    }

    type Find = fn(&StreamGate, &[u8]) -> Option<Place>;

    /// A name is found among any other extensions, in both forms.
    fn finds_names(find: Find) -> bool {
        let other = (
            prop::sample::select(vec![1u8, 2, 3, 7]),
            prop::collection::vec(any::<u8>(), 1..16),
        );
        let cases = (
            prop::collection::vec(other.clone(), 0..4),
            prop::collection::vec(other, 0..4),
            "[a-z0-9]{1,8}",
            prop::option::of("[a-z]{1,4}"),
            any::<bool>(),
            any::<bool>(),
        );
        let outcome = TestRunner::deterministic().run(
            &cases,
            |(before, after, mid, rid, resends, two_bytes)| {
                let mut named: Vec<(u8, &[u8])> = before
                    .iter()
                    .map(|(id, value)| (*id, value.as_slice()))
                    .collect();
                named.push((4, mid.as_bytes()));
                if let Some(rid) = &rid {
                    named.push((if resends { 11 } else { 10 }, rid.as_bytes()));
                }
                named.extend(after.iter().map(|(id, value)| (*id, value.as_slice())));
                let pt = if resends { 97 } else { 96 };
                let bytes = packet(pt, 5, two_bytes, &named);
                let wanted = Place {
                    mid: Mid::from(mid.as_str()),
                    rid: rid.as_deref().map(Rid::from),
                    resends,
                };
                prop_assert_eq!(find(&gate(), &bytes), Some(wanted));
                Ok(())
            },
        );
        outcome.is_ok()
    }

    #[test]
    fn names_are_found_and_a_reader_that_misses_some_is_found_out() {
        assert!(finds_names(StreamGate::place));
        // Knows one form alone.
        assert!(!finds_names(|gate, bytes| {
            (bytes[12] == 0xbe).then(|| gate.place(bytes)).flatten()
        }));
        // Takes resends for media.
        assert!(!finds_names(|gate, bytes| {
            let place = gate.place(bytes)?;
            Some(Place {
                resends: false,
                ..place
            })
        }));
        // Takes all simulcast streams of a line for one.
        assert!(!finds_names(|gate, bytes| {
            let place = gate.place(bytes)?;
            Some(Place { rid: None, ..place })
        }));
    }

    proptest! {
        #[test]
        fn garbage_is_judged_too(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            form in prop::sample::select(vec![ONE_BYTE_FORM, TWO_BYTE_FORM]),
            sdp in "(a=(extmap|rtpmap):[0-9/ a-z:-]{0,20}\r\n){0,5}",
        ) {
            let _ = Naming::read(&sdp);
            let _ = gate().judge(&bytes, Instant::now());
            let mut headed = packet(96, 1, false, &[]);
            headed[12..14].copy_from_slice(&form.to_be_bytes());
            headed[15] = bytes.len() as u8 / 4;
            headed.extend(&bytes);
            let _ = gate().judge(&headed, Instant::now());
        }
    }
}
