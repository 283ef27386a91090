//! What waits to be written to the node: bounded, droppable things dropped first.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::frame;

/// A node that is this far behind has stopped reading: several rooms' SDPs, a minute of events.
pub const MAX_QUEUED_BYTES: usize = 16 << 20;

/// Above this fill (bytes) what may be dropped is dropped, so that replies still fit.
const DROP_ABOVE_BYTES: usize = MAX_QUEUED_BYTES / 4;

/// Above this fill (bytes) other nodes are heard no more: one that talks without end costs its own
/// link, not all calls of this engine.
const REFUSE_LINKS_ABOVE_BYTES: usize = MAX_QUEUED_BYTES / 2;

/// Messages put into one frame at most; keeps one write short of the socket's own buffer.
const MAX_BATCH: usize = 256;

/// Whether the other end can do without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// A reply, or an event that changes what the node believes.
    Needed,
    /// What another node says: none of it may be lost, but its link can be closed.
    OfLink,
    /// A measurement that the next one replaces.
    Droppable,
}

/// The node does not read: as much waits for it as may wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Stuck;

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code between lock and unlock can panic half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the node: encoded messages go in here, a writer thread batches them into frames.
#[derive(Clone)]
pub struct Outgoing {
    shared: Arc<Shared>,
}

impl Outgoing {
    /// Start the thread that writes to `stream`. `on_end` is called when the socket fails.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        mut stream: impl Write + Send + 'static,
        on_end: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("control-out".into())
            .spawn(move || {
                while let Some(batch) = next_batch(&writer) {
                    if stream.write_all(&frame::wrap_array(&batch)).is_err() {
                        break;
                    }
                }
                writer.lock().closed = true;
                on_end();
            })?;
        Ok(Self { shared })
    }

    /// Queue one encoded message.
    ///
    /// # Errors
    /// [`Stuck`] when the bound is reached; the message is not queued.
    pub fn push(&self, message: Vec<u8>, importance: Importance) -> Result<(), Stuck> {
        let mut queue = self.shared.lock();
        if queue.closed {
            return Ok(());
        }
        let bytes = queue.bytes + message.len();
        if importance == Importance::Droppable && bytes > DROP_ABOVE_BYTES {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let bound = match importance {
            Importance::OfLink => REFUSE_LINKS_ABOVE_BYTES,
            _ => MAX_QUEUED_BYTES,
        };
        if bytes > bound {
            return Err(Stuck);
        }
        queue.bytes = bytes;
        queue.messages.push_back(message);
        drop(queue);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Droppable messages dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// What waits to be written, bytes.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.shared.lock().bytes as u64
    }

    /// Let the writer finish what is queued and end.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

/// Wait for messages and take as many as one frame may hold; `None` once closed and empty.
fn next_batch(shared: &Shared) -> Option<Vec<Vec<u8>>> {
    let mut queue = shared.lock();
    while queue.messages.is_empty() {
        if queue.closed {
            return None;
        }
        queue = shared
            .changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner);
    }
    let mut batch = Vec::new();
    // Room for the array's own head.
    let mut room = frame::MAX_FRAME_BYTES - 5;
    while batch.len() < MAX_BATCH
        && let Some(next) = queue.messages.front()
        && (batch.is_empty() || next.len() <= room)
        && let Some(message) = queue.messages.pop_front()
    {
        room = room.saturating_sub(message.len());
        queue.bytes -= message.len();
        batch.push(message);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn messages_arrive_in_order_and_batched() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let outgoing = Outgoing::start(ours, || {}).unwrap();
        for number in 0..100u8 {
            let message = frame::encode(&number).unwrap();
            outgoing.push(message, Importance::Needed).unwrap();
        }
        outgoing.close();
        let mut got = Vec::new();
        while let Some(body) = frame::read(&mut theirs).unwrap() {
            got.extend(frame::decode::<Vec<u8>>(&body).unwrap());
        }
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_node_that_does_not_read_costs_bounded_memory() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let outgoing = Outgoing::start(ours, || {}).unwrap();
        let big = vec![0u8; 1 << 19];
        while outgoing.push(big.clone(), Importance::OfLink).is_ok() {}
        let mut stuck = None;
        for turn in 0..100 {
            if outgoing.push(big.clone(), Importance::Needed) == Err(Stuck) {
                stuck = Some(turn);
                break;
            }
        }
        let half = MAX_QUEUED_BYTES / 2 / big.len();
        assert!(
            stuck.is_some_and(|turn| (half - 2..=half + 2).contains(&turn)),
            "{stuck:?}"
        );
        outgoing.push(big, Importance::Droppable).unwrap();
        assert_eq!(outgoing.dropped(), 1);
    }
}
