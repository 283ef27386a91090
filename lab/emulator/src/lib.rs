//! A wide-area network between network namespaces.
//!
//! Each namespace has one TUN device; this process holds all of them and carries every packet from the
//! one to the other, as late, as seldom and as slowly as it was told. The kernel needs no `netem` for it.
//!
//! ```text
//!   TUN of host a --read--> network: whose address?  --> path a>b: loss, bottleneck, delay
//!                                                            |
//!   TUN of host b <--write-- schedule: what is due now  <----+
//! ```
//!
//! Pure and without a clock: [`network`], with [`path`], [`loss`] and [`schedule`] in it. [`event_loop`] does the
//! input and output; [`commands`] are the words on standard input and output, one JSON object a line. The
//! descriptors of the TUN devices are inherited, so nothing here needs a privilege. When standard input ends,
//! the process ends: a network without an owner would carry packets for nobody.

pub mod commands;
pub mod event_loop;
pub mod loss;
pub mod network;
pub mod path;
pub mod schedule;
