use super::*;
use crate::engine::dispatch::post::Mail;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::VecDeque;

const WORKERS: usize = 3;
const TRACK: &str = "t";
const KEY: TrackKey = 0;

/// A worker's router, as far as the exchange of one track needs it.
struct Side {
    exchange: Exchange,
    post: Post,
    mail: VecDeque<Mail>,
    wanted: bool,
    since: Option<u64>,
    exports: Vec<Export>,
}

impl Side {
    fn reconcile(&mut self) {
        let (wanted, since) = (self.wanted, self.since);
        self.exchange
            .reconcile(TRACK, Some(KEY), wanted, since, &self.exports);
        self.exchange.post();
    }

    /// Read one piece of mail.
    fn read(&mut self, hear: Hear) -> bool {
        if self.mail.is_empty() {
            self.post.take(&mut self.mail);
        }
        let Some(Mail::Letter { from, letter }) = self.mail.pop_front() else {
            return false;
        };
        for note in letter.notes {
            hear(self, from, note);
        }
        self.reconcile();
        true
    }
}

type Hear = fn(&mut Side, WorkerIndex, Note);

fn hear(side: &mut Side, from: WorkerIndex, note: Note) {
    match note {
        Note::Want { number, track } => {
            let worker = from;
            side.exchange.note_want(from, number, &track);
            side.exports.push(Export { worker, number });
        }
        Note::Unwant { number } => {
            side.exchange.note_unwant(from, number);
            side.exports
                .retain(|known| known.worker != from || known.number != number);
        }
        Note::Claim { number, since } => {
            side.exchange.note_claim(from, number, since);
        }
        _ => {}
    }
}

/// Whether, once everything is read, everybody who wants the track takes it from the newest
/// source and nobody else is sent it; whatever was wanted, begun and ended, and read, in any order.
fn settles(hear: Hear) -> bool {
    let steps = prop::collection::vec((0usize..4, 0..WORKERS), 1..60);
    let outcome = TestRunner::deterministic().run(&steps, |steps| {
        let posts: Vec<Post> = (0..WORKERS).map(|_| Post::default()).collect();
        let mut sides: Vec<Side> = (0..WORKERS)
            .map(|me| Side {
                exchange: Exchange::new(me, posts.clone(), me as u64 * 1000),
                post: posts[me].clone(),
                mail: VecDeque::new(),
                wanted: false,
                since: None,
                exports: Vec::new(),
            })
            .collect();
        for (serial, (step, who)) in (1..).zip(steps) {
            let side = &mut sides[who];
            match step {
                0 => side.wanted = !side.wanted,
                1 => side.since = Some(serial),
                2 => side.since = None,
                _ => drop(side.read(hear)),
            }
            side.reconcile();
        }
        while sides.iter_mut().any(|side| side.read(hear)) {}
        let newest = (0..WORKERS).max_by_key(|worker| sides[*worker].since);
        let newest = newest.filter(|worker| sides[*worker].since.is_some());
        for (me, side) in sides.iter().enumerate() {
            let source = side.exchange.source_of(TRACK).map(|source| source.worker);
            let wanted = newest.filter(|newest| side.wanted && *newest != me);
            prop_assert_eq!(source, wanted);
            let mut served: Vec<_> = side.exports.iter().map(|to| to.worker).collect();
            served.sort_unstable();
            let wanting: Vec<_> = (0..WORKERS)
                .filter(|other| *other != me && sides[*other].wanted)
                .collect();
            prop_assert_eq!(served, wanting);
        }
        Ok(())
    });
    outcome.is_ok()
}

#[test]
fn everybody_gets_the_newest_source_in_any_order_and_deaf_workers_are_found_out() {
    assert!(settles(hear));
    // Does not hear that a source ended.
    assert!(!settles(|side, from, note| match note {
        Note::Claim { since: None, .. } => {}
        note => hear(side, from, note),
    }));
    // Goes on sending what nobody wants.
    assert!(!settles(|side, from, note| match note {
        Note::Unwant { .. } => {}
        note => hear(side, from, note),
    }));
    // Believes whoever speaks last.
    assert!(!settles(|side, from, note| match note {
        Note::Claim {
            number,
            since: Some(_),
        } => {
            let since = Some(u64::MAX - side.exchange.next_number);
            hear(side, from, Note::Claim { number, since });
        }
        note => hear(side, from, note),
    }));
}
