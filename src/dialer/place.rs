//! What the dialer knows of a listening socket that speaks FTP. Run by the dialer, which inherits it.

use crate::config::{Ftp, Listen};
use crate::log::{self, Level};
use crate::sys::net;
use std::net::{IpAddr, SocketAddr};

/// One listening socket, as far as data connections are concerned.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) ftp: Ftp,
    /// TCP congestion control; the system's own when absent.
    pub(super) congestion: Option<String>,
    /// The ports that the kernel would choose among, first and last.
    pub(super) ephemeral: (u16, u16),
}

impl Place {
    /// What `listen` says. A congestion control that the dialer's user may not choose is said, and the system's own is taken:
    /// transfers are worth more than their speed.
    pub(super) fn of(listen: &Listen, ephemeral: (u16, u16)) -> Place {
        let mut congestion = listen.congestion.clone();
        if let Some(name) = &congestion {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            if let Err(errno) = net::data_socket(any, Some(name)) {
                let (name, why) = (name.clone(), errno.desc());
                log::event(
                    Level::Warn,
                    "data connections have the system's own congestion control",
                    &[("wanted", &name), ("error", &why)],
                );
                congestion = None;
            }
        }
        Place {
            ftp: listen.ftp.clone(),
            congestion,
            ephemeral,
        }
    }

    /// The address that a client at `peer` is told, where it is not `local`, which it connected to: the first network that it is in
    /// decides. One of the other family is for other clients.
    pub(super) fn advertised(&self, peer: IpAddr, local: IpAddr) -> Option<IpAddr> {
        let fits = |told: &IpAddr| told.is_ipv4() == local.is_ipv4();
        self.ftp
            .passive_networks
            .iter()
            .filter(|(network, _)| network.contains(&peer))
            .map(|(_, told)| told)
            .chain(&self.ftp.passive_address)
            .find(|told| fits(told))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_address_of_their_network() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("address");
        let network = |text: &str, told| (text.parse().expect("network"), ip(told));
        let mut place = Place {
            ftp: Ftp {
                passive_address: Some(ip("203.0.113.9")),
                passive_networks: vec![
                    network("10.1.0.0/16", "10.1.0.1"),
                    network("10.0.0.0/8", "10.0.0.1"),
                    network("10.0.0.0/8", "2001:db8::1"),
                ],
                ..Ftp::default()
            },
            congestion: None,
            ephemeral: (32768, 60999),
        };
        for (peer, local, told) in [
            ("10.1.2.3", "10.9.9.9", Some("10.1.0.1")),
            ("10.2.2.3", "10.9.9.9", Some("10.0.0.1")),
            ("192.0.2.1", "10.9.9.9", Some("203.0.113.9")),
            ("2001:db8::7", "2001:db8::2", None),
        ] {
            assert_eq!(
                place.advertised(ip(peer), ip(local)),
                told.map(ip),
                "{peer}"
            );
        }
        place.ftp.passive_address = None;
        assert_eq!(place.advertised(ip("192.0.2.1"), ip("10.9.9.9")), None);
    }
}
