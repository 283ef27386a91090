//! A worker's mailbox: what the dispatcher and the other workers tell it, in the order it was told.
//!
//! Workers share nothing else. A letter carries all that one worker has for another after a turn,
//! so the lock is taken once a turn and pair of workers, never once a packet. The box outlives the
//! worker that reads it: one that is started in the place of a lost one takes it over, emptied.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use crate::control::messages::Command;
use crate::engine::exchange::Letter;

/// Commands that may wait for a worker; the node has few outstanding, and then waits itself.
pub const MAX_WAITING_COMMANDS: usize = 256;

/// Packets of others that may wait for a worker: 100 ms of 80,000 packets/s, some 10 MB.
const MAX_WAITING_PACKETS: usize = 8192;

/// Notes of others that may wait for a worker: every track of a thousand rooms at once.
const MAX_WAITING_NOTES: usize = 65_536;

/// Number of a worker, from 0; one that takes the place of a lost one has its number.
pub type WorkerIndex = usize;

/// What the control reader hands over.
#[derive(Debug)]
pub enum Asking {
    Command(Command),
    /// Not understood, but numbered.
    Garbled {
        id: u64,
        why: String,
    },
}

/// One piece of mail.
#[derive(Debug)]
pub enum Mail {
    /// A command of the node's for a peer of this worker, or for all workers.
    Command {
        /// Grows with every command of the engine: what was said last is believed.
        serial: u64,
        command: Command,
        /// Another worker replies.
        quiet: bool,
    },
    /// Read all counters, as part of the answer to this question.
    ReadStatistics { question: u64 },
    /// Ask these servers where the media socket is seen.
    StunServers(Vec<SocketAddr>),
    /// Say that you are alive.
    Look,
    /// What another worker has for us.
    Letter { from: WorkerIndex, letter: Letter },
    /// A new worker took the place of this lost one: it knows nothing of us.
    Replaced { worker: WorkerIndex },
    /// Stop.
    End,
}

/// Too many commands wait for this worker.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Default)]
struct Inside {
    mail: VecDeque<Mail>,
    commands: usize,
    packets: usize,
    notes: usize,
    waker: Option<Arc<Waker>>,
}

/// A worker's mailbox, as everybody else holds it.
#[derive(Clone, Default)]
pub struct Post {
    shared: Arc<Mutex<Inside>>,
}

impl Post {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        // No code between lock and unlock can panic half way through a change.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let a fresh worker, woken by `waker`, read the box; what waited for an earlier one is gone.
    pub fn take_over(&self, waker: Arc<Waker>) {
        *self.lock() = Inside {
            waker: Some(waker),
            ..Inside::default()
        };
    }

    /// Queue a piece of mail of the dispatcher.
    ///
    /// # Errors
    /// [`Full`] when too many commands wait already; other mail is always taken, there is little.
    pub fn put(&self, mail: Mail) -> Result<(), Full> {
        let mut inner = self.lock();
        if matches!(mail, Mail::Command { .. }) {
            if inner.commands >= MAX_WAITING_COMMANDS {
                return Err(Full);
            }
            inner.commands += 1;
        }
        push(inner, mail);
        Ok(())
    }

    /// Queue what a fresh worker is to know, however much that is.
    pub fn state(&self, statements: impl Iterator<Item = Mail>) {
        for mail in statements {
            push(self.lock(), mail);
        }
    }

    /// Queue what a turn of `from` has for this worker. Takes out of `letter` what fits; returns how
    /// many packets were dropped for want of room. Notes that do not fit stay in `letter`.
    pub fn send(&self, from: WorkerIndex, letter: &mut Letter) -> u64 {
        let mut inner = self.lock();
        let mut taken = Letter::default();
        let room = MAX_WAITING_NOTES.saturating_sub(inner.notes);
        if letter.notes.len() <= room {
            taken.notes = std::mem::take(&mut letter.notes);
        } else {
            // More may wait than ever fits at once.
            taken.notes.extend(letter.notes.drain(..room));
        }
        let room = MAX_WAITING_PACKETS.saturating_sub(inner.packets);
        let dropped = letter.packets.len().saturating_sub(room);
        letter.packets.truncate(room);
        taken.packets = std::mem::take(&mut letter.packets);
        if !taken.is_empty() {
            inner.notes += taken.notes.len();
            inner.packets += taken.packets.len();
            let letter = taken;
            push(inner, Mail::Letter { from, letter });
        }
        dropped as u64
    }

    /// Whether another command would be taken now; only the dispatcher adds any.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.lock().commands < MAX_WAITING_COMMANDS
    }

    /// Take everything, oldest first, in exchange for an empty queue.
    pub fn take(&self, into: &mut VecDeque<Mail>) {
        let mut inner = self.lock();
        std::mem::swap(&mut inner.mail, into);
        inner.commands = 0;
        inner.packets = 0;
        inner.notes = 0;
    }
}

/// Only the first piece wakes the reader: whoever reads takes all.
fn push(mut inner: MutexGuard<'_, Inside>, mail: Mail) {
    let waker = if inner.mail.is_empty() {
        inner.waker.clone()
    } else {
        None
    };
    inner.mail.push_back(mail);
    drop(inner);
    if let Some(waker) = waker {
        let _ = waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::exchange::Note;

    #[test]
    fn more_notes_than_a_box_takes_come_in_several_letters() {
        let post = Post::default();
        let numbers = 0..MAX_WAITING_NOTES as u64 * 2 + 1;
        let mut letter = Letter {
            notes: numbers
                .clone()
                .map(|number| Note::Unwant { number })
                .collect(),
            ..Letter::default()
        };
        let mut heard = Vec::new();
        let mut mail = VecDeque::new();
        for _ in 0..3 {
            post.send(1, &mut letter);
            post.take(&mut mail);
            for piece in mail.drain(..) {
                if let Mail::Letter { letter, .. } = piece {
                    heard.extend(letter.notes);
                }
            }
        }
        assert!(letter.is_empty());
        assert!(
            heard
                .into_iter()
                .eq(numbers.map(|number| Note::Unwant { number }))
        );
    }
}
