//! The media socket: batched receive with the packet's own local address, grouped send.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use str0m::net::Protocol;

use super::address::{Addresses, Invalid, mapped, parse, plain};
use super::batch::{Batch, Run};

/// 30 ms of 2 Gbit/s: what may pile up while a turn runs. Best effort, the system may cap it.
pub const SOCKET_BUFFER_BYTES: usize = 8 << 20;

/// With `UDP_GRO` one receive may carry this much.
const RECEIVE_BUFFER_BYTES: usize = 1 << 16;

/// Why there is no socket, as a stable code and a sentence with the next step.
#[derive(Debug)]
pub struct BindError {
    pub code: &'static str,
    pub message: String,
}

impl BindError {
    fn invalid(error: &Invalid) -> Self {
        Self {
            code: "media_address_invalid",
            message: format!("{error}."),
        }
    }

    fn from_io(error: &io::Error, address: SocketAddr) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self {
                code: "media_port_taken",
                message: format!(
                    "Another program uses UDP port {} on {}; stop it, or choose another media \
                     port (0 for any free one).",
                    address.port(),
                    address.ip()
                ),
            },
            io::ErrorKind::AddrNotAvailable => Self {
                code: "media_address_invalid",
                message: format!(
                    "{} is not an address of this machine; bind 0.0.0.0 and advertise it instead.",
                    address.ip()
                ),
            },
            _ => Self {
                code: "media_bind_failed",
                message: format!("Binding UDP {address} failed: {error}."),
            },
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// One datagram as it came in.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub protocol: Protocol,
    pub source: SocketAddr,
    /// Our candidate that it was sent to.
    pub destination: SocketAddr,
    /// The address of this machine that it came to; answers leave from there.
    pub local: Option<IpAddr>,
    pub bytes: &'a [u8],
}

/// What became of a turn's datagrams.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub datagrams: u64,
    pub calls: u64,
    pub lost: u64,
}

/// A bound UDP socket and what it needs to read and write in batches.
pub struct MediaSocket {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
    addresses: Addresses,
    bound: SocketAddr,
    buffer_bytes: usize,
    buffers: [Vec<u8>; BATCH_SIZE],
    metas: [RecvMeta; BATCH_SIZE],
}

impl MediaSocket {
    /// Bind `address` (text, from the node's config) and `port`, 0 for any.
    ///
    /// # Errors
    /// [`BindError`] for an address that is none or not ours, a taken port, or as the system says.
    pub fn bind(address: &str, port: u16, advertised: &[String]) -> Result<Self, BindError> {
        let ip = parse(address).map_err(|error| BindError::invalid(&error))?;
        let wanted = SocketAddr::new(ip, port);
        let (socket, state, bound) =
            open(wanted).map_err(|error| BindError::from_io(&error, wanted))?;
        let buffer_bytes = grow_buffers(&socket);
        let interfaces: Vec<IpAddr> = if_addrs::get_if_addrs()
            .map(|all| all.iter().map(if_addrs::Interface::ip).collect())
            .unwrap_or_default();
        let addresses = Addresses::new(bound, advertised, &interfaces)
            .map_err(|error| BindError::invalid(&error))?;
        if addresses.candidates().is_empty() {
            return Err(BindError {
                code: "media_address_invalid",
                message: "This machine shows no address to offer; give one to advertise.".into(),
            });
        }
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            state,
            addresses,
            bound,
            buffer_bytes,
            buffers: std::array::from_fn(|_| vec![0; RECEIVE_BUFFER_BYTES]),
            metas: [RecvMeta::default(); BATCH_SIZE],
        })
    }

    /// The address bound, with the port that came of 0.
    #[must_use]
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// What the system gave of [`SOCKET_BUFFER_BYTES`], the smaller of both directions.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Our candidates.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Be told by `registry` when there is something to read.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token, Interest::READABLE)
    }

    /// Read one batch and hand each datagram to `each`; `false` when nothing was left to read.
    pub fn receive(&mut self, mut each: impl FnMut(Incoming<'_>)) -> bool {
        let count = {
            let mut slices = self
                .buffers
                .each_mut()
                .map(|buffer| IoSliceMut::new(buffer));
            match self
                .state
                .recv(UdpSockRef::from(&self.socket), &mut slices, &mut self.metas)
            {
                Ok(count) => count,
                // An ICMP error of an earlier send; what follows it is still to be read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return true,
                Err(_) => return false,
            }
        };
        for (meta, buffer) in self.metas.iter().zip(&self.buffers).take(count) {
            let source = SocketAddr::new(plain(meta.addr.ip()), meta.addr.port());
            let local = meta.dst_ip.map(plain);
            let Some(destination) = self.addresses.candidate_for(local, source) else {
                continue;
            };
            for bytes in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(Incoming {
                    protocol: Protocol::Udp,
                    source,
                    destination,
                    local,
                    bytes,
                });
            }
        }
        // Fewer than were asked for: the socket was empty, and says so when it is no more.
        count == BATCH_SIZE
    }

    /// Send all of `batch`. What the socket does not take is lost, as on any network.
    pub fn send(&self, batch: &mut Batch) -> Sent {
        let mut sent = Sent::default();
        batch.each_run(|run, bytes| self.send_run(run, bytes, &mut sent));
        sent
    }

    fn send_run(&self, run: &Run, bytes: &[u8], sent: &mut Sent) {
        let at_once = self.state.max_gso_segments().max(1);
        for piece in bytes.chunks(run.segment.max(1) * at_once) {
            let datagrams = piece.len().div_ceil(run.segment.max(1)) as u64;
            sent.calls += 1;
            let outcome = self.send_piece(run, piece);
            let full = outcome
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            if outcome.is_ok() {
                sent.datagrams += datagrams;
            } else if datagrams > 1 && !full {
                // A device without segmentation offload refuses the group, not its parts.
                for single in piece.chunks(run.segment.max(1)) {
                    sent.calls += 1;
                    match self.send_piece(run, single) {
                        Ok(()) => sent.datagrams += 1,
                        Err(_) => sent.lost += 1,
                    }
                }
            } else {
                sent.lost += datagrams;
            }
        }
    }

    fn send_piece(&self, run: &Run, piece: &[u8]) -> io::Result<()> {
        let dual = self.bound.is_ipv6();
        let fit = |ip: IpAddr| if dual { mapped(ip) } else { ip };
        let transmit = Transmit {
            destination: SocketAddr::new(fit(run.destination.ip()), run.destination.port()),
            ecn: None,
            contents: piece,
            segment_size: (piece.len() > run.segment).then_some(run.segment),
            src_ip: run.source.map(fit),
        };
        self.state
            .try_send(UdpSockRef::from(&self.socket), &transmit)
    }
}

fn open(wanted: SocketAddr) -> io::Result<(std::net::UdpSocket, UdpSocketState, SocketAddr)> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(wanted),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    if wanted.is_ipv6() {
        socket.set_only_v6(!wanted.ip().is_unspecified())?;
    }
    socket.bind(&wanted.into())?;
    let socket = std::net::UdpSocket::from(socket);
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let bound = socket.local_addr()?;
    Ok((socket, state, bound))
}

/// Ask for large buffers: by privilege beyond the system's cap, else up to it, else as they are.
/// Returns the smaller of what there is now.
fn grow_buffers(socket: &std::net::UdpSocket) -> usize {
    use rustix::net::sockopt;
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER_BYTES).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER_BYTES);
    }
    if sockopt::set_socket_send_buffer_size_force(socket, SOCKET_BUFFER_BYTES).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER_BYTES);
    }
    let receive = sockopt::socket_recv_buffer_size(socket).unwrap_or(0);
    let send = sockopt::socket_send_buffer_size(socket).unwrap_or(0);
    // Linux doubles what is asked, for its own bookkeeping, and reports the double (socket(7)).
    receive.min(send) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_and_a_wrong_address_say_what_to_do() {
        let first = MediaSocket::bind("127.0.0.1", 0, &[]).unwrap();
        let taken = MediaSocket::bind("127.0.0.1", first.bound().port(), &[]).err();
        assert_eq!(taken.unwrap().code, "media_port_taken");
        for garbage in ["", "localhost", "1.2.3", "203.0.113.1"] {
            let error = MediaSocket::bind(garbage, 0, &[]).err().unwrap();
            assert_eq!(error.code, "media_address_invalid", "{garbage}");
        }
        let advertised = ["nowhere".to_owned()];
        let error = MediaSocket::bind("127.0.0.1", 0, &advertised).err();
        assert_eq!(error.unwrap().code, "media_address_invalid");
    }

    #[test]
    fn a_batch_arrives_whole_on_every_kind_of_bind() {
        for bind in ["127.0.0.1", "0.0.0.0", "::"] {
            let Ok(sender) = MediaSocket::bind(bind, 0, &[]) else {
                continue;
            };
            let mut receiver = MediaSocket::bind("127.0.0.1", 0, &[]).unwrap();
            let mut batch = Batch::default();
            for size in [1000, 1000, 1000, 400, 1000] {
                batch.push(receiver.bound(), None, &vec![7; size]);
            }
            assert!(receiver.state.gro_segments() > 1 && sender.buffer_bytes() > 0);
            let sent = sender.send(&mut batch);
            assert_eq!((sent.datagrams, sent.lost), (5, 0), "{bind}");
            let mut sizes = Vec::new();
            for _ in 0..100 {
                receiver.receive(|incoming| {
                    assert!(incoming.source.is_ipv4());
                    assert_eq!(incoming.destination.ip().to_string(), "127.0.0.1");
                    sizes.push(incoming.bytes.len());
                });
                if sizes.len() == 5 {
                    break;
                }
            }
            assert_eq!(sizes, [1000, 1000, 1000, 400, 1000], "{bind}");
        }
    }
}
