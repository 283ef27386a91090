//! A peer that we send media to: one m-line a track, offered by us, one offer at a time.
//!
//! The node says the whole set of wanted tracks; [`lines`](super::lines) says what the next offer changes for them. What
//! changes while an offer is outstanding goes into the one after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::Mid;
use str0m::rtp::rtcp::Rtcp;

use super::drained::{Broken, Drained, Sink};
use super::lines::{Line, apply, plan, settle, stream_of, streams_of};
use super::measured::Measured;
use super::misread::misread;
use super::outgoing_stream::RefusedCodec;
use super::sdp::strip_candidates;
use crate::control::messages::{MediaKind, WantedTrack};
use crate::engine::counters::Counters;
use crate::engine::egress::reports::ntp;
use crate::engine::egress::sender::Sender;
use crate::engine::egress::way::Way;
use crate::engine::layers::demand::Wanted;
use crate::engine::layers::line::LineLayers;
use crate::engine::layers::share::{INITIAL_BPS, Share};
use crate::engine::media::packet::{MediaPacket, RTP_HEADER_BYTES};
use crate::engine::refusal::Refusal;
use crate::engine::router::TrackKey;

/// From an offer to its answer. A client answers within a second or two, and while it is not heard
/// at all its socket ends sooner: this is for one that is there and does not answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// An offer for the client.
#[derive(Debug)]
pub struct Offer {
    pub generation: u64,
    pub sdp: String,
    pub tracks: BTreeMap<String, String>,
}

/// A line that is to be attached to its track.
#[derive(Debug, PartialEq, Eq)]
pub struct LineBegins {
    pub slot: u32,
    pub track: String,
}

/// The state of one subscriber.
pub struct Subscriber {
    wanted: Vec<WantedTrack>,
    lines: Vec<Line>,
    generation: u64,
    outstanding: Option<SdpPendingOffer>,
    /// The outstanding offer is to be answered by then.
    pub answer_by: Option<Instant>,
    /// Tracks that the client cannot play, found out since somebody last looked.
    pub refused: Vec<(String, RefusedCodec)>,
    /// Its bandwidth.
    pub share: Share,
    /// Sends on all lines.
    pub sender: Sender,
}

/// A line with a picture that flows.
pub struct PictureLine<'a> {
    pub track: &'a str,
    pub key: TrackKey,
    pub layers: &'a mut LineLayers,
}

/// A packet for one line.
#[derive(Debug, Clone, Copy)]
pub struct ForLine<'a> {
    pub slot: u32,
    pub packet: &'a MediaPacket,
    /// Bytes to be added at its end.
    pub padding: u8,
}

impl Subscriber {
    /// One without lines.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            wanted: Vec::new(),
            lines: Vec::new(),
            generation: 0,
            outstanding: None,
            answer_by: None,
            refused: Vec::new(),
            share: Share::default(),
            sender: Sender::new(INITIAL_BPS, now),
        }
    }

    /// Want exactly these tracks. Returns the lines (with their router keys) that stop at once.
    pub fn want(&mut self, tracks: Vec<WantedTrack>) -> Vec<(u32, TrackKey)> {
        self.wanted.clear();
        for track in tracks {
            if !self.wanted.iter().any(|known| known.track == track.track) {
                self.wanted.push(track);
            }
        }
        let wanted = &self.wanted;
        let mut stopped = Vec::new();
        for (slot, line) in self.lines.iter_mut().enumerate() {
            let unwanted = |id: &String| !wanted.iter().any(|track| track.track == *id);
            if line.track.as_ref().is_some_and(unwanted)
                && let Some(key) = line.live.take()
            {
                stopped.push((slot as u32, key));
            }
        }
        stopped
    }

    /// Make the next offer, if one is needed and none is outstanding.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn offer(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Offer>, Broken> {
        if self.outstanding.is_some() {
            return Ok(None);
        }
        let plan = plan(&self.lines, &self.wanted);
        // The first offer has a line for data: others open channels without another offer.
        let first = self.generation == 0;
        if plan.is_empty() && !first {
            return Ok(None);
        }
        let lines = &mut self.lines;
        let made = drained.change(now, sink, |rtc| apply(rtc, lines, plan, first))?;
        let Some((sdp, pending)) = made else {
            return Ok(None);
        };
        self.generation += 1;
        self.outstanding = Some(pending);
        self.answer_by = Some(now + ANSWER_TIMEOUT);
        Ok(Some(Offer {
            generation: self.generation,
            sdp,
            tracks: self
                .lines
                .iter()
                .filter(|line| !line.refused)
                .filter_map(|line| Some((line.mid.to_string(), line.track.clone()?)))
                .collect(),
        }))
    }

    /// Take the answer to the outstanding offer.
    ///
    /// # Errors
    /// The outer one when the peer is to be closed, also for an answer that does not fit its
    /// offer: half of it may have been applied. The inner one when it is refused unapplied.
    pub fn answer(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        generation: u64,
        sdp: &str,
        counters: &mut Counters,
    ) -> Result<Result<(), Refusal>, Broken> {
        if generation != self.generation || self.outstanding.is_none() {
            return Ok(Err(Refusal::new(
                "offer_stale",
                format!("The answer is to offer {generation}, which is not outstanding."),
            )));
        }
        let stripped = match strip_candidates(sdp) {
            Ok(stripped) => stripped,
            Err(refusal) => return Ok(Err(refusal)),
        };
        counters.add("candidates_ignored", stripped.unusable);
        let answer =
            match drained.change(now, sink, |_| SdpAnswer::from_sdp_string(&stripped.sdp))? {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(misread(&stripped.sdp, &error))),
            };
        let Some(pending) = self.outstanding.take() else {
            return Ok(Ok(()));
        };
        self.answer_by = None;
        let (lines, sender) = (&mut self.lines, &mut self.sender);
        let applied = drained.change(now, sink, |rtc| {
            rtc.sdp_api().accept_answer(pending, answer)?;
            for line in lines {
                settle(rtc, line, &stripped.redundant);
                if let Some(media) = rtc.media(line.mid) {
                    media.cname().clone_into(&mut sender.name);
                }
            }
            Ok::<_, str0m::RtcError>(())
        })?;
        if applied.is_err() {
            counters.count("answers_unfit");
            return Err(Broken::Answer);
        }
        Ok(Ok(()))
    }

    /// Note under which key the router knows a line that began.
    pub fn set_live(&mut self, slot: u32, key: TrackKey) {
        if let Some(line) = self.lines.get_mut(slot as usize) {
            line.live = Some(key);
            if let Some(out) = &mut line.out {
                out.begin();
            }
        }
    }

    /// The lines with pictures that flow, and the state of the bandwidth that they share.
    pub fn picture_lines(&mut self) -> (&mut Share, impl Iterator<Item = PictureLine<'_>>) {
        let lines = self.lines.iter_mut().filter_map(|line| {
            Some(PictureLine {
                key: line.live?,
                track: line.track.as_deref()?,
                layers: line.out.as_mut()?.layers.as_mut()?,
            })
        });
        (&mut self.share, lines)
    }

    /// The same, to be looked at: the router's key of each line with a picture that flows.
    pub fn pictures(&self) -> impl Iterator<Item = (TrackKey, &LineLayers)> {
        let lines = self.lines.iter();
        lines.filter_map(|line| Some((line.live?, line.out.as_ref()?.layers.as_ref()?)))
    }

    /// What a line wants of its track: everything, as long as nobody said otherwise.
    #[must_use]
    pub fn wanted_on(&self, slot: u32) -> Wanted {
        self.lines
            .get(slot as usize)
            .and_then(|line| line.out.as_ref()?.layers.as_ref())
            .map_or(Wanted::ALL, |layers| layers.wanted)
    }

    /// The track on a line of the client, and the encoding that the line gets or waits for.
    #[must_use]
    pub fn track_on(&self, mid: Mid) -> Option<(TrackKey, u8)> {
        let line = self.lines.iter().find(|line| line.mid == mid)?;
        let layers = line.out.as_ref().and_then(|out| out.layers.as_ref());
        Some((line.live?, layers.map_or(0, LineLayers::encoding)))
    }

    /// How many m-lines there are.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Send packets, all of one turn at once. Returns how many and how many bytes.
    pub fn write<'a>(
        &mut self,
        way: &mut Way<'_>,
        packets: impl Iterator<Item = ForLine<'a>>,
        counters: &mut Counters,
    ) -> (u64, u64) {
        let (lines, refused, sender) = (&mut self.lines, &mut self.refused, &mut self.sender);
        let audio_bytes = &mut self.share.audio_bytes;
        let (mut count, mut bytes) = (0, 0);
        for ForLine {
            slot,
            packet,
            padding,
        } in packets
        {
            let Some(Line {
                out: Some(out),
                track,
                ..
            }) = lines.get_mut(slot as usize)
            else {
                continue;
            };
            if out.ignores(packet) {
                continue;
            }
            let Some(pt) = out.payload_type(packet) else {
                counters.count("packets_codec_not_negotiated");
                if let Some(codec) = out.refuse(packet) {
                    refused.extend(track.clone().map(|track| (track, codec)));
                }
                continue;
            };
            out.pass(pt, packet, padding, way.now, |stream, outgoing| {
                let length = outgoing.content.payload.len() as u64 + RTP_HEADER_BYTES;
                if sender.send(stream, outgoing, way) {
                    count += 1;
                    bytes += length;
                    if packet.codec.kind() == MediaKind::Audio {
                        *audio_bytes += length;
                    }
                }
            });
        }
        sender.end_turn(way.now);
        (count, bytes)
    }

    /// Take what the client reports of what it gets.
    pub fn heard(
        &mut self,
        report: Rtcp,
        way: &mut Way<'_>,
        measured: &mut Measured,
        counters: &mut Counters,
    ) {
        let lines = &mut self.lines;
        match report {
            Rtcp::Nack(nack) => {
                if let Some(stream) = stream_of(lines, *nack.ssrc) {
                    measured.hear_nack(stream.mid);
                    counters.add("packets_resent", self.sender.resend(stream, &nack, way));
                }
            }
            Rtcp::ReceiverReport(report) => {
                for block in report.reports.iter() {
                    if let Some(stream) = stream_of(lines, *block.ssrc) {
                        stream.placed = true;
                        measured.hear_report(stream.mid, block, ntp(way.now));
                    }
                }
                if let Some(ms) = measured.rtt_ms() {
                    self.sender.set_rtt(Duration::from_secs_f64(ms / 1000.0));
                }
            }
            Rtcp::Twcc(report) => self.sender.heard_transport(report, way.now),
            _ => {}
        }
    }

    /// Report and probe, as far as that is due.
    pub fn tend(&mut self, way: &mut Way<'_>) {
        let mut streams: Vec<_> = streams_of(&mut self.lines).collect();
        self.sender.tend(&mut streams, way);
    }

    /// Lines that the client agreed to, that are wanted and do not flow yet.
    #[must_use]
    pub fn beginning(&self) -> Vec<LineBegins> {
        self.lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.live.is_none() && line.agreed && line.out.is_some())
            .filter_map(|(slot, line)| {
                let track = line.track.clone()?;
                self.wanted
                    .iter()
                    .any(|wanted| wanted.track == track)
                    .then_some(LineBegins {
                        slot: slot as u32,
                        track,
                    })
            })
            .collect()
    }
}
