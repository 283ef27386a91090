use std::net::SocketAddr;

use super::*;
use crate::engine::egress::way::Path;
use crate::engine::network::batch::Batch;
use str0m::crypto::dtls::{KeyingMaterial, SrtpProfile};
use str0m::net::Protocol;
use str0m::rtp::rtcp::NackEntry;

const SSRC: u32 = 0x0a0b_0c0d;
const RESENDS: u32 = 0x0102_0304;
const TYPE: u8 = 96;
const RESEND_TYPE: u8 = 97;

fn keyed(now: Instant) -> Sender {
    let mut sender = Sender::new(1_000_000, now);
    let profile = SrtpProfile::AEAD_AES_128_GCM;
    sender.key(&Agreed {
        profile,
        material: KeyingMaterial::new(&vec![5; profile.keying_material_len()]),
        client: true,
    });
    sender
}

fn stream() -> RtpStream {
    RtpStream::fixed(SSRC, (RESENDS, vec![(TYPE, RESEND_TYPE)]), 100)
}

fn packet(sequence: u64, bytes: usize, now: Instant) -> Outgoing {
    Outgoing {
        sequence,
        content: Content {
            payload: vec![sequence as u8; bytes].into(),
            payload_type: TYPE,
            time: 90_000 + sequence as u32,
            ..Content::default()
        },
        wallclock: now,
        ticks_per_s: 90_000,
        padding: 0,
        resendable: true,
    }
}

/// Payload type, number and SSRC of everything that leaves while `act` runs.
fn leaving(now: Instant, act: impl FnOnce(&mut Way<'_>)) -> Vec<(u8, u16, u32)> {
    let mut batch = Batch::default();
    let path = Path {
        protocol: Protocol::Udp,
        destination: SocketAddr::from(([127, 0, 0, 1], 9)),
        source: None,
        lane: 0,
    };
    act(&mut Way::new(path, &mut batch, now));
    let mut seen = Vec::new();
    batch.each_run(|run, bytes| {
        for datagram in bytes.chunks(run.segment) {
            let word = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
            let ssrc = if datagram[1] == 200 { word(4) } else { word(8) };
            seen.push((datagram[1] & 0x7f, word(0) as u16, ssrc));
        }
    });
    seen
}

fn nack(pid: u16, blp: u16) -> Nack {
    Nack {
        sender_ssrc: 1.into(),
        ssrc: SSRC.into(),
        reports: NackEntry { pid, blp }.into(),
    }
}

#[test]
fn nothing_leaves_before_there_are_keys_and_no_number_twice() {
    let now = Instant::now();
    let (mut sender, mut stream) = (Sender::new(1, now), stream());
    let too_early = leaving(now, |way| {
        assert!(!sender.send(&mut stream, packet(1, 9, now), way));
    });
    assert_eq!(too_early, []);
    let mut sender = keyed(now);
    let seen = leaving(now, |way| {
        assert!(sender.send(&mut stream, packet(1, 9, now), way));
        assert!(!sender.send(&mut stream, packet(1, 9, now), way));
        assert!(sender.send(&mut stream, packet(3, 9, now), way));
        assert!(sender.send(&mut stream, packet(2, 9, now), way));
    });
    assert_eq!(seen, [1, 3, 2].map(|number| (TYPE, number, SSRC)));
}

#[test]
fn what_is_missed_is_sent_again_once_in_a_round_trip() {
    let now = Instant::now();
    let (mut sender, mut stream) = (keyed(now), stream());
    leaving(now, |way| {
        for number in 1..=20 {
            sender.send(&mut stream, packet(number, 500, now), way);
        }
    });
    let mut ask = |sender: &mut Sender, now| {
        leaving(now, |way| {
            sender.resend(&mut stream, &nack(3, 0b1001), way);
        })
    };
    let first = ask(&mut sender, now);
    assert_eq!(
        first,
        [1, 2, 3].map(|number| (RESEND_TYPE, number, RESENDS))
    );
    assert_eq!(ask(&mut sender, now + FIRST_RTT / 2), []);
    assert_eq!(ask(&mut sender, now + FIRST_RTT * 2).len(), 3);
    sender.set_rtt(10 * FIRST_RTT);
    assert_eq!(ask(&mut sender, now + 7 * FIRST_RTT), []);
}

#[test]
fn resends_end_where_they_would_cost_more_than_their_share() {
    let now = Instant::now();
    let (mut sender, mut stream) = (keyed(now), stream());
    let (mut resent, mut sent) = (0, 0);
    for number in 1..=2000 {
        let at = now + Duration::from_millis(number);
        leaving(at, |way| {
            sender.send(&mut stream, packet(number, 1000, at), way);
            sent += 1000;
            resent += 1000 * sender.resend(&mut stream, &nack(number as u16, 0), way) as i64;
        });
    }
    assert!(resent >= sent * RESEND_PERCENT / 100);
    assert!(resent <= RESEND_BURST_BYTES + sent * (RESEND_PERCENT + 2) / 100);
}

#[test]
fn reports_come_soon_after_the_first_packet_and_then_every_second_while_packets_flow() {
    let now = Instant::now();
    let (mut sender, mut stream) = (keyed(now), stream());
    assert_eq!(sender.deadline(), None);
    leaving(now, |way| {
        sender.send(&mut stream, packet(1, 9, now), way);
    });
    let mut reported =
        |sender: &mut Sender, now| leaving(now, |way| sender.tend(&mut [&mut stream], way)).len();
    let first = now + FIRST_AFTER;
    assert_eq!(sender.deadline(), Some(first));
    assert_eq!(reported(&mut sender, first - Duration::from_millis(1)), 0);
    assert_eq!(reported(&mut sender, first), 1);
    assert_eq!(sender.deadline(), Some(first + INTERVAL));
    assert_eq!(
        reported(&mut sender, first + INTERVAL),
        0,
        "nothing was sent"
    );
    assert_eq!(sender.deadline(), None);
}

#[test]
fn packets_do_not_bring_the_next_report_forward() {
    let now = Instant::now();
    let (mut sender, mut stream) = (keyed(now), stream());
    let mut reports = 0;
    for ms in 0..5000 {
        let at = now + Duration::from_millis(ms);
        let seen = leaving(at, |way| {
            if ms % 20 == 0 {
                sender.send(&mut stream, packet(ms / 20 + 1, 100, at), way);
            }
            sender.tend(&mut [&mut stream], way);
        });
        reports += seen
            .iter()
            .filter(|(kind, _, _)| *kind == 200 & 0x7f)
            .count();
    }
    assert_eq!(reports, 5, "one soon, and then one a second");
}

#[test]
fn packets_that_nobody_reports_on_say_nothing_of_the_path() {
    let now = Instant::now();
    let (mut sender, mut seen) = (keyed(now), stream());
    let mut unseen = RtpStream::fixed(9, (10, vec![(TYPE, RESEND_TYPE)]), 100);
    seen.numbers.transport = 3;
    leaving(now, |way| {
        sender.send(&mut seen, packet(1, 500, now), way);
    });
    sender.end_turn(now);
    all_arrived(&mut sender, now + FIRST_RTT);
    let before = sender.estimate_bps();
    for ms in (100..20_000).step_by(20) {
        let at = now + Duration::from_millis(ms);
        leaving(at, |way| {
            sender.send(&mut unseen, packet(ms, 100, at), way);
            sender.end_turn(at);
            sender.tend(&mut [&mut seen, &mut unseen], way);
        });
    }
    assert_eq!(sender.estimate_bps(), before);
}

/// A report that every packet arrived, as on a path without limits.
fn all_arrived(sender: &mut Sender, now: Instant) {
    let newest = sender.history.newest().unwrap();
    let origin = sender.origin;
    let arrivals = (0..=newest).map(|number| {
        let us = now.saturating_duration_since(origin).as_micros() as i64;
        (number, Some(us + number as i64))
    });
    let (outcomes, _) = sender.history.report(arrivals);
    sender.reports = true;
    sender.estimator.feedback(&outcomes, FIRST_RTT, now);
}

#[test]
fn padding_leaves_where_more_is_wanted_than_is_known_to_fit() {
    let now = Instant::now();
    let (mut sender, mut stream) = (keyed(now), stream());
    stream.numbers.transport = 3;
    sender.set_desired(20_000_000, now);
    let mut padding = 0;
    for ms in 0..2000 {
        let at = now + Duration::from_millis(ms);
        let seen = leaving(at, |way| {
            if ms % 10 == 0 {
                sender.send(&mut stream, packet(ms / 10 + 1, 1000, at), way);
                sender.end_turn(at);
            }
            if ms % 100 == 99 {
                all_arrived(&mut sender, at);
            }
            sender.tend(&mut [&mut stream], way);
        });
        padding += seen.iter().filter(|(_, _, ssrc)| *ssrc == RESENDS).count();
        assert!(sender.deadline().is_none_or(|deadline| deadline > at));
    }
    assert!(padding >= 5, "{padding}");
    assert!(sender.estimate_bps() > Some(1_000_000));
}
