//! Who gets how much: each subscriber's bandwidth is shared among its lines, and each source hears
//! what is wanted of it.
//!
//! Nothing here runs for a packet. An allocation follows a change (an estimate, a wish, a layer
//! that appears) within [`ALLOCATION_INTERVAL`], and time within [`ALLOCATION_PERIOD`].

use std::time::{Duration, Instant};

use super::Worker;
use super::timers::Timer;
use crate::control::messages::{MediaKind, Message};
use crate::control::outgoing::Importance;
use crate::engine::exchange::{Export, Note};
use crate::engine::layers::allocator::{Ask, Budget, allocate};
use crate::engine::layers::demand::Wanted;
use crate::engine::layers::line::{ASK_AGAIN_AFTER, pixels_of_height};
use crate::engine::layers::selector::bit;
use crate::engine::layers::share::{ALLOCATION_PERIOD, LEAST_DESIRED_BPS};
use crate::engine::links::link_signal::LinkSignal;
use crate::engine::peers::peer::Role;
use crate::engine::peers::subscriber::Subscriber;
use crate::engine::rooms::Policy;
use crate::engine::router::{PeerKey, Router, Source, Track, TrackKey};

/// What is wanted over a link is said again: one word may be lost, and then a leg would carry too
/// much, or too little.
const SAY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// That everything is wanted is what holds where nothing is said; said now and then it ends what was
/// said before, should its word have been lost.
const SAY_ALL_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What an allocation leads to.
#[derive(Default)]
struct Shared {
    /// Encodings of which a keyframe is needed.
    keyframes: Vec<(TrackKey, u8)>,
    /// Tracks of which something else is wanted now.
    unsettled: Vec<TrackKey>,
    /// What the estimator is to aim at, if that is news.
    desired_bps: Option<u64>,
    /// A line waits for a keyframe.
    waits: bool,
    /// Lines that get nothing from now on, because it does not fit.
    starved: u64,
}

fn share_out(subscriber: &mut Subscriber, router: &Router, policy: Policy, now: Instant) -> Shared {
    let (share, lines) = subscriber.picture_lines();
    let audio_bps = share.begin(now);
    let allowed_pixels = pixels_of_height(policy.max_height);
    let mut lines: Vec<_> = lines
        .filter_map(|line| {
            let track = router.get(line.key)?;
            let wish = share.wishes.get(line.track).copied().unwrap_or_default();
            Some((line, &track.layers, wish, track.layers.rungs(now)))
        })
        .collect();
    let asks: Vec<Ask<'_>> = lines
        .iter()
        .map(|(line, _, wish, rungs)| line.layers.ask(rungs, wish, allowed_pixels))
        .collect();
    let least = |ask: &Ask<'_>| match ask {
        Ask { paused: true, .. } => 0,
        _ => ask.rungs.first().map_or(0, |rung| rung.rate_bps),
    };
    let least_bps = audio_bps + asks.iter().map(least).sum::<u64>();
    let capacity = [share.estimate_bps(), Some(policy.max_bitrate_bps)]
        .into_iter()
        .flatten()
        .filter(|bps| *bps > 0)
        .min();
    let budget = Budget {
        estimate_bps: capacity,
        audio_bps,
        may_starve: share.may_starve(least_bps, now),
    };
    let allocation = allocate(&budget, &asks, now);
    share.sum_bps = allocation.sum_bps;
    let shows = asks.iter().any(|ask| !ask.paused);
    let least_desired = if shows { LEAST_DESIRED_BPS } else { 0 };
    let desired_bps = allocation.desired_bps.max(least_desired);
    let mut shared = Shared {
        desired_bps: share.tell(desired_bps),
        ..Shared::default()
    };
    for ((line, table, wish, rungs), grant) in lines.iter_mut().zip(allocation.grants) {
        let had = !line.layers.starved();
        if let Some(encoding) = line.layers.take(grant, rungs, table, now) {
            shared.keyframes.push((line.key, encoding));
        }
        shared.starved += u64::from(had && line.layers.starved());
        shared.waits |= line.layers.waits();
        if line.layers.want(table, wish, allowed_pixels) {
            shared.unsettled.push(line.key);
        }
    }
    shared
}

impl Worker {
    /// The bandwidth of a subscriber was estimated anew.
    pub(in crate::engine) fn on_estimate(&mut self, key: PeerKey, now: Instant) {
        let Some(Role::Subscriber(subscriber)) = self.peers.get_mut(key).map(|peer| &mut peer.role)
        else {
            return;
        };
        let estimate = subscriber.sender.estimate_bps();
        let changed = estimate.is_some_and(|bps| subscriber.share.measured(bps, now));
        if changed {
            self.reallocate(key, now);
        }
    }

    /// A subscriber told by itself what it can take (REMB).
    pub(in crate::engine) fn on_guess(&mut self, key: PeerKey, bps: u64, now: Instant) {
        let changed = match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Subscriber(subscriber)) => subscriber.share.guessed(bps, now),
            _ => false,
        };
        if changed {
            self.reallocate(key, now);
        }
    }

    /// A layer of a track flows that did not before, or no more: whoever gets the track may want another.
    pub(in crate::engine) fn layers_change(&mut self, track: TrackKey, now: Instant) {
        let Some(track) = self.router.get(track) else {
            return;
        };
        let lines: Vec<PeerKey> = track
            .ways()
            .filter(|sink| !sink.leg)
            .map(|sink| sink.peer)
            .collect();
        for key in lines {
            self.reallocate(key, now);
        }
    }

    /// Share the bandwidth of a subscriber anew, as soon as that may be.
    pub(in crate::engine) fn reallocate(&mut self, key: PeerKey, now: Instant) {
        if let Some(Role::Subscriber(subscriber)) = self.peers.get(key).map(|peer| &peer.role) {
            let at = subscriber.share.next_allocation(now);
            self.timers.wake_by(at, Timer::Allocation(key));
        }
    }

    /// Share the bandwidth of a subscriber now.
    pub(in crate::engine) fn allocate(&mut self, key: PeerKey, now: Instant) {
        let policy = self.policy_of(key);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Role::Subscriber(subscriber) = &mut peer.role else {
            return;
        };
        let shared = share_out(subscriber, &self.router, policy, now);
        if let Some(desired) = shared.desired_bps {
            subscriber.sender.set_desired(desired, now);
            self.schedule(key);
        }
        self.counters.add("pictures_starved", shared.starved);
        for track in shared.unsettled {
            self.router.unsettle(track);
        }
        for (track, encoding) in shared.keyframes {
            self.ask_keyframe(track, encoding, now);
        }
        let again = if shared.waits {
            ASK_AGAIN_AFTER
        } else {
            ALLOCATION_PERIOD
        };
        if self.peers.contains(key) {
            self.timers.wake_by(now + again, Timer::Allocation(key));
        }
    }

    /// Tell a publisher without feedback what it may send, if it is time.
    pub(in crate::engine) fn tend_limit(&mut self, key: PeerKey, now: Instant) {
        let most_bps = self.policy_of(key).max_bitrate_bps;
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let loss = peer.measured.loss(false);
        let limit = match &mut peer.role {
            Role::Publisher(publisher) => publisher.limit.take(loss, most_bps, now),
            _ => None,
        };
        if let Some(limit) = limit {
            self.with(key, |peer, sink, _, _| match &peer.role {
                Role::Publisher(publisher) => {
                    publisher.tell_limit(&mut peer.drained, now, sink, limit)
                }
                _ => Ok(()),
            });
        }
    }

    /// What holds in the room of a peer.
    fn policy_of(&self, key: PeerKey) -> Policy {
        self.rooms
            .of_peer(key)
            .and_then(|room| self.rooms.get(room))
            .map_or_else(Policy::default, |room| room.policy())
    }

    /// Whole pictures of all encodings of a track are needed.
    pub(in crate::engine) fn ask_all_keyframes(&mut self, key: TrackKey, now: Instant) {
        let flowing = self
            .router
            .get(key)
            .map_or_else(Vec::new, |track| track.layers.flowing(now));
        if flowing.is_empty() {
            self.ask_keyframe(key, 0, now);
        }
        for encoding in flowing {
            self.ask_keyframe(key, encoding, now);
        }
    }

    /// Tell sources what is wanted of them, where that may have changed in this turn.
    pub(in crate::engine) fn tend_demands(&mut self, now: Instant) {
        for track in self.router.take_unsettled() {
            self.tend_demand(track, now);
        }
    }

    /// Tell a source what is wanted of it, if that is news and time.
    pub(in crate::engine) fn tend_demand(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.router.get(key) else {
            return;
        };
        let import = self.exchange.source_of(&track.id);
        let source = track.source;
        if track.kind == Some(MediaKind::Audio) || (import.is_none() && source.is_none()) {
            return;
        }
        let wanted = self.wanted_of(track);
        let Some(track) = self.router.get_mut(key) else {
            return;
        };
        let news = track.demand.update(wanted, now);
        if let Some(at) = track.demand.deadline() {
            self.timers.wake_by(at, Timer::Demand(key));
        }
        if let Some(Export { worker, number }) = import {
            if let Some(wanted) = news {
                self.exchange
                    .tell(worker, Note::LayersWanted { number, wanted });
            }
            return;
        }
        match source {
            None => {}
            Some(Source::Publisher { peer, mid }) => {
                if let Some(wanted) = news {
                    let track = track.id.clone();
                    self.tell_wanted(peer, mid, track, wanted);
                }
            }
            Some(Source::Leg { peer, leg }) => {
                let wanted = track.demand.told();
                let again = if wanted == Wanted::ALL {
                    SAY_ALL_AGAIN_AFTER
                } else {
                    SAY_AGAIN_AFTER
                };
                self.timers.wake_by(now + again, Timer::Demand(key));
                self.signal(peer, &LinkSignal::LayersWanted { leg, wanted }, now);
            }
        }
    }

    /// What anybody wants of a track.
    fn wanted_of(&self, track: &Track) -> Wanted {
        track.ways().fold(track.wanted_elsewhere(), |wanted, sink| {
            let of_sink = match self.peers.get(sink.peer).map(|peer| &peer.role) {
                Some(Role::Subscriber(subscriber)) => subscriber.wanted_on(sink.slot),
                Some(Role::Link(link)) => link.wanted_out(sink.slot),
                _ => Wanted::default(),
            };
            wanted.or(of_sink)
        })
    }

    fn tell_wanted(&mut self, key: PeerKey, mid: str0m::media::Mid, track: String, wanted: Wanted) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let Role::Publisher(publisher) = &peer.role else {
            return;
        };
        let mut encodings: std::collections::BTreeMap<String, bool> = publisher
            .encodings(mid)
            .iter()
            .zip(0..)
            .map(|(rid, rank)| (rid.to_string(), wanted.encodings & bit(rank) != 0))
            .collect();
        if encodings.is_empty() {
            encodings.insert(String::new(), wanted.encodings != 0);
        }
        let message = Message::LayersWanted {
            peer: peer.name.clone(),
            track,
            encodings,
            spatial: (wanted.encodings != 0 && wanted.spatial != u8::MAX).then_some(wanted.spatial),
        };
        self.tell(&message, Importance::Needed);
    }
}
