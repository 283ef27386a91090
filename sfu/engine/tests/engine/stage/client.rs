//! A client as a browser would be: full ICE, SDP, RTP.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use starling_sfu::control::messages::MediaKind;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{
    Direction, KeyframeRequest, KeyframeRequestKind, MediaKind as RtcKind, Mid, Pt, Rid, Simulcast,
    SimulcastLayer,
};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::bottleneck::Bottleneck;

use super::wire::Wire;

/// Datagrams that are remembered, to be sent again in a worse state.
const OVERHEARD: usize = 200;

/// Streams count from far above zero.
const FIRST_SEQUENCE: u64 = 60_000;

/// A peer connection with a socket of its own.
pub struct Client {
    pub name: String,
    pub rtc: Rtc,
    pub socket: UdpSocket,
    /// In the place of the socket.
    pub wire: Option<Wire>,
    /// What we see the engine as, and where it is: the translation of a NAT before it.
    pub behind: Option<[SocketAddr; 2]>,
    pub address: SocketAddr,
    deadline: Instant,
    pending: Option<SdpPendingOffer>,
    /// The lines we send on.
    lines: Vec<Mid>,
    sent: HashMap<(Mid, Option<Rid>), u64>,
    pub connected: bool,
    /// How loud its sound says it is, dB.
    pub level_db: i8,
    /// Track by mid, as the last offer said.
    pub tracks: BTreeMap<String, String>,
    /// What it is played in step with, by track, as the last offer said.
    pub streams: BTreeMap<String, String>,
    /// Who sent us datagrams.
    pub senders: BTreeSet<SocketAddr>,
    pub packets: Vec<RtpPacket>,
    pub keyframe_requests: Vec<KeyframeRequest>,
    /// The next offer is to have a line for data.
    pub wants_data: bool,
    /// Our channels and theirs, by label.
    channels: BTreeMap<String, ChannelId>,
    labels: HashMap<ChannelId, String>,
    /// Labels of channels that closed.
    pub closed: Vec<String>,
    /// Label and message.
    pub heard: Vec<(String, Vec<u8>)>,
    /// One in so many RTP packets is lost before it arrives; 0 for none.
    pub lose_one_in: usize,
    arrived: usize,
    /// So many RTP packets that we send are lost on their way.
    pub swallow_next: usize,
    /// Datagrams as they came, to be sent again in a worse state.
    pub received: Vec<Vec<u8>>,
    /// The newest datagrams that we sent, for the same end.
    pub sent_lately: VecDeque<Vec<u8>>,
    /// ICE checks as they were sent, to be sent again from elsewhere.
    pub checks: Vec<Vec<u8>>,
    /// The way that datagrams come to us.
    pub way: Bottleneck,
    /// Estimates and statistics, as they came.
    pub events: Vec<Event>,
}

/// A packet to be sent as it stands here.
pub struct Written<'a> {
    pub kind: MediaKind,
    pub rid: Option<&'a str>,
    pub pt: Pt,
    pub time: u32,
    pub wallclock: Instant,
    pub values: ExtensionValues,
    pub payload: &'a [u8],
}

impl Client {
    /// A client with all of str0m's codecs and its standard extensions.
    pub fn new(name: &str) -> Self {
        Self::at(name, "127.0.0.1:0")
    }

    /// A client that was set up so.
    pub fn with(name: &str, config: RtcConfig) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let candidate = Candidate::host(socket.local_addr().unwrap(), "udp").unwrap();
        Self::made(name, config, socket, candidate, None)
    }

    /// A client on an address of its own choice.
    pub fn at(name: &str, address: &str) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let candidate = Candidate::host(socket.local_addr().unwrap(), "udp").unwrap();
        let config = Rtc::builder().set_stats_interval(None);
        Self::made(name, config, socket, candidate, None)
    }

    /// A client whose network lets TCP through alone, connected to that address.
    pub fn over_tcp(name: &str, engine: SocketAddr) -> Self {
        let wire = Wire::connect(engine);
        let builder = Candidate::builder().tcp().host(wire.address);
        let candidate = builder.tcptype(TcpType::Active).build().unwrap();
        let unused = UdpSocket::bind("127.0.0.1:0").unwrap();
        let config = Rtc::builder().set_stats_interval(None);
        Self::made(name, config, unused, candidate, Some(wire))
    }

    fn made(
        name: &str,
        config: RtcConfig,
        socket: UdpSocket,
        candidate: Candidate,
        wire: Option<Wire>,
    ) -> Self {
        socket.set_nonblocking(true).unwrap();
        let address = candidate.addr();
        let mut rtc = config.set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(candidate);
        Self {
            wire,
            behind: None,
            name: name.into(),
            rtc,
            socket,
            address,
            deadline: Instant::now(),
            pending: None,
            lines: Vec::new(),
            sent: HashMap::new(),
            connected: false,
            level_db: -42,
            tracks: BTreeMap::new(),
            streams: BTreeMap::new(),
            senders: BTreeSet::new(),
            packets: Vec::new(),
            keyframe_requests: Vec::new(),
            wants_data: false,
            channels: BTreeMap::new(),
            labels: HashMap::new(),
            closed: Vec::new(),
            heard: Vec::new(),
            lose_one_in: 0,
            arrived: 0,
            swallow_next: 0,
            received: Vec::new(),
            sent_lately: VecDeque::new(),
            checks: Vec::new(),
            way: Bottleneck::default(),
            events: Vec::new(),
        }
    }

    /// Offer to send; returns the offer and the mids of the new lines.
    pub fn offer(&mut self, kinds: &[MediaKind]) -> (String, Vec<String>) {
        let mut api = self.rtc.sdp_api();
        let mids: Vec<Mid> = kinds
            .iter()
            .map(|kind| {
                let kind = match kind {
                    MediaKind::Audio => RtcKind::Audio,
                    MediaKind::Video => RtcKind::Video,
                };
                api.add_media(kind, Direction::SendOnly, None, None, None)
            })
            .collect();
        let hello = std::mem::take(&mut self.wants_data)
            .then(|| api.add_channel_with_config(channel("hello", true)));
        let (offer, pending) = api.apply().unwrap();
        self.channels
            .extend(hello.map(|id| ("hello".to_owned(), id)));
        self.pending = Some(pending);
        let names = mids.iter().map(ToString::to_string).collect();
        self.lines.extend(mids);
        (offer.to_sdp_string(), names)
    }

    pub fn take_answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.drain();
    }

    pub fn answer(&mut self, sdp: &str) -> String {
        let offer = SdpOffer::from_sdp_string(sdp).unwrap();
        let answer = self.rtc.sdp_api().accept_offer(offer).unwrap();
        self.elapse();
        answer.to_sdp_string()
    }

    /// Open a data channel on a connection that has a line for them.
    pub fn open(&mut self, label: &str, reliable: bool) {
        let mut api = self.rtc.direct_api();
        let id = api.create_data_channel(channel(label, reliable));
        self.channels.insert(label.to_owned(), id);
        self.elapse();
    }

    pub fn has_open(&self, label: &str) -> bool {
        self.labels.values().any(|open| open == label)
    }

    /// Send a message; `false` when too much waits already.
    pub fn say(&mut self, label: &str, message: &[u8]) -> bool {
        let id = self.channels[label];
        let taken = self
            .rtc
            .channel(id)
            .is_some_and(|mut channel| channel.write(true, message).unwrap_or(false));
        self.elapse();
        taken
    }

    /// Offer to send one picture in these simulcast streams; returns the offer and the mid.
    pub fn offer_simulcast(&mut self, rids: &[&str]) -> (String, String) {
        let mut simulcast = Simulcast::new();
        for rid in rids {
            simulcast.add_send_layer(SimulcastLayer::new(rid));
        }
        let mut api = self.rtc.sdp_api();
        let mid = api.add_media(
            RtcKind::Video,
            Direction::SendOnly,
            None,
            None,
            Some(simulcast),
        );
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        self.lines.push(mid);
        (offer.to_sdp_string(), mid.to_string())
    }

    /// Send one packet of VP8 on a simulcast stream.
    pub fn send_encoding(&mut self, rid: &str, sequence: u64, time: u32, payload: &[u8]) {
        let mid = self.line(MediaKind::Video);
        let pt = self.payload_type(str0m::format::Codec::Vp8);
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, Some(rid.into())).unwrap();
        let now = Instant::now();
        let write = RtpWrite::new(pt, sequence.into(), time, now, payload.to_vec());
        stream.write_rtp(write.marker(true).nackable(true));
        self.elapse();
    }

    fn payload_type(&self, codec: str0m::format::Codec) -> Pt {
        self.rtc
            .codec_config()
            .find(|params| params.spec().codec == codec)
            .unwrap()
            .pt()
    }

    /// Send one packet on the line of that kind; its sequence number starts far from zero. The
    /// first byte of a picture's payload becomes one that says nothing about it.
    pub fn send(&mut self, kind: MediaKind, payload: &[u8]) {
        let codec = match kind {
            MediaKind::Audio => str0m::format::Codec::Opus,
            MediaKind::Video => str0m::format::Codec::Vp8,
        };
        let pt = self.payload_type(codec);
        let mut payload = payload.to_vec();
        if kind == MediaKind::Video {
            payload[0] = 0;
        }
        let mid = self.line(kind);
        let next = self.sent.get(&(mid, None)).unwrap_or(&FIRST_SEQUENCE) + 1;
        self.write(Written {
            kind,
            rid: None,
            pt,
            time: (next * 3000) as u32,
            wallclock: Instant::now(),
            values: ExtensionValues {
                audio_level: Some(self.level_db),
                voice_activity: Some(true),
                ..ExtensionValues::default()
            },
            payload: &payload,
        });
    }

    /// Send one packet of VP8 as it is, a picture by itself.
    pub fn send_picture(&mut self, payload: &[u8]) {
        let mid = self.line(MediaKind::Video);
        let next = self.sent.get(&(mid, None)).unwrap_or(&FIRST_SEQUENCE) + 1;
        self.write(Written {
            kind: MediaKind::Video,
            rid: None,
            pt: self.payload_type(str0m::format::Codec::Vp8),
            time: (next * 900) as u32,
            wallclock: Instant::now(),
            values: ExtensionValues::default(),
            payload,
        });
    }

    /// Send one packet as it is described.
    pub fn write(&mut self, written: Written<'_>) {
        let mid = self.line(written.kind);
        let rid = written.rid.map(Rid::from);
        let sequence = self.sent.entry((mid, rid)).or_insert(FIRST_SEQUENCE);
        *sequence += 1;
        let packet = RtpWrite::new(
            written.pt,
            (*sequence).into(),
            written.time,
            written.wallclock,
            written.payload.to_vec(),
        );
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid).unwrap();
        stream.write_rtp(packet.marker(true).nackable(true).ext_vals(written.values));
        self.elapse();
    }

    /// The stream that brought a payload of so many bytes.
    pub fn ssrc_of(&self, bytes: usize) -> Ssrc {
        let mut packets = self.packets.iter();
        let packet = packets.find(|packet| packet.payload.len() == bytes);
        packet.unwrap().header.ssrc
    }

    /// Ask for a whole picture of a stream that we get.
    pub fn ask_picture(&mut self, ssrc: Ssrc) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&ssrc).unwrap();
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.elapse();
    }

    fn line(&self, kind: MediaKind) -> Mid {
        let kind = match kind {
            MediaKind::Audio => RtcKind::Audio,
            MediaKind::Video => RtcKind::Video,
        };
        *self
            .lines
            .iter()
            .find(|mid| {
                self.rtc
                    .media(**mid)
                    .is_some_and(|media| media.kind() == kind)
            })
            .unwrap()
    }

    /// Read the socket, let time pass.
    pub fn turn(&mut self) {
        let mut buffer = [0; 2000];
        while let Some((length, source)) = self.next_packet(&mut buffer) {
            self.way.push(source, &buffer[..length], Instant::now());
        }
        while let Some((source, bytes)) = self.way.pop(Instant::now()) {
            let bytes = &bytes[..];
            self.senders.insert(source);
            if self.received.len() < OVERHEARD {
                self.received.push(bytes.to_vec());
            }
            let is_rtp = (128..192).contains(&bytes[0]);
            self.arrived += usize::from(is_rtp);
            if is_rtp && self.lose_one_in != 0 && self.arrived.is_multiple_of(self.lose_one_in) {
                continue;
            }
            let Ok(received) = Receive::new(self.protocol(), source, self.address, bytes) else {
                continue;
            };
            self.rtc
                .handle_input(Input::Receive(Instant::now(), received))
                .unwrap();
            self.drain();
        }
        if self.deadline <= Instant::now() {
            self.elapse();
        }
    }

    fn protocol(&self) -> Protocol {
        match self.wire {
            Some(_) => Protocol::Tcp,
            None => Protocol::Udp,
        }
    }

    fn next_packet(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        if let Some(wire) = &mut self.wire {
            let packet = wire.receive()?;
            buffer[..packet.len()].copy_from_slice(&packet);
            return Some((packet.len(), wire.engine));
        }
        let (length, source) = self.socket.recv_from(buffer).ok()?;
        let seen = self.behind.filter(|[_, real]| *real == source);
        Some((length, seen.map_or(source, |[seen, _]| seen)))
    }

    /// Let out what was written.
    pub fn elapse(&mut self) {
        self.rtc
            .handle_input(Input::Timeout(Instant::now()))
            .unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    if transmit.contents.starts_with(&[0, 1]) {
                        self.checks.push(transmit.contents.to_vec());
                    }
                    self.sent_lately.push_back(transmit.contents.to_vec());
                    if self.sent_lately.len() > OVERHEARD {
                        self.sent_lately.pop_front();
                    }
                    if self.swallow_next > 0 && (128..192).contains(&transmit.contents[0]) {
                        self.swallow_next -= 1;
                        continue;
                    }
                    let meant = transmit.destination;
                    let real = self.behind.filter(|[seen, _]| *seen == meant);
                    let destination = real.map_or(meant, |[_, real]| real);
                    match &mut self.wire {
                        Some(wire) => wire.send(&transmit.contents),
                        None => drop(self.socket.send_to(&transmit.contents, destination)),
                    }
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframe_requests.push(request);
                }
                Output::Event(
                    event @ (Event::EgressBitrateEstimate(_) | Event::MediaEgressStats(_)),
                ) => self.events.push(event),
                Output::Event(Event::ChannelOpen(id, label)) => {
                    self.labels.insert(id, label);
                }
                Output::Event(Event::ChannelClose(id)) => {
                    self.closed.extend(self.labels.remove(&id))
                }
                Output::Event(Event::ChannelData(data)) => {
                    let label = self.labels.get(&data.id).cloned().unwrap_or_default();
                    self.heard.push((label, data.data));
                }
                Output::Event(_) => {}
            }
        }
    }
}

fn channel(label: &str, reliable: bool) -> ChannelConfig {
    ChannelConfig {
        label: label.to_owned(),
        ordered: reliable,
        reliability: if reliable {
            Reliability::Reliable
        } else {
            Reliability::MaxRetransmits { retransmits: 0 }
        },
        ..ChannelConfig::default()
    }
}
