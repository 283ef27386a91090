//! Synthetic participants: people without a browser, for demos, load tests and benchmarks.

use std::io;

/// Serve the conversation on the inherited socket `control_fd` until the other end closes it.
///
/// # Errors
/// When the descriptor is not a connected socket.
pub fn run(control_fd: i32) -> io::Result<()> {
    crate::control::socket::inherit(control_fd).map(drop)
}
