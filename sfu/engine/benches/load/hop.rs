//! A hop and nothing else: a process that hands each datagram on as it is, and one that times packets
//! through as many of them as lie between its two sockets. What a node adds is compared with it.

use std::io::{self, BufRead, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use super::clients::say;
use super::orders::{end_with_input, told_to_forward};
use super::plain;
use super::schedule::Schedule;
use super::words::{Command, Reply, Shape};

const MAX_DATAGRAM_BYTES: usize = 2048;

/// How long the meter waits for a packet before it looks whether it is to end; after the last one
/// was sent, everything has arrived by then or is lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// Serve the driver: the first command says where to forward, then nothing ends it but the end of
/// standard input.
///
/// # Errors
/// When the command is not that one, or the socket fails.
pub fn forward() -> io::Result<()> {
    let to = told_to_forward()?;
    let [to] = to[..] else {
        return Err(io::Error::other("a hop has one way out"));
    };
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    say(&Reply::Ports {
        addresses: vec![socket.local_addr()?],
    })?;
    end_with_input();
    let mut datagram = [0; MAX_DATAGRAM_BYTES];
    loop {
        let (length, _) = socket.recv_from(&mut datagram)?;
        socket.send_to(&datagram[..length], to)?;
    }
}

/// Serve the driver: tell where packets are to arrive, and time some as often as it asks.
///
/// # Errors
/// When a socket fails, or the driver stopped reading.
pub fn measure() -> io::Result<()> {
    let arriving = UdpSocket::bind("127.0.0.1:0")?;
    arriving.set_read_timeout(Some(PATIENCE))?;
    for line in io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line?) {
            Ok(Command::Meter) => Reply::Ports {
                addresses: vec![arriving.local_addr()?],
            },
            Ok(Command::Time {
                to,
                shape,
                seconds,
                cores,
            }) => {
                let length = Duration::from_secs_f64(seconds);
                Reply::Delays {
                    delays_us: time(&arriving, to, shape, length, cores)?,
                }
            }
            Ok(_) => Reply::Failed {
                error: "a meter only times".into(),
            },
            Err(error) => Reply::Failed {
                error: error.to_string(),
            },
        };
        say(&reply)?;
    }
    Ok(())
}

/// Send packets of a shape for so long, and take the time of each that arrives, in microseconds.
fn time(
    arriving: &UdpSocket,
    to: SocketAddr,
    shape: Shape,
    length: Duration,
    cores: Option<(usize, usize)>,
) -> io::Result<Vec<f64>> {
    stay_on(cores.map(|(_, taking)| taking));
    let leaving = UdpSocket::bind("127.0.0.1:0")?;
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            stay_on(cores.map(|(sending, _)| sending));
            let end = Instant::now() + length;
            let send = |_, bytes: usize| {
                let mut packet = vec![0x55; bytes.max(size_of::<u64>())];
                packet[..size_of::<u64>()].copy_from_slice(&now_ns().to_be_bytes());
                let _ = leaving.send_to(&packet, to);
                if Instant::now() >= end {
                    stopped.store(true, Ordering::Relaxed);
                }
            };
            plain::run(Schedule::new(shape, 1, Instant::now()), &stopped, send);
        });
        let mut delays_us = Vec::new();
        let mut datagram = [0; MAX_DATAGRAM_BYTES];
        loop {
            match arriving.recv(&mut datagram) {
                Ok(_) => {
                    if let Some(sent) = datagram.first_chunk() {
                        let taken_ns = now_ns().saturating_sub(u64::from_be_bytes(*sent));
                        delays_us.push(taken_ns as f64 / 1e3);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if sending.is_finished() {
                        return Ok(delays_us);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    })
}

/// Keep this thread on a core, as far as that is ours to say.
fn stay_on(core: Option<usize>) {
    if let Some(core) = core {
        let mut cores = CpuSet::new();
        cores.set(core);
        let _ = sched_setaffinity(None, &cores);
    }
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}
