//! What packets say of themselves: parsers of payload headers and of the dependency descriptor.
//!
//! All are pure, look at no more than the bytes they are given, and take anything: what they do not
//! understand is `None`. Payloads that their sender encrypted end to end look like garbage here, so
//! nothing but the choice of layers may depend on them.

pub mod av1;
pub mod bits;
pub mod dependency_descriptor;
pub mod h264;
pub mod layers;
pub mod red;
pub mod vp8;
pub mod vp9;
