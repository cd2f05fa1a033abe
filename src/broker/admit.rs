//! Letting somebody in: what their account says, as a grant and as descriptors that reach no further.

use super::boxes::Dress;
use super::keys::Keys;
use super::walls;
use crate::config::{Account, Files, Level, Login};
use crate::ipc::Grant;
use crate::library::Owner;
use crate::log;
use std::os::fd::OwnedFd;

/// What a child is given for somebody who was let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) grant: Grant,
    /// The library for them: root, stage and partials, or the root alone; and the ruleset, if the grant says that it is narrower.
    pub(super) descriptors: Vec<OwnedFd>,
    /// What becomes of files in each drop box of the grant.
    pub(super) dresses: Vec<Dress>,
}

impl Keys {
    /// Makes what the child of `user` needs, or of somebody anonymous at a listening socket with `login`. None when it cannot
    /// be made, which the log says: then they are not let in.
    pub(super) fn admit(
        &self,
        user: Option<&str>,
        account: &Account,
        login: Login,
    ) -> Option<Admission> {
        let owner = match user {
            Some(name) => Owner::User(name),
            None if login == Login::None => Owner::Everybody,
            None => Owner::Anonymous,
        };
        let (policy, dresses) = self.policy(user, account);
        let files = self.config.files;
        let writes = !account.rights.reads_only();
        let lent = self
            .library
            .lend(&account.home, owner, writes, self.config.identity);
        let mut descriptors = match lent {
            Ok(lent) => lent,
            Err(errno) => return unable(user, "home", errno.desc()),
        };
        let whole = account.home == Default::default() && writes;
        let mut narrower = false;
        if !whole && self.config.sandbox != Level::Off {
            match walls::narrower(&descriptors, walls::Inside::of(&policy)) {
                Ok(Some(ruleset)) => {
                    narrower = true;
                    descriptors.push(ruleset);
                }
                // No Landlock in this kernel, and the operator said that it may be missing.
                Ok(None) | Err(_) if self.config.sandbox == Level::NoLandlock => {}
                Ok(None) => return unable(user, "landlock", "not to be had"),
                Err(error) => return unable(user, "landlock", &error.to_string()),
            }
        }
        let grant = Grant {
            user: user.map(str::to_owned),
            policy,
            files: Files {
                largest_file: account.largest_file.or(files.largest_file),
                keep_free: account.keep_free.unwrap_or(files.keep_free),
                umask: account.umask.unwrap_or(files.umask),
                named: account.owner.is_some(),
                ..files
            },
            upload_rate: account.upload_rate,
            download_rate: account.download_rate,
            quota: account.quota.is_some() || account.quota_files.is_some(),
            narrower,
            tells: self.hears_deeds(),
            gives: account.owner.is_some() || account.group.is_some(),
            on_taken: account.on_taken,
            on_hangup: account.on_hangup,
        };
        Some(Admission {
            grant,
            descriptors,
            dresses,
        })
    }
}

fn unable(user: Option<&str>, what: &str, why: &str) -> Option<Admission> {
    log::event(
        log::Level::Error,
        "somebody could not be let in",
        &[
            ("user", &user.unwrap_or("anonymous")),
            ("step", &what),
            ("error", &why),
        ],
    );
    None
}
