//! The header extensions that are negotiated with browsers, and the one that str0m does not know.
//!
//! Each peer has its own numbers for them; str0m maps those. Some are written anew for every hop
//! (`mid`, `rid`, abs-send-time, transport-cc), the others are carried along in the packet.

use std::sync::Arc;

use str0m::RtcConfig;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

/// AV1 RTP specification, appendix A.
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Longer descriptors are dropped: nine layers and their structure take a hundred bytes, and a link
/// frame has 255 for all extensions.
pub const MAX_DESCRIPTOR_BYTES: usize = 200;

/// Above it the two-byte form is needed (RFC 8285 section 4.2).
const MAX_ONE_BYTE_FORM_BYTES: usize = 16;

/// A dependency descriptor as it came, never changed once made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDescriptor(Box<[u8]>);

impl RawDescriptor {
    /// Keep these bytes; `None` where there are none, or too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=MAX_DESCRIPTOR_BYTES)
            .contains(&bytes.len())
            .then(|| Self(bytes.into()))
    }

    /// As they are on the wire.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Carries dependency descriptors in and out of str0m.
#[derive(Debug)]
struct DescriptorCarrier;

impl ExtensionSerializer for DescriptorCarrier {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(descriptor) = values.user_values.get::<RawDescriptor>() else {
            return 0;
        };
        let bytes = descriptor.bytes();
        match buffer.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                bytes.len()
            }
            None => 0,
        }
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        match RawDescriptor::new(bytes) {
            Some(descriptor) => {
                values.user_values.set(descriptor);
                true
            }
            None => false,
        }
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values
            .user_values
            .get::<RawDescriptor>()
            .is_some_and(|descriptor| descriptor.bytes().len() > MAX_ONE_BYTE_FORM_BYTES)
    }
}

/// The dependency descriptor of a packet that came in.
#[must_use]
pub fn descriptor(values: &ExtensionValues) -> Option<Arc<RawDescriptor>> {
    values.user_values.get_arc::<RawDescriptor>()
}

/// Whether an extension is the dependency descriptor.
#[must_use]
pub fn is_descriptor(extension: &Extension) -> bool {
    extension.as_uri() == DEPENDENCY_DESCRIPTOR
}

/// Let a browser peer negotiate exactly these extensions. The numbers are those of our offers, and
/// Chromium's where it has one; all below 15, because a single one above would force the longer
/// form on every packet.
#[must_use]
pub fn negotiated(config: RtcConfig) -> RtcConfig {
    [
        (1, Extension::AudioLevel),
        (2, Extension::AbsoluteSendTime),
        (3, Extension::TransportSequenceNumber),
        (4, Extension::RtpMid),
        (5, Extension::PlayoutDelay),
        (9, Extension::AbsoluteCaptureTime),
        (10, Extension::RtpStreamId),
        (11, Extension::RepairedRtpStreamId),
        (
            12,
            Extension::with_serializer(DEPENDENCY_DESCRIPTOR, DescriptorCarrier),
        ),
        (13, Extension::VideoOrientation),
    ]
    .into_iter()
    .fold(config.clear_extension_map(), |config, (id, extension)| {
        config.set_extension(id, extension)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::rtp::ExtensionMap;

    #[test]
    fn a_descriptor_is_written_as_it_was_read() {
        let carrier = DescriptorCarrier;
        for length in [1, 16, 17, MAX_DESCRIPTOR_BYTES] {
            let bytes: Vec<u8> = (0..length as u8).collect();
            let mut values = ExtensionValues::default();
            assert!(carrier.parse_value(&bytes, &mut values));
            assert_eq!(descriptor(&values).unwrap().bytes(), bytes);
            assert_eq!(carrier.requires_two_byte_form(&values), length > 16);
            let mut buffer = [0; 255];
            assert_eq!(carrier.write_to(&mut buffer, &values), length);
            assert_eq!(buffer[..length], bytes);
            assert_eq!(carrier.write_to(&mut buffer[..length - 1], &values), 0);
        }
    }

    #[test]
    fn what_is_no_descriptor_is_not_kept() {
        let mut values = ExtensionValues::default();
        for bytes in [&[][..], &[7; MAX_DESCRIPTOR_BYTES + 1]] {
            assert!(!DescriptorCarrier.parse_value(bytes, &mut values));
        }
        assert!(descriptor(&values).is_none());
        assert_eq!(DescriptorCarrier.write_to(&mut [0; 9], &values), 0);
        assert!(!DescriptorCarrier.requires_two_byte_form(&values));
    }

    #[test]
    fn descriptors_are_offered() {
        let takes = |map: &ExtensionMap| map.iter().any(|(_, one)| is_descriptor(one));
        assert!(takes(negotiated(RtcConfig::new()).extension_map()));
        assert!(!takes(&ExtensionMap::standard()));
    }
}
