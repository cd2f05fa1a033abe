//! What is decided about a listening socket that speaks HTTP, and how its keys are read. Read by the listener; children inherit it.

use super::file::FileListen;
use super::{Address, Encryption, Listen, Login, Protocol};
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
    /// The names that requests may be for; any when empty, but on a loopback address, where it is those of this machine.
    pub names: Vec<String>,
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
            names: Vec::new(),
        }
    }
}

impl FileListen {
    /// What the keys of HTTP mean, which are taken out. `wrong` is told of each that cannot be: the byte of the file it stands at, and why.
    pub(super) fn http(&mut self, mut wrong: impl FnMut(usize, String)) -> Http {
        let mut http = Http {
            site: self.site.unwrap_or(false),
            names: self.names.take().unwrap_or_default(),
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

/// What the operator wrote of a listening socket, where that makes a difference to what holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    login: bool,
    tls: bool,
    session_hours: bool,
}

impl Written {
    pub(super) fn of(table: &FileListen) -> Written {
        Written {
            login: table.login.is_some(),
            tls: table.tls.is_some(),
            session_hours: table.session_hours.is_some(),
        }
    }

    /// What of a listening socket that speaks HTTP cannot be, or could not be meant, each with the remedy.
    pub(super) fn against(self, listen: &Listen) -> Vec<String> {
        let mut wrong = Vec::new();
        if listen.protocol != Protocol::Http {
            return wrong;
        }
        let http = &listen.http;
        if let Some(origin) = &http.redirect {
            wrong.extend(self.against_redirect(listen, origin));
        }
        let is_secure = listen.tls == Encryption::Implicit;
        if http.hsts_seconds > 0 && !is_secure && http.trusted_proxies == Proxies::default() {
            wrong.push("hsts_seconds tells browsers to come by TLS alone, and there is none here: set tls = \"implicit\", or name the proxy that does TLS in trusted_proxies".into());
        }
        let everybody = |network: &IpNet| network.prefix_len() == 0;
        if http.trusted_proxies.networks.iter().any(everybody) {
            wrong.push("trusted_proxies = everybody: then everybody may say that they are somebody else; name the proxy alone".into());
        }
        wrong
    }

    /// The same of one that speaks HTTP, as far as it is about its address.
    pub(super) fn misplaced(self, listen: &Listen) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(origin) = &listen.http.redirect {
            let scheme = match listen.tls {
                Encryption::Implicit => "https",
                _ => "http",
            };
            if *origin == format!("{scheme}://{}", listen.address) {
                wrong.push(format!(
                    "redirect = {origin:?} sends clients to where they are: name another origin"
                ));
            }
        }
        if listen.login != Login::None
            && !listen.tls.is_certain()
            && !listen.address.is_local()
            && !self.tls
        {
            wrong.push(format!("{} is not local, and passwords would go there in the clear: set tls = \"implicit\"; or write tls = \"off\", if that is meant or a proxy does TLS", listen.address));
        }
        wrong.extend(against_proxies(listen));
        wrong
    }

    /// Where all are sent on, there is nothing else to be decided.
    fn against_redirect(self, listen: &Listen, origin: &str) -> Vec<String> {
        let http = &listen.http;
        let idle = [
            ("site", http.site),
            ("login", self.login && listen.login != Login::None),
            ("session_hours", self.session_hours),
            (
                "trusted_proxies",
                http.trusted_proxies != Proxies::default(),
            ),
            ("metrics_networks", !http.metrics_networks.is_empty()),
        ];
        let idle = idle.into_iter().filter(|(_, given)| *given);
        let mut wrong: Vec<String> = idle
            .map(|(key, _)| format!("redirect sends every request on, and {key} would do nothing: take one of them out"))
            .collect();
        let is_secure = listen.tls == Encryption::Implicit;
        if is_secure && origin.starts_with("http://") {
            wrong.push(format!("redirect = {origin:?} would send clients that come by TLS to where there is none: redirect to https://"));
        }
        wrong
    }
}

/// What cannot be among those whose word is taken, and who may see the counters.
fn against_proxies(listen: &Listen) -> Vec<String> {
    let mut wrong = Vec::new();
    let (http, is_unix) = (&listen.http, matches!(listen.address, Address::Unix(_)));
    let proxies = &http.trusted_proxies;
    if is_unix && !proxies.networks.is_empty() && !proxies.local {
        wrong.push(
            "whoever comes by a Unix socket has no address: add \"unix\" to trusted_proxies".into(),
        );
    }
    if !is_unix && proxies.local {
        wrong.push("\"unix\" in trusted_proxies is for a Unix socket, and this is none: name the proxy's network".into());
    }
    if is_unix && !http.metrics_networks.is_empty() && !proxies.local {
        wrong.push("whoever comes by a Unix socket has no address, and is in none of metrics_networks: take it out, or trust the proxy there (trusted_proxies = [\"unix\"])".into());
    }
    wrong
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

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags, check, file};
    use super::*;
    use std::path::Path;

    fn load(text: &str) -> Result<Config, String> {
        let flags = Flags {
            user: Some("nobody".into()),
            no_secret: true,
            ..Flags::default()
        };
        let path = Path::new("/nowhere/f.toml");
        let text =
            format!("users_file = \"u\"\n[anonymous]\n[[listen]]\nprotocol = \"http\"\n{text}");
        let parsed = file::parse(Some(path), &text).map_err(|p| p[0].to_string())?;
        let checked = check::check(parsed, Some(path), &text, &flags);
        checked.map_err(|problems| problems.iter().map(|p| format!("{p}\n")).collect())
    }

    #[test]
    fn what_could_not_be_meant_is_refused_with_its_line_and_a_remedy() {
        let (local, remote) = ("address = \"127.0.0.1:1\"\n", "address = \"192.0.2.1:1\"\n");
        let unix = "address = \"unix:/s\"\n";
        let on = "redirect = \"https://h\"\n";
        for (address, keys, word) in [
            (
                local,
                format!("{on}site = true"),
                "and site would do nothing",
            ),
            (
                local,
                format!("{on}login = \"required\""),
                "and login would do nothing",
            ),
            (local, format!("{on}session_hours = 2"), "and session_hours"),
            (
                local,
                format!("{on}trusted_proxies = [\"127.0.0.1\"]"),
                "and trusted_proxies",
            ),
            (
                local,
                format!("{on}metrics_networks = [\"127.0.0.1\"]"),
                "and metrics_networks",
            ),
            (
                local,
                "redirect = \"http://127.0.0.1:1/\"".into(),
                "to where they are",
            ),
            (local, "redirect = \"h\"".into(), "an origin"),
            (local, "redirect = \"https://h/there\"".into(), "an origin"),
            (local, "hsts_seconds = 5".into(), "set tls = \"implicit\""),
            (remote, "login = \"required\"".into(), "write tls = \"off\""),
            (remote, "login = \"optional\"".into(), "write tls = \"off\""),
            (
                unix,
                "trusted_proxies = [\"127.0.0.1\"]".into(),
                "add \"unix\"",
            ),
            (
                local,
                "trusted_proxies = [\"unix\"]".into(),
                "name the proxy's network",
            ),
            (
                local,
                "trusted_proxies = [\"0.0.0.0/0\"]".into(),
                "everybody",
            ),
            (
                unix,
                "metrics_networks = [\"127.0.0.1\"]".into(),
                "take it out",
            ),
        ] {
            let said = load(&format!("{address}{keys}")).expect_err(&keys);
            assert!(said.contains(word), "{keys}: {said}");
            assert!(said.starts_with("/nowhere/f.toml:"), "{said}");
        }
        let tls = "tls_certificate = \"c\"\ntls_key = \"k\"\nusers_file = \"u\"\n[[listen]]\nprotocol = \"http\"\ntls = true\n";
        let text = format!("{tls}{local}redirect = \"http://h\"");
        let flags = Flags {
            user: Some("nobody".into()),
            ..Flags::default()
        };
        let parsed = file::parse(None, &text).expect("toml");
        let said = check::check(parsed, None, &text, &flags).expect_err("downgrade");
        assert!(
            said[0].to_string().contains("redirect to https://"),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_meant_holds() {
        let (local, remote) = ("address = \"127.0.0.1:1\"\n", "address = \"192.0.2.1:1\"\n");
        let unix = "address = \"unix:/s\"\n";
        for (address, keys) in [
            (remote, "redirect = \"https://h:8443/\""),
            (local, "redirect = \"https://h\"\nlogin = \"none\""),
            (local, "hsts_seconds = 5\ntrusted_proxies = [\"127.0.0.1\"]"),
            (remote, "login = \"required\"\ntls = \"off\""),
            (remote, "login = \"none\""),
            (local, "login = \"required\""),
            (
                unix,
                "trusted_proxies = [\"unix\", \"10.0.0.0/8\"]\nmetrics_networks = [\"10.0.0.1\"]",
            ),
        ] {
            let config = load(&format!("{address}{keys}"));
            let config = config.unwrap_or_else(|said| panic!("{keys}: {said}"));
            let listen = &config.listen[0];
            assert!(listen.http.redirect.is_none() || listen.login == Login::None);
        }
        let config = load(&format!("{remote}redirect = \"https://h:8443/\"")).expect("config");
        let http = &config.listen[0].http;
        assert_eq!(http.redirect.as_deref(), Some("https://h:8443"));
    }
}
