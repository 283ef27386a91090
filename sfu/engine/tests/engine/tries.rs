//! Tests of what only shows in real time, on a machine that other tests share.

const TRIES: usize = 3;

/// Judge up to three times. An engine that gets no processor for a while loses and delays packets that no path lost or
/// delayed; what is wrong with the engine itself is wrong every time.
pub fn judge_again(judge: impl Fn() -> Result<(), String>) {
    let mut said = Vec::new();
    for _ in 0..TRIES {
        match judge() {
            Ok(()) => return,
            Err(why) => said.push(why),
        }
    }
    panic!("{said:?}");
}
