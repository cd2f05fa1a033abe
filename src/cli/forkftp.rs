//! The command line of the client: one table for parsing, `--help`, man pages and completions. What the commands do is in
//! `client`.

use super::moving::{self, Get, Put};
use super::{generate, manage, password, receipt, run};
use crate::client::exit::{Exit, TABLE};
use crate::client::known_hosts::KnownHosts;
use crate::client::rate::Rate;
use crate::client::report::say;
use crate::client::{
    Interrupt, Link, Login, Options, SessionInfo, Trust, Url, listing, shell, show,
};
use crate::proof::Secret;
use crate::tls::Fingerprint;
use clap::{Args, Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Get files from a forkftp server, and put files there.
///
/// A download has its name only when all of it has come and its digest was right; an upload appears on the server only when it
/// is whole, and is reported done only when the server has it as safe as it says.
///
/// URL is `drive://[USER@]HOST[:PORT][/PATH]`; the port is 8888 unless given, an IPv6 address stands in brackets, %XX stands for
/// any byte. `drives://` is the same under TLS. A server at a Unix socket is `drive+unix://[USER@]/SOCKET[//PATH]`. The
/// password of USER is asked for, or comes from --password-file; it is never sent.
#[derive(Debug, Parser)]
#[command(name = "forkftp", version, propagate_version = true, after_help = TABLE, subcommand_required = true, arg_required_else_help = true)]
pub struct Forkftp {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// File with the shared secret that server and client prove to each other.
    ///
    /// Nobody but its owner may be able to read it (chmod 600). Used only where the server asks for a proof.
    #[arg(long, global = true, value_name = "FILE", env = "FORKFTP_SECRET_FILE", value_hint = clap::ValueHint::FilePath)]
    secret_file: Option<PathBuf>,
    /// Refuse a server that asks for no proof, and so gives none of its own.
    #[arg(long, global = true)]
    require_proof: bool,
    /// File with the password of the user whom the URL names; without it the password is asked for.
    ///
    /// Nobody but its owner may be able to read it (chmod 600).
    #[arg(long, global = true, value_name = "FILE", env = "FORKFTP_PASSWORD_FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Under TLS: trust the authorities in this PEM file, and no others.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "pin", value_hint = clap::ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Under TLS: the key the server has to have, sha256:DIGITS, as forkftpd check prints it.
    ///
    /// Without this and --ca a server is known by the key it had when it was met first, or by the system's authorities.
    #[arg(long, global = true, value_name = "FINGERPRINT")]
    pin: Option<Fingerprint>,
    /// Give up when nothing has moved for this many seconds. Connecting has at most 15 of them.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: u32,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a folder, sorted by name; folders end with a slash.
    List(List),
    /// Get files.
    ///
    /// A file goes to an unnamed file in the target folder and gets its name when its digest is right: a download that is cut or
    /// damaged leaves nothing. With --resume it leaves .NAME.forkftp-part, with which the next one goes on. The time of
    /// the file is kept; permissions never come from the server.
    Get(Get),
    /// Put files.
    ///
    /// The server shows a file when all of it has come and its digest is right. Symbolic links named here are followed, those
    /// in a folder sent with -r are not; hidden names and special files in it are passed over.
    Put(Put),
    /// Make a folder.
    Mkdir(manage::Mkdir),
    /// Give a file or folder another name, in this folder or in another one.
    ///
    /// The name changes in one step. A folder never replaces anything; a file replaces a file with --overwrite.
    Mv(manage::Mv),
    /// Remove files and folders.
    ///
    /// There is no way back. What cannot be removed is said, one line each, and the rest is removed all the same. Links, hidden
    /// names and special files that are on the server cannot be seen or removed from here, nor can a folder that has one in it.
    Rm(manage::Rm),
    /// What is under a name: type, size, time of change.
    Stat(manage::Stat),
    /// Set the time of change of a file that is there.
    Touch(manage::Touch),
    /// What the server has under a name: size, time, and the digest of the whole, without fetching it.
    ///
    /// With --check: whether the server still has what was put there, by the receipts that put --receipts wrote. Exit code 1 when something is
    /// missing, 5 when something is altered. The server may have to read a large file first: then --timeout has to be long enough.
    Receipt(receipt::Receipt),
    /// Have a command of the server's operator run, and show its output.
    ///
    /// Which there are, and what they do, the operator says; nothing can be given to them. Ctrl-C ends the command too, and whatever it
    /// started. The exit code is the command's own; 128 and the number of a signal that killed it; 124 when its time was over, 123 when
    /// it wrote more than it may, and 125 when it was refused or the connection failed, which is said on standard error.
    Run(run::Run),
    /// Prove the secret and measure how long an echo takes.
    Ping(Ping),
    /// The servers under TLS that were met before, and their keys.
    KnownHosts {
        #[command(subcommand)]
        command: KnownHostsCommand,
    },
    /// Talk to a server: a menu, line editing, completion of names on both sides.
    ///
    /// Commands can also come from a file or pipe on standard input; the first that fails then ends the shell, unless its line begins
    /// with a dash.
    Shell {
        /// The server, and the folder to start in.
        #[arg(value_hint = clap::ValueHint::Url)]
        url: Url,
    },
    /// Write man pages and shell completions of both programs into a folder.
    ///
    /// Here, since the server is to be small.
    #[command(hide = true)]
    Generate {
        /// The source tree's folder src, with the documents.
        #[arg(long, default_value = "src")]
        source: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
}

impl Command {
    fn url(&self) -> Option<&Url> {
        match self {
            Command::KnownHosts { .. } | Command::Generate { .. } => None,
            Command::List(List { url, .. })
            | Command::Get(Get { url, .. })
            | Command::Put(Put { url, .. })
            | Command::Mkdir(manage::Mkdir { url, .. })
            | Command::Mv(manage::Mv { url, .. })
            | Command::Rm(manage::Rm { url, .. })
            | Command::Stat(manage::Stat { url, .. })
            | Command::Touch(manage::Touch { url, .. })
            | Command::Receipt(receipt::Receipt { url, .. })
            | Command::Run(run::Run { url, .. })
            | Command::Ping(Ping { url, .. })
            | Command::Shell { url } => Some(url),
        }
    }
}

#[derive(Debug, Subcommand)]
enum KnownHostsCommand {
    /// Show them, one a line.
    List,
    /// Forget a server: it is met for the first time again.
    Remove {
        /// HOST:PORT, or HOST for all its ports.
        host: String,
    },
}

#[derive(Debug, Args)]
struct List {
    /// The folder.
    #[arg(value_hint = clap::ValueHint::Url)]
    url: Url,
    /// With everything below.
    #[arg(short, long)]
    recursive: bool,
    /// With size in bytes and time of change.
    #[arg(short, long)]
    long: bool,
    /// One JSON object a line: name, type, size, mtime, nsec. In names % and what is no UTF-8 stand as %XX.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Ping {
    /// The server.
    #[arg(value_hint = clap::ValueHint::Url)]
    url: Url,
    /// How many echoes.
    #[arg(short, long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let Forkftp { common, command } = Forkftp::parse();
    let options = match options(&common, &command) {
        Ok(options) => options,
        Err((exit, why)) => {
            say(&why);
            return exit.into();
        }
    };
    match command {
        Command::List(list) => run_list(&list, options),
        Command::Get(get) => moving::run_get(&get, options),
        Command::Put(put) => moving::run_put(&put, options),
        Command::Mkdir(mkdir) => manage::run_mkdir(&mkdir, options),
        Command::Mv(mv) => manage::run_mv(&mv, options),
        Command::Rm(rm) => manage::run_rm(&rm, options),
        Command::Stat(stat) => manage::run_stat(&stat, options),
        Command::Touch(touch) => manage::run_touch(&touch, options),
        Command::Receipt(receipt) => receipt::run(&receipt, options),
        Command::Run(run) => return run::run(&run, options),
        Command::Ping(ping) => run_ping(&ping, options),
        Command::KnownHosts { command } => run_known_hosts(&command),
        Command::Shell { url } => shell::run(Link::new(url, options.0), &options.1),
        Command::Generate { source, folder } => run_generate(&source, &folder),
    }
    .into()
}

/// The options of the library, and the flag that Ctrl-C sets.
fn options(
    common: &Common,
    command: &Command,
) -> Result<(Options, Arc<AtomicBool>), (Exit, String)> {
    let secret = common
        .secret_file
        .as_deref()
        .map(Secret::from_file)
        .transpose()
        .map_err(|why| (Exit::Proof, why))?;
    // Before the signals are ours, so that Ctrl-C ends it; and before connecting: a server waits for a few seconds only.
    let login = match command.url() {
        Some(url) => login(common.password_file.as_deref(), url)?,
        None => None,
    };
    let flag = Arc::new(AtomicBool::new(false));
    // The shell, which takes the flag back when it prompts, would outlive the other two.
    let signals: &[i32] = if matches!(command, Command::Shell { .. }) {
        &[SIGINT]
    } else {
        &[SIGINT, SIGTERM, SIGHUP]
    };
    for &signal in signals {
        // In this order: the first signal ends things in good order, the second at once.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            Exit::Interrupted as i32,
            flag.clone(),
        )
        .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
        .map_err(|e| (Exit::Local, format!("signals: {e}")))?;
    }
    let timeout = Duration::from_secs(common.timeout.into());
    let rate = match command {
        Command::Get(Get { moving, .. }) | Command::Put(Put { moving, .. }) => moving.limit_rate,
        _ => None,
    };
    let options = Options {
        secret,
        require_proof: common.require_proof,
        login,
        connect_timeout: timeout.min(Duration::from_secs(15)),
        stall_timeout: timeout,
        interrupt: Interrupt::on(flag.clone()),
        trust: Trust {
            pin: common.pin,
            authorities: common.ca.clone(),
            known_hosts: KnownHosts::of_user(),
        },
        notice: Some(say),
        rate: rate.map(|rate| Arc::new(Rate::new(rate))),
    };
    Ok((options, flag))
}

/// Who logs in at `url`, with the password from `file` or from the terminal.
fn login(file: Option<&Path>, url: &Url) -> Result<Option<Login>, (Exit, String)> {
    let Some(user) = &url.user else {
        return Ok(None);
    };
    let refused = |why: String| (Exit::Proof, why);
    let password = match file {
        Some(file) => password::from_file(file).map_err(refused)?,
        // Also with something else on standard input, which may be what is put.
        None => password::typed(&format!("Password of {}: ", show::clean(user.as_bytes()))).map_err(
            |error| match error.kind() {
                std::io::ErrorKind::Interrupted => (Exit::Interrupted, "interrupted".into()),
                _ => refused(format!("the password of {user} cannot be asked for ({error}): name a file with --password-file or FORKFTP_PASSWORD_FILE")),
            },
        )?,
    };
    Login::new(user, &password).map(Some).map_err(refused)
}

pub(super) type Ready = (Options, Arc<AtomicBool>);

fn run_list(list: &List, (options, _): Ready) -> Exit {
    let mut link = Link::new(list.url.clone(), options);
    let manner = listing::Manner {
        recursive: list.recursive,
        long: list.long,
        json: list.json,
    };
    let listed = listing::run(&mut link, &list.url.path, manner);
    warn_unproved(&link);
    link.leave();
    match listed {
        Ok(0) => Exit::Done,
        Ok(unreadable) => {
            say(&format!(
                "list: the server could not read {}",
                show::count(unreadable, "folder", "folders")
            ));
            Exit::Refused
        }
        Err(error) => {
            say(&format!(
                "list {}: {error}",
                show::clean(list.url.to_string().as_bytes())
            ));
            Exit::of(&error)
        }
    }
}

fn run_ping(ping: &Ping, (options, _): Ready) -> Exit {
    let mut link = Link::new(ping.url.clone(), options);
    let begin = std::time::Instant::now();
    let outcome = link.client().map(drop).and_then(|()| {
        let proved = match link.info().and_then(|info| info.proved_by()) {
            Some(mac) => format!("both ends proved the secret by {mac}"),
            None => "no proof asked for".to_owned(),
        };
        let user = match link.info() {
            Some(SessionInfo {
                user: Some(user),
                rights: Some(rights),
                ..
            }) => {
                format!(", logged in as {} ({rights})", show::clean(user.as_bytes()))
            }
            Some(info) if info.login_offered => ", anonymous".to_owned(),
            _ => String::new(),
        };
        line(&format!(
            "connected in {:.2} ms, {}{proved}{user}",
            begin.elapsed().as_secs_f64() * 1e3,
            link.info()
                .and_then(|info| info.tls.as_ref())
                .map_or_else(String::new, |tls| format!("{tls}, "))
        ));
        let mut best = Duration::MAX;
        for number in 1..=ping.count {
            let took = link.client()?.ping()?;
            best = best.min(took);
            line(&format!(
                "echo {number}: {:.3} ms",
                took.as_secs_f64() * 1e3
            ));
        }
        line(&format!(
            "best {:.3} ms of {}",
            best.as_secs_f64() * 1e3,
            ping.count
        ));
        Ok(())
    });
    warn_unproved(&link);
    link.leave();
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            say(&format!(
                "ping {}: {error}",
                show::clean(ping.url.to_string().as_bytes())
            ));
            Exit::of(&error)
        }
    }
}

fn run_known_hosts(command: &KnownHostsCommand) -> Exit {
    let Some(hosts) = KnownHosts::of_user() else {
        say("known-hosts: neither XDG_CONFIG_HOME nor HOME says where they would be");
        return Exit::Local;
    };
    let done = match command {
        KnownHostsCommand::List => hosts.entries().map(|entries| {
            for (host, key) in entries {
                line(&format!("{} {key}", show::clean(host.as_bytes())));
            }
        }),
        KnownHostsCommand::Remove { host } => hosts.remove(host).and_then(|gone| match gone {
            0 => Err(format!("{} is not known", show::clean(host.as_bytes()))),
            _ => Ok(()),
        }),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(why) => {
            say(&format!("known-hosts: {why}"));
            Exit::Local
        }
    }
}

fn run_generate(source: &Path, folder: &Path) -> Exit {
    match generate::all(source, folder) {
        Ok(()) => Exit::Done,
        Err(error) => {
            say(&format!("generate: {error}"));
            Exit::Local
        }
    }
}

/// A line of output; a reader that has gone has seen enough.
fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub(super) fn usage(why: &str) -> Exit {
    say(why);
    Exit::Usage
}

/// The user meant to know whom they talk to.
pub(super) fn warn_unproved(link: &Link) {
    if link.info().is_some_and(|info| info.secret_unused) {
        say(
            "the server did not ask for the secret: it has not proved who it is (--require-proof refuses such a server)",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_is_sound() {
        Forkftp::command().debug_assert();
    }

    #[test]
    fn words_that_are_wrong_are_refused() {
        for bad in [
            &["forkftp", "list", "http://h"][..],
            &["forkftp", "get", "drive://h/a", "--digest", "crc"],
            &["forkftp", "get", "drive://h/a", "--limit-rate", "0"],
            &["forkftp", "put", "drive://h/a"],
            &["forkftp", "ping", "drive://h", "-c", "0"],
            &["forkftp", "get", "drive://h/a", "-j", "0"],
            &["forkftp", "rm", "drive://h/a"],
            &["forkftp", "mv", "drive://h/a", "b"],
            &["forkftp", "touch", "drive://h", "a", "--time", "yesterday"],
        ] {
            assert!(Forkftp::try_parse_from(bad).is_err(), "{bad:?}");
        }
        assert!(
            Forkftp::try_parse_from([
                "forkftp",
                "get",
                "drive://h/a",
                "b",
                "-o",
                "-",
                "--timeout",
                "5"
            ])
            .is_ok()
        );
    }
}
