//! What the node wants of rooms.

use std::time::Instant;

use super::Answer;
use crate::control::messages::Message;
use crate::engine::rooms::Policy;
use crate::engine::worker::Worker;

impl Worker {
    pub(super) fn set_room(&mut self, room: &str, policy: Policy, id: u64) -> Answer {
        self.rooms.set_policy(room, policy, Instant::now())?;
        Ok(Message::Done { id })
    }

    pub(super) fn close_room(&mut self, room: &str, id: u64) -> Answer {
        self.rooms.forget_policy(room, Instant::now());
        Ok(Message::Done { id })
    }
}
