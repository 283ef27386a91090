//! What we read of an SDP ourselves: its candidates, which str0m would take or choke on.
//!
//! Towards browsers we are an ICE-lite agent: they check us, we never check them. So their
//! candidates are of no use; worse, checking them would let any client aim our packets at any
//! address. They are taken out, and those that no agent could use are counted.

use std::net::IpAddr;

/// An SDP without its candidates.
#[derive(Debug, PartialEq, Eq)]
pub struct Stripped {
    pub sdp: String,
    /// Candidates that nobody could use: mDNS names, TCP, garbage.
    pub unusable: u64,
}

/// Take the candidates out of an SDP.
#[must_use]
pub fn strip_candidates(sdp: &str) -> Stripped {
    let mut kept = String::with_capacity(sdp.len());
    let mut unusable = 0;
    for line in sdp.lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            unusable += u64::from(!is_usable(candidate));
        } else if !line.starts_with("a=end-of-candidates") {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    Stripped {
        sdp: kept,
        unusable,
    }
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
        let stripped = strip_candidates(sdp);
        assert_eq!(stripped.sdp, "v=0\r\na=mid:0\r\n");
        assert_eq!(stripped.unusable, 2);
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

    proptest! {
        #[test]
        fn garbage_is_judged_too(text in ".{0,200}") {
            let _ = is_usable(&text);
            let _ = strip_candidates(&text);
        }
    }
}
