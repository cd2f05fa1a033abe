//! A child: the process that serves one client and leaves. Forked by the listener; `forkftpd session` is one without a
//! listener.

mod drive;
mod run;
mod stream;

pub use run::{Birth, Exit, over_descriptors, run};
