//! Offers to subscribers: one at a time, and no more m-lines than a room needs.

use std::time::Duration;

use crate::stage::{Client, Node, play_for};
use starling_sfu::control::messages::MediaKind::{Audio, Video};
use starling_sfu::control::messages::Message;

/// Joins and leaves in all; each comes with an audio and a video track.
const CHANGES: usize = 2000;

/// People who are in the room at once, at most.
const MOST: usize = 12;

fn offers(node: &mut Node) -> usize {
    node.poll()
        .iter()
        .filter(|event| matches!(event, Message::Offered { .. }))
        .count()
}

#[test]
fn a_thousand_joins_and_leaves_leave_few_lines_and_never_two_offers() {
    let mut node = Node::start();
    let mut ben = Client::new("ben");
    let mut present: Vec<usize> = Vec::new();
    let (mut joined, mut lines, mut seed) = (0, 0, 1u32);
    for change in 0..CHANGES {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let random = (seed >> 8) as usize;
        if present.is_empty() || present.len() < MOST && random.is_multiple_of(2) {
            joined += 1;
            present.push(joined);
        } else {
            present.remove(random % present.len());
        }
        let tracks: Vec<_> = present
            .iter()
            .flat_map(|who| {
                [
                    (format!("{who}_audio"), Audio),
                    (format!("{who}_video"), Video),
                ]
            })
            .collect();
        let wanted: Vec<_> = tracks
            .iter()
            .map(|(id, kind)| (id.as_str(), *kind))
            .collect();
        node.want("ben", &wanted);
        // The client answers now and then; what happens meanwhile goes into one offer.
        if change % 7 == 6 {
            assert!(offers(&mut node) <= 1);
            if offers(&mut node) == 1 {
                lines = lines.max(node.negotiate(&mut ben));
            }
        }
    }
    while offers(&mut node) > 0 {
        lines = lines.max(node.negotiate(&mut ben));
        play_for(&mut [&mut ben], Duration::from_millis(20));
    }
    let mut expected: Vec<_> = present
        .iter()
        .flat_map(|who| [format!("{who}_audio"), format!("{who}_video")])
        .collect();
    let mut shown: Vec<_> = ben.tracks.values().cloned().collect();
    expected.sort();
    shown.sort();
    assert_eq!(shown, expected);
    assert!(
        joined >= CHANGES / 3 && lines < 50,
        "{joined} joins, {lines} m-lines"
    );
}
