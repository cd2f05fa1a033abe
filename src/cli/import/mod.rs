//! `forkftpd import`: another server's configuration, read as its own manual defines it, as ours. Run once by an operator who moves; what
//! there is no word for here is listed with what to do instead, never passed over.
//!
//! | file | job |
//! |---|---|
//! | `report` | what becomes of each key, as a table |
//! | `draft` | our configuration and users file in the making, and on the disk |
//! | `vsftpd`, `pure_ftpd`, `proftpd` | what each server's keys mean |

mod draft;
mod passwords;
mod proftpd;
mod pure_ftpd;
mod report;
#[cfg(test)]
mod scratch;
mod vsftpd;

use super::check;
use crate::config::Flags;
use clap::{Args, Subcommand};
use draft::Draft;
use report::Report;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Written, but something that protected the other server cannot be had here as it was, or `forkftpd check` refuses the whole.
const LOOK_FIRST: u8 = 3;

/// The command line below `import`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    server: Server,
}

const AFTER: &str = "\
Writes forkftpd.toml, and users.toml (mode 0600) where users log in, into the folder of --to; what is there is never replaced. Prints what \
became of each key, with its place, and ends with what forkftpd check says of the result.

Passwords hashed by yescrypt, SHA-512-crypt, SHA-256-crypt, bcrypt, scrypt, argon2 or Apache's apr1 are taken over: their users log in \
by FTP and HTTP as before, and with the first such login the hash is replaced by our own verifier, with which they may log in by the drive protocol, too. \
For that the server has to be allowed to write to the folder of the users file: the packaged service may in /var/lib/forkftp.

Exit status: 0 nothing is lost that protects, 1 nothing was written, 2 the command line is wrong, 3 written, but look at the table first.";

#[derive(Debug, Subcommand)]
enum Server {
    /// Read a vsftpd.conf.
    Vsftpd {
        /// The file: /etc/vsftpd.conf.
        file: PathBuf,
        /// An option of vsftpd's command line, before the file: what stands in the file, too, counts as it stands there.
        #[arg(short = 'o', value_name = "OPTION=VALUE")]
        options: Vec<String>,
        /// Names and hashes of users, one NAME:HASH a line, as pam_pwdfile and htpasswd have them, or /etc/shadow. Without it: the file that
        /// the PAM service names.
        #[arg(long, value_name = "FILE")]
        passwords: Option<PathBuf>,
        #[command(flatten)]
        to: To,
    },
    /// Read the options of a pure-ftpd, and its virtual users.
    #[command(name = "pure-ftpd")]
    PureFtpd {
        /// The folder with a file for each option (/etc/pure-ftpd/conf), a pure-ftpd.conf, or, behind --, the flags of its command line.
        #[arg(required = true, value_name = "DIR|FILE|FLAGS")]
        what: Vec<String>,
        /// The text of the virtual users. Without it: beside the database, with the name's end .passwd.
        #[arg(long, value_name = "FILE")]
        passwords: Option<PathBuf>,
        #[command(flatten)]
        to: To,
    },
    /// Read a proftpd.conf, and what it includes.
    Proftpd {
        /// The file: /etc/proftpd/proftpd.conf.
        file: PathBuf,
        /// Names and hashes of the machine's own users, as /etc/shadow has them. Those of an AuthUserFile are found without.
        #[arg(long, value_name = "FILE")]
        passwords: Option<PathBuf>,
        #[command(flatten)]
        to: To,
    },
}

#[derive(Debug, Args)]
struct To {
    /// The folder that the new files are written into; made when it is not there.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Runs it: the table goes to standard output.
///
/// # Errors
/// Lines for the operator; nothing was written.
pub(super) fn run(arguments: ImportArgs) -> Result<ExitCode, Vec<String>> {
    let mut report = Report::default();
    let (draft, to) = match arguments.server {
        Server::Vsftpd {
            file,
            options,
            passwords,
            to,
        } => {
            let draft = vsftpd::import(&file, &options, passwords.as_deref(), &mut report);
            (draft.map_err(|why| vec![why])?, to.to)
        }
        Server::PureFtpd {
            what,
            passwords,
            to,
        } => {
            let draft = pure_ftpd::import(&what, passwords.as_deref(), &mut report);
            (draft.map_err(|why| vec![why])?, to.to)
        }
        Server::Proftpd {
            file,
            passwords,
            to,
        } => {
            let draft = proftpd::import(&file, passwords.as_deref(), &mut report);
            (draft.map_err(|why| vec![why])?, to.to)
        }
    };
    finish(&draft, &mut report, &to)
}

fn finish(draft: &Draft, report: &mut Report, to: &Path) -> Result<ExitCode, Vec<String>> {
    let written = draft.write(to).map_err(|why| vec![why])?;
    let mut text = report.table();
    text.push_str("\nWritten:\n");
    for path in &written {
        text.push_str(&format!("  {}\n", path.display()));
    }
    let missing = draft.commands(&to.join(draft::USERS));
    if !missing.is_empty() {
        text.push_str("\nUsers whose password is not to be had; add those who are to log in:\n");
        for line in missing {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let flags = Flags {
        file: Some(to.join(draft::CONFIG)),
        ..Flags::default()
    };
    let sound = match check::check(&flags) {
        Ok(said) => {
            text.push_str("\nforkftpd check says:\n");
            for line in said.lines() {
                text.push_str(&format!("  {line}\n"));
            }
            true
        }
        Err(problems) => {
            text.push_str("\nforkftpd check refuses it, until this is mended:\n");
            for line in problems {
                text.push_str(&format!("  {line}\n"));
            }
            false
        }
    };
    let good = sound && !report.is_unsafe();
    if report.is_unsafe() {
        text.push_str("\nWhat is marked with ! protected something there: see to it before this serves anybody.\n");
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| vec![format!("standard output: {error}")])?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(LOOK_FIRST)
    })
}
