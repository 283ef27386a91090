//! The picture on one line of a subscriber: what was granted of it, and what goes out.

use std::time::{Duration, Instant};

use super::allocator::{Ask, Grant, enough};
use super::demand::Wanted;
use super::picture::PictureIds;
use super::selector::{Aim, Selector, bit};
use super::table::{LayerTable, Rung};
use super::{Size, pixels};

/// A keyframe that did not come is asked for again: a round trip and an encoder's frame.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Of a room's height limit, at 16:9.
const WIDTH_BY_HEIGHT: (u32, u32) = (16, 9);

/// What a page asks for of one track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// As shown; 0x0 for unknown, which is all of it.
    pub size: Size,
    /// 128 is normal.
    pub priority: u8,
    pub paused: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            size: (0, 0),
            priority: 128,
            paused: false,
        }
    }
}

impl Wish {
    /// Pixels that are shown; `None` when nobody said so.
    #[must_use]
    pub fn shown_pixels(&self) -> Option<u32> {
        Some(pixels(self.size)).filter(|shown| *shown > 0)
    }
}

/// Pixels of a picture of that many lines; `None` for no limit.
#[must_use]
pub fn pixels_of_height(height: u32) -> Option<u32> {
    let (width, by) = WIDTH_BY_HEIGHT;
    (height > 0).then(|| height.saturating_mul(height).saturating_mul(width) / by)
}

/// The state of one line with a picture.
#[derive(Debug)]
pub struct LineLayers {
    pub selector: Selector,
    pub pictures: PictureIds,
    given: Grant,
    upgraded_at: Option<Instant>,
    asked: Option<(u8, Instant)>,
    /// What the line could use of its track.
    pub wanted: Wanted,
}

impl Default for LineLayers {
    fn default() -> Self {
        Self {
            selector: Selector::default(),
            pictures: PictureIds::default(),
            given: Grant::default(),
            upgraded_at: None,
            asked: None,
            wanted: Wanted::ALL,
        }
    }
}

impl LineLayers {
    /// A track begins on the line, perhaps another one.
    pub fn begin(&mut self) {
        self.selector = Selector::default();
        self.given = Grant::Unknown;
        self.upgraded_at = None;
        self.asked = None;
        self.wanted = Wanted::ALL;
    }

    /// Whether the line takes nothing of an encoding's packets.
    #[must_use]
    pub fn ignores(&self, encoding: u8) -> bool {
        let carried = self
            .selector
            .current()
            .is_some_and(|current| current.encoding == encoding);
        let aimed = match self.selector.aimed() {
            Aim::Pause => false,
            Aim::Any => self.selector.current().is_none(),
            Aim::Layer {
                layer, begin_with, ..
            } => match self.selector.current() {
                Some(_) => layer.encoding == encoding,
                None => begin_with & bit(encoding) != 0,
            },
        };
        !carried && !aimed
    }

    /// What the line asks of its subscriber's bandwidth.
    #[must_use]
    pub fn ask<'a>(&self, rungs: &'a [Rung], wish: &Wish, allowed_pixels: Option<u32>) -> Ask<'a> {
        Ask {
            rungs,
            shown_pixels: wish.shown_pixels(),
            allowed_pixels,
            priority: wish.priority,
            paused: wish.paused,
            given: self.given,
            upgraded_at: self.upgraded_at,
        }
    }

    /// Take what was granted. Returns the encoding of which a keyframe is to be asked for.
    pub fn take(
        &mut self,
        grant: Grant,
        rungs: &[Rung],
        table: &LayerTable,
        now: Instant,
    ) -> Option<u8> {
        let place = |grant| match grant {
            Grant::Layer(layer) => rungs.iter().position(|rung| rung.layer == layer),
            _ => None,
        };
        let at = place(grant);
        if at > place(self.given) && grant != self.given {
            self.upgraded_at = Some(now);
        }
        self.given = grant;
        let aim = match (grant, at) {
            (Grant::Paused | Grant::Starved, _) => Aim::Pause,
            (Grant::Layer(layer), Some(at)) => Aim::Layer {
                layer,
                begin_with: rungs[..=at]
                    .iter()
                    .fold(0, |set, rung| set | bit(rung.layer.encoding)),
                relieve: self.selector.current().is_some_and(|current| {
                    rungs[at + 1..]
                        .iter()
                        .any(|rung| rung.layer.encoding == current.encoding)
                        && current.encoding != layer.encoding
                }),
            },
            // Silent, or not known yet: take it as it comes.
            _ if self.selector.aimed() == Aim::Pause => Aim::Any,
            _ => self.selector.aimed(),
        };
        self.selector.aim(aim, table.structured());
        self.ask_keyframe(now)
    }

    /// The encoding that the line gets, or waits for.
    #[must_use]
    pub fn encoding(&self) -> u8 {
        let current = self.selector.current().map(|current| current.encoding);
        current.or(self.selector.waits_for()).unwrap_or(0)
    }

    /// Whether a keyframe is waited for.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.selector.waits_for().is_some()
    }

    /// Whether the line gets nothing for lack of bandwidth.
    #[must_use]
    pub fn starved(&self) -> bool {
        self.given == Grant::Starved
    }

    /// Whether the line gets nothing because its page does not show it.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.given == Grant::Paused
    }

    /// Note what the line could use of its track; `true` when that changed.
    pub fn want(&mut self, table: &LayerTable, wish: &Wish, allowed_pixels: Option<u32>) -> bool {
        let mut wanted = wanted(table, wish, allowed_pixels);
        if !wish.paused
            && let Some(current) = self.selector.current()
        {
            // Until the keyframe of the next one has come: without it the picture would stand still.
            wanted.encodings |= bit(current.encoding);
        }
        let changed = wanted != self.wanted;
        self.wanted = wanted;
        changed
    }

    fn ask_keyframe(&mut self, now: Instant) -> Option<u8> {
        let encoding = self.selector.waits_for()?;
        let fresh = self
            .asked
            .is_some_and(|(asked, at)| asked == encoding && now < at + ASK_AGAIN_AFTER);
        if fresh {
            return None;
        }
        self.asked = Some((encoding, now));
        Some(encoding)
    }
}

/// Everything up to what is shown and allowed. Smaller encodings stay wanted: when the bandwidth
/// falls there is no time to wait for them.
fn wanted(table: &LayerTable, wish: &Wish, allowed_pixels: Option<u32>) -> Wanted {
    if wish.paused {
        return Wanted::default();
    }
    let known = table.known();
    let Some(last) = known.len().checked_sub(1) else {
        return Wanted::ALL;
    };
    let sizes = || known.iter().map(|size| size.pixels);
    let shown = enough(sizes(), wish.shown_pixels()).unwrap_or(last);
    let allowed = allowed_pixels.map_or(last, |allowed| {
        sizes().rposition(|pixels| pixels <= allowed).unwrap_or(0)
    });
    let at = shown.min(allowed);
    if at == last {
        return Wanted::ALL;
    }
    Wanted {
        encodings: known[..=at]
            .iter()
            .fold(0, |set, size| set | bit(size.encoding)),
        spatial: known[at].spatial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::layers::Layer;
    use crate::engine::layers::selector::tests::{key, packet};
    use crate::engine::media::packet::Layering;

    fn simulcast(now: Instant) -> LayerTable {
        let mut table = LayerTable::default();
        for (encoding, bytes) in [(0, 100), (1, 400), (2, 1200)] {
            let layering = Layering {
                encoding,
                keyframe: true,
                resolution: Some((320 << encoding, 180 << encoding)),
                ..Layering::default()
            };
            table.note(&layering, bytes, now);
        }
        table
    }

    #[test]
    fn what_a_small_tile_cannot_use_is_not_wanted() {
        let now = Instant::now();
        let table = simulcast(now);
        let mut line = LineLayers::default();
        let small = Wish {
            size: (320, 180),
            ..Wish::default()
        };
        assert!(line.want(&table, &small, None));
        assert_eq!(line.wanted.encodings, 0b001);
        assert!(line.want(&table, &Wish::default(), pixels_of_height(360)));
        assert_eq!(line.wanted.encodings, 0b011);
        assert!(line.want(&table, &Wish::default(), None));
        assert_eq!(line.wanted, Wanted::ALL);
        assert!(!line.want(&LayerTable::default(), &Wish::default(), None));
        let paused = Wish {
            paused: true,
            ..small
        };
        assert!(line.want(&table, &paused, None));
        assert_eq!(line.wanted, Wanted::default());
    }

    #[test]
    fn what_goes_out_is_wanted_until_the_next_begins() {
        let now = Instant::now();
        let table = simulcast(now);
        let rungs = table.rungs(now);
        let mut line = LineLayers::default();
        let grant = |encoding| {
            Grant::Layer(Layer {
                encoding,
                ..Layer::default()
            })
        };
        let small = Wish {
            size: (320, 180),
            ..Wish::default()
        };
        let take = |line: &mut LineLayers, encoding| {
            let layering = Layering {
                begins_frame: true,
                ..key(encoding, 0)
            };
            line.selector.take(&packet(1, 1, layering));
        };
        line.take(grant(2), &rungs, &table, now);
        take(&mut line, 2);
        line.take(grant(0), &rungs, &table, now);
        line.want(&table, &small, None);
        assert_eq!(line.wanted.encodings, 0b101);
        take(&mut line, 0);
        assert!(line.want(&table, &small, None));
        assert_eq!(line.wanted.encodings, 0b001);
    }

    #[test]
    fn a_keyframe_is_asked_for_once_and_again_when_it_does_not_come() {
        let now = Instant::now();
        let table = simulcast(now);
        let rungs = table.rungs(now);
        let mut line = LineLayers::default();
        let grant = Grant::Layer(Layer {
            encoding: 1,
            ..Layer::default()
        });
        assert_eq!(line.take(grant, &rungs, &table, now), Some(1));
        assert!(line.waits() && !line.ignores(1) && !line.ignores(0) && line.ignores(2));
        assert_eq!(line.take(grant, &rungs, &table, now), None);
        let later = now + ASK_AGAIN_AFTER;
        assert_eq!(line.take(grant, &rungs, &table, later), Some(1));
        line.take(Grant::Paused, &rungs, &table, later);
        assert!(line.ignores(0) && !line.waits());
    }
}
