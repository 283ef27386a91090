//! What is sent to one peer, sealed (RFC 3711, RFC 7714): counters and layout; the ciphers are the library's.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use str0m::crypto::{AeadAes128Gcm, Aes128CmSha1_80, Aes128CmSha1_80Cipher};

use super::cipher::{Cipher, Master, RTCP_LABELS, RTP_LABELS};
use super::keys::{Agreed, LIBRARY};

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
        let master = Master::of(agreed, agreed.client)?;
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
    /// its sequence number, extended over rollovers. Each index may be sealed once (see [`once`](super::once)).
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
    use aws_lc_rs::aead::AES_128_GCM;
    use str0m::crypto::dtls::SrtpProfile;

    use super::super::cipher::gcm;
    use super::super::hex::bytes;
    use super::*;

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
            let mut sealer = Sealer::new(&Agreed::made_up(*profile, true)).unwrap();
            assert_eq!(sealer.seal_report(&[0; 7]), None);
            let report = [0x80, 200, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4];
            let first = sealer.seal_report(&report).unwrap();
            let second = sealer.seal_report(&report).unwrap();
            assert_eq!(first[..8], report[..8]);
            assert_ne!(first, second, "the same twice under one number");
        }
    }
}
