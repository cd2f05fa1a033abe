//! What the broker alone holds. Loaded whole or not at all: a damaged part means no service.

use super::ledger::Ledger;
use super::shares::Shares;
use super::sign::Pairs;
use crate::config::{Account, Config, Flags};
use crate::library::Library;
use crate::log::{self, Level};
use crate::proof::{self, Secret};
use crate::scram::Verifier;
use crate::sys::file::{self, Kind};
use crate::sys::{Errno, privs};
use crate::users::{Imported, Stored, Users};
use crate::wire::path::RelPath;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

/// Secrets, and the library.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) config: Config,
    pub(super) secret: Option<Secret>,
    pub(super) tls: Pairs,
    pub(super) library: Library,
    /// None where there are none.
    pub(super) shares: Option<Shares>,
    /// None where there is none, and once it lies on the desk.
    pub(super) ledger: Option<Ledger>,
    users: Users,
    /// Makes the verifiers of users that there are not.
    nobody: [u8; 32],
}

impl Keys {
    /// Reads and opens everything that `flags` and the configuration name.
    ///
    /// # Errors
    /// Lines for the operator.
    pub(super) fn load(flags: &Flags) -> Result<Keys, Vec<String>> {
        let config = Config::load(flags)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let one = |problem: String| vec![problem];
        let output = log::Output::open(config.log_format).map_err(one)?;
        output.install(config.log_level);
        let secret = config
            .secret_file
            .as_deref()
            .map(Secret::from_file)
            .transpose()
            .map_err(one)?;
        let users = config.users_file.as_deref();
        let users = users.map(|path| Users::load_for(path, &config));
        let users = users.transpose()?.unwrap_or_default();
        let nobody = proof::nonce().map_err(|error| one(format!("no randomness: {error}")))?;
        let tls = Pairs::load(config.tls.as_ref()).map_err(one)?;
        let shares = config.shares_file.as_deref().map(Shares::open);
        let shares = shares.transpose().map_err(one)?;
        let library = Library::open(&config.library, config.files, config.identity).map_err(one)?;
        let ledger = config.ledger_file.as_deref().map(Ledger::open);
        let ledger = ledger.transpose().map_err(one)?;
        let keys = Keys {
            config,
            secret,
            tls,
            library,
            shares,
            ledger,
            users,
            nobody,
        };
        keys.make_boxes().map_err(one)?;
        keys.sweep();
        Ok(keys)
    }

    /// Takes over what has to stay the same when everything is read again.
    pub(super) fn succeed(&mut self, before: &mut Keys) {
        self.nobody = before.nobody;
        self.tls.succeed(std::mem::take(&mut before.tls));
    }

    /// What is kept of the password of `name`; the verifier of nobody, which no password fits, when there is no such user.
    pub(super) fn stored(&self, name: &str) -> Stored {
        match self.users.get(name) {
            Some(user) => user.stored.clone(),
            None => Verifier::mock(&self.nobody, name).into(),
        }
    }

    /// The verifier of `name` for SCRAM; that of nobody, too, while theirs is another server's, which SCRAM cannot do with.
    pub(super) fn verifier(&self, name: &str) -> Verifier {
        match self.users.get(name).map(|user| &user.stored) {
            Some(Stored::Own(verifier)) => verifier.clone(),
            Some(Stored::Imported(_)) | None => Verifier::mock(&self.nobody, name),
        }
    }

    /// True when what is kept of the password of `name` is another server's.
    pub(super) fn is_imported(&self, name: &str) -> bool {
        let user = self.users.get(name);
        user.is_some_and(|user| user.stored.imported().is_some())
    }

    /// The other server's hash that costs most to check, if there is any.
    pub(super) fn dearest(&self) -> Option<&Imported> {
        self.users.dearest()
    }

    /// Puts our verifier in the place of another server's hash, from now on.
    pub(super) fn replace(&mut self, name: &str, imported: &Imported, verifier: Verifier) {
        self.users.replace(name, imported, verifier);
    }

    /// True when `file` is a regular file on the library's filesystem that belongs to the user who serves.
    ///
    /// # Errors
    /// As fstat(2).
    pub(super) fn is_own(&self, file: BorrowedFd<'_>) -> Result<bool, Errno> {
        let (facts, root) = (file::facts(file)?, file::facts(self.library.root())?);
        let server = self
            .config
            .identity
            .map_or_else(privs::own_uid, |identity| identity.uid);
        Ok(facts.kind == Kind::File && facts.device == root.device && facts.owner == server)
    }

    /// What is decided about `name`.
    pub(super) fn account(&self, name: &str) -> Option<&Account> {
        self.users.get(name).map(|user| &user.account)
    }

    /// What is decided about `name`, who is not shut out.
    pub(super) fn active(&self, name: &str) -> Option<&Account> {
        let user = self.users.get(name).filter(|user| !user.disabled);
        user.map(|user| &user.account)
    }

    /// The homes of all.
    pub(super) fn homes(&self) -> impl Iterator<Item = &RelPath> {
        let users = self.users.iter().map(|(_, user)| &user.account.home);
        users.chain([&self.config.anonymous.home])
    }

    /// True when `name` is a user, not shut out, and at an address they may come from.
    pub(super) fn may_come(&self, name: &str, address: Option<IpAddr>) -> bool {
        let user = self.users.get(name);
        user.is_some_and(|user| !user.disabled && user.account.admits(address))
    }

    /// Reads the certificate and its key again, and nothing else.
    ///
    /// # Errors
    /// Lines for the operator; what there was stays.
    pub(super) fn renew(&mut self) -> Result<(), Vec<String>> {
        let renewed = Pairs::load(self.config.tls.as_ref()).map_err(|problem| vec![problem])?;
        let old = std::mem::replace(&mut self.tls, renewed);
        self.tls.succeed(old);
        Ok(())
    }

    /// Removes what is left in the staging area.
    pub(super) fn sweep(&self) {
        match self.library.sweep() {
            Ok(0) => {}
            Ok(swept) => log::event(Level::Info, "staging area swept", &[("removed", &swept)]),
            Err(errno) => log::event(
                Level::Warn,
                "the staging area cannot be swept",
                &[("error", &errno.desc())],
            ),
        }
    }
}
