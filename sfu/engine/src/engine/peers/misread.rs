//! What of an SDP str0m did not understand, in words for whoever wrote it.
//!
//! str0m's reader says where it stopped as an address in our memory, which helps nobody and tells a stranger where our
//! heap is; it becomes the line that stands there.

use str0m::error::SdpError;

use crate::engine::refusal::Refusal;

/// Of a line that is shown.
const MAX_SHOWN_CHARS: usize = 80;

/// The refusal of an SDP; `sdp` is the text that was read when `error` came about.
pub fn misread(sdp: &str, error: &SdpError) -> Refusal {
    let said = error.to_string();
    let why = match position(&said).and_then(|address| line_at(sdp, address)) {
        Some("") => "it ends too early".to_owned(),
        Some(line) => format!("it stops making sense at `{}`", shown(line)),
        None if said.contains(POSITION) => "it is not SDP".to_owned(),
        None => shown(&said),
    };
    Refusal::new("sdp_invalid", format!("The SDP was not understood: {why}."))
}

const POSITION: &str = "PointerOffset(0x";

fn position(said: &str) -> Option<usize> {
    let (_, rest) = said.split_once(POSITION)?;
    let (address, _) = rest.split_once(')')?;
    usize::from_str_radix(address, 16).ok()
}

/// The line of `text` that holds that address.
fn line_at(text: &str, address: usize) -> Option<&str> {
    let offset = address.checked_sub(text.as_ptr() as usize)?;
    let (before, after) = (text.get(..offset)?, text.get(offset..)?);
    let begins = before.rfind('\n').map_or(0, |at| at + 1);
    let ends = after.find('\n').map_or(text.len(), |at| offset + at);
    Some(text.get(begins..ends)?.trim_end())
}

fn shown(line: &str) -> String {
    let printable = line.chars().filter(|char| !char.is_control());
    printable.take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use str0m::change::SdpOffer;

    use super::*;

    fn refusal(sdp: &str) -> String {
        misread(sdp, &SdpOffer::from_sdp_string(sdp).unwrap_err()).message
    }

    #[test]
    fn the_line_is_shown_and_no_address() {
        let begin = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
        for (sdp, said) in [
            (
                format!("{begin}m=audio nine UDP/TLS/RTP/SAVPF 111\r\n"),
                "`m=audio nine UDP/TLS/RTP/SAVPF 111`",
            ),
            ("hello\r\n".to_owned(), "`hello`"),
            (String::new(), "ends too early"),
            ("v=0\r\no=\u{1f600}\u{7}\r\n".to_owned(), "`o=\u{1f600}`"),
        ] {
            let message = refusal(&sdp);
            assert!(message.contains(said), "{message}");
            assert!(!message.contains("0x"), "{message}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        assert!(refusal(&"x".repeat(10_000)).len() < 200);
    }
}
