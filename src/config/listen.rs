//! The listening sockets: what was decided about each, and how their tables are read. Read by the listener; children inherit
//! the result.

use super::check::Checker;
use super::file::{FileListen, Proof};
use super::{Ftp, Http, Login, http};
pub use crate::wire::Protocol;
use crate::wire::drive::PORT;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Whether a connection is encrypted, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Never.
    #[default]
    Off,
    /// From when the client asks for it, if it does (AUTH TLS, RFC 4217).
    Optional,
    /// The same, and nobody logs in before.
    Required,
    /// From the first byte.
    Implicit,
}

impl Encryption {
    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Encryption::Off => "off",
            Encryption::Optional => "optional",
            Encryption::Required => "required",
            Encryption::Implicit => "implicit",
        }
    }

    /// True when what is said there, a login at least, is encrypted.
    #[must_use]
    pub fn is_certain(self) -> bool {
        matches!(self, Encryption::Required | Encryption::Implicit)
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP; `[::]` takes IPv4 too.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// What the service manager passes under this name (sd_listen_fds(3)). Where that is shows once the server has it.
    Systemd(String),
}

/// Longest name of a passed socket, bytes (sd_listen_fds(3)).
const LONGEST_NAME: usize = 255;

impl Address {
    /// Reads `IP:PORT`, `[IPv6]:PORT`, `unix:/path` or `systemd:NAME`.
    ///
    /// # Errors
    /// What an address looks like.
    pub fn parse(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Address::Unix(path.into()))
            } else {
                Err(format!("unix:{path}: the path has to begin with /"))
            };
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            let fits = |c: char| c.is_ascii_graphic() && c != ':';
            return if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
                Ok(Address::Systemd(name.to_owned()))
            } else {
                Err(format!(
                    "{text}: after systemd: comes the name of a socket (FileDescriptorName= in its unit), without colons and blanks"
                ))
            };
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            format!(
                "{text}: an address is IP:PORT, [IPv6]:PORT, unix:/path or systemd:NAME (names are not looked up)"
            )
        })
    }

    /// True when only programs on this machine can connect, for certain.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
            Address::Systemd(_) => false,
        }
    }

    /// False while it is a name under which a socket will come.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Address::Systemd(_))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// One listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// What its clients speak.
    pub protocol: Protocol,
    /// Whether clients prove the shared secret first.
    pub proof: bool,
    /// Whether they log in.
    pub login: Login,
    /// Whether there is TLS, and from when on.
    pub tls: Encryption,
    /// What only FTP has to be told.
    pub ftp: Ftp,
    /// What only HTTP has to be told.
    pub http: Http,
    /// TCP congestion control; the system's own when absent.
    pub congestion: Option<String>,
    /// Permission bits of a Unix socket.
    pub mode: u32,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// The name under which the service manager passed it, and keeps it: its file, if it has one, is not ours.
    pub given: Option<String>,
    /// What of it the operator wrote.
    pub(super) written: http::Written,
}

impl Listen {
    /// The same at `address`, where a socket of its name listens.
    ///
    /// # Errors
    /// What cannot be there, or could not be meant, a sentence each.
    pub fn found_at(&self, address: Address) -> Result<Listen, Vec<String>> {
        let Address::Systemd(name) = &self.address else {
            return Ok(self.clone());
        };
        let congestion = match address {
            Address::Unix(_) => None,
            _ => self.congestion.clone(),
        };
        let found = Listen {
            address,
            given: Some(name.clone()),
            congestion,
            ..self.clone()
        };
        let wrong = found.misplaced();
        if wrong.is_empty() {
            return Ok(found);
        }
        let at = &found.address;
        let says = |what: String| format!("systemd:{name}, which listens on {at}: {what}");
        Err(wrong.into_iter().map(says).collect())
    }

    /// What cannot be where it is, or could not be meant there.
    fn misplaced(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.protocol {
            Protocol::Ftp if matches!(self.address, Address::Unix(_)) => {
                wrong.push("FTP makes connections besides: it needs an IP address".into());
            }
            Protocol::Drive
                if !self.proof && self.login == Login::None && !self.address.is_local() =>
            {
                wrong.push(format!("{} would serve everybody who reaches it, without proof of a secret: use proof = \"required\" or login = \"required\", or a loopback or Unix address", self.address));
            }
            Protocol::Http => wrong.extend(self.written.misplaced(self)),
            Protocol::Drive | Protocol::Ftp => {}
        }
        wrong
    }
}

pub(super) fn listeners(
    c: &mut Checker<'_>,
    flags: &[String],
    file: Vec<toml::Spanned<FileListen>>,
    no_secret: bool,
    users: bool,
    congestion: Option<&str>,
    anonymous: bool,
) -> Vec<Listen> {
    let mut listen = Vec::new();
    let mut places = Vec::new();
    let default = Listen {
        address: Address::Tcp(([127, 0, 0, 1], PORT).into()),
        proof: !no_secret,
        login: if users { Login::Required } else { Login::None },
        protocol: Protocol::Drive,
        tls: Encryption::Off,
        ftp: Ftp::default(),
        http: Http::default(),
        congestion: None,
        mode: 0o660,
        backlog: 1024,
        given: None,
        written: http::Written::default(),
    };
    for text in flags {
        match Address::parse(text) {
            Ok(address) => {
                listen.push(Listen {
                    address,
                    ..default.clone()
                });
                places.push("--listen".to_owned());
            }
            Err(what) => c.wrong(Some("--listen"), what),
        }
    }
    let secured = |table: &toml::Spanned<FileListen>| {
        let tls = table.get_ref().tls.as_ref();
        tls.is_some_and(|tls| Encryption::from(*tls.get_ref()) != Encryption::Off)
    };
    if !flags.is_empty() && file.iter().any(secured) {
        c.wrong(Some("--listen"), "the file's listening sockets speak TLS, and this one would not: name the address in the file");
    }
    // Addresses on the command line stand for those of the file.
    for table in if flags.is_empty() { file } else { Vec::new() } {
        let mut table = table.into_inner();
        let place = c.place(table.address.span().start);
        let mode = table.mode.as_ref().map_or(Some(0o660), |mode| {
            u32::from_str_radix(mode.get_ref(), 8)
                .ok()
                .filter(|bits| *bits <= 0o777)
        });
        if let (None, Some(mode)) = (mode, &table.mode) {
            let place = c.place(mode.span().start);
            c.wrong(
                Some(&place),
                format!(
                    "mode = {:?}: three octal digits, as \"0660\"",
                    mode.get_ref()
                ),
            );
        }
        if table
            .backlog
            .as_ref()
            .is_some_and(|backlog| *backlog.get_ref() == 0)
        {
            c.wrong(Some(&place), "backlog = 0 lets nobody wait: at least 1");
        }
        match Address::parse(table.address.get_ref()) {
            Ok(address) => {
                let written = http::Written::of(&table);
                let passed = [
                    ("mode", "SocketMode=", table.mode.is_some()),
                    ("backlog", "Backlog=", table.backlog.is_some()),
                ];
                for (key, theirs, _) in passed
                    .iter()
                    .filter(|(.., set)| *set && !address.is_known())
                {
                    c.wrong(Some(&place), format!("{key} is for a socket that the server makes, and {address} comes as it is: take it out, and set {theirs} in the socket's unit"));
                }
                let spoken = spoken(c, &mut table, &place, no_secret);
                let backlog = table.backlog.map_or(1024, toml::Spanned::into_inner);
                let sends_on = spoken.http.redirect.is_some();
                // Nobody logs in to a site, whoever may elsewhere.
                let for_all = sends_on || spoken.http.site;
                let login = if for_all { Login::None } else { default.login };
                listen.push(Listen {
                    address,
                    protocol: table.protocol,
                    proof: spoken.proof,
                    login: table.login.unwrap_or(login),
                    tls: spoken.tls,
                    ftp: spoken.ftp,
                    http: spoken.http,
                    congestion: table.congestion.map(toml::Spanned::into_inner),
                    mode: mode.unwrap_or(0o660),
                    backlog,
                    given: None,
                    written,
                });
                for what in listen
                    .last()
                    .map_or(Vec::new(), |made| written.against(made))
                {
                    c.wrong(Some(&place), what);
                }
                places.push(place);
            }
            Err(what) => c.wrong(Some(&place), what),
        }
    }
    if listen.is_empty() && c.problems.is_empty() {
        listen.push(default);
        places.push(if no_secret {
            "--no-secret".into()
        } else {
            "listen".into()
        });
    }
    let mut seen = HashSet::new();
    for (listener, place) in listen.iter_mut().zip(&places) {
        if let (Some(name), Address::Tcp(_) | Address::Systemd(_)) = (congestion, &listener.address)
        {
            listener.congestion = Some(name.to_owned());
        }
        if listener.address.is_known() {
            for what in listener.misplaced() {
                c.wrong(Some(place), what);
            }
        }
        if listener.protocol != Protocol::Drive {
            if listener.http.site && listener.login != Login::None {
                c.wrong(
                    Some(place),
                    "site = true is for everybody: login = \"none\"",
                );
            }
            if listener.login == Login::None && !anonymous && listener.http.redirect.is_none() {
                c.wrong(Some(place), "login = \"none\" lets everybody in: say what they may do in a table [anonymous]");
            }
        }
        let any_port = matches!(listener.address, Address::Tcp(address) if address.port() == 0);
        if !any_port && !seen.insert(listener.address.to_string()) {
            c.wrong(Some(place), format!("{} is there twice", listener.address));
        }
    }
    listen
}

/// What belongs to the protocol.
#[derive(Debug, Default)]
struct Spoken {
    /// Whether a secret is proved.
    proof: bool,
    tls: Encryption,
    ftp: Ftp,
    http: Http,
}

fn spoken(c: &mut Checker<'_>, table: &mut FileListen, place: &str, no_secret: bool) -> Spoken {
    let tls = table.tls.take();
    let tls_place = tls.as_ref().map(|tls| c.place(tls.span().start));
    let tls = tls.map(|tls| Encryption::from(tls.into_inner()));
    let mut foreign = |key: Option<&str>, protocol: Protocol| {
        if let Some(key) = key {
            let name = protocol.as_str();
            let what = format!(
                "{key} is a key of {}: take it out, or set protocol = \"{name}\"",
                name.to_uppercase()
            );
            c.wrong(Some(place), what);
        }
    };
    if table.protocol != Protocol::Ftp {
        foreign(table.of_ftp(), Protocol::Ftp);
    }
    if table.protocol != Protocol::Http {
        foreign(table.of_http(), Protocol::Http);
    }
    if table.protocol == Protocol::Drive {
        foreign(table.names.as_ref().map(|_| "names"), Protocol::Http);
    }
    if table.protocol != Protocol::Drive && table.proof == Some(Proof::Required) {
        let name = table.protocol.as_str().to_uppercase();
        c.wrong(
            Some(place),
            format!("{name} has no proof of a secret: take proof out"),
        );
    }
    if table.protocol != Protocol::Ftp
        && matches!(tls, Some(Encryption::Optional | Encryption::Required))
    {
        c.wrong(tls_place.as_deref(), "this protocol has TLS from the first byte or not at all: tls = \"implicit\" or \"off\"");
    }
    let mut wrong = Vec::new();
    let spoken = match table.protocol {
        Protocol::Drive => Spoken {
            proof: table.proof != Some(Proof::None) && !no_secret,
            tls: tls.unwrap_or_default(),
            ..Spoken::default()
        },
        Protocol::Ftp => Spoken {
            tls: tls.unwrap_or(Encryption::Required),
            ftp: table.ftp(|at, what| wrong.push((at, what))),
            ..Spoken::default()
        },
        Protocol::Http => Spoken {
            tls: tls.unwrap_or_default(),
            http: table.http(|at, what| wrong.push((at, what))),
            ..Spoken::default()
        },
    };
    for (at, what) in wrong {
        let place = c.place(at);
        c.wrong(Some(&place), what);
    }
    if !spoken.ftp.plain_networks.is_empty() && spoken.tls != Encryption::Required {
        c.wrong(
            Some(place),
            "plain_networks are those where tls = \"required\" does not hold: it is not set",
        );
    }
    spoken
}
