//! The Landlock rulesets that children shut themselves in: the library and nothing else, before they have a client; and for
//! those who may see or do less, a narrower one at the moment they are let in. Made by the broker, the one process that opens
//! what they are about.

use crate::ipc::Policy;
use crate::library::Library;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use std::os::fd::{AsFd, OwnedFd};

/// What somebody does who changes nothing.
fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// What the server does below the root: no links to elsewhere, devices, sockets or pipes, and nothing is executed.
fn writing() -> BitFlags<AccessFs> {
    reading()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        // From the stage into a folder, and from one folder into another.
        | AccessFs::Refer
}

/// Makes the ruleset for `library`; None when this kernel cannot hold it (before 6.2).
#[must_use]
pub fn ruleset(library: &Library) -> Option<OwnedFd> {
    let made = Ruleset::default()
        // Without these there is no wall to speak of.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))
        // These are more than is needed: seccomp leaves no call for them.
        .and_then(|ruleset| {
            ruleset
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(AccessFs::from_all(ABI::V5))
        })
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(library.root(), writing())));
    made.ok().and_then(Into::into)
}

/// What somebody does in the folder that is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Reads.
    Reads,
    /// Changes it, too.
    Writes,
    /// Puts new files there, from the stage; what is there is not read.
    Drops,
    /// Nothing.
    Stands,
}

impl Inside {
    pub(super) fn of(policy: &Policy) -> Inside {
        let is_closed = policy.closed().any(<[u8]>::is_empty);
        match (is_closed, policy.rights.reads_only()) {
            (true, true) => Inside::Stands,
            (true, false) => Inside::Drops,
            (false, true) => Inside::Reads,
            (false, false) => Inside::Writes,
        }
    }

    fn accesses(self) -> BitFlags<AccessFs> {
        match self {
            Inside::Reads => reading(),
            Inside::Writes => writing(),
            // The folder itself is opened, to be put on the disk with its new names.
            Inside::Drops => AccessFs::ReadDir | AccessFs::MakeReg | AccessFs::Refer,
            Inside::Stands => AccessFs::ReadDir.into(),
        }
    }
}

/// Makes the ruleset for somebody who was lent these `folders`: the first is theirs, in the others uploads are made.
pub(super) fn narrower(
    folders: &[OwnedFd],
    inside: Inside,
) -> Result<Option<OwnedFd>, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .create()?;
    for (at, folder) in folders.iter().enumerate() {
        let accesses = if at == 0 {
            inside.accesses()
        } else {
            writing()
        };
        ruleset = ruleset.add_rule(PathBeneath::new(folder.as_fd(), accesses))?;
    }
    Ok(ruleset.into())
}
