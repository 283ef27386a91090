//! Which worker has which peer.
//!
//! A command for a peer may be on its way to a worker while that worker says that the peer is gone,
//! and may open it again there. So a peer is forgotten only by word of a worker that has read every
//! command for it.

use std::collections::HashMap;

use super::post::WorkerIndex;
use crate::engine::refusal::Refusal;

/// Peers of one engine: 10,000 clients that send and receive, many times what its cores can carry. What
/// a peer may hold is bounded too, see [`peers`](crate::engine::peers).
pub const MAX_PEERS: usize = 20_000;

#[derive(Debug)]
struct Placed {
    worker: WorkerIndex,
    /// Serial of the newest command for it.
    serial: u64,
}

/// The peers of all workers.
#[derive(Debug)]
pub struct Placement {
    by_name: HashMap<String, Placed>,
    loads: Vec<Option<usize>>,
}

impl Placement {
    /// So many workers, none of them with a peer.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            loads: vec![Some(0); workers],
        }
    }

    /// The worker for a command to a peer: the one that has it; for a peer to be opened the one with
    /// the fewest, or the one that has the peer `beside`; for an unknown one any, to say so. Nothing is
    /// noted before the worker was given the command ([`Self::given`]).
    ///
    /// # Errors
    /// `too_many_peers`, and `worker_lost` when no worker runs.
    pub fn choose(&self, peer: &str, opens: bool, beside: &str) -> Result<WorkerIndex, Refusal> {
        if let Some(placed) = self.by_name.get(peer) {
            return Ok(placed.worker);
        }
        if opens && self.by_name.len() >= MAX_PEERS {
            return Err(Refusal::new(
                "too_many_peers",
                format!("This engine has {MAX_PEERS} peers already."),
            ));
        }
        if let Some(placed) = self.by_name.get(beside) {
            return Ok(placed.worker);
        }
        let running = self.loads.iter().enumerate();
        running
            .filter_map(|(worker, load)| load.map(|load| (worker, load)))
            .min_by_key(|(_, load)| *load)
            .map(|(worker, _)| worker)
            .ok_or_else(Refusal::worker_lost)
    }

    /// The worker will read the command `serial` for a peer.
    pub fn given(&mut self, worker: WorkerIndex, peer: &str, opens: bool, serial: u64) {
        if let Some(placed) = self.by_name.get_mut(peer) {
            placed.serial = serial;
        } else if opens {
            self.by_name
                .insert(peer.to_owned(), Placed { worker, serial });
            self.loads[worker] = self.loads[worker].map(|load| load + 1);
        }
    }

    /// The worker says that it has no such peer, after the command `serial`.
    pub fn gone(&mut self, worker: WorkerIndex, peer: &str, serial: u64) {
        let is_last = self
            .by_name
            .get(peer)
            .is_some_and(|placed| placed.worker == worker && placed.serial <= serial);
        if is_last {
            self.by_name.remove(peer);
            self.loads[worker] = self.loads[worker].map(|load| load.saturating_sub(1));
        }
    }

    /// The worker was lost; returns its peers, in order. It gets no more until [`Self::begins`].
    pub fn lost(&mut self, worker: WorkerIndex) -> Vec<String> {
        self.loads[worker] = None;
        let mut peers: Vec<String> = self
            .by_name
            .iter()
            .filter(|(_, placed)| placed.worker == worker)
            .map(|(name, _)| name.clone())
            .collect();
        for peer in &peers {
            self.by_name.remove(peer);
        }
        peers.sort();
        peers
    }

    /// A new worker runs in the place of a lost one.
    pub fn begins(&mut self, worker: WorkerIndex) {
        self.loads[worker] = Some(0);
    }

    /// Whether the worker runs.
    #[must_use]
    pub fn runs(&self, worker: WorkerIndex) -> bool {
        self.loads.get(worker).is_some_and(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Choose and give, as the dispatcher does when the worker is not busy.
    fn place(
        placement: &mut Placement,
        peer: &str,
        opens: bool,
        serial: u64,
    ) -> Option<WorkerIndex> {
        let worker = placement.choose(peer, opens, "").ok()?;
        placement.given(worker, peer, opens, serial);
        Some(worker)
    }

    #[test]
    fn a_peer_beside_another_comes_to_its_worker_however_busy_that_is() {
        let mut placement = Placement::new(2);
        placement.given(1, "one", true, 1);
        assert_eq!(placement.choose("other", true, "one"), Ok(1));
        assert_eq!(placement.choose("other", true, "gone"), Ok(0));
        placement.lost(1);
        assert_eq!(placement.choose("other", true, "one"), Ok(0));
    }

    #[test]
    fn peers_are_bounded_and_a_place_is_free_again() {
        let mut placement = Placement::new(1);
        for peer in 0..MAX_PEERS {
            place(&mut placement, &peer.to_string(), true, 1);
        }
        let refused = placement.choose("another", true, "").unwrap_err();
        assert_eq!(refused.code, "too_many_peers");
        assert_eq!(placement.choose("7", true, ""), Ok(0));
        assert_eq!(placement.choose("another", false, ""), Ok(0));
        // A busy worker was not given the command: it is not waited for.
        assert_eq!(placement.choose("7", false, ""), Ok(0));
        placement.gone(0, "7", 1);
        assert_eq!(placement.choose("another", true, ""), Ok(0));
    }

    #[test]
    fn peers_go_to_the_worker_with_the_fewest_and_stay() {
        let mut placement = Placement::new(2);
        assert_eq!(place(&mut placement, "a", true, 1), Some(0));
        assert_eq!(place(&mut placement, "b", true, 2), Some(1));
        assert_eq!(place(&mut placement, "c", true, 3), Some(0));
        assert_eq!(place(&mut placement, "a", true, 4), Some(0));
        assert_eq!(place(&mut placement, "unknown", false, 5), Some(1));
        placement.gone(0, "a", 4);
        placement.gone(0, "c", 3);
        assert_eq!(place(&mut placement, "d", true, 6), Some(0));
    }

    #[test]
    fn a_lost_worker_gets_nobody_until_it_runs_again() {
        let mut placement = Placement::new(2);
        for (serial, peer) in ["a", "b", "c"].into_iter().enumerate() {
            place(&mut placement, peer, true, serial as u64);
        }
        assert_eq!(placement.lost(0), ["a", "c"]);
        assert!(!placement.runs(0) && placement.runs(1));
        assert_eq!(place(&mut placement, "a", true, 4), Some(1));
        assert_eq!(placement.lost(1), ["a", "b"]);
        assert_eq!(place(&mut placement, "a", true, 5), None);
        placement.begins(0);
        assert_eq!(place(&mut placement, "a", true, 6), Some(0));
    }

    /// Whether commands always find the peer where it is, however reports cross with them. A worker
    /// is modelled by the peers it has and the commands that it has not read.
    fn finds_peers(gone: fn(&mut Placement, WorkerIndex, &str, u64)) -> bool {
        let steps = prop::collection::vec((0usize..4, 0usize..3), 1..60);
        let outcome = proptest::test_runner::TestRunner::deterministic().run(&steps, |steps| {
            let names = ["a", "b", "c"];
            let mut placement = Placement::new(2);
            let mut unread: [Vec<(u64, &str)>; 2] = Default::default();
            let mut has: [Vec<&str>; 2] = Default::default();
            let mut read = [0; 2];
            for (serial, (step, who)) in (1u64..).zip(steps) {
                let name = names[who];
                match step {
                    0 | 1 => {
                        let worker = place(&mut placement, name, true, serial).unwrap_or(0);
                        unread[worker].push((serial, name));
                    }
                    2 => {
                        let worker = who % 2;
                        if !unread[worker].is_empty() {
                            let (serial, name) = unread[worker].remove(0);
                            read[worker] = serial;
                            if !has[worker].contains(&name) {
                                has[worker].push(name);
                            }
                        }
                    }
                    _ => {
                        for worker in [0, 1] {
                            if let Some(at) = has[worker].iter().position(|known| *known == name) {
                                has[worker].remove(at);
                                gone(&mut placement, worker, name, read[worker]);
                            }
                        }
                    }
                }
                prop_assert!(!(has[0].contains(&name) && has[1].contains(&name)));
            }
            Ok(())
        });
        outcome.is_ok()
    }

    #[test]
    fn a_peer_is_never_on_two_workers_and_a_hasty_placement_is_found_out() {
        assert!(finds_peers(Placement::gone));
        // Believes that a peer is gone although a command for it is under way.
        assert!(!finds_peers(|placement, worker, peer, _| {
            placement.gone(worker, peer, u64::MAX);
        }));
    }
}
