//! Somebody who was let in: what they are lent, what is reserved for them, and what they give back. Run by the broker.

use super::answer::{Dealing, Outcome, Reply};
use super::boxes::Dress;
use super::desk::{self, Desk, Name};
use super::quota;
use crate::config::Account;
use crate::error::{Code, Refusal};
use crate::ipc::{Answer, Client, Grant, Phase};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, file};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, OwnedFd};

/// Somebody who was let in, until the channel ends.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) name: Name,
    pub(super) home: RelPath,
    /// To whom their files are given: owner and group.
    heirs: (Option<u32>, Option<u32>),
    /// What becomes of files in the drop boxes of their grant.
    dresses: Vec<Dress>,
    quota: Option<quota::Limits>,
    /// Where their cut uploads are, if they have a quota.
    partials: Option<OwnedFd>,
    /// Reserved, and not given back yet.
    reserved: quota::Amount,
}

impl Inside {
    /// What has this path from their home, from the library's root.
    pub(super) fn whole_path_of(&self, path: &[u8]) -> Vec<u8> {
        match (self.home.is_root(), path) {
            (true, path) => path.to_vec(),
            (false, b"") => self.home.as_bytes().to_vec(),
            (false, path) => [self.home.as_bytes(), b"/", path].concat(),
        }
    }
}

impl Dealing {
    /// Lends the library to the child.
    pub(super) fn let_in(
        &mut self,
        desk: &mut Desk,
        client: Client,
        name: Name,
        say: impl FnOnce(Grant) -> Answer,
    ) -> Outcome {
        self.phase = Phase::Over;
        let account = match &name {
            Some(name) => desk.keys.account(name).cloned(),
            None => Some(desk.keys.config.anonymous.clone()),
        };
        let Some(account) = account else {
            return Reply::refused(Code::Login, Code::Login.text()).into();
        };
        if name.is_none() && !account.admits(desk::address(&client)) {
            return Reply::refused(Code::Denied, "not from where you are").into();
        }
        if account.needs_tls && !self.is_secure() {
            return Reply::refused(Code::Denied, "this user logs in under TLS alone").into();
        }
        let quota = match self.open_quota(desk, &account) {
            Ok(quota) => quota,
            Err(refusal) => return Err(refusal).into(),
        };
        let admission = desk.keys.admit(name.as_deref(), &account, client.login);
        let Some(admission) = admission else {
            let what = "this server cannot serve you; its operator finds the reason in the log";
            return Reply::refused(Code::Io, what).into();
        };
        let partials = match (&quota, admission.descriptors.get(2)) {
            (Some(_), Some(folder)) => match folder.try_clone() {
                Ok(folder) => Some(folder),
                // Uncounted, they would be room that is not there.
                Err(_) => return Err(Refusal::from(Errno::EMFILE)).into(),
            },
            _ => None,
        };
        if !desk.enter(&name, account.sessions) {
            let what = "as many sessions of this user as may be at once";
            return Reply::refused(Code::Busy, what).into();
        }
        self.phase = Phase::In;
        self.telling.since = monotonic_millis();
        self.inside = Some(Inside {
            name,
            home: account.home,
            heirs: (account.owner, account.group),
            dresses: admission.dresses,
            quota,
            partials,
            reserved: quota::Amount::default(),
        });
        Outcome::Say(Reply {
            answer: say(admission.grant).into(),
            descriptors: admission.descriptors,
            delay: 0,
        })
    }

    fn open_quota(
        &self,
        desk: &mut Desk,
        account: &Account,
    ) -> Result<Option<quota::Limits>, Refusal> {
        let Some(limits) = quota::Limits::of(account) else {
            return Ok(None);
        };
        desk.quotas.open(&desk.keys, &account.home)?;
        Ok(Some(limits))
    }

    /// Gives a file away, if it is one that the server made below its library and nobody else's; in a drop box, with the permissions and
    /// to the group that are for files there.
    pub(super) fn answer_give(
        &self,
        desk: &Desk,
        drop_box: Option<usize>,
        brought: &[OwnedFd],
    ) -> Outcome {
        let (Some(inside), [file]) = (&self.inside, brought) else {
            return Outcome::CutOff("nothing to give");
        };
        let dress = match drop_box.map(|at| inside.dresses.get(at)) {
            Some(None) => return Outcome::CutOff("a drop box that there is not"),
            Some(Some(dress)) => *dress,
            None => (None, None),
        };
        let (mode, group) = (dress.0, dress.1.or(inside.heirs.1));
        let owner = inside.heirs.0;
        if (owner, group, mode) == (None, None, None) {
            return Outcome::CutOff("a gift to nobody");
        }
        match desk.keys.is_own(file.as_fd()) {
            Ok(true) => {}
            Ok(false) => return Outcome::CutOff("a gift of what is not ours"),
            Err(errno) => return Err(errno.into()).into(),
        }
        let mut given = Ok(());
        if let Some(mode) = mode {
            given = file::set_mode(file.as_fd(), mode);
        }
        // A service manager may allow no chown at all.
        if (owner, group) != (None, None) {
            given = given.and_then(|()| file::give(file.as_fd(), owner, group));
        }
        given.map_err(Refusal::from).into()
    }

    pub(super) fn answer_reserve(&mut self, desk: &mut Desk, bytes: u64, files: u64) -> Outcome {
        let Some(inside) = &mut self.inside else {
            return Outcome::CutOff("a reservation of nobody");
        };
        let Some(limits) = inside.quota else {
            return Outcome::CutOff("a reservation without a quota");
        };
        let wanted = quota::Amount { bytes, files };
        let partials = inside.partials.as_ref().map(AsFd::as_fd);
        let reserved = desk.quotas.reserve(&inside.home, partials, limits, wanted);
        if reserved.is_ok() {
            inside.reserved = inside.reserved.plus(wanted);
        }
        reserved.into()
    }

    pub(super) fn answer_spent(
        &mut self,
        desk: &mut Desk,
        reserved: quota::Amount,
        bytes: i64,
        files: i64,
    ) -> Outcome {
        let Some(inside) = &mut self.inside else {
            return Outcome::CutOff("spendings of nobody");
        };
        let Some(left) = inside.reserved.minus(reserved) else {
            return Outcome::CutOff("more is given back than was reserved");
        };
        if inside.quota.is_none() {
            // The home may be somebody's who has one.
            return Outcome::CutOff("spendings without a quota");
        }
        if u64::try_from(bytes).is_ok_and(|bytes| bytes > reserved.bytes) {
            return Outcome::CutOff("more is used than was reserved");
        }
        inside.reserved = left;
        desk.quotas
            .spend(&inside.home, reserved, bytes, files)
            .into()
    }

    /// The channel has ended.
    pub(super) fn leave(self, desk: &mut Desk) {
        if let (Some(_), Some(client)) = (self.proxied, self.client) {
            desk.depart(client.peer.source());
        }
        if let Some(inside) = self.inside {
            desk.leave(&inside.name);
            if inside.quota.is_some() {
                // Whatever became of its uploads, they are not under way any more.
                let _ = desk.quotas.spend(&inside.home, inside.reserved, 0, 0);
            }
        }
    }
}
