//! What a server must do at least: receive a batch, open each packet, seal it for each subscriber,
//! send all of it with `sendmmsg`. No WebRTC, no segmentation offload, one destination a message.

use std::io;
use std::mem;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::clients::say;
use super::orders::{end_with_input, told_to_forward};
use super::plain::{HEADER_BYTES, TAG_BYTES, key, nonce, seal};
use super::words::Reply;

/// Datagrams of one `recvmmsg`.
const RECEIVED_AT_ONCE: usize = 64;

/// Messages of one `sendmmsg`; the kernel takes no more (`UIO_MAXIOV`).
const SENT_AT_ONCE: usize = 1024;

const MAX_DATAGRAM_BYTES: usize = 2048;

const SOCKET_BUFFER_BYTES: usize = 8 << 20;

/// Where to, under which key.
struct Subscriber {
    address: libc::sockaddr_in,
    key: LessSafeKey,
    ssrc: u32,
}

/// Serve the driver: the first command says where to forward, then nothing ends it but the end of
/// standard input.
///
/// # Errors
/// When the command is not that one, or the socket fails.
pub fn serve() -> io::Result<()> {
    let to = told_to_forward()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, SOCKET_BUFFER_BYTES);
    say(&Reply::Ports {
        addresses: vec![socket.local_addr()?],
    })?;
    end_with_input();
    let subscribers = to
        .iter()
        .enumerate()
        .map(|(index, address)| subscriber(*address, index))
        .collect::<io::Result<Vec<_>>>()?;
    run(&socket, &subscribers)
}

fn subscriber(address: SocketAddr, index: usize) -> io::Result<Subscriber> {
    let SocketAddr::V4(address) = address else {
        return Err(io::Error::other("only IPv4 here"));
    };
    Ok(Subscriber {
        address: raw(address),
        key: key(index as u8 + 1)?,
        ssrc: index as u32 + 2,
    })
}

fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: plain data, of which zeroes are a value.
    let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
    raw.sin_family = libc::AF_INET as libc::sa_family_t;
    raw.sin_port = address.port().to_be();
    raw.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
    raw
}

fn run(socket: &UdpSocket, subscribers: &[Subscriber]) -> io::Result<()> {
    let publisher = key(0)?;
    let mut buffers = vec![[0; MAX_DATAGRAM_BYTES]; RECEIVED_AT_ONCE];
    let mut lengths = Vec::new();
    let mut number = 0;
    let mut sealed: Vec<(usize, Vec<u8>)> = Vec::new();
    loop {
        receive(socket, &mut buffers, &mut lengths)?;
        let mut used = 0;
        for (buffer, length) in buffers.iter_mut().zip(&lengths) {
            if *length < HEADER_BYTES + TAG_BYTES {
                continue;
            }
            number += 1;
            let (header, body) = buffer[..*length].split_at_mut(HEADER_BYTES);
            let Ok(payload) = publisher.open_in_place(nonce(number), Aad::from(&*header), body)
            else {
                continue;
            };
            for (index, subscriber) in subscribers.iter().enumerate() {
                if used == sealed.len() {
                    sealed.push((0, Vec::with_capacity(MAX_DATAGRAM_BYTES)));
                }
                let (to, packet) = &mut sealed[used];
                used += 1;
                *to = index;
                packet.clear();
                packet.extend_from_slice(header);
                packet[8..].copy_from_slice(&subscriber.ssrc.to_be_bytes());
                packet.extend_from_slice(payload);
                seal(&subscriber.key, number, packet);
            }
        }
        for messages in sealed[..used].chunks(SENT_AT_ONCE) {
            send(socket, subscribers, messages);
        }
    }
}

/// Wait for datagrams and take what there are.
fn receive(
    socket: &UdpSocket,
    buffers: &mut [[u8; MAX_DATAGRAM_BYTES]],
    lengths: &mut Vec<usize>,
) -> io::Result<()> {
    let mut parts: Vec<libc::iovec> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
    // SAFETY: each message points to one part, each part to one buffer; all live through the call.
    let count = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len() as u32,
            libc::MSG_WAITFORONE,
            std::ptr::null_mut(),
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    lengths.clear();
    lengths.extend(
        messages[..count]
            .iter()
            .map(|message| message.msg_len as usize),
    );
    Ok(())
}

/// Send; what the socket does not take is lost, and the sinks' counters tell.
fn send(socket: &UdpSocket, subscribers: &[Subscriber], packets: &[(usize, Vec<u8>)]) {
    let mut parts: Vec<libc::iovec> = packets
        .iter()
        .map(|(_, packet)| libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
    for (message, (to, _)) in messages.iter_mut().zip(packets) {
        let address = &raw const subscribers[*to].address;
        message.msg_hdr.msg_name = address.cast_mut().cast();
        message.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
    }
    let mut done = 0;
    while done < messages.len() {
        let rest = &mut messages[done..];
        // SAFETY: as in `receive`; the kernel only reads what they point to.
        let count =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
        match usize::try_from(count) {
            Ok(count) if count > 0 => done += count,
            _ => return,
        }
    }
}

fn message(part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: plain data, of which zeroes are a value.
    let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
    message.msg_hdr.msg_iov = part;
    message.msg_hdr.msg_iovlen = 1;
    message
}
