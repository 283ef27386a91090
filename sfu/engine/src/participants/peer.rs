//! One peer connection: a str0m client on a socket of its own.
//!
//! Every input to str0m is followed by draining its output, or it loses events: so nothing here
//! hands out the client itself, a change is a closure.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use str0m::media::Mid;
use str0m::net::{Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

/// Longest datagram that we take; nobody of ours sends more than an Ethernet frame holds.
const MAX_DATAGRAM_BYTES: usize = 2000;

/// Datagrams read in one turn, so that a busy socket does not keep the others waiting.
const READS_PER_TURN: usize = 64;

/// What a peer connection has to say.
pub enum Heard {
    Connected,
    /// Over, for this reason; said once, and nothing after it.
    Closed(&'static str),
    KeyframeRequest,
    Packet(Packet),
}

/// A packet of media, as far as it matters here.
pub struct Packet {
    pub mid: Option<Mid>,
    pub payload: Arc<[u8]>,
    pub rtp_timestamp: u32,
    pub marker: bool,
    pub at: Instant,
}

/// A peer connection.
pub struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    due: Instant,
    mids: HashMap<Ssrc, Mid>,
    over: bool,
}

impl Peer {
    /// Bind a socket and make a client for it.
    ///
    /// # Errors
    /// When `address` cannot be bound or watched.
    pub fn open(
        address: IpAddr,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> io::Result<Self> {
        let mut socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
        let local = socket.local_addr()?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        let candidate = Candidate::host(local, Protocol::Udp)
            .map_err(|error| io::Error::new(io::ErrorKind::AddrNotAvailable, error.to_string()))?;
        rtc.add_local_candidate(candidate);
        Ok(Self {
            rtc,
            socket,
            local,
            due: now,
            mids: HashMap::new(),
            over: false,
        })
    }

    /// When [`Peer::elapse`] is to be called; `None` once it is over.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (!self.over).then_some(self.due)
    }

    /// Change the client and send what comes of it.
    pub fn change<R>(
        &mut self,
        now: Instant,
        heard: &mut Vec<Heard>,
        change: impl FnOnce(&mut Rtc) -> R,
    ) -> R {
        let result = change(&mut self.rtc);
        self.elapse(now, heard);
        result
    }

    /// Look at the client.
    pub fn look<R>(&self, look: impl FnOnce(&Rtc) -> R) -> R {
        look(&self.rtc)
    }

    /// Let time pass.
    pub fn elapse(&mut self, now: Instant, heard: &mut Vec<Heard>) {
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.end("dtls_failed", heard);
        }
        self.drain(heard);
    }

    /// Take what has arrived; true when there may be more.
    pub fn receive(&mut self, heard: &mut Vec<Heard>) -> bool {
        let mut datagram = [0; MAX_DATAGRAM_BYTES];
        for _ in 0..READS_PER_TURN {
            match self.socket.recv_from(&mut datagram) {
                Ok((length, source)) => self.take(source, &datagram[..length], heard),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An ICMP answer to something we sent; ICE notices where nobody listens.
                Err(_) => {}
            }
        }
        true
    }

    /// Tell the other side that this is the end.
    pub fn farewell(&mut self, now: Instant) {
        let mut heard = Vec::new();
        // It may be over already, or not have begun.
        let _ = self.rtc.close();
        self.elapse(now, &mut heard);
    }

    fn take(&mut self, source: SocketAddr, datagram: &[u8], heard: &mut Vec<Heard>) {
        let Ok(received) = Receive::new(Protocol::Udp, source, self.local, datagram) else {
            return;
        };
        let input = Input::Receive(Instant::now(), received);
        // Anybody can send us a bad datagram: that ends nothing.
        if self.rtc.accepts(&input) && self.rtc.handle_input(input).is_err() && !self.rtc.is_alive()
        {
            self.end("dtls_failed", heard);
        }
        self.drain(heard);
    }

    fn drain(&mut self, heard: &mut Vec<Heard>) {
        while !self.over {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.due = at;
                    if !self.rtc.is_alive() {
                        self.end("closed", heard);
                    }
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    // A full or refused send is a lost packet, as any network has them.
                    let _ = self
                        .socket
                        .send_to(&transmit.contents, transmit.destination);
                }
                Ok(Output::Event(event)) => self.hear(event, heard),
                Err(_) => self.end("dtls_failed", heard),
            }
        }
    }

    fn hear(&mut self, event: Event, heard: &mut Vec<Heard>) {
        match event {
            Event::Connected => heard.push(Heard::Connected),
            Event::KeyframeRequest(_) => heard.push(Heard::KeyframeRequest),
            Event::RtpPacket(packet) => {
                let mid = self.mid_of(packet.header.ssrc);
                heard.push(Heard::Packet(Packet {
                    mid,
                    payload: packet.payload,
                    rtp_timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    at: packet.timestamp,
                }));
            }
            Event::Closed => self.end("closed", heard),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.end("ice_disconnected", heard);
            }
            _ => {}
        }
    }

    fn mid_of(&mut self, ssrc: Ssrc) -> Option<Mid> {
        if let Some(mid) = self.mids.get(&ssrc) {
            return Some(*mid);
        }
        let mid = self.rtc.direct_api().stream_rx(&ssrc)?.mid();
        self.mids.insert(ssrc, mid);
        Some(mid)
    }

    fn end(&mut self, reason: &'static str, heard: &mut Vec<Heard>) {
        if !self.over {
            self.over = true;
            self.rtc.disconnect();
            heard.push(Heard::Closed(reason));
        }
    }
}
