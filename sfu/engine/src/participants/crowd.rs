//! All participants on one thread: commands, sockets and timers in turn.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use mio::{Events, Poll, Token, Waker};

use super::commanding::{Word, listen};
use super::messages::{Command, Message, PARTICIPANTS_PROTOCOL, Side};
use super::participant::{Participant, Plan, Progress, Refusal};
use super::peer::Peer;
use super::timers::Timers;
use crate::control::frame;
use crate::control::messages::MediaKind;
use crate::control::outgoing::{Importance, Outgoing};

/// Woken by the control socket's threads.
const CONTROL: Token = Token(usize::MAX);

/// Sockets with news that one turn takes in; the rest in the next.
const EVENTS_PER_TURN: usize = 256;

/// Timers of a participant, and thus numbers it takes: two peer connections, sound, picture.
const TIMERS_EACH: usize = 4;

const SIDES: [Side; 2] = [Side::Publisher, Side::Subscriber];
const KINDS: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];

/// The program's state.
pub struct Crowd {
    poll: Poll,
    /// Closing its descriptor would take the last wake with it, which says that the driver is gone.
    _waker: Arc<Waker>,
    commands: Receiver<Word>,
    outgoing: Outgoing,
    address: Option<IpAddr>,
    people: Vec<Option<Participant>>,
    places: HashMap<String, usize>,
    timers: Timers,
    /// Sockets that were not read empty; edge-triggered, so nobody else remembers.
    unread: Vec<Token>,
}

impl Crowd {
    /// Nobody yet, on this control socket.
    ///
    /// # Errors
    /// When the machine has no more threads or descriptors.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), CONTROL)?);
        let outgoing = Outgoing::start(stream.try_clone()?, || {})?;
        let commands = listen(stream, Arc::clone(&waker))?;
        Ok(Self {
            poll,
            _waker: waker,
            commands,
            outgoing,
            address: None,
            people: Vec::new(),
            places: HashMap::new(),
            timers: Timers::default(),
            unread: Vec::new(),
        })
    }

    /// Run until the driver closes its end, or stops reading.
    ///
    /// # Errors
    /// When waiting for events fails.
    pub fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let now = Instant::now();
            let wait = if self.unread.is_empty() {
                self.timers
                    .next()
                    .map(|at| at.saturating_duration_since(now))
            } else {
                Some(std::time::Duration::ZERO)
            };
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut ready = std::mem::take(&mut self.unread);
            ready.extend(
                events
                    .iter()
                    .map(|event| event.token())
                    .filter(|token| *token != CONTROL),
            );
            for token in ready {
                self.receive(token);
            }
            while let Some(timer) = self.timers.pop_due(Instant::now()) {
                self.fire(timer);
            }
            if !self.obey() {
                return Ok(());
            }
        }
    }

    /// Carry out what the driver wants; false when it is gone.
    fn obey(&mut self) -> bool {
        loop {
            let reply = match self.commands.try_recv() {
                Ok(Word::Command(command)) => self.carry_out(command),
                Ok(Word::Unknown(id)) => Message::Failed {
                    code: "malformed_command".into(),
                    message: "There is no such command.".into(),
                    id,
                },
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            if !self.say(&reply) {
                return false;
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Message {
        let now = Instant::now();
        let (id, outcome) = match command {
            Command::Hello {
                protocol,
                address,
                id,
            } => (id, self.greet(protocol, &address, id)),
            Command::Open {
                participant,
                stamp,
                video_frames_per_s,
                video_bits_per_s,
                audio,
                id,
            } => {
                let plan = Plan {
                    video_frames_per_s,
                    video_bits_per_s,
                    audio,
                };
                (id, self.open(participant, stamp, &plan, id, now))
            }
            Command::Published {
                participant,
                sdp,
                id,
            } => {
                let taken = self
                    .find(&participant)
                    .and_then(|place| self.with(place, |person, _| person.published(&sdp, now)));
                (id, taken.map(|()| Message::Done { id }))
            }
            Command::Offered {
                participant,
                sdp,
                id,
            } => {
                let answer = self.find(&participant).and_then(|place| {
                    let address = self.address;
                    self.with(place, |person, poll| {
                        person.offered(&sdp, now, || {
                            bind(address, poll, place, Side::Subscriber, now)
                        })
                    })
                });
                (id, answer.map(|sdp| Message::Described { sdp, id }))
            }
            Command::Close { participant, id } => {
                if let Some(place) = self.places.remove(&participant) {
                    if let Some(mut person) = self.people[place].take() {
                        person.close(now);
                    }
                    (0..TIMERS_EACH)
                        .for_each(|timer| self.timers.disarm(place * TIMERS_EACH + timer));
                }
                (id, Ok(Message::Done { id }))
            }
            Command::GetReport { id } => {
                let participants = self
                    .people
                    .iter()
                    .flatten()
                    .map(|person| person.report(now))
                    .collect();
                (id, Ok(Message::Report { participants, id }))
            }
            Command::GetTimings { id } => {
                let people = self.people.iter_mut().flatten();
                let participants = people.map(|person| person.timings(now)).collect();
                (id, Ok(Message::Timings { participants, id }))
            }
        };
        outcome.unwrap_or_else(|Refusal(code, message)| Message::Failed {
            code: code.into(),
            message,
            id,
        })
    }

    fn greet(&mut self, protocol: u64, address: &str, id: u64) -> Result<Message, Refusal> {
        if protocol != PARTICIPANTS_PROTOCOL {
            let message = format!(
                "This program speaks protocol {PARTICIPANTS_PROTOCOL}, the driver {protocol}."
            );
            return Err(Refusal("protocol_unsupported", message));
        }
        let address = address
            .parse()
            .map_err(|_| Refusal("address_invalid", format!("{address} is not an address.")))?;
        self.address = Some(address);
        Ok(Message::Ready {
            protocol: PARTICIPANTS_PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            id,
        })
    }

    fn open(
        &mut self,
        name: String,
        stamp: u64,
        plan: &Plan,
        id: u64,
        now: Instant,
    ) -> Result<Message, Refusal> {
        let place = self.places.get(&name).copied().unwrap_or_else(|| {
            let free = self.people.iter().position(Option::is_none);
            free.unwrap_or(self.people.len())
        });
        let publisher = bind(self.address, &self.poll, place, Side::Publisher, now)?;
        if place == self.people.len() {
            self.people.push(None);
        }
        self.people[place].get_or_insert_with(|| Participant::new(name.clone(), now));
        self.places.insert(name, place);
        let (sdp, tracks) = self.with(place, |person, _| {
            Ok(person.open(stamp, plan, publisher, now))
        })?;
        Ok(Message::Opened { sdp, tracks, id })
    }

    fn find(&self, name: &str) -> Result<usize, Refusal> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| {
            Refusal(
                "participant_unknown",
                format!("There is no participant {name}."),
            )
        })
    }

    fn receive(&mut self, token: Token) {
        let (place, side) = (token.0 / SIDES.len(), SIDES[token.0 % SIDES.len()]);
        let more = self.with(place, |person, _| Ok(person.receive(side)));
        if more.is_ok_and(|more| more) {
            self.unread.push(token);
        }
    }

    fn fire(&mut self, timer: usize) {
        let now = Instant::now();
        // Gone in the meantime when `with` refuses.
        let _ = self.with(timer / TIMERS_EACH, |person, _| {
            match timer % TIMERS_EACH {
                side @ 0..2 => person.elapse(SIDES[side], now),
                kind => person.send(KINDS[kind - SIDES.len()], now),
            }
            Ok(())
        });
    }

    /// Do something to a participant, then set its timers and tell what came of it.
    fn with<R>(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut Participant, &Poll) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let Some(person) = self.people.get_mut(place).and_then(Option::as_mut) else {
            return Err(Refusal("participant_unknown", "It is gone.".into()));
        };
        let result = act(person, &self.poll);
        let dues = [
            person.due(SIDES[0]),
            person.due(SIDES[1]),
            person.send_due(KINDS[0]),
            person.send_due(KINDS[1]),
        ];
        for (timer, due) in (place * TIMERS_EACH..).zip(dues) {
            match due {
                Some(at) => self.timers.arm(timer, at),
                None => self.timers.disarm(timer),
            }
        }
        let name = person.name.clone();
        for Progress(peer, state, reason) in person.take_progress() {
            self.say(&Message::Progress {
                participant: name.clone(),
                peer,
                state,
                reason: reason.into(),
            });
        }
        result
    }

    /// Queue a message; false when the driver does not read any more.
    fn say(&self, message: &Message) -> bool {
        match frame::encode(message) {
            Ok(bytes) => self.outgoing.push(bytes, Importance::Needed).is_ok(),
            Err(error) => {
                eprintln!("{error}");
                false
            }
        }
    }
}

fn bind(
    address: Option<IpAddr>,
    poll: &Poll,
    place: usize,
    side: Side,
    now: Instant,
) -> Result<Peer, Refusal> {
    let Some(address) = address else {
        return Err(Refusal("hello_missing", "Say hello first.".into()));
    };
    let token = Token(place * SIDES.len() + usize::from(side == Side::Subscriber));
    Peer::open(address, poll.registry(), token, now).map_err(|error| {
        Refusal(
            "address_unavailable",
            format!("{address} cannot be bound: {error}."),
        )
    })
}
