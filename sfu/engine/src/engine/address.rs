//! Which addresses we tell others to reach us at, and how they map to the socket's own.
//!
//! ICE answers a check only when it arrived at the address of one of our candidates. Behind a
//! one-to-one NAT, or bound to the unspecified address, the address in the packet is another one
//! than the advertised: the mapping happens here, at the edge, so that everything inside knows
//! candidates alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which text was no address.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an IP address; give one such as 192.0.2.7, 2001:db8::7, or 0.0.0.0 for all",
            self.0
        )
    }
}

/// Read the address to bind.
///
/// # Errors
/// [`Invalid`] when it is none.
pub fn parse(text: &str) -> Result<IpAddr, Invalid> {
    text.trim_matches(['[', ']'])
        .parse()
        .map_err(|_| Invalid(text.to_owned()))
}

/// Our candidates, and the way from a packet's local address to one of them and back.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    candidates: Vec<SocketAddr>,
    /// Whether candidates are addresses of this machine, usable as the source of a packet.
    local: bool,
}

impl Addresses {
    /// Decide the candidates of a socket bound to `bound`.
    ///
    /// `advertised` wins; else a specific bound address stands for itself, and the unspecified
    /// one for every address in `interfaces` of a family that it takes (loopback only when
    /// there is nothing else).
    ///
    /// # Errors
    /// [`Invalid`] names the advertised address that is none.
    pub fn new(
        bound: SocketAddr,
        advertised: &[String],
        interfaces: &[IpAddr],
    ) -> Result<Self, Invalid> {
        let port = bound.port();
        if !advertised.is_empty() {
            let candidates = advertised
                .iter()
                .map(|text| parse(text).map(|ip| SocketAddr::new(ip, port)))
                .collect::<Result<_, _>>()?;
            return Ok(Self {
                candidates,
                local: false,
            });
        }
        if !bound.ip().is_unspecified() {
            return Ok(Self {
                candidates: vec![bound],
                local: true,
            });
        }
        let usable = interfaces
            .iter()
            .copied()
            .filter(|ip| (ip.is_ipv4() || bound.is_ipv6()) && !is_link_local(*ip));
        let (loopback, mut reachable): (Vec<_>, Vec<_>) = usable.partition(IpAddr::is_loopback);
        if reachable.is_empty() {
            reachable = loopback;
        }
        Ok(Self {
            candidates: reachable
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
            local: true,
        })
    }

    /// What we tell others.
    #[must_use]
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// The candidate that a packet from `source` to our address `local` was meant for.
    #[must_use]
    pub fn candidate_for(&self, local: Option<IpAddr>, source: SocketAddr) -> Option<SocketAddr> {
        let same_family = |candidate: &&SocketAddr| candidate.is_ipv4() == source.is_ipv4();
        self.candidates
            .iter()
            .find(|candidate| Some(candidate.ip()) == local)
            .or_else(|| self.candidates.iter().find(same_family))
            .or_else(|| self.candidates.first())
            .copied()
    }

    /// The source address to send from for a candidate, when it is one of this machine's.
    #[must_use]
    pub fn source_for(&self, candidate: SocketAddr) -> Option<IpAddr> {
        self.local.then(|| candidate.ip())
    }
}

/// Undo the IPv6 notation of an IPv4 address that a dual-stack socket reports.
#[must_use]
pub fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Write an IPv4 address the way a dual-stack socket wants it.
#[must_use]
pub fn mapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => ip,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::is_link_local(&v4),
        IpAddr::V6(v6) => Ipv6Addr::is_unicast_link_local(&v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_specific_address_stands_for_itself() {
        let addresses = Addresses::new(at("127.0.0.1:5000"), &[], &[ip("10.0.0.1")]).unwrap();
        assert_eq!(addresses.candidates(), [at("127.0.0.1:5000")]);
        assert_eq!(
            addresses.source_for(at("127.0.0.1:5000")),
            Some(ip("127.0.0.1"))
        );
    }

    #[test]
    fn the_unspecified_one_stands_for_the_reachable_ones() {
        let interfaces = [
            ip("127.0.0.1"),
            ip("10.0.0.1"),
            ip("fe80::1"),
            ip("2001:db8::1"),
        ];
        let v4 = Addresses::new(at("0.0.0.0:5000"), &[], &interfaces).unwrap();
        assert_eq!(v4.candidates(), [at("10.0.0.1:5000")]);
        let both = Addresses::new(at("[::]:5000"), &[], &interfaces).unwrap();
        assert_eq!(
            both.candidates(),
            [at("10.0.0.1:5000"), at("[2001:db8::1]:5000")]
        );
        let alone = Addresses::new(at("0.0.0.0:5000"), &[], &interfaces[..1]).unwrap();
        assert_eq!(alone.candidates(), [at("127.0.0.1:5000")]);
    }

    #[test]
    fn an_advertised_address_hides_the_bound_one() {
        let advertised = ["203.0.113.7".to_owned(), "2001:db8::7".to_owned()];
        let addresses = Addresses::new(at("0.0.0.0:5000"), &advertised, &[]).unwrap();
        let meant = addresses.candidate_for(Some(ip("10.0.0.1")), at("198.51.100.1:9"));
        assert_eq!(meant, Some(at("203.0.113.7:5000")));
        let meant = addresses.candidate_for(Some(ip("fd00::1")), at("[2001:db8::9]:9"));
        assert_eq!(meant, Some(at("[2001:db8::7]:5000")));
        assert_eq!(addresses.source_for(at("203.0.113.7:5000")), None);
    }

    #[test]
    fn what_is_no_address_is_named() {
        let advertised = ["example.invalid".to_owned()];
        let error = Addresses::new(at("0.0.0.0:5000"), &advertised, &[]).unwrap_err();
        assert_eq!(error, Invalid("example.invalid".into()));
        assert!(parse("[::1]").is_ok());
    }
}
