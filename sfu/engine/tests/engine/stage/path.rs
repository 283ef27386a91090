//! A network path between two engines: as long, as lossy and as narrow as it is told to be.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Datagrams that are remembered, to be sent again in a worse state.
const OVERHEARD: usize = 200;

/// How long a direction waits for a datagram before it looks around.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a path is like, both ways; all of it may change while packets flow.
#[derive(Default)]
pub struct Weather {
    /// One in so many datagrams is lost; 0 for none.
    pub lose_one_in: AtomicU64,
    /// So many of 1,000 are lost, at random.
    pub lose_of_1000: AtomicU64,
    /// A random loss takes so many more with it.
    pub burst: AtomicU64,
    /// How long a datagram is under way.
    pub delay_ms: AtomicU64,
    /// Bit/s that pass; 0 for no limit.
    pub rate_bps: AtomicU64,
    /// What would wait longer than this is lost.
    pub queue_ms: AtomicU64,
    /// Everything is lost.
    pub broken: AtomicBool,
    over: AtomicBool,
}

impl Weather {
    fn read(value: &AtomicU64) -> u64 {
        value.load(Ordering::Relaxed)
    }
}

/// Forwards datagrams both ways until it is dropped.
pub struct Path {
    /// What the first end takes for the second, and the other way round.
    pub seen: [SocketAddr; 2],
    pub weather: Arc<Weather>,
    overheard: Arc<Mutex<VecDeque<Vec<u8>>>>,
    ends: [(UdpSocket, SocketAddr); 2],
}

impl Path {
    pub fn between(ends: [SocketAddr; 2]) -> Self {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let path = Self {
            seen: [0, 1].map(|at| sockets[at].local_addr().unwrap()),
            weather: Arc::default(),
            overheard: Arc::default(),
            ends: [0, 1].map(|at| (sockets[at].try_clone().unwrap(), ends[at])),
        };
        for from in [0, 1] {
            let direction = Direction {
                receive: sockets[from].try_clone().unwrap(),
                send: sockets[1 - from].try_clone().unwrap(),
                to: ends[1 - from],
                weather: Arc::clone(&path.weather),
                count: 0,
                random: 0x9e37_79b9_7f4a_7c15 + from as u64,
                unlucky: 0,
                free_at: Instant::now(),
                under_way: VecDeque::new(),
            };
            let overheard = Arc::clone(&path.overheard);
            thread::spawn(move || direction.run(&overheard));
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
        self.weather.over.store(true, Ordering::Relaxed);
    }
}

struct Direction {
    receive: UdpSocket,
    send: UdpSocket,
    to: SocketAddr,
    weather: Arc<Weather>,
    count: u64,
    random: u64,
    /// What is left of a burst of losses.
    unlucky: u64,
    /// When what waits before the narrow place has passed it.
    free_at: Instant,
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Direction {
    fn run(mut self, overheard: &Mutex<VecDeque<Vec<u8>>>) {
        let mut buffer = [0; 2000];
        while !self.weather.over.load(Ordering::Relaxed) {
            self.deliver();
            let next = self.under_way.front().map(|(at, _)| *at);
            let wait = next.map_or(LOOK_EVERY, |at| {
                at.saturating_duration_since(Instant::now())
            });
            let wait = wait.clamp(Duration::from_millis(1), LOOK_EVERY);
            self.receive.set_read_timeout(Some(wait)).unwrap();
            let Ok(length) = self.receive.recv(&mut buffer) else {
                continue;
            };
            let mut known = overheard.lock().unwrap();
            known.push_back(buffer[..length].to_vec());
            if known.len() > OVERHEARD {
                known.pop_front();
            }
            drop(known);
            self.enter(&buffer[..length]);
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while let Some((at, _)) = self.under_way.front()
            && *at <= now
            && let Some((_, bytes)) = self.under_way.pop_front()
        {
            let _ = self.send.send_to(&bytes, self.to);
        }
    }

    fn enter(&mut self, bytes: &[u8]) {
        if self.loses() {
            return;
        }
        let now = Instant::now();
        let begins = self.free_at.max(now);
        let rate_bps = Weather::read(&self.weather.rate_bps);
        if rate_bps > 0 {
            let most = Duration::from_millis(Weather::read(&self.weather.queue_ms));
            if begins > now + most {
                return;
            }
            self.free_at =
                begins + Duration::from_secs_f64(bytes.len() as f64 * 8.0 / rate_bps as f64);
        } else {
            self.free_at = now;
        }
        let delay = Duration::from_millis(Weather::read(&self.weather.delay_ms));
        let arrives = self.free_at.max(now) + delay;
        if arrives <= now {
            let _ = self.send.send_to(bytes, self.to);
        } else {
            self.under_way.push_back((arrives, bytes.to_vec()));
        }
    }

    fn loses(&mut self) -> bool {
        self.count += 1;
        let one_in = Weather::read(&self.weather.lose_one_in);
        if self.weather.broken.load(Ordering::Relaxed)
            || (one_in != 0 && self.count.is_multiple_of(one_in))
        {
            return true;
        }
        if self.unlucky > 0 {
            self.unlucky -= 1;
            return true;
        }
        // xorshift64: even enough for losses.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let lost = (self.random >> 11) % 1000 < Weather::read(&self.weather.lose_of_1000);
        if lost {
            self.unlucky = Weather::read(&self.weather.burst);
        }
        lost
    }
}
