//! What a DTLS handshake agreed on, overheard for whoever seals media beside str0m.
//!
//! str0m hands the keying material to its own SRTP and tells nobody. So its DTLS stands behind a face of ours, which
//! keeps what passes by until the thread that drains the `Rtc` takes it, in the same drain.

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

/// The ciphers that str0m was built with.
pub static LIBRARY: LazyLock<CryptoProvider> = LazyLock::new(from_feature_flags);

thread_local! {
    static AGREED: RefCell<Option<Agreed>> = const { RefCell::new(None) };
}

/// The keys of both directions (RFC 5764 section 4.2).
pub struct Agreed {
    pub profile: SrtpProfile,
    pub material: KeyingMaterial,
    /// We were the client of the handshake, and send with the first key.
    pub client: bool,
}

impl fmt::Debug for Agreed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Agreed({:?})", self.profile)
    }
}

#[cfg(test)]
impl Agreed {
    /// The same on both sides, and no secret.
    #[must_use]
    pub fn made_up(profile: SrtpProfile, client: bool) -> Self {
        let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
        Self {
            profile,
            material: KeyingMaterial::new(&material),
            client,
        }
    }
}

/// What the newest handshake of this thread agreed on, once. Whoever drains an `Rtc` takes it before, lest it be another
/// one's that was not drained to its end, and after.
pub fn take() -> Option<Agreed> {
    AGREED.take()
}

/// Keep what passes by.
pub(in crate::engine) fn note(agreed: Agreed) {
    AGREED.set(Some(agreed));
}

/// The DTLS of an `Rtc` that is to be overheard.
#[must_use]
pub fn overheard() -> &'static dyn DtlsProvider {
    &Overhearing
}

#[derive(Debug)]
struct Overhearing;

impl DtlsProvider for Overhearing {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        LIBRARY.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let dtls = LIBRARY
            .dtls_provider
            .new_dtls(certificate, now, version, mtu)?;
        Ok(Box::new(Overheard(dtls)))
    }

    fn is_test(&self) -> bool {
        LIBRARY.dtls_provider.is_test()
    }
}

#[derive(Debug)]
struct Overheard(Box<dyn DtlsInstance>);

impl DtlsInstance for Overheard {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            note(Agreed {
                profile: *profile,
                material: KeyingMaterial::new(material),
                client: self.0.is_active(),
            });
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
