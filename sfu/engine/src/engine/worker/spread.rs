//! Messages of people on their way: from a client or a link to everybody in their room.

use std::sync::Arc;
use std::time::Instant;

use str0m::channel::ChannelId;

use super::Worker;
use crate::engine::data::incoming::Taken;
use crate::engine::data::message::DataMessage;
use crate::engine::data::{Channels, Kind};
use crate::engine::exchange::Note;
use crate::engine::peers::peer::Role;
use crate::engine::router::PeerKey;

impl Worker {
    /// A data channel of a browser opened.
    pub(in crate::engine) fn data_channel_opened(
        &mut self,
        key: PeerKey,
        channel: ChannelId,
        label: &str,
        now: Instant,
    ) {
        let good = self.with(key, |peer, sink, counters, _| {
            let drained = &mut peer.drained;
            let (ours, keeps_up) = match &mut peer.data {
                Channels::None => return Ok(true),
                Channels::Of(incoming) => {
                    let kind = drained.change(now, sink, |rtc| {
                        rtc.channel(channel)
                            .and_then(|channel| channel.config().map(Kind::of))
                    })?;
                    let taken = kind.is_some_and(|kind| incoming.open(channel, label, kind, now));
                    (taken, true)
                }
                Channels::To(outgoing) => {
                    let opened = outgoing.opened(drained, now, sink, (channel, label), counters)?;
                    (opened.is_some(), opened != Some(false))
                }
            };
            if !ours {
                counters.count("data_channels_refused");
                drained.change(now, sink, |rtc| {
                    rtc.direct_api().close_data_channel(channel);
                })?;
            }
            Ok(keeps_up)
        });
        self.settle_data(key, good, now);
    }

    /// A data channel of a browser is closed.
    pub(in crate::engine) fn data_channel_closed(&mut self, key: PeerKey, channel: ChannelId) {
        match self.peers.get_mut(key).map(|peer| &mut peer.data) {
            Some(Channels::Of(incoming)) => incoming.close(channel),
            Some(Channels::To(outgoing)) => {
                let lost = outgoing.closed(channel);
                self.counters.add("data_messages_lost", lost as u64);
            }
            _ => {}
        }
    }

    /// Take what a browser said on a channel.
    pub(in crate::engine) fn take_data(
        &mut self,
        key: PeerKey,
        channel: ChannelId,
        payload: &[u8],
        now: Instant,
    ) {
        let room = self
            .rooms
            .of_peer(key)
            .and_then(|room| self.rooms.get(room));
        let room = room.map(|room| room.name.clone());
        let Some(Channels::Of(incoming)) = self.peers.get_mut(key).map(|peer| &mut peer.data)
        else {
            self.counters.count("data_from_subscribers");
            return;
        };
        let sender = incoming.sender.clone();
        match (incoming.take(channel, payload.len(), now), room) {
            (Taken::Message(label, kind), Some(room)) => {
                let label = label.to_owned();
                let message = DataMessage {
                    room: &room,
                    label: &label,
                    sender: &sender,
                    kind,
                    payload,
                };
                self.counters.count("data_messages_in");
                self.spread(&message, true, now);
                if !self.exchange.is_alone() {
                    let message: Arc<[u8]> = message.encode().into();
                    let crosses = true;
                    self.exchange.tell_all(&Note::Data { message, crosses });
                }
            }
            (Taken::Message(..), None) => self.counters.count("data_without_room"),
            (Taken::Dropped(why), _) => self.counters.count(why),
            (Taken::Close(why), _) => {
                self.counters.count(why);
                self.with(key, |peer, sink, _, _| {
                    peer.drained.change(now, sink, |rtc| {
                        rtc.direct_api().close_data_channel(channel);
                    })
                });
                self.data_channel_closed(key, channel);
            }
            (Taken::Flood, _) => self.close(key, Some("data_flood")),
        }
    }

    /// Take a message that came over a link: it goes to subscribers, and over no other link.
    pub(in crate::engine) fn take_crossed_data(&mut self, bytes: &[u8], now: Instant) {
        self.hear_data(bytes, false, now);
        if !self.exchange.is_alone() {
            let message: Arc<[u8]> = bytes.into();
            let crosses = false;
            self.exchange.tell_all(&Note::Data { message, crosses });
        }
    }

    /// Take a message as nodes and workers write it.
    pub(in crate::engine) fn hear_data(&mut self, bytes: &[u8], crosses: bool, now: Instant) {
        match DataMessage::decode(bytes) {
            Some(message) => self.spread(&message, crosses, now),
            None => self.counters.count("data_malformed"),
        }
    }

    fn spread(&mut self, message: &DataMessage<'_>, crosses: bool, now: Instant) {
        let found = self.rooms.find(message.room);
        let Some(room) = found.and_then(|room| self.rooms.get(room)) else {
            return;
        };
        let subscribers = room.subscribers().to_vec();
        let links = if crosses {
            room.links().to_vec()
        } else {
            Vec::new()
        };
        let delivery = message.delivery();
        for key in subscribers {
            let keeps_up = self.with(key, |peer, sink, counters, _| match &mut peer.data {
                Channels::To(outgoing) if outgoing.participant != message.sender => {
                    let to = (message.label, message.kind);
                    outgoing.deliver(&mut peer.drained, now, sink, to, &delivery, counters)
                }
                _ => Ok(true),
            });
            self.settle_data(key, keeps_up, now);
        }
        if links.is_empty() {
            return;
        }
        let crossing = message.encode();
        for key in links {
            self.with(key, |peer, sink, counters, _| {
                if let Role::Link(link) = &peer.role {
                    let kind = message.kind;
                    if !link
                        .data
                        .send(&mut peer.drained, now, sink, kind, &crossing)?
                    {
                        counters.count("data_links_congested");
                    }
                }
                Ok(())
            });
            self.settle(key, now);
        }
    }

    /// Attend to what data led to; a receiver that does not keep up harms nobody but itself.
    fn settle_data(&mut self, key: PeerKey, keeps_up: Option<bool>, now: Instant) {
        if keeps_up == Some(false) {
            self.counters.count("data_receivers_too_slow");
            self.events.clear();
            self.close(key, Some("data_too_slow"));
        } else {
            self.settle(key, now);
        }
    }
}
