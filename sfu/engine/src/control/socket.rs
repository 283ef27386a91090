//! The inherited control socket.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Take over the connected stream socket that our parent left open for us as `number`.
///
/// It is made blocking (a reader and a writer thread own it) and close-on-exec.
///
/// # Errors
/// When `number` is no open socket.
pub fn inherit(number: i32) -> io::Result<UnixStream> {
    if number < 3 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("--control-fd {number} is not an inherited socket"),
        ));
    }
    // SAFETY: only borrowed for two calls that answer EBADF if nothing is open under that number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::net::sockopt::socket_type(borrowed).map_err(|error| {
        io::Error::new(
            io::Error::from(error).kind(),
            format!("--control-fd {number} is not an inherited socket: {error}"),
        )
    })?;
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: open (just asked), passed to this process for this use, and taken once at start.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    let stream = UnixStream::from(owned);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
