use super::*;
use str0m::crypto::dtls::SrtpProfile;

fn with_sink<R>(act: impl FnOnce(&mut Sink<'_>) -> R) -> R {
    act(&mut Sink {
        batch: &mut Batch::default(),
        events: &mut Vec::new(),
        addresses: &Addresses::default(),
    })
}

#[test]
fn a_panic_inside_is_an_error_outside() {
    let now = Instant::now();
    let mut drained = Drained::build(now, Rtc::new).unwrap();
    with_sink(|sink| {
        let broken = drained.change(now, sink, |_| -> () { panic!("on purpose") });
        assert_eq!(broken, Err(Broken::Panicked));
        assert_eq!(Broken::Panicked.reason(), "panic");
        assert_eq!(drained.change(now, sink, |_| 7), Ok(7));
    });
    assert!(!drained.flows());
}

#[test]
fn keys_of_one_that_was_not_drained_to_its_end_do_not_go_to_the_next() {
    let now = Instant::now();
    keys::note(Agreed::made_up(SrtpProfile::AEAD_AES_128_GCM, true));
    let mut drained = Drained::build(now, Rtc::new).unwrap();
    with_sink(|sink| drained.elapse(now, sink)).unwrap();
    assert!(drained.take_keys().is_none());
}

/// Stands for an `Rtc` that panics when it is taken apart.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn a_panic_while_one_is_built_or_taken_apart_is_an_error_too() {
    let now = Instant::now();
    let built = Drained::build(now, |_| panic!("on purpose"));
    assert_eq!(built.err(), Some(Broken::Panicked));
    assert_eq!(guarded(|| drop(Bomb)), Err(Broken::Panicked));
    assert_eq!(Drained::build(now, Rtc::new).unwrap().end(), Ok(()));
}

#[test]
fn one_that_breaks_while_another_panic_is_on_its_way_does_not_end_the_process() {
    struct Holds(Option<Bomb>);
    impl Drop for Holds {
        fn drop(&mut self) {
            let bomb = self.0.take();
            let _ = guarded(|| drop(bomb));
        }
    }
    let outcome = guarded(|| {
        let _holds = Holds(Some(Bomb));
        panic!("on purpose");
    });
    assert_eq!(outcome, Err(Broken::Panicked));
}
