//! What is decided about a listening socket that speaks HTTP, and how its keys are read. Read by the listener; children inherit it.

use super::file::FileListen;
use ipnet::IpNet;
use std::net::IpAddr;

/// What was decided about a listening socket that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The library is a static site: files by their names, `index.html` for folders, nothing else.
    pub site: bool,
    /// Where all requests are sent on to, with their path: an origin as `https://files.example.org`, without a slash at its end.
    pub redirect: Option<String>,
    /// Seconds for which browsers come by TLS alone (Strict-Transport-Security, RFC 6797); 0 says nothing.
    pub hsts_seconds: u32,
    /// Proxies whose word is taken for who the client is.
    pub trusted_proxies: Proxies,
    /// From where the counters of the whole server are shown; from nowhere when empty.
    pub metrics_networks: Vec<IpNet>,
    /// Hours for which a login in a browser holds.
    pub session_hours: u32,
    /// Seconds that a connection is kept between two requests.
    pub keepalive_seconds: u32,
}

/// Who stands between the server and its clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// Addresses.
    pub networks: Vec<IpNet>,
    /// Whoever comes by the Unix socket.
    pub local: bool,
}

impl Proxies {
    /// True when a client with this address, or without one, is a proxy.
    #[must_use]
    pub fn include(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self
                .networks
                .iter()
                .any(|network| network.contains(&address)),
            None => self.local,
        }
    }
}

/// Hours for which a login in a browser holds, when nothing is said.
const SESSION_HOURS: u32 = 12;
/// Seconds that a connection is kept, when nothing is said.
const KEEPALIVE_SECONDS: u32 = 60;

impl Default for Http {
    fn default() -> Http {
        Http {
            site: false,
            redirect: None,
            hsts_seconds: 0,
            trusted_proxies: Proxies::default(),
            metrics_networks: Vec::new(),
            session_hours: SESSION_HOURS,
            keepalive_seconds: KEEPALIVE_SECONDS,
        }
    }
}

impl FileListen {
    /// What the keys of HTTP mean, which are taken out. `wrong` is told of each that cannot be: the byte of the file it stands at, and why.
    pub(super) fn http(&mut self, mut wrong: impl FnMut(usize, String)) -> Http {
        let mut http = Http {
            site: self.site.unwrap_or(false),
            ..Http::default()
        };
        if let Some(origin) = self.redirect.take() {
            http.redirect = as_origin(origin.get_ref());
            if http.redirect.is_none() {
                let what = "an origin, as \"https://files.example.org\"";
                wrong(
                    origin.span().start,
                    format!("redirect = {:?}: {what}", origin.get_ref()),
                );
            }
        }
        if let Some(seconds) = self.hsts_seconds.take() {
            http.hsts_seconds = seconds.into_inner();
        }
        for text in self.trusted_proxies.take().unwrap_or_default() {
            match text.get_ref().as_str() {
                "unix" => http.trusted_proxies.local = true,
                network => match as_network(network) {
                    Some(network) => http.trusted_proxies.networks.push(network),
                    None => wrong(
                        text.span().start,
                        format!(
                            "{network:?} is no network (192.0.2.0/24), no address, and not \"unix\""
                        ),
                    ),
                },
            }
        }
        for text in self.metrics_networks.take().unwrap_or_default() {
            match as_network(text.get_ref()) {
                Some(network) => http.metrics_networks.push(network),
                None => wrong(
                    text.span().start,
                    format!(
                        "{:?} is no network: 192.0.2.0/24 or one address",
                        text.get_ref()
                    ),
                ),
            }
        }
        let mut at_least_one = |key: &str, given: Option<toml::Spanned<u32>>, default: u32| {
            let Some(given) = given else { return default };
            if *given.get_ref() == 0 {
                wrong(given.span().start, format!("{key} = 0: at least 1"));
            }
            given.into_inner()
        };
        http.session_hours =
            at_least_one("session_hours", self.session_hours.take(), SESSION_HOURS);
        http.keepalive_seconds = at_least_one(
            "keepalive_seconds",
            self.keepalive_seconds.take(),
            KEEPALIVE_SECONDS,
        );
        http
    }

    /// A key that only HTTP has, if there is any.
    pub(super) fn of_http(&self) -> Option<&'static str> {
        let keys = [
            ("site", self.site.is_some()),
            ("redirect", self.redirect.is_some()),
            ("hsts_seconds", self.hsts_seconds.is_some()),
            ("trusted_proxies", self.trusted_proxies.is_some()),
            ("metrics_networks", self.metrics_networks.is_some()),
            ("session_hours", self.session_hours.is_some()),
            ("keepalive_seconds", self.keepalive_seconds.is_some()),
        ];
        keys.into_iter()
            .find(|(_, given)| *given)
            .map(|(key, _)| key)
    }
}

fn as_network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(IpAddr::into))
}

/// A scheme, a name and perhaps a port, and nothing after it.
fn as_origin(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(fits)).then(|| text.to_owned())
}
