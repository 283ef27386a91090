//! Whether an SRTP packet was opened: what str0m does not tell.
//!
//! It drops a packet that does not open without a word, and has by then believed its header. So the
//! cipher library stands behind a face of ours, which counts what was opened. With AES-CM str0m
//! decrypts what its tag has proven; with AES-GCM decrypting is the proof.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, CryptoProvider,
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
    from_feature_flags,
};

use crate::engine::srtp::keys::{LIBRARY, overheard};

thread_local! {
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        srtp_provider: &Counting,
        dtls_provider: overheard(),
        ..from_feature_flags()
    })
});

/// SRTP and SRTCP packets that this thread has opened.
#[must_use]
pub fn opened() -> u64 {
    OPENED.get()
}

/// The ciphers of an `Rtc` whose packets are to be counted.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[derive(Debug)]
struct Counting;

impl SrtpProvider for Counting {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Counting
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Counting
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Counting
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        LIBRARY
            .srtp_provider
            .srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        LIBRARY
            .srtp_provider
            .srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAes128CmSha1_80 for Counting {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        let library = LIBRARY.srtp_provider.aes_128_cm_sha1_80();
        Box::new(Counted(library.create_cipher(key, encrypt)))
    }
}

impl SupportedAeadAes128Gcm for Counting {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        let library = LIBRARY.srtp_provider.aead_aes_128_gcm();
        Box::new(Counted(library.create_cipher(key, encrypt)))
    }
}

impl SupportedAeadAes256Gcm for Counting {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        let library = LIBRARY.srtp_provider.aead_aes_256_gcm();
        Box::new(Counted(library.create_cipher(key, encrypt)))
    }
}

#[derive(Debug)]
struct Counted<C: ?Sized + Debug>(Box<C>);

fn count<R>(outcome: Result<R, CryptoError>) -> Result<R, CryptoError> {
    if outcome.is_ok() {
        OPENED.set(OPENED.get() + 1);
    }
    outcome
}

impl Aes128CmSha1_80Cipher for Counted<dyn Aes128CmSha1_80Cipher> {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        count(self.0.decrypt(iv, input, output))
    }
}

impl AeadAes128GcmCipher for Counted<dyn AeadAes128GcmCipher> {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        count(self.0.decrypt(iv, aads, input, output))
    }
}

impl AeadAes256GcmCipher for Counted<dyn AeadAes256GcmCipher> {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        count(self.0.decrypt(iv, aads, input, output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_opens_is_counted() {
        let provider = provider();
        let factory = provider.srtp_provider.aead_aes_256_gcm();
        let (mut seal, mut open) = (
            factory.create_cipher([7; 32], true),
            factory.create_cipher([7; 32], false),
        );
        let mut sealed = [0; 5 + 16];
        seal.encrypt(&[1; 12], b"twelve bytes", b"hello", &mut sealed)
            .unwrap();
        let before = opened();
        let mut out = [0; 64];
        assert!(
            open.decrypt(&[2; 12], &[b"twelve bytes"], &sealed, &mut out)
                .is_err()
        );
        assert_eq!(opened(), before);
        assert!(
            open.decrypt(&[1; 12], &[b"twelve bytes"], &sealed, &mut out)
                .is_ok()
        );
        assert_eq!(opened(), before + 1);
    }
}
