use super::*;

#[test]
fn a_candidate_is_kind_address_port() {
    for good in ["host 192.0.2.1 5000", "srflx 2001:db8::1 5000"] {
        assert!(parse_candidate(good).is_some(), "{good}");
    }
    for bad in [
        "",
        "host",
        "host x 1",
        "relay 192.0.2.1 1",
        "host 192.0.2.1 70000",
    ] {
        assert!(parse_candidate(bad).is_none(), "{bad}");
    }
}
