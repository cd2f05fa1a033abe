//! The broker: the one process that knows secrets and opens the library's root. Started by exec before the listener
//! listens, so that no other process ever has them in memory. It answers one question at a time, touches no network, and
//! believes no child.

mod admit;
mod answer;
mod boxes;
mod browsers;
mod commands;
mod desk;
mod done;
mod hasher;
mod inside;
mod keys;
mod ledger;
mod login;
mod quota;
mod remembered;
mod run;
mod sessions;
mod shares;
mod sharing;
mod sign;
mod start;
mod throttle;
mod walls;

pub use run::run;
pub use shares::{Share, list_shares, revoke_shares};
pub use sign::Pair;
pub use start::{Control, Heard, Setup};
pub use walls::ruleset;
