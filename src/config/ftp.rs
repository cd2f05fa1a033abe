//! What is decided about a listening socket that speaks FTP. Read by the listener; children and the dialer inherit it.

use ipnet::IpNet;
use std::net::IpAddr;

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
}
