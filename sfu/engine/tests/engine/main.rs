//! Engines, clients and links in one process, over loopback: whole calls, as the node orders them.

mod addresses;
mod calls;
mod codecs;
mod data;
mod flood;
mod full_size;
mod hostile;
mod hostile_sdp;
mod lanes;
mod layers;
mod limits;
mod link_congestion;
mod link_repair;
mod links;
mod lip_sync;
mod negotiation;
mod rebuilt;
mod seeing;
mod speakers;
mod stage;
mod stolen;
mod svc;
mod tcp;
mod tries;
mod workers;
