//! More is wanted over a link than its path carries: layers go, then pictures, and sound is heard in time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::stage::{Client, Node, Path, like_engine, play_for};
use crate::tries::judge_again;
use starling_sfu::control::messages::MediaKind::{Audio, Video};

const PATH_BPS: u64 = 2_000_000;

/// What a carrier's queue holds.
const QUEUE_MS: u64 = 300;

/// One way.
const DELAY_MS: u64 = 20;

/// Long enough for a try to send more.
const SPAN: Duration = Duration::from_secs(16);

/// By then the link has found its limit.
const SETTLED: Duration = Duration::from_secs(3);

/// A limit rests for up to 16 s after a cut or two, and grows to three times as much within ten.
const PATIENCE: Duration = Duration::from_secs(60);

const SOUND_EVERY: Duration = Duration::from_millis(20);
const SOUND_BYTES: usize = 101;

/// One stream of VP8 of which only the headers are real, a packet a picture.
struct Stream {
    rid: Option<&'static str>,
    rank: u16,
    per_s: u32,
    bytes: usize,
    sent: u64,
}

impl Stream {
    fn new(rid: Option<&'static str>, rank: u16, per_s: u32, bytes: usize) -> Self {
        Self {
            rid,
            rank,
            per_s,
            bytes,
            sent: 0,
        }
    }

    /// Send what is due.
    fn turn(&mut self, client: &mut Client, began: Instant) {
        let due = began.elapsed().as_secs_f64() * f64::from(self.per_s);
        while (self.sent as f64) < due {
            let rid = self.rid;
            let before = client.keyframe_requests.len();
            client
                .keyframe_requests
                .retain(|request| request.rid.as_deref() != rid);
            let asked = client.keyframe_requests.len() < before;
            let keyframe = asked || self.sent.is_multiple_of(u64::from(2 * self.per_s));
            let payload = self.picture(keyframe);
            let sequence = 1000 + self.sent;
            let time = (self.sent * u64::from(90_000 / self.per_s)) as u32;
            self.sent += 1;
            match rid {
                Some(rid) => client.send_encoding(rid, sequence, time, &payload),
                None => client.send_picture(&payload),
            }
        }
    }

    fn picture(&self, keyframe: bool) -> Vec<u8> {
        let [high, low] = ((self.sent as u16) & 0x7fff).to_be_bytes();
        let mut bytes = vec![0x90, 0x80, 0x80 | high, low];
        if keyframe {
            let (width, height) = (320u16 << self.rank, 180u16 << self.rank);
            bytes.extend_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a]);
            bytes.extend_from_slice(&width.to_le_bytes());
            bytes.extend_from_slice(&height.to_le_bytes());
        } else {
            bytes.extend_from_slice(&[0x11, 0, 0]);
        }
        bytes.resize(self.bytes, 0);
        bytes
    }
}

/// Sound from its source to the far client.
#[derive(Default)]
struct Sound {
    sent: Vec<Instant>,
    arrived: BTreeMap<usize, Instant>,
}

impl Sound {
    fn turn(&mut self, client: &mut Client, began: Instant) {
        while began + SOUND_EVERY * self.sent.len() as u32 <= Instant::now() {
            let mut payload = [0; SOUND_BYTES];
            payload[..4].copy_from_slice(&(self.sent.len() as u32).to_be_bytes());
            client.send(Audio, &payload);
            self.sent.push(Instant::now());
        }
    }

    fn hear(&mut self, payload: &[u8]) {
        if let Some(number) = payload.first_chunk::<4>() {
            let number = u32::from_be_bytes(*number) as usize;
            self.arrived.entry(number).or_insert_with(Instant::now);
        }
    }

    /// Of what was sent from `settled` on and could arrive: the share that did not, the mean and the longest way.
    fn fate(&self, settled: Instant, until: Instant) -> (f64, Duration, Duration) {
        let of = self.sent.iter().enumerate();
        let of: Vec<_> = of
            .filter(|(_, at)| (settled..until).contains(&**at))
            .map(|(number, at)| Some(self.arrived.get(&number)?.duration_since(*at)))
            .collect();
        let ways: Vec<Duration> = of.iter().flatten().copied().collect();
        let lost = (of.len() - ways.len()) as f64 / of.len() as f64;
        let mean = ways.iter().sum::<Duration>() / ways.len().max(1) as u32;
        (lost, mean, ways.into_iter().max().unwrap_or_default())
    }
}

struct Outcome {
    lost: f64,
    mean: Duration,
    longest: Duration,
    /// Bit/s of pictures that crossed the link after it had settled, and how long the far client was without any at most.
    pictures_bps: u64,
    gap: Duration,
    far: Node,
}

/// Bytes of pictures that came in.
fn pictures_in(node: &mut Node) -> u64 {
    let (_, tracks, _) = node.statistics();
    let pictures = tracks.iter().filter(|track| track.track.ends_with("video"));
    pictures.map(|track| track.bytes).sum()
}

/// Let cameras send over a link whose path is too narrow for them.
fn squeeze(cameras: &mut [(Client, Vec<Stream>)]) -> Outcome {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    let seen = [path.seen[1], path.seen[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    let (mut amy, mut ben) = (Client::new("amy"), Client::with("ben", like_engine()));
    oslo.publish(&mut amy, &[Audio]);
    let mut tracks = vec![("amy_audio".to_owned(), Audio)];
    for (client, streams) in cameras.iter_mut() {
        let rids: Vec<&str> = streams.iter().filter_map(|stream| stream.rid).collect();
        match rids[..] {
            [] => oslo.publish(client, &[Video]),
            _ => oslo.publish_simulcast(client, &rids),
        }
        tracks.push((format!("{}_video", client.name), Video));
    }
    let wants: Vec<_> = tracks
        .iter()
        .map(|(id, kind)| (id.as_str(), *kind))
        .collect();
    lima.subscribe(&mut ben, &wants);
    for (leg, (track, kind)) in (1..).zip(&wants) {
        let (from, to) = ((&mut oslo, "lima"), (&mut lima, "oslo"));
        Node::numbered_leg(leg, from, to, track, *kind);
    }
    let all = |cameras: &mut [(Client, Vec<Stream>)], amy: &mut Client, ben: &mut Client| {
        let mut clients = vec![amy, ben];
        clients.extend(cameras.iter_mut().map(|(client, _)| client));
        play_for(&mut clients, Duration::from_millis(1));
        clients.iter().all(|client| client.connected)
    };
    while !all(cameras, &mut amy, &mut ben) {}
    let weather = &path.weather;
    weather.delay_ms.store(DELAY_MS, Ordering::Relaxed);
    weather.queue_ms.store(QUEUE_MS, Ordering::Relaxed);
    weather.rate_bps.store(PATH_BPS, Ordering::Relaxed);
    let (began, mut sound) = (Instant::now(), Sound::default());
    let (mut before, mut last, mut gap) = (None, began + SETTLED, Duration::ZERO);
    while began.elapsed() < SPAN {
        sound.turn(&mut amy, began);
        for (client, streams) in cameras.iter_mut() {
            for stream in streams {
                stream.turn(client, began);
            }
        }
        all(cameras, &mut amy, &mut ben);
        if began.elapsed() > SETTLED && before.is_none() {
            before = Some(pictures_in(&mut lima));
        }
        for packet in ben.packets.drain(..) {
            if packet.payload.len() == SOUND_BYTES {
                sound.hear(&packet.payload);
            } else if began.elapsed() > SETTLED {
                gap = gap.max(last.elapsed());
                last = Instant::now();
            }
        }
    }
    let until = began + SPAN - Duration::from_millis(500);
    let (lost, mean, longest) = sound.fate(began + SETTLED, until);
    let bytes = pictures_in(&mut lima) - before.unwrap();
    let shed = oslo.counter("link_layers_shed");
    let outcome = Outcome {
        lost,
        mean,
        longest,
        pictures_bps: (bytes * 8) / (SPAN - SETTLED).as_secs(),
        gap,
        far: lima,
    };
    println!(
        "sound: {:.2} % lost, {mean:?} on the way, {longest:?} at most; pictures: {} kbit/s, {gap:?} without; {shed} layers shed",
        lost * 100.0,
        outcome.pictures_bps / 1000,
    );
    outcome
}

/// Whether sound came whole and in time, and pictures at this rate at least.
fn judge(outcome: &Outcome, pictures_bps: u64) -> Result<(), String> {
    let way = Duration::from_millis(DELAY_MS);
    let (added, most) = (
        outcome.mean.saturating_sub(way),
        outcome.longest.saturating_sub(way),
    );
    let well = outcome.lost < 0.01
        && added < Duration::from_millis(100)
        && most < Duration::from_millis(150)
        && outcome.pictures_bps > pictures_bps;
    let (lost, carried) = (outcome.lost, outcome.pictures_bps);
    well.then_some(()).ok_or(format!(
        "{lost} of sound lost, {added:?} added, {most:?} at most, {carried} bit/s of pictures"
    ))
}

#[test]
fn pictures_come_back_where_no_sound_tells_that_the_path_is_wide_again() {
    let (mut oslo, mut lima) = (Node::start(), Node::start());
    let path = Path::between([oslo.address, lima.address]);
    let seen = [path.seen[1], path.seen[0]];
    Node::link_over(seen, (&mut oslo, "lima"), (&mut lima, "oslo"));
    let (mut ann, mut ben) = (Client::new("ann"), Client::with("ben", like_engine()));
    oslo.publish(&mut ann, &[Video]);
    lima.subscribe(&mut ben, &[("ann_video", Video)]);
    Node::numbered_leg(
        1,
        (&mut oslo, "lima"),
        (&mut lima, "oslo"),
        "ann_video",
        Video,
    );
    let play = |ann: &mut Client, ben: &mut Client| {
        play_for(&mut [&mut *ann, &mut *ben], Duration::from_millis(1));
        ann.connected && ben.connected
    };
    while !play(&mut ann, &mut ben) {}
    path.weather.delay_ms.store(DELAY_MS, Ordering::Relaxed);
    path.weather.queue_ms.store(QUEUE_MS, Ordering::Relaxed);
    path.weather.rate_bps.store(PATH_BPS / 3, Ordering::Relaxed);
    let (began, mut camera) = (Instant::now(), Stream::new(None, 0, 150, 1200));
    let mut came = began;
    let mut until = |what: &str, done: &mut dyn FnMut(Instant, usize) -> bool| {
        let since = Instant::now();
        loop {
            camera.turn(&mut ann, began);
            play(&mut ann, &mut ben);
            let count = ben.packets.drain(..).count();
            if count > 0 {
                came = Instant::now();
            }
            if done(came, count) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{what}");
        }
    };
    until("pictures are shed", &mut |came, _| {
        came.elapsed() > Duration::from_millis(1500)
    });
    path.weather
        .rate_bps
        .store(10 * PATH_BPS, Ordering::Relaxed);
    let mut pictures = 0;
    until("pictures come back", &mut |_, count| {
        pictures += count;
        pictures > 300
    });
}

#[test]
fn layers_are_shed_and_the_smaller_picture_goes_on() {
    judge_again(|| {
        let streams = vec![
            Stream::new(Some("l"), 0, 30, 1150),
            Stream::new(Some("m"), 1, 100, 1160),
            Stream::new(Some("h"), 2, 280, 1170),
        ];
        let mut cameras = [(Client::new("ann"), streams)];
        let mut outcome = squeeze(&mut cameras);
        assert_eq!(outcome.far.counter("link_frames_malformed"), 0);
        if outcome.gap >= Duration::from_secs(1) {
            return Err(format!("{:?} without a picture", outcome.gap));
        }
        judge(&outcome, 900_000)
    });
}

#[test]
fn pictures_without_layers_go_one_by_one() {
    judge_again(|| {
        let mut cameras = ["ann", "bob", "cid", "dan"].map(|name| {
            let streams = vec![Stream::new(None, 0, 100, 1200)];
            (Client::new(name), streams)
        });
        judge(&squeeze(&mut cameras), 700_000)
    });
}
