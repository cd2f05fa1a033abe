//! The command line of the server.

use super::who::{self, Kick, Metrics, Who};
use super::{certificate, check, doctor, import, leave, receipts, share, stats, top, user};
use crate::broker::Control;
use crate::child::{self, Sandbox, Tls};
use crate::config::{
    Config, DEFAULT_FILE, Durability, EXAMPLE, Encryption, Flags, Problem, Protocol,
};
use crate::ipc::{Client, SessionId};
use crate::log::{self, Format, Level};
use crate::proof::Secret;
use crate::sys::net::Peer;
use crate::sys::process;
use crate::{broker, config, listener, runner, sys};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

/// A forking file server: one process per client, and no half file ever visible.
///
/// Serves one folder, the library, by its own protocol, FTP and HTTP. Settings come from a TOML file in which every key is optional, and
/// from flags, which win.
#[derive(Debug, Parser)]
#[command(name = "forkftpd", version, propagate_version = true, after_long_help = AFTER)]
pub struct Forkftpd {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Signals to the listener: SIGTERM and SIGINT end it (no new clients, transfers have drain_seconds to finish; a second one ends all \
at once), SIGHUP reads the configuration, the secret and the certificate again for new clients, and keeps the old ones if the new are broken; \
once the program's file is another one, that takes over. SIGUSR2 has the program take over anew in any case: it is asked first whether it can \
(forkftpd check), serves all who come from then on, with the same pid, and refuses nobody in between; transfers that are under way have \
handover_seconds to finish. SIGUSR1 leaves them in the same way, and ends: for whoever starts another server next.

Files: LIBRARY/.forkftp holds uploads in the making, and for partial_hours those of 1 MiB and more that were cut.

Exit status: 0 ended as asked, 1 the service cannot begin or go on, 2 the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, in the foreground, until a signal ends it.
    Serve(Serve),
    /// Say whether the configuration is sound and the library usable, without serving.
    Check {
        /// Say only what is wrong.
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        serve: Box<Serve>,
    },
    /// Look at the running server, or the planned one, for what goes wrong or will, and say what mends it.
    #[command(after_long_help = doctor::AFTER)]
    Doctor {
        #[command(flatten)]
        how: doctor::How,
        #[command(flatten)]
        serve: Box<Serve>,
    },
    /// Hold the secrets for a listener, on standard input; it starts this itself.
    #[command(hide = true)]
    Broker(Session),
    /// Execute what the configuration names, for a listener, on standard input; it starts this itself.
    #[command(hide = true)]
    Runner(Session),
    /// Serve one client on standard input and output, as inetd starts it.
    Session(Session),
    /// Have a listener leave its clients to finish, and end at once: another one is started next.
    #[command(hide = true)]
    Leave(leave::Leave),
    /// Show who is connected, and what they are at.
    Who(Who),
    /// Watch who is connected, and how much moves.
    Top(top::Top),
    /// Show what was done since the start, in Prometheus' text form: the same as HTTP's /-/metrics.
    Metrics(Metrics),
    /// End sessions: one by its name or pid, or all of a user or an address.
    Kick(Kick),
    /// Print the configuration file with every key and its default.
    Config,
    /// The secret that clients prove.
    Secret {
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Who may log in, and what they may do: the users' file.
    User(user::UserArgs),
    /// Links that users of HTTP gave to others: the shares' file.
    Share(share::ShareArgs),
    /// What was uploaded, downloaded, deleted and renamed: the ledger.
    Receipts(receipts::ReceiptsArgs),
    /// How much went on: transfers, bytes and failures by day, hour, user or protocol, from the ledger.
    Stats(stats::Stats),
    /// Make a configuration and users of another server's: vsftpd, pure-ftpd or ProFTPD.
    Import(import::ImportArgs),
    /// The certificate of listeners with tls = true.
    Cert {
        #[command(subcommand)]
        command: CertCommand,
    },
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Make a new random secret in a file of mode 0600. A file that is there is left alone.
    New {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Make a self-signed certificate and its private key (ECDSA P-256), good for ten years.
    ///
    /// Prints the fingerprint that clients show and take (`--pin`). Files that are there are left alone.
    New {
        /// A host name or IP address that clients call this server by; may be given several times. Without any: this machine's own
        /// name, localhost, 127.0.0.1 and ::1.
        #[arg(long, value_name = "NAME_OR_IP")]
        host: Vec<String>,
        /// The certificate's file, for tls_certificate.
        certificate: PathBuf,
        /// The private key's file, of mode 0600, for tls_key.
        key: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
struct Serve {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
    /// The folder that is served.
    #[arg(long, value_name = "DIR")]
    library: Option<PathBuf>,
    /// Who serves clients, when started as root.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How far children are shut in; less than full is only for what cannot.
    #[arg(long)]
    sandbox: Option<config::Level>,
    /// Where to listen: IP:PORT, [IPv6]:PORT or unix:/path; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// The shared secret's file.
    #[arg(long, value_name = "FILE", conflicts_with = "no_secret")]
    secret_file: Option<PathBuf>,
    /// The users' file.
    #[arg(long, value_name = "FILE")]
    users_file: Option<PathBuf>,
    /// The socket that `who` and `kick` talk to.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Ask no proof of clients: only on loopback and Unix sockets.
    #[arg(long)]
    no_secret: bool,
    /// Warm children that wait for a client.
    #[arg(long, value_name = "N")]
    prefork: Option<u32>,
    /// Most clients at once.
    #[arg(long, value_name = "N")]
    max_clients: Option<u32>,
    /// Most clients at once from one address.
    #[arg(long, value_name = "N")]
    max_per_address: Option<u32>,
    /// Seconds that transfers have to finish after SIGTERM.
    #[arg(long, value_name = "N")]
    drain_seconds: Option<u32>,
    /// Seconds from connecting to the proof.
    #[arg(long, value_name = "N")]
    handshake_seconds: Option<u32>,
    /// Seconds between two requests.
    #[arg(long, value_name = "N")]
    idle_seconds: Option<u32>,
    /// Seconds in which nothing moves within a request.
    #[arg(long, value_name = "N")]
    stall_seconds: Option<u32>,
    /// What is waited for before an upload counts as stored.
    #[arg(long)]
    durability: Option<Durability>,
    /// TCP congestion control of the connections.
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
    /// How events are written: to standard error, or to systemd's journal.
    #[arg(long)]
    log_format: Option<LogFormat>,
    /// Which events are written.
    #[arg(long)]
    log_level: Option<LogLevel>,
}

#[derive(Debug, Args)]
struct Session {
    /// The protocol.
    #[arg(long, default_value = "drive")]
    protocol: Protocol,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// TIME LEVEL PROCESS[PID] MESSAGE KEY=VALUE ...
    Text,
    /// One JSON object a line.
    Json,
    /// Entries of systemd's journal, with fields.
    Journal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLevel {
    /// Service is refused or ends.
    Error,
    /// Something to look at.
    Warn,
    /// Sessions and transfers.
    Info,
    /// Everything.
    Debug,
}

impl Serve {
    fn flags(self) -> Flags {
        Flags {
            file: self.config,
            library: self.library,
            user: self.user,
            sandbox: self.sandbox,
            listen: self.listen,
            secret_file: self.secret_file,
            no_secret: self.no_secret,
            users_file: self.users_file,
            control: self.control,
            prefork: self.prefork,
            max_clients: self.max_clients,
            max_per_address: self.max_per_address,
            drain_seconds: self.drain_seconds,
            handshake_seconds: self.handshake_seconds,
            idle_seconds: self.idle_seconds,
            stall_seconds: self.stall_seconds,
            durability: self.durability,
            congestion: self.congestion,
            log_format: self.log_format.map(|format| match format {
                LogFormat::Text => Format::Text,
                LogFormat::Json => Format::Json,
                LogFormat::Journal => Format::Journal,
            }),
            log_level: self.log_level.map(|level| match level {
                LogLevel::Error => Level::Error,
                LogLevel::Warn => Level::Warn,
                LogLevel::Info => Level::Info,
                LogLevel::Debug => Level::Debug,
            }),
        }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(2).collect();
    match Forkftpd::parse().command {
        Command::Serve(serve) => match listener::run(&serve.flags(), &arguments) {
            // Not by way of `exit`: nothing is left to clean up, and handlers would run.
            Ok(code) => process::exit(code),
            Err(problems) => refuse(&problems),
        },
        Command::Broker(Session { serve, .. }) => {
            match std::io::stdin().as_fd().try_clone_to_owned() {
                Ok(control) => process::exit(broker::run(&serve.flags(), control)),
                Err(error) => refuse(&[error.to_string()]),
            }
        }
        Command::Runner(Session { serve, .. }) => {
            match std::io::stdin().as_fd().try_clone_to_owned() {
                Ok(control) => process::exit(runner::run(&serve.flags(), control)),
                Err(error) => refuse(&[error.to_string()]),
            }
        }
        Command::Check { quiet, serve } => {
            let said = check::check(&serve.flags());
            answer(said.map(|text| if quiet { String::new() } else { text }))
        }
        Command::Doctor { how, serve } => doctor::run(&how, serve.flags()),
        Command::Session(Session { protocol, serve }) => {
            session(protocol, &serve.flags(), &arguments)
        }
        Command::Leave(asked) => answer(leave::leave(&asked)),
        Command::Who(who) => answer(who::who(&who)),
        Command::Top(top) => answer(top::run(&top).map(|()| String::new())),
        Command::Metrics(metrics) => answer(who::metrics(&metrics)),
        Command::Kick(kick) => answer(who::kick(&kick)),
        Command::Config => say(EXAMPLE),
        Command::Secret {
            command: SecretCommand::New { file },
        } => match new_secret(&file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => refuse(&[problem]),
        },
        Command::User(arguments) => match user::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => refuse(&problems),
        },
        Command::Share(arguments) => answer(share::run(arguments)),
        Command::Receipts(arguments) => {
            receipts::run(arguments).unwrap_or_else(|problems| refuse(&problems))
        }
        Command::Stats(stats) => stats.run().unwrap_or_else(|problems| refuse(&problems)),
        Command::Import(arguments) => {
            import::run(arguments).unwrap_or_else(|problems| refuse(&problems))
        }
        Command::Cert {
            command:
                CertCommand::New {
                    host,
                    certificate,
                    key,
                },
        } => match certificate::new(&host, &certificate, &key) {
            Ok(text) => say(&text),
            Err(problem) => refuse(&[problem]),
        },
    }
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(answered: Result<String, Vec<String>>) -> ExitCode {
    answered.map_or_else(|problems| refuse(&problems), |text| say(&text))
}

fn refuse(problems: &[String]) -> ExitCode {
    let mut to = std::io::stderr().lock();
    for problem in problems {
        let _ = writeln!(to, "forkftpd: {problem}");
    }
    ExitCode::FAILURE
}

pub(super) fn load(flags: &Flags) -> Result<Config, Vec<String>> {
    Config::load(flags).map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn session(protocol: Protocol, flags: &Flags, arguments: &[OsString]) -> ExitCode {
    let begun = load(flags).and_then(|config| {
        let (control, setup) = Control::start(arguments)?;
        let peer = sys::net::peer_of(std::io::stdin().as_fd()).unwrap_or(Peer::Pipe);
        // As the first listening socket of the protocol has it.
        let mut listen = config.listen.iter();
        let listen = listen.find(|listen| listen.protocol == protocol).cloned();
        let listen = listen.ok_or_else(|| {
            let name = protocol.as_str();
            vec![format!("nothing listens for {name}: say how it is served in a table [[listen]] with protocol = \"{name}\"")]
        })?;
        let client = Client::at(&listen, peer);
        // It ends with the broker, after its last execution: the way to it is all that is kept.
        if config.needs_runner() {
            let one = |errno: sys::Errno| vec![format!("runner: {}", errno.desc())];
            let runner = runner::Control::start(&config, arguments).map_err(one)?;
            let way = runner.introduce().map_err(one)?;
            control.give_runner(Some(&way)).map_err(one)?;
        }
        // A process of its own number among those that inetd started in this second.
        let id = SessionId::new(process::wall_seconds(), std::process::id().into());
        let broker = control.introduce(id, Some(client));
        let broker = broker.map_err(|errno| vec![errno.desc().to_owned()])?;
        log::set_session(id);
        let output = log::Output::open(config.log_format).map_err(|problem| vec![problem])?;
        let journal = output.journal();
        output.install(config.log_level);
        let sandbox = Sandbox::prepare(&config, setup.ruleset, journal)
            .map_err(|errno| vec![format!("sandbox: {}", errno.desc())])?;
        let chain = setup.chain.filter(|_| listen.tls != Encryption::Off);
        let tls = chain.map(Tls::prepare).transpose();
        let tls = tls.map_err(|problem| vec![problem])?;
        if listen.tls != Encryption::Off && tls.is_none() {
            return Err(vec!["the broker gave no certificate".into()]);
        }
        // The broker goes on until this one child is done; its control is not for a child's hands.
        drop(control);
        Ok((config, listen, client, sandbox, broker, tls))
    });
    let (config, listen, client, sandbox, broker, tls) = match begun {
        Ok(begun) => begun,
        Err(problems) => return refuse(&problems),
    };
    let pair = (
        std::io::stdin().as_fd().try_clone_to_owned(),
        std::io::stdout().as_fd().try_clone_to_owned(),
    );
    let (Ok(read), Ok(write)) = pair else {
        return refuse(&["standard input or output is closed".into()]);
    };
    // Shut in, it could not go through the ways in which a program usually ends.
    let exit = child::over_descriptors(
        read,
        write,
        child::World {
            config: &config,
            listen: &listen,
            tls: tls.as_ref(),
            began: process::monotonic_millis(),
            totals: None,
        },
        &client,
        &sandbox,
        broker,
        None,
    );
    process::exit(exit as i32)
}

fn new_secret(file: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt;
    let say = |error: std::io::Error| format!("secret {}: {error}", file.display());
    let secret = Secret::generate().map_err(|error| format!("no randomness: {error}"))?;
    let mut to = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(say)?;
    to.write_all(secret.as_bytes())
        .and_then(|()| to.sync_all())
        .map_err(|error| {
            // Half a secret would be taken for a whole one.
            let _ = std::fs::remove_file(file);
            say(error)
        })?;
    sys::file::sync(to.as_fd())
        .map_err(|errno| format!("secret {}: {}", file.display(), errno.desc()))
}
