//! What one peer sends on streams that are known beforehand, opened (RFC 3711, RFC 7714).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use str0m::crypto::AeadAes128Gcm;

use super::cipher::{Cipher, Master, RTP_LABELS};
use super::keys::Agreed;

const HEADER_BYTES: usize = 12;

/// The first byte of a packet without padding, extensions or contributors: that is all that is taken.
const PLAIN: u8 = 0x80;

const MARKER: u8 = 0x80;

/// Opens what one peer sends. Whether a packet came before is not known here: its number says it to whoever keeps count.
#[derive(Debug)]
pub struct Opener {
    key: LessSafeKey,
    salt: [u8; AeadAes128Gcm::SALT_LEN],
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// The highest number that opened, or one before it that nothing was sent under.
    newest: u64,
}

/// A packet that was opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    pub payload_type: u8,
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
        let streams = ssrcs.into_iter().map(|ssrc| Stream { ssrc, newest: 0 });
        Some(Self {
            key,
            salt,
            streams: streams.collect(),
        })
    }

    /// Open a packet in place; `None`, and nothing has changed but its bytes, where it is not one that the peer sealed.
    #[must_use]
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<Opened<'a>> {
        let (header, sealed) = packet.split_first_chunk_mut::<HEADER_BYTES>()?;
        let [PLAIN, payload_type, high, low, time @ .., s0, s1, s2, s3] = *header else {
            return None;
        };
        let time: [u8; 4] = time;
        let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        let stream = self.streams.iter_mut().find(|known| known.ssrc == ssrc)?;
        let sequence = u16::from_be_bytes([high, low]);
        let number = extended(stream.newest, sequence)?;
        let rollover = u32::try_from(number >> 16).ok()?;
        let iv = AeadAes128Gcm::rtp_iv(self.salt, ssrc, rollover, sequence);
        let nonce = Nonce::assume_unique_for_key(iv);
        let payload = self
            .key
            .open_in_place(nonce, Aad::from(&*header), sealed)
            .ok()?;
        stream.newest = stream.newest.max(number);
        Some(Opened {
            payload_type: payload_type & !MARKER,
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
    use str0m::crypto::dtls::{KeyingMaterial, SrtpProfile};

    use super::super::sealer::Sealer;
    use super::*;

    const SSRC: u32 = 0x5100;
    const TAG_BYTES: usize = AeadAes128Gcm::TAG_LEN;

    fn agreed(profile: SrtpProfile, client: bool) -> Agreed {
        let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
        Agreed {
            profile,
            material: KeyingMaterial::new(&material),
            client,
        }
    }

    fn pair(profile: SrtpProfile) -> (Sealer, Opener) {
        let sealer = Sealer::new(&agreed(profile, true)).unwrap();
        let opener = Opener::new(&agreed(profile, false), [7, SSRC]).unwrap();
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

    #[test]
    fn what_one_end_sealed_the_other_opens_over_losses_and_rollovers() {
        let runs = (
            prop_oneof![
                Just(SrtpProfile::AEAD_AES_128_GCM),
                Just(SrtpProfile::AEAD_AES_256_GCM)
            ],
            prop::collection::vec(
                (1u64..32_000, prop::collection::vec(any::<u8>(), 0..40)),
                1..40,
            ),
        );
        let mut runner = TestRunner::default();
        let outcome = runner.run(&runs, |(profile, steps)| {
            let (mut sealer, mut opener) = pair(profile);
            let mut number = 0;
            for (step, payload) in steps {
                number += step;
                let packet = sealed(&mut sealer, SSRC, number, &payload);
                let mut copy = packet.clone();
                let expected = Opened {
                    payload_type: 100,
                    number,
                    time: 99,
                    payload: &payload,
                };
                prop_assert_eq!(opener.open(&mut copy), Some(expected));
                // Late, it is opened again under the same number.
                let again = opener.open(&mut packet.clone()).map(|opened| opened.number);
                prop_assert_eq!(again, Some(number));
            }
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
        let client = agreed(SrtpProfile::AEAD_AES_256_GCM, true);
        let mut own = Opener::new(&client, [SSRC]).unwrap();
        let packet = sealed(&mut sealer, SSRC, 1, b"hello");
        assert_eq!(own.open(&mut packet.clone()), None);
        let other = agreed(SrtpProfile::AES128_CM_SHA1_80, true);
        assert!(Opener::new(&other, [SSRC]).is_none());
    }
}
