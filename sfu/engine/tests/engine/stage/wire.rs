//! A TCP connection that carries a client's packets in frames.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use starling_sfu::engine::network::tcp_frame::{Deframer, frame};

/// One connection to an engine.
pub struct Wire {
    pub stream: TcpStream,
    pub engine: SocketAddr,
    pub address: SocketAddr,
    deframer: Deframer,
    waiting: VecDeque<Vec<u8>>,
}

impl Wire {
    pub fn connect(engine: SocketAddr) -> Self {
        let stream = TcpStream::connect(engine).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            address: stream.local_addr().unwrap(),
            stream,
            engine,
            deframer: Deframer::default(),
            waiting: VecDeque::new(),
        }
    }

    pub fn send(&mut self, packet: &[u8]) {
        let mut bytes = Vec::new();
        assert!(frame(packet, &mut bytes));
        // In pieces, as a network may deliver them.
        for piece in bytes.chunks(bytes.len() / 2 + 1) {
            let _ = self.stream.write_all(piece);
        }
    }

    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 700];
        while self.waiting.is_empty() {
            let length = self
                .stream
                .read(&mut buffer)
                .ok()
                .filter(|length| *length > 0)?;
            let waiting = &mut self.waiting;
            self.deframer
                .feed(&buffer[..length], |packet| {
                    waiting.push_back(packet.to_vec())
                })
                .unwrap();
        }
        self.waiting.pop_front()
    }
}
