//! The command lines of both programs: parsing, help, man pages and completions from one table each.

mod certificate;
mod check;
pub mod forkftp;
pub mod forkftpd;
mod generate;
mod import;
mod manage;
mod moving;
mod password;
mod receipt;
mod receipts;
mod run;
mod share;
mod stats;
mod user;
mod who;
