//! The stream of one line of a subscriber: packets of a track, in its numbers and payload types.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::media::{MediaTime, Mid, Pt};
use str0m::rtp::{ExtensionValues, RtpWrite, Ssrc, VideoOrientation};

use super::extensions::takes_descriptors;
use crate::control::messages::MediaKind;
use crate::engine::layers::line::LineLayers;
use crate::engine::layers::selector::Verdict;
use crate::engine::media::codec::Format;
use crate::engine::media::packet::{MediaPacket, REDUNDANT_TYPE};
use crate::engine::media::rewrite::Rewriter;
use crate::engine::payload::red::retype;

/// An outgoing stream starts at most here, far from the wrap that would confuse its receiver.
const MAX_FIRST_SEQUENCE: u32 = 1 << 14;

/// Time stamps start between 2^30 and 2^31. str0m reports time stamp 0 until the first packet, and
/// libwebrtc forgets a report as soon as the next ones are further than 2^25 from it.
const FIRST_TIME: u32 = 1 << 30;

/// How long a packet is kept for resends. A second lets a receiver ask several times over the longest
/// round trips of a call; the rest is for what lies between a packet and the request for it.
const RESEND_AGE: Duration = Duration::from_millis(1100);

/// Packets kept at most, whatever their age: those of 4.5 Mbit/s. What is kept is the header alone,
/// 0.4 kB, in a ring that grows with the rate; all lines share the payload.
const MAX_RESEND_PACKETS: usize = 512;

/// Resends stop while they are more than this share of what a line sends, or a line that loses much
/// would lose more; str0m's own value.
const MAX_RESEND_SHARE: f32 = 0.15;

/// Formats that one line is said not to play: all that there are.
const MAX_REFUSED: usize = 32;

/// What a line sends, as its client agreed to it.
#[derive(Debug)]
pub struct OutgoingStream {
    pub ssrc: Ssrc,
    payload_types: Vec<(Format, Pt)>,
    /// It takes redundant audio: under that payload type, of frames under the other one.
    redundant: Option<(Pt, Pt)>,
    /// It takes dependency descriptors.
    descriptors: bool,
    /// What it cannot play, so that this is said once.
    refused: Vec<Format>,
    rewriter: Rewriter,
    /// Of a picture.
    pub layers: Option<LineLayers>,
}

/// A codec that the client does not take, and those that it does.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedCodec {
    pub codec: &'static str,
    pub accepted: Vec<&'static str>,
}

impl OutgoingStream {
    /// The stream of a line that was answered; `takes_redundant`: the line takes redundant audio.
    #[must_use]
    pub fn agreed(rtc: &mut Rtc, mid: Mid, takes_redundant: bool) -> Option<Self> {
        let media = rtc.media(mid)?;
        let is_picture = !media.kind().is_audio();
        let accepted = media.remote_pts();
        let descriptors = takes_descriptors(media.remote_extmap());
        let taken = rtc
            .codec_config()
            .params()
            .iter()
            .filter(|params| accepted.contains(&params.pt()));
        let payload_types = taken
            .clone()
            .filter_map(|params| Some((Format::of(&params.spec())?, params.pt())))
            .collect();
        let redundant = taken
            .filter(|_| takes_redundant)
            .find_map(|params| Some((params.red()?, params.pt())));
        let mut api = rtc.direct_api();
        let seed = *api.new_ssrc();
        let stream = api.stream_tx_by_mid(mid, None)?;
        // The publisher has paced it, and it leaves as it came. A pacer of ours at 1.1 times an
        // estimate that one busy moment halved held pictures back for half a second (measured);
        // too much is cured by fewer layers. Padding and probes stay paced.
        stream.set_unpaced(true);
        stream.set_rtx_cache(MAX_RESEND_PACKETS, RESEND_AGE, Some(MAX_RESEND_SHARE));
        let ssrc = stream.ssrc();
        Some(Self {
            ssrc,
            payload_types,
            redundant,
            descriptors,
            refused: Vec::new(),
            rewriter: Rewriter::new(
                (seed % MAX_FIRST_SEQUENCE) as u16 + 1,
                FIRST_TIME + seed % FIRST_TIME,
            ),
            layers: is_picture.then(LineLayers::default),
        })
    }

    /// A track begins on the line, perhaps another one than before.
    pub fn begin(&mut self) {
        self.rewriter.pause();
        self.refused.clear();
        if let Some(layers) = &mut self.layers {
            layers.begin();
        }
    }

    /// The payload type under which the client plays what is coded so.
    #[must_use]
    pub fn payload_type(&self, packet: &MediaPacket) -> Option<Pt> {
        let format = packet.format();
        let types = &self.payload_types;
        types
            .iter()
            .find(|(known, _)| *known == format)
            .or_else(|| types.iter().find(|(known, _)| known.plays(format)))
            .map(|(_, pt)| *pt)
    }

    /// Note that the client cannot play a packet; what to tell of it, if that was not told before.
    pub fn refuse(&mut self, packet: &MediaPacket) -> Option<RefusedCodec> {
        let format = packet.format();
        if self.refused.contains(&format) || self.refused.len() >= MAX_REFUSED {
            return None;
        }
        self.refused.push(format);
        let mut accepted: Vec<_> = self
            .payload_types
            .iter()
            .map(|(known, _)| known.codec.name())
            .collect();
        accepted.dedup();
        Some(RefusedCodec {
            codec: format.codec.name(),
            accepted,
        })
    }

    /// Whether nothing of such a packet goes out here.
    #[must_use]
    pub fn ignores(&self, packet: &MediaPacket) -> bool {
        self.layers
            .as_ref()
            .is_some_and(|layers| layers.ignores(packet.layering.encoding))
    }

    /// Take a packet, and send what goes out of it and of those that waited for it: each with the
    /// length of its payload.
    pub fn pass(
        &mut self,
        pt: Pt,
        packet: &MediaPacket,
        now: Instant,
        mut send: impl FnMut(RtpWrite, usize),
    ) {
        if let Some(layers) = &mut self.layers {
            let held = layers.selector.release_before(packet);
            self.pass_held(&held, now, &mut send);
        }
        if let Some((write, length)) = self.rewrite(pt, packet, now) {
            send(write, length);
        }
        if let Some(layers) = &mut self.layers {
            let held = layers.selector.release();
            self.pass_held(&held, now, &mut send);
        }
    }

    fn pass_held(
        &mut self,
        held: &[MediaPacket],
        now: Instant,
        send: &mut impl FnMut(RtpWrite, usize),
    ) {
        for packet in held {
            if let Some(pt) = self.payload_type(packet)
                && let Some((write, length)) = self.rewrite(pt, packet, now)
            {
                send(write, length);
            }
        }
    }

    /// The packet in the numbers of this line, and how long its payload is; `None` when it is not
    /// of the layers that the line gets, or came too late.
    fn rewrite(&mut self, pt: Pt, packet: &MediaPacket, now: Instant) -> Option<(RtpWrite, usize)> {
        let (marker, begins) = match self.layers.as_mut().map(|one| one.selector.take(packet)) {
            None => (packet.marker, false),
            Some(Verdict::Forward { marker, begins }) => (marker, begins),
            Some(Verdict::Drop { picture }) => return self.fill(pt, packet, picture),
            Some(Verdict::Ignore) => return None,
        };
        if begins {
            self.rewriter.pause();
        }
        let numbers = self.rewriter.next(
            packet.run,
            packet.sequence,
            packet.time,
            packet.wallclock,
            now,
            packet.codec.ticks_per_s(),
        )?;
        let (pt, payload) = match (self.redundant, &packet.redundant) {
            (Some((red, primary)), Some(payload)) => (red, numbered(payload, primary)),
            _ => (pt, Arc::clone(&packet.payload)),
        };
        let mut patch = None;
        let mut descriptor = packet.dependency.clone();
        if let Some(layers) = &mut self.layers {
            let pictures = &mut layers.pictures;
            patch = pictures.patch(packet, begins, numbers.pictures_left_out);
            descriptor = descriptor.map(|raw| pictures.renumber(raw, begins));
        }
        let length = payload.len();
        let delay = packet.playout_delay;
        let mut extensions = ExtensionValues {
            audio_level: packet
                .audio_level
                .map(|level| -(level.below_overload_db as i8)),
            voice_activity: packet.audio_level.map(|level| level.voice),
            video_orientation: packet.orientation.map(orientation),
            play_delay_min: delay.map(|delay| MediaTime::from_hundredths(delay.min.into())),
            play_delay_max: delay.map(|delay| MediaTime::from_hundredths(delay.max.into())),
            ..ExtensionValues::default()
        };
        if self.descriptors
            && let Some(descriptor) = descriptor
        {
            extensions.user_values.set_arc(descriptor);
        }
        let (sequence, time) = (numbers.sequence.into(), numbers.time);
        let mut write = RtpWrite::new(pt, sequence, time, packet.wallclock, payload)
            .marker(marker)
            .nackable(packet.codec.kind() == MediaKind::Video)
            .ext_vals(extensions);
        if let Some(patch) = patch {
            write = write.vp8_patch(patch);
        }
        Some((write, length))
    }

    /// Leave a packet out. One that came late and for which a number was kept goes out empty, or
    /// the receiver would ask for it in vain.
    fn fill(&mut self, pt: Pt, packet: &MediaPacket, picture: bool) -> Option<(RtpWrite, usize)> {
        let numbers = self
            .rewriter
            .leave_out(packet.run, packet.sequence, packet.time, picture)?;
        let (sequence, time) = (numbers.sequence.into(), numbers.time);
        let write = RtpWrite::new(pt, sequence, time, packet.wallclock, Arc::<[u8]>::from([]));
        Some((write.nackable(true), 0))
    }
}

/// Redundant audio in the payload type that the client has for its frames, which is seldom not ours.
fn numbered(payload: &Arc<[u8]>, pt: Pt) -> Arc<[u8]> {
    if *pt == REDUNDANT_TYPE {
        return Arc::clone(payload);
    }
    let mut bytes = payload.to_vec();
    retype(&mut bytes, *pt);
    bytes.into()
}

fn orientation(number: u8) -> VideoOrientation {
    match number & 3 {
        1 => VideoOrientation::Deg270,
        2 => VideoOrientation::Deg180,
        3 => VideoOrientation::Deg90,
        _ => VideoOrientation::Deg0,
    }
}
