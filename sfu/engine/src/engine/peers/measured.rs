//! What a peer's transport says of itself now and then: the newest word of each stream.

use std::time::Duration;

use str0m::Event;
use str0m::media::{Mid, Rid};
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

/// How often an `Rtc` says it. Reports of the other end come every second or five; reading a stream's
/// numbers costs it as much as a packet.
pub const STATS_INTERVAL: Duration = Duration::from_secs(2);

/// The newest word of one stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamMeasured {
    pub mid: Mid,
    rid: Option<Rid>,
    sent: bool,
    /// Requests for resends: asked of a source, heard from a sink.
    pub nacks: u64,
    /// Requests for whole pictures, likewise.
    pub keyframe_requests: u64,
    /// Share of the packets, 0 to 1.
    pub loss: Option<f64>,
    /// In ticks of the stream's clock.
    pub jitter: u32,
    rtt_ms: Option<f64>,
}

/// What was measured on one peer.
#[derive(Debug, Default)]
pub struct Measured {
    peer: Option<PeerStats>,
    streams: Vec<StreamMeasured>,
}

impl Measured {
    /// Take what the transport says; other events are none of it.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::PeerStats(stats) => self.peer = Some(stats.clone()),
            Event::MediaEgressStats(stats) => self.put(of_egress(stats)),
            Event::MediaIngressStats(stats) => self.put(of_ingress(stats)),
            _ => {}
        }
    }

    /// One entry a stream that a line ever had; lines are bounded, and so are their streams.
    fn put(&mut self, new: StreamMeasured) {
        let same = |known: &&mut StreamMeasured| {
            (known.mid, known.rid, known.sent) == (new.mid, new.rid, new.sent)
        };
        match self.streams.iter_mut().find(same) {
            Some(known) => *known = new,
            None => self.streams.push(new),
        }
    }

    /// The streams of a line.
    pub fn of_line(&self, mid: Mid) -> impl Iterator<Item = &StreamMeasured> {
        self.streams.iter().filter(move |stream| stream.mid == mid)
    }

    /// Requests for resends on all streams.
    #[must_use]
    pub fn nacks(&self) -> u64 {
        self.streams.iter().map(|stream| stream.nacks).sum()
    }

    /// Requests for whole pictures on all streams.
    #[must_use]
    pub fn keyframe_requests(&self) -> u64 {
        let streams = self.streams.iter();
        streams.map(|stream| stream.keyframe_requests).sum()
    }

    /// The last round trip, milliseconds.
    #[must_use]
    pub fn rtt_ms(&self) -> Option<f64> {
        let of_peer = self.peer.as_ref().and_then(|peer| peer.rtt).map(ms);
        of_peer.or_else(|| self.streams.iter().find_map(|stream| stream.rtt_ms))
    }

    /// Share of the packets lost on the way that media takes: to the peer if it `sends`, else from it.
    #[must_use]
    pub fn loss(&self, sends: bool) -> Option<f64> {
        let of_peer = self.peer.as_ref().and_then(|peer| {
            if sends {
                peer.egress_loss_fraction
            } else {
                peer.ingress_loss_fraction
            }
        });
        of_peer.map(f64::from).or_else(|| {
            let streams = self.streams.iter().filter(|stream| stream.sent == sends);
            streams.filter_map(|stream| stream.loss).reduce(f64::max)
        })
    }

    /// What the way to the peer is thought to carry, bits per second.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        let estimate = self.peer.as_ref().and_then(|peer| peer.bwe_tx);
        estimate.map(|estimate| estimate.as_u64())
    }
}

fn of_egress(stats: &MediaEgressStats) -> StreamMeasured {
    StreamMeasured {
        mid: stats.mid,
        rid: stats.rid,
        sent: true,
        nacks: stats.nacks,
        keyframe_requests: stats.plis + stats.firs,
        loss: stats.loss.map(f64::from),
        jitter: stats.remote.as_ref().map_or(0, |remote| remote.jitter),
        rtt_ms: stats.rtt.map(ms),
    }
}

fn of_ingress(stats: &MediaIngressStats) -> StreamMeasured {
    StreamMeasured {
        mid: stats.mid,
        rid: stats.rid,
        sent: false,
        nacks: stats.nacks,
        keyframe_requests: stats.plis + stats.firs,
        loss: stats.loss.map(f64::from),
        jitter: stats.jitter,
        rtt_ms: stats.rtt.map(ms),
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn egress(mid: &str, nacks: u64, loss: Option<f32>) -> Event {
        Event::MediaEgressStats(MediaEgressStats {
            mid: mid.into(),
            rid: None,
            bytes: 1,
            packets: 1,
            firs: 1,
            plis: 2,
            nacks,
            rtt: Some(Duration::from_millis(20)),
            loss,
            timestamp: Instant::now(),
            remote: None,
        })
    }

    #[test]
    fn the_newest_word_of_each_stream_counts() {
        let mut measured = Measured::default();
        assert_eq!((measured.rtt_ms(), measured.loss(true)), (None, None));
        for nacks in 1..100 {
            measured.note(&egress("0", nacks, Some(0.5)));
            measured.note(&egress("1", 1, None));
        }
        assert_eq!(measured.streams.len(), 2);
        assert_eq!((measured.nacks(), measured.keyframe_requests()), (100, 6));
        assert_eq!(
            (measured.rtt_ms(), measured.loss(true)),
            (Some(20.0), Some(0.5))
        );
        assert_eq!(
            (measured.loss(false), measured.estimate_bps()),
            (None, None)
        );
        assert_eq!(measured.of_line("1".into()).count(), 1);
    }
}
