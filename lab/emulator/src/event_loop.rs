//! Input and output: one thread, one epoll, one timer.
//!
//! A timerfd instead of epoll's own timeout, because the latter counts in milliseconds and may be late by the
//! kernel's timer slack. Packets are read in turns of [`TURN`] from each host, so that one host in full flood
//! delays the others' packets by microseconds.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::event::epoll;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
};

use crate::commands::{Command, Host, Reply, Request};
use crate::network::Network;

/// Packets read from one host before the others and the timer have their turn.
const TURN: usize = 32;

/// The largest IP packet.
const MAX_PACKET_BYTES: usize = 65_535;

/// The longest command: 64 hosts have 4096 paths of some 200 bytes.
const MAX_COMMAND_BYTES: u64 = 4 << 20;

const TIMER: u64 = u64::MAX;
const COMMANDS: u64 = u64::MAX - 1;

/// Serve until standard input ends.
///
/// # Errors
///
/// The first command is not a valid `open`, or the kernel refuses what every Linux can.
pub fn run() -> io::Result<()> {
    let mut commands = BufReader::new(io::stdin().lock());
    let Some(line) = read_line(&mut commands)? else {
        return Ok(());
    };
    let (id, outcome) = open(&line);
    let (network, devices) = match outcome {
        Ok(opened) => opened,
        Err(sentence) => {
            answer(&Reply {
                id,
                error: Some(sentence.clone()),
                stats: None,
            })?;
            return Err(io::Error::other(sentence));
        }
    };
    let mut event_loop = EventLoop::new(network, devices)?;
    answer(&Reply {
        id,
        error: None,
        stats: None,
    })?;
    event_loop.serve(&mut commands)
}

type Opened = (Network, Vec<OwnedFd>);

fn open(line: &str) -> (Option<u64>, Result<Opened, String>) {
    let request: Request = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return (None, Err(error.to_string())),
    };
    let Command::Open { seed, hosts, paths } = request.command else {
        return (
            Some(request.id),
            Err("the first command must be open".into()),
        );
    };
    let outcome =
        Network::new(seed, &hosts, &paths).and_then(|network| Ok((network, take_devices(&hosts)?)));
    (Some(request.id), outcome)
}

/// Own the inherited descriptors; each must be open and named once.
fn take_devices(hosts: &[Host]) -> Result<Vec<OwnedFd>, String> {
    for (index, host) in hosts.iter().enumerate() {
        if host.fd <= 2 || hosts[..index].iter().any(|other| other.fd == host.fd) {
            return Err(format!(
                "the descriptor {} cannot be that of a device of its own",
                host.fd
            ));
        }
        // SAFETY: used for one question only, whose answer says whether it is open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(host.fd) };
        if rustix::fs::fcntl_getfl(borrowed).is_err() {
            return Err(format!("the descriptor {} is not open", host.fd));
        }
    }
    // SAFETY: each is open, inherited, named once, and owned by nothing else here: the program has opened only
    // the standard streams so far.
    Ok(hosts
        .iter()
        .map(|host| unsafe { OwnedFd::from_raw_fd(host.fd) })
        .collect())
}

struct EventLoop {
    network: Network,
    devices: Vec<OwnedFd>,
    epoll: OwnedFd,
    timer: OwnedFd,
    armed_ns: Option<u64>,
    buffer: Vec<u8>,
}

impl EventLoop {
    fn new(network: Network, devices: Vec<OwnedFd>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let watch = |fd: BorrowedFd, data| {
            epoll::add(
                &epoll,
                fd,
                epoll::EventData::new_u64(data),
                epoll::EventFlags::IN,
            )
        };
        for (device, index) in devices.iter().zip(0..) {
            watch(device.as_fd(), index)?;
        }
        watch(timer.as_fd(), TIMER)?;
        watch(rustix::stdio::stdin(), COMMANDS)?;
        Ok(Self {
            network,
            devices,
            epoll,
            timer,
            armed_ns: None,
            buffer: vec![0; MAX_PACKET_BYTES],
        })
    }

    fn serve(&mut self, commands: &mut BufReader<io::StdinLock<'static>>) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.devices.len() + 2);
        loop {
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                None,
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match event.data.u64() {
                    TIMER => self.timer_fired(),
                    COMMANDS => {
                        if !self.hear(commands)? {
                            return Ok(());
                        }
                    }
                    host => self.take_in(host as usize),
                }
            }
            self.deliver();
            self.arm()?;
        }
    }

    /// Read packets of a host; what is left over shows in the next wait.
    fn take_in(&mut self, host: usize) {
        for _ in 0..TURN {
            // Once a packet: a burst is as long as it takes to read it, and must not look like one moment.
            match rustix::io::read(&self.devices[host], &mut self.buffer) {
                Ok(length) => self.network.send(host, &self.buffer[..length], now_ns()),
                // Nothing more, or the device is down for a moment: its owner sees that by itself.
                Err(_) => return,
            }
        }
    }

    fn deliver(&mut self) {
        let now = now_ns();
        while let Some(arrival) = self.network.arrival(now) {
            let taken = rustix::io::write(&self.devices[arrival.host], &arrival.bytes).is_ok();
            self.network.delivered(&arrival, taken);
        }
    }

    fn timer_fired(&mut self) {
        self.armed_ns = None;
        // It may have been armed anew since; then there is nothing to read, which is well.
        let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
    }

    fn arm(&mut self) -> io::Result<()> {
        let Some(due_ns) = self
            .network
            .next_deadline_ns()
            .filter(|due| Some(*due) != self.armed_ns)
        else {
            return Ok(());
        };
        let value = Timespec {
            tv_sec: (due_ns / 1_000_000_000) as _,
            // A moment of exactly zero would disarm it.
            tv_nsec: (due_ns % 1_000_000_000).max(1) as _,
        };
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed_ns = Some(due_ns);
        Ok(())
    }

    /// Obey the commands that have come; false once there will be no more.
    fn hear(&mut self, commands: &mut BufReader<io::StdinLock<'static>>) -> io::Result<bool> {
        loop {
            let Some(line) = read_line(commands)? else {
                return Ok(false);
            };
            answer(&self.obey(&line))?;
            if commands.buffer().is_empty() {
                return Ok(true);
            }
        }
    }

    fn obey(&mut self, line: &str) -> Reply {
        let request: Request = match serde_json::from_str(line) {
            Ok(request) => request,
            Err(error) => {
                return Reply {
                    id: None,
                    error: Some(error.to_string()),
                    stats: None,
                };
            }
        };
        let mut reply = Reply {
            id: Some(request.id),
            error: None,
            stats: None,
        };
        let outcome = match request.command {
            Command::Open { .. } => Err("it is open already".into()),
            Command::Set { paths } => self.network.set(&paths),
            Command::Cut { pairs } => self.network.cut(&pairs),
            Command::Stats => {
                reply.stats = Some(self.network.take_statistics(cpu_s()));
                Ok(())
            }
        };
        reply.error = outcome.err();
        reply
    }
}

/// The next line, or nothing at the end. Whoever writes it writes it whole, so this waits for no clock of ours.
fn read_line(commands: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = io::Read::take(&mut *commands, MAX_COMMAND_BYTES).read_line(&mut line)?;
    if length as u64 == MAX_COMMAND_BYTES {
        return Err(io::Error::other("a command is too long"));
    }
    Ok(line.ends_with('\n').then_some(line))
}

fn answer(reply: &Reply) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn now_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn cpu_s() -> f64 {
    nanoseconds(ClockId::ProcessCPUTime) as f64 / 1e9
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
