//! What the node stated of rooms as a whole: all workers know it, and one that takes the place of a
//! lost one is to know it too.

use std::collections::BTreeMap;

use super::post::{Mail, Post};
use crate::control::messages::Command;
use crate::engine::rooms::MAX_ROOMS;

/// The newest statement about each room.
#[derive(Debug, Default)]
pub struct Stated {
    rooms: BTreeMap<String, Command>,
}

impl Stated {
    /// Note a command for all workers. Rooms beyond what a worker takes are left out, as there.
    pub fn note(&mut self, command: &Command) {
        match command {
            Command::SetRoom { room, .. }
                if self.rooms.len() < MAX_ROOMS || self.rooms.contains_key(room) =>
            {
                self.rooms.insert(room.clone(), command.clone());
            }
            Command::CloseRoom { room, .. } => {
                self.rooms.remove(room);
            }
            _ => {}
        }
    }

    /// Tell a fresh worker all of it; nobody waits for its replies.
    pub fn tell(&self, post: &Post, serial: u64) {
        post.state(self.rooms.values().map(|command| Mail::Command {
            serial,
            command: command.clone(),
            quiet: true,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn set(room: &str, loudest: u32) -> Command {
        Command::SetRoom {
            room: room.into(),
            loudest,
            max_height: 0,
            max_bitrate_bps: 0,
            id: 1,
        }
    }

    #[test]
    fn a_fresh_worker_hears_the_last_word_about_every_room() {
        let mut stated = Stated::default();
        for command in [set("a", 1), set("b", 2), set("a", 3)] {
            stated.note(&command);
        }
        stated.note(&Command::CloseRoom {
            room: "b".into(),
            id: 2,
        });
        let post = Post::default();
        stated.tell(&post, 9);
        let mut mail = VecDeque::new();
        post.take(&mut mail);
        let heard: Vec<_> = mail
            .into_iter()
            .map(|mail| match mail {
                Mail::Command { command, quiet, .. } => (command, quiet),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(heard, [(set("a", 3), true)]);
    }
}
