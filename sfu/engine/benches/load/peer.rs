//! One WebRTC client: an `Rtc` on a socket of its own, with the path between it and the server.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpHeader, RtpPacket};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::wan::Path;
use super::words::Tally;

/// Datagrams read between two looks at the clock.
const READS_PER_TURN: usize = 256;

const MAX_DATAGRAM_BYTES: usize = 2048;

/// RTP has this in its first two bits (RFC 3550), and RTCP these packet types (RFC 5761).
const RTP_VERSION: u8 = 2;
const RTCP_TYPES: std::ops::Range<u8> = 192..224;

/// Large enough that the client loses nothing while it is kept from its core.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// A client.
pub struct Peer {
    pub rtc: Rtc,
    pub socket: UdpSocket,
    local: SocketAddr,
    due: Instant,
    out: Path,
    back: Path,
    pending: Option<SdpPendingOffer>,
    pub tally: Tally,
    /// Lines whose next picture is to be a whole one.
    pub wanted: Vec<Mid>,
    /// First and newest sequence number of each stream, and how many came.
    numbers: BTreeMap<u32, (u64, u64, u64)>,
    datagram_bytes: usize,
    pub recorded: Option<Instant>,
}

impl Peer {
    /// Bind a socket.
    pub fn open(address: IpAddr, rtt_ms: f64, loss: f64) -> io::Result<Self> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        // Best effort: without privilege the system caps it, and the counters tell.
        let _ =
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES);
        let local = socket.local_addr()?;
        let now = Instant::now();
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_stats_interval(None)
            .build(now);
        let candidate = Candidate::host(local, Protocol::Udp)
            .map_err(|error| io::Error::other(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        let one_way = Duration::from_secs_f64(rtt_ms / 2000.0);
        let seed = u64::from(local.port()) << 16;
        Ok(Self {
            rtc,
            socket,
            local,
            due: now,
            out: Path::new(one_way, loss, seed + 1),
            back: Path::new(one_way, loss, seed + 3),
            pending: None,
            tally: Tally::default(),
            wanted: Vec::new(),
            numbers: BTreeMap::new(),
            datagram_bytes: 0,
            recorded: None,
        })
    }

    /// Offer to send; returns the offer and the kind by mid.
    pub fn offer(
        &mut self,
        video: usize,
        audio: usize,
    ) -> Option<(String, BTreeMap<String, String>)> {
        let mut api = self.rtc.sdp_api();
        let mut mids = BTreeMap::new();
        for (kind, name, count) in [
            (MediaKind::Video, "video", video),
            (MediaKind::Audio, "audio", audio),
        ] {
            for _ in 0..count {
                let mid = api.add_media(kind, Direction::SendOnly, None, None, None);
                mids.insert(mid.to_string(), name.to_owned());
            }
        }
        let (offer, pending) = api.apply()?;
        self.pending = Some(pending);
        Some((offer.to_sdp_string(), mids))
    }

    /// Take the answer to the offer.
    pub fn answer(&mut self, sdp: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| error.to_string())?;
        let pending = self.pending.take().ok_or("nothing was offered")?;
        let api = self.rtc.sdp_api();
        let taken = api.accept_answer(pending, answer);
        taken.map_err(|error| error.to_string())?;
        self.elapse(Instant::now());
        Ok(())
    }

    /// Answer an offer.
    pub fn accept(&mut self, sdp: &str) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|error| error.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|error| error.to_string())?.to_sdp_string();
        self.elapse(Instant::now());
        Ok(answer)
    }

    /// Lines of a kind, in order.
    pub fn lines(&self, kind: MediaKind, mids: &BTreeMap<String, String>) -> Vec<Mid> {
        mids.keys()
            .map(|mid| Mid::from(mid.as_str()))
            .filter(|mid| {
                self.rtc
                    .media(*mid)
                    .is_some_and(|media| media.kind() == kind)
            })
            .collect()
    }

    /// When it wants to be called again.
    pub fn due(&self) -> Instant {
        [self.out.next(), self.back.next()]
            .into_iter()
            .flatten()
            .fold(self.due, Instant::min)
    }

    /// Take what has arrived; `true` when there may be more.
    pub fn receive(&mut self, now: Instant) -> bool {
        let mut datagram = [0; MAX_DATAGRAM_BYTES];
        for _ in 0..READS_PER_TURN {
            let Ok((length, source)) = self.socket.recv_from(&mut datagram) else {
                return false;
            };
            if let Some(bytes) = self.back.enter(now, source, &datagram[..length]) {
                self.hear(now, source, bytes);
            }
        }
        true
    }

    /// Let time pass.
    pub fn tick(&mut self, now: Instant) {
        while let Some((source, bytes)) = self.back.leave(now) {
            self.hear(now, source, &bytes);
        }
        while let Some((to, bytes)) = self.out.leave(now) {
            let _ = self.socket.send_to(&bytes, to);
        }
        if self.due <= now {
            self.elapse(now);
        }
    }

    /// Let the `Rtc` see the time, and send what comes of it.
    pub fn elapse(&mut self, now: Instant) {
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.drain(now);
    }

    /// Counters as of now.
    pub fn tally(&self) -> Tally {
        let missing = self
            .numbers
            .values()
            .map(|(first, newest, count)| (newest + 1 - first).saturating_sub(*count))
            .sum();
        Tally {
            missing,
            ..self.tally.clone()
        }
    }

    fn hear(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let is_media =
            bytes.len() > 1 && bytes[0] >> 6 == RTP_VERSION && !RTCP_TYPES.contains(&bytes[1]);
        if is_media {
            self.datagram_bytes = bytes.len();
        }
        let Ok(received) = Receive::new(Protocol::Udp, source, self.local, bytes) else {
            return;
        };
        let _ = self.rtc.handle_input(Input::Receive(now, received));
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) if at > now => {
                    self.due = at;
                    return;
                }
                Ok(Output::Timeout(_)) => {
                    if self.rtc.handle_input(Input::Timeout(now)).is_err() {
                        return;
                    }
                }
                Ok(Output::Transmit(transmit)) => {
                    let to = transmit.destination;
                    if let Some(bytes) = self.out.enter(now, to, &transmit.contents) {
                        let _ = self.socket.send_to(bytes, to);
                    }
                }
                Ok(Output::Event(event)) => self.note(event, now),
                Err(_) => return,
            }
        }
    }

    fn note(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => self.tally.connected = true,
            Event::KeyframeRequest(request) => {
                self.tally.keyframes_wanted += 1;
                self.wanted.push(request.mid);
            }
            Event::RtpPacket(packet) => self.count(&packet, now),
            _ => {}
        }
    }

    fn count(&mut self, packet: &RtpPacket, now: Instant) {
        let tally = &mut self.tally;
        tally.received += 1;
        tally.first_packet_at_s.get_or_insert_with(monotonic_s);
        let RtpHeader { header_len, .. } = packet.header;
        tally.overhead = self
            .datagram_bytes
            .saturating_sub(packet.payload.len() + header_len);
        let number = *packet.seq_no;
        let (first, newest, count) = self
            .numbers
            .entry(*packet.header.ssrc)
            .or_insert((number, number, 0));
        *first = number.min(*first);
        *newest = number.max(*newest);
        *count += 1;
        if let Some(before) = &mut self.recorded {
            let before = std::mem::replace(before, now);
            let gap = (now - before).as_micros() as u64;
            tally
                .arrivals
                .push((gap, packet.payload.len(), packet.header.marker));
        }
    }
}

/// Seconds on the clock that the driver reads too.
fn monotonic_s() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
