//! The keys of one direction (RFC 3711 section 4.3), and the cipher that each is for; the ciphers are the library's.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Algorithm, LessSafeKey, UnboundKey};
use str0m::crypto::dtls::SrtpProfile;
use str0m::crypto::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80, Aes128CmSha1_80Cipher};

use super::keys::{Agreed, LIBRARY};

/// What a derived key is for (RFC 3711 section 4.3.2): cipher, authentication, salt.
pub const RTP_LABELS: [u8; 3] = [0, 1, 2];
pub const RTCP_LABELS: [u8; 3] = [3, 4, 5];

/// Seals or opens.
#[derive(Debug)]
pub enum Cipher {
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
pub struct Master<'a> {
    key: &'a [u8],
    salt: &'a [u8],
}

impl<'a> Master<'a> {
    /// Those that the handshake's client sends with, or its server; `None` for a profile that is not known here.
    #[must_use]
    pub fn of(agreed: &'a Agreed, client: bool) -> Option<Self> {
        let (key, salt) = match agreed.profile {
            SrtpProfile::AES128_CM_SHA1_80 => (Aes128CmSha1_80::KEY_LEN, Aes128CmSha1_80::SALT_LEN),
            SrtpProfile::AEAD_AES_128_GCM => (AeadAes128Gcm::KEY_LEN, AeadAes128Gcm::SALT_LEN),
            SrtpProfile::AEAD_AES_256_GCM => (AeadAes256Gcm::KEY_LEN, AeadAes256Gcm::SALT_LEN),
            _ => return None,
        };
        // Client's key, server's key, client's salt, server's salt (RFC 5764 section 4.2).
        let (keys, salts) = agreed.material.split_at_checked(2 * key)?;
        let of = |length: usize| {
            if client {
                0..length
            } else {
                length..2 * length
            }
        };
        Some(Self {
            key: keys.get(of(key))?,
            salt: salts.get(of(salt))?,
        })
    }

    /// The key derivation of RFC 3711 section 4.3.3, with a rate of 0.
    pub fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
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

    /// The cipher of a profile, for what these labels stand for.
    #[must_use]
    pub fn cipher(
        &self,
        profile: SrtpProfile,
        [key, authentication, salt]: [u8; 3],
    ) -> Option<Cipher> {
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
    /// Bytes that sealing adds to an RTP packet.
    #[must_use]
    pub fn tag_bytes(&self) -> usize {
        match self {
            Self::Cm { .. } => Aes128CmSha1_80::HMAC_TAG_LEN,
            Self::Gcm { .. } => AeadAes128Gcm::TAG_LEN,
        }
    }
}

/// A key of AES-GCM; `None` where its length is another.
#[must_use]
pub fn gcm(algorithm: &'static Algorithm, key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::super::hex::bytes;
    use super::*;

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
}
