//! The thread that sends: all publishing clients, to the microsecond while they are few.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::RtpWrite;

use super::peer::Peer;
use super::picture::Pictures;
use super::schedule::{Due, Schedule};
use super::words::{Shape, Tally};

/// The longest sleep: orders are looked for this often.
const MAX_SLEEP: Duration = Duration::from_millis(5);

/// Above so many clients a turn serves a whole millisecond, or polling them all would take it.
const FEW: usize = 8;
const COARSE_SLEEP: Duration = Duration::from_millis(1);

/// An order to the thread.
pub enum Order {
    Add(String, Box<Publisher>),
    Play { video: Option<Shape>, audio: bool },
    Stop,
    Report(Sender<BTreeMap<String, Tally>>),
}

struct Line {
    mid: Mid,
    pt: Pt,
    sequence: u64,
    pictures: Pictures,
}

/// A client that sends.
pub struct Publisher {
    peer: Peer,
    video: Vec<Line>,
    audio: Vec<Line>,
    playing: Vec<(MediaKind, Schedule)>,
}

impl Publisher {
    /// Take over a client whose lines were agreed on.
    pub fn new(peer: Peer, mids: &BTreeMap<String, String>) -> Self {
        let lines = |kind| {
            peer.lines(kind, mids)
                .into_iter()
                .filter_map(|mid| {
                    let pt = peer.rtc.media(mid)?.remote_pts().first().copied()?;
                    Some(Line {
                        mid,
                        pt,
                        sequence: 1,
                        pictures: Pictures::default(),
                    })
                })
                .collect()
        };
        Self {
            video: lines(MediaKind::Video),
            audio: lines(MediaKind::Audio),
            playing: Vec::new(),
            peer,
        }
    }

    fn play(&mut self, video: Option<&Shape>, audio: bool, now: Instant) {
        self.playing.clear();
        if let Some(shape) = video {
            let schedule = Schedule::new(shape.clone(), self.video.len(), now);
            self.playing.push((MediaKind::Video, schedule));
        }
        if audio {
            let schedule = Schedule::audio(self.audio.len(), now);
            self.playing.push((MediaKind::Audio, schedule));
        }
    }

    fn next(&self) -> Instant {
        self.playing
            .iter()
            .filter_map(|(_, schedule)| schedule.next())
            .fold(self.peer.due(), Instant::min)
    }

    fn turn(&mut self, now: Instant, since: Instant, due: &mut Vec<Due>) {
        while self.peer.receive(now) {}
        self.peer.tick(now);
        for mid in std::mem::take(&mut self.peer.wanted) {
            if let Some(line) = self.video.iter_mut().find(|line| line.mid == mid) {
                line.pictures.wanted = true;
            }
        }
        for (kind, schedule) in &mut self.playing {
            due.clear();
            schedule.take(now, due);
            let lines = match kind {
                MediaKind::Video => &mut self.video,
                MediaKind::Audio => &mut self.audio,
            };
            for packet in due.iter() {
                write(
                    &mut self.peer,
                    &mut lines[packet.track],
                    packet,
                    *kind,
                    now,
                    since,
                );
            }
            if !due.is_empty() {
                self.peer.elapse(now);
            }
        }
    }
}

fn write(
    peer: &mut Peer,
    line: &mut Line,
    due: &Due,
    kind: MediaKind,
    now: Instant,
    since: Instant,
) {
    let elapsed_s = (now - since).as_secs_f64();
    let (payload, time) = match kind {
        MediaKind::Video => line.pictures.next(due.bytes, due.last, elapsed_s),
        MediaKind::Audio => (vec![0x55; due.bytes], (elapsed_s * 48_000.0) as u64 as u32),
    };
    let mut api = peer.rtc.direct_api();
    let Some(stream) = api.stream_tx_by_mid(line.mid, None) else {
        return;
    };
    let packet = RtpWrite::new(line.pt, line.sequence.into(), time, now, payload)
        .marker(due.last)
        .nackable(kind == MediaKind::Video);
    stream.write_rtp(packet);
    line.sequence += 1;
    peer.tally.sent += 1;
}

/// Wake to the microsecond, not up to 50 later, and before the thread that receives, where the
/// system allows it (prctl(2), `PR_SET_TIMERSLACK`; sched(7), `SCHED_FIFO`).
pub fn punctual() {
    let least = libc::sched_param { sched_priority: 1 };
    // SAFETY: numbers, and a pointer to a live value.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const least);
    }
}

/// Send until nobody gives orders any more.
pub fn run(orders: &Receiver<Order>) {
    punctual();
    let since = Instant::now();
    let mut publishers: BTreeMap<String, Publisher> = BTreeMap::new();
    let mut due = Vec::new();
    loop {
        loop {
            match orders.try_recv() {
                Ok(order) => obey(order, &mut publishers),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let now = Instant::now();
        let next = publishers.values().map(Publisher::next).min();
        let wait = next.map_or(MAX_SLEEP, |at| at.saturating_duration_since(now));
        let least = if publishers.len() > FEW {
            COARSE_SLEEP
        } else {
            Duration::ZERO
        };
        sleep(publishers.values(), wait.clamp(least, MAX_SLEEP));
        let now = Instant::now();
        for publisher in publishers.values_mut() {
            publisher.turn(now, since, &mut due);
        }
    }
}

fn obey(order: Order, publishers: &mut BTreeMap<String, Publisher>) {
    match order {
        Order::Add(name, publisher) => {
            publishers.insert(name, *publisher);
        }
        Order::Play { video, audio } => {
            let now = Instant::now();
            for publisher in publishers.values_mut() {
                publisher.play(video.as_ref(), audio, now);
            }
        }
        Order::Stop => publishers
            .values_mut()
            .for_each(|publisher| publisher.playing.clear()),
        Order::Report(to) => {
            let tallies = publishers
                .iter()
                .map(|(name, publisher)| (name.clone(), publisher.peer.tally()))
                .collect();
            // Whoever asked may be gone.
            let _ = to.send(tallies);
        }
    }
}

/// Sleep so long, or until one of them has something to read.
fn sleep<'a>(publishers: impl Iterator<Item = &'a Publisher>, wait: Duration) {
    let mut polled: Vec<libc::pollfd> = publishers
        .map(|publisher| libc::pollfd {
            fd: publisher.peer.socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let wait = libc::timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    // SAFETY: both pointers are to live values, the count is that of the vector.
    unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            &raw const wait,
            std::ptr::null(),
        )
    };
}
