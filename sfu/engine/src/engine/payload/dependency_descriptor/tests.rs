//! Descriptors written by a writer of the tests' own, and garbage.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// The other direction of [`Bits`].
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    length: usize,
}

impl Writer {
    fn put(&mut self, value: u32, width: usize) {
        for bit in (0..width).rev() {
            if self.length.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let at = self.bytes.len() - 1;
            self.bytes[at] |= ((value >> bit & 1) as u8) << (7 - self.length % 8);
            self.length += 1;
        }
    }

    fn put_below(&mut self, value: u32, count: u32) {
        let width = 32 - count.leading_zeros();
        let short = (1 << width) - count;
        if value < short {
            self.put(value, width as usize - 1);
        } else {
            self.put((value + short) >> 1, width as usize - 1);
            self.put((value + short) & 1, 1);
        }
    }
}

fn write_structure(writer: &mut Writer, structure: &Structure) {
    writer.put(structure.first_template, 6);
    writer.put(structure.targets.len() as u32 - 1, 5);
    for pair in structure.templates.windows(2) {
        let next = if pair[1].spatial > pair[0].spatial {
            2
        } else {
            u32::from(pair[1].temporal > pair[0].temporal)
        };
        writer.put(next, 2);
    }
    writer.put(3, 2);
    for template in &structure.templates {
        write_indications(writer, &template.indications);
    }
    for template in &structure.templates {
        for reference in &template.references {
            writer.put(1, 1);
            writer.put(u32::from(reference - 1), 4);
        }
        writer.put(0, 1);
    }
    writer.put_below(structure.chains as u32, structure.targets.len() as u32 + 1);
    if structure.chains > 0 {
        for target in &structure.targets {
            writer.put_below(target.protected_by.unwrap().into(), structure.chains as u32);
        }
        for template in &structure.templates {
            for chain in &template.chains {
                writer.put((*chain).into(), 4);
            }
        }
    }
    writer.put(u32::from(!structure.sizes.is_empty()), 1);
    for (width, height) in &structure.sizes {
        writer.put(u32::from(width - 1), 16);
        writer.put(u32::from(height - 1), 16);
    }
}

fn write_indications(writer: &mut Writer, indications: &[Indication]) {
    for indication in indications {
        writer.put(*indication as u32, 2);
    }
}

/// What stands in a descriptor.
struct Written<'a> {
    template: u32,
    structure: Option<&'a Structure>,
    active: Option<u32>,
    indications: Option<Vec<Indication>>,
    references: Option<Vec<u16>>,
    chains: Option<Vec<u8>>,
}

fn write(by: &Structure, written: &Written<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.put(0b10, 2);
    writer.put(written.template, 6);
    writer.put(4711, 16);
    writer.put(u32::from(written.structure.is_some()), 1);
    writer.put(u32::from(written.active.is_some()), 1);
    writer.put(u32::from(written.indications.is_some()), 1);
    writer.put(u32::from(written.references.is_some()), 1);
    writer.put(u32::from(written.chains.is_some()), 1);
    if let Some(structure) = written.structure {
        write_structure(&mut writer, structure);
    }
    if let Some(active) = written.active {
        writer.put(active, by.targets.len());
    }
    if let Some(indications) = &written.indications {
        write_indications(&mut writer, indications);
    }
    for reference in written.references.iter().flatten() {
        let less = u32::from(reference - 1);
        let nibbles = (32 - less.leading_zeros()).div_ceil(4).max(1);
        writer.put(nibbles, 2);
        writer.put(less, nibbles as usize * 4);
    }
    if written.references.is_some() {
        writer.put(0, 2);
    }
    for chain in written.chains.iter().flatten() {
        writer.put((*chain).into(), 8);
    }
    writer.bytes
}

const KINDS: [Indication; 4] = [
    Indication::NotPresent,
    Indication::Discardable,
    Indication::Switch,
    Indication::Required,
];

prop_compose! {
    /// Structures of any layers, small enough for one descriptor.
    fn structures()(
        steps in prop::collection::vec(0u8..3, 0..6),
        (first_template, sized) in (0u32..64, any::<bool>()),
        target_count in 1usize..6,
        chain_count in 0usize..4,
        dice in prop::collection::vec(any::<u16>(), 256),
    ) -> Structure {
        let mut dice = dice.into_iter().cycle();
        let mut roll = move |below: u16| dice.next().unwrap() % below;
        let (mut spatial, mut temporal) = (0u8, 0u8);
        let chains = chain_count.min(target_count);
        let layers = std::iter::once(0).chain(steps).map(|step| {
            match step {
                1 => temporal += 1,
                2 if spatial < 3 => (spatial, temporal) = (spatial + 1, 0),
                _ => {}
            }
            (spatial, temporal)
        });
        let templates: Vec<Template> = layers.collect::<Vec<_>>().into_iter().map(|(spatial, temporal)| Template {
            spatial,
            temporal,
            indications: (0..target_count).map(|_| KINDS[usize::from(roll(4))]).collect(),
            references: (0..roll(3)).map(|_| roll(16) + 1).collect(),
            chains: (0..chains).map(|_| roll(16) as u8).collect(),
        }).collect();
        let protected_by = (0..target_count)
            .map(|_| (chains > 0).then(|| roll(chains as u16) as u8))
            .collect();
        let highest = templates.last().unwrap().spatial;
        let sizes = (0..if sized { highest + 1 } else { 0 })
            .map(|_| (roll(4000) + 1, roll(4000) + 1))
            .collect();
        Structure { first_template, targets: targets(&templates, protected_by), templates, chains, sizes }
    }
}

type Read = fn(&[u8], Option<&Structure>) -> Option<Descriptor>;

/// What was written is read: with its structure, after it, and with everything of its own.
fn reads(read: Read) -> bool {
    let outcome = TestRunner::deterministic().run(&(structures(), any::<u16>()), |(by, dice)| {
        let at = usize::from(dice) % by.templates.len();
        let template = &by.templates[at];
        let number = (by.first_template + at as u32) % MAX_TEMPLATES as u32;
        let mut written = Written {
            template: number,
            structure: Some(&by),
            active: None,
            indications: None,
            references: None,
            chains: None,
        };
        let first = Descriptor {
            begins_frame: true,
            ends_frame: false,
            number: 4711,
            spatial: template.spatial,
            temporal: template.temporal,
            structure: Some(by.clone()),
            active_targets: Some(all(by.targets.len())),
            indications: template.indications.clone(),
            references: template.references.clone(),
            chains: template.chains.clone(),
            size: by.sizes.get(usize::from(template.spatial)).copied(),
        };
        prop_assert_eq!(read(&write(&by, &written), None), Some(first.clone()));

        let later = Descriptor {
            structure: None,
            active_targets: None,
            ..first
        };
        let mandatory = write(
            &by,
            &Written {
                structure: None,
                ..written
            },
        );
        prop_assert_eq!(read(&mandatory[..3], Some(&by)), Some(later.clone()));
        prop_assert_eq!(read(&mandatory[..3], None), None);

        let own = Descriptor {
            active_targets: Some(1),
            indications: vec![Indication::Switch; by.targets.len()],
            references: vec![1, 16, 17, 256, 257, 4096],
            chains: vec![200; by.chains],
            ..later
        };
        written = Written {
            template: number,
            structure: None,
            active: own.active_targets,
            indications: Some(own.indications.clone()),
            references: Some(own.references.clone()),
            chains: Some(own.chains.clone()),
        };
        prop_assert_eq!(read(&write(&by, &written), Some(&by)), Some(own));
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn descriptors_are_read_and_a_wrong_reader_is_found_out() {
    assert!(reads(Descriptor::read));
    let mutants: [Read; 4] = [
        // Forgets that templates are numbered from anywhere.
        |bytes, known| {
            let unmoved = known.map(|structure| Structure {
                first_template: 0,
                ..structure.clone()
            });
            Descriptor::read(bytes, unmoved.as_ref())
        },
        // Never learns what targets are active.
        |bytes, known| {
            Descriptor::read(bytes, known).map(|descriptor| Descriptor {
                active_targets: None,
                ..descriptor
            })
        },
        // Takes the template's word for everything.
        |bytes, known| Descriptor::read(&bytes[..bytes.len().min(3)], known),
        // Loses the far references.
        |bytes, known| {
            Descriptor::read(bytes, known).map(|mut descriptor| {
                descriptor.references.retain(|distance| *distance <= 256);
                descriptor
            })
        },
    ];
    for (number, mutant) in mutants.into_iter().enumerate() {
        assert!(!reads(mutant), "mutant {number} lives");
    }
}

/// One spatial layer of three temporal ones, as libwebrtc's `ScalabilityStructureL1T3` has it.
fn three_temporal_layers() -> Structure {
    use Indication::{Discardable as D, NotPresent as N, Required as R, Switch as S};
    let template = |temporal, indications: [Indication; 3], references: &[u16], chain| Template {
        spatial: 0,
        temporal,
        indications: indications.to_vec(),
        references: references.to_vec(),
        chains: vec![chain],
    };
    let templates = vec![
        template(0, [S, S, S], &[], 0),
        template(0, [S, S, S], &[4], 4),
        template(1, [N, D, R], &[2], 2),
        template(2, [N, N, D], &[1], 1),
        template(2, [N, N, D], &[1], 3),
    ];
    Structure {
        first_template: 0,
        targets: targets(&templates, vec![Some(0); 3]),
        templates,
        chains: 1,
        sizes: vec![(1280, 720)],
    }
}

#[test]
fn targets_have_the_highest_layers_that_are_present_in_them() {
    let structure = three_temporal_layers();
    let layers: Vec<_> = structure
        .targets()
        .iter()
        .map(|target| (target.spatial, target.temporal, target.protected_by))
        .collect();
    assert_eq!(layers, [(0, 0, Some(0)), (0, 1, Some(0)), (0, 2, Some(0))]);
    let read = |template: u8| Descriptor::read(&[0xc0 | template, 0, 9], Some(&structure)).unwrap();
    assert_eq!(
        read(0).switches(&structure) & 1,
        1,
        "the base may always be taken"
    );
    assert_eq!(read(2).switches(&structure), 0);
    assert_eq!(read(3).temporal, 2);
    assert!(
        Descriptor::read(&[0xc5, 0, 9], Some(&structure)).is_none(),
        "no such template"
    );
}

proptest! {
    #[test]
    fn garbage_is_nothing_or_something(bytes in prop::collection::vec(any::<u8>(), 0..220)) {
        let structure = three_temporal_layers();
        let _ = Descriptor::read(&bytes, Some(&structure));
        let mut with_structure = bytes;
        if let Some(flags) = with_structure.get_mut(3) {
            *flags |= 0x80;
        }
        if let Some(descriptor) = Descriptor::read(&with_structure, None) {
            prop_assert!(descriptor.structure.is_some());
        }
    }
}
