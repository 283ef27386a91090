//! Peers that are other nodes: all legs over one transport.
//!
//! A [`link`] carries [`leg`]s as frames ([`link_frame`], the largest in two [`link_pieces`]) in one RTP stream for each class ([`link_class`]); what its
//! two ends tell each other ([`link_signal`]) includes the keepalives that its health is read from ([`link_health`]).

pub mod leg;
pub mod link;
pub mod link_class;
pub mod link_frame;
pub mod link_health;
pub mod link_pieces;
pub mod link_signal;
