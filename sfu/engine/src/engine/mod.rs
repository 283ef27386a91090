//! The forwarding half of the program.

use std::io;

/// Serve the node on the inherited socket `control_fd` until it closes its end.
///
/// # Errors
/// When the descriptor is not a connected socket.
pub fn run(control_fd: i32) -> io::Result<()> {
    crate::control::socket::inherit(control_fd).map(drop)
}
