//! One peer of the engine: its transport, its role, its deadlines.

use std::time::{Duration, Instant};

use str0m::IceConnectionState;

use super::drained::{Broken, Drained, Sink, Taken};
use super::measured::Measured;
use super::publisher::Publisher;
use super::stream_gate::{StreamGate, Verdict};
use super::subscriber::Subscriber;
use crate::control::messages::{PeerKind, PeerStatistics, State};
use crate::engine::counters::Counters;
use crate::engine::data::Channels;
use crate::engine::data::incoming::Incoming as IncomingData;
use crate::engine::data::outgoing::Outgoing;
use crate::engine::links::link::Link;
use crate::engine::network::socket::Incoming;

/// ICE and DTLS take 50 ms on a good path; a client that needs longer than this has given up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// From lost consent to the end of the peer: long enough for an ICE restart, and no longer.
pub const GONE_TIMEOUT: Duration = Duration::from_secs(15);

/// What a peer is for.
pub enum Role {
    Publisher(Publisher),
    Subscriber(Box<Subscriber>),
    Link(Box<Link>),
}

impl Role {
    /// As the node names it.
    #[must_use]
    pub fn kind(&self) -> PeerKind {
        match self {
            Self::Publisher(_) => PeerKind::Publisher,
            Self::Subscriber(_) => PeerKind::Subscriber,
            Self::Link(_) => PeerKind::Link,
        }
    }
}

/// Packets and bytes of RTP since the peer was opened.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traffic {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

/// A peer.
pub struct Peer {
    pub name: String,
    pub drained: Drained,
    pub role: Role,
    pub data: Channels,
    /// Of a publisher.
    pub gate: StreamGate,
    pub state: State,
    pub traffic: Traffic,
    pub measured: Measured,
    opened: Instant,
    /// From its opening to its first connection.
    handshake: Option<Duration>,
    /// It must be connected by then.
    pub connect_by: Option<Instant>,
    /// It must have come back by then.
    pub gone_by: Option<Instant>,
    /// The local user fragment that the demultiplexer knows.
    pub fragment: String,
}

impl Peer {
    /// A peer that nobody has connected to yet.
    #[must_use]
    pub fn new(name: String, drained: Drained, role: Role, now: Instant) -> Self {
        Self {
            name,
            drained,
            data: match role {
                Role::Publisher(_) => Channels::Of(IncomingData::default()),
                Role::Subscriber(_) => Channels::To(Outgoing::default()),
                Role::Link(_) => Channels::None,
            },
            role,
            gate: StreamGate::default(),
            state: State::Connecting,
            traffic: Traffic::default(),
            measured: Measured::default(),
            opened: now,
            handshake: None,
            connect_by: None,
            gone_by: None,
            fragment: String::new(),
        }
    }

    /// Hand over a datagram, as far as it is good for anything in this role.
    ///
    /// # Errors
    /// [`Broken`] when the peer is to be closed, which no datagram of a stranger ever causes.
    pub fn receive(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        sink: &mut Sink<'_>,
        counters: &mut Counters,
    ) -> Result<Taken, Broken> {
        if !is_rtp(incoming.bytes) {
            return self.drained.receive(now, incoming, sink);
        }
        match self.role {
            Role::Publisher(_) => {}
            // The one was offered to be sent to, and nothing else; the other's packets are not its `Rtc`'s.
            Role::Subscriber(_) | Role::Link(_) => {
                counters.count("packets_unwanted");
                return Ok(Taken::No);
            }
        }
        match self.gate.judge(incoming.bytes, now) {
            Verdict::Known(at) => {
                let taken = self.drained.receive(now, incoming, sink)?;
                if taken == Taken::Yes {
                    self.gate.heard(at, now);
                }
                Ok(taken)
            }
            Verdict::Trial(mut newcomer) => {
                let taken = self
                    .drained
                    .try_stream(now, incoming, sink, &mut newcomer)?;
                if taken == Taken::Yes {
                    self.gate.admit(newcomer, now)?;
                }
                Ok(taken)
            }
            Verdict::Taken => {
                counters.count("packets_stream_taken");
                Ok(Taken::No)
            }
            Verdict::Malformed => Ok(Taken::No),
        }
    }

    /// When this peer is to be woken.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let of_role = match &self.role {
            Role::Link(link) => link.deadline(self.drained.flows()),
            Role::Subscriber(subscriber) => {
                // Without consent nothing of it leaves, and what is overdue waits.
                let sender = subscriber.sender.deadline();
                let sender = sender.filter(|_| self.drained.flows());
                [subscriber.answer_by, sender].into_iter().flatten().min()
            }
            Role::Publisher(publisher) => publisher.limit.deadline(),
        };
        [self.connect_by, self.gone_by, of_role]
            .into_iter()
            .flatten()
            .fold(self.drained.deadline(), Instant::min)
    }

    /// The reason to close it now, if one of its deadlines has passed.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> Option<&'static str> {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let answer_by = match &self.role {
            Role::Subscriber(subscriber) => subscriber.answer_by,
            _ => None,
        };
        if passed(self.connect_by) {
            Some("connect_timeout")
        } else if passed(self.gone_by) {
            Some("ice_disconnected")
        } else if passed(answer_by) {
            Some("offer_unanswered")
        } else {
            None
        }
    }

    /// Consent was lost, or is there (again).
    pub fn on_ice(&mut self, state: IceConnectionState, now: Instant) {
        match state {
            IceConnectionState::Disconnected if self.state != State::Connecting => {
                self.gone_by = Some(now + GONE_TIMEOUT);
            }
            IceConnectionState::Connected | IceConnectionState::Completed => self.gone_by = None,
            _ => {}
        }
    }

    /// Note how far it got; `true` when that is new.
    pub fn reach(&mut self, state: State, now: Instant) -> bool {
        if state == State::Connected && self.handshake.is_none() {
            self.handshake = Some(now.saturating_duration_since(self.opened));
        }
        std::mem::replace(&mut self.state, state) != state
    }

    /// As the node reads it.
    #[must_use]
    pub fn statistics(&self, worker: usize, now: Instant) -> PeerStatistics {
        let health = match &self.role {
            Role::Link(link) => link.health.as_ref().and_then(|health| health.measured(now)),
            _ => None,
        };
        let measured = &self.measured;
        let subscriber = match &self.role {
            Role::Subscriber(subscriber) => Some(subscriber),
            _ => None,
        };
        PeerStatistics {
            peer: self.name.clone(),
            kind: self.role.kind(),
            state: self.state,
            worker: worker as u64,
            packets_in: self.traffic.packets_in,
            bytes_in: self.traffic.bytes_in,
            packets_out: self.traffic.packets_out,
            bytes_out: self.traffic.bytes_out,
            nacks: measured.nacks(),
            keyframe_requests: measured.keyframe_requests(),
            rtt_ms: health.map_or(measured.rtt_ms(), |health| Some(health.rtt_ms)),
            jitter_ms: health.map(|health| health.jitter_ms),
            loss: health
                .map(|health| health.loss)
                .or_else(|| subscriber.and_then(|subscriber| subscriber.sender.loss()))
                .or_else(|| measured.loss(subscriber.is_some())),
            estimate_bps: match &self.role {
                Role::Link(link) => link.budget.limit_bps(),
                _ => subscriber.and_then(|subscriber| subscriber.sender.estimate_bps()),
            },
            desired_bps: subscriber.and_then(|subscriber| subscriber.share.desired_bps()),
            handshake_ms: self.handshake.map(|took| took.as_secs_f64() * 1000.0),
        }
    }
}

/// RTP and not RTCP (RFC 5761 section 4).
pub fn is_rtp(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::messages::{MediaKind, WantedTrack};
    use crate::engine::counters::Counters;
    use crate::engine::network::address::Addresses;
    use crate::engine::network::batch::Batch;
    use crate::engine::peers::drained::Sink;
    use crate::engine::peers::publisher::browser_config;
    use crate::engine::peers::subscriber::ANSWER_TIMEOUT;

    #[test]
    fn every_offer_is_answered_in_time_or_ends_the_peer() {
        let now = Instant::now();
        let drained = Drained::build(now, |now| browser_config().build(now)).unwrap();
        let role = Role::Subscriber(Box::new(Subscriber::new(now)));
        let mut peer = Peer::new("ben".into(), drained, role, now);
        let Role::Subscriber(subscriber) = &mut peer.role else {
            panic!("as made above");
        };
        let (mut batch, mut events) = (Batch::default(), Vec::new());
        let addresses = Addresses::default();
        let mut sink = Sink {
            batch: &mut batch,
            events: &mut events,
            addresses: &addresses,
        };
        let wanted = WantedTrack {
            track: "t".into(),
            kind: MediaKind::Audio,
            stream: String::new(),
        };
        subscriber.want(vec![wanted]);
        let drained = &mut peer.drained;
        assert!(subscriber.offer(drained, now, &mut sink).unwrap().is_some());
        let garbage = subscriber.answer(drained, now, &mut sink, 1, "", &mut Counters::default());
        assert_eq!(garbage.unwrap().unwrap_err().code, "sdp_invalid");
        let end = now + ANSWER_TIMEOUT;
        assert!(peer.deadline() <= end);
        assert_eq!(peer.overdue(end - Duration::from_millis(1)), None);
        assert_eq!(peer.overdue(end), Some("offer_unanswered"));
    }
}
