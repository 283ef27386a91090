//! What is known of a peer's streams: the newest word of its transport on those that come in, and of the peer itself on
//! those that it is sent.

use std::time::Duration;

use str0m::Event;
use str0m::media::{Mid, Rid};
use str0m::rtp::rtcp::ReceptionReport;
use str0m::stats::{MediaIngressStats, PeerStats};

/// How often an `Rtc` says it. Reports of the other end come every second or five; reading a stream's
/// numbers costs it as much as a packet.
pub const STATS_INTERVAL: Duration = Duration::from_secs(2);

/// A report that says more was made up: nobody waits that long.
const MAX_RTT_MS: f64 = 60_000.0;

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
            Event::MediaIngressStats(stats) => self.put(of_ingress(stats)),
            _ => {}
        }
    }

    /// The peer asked for packets of a line again.
    pub fn hear_nack(&mut self, mid: Mid) {
        self.sent_on(mid).nacks += 1;
    }

    /// The peer asked for a whole picture on a line.
    pub fn hear_keyframe_request(&mut self, mid: Mid) {
        self.sent_on(mid).keyframe_requests += 1;
    }

    /// The peer reported on what it gets on a line; `now_ntp` as in a sender report.
    pub fn hear_report(&mut self, mid: Mid, report: &ReceptionReport, now_ntp: u64) {
        let stream = self.sent_on(mid);
        stream.loss = Some(f64::from(report.fraction_lost) / 256.0);
        stream.jitter = report.jitter;
        // RFC 3550 section 6.4.1: the middle words of NTP, in units of 2^-16 s.
        if report.last_sr_time != 0 {
            let since = ((now_ntp >> 16) as u32).wrapping_sub(report.last_sr_time);
            let rtt = since.saturating_sub(report.last_sr_delay);
            stream.rtt_ms = Some(f64::from(rtt) * 1000.0 / 65_536.0).filter(|ms| *ms < MAX_RTT_MS);
        }
    }

    /// What is known of the stream that the peer is sent on a line.
    fn sent_on(&mut self, mid: Mid) -> &mut StreamMeasured {
        let known = |stream: &StreamMeasured| stream.mid == mid && stream.sent;
        let at = self.streams.iter().position(known).unwrap_or_else(|| {
            self.streams.push(StreamMeasured {
                mid,
                rid: None,
                sent: true,
                nacks: 0,
                keyframe_requests: 0,
                loss: None,
                jitter: 0,
                rtt_ms: None,
            });
            self.streams.len() - 1
        });
        &mut self.streams[at]
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
        let of_peer = self.peer.as_ref().filter(|_| !sends);
        let of_peer = of_peer.and_then(|peer| peer.ingress_loss_fraction);
        of_peer.map(f64::from).or_else(|| {
            let streams = self.streams.iter().filter(|stream| stream.sent == sends);
            streams.filter_map(|stream| stream.loss).reduce(f64::max)
        })
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

    fn report(lost: u8, sent_at: u32, held: u32) -> ReceptionReport {
        ReceptionReport {
            ssrc: 1.into(),
            fraction_lost: lost,
            packets_lost: 0,
            max_seq: 0,
            jitter: 7,
            last_sr_time: sent_at,
            last_sr_delay: held,
        }
    }

    #[test]
    fn the_newest_word_of_each_stream_counts() {
        let mut measured = Measured::default();
        assert_eq!((measured.rtt_ms(), measured.loss(true)), (None, None));
        let (one, other) = (Mid::from("0"), Mid::from("1"));
        for _ in 0..99 {
            measured.hear_nack(one);
            measured.hear_keyframe_request(other);
        }
        measured.hear_nack(other);
        assert_eq!(measured.streams.len(), 2);
        assert_eq!((measured.nacks(), measured.keyframe_requests()), (100, 99));
        // Sent at 10 s, held for 1 s, heard of at 11.25 s.
        measured.hear_report(one, &report(64, 10 << 16, 1 << 16), (11 << 32) + (1 << 30));
        assert_eq!(
            (measured.rtt_ms(), measured.loss(true)),
            (Some(250.0), Some(0.25))
        );
        // Held longer than it is ago; nothing held; made up.
        measured.hear_report(one, &report(0, 11 << 16, 2 << 16), 12 << 32);
        assert_eq!(measured.rtt_ms(), Some(0.0));
        measured.hear_report(one, &report(0, 0, 0), 12 << 32);
        assert_eq!(measured.rtt_ms(), Some(0.0));
        measured.hear_report(one, &report(0, 13 << 16, 0), 12 << 32);
        assert_eq!(measured.rtt_ms(), None);
        assert_eq!(measured.loss(false), None);
        assert_eq!(measured.of_line("1".into()).count(), 1);
    }
}
