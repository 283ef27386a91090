//! A peer that is another node: all legs over one transport, in one RTP stream for each class, and what its two ends tell
//! each other in another.
//!
//! Both ends are built alike, without SDP: the SSRCs, payload types and channel
//! numbers below are the protocol. The end that is *controlling* nominates in ICE, opens DTLS as
//! its client and SCTP too. Unlike towards browsers both ends check each other (full ICE): either
//! may sit behind a NAT, and both are nodes that were authenticated before.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use str0m::Candidate;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::config::Fingerprint;
use str0m::ice::IceCreds;

use self::layers::{Shed, SoundRate};
use super::arrivals::Arrivals;
use super::gap_list::GapList;
use super::leg::{Carried, LegIn, LegOut, admits};
use super::link_budget::LinkBudget;
use super::link_health::LinkHealth;
use super::link_pieces::{Halving, Joining};
use super::link_sender::LinkSender;
use super::link_streams::{FIRST_NUMBER, STREAMS};
use super::sent_cache::SentCache;
use crate::engine::counters::Counters;
use crate::engine::data::link_data::LinkData;
use crate::engine::media::clock::Anchor;
use crate::engine::peers::drained::{Broken, Drained, Sink};
use crate::engine::refusal::Refusal;
use crate::engine::router::TrackKey;
use crate::engine::srtp::keys::Agreed;
use crate::engine::srtp::opener::Opener;

mod layers;
mod media;
mod repair;
mod signals;

/// Largest control message: str0m's default for a peer that announces no other.
pub const MAX_MESSAGE_BYTES: usize = 60 * 1024;

/// What the other end of a link must know.
#[derive(Debug, Clone)]
pub struct Introduction {
    pub ufrag: String,
    pub password: String,
    pub fingerprint: Vec<u8>,
}

/// What came on one of the channels.
#[derive(Debug)]
pub enum Heard {
    Message(Vec<u8>),
    /// Somebody's message for a room.
    Data(Vec<u8>),
    Nothing,
}

/// The state of one end of a link.
pub struct Link {
    controlling: bool,
    /// The link with the same node that this one is to take the place of, while that is there.
    pub beside: String,
    introduced: bool,
    reliable: ChannelId,
    /// What people say to each other.
    pub data: LinkData,
    /// Present from the moment the control channel is open.
    pub health: Option<LinkHealth>,
    legs_out: HashMap<u32, LegOut>,
    legs_in: HashMap<u32, LegIn>,
    /// Opens what the other end sends, once the handshake is done.
    opener: Option<Opener>,
    sender: LinkSender,
    sent: SentCache,
    /// Everything before these numbers was sent, the other end was told.
    told_sent: [u64; 2],
    /// What is missing of what the other end sends.
    gaps: [GapList; 2],
    arrivals: Arrivals,
    /// What the path to the other end carries, and what of its wants is not sent therefore.
    pub budget: LinkBudget,
    /// Bit/s that would be sent if all went out, as of the last look at what fits.
    pub wanted_bps: u64,
    pub shared_at: Option<Instant>,
    /// When the other end last said what arrives, or would have.
    pub reported_at: Option<Instant>,
    /// When a leg last got more.
    pub risen_at: Option<Instant>,
    shed: BTreeMap<u32, Shed>,
    sound: SoundRate,
    halving: Halving,
    joining: Joining,
    legs_opened: u8,
    /// Zero of the clock that frames carry.
    epoch: Instant,
    anchor: Anchor,
}

impl Link {
    /// Make our end: streams and channels, all fixed.
    ///
    /// # Errors
    /// When str0m refuses; nothing of it depends on anybody else.
    pub fn open(
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        controlling: bool,
    ) -> Result<(Self, Introduction), Broken> {
        drained.change(now, sink, |rtc| {
            let mut api = rtc.direct_api();
            api.set_ice_controlling(controlling);
            let reliable = api.create_data_channel(ChannelConfig {
                label: "control".into(),
                negotiated: Some(0),
                ..ChannelConfig::default()
            });
            let data = LinkData::open(&mut api);
            let credentials = api.local_ice_credentials();
            let introduction = Introduction {
                ufrag: credentials.ufrag,
                password: credentials.pass,
                fingerprint: api.local_dtls_fingerprint().bytes.clone(),
            };
            let link = Self {
                controlling,
                beside: String::new(),
                introduced: false,
                reliable,
                data,
                health: None,
                legs_out: HashMap::new(),
                legs_in: HashMap::new(),
                opener: None,
                sender: LinkSender::new(controlling, now),
                sent: SentCache::default(),
                told_sent: [FIRST_NUMBER; 2],
                gaps: [(); 2].map(|()| GapList::new(FIRST_NUMBER)),
                arrivals: Arrivals::new(now),
                budget: LinkBudget::default(),
                wanted_bps: 0,
                shared_at: None,
                reported_at: None,
                risen_at: None,
                shed: BTreeMap::new(),
                sound: SoundRate::new(now),
                halving: Halving::default(),
                joining: Joining::default(),
                legs_opened: 0,
                epoch: now,
                anchor: Anchor::default(),
            };
            (link, introduction)
        })
    }

    /// Learn about the other end and begin. Said again it does nothing.
    ///
    /// # Errors
    /// When DTLS does not start.
    pub fn connect(
        &mut self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        other: &Introduction,
        candidates: &[String],
        counters: &mut Counters,
    ) -> Result<(), Broken> {
        if std::mem::replace(&mut self.introduced, true) {
            return Ok(());
        }
        let controlling = self.controlling;
        drained.change(now, sink, |rtc| {
            let mut api = rtc.direct_api();
            api.set_remote_ice_credentials(IceCreds {
                ufrag: other.ufrag.clone(),
                pass: other.password.clone(),
            });
            api.set_remote_fingerprint(Fingerprint {
                hash_func: "sha-256".into(),
                bytes: other.fingerprint.clone(),
            });
            let started = api.start_dtls(controlling);
            api.start_sctp(controlling);
            for candidate in candidates {
                match parse_candidate(candidate) {
                    Some(candidate) => rtc.add_remote_candidate(candidate),
                    None => counters.count("candidates_ignored"),
                }
            }
            started.map_err(|_| Broken::Failed)
        })?
    }

    /// Seal and open with these keys from now on; `false` where the other end's media does not open with them.
    pub fn key(&mut self, agreed: &Agreed) -> bool {
        self.sender.key(agreed);
        let ssrcs = STREAMS.iter().map(|stream| stream.ssrc(!self.controlling));
        self.opener = Opener::new(agreed, ssrcs);
        self.opener.is_some()
    }

    /// Note that a channel opened; `true` when it was the one that the link waited for.
    pub fn channel_opened(&mut self, channel: ChannelId, now: Instant) -> bool {
        if channel != self.reliable || self.health.is_some() {
            return false;
        }
        self.health = Some(LinkHealth::new(now));
        true
    }

    /// Sort what came on a channel.
    #[must_use]
    pub fn hear(&self, channel: ChannelId, data: Vec<u8>) -> Heard {
        if channel == self.reliable {
            Heard::Message(data)
        } else if self.data.has(channel) {
            Heard::Data(data)
        } else {
            Heard::Nothing
        }
    }

    /// Queue a message on the reliable channel.
    ///
    /// # Errors
    /// The outer one when the peer is to be closed, the inner one when it cannot be queued.
    pub fn send(
        &self,
        drained: &mut Drained,
        now: Instant,
        sink: &mut Sink<'_>,
        data: &[u8],
    ) -> Result<Result<(), Refusal>, Broken> {
        if data.len() > MAX_MESSAGE_BYTES {
            return Ok(Err(Refusal::new(
                "link_message_too_large",
                format!(
                    "{} bytes where a link takes {MAX_MESSAGE_BYTES}.",
                    data.len()
                ),
            )));
        }
        if data.is_empty() {
            // str0m 0.25 takes it, and nothing on the channel arrives any more.
            return Ok(Err(Refusal::new(
                "link_message_empty",
                "A link takes no message without content.",
            )));
        }
        if self.health.is_none() {
            return Ok(Err(not_open()));
        }
        let reliable = self.reliable;
        drained.change(now, sink, |rtc| {
            let mut channel = rtc.channel(reliable).ok_or_else(not_open)?;
            match channel.write(true, data) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Refusal::new(
                    "link_congested",
                    "The link's send buffer is full; say it again later.",
                )),
                Err(_) => Err(not_open()),
            }
        })
    }

    /// Whether a leg of that number may be sent.
    ///
    /// # Errors
    /// `too_many_legs`.
    pub fn admits_out(&self, leg: u32) -> Result<(), Refusal> {
        admits(&self.legs_out, leg)
    }

    /// Whether a leg of that number may be taken.
    ///
    /// # Errors
    /// `too_many_legs`.
    pub fn admits_in(&self, leg: u32) -> Result<(), Refusal> {
        admits(&self.legs_in, leg)
    }

    /// Send a track in frames of this leg. Returns the track that it carried before.
    pub fn open_leg_out(&mut self, leg: u32, track: TrackKey) -> Option<TrackKey> {
        if let Some(known) = self.legs_out.get(&leg)
            && known.track == track
        {
            return None;
        }
        self.legs_opened = self.legs_opened.wrapping_add(1);
        let opened = LegOut::new(leg, track, self.legs_opened);
        self.shed.remove(&leg);
        self.legs_out.insert(leg, opened).map(|leg| leg.track)
    }

    /// Stop sending a leg. Returns the track that it carried.
    pub fn close_leg_out(&mut self, leg: u32) -> Option<TrackKey> {
        self.shed.remove(&leg);
        self.legs_out.remove(&leg).map(|leg| leg.track)
    }

    /// Every leg: its number, its track, whether we send it, what it carried.
    pub fn legs(&self) -> impl Iterator<Item = (u32, TrackKey, bool, Carried)> {
        let out = self.legs_out.iter();
        let out = out.map(|(number, leg)| (*number, leg.track, true, leg.carried));
        let legs_in = self.legs_in.iter();
        out.chain(legs_in.map(|(number, leg)| (*number, leg.track, false, leg.carried)))
    }

    /// The track that goes out on a leg.
    #[must_use]
    pub fn track_out(&self, leg: u32) -> Option<TrackKey> {
        self.legs_out.get(&leg).map(|leg| leg.track)
    }

    /// Take a leg's frames as this track. Returns the track that they were before.
    pub fn open_leg_in(&mut self, leg: u32, track: TrackKey) -> Option<TrackKey> {
        if let Some(known) = self.legs_in.get(&leg)
            && known.track == track
        {
            return None;
        }
        self.legs_in
            .insert(leg, LegIn::new(track))
            .map(|leg| leg.track)
    }

    /// Drop a leg's frames. Returns the track that they were.
    pub fn close_leg_in(&mut self, leg: u32) -> Option<TrackKey> {
        self.legs_in.remove(&leg).map(|leg| leg.track)
    }
}

fn not_open() -> Refusal {
    Refusal::new(
        "link_not_open",
        "The link's control channel is not open yet.",
    )
}

/// Read `<kind> <address> <port>`.
fn parse_candidate(text: &str) -> Option<Candidate> {
    let mut fields = text.split_ascii_whitespace();
    let (kind, ip, port) = (fields.next()?, fields.next()?, fields.next()?);
    let address = std::net::SocketAddr::new(ip.parse().ok()?, port.parse().ok()?);
    match kind {
        "host" => Candidate::host(address, "udp").ok(),
        "srflx" => Candidate::server_reflexive(address, address, "udp").ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
