//! An <Anonymous> section, as our [anonymous]. Run by `forkftpd import proftpd`.

use super::super::draft::{self, Key, folder};
use super::super::report::Report;
use super::conf::Node;
use super::limits::Limits;
use super::numbers::{mask, rate};
use super::{elsewhere, other};
use std::path::PathBuf;

/// An <Anonymous>.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) place: String,
    pub(super) root: PathBuf,
    pub(super) overwrite: Option<bool>,
    pub(super) umask: Option<u32>,
    pub(super) sessions: Option<u64>,
    pub(super) rates: Vec<Key>,
    pub(super) limits: Limits,
}

/// Reads one.
pub(super) fn open(node: &Node, inside: &[Node], report: &mut Report) -> Open {
    let root = match node.argument(0).strip_prefix('~') {
        Some(name) => draft::home_of(name).unwrap_or_else(|| "/srv/ftp".into()),
        None => folder(node.argument(0)),
    };
    report.ours(&node.place, &node.shown(), "[anonymous]");
    let mut open = Open {
        place: node.place.clone(),
        root,
        overwrite: None,
        umask: None,
        sessions: None,
        rates: Vec::new(),
        limits: Limits::default(),
    };
    for node in inside {
        open.take(node, report);
    }
    open
}

impl Open {
    fn take(&mut self, node: &Node, report: &mut Report) {
        let says = match (node.name.as_str(), &node.inside) {
            ("limit", Some(_)) => return self.limits.take(node, report),
            ("directory", Some(inside)) if matches!(node.argument(0), "*" | "/*" | "/") => {
                inside.iter().for_each(|node| self.take(node, report));
                return;
            }
            (_, Some(inside)) => return elsewhere(node, inside, report),
            ("allowoverwrite", _) => {
                self.overwrite = Some(node.is_on());
                "[anonymous] rights: overwrite"
            }
            ("umask", _) => {
                self.umask = mask(node);
                "[anonymous] umask"
            }
            ("maxclients", _) if node.argument(0).parse::<u64>().is_ok() => {
                self.sessions = node.argument(0).parse().ok();
                "[anonymous] sessions"
            }
            ("transferrate", _) if rate(node).is_some() => {
                self.rates.extend(rate(node).unwrap_or_default());
                "[anonymous] upload_rate, download_rate"
            }
            ("user" | "group", _) => {
                report.nothing(&node.place, &node.shown(), "all are served as one user");
                return;
            }
            ("useralias", _) => {
                report.nothing(
                    &node.place,
                    &node.shown(),
                    "anonymous and ftp are the names of who has none",
                );
                return;
            }
            ("anonrequirepassword", _) if node.is_on() => {
                report.less_safe(&node.place, &node.shown(), "who is anonymous needs no password: make a user (forkftpd user add), and take [anonymous] away");
                return;
            }
            _ => return other(node, report),
        };
        report.ours(&node.place, &node.shown(), says);
    }
}
