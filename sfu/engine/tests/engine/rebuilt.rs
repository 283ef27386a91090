//! Clients that build a peer connection anew while the engine still has the old one.

use crate::stage::{Client, Node, play};
use starling_sfu::control::messages::MediaKind::{Audio, Video};

#[test]
fn a_publisher_that_was_built_anew_takes_the_place_of_the_old_one() {
    let mut node = Node::start();
    let (mut ann, mut ben) = (Client::new("ann"), Client::new("ben"));
    node.publish(&mut ann, &[Audio, Video]);
    node.subscribe(&mut ben, &[("ann_video", Video)]);
    play(&mut [&mut ann, &mut ben], "packets flow", |all| {
        if all[0].connected && all[1].connected {
            all[0].send(Video, &[1; 600]);
        }
        !all[1].packets.is_empty()
    });
    let mut again = Client::new("ann");
    node.publish(&mut again, &[Audio, Video]);
    let before = ben.packets.len();
    play(&mut [&mut again, &mut ben], "packets flow again", |all| {
        if all[0].connected {
            all[0].send(Video, &[2; 600]);
        }
        all[1].packets.len() >= before + 5
    });
    let steps = ben
        .packets
        .windows(2)
        .map(|pair| *pair[1].seq_no - *pair[0].seq_no);
    assert!(steps.into_iter().all(|step| step == 1));
    assert_eq!(node.statistics().0.len(), 2);
}
