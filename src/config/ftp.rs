//! What is decided about a listening socket that speaks FTP, and how its keys are read. Read by the listener; children and the
//! dialer inherit it.

use super::file::FileListen;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, ToSocketAddrs};

/// Whether a data connection has to resume the TLS session of its control connection (RFC 4217, section 10.2): who can do that is
/// who is at the other end of that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// Or it is refused.
    #[default]
    Require,
    /// It may, and what does not is logged.
    Prefer,
    /// It need not.
    Off,
}

/// Whether the end of an upload under TLS has to be said (close_notify): without it a cut is not to be told from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goodbye {
    /// Or the upload is cut.
    #[default]
    Require,
    /// An end without it is judged as without TLS.
    Off,
}

/// What was decided about a listening socket that speaks FTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ftp {
    /// Ports of passive data connections, first and last; the system's own choice when none.
    pub passive_ports: Option<(u16, u16)>,
    /// The address that clients are told, where it is not the one they connected to.
    pub passive_address: Option<IpAddr>,
    /// The same for clients of these networks, the first that fits.
    pub passive_networks: Vec<(IpNet, IpAddr)>,
    /// Whether the server connects to clients (PORT, EPRT).
    pub active: bool,
    /// Seconds that a data connection has to come about.
    pub data_seconds: u32,
    /// Whether data connections resume the TLS session of the control connection.
    pub reuse: Reuse,
    /// Whether uploads under TLS end with a goodbye.
    pub goodbye: Goodbye,
    /// From where logins without TLS are taken although they are not elsewhere.
    pub plain_networks: Vec<IpNet>,
    /// The server's names, for HOST (RFC 7151); none when it has no more to say than its address.
    pub names: Vec<String>,
}

/// Seconds that a data connection has to come about, when nothing is said.
const DATA_SECONDS: u32 = 30;

impl FileListen {
    /// What the keys of FTP mean, which are taken out. `wrong` is told of each that cannot be: the byte of the file it stands at, and why.
    pub(super) fn ftp(&mut self, mut wrong: impl FnMut(usize, String)) -> Ftp {
        let mut ftp = Ftp {
            data_seconds: DATA_SECONDS,
            active: self.active.unwrap_or(false),
            reuse: self.data_tls_reuse.unwrap_or_default(),
            goodbye: self.close_notify.unwrap_or_default(),
            names: self.names.take().unwrap_or_default(),
            ..Ftp::default()
        };
        if let Some(ports) = self.passive_ports.take() {
            ftp.passive_ports = range(ports.get_ref());
            if ftp.passive_ports.is_none() {
                let what = "two ports from 1024 on, the smaller one first, as \"50000-50999\"";
                wrong(
                    ports.span().start,
                    format!("passive_ports = {:?}: {what}", ports.get_ref()),
                );
            }
        }
        let mut address = |text: toml::Spanned<String>| match resolve(text.get_ref()) {
            Ok(address) => Some(address),
            Err(why) => {
                wrong(text.span().start, format!("{:?}: {why}", text.get_ref()));
                None
            }
        };
        ftp.passive_address = self.passive_address.take().and_then(&mut address);
        let mut networks = Vec::new();
        for (network, told) in self.passive_networks.take().unwrap_or_default() {
            let at = told.span().start;
            let told = address(told);
            networks.push((at, network, told));
        }
        for (at, network, told) in networks {
            match (network.parse::<IpNet>(), told) {
                (Ok(network), Some(told)) => ftp.passive_networks.push((network, told)),
                (Err(_), _) => wrong(at, format!("{network:?} is no network: 192.0.2.0/24")),
                (Ok(_), None) => {}
            }
        }
        // The narrowest comes first.
        ftp.passive_networks
            .sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        for text in self.plain_networks.take().unwrap_or_default() {
            match text.get_ref().parse() {
                Ok(network) => ftp.plain_networks.push(network),
                Err(_) => wrong(
                    text.span().start,
                    format!("{:?} is no network: 192.0.2.0/24", text.get_ref()),
                ),
            }
        }
        if let Some(seconds) = self.data_seconds.take() {
            ftp.data_seconds = *seconds.get_ref();
            if ftp.data_seconds == 0 {
                let what = "data_seconds = 0: a connection takes at least 1";
                wrong(seconds.span().start, what.into());
            }
        }
        ftp
    }

    /// A key that only FTP has, if there is any.
    pub(super) fn of_ftp(&self) -> Option<&'static str> {
        let keys = [
            ("passive_ports", self.passive_ports.is_some()),
            ("passive_address", self.passive_address.is_some()),
            ("passive_networks", self.passive_networks.is_some()),
            ("active", self.active.is_some()),
            ("data_seconds", self.data_seconds.is_some()),
            ("data_tls_reuse", self.data_tls_reuse.is_some()),
            ("close_notify", self.close_notify.is_some()),
            ("plain_networks", self.plain_networks.is_some()),
        ];
        keys.into_iter()
            .find(|(_, given)| *given)
            .map(|(key, _)| key)
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1024 <= first && first <= last).then_some((first, last))
}

/// An address, or that of a name: looked up when the configuration is read, and again with it.
fn resolve(text: &str) -> Result<IpAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found = (text, 0).to_socket_addrs().map_err(|e| e.to_string())?;
    let addresses: Vec<_> = found.map(|address| address.ip()).collect();
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    v4.or(addresses.first())
        .copied()
        .ok_or_else(|| "the name has no address".into())
}
