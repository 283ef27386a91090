//! What DTLS alone costs a server: bare handshakes with the engine's own crypto, in memory.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{DtlsCert, DtlsInstance, DtlsOutput, DtlsVersion};

use super::words::Reply;

/// Larger than any record.
const RECORD_BYTES: usize = 1 << 14;

/// Flights of a handshake, and as many again.
const MAX_TURNS: usize = 32;

struct End {
    dtls: Box<dyn DtlsInstance>,
    connected: bool,
    /// Of this thread, while it worked for this end.
    cpu: Duration,
}

/// Complete so many handshakes; says what the servers' halves took.
///
/// # Errors
/// When one fails: nothing is between the two ends.
pub fn run(count: usize) -> io::Result<Reply> {
    let provider = str0m::crypto::from_feature_flags();
    let certificate = || {
        let made = provider.dtls_provider.generate_certificate();
        made.ok_or_else(|| io::Error::other("no certificate"))
    };
    let (ours, theirs) = (certificate()?, certificate()?);
    let mut server_cpu = Duration::ZERO;
    for _ in 0..count {
        server_cpu += handshake(&provider, &ours, &theirs)?;
    }
    Ok(Reply::Handshakes {
        count,
        server_cpu_s: server_cpu.as_secs_f64(),
    })
}

fn handshake(
    provider: &CryptoProvider,
    ours: &DtlsCert,
    theirs: &DtlsCert,
) -> io::Result<Duration> {
    let now = Instant::now();
    let mut server = End::open(provider, ours, false, now)?;
    let mut client = End::open(provider, theirs, true, now)?;
    let mut to_server = client.work(&mut VecDeque::new())?;
    for _ in 0..MAX_TURNS {
        let mut to_client = server.work(&mut to_server)?;
        to_server = client.work(&mut to_client)?;
        if server.connected && client.connected {
            return Ok(server.cpu);
        }
    }
    Err(io::Error::other("a handshake does not end"))
}

impl End {
    fn open(
        provider: &CryptoProvider,
        certificate: &DtlsCert,
        active: bool,
        now: Instant,
    ) -> io::Result<Self> {
        let begun = cpu_time();
        let made = provider
            .dtls_provider
            .new_dtls(certificate, now, DtlsVersion::Dtls12, None);
        let mut dtls = made.map_err(|error| io::Error::other(error.to_string()))?;
        dtls.set_active(active);
        Ok(Self {
            dtls,
            connected: false,
            cpu: cpu_time().saturating_sub(begun),
        })
    }

    /// Take what came, and say what comes of it.
    fn work(&mut self, came: &mut VecDeque<Vec<u8>>) -> io::Result<VecDeque<Vec<u8>>> {
        let begun = cpu_time();
        let broken =
            |error: str0m::crypto::dtls::DtlsImplError| io::Error::other(error.to_string());
        let mut out = VecDeque::new();
        let mut buffer = vec![0; RECORD_BYTES];
        self.dtls.handle_timeout(Instant::now()).map_err(broken)?;
        loop {
            let waits = match self.dtls.poll_output(&mut buffer) {
                DtlsOutput::Packet(packet) => {
                    out.push_back(packet.to_vec());
                    false
                }
                DtlsOutput::Connected => {
                    self.connected = true;
                    false
                }
                DtlsOutput::Timeout(_) => true,
                _ => false,
            };
            if waits {
                match came.pop_front() {
                    Some(packet) => self.dtls.handle_packet(&packet).map_err(broken)?,
                    None => break,
                }
            }
        }
        self.cpu += cpu_time().saturating_sub(begun);
        Ok(out)
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
