//! The command lines of both programs: parsing, help, man pages and completions from one table each.

mod certificate;
mod check;
mod doctor;
pub mod forkftp;
pub mod forkftpd;
mod generate;
mod import;
mod leave;
mod manage;
mod moving;
mod password;
mod receipt;
mod receipts;
mod run;
mod share;
mod stats;
mod table;
mod top;
mod user;
mod who;
