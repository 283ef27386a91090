//! Why a command was turned down.

/// A stable code and a human sentence; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    /// Refuse.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Nobody said hello.
    #[must_use]
    pub fn hello_missing() -> Self {
        Self::new(
            "hello_missing",
            "The first command is hello; it binds the media sockets.",
        )
    }

    /// The worker died before it replied.
    #[must_use]
    pub fn worker_lost() -> Self {
        Self::new(
            "worker_lost",
            "The worker of this peer died, and the peer with it; open it anew.",
        )
    }

    /// There is no such peer.
    #[must_use]
    pub fn peer_unknown(peer: &str) -> Self {
        Self::new(
            "peer_unknown",
            format!("There is no peer {peer:?}; it was closed, or never opened."),
        )
    }

    /// The peer is there, but for something else.
    #[must_use]
    pub fn peer_kind(peer: &str, wanted: &str) -> Self {
        Self::new(
            "peer_kind_wrong",
            format!("Peer {peer:?} is not a {wanted}."),
        )
    }
}
