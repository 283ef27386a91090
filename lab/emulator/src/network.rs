//! The network itself: who has which address, and what lies between every two hosts. Without input and output.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::commands::{Change, Host, PathStatistics, Statistics};
use crate::path::Path;
use crate::schedule::Schedule;

/// Packets under way at once; 1.5 s of 100,000 packets a second, which no bench here comes near.
const MAX_UNDER_WAY: usize = 150_000;

/// A packet that arrives.
#[derive(Debug)]
pub struct Arrival {
    /// Index of the receiving host.
    pub host: usize,
    /// The IP packet.
    pub bytes: Box<[u8]>,
    path: usize,
}

/// Hosts and the paths between them.
pub struct Network {
    names: Vec<String>,
    routes: HashMap<IpAddr, usize>,
    /// By sender, then receiver.
    paths: Vec<Path>,
    schedule: Schedule,
    dice: fastrand::Rng,
    unroutable: u64,
    crowded_out: u64,
    max_late_ns: u64,
}

impl Network {
    /// Make it; the error is a sentence.
    pub fn new(seed: u64, hosts: &[Host], changes: &[Change]) -> Result<Self, String> {
        let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let mut routes = HashMap::new();
        for (index, host) in hosts.iter().enumerate() {
            for address in &host.addresses {
                if routes.insert(*address, index).is_some() {
                    return Err(format!("two hosts have the address {address}"));
                }
            }
        }
        let mut given: Vec<Option<Path>> = Vec::new();
        given.resize_with(names.len() * names.len(), || None);
        for (path, change) in indices(&names, changes)?.into_iter().zip(changes) {
            given[path] = Some(Path::new(change.conditions));
        }
        let paths: Option<Vec<Path>> = given.into_iter().collect();
        Ok(Self {
            paths: paths.ok_or("some ordered pair of hosts has no path")?,
            names,
            routes,
            schedule: Schedule::default(),
            dice: fastrand::Rng::with_seed(seed),
            unroutable: 0,
            crowded_out: 0,
            max_late_ns: 0,
        })
    }

    /// Change conditions; all or, with an error, none.
    pub fn set(&mut self, changes: &[Change]) -> Result<(), String> {
        for (path, change) in indices(&self.names, changes)?.into_iter().zip(changes) {
            self.paths[path].set(change.conditions);
        }
        Ok(())
    }

    /// Cut exactly these ordered pairs; all or, with an error, none.
    pub fn cut(&mut self, pairs: &[(String, String)]) -> Result<(), String> {
        let cut: Vec<usize> = pairs
            .iter()
            .map(|(from, to)| index(&self.names, from, to))
            .collect::<Result<_, _>>()?;
        for path in &mut self.paths {
            path.is_cut = false;
        }
        for path in cut {
            self.paths[path].is_cut = true;
        }
        Ok(())
    }

    /// Take a packet that a host sent.
    pub fn send(&mut self, from: usize, packet: &[u8], now_ns: u64) {
        let Some(to) = destination(packet).and_then(|address| self.routes.get(&address)) else {
            self.unroutable += 1;
            return;
        };
        let path = from * self.names.len() + to;
        let Some(due_ns) = self.paths[path].admit(packet.len(), now_ns, &mut self.dice) else {
            return;
        };
        if self.schedule.len() >= MAX_UNDER_WAY {
            self.crowded_out += 1;
            return;
        }
        self.schedule.push(due_ns, path, packet.into());
    }

    /// The next packet that has arrived by now; say with [`Network::delivered`] what became of it.
    pub fn arrival(&mut self, now_ns: u64) -> Option<Arrival> {
        let packet = self.schedule.pop(now_ns)?;
        self.max_late_ns = self.max_late_ns.max(now_ns - packet.due_ns);
        Some(Arrival {
            host: packet.path % self.names.len(),
            bytes: packet.bytes,
            path: packet.path,
        })
    }

    /// Count an arrival, which the receiving host took or refused.
    pub fn delivered(&mut self, arrival: &Arrival, taken: bool) {
        let counters = &mut self.paths[arrival.path].counters;
        if taken {
            counters.delivered += 1;
        } else {
            counters.refused += 1;
        }
    }

    /// When the next packet arrives.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.schedule.next_due_ns()
    }

    /// What happened so far; begins the lateness anew.
    pub fn take_statistics(&mut self, cpu_s: f64) -> Statistics {
        let hosts = self.names.len();
        let paths = self
            .paths
            .iter()
            .enumerate()
            .filter(|(_, path)| path.counters.sent > 0);
        Statistics {
            unroutable: self.unroutable,
            crowded_out: self.crowded_out,
            under_way: self.schedule.len(),
            max_late_us: std::mem::take(&mut self.max_late_ns) / 1000,
            cpu_s,
            paths: paths
                .map(|(index, path)| PathStatistics {
                    from: self.names[index / hosts].clone(),
                    to: self.names[index % hosts].clone(),
                    counters: path.counters,
                })
                .collect(),
        }
    }
}

fn indices(names: &[String], changes: &[Change]) -> Result<Vec<usize>, String> {
    changes
        .iter()
        .map(|change| {
            let path = index(names, &change.from, &change.to)?;
            match change.conditions.fault() {
                Some(fault) => Err(format!("from {} to {}: {fault}", change.from, change.to)),
                None => Ok(path),
            }
        })
        .collect()
}

fn index(names: &[String], from: &str, to: &str) -> Result<usize, String> {
    let find = |name: &str| {
        names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("there is no host {name:?}"))
    };
    Ok(find(from)? * names.len() + find(to)?)
}

/// Where an IP packet wants to go (RFC 791, RFC 8200).
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Conditions;

    const MS: u64 = 1_000_000;

    fn change(from: &str, to: &str, delay_ms: f64) -> Change {
        let conditions = Conditions {
            delay_ms,
            jitter_ms: 0.0,
            loss: 0.0,
            burst: 1.0,
            rate_mbit_s: 0.0,
            queue_ms: 200.0,
            reorder: false,
        };
        Change {
            from: from.into(),
            to: to.into(),
            conditions,
        }
    }

    fn network() -> Network {
        let host = |name: &str, addresses: &[&str]| Host {
            name: name.into(),
            fd: -1,
            addresses: addresses
                .iter()
                .map(|text| text.parse().expect("an address"))
                .collect(),
        };
        let hosts = [
            host("a", &["10.0.0.1", "fd00::1"]),
            host("b", &["10.0.0.2", "fd00::2"]),
        ];
        let paths = [
            change("a", "a", 0.0),
            change("a", "b", 10.0),
            change("b", "a", 20.0),
            change("b", "b", 0.0),
        ];
        Network::new(1, &hosts, &paths).expect("valid")
    }

    fn packet(to: &str) -> Vec<u8> {
        match to.parse().expect("an address") {
            IpAddr::V4(address) => [&[0x45; 16][..], &address.octets()].concat(),
            IpAddr::V6(address) => [&[0x60; 24][..], &address.octets()].concat(),
        }
    }

    #[test]
    fn each_direction_has_its_own_delay_in_both_families() {
        let mut network = network();
        network.send(0, &packet("10.0.0.2"), 0);
        network.send(1, &packet("fd00::1"), 0);
        assert_eq!(network.next_deadline_ns(), Some(10 * MS));
        assert!(network.arrival(10 * MS - 1).is_none());
        let first = network.arrival(11 * MS).expect("due");
        assert_eq!((first.host, &*first.bytes), (1, &*packet("10.0.0.2")));
        network.delivered(&first, true);
        assert_eq!(network.arrival(20 * MS).expect("due").host, 0);
        let statistics = network.take_statistics(0.0);
        assert_eq!((statistics.max_late_us, statistics.paths.len()), (1000, 2));
        assert_eq!(network.take_statistics(0.0).max_late_us, 0);
    }

    #[test]
    fn what_leads_nowhere_is_counted() {
        let mut network = network();
        for garbage in [
            &b""[..],
            b"\x45",
            b"\x60short",
            b"\x10zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            &packet("192.0.2.1"),
        ] {
            network.send(0, garbage, 0);
        }
        let statistics = network.take_statistics(0.0);
        assert_eq!((statistics.unroutable, statistics.under_way), (5, 0));
    }

    #[test]
    fn a_cut_replaces_the_one_before() {
        let mut network = network();
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        network.cut(&[pair("a", "b")]).expect("known");
        network.cut(&[pair("b", "a")]).expect("known");
        assert!(network.cut(&[pair("a", "c")]).is_err());
        network.send(0, &packet("10.0.0.2"), 0);
        network.send(1, &packet("10.0.0.1"), 0);
        let statistics = network.take_statistics(0.0);
        let cut: Vec<u64> = statistics
            .paths
            .iter()
            .map(|path| path.counters.cut)
            .collect();
        assert_eq!((statistics.under_way, cut), (1, vec![0, 1]));
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut network = network();
        assert!(
            network
                .set(&[change("a", "b", 1.0), change("a", "b", -1.0)])
                .is_err()
        );
        assert!(
            network
                .set(&[change("a", "b", 1.0), change("a", "nobody", 1.0)])
                .is_err()
        );
        network.send(0, &packet("10.0.0.2"), 0);
        assert_eq!(network.next_deadline_ns(), Some(10 * MS));
    }

    #[test]
    fn every_pair_needs_a_path_and_every_address_one_host() {
        assert!(
            Network::new(
                1,
                &[Host {
                    name: "a".into(),
                    fd: -1,
                    addresses: vec![]
                }],
                &[]
            )
            .is_err()
        );
        let twice = |name: &str| Host {
            name: name.into(),
            fd: -1,
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
        };
        assert!(Network::new(1, &[twice("a"), twice("b")], &[]).is_err());
    }
}
