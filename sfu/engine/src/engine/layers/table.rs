//! What the source of a track sends: each layer's bit rate and size, and whether it flows now.
//!
//! Rates are counted in half seconds, and a layer's is that of its last two: about a second back.
//! Encodings are ordered by what they are seen to be, not by rank: a client may offer its streams in
//! either order.

use std::time::{Duration, Instant};

use super::selector::bit;
use super::{Layer, Size, pixels};
use crate::engine::media::packet::Layering;
use crate::engine::media::packet::MAX_ENCODINGS;

/// AV1 and VP9 know up to three spatial and three temporal layers in the modes that browsers
/// offer; one more of each costs little.
const SPATIAL: usize = 4;
const TEMPORAL: usize = 4;

const HALF_WINDOW: Duration = Duration::from_millis(500);

/// A layer that was not seen for so long does not flow. A shared screen at rest repeats its picture
/// once a second.
pub const SILENT_AFTER: Duration = Duration::from_millis(1500);

/// Pixels of the largest encoding while nobody said them: 1280x720.
const GUESSED_PIXELS: u32 = 1280 * 720;

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    bytes: u32,
    bytes_before: u32,
    rate_bps: u32,
    last: Option<Instant>,
}

#[derive(Clone, Debug, Default)]
struct Encoding {
    cells: [[Cell; TEMPORAL]; SPATIAL],
    sizes: [Option<Size>; SPATIAL],
    last: Option<Instant>,
    keyframe_seen: bool,
}

/// One step on the way from the least to the most of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    pub layer: Layer,
    /// Of everything up to this layer, bit/s of RTP.
    pub rate_bps: u64,
    /// Of the picture, known or guessed.
    pub pixels: u32,
}

/// A size in which a track was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSize {
    pub encoding: u8,
    pub spatial: u8,
    /// Known or guessed.
    pub pixels: u32,
}

/// The layers of one track.
#[derive(Debug, Default)]
pub struct LayerTable {
    encodings: Vec<Encoding>,
    window_began: Option<Instant>,
    span_before: Duration,
}

impl LayerTable {
    /// Count a packet. `true` when a layer appears that did not flow before.
    pub fn note(&mut self, layering: &Layering, bytes: u64, now: Instant) -> bool {
        let at = usize::from(layering.encoding);
        if at >= MAX_ENCODINGS {
            return false;
        }
        if at >= self.encodings.len() {
            self.encodings.resize_with(at + 1, Encoding::default);
        }
        let began = *self.window_began.get_or_insert(now);
        if now.saturating_duration_since(began) >= HALF_WINDOW {
            self.roll(now - began);
            self.window_began = Some(now);
        }
        let encoding = &mut self.encodings[at];
        let spatial = usize::from(layering.spatial).min(SPATIAL - 1);
        let temporal = usize::from(layering.temporal).min(TEMPORAL - 1);
        if layering.resolution.is_some() {
            encoding.sizes[spatial] = layering.resolution;
        }
        encoding.keyframe_seen |= layering.keyframe;
        encoding.last = Some(now);
        let cell = &mut encoding.cells[spatial][temporal];
        let appears = !flows(cell.last, now);
        cell.bytes = cell.bytes.saturating_add(bytes as u32);
        cell.last = Some(now);
        appears
    }

    /// Nothing flows of what lies beyond these encodings (by bit) and this spatial layer until its packets come again.
    pub fn stop_beyond(&mut self, encodings: u8, spatial: u8, now: Instant) {
        let long_ago = now.checked_sub(SILENT_AFTER);
        for (encoding, rank) in self.encodings.iter_mut().zip(0..) {
            let carried = encodings & bit(rank) != 0;
            for (row, layer) in encoding.cells.iter_mut().zip(0..) {
                if !carried || layer > spatial {
                    for cell in row {
                        cell.last = cell.last.and(long_ago);
                    }
                }
            }
            if !carried {
                encoding.last = encoding.last.and(long_ago);
            }
        }
    }

    /// What flows now, from the least to the most: each step is more to see and costs more.
    #[must_use]
    pub fn rungs(&self, now: Instant) -> Vec<Rung> {
        let mut rungs: Vec<Rung> = Vec::new();
        for (rank, size) in self.order(now) {
            let encoding = &self.encodings[usize::from(rank)];
            for spatial in 0..SPATIAL {
                for temporal in 0..TEMPORAL {
                    if !flows(encoding.cells[spatial][temporal].last, now) {
                        continue;
                    }
                    let rung = Rung {
                        layer: Layer {
                            encoding: rank,
                            spatial: spatial as u8,
                            temporal: temporal as u8,
                        },
                        rate_bps: self.rate(encoding, spatial, temporal, now),
                        pixels: encoding.pixels(spatial, size),
                    };
                    while rungs
                        .last()
                        .is_some_and(|lower| lower.rate_bps >= rung.rate_bps)
                    {
                        rungs.pop();
                    }
                    rungs.push(rung);
                }
            }
        }
        rungs
    }

    /// What flows of a stream that is taken up to a layer, and its bit/s.
    #[must_use]
    pub fn flowing_of(&self, layer: Layer, now: Instant) -> Option<(Layer, u64)> {
        let encoding = self.encodings.get(usize::from(layer.encoding))?;
        let (spatial, temporal) = (usize::from(layer.spatial), usize::from(layer.temporal));
        let flows = |row: &[Cell]| row.iter().rposition(|cell| flows(cell.last, now));
        let rows = &encoding.cells[..=spatial.min(SPATIAL - 1)];
        let spatial = rows.iter().rposition(|row| flows(row).is_some())?;
        let temporal = flows(&rows[spatial][..=temporal.min(TEMPORAL - 1)])?;
        let reached = Layer {
            encoding: layer.encoding,
            spatial: spatial as u8,
            temporal: temporal as u8,
        };
        Some((reached, self.rate(encoding, spatial, temporal, now)))
    }

    /// The lines of a layer's picture, where they were said.
    #[must_use]
    pub fn height(&self, layer: Layer) -> Option<u16> {
        let encoding = self.encodings.get(usize::from(layer.encoding))?;
        let size = encoding.sizes.get(usize::from(layer.spatial))?;
        size.map(|(_, height)| height)
    }

    /// Encodings (by bit) that were seen to have keyframes.
    #[must_use]
    pub fn structured(&self) -> u8 {
        self.encodings
            .iter()
            .zip(0..)
            .filter(|(encoding, _)| encoding.keyframe_seen)
            .fold(0, |set, (_, rank)| set | bit(rank))
    }

    /// The encodings that flow now.
    #[must_use]
    pub fn flowing(&self, now: Instant) -> Vec<u8> {
        self.order(now).into_iter().map(|(rank, _)| rank).collect()
    }

    /// Every size that was ever seen, from the smallest to the largest: also those that their source
    /// was told to stop.
    #[must_use]
    pub fn known(&self) -> Vec<KnownSize> {
        let mut known: Vec<(u8, u32, u64)> = self
            .encodings
            .iter()
            .zip(0..)
            .filter(|(encoding, _)| encoding.last.is_some())
            .map(|(encoding, rank)| {
                let size = encoding.largest().unwrap_or(0);
                (rank, size, encoding.remembered_bps())
            })
            .collect();
        sort(&mut known);
        guess(&known)
            .into_iter()
            .flat_map(|(rank, whole)| {
                let encoding = &self.encodings[usize::from(rank)];
                (0..=encoding.top()).map(move |spatial| KnownSize {
                    encoding: rank,
                    spatial: spatial as u8,
                    pixels: encoding.pixels(spatial, whole),
                })
            })
            .collect()
    }

    /// The flowing encodings from small to large.
    fn order(&self, now: Instant) -> Vec<(u8, u32)> {
        let mut flowing: Vec<(u8, u32, u64)> = self
            .encodings
            .iter()
            .enumerate()
            .filter(|(_, encoding)| flows(encoding.last, now))
            .map(|(rank, encoding)| {
                let rate = self.rate(encoding, SPATIAL - 1, TEMPORAL - 1, now);
                (rank as u8, encoding.largest().unwrap_or(0), rate)
            })
            .collect();
        sort(&mut flowing);
        guess(&flowing)
    }

    fn rate(&self, encoding: &Encoding, spatial: usize, temporal: usize, now: Instant) -> u64 {
        // Before the first window is full, what came is all there is to go by.
        let young = self.span_before.is_zero();
        let elapsed = self
            .window_began
            .map_or(HALF_WINDOW, |began| now.saturating_duration_since(began))
            .max(HALF_WINDOW);
        encoding.cells[..=spatial]
            .iter()
            .flat_map(|row| &row[..=temporal])
            .map(|cell| {
                if young || cell.rate_bps == 0 {
                    per_second(u64::from(cell.bytes), elapsed)
                } else {
                    u64::from(cell.rate_bps)
                }
            })
            .sum()
    }

    fn roll(&mut self, span: Duration) {
        let both = span + self.span_before;
        for cell in self
            .encodings
            .iter_mut()
            .flat_map(|encoding| encoding.cells.iter_mut().flatten())
        {
            // What stopped is remembered as it was: it may be asked for again.
            if cell.bytes > 0 {
                let started = cell.bytes_before == 0;
                let (bytes, span) = if started {
                    (u64::from(cell.bytes), span)
                } else {
                    (u64::from(cell.bytes) + u64::from(cell.bytes_before), both)
                };
                cell.rate_bps = per_second(bytes, span).min(u64::from(u32::MAX)) as u32;
            }
            cell.bytes_before = cell.bytes;
            cell.bytes = 0;
        }
        // After a pause of the whole track the first window says nothing about the second.
        self.span_before = span.min(SILENT_AFTER);
    }
}

impl Encoding {
    fn largest(&self) -> Option<u32> {
        self.sizes.iter().flatten().copied().map(pixels).max()
    }

    /// The highest spatial layer that was seen.
    fn top(&self) -> usize {
        self.cells
            .iter()
            .rposition(|row| row.iter().any(|cell| cell.last.is_some()))
            .unwrap_or(0)
    }

    /// Of a spatial layer; unknown ones are a quarter of the next larger one each, and the whole
    /// picture has `whole` pixels.
    fn pixels(&self, spatial: usize, whole: u32) -> u32 {
        if let Some(size) = self.sizes[spatial] {
            return pixels(size);
        }
        let above = (spatial + 1..SPATIAL)
            .find_map(|above| self.sizes[above].map(|size| (above, pixels(size))));
        let (above, size) = above.unwrap_or((self.top().max(spatial), whole));
        size >> (2 * (above - spatial))
    }

    fn remembered_bps(&self) -> u64 {
        self.cells
            .iter()
            .flatten()
            .map(|cell| u64::from(cell.rate_bps))
            .sum()
    }
}

/// By size where all sizes are known, else by rate.
fn sort(encodings: &mut [(u8, u32, u64)]) {
    let all_known = encodings.iter().all(|(_, size, _)| *size > 0);
    encodings.sort_by_key(|(_, size, rate)| (if all_known { *size } else { 0 }, *rate));
}

/// Where sizes are not known, each encoding has a quarter of the next one's pixels, as browsers do.
fn guess(sorted: &[(u8, u32, u64)]) -> Vec<(u8, u32)> {
    let count = sorted.len();
    sorted
        .iter()
        .enumerate()
        .map(|(at, (rank, size, _))| match size {
            0 => (*rank, GUESSED_PIXELS >> (2 * (count - 1 - at))),
            _ => (*rank, *size),
        })
        .collect()
}

fn flows(last: Option<Instant>, now: Instant) -> bool {
    last.is_some_and(|last| now.saturating_duration_since(last) < SILENT_AFTER)
}

fn per_second(bytes: u64, span: Duration) -> u64 {
    bytes * 8 * 1000 / (span.as_millis() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn layer(encoding: u8, temporal: u8) -> Layering {
        Layering {
            encoding,
            temporal,
            ..Layering::default()
        }
    }

    /// Three encodings, `bytes` of each every 10 ms, for as long.
    fn feed(table: &mut LayerTable, from: Instant, span: Duration, bytes: [u64; 3]) -> Instant {
        let mut now = from;
        while now < from + span {
            for (encoding, bytes) in bytes.into_iter().enumerate() {
                if bytes > 0 {
                    table.note(&layer(encoding as u8, 0), bytes, now);
                }
            }
            now += 10 * MS;
        }
        now
    }

    #[test]
    fn rates_are_measured_and_order_the_encodings_whatever_their_rank() {
        let start = Instant::now();
        let mut table = LayerTable::default();
        // The largest first, as Firefox may.
        let now = feed(&mut table, start, 3000 * MS, [1250, 500, 125]);
        let rungs = table.rungs(now);
        let ranks: Vec<u8> = rungs.iter().map(|rung| rung.layer.encoding).collect();
        assert_eq!(ranks, [2, 1, 0]);
        for (rung, expected) in rungs.iter().zip([100_000u64, 400_000, 1_000_000]) {
            assert!(rung.rate_bps.abs_diff(expected) < expected / 20, "{rung:?}");
        }
        assert_eq!(rungs[2].pixels, GUESSED_PIXELS);
        assert_eq!(rungs[0].pixels, GUESSED_PIXELS / 16);
    }

    #[test]
    fn what_is_known_to_have_stopped_does_not_flow_at_once_and_is_remembered() {
        let mut table = LayerTable::default();
        let now = feed(&mut table, Instant::now(), 2000 * MS, [125, 500, 1250]);
        table.stop_beyond(0b011, u8::MAX, now);
        assert_eq!(table.flowing(now), [0, 1]);
        assert_eq!(table.known().len(), 3);
        assert!(table.note(&layer(2, 0), 100, now));
        assert_eq!(table.flowing(now), [0, 1, 2]);
    }

    #[test]
    fn what_fell_silent_does_not_flow_and_is_remembered() {
        let start = Instant::now();
        let mut table = LayerTable::default();
        let now = feed(&mut table, start, 3000 * MS, [125, 500, 1250]);
        let now = feed(&mut table, now, SILENT_AFTER + 10 * MS, [125, 500, 0]);
        assert_eq!(table.rungs(now).len(), 2);
        let known: Vec<u8> = table.known().iter().map(|size| size.encoding).collect();
        assert_eq!(known, [0, 1, 2]);
        assert!(table.note(&layer(2, 0), 9, now));
        assert!(!table.note(&layer(2, 0), 9, now));
    }

    #[test]
    fn temporal_layers_add_up_and_a_dearer_lesser_layer_is_no_step() {
        let start = Instant::now();
        let mut table = LayerTable::default();
        let mut now = start;
        for _ in 0..300 {
            table.note(&layer(0, 0), 100, now);
            table.note(&layer(0, 1), 100, now);
            // Larger, and cheaper than all of the other.
            table.note(&layer(1, 0), 150, now);
            table.encodings[0].sizes[0] = Some((320, 180));
            table.encodings[1].sizes[0] = Some((640, 360));
            now += 10 * MS;
        }
        let layers: Vec<Layer> = table.rungs(now).iter().map(|rung| rung.layer).collect();
        let at = |encoding, temporal| Layer {
            encoding,
            spatial: 0,
            temporal,
        };
        assert_eq!(layers, [at(0, 0), at(1, 0)]);
    }

    #[test]
    fn spatial_layers_without_a_size_are_quarters_of_the_next() {
        let now = Instant::now();
        let mut table = LayerTable::default();
        for spatial in 0..3 {
            let layering = Layering {
                spatial,
                keyframe: true,
                resolution: (spatial == 2).then_some((1280, 720)),
                ..Layering::default()
            };
            table.note(&layering, 100, now);
        }
        let rungs = table.rungs(now);
        let sizes: Vec<u32> = rungs.iter().map(|rung| rung.pixels).collect();
        assert_eq!(sizes, [320 * 180, 640 * 360, 1280 * 720]);
        assert_eq!(table.structured(), 0b1);
        let known: Vec<u32> = table.known().iter().map(|size| size.pixels).collect();
        assert_eq!(known, sizes);
    }
}
