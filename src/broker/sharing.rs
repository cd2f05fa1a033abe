//! What the broker says to questions about share links. Who has a link gets one file, opened here, beneath the home of the user who
//! made it, as long as that user may get it; never the library.

use super::answer::{Dealing, Outcome, Reply};
use super::desk::Desk;
use super::keys::Keys;
use super::shares::{LONGEST, Share};
use super::walls;
use crate::config::{Account, Level};
use crate::error::{Code, Refusal};
use crate::ipc::{self, Answer, Ask, Client, Phase};
use crate::library::{Library, Owner};
use crate::log;
use crate::rights::Operation;
use crate::sys::file::{self, Facts, Purpose};
use crate::sys::privs::Identity;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most openings of one link that can be counted.
const MOST_TIMES: u32 = 1_000_000;
/// Bytes of links in one answer.
const ROOM: usize = 6000;

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn absent() -> Refusal {
    Code::NotFound.into()
}

impl Dealing {
    /// Any question about share links, of the client of an HTTP child.
    pub(super) fn answer_sharing(
        &mut self,
        desk: &mut Desk,
        client: Client,
        question: Ask,
    ) -> Outcome {
        match (self.phase, question) {
            (_, Ask::ShareOpen { token, reads }) => {
                self.answer_share_open(desk, client, &token, reads)
            }
            (
                Phase::In,
                Ask::ShareNew {
                    path,
                    seconds,
                    count,
                },
            ) => self.answer_share_new(desk, path, seconds, count),
            (Phase::In, Ask::Shares { after }) => self.answer_shares(desk, after.as_deref()),
            (Phase::In, Ask::ShareEnd { id }) => self.answer_share_end(desk, &id),
            _ => Outcome::CutOff("a question out of its phase"),
        }
    }

    /// A link to `path`, for `seconds`, to be opened `count` times.
    fn answer_share_new(
        &self,
        desk: &mut Desk,
        path: String,
        seconds: u64,
        count: Option<u32>,
    ) -> Outcome {
        let Some(user) = self.user().cloned() else {
            return Outcome::CutOff("a share link of nobody");
        };
        let made = begin(&mut desk.keys, &user, path, seconds, count);
        if let Ok(share) = &made {
            self.log("share made", share, &user);
        }
        match made {
            Ok(share) => Reply::from(Answer::Shared(share)).into(),
            Err(refusal) => Err(refusal).into(),
        }
    }

    /// The user's own links, those after the one named `after`.
    fn answer_shares(&self, desk: &mut Desk, after: Option<&str>) -> Outcome {
        let Some(user) = self.user() else {
            return Outcome::CutOff("the share links of nobody");
        };
        let Some(shares) = &mut desk.keys.shares else {
            return Err(absent()).into();
        };
        let all = match shares.of(user, now()) {
            Ok(all) => all,
            Err(refusal) => return Err(refusal).into(),
        };
        let from = after.and_then(|after| all.iter().position(|(share, _)| share.id == after));
        let mut rest = all.into_iter().skip(from.map_or(0, |at| at + 1)).peekable();
        let (mut some, mut taken) = (Vec::new(), 0);
        while let Some((share, token)) = rest.next_if(|(share, token)| {
            taken += share.path.len() * 2 + token.len() + 200;
            taken <= ROOM || taken == share.path.len() * 2 + token.len() + 200
        }) {
            some.push(told(share, token));
        }
        let more = rest.peek().is_some();
        Reply::from(Answer::Shares { shares: some, more }).into()
    }

    /// Ends one of the user's own.
    fn answer_share_end(&self, desk: &mut Desk, id: &str) -> Outcome {
        let Some(user) = self.user() else {
            return Outcome::CutOff("the end of nobody's share link");
        };
        let Some(shares) = &mut desk.keys.shares else {
            return Err(absent()).into();
        };
        match shares.end(user, id, now()) {
            Ok(share) => {
                self.log("share ended", &told(share, String::new()), user);
                Ok(()).into()
            }
            Err(refusal) => Err(refusal).into(),
        }
    }

    /// Lends the file of a link; to one who only looks (`reads` is not set) what tells of it, and not its content.
    ///
    /// To a child that has no library this is all it will ever get: it is to shut itself in further, and nothing else is answered.
    fn answer_share_open(
        &mut self,
        desk: &mut Desk,
        client: Client,
        token: &str,
        reads: bool,
    ) -> Outcome {
        let opened = self.open_shared(desk, token, reads);
        let (share, file, rate) = match opened {
            Ok(opened) => opened,
            Err(refusal) => return Err(refusal).into(),
        };
        let mut descriptors = vec![file];
        let mut alone = false;
        let is_last = self.phase == Phase::Login;
        if is_last {
            self.phase = Phase::Over;
            if desk.keys.config.sandbox != Level::Off {
                match walls::narrower(&[], walls::Inside::Reads) {
                    Ok(Some(ruleset)) => {
                        alone = true;
                        descriptors.push(ruleset);
                    }
                    Ok(None) | Err(_) if desk.keys.config.sandbox == Level::NoLandlock => {}
                    Ok(None) | Err(_) => return Err(Refusal::from(Code::Io)).into(),
                }
            }
        }
        if reads {
            let fields: [(&str, &dyn std::fmt::Display); 4] = [
                ("peer", &client.peer),
                ("user", &share.user),
                ("path", &share.path),
                ("share", &share.id),
            ];
            log::event(log::Level::Info, "share opened", &fields);
        }
        let tells = desk.keys.hears_deeds();
        if tells {
            let home = desk.keys.account(&share.user).map(|account| &account.home);
            self.lend(home, &share);
        }
        let answer = Answer::Lent {
            path: share.path,
            rate,
            tells,
            alone,
            is_last,
        };
        Outcome::Say(Reply {
            answer,
            descriptors,
            delay: 0,
        })
    }

    fn open_shared(
        &self,
        desk: &mut Desk,
        token: &str,
        reads: bool,
    ) -> Result<(Share, OwnedFd, Option<u64>), Refusal> {
        let now = now();
        let keys = &mut desk.keys;
        let shares = keys.shares.as_mut().ok_or_else(absent)?;
        let share = shares.find(token, now)?;
        let account = keys.active(&share.user).ok_or_else(absent)?;
        if account.needs_tls && !self.is_secure() {
            return Err(absent());
        }
        let rate = account.download_rate;
        let path = name::decode(&share.path).ok_or_else(absent)?;
        let path = RelPath::parse(&path).map_err(|_| absent())?;
        let (policy, _) = keys.policy(Some(&share.user), account);
        if policy.allow(Operation::Get, &path).is_err() {
            return Err(absent());
        }
        // Whatever is wrong with the file, a visitor hears no more than that.
        let purpose = if reads { Purpose::Read } else { Purpose::Look };
        let file = keys
            .open_for(&share.user, account, &path, purpose)
            .map_err(|_| absent())?;
        if reads {
            let shares = keys.shares.as_mut().ok_or_else(absent)?;
            shares.use_up(&share, now)?;
        }
        Ok((share, file, rate))
    }

    fn log(&self, what: &str, share: &ipc::Share, user: &str) {
        let peer = self.client.map(|client| client.peer.to_string());
        let peer = peer.unwrap_or_default();
        let count = share.left.map_or("any".into(), |left| left.to_string());
        let fields: [(&str, &dyn std::fmt::Display); 6] = [
            ("peer", &peer),
            ("user", &user),
            ("path", &share.path),
            ("share", &share.id),
            ("expires", &share.expires),
            ("count", &count),
        ];
        log::event(log::Level::Info, what, &fields);
    }
}

fn begin(
    keys: &mut Keys,
    user: &str,
    path: String,
    seconds: u64,
    count: Option<u32>,
) -> Result<ipc::Share, Refusal> {
    let wrong = |what: &str| Refusal::new(Code::Request, what);
    if keys.shares.is_none() {
        return Err(wrong("there are no share links on this server"));
    }
    if !(1..=LONGEST).contains(&seconds) {
        return Err(wrong(
            "a share link holds for an hour at least, and a year at most",
        ));
    }
    if count.is_some_and(|count| !(1..=MOST_TIMES).contains(&count)) {
        return Err(wrong(
            "a share link is opened once at least, and a million times at most",
        ));
    }
    let bytes = name::decode(&path).ok_or_else(|| wrong("that is no path"))?;
    let below = RelPath::parse(&bytes).map_err(crate::wire::path::Bad::when_reading)?;
    // In one spelling, which fits into an answer as well.
    let path = name::encode(&bytes);
    if path.len() > ipc::LONGEST_SHARED {
        return Err(wrong("the path is too long for a share link"));
    }
    let account = keys
        .active(user)
        .ok_or_else(|| Refusal::from(Code::Login))?;
    let (policy, _) = keys.policy(Some(user), account);
    policy.allow(Operation::Get, &below)?;
    keys.open_for(user, account, &below, Purpose::Read)?;
    let now = now();
    let share = Share {
        id: String::new(),
        user: user.to_owned(),
        path,
        made: now,
        expires: now.saturating_add(seconds),
        left: count,
    };
    let shares = keys.shares.as_mut().ok_or_else(absent)?;
    let (share, token) = shares.begin(share, now)?;
    Ok(told(share, token))
}

fn told(share: Share, token: String) -> ipc::Share {
    ipc::Share {
        id: share.id,
        path: share.path,
        made: share.made,
        expires: share.expires,
        left: share.left,
        token,
    }
}

impl Keys {
    /// The file `path` of the home of `user`, if it is one that the user's own child could get: a broker that is root could open
    /// more than that.
    fn open_for(
        &self,
        user: &str,
        account: &Account,
        path: &RelPath,
        purpose: Purpose,
    ) -> Result<OwnedFd, Refusal> {
        let Some((_, _)) = path.split_last() else {
            return Err(Code::IsFolder.into());
        };
        let files = self.config.files;
        let server = self.config.identity;
        let lent = self
            .library
            .lend(&account.home, Owner::User(user), false, server)?;
        let home = Library::from_descriptors(lent, files).ok_or_else(|| Refusal::from(Code::Io))?;
        let beneath = |path: &RelPath, purpose| {
            file::open_beneath(home.root(), path.as_bytes(), purpose, files.one_filesystem)
        };
        let found = home.open_file(path)?;
        if let Some(server) = server {
            for folder in std::iter::once(RelPath::root()).chain(path.folders_above()) {
                let folder = beneath(&folder, Purpose::Folder)?;
                if !may(&file::facts(folder.as_fd())?, folder.as_fd(), server, 0o1) {
                    return Err(Code::Denied.into());
                }
            }
            if !may(&found.facts(), found.fd(), server, 0o4) {
                return Err(Code::Denied.into());
            }
        }
        if purpose == Purpose::Look {
            let looked = beneath(path, purpose)?;
            if file::facts(looked.as_fd())?.identity() != found.facts().identity() {
                return Err(Code::Changed.into());
            }
            return Ok(looked);
        }
        Ok(found.into_fd())
    }
}

/// True when `who`, who is in no other group, may do what the permission `bit` says. What a list of its own says (acl(5)) counts
/// for nobody but the owner: better refused than given to one that it shuts out.
fn may(facts: &Facts, file: std::os::fd::BorrowedFd<'_>, who: Identity, bit: u32) -> bool {
    if facts.owner == who.uid {
        return facts.mode >> 6 & bit != 0;
    }
    if file::attribute(file, c"system.posix_acl_access", &mut []).is_some() {
        return false;
    }
    let shift = if facts.group == who.gid { 3 } else { 0 };
    facts.mode >> shift & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_permissions_keep_from_the_servers_user_is_not_lent() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let set = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), mode).expect("chmod");
            file::facts(file.as_file().as_fd()).expect("facts")
        };
        let own = set(0o000);
        let is = |uid, gid| Identity { uid, gid };
        let (me, group) = (own.owner, own.group);
        for (mode, who, bit, able) in [
            (0o400, is(me, group), 4, true),
            (0o044, is(me, group), 4, false),
            (0o040, is(me + 1, group), 4, true),
            (0o404, is(me + 1, group), 4, false),
            (0o004, is(me + 1, group + 1), 4, true),
            (0o770, is(me + 1, group + 1), 4, false),
            (0o001, is(me + 1, group + 1), 1, true),
            (0o006, is(me + 1, group + 1), 1, false),
        ] {
            let facts = set(mode);
            let found = may(&facts, file.as_file().as_fd(), who, bit);
            assert_eq!(found, able, "{mode:o} {who:?}");
        }
    }
}
