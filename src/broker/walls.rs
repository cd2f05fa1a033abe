//! The Landlock rulesets that children shut themselves in: the library and nothing else, before they have a client; and for
//! those who may see or do less, a narrower one at the moment they are let in. Made by the broker, the one process that opens
//! what they are about.

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

/// Makes the ruleset for somebody who was lent these `folders`: the first is theirs to read, and to change if they `write`;
/// in the others, uploads are made.
pub(super) fn narrower(folders: &[OwnedFd], write: bool) -> Result<Option<OwnedFd>, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .create()?;
    for folder in folders {
        let rights = if write { writing() } else { reading() };
        ruleset = ruleset.add_rule(PathBeneath::new(folder.as_fd(), rights))?;
    }
    Ok(ruleset.into())
}
