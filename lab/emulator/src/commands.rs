//! The words: one JSON object a line, commands in, replies out.

use serde::{Deserialize, Serialize};

use crate::path::{Conditions, Counters};

/// A command and its number, which the reply repeats.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Chosen by the one who asks.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Begin; exactly once, first.
    Open {
        /// For the dice: the same seed and the same traffic lose the same packets.
        seed: u64,
        /// Who is there.
        hosts: Vec<Host>,
        /// Every ordered pair of hosts.
        paths: Vec<Change>,
    },
    /// Change the conditions of paths.
    Set {
        /// New conditions, whole.
        paths: Vec<Change>,
    },
    /// Cut exactly these ordered pairs (from, to) and no other; an empty list heals.
    Cut {
        /// Names of hosts.
        pairs: Vec<(String, String)>,
    },
    /// Say what happened so far.
    Stats,
}

/// A host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Inherited descriptor of its TUN device, non-blocking.
    pub fd: i32,
    /// Its IP addresses, of either family.
    pub addresses: Vec<std::net::IpAddr>,
}

/// Conditions of one direction between two hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Who sends.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// How it goes from now on.
    pub conditions: Conditions,
}

/// A reply; a refused command has changed nothing.
#[derive(Debug, Serialize)]
pub struct Reply {
    /// The number of the command; none if it could not be read.
    pub id: Option<u64>,
    /// Why it was refused, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Answer to `stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<Statistics>,
}

/// What happened so far.
#[derive(Debug, Serialize)]
pub struct Statistics {
    /// Packets for an address that no host has, and what is no IP.
    pub unroutable: u64,
    /// Packets dropped because too many were under way.
    pub crowded_out: u64,
    /// Packets under way now.
    pub under_way: usize,
    /// The latest a packet was handed over after it was due, since the last `stats`.
    pub max_late_us: u64,
    /// Processor time of this process.
    pub cpu_s: f64,
    /// Every path that a packet was sent into.
    pub paths: Vec<PathStatistics>,
}

/// What happened on one path.
#[derive(Debug, Serialize)]
pub struct PathStatistics {
    /// Who sends.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// What happened.
    #[serde(flatten)]
    pub counters: Counters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_from_one_line() {
        let line = r#"{"id": 3, "do": "cut", "pairs": [["a", "b"]]}"#;
        let request: Request = serde_json::from_str(line).expect("well formed");
        assert_eq!(request.id, 3);
        assert!(
            matches!(request.command, Command::Cut { pairs } if pairs == [("a".into(), "b".into())])
        );
    }

    #[test]
    fn conditions_must_be_whole_and_known() {
        let whole = r#""delay_ms":1,"jitter_ms":0,"loss":0,"burst":1,"rate_mbit_s":0,"queue_ms":1,"reorder":false"#;
        for (conditions, is_good) in [
            (format!("{{{whole}}}"), true),
            (format!("{{{whole},\"los\":1}}"), false),
            (r#"{"delay_ms":1}"#.into(), false),
        ] {
            assert_eq!(
                serde_json::from_str::<Conditions>(&conditions).is_ok(),
                is_good,
                "{conditions}"
            );
        }
    }
}
