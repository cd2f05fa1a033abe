//! <Limit> sections, as rights, networks and who may log in. What they say of single users or groups elsewhere than at the login has no
//! counterpart, and is said to protect. Run by `forkftpd import proftpd`.

use super::super::draft::{self, Key, allowed_by};
use super::super::report::Report;
use super::conf::Node;
use super::networks_key;
use crate::rights::{Right, Rights};
use crate::scram::user_name;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

const WRITE: &str = "APPE DELE MKD RMD RNFR RNTO STOR STOU XMKD XRMD SITE MFMT";
const READ: &str = "RETR SIZE";
const DIRS: &str = "CDUP CWD LIST MDTM MLSD MLST NLST PWD STAT";

/// What all of them leave.
#[derive(Debug, Default)]
pub(super) struct Limits {
    denied: BTreeSet<String>,
    networks: Vec<String>,
    /// Who may log in, if not all.
    only: Option<BTreeSet<String>>,
    /// Who may not.
    never: BTreeSet<String>,
}

impl Limits {
    /// Takes one section.
    pub(super) fn take(&mut self, node: &Node, report: &mut Report) {
        let inside = node.inside.as_deref().unwrap_or_default();
        let verbs: BTreeSet<String> = node
            .arguments
            .iter()
            .flat_map(|word| {
                match word.to_ascii_uppercase().as_str() {
                    "WRITE" => WRITE.to_owned(),
                    "READ" => READ.to_owned(),
                    "DIRS" => DIRS.to_owned(),
                    "ALL" => format!("{WRITE} {READ} {DIRS} LOGIN"),
                    verb => verb.to_owned(),
                }
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
            })
            .collect();
        let is_login = verbs.contains("LOGIN");
        let denies_all = inside.iter().any(|node| {
            node.name == "denyall"
                || (node.name == "deny"
                    && node
                        .arguments
                        .last()
                        .is_some_and(|word| word.eq_ignore_ascii_case("all")))
        });
        let mut lost = Vec::new();
        let (mut users, mut networks) = (BTreeSet::new(), Vec::new());
        for rule in inside {
            let words = rule.arguments.iter().flat_map(|word| word.split(','));
            let words = words
                .map(str::trim)
                .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("from"));
            let words: Vec<&str> = words.collect();
            match rule.name.as_str() {
                "denyall" | "allowall" | "order" => {}
                "deny" if words.iter().all(|word| word.eq_ignore_ascii_case("all")) => {}
                "allow" if words.iter().all(|word| word.eq_ignore_ascii_case("all")) => {}
                "allowuser" if is_login && denies_all => {
                    users.extend(words.iter().filter_map(|name| user_name(name).ok()))
                }
                "denyuser" if is_login => self
                    .never
                    .extend(words.iter().filter_map(|name| user_name(name).ok())),
                "allow" if is_login && denies_all && words.iter().all(|word| is_network(word)) => {
                    networks.extend(words.iter().map(|word| (*word).to_owned()));
                }
                _ => lost.push(rule.shown()),
            }
        }
        if !lost.is_empty() {
            let says = format!(
                "not to be had: {}. Rights of each user say what may be done, networks from where",
                lost.join("; ")
            );
            report.less_safe(&node.place, &node.shown(), says);
        }
        let opens = !users.is_empty() || !networks.is_empty();
        if !users.is_empty() {
            self.only = Some(users);
        }
        self.networks.extend(networks);
        if denies_all && !opens {
            if is_login {
                self.only = Some(BTreeSet::new());
            }
            self.denied.extend(verbs.iter().cloned());
        } else if inside.iter().any(|node| node.name == "allowall") {
            self.denied.retain(|verb| !verbs.contains(verb));
        }
        let alone = match denies_all && !opens {
            true => without_right(node, &verbs),
            false => Vec::new(),
        };
        if alone.iter().any(|verb| verb != "SITE_CHMOD") {
            let says = format!(
                "no right is for these alone: {}. Take the right away that has them with it",
                alone.join(" ")
            );
            report.less_safe(&node.place, &node.shown(), says);
        } else if !alone.is_empty() {
            report.missing(&node.place, &node.shown(), draft::CHMOD);
        } else if lost.is_empty() {
            let says = if is_login {
                "who is a user, and networks"
            } else {
                "rights"
            };
            report.ours(&node.place, &node.shown(), says);
        }
    }

    /// What may be done.
    pub(super) fn rights(&self, overwrite: bool) -> Rights {
        let all = Right::ALL
            .into_iter()
            .filter(|right| *right != Right::Overwrite || overwrite);
        allowed_by(all.collect(), |verb| !self.denied.contains(verb))
    }

    /// True when `name` may log in.
    pub(super) fn lets(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name)) && !self.never.contains(name)
    }

    /// From where.
    pub(super) fn networks(&self) -> Option<Key> {
        networks_key(&self.networks)
    }
}

/// The commands that a section names and denies, and that no right of ours has to itself; but for those whose right is denied with them.
fn without_right(node: &Node, verbs: &BTreeSet<String>) -> Vec<String> {
    let named = node.arguments.iter().map(|word| word.to_ascii_uppercase());
    let lost = |verb: &String| match verb.as_str() {
        "WRITE" | "READ" | "DIRS" | "ALL" | "LOGIN" | "LIST" | "NLST" | "RETR" | "STOR"
        | "DELE" | "RNFR" | "RNTO" | "MKD" => false,
        "APPE" | "STOU" | "MFMT" | "MFF" => !verbs.contains("STOR"),
        verb if verb.starts_with("SITE") => !verbs.contains("STOR"),
        "RMD" | "XRMD" => !verbs.contains("DELE"),
        "XMKD" => !verbs.contains("MKD"),
        _ => true,
    };
    named.filter(lost).collect()
}

fn is_network(word: &str) -> bool {
    word.parse::<IpNet>().is_ok() || word.parse::<IpAddr>().is_ok()
}
