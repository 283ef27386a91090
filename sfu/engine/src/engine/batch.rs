//! What one turn sends, gathered so that the kernel can be asked once for many datagrams.
//!
//! Consecutive datagrams to one destination become a *run* when all but the last have one size:
//! the shape that `UDP_SEGMENT` takes. Ten packets to one destination then cost a third of ten
//! single sends, and the grouping itself is one comparison a datagram.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// The kernel's own bound of segments in one send (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;

/// Below what one UDP send may carry, with room for headers.
const MAX_RUN_BYTES: usize = 60_000;

/// Gathered bytes above which a turn sends before it gathers on: a packet for a hundred people
/// still leaves in one go, and a burst of thousands costs no gigabytes.
const FULL_BYTES: usize = 4 << 20;

/// Datagrams of `segment` bytes each (the last may be shorter) for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub destination: SocketAddr,
    pub source: Option<IpAddr>,
    pub segment: usize,
    pub count: usize,
    bytes: Range<usize>,
}

/// Everything to be sent at the end of a turn, in order.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    runs: Vec<Run>,
}

impl Batch {
    /// Add a datagram.
    pub fn push(&mut self, destination: SocketAddr, source: Option<IpAddr>, datagram: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(datagram);
        let end = self.arena.len();
        if let Some(run) = self.runs.last_mut()
            && run.destination == destination
            && run.source == source
            && datagram.len() <= run.segment
            && run.bytes.len() == run.segment * run.count
            && run.count < MAX_SEGMENTS
            && run.bytes.len() + datagram.len() <= MAX_RUN_BYTES
        {
            run.bytes.end = end;
            run.count += 1;
            return;
        }
        self.runs.push(Run {
            destination,
            source,
            segment: datagram.len(),
            count: 1,
            bytes: start..end,
        });
    }

    /// The runs with their bytes, in the order of their first datagram.
    pub fn runs(&self) -> impl Iterator<Item = (&Run, &[u8])> {
        self.runs
            .iter()
            .map(|run| (run, &self.arena[run.bytes.clone()]))
    }

    /// Forget what was sent; the memory is kept for the next turn.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.runs.clear();
    }

    /// Whether it is time to send, also in the middle of a turn.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.arena.len() >= FULL_BYTES
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn shapes(batch: &Batch) -> Vec<(u16, usize, usize, usize)> {
        batch
            .runs()
            .map(|(run, bytes)| (run.destination.port(), run.segment, run.count, bytes.len()))
            .collect()
    }

    #[test]
    fn equal_sizes_and_a_shorter_last_one_are_one_run() {
        let mut batch = Batch::default();
        for size in [100, 100, 60, 100] {
            batch.push(to(1), None, &vec![0; size]);
        }
        batch.push(to(2), None, &[0; 100]);
        assert_eq!(
            shapes(&batch),
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
        assert!(batch.runs().map(|(_, bytes)| bytes.len()).sum::<usize>() < FULL_BYTES + 1500);
        batch.clear();
        assert!(!batch.is_full());
    }

    proptest! {
        #[test]
        fn every_datagram_comes_out_once_in_order(
            datagrams in prop::collection::vec((1u16..4, 1usize..1500), 0..300)
        ) {
            let mut batch = Batch::default();
            let mut expected = Vec::new();
            for (number, (port, size)) in datagrams.iter().enumerate() {
                let datagram = vec![number as u8; *size];
                batch.push(to(*port), None, &datagram);
                expected.push((*port, datagram));
            }
            let mut got = Vec::new();
            for (run, bytes) in batch.runs() {
                let pieces: Vec<_> = bytes.chunks(run.segment).collect();
                prop_assert_eq!(pieces.len(), run.count);
                prop_assert!(run.count <= MAX_SEGMENTS && bytes.len() <= MAX_RUN_BYTES);
                got.extend(pieces.iter().map(|piece| (run.destination.port(), piece.to_vec())));
            }
            prop_assert_eq!(got, expected);
        }
    }
}
