//! All clients: one thread that receives and obeys, one that sends.
//!
//! Sockets are read at the beats of a clock and not when something arrives: waking a client is no
//! work of a server's, but on loopback the server would be charged for it, and differently by how
//! soon its clients fall asleep again.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::handshakes;
use super::peer::Peer;
use super::plain::{self, PlainSender};
use super::sender::{self, Order, Publisher};
use super::words::{Command, DONE, Reply};

/// The sending thread answers within a turn.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

type Words = Receiver<serde_json::Result<Command>>;

/// What receives.
enum Receiving {
    Client(Box<Peer>),
    Sink { socket: UdpSocket, received: u64 },
}

struct Clients {
    address: IpAddr,
    receiving: Vec<Receiving>,
    by_name: HashMap<String, usize>,
    offering: HashMap<String, (Peer, BTreeMap<String, String>)>,
    orders: Sender<Order>,
    plain: Option<PlainSender>,
}

/// Read commands from standard input; ends with it.
fn listen() -> io::Result<Words> {
    let (told, words) = channel();
    thread::Builder::new().name("words".into()).spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if told.send(serde_json::from_str(&line)).is_err() {
                return;
            }
        }
    })?;
    Ok(words)
}

/// Answer on standard output.
pub fn say(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Serve the driver until it closes our standard input, reading sockets every
/// `beat`, all of them bound to `address`.
///
/// # Errors
/// When the machine has no more threads, or the driver stopped reading.
pub fn serve(beat: Duration, address: IpAddr) -> io::Result<()> {
    str0m::crypto::from_feature_flags().install_process_default();
    let words = listen()?;
    let (orders, ordered) = channel();
    thread::Builder::new()
        .name("sender".into())
        .spawn(move || sender::run(&ordered))?;
    let mut clients = Clients {
        address,
        receiving: Vec::new(),
        by_name: HashMap::new(),
        offering: HashMap::new(),
        orders,
        plain: None,
    };
    clients.run(&words, beat)
}

impl Clients {
    fn run(&mut self, words: &Words, beat: Duration) -> io::Result<()> {
        let mut next = Instant::now();
        loop {
            next = (next + beat).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            for receiving in &mut self.receiving {
                receiving.turn(now);
            }
            loop {
                match words.try_recv() {
                    Ok(command) => {
                        let reply = command
                            .map_err(|error| error.to_string())
                            .and_then(|command| self.obey(command))
                            .unwrap_or_else(|error| Reply::Failed { error });
                        say(&reply)?;
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<Reply, String> {
        match command {
            Command::Offer {
                client,
                video,
                audio,
                rtt_ms,
                loss,
            } => {
                let mut peer = Peer::open(self.address, rtt_ms, loss).map_err(text)?;
                let (sdp, mids) = peer.offer(video, audio).ok_or("nothing to offer")?;
                self.offering.insert(client, (peer, mids.clone()));
                Ok(Reply::Described { sdp, mids })
            }
            Command::Answer { client, sdp } => {
                let (mut peer, mids) = self.offering.remove(&client).ok_or("offer first")?;
                peer.answer(&sdp)?;
                let publisher = Box::new(Publisher::new(peer, &mids));
                self.order(Order::Add(client, publisher))
            }
            Command::Accept {
                client,
                sdp,
                rtt_ms,
                loss,
            } => {
                let sdp = self.accept(client, &sdp, rtt_ms, loss)?;
                Ok(Reply::Described {
                    sdp,
                    mids: BTreeMap::new(),
                })
            }
            Command::Play { video, audio } => self.order(Order::Play { video, audio }),
            Command::Stop => {
                if let Some(plain) = &mut self.plain {
                    plain.stop();
                }
                self.order(Order::Stop)
            }
            Command::Record { client } => {
                let index = *self.by_name.get(&client).ok_or("no such client")?;
                if let Receiving::Client(peer) = &mut self.receiving[index] {
                    peer.recorded = Some(Instant::now());
                }
                Ok(DONE)
            }
            Command::Report => self.report(),
            Command::Sinks { count } => self.sinks(count),
            Command::Plain { to, shape, tracks } => {
                self.plain = Some(PlainSender::start(to, shape, tracks).map_err(text)?);
                Ok(DONE)
            }
            Command::Handshakes { count } => handshakes::run(count).map_err(text),
            Command::Forward { .. } | Command::Meter | Command::Time { .. } => {
                Err("that is for another mode".into())
            }
        }
    }

    fn order(&self, order: Order) -> Result<Reply, String> {
        self.orders.send(order).map_err(text)?;
        Ok(DONE)
    }

    fn accept(
        &mut self,
        name: String,
        sdp: &str,
        rtt_ms: f64,
        loss: f64,
    ) -> Result<String, String> {
        if let Some(index) = self.by_name.get(&name) {
            return match &mut self.receiving[*index] {
                Receiving::Client(peer) => peer.accept(sdp),
                Receiving::Sink { .. } => Err("a sink answers nothing".into()),
            };
        }
        let mut peer = Peer::open(self.address, rtt_ms, loss).map_err(text)?;
        let answer = peer.accept(sdp)?;
        self.by_name.insert(name, self.receiving.len());
        self.receiving.push(Receiving::Client(Box::new(peer)));
        Ok(answer)
    }

    fn sinks(&mut self, count: usize) -> Result<Reply, String> {
        let mut addresses = Vec::new();
        for _ in 0..count {
            let socket = plain::open().map_err(text)?;
            addresses.push(socket.local_addr().map_err(text)?);
            self.receiving.push(Receiving::Sink {
                socket,
                received: 0,
            });
        }
        Ok(Reply::Ports { addresses })
    }

    fn report(&mut self) -> Result<Reply, String> {
        let (to, from) = channel();
        self.orders.send(Order::Report(to)).map_err(text)?;
        let mut clients = from.recv_timeout(REPORT_TIMEOUT).map_err(text)?;
        for (name, index) in &self.by_name {
            if let Receiving::Client(peer) = &self.receiving[*index] {
                clients.insert(name.clone(), peer.tally());
            }
        }
        let plain_received = self
            .receiving
            .iter()
            .filter_map(|receiving| match receiving {
                Receiving::Sink { received, .. } => Some(*received),
                Receiving::Client(_) => None,
            })
            .collect();
        Ok(Reply::Report {
            clients,
            plain_sent: self.plain.as_ref().map_or(0, PlainSender::sent),
            plain_received,
        })
    }
}

impl Receiving {
    fn turn(&mut self, now: Instant) {
        match self {
            Self::Client(peer) => {
                while peer.receive(now) {}
                if peer.due() <= now {
                    peer.tick(now);
                }
            }
            Self::Sink { socket, received } => *received += plain::count(socket),
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
