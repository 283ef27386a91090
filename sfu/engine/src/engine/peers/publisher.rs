//! A peer that sends us media: its tracks by mid, its streams by SSRC.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::{Rtc, RtcConfig};

use super::drained::{Broken, Drained, Sink};
use super::extensions::negotiated;
use super::incoming::{Coding, IncomingStream};
use super::measured::STATS_INTERVAL;
use super::misread::misread;
use super::opened::provider;
use super::receiver_limit::ReceiverLimit;
use super::sdp::Stripped;
use super::stream_gate::MAX_STREAMS;
use crate::control::messages::MediaKind;
use crate::engine::counters::Counters;
use crate::engine::data;
use crate::engine::media::clock::Anchor;
use crate::engine::media::codec::{Format, names, offered};
use crate::engine::media::packet::{MAX_PAYLOAD_BYTES, MediaPacket, RTP_HEADER_BYTES};
use crate::engine::media::rewrite::SourceRun;
use crate::engine::refusal::Refusal;
use crate::engine::router::TrackKey;

/// Tracks of one publisher, each with its resends: as many as it may have streams.
const MAX_TRACKS: usize = MAX_STREAMS / 2;

/// How often the streams of one peer change their codec together; a call changes it a few times.
const MAX_PAYLOAD_TYPE_CHANGES: u32 = 128;

/// Sound and picture are in step from the first reports of both; every five seconds, which is the
/// least that RFC 3550 section 6.2 asks of sound, would be too late to begin with.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A line of the client's offer that carries a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedTrack {
    pub mid: Mid,
    pub track: String,
    pub kind: MediaKind,
    /// Its simulcast streams by rank; none where the line brings one stream without a name.
    pub rids: Vec<Rid>,
}

/// What came of an offer.
#[derive(Debug)]
pub struct Accepted {
    pub answer: String,
    pub tracks: Vec<OfferedTrack>,
    /// What the client may send, by payload type.
    pub codings: Vec<Coding>,
}

#[derive(Debug)]
struct Published {
    mid: Mid,
    track: TrackKey,
    rids: Vec<Rid>,
}

/// What a packet turned out to be.
#[derive(Debug)]
pub enum Arrival {
    Media(TrackKey, Mid, MediaPacket),
    /// Dropped and counted.
    Dropped,
    /// The peer changes its codec without end.
    TooManyPayloadTypes,
}

/// The state of one publisher.
#[derive(Debug, Default)]
pub struct Publisher {
    /// Of the peer connection that made the newest offer.
    pub fingerprint: Option<String>,
    published: Vec<Published>,
    /// No more than [`MAX_STREAMS`]: the gate lets no other SSRC by, and resends bring no other.
    streams: Vec<IncomingStream>,
    codings: Vec<Coding>,
    payload_type_changes: u32,
    anchor: Anchor,
    /// What it is told to send at most.
    pub limit: ReceiverLimit,
}

/// An `Rtc` for a browser: ICE-lite, because a server with an address need not look for one, and
/// because an agent that checks would aim packets wherever a client says.
#[must_use]
pub fn browser_config() -> RtcConfig {
    negotiated(offered(Rtc::builder()))
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_crypto_provider(provider())
        .set_sctp_max_message_size(data::ANNOUNCED_BYTES)
        .set_sctp_max_buffered_amount(data::outgoing::MAX_BUFFERED_BYTES)
        .set_stats_interval(Some(STATS_INTERVAL))
        .set_rtcp_report_interval_audio(REPORT_INTERVAL)
}

/// Take an offer whose lines carry `tracks` (by mid).
///
/// # Errors
/// The outer one when the peer is to be closed. The inner one when the offer is refused.
pub fn accept(
    drained: &mut Drained,
    now: Instant,
    sink: &mut Sink<'_>,
    offer: &Stripped,
    tracks: &BTreeMap<String, String>,
) -> Result<Result<Accepted, Refusal>, Broken> {
    if tracks.len() > MAX_TRACKS {
        return Ok(Err(Refusal::new(
            "too_many_tracks",
            format!(
                "{} tracks where {MAX_TRACKS} may be published.",
                tracks.len()
            ),
        )));
    }
    let simulcast = &offer.simulcast;
    // Inside the guard from the first byte on: what a client wrote may find a flaw in the reader too.
    drained.change(now, sink, |rtc| {
        let offer =
            SdpOffer::from_sdp_string(&offer.sdp).map_err(|error| misread(&offer.sdp, &error))?;
        let answer = rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| invalid(&error.to_string()))?;
        let tracks = tracks
            .iter()
            .filter_map(|(mid, track)| {
                let rids = simulcast.get(mid).map_or(&[][..], Vec::as_slice);
                receiving(rtc, mid, track, rids).transpose()
            })
            .collect::<Result<_, _>>()?;
        Ok(Accepted {
            answer: answer.to_sdp_string(),
            tracks,
            codings: codings(rtc),
        })
    })
}

fn codings(rtc: &Rtc) -> Vec<Coding> {
    let params = rtc.codec_config().params().iter();
    params
        .filter_map(|params| {
            Some(Coding {
                pt: params.pt(),
                format: Format::of(&params.spec())?,
                red: params.red(),
            })
        })
        .collect()
}

fn invalid(why: &str) -> Refusal {
    Refusal::new("sdp_invalid", format!("The SDP was not understood: {why}."))
}

/// The line of that mid, unless it is inactive or not there.
fn receiving(
    rtc: &Rtc,
    mid: &str,
    track: &str,
    rids: &[String],
) -> Result<Option<OfferedTrack>, Refusal> {
    let mid = Mid::from(mid);
    let Some(media) = rtc.media(mid) else {
        return Ok(None);
    };
    if !media.direction().is_receiving() || media.stopped() {
        return Ok(None);
    }
    if media.remote_pts().is_empty() {
        return Err(Refusal::new(
            "codec_unsupported",
            format!(
                "Line {mid} offers no codec that is forwarded here ({}).",
                names()
            ),
        ));
    }
    Ok(Some(OfferedTrack {
        mid,
        track: track.to_owned(),
        kind: if media.kind().is_audio() {
            MediaKind::Audio
        } else {
            MediaKind::Video
        },
        rids: rids.iter().map(|rid| Rid::from(rid.as_str())).collect(),
    }))
}

impl Publisher {
    /// Note what an accepted offer says: the whole set of tracks, under the router's keys.
    /// Returns the tracks that are gone.
    pub fn set_tracks(
        &mut self,
        tracks: Vec<(OfferedTrack, TrackKey)>,
        codings: Vec<Coding>,
    ) -> Vec<(Mid, TrackKey)> {
        let before = std::mem::take(&mut self.published);
        let gone = before
            .iter()
            .map(|known| (known.mid, known.track))
            .filter(|(mid, key)| {
                !tracks
                    .iter()
                    .any(|(offered, track)| offered.mid == *mid && track == key)
            })
            .collect();
        self.published = tracks
            .into_iter()
            .map(|(offered, track)| Published {
                mid: offered.mid,
                track,
                rids: offered.rids,
            })
            .collect();
        for stream in &mut self.streams {
            stream.encoding = rank(&self.published, stream.mid, stream.rid);
        }
        self.codings = codings;
        gone
    }

    /// Take a packet that came in.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn take(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        packet: RtpPacket,
        runs: &mut SourceRun,
        counters: &mut Counters,
    ) -> Result<Arrival, Broken> {
        if packet.payload.len() > MAX_PAYLOAD_BYTES {
            counters.count("payloads_too_large");
            return Ok(Arrival::Dropped);
        }
        let at = self.stream(drained, now, sink, packet.header.ssrc, runs)?;
        Ok(self.place(at, packet, now, counters))
    }

    /// The names of a line's simulcast streams by rank; none where it brings one without a name.
    #[must_use]
    pub fn encodings(&self, mid: Mid) -> &[Rid] {
        self.published
            .iter()
            .find(|known| known.mid == mid)
            .map_or(&[], |known| &known.rids)
    }

    /// Ask the client for a whole picture of one of the streams that it sends on `mid`, by rank.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn request_keyframe(
        &self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        mid: Mid,
        encoding: u8,
    ) -> Result<(), Broken> {
        let rid = self.encodings(mid).get(usize::from(encoding)).copied();
        drained.change(now, sink, |rtc| {
            if let Some(stream) = rtc.direct_api().stream_rx_by_mid(mid, rid) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        })
    }

    /// Tell the client how many bit/s all its pictures may take.
    ///
    /// # Errors
    /// When the peer is to be closed.
    pub fn tell_limit(
        &self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        limit_bps: u64,
    ) -> Result<(), Broken> {
        drained.change(now, sink, |rtc| {
            for stream in &self.streams {
                let media = stream.mid.and_then(|mid| rtc.media(mid));
                let is_picture = media.is_some_and(|media| !media.kind().is_audio());
                if is_picture && let Some(stream) = rtc.direct_api().stream_rx(&stream.ssrc) {
                    stream.request_remb(Bitrate::from(limit_bps));
                }
            }
        })
    }

    /// Index of the stream with that SSRC, noted if it is new.
    fn stream(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        ssrc: Ssrc,
        runs: &mut SourceRun,
    ) -> Result<usize, Broken> {
        if let Some(at) = self.streams.iter().position(|known| known.ssrc == ssrc) {
            return Ok(at);
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(Broken::TooManyStreams);
        }
        let place = drained.change(now, sink, |rtc| {
            let mut api = rtc.direct_api();
            api.stream_rx(&ssrc)
                .map(|stream| (stream.mid(), stream.rid()))
        })?;
        *runs += 1;
        let (mid, rid) = (place.map(|(mid, _)| mid), place.and_then(|(_, rid)| rid));
        let mut stream = IncomingStream::new(ssrc, mid, rid, *runs);
        stream.encoding = rank(&self.published, mid, rid);
        self.streams.push(stream);
        Ok(self.streams.len() - 1)
    }

    /// Read the packet of a stream as one of its track.
    fn place(
        &mut self,
        at: usize,
        packet: RtpPacket,
        now: Instant,
        counters: &mut Counters,
    ) -> Arrival {
        let Some(stream) = self.streams.get_mut(at) else {
            return Arrival::Dropped;
        };
        let pt = packet.header.payload_type;
        let placed = self
            .published
            .iter()
            .find(|known| Some(known.mid) == stream.mid)
            .zip(self.codings.iter().find(|coding| coding.is(pt)));
        let Some((published, coding)) = placed else {
            counters.count("packets_without_track");
            return Arrival::Dropped;
        };
        if stream.changes_to(coding) {
            self.payload_type_changes += 1;
            if self.payload_type_changes > MAX_PAYLOAD_TYPE_CHANGES {
                return Arrival::TooManyPayloadTypes;
            }
        }
        if coding.format.codec.kind() == MediaKind::Video {
            let numbered = packet.header.ext_vals.transport_cc.is_some();
            let bytes = packet.payload.len() as u64 + RTP_HEADER_BYTES;
            self.limit.note(bytes, numbered, now);
        }
        match stream.read(packet, coding, &mut self.anchor, now) {
            Some(packet) => Arrival::Media(published.track, published.mid, packet),
            None => {
                counters.count("payloads_malformed");
                Arrival::Dropped
            }
        }
    }
}

/// The rank of a stream among those of its line; one without a name is the only one there.
fn rank(published: &[Published], mid: Option<Mid>, rid: Option<Rid>) -> u8 {
    published
        .iter()
        .find(|known| Some(known.mid) == mid)
        .and_then(|known| known.rids.iter().position(|known| Some(*known) == rid))
        .map_or(0, |rank| rank as u8)
}
