//! Sequence numbers and time stamps of one outgoing stream, without a gap over changes of source
//! and over what is left out of it.
//!
//! A subscriber's stream starts in the low 16 bits whatever the age of its source (a receiver
//! assumes rollover counter 0, else SRTP authentication fails), and goes on from where it was
//! when another source takes its place. Packets that are left out shift the numbers behind them;
//! the shifts of the recent past are kept, so that what comes late still gets the number that was
//! kept for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Names one uninterrupted run of source numbers; another value means the numbers start anew.
pub type SourceRun = u64;

/// Shifts that are remembered. At 15 left-out pictures a second this is eight seconds, and a
/// publisher's packet that was lost comes within one, or never.
const MAX_SPANS: usize = 128;

/// Two clocks that disagree more than this on the time between two packets are not the same.
const MAX_DISAGREEMENT_US: i64 = 1_000_000;

/// The numbers of an outgoing packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub sequence: u64,
    pub time: u32,
    /// Pictures of the run that were left out before this packet.
    pub pictures_left_out: u16,
}

/// Source numbers from `from` on, with the same shift.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    /// So many numbers just before `from` were left out.
    left_out: u64,
    /// Added (wrapping) to the source's sequence number.
    sequence_offset: u64,
    /// Added (wrapping) to the source's time stamp.
    time_offset: u32,
    pictures_left_out: u16,
}

/// What is being left out, at the head of the source.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: u64,
    to: u64,
    time: u32,
    pictures: u16,
}

/// Maps the numbers of a source to those of one outgoing stream.
#[derive(Debug)]
pub struct Rewriter {
    run: Option<SourceRun>,
    spans: VecDeque<Span>,
    gap: Option<Gap>,
    /// The source's next number: below it everything is late.
    head: u64,
    /// Of the newest packet that was sent, as the source had it.
    newest_time: u32,
    picture_left_out: Option<u32>,
    last_sequence: u64,
    last_time: u32,
    /// When the last packet was captured, and when it went out.
    last: Option<(Instant, Instant)>,
    /// Ticks that the outgoing time stamps are ahead of the wall clock; given back picture by
    /// picture, because time stamps never go back.
    lead: u32,
}

impl Rewriter {
    /// Start at a sequence number and a time stamp of our own choice.
    #[must_use]
    pub fn new(first_sequence: u16, first_time: u32) -> Self {
        Self {
            run: None,
            spans: VecDeque::new(),
            gap: None,
            head: 0,
            newest_time: 0,
            picture_left_out: None,
            last_sequence: u64::from(first_sequence).saturating_sub(1),
            last_time: first_time,
            last: None,
            lead: 0,
        }
    }

    /// Forget the source: what it sent meanwhile was not meant for this stream, and is no loss.
    pub fn pause(&mut self) {
        self.run = None;
    }

    /// The outgoing numbers for a packet of `run`, or `None` when it came too late to be sent.
    ///
    /// `wallclock` is when the packet was captured and `ticks_per_s` the clock rate: over a change
    /// of run, time stamps go on as the wall clock did.
    pub fn next(
        &mut self,
        run: SourceRun,
        sequence: u64,
        time: u32,
        wallclock: Instant,
        now: Instant,
        ticks_per_s: u32,
    ) -> Option<Numbers> {
        if self.run != Some(run) {
            self.begin(run, sequence, time, wallclock, now, ticks_per_s);
        }
        if sequence < self.head {
            return self.late(sequence, time);
        }
        self.close_gap();
        self.give_back(sequence, time);
        self.head = sequence + 1;
        self.newest_time = time;
        let numbers = self.spans.back()?.numbers(sequence, time);
        self.last_sequence = numbers.sequence;
        self.last_time = numbers.time;
        self.last = Some((wallclock, now));
        Some(numbers)
    }

    /// Leave a packet out. `picture` when nothing of its picture is sent. When it came late and a
    /// number was kept for it, that number is returned, to be sent without content: the receiver
    /// would ask for it in vain.
    pub fn leave_out(
        &mut self,
        run: SourceRun,
        sequence: u64,
        time: u32,
        picture: bool,
    ) -> Option<Numbers> {
        if self.run != Some(run) {
            return None;
        }
        if sequence < self.head {
            return self.late(sequence, time);
        }
        let first_of_picture = picture && self.picture_left_out != Some(time);
        if picture {
            self.picture_left_out = Some(time);
        }
        // What is missing inside a picture that is left out is not waited for.
        let goes_on = self
            .gap
            .is_some_and(|gap| gap.to == sequence || gap.time == time);
        if !goes_on {
            self.close_gap();
            self.gap = Some(Gap {
                from: sequence,
                to: sequence,
                time,
                pictures: 0,
            });
        }
        if let Some(gap) = &mut self.gap {
            gap.to = sequence + 1;
            gap.time = time;
            gap.pictures += u16::from(first_of_picture);
        }
        self.head = sequence + 1;
        None
    }

    fn begin(
        &mut self,
        run: SourceRun,
        sequence: u64,
        time: u32,
        wallclock: Instant,
        now: Instant,
        ticks_per_s: u32,
    ) {
        let out_time = match self.last {
            None => self.last_time,
            Some((captured, sent)) => {
                let waited = micros(sent, now);
                let passed = match micros(captured, wallclock) {
                    by_clock if (by_clock - waited).abs() < MAX_DISAGREEMENT_US => by_clock,
                    _ => waited,
                };
                let ticks = passed * i64::from(ticks_per_s) / 1_000_000;
                let ahead = ticks - i64::from(self.lead);
                self.lead = (1 - ahead).clamp(0, i64::from(ticks_per_s)) as u32;
                // At least one tick, so that two frames never share a time stamp.
                self.last_time.wrapping_add(ahead.max(1) as u32)
            }
        };
        self.run = Some(run);
        self.gap = None;
        self.head = sequence;
        self.newest_time = time;
        self.picture_left_out = None;
        self.spans.clear();
        self.spans.push_back(Span {
            from: sequence,
            left_out: 0,
            sequence_offset: (self.last_sequence + 1).wrapping_sub(sequence),
            time_offset: out_time.wrapping_sub(time),
            pictures_left_out: 0,
        });
    }

    fn late(&self, sequence: u64, time: u32) -> Option<Numbers> {
        if self.gap.is_some_and(|gap| sequence >= gap.from) {
            return None;
        }
        let at = self.spans.iter().rposition(|span| span.from <= sequence)?;
        if let Some(next) = self.spans.get(at + 1)
            && sequence >= next.from - next.left_out
        {
            return None;
        }
        self.spans.get(at).map(|span| span.numbers(sequence, time))
    }

    /// Numbers close up behind what was left out.
    fn close_gap(&mut self) {
        let (Some(gap), Some(last)) = (self.gap.take(), self.spans.back().copied()) else {
            return;
        };
        let left_out = gap.to - gap.from;
        self.push(Span {
            from: gap.to,
            left_out,
            sequence_offset: last.sequence_offset.wrapping_sub(left_out),
            pictures_left_out: last.pictures_left_out.wrapping_add(gap.pictures),
            ..last
        });
    }

    /// Shorten the way to a new picture, while time stamps are ahead.
    fn give_back(&mut self, sequence: u64, time: u32) {
        if self.lead == 0 || time == self.newest_time {
            return;
        }
        let way = time.wrapping_sub(self.newest_time);
        if way > u32::MAX / 2 {
            return;
        }
        let Some(last) = self.spans.back().copied() else {
            return;
        };
        let back = self.lead.min(way - 1);
        self.lead -= back;
        self.push(Span {
            from: sequence,
            left_out: 0,
            time_offset: last.time_offset.wrapping_sub(back),
            ..last
        });
    }

    fn push(&mut self, span: Span) {
        // What was left out just before a span of the same beginning belongs to it too.
        if let Some(last) = self.spans.back_mut()
            && last.from == span.from
        {
            let left_out = last.left_out + span.left_out;
            *last = Span { left_out, ..span };
            return;
        }
        if self.spans.len() == MAX_SPANS {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
    }
}

impl Span {
    fn numbers(&self, sequence: u64, time: u32) -> Numbers {
        Numbers {
            sequence: sequence.wrapping_add(self.sequence_offset),
            time: time.wrapping_add(self.time_offset),
            pictures_left_out: self.pictures_left_out,
        }
    }
}

fn micros(from: Instant, to: Instant) -> i64 {
    let span = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4);
    if to >= from {
        span(to - from)
    } else {
        -span(from - to)
    }
}

#[cfg(test)]
mod tests;
