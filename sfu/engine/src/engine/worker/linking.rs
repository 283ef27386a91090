//! What comes over a link: packets of its legs, and what its other end tells, with what follows of that: resends, and layers
//! that its path does not carry.

use std::time::{Duration, Instant};

use super::Worker;
use super::turn::way_to;
use crate::control::messages::MediaKind;
use crate::engine::layers::Layer;
use crate::engine::layers::demand::Wanted;
use crate::engine::layers::selector::bit;
use crate::engine::layers::table::LayerTable;
use crate::engine::links::gap_list::Range;
use crate::engine::links::link::Link;
use crate::engine::links::link_budget::Situation;
use crate::engine::links::link_health::LinkHealth;
use crate::engine::links::link_signal::{LinkSignal, Received};
use crate::engine::links::link_streams::SIGNALS;
use crate::engine::links::shedding::{Steps, fit};
use crate::engine::media::packet::{MediaPacket, RTP_HEADER_BYTES};
use crate::engine::peers::peer::Role;
use crate::engine::router::{PeerKey, Source, TrackKey};

/// Between two looks at what fits a link.
const SHARE_EVERY: Duration = Duration::from_millis(100);

/// Between two steps up on one link: a queue needs about as long to show the first.
const RISE_EVERY: Duration = Duration::from_secs(1);

/// The other end says nothing of what arrives when nothing does: after so long that is taken for said.
const UNREPORTED: Duration = Duration::from_secs(1);

/// What a packet brought.
enum Came {
    /// Of a track, on a leg.
    Media(TrackKey, u32, MediaPacket),
    Signal(LinkSignal),
}

/// What a leg carries after each of its steps.
type Grants = Vec<Wanted>;

impl Worker {
    /// Tell the other end of a link what is due.
    pub(super) fn tend_repair(&mut self, key: PeerKey, now: Instant) {
        if self.linked(key).is_none() {
            return;
        }
        let signals = self.with(key, |peer, _, counters, _| match &mut peer.role {
            // What is told while nothing leaves is told to nobody.
            Role::Link(link) if peer.drained.flows() => Ok(link.tell(now, counters)),
            _ => Ok(Vec::new()),
        });
        for signal in signals.into_iter().flatten() {
            self.signal(key, &signal, now);
        }
    }

    /// Tell the other end how far the classes were sent.
    pub(super) fn tell_sent(&mut self, key: PeerKey, now: Instant) {
        if let Some(signal) = self.linked(key).and_then(|link| link.tell_sent(now)) {
            self.signal(key, &signal, now);
        }
    }

    /// Have the limit of a link grow again over which nothing goes any more, for all of it was shed.
    pub(super) fn tend_silence(&mut self, key: PeerKey, now: Instant) {
        let Some(link) = self.linked(key) else {
            return;
        };
        let suspect = link.health.as_ref().is_none_or(LinkHealth::is_suspect);
        let since = *link.reported_at.get_or_insert(now);
        if link.sheds() && !suspect && now >= since + UNREPORTED {
            let nothing = Received {
                elapsed_us: UNREPORTED.as_micros() as u32,
                ..Received::default()
            };
            self.on_received(key, nothing, now);
        }
    }

    pub(super) fn linked(&mut self, key: PeerKey) -> Option<&mut Link> {
        match self.peers.get_mut(key).map(|peer| &mut peer.role) {
            Some(Role::Link(link)) => Some(link),
            _ => None,
        }
    }

    /// Take a packet that the other end of a link sealed: nothing of it concerns the link's `Rtc`.
    pub(super) fn take_link_packet(&mut self, key: PeerKey, datagram: &[u8], now: Instant) {
        let mut packet = std::mem::take(&mut self.opening);
        packet.clear();
        packet.extend_from_slice(datagram);
        let taken = self.with(key, |peer, _, counters, runs| {
            let Role::Link(link) = &mut peer.role else {
                return Ok(None);
            };
            let Some(opened) = link.open_packet(&mut packet) else {
                counters.count("packets_unopened");
                return Ok(None);
            };
            if opened.stream == SIGNALS {
                return Ok(Link::read_signal(opened.payload, counters).map(Came::Signal));
            }
            peer.traffic.packets_in += 1;
            peer.traffic.bytes_in += opened.payload.len() as u64 + RTP_HEADER_BYTES;
            let Some(fresh) = link.unrepeated(&opened, now, counters) else {
                return Ok(None);
            };
            let media = link.take(fresh, now, runs, counters);
            Ok(media.map(|(track, leg, packet)| Came::Media(track, leg, packet)))
        });
        self.opening = packet;
        match taken.flatten() {
            Some(Came::Media(track, leg, packet)) => {
                self.ingest(track, Source::Leg { peer: key, leg }, packet, now);
            }
            Some(Came::Signal(signal)) => self.on_signal(key, signal, now),
            None => {}
        }
        // What is missing now is to be asked for.
        self.schedule(key);
    }

    /// Send a signal on a link.
    pub(in crate::engine) fn signal(&mut self, key: PeerKey, signal: &LinkSignal, now: Instant) {
        self.with(key, |peer, sink, _, _| {
            if let Role::Link(link) = &mut peer.role
                && let Some(mut way) = way_to(&peer.drained, sink, now)
            {
                link.signal(signal, &mut way);
            }
            Ok(())
        });
    }

    /// Take what the other end of a link says.
    fn on_signal(&mut self, key: PeerKey, signal: LinkSignal, now: Instant) {
        let Some(link) = self.linked(key) else {
            return;
        };
        match signal {
            LinkSignal::Keepalive(keepalive) => {
                let health = link.health.as_mut();
                if let Some(effect) = health.and_then(|health| health.hear(keepalive, now)) {
                    self.on_health(key, effect, now);
                }
            }
            LinkSignal::KeyframeWanted { leg, encoding } => {
                if let Some(track) = link.track_out(leg) {
                    self.ask_keyframe(track, encoding, now);
                }
            }
            LinkSignal::LayersWanted { leg, wanted } => {
                if let Some(track) = link.want_out(leg, wanted) {
                    self.router.unsettle(track);
                }
            }
            LinkSignal::Missing { class, ranges } => {
                self.resend(key, usize::from(class), &ranges, now);
            }
            LinkSignal::Sent { before } => link.hear_sent(before, now),
            LinkSignal::Received(received) => self.on_received(key, received, now),
            LinkSignal::LayersCarried { leg, carried } => {
                if let Some(track) = link.track_in(leg)
                    && let Some(known) = self.router.get_mut(track)
                {
                    known
                        .layers
                        .stop_beyond(carried.encodings, carried.spatial, now);
                    self.layers_change(track, now);
                }
            }
        }
    }

    fn resend(&mut self, key: PeerKey, class: usize, ranges: &[Range], now: Instant) {
        self.with(key, |peer, sink, counters, _| {
            if let Role::Link(link) = &mut peer.role
                && let Some(mut way) = way_to(&peer.drained, sink, now)
            {
                counters.add("packets_resent", link.resend(class, ranges, &mut way));
            }
            Ok(())
        });
    }

    fn on_received(&mut self, key: PeerKey, received: Received, now: Instant) {
        let router = &self.router;
        let Some(Role::Link(link)) = self.peers.get_mut(key).map(|peer| &mut peer.role) else {
            return;
        };
        let situation = Situation {
            wanted_bps: link.wanted_bps,
            rtt: link.rtt(now).unwrap_or_default(),
            risen_at: link.risen_at,
        };
        link.reported_at = Some(now);
        let fell = link.budget.hear(received, situation, now);
        if link.budget.limit_bps().is_none() && !link.sheds() {
            return;
        }
        if !fell && link.shared_at.is_some_and(|at| now < at + SHARE_EVERY) {
            return;
        }
        link.shared_at = Some(now);
        let sound_bps = link.sound_bps(now);
        let mut legs: Vec<(u32, TrackKey, Steps, Grants)> = Vec::new();
        for (leg, track) in link.tracks_out() {
            let Some(known) = router.get(track) else {
                continue;
            };
            if known.kind == Some(MediaKind::Audio) {
                continue;
            }
            let granted = link.granted_out(leg);
            let (steps, grants) = steps_of(&known.layers, link.wanted_out(leg), granted, now);
            legs.push((leg, track, steps, grants));
        }
        let tops = legs
            .iter()
            .filter_map(|(_, _, steps, _)| steps.rates_bps.last());
        link.wanted_bps = sound_bps + tops.sum::<u64>();
        let budget = link.budget.limit_bps();
        let budget = budget.map(|bps| bps.saturating_sub(sound_bps));
        let may_rise = link.risen_at.is_none_or(|at| now >= at + RISE_EVERY);
        let mut steps: Vec<Steps> = legs.iter().map(|(_, _, steps, _)| steps.clone()).collect();
        fit(&mut steps, budget, may_rise);
        let (mut shed, mut awaited, mut told) = (0, Vec::new(), Vec::new());
        for ((leg, track, had, grants), steps) in legs.iter().zip(&steps) {
            let whole = steps.has == grants.len();
            let granted = match steps.has.checked_sub(1) {
                _ if whole => Wanted::ALL,
                None => Wanted::default(),
                Some(at) => grants[at],
            };
            if steps.has < had.has {
                shed += 1;
                told.push(LinkSignal::LayersCarried {
                    leg: *leg,
                    carried: granted,
                });
            }
            if steps.has > had.has {
                link.risen_at = Some(now);
            }
            let Some(known) = router.get(*track) else {
                continue;
            };
            link.grant(*leg, granted, known.layers.structured());
            let waits = link.awaited_out(*leg);
            if waits != 0 {
                let flowing = known.layers.flowing(now).into_iter();
                let asked = flowing.filter(|encoding| waits & bit(*encoding) != 0);
                awaited.extend(asked.map(|encoding| (*track, encoding)));
            }
        }
        if shed > 0 {
            self.counters.add("link_layers_shed", shed);
        }
        for signal in told {
            self.signal(key, &signal, now);
        }
        for (track, encoding) in awaited {
            self.ask_keyframe(track, encoding, now);
        }
    }
}

/// The steps of a leg: encoding by encoding from the smallest, or the spatial layers of an only one.
fn steps_of(table: &LayerTable, wanted: Wanted, granted: Wanted, now: Instant) -> (Steps, Grants) {
    let flowing = table.flowing(now);
    let wanted_ones: Vec<u8> = flowing
        .into_iter()
        .filter(|encoding| wanted.encodings & bit(*encoding) != 0)
        .collect();
    let (mut rates_bps, mut grants) = (Vec::new(), Vec::new());
    let mut add = |rate_bps: u64, grant: Wanted| {
        rates_bps.push(rate_bps);
        grants.push(grant);
    };
    let layer = |encoding, spatial| Layer {
        encoding,
        spatial,
        temporal: u8::MAX,
    };
    if let [only] = wanted_ones[..] {
        let mut below = None;
        for spatial in 0..4 {
            let Some((reached, bps)) = table.flowing_of(layer(only, spatial), now) else {
                continue;
            };
            if reached.spatial > wanted.spatial || below == Some(reached.spatial) {
                continue;
            }
            below = Some(reached.spatial);
            let grant = Wanted {
                encodings: bit(only),
                spatial: reached.spatial,
            };
            add(bps, grant);
        }
    } else {
        let (mut sum, mut encodings) = (0, 0);
        for encoding in wanted_ones {
            let of = table.flowing_of(layer(encoding, wanted.spatial), now);
            sum += of.map_or(0, |(_, bps)| bps);
            encodings |= bit(encoding);
            let grant = Wanted {
                encodings,
                spatial: u8::MAX,
            };
            add(sum, grant);
        }
    }
    let covers = |grant: &&Wanted| {
        grant.encodings & !granted.encodings == 0
            && (grant.spatial <= granted.spatial || granted.spatial == u8::MAX)
    };
    let has = grants.iter().take_while(covers).count();
    (Steps { rates_bps, has }, grants)
}
