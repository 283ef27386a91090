//! What modes have in common that do one thing until their driver leaves: one order, and its end.

use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::thread;

use super::words::Command;

/// Read the first command, which says where to forward.
///
/// # Errors
/// When it is another one, or none.
pub fn told_to_forward() -> io::Result<Vec<SocketAddr>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    match serde_json::from_str(&line)? {
        Command::Forward { to } => Ok(to),
        _ => Err(io::Error::other("this mode only forwards")),
    }
}

/// End the process with standard input.
pub fn end_with_input() {
    thread::spawn(|| {
        let mut rest = String::new();
        while io::stdin()
            .read_line(&mut rest)
            .is_ok_and(|length| length > 0)
        {}
        exit(0);
    });
}
