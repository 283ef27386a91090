//! What the two ends of a link tell each other, on a stream of its own beside their media.

use super::super::link_signal::LinkSignal;
use super::super::link_streams::SIGNALS;
use super::Link;
use crate::engine::counters::Counters;
use crate::engine::egress::way::Way;

impl Link {
    /// Send a signal. It may be lost; what matters is said again.
    pub fn signal(&mut self, signal: &LinkSignal, way: &mut Way<'_>) {
        self.sender.send(SIGNALS, signal.encode().into(), 0, way);
    }

    /// Read a signal; `None`, and it is counted, for what is not ours.
    #[must_use]
    pub fn read_signal(bytes: &[u8], counters: &mut Counters) -> Option<LinkSignal> {
        let signal = LinkSignal::decode(bytes);
        if signal.is_none() {
            counters.count("link_signals_unknown");
        }
        signal
    }
}
