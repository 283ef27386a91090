//! SRTP beside str0m's own: for what is sent to subscribers, and for both directions of links.
//!
//! str0m agrees on [`keys`], which are overheard. Each direction has a [`cipher`] of its own; a [`sealer`] is for one
//! that we send, an [`opener`] for one that we receive, of streams that are known beforehand. So a packet costs one pass
//! of the cipher, in place, and an `Rtc` has nothing to drain after it.

pub mod cipher;
#[cfg(test)]
mod hex;
pub mod keys;
pub mod once;
pub mod opener;
pub mod sealer;
