//! A network path between two engines that loses what it is told to lose.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Datagrams that are remembered, to be sent again in a worse state.
const OVERHEARD: usize = 200;

/// Forwards datagrams both ways until it is dropped.
pub struct Path {
    /// What the first end takes for the second, and the other way round.
    pub seen: [SocketAddr; 2],
    /// One in so many datagrams is lost; 0 for none.
    pub lose_one_in: Arc<AtomicU64>,
    /// Everything is lost.
    pub broken: Arc<AtomicBool>,
    overheard: Arc<Mutex<VecDeque<Vec<u8>>>>,
    ends: [(UdpSocket, SocketAddr); 2],
    over: Arc<AtomicBool>,
}

impl Path {
    pub fn between(ends: [SocketAddr; 2]) -> Self {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let path = Self {
            seen: [0, 1].map(|at| sockets[at].local_addr().unwrap()),
            lose_one_in: Arc::default(),
            broken: Arc::default(),
            overheard: Arc::default(),
            ends: [0, 1].map(|at| (sockets[at].try_clone().unwrap(), ends[at])),
            over: Arc::default(),
        };
        for from in [0, 1] {
            let receive = sockets[from].try_clone().unwrap();
            let send = sockets[1 - from].try_clone().unwrap();
            receive
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let (lose, broken, over) = (
                Arc::clone(&path.lose_one_in),
                Arc::clone(&path.broken),
                Arc::clone(&path.over),
            );
            let overheard = Arc::clone(&path.overheard);
            let to = ends[1 - from];
            thread::spawn(move || {
                let mut buffer = [0; 2000];
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    let Ok(length) = receive.recv(&mut buffer) else {
                        continue;
                    };
                    count += 1;
                    let mut known = overheard.lock().unwrap();
                    known.push_back(buffer[..length].to_vec());
                    if known.len() > OVERHEARD {
                        known.pop_front();
                    }
                    drop(known);
                    let one_in = lose.load(Ordering::Relaxed);
                    let unlucky = one_in != 0 && count % one_in == 0;
                    if !unlucky && !broken.load(Ordering::Relaxed) {
                        let _ = send.send_to(&buffer[..length], to);
                    }
                }
            });
        }
        path
    }

    /// What passed lately, in both directions.
    pub fn overheard(&self) -> Vec<Vec<u8>> {
        self.overheard.lock().unwrap().iter().cloned().collect()
    }

    /// Send something to an end, as if it came from the other one.
    pub fn inject(&self, end: usize, bytes: &[u8]) {
        let (socket, address) = &self.ends[end];
        let _ = socket.send_to(bytes, address);
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
