//! The golden bytes that Python and Rust share: `sfu/vectors.json`, written from `sfu/protocol.py`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starling_sfu::control::frame;
use starling_sfu::control::messages::{Command, ENGINE_PROTOCOL, Message};

#[derive(Deserialize)]
struct Vectors {
    protocol: u64,
    commands: Vec<Vector>,
    messages: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    json: serde_json::Value,
    cbor: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../vectors.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn same_bytes_again<T: DeserializeOwned + Serialize>(vector: &Vector) {
    let golden = bytes(&vector.cbor);
    let message: T =
        frame::decode(&golden).unwrap_or_else(|error| panic!("{error}: {}", vector.json));
    assert_eq!(frame::encode(&message).unwrap(), golden, "{}", vector.json);
}

#[test]
fn both_sides_speak_the_same_version() {
    assert_eq!(vectors().protocol, ENGINE_PROTOCOL);
}

#[test]
fn every_command_decodes_and_encodes_to_the_same_bytes() {
    let commands = vectors().commands;
    assert!(!commands.is_empty());
    commands.iter().for_each(same_bytes_again::<Command>);
}

#[test]
fn every_reply_and_event_decodes_and_encodes_to_the_same_bytes() {
    let messages = vectors().messages;
    assert!(!messages.is_empty());
    messages.iter().for_each(same_bytes_again::<Message>);
}
