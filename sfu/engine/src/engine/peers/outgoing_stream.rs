//! The stream of one line of a subscriber: packets of a track, in its numbers and payload types.

use std::sync::Arc;
use std::time::Instant;

use str0m::Rtc;
use str0m::media::{Mid, Pt};

use crate::control::messages::MediaKind;
use crate::engine::egress::content::Content;
use crate::engine::egress::stream::{MAX_FIRST_SEQUENCE, Outgoing, RtpStream};
use crate::engine::layers::line::LineLayers;
use crate::engine::layers::selector::Verdict;
use crate::engine::media::codec::Format;
use crate::engine::media::packet::{MediaPacket, REDUNDANT_TYPE};
use crate::engine::media::rewrite::{Numbers, Rewriter};
use crate::engine::payload::red::retype;

/// Time stamps start between 2^30 and 2^31, where nothing wraps for hours.
const FIRST_TIME: u32 = 1 << 30;

/// Formats that one line is said not to play: all that there are.
const MAX_REFUSED: usize = 32;

/// What a line sends, as its client agreed to it.
#[derive(Debug)]
pub struct OutgoingStream {
    pub rtp: RtpStream,
    payload_types: Vec<(Format, Pt)>,
    /// It takes redundant audio: under that payload type, of frames under the other one.
    redundant: Option<(Pt, Pt)>,
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
        let seed = *rtc.direct_api().new_ssrc();
        let rtp = RtpStream::agreed(rtc, mid, seed)?;
        Some(Self {
            rtp,
            payload_types,
            redundant,
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

    /// Take a packet, and send what goes out of it, with `padding` bytes behind it, and of those that waited for it.
    pub fn pass(
        &mut self,
        pt: Pt,
        packet: &MediaPacket,
        padding: u8,
        now: Instant,
        mut send: impl FnMut(&mut RtpStream, Outgoing),
    ) {
        if let Some(layers) = &mut self.layers {
            let held = layers.selector.release_before(packet);
            self.pass_held(&held, now, &mut send);
        }
        if let Some(outgoing) = self.rewrite(pt, packet, now) {
            let outgoing = Outgoing {
                padding,
                ..outgoing
            };
            send(&mut self.rtp, outgoing);
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
        send: &mut impl FnMut(&mut RtpStream, Outgoing),
    ) {
        for packet in held {
            if let Some(pt) = self.payload_type(packet)
                && let Some(outgoing) = self.rewrite(pt, packet, now)
            {
                send(&mut self.rtp, outgoing);
            }
        }
    }

    /// The packet in the numbers of this line; `None` when it is not of the layers that the line gets, or came too late.
    fn rewrite(&mut self, pt: Pt, packet: &MediaPacket, now: Instant) -> Option<Outgoing> {
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
        let mut ids = None;
        let mut descriptor = packet.dependency.clone();
        if let Some(layers) = &mut self.layers {
            let pictures = &mut layers.pictures;
            ids = pictures.patch(packet, begins, numbers.pictures_left_out);
            descriptor = descriptor.map(|raw| pictures.renumber(raw, begins));
        }
        let content = Content {
            payload,
            descriptor,
            time: numbers.time,
            ids,
            audio_level: packet.audio_level,
            playout_delay: packet.playout_delay,
            orientation: packet.orientation,
            payload_type: *pt,
            marker,
        };
        Some(outgoing(packet, numbers, content))
    }

    /// Leave a packet out. One that came late and for which a number was kept goes out empty, or
    /// the receiver would ask for it in vain.
    fn fill(&mut self, pt: Pt, packet: &MediaPacket, picture: bool) -> Option<Outgoing> {
        let numbers = self
            .rewriter
            .leave_out(packet.run, packet.sequence, packet.time, picture)?;
        let content = Content {
            time: numbers.time,
            payload_type: *pt,
            ..Content::default()
        };
        Some(outgoing(packet, numbers, content))
    }
}

/// What is said of a packet, under the numbers that it has here.
fn outgoing(packet: &MediaPacket, numbers: Numbers, content: Content) -> Outgoing {
    Outgoing {
        sequence: numbers.sequence,
        content,
        wallclock: packet.wallclock,
        ticks_per_s: packet.codec.ticks_per_s(),
        padding: 0,
        resendable: packet.codec.kind() == MediaKind::Video,
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
