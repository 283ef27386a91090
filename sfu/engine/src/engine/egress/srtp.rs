//! SRTP and SRTCP of one direction (RFC 3711, RFC 7714): keys, counters and layout; the ciphers are the library's.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use str0m::crypto::dtls::SrtpProfile;
use str0m::crypto::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80, Aes128CmSha1_80Cipher};

use super::keys::{Agreed, LIBRARY};

/// What a derived key is for (RFC 3711 section 4.3.2): cipher, authentication, salt.
const RTP_LABELS: [u8; 3] = [0, 1, 2];
const RTCP_LABELS: [u8; 3] = [3, 4, 5];

/// The part of an RTCP packet that stays readable: its first header and sender.
const CLEAR_REPORT_BYTES: usize = 8;

/// Says that the packet is encrypted, beside its 31-bit index.
const ENCRYPTED: u32 = 1 << 31;

/// Seals what is sent to one peer.
#[derive(Debug)]
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    reports: u32,
}

#[derive(Debug)]
enum Cipher {
    Cm {
        cipher: Box<dyn Aes128CmSha1_80Cipher>,
        authentication: [u8; Aes128CmSha1_80::HMAC_KEY_LEN],
        salt: [u8; Aes128CmSha1_80::SALT_LEN],
        /// What is sealed, for a cipher that does not do so in place.
        plain: Vec<u8>,
    },
    /// With a key of 128 or of 256 bits. str0m's face of this cipher copies what it seals; here it is sealed in place.
    Gcm {
        key: LessSafeKey,
        salt: [u8; AeadAes128Gcm::SALT_LEN],
    },
}

const _: () = assert!(
    AeadAes128Gcm::SALT_LEN == AeadAes256Gcm::SALT_LEN
        && AeadAes128Gcm::TAG_LEN == AeadAes256Gcm::TAG_LEN
);

/// Key and salt that the handshake gave one direction.
struct Master<'a> {
    key: &'a [u8],
    salt: &'a [u8],
}

impl Master<'_> {
    /// The key derivation of RFC 3711 section 4.3.3, with a rate of 0.
    fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        let mut input = [0; 16];
        input[..self.salt.len()].copy_from_slice(self.salt);
        input[7] ^= label;
        let mut derived = [0; N];
        for (round, part) in (0u16..).zip(derived.chunks_mut(16)) {
            input[14..].copy_from_slice(&round.to_be_bytes());
            // The library writes one block more than it was asked for.
            let mut block = [0; 32];
            let library = LIBRARY.srtp_provider;
            match self.key.len() {
                32 => library.srtp_aes_256_ecb_round(self.key, &input, &mut block),
                _ => library.srtp_aes_128_ecb_round(self.key, &input, &mut block),
            }
            part.copy_from_slice(&block[..part.len()]);
        }
        derived
    }

    fn cipher(&self, profile: SrtpProfile, [key, authentication, salt]: [u8; 3]) -> Option<Cipher> {
        let library = LIBRARY.srtp_provider;
        Some(match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Cipher::Cm {
                cipher: library
                    .aes_128_cm_sha1_80()
                    .create_cipher(self.derive(key), true),
                authentication: self.derive(authentication),
                salt: self.derive(salt),
                plain: Vec::new(),
            },
            SrtpProfile::AEAD_AES_128_GCM => Cipher::Gcm {
                key: gcm(&AES_128_GCM, &self.derive::<16>(key))?,
                salt: self.derive(salt),
            },
            SrtpProfile::AEAD_AES_256_GCM => Cipher::Gcm {
                key: gcm(&AES_256_GCM, &self.derive::<32>(key))?,
                salt: self.derive(salt),
            },
            _ => return None,
        })
    }
}

impl Cipher {
    fn tag_bytes(&self) -> usize {
        match self {
            Self::Cm { .. } => Aes128CmSha1_80::HMAC_TAG_LEN,
            Self::Gcm { .. } => AeadAes128Gcm::TAG_LEN,
        }
    }
}

fn gcm(algorithm: &'static Algorithm, key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

/// Seal `sealed` in place, whose last bytes are room for the tag.
fn seal_in_place(key: &LessSafeKey, iv: [u8; 12], clear: &[u8], sealed: &mut [u8]) -> Option<()> {
    let end = sealed.len().checked_sub(AeadAes128Gcm::TAG_LEN)?;
    let (hidden, room) = sealed.split_at_mut(end);
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(clear), hidden)
        .ok()?;
    room.copy_from_slice(tag.as_ref());
    Some(())
}

impl Sealer {
    /// The sending direction of what a handshake agreed on; `None` for a profile that is not known here.
    #[must_use]
    pub fn new(agreed: &Agreed) -> Option<Self> {
        let (key, salt) = match agreed.profile {
            SrtpProfile::AES128_CM_SHA1_80 => (Aes128CmSha1_80::KEY_LEN, Aes128CmSha1_80::SALT_LEN),
            SrtpProfile::AEAD_AES_128_GCM => (AeadAes128Gcm::KEY_LEN, AeadAes128Gcm::SALT_LEN),
            SrtpProfile::AEAD_AES_256_GCM => (AeadAes256Gcm::KEY_LEN, AeadAes256Gcm::SALT_LEN),
            _ => return None,
        };
        // Client's key, server's key, client's salt, server's salt (RFC 5764 section 4.2).
        let (keys, salts) = agreed.material.split_at_checked(2 * key)?;
        let ours = |parts: std::ops::Range<usize>, second: std::ops::Range<usize>| {
            if agreed.client { parts } else { second }
        };
        let master = Master {
            key: keys.get(ours(0..key, key..2 * key))?,
            salt: salts.get(ours(0..salt, salt..2 * salt))?,
        };
        Some(Self {
            rtp: master.cipher(agreed.profile, RTP_LABELS)?,
            rtcp: master.cipher(agreed.profile, RTCP_LABELS)?,
            reports: 0,
        })
    }

    /// Bytes that sealing adds to an RTP packet.
    #[must_use]
    pub fn tag_bytes(&self) -> usize {
        self.rtp.tag_bytes()
    }

    /// Seal an RTP packet in place: its header is `clear` bytes long, and its last bytes are room for the tag. `index` is
    /// its sequence number, extended over rollovers. Each index may be sealed once (see [`sent_once`](super::sent_once)).
    #[must_use]
    pub fn seal(&mut self, index: u64, clear: usize, packet: &mut [u8]) -> bool {
        let Some(ssrc) = packet.get(8..12).and_then(|bytes| bytes.try_into().ok()) else {
            return false;
        };
        let ssrc = u32::from_be_bytes(ssrc);
        let sealed = match &mut self.rtp {
            Cipher::Cm {
                cipher,
                authentication,
                salt,
                plain,
            } => {
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, index);
                encrypt_in_place(cipher.as_mut(), &iv, clear, packet, plain).map(|end| {
                    Aes128CmSha1_80::rtp_hmac(hmac, authentication, packet, index, end);
                })
            }
            Cipher::Gcm { key, salt } => {
                let (rollover, sequence) = ((index >> 16) as u32, index as u16);
                let iv = AeadAes128Gcm::rtp_iv(*salt, ssrc, rollover, sequence);
                let parts = packet.split_at_mut_checked(clear);
                parts.and_then(|(header, sealed)| seal_in_place(key, iv, header, sealed))
            }
        };
        sealed.is_some()
    }

    /// Seal a compound RTCP packet.
    #[must_use]
    pub fn seal_report(&mut self, report: &[u8]) -> Option<Vec<u8>> {
        let clear: [u8; CLEAR_REPORT_BYTES] = *report.first_chunk()?;
        let ssrc = u32::from_be_bytes(*clear.last_chunk()?);
        let index = self.reports;
        self.reports = (self.reports + 1) % ENCRYPTED;
        let trailer = (ENCRYPTED | index).to_be_bytes();
        let mut out = report.to_vec();
        match &mut self.rtcp {
            Cipher::Cm {
                cipher,
                authentication,
                salt,
                ..
            } => {
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, index.into());
                let hidden = &report[CLEAR_REPORT_BYTES..];
                cipher
                    .encrypt(&iv, hidden, &mut out[CLEAR_REPORT_BYTES..])
                    .ok()?;
                out.extend_from_slice(&trailer);
                let end = out.len();
                out.resize(end + Aes128CmSha1_80::HMAC_TAG_LEN, 0);
                Aes128CmSha1_80::rtcp_hmac(hmac, authentication, &mut out, end);
            }
            Cipher::Gcm { key, salt } => {
                let iv = AeadAes128Gcm::rtcp_iv(*salt, ssrc, index);
                out.resize(report.len() + AeadAes128Gcm::TAG_LEN, 0);
                let associated = [&clear[..], &trailer].concat();
                seal_in_place(key, iv, &associated, &mut out[CLEAR_REPORT_BYTES..])?;
                out.extend_from_slice(&trailer);
            }
        }
        Some(out)
    }
}

/// Encrypt what is behind the clear part and before the room for the tag; returns where that room begins.
fn encrypt_in_place(
    cipher: &mut dyn Aes128CmSha1_80Cipher,
    iv: &[u8; 16],
    clear: usize,
    packet: &mut [u8],
    plain: &mut Vec<u8>,
) -> Option<usize> {
    let end = packet.len().checked_sub(Aes128CmSha1_80::HMAC_TAG_LEN)?;
    let hidden = packet.get_mut(clear..end)?;
    plain.clear();
    plain.extend_from_slice(hidden);
    cipher.encrypt(iv, plain, hidden).ok()?;
    Some(end)
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    LIBRARY.sha1_hmac_provider.sha1_hmac(key, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex
            .chars()
            .filter_map(|digit| Some(digit.to_digit(16)? as u8))
            .collect();
        digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_are_derived_as_the_rfc_does() {
        let master = Master {
            key: &bytes("E1F97A0D3E018BE0D64FA32C06DE4139"),
            salt: &bytes("0EC675AD498AFEEBB6960B3AABE6"),
        };
        let key: [u8; 16] = master.derive(0);
        assert_eq!(key[..], *bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        let salt: [u8; 14] = master.derive(2);
        assert_eq!(salt[..], *bytes("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication: [u8; 20] = master.derive(1);
        assert_eq!(
            authentication[..],
            *bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
    }

    /// RFC 7714 section 16.1.1.
    #[test]
    fn a_packet_is_sealed_as_the_rfc_does() {
        let key = bytes("000102030405060708090a0b0c0d0e0f");
        let cipher = || Cipher::Gcm {
            key: gcm(&AES_128_GCM, &key).unwrap(),
            salt: bytes("517569642070726f2071756f").try_into().unwrap(),
        };
        let mut sealer = Sealer {
            rtp: cipher(),
            rtcp: cipher(),
            reports: 0,
        };
        let header = bytes("8040f17b8041f8d35501a0b2");
        let payload = b"Gallia est omnis divisa in partes tres";
        let mut out = [&header[..], payload, &[0; 16]].concat();
        assert!(sealer.seal(0xf17b, header.len(), &mut out));
        let expected = "8040f17b8041f8d35501a0b2
            f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
            899d7f27beb16a9152cf765ee4390cce";
        assert_eq!(out, bytes(expected));
        for (clear, length) in [(4, 4), (12, 20), (40, 30)] {
            assert!(!sealer.seal(1, clear, &mut out[..length]));
        }
    }

    #[test]
    fn reports_are_numbered_and_too_short_ones_refused() {
        for profile in SrtpProfile::ALL {
            let material = vec![7; profile.keying_material_len()];
            let mut sealer = Sealer::new(&Agreed {
                profile: *profile,
                material: str0m::crypto::dtls::KeyingMaterial::new(&material),
                client: true,
            })
            .unwrap();
            assert_eq!(sealer.seal_report(&[0; 7]), None);
            let report = [0x80, 200, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4];
            let first = sealer.seal_report(&report).unwrap();
            let second = sealer.seal_report(&report).unwrap();
            assert_eq!(first[..8], report[..8]);
            assert_ne!(first, second, "the same twice under one number");
        }
    }
}
