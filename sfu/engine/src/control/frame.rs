//! Frames on the control socket: a 4-byte big-endian length, then that many bytes of CBOR.

use std::fmt;
use std::io::{self, Read};

use minicbor::data::Token;
use minicbor::decode::Decoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An SDP of a room of hundreds fits ten times; more is a broken peer. As in `sfu/protocol.py`.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Nesting that the deepest message of ours does not half reach; the decoder recurses.
pub const MAX_DEPTH: usize = 16;

/// What arrived is not a message of the expected type.
#[derive(Debug)]
pub struct Garbled(String);

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "garbled message: {}", self.0)
    }
}

impl std::error::Error for Garbled {}

/// Read one frame's body; `None` when the other end closed between two frames.
///
/// # Errors
/// When the socket fails, ends inside a frame, or announces more than [`MAX_FRAME_BYTES`].
pub fn read(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0u8; 4];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_be_bytes(head) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes where at most {MAX_FRAME_BYTES} are taken"),
        ));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(body))
}

/// Encode one message, without its frame.
///
/// # Errors
/// When the type cannot be CBOR, which no message of ours is.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, Garbled> {
    minicbor_serde::to_vec(message).map_err(|error| Garbled(error.to_string()))
}

/// Put one encoded message into a frame of its own.
#[must_use]
pub fn wrap(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 4);
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

/// Put several encoded messages into one frame, as an array.
#[must_use]
pub fn wrap_array(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(messages.iter().map(Vec::len).sum::<usize>() + 5);
    match u8::try_from(messages.len()) {
        Ok(few @ 0..24) => body.push(0x80 | few),
        _ => {
            body.push(0x9a);
            body.extend_from_slice(&(messages.len() as u32).to_be_bytes());
        }
    }
    for message in messages {
        body.extend_from_slice(message);
    }
    wrap(&body)
}

/// Decode a frame's body, whole.
///
/// # Errors
/// When it is not CBOR, nests deeper than [`MAX_DEPTH`], is not a `T`, or has bytes left over.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Garbled> {
    refuse_depth(body)?;
    let mut deserializer = minicbor_serde::Deserializer::new(body);
    let value = T::deserialize(&mut deserializer).map_err(|error| Garbled(error.to_string()))?;
    if deserializer.decoder().position() != body.len() {
        return Err(Garbled("bytes left over".into()));
    }
    Ok(value)
}

/// Refuse nesting that would exhaust the stack, and indefinite lengths, in one pass over the tokens.
fn refuse_depth(body: &[u8]) -> Result<(), Garbled> {
    let mut open: Vec<u64> = Vec::with_capacity(MAX_DEPTH);
    for token in Decoder::new(body).tokens() {
        let token = token.map_err(|error| Garbled(error.to_string()))?;
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        match token {
            Token::Array(length) => open.push(length),
            Token::Map(length) => open.push(length.saturating_mul(2)),
            Token::BeginArray
            | Token::BeginMap
            | Token::BeginBytes
            | Token::BeginString
            | Token::Break
            | Token::Tag(_) => return Err(Garbled("indefinite lengths and tags".into())),
            _ => {}
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > MAX_DEPTH {
            return Err(Garbled(format!("nested deeper than {MAX_DEPTH}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    #[test]
    fn a_frame_survives_the_way() {
        let body = encode(&"hello").unwrap();
        let mut stream = io::Cursor::new(wrap(&body));
        assert_eq!(read(&mut stream).unwrap(), Some(body.clone()));
        assert_eq!(read(&mut stream).unwrap(), None);
        assert_eq!(decode::<String>(&body).unwrap(), "hello");
    }

    #[test]
    fn a_frame_too_long_is_refused_unread() {
        let mut stream = io::Cursor::new(u32::MAX.to_be_bytes());
        assert_eq!(
            read(&mut stream).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        let mut stream = io::Cursor::new([0, 0, 0, 9, 1]);
        assert!(read(&mut stream).is_err());
        assert!(read(&mut io::Cursor::new([0, 0])).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_decoded() {
        let body = vec![0x81; MAX_FRAME_BYTES];
        assert!(decode::<serde::de::IgnoredAny>(&body).is_err());
    }

    #[test]
    fn long_arrays_of_messages_are_one_frame() {
        let messages = vec![encode(&1u8).unwrap(); 300];
        let mut stream = io::Cursor::new(wrap_array(&messages));
        let body = read(&mut stream).unwrap().unwrap();
        assert_eq!(decode::<Vec<u8>>(&body).unwrap(), vec![1; 300]);
    }

    type Decode = fn(&[u8]) -> Result<Vec<(u64, String)>, Garbled>;

    /// What was encoded is decoded; a byte more or less, or anything around it, is no message.
    fn is_exact(decode: Decode) -> bool {
        let messages = prop::collection::vec((any::<u64>(), ".{0,10}"), 0..5);
        let outcome = TestRunner::deterministic().run(&messages, |messages| {
            let mut body = encode(&messages).unwrap();
            for cut in 0..body.len() {
                prop_assert!(decode(&body[..cut]).is_err());
            }
            prop_assert_eq!(decode(&body).ok(), Some(messages));
            let tagged = [&[0xc0], body.as_slice()].concat();
            prop_assert!(decode(&tagged).is_err());
            body.push(0);
            prop_assert!(decode(&body).is_err());
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_message_is_decoded_exactly_and_a_lenient_decoder_is_found_out() {
        assert!(is_exact(decode));
        let with_rest: Decode = |body| {
            serde::Deserialize::deserialize(&mut minicbor_serde::Deserializer::new(body))
                .map_err(|error| Garbled(error.to_string()))
        };
        let cut_is_empty: Decode = |body| {
            if body.is_empty() {
                Ok(Vec::new())
            } else {
                decode(body)
            }
        };
        for (number, mutant) in [with_rest, cut_is_empty].into_iter().enumerate() {
            assert!(!is_exact(mutant), "mutant {number} lives");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_nothing_else(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<crate::control::messages::Command>(&body);
        }
    }
}
