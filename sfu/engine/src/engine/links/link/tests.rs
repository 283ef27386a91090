use std::net::SocketAddr;
use std::time::Duration;

use str0m::crypto::dtls::SrtpProfile;
use str0m::net::Protocol;

use super::super::link_signal::LinkSignal;
use super::super::link_streams::{self, SIGNALS, VIDEO};
use super::*;
use crate::engine::egress::way::{Path, Way};
use crate::engine::network::address::Addresses;
use crate::engine::network::batch::Batch;
use crate::engine::srtp::opener::Opened;

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

const MS: Duration = Duration::from_millis(1);

fn end(controlling: bool, now: Instant) -> Link {
    let mut drained = Drained::build(now, link_streams::build).unwrap();
    let mut sink = Sink {
        batch: &mut Batch::default(),
        events: &mut Vec::new(),
        addresses: &Addresses::default(),
    };
    let opened = Link::open(&mut drained, now, &mut sink, controlling);
    let (mut link, _) = opened.unwrap();
    assert!(link.key(&Agreed::made_up(SrtpProfile::AEAD_AES_256_GCM, controlling)));
    link
}

/// The packets that leave when `send` is done.
fn sent(now: Instant, send: impl FnOnce(&mut Way<'_>)) -> Vec<Vec<u8>> {
    let path = Path {
        protocol: Protocol::Udp,
        destination: SocketAddr::from(([127, 0, 0, 1], 9)),
        source: None,
        lane: 0,
    };
    let mut batch = Batch::default();
    send(&mut Way::new(path, &mut batch, now));
    let mut packets = Vec::new();
    batch.each_run(|run, bytes| packets.extend(bytes.chunks(run.segment).map(<[u8]>::to_vec)));
    packets
}

fn signal_in(link: &mut Link, packet: &[u8]) -> Option<LinkSignal> {
    let mut packet = packet.to_vec();
    let opened = link.open_packet(&mut packet)?;
    assert_eq!(opened.stream, SIGNALS);
    Link::read_signal(opened.payload, &mut Counters::default())
}

#[test]
fn a_signal_is_heard_once_and_by_the_other_end_alone() {
    let now = Instant::now();
    let (mut near, mut far) = (end(true, now), end(false, now));
    let said = LinkSignal::Sent { before: [7, 9] };
    let packets = sent(now, |way| near.signal(&said, way));
    assert_eq!(packets.len(), 1);
    assert_eq!(signal_in(&mut near, &packets[0]), None);
    assert_eq!(signal_in(&mut far, &packets[0]), Some(said));
    assert_eq!(signal_in(&mut far, &packets[0]), None);
}

#[test]
fn nothing_is_sealed_or_opened_without_keys_and_another_cipher_is_refused() {
    let now = Instant::now();
    let (mut near, mut far) = (end(true, now), end(false, now));
    let said = LinkSignal::Sent { before: [7, 9] };
    let packets = sent(now, |way| near.signal(&said, way));
    far.opener = None;
    assert_eq!(signal_in(&mut far, &packets[0]), None);
    assert!(!far.key(&Agreed::made_up(SrtpProfile::AES128_CM_SHA1_80, false)));
    far.sender = LinkSender::new(false, now);
    assert!(sent(now, |way| far.signal(&said, way)).is_empty());
}

#[test]
fn a_report_goes_along_with_media_once_it_is_ripe() {
    let now = Instant::now();
    let (mut near, mut far) = (end(true, now), end(false, now));
    far.health = Some(LinkHealth::new(now));
    let mut counters = Counters::default();
    let packet = Opened {
        stream: VIDEO,
        number: 1,
        time: 0,
        payload: b"media",
    };
    assert!(far.unrepeated(&packet, now, &mut counters).is_some());
    assert!(far.unrepeated(&packet, now, &mut counters).is_none());
    assert!(sent(now, |way| assert!(!far.report_along(way))).is_empty());
    assert_eq!(far.report_due(), Some(now + 100 * MS));
    let later = now + 50 * MS;
    let packets = sent(later, |way| assert!(far.report_along(way)));
    let heard = signal_in(&mut near, &packets[0]);
    let Some(LinkSignal::Received(received)) = heard else {
        panic!("{heard:?} is no report");
    };
    assert_eq!((received.packets, received.bytes), (2, 10));
    assert_eq!(far.report_due(), None);
    // While no packet flows nothing of it is waited for.
    assert!(far.unrepeated(&packet, later, &mut counters).is_none());
    let keepalive = far.health.as_ref().unwrap().deadline();
    assert_eq!(far.deadline(false), Some(keepalive));
}

#[test]
fn a_link_waits_for_its_control_channel_alone() {
    let now = Instant::now();
    let mut link = end(true, now);
    let control = link.reliable;
    assert!(link.channel_opened(control, now));
    assert!(link.health.is_some());
    assert!(!link.channel_opened(control, now));
}
