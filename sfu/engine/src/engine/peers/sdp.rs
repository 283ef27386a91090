//! What we read of an SDP ourselves, before str0m does: its size, its candidates, its fingerprint.
//!
//! Towards browsers we are an ICE-lite agent: they check us, we never check them. So their
//! candidates are of no use; worse, checking them would let any client aim our packets at any
//! address. They are taken out, and those that no agent could use are counted.
//!
//! str0m compares the lines of a section with each other, so that one section of 30,000 lines held
//! up all media for a second (measured): what no client needs is refused unparsed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::engine::media::packet::MAX_ENCODINGS;
use crate::engine::refusal::Refusal;

/// Tracks that one subscriber gets: more than anybody watches; keeps an offer within one control frame.
pub const MAX_TRACKS: usize = 500;

/// An answer has a section for each line that we offered: all tracks of one kind, then the other.
const MAX_SECTIONS: usize = 2 * MAX_TRACKS + 1;

/// Lines of one m-line, or before the first; Chromium's longest has 120.
const MAX_LINES_PER_SECTION: usize = 400;

/// An SDP without its candidates.
#[derive(Debug, PartialEq, Eq)]
pub struct Stripped {
    pub sdp: String,
    /// Candidates that nobody could use: mDNS names, TCP, garbage.
    pub unusable: u64,
    /// Of the certificate of whoever wrote it, in lower case: another one, another connection.
    pub fingerprint: Option<String>,
    /// The simulcast streams that each line (by mid) is to bring, by `rid`, in the order of the
    /// `send` list of its `a=simulcast` (RFC 8853 section 5.1).
    pub simulcast: BTreeMap<String, Vec<String>>,
    /// The lines (by mid) that take redundant audio.
    pub redundant: BTreeSet<String>,
    /// Every SSRC that it names (RFC 5576).
    pub ssrcs: BTreeSet<u32>,
}

/// Take the candidates out of an SDP.
///
/// # Errors
/// `sdp_invalid` when it has more lines than any client of ours needs.
pub fn strip_candidates(sdp: &str) -> Result<Stripped, Refusal> {
    let mut stripped = Stripped {
        sdp: String::with_capacity(sdp.len()),
        unusable: 0,
        fingerprint: None,
        simulcast: BTreeMap::new(),
        redundant: BTreeSet::new(),
        ssrcs: BTreeSet::new(),
    };
    let (mut sections, mut lines) = (0, 0);
    let mut section = Section::default();
    for line in sdp.lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            stripped.unusable += u64::from(!is_usable(candidate));
            continue;
        }
        if line.starts_with("a=end-of-candidates") {
            continue;
        }
        if line.starts_with("m=") {
            (sections, lines) = (sections + 1, 0);
            std::mem::take(&mut section).note(&mut stripped);
        }
        section.read(line);
        lines += 1;
        if sections > MAX_SECTIONS || lines > MAX_LINES_PER_SECTION {
            return Err(Refusal::new(
                "sdp_invalid",
                format!(
                    "The SDP has more than {MAX_SECTIONS} m-lines, or more than \
                     {MAX_LINES_PER_SECTION} lines for one of them."
                ),
            ));
        }
        if let Some(fingerprint) = line.strip_prefix("a=fingerprint:") {
            stripped
                .fingerprint
                .get_or_insert_with(|| fingerprint.trim().to_ascii_lowercase());
        }
        stripped.ssrcs.extend(ssrcs(line));
        stripped.sdp.push_str(line);
        stripped.sdp.push_str("\r\n");
    }
    section.note(&mut stripped);
    Ok(stripped)
}

/// The SSRCs of a line: `a=ssrc:<ssrc> ...` or `a=ssrc-group:<semantics> <ssrc> ...`.
fn ssrcs(line: &str) -> impl Iterator<Item = u32> {
    let one = line.strip_prefix("a=ssrc:").map(|rest| (rest, 0, 1));
    let many = line
        .strip_prefix("a=ssrc-group:")
        .map(|rest| (rest, 1, usize::MAX));
    one.or(many)
        .into_iter()
        .flat_map(|(rest, skipped, taken)| rest.split_ascii_whitespace().skip(skipped).take(taken))
        .filter_map(|number| number.parse().ok())
}

/// What is read of one m-line.
#[derive(Default)]
struct Section<'a> {
    mid: Option<&'a str>,
    simulcast: Option<&'a str>,
    redundant: bool,
}

impl<'a> Section<'a> {
    fn read(&mut self, line: &'a str) {
        if let Some(mid) = line.strip_prefix("a=mid:") {
            self.mid = Some(mid.trim());
        } else if let Some(simulcast) = line.strip_prefix("a=simulcast:") {
            self.simulcast = Some(simulcast);
        } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
            let mut words = map.split_ascii_whitespace();
            let name = words.nth(1).unwrap_or_default();
            self.redundant |= name.eq_ignore_ascii_case("red/48000/2");
        }
    }

    fn note(self, stripped: &mut Stripped) {
        let Some(mid) = self.mid else {
            return;
        };
        let rids = self.simulcast.map(sent_rids).unwrap_or_default();
        if !rids.is_empty() {
            stripped.simulcast.insert(mid.to_owned(), rids);
        }
        if self.redundant {
            stripped.redundant.insert(mid.to_owned());
        }
    }
}

/// The streams of the `send` list: alternatives of one stream are divided by commas, of which the
/// first counts; a tilde marks one that starts paused.
fn sent_rids(simulcast: &str) -> Vec<String> {
    let mut words = simulcast.split_ascii_whitespace();
    let list = words
        .by_ref()
        .find(|word| *word == "send")
        .and_then(|_| words.next())
        .unwrap_or_default();
    list.split(';')
        .filter_map(|stream| stream.split(',').next())
        .map(|rid| rid.trim_start_matches('~').to_owned())
        .filter(|rid| !rid.is_empty())
        .take(MAX_ENCODINGS)
        .collect()
}

/// Whether a candidate line (with or without `a=` and `candidate:`) names a UDP address that an
/// agent could send to. An empty line marks the end of candidates and is fine.
#[must_use]
pub fn is_usable(candidate: &str) -> bool {
    let candidate = candidate.trim();
    let candidate = candidate.strip_prefix("a=").unwrap_or(candidate);
    let candidate = candidate.strip_prefix("candidate:").unwrap_or(candidate);
    if candidate.is_empty() || candidate == "end-of-candidates" {
        return true;
    }
    // foundation component transport priority address port "typ" type (RFC 8839 section 5.1)
    let fields: Vec<&str> = candidate.split_ascii_whitespace().collect();
    let [
        _,
        component,
        transport,
        priority,
        address,
        port,
        "typ",
        kind,
        ..,
    ] = fields[..]
    else {
        return false;
    };
    component.parse::<u16>().is_ok()
        && transport.eq_ignore_ascii_case("udp")
        && priority.parse::<u32>().is_ok()
        && address.parse::<IpAddr>().is_ok()
        && port.parse::<u16>().is_ok_and(|port| port != 0)
        && matches!(kind, "host" | "srflx" | "prflx" | "relay")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn candidates_are_taken_out_and_the_useless_counted() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2113937151 0f7a.local 5000 typ host generation 0\r\n\
                   a=candidate:2 1 udp 1 192.0.2.1 5000 typ srflx raddr 0.0.0.0 rport 0\r\n\
                   a=candidate:3 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n\
                   a=end-of-candidates\r\na=mid:0\r\n";
        let stripped = strip_candidates(sdp).unwrap();
        assert_eq!(stripped.sdp, "v=0\r\na=mid:0\r\n");
        assert_eq!((stripped.unusable, stripped.fingerprint), (2, None));
    }

    #[test]
    fn every_ssrc_that_is_named_is_known() {
        let sdp = "m=video\r\na=ssrc-group:FID 7 8\r\na=ssrc:7 cname:9\r\na=ssrc:7 msid:a b\r\n\
                   a=ssrc:x cname:1\r\na=ssrc-group:SIM\r\na=ssrc:4294967295 cname:1\r\n";
        let ssrcs = strip_candidates(sdp).unwrap().ssrcs;
        assert!(ssrcs.into_iter().eq([7, 8, u32::MAX]));
    }

    #[test]
    fn the_first_fingerprint_tells_who_wrote_it() {
        let sdp = "v=0\r\na=fingerprint:sha-256 AB:CD\r\nm=audio\r\na=fingerprint:sha-1 00\r\n";
        let stripped = strip_candidates(sdp).unwrap();
        assert_eq!(stripped.fingerprint.as_deref(), Some("sha-256 ab:cd"));
    }

    #[test]
    fn what_no_client_needs_is_refused_unparsed() {
        let section = |lines: usize| "m=audio\r\n".to_owned() + &"a=x:1\r\n".repeat(lines - 1);
        let most = section(MAX_LINES_PER_SECTION).repeat(MAX_SECTIONS);
        assert_eq!(strip_candidates(&most).unwrap().sdp, most);
        for larger in [
            most + "m=audio\r\n",
            section(MAX_LINES_PER_SECTION + 1),
            "a=x:1\r\n".repeat(MAX_LINES_PER_SECTION + 1),
        ] {
            assert_eq!(strip_candidates(&larger).unwrap_err().code, "sdp_invalid");
        }
        let candidates = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n".repeat(1000);
        assert_eq!(strip_candidates(&candidates).unwrap().sdp, "");
    }

    #[test]
    fn a_trickled_candidate_is_judged() {
        assert!(is_usable(
            "candidate:1 1 UDP 2130706431 2001:db8::7 40000 typ host"
        ));
        assert!(is_usable(""));
        for useless in [
            "candidate:1 1 udp 1 x.local 5000 typ host",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ alien",
            "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "candidate:1 1 udp 1 192.0.2.1 70000 typ host",
            "nonsense",
        ] {
            assert!(!is_usable(useless), "{useless}");
        }
    }

    #[test]
    fn the_simulcast_streams_of_a_line_are_ranked_as_they_are_sent() {
        let sdp =
            "m=video 9\r\na=simulcast:recv x send ~h;m,m2;l\r\na=mid:1\r\nm=audio 9\r\na=mid:2";
        let stripped = strip_candidates(sdp).unwrap();
        let ranked = [("1".to_owned(), vec!["h".into(), "m".into(), "l".into()])];
        assert_eq!(stripped.simulcast, ranked.into());
        assert!(stripped.redundant.is_empty());
        let sdp = "m=audio 9\r\na=mid:7\r\na=rtpmap:63 red/48000/2\r\nm=video 9\r\na=mid:8";
        let redundant = strip_candidates(sdp).unwrap().redundant;
        assert!(redundant.into_iter().eq(["7"]));
        for none in ["", "recv h;l", "send", "send ;"] {
            assert!(sent_rids(none).is_empty(), "{none}");
        }
        assert_eq!(
            sent_rids(&format!("send {}", "a;".repeat(99))).len(),
            MAX_ENCODINGS
        );
    }

    proptest! {
        #[test]
        fn garbage_is_judged_too(text in "[ -~\r\n]{0,200}") {
            let _ = is_usable(&text);
            let stripped = strip_candidates(&format!("{text}\na=candidate:{text}")).unwrap();
            prop_assert!(!stripped.sdp.contains("\na=candidate:"));
            prop_assert!(stripped.sdp.is_empty() || stripped.sdp.ends_with("\r\n"));
        }
    }
}
