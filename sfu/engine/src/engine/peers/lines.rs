//! The m-lines to one client: which exist, which track each carries, and what the next offer changes of them.
//!
//! A line whose track is not wanted any more goes inactive and waits for the next track of its kind, so joins and leaves
//! leave no more lines than were ever in use at once, or changed within one offer.
//!
//! Browsers delay the sound of a stream until its picture is there. libwebrtc takes the stream of a
//! line (`a=msid`, RFC 8830) from its first offer and never again (tried: a line whose stream was
//! changed stayed 90 ms off for good). So lines are born into a group, whose name is their stream
//! for ever, and a group carries the tracks of one participant at a time.

use std::collections::{BTreeMap, BTreeSet};

use str0m::Rtc;
use str0m::change::SdpPendingOffer;
use str0m::media::{Direction, MediaKind as RtcKind, Mid};

use super::outgoing_stream::OutgoingStream;
use crate::control::messages::{MediaKind, WantedTrack};
use crate::engine::data::outgoing::first_channel;
use crate::engine::egress::stream::RtpStream;
use crate::engine::router::TrackKey;

/// One m-line to a client.
#[derive(Debug)]
pub struct Line {
    pub mid: Mid,
    pub kind: MediaKind,
    /// The track of the newest offer; `None` while inactive.
    pub track: Option<String>,
    /// What that track is played in step with.
    stream: String,
    /// The lines that the client plays in step, whatever they carry.
    group: u32,
    /// The router's key while packets go out.
    pub live: Option<TrackKey>,
    /// The client said yes to that track in its newest answer.
    pub agreed: bool,
    /// The client said no; the line is of no use any more.
    pub refused: bool,
    pub out: Option<OutgoingStream>,
}

/// What a track is played in step with: one without a stream with itself alone.
fn played_with<'a>(track: &'a str, stream: &'a str) -> &'a str {
    if stream.is_empty() { track } else { stream }
}

/// What the next offer changes, by line.
#[derive(Default)]
pub struct Plan {
    stop: Vec<usize>,
    reuse: Vec<(usize, WantedTrack)>,
    /// With the group of lines that it joins.
    add: Vec<(u32, WantedTrack)>,
}

impl Plan {
    /// Whether no offer is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stop.is_empty() && self.reuse.is_empty() && self.add.is_empty()
    }
}

/// What the next offer is to change, so that these lines carry the wanted tracks.
#[must_use]
pub fn plan(lines: &[Line], wanted: &[WantedTrack]) -> Plan {
    let mut plan = Plan::default();
    let mut free: Vec<usize> = Vec::new();
    let mut held: BTreeMap<u32, &str> = BTreeMap::new();
    for (slot, line) in lines.iter().enumerate() {
        match &line.track {
            None if line.refused => {}
            None => free.push(slot),
            Some(id) => {
                held.insert(line.group, played_with(id, &line.stream));
                if !wanted.iter().any(|track| track.track == *id) {
                    plan.stop.push(slot);
                }
            }
        }
    }
    let mut groups = lines.iter().map(|line| line.group + 1).max();
    for one in wanted {
        let carried = |line: &Line| line.track.as_deref() == Some(&one.track);
        if lines.iter().any(carried) {
            continue;
        }
        let stream = played_with(&one.track, &one.stream);
        let group = held
            .iter()
            .find_map(|(group, carries)| (*carries == stream).then_some(*group))
            .or_else(|| idle_group(lines, &free, &held, one.kind))
            .unwrap_or_else(|| *groups.get_or_insert(0));
        groups = groups.max(Some(group + 1));
        held.insert(group, stream);
        let fitting = free.iter().position(|slot| {
            let line = &lines[*slot];
            line.group == group && line.kind == one.kind
        });
        match fitting {
            Some(at) => plan.reuse.push((free.swap_remove(at), one.clone())),
            None => plan.add.push((group, one.clone())),
        }
    }
    plan
}

/// A group of lines that carries nothing, best one with a line of that kind.
fn idle_group(
    lines: &[Line],
    free: &[usize],
    held: &BTreeMap<u32, &str>,
    kind: MediaKind,
) -> Option<u32> {
    free.iter()
        .filter_map(|slot| lines.get(*slot))
        .filter(|line| !held.contains_key(&line.group))
        .max_by_key(|line| line.kind == kind)
        .map(|line| line.group)
}

/// The streams of all lines that have one.
pub fn streams_of(lines: &mut [Line]) -> impl Iterator<Item = &mut RtpStream> {
    lines
        .iter_mut()
        .filter_map(|line| Some(&mut line.out.as_mut()?.rtp))
}

/// The stream of that SSRC, if any line has it.
pub fn stream_of(lines: &mut [Line], ssrc: u32) -> Option<&mut RtpStream> {
    streams_of(lines).find(|stream| stream.ssrc == ssrc)
}

/// Make an offer of a plan, the `first` one with a line for data; `None` when it changes nothing.
pub fn apply(
    rtc: &mut Rtc,
    lines: &mut Vec<Line>,
    plan: Plan,
    first: bool,
) -> Option<(String, SdpPendingOffer)> {
    let mut api = rtc.sdp_api();
    if first {
        api.add_channel_with_config(first_channel());
    }
    for slot in plan.stop {
        let line = &mut lines[slot];
        line.track = None;
        line.agreed = false;
        api.set_direction(line.mid, Direction::Inactive);
    }
    for (slot, wanted) in plan.reuse {
        let line = &mut lines[slot];
        line.track = Some(wanted.track);
        line.stream = wanted.stream;
        line.agreed = false;
        api.set_direction(line.mid, Direction::SendOnly);
    }
    for (group, wanted) in plan.add {
        let kind = match wanted.kind {
            MediaKind::Audio => RtcKind::Audio,
            MediaKind::Video => RtcKind::Video,
        };
        let stream = format!("stream-{group}");
        let mid = api.add_media(kind, Direction::SendOnly, Some(stream), None, None);
        lines.push(Line {
            mid,
            kind: wanted.kind,
            track: Some(wanted.track),
            stream: wanted.stream,
            group,
            live: None,
            agreed: false,
            refused: false,
            out: None,
        });
    }
    let (offer, pending) = api.apply()?;
    Some((offer.to_sdp_string(), pending))
}

/// See what the client made of a line.
pub fn settle(rtc: &mut Rtc, line: &mut Line, redundant: &BTreeSet<String>) {
    // Once refused it stays so: a stream that began anew under its keys would use its numbers a second time.
    if line.refused {
        return;
    }
    let Some(media) = rtc.media(line.mid) else {
        line.refused = true;
        return;
    };
    if media.stopped() || media.remote_pts().is_empty() {
        line.refused = true;
        line.out = None;
        return;
    }
    line.agreed = line.track.is_some() && media.direction().is_sending();
    if !line.agreed || line.out.is_some() {
        return;
    }
    line.out = OutgoingStream::agreed(rtc, line.mid, redundant.contains(&*line.mid));
}
