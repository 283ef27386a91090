//! An `Rtc` that cannot be left half way: every change is followed by draining its output.
//!
//! str0m loses events when two inputs meet without a full drain between them (38 % of the RTP
//! packets, measured). So nothing here hands out a mutable `Rtc`: a change is a closure, and its
//! output is in the [`Sink`] when the call returns. A panic inside, also where an `Rtc` is built or taken apart, is
//! caught and becomes [`Broken::Panicked`]: it costs one peer, not the process.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::Ssrc;
use str0m::{Event, IceConnectionState, Input, Output, Rtc};

use super::opened::opened;
use super::stream_gate::{Newcomer, Place, TooManyStreams};
use crate::engine::egress::way::Path;
use crate::engine::network::address::Addresses;
use crate::engine::network::batch::Batch;
use crate::engine::network::socket::Incoming;
use crate::engine::srtp::keys::{self, Agreed};

/// Errors that one drain survives; str0m goes on after one, but not after the same one for ever.
const MAX_ERRORS_PER_DRAIN: usize = 8;

/// Times that one drain tells an `Rtc` that what it waited for has come; it wants to hear it once, or twice. One that
/// always wants more costs one turn no more than that.
const MAX_TIMEOUTS_PER_DRAIN: usize = 8;

/// STUN starts with two zero bits and then six more in every message that exists (RFC 7983).
const FIRST_BYTE_AFTER_STUN: u8 = 4;

/// Where the output of a drain goes.
pub struct Sink<'a> {
    pub batch: &'a mut Batch,
    pub events: &'a mut Vec<Event>,
    pub addresses: &'a Addresses,
}

/// The `Rtc` is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It panicked.
    Panicked,
    /// It closed itself: DTLS failed, or the certificate was not the one announced.
    Failed,
    /// An answer was applied in part.
    Answer,
    /// The peer makes streams without end, and str0m forgets none.
    TooManyStreams,
}

impl From<TooManyStreams> for Broken {
    fn from(_: TooManyStreams) -> Self {
        Self::TooManyStreams
    }
}

impl Broken {
    /// The stable code that the node hears.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Panicked => "panic",
            Self::Failed => "dtls_failed",
            Self::Answer => "answer_invalid",
            Self::TooManyStreams => "too_many_streams",
        }
    }
}

/// What an `Rtc` thought of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was processed.
    Yes,
    /// It is not for this peer, or bad; nothing has changed.
    No,
    /// Media that does not open: forged, sent again, or of no stream that is known.
    Unopened,
}

/// The one way to an `Rtc`.
pub struct Drained {
    /// Absent only while it is taken apart.
    rtc: Option<Rtc>,
    flow: Flow,
}

/// What its output said.
struct Flow {
    deadline: Instant,
    connected: bool,
    silent: bool,
    /// Where the last check that was accepted came to.
    local: Option<IpAddr>,
    /// The way that ICE found.
    path: Option<Path>,
    agreed: Option<Agreed>,
    /// Its media does not leave: its owner sends by itself.
    media_stays: bool,
    /// Which of several connections between the same two sockets it is.
    lane: u8,
}

impl Drained {
    /// Build an `Rtc`, and take it over.
    ///
    /// # Errors
    /// [`Broken::Panicked`] when `build` does.
    pub fn build(now: Instant, build: impl FnOnce(Instant) -> Rtc) -> Result<Self, Broken> {
        let rtc = guarded(|| build(now))?;
        Ok(Self {
            rtc: Some(rtc),
            flow: Flow {
                deadline: now,
                connected: false,
                silent: false,
                local: None,
                path: None,
                agreed: None,
                media_stays: false,
                lane: 0,
            },
        })
    }

    /// Keep the media (RTP and RTCP) that the `Rtc` would send: its owner sends by itself, under the same keys.
    pub fn keep_media(&mut self) {
        self.flow.media_stays = true;
    }

    /// Send in this lane, and take what comes in it alone.
    pub fn take_lane(&mut self, lane: u8) {
        self.flow.lane = lane;
    }

    /// The lane that it sends in.
    #[must_use]
    pub fn lane(&self) -> u8 {
        self.flow.lane
    }

    /// The way that ICE found, as of the newest thing that was sent on it.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        self.flow.path
    }

    /// The keys of the newest handshake, once.
    pub fn take_keys(&mut self) -> Option<Agreed> {
        self.flow.agreed.take()
    }

    /// Take the `Rtc` apart. Where a `Drained` is merely dropped the same happens, and nobody hears of a panic.
    ///
    /// # Errors
    /// [`Broken::Panicked`] when it panics: what broke once may do so again.
    pub fn end(mut self) -> Result<(), Broken> {
        let rtc = self.rtc.take();
        guarded(|| drop(rtc))
    }

    /// When [`Drained::elapse`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.flow.deadline
    }

    /// Whether packets may flow: connected, and the other side still consents.
    #[must_use]
    pub fn flows(&self) -> bool {
        self.flow.connected && !self.flow.silent
    }

    /// Change the `Rtc` and drain what comes of it.
    ///
    /// # Errors
    /// [`Broken`] when the peer is to be closed; an error *inside* `change` is its own result.
    pub fn change<R>(
        &mut self,
        now: Instant,
        sink: &mut Sink<'_>,
        change: impl FnOnce(&mut Rtc) -> R,
    ) -> Result<R, Broken> {
        self.guarded(now, sink, |rtc, _| {
            let result = change(rtc);
            rtc.handle_input(Input::Timeout(now))
                .map_err(|_| Broken::Failed)?;
            Ok(result)
        })
    }

    /// Let time pass.
    ///
    /// # Errors
    /// [`Broken`] when the peer is to be closed.
    pub fn elapse(&mut self, now: Instant, sink: &mut Sink<'_>) -> Result<(), Broken> {
        self.change(now, sink, |_| ())
    }

    /// Hand over a datagram, unless the `Rtc` does not know its sender.
    ///
    /// # Errors
    /// [`Broken`] when the peer is to be closed, which one bad datagram never causes.
    pub fn receive(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<Taken, Broken> {
        self.guarded(now, sink, |rtc, local| hand_over(rtc, local, now, incoming))
    }

    /// Hand over a packet of a stream of which nothing has opened yet. Unless this one opens, what
    /// str0m made of its header alone is put back.
    ///
    /// # Errors
    /// [`Broken`] when the peer is to be closed, which one bad datagram never causes.
    pub fn try_stream(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        sink: &mut Sink<'_>,
        newcomer: &mut Newcomer,
    ) -> Result<Taken, Broken> {
        self.guarded(now, sink, |rtc, local| {
            let named = newcomer
                .place
                .filter(|place| rtc.media(place.mid).is_some());
            let before = named.and_then(|place| streams_at(rtc, place));
            let taken = hand_over(rtc, local, now, incoming)?;
            match named {
                Some(place) if taken != Taken::Yes => {
                    put_back(rtc, newcomer.ssrc, place, before);
                }
                None if taken == Taken::Yes => {
                    newcomer.place = place_of(rtc, newcomer.ssrc);
                }
                _ => {}
            }
            Ok(taken)
        })
    }

    fn guarded<R>(
        &mut self,
        now: Instant,
        sink: &mut Sink<'_>,
        turn: impl FnOnce(&mut Rtc, &mut Option<IpAddr>) -> Result<R, Broken>,
    ) -> Result<R, Broken> {
        let Some(rtc) = &mut self.rtc else {
            return Err(Broken::Failed);
        };
        let flow = &mut self.flow;
        drop(keys::take());
        let outcome = guarded(|| {
            let result = turn(rtc, &mut flow.local)?;
            flow.drain(rtc, now, sink)?;
            Ok(result)
        })?;
        if let Some(agreed) = keys::take() {
            flow.agreed = Some(agreed);
        }
        outcome
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let rtc = self.rtc.take();
        let _ = guarded(|| drop(rtc));
    }
}

/// Do something that may panic.
///
/// # Errors
/// [`Broken::Panicked`] when it does.
pub fn guarded<R>(act: impl FnOnce() -> R) -> Result<R, Broken> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| Broken::Panicked)
}

impl Flow {
    fn drain(&mut self, rtc: &mut Rtc, now: Instant, sink: &mut Sink<'_>) -> Result<(), Broken> {
        let (mut errors, mut timeouts) = (0, 0);
        loop {
            match rtc.poll_output() {
                Ok(Output::Timeout(at)) if at > now || timeouts == MAX_TIMEOUTS_PER_DRAIN => {
                    self.deadline = at;
                    return Ok(());
                }
                Ok(Output::Timeout(_)) => {
                    timeouts += 1;
                    rtc.handle_input(Input::Timeout(now))
                        .map_err(|_| Broken::Failed)?;
                }
                Ok(Output::Transmit(transmit)) => self.pass(&transmit, sink),
                Ok(Output::Event(event)) => {
                    self.note(&event, sink.addresses);
                    sink.events.push(event);
                }
                Err(_) if rtc.is_alive() && errors < MAX_ERRORS_PER_DRAIN => errors += 1,
                Err(_) => return Err(Broken::Failed),
            }
        }
    }

    fn path_of(
        &self,
        protocol: Protocol,
        local: SocketAddr,
        destination: SocketAddr,
        addresses: &Addresses,
    ) -> Path {
        // Behind an advertised address only the way in shows the way out.
        let source = addresses.source_for(local).or(self
            .local
            .filter(|ip| ip.is_ipv4() == destination.is_ipv4()));
        Path {
            protocol,
            destination,
            source,
            lane: self.lane,
        }
    }

    fn pass(&mut self, transmit: &Transmit, sink: &mut Sink<'_>) {
        let stun = is_stun(&transmit.contents);
        let path = self.path_of(
            transmit.proto,
            transmit.source,
            transmit.destination,
            sink.addresses,
        );
        if !stun {
            self.path = Some(path);
        }
        if (self.silent && !stun) || (self.media_stays && is_media(&transmit.contents)) {
            return;
        }
        path.push(sink.batch, &transmit.contents);
    }

    /// After consent is lost str0m goes on sending; we do not (RFC 7675 section 5.1).
    fn note(&mut self, event: &Event, addresses: &Addresses) {
        match event {
            // What was sent last tells it sooner, if anything is.
            Event::PeerStats(stats) => {
                if let Some(pair) = &stats.selected_candidate_pair {
                    let (local, remote) = (pair.local.addr, pair.remote.addr);
                    self.path = Some(self.path_of(pair.protocol, local, remote, addresses));
                }
            }
            Event::Connected => self.connected = true,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.silent = self.connected;
            }
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) => self.silent = false,
            _ => {}
        }
    }
}

fn hand_over(
    rtc: &mut Rtc,
    local: &mut Option<IpAddr>,
    now: Instant,
    incoming: &Incoming<'_>,
) -> Result<Taken, Broken> {
    let received = Receive::new(
        incoming.protocol,
        incoming.source,
        incoming.destination,
        incoming.bytes,
    );
    let Ok(received) = received else {
        return Ok(Taken::No);
    };
    let input = Input::Receive(now, received);
    if !rtc.accepts(&input) {
        return Ok(Taken::No);
    }
    if is_stun(incoming.bytes) && incoming.protocol == Protocol::Udp {
        // Only a check shows by its integrity that the other end itself sent it here.
        *local = incoming.local;
    }
    let before = opened();
    match rtc.handle_input(input) {
        Ok(()) if is_media(incoming.bytes) && opened() == before => Ok(Taken::Unopened),
        Ok(()) => Ok(Taken::Yes),
        Err(_) if rtc.is_alive() => Ok(Taken::No),
        Err(_) => Err(Broken::Failed),
    }
}

/// The media stream at a place, and the one of its resends.
fn streams_at(rtc: &mut Rtc, place: Place) -> Option<(Ssrc, Option<Ssrc>)> {
    let mut api = rtc.direct_api();
    let stream = api.stream_rx_by_mid(place.mid, place.rid)?;
    Some((stream.ssrc(), stream.rtx()))
}

fn place_of(rtc: &mut Rtc, ssrc: u32) -> Option<Place> {
    let mut api = rtc.direct_api();
    let stream = api.stream_rx(&Ssrc::from(ssrc))?;
    Some(Place {
        mid: stream.mid(),
        rid: stream.rid(),
        resends: false,
    })
}

/// Bind the streams at a place as they were; str0m still knows how far their numbers got. Resends
/// where there were none may stay: the first that open take their place.
fn put_back(rtc: &mut Rtc, newcomer: u32, place: Place, before: Option<(Ssrc, Option<Ssrc>)>) {
    let newcomer = Ssrc::from(newcomer);
    let mut api = rtc.direct_api();
    if before.is_none_or(|(ssrc, _)| ssrc != newcomer) {
        api.remove_stream_rx(newcomer);
    }
    if let Some((ssrc, resends)) = before {
        api.expect_stream_rx(ssrc, resends, place.mid, place.rid);
    }
}

/// SRTP or SRTCP (RFC 7983).
fn is_media(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(128..=191))
}

fn is_stun(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|byte| *byte < FIRST_BYTE_AFTER_STUN)
}

#[cfg(test)]
mod tests;
