//! Questions that all workers answer together, and the watch over workers that answer nothing.

use std::time::{Duration, Instant};

use super::merging::{Merged, Own};
use super::post::WorkerIndex;
use crate::control::messages::Message;

/// From a question for statistics to an answer with what came; a worker answers between two turns.
const STATISTICS_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks (one a second) that a worker may leave unanswered: with the next start well before browsers
/// give up their peer connections, 15 to 30 s after silence. Counted, not timed: a process that was
/// stopped as a whole misses none.
const MAX_UNANSWERED_LOOKS: u32 = 8;

/// A question for statistics that is not answered yet.
#[derive(Debug)]
struct Question {
    number: u64,
    id: u64,
    page: u64,
    by: Instant,
    waits_for: Vec<WorkerIndex>,
    merged: Merged,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub struct Questions {
    open: Vec<Question>,
}

impl Questions {
    /// These workers were asked for a page of the reply to a command, under this number.
    pub fn ask(
        &mut self,
        number: u64,
        (id, page): (u64, u64),
        workers: Vec<WorkerIndex>,
        now: Instant,
    ) {
        self.open.push(Question {
            number,
            id,
            page,
            by: now + STATISTICS_TIMEOUT,
            waits_for: workers,
            merged: Merged::default(),
        });
    }

    /// A worker answered.
    pub fn take(&mut self, number: u64, worker: WorkerIndex, part: Message) {
        if let Some(asked) = self.open.iter_mut().find(|asked| asked.number == number) {
            asked.waits_for.retain(|other| *other != worker);
            asked.merged.add(part);
        }
    }

    /// A worker is no more; nobody waits for its answer.
    pub fn forget(&mut self, worker: WorkerIndex) {
        for asked in &mut self.open {
            asked.waits_for.retain(|other| *other != worker);
        }
    }

    /// When the next one is to be answered whatever came.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|asked| asked.by).min()
    }

    /// The reply, and its id, of a question that has all its parts or whose time is over; how many
    /// workers said nothing is counted in it, beside the engine's `own` numbers.
    pub fn pop(&mut self, now: Instant, own: impl FnOnce() -> Own) -> Option<(u64, Message)> {
        let at = self
            .open
            .iter()
            .position(|asked| asked.waits_for.is_empty() || asked.by <= now)?;
        let mut asked = self.open.remove(at);
        asked.merged.own(own());
        let silent = asked.waits_for.len() as u64;
        if silent > 0 {
            asked
                .merged
                .count([("workers_silent".to_owned(), silent)].into());
        }
        Some((asked.id, asked.merged.answer(asked.id, asked.page)))
    }
}

/// What to do about a worker at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Ask it whether it is there.
    Look,
    /// It was asked before and has not answered.
    Wait,
    /// It hangs.
    Hangs,
}

/// The watch over one worker.
#[derive(Debug, Default)]
pub struct Watch {
    unanswered: u32,
}

impl Watch {
    /// A second is over.
    pub fn tick(&mut self) -> Tick {
        self.unanswered += 1;
        match self.unanswered {
            1 => Tick::Look,
            looks if looks > MAX_UNANSWERED_LOOKS => Tick::Hangs,
            _ => Tick::Wait,
        }
    }

    /// It answered.
    pub fn alive(&mut self) {
        self.unanswered = 0;
    }

    /// Whether it would be waited for in vain.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.unanswered > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Message {
        Message::Statistics {
            page: 0,
            pages: 1,
            workers: Vec::new(),
            peers: Vec::new(),
            tracks: Vec::new(),
            legs: Vec::new(),
            lines: Vec::new(),
            memory_bytes: 0,
            queued_bytes: 0,
            counters: [("datagrams_out".to_owned(), 5)].into(),
            id: 0,
        }
    }

    #[test]
    fn a_worker_that_says_nothing_does_not_hold_the_answer_up_for_ever() {
        let now = Instant::now();
        let mut questions = Questions::default();
        questions.ask(1, (70, 0), vec![0, 1], now);
        questions.ask(2, (71, 0), vec![0], now);
        questions.take(1, 0, part());
        questions.take(2, 0, part());
        assert_eq!(questions.pop(now, Own::default).unwrap().0, 71);
        assert!(questions.pop(now, Own::default).is_none());
        let end = questions.deadline().unwrap();
        let (id, answer) = questions.pop(end, Own::default).unwrap();
        let Message::Statistics { counters, .. } = answer else {
            panic!("as made above");
        };
        assert_eq!(id, 70);
        assert_eq!(
            (counters["workers_silent"], counters["datagrams_out"]),
            (1, 5)
        );
    }

    #[test]
    fn a_lost_worker_is_not_waited_for() {
        let now = Instant::now();
        let mut questions = Questions::default();
        questions.ask(1, (70, 0), vec![0, 1], now);
        questions.forget(1);
        questions.take(1, 0, part());
        assert!(questions.pop(now, Own::default).is_some());
        assert_eq!(questions.deadline(), None);
    }

    #[test]
    fn a_worker_hangs_after_so_many_ticks_and_not_before() {
        let mut watch = Watch::default();
        assert_eq!(watch.tick(), Tick::Look);
        for _ in 1..MAX_UNANSWERED_LOOKS {
            assert_eq!(watch.tick(), Tick::Wait);
        }
        assert_eq!(watch.tick(), Tick::Hangs);
        watch.alive();
        assert!(!watch.is_silent());
        assert_eq!(watch.tick(), Tick::Look);
    }
}
