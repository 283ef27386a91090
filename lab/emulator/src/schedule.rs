//! Packets under way, the earliest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A packet that arrives at a moment.
#[derive(Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// When, in nanoseconds of the clock that the caller uses.
    pub due_ns: u64,
    /// Index of the path it took.
    pub path: usize,
    /// The IP packet.
    pub bytes: Box<[u8]>,
    sequence: u64,
}

impl Ord for UnderWay {
    // Reversed: the heap gives the greatest first. Equal moments keep the order of departure.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ns, other.sequence).cmp(&(self.due_ns, self.sequence))
    }
}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// All packets under way.
#[derive(Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<UnderWay>,
    sequence: u64,
}

impl Schedule {
    /// Let a packet arrive at a moment.
    pub fn push(&mut self, due_ns: u64, path: usize, bytes: Box<[u8]>) {
        self.sequence += 1;
        self.heap.push(UnderWay {
            due_ns,
            path,
            bytes,
            sequence: self.sequence,
        });
    }

    /// The next packet that is due by now.
    pub fn pop(&mut self, now_ns: u64) -> Option<UnderWay> {
        if self.next_due_ns()? <= now_ns {
            self.heap.pop()
        } else {
            None
        }
    }

    /// When the next packet is due.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.heap.peek().map(|packet| packet.due_ns)
    }

    /// How many packets are under way.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_keep_their_order() {
        let mut schedule = Schedule::default();
        for (due_ns, mark) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
            schedule.push(due_ns, 0, Box::new([mark]));
        }
        assert_eq!(schedule.pop(9), None);
        let marks: Vec<u8> = std::iter::from_fn(|| schedule.pop(25))
            .map(|packet| packet.bytes[0])
            .collect();
        assert_eq!(marks, [2, 4, 3]);
        assert_eq!((schedule.len(), schedule.next_due_ns()), (1, Some(30)));
    }
}
