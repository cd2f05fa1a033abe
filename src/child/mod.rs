//! A child: the process that serves one client and leaves. Forked by the listener; `forkftpd session` is one without a
//! listener.

mod ask;
mod commands;
mod deeds;
mod dial;
mod drive;
mod forward;
mod ftp;
mod guest;
mod http;
mod pace;
mod pieces;
mod progress;
mod quota;
mod run;
mod sandbox;
mod secure;
mod sharing;
mod signer;
mod stored;
mod stream;
mod tickets;

pub use dial::{Dialer, Passive, Undialed};
pub use run::{Birth, Exit, World, over_descriptors, run};
pub use sandbox::{Entering, Sandbox};
pub use signer::Tls;
