//! Finding the addresses of STUN servers: names are asked of the system, which blocks, so a thread of
//! its own does it, again and again, because the addresses of a name change.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::post::{Mail, Post};
use crate::engine::network::stun::MAX_SERVERS;
use crate::engine::refusal::Refusal;

/// Between two looks at the names.
const LOOK_UP_EVERY: Duration = Duration::from_secs(300);

/// The same while no name is known: the network may be about to come up.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(10);

/// Keeps the thread going; it ends soon after this is dropped.
pub struct Names {
    _goes_on: Sender<()>,
}

/// Refuse what is no `host:port`.
///
/// # Errors
/// `stun_server_invalid` names it.
pub fn check(servers: &[String]) -> Result<(), Refusal> {
    let wrong = servers.iter().find(|server| {
        server
            .rsplit_once(':')
            .is_none_or(|(host, port)| host.is_empty() || !matches!(port.parse(), Ok(1..=u16::MAX)))
    });
    match wrong {
        None if servers.len() <= MAX_SERVERS => Ok(()),
        None => Err(Refusal::new(
            "stun_server_invalid",
            format!(
                "{} STUN servers where {MAX_SERVERS} are asked.",
                servers.len()
            ),
        )),
        Some(server) => Err(Refusal::new(
            "stun_server_invalid",
            format!("{server:?} is no STUN server; give host:port, such as stun.example.net:3478."),
        )),
    }
}

/// Look the servers up, now and for as long as the result is kept, and tell the workers.
///
/// # Errors
/// When the thread cannot be started.
pub fn follow(servers: Vec<String>, posts: Vec<Post>) -> io::Result<Names> {
    let (goes_on, over) = channel();
    thread::Builder::new()
        .name("stun-names".into())
        .spawn(move || look_up(&servers, &posts, &over))?;
    Ok(Names { _goes_on: goes_on })
}

fn look_up(servers: &[String], posts: &[Post], over: &Receiver<()>) {
    loop {
        let found: Vec<SocketAddr> = servers
            .iter()
            .filter_map(|server| server.to_socket_addrs().ok())
            .flatten()
            .take(MAX_SERVERS)
            .collect();
        let pause = if found.is_empty() {
            LOOK_UP_AGAIN
        } else {
            for post in posts {
                let _ = post.put(Mail::StunServers(found.clone()));
            }
            LOOK_UP_EVERY
        };
        if over.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_server_is_named() {
        for good in [
            "192.0.2.1:3478",
            "stun.example.net:19302",
            "[2001:db8::1]:3478",
        ] {
            assert_eq!(check(&[good.to_owned()]), Ok(()), "{good}");
        }
        for bad in ["", "stun.example.net", ":3478", "a:0", "a:70000", "a:b"] {
            let refusal = check(&[bad.to_owned()]).unwrap_err();
            assert_eq!(refusal.code, "stun_server_invalid", "{bad}");
        }
        assert!(check(&vec!["a:1".to_owned(); MAX_SERVERS + 1]).is_err());
    }
}
