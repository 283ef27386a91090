//! Which peers, tracks and legs belong to which room, and what is decided for all of it.
//!
//! A room is there while anything is in it or a policy was stated for it. A track is in the room of
//! whatever it comes from: of its publisher, or of the leg that brings it in.

use std::collections::{BTreeSet, HashMap};

use slab::Slab;

use super::refusal::Refusal;
use super::router::{PeerKey, TrackKey};
use super::speakers::floor::Floor;
use super::speakers::voices::Voices;

/// A room of this engine; reused after it emptied.
pub type RoomKey = usize;

/// Bytes of a room's name: what the node lets a creator pick.
pub const MAX_NAME_BYTES: usize = 64;

/// Rooms of one engine: 40 times what a node serves by default; more is a broken node.
pub const MAX_ROOMS: usize = 20_000;

/// Publishers and subscribers in one room: half of what one engine takes altogether.
pub const MAX_MEMBERS: usize = 10_000;

/// Legs of one room, both ways and over all links.
pub const MAX_LEGS: usize = 20_000;

/// What the node wants of a room; zeros are no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// So many audio tracks are forwarded, the loudest.
    pub loudest: u32,
    /// Pixels.
    pub max_height: u32,
    /// Of one subscriber.
    pub max_bitrate_bps: u64,
}

/// One room.
#[derive(Debug, Default)]
pub struct Room {
    pub name: String,
    stated: Option<Policy>,
    publishers: Vec<PeerKey>,
    subscribers: Vec<PeerKey>,
    /// The links that what is said here goes over.
    links: Vec<PeerKey>,
    /// Of all links, both ways.
    legs: usize,
    voices: Voices,
    /// Of no use but on the worker that the floor of this room is on.
    floor: Floor,
}

impl Room {
    /// What holds here.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.stated.unwrap_or_default()
    }

    /// The peers that get what is said here.
    #[must_use]
    pub fn subscribers(&self) -> &[PeerKey] {
        &self.subscribers
    }

    /// The links that this room spans.
    #[must_use]
    pub fn links(&self) -> &[PeerKey] {
        &self.links
    }

    fn state(&mut self, policy: Option<Policy>) {
        self.stated = policy;
        let places = self.policy().loudest as usize;
        self.voices.let_places_count(places > 0);
        self.floor.set_places(places);
    }

    fn is_over(&self) -> bool {
        self.stated.is_none()
            && self.publishers.is_empty()
            && self.subscribers.is_empty()
            && self.links.is_empty()
            && self.legs == 0
            && self.floor.is_empty()
            && !self.voices.owes_report()
    }
}

/// What a browser's peer is in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Publisher,
    Subscriber,
}

/// A leg of a link, by its number and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leg {
    pub link: PeerKey,
    pub number: u32,
    pub outgoing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    room: RoomKey,
    source: PeerKey,
}

/// All rooms.
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: Slab<Room>,
    by_name: HashMap<String, RoomKey>,
    parts: HashMap<PeerKey, (RoomKey, Part)>,
    legs: HashMap<Leg, RoomKey>,
    spans: BTreeSet<(PeerKey, RoomKey)>,
    /// By track key: looked at for every packet of sound.
    tracks: Vec<Option<Placed>>,
    quieter: Vec<RoomKey>,
}

impl Rooms {
    /// State the policy of a room.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`.
    pub fn set_policy(&mut self, name: &str, policy: Policy) -> Result<RoomKey, Refusal> {
        let key = self.entry(name)?;
        self.rooms[key].state(Some(policy));
        Ok(key)
    }

    /// Forget a room's policy; what is in the room stays.
    pub fn forget_policy(&mut self, name: &str) {
        if let Some(key) = self.by_name.get(name).copied() {
            self.rooms[key].state(None);
            self.forget_over(key);
        }
    }

    /// Whether a browser's peer, new or known, may be in this room.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`, `room_full`.
    pub fn admits(&self, peer: Option<PeerKey>, name: &str) -> Result<(), Refusal> {
        let Some(key) = self.find(name) else {
            return self.may_begin(name);
        };
        let is_in = peer.is_some_and(|peer| self.of_peer(peer) == Some(key));
        let room = &self.rooms[key];
        if !is_in && room.publishers.len() + room.subscribers.len() >= MAX_MEMBERS {
            return Err(full(name, MAX_MEMBERS, "peers"));
        }
        Ok(())
    }

    /// Let a browser's peer be in this room, and in no other.
    ///
    /// # Errors
    /// As [`Rooms::admits`]; it stays where it was.
    pub fn enter(&mut self, peer: PeerKey, name: &str, part: Part) -> Result<RoomKey, Refusal> {
        self.admits(Some(peer), name)?;
        let key = self.entry(name)?;
        if self.parts.get(&peer) == Some(&(key, part)) {
            return Ok(key);
        }
        self.leave(peer);
        // It may have been the last one in a room of the same name.
        let key = self.entry(name)?;
        let room = &mut self.rooms[key];
        match part {
            Part::Publisher => room.publishers.push(peer),
            Part::Subscriber => room.subscribers.push(peer),
        }
        self.parts.insert(peer, (key, part));
        Ok(key)
    }

    /// Let a leg be of this room, and of no other.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`, `room_full`; it stays where it was.
    pub fn open_leg(&mut self, leg: Leg, name: &str) -> Result<RoomKey, Refusal> {
        let key = self.entry(name)?;
        if self.legs.get(&leg) == Some(&key) {
            return Ok(key);
        }
        if self.rooms[key].legs >= MAX_LEGS {
            return Err(full(name, MAX_LEGS, "legs"));
        }
        self.close_leg(leg);
        let key = self.entry(name)?;
        self.legs.insert(leg, key);
        self.rooms[key].legs += 1;
        Ok(key)
    }

    /// The leg is gone.
    pub fn close_leg(&mut self, leg: Leg) {
        let Some(key) = self.legs.remove(&leg) else {
            return;
        };
        self.rooms[key].legs -= 1;
        self.forget_over(key);
    }

    /// What is said in this room goes over the link from now on, or no more.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`.
    pub fn span(&mut self, link: PeerKey, name: &str, spans: bool) -> Result<(), Refusal> {
        if !spans {
            if let Some(key) = self.find(name) {
                self.unspan(link, key);
            }
            return Ok(());
        }
        let key = self.entry(name)?;
        if self.spans.insert((link, key)) {
            self.rooms[key].links.push(link);
        }
        Ok(())
    }

    fn unspan(&mut self, link: PeerKey, key: RoomKey) {
        if self.spans.remove(&(link, key)) {
            self.rooms[key].links.retain(|known| *known != link);
            self.forget_over(key);
        }
    }

    /// A track comes from `source`, which is in this room.
    pub fn place(&mut self, track: TrackKey, room: RoomKey, source: PeerKey) {
        if self.tracks.len() <= track {
            self.tracks.resize(track + 1, None);
        }
        let before = self.tracks[track].replace(Placed { room, source });
        if let Some(before) = before
            && before.room != room
        {
            self.silence(track, before.room);
        }
    }

    /// A track comes from `source` no more; from another one it still may.
    pub fn displace(&mut self, track: TrackKey, source: PeerKey) {
        if let Some(slot) = self.tracks.get_mut(track)
            && let Some(placed) = slot.take_if(|placed| placed.source == source)
        {
            self.silence(track, placed.room);
        }
    }

    /// A track that came from `source` comes from `other` now, as it did before or does already.
    pub fn hand_over(&mut self, track: TrackKey, source: PeerKey, other: PeerKey) {
        if let Some(Some(placed)) = self.tracks.get_mut(track)
            && placed.source == source
        {
            placed.source = other;
        }
    }

    fn silence(&mut self, track: TrackKey, room: RoomKey) {
        if let Some(known) = self.rooms.get_mut(room)
            && known.voices.end(track)
        {
            self.quieter.push(room);
        }
    }

    /// The rooms in which a voice ended since this was asked; their floors are to be told.
    pub fn take_quieter(&mut self) -> Vec<RoomKey> {
        std::mem::take(&mut self.quieter)
    }

    /// The tracks of sound of a room on this worker.
    pub fn voices(&mut self, key: RoomKey) -> Option<&mut Voices> {
        self.rooms.get_mut(key).map(|room| &mut room.voices)
    }

    /// The floor of a room.
    pub fn floor(&mut self, key: RoomKey) -> Option<&mut Floor> {
        self.rooms.get_mut(key).map(|room| &mut room.floor)
    }

    /// The room of that name, whose floor others tell of their voices.
    ///
    /// # Errors
    /// `room_invalid`, `too_many_rooms`.
    pub fn hold(&mut self, name: &str) -> Result<RoomKey, Refusal> {
        self.entry(name)
    }

    /// All rooms.
    #[must_use]
    pub fn keys(&self) -> Vec<RoomKey> {
        self.rooms.iter().map(|(key, _)| key).collect()
    }

    /// The room that a track is in.
    #[must_use]
    pub fn of_track(&self, track: TrackKey) -> Option<RoomKey> {
        self.tracks
            .get(track)
            .copied()
            .flatten()
            .map(|placed| placed.room)
    }

    /// The room that a publisher or subscriber is in.
    #[must_use]
    pub fn of_peer(&self, peer: PeerKey) -> Option<RoomKey> {
        self.parts.get(&peer).map(|(key, _)| *key)
    }

    /// The room of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoomKey> {
        self.by_name.get(name).copied()
    }

    /// Look at a room.
    #[must_use]
    pub fn get(&self, key: RoomKey) -> Option<&Room> {
        self.rooms.get(key)
    }

    /// The peer is gone, with its tracks and legs.
    pub fn forget_peer(&mut self, peer: PeerKey) {
        for track in 0..self.tracks.len() {
            self.displace(track, peer);
        }
        let legs: Vec<Leg> = self
            .legs
            .keys()
            .filter(|leg| leg.link == peer)
            .copied()
            .collect();
        for leg in legs {
            self.close_leg(leg);
        }
        let spans = self
            .spans
            .range((peer, RoomKey::MIN)..=(peer, RoomKey::MAX));
        for (_, key) in spans.copied().collect::<Vec<_>>() {
            self.unspan(peer, key);
        }
        self.leave(peer);
    }

    fn leave(&mut self, peer: PeerKey) {
        if let Some((key, part)) = self.parts.remove(&peer) {
            let room = &mut self.rooms[key];
            match part {
                Part::Publisher => room.publishers.retain(|known| *known != peer),
                Part::Subscriber => room.subscribers.retain(|known| *known != peer),
            }
            self.forget_over(key);
        }
    }

    fn entry(&mut self, name: &str) -> Result<RoomKey, Refusal> {
        if let Some(key) = self.by_name.get(name) {
            return Ok(*key);
        }
        self.may_begin(name)?;
        let key = self.rooms.insert(Room {
            name: name.to_owned(),
            ..Room::default()
        });
        self.by_name.insert(name.to_owned(), key);
        Ok(key)
    }

    fn may_begin(&self, name: &str) -> Result<(), Refusal> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Refusal::new(
                "room_invalid",
                format!("A room's name has 1 to {MAX_NAME_BYTES} bytes."),
            ));
        }
        if self.rooms.len() >= MAX_ROOMS {
            return Err(Refusal::new(
                "too_many_rooms",
                format!("There are {MAX_ROOMS} rooms already."),
            ));
        }
        Ok(())
    }

    /// Forget the room if nothing is in it.
    pub fn forget_over(&mut self, key: RoomKey) {
        if self.rooms.get(key).is_some_and(Room::is_over) {
            let room = self.rooms.remove(key);
            self.by_name.remove(&room.name);
        }
    }
}

fn full(name: &str, most: usize, what: &str) -> Refusal {
    Refusal::new(
        "room_full",
        format!("Room {name:?} has {most} {what} already."),
    )
}

#[cfg(test)]
mod tests;
