//! Publishers and subscribers: what is negotiated with browsers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Answer;
use crate::control::messages::{Message, PeerKind, PreferredTrack, State, WantedTrack};
use crate::control::outgoing::Importance;
use crate::engine::data::{Channels, MAX_SENDER_BYTES};
use crate::engine::layers::line::Wish;
use crate::engine::peers::drained::Broken;
use crate::engine::peers::incoming::Coding;
use crate::engine::peers::peer::{Peer, Role};
use crate::engine::peers::publisher::{self, OfferedTrack, Publisher};
use crate::engine::peers::sdp::MAX_TRACKS;
use crate::engine::peers::sdp::{Stripped, is_usable, strip_candidates};
use crate::engine::peers::stream_gate::{MAX_STREAMS, Naming};
use crate::engine::peers::subscriber::Subscriber;
use crate::engine::refusal::Refusal;
use crate::engine::rooms::{Part, RoomKey};
use crate::engine::router::{PeerKey, Sink, Source};
use crate::engine::worker::Worker;

/// Where a client is, and who it is to the others there.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub room: &'a str,
    pub participant: &'a str,
}

impl Place<'_> {
    fn check(&self) -> Result<(), Refusal> {
        if self.participant.is_empty() || self.participant.len() > MAX_SENDER_BYTES {
            return Err(Refusal::new(
                "participant_invalid",
                format!("A participant's id has 1 to {MAX_SENDER_BYTES} bytes."),
            ));
        }
        Ok(())
    }
}

/// How often the `Rtc` of a subscriber says which way it found: a client that moves to another network is sent to its old
/// address no longer than that.
const PATH_INTERVAL: Duration = Duration::from_millis(500);

impl Worker {
    pub(super) fn publish(
        &mut self,
        name: &str,
        sdp: &str,
        tracks: &BTreeMap<String, String>,
        place: Place<'_>,
        id: u64,
        now: Instant,
    ) -> Answer {
        place.check()?;
        let offer = strip_candidates(sdp)?;
        let mut known = self.find(name, PeerKind::Publisher)?;
        if let Some(key) = known
            && self.publisher_is_another(key, &offer)
        {
            // Built anew by its client, which has closed the old one: DTLS cannot go on.
            self.close(key, None);
            known = None;
        }
        self.rooms.admits(known, place.room)?;
        self.router.admits(tracks.values().map(String::as_str))?;
        let key = match known {
            Some(key) => key,
            None => {
                let drained = self.build(now, |now| publisher::browser_config().build(now))?;
                self.insert(name, drained, Role::Publisher(Publisher::default()), now)
            }
        };
        self.counters.add("candidates_ignored", offer.unusable);
        if self
            .peers
            .get_mut(key)
            .is_some_and(|peer| peer.gate.announce(&offer.ssrcs).is_err())
        {
            self.close(key, known.map(|_| Broken::TooManyStreams.reason()));
            return Err(Refusal::new(
                Broken::TooManyStreams.reason(),
                format!("More than {MAX_STREAMS} SSRCs on one peer connection; build it anew."),
            ));
        }
        let accepted = self
            .with(key, |peer, sink, _, _| {
                publisher::accept(&mut peer.drained, now, sink, &offer, tracks)
            })
            .unwrap_or_else(|| Err(Refusal::new("sdp_invalid", "The SDP broke the peer.")));
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                if known.is_none() {
                    self.events.clear();
                    self.close(key, None);
                }
                return Err(refusal);
            }
        };
        let room = self.rooms.enter(key, place.room, Part::Publisher)?;
        if let Some(peer) = self.peers.get_mut(key) {
            peer.gate.set_naming(Naming::read(&offer.sdp));
        }
        self.name_participant(key, place.participant);
        let said = (accepted.tracks, accepted.codings);
        self.set_published(key, room, said, offer.fingerprint);
        self.expect_checks(key);
        if known.is_none() {
            self.connect_within(key, now);
        }
        self.settle(key, now);
        Ok(Message::Described {
            sdp: accepted.answer,
            id,
        })
    }

    fn publisher_is_another(&self, key: PeerKey, offer: &Stripped) -> bool {
        match self.peers.get(key).map(|peer| &peer.role) {
            Some(Role::Publisher(publisher)) => {
                publisher.fingerprint.is_some() && publisher.fingerprint != offer.fingerprint
            }
            _ => false,
        }
    }

    fn set_published(
        &mut self,
        key: PeerKey,
        room: RoomKey,
        (tracks, codings): (Vec<OfferedTrack>, Vec<Coding>),
        fingerprint: Option<String>,
    ) {
        let tracks = tracks
            .into_iter()
            .map(|offered| {
                let source = Source::Publisher {
                    peer: key,
                    mid: offered.mid,
                };
                let track = self.router.start(&offered.track, offered.kind, source);
                self.rooms.place(track, room, key);
                (offered, track)
            })
            .collect();
        let gone = match self.peers.get_mut(key) {
            Some(Peer {
                role: Role::Publisher(publisher),
                ..
            }) => {
                publisher.fingerprint = fingerprint;
                publisher.set_tracks(tracks, codings)
            }
            _ => Vec::new(),
        };
        for (mid, track) in gone {
            self.end_source(track, Source::Publisher { peer: key, mid });
        }
    }

    pub(super) fn subscribe(
        &mut self,
        name: &str,
        tracks: Vec<WantedTrack>,
        place: Place<'_>,
        id: u64,
        now: Instant,
    ) -> Answer {
        place.check()?;
        if tracks.len() > MAX_TRACKS {
            return Err(too_many_tracks(tracks.len()));
        }
        let known = self.find(name, PeerKind::Subscriber)?;
        self.rooms.admits(known, place.room)?;
        self.router
            .admits(tracks.iter().map(|wanted| wanted.track.as_str()))?;
        let key = match known {
            Some(key) => key,
            None => {
                let mut drained = self.build(now, |now| {
                    publisher::browser_config()
                        // What it hears of RTCP is ours to answer.
                        .enable_raw_packets(true)
                        .set_stats_interval(Some(PATH_INTERVAL))
                        .build(now)
                })?;
                drained.keep_media();
                self.insert(
                    name,
                    drained,
                    Role::Subscriber(Box::new(Subscriber::new(now))),
                    now,
                )
            }
        };
        self.rooms.enter(key, place.room, Part::Subscriber)?;
        self.name_participant(key, place.participant);
        if let Some(subscriber) = self.subscriber(key) {
            for (slot, track) in subscriber.want(tracks) {
                self.router.detach(track, line(key, slot));
            }
        }
        self.begin_lines(key, now);
        self.to_offer.push(key);
        Ok(Message::Done { id })
    }

    pub(super) fn answered(
        &mut self,
        name: &str,
        generation: u64,
        sdp: &str,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Subscriber)?;
        self.with(key, |peer, sink, counters, _| match &mut peer.role {
            Role::Subscriber(subscriber) => {
                subscriber.answer(&mut peer.drained, now, sink, generation, sdp, counters)
            }
            _ => Ok(Ok(())),
        })
        .unwrap_or_else(|| {
            Err(Refusal::new(
                "sdp_invalid",
                "The answer does not fit its offer; the peer was closed.",
            ))
        })?;
        self.begin_lines(key, now);
        self.to_offer.push(key);
        self.settle(key, now);
        Ok(Message::Done { id })
    }

    /// Note how the page shows its pictures.
    pub(super) fn prefer(
        &mut self,
        name: &str,
        tracks: Vec<PreferredTrack>,
        id: u64,
        now: Instant,
    ) -> Answer {
        let key = self.need(name, PeerKind::Subscriber)?;
        if tracks.len() > MAX_TRACKS {
            return Err(too_many_tracks(tracks.len()));
        }
        if let Some(subscriber) = self.subscriber(key) {
            subscriber.share.wishes = tracks
                .into_iter()
                .map(|shown| {
                    let wish = Wish {
                        size: (clamp(shown.width), clamp(shown.height)),
                        priority: shown.priority,
                        paused: shown.paused,
                    };
                    (shown.track, wish)
                })
                .collect();
        }
        self.reallocate(key, now);
        Ok(Message::Done { id })
    }

    /// Attach the lines that the client agreed to, and get whole pictures for them.
    fn begin_lines(&mut self, key: PeerKey, now: Instant) {
        let beginning = self
            .subscriber(key)
            .map(|subscriber| subscriber.beginning())
            .unwrap_or_default();
        for begins in beginning {
            if self.router.admits([begins.track.as_str()]).is_err() {
                // There was room when it was wanted; the line is tried again with the next change.
                self.counters.count("lines_without_track");
                continue;
            }
            let track = self.router.attach(&begins.track, line(key, begins.slot));
            if let Some(subscriber) = self.subscriber(key) {
                subscriber.set_live(begins.slot, track);
            }
        }
        if self
            .peers
            .get(key)
            .is_some_and(|peer| peer.state == State::Connected)
        {
            self.allocate(key, now);
        }
    }

    /// After a reply: the offers that its command led to.
    pub(in crate::engine) fn speak_after(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.to_offer) {
            let offer = self
                .with(key, |peer, sink, _, _| match &mut peer.role {
                    Role::Subscriber(subscriber) => subscriber.offer(&mut peer.drained, now, sink),
                    _ => Ok(None),
                })
                .flatten();
            let Some(offer) = offer else {
                continue;
            };
            if offer.generation == 1 {
                self.expect_checks(key);
                self.connect_within(key, now);
            }
            let Some(peer) = self.peers.get(key) else {
                continue;
            };
            let message = Message::Offered {
                peer: peer.name.clone(),
                generation: offer.generation,
                sdp: offer.sdp,
                tracks: offer.tracks,
            };
            self.tell(&message, Importance::Needed);
            self.settle(key, now);
        }
    }

    pub(super) fn add_candidate(&mut self, name: &str, candidate: &str, id: u64) -> Answer {
        if !self.names.contains_key(name) {
            return Err(Refusal::peer_unknown(name));
        }
        // Browsers check us, we never check them (ICE-lite): their candidates are only judged.
        if !is_usable(candidate) {
            self.counters.count("candidates_ignored");
        }
        Ok(Message::Done { id })
    }

    fn name_participant(&mut self, key: PeerKey, participant: &str) {
        match self.peers.get_mut(key).map(|peer| &mut peer.data) {
            Some(Channels::Of(incoming)) => participant.clone_into(&mut incoming.sender),
            Some(Channels::To(outgoing)) => participant.clone_into(&mut outgoing.participant),
            _ => {}
        }
    }

    fn subscriber(&mut self, key: PeerKey) -> Option<&mut Subscriber> {
        match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Subscriber(subscriber)) => Some(subscriber),
            _ => None,
        }
    }
}

fn too_many_tracks(named: usize) -> Refusal {
    Refusal::new(
        "too_many_tracks",
        format!("{named} tracks where {MAX_TRACKS} fit an offer."),
    )
}

fn line(peer: PeerKey, slot: u32) -> Sink {
    Sink {
        peer,
        slot,
        leg: false,
    }
}

/// No picture has more pixels in a row.
fn clamp(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}
