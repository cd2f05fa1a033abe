//! The Landlock ruleset that children shut themselves in: the library and nothing else. Made by the broker, the one
//! process that opens it.

use crate::library::Library;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use std::os::fd::OwnedFd;

/// What the server does below the root: no links to elsewhere, devices, sockets or pipes, and nothing is executed.
fn rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
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
pub(super) fn ruleset(library: &Library) -> Option<OwnedFd> {
    let [root, ..] = library.descriptors();
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
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(root, rights())));
    made.ok().and_then(Into::into)
}
