//! Datagrams and addresses: what stands between peers and the kernel.
//!
//! [`socket`] reads and writes in batches, [`batch`] gathers a turn's output by destination, [`demux`] finds the peer
//! of a datagram, [`address`] maps our addresses to candidates, [`stun`] asks how others see them, and [`tcp`] with
//! [`tcp_frame`] carries peers for whom UDP is blocked.

pub mod address;
pub mod batch;
pub mod demux;
pub mod lane;
pub mod socket;
pub mod stun;
pub mod tcp;
pub mod tcp_frame;
