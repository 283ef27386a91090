//! The node's side of an engine that runs in this process.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use starling_sfu::control::frame;
use starling_sfu::control::messages::{
    Command, ENGINE_PROTOCOL, MediaKind, Message, PeerStatistics, State, TrackStatistics,
    WantedTrack,
};

use starling_sfu::engine::worker::EachTurn;

use super::{Client, PATIENCE};

/// The room that everybody is in who was put in no other.
pub const ROOM: &str = "lobby";

/// An engine and the conversation with it.
pub struct Node {
    stream: UnixStream,
    messages: Receiver<Message>,
    pub events: Vec<Message>,
    last_id: u64,
    /// Of the first worker.
    pub address: SocketAddr,
    pub addresses: Vec<SocketAddr>,
}

/// What an engine is greeted with.
pub struct Greeting<'a> {
    pub address: &'a str,
    pub advertised: &'a [&'a str],
    pub workers: u16,
    pub stun_servers: &'a [&'a str],
    pub tcp: bool,
}

impl Default for Greeting<'_> {
    fn default() -> Self {
        Self {
            address: "127.0.0.1",
            advertised: &[],
            workers: 1,
            stun_servers: &[],
            tcp: false,
        }
    }
}

fn reply_id(message: &Message) -> Option<u64> {
    match message {
        Message::Ready { id, .. }
        | Message::Done { id }
        | Message::Described { id, .. }
        | Message::LinkOpened { id, .. }
        | Message::Failed { id, .. }
        | Message::Statistics { id, .. } => Some(*id),
        _ => None,
    }
}

impl Node {
    /// Start an engine that has not been greeted.
    pub fn silent() -> Self {
        Self::silent_watched(None)
    }

    /// Start an engine that calls `each_turn` in every turn of every worker.
    pub fn silent_watched(each_turn: Option<EachTurn>) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || starling_sfu::engine::serve_watched(theirs, || {}, each_turn));
        let mut reading = ours.try_clone().unwrap();
        let (sender, messages) = channel();
        thread::spawn(move || {
            while let Ok(Some(body)) = frame::read(&mut reading) {
                for message in frame::decode::<Vec<Message>>(&body).unwrap() {
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            stream: ours,
            messages,
            events: Vec::new(),
            last_id: 0,
            address: ([127, 0, 0, 1], 0).into(),
            addresses: Vec::new(),
        }
    }

    /// Start an engine on loopback.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1", &[])
    }

    /// Start an engine on that address that tells others these.
    pub fn start_at(address: &str, advertised: &[&str]) -> Self {
        Self::silent().greet(address, advertised, 1)
    }

    /// Start an engine of so many workers on loopback.
    pub fn start_with(workers: u16) -> Self {
        Self::silent().greet("127.0.0.1", &[], workers)
    }

    /// Say hello.
    pub fn greet(self, address: &str, advertised: &[&str], workers: u16) -> Self {
        self.hello(Greeting {
            address,
            advertised,
            workers,
            ..Greeting::default()
        })
    }

    /// Say hello, with everything that can be said.
    pub fn hello(self, greeting: Greeting<'_>) -> Self {
        let mut node = self;
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let Message::Ready { addresses, .. } = node.ask(|id| Command::Hello {
            protocol: ENGINE_PROTOCOL,
            media_address: greeting.address.into(),
            media_port: 0,
            advertised: texts(greeting.advertised),
            workers: greeting.workers,
            stun_servers: texts(greeting.stun_servers),
            tcp: greeting.tcp,
            id,
        }) else {
            panic!("the engine did not get ready");
        };
        node.addresses = addresses.iter().map(|at| at.parse().unwrap()).collect();
        node.address = node.addresses[0];
        node
    }

    /// Ask for something and wait for the reply.
    pub fn ask(&mut self, command: impl FnOnce(u64) -> Command) -> Message {
        self.last_id += 1;
        let body = frame::encode(&command(self.last_id)).unwrap();
        self.stream.write_all(&frame::wrap(&body)).unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("a reply");
            match reply_id(&message) {
                Some(id) if id == self.last_id => return message,
                Some(id) => panic!("reply to {id}, asked {}", self.last_id),
                None => self.events.push(message),
            }
        }
    }

    /// Ask several things at once; returns the replies, which come in the same order.
    pub fn ask_all(&mut self, count: u64, command: impl Fn(u64, u64) -> Command) -> Vec<Message> {
        let first = self.last_id + 1;
        self.last_id += count;
        for number in 0..count {
            let body = frame::encode(&command(number, first + number)).unwrap();
            self.stream.write_all(&frame::wrap(&body)).unwrap();
        }
        let mut replies = Vec::new();
        while replies.len() < count as usize {
            let message = self.messages.recv_timeout(PATIENCE).expect("a reply");
            match reply_id(&message) {
                Some(id) if id == first + replies.len() as u64 => replies.push(message),
                Some(id) => panic!("reply to {id}, asked from {first} on"),
                None => self.events.push(message),
            }
        }
        replies
    }

    /// Ask for something that is to be done.
    pub fn done(&mut self, command: impl FnOnce(u64) -> Command) {
        let reply = self.ask(command);
        assert!(matches!(reply, Message::Done { .. }), "{reply:?}");
    }

    /// Ask for something that is to be refused; returns the code.
    pub fn refused(&mut self, command: impl FnOnce(u64) -> Command) -> String {
        match self.ask(command) {
            Message::Failed { code, message, .. } => {
                assert!(message.ends_with('.'), "{message}");
                code
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The events that came, without waiting.
    pub fn poll(&mut self) -> &mut Vec<Message> {
        self.events.extend(self.messages.try_iter());
        &mut self.events
    }

    /// Wait for an event and take it.
    pub fn event<T>(&mut self, mut pick: impl FnMut(&Message) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(|event| pick(event).is_some()) {
                return pick(&self.events.remove(at)).unwrap();
            }
            let left = end.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|_| {
                panic!("no such event; there were {:?}", self.events);
            });
            self.events.push(message);
        }
    }

    pub fn state(&mut self, name: &str, wanted: State) -> String {
        self.event(|event| match event {
            Message::PeerState {
                peer,
                state,
                reason,
            } if peer == name && *state == wanted => Some(reason.clone()),
            _ => None,
        })
    }

    /// Let a client publish tracks of these kinds, as `<client>_<kind>`.
    pub fn publish(&mut self, client: &mut Client, kinds: &[MediaKind]) {
        let (sdp, mids) = client.offer(kinds);
        let tracks: Vec<String> = kinds
            .iter()
            .map(|kind| track(&client.name, *kind))
            .collect();
        let tracks: Vec<&str> = tracks.iter().map(String::as_str).collect();
        match self.publish_sdp(&client.name.clone(), sdp, &mids, &tracks) {
            Message::Described { sdp, .. } => client.take_answer(&sdp),
            other => panic!("{other:?}"),
        }
    }

    /// Hand over an offer whose lines carry these tracks; returns the reply.
    pub fn publish_sdp(
        &mut self,
        peer: &str,
        sdp: String,
        mids: &[String],
        tracks: &[&str],
    ) -> Message {
        let tracks: BTreeMap<_, _> = mids
            .iter()
            .cloned()
            .zip(tracks.iter().map(ToString::to_string))
            .collect();
        self.ask(|id| Command::Publish {
            peer: peer.into(),
            sdp,
            tracks,
            room: ROOM.into(),
            sender: peer.into(),
            id,
        })
    }

    /// Let a client publish `<client>_video` in these simulcast streams.
    pub fn publish_simulcast(&mut self, client: &mut Client, rids: &[&str]) {
        let (sdp, mid) = client.offer_simulcast(rids);
        let track = track(&client.name, MediaKind::Video);
        match self.publish_sdp(&client.name.clone(), sdp, &[mid], &[&track]) {
            Message::Described { sdp, .. } => client.take_answer(&sdp),
            other => panic!("{other:?}"),
        }
    }

    /// Say what a client wants.
    pub fn want(&mut self, client: &str, tracks: &[(&str, MediaKind)]) {
        let alone: Vec<_> = tracks
            .iter()
            .map(|(track, kind)| (*track, *kind, ""))
            .collect();
        self.want_in_step(client, &alone);
    }

    /// Say what a client wants, and what is to be played in step.
    pub fn want_in_step(&mut self, client: &str, tracks: &[(&str, MediaKind, &str)]) {
        let tracks = tracks
            .iter()
            .map(|(track, kind, stream)| WantedTrack {
                track: (*track).into(),
                kind: *kind,
                stream: (*stream).into(),
            })
            .collect();
        self.done(|id| Command::Subscribe {
            peer: client.into(),
            tracks,
            room: ROOM.into(),
            participant: client.into(),
            id,
        });
    }

    /// Carry the next offer to a client and its answer back; returns how many m-lines it has.
    pub fn negotiate(&mut self, client: &mut Client) -> usize {
        let name = client.name.clone();
        let (generation, sdp, tracks) = self.event(|event| match event {
            Message::Offered {
                peer,
                generation,
                sdp,
                tracks,
            } if *peer == name => Some((*generation, sdp.clone(), tracks.clone())),
            _ => None,
        });
        client.streams = streams(&sdp, &tracks);
        client.tracks = tracks;
        let answer = client.answer(&sdp);
        self.done(|id| Command::Answered {
            peer: name,
            generation,
            sdp: answer,
            id,
        });
        sdp.matches("\r\nm=").count()
    }

    pub fn subscribe(&mut self, client: &mut Client, tracks: &[(&str, MediaKind)]) {
        self.want(&client.name.clone(), tracks);
        self.negotiate(client);
    }

    /// Let only so many be heard in the room.
    pub fn set_loudest(&mut self, loudest: u32) {
        self.done(|id| Command::SetRoom {
            room: ROOM.into(),
            loudest,
            max_height: 0,
            max_bitrate_bps: 0,
            id,
        });
    }

    pub fn statistics(
        &mut self,
    ) -> (
        Vec<PeerStatistics>,
        Vec<TrackStatistics>,
        BTreeMap<String, u64>,
    ) {
        match self.ask(|id| Command::GetStatistics { page: 0, id }) {
            Message::Statistics {
                peers,
                tracks,
                counters,
                ..
            } => (peers, tracks, counters),
            other => panic!("{other:?}"),
        }
    }

    pub fn counter(&mut self, name: &str) -> u64 {
        self.statistics().2.get(name).copied().unwrap_or(0)
    }

    /// Let what is said in the room go over a link, or no more.
    pub fn span(&mut self, link: &str, spans: bool) {
        self.done(|id| Command::SpanRoom {
            peer: link.into(),
            room: ROOM.into(),
            spans,
            id,
        });
    }

    /// Let a track go from one engine to the other as leg 1 of their link, which each calls by the other's name.
    pub fn leg(from: (&mut Self, &str), to: (&mut Self, &str), track: &str, kind: MediaKind) {
        Self::numbered_leg(1, from, to, track, kind);
    }

    /// The same, as a leg of that number.
    pub fn numbered_leg(
        leg: u32,
        from: (&mut Self, &str),
        to: (&mut Self, &str),
        track: &str,
        kind: MediaKind,
    ) {
        from.0.done(|id| Command::OpenLegOut {
            peer: from.1.into(),
            leg,
            track: track.into(),
            room: ROOM.into(),
            id,
        });
        to.0.done(|id| Command::OpenLegIn {
            peer: to.1.into(),
            leg,
            track: track.into(),
            kind,
            room: ROOM.into(),
            id,
        });
    }

    /// Link two engines; each calls the link by the other's name.
    pub fn link(one: (&mut Self, &str), other: (&mut Self, &str)) {
        let seen = [one.0.address, other.0.address];
        Self::link_over(seen, one, other);
    }

    /// Link two engines that see each other at these addresses: the first end's, the second's.
    pub fn link_over(seen: [SocketAddr; 2], one: (&mut Self, &str), other: (&mut Self, &str)) {
        let (one, to_other) = one;
        let (other, to_one) = other;
        let first = one.open_link(to_other, true, (0, ""));
        let second = other.open_link(to_one, false, (0, ""));
        Self::meet(seen, (one, to_other, first), (other, to_one, second));
    }

    /// Link two engines anew beside the link that they have: its names come second.
    pub fn link_beside(one: (&mut Self, [&str; 2]), other: (&mut Self, [&str; 2]), lane: u8) {
        let ((one, [to_other, ours]), (other, [to_one, theirs])) = (one, other);
        let first = one.open_link(to_other, true, (lane, ours));
        let second = other.open_link(to_one, false, (lane, theirs));
        let seen = [one.address, other.address];
        Self::meet(seen, (one, to_other, first), (other, to_one, second));
    }

    fn meet(
        seen: [SocketAddr; 2],
        (one, to_other, first): (&mut Self, &str, Message),
        (other, to_one, second): (&mut Self, &str, Message),
    ) {
        one.connect_link(to_other, second, seen[1]);
        other.connect_link(to_one, first, seen[0]);
        one.state(to_other, State::Connected);
        other.state(to_one, State::Connected);
    }

    fn open_link(&mut self, peer: &str, controlling: bool, (lane, beside): (u8, &str)) -> Message {
        self.ask(|id| Command::OpenLink {
            peer: peer.into(),
            controlling,
            lane,
            beside: beside.into(),
            id,
        })
    }

    fn connect_link(&mut self, peer: &str, other: Message, seen: SocketAddr) {
        let Message::LinkOpened {
            ufrag,
            password,
            fingerprint,
            ..
        } = other
        else {
            panic!("{other:?}");
        };
        self.done(|id| Command::ConnectLink {
            peer: peer.into(),
            ufrag,
            password,
            fingerprint,
            candidates: vec![format!("host {} {}", seen.ip(), seen.port())],
            id,
        });
    }
}

impl Drop for Node {
    /// The engine ends as it does when its node dies.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The track id that a client's track of a kind gets.
pub fn track(client: &str, kind: MediaKind) -> String {
    match kind {
        MediaKind::Audio => format!("{client}_audio"),
        MediaKind::Video => format!("{client}_video"),
    }
}

/// The stream that an offer says of each track.
fn streams(sdp: &str, tracks: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let value = |section: &str, name: &str| {
        let line = section.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split(' ').next()?.to_owned())
    };
    sdp.split("\r\nm=")
        .filter_map(|section| {
            let track = tracks.get(&value(section, "a=mid:")?)?;
            Some((track.clone(), value(section, "a=msid:")?))
        })
        .collect()
}
