//! Commands on their way in: a thread that reads the socket and wakes the crowd.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mio::Waker;

use super::messages::Command;
use crate::control::frame;
use crate::control::messages::Numbered;

/// Commands that wait for the crowd; the driver has at most 64 under way.
const COMMANDS_AHEAD: usize = 64;

/// What came from the driver.
pub enum Word {
    Command(Command),
    /// A command with this number that is none of ours.
    Unknown(u64),
}

/// Start reading. The channel ends with the socket, and at the first frame that makes no sense.
///
/// # Errors
/// When the thread cannot be started.
pub fn listen(stream: UnixStream, waker: Arc<Waker>) -> io::Result<Receiver<Word>> {
    let (sender, receiver) = sync_channel(COMMANDS_AHEAD);
    thread::Builder::new()
        .name("control-in".into())
        .spawn(move || {
            read(stream, sender, &waker);
            // The sender is gone by now, so the crowd finds the channel ended. It also ends when
            // this wake fails: then at its next timer.
            let _ = waker.wake();
        })?;
    Ok(receiver)
}

fn read(mut stream: UnixStream, sender: SyncSender<Word>, waker: &Waker) {
    while let Ok(Some(body)) = frame::read(&mut stream) {
        let word = match frame::decode::<Command>(&body) {
            Ok(command) => Word::Command(command),
            Err(error) => match frame::decode::<Numbered>(&body) {
                Ok(Numbered { id }) => Word::Unknown(id),
                Err(_) => {
                    eprintln!("{error}");
                    return;
                }
            },
        };
        if sender.send(word).is_err() || waker.wake().is_err() {
            return;
        }
    }
}
