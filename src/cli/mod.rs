//! The command lines of both programs: parsing, help, man pages and completions from one table each.

pub mod forkftp;
pub mod forkftpd;
mod generate;
mod who;
