use super::*;

fn leg(number: u32, outgoing: bool) -> Leg {
    Leg {
        link: 9,
        number,
        outgoing,
    }
}

#[test]
fn a_room_is_there_while_something_is_in_it() {
    let mut rooms = Rooms::default();
    let hall = rooms.enter(1, "hall", Part::Publisher).unwrap();
    assert_eq!(rooms.enter(2, "hall", Part::Subscriber).unwrap(), hall);
    assert_eq!(rooms.enter(2, "hall", Part::Subscriber).unwrap(), hall);
    assert_eq!(rooms.get(hall).unwrap().subscribers(), [2]);
    rooms.forget_peer(1);
    assert_eq!(rooms.find("hall"), Some(hall));
    rooms.enter(2, "yard", Part::Subscriber).unwrap();
    assert_eq!(rooms.find("hall"), None);
    let yard = rooms.find("yard").unwrap();
    assert_eq!(rooms.of_peer(2), Some(yard));
    rooms.forget_peer(2);
    assert_eq!(rooms.rooms.len(), 0);
}

#[test]
fn a_stated_policy_keeps_its_room_until_it_is_forgotten() {
    let mut rooms = Rooms::default();
    let policy = Policy {
        loudest: 3,
        ..Policy::default()
    };
    let hall = rooms.set_policy("hall", policy).unwrap();
    assert_eq!(rooms.enter(1, "hall", Part::Publisher).unwrap(), hall);
    rooms.forget_peer(1);
    assert_eq!(rooms.get(hall).unwrap().policy(), policy);
    rooms.enter(1, "hall", Part::Publisher).unwrap();
    rooms.forget_policy("hall");
    assert_eq!(rooms.get(hall).unwrap().policy(), Policy::default());
    rooms.forget_peer(1);
    assert_eq!(rooms.find("hall"), None);
}

#[test]
fn a_room_spans_links_until_it_is_unsaid_or_they_end_and_legs_keep_it() {
    let mut rooms = Rooms::default();
    rooms.span(8, "hall", true).unwrap();
    for _ in 0..2 {
        rooms.span(9, "hall", true).unwrap();
    }
    let hall = rooms.open_leg(leg(1, false), "hall").unwrap();
    assert_eq!(rooms.get(hall).unwrap().links(), [8, 9]);
    rooms.span(8, "hall", false).unwrap();
    rooms.span(8, "nowhere", false).unwrap();
    assert_eq!(rooms.get(hall).unwrap().links(), [9]);
    rooms.span(9, "hall", false).unwrap();
    assert_eq!(rooms.find("hall"), Some(hall));
    rooms.open_leg(leg(1, false), "yard").unwrap();
    assert_eq!(rooms.find("hall"), None);
    rooms.span(9, "barn", true).unwrap();
    rooms.forget_peer(9);
    assert_eq!((rooms.rooms.len(), rooms.spans.len()), (0, 0));
}

#[test]
fn a_track_is_in_the_room_of_its_source() {
    let mut rooms = Rooms::default();
    let hall = rooms.enter(1, "hall", Part::Publisher).unwrap();
    let yard = rooms.enter(2, "yard", Part::Publisher).unwrap();
    rooms.place(4, hall, 1);
    rooms.place(4, yard, 2);
    rooms.displace(4, 1);
    rooms.forget_peer(1);
    assert_eq!(rooms.of_track(4), Some(yard));
    rooms.forget_peer(2);
    assert_eq!(rooms.of_track(4), None);
}

#[test]
fn names_and_numbers_are_bounded() {
    let mut rooms = Rooms::default();
    for name in ["", &"n".repeat(MAX_NAME_BYTES + 1)] {
        let refused = rooms.enter(1, name, Part::Publisher).unwrap_err();
        assert_eq!(refused.code, "room_invalid");
    }
    for peer in 0..MAX_MEMBERS {
        rooms.enter(peer, "hall", Part::Subscriber).unwrap();
    }
    let refused = rooms.enter(MAX_MEMBERS, "hall", Part::Publisher);
    assert_eq!(refused.unwrap_err().code, "room_full");
}
