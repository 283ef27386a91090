//! Frames on a TCP connection that carries what UDP would: two bytes of length, then a packet
//! (RFC 4571 section 2, as RFC 6544 section 3 has it for ICE).

use super::demux::MAX_DATAGRAM_BYTES;

/// The other end announced a packet larger than any of WebRTC: it speaks something else.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Cuts a stream of bytes into packets, however it arrives in pieces.
#[derive(Debug, Default)]
pub struct Deframer {
    /// The beginning of a frame whose end has not come: at most a length and a packet.
    held: Vec<u8>,
}

impl Deframer {
    /// Take the next piece and hand each packet that is whole to `each`; empty ones are left out.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing after it makes sense any more.
    pub fn feed(&mut self, mut piece: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        while !self.held.is_empty() && !piece.is_empty() {
            let wants = match head(&self.held)? {
                Some(length) => 2 + length - self.held.len(),
                None => 2 - self.held.len(),
            };
            let (now, later) = piece.split_at(wants.min(piece.len()));
            self.held.extend_from_slice(now);
            piece = later;
            if let Some(length) = head(&self.held)?
                && self.held.len() == 2 + length
            {
                if length > 0 {
                    each(&self.held[2..]);
                }
                self.held.clear();
            }
        }
        while let Some(length) = head(piece)?
            && let Some(packet) = piece.get(2..2 + length)
        {
            if length > 0 {
                each(packet);
            }
            piece = &piece[2 + length..];
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }
}

/// The length that a frame begins with, once it is there.
fn head(bytes: &[u8]) -> Result<Option<usize>, TooLarge> {
    let Some(head) = bytes.first_chunk::<2>() else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes(*head)) {
        length if length > MAX_DATAGRAM_BYTES => Err(TooLarge),
        length => Ok(Some(length)),
    }
}

/// Append a packet as a frame; `false`, and nothing appended, when it is too large for one.
pub fn frame(packet: &[u8], into: &mut Vec<u8>) -> bool {
    if packet.len() > MAX_DATAGRAM_BYTES {
        return false;
    }
    into.extend_from_slice(&(packet.len() as u16).to_be_bytes());
    into.extend_from_slice(packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    type Feed = fn(&mut Deframer, &[u8], &mut Vec<Vec<u8>>) -> Result<(), TooLarge>;

    fn feed(
        deframer: &mut Deframer,
        piece: &[u8],
        into: &mut Vec<Vec<u8>>,
    ) -> Result<(), TooLarge> {
        deframer.feed(piece, |packet| into.push(packet.to_vec()))
    }

    #[test]
    fn a_length_beyond_any_packet_ends_the_stream() {
        let mut deframer = Deframer::default();
        let mut got = Vec::new();
        assert_eq!(
            feed(&mut deframer, b"GET / HTTP/1.1\r\n", &mut got),
            Err(TooLarge)
        );
        assert!(got.is_empty());
        assert!(!frame(&[0; MAX_DATAGRAM_BYTES + 1], &mut Vec::new()));
    }

    /// Whatever the packets and wherever the stream is cut: the same packets come out.
    fn is_whole(feed: Feed) -> bool {
        let packets = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12);
        let cuts = prop::collection::vec(1usize..400, 1..40);
        let outcome = TestRunner::deterministic().run(&(packets, cuts), |(packets, cuts)| {
            let mut stream = Vec::new();
            for packet in &packets {
                prop_assert!(frame(packet, &mut stream));
            }
            let mut deframer = Deframer::default();
            let mut got = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                prop_assert_eq!(feed(&mut deframer, piece, &mut got), Ok(()));
                prop_assert!(deframer.held.len() < 2 + MAX_DATAGRAM_BYTES);
                rest = later;
            }
            let wanted: Vec<_> = packets
                .into_iter()
                .filter(|packet| !packet.is_empty())
                .collect();
            prop_assert_eq!(got, wanted);
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn packets_come_out_whole_however_the_stream_is_cut_and_a_careless_reader_is_found_out() {
        assert!(is_whole(feed));
        // Forgets what does not end in its piece.
        assert!(!is_whole(|deframer, piece, into| {
            deframer.held.clear();
            feed(deframer, piece, into)
        }));
        // Hands over empty packets.
        assert!(!is_whole(|deframer, piece, into| {
            if piece.starts_with(&[0, 0]) {
                into.push(Vec::new());
            }
            feed(deframer, piece, into)
        }));
    }

    proptest! {
        #[test]
        fn garbage_costs_bounded_memory(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..8)) {
            let mut deframer = Deframer::default();
            for piece in pieces {
                if deframer.feed(&piece, |_| {}).is_err() {
                    break;
                }
                prop_assert!(deframer.held.len() < 2 + MAX_DATAGRAM_BYTES);
            }
        }
    }
}
