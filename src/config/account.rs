//! What is decided about somebody who may come in: the keys of `[anonymous]` in the configuration and of each user in the
//! users file are the same, and are read here. Read by the broker and by the commands that show them.

use super::file::{Placed, Size};
use crate::rights::{Right, Rights};
use crate::sys::privs;
use crate::wire::path::RelPath;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What becomes of a new file whose name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTaken {
    /// It is refused, unless it may replace the other.
    #[default]
    Refuse,
    /// It gets another name.
    Rename,
}

/// What becomes of an upload whose client hung up at its end without a word, where the protocol leaves that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHangup {
    /// It was cut, and is kept out of sight.
    #[default]
    Keep,
    /// It counts as whole: for devices that do not wait for the answer.
    Publish,
}

/// Whether a user logs in without TLS where a listening socket lets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UserTls {
    #[default]
    Optional,
    Required,
}

/// Decided and checked.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What may be done.
    pub rights: Rights,
    /// The folder below the library that is the root of everything for them; the library itself when empty.
    pub home: RelPath,
    /// Most bytes below `home`, with what is being put and what was cut.
    pub quota: Option<u64>,
    /// Most files below `home`.
    pub quota_files: Option<u64>,
    /// Most bytes of one upload; the server's own limit when absent.
    pub largest_file: Option<u64>,
    /// Bytes of the disk that uploads leave free; what the server leaves when absent.
    pub keep_free: Option<u64>,
    /// Bytes a second, for each session.
    pub upload_rate: Option<u64>,
    /// Bytes a second, for each session.
    pub download_rate: Option<u64>,
    /// Most sessions at once.
    pub sessions: Option<u32>,
    /// Where they may come from; from everywhere when empty.
    pub networks: Vec<IpNet>,
    /// What becomes of a new file whose name is taken.
    pub on_taken: OnTaken,
    /// What becomes of an upload by FTP whose client hung up at its end.
    pub on_hangup: OnHangup,
    /// Whether they log in under TLS alone.
    pub needs_tls: bool,
    /// Permission bits that new files and folders do not get.
    pub umask: Option<u32>,
    /// Who owns new files; the server's user when absent.
    pub owner: Option<u32>,
    /// Which group new files belong to.
    pub group: Option<u32>,
    /// Names of the commands that they may have run.
    pub commands: Vec<String>,
}

impl Account {
    /// True when they may come from `address`; from a peer without one (a Unix socket, a pipe) always.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address.map(|address| address.to_canonical()) else {
            return true;
        };
        self.networks.is_empty()
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// The keys as they stand in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAccount {
    rights: Option<Vec<Right>>,
    home: Placed<String>,
    quota: Placed<Size>,
    quota_files: Placed<u64>,
    largest_file: Placed<Size>,
    keep_free: Placed<Size>,
    upload_rate: Placed<Size>,
    download_rate: Placed<Size>,
    sessions: Placed<u32>,
    #[serde(default)]
    networks: Vec<toml::Spanned<String>>,
    on_taken: Option<OnTaken>,
    on_hangup: Option<OnHangup>,
    tls: Option<UserTls>,
    umask: Placed<String>,
    owner: Placed<String>,
    group: Placed<String>,
    #[serde(default)]
    commands: Vec<toml::Spanned<String>>,
}

/// The bits that `text` names; they leave the owner, who is the server, all rights.
pub(super) fn umask(text: Placed<String>, wrong: impl FnOnce(usize, String)) -> Option<u32> {
    let text = text?;
    let bits = u32::from_str_radix(text.get_ref(), 8).ok();
    let bits = bits.filter(|bits| *bits <= 0o777 && bits & 0o700 == 0);
    if bits.is_none() {
        let what = "octal digits that leave the owner all rights, as \"0027\"";
        wrong(
            text.span().start,
            format!("umask = {:?}: {what}", text.get_ref()),
        );
    }
    bits
}

/// The group that `name` is, if the server may give files to it.
pub(super) fn group(name: Placed<String>, wrong: impl FnOnce(usize, String)) -> Option<u32> {
    let name = name?;
    let found = id_of(name.get_ref(), privs::group_id);
    let what = match found {
        None => "there is no such group on this machine",
        Some(0) => "files are never given to the group of root",
        Some(id) if !privs::may_give_to_group(id) => "the server's user is not in that group",
        Some(_) => return found,
    };
    wrong(
        name.span().start,
        format!("group = {:?}: {what}", name.get_ref()),
    );
    None
}

impl FileAccount {
    /// What the keys mean. `wrong` is told of each that cannot be: the byte of the file it stands at, and why. `known` tells the names
    /// of commands that there are; without it they are not judged.
    pub fn check(
        self,
        default: Rights,
        known: Option<&dyn Fn(&str) -> bool>,
        mut wrong: impl FnMut(usize, String),
    ) -> Account {
        let mut size = |key: &str, given: Placed<Size>| {
            let given = given?;
            if given.get_ref().0 == 0 {
                let what = format!("{key} = 0 allows nothing; leave the key out for no limit");
                wrong(given.span().start, what);
            }
            Some(given.into_inner().0)
        };
        let quota = size("quota", self.quota);
        let largest_file = size("largest_file", self.largest_file);
        let upload_rate = size("upload_rate", self.upload_rate);
        let download_rate = size("download_rate", self.download_rate);
        if let Some(files) = self
            .quota_files
            .as_ref()
            .filter(|files| *files.get_ref() == 0)
        {
            let what = "quota_files = 0 allows nothing; leave the key out for no limit";
            wrong(files.span().start, what.into());
        }
        if let Some(sessions) = self
            .sessions
            .as_ref()
            .filter(|sessions| *sessions.get_ref() == 0)
        {
            let what = "sessions = 0 lets nobody in; to shut a user out: disabled = true";
            wrong(sessions.span().start, what.into());
        }
        let home = self.home.map_or_else(RelPath::default, |home| {
            RelPath::parse(home.get_ref().as_bytes()).unwrap_or_else(|_| {
                let what = format!(
                    "home = {:?}: a path below the library, without .. and hidden names",
                    home.get_ref()
                );
                wrong(home.span().start, what);
                RelPath::default()
            })
        });
        let mut networks = Vec::new();
        for text in self.networks {
            let one = |text: &str| {
                text.parse()
                    .ok()
                    .or_else(|| text.parse().ok().map(IpAddr::into))
            };
            match one(text.get_ref()) {
                Some(network) => networks.push(network),
                None => wrong(
                    text.span().start,
                    format!(
                        "{:?} is no network: 192.0.2.0/24, 2001:db8::/32 or one address",
                        text.get_ref()
                    ),
                ),
            }
        }
        let owner = self.owner.and_then(|name| {
            let found = id_of(name.get_ref(), privs::user_id);
            let what = match found {
                None => "there is no such user on this machine",
                Some(0) => "files are never given to root",
                Some(_) if !privs::is_root() => {
                    "only a server that is started as root can give files away"
                }
                Some(_) => return found,
            };
            wrong(
                name.span().start,
                format!("owner = {:?}: {what}", name.get_ref()),
            );
            None
        });
        let group = group(self.group, &mut wrong);
        for name in &self.commands {
            if known.is_some_and(|known| !known(name.get_ref())) {
                let what = format!(
                    "commands: there is no command {:?}: take it out, or make a table [[command]] with that name in the configuration",
                    name.get_ref()
                );
                wrong(name.span().start, what);
            }
        }
        let umask = umask(self.umask, wrong);
        Account {
            rights: self
                .rights
                .map_or(default, |rights| rights.into_iter().collect()),
            home,
            quota,
            quota_files: self.quota_files.map(toml::Spanned::into_inner),
            largest_file,
            keep_free: self.keep_free.map(|size| size.into_inner().0),
            upload_rate,
            download_rate,
            sessions: self.sessions.map(toml::Spanned::into_inner),
            networks,
            on_taken: self.on_taken.unwrap_or_default(),
            on_hangup: self.on_hangup.unwrap_or_default(),
            needs_tls: self.tls == Some(UserTls::Required),
            umask,
            owner,
            group,
            commands: self
                .commands
                .into_iter()
                .map(toml::Spanned::into_inner)
                .collect(),
        }
    }
}

/// The number that `text` is, or names.
fn id_of(text: &str, named: impl FnOnce(&str) -> Option<u32>) -> Option<u32> {
    text.parse().ok().or_else(|| named(text))
}
