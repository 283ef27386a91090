//! What the dispatcher knows of one worker: the commands it still owes replies to, and its looks.

use std::collections::VecDeque;

use super::questions::Watch;

/// A command that a worker has not replied to.
#[derive(Debug)]
pub struct Outstanding {
    pub serial: u64,
    pub id: u64,
    pub peer: Option<String>,
    pub quiet: bool,
}

/// What is known of one worker.
#[derive(Debug, Default)]
pub struct Known {
    pub outstanding: VecDeque<Outstanding>,
    pub watch: Watch,
}
