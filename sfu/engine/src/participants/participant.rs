//! One participant: two peer connections, what it sends, what it has received.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, Mid};
use str0m::rtp::Vp8Descriptor;

use super::clock::monotonic_ns;
use super::messages::{
    MediaTiming, ParticipantReport, ParticipantTimings, ReceivedMedia, SentMedia, SentTrack, Side,
    State,
};
use super::peer::{Heard, Packet, Peer};
use super::sending::{Sending, Sent};
use super::stamp::Stamp;
use super::tally::Tally;
use super::timing::{Part, Timing};
use crate::control::messages::MediaKind;

/// Senders and kinds that one participant counts, 12 kB each; more are counted as foreign.
const MAX_TALLIES: usize = 1024;

/// Fastest video.
const MAX_FRAMES_PER_S: u32 = 60;

/// What a participant is to send.
pub struct Plan {
    pub video_frames_per_s: u32,
    pub video_bits_per_s: u64,
    pub audio: bool,
}

/// Why a command was turned down: a stable code and a sentence.
pub struct Refusal(pub &'static str, pub String);

/// Something for the driver to know.
pub struct Progress(pub Side, pub State, pub &'static str);

struct Half {
    peer: Peer,
    state: State,
}

struct Received {
    mid: Option<Mid>,
    tally: Tally,
    timing: Timing,
}

/// A participant.
pub struct Participant {
    pub name: String,
    stamp: u64,
    opened_at: Instant,
    publisher: Option<Half>,
    pending: Option<SdpPendingOffer>,
    sendings: Vec<Sending>,
    subscriber: Option<Half>,
    sent: BTreeMap<MediaKind, Sent>,
    received: BTreeMap<(u64, MediaKind), Received>,
    foreign_packets: u64,
    progress: Vec<Progress>,
}

impl Participant {
    /// Nobody yet; see [`Participant::open`].
    #[must_use]
    pub fn new(name: String, now: Instant) -> Self {
        Self {
            name,
            stamp: 0,
            opened_at: now,
            publisher: None,
            pending: None,
            sendings: Vec::new(),
            subscriber: None,
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            foreign_packets: 0,
            progress: Vec::new(),
        }
    }

    /// Begin (again): offer what the plan says on a new publisher, forget the subscriber.
    pub fn open(
        &mut self,
        stamp: u64,
        plan: &Plan,
        publisher: Peer,
        now: Instant,
    ) -> (String, Vec<SentTrack>) {
        self.close(now);
        self.stamp = stamp;
        let mut heard = Vec::new();
        let mut peer = publisher;
        let sendings = &mut self.sendings;
        let offer = peer.change(now, &mut heard, |rtc| {
            let mut changes = rtc.sdp_api();
            let mut add = |kind| changes.add_media(kind, Direction::SendOnly, None, None, None);
            if plan.audio {
                sendings.push(Sending::audio(add(str0m::media::MediaKind::Audio), now));
            }
            if plan.video_frames_per_s > 0 {
                let frames_per_s = plan.video_frames_per_s.min(MAX_FRAMES_PER_S);
                let mid = add(str0m::media::MediaKind::Video);
                sendings.push(Sending::video(
                    mid,
                    stamp,
                    frames_per_s,
                    plan.video_bits_per_s,
                    now,
                ));
            }
            changes.apply()
        });
        let Some((offer, pending)) = offer else {
            return (String::new(), Vec::new());
        };
        self.pending = Some(pending);
        self.publisher = Some(Half {
            peer,
            state: State::Connecting,
        });
        let tracks = self.sendings.iter().map(|sending| SentTrack {
            mid: sending.mid.to_string(),
            kind: sending.kind,
        });
        (offer.to_sdp_string(), tracks.collect())
    }

    /// Take the answer to the publisher's offer.
    ///
    /// # Errors
    /// `offer_unknown` when none is outstanding, `sdp_invalid`.
    pub fn published(&mut self, sdp: &str, now: Instant) -> Result<(), Refusal> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(invalid)?;
        let (Some(half), Some(pending)) = (&mut self.publisher, self.pending.take()) else {
            return Err(Refusal(
                "offer_unknown",
                "There is no offer to answer.".into(),
            ));
        };
        let mut heard = Vec::new();
        let taken = half.peer.change(now, &mut heard, |rtc| {
            rtc.sdp_api().accept_answer(pending, answer)
        });
        self.heed(Side::Publisher, heard, now);
        taken.map_err(invalid)
    }

    /// Answer an offer for the subscriber; `open` makes its peer connection if it has none.
    ///
    /// # Errors
    /// `sdp_invalid`, or what `open` says.
    pub fn offered(
        &mut self,
        sdp: &str,
        now: Instant,
        open: impl FnOnce() -> Result<Peer, Refusal>,
    ) -> Result<String, Refusal> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(invalid)?;
        if self
            .subscriber
            .as_ref()
            .is_none_or(|half| half.state == State::Closed)
        {
            self.subscriber = Some(Half {
                peer: open()?,
                state: State::Connecting,
            });
        }
        let Some(half) = &mut self.subscriber else {
            return Err(Refusal("internal_error", "The subscriber is gone.".into()));
        };
        let mut heard = Vec::new();
        let answer = half
            .peer
            .change(now, &mut heard, |rtc| rtc.sdp_api().accept_offer(offer));
        self.heed(Side::Subscriber, heard, now);
        Ok(answer.map_err(invalid)?.to_sdp_string())
    }

    /// End both peer connections; counters stay.
    pub fn close(&mut self, now: Instant) {
        for half in [self.publisher.take(), self.subscriber.take()]
            .iter_mut()
            .flatten()
        {
            half.peer.farewell(now);
        }
        self.pending = None;
        self.sendings.clear();
    }

    /// Take what arrived on a socket; true when there may be more.
    pub fn receive(&mut self, side: Side) -> bool {
        let mut heard = Vec::new();
        let more = self
            .half(side)
            .is_some_and(|half| half.peer.receive(&mut heard));
        self.heed(side, heard, Instant::now());
        more
    }

    /// Let a peer connection's time pass.
    pub fn elapse(&mut self, side: Side, now: Instant) {
        let mut heard = Vec::new();
        if let Some(half) = self.half(side) {
            half.peer.elapse(now, &mut heard);
        }
        self.heed(side, heard, now);
    }

    /// When [`Participant::elapse`] is to be called.
    #[must_use]
    pub fn due(&self, side: Side) -> Option<Instant> {
        match side {
            Side::Publisher => self.publisher.as_ref()?.peer.due(),
            Side::Subscriber => self.subscriber.as_ref()?.peer.due(),
        }
    }

    /// Send what is due of one kind.
    pub fn send(&mut self, kind: MediaKind, now: Instant) {
        let (Some(half), Some(sending)) = (
            self.publisher.as_mut(),
            self.sendings
                .iter_mut()
                .find(|sending| sending.kind == kind),
        ) else {
            return;
        };
        let sent = self.sent.entry(kind).or_default();
        let mut heard = Vec::new();
        half.peer.change(now, &mut heard, |rtc| {
            sending.write(rtc, self.stamp, sent, now);
        });
        self.heed(Side::Publisher, heard, now);
    }

    /// When [`Participant::send`] is to be called.
    #[must_use]
    pub fn send_due(&self, kind: MediaKind) -> Option<Instant> {
        let connected = self.publisher.as_ref()?.state == State::Connected;
        let sending = self.sendings.iter().find(|sending| sending.kind == kind)?;
        sending.due().filter(|_| connected)
    }

    /// What happened since the last time.
    pub fn take_progress(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.progress)
    }

    /// All counters.
    #[must_use]
    pub fn report(&self, now: Instant) -> ParticipantReport {
        let state = |half: &Option<Half>| half.as_ref().map_or(State::None, |half| half.state);
        let received = self
            .received
            .iter()
            .map(
                |(&(stamp, kind), Received { mid, tally, .. })| ReceivedMedia {
                    stamp,
                    kind,
                    mid: mid.map(|mid| mid.to_string()).unwrap_or_default(),
                    packets: tally.packets,
                    bytes: tally.bytes,
                    lost: tally.lost(),
                    missing: tally.missing(),
                    duplicates: tally.duplicates,
                    reordered: tally.reordered,
                    late: tally.late,
                    delay_p50_ms: tally.delays.quantile_us(0.5) as f64 / 1000.0,
                    delay_p99_ms: tally.delays.quantile_us(0.99) as f64 / 1000.0,
                    delay_max_ms: tally.delays.max_us() as f64 / 1000.0,
                    first_packet_ms: ms(tally.first_at - self.opened_at),
                    longest_gap_ms: ms(tally.longest_gap(now)),
                },
            );
        ParticipantReport {
            participant: self.name.clone(),
            stamp: self.stamp,
            publisher: state(&self.publisher),
            subscriber: state(&self.subscriber),
            sent: self.sent(),
            received: received.collect(),
            foreign_packets: self.foreign_packets,
        }
    }

    /// When everything came; the longest silences are since this was asked last.
    pub fn timings(&mut self, now: Instant) -> ParticipantTimings {
        let opened_at = self.opened_at;
        let received = self.received.iter_mut().map(|(&(stamp, kind), received)| {
            let Received { tally, timing, .. } = received;
            let (freezes, frozen) = timing.freezes(now);
            MediaTiming {
                stamp,
                kind,
                packets: tally.packets,
                bytes: tally.bytes,
                lost: tally.lost(),
                missing: tally.missing(),
                delay_sum_ms: timing.delay_sum_us as f64 / 1000.0,
                jitter_sum_ms: timing.jitter_sum_us as f64 / 1000.0,
                recent_gap_ms: ms(timing.take_longest_gap(now)),
                freezes,
                frozen_ms: ms(frozen),
                first_frame_ms: timing.first_frame().map(|at| ms(at - opened_at)),
                delays_us: tally.delays.counts().collect(),
                jitters_us: timing.jitters.counts().collect(),
            }
        });
        ParticipantTimings {
            participant: self.name.clone(),
            received: received.collect(),
            sent: self.sent(),
        }
    }

    fn sent(&self) -> Vec<SentMedia> {
        let sent = self.sent.iter().map(|(&kind, sent)| SentMedia {
            kind,
            packets: sent.packets,
            bytes: sent.bytes,
            keyframe_requests: sent.keyframe_requests,
        });
        sent.collect()
    }

    fn half(&mut self, side: Side) -> Option<&mut Half> {
        match side {
            Side::Publisher => self.publisher.as_mut(),
            Side::Subscriber => self.subscriber.as_mut(),
        }
    }

    fn heed(&mut self, side: Side, heard: Vec<Heard>, now: Instant) {
        for fact in heard {
            match fact {
                Heard::Connected => {
                    self.turn(side, State::Connected, "");
                    if side == Side::Publisher {
                        self.begin(now);
                    }
                }
                Heard::Closed(reason) => self.turn(side, State::Closed, reason),
                Heard::KeyframeRequest => {
                    self.sent
                        .entry(MediaKind::Video)
                        .or_default()
                        .keyframe_requests += 1;
                }
                Heard::Packet(packet) => self.count(&packet),
            }
        }
    }

    fn turn(&mut self, side: Side, state: State, reason: &'static str) {
        if let Some(half) = self.half(side) {
            half.state = state;
            self.progress.push(Progress(side, state, reason));
        }
    }

    fn begin(&mut self, now: Instant) {
        if let Some(half) = &mut self.publisher {
            let sendings = &mut self.sendings;
            half.peer.look(|rtc| {
                sendings
                    .iter_mut()
                    .for_each(|sending| sending.begin(rtc, now))
            });
        }
    }

    fn count(&mut self, packet: &Packet) {
        let (now, mid) = (packet.at, packet.mid);
        let Some(stamp) = Stamp::at_end_of(&packet.payload) else {
            self.foreign_packets += 1;
            return;
        };
        let delay_us = monotonic_ns().saturating_sub(stamp.sent_ns) / 1000;
        let bytes = packet.payload.len();
        let key = (stamp.source, stamp.kind);
        let received = if let Some(received) = self.received.get_mut(&key) {
            received.mid = mid;
            if !received.tally.take(stamp.sequence, delay_us, bytes, now) {
                return;
            }
            received
        } else if self.received.len() < MAX_TALLIES {
            let received = Received {
                mid,
                tally: Tally::new(stamp.sequence, delay_us, bytes, now),
                timing: Timing::default(),
            };
            self.received.entry(key).or_insert(received)
        } else {
            self.foreign_packets += 1;
            return;
        };
        received.timing.take(delay_us, now);
        let part = || part_of_frame(packet, stamp.kind);
        received.timing.assemble(stamp.sequence, part, now);
    }
}

/// Sound is whole with each packet; of a picture, the first packet and the last are marked.
fn part_of_frame(packet: &Packet, kind: MediaKind) -> Part {
    let whole = kind == MediaKind::Audio;
    let begins = || {
        Vp8Descriptor::parse(&packet.payload)
            .is_ok_and(|descriptor| descriptor.starts_keyframe(&packet.payload))
    };
    Part {
        timestamp: packet.rtp_timestamp,
        begins: whole || begins(),
        ends: whole || packet.marker,
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn invalid(error: impl std::fmt::Display) -> Refusal {
    Refusal("sdp_invalid", format!("The SDP cannot be used: {error}."))
}
