//! What one turn sends, gathered so that the kernel can be asked once for many datagrams.
//!
//! Datagrams to one destination become a *run* when all but the last have one size: the shape that
//! `UDP_SEGMENT` takes. Ten packets to one destination then cost a third of ten single sends.
//! Mostly they come one after the other, and the grouping is one comparison a datagram; those that
//! lie apart are put side by side before they are sent. The order for one destination never
//! changes, that among destinations may.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// The kernel's own bound of segments in one send (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;

/// Below what one UDP send may carry, with room for headers.
const MAX_RUN_BYTES: usize = 60_000;

/// Gathered bytes above which a turn sends before it gathers on: a packet for some eight hundred
/// people still leaves in one go, and the memory, which is kept, is that of no burst.
const FULL_BYTES: usize = 1 << 20;

/// Datagrams of `segment` bytes each (the last may be shorter) for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
    pub segment: usize,
    pub count: usize,
    bytes: Range<usize>,
    /// The next run for the same destination, which is sent together with this one.
    next: Option<usize>,
    /// There is one before it, which it is sent with.
    follows: bool,
}

/// Everything to be sent at the end of a turn: destinations in the order of their first datagram,
/// and the datagrams of each in theirs.
#[derive(Debug, Default)]
pub struct Batch {
    gathered: Gathered,
    /// The newest run for each destination.
    newest: HashMap<(SocketAddr, Option<IpAddr>), usize>,
    /// What lies apart is put side by side here.
    beside: Gathered,
    /// Packets for TCP connections.
    framed: Vec<(SocketAddr, Range<usize>)>,
}

#[derive(Debug, Default)]
struct Gathered {
    arena: Vec<u8>,
    runs: Vec<Run>,
}

impl Gathered {
    /// Make room for a datagram at the end and have it written there; `None`, and no room, when `fill` fails.
    fn write(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Range<usize>> {
        let start = self.arena.len();
        self.arena.resize(start + length, 0);
        if !fill(&mut self.arena[start..]) {
            self.arena.truncate(start);
            return None;
        }
        Some(start..start + length)
    }

    /// Add a datagram to the last run, or begin one.
    fn push(&mut self, destination: SocketAddr, source: Option<IpAddr>, datagram: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(datagram);
        self.join(destination, source, start..self.arena.len());
    }

    /// Count what was written last into the last run, or begin one with it.
    fn join(&mut self, destination: SocketAddr, source: Option<IpAddr>, bytes: Range<usize>) {
        let (start, end, length) = (bytes.start, bytes.end, bytes.len());
        if let Some(run) = self.runs.last_mut()
            && run.destination == destination
            && run.source == source
            && length <= run.segment
            && run.bytes.end == start
            && run.bytes.len() == run.segment * run.count
            && run.count < MAX_SEGMENTS
            && run.bytes.len() + length <= MAX_RUN_BYTES
        {
            run.bytes.end = end;
            run.count += 1;
            return;
        }
        self.runs.push(Run {
            destination,
            source,
            segment: length,
            count: 1,
            bytes,
            next: None,
            follows: false,
        });
    }

    fn clear(&mut self) {
        self.arena.clear();
        self.runs.clear();
    }
}

impl Batch {
    /// Add a datagram.
    pub fn push(&mut self, destination: SocketAddr, source: Option<IpAddr>, datagram: &[u8]) {
        self.push_with(destination, source, datagram.len(), |room| {
            room.copy_from_slice(datagram);
            true
        });
    }

    /// Add a datagram of `length` bytes that is written in place; `false`, and none is added, when `fill` fails.
    pub fn push_with(
        &mut self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> bool {
        let Some(bytes) = self.gathered.write(length, fill) else {
            return false;
        };
        let before = self.gathered.runs.len();
        self.gathered.join(destination, source, bytes);
        if self.gathered.runs.len() > before {
            self.link_up(destination, source, before);
        }
        true
    }

    /// A run began: it is sent together with the one before it for the same destination.
    fn link_up(&mut self, destination: SocketAddr, source: Option<IpAddr>, before: usize) {
        if let Some(earlier) = self.newest.insert((destination, source), before) {
            self.gathered.runs[earlier].next = Some(before);
            self.gathered.runs[before].follows = true;
        }
    }

    /// Add a packet for a TCP connection.
    pub fn push_framed(&mut self, destination: SocketAddr, packet: &[u8]) {
        self.push_framed_with(destination, packet.len(), |room| {
            room.copy_from_slice(packet);
            true
        });
    }

    /// The same, of `length` bytes that are written in place; `false`, and none is added, when `fill` fails.
    pub fn push_framed_with(
        &mut self,
        destination: SocketAddr,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> bool {
        let Some(bytes) = self.gathered.write(length, fill) else {
            return false;
        };
        self.framed.push((destination, bytes));
        true
    }

    /// The packets for TCP connections, in order.
    pub fn framed(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.framed
            .iter()
            .map(|(destination, bytes)| (*destination, &self.gathered.arena[bytes.clone()]))
    }

    /// Hand over every run with its bytes. Datagrams of one destination that lie apart, because
    /// others came between, are joined to runs where their sizes allow it.
    pub fn each_run(&mut self, mut each: impl FnMut(&Run, &[u8])) {
        let Self {
            gathered, beside, ..
        } = self;
        let firsts = (0..gathered.runs.len()).filter(|at| !gathered.runs[*at].follows);
        for first in firsts {
            let chain = || std::iter::successors(Some(first), |at| gathered.runs[*at].next);
            if chain().zip(first..).all(|(at, beside)| at == beside) {
                for run in chain().map(|at| &gathered.runs[at]) {
                    each(run, &gathered.arena[run.bytes.clone()]);
                }
                continue;
            }
            beside.clear();
            for run in chain().map(|at| &gathered.runs[at]) {
                for datagram in gathered.arena[run.bytes.clone()].chunks(run.segment.max(1)) {
                    beside.push(run.destination, run.source, datagram);
                }
            }
            for run in &beside.runs {
                each(run, &beside.arena[run.bytes.clone()]);
            }
        }
    }

    /// Forget what was sent; the memory is kept for the next turn.
    pub fn clear(&mut self) {
        self.gathered.clear();
        self.newest.clear();
        self.framed.clear();
    }

    /// Whether it is time to send, also in the middle of a turn.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.gathered.arena.len() >= FULL_BYTES
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered.runs.is_empty() && self.framed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeMap;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn shapes(batch: &mut Batch) -> Vec<(u16, usize, usize, usize)> {
        let mut shapes = Vec::new();
        batch.each_run(|run, bytes| {
            shapes.push((run.destination.port(), run.segment, run.count, bytes.len()));
        });
        shapes
    }

    #[test]
    fn equal_sizes_and_a_shorter_last_one_are_one_run() {
        let mut batch = Batch::default();
        for size in [100, 100, 60, 100] {
            batch.push(to(1), None, &vec![0; size]);
        }
        batch.push(to(2), None, &[0; 100]);
        assert_eq!(
            shapes(&mut batch),
            [(1, 100, 3, 260), (1, 100, 1, 100), (2, 100, 1, 100)]
        );
        batch.clear();
        assert!(batch.is_empty());
    }

    #[test]
    fn a_burst_is_sent_in_parts() {
        let mut batch = Batch::default();
        while !batch.is_full() {
            batch.push(to(1), None, &[0; 1500]);
        }
        let mut sent = 0;
        batch.each_run(|_, bytes| sent += bytes.len());
        assert!(sent < FULL_BYTES + 1500);
        batch.clear();
        assert!(!batch.is_full());
    }

    #[test]
    fn what_lies_apart_leaves_in_one_run() {
        let mut batch = Batch::default();
        for _ in 0..3 {
            for port in [1, 2] {
                batch.push(to(port), None, &[0; 100]);
            }
        }
        batch.push(to(1), None, &[0; 200]);
        assert_eq!(
            shapes(&mut batch),
            [(1, 100, 3, 300), (1, 200, 1, 200), (2, 100, 3, 300)]
        );
        batch.push_framed(to(9), &[7; 5]);
        assert_eq!(batch.framed().collect::<Vec<_>>(), [(to(9), &[7; 5][..])]);
    }

    type Send = fn(&mut Batch, &mut dyn FnMut(&Run, &[u8]));

    /// Whether every datagram comes out once, in order for its destination, in runs that the kernel
    /// takes.
    fn is_faithful(send: Send) -> bool {
        let size = prop_oneof![Just(700usize), 1usize..1500];
        let datagrams = prop::collection::vec((1u16..4, size), 0..300);
        let outcome = TestRunner::deterministic().run(&datagrams, |datagrams| {
            let mut batch = Batch::default();
            let mut expected: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
            for (number, (port, size)) in datagrams.iter().enumerate() {
                let datagram = vec![number as u8; *size];
                batch.push(to(*port), None, &datagram);
                expected.entry(*port).or_default().push(datagram);
            }
            let mut got: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
            let mut fits = true;
            send(&mut batch, &mut |run, bytes| {
                let pieces: Vec<_> = bytes.chunks(run.segment).map(<[u8]>::to_vec).collect();
                fits &= pieces.len() == run.count;
                fits &= run.count <= MAX_SEGMENTS && bytes.len() <= MAX_RUN_BYTES;
                got.entry(run.destination.port())
                    .or_default()
                    .extend(pieces);
            });
            prop_assert!(fits);
            prop_assert_eq!(got, expected);
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn every_datagram_leaves_once_in_order_and_a_careless_sender_is_found_out() {
        assert!(is_faithful(|batch, each| batch.each_run(each)));
        // Sends runs that follow others too.
        assert!(!is_faithful(|batch, each| {
            batch
                .gathered
                .runs
                .iter_mut()
                .for_each(|run| run.follows = false);
            batch.each_run(each);
        }));
        // Forgets what follows.
        assert!(!is_faithful(|batch, each| {
            batch
                .gathered
                .runs
                .iter_mut()
                .for_each(|run| run.next = None);
            batch.each_run(each);
        }));
    }
}
