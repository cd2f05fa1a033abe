//! proftpd.conf as ours: the main server, and its first <Anonymous>. A directive that is absent has ProFTPD's own default. Run by
//! `forkftpd import proftpd`.

mod conf;
mod limits;
mod numbers;
mod open;
mod options;
mod people;

use super::draft::{self, Draft, Key, can_serve, number, path, umask};
use super::report::{Fate, Report};
use conf::Node;
use limits::Limits;
use numbers::{mask, rate};
use open::{Open, open};
use std::path::{Path, PathBuf};
use toml_edit::Value;

/// What the main server says, as far as it is ours.
#[derive(Debug, Default)]
struct Server {
    port: Option<u64>,
    address: Option<String>,
    only_v4: bool,
    user: Option<String>,
    root: Option<String>,
    users: Option<PathBuf>,
    overwrite: bool,
    umask: Option<u32>,
    rates: Vec<Key>,
    per_user: Option<u64>,
    tls: bool,
    tls_required: bool,
    /// Data connections have to be encrypted, and logins need not.
    data_alone: bool,
    implicit: bool,
    reuse_off: bool,
    certificate: Option<String>,
    key: Option<String>,
    transfer_log: Option<String>,
    passive: Option<(u64, u64)>,
    masquerade: Option<String>,
    limits: Limits,
    top: Vec<Key>,
    anonymous: Option<Open>,
}

/// Reads the file and what it includes; `passwords` are those of the machine's own users.
///
/// # Errors
/// What cannot be read.
pub(super) fn import(
    file: &Path,
    passwords: Option<&Path>,
    report: &mut Report,
) -> Result<Draft, String> {
    let mut server = Server::default();
    for node in conf::read(file)? {
        server.take(&node, report);
    }
    server.draft(file, passwords, report)
}

impl Server {
    /// One directive or section of the main server.
    fn take(&mut self, node: &Node, report: &mut Report) {
        let shown = node.shown();
        if let Some(inside) = &node.inside {
            match node.name.as_str() {
                // What a module is asked for is taken as if it were there; what is for its absence is not.
                "ifmodule" | "ifdefine" if node.argument(0).starts_with('!') => {
                    report.nothing(&node.place, &shown, "for the absence of something");
                }
                "ifmodule" | "ifdefine" | "global" => {
                    for node in inside {
                        self.take(node, report);
                    }
                }
                "limit" => self.limits.take(node, report),
                "anonymous" if self.anonymous.is_none() => {
                    self.anonymous = Some(open(node, inside, report));
                }
                "directory" if matches!(node.argument(0), "/" | "/*" | "~" | "~/*") => {
                    for node in inside {
                        self.take(node, report);
                    }
                }
                _ => elsewhere(node, inside, report),
            }
            return;
        }
        match self.directive(node) {
            Some(says) => report.ours(&node.place, &shown, says),
            None => other(node, report),
        }
    }

    /// What a directive of ours becomes; none when it is not.
    fn directive(&mut self, node: &Node) -> Option<&'static str> {
        let (first, second) = (node.argument(0), node.argument(1));
        let count = first.parse::<u64>().ok();
        let text = || Some(first.to_owned());
        match node.name.as_str() {
            "port" => self.port = count,
            "defaultaddress" => {
                self.address = text();
                return Some("[[listen]] address");
            }
            "useipv6" => self.only_v4 = !node.is_on(),
            "user" => {
                self.user = text();
                return Some("user, who serves all");
            }
            "group" => return Some("the group of that user"),
            "defaultroot" if node.arguments.len() == 1 => {
                self.root = text();
                return Some("library");
            }
            "authuserfile" => {
                self.users = Some(first.into());
                return Some("users.toml");
            }
            "allowoverwrite" => {
                self.overwrite = node.is_on();
                return Some("rights: overwrite");
            }
            "umask" => {
                self.umask = mask(node);
                return Some("umask");
            }
            "transferrate" => {
                self.rates.extend(rate(node)?);
                return Some("upload_rate, download_rate of each user");
            }
            "maxinstances" | "maxclients" => {
                let most = count?;
                let known = self.top.iter().find(|(key, _)| *key == "max_clients");
                let known = known.and_then(|(_, value)| value.as_integer());
                // The smaller of both.
                if known.is_none_or(|known| most < known.unsigned_abs()) {
                    self.top.retain(|(key, _)| *key != "max_clients");
                    self.top.push(("max_clients", number(most.max(1))));
                }
                return Some("max_clients");
            }
            "maxclientsperhost" => {
                self.top.push(("max_per_address", number(count?.max(1))));
                return Some("max_per_address");
            }
            "maxclientsperuser" => {
                self.per_user = Some(count?.max(1));
                return Some("sessions of each user");
            }
            "maxstorefilesize" => {
                let shift = match second.to_ascii_lowercase().as_str() {
                    "gb" => 30,
                    "mb" => 20,
                    "kb" => 10,
                    "b" => 0,
                    _ => return None,
                };
                let size = count?.checked_mul(1 << shift)?;
                self.top.push(("largest_file", number(size.max(1))));
                return Some("largest_file");
            }
            "timeoutidle" | "timeoutstalled" | "timeoutlogin" => {
                let seconds = count.filter(|seconds| *seconds > 0)?;
                let key = match node.name.as_str() {
                    "timeoutidle" => "idle_seconds",
                    "timeoutstalled" => "stall_seconds",
                    _ => "login_seconds",
                };
                self.top.retain(|(known, _)| *known != key);
                self.top
                    .push((key, number(seconds.min(u64::from(u32::MAX)))));
                return Some(key);
            }
            "transferlog" => {
                self.transfer_log = text().filter(|log| !log.eq_ignore_ascii_case("none"));
                return Some("xferlog");
            }
            "passiveports" => {
                let (first, last) = (count?, second.parse().ok()?);
                let good = 1024 <= first && first <= last && last <= 65535;
                self.passive = good.then_some((first, last));
                good.then_some(())?;
                return Some("[[listen]] passive_ports");
            }
            "masqueradeaddress" => {
                self.masquerade = text();
                return Some("[[listen]] passive_address");
            }
            "tlsengine" => self.tls = node.is_on(),
            "tlsrequired" => {
                let word = first.to_ascii_lowercase();
                self.tls_required =
                    node.is_on() || word.starts_with("ctrl") || word.starts_with("auth");
                self.data_alone = word == "data";
            }
            "tlsoptions" => {
                let has = |word: &str| {
                    node.arguments
                        .iter()
                        .any(|given| given.eq_ignore_ascii_case(word))
                };
                self.reuse_off |= has("NoSessionReuseRequired");
                self.implicit |= has("UseImplicitSSL");
                return Some(
                    "[[listen]] data_tls_reuse, and tls = \"implicit\" for UseImplicitSSL",
                );
            }
            "tlsrsacertificatefile" | "tlseccertificatefile" => {
                self.certificate = text();
                return Some("tls_certificate");
            }
            "tlsrsacertificatekeyfile" | "tlseccertificatekeyfile" => {
                self.key = text();
                return Some("tls_key");
            }
            _ => return None,
        }
        Some(match node.name.as_str() {
            "port" | "useipv6" => "[[listen]] address",
            _ => "[[listen]] tls",
        })
    }

    fn draft(
        self,
        file: &Path,
        machine: Option<&Path>,
        report: &mut Report,
    ) -> Result<Draft, String> {
        let from = file.display().to_string();
        let mut draft = Draft {
            origin: format!("ProFTPD ({from})"),
            ..Draft::default()
        };
        let entries = self.entries(&from, machine, report)?;
        let library = self.library(&entries);
        if library == Path::new("/") {
            report.less_safe(&from, "homes", "nothing but / is above all of them: move them below one folder, and set library and each home");
        }
        draft.set("library", path(&library));
        match self.user.as_deref().filter(|name| can_serve(name)) {
            Some(name) => draft.set("user", name),
            None => report.missing(
                &from,
                "user",
                "no user of this machine who could serve: name one with user = \"NAME\"",
            ),
        }
        let timeouts = [
            ("idle_seconds", 600),
            ("stall_seconds", 3600),
            ("login_seconds", 300),
        ];
        draft.top.extend(self.top.iter().cloned());
        for (key, seconds) in timeouts {
            if !draft.top.iter().any(|(known, _)| *known == key) {
                draft.set(key, number(seconds));
            }
        }
        let bits = self.umask.unwrap_or(0o022);
        draft.set("umask", umask(bits));
        if let Some(log) = &self.transfer_log {
            draft.set("xferlog", log.as_str());
        }
        let tls = match (self.tls, self.implicit, self.tls_required) {
            (false, ..) => {
                let says = "tls = \"off\": passwords and files are in the clear, as they are there; forkftpd cert new, and tls = \"optional\", change that";
                report.ours(&from, "TLSEngine off", says);
                "off"
            }
            (true, true, _) => "implicit",
            (true, false, true) => "required",
            (true, false, false) => "optional",
        };
        if self.tls && self.data_alone {
            report.less_safe(&from, "TLSRequired data", draft::CLEAR_DATA);
        }
        if self.tls {
            match &self.certificate {
                Some(certificate) => {
                    draft.set("tls_certificate", certificate.as_str());
                    draft.set("tls_key", self.key.as_ref().unwrap_or(certificate).as_str());
                }
                None => report.less_safe(
                    &from,
                    "TLSEngine on",
                    "no certificate is named: forkftpd cert new, and tls_certificate and tls_key",
                ),
            }
        }
        let lets_in = |open: &&Open| open.limits.lets("anonymous") && self.limits.lets("anonymous");
        let open = self.anonymous.as_ref().filter(lets_in);
        if let Some(shut) = self.anonymous.as_ref().filter(|_| open.is_none()) {
            report.ours(&shut.place, "<anonymous>", "nobody: its logins are denied");
        }
        let login = if open.is_some() {
            "optional"
        } else {
            "required"
        };
        draft.listen.push(self.listen(login, tls));
        if self.port == Some(0) {
            report.missing(
                &from,
                "port 0",
                "the main server does not listen there: port 21 here",
            );
        }
        if let Some(open) = open {
            let rights = open.limits.rights(open.overwrite.unwrap_or(self.overwrite));
            // What the main server denies is denied there, too.
            let main = self.limits.rights(true);
            let rights = rights.iter().filter(|right| main.has(*right)).collect();
            let mut keys: Vec<Key> = Vec::new();
            match draft::below(&library, &open.root) {
                Some(home) if home.is_empty() => {}
                Some(home) => keys.push(("home", home.into())),
                None => report.less_safe(
                    &open.place,
                    "<anonymous>",
                    "hidden, or not below the library: set [anonymous] home by hand",
                ),
            }
            keys.extend(open.rates.iter().cloned());
            keys.extend(open.sessions.map(|most| ("sessions", number(most))));
            keys.extend(open.limits.networks().or(self.limits.networks()));
            keys.extend(open.umask.map(|bits| ("umask", umask(bits))));
            draft.anonymous = Some((rights, keys));
        }
        let people = entries.iter().filter(|entry| self.limits.lets(&entry.name));
        let people = people.map(|entry| self.person(entry, &library, report));
        draft.people = Some(people.collect());
        Ok(draft)
    }

    fn listen(&self, login: &str, tls: &str) -> Vec<Key> {
        let port = self.port.filter(|port| *port > 0).unwrap_or(21);
        let host = match (&self.address, self.only_v4) {
            (Some(address), _) if address.contains(':') => format!("[{address}]"),
            (Some(address), _) => address.clone(),
            (None, true) => "0.0.0.0".to_owned(),
            (None, false) => "[::]".to_owned(),
        };
        let mut keys: Vec<Key> = vec![
            ("address", format!("{host}:{port}").into()),
            ("protocol", "ftp".into()),
            ("login", login.into()),
            ("tls", tls.into()),
        ];
        keys.extend(
            self.passive
                .map(|(first, last)| ("passive_ports", format!("{first}-{last}").into())),
        );
        keys.extend(
            self.masquerade
                .as_deref()
                .map(|address| ("passive_address", address.into())),
        );
        keys.push(("active", true.into()));
        if tls != "off" {
            let reuse = if self.reuse_off { "prefer" } else { "require" };
            keys.push(("data_tls_reuse", reuse.into()));
        }
        keys
    }
}

/// A directive that is none of ours.
fn other(node: &Node, report: &mut Report) {
    let off = matches!(
        node.argument(0).to_ascii_lowercase().as_str(),
        "off" | "no" | "none"
    );
    let (fate, says) = match options::find(&node.name) {
        Some((Fate::Missing | Fate::Unsafe, _)) if off => (Fate::Nothing, "not in use there"),
        Some(known) => known,
        None if off => (Fate::Nothing, "not in use there"),
        None => (
            Fate::Missing,
            "not known here, or not with these arguments: look what it is for",
        ),
    };
    report.note(fate, &node.place, &node.shown(), says);
}

/// A section that has no counterpart: what it forbids is not forbidden here.
fn elsewhere(node: &Node, inside: &[Node], report: &mut Report) {
    let says = match node.name.as_str() {
        "virtualhost" => {
            "one configuration for each server: import its directives from a file of their own, into another folder"
        }
        "directory" => {
            "rights hold for a home, not for one folder in it: users with homes of their own, or a server with rights of its own for it"
        }
        "anonymous" => "there is one [anonymous]: users for the others (forkftpd user add)",
        _ => "no such section is known here: look what it is for",
    };
    let fate = if node.name == "virtualhost" || !denies(inside) {
        Fate::Missing
    } else {
        Fate::Unsafe
    };
    report.note(fate, &node.place, &node.shown(), says);
}

/// True when something in it is forbidden, or hidden.
fn denies(inside: &[Node]) -> bool {
    inside.iter().any(|node| {
        node.name.starts_with("deny")
            || node.name.starts_with("hide")
            || node.inside.as_deref().is_some_and(denies)
    })
}

/// The key of networks, when there are any.
fn networks_key(networks: &[String]) -> Option<Key> {
    let networks: toml_edit::Array = networks.iter().map(String::as_str).collect();
    (!networks.is_empty()).then(|| ("networks", Value::Array(networks)))
}

#[cfg(test)]
mod tests;
