//! What one peer sends on streams that are known beforehand, opened (RFC 3711, RFC 7714).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use str0m::crypto::AeadAes128Gcm;

use super::cipher::{Cipher, Master, RTP_LABELS};
use super::keys::Agreed;
use super::once::Once;
use crate::engine::media::packet::RTP_HEADER_BYTES;

const HEADER_BYTES: usize = RTP_HEADER_BYTES as usize;

/// The first byte of a packet without padding, extensions or contributors: that is all that is taken.
const PLAIN: u8 = 0x80;

/// Opens what one peer sends, each packet once.
#[derive(Debug)]
pub struct Opener {
    key: LessSafeKey,
    salt: [u8; AeadAes128Gcm::SALT_LEN],
    streams: Vec<Incoming>,
}

/// A stream that comes in.
#[derive(Debug)]
struct Incoming {
    ssrc: u32,
    /// The highest number that opened, or that the peer says it has used.
    newest: u64,
    once: Once,
}

/// A packet that was opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Which of the streams it is of.
    pub stream: usize,
    /// Its sequence number, extended over rollovers.
    pub number: u64,
    pub time: u32,
    pub payload: &'a [u8],
}

impl Opener {
    /// The receiving direction of what a handshake agreed on, for these streams, whose numbers begin below the first
    /// half of the first rollover; `None` unless the cipher is AES-GCM, which is what two ends of ours agree on.
    #[must_use]
    pub fn new(agreed: &Agreed, ssrcs: impl IntoIterator<Item = u32>) -> Option<Self> {
        let master = Master::of(agreed, !agreed.client)?;
        let Cipher::Gcm { key, salt } = master.cipher(agreed.profile, RTP_LABELS)? else {
            return None;
        };
        let streams = ssrcs.into_iter().map(|ssrc| Incoming {
            ssrc,
            newest: 0,
            once: Once::default(),
        });
        Some(Self {
            key,
            salt,
            streams: streams.collect(),
        })
    }

    /// The peer says that it has used all numbers of a stream before this one: the next one is near it, however many of
    /// them were lost on the way.
    pub fn used_before(&mut self, stream: usize, next: u64) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.newest = stream.newest.max(next.saturating_sub(1));
        }
    }

    /// Open a packet in place; `None`, and nothing has changed but its bytes, where it is not one that the peer sealed, or
    /// one that came before, or very late.
    #[must_use]
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<Opened<'a>> {
        let (header, sealed) = packet.split_first_chunk_mut::<HEADER_BYTES>()?;
        let [PLAIN, _, high, low, time @ .., s0, s1, s2, s3] = *header else {
            return None;
        };
        let time: [u8; 4] = time;
        let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        let at = self.streams.iter().position(|known| known.ssrc == ssrc)?;
        let stream = &mut self.streams[at];
        let sequence = u16::from_be_bytes([high, low]);
        let number = extended(stream.newest, sequence)?;
        let rollover = u32::try_from(number >> 16).ok()?;
        let iv = AeadAes128Gcm::rtp_iv(self.salt, ssrc, rollover, sequence);
        let nonce = Nonce::assume_unique_for_key(iv);
        let payload = self
            .key
            .open_in_place(nonce, Aad::from(&*header), sealed)
            .ok()?;
        if !stream.once.first(number) {
            return None;
        }
        stream.newest = stream.newest.max(number);
        Some(Opened {
            stream: at,
            number,
            time: u32::from_be_bytes(time),
            payload,
        })
    }
}

/// The number next to the newest that has these last bits (RFC 3711 section 3.3.1); `None` before the first.
fn extended(newest: u64, sequence: u16) -> Option<u64> {
    let step = sequence.wrapping_sub(newest as u16).cast_signed();
    newest.checked_add_signed(step.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use str0m::crypto::dtls::SrtpProfile;

    use super::super::sealer::Sealer;
    use super::*;

    const SSRC: u32 = 0x5100;
    const TAG_BYTES: usize = AeadAes128Gcm::TAG_LEN;

    fn pair(profile: SrtpProfile) -> (Sealer, Opener) {
        let sealer = Sealer::new(&Agreed::made_up(profile, true)).unwrap();
        let opener = Opener::new(&Agreed::made_up(profile, false), [7, SSRC]).unwrap();
        (sealer, opener)
    }

    fn sealed(sealer: &mut Sealer, ssrc: u32, number: u64, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![PLAIN, 100];
        packet.extend_from_slice(&(number as u16).to_be_bytes());
        packet.extend_from_slice(&99u32.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        packet.resize(HEADER_BYTES + payload.len() + TAG_BYTES, 0);
        assert!(sealer.seal(number, HEADER_BYTES, &mut packet));
        packet
    }

    /// Whether a number is known by its last bits, as far as these can tell.
    fn is_known(extended: fn(u64, u16) -> Option<u64>) -> bool {
        let near = (0u64..1 << 40, -32_000i64..32_000);
        let outcome = TestRunner::deterministic().run(&near, |(newest, step)| {
            let number = newest.checked_add_signed(step);
            if let Some(number) = number {
                prop_assert_eq!(extended(newest, number as u16), Some(number));
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_number_is_known_by_its_last_bits() {
        assert!(is_known(extended));
        assert_eq!(extended(5, 65_535), None);
        // Knows of no packet that was overtaken.
        assert!(!is_known(
            |newest, sequence| extended(newest, sequence).filter(|number| *number >= newest)
        ));
        // Knows of no rollover.
        assert!(!is_known(|newest, sequence| Some(
            newest & !0xffff | u64::from(sequence)
        )));
    }

    #[test]
    fn what_one_end_sealed_the_other_opens_once_whatever_its_order() {
        // How many numbers are skipped, how many packets overtake this one, and what it carries.
        let packet = (
            1u64..400,
            0usize..3,
            prop::collection::vec(any::<u8>(), 0..40),
        );
        let profile = prop::sample::select(vec![
            SrtpProfile::AEAD_AES_128_GCM,
            SrtpProfile::AEAD_AES_256_GCM,
        ]);
        // The first number, next to a rollover.
        let runs = (
            profile,
            65_000u64..66_000,
            prop::collection::vec(packet, 1..40),
        );
        let outcome = TestRunner::deterministic().run(&runs, |(profile, first, packets)| {
            let (mut sealer, mut opener) = pair(profile);
            opener.used_before(1, first);
            let (mut number, mut on_their_way) = (first, Vec::new());
            for (at, (step, overtaken, payload)) in packets.into_iter().enumerate() {
                number += step;
                let packet = sealed(&mut sealer, SSRC, number, &payload);
                on_their_way.push((at + overtaken, number, payload, packet));
            }
            on_their_way.sort_by_key(|(at, ..)| *at);
            for (_, number, payload, mut packet) in on_their_way {
                let expected = Opened {
                    stream: 1,
                    number,
                    time: 99,
                    payload: &payload,
                };
                let mut again = packet.clone();
                prop_assert_eq!(opener.open(&mut packet), Some(expected));
                prop_assert_eq!(opener.open(&mut again), None);
            }
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn after_more_losses_than_its_bits_can_tell_the_peers_word_helps() {
        let (mut sealer, mut opener) = pair(SrtpProfile::AEAD_AES_256_GCM);
        let first = sealed(&mut sealer, SSRC, 1, b"hello");
        assert!(opener.open(&mut first.clone()).is_some());
        let far = sealed(&mut sealer, SSRC, 70_000, b"again");
        assert_eq!(opener.open(&mut far.clone()), None);
        opener.used_before(1, 69_990);
        opener.used_before(1, 5);
        opener.used_before(7, 5);
        assert_eq!(opener.open(&mut far.clone()).unwrap().number, 70_000);
    }

    #[test]
    fn garbage_opens_nothing() {
        let garbage = prop::collection::vec(any::<u8>(), 0..80);
        let outcome = TestRunner::deterministic().run(&garbage, |mut bytes| {
            let (_, mut opener) = pair(SrtpProfile::AEAD_AES_256_GCM);
            let opened = opener.open(&mut bytes).is_some();
            prop_assert!(!opened);
            if let Some(header) = bytes.first_chunk_mut::<HEADER_BYTES>() {
                header[0] = PLAIN;
                header[8..].copy_from_slice(&SSRC.to_be_bytes());
            }
            let opened = opener.open(&mut bytes).is_some();
            prop_assert!(!opened);
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn what_was_forged_does_not_open_and_moves_nothing() {
        let (mut sealer, mut opener) = pair(SrtpProfile::AEAD_AES_256_GCM);
        let good = sealed(&mut sealer, SSRC, 1, b"hello");
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(opener.open(&mut bad), None, "byte {at}, bit {bit}");
            }
        }
        for length in 0..good.len() {
            assert_eq!(opener.open(&mut good.clone()[..length]), None);
        }
        // Of a stream that is not one of the link's.
        let stranger = sealed(&mut sealer, SSRC + 1, 1, b"hello");
        assert_eq!(opener.open(&mut stranger.clone()), None);
        // A number before the first.
        let early = sealed(&mut sealer, SSRC, 65_535, b"hello");
        assert_eq!(opener.open(&mut early.clone()), None);
        assert_eq!(opener.open(&mut good.clone()).unwrap().payload, b"hello");
    }

    #[test]
    fn one_direction_does_not_open_the_other_and_another_cipher_is_refused() {
        let (mut sealer, _) = pair(SrtpProfile::AEAD_AES_256_GCM);
        let client = Agreed::made_up(SrtpProfile::AEAD_AES_256_GCM, true);
        let mut own = Opener::new(&client, [SSRC]).unwrap();
        let packet = sealed(&mut sealer, SSRC, 1, b"hello");
        assert_eq!(own.open(&mut packet.clone()), None);
        let other = Agreed::made_up(SrtpProfile::AES128_CM_SHA1_80, true);
        assert!(Opener::new(&other, [SSRC]).is_none());
    }
}
