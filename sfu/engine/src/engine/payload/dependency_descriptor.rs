//! The dependency descriptor (AV1 RTP specification, appendix A): what a frame is of and needs, said
//! in a header extension, so that payloads may be encrypted end to end.
//!
//! Frames name a *template*; the templates come once, with the first packet of each whole picture,
//! as a [`Structure`] that is kept for the packets after it. A *decode target* is what a receiver may
//! choose to decode: a spatial layer at a frame rate.

use super::bits::Bits;

/// Six bits number templates, five count decode targets, two and three bits layers.
const MAX_TEMPLATES: usize = 64;
pub const MAX_SPATIAL: usize = 4;

/// Of one frame; encoders make one for each layer below it.
const MAX_REFERENCES: usize = 16;

/// Bytes of a descriptor that has nothing but what it must have.
const MANDATORY_BYTES: usize = 3;

/// What a frame is to a decode target (appendix A.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    NotPresent,
    Discardable,
    /// From this frame on all frames of the target can be decoded, if this one can.
    Switch,
    Required,
}

impl Indication {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        Some(match bits.take(2)? {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        })
    }
}

/// How the frames of a stream hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    first_template: u32,
    templates: Vec<Template>,
    targets: Vec<Target>,
    chains: usize,
    /// Width and height of each spatial layer, where they are known.
    sizes: Vec<(u16, u16)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: Vec<Indication>,
    references: Vec<u16>,
    chains: Vec<u8>,
}

/// What a receiver may choose to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its highest layers.
    pub spatial: u8,
    pub temporal: u8,
    /// The chain of frames that must not break for it.
    pub protected_by: Option<u8>,
}

/// The descriptor of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub begins_frame: bool,
    pub ends_frame: bool,
    /// Counts frames, wrapping at 16 bits.
    pub number: u16,
    pub spatial: u8,
    pub temporal: u8,
    /// A structure that stands for this packet and those after it.
    pub structure: Option<Structure>,
    /// A bit for each decode target that is sent at present; said when it changes.
    pub active_targets: Option<u32>,
    /// What the frame is to each decode target.
    pub indications: Vec<Indication>,
    /// How many frames before this one each frame is that it needs.
    pub references: Vec<u16>,
    /// How many frames before this one the last frame of each chain is; 0: there is none.
    pub chains: Vec<u8>,
    pub size: Option<(u16, u16)>,
}

impl Descriptor {
    /// Read, by the structure that was last sent unless it brings one. `None` when it makes no
    /// sense, or names a template that is not known.
    #[must_use]
    pub fn read(bytes: &[u8], known: Option<&Structure>) -> Option<Self> {
        let mut bits = Bits::new(bytes);
        let begins_frame = bits.flag()?;
        let ends_frame = bits.flag()?;
        let template = bits.take(6)?;
        let number = bits.take(16)? as u16;
        let mut custom = [false; 3];
        let (mut structure, mut active_targets) = (None, None);
        if bytes.len() > MANDATORY_BYTES {
            let has_structure = bits.flag()?;
            let has_active = bits.flag()?;
            custom = [bits.flag()?, bits.flag()?, bits.flag()?];
            if has_structure {
                let read = Structure::read(&mut bits)?;
                active_targets = Some(all(read.targets.len()));
                structure = Some(read);
            }
            if has_active {
                let count = structure.as_ref().or(known)?.targets.len();
                active_targets = Some(bits.take(count)?);
            }
        }
        let by = structure.as_ref().or(known)?;
        let template = by.template(template)?;
        let [own_indications, own_references, own_chains] = custom;
        let indications = if own_indications {
            let count = by.targets.len();
            (0..count)
                .map(|_| Indication::read(&mut bits))
                .collect::<Option<_>>()?
        } else {
            template.indications.clone()
        };
        let references = if own_references {
            references(&mut bits)?
        } else {
            template.references.clone()
        };
        let chains = if own_chains {
            (0..by.chains)
                .map(|_| bits.take(8).map(|distance| distance as u8))
                .collect::<Option<_>>()?
        } else {
            template.chains.clone()
        };
        let (spatial, temporal) = (template.spatial, template.temporal);
        let size = by.sizes.get(usize::from(spatial)).copied();
        Some(Self {
            begins_frame,
            ends_frame,
            number,
            spatial,
            temporal,
            structure,
            active_targets,
            indications,
            references,
            chains,
            size,
        })
    }

    /// The temporal layers, by bit, up to which all frames of this spatial layer can be decoded from
    /// this frame on.
    #[must_use]
    pub fn switches(&self, by: &Structure) -> u8 {
        by.targets
            .iter()
            .zip(&self.indications)
            .filter(|(target, indication)| {
                target.spatial == self.spatial && **indication == Indication::Switch
            })
            .fold(0, |layers, (target, _)| {
                layers | 1 << target.temporal.min(7)
            })
    }
}

fn references(bits: &mut Bits<'_>) -> Option<Vec<u16>> {
    let mut references = Vec::new();
    loop {
        let width = bits.take(2)? as usize * 4;
        if width == 0 {
            return Some(references);
        }
        if references.len() == MAX_REFERENCES {
            return None;
        }
        references.push(bits.take(width)? as u16 + 1);
    }
}

/// A bit for each of so many targets.
fn all(targets: usize) -> u32 {
    u32::MAX.checked_shr(32 - targets as u32).unwrap_or(0)
}

impl Structure {
    /// The decode targets, as the bits of [`Descriptor::active_targets`] count them.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn template(&self, number: u32) -> Option<&Template> {
        let at = (number + MAX_TEMPLATES as u32 - self.first_template) as usize % MAX_TEMPLATES;
        self.templates.get(at)
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let first_template = bits.take(6)?;
        let target_count = bits.take(5)? as usize + 1;
        let mut templates = layers(bits)?;
        for template in &mut templates {
            template.indications = (0..target_count)
                .map(|_| Indication::read(bits))
                .collect::<Option<_>>()?;
        }
        for template in &mut templates {
            while bits.flag()? {
                if template.references.len() == MAX_REFERENCES {
                    return None;
                }
                template.references.push(bits.take(4)? as u16 + 1);
            }
        }
        let chains = bits.take_below(target_count as u32 + 1)? as usize;
        let mut protected_by = vec![None; target_count];
        if chains > 0 {
            for chain in &mut protected_by {
                *chain = Some(bits.take_below(chains as u32)? as u8);
            }
            for template in &mut templates {
                template.chains = (0..chains)
                    .map(|_| bits.take(4).map(|distance| distance as u8))
                    .collect::<Option<_>>()?;
            }
        }
        let targets = targets(&templates, protected_by);
        let mut sizes = Vec::new();
        if bits.flag()? {
            let highest = templates.last().map_or(0, |template| template.spatial);
            for _ in 0..=highest {
                // One less than they are; the largest stays what a number of 16 bits holds.
                let (width, height) = (bits.take(16)? as u16, bits.take(16)? as u16);
                sizes.push((width.saturating_add(1), height.saturating_add(1)));
            }
        }
        Some(Self {
            first_template,
            templates,
            targets,
            chains,
            sizes,
        })
    }
}

/// The layers of all templates: each is of the layer of the one before, the next temporal layer, or
/// the base of the next spatial layer.
fn layers(bits: &mut Bits<'_>) -> Option<Vec<Template>> {
    let mut templates = Vec::new();
    let (mut spatial, mut temporal) = (0u8, 0u8);
    while templates.len() < MAX_TEMPLATES {
        templates.push(Template {
            spatial,
            temporal,
            ..Template::default()
        });
        match bits.take(2)? {
            0 => {}
            1 => temporal = temporal.checked_add(1).filter(|layer| *layer < 8)?,
            2 => {
                temporal = 0;
                spatial += 1;
                if usize::from(spatial) >= MAX_SPATIAL {
                    return None;
                }
            }
            _ => return Some(templates),
        }
    }
    None
}

/// A target has the highest layers of all templates that are present in it.
fn targets(templates: &[Template], protected_by: Vec<Option<u8>>) -> Vec<Target> {
    protected_by
        .into_iter()
        .enumerate()
        .map(|(at, protected_by)| {
            let present = templates.iter().filter(|template| {
                template
                    .indications
                    .get(at)
                    .is_some_and(|indication| *indication != Indication::NotPresent)
            });
            Target {
                spatial: present
                    .clone()
                    .map(|known| known.spatial)
                    .max()
                    .unwrap_or(0),
                temporal: present.map(|known| known.temporal).max().unwrap_or(0),
                protected_by,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
