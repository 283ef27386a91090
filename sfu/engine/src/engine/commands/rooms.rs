//! What the node wants of rooms.

use std::time::Instant;

use super::Answer;
use crate::control::messages::Message;
use crate::engine::rooms::Policy;
use crate::engine::worker::Worker;

impl Worker {
    pub(super) fn set_room(&mut self, room: &str, policy: Policy, id: u64, now: Instant) -> Answer {
        let key = self.rooms.set_policy(room, policy)?;
        self.compare_voices(key, now);
        Ok(Message::Done { id })
    }

    pub(super) fn close_room(&mut self, room: &str, id: u64, now: Instant) -> Answer {
        let key = self.rooms.find(room);
        self.rooms.forget_policy(room);
        if let Some(key) = key {
            self.compare_voices(key, now);
        }
        Ok(Message::Done { id })
    }
}
