//! Which addresses we tell others to reach us at, and how they map to the socket's own.
//!
//! ICE answers a check only when it arrived at the address of one of our candidates. Behind a
//! one-to-one NAT, or bound to the unspecified address, the address in the packet is another one
//! than the advertised: the mapping happens here, at the edge, so that everything inside knows
//! candidates alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use str0m::Candidate;
use str0m::net::TcpType;

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
    /// Where STUN servers see our socket.
    mapped: Vec<SocketAddr>,
    /// The port that takes TCP, if one does.
    tcp_port: Option<u16>,
    /// Whether our socket sends IPv4, IPv6.
    families: [bool; 2],
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
        let dual = bound.is_ipv6() && bound.ip().is_unspecified();
        let rest = Self {
            families: [bound.is_ipv4() || dual, bound.is_ipv6()],
            ..Self::default()
        };
        if !advertised.is_empty() {
            let candidates = advertised
                .iter()
                .map(|text| parse(text).map(|ip| SocketAddr::new(ip, port)))
                .collect::<Result<_, _>>()?;
            return Ok(Self { candidates, ..rest });
        }
        if !bound.ip().is_unspecified() {
            return Ok(Self {
                candidates: vec![bound],
                local: true,
                ..rest
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
            ..rest
        })
    }

    /// What we tell others to reach us at directly.
    #[must_use]
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// Whether what we tell others are addresses of this machine, and not what somebody said.
    #[must_use]
    pub fn are_local(&self) -> bool {
        self.local
    }

    /// Where others see us who are behind no NAT of ours: what STUN servers say, less what we tell
    /// anyway.
    pub fn reflexive(&self) -> impl Iterator<Item = SocketAddr> {
        self.mapped
            .iter()
            .copied()
            .filter(|mapped| !self.candidates.contains(mapped))
    }

    /// Note where STUN servers see our socket.
    pub fn set_mapped(&mut self, mapped: Vec<SocketAddr>) {
        self.mapped = mapped;
    }

    /// Note the port that takes TCP.
    pub fn set_tcp_port(&mut self, port: u16) {
        self.tcp_port = Some(port);
    }

    /// Whether our socket sends to addresses of this kind.
    #[must_use]
    pub fn reaches(&self, other: IpAddr) -> bool {
        self.families[usize::from(other.is_ipv6())]
    }

    /// Everything that a client is told, as str0m wants it. All are host candidates: an ICE-lite
    /// agent has no others (RFC 8445 section 5.2), and to the client the kind is but a word.
    #[must_use]
    pub fn for_clients(&self) -> Vec<Candidate> {
        let udp = self.candidates.iter().copied().chain(self.reflexive());
        let tcp = self.tcp_candidates().filter_map(|at| {
            let builder = Candidate::builder().tcp().host(at);
            builder.tcptype(TcpType::Passive).build().ok()
        });
        udp.filter_map(|at| Candidate::host(at, "udp").ok())
            .chain(tcp)
            .collect()
    }

    /// Everything that another node is told, as str0m wants it; nodes do not speak TCP.
    #[must_use]
    pub fn for_nodes(&self) -> Vec<Candidate> {
        self.candidates
            .iter()
            .filter_map(|at| Candidate::host(*at, "udp").ok())
            .chain(self.reflexive_candidates())
            .collect()
    }

    fn reflexive_candidates(&self) -> impl Iterator<Item = Candidate> {
        self.reflexive().filter_map(|mapped| {
            let base = self
                .candidates
                .iter()
                .find(|at| at.is_ipv4() == mapped.is_ipv4())?;
            Candidate::server_reflexive(mapped, *base, "udp").ok()
        })
    }

    fn tcp_candidates(&self) -> impl Iterator<Item = SocketAddr> {
        let port = self.tcp_port;
        self.candidates
            .iter()
            .filter_map(move |at| Some(SocketAddr::new(at.ip(), port?)))
    }

    /// The TCP candidate that a connection from `source` to our address `local` was meant for.
    #[must_use]
    pub fn tcp_candidate_for(
        &self,
        local: Option<IpAddr>,
        source: SocketAddr,
    ) -> Option<SocketAddr> {
        let port = self.tcp_port?;
        self.candidate_for(local, source)
            .map(|at| SocketAddr::new(at.ip(), port))
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
