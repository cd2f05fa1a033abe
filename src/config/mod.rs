//! The operator's decisions: a TOML file with every key optional, flags over it, and every contradiction refused before
//! anything listens. Read by the listener; children inherit the result.

mod account;
mod check;
mod credential;
mod drop_box;
mod file;
mod ftp;
mod http;
mod listen;
mod private;
mod program;

pub use account::{Account, FileAccount, OnHangup, OnTaken};
pub use check::Problem;
pub use drop_box::DropBox;
pub use file::{EXAMPLE, place};
pub use ftp::{Ftp, Goodbye, Reuse};
pub use http::{Http, Proxies};
pub use listen::{Address, Encryption, Listen, Protocol};
pub use program::{Command, LONGEST_NAME, Limits, Program};

use crate::digest::Kind;
use crate::log::{self, Format};
use crate::sys::privs::Identity;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is waited for before an upload counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Its bytes and its name are on the disk.
    #[default]
    Full,
    /// Its bytes are on the disk; after a power cut the name may be missing.
    File,
    /// The kernel has it; after a power cut it may be missing or empty.
    None,
}

impl Durability {
    /// The name on the wire and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Full => "full",
            Durability::File => "file",
            Durability::None => "none",
        }
    }
}

/// What the operator decided about files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// What is waited for before an upload counts as stored.
    pub durability: Durability,
    /// Bytes of the disk that uploads leave free.
    pub keep_free: u64,
    /// Most bytes of one upload; none is no limit.
    pub largest_file: Option<u64>,
    /// Hours for which a cut upload is kept.
    pub partial_hours: u32,
    /// Do not serve what is mounted below the root.
    pub one_filesystem: bool,
    /// Permission bits that new files and folders do not get.
    pub umask: u32,
    /// Files are staged under a name, since their owner is another when they are shown: a file without a name can only be linked
    /// by its owner.
    pub named: bool,
}

#[cfg(test)]
impl Files {
    /// For scratch folders of tests: nothing is waited for, and the disk may be filled.
    pub(crate) fn of_tests() -> Files {
        Files {
            named: false,
            durability: Durability::None,
            keep_free: 0,
            largest_file: None,
            partial_hours: 1,
            one_filesystem: true,
            umask: 0o022,
        }
    }
}

/// Whether clients of a listening socket say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// Nobody does: all are anonymous.
    None,
    /// Those who do not are anonymous.
    Optional,
    /// Those who do not are served nothing.
    Required,
}

impl Login {
    /// The name in the configuration and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Login::None => "none",
            Login::Optional => "optional",
            Login::Required => "required",
        }
    }
}

/// The digest in the receipt of an upload whose client sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Receipt {
    #[default]
    Sha256,
    Blake3,
    Md5,
    /// Nothing is computed.
    None,
}

impl Receipt {
    /// The digest, if there is to be one.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        match self {
            Receipt::Sha256 => Some(Kind::Sha256),
            Receipt::Blake3 => Some(Kind::Blake3),
            Receipt::Md5 => Some(Kind::Md5),
            Receipt::None => None,
        }
    }
}

/// The server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Its chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM, which the broker alone reads.
    pub key: PathBuf,
}

/// How far children are shut in. Less than `Full` is only ever what the operator wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Landlock and seccomp; without either nobody is served.
    #[default]
    Full,
    /// seccomp, and Landlock where the kernel has it.
    NoLandlock,
    /// Neither: identity and capabilities are dropped, and that is all.
    Off,
}

impl Level {
    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Full => "full",
            Level::NoLandlock => "no-landlock",
            Level::Off => "off",
        }
    }
}

/// Everything that was decided, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that is served.
    pub library: PathBuf,
    /// How files are kept.
    pub files: Files,
    /// Who children become; none when the server was not started as root.
    pub identity: Option<Identity>,
    /// How far children are shut in.
    pub sandbox: Level,
    /// The shared secret's file, which the broker alone reads; none when no listener asks for it.
    pub secret_file: Option<PathBuf>,
    /// The users' file, which the broker alone reads; none when no listener lets users log in.
    pub users_file: Option<PathBuf>,
    /// The file of share links, which the broker alone reads and writes; none when there are none.
    pub shares_file: Option<PathBuf>,
    /// The ledger, which the broker alone writes; none for none.
    pub ledger_file: Option<PathBuf>,
    /// What those may do who do not log in.
    pub anonymous: Account,
    /// Folders into which files are put and nothing else is done.
    pub drop_boxes: Vec<DropBox>,
    /// The certificate; none when no listener speaks TLS.
    pub tls: Option<Tls>,
    /// The socket that `who` and `kick` talk to; none for none.
    pub control: Option<PathBuf>,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What the runner executes for those clients that may have it, each by its name.
    pub commands: Vec<Command>,
    /// Most of them at once.
    pub most_commands: u32,
    /// Warm children; 0 forks when a client comes.
    pub prefork: u32,
    /// Most clients at once.
    pub max_clients: u32,
    /// Most clients at once from one address.
    pub max_per_address: u32,
    /// Seconds that transfers have to finish after SIGTERM.
    pub drain_seconds: u32,
    /// The same after a successor has taken over.
    pub handover_seconds: u32,
    /// Seconds from connecting to the proof.
    pub handshake_seconds: u32,
    /// The same from connecting to the login, where a person may be typing.
    pub login_seconds: u32,
    /// Seconds between two requests.
    pub idle_seconds: u32,
    /// Seconds in which nothing moves within a request.
    pub stall_seconds: u32,
    /// Fewest bytes a second that a transfer has to move, over each `stall_seconds`; 0 for any.
    pub min_rate: u64,
    /// Failed proofs and logins of one address that ban it.
    pub max_failures: u32,
    /// Seconds for which it is banned.
    pub ban_seconds: u32,
    /// Digest of uploads whose client sends none.
    pub receipt: Receipt,
    /// Where transfers are logged as wu-ftpd did.
    pub xferlog: Option<PathBuf>,
    /// Where logins and transfers are logged as vsftpd does.
    pub vsftpd_log: Option<PathBuf>,
    /// How events are written.
    pub log_format: Format,
    /// Which are.
    pub log_level: log::Level,
}

/// What the command line says over the file. `None` and empty: nothing.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Flags {
    pub file: Option<PathBuf>,
    pub library: Option<PathBuf>,
    pub user: Option<String>,
    pub sandbox: Option<Level>,
    pub listen: Vec<String>,
    pub secret_file: Option<PathBuf>,
    pub no_secret: bool,
    pub users_file: Option<PathBuf>,
    pub control: Option<PathBuf>,
    pub prefork: Option<u32>,
    pub max_clients: Option<u32>,
    pub max_per_address: Option<u32>,
    pub drain_seconds: Option<u32>,
    pub handshake_seconds: Option<u32>,
    pub idle_seconds: Option<u32>,
    pub stall_seconds: Option<u32>,
    pub durability: Option<Durability>,
    pub congestion: Option<String>,
    pub log_format: Option<Format>,
    pub log_level: Option<log::Level>,
}

/// The folder that is served when none is named.
const DEFAULT_LIBRARY: &str = "/srv/forkftp";
/// The configuration file that is read when none is named and it is there.
pub const DEFAULT_FILE: &str = "/etc/forkftp/forkftpd.toml";

impl Config {
    /// Reads the file, lays the flags over it, and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place and the remedy.
    pub fn load(flags: &Flags) -> Result<Config, Vec<Problem>> {
        let (path, text) = file::read(flags.file.as_deref())?;
        check::check(
            file::parse(path.as_deref(), &text)?,
            path.as_deref(),
            &text,
            flags,
        )
    }

    /// True when there is something to execute.
    #[must_use]
    pub fn needs_runner(&self) -> bool {
        !self.commands.is_empty()
    }

    /// The command of that name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// The control socket that the file names, whatever else is in it: for those who ask a server that may have been started with
    /// other flags.
    ///
    /// # Errors
    /// When the file cannot be read, or is no configuration.
    pub fn control_of(named: Option<&Path>) -> Result<Option<PathBuf>, Vec<Problem>> {
        let (path, text) = file::read(named)?;
        let control = file::parse(path.as_deref(), &text)?.control;
        let folder = path.as_deref().and_then(Path::parent);
        Ok(control.map(|control| {
            let control = control.into_inner();
            folder.map_or_else(|| control.clone(), |folder| folder.join(&control))
        }))
    }

    /// Who serves, as the file names them, whatever else is in it: for those who look at a server that another user starts.
    ///
    /// # Errors
    /// When the file cannot be read, or is no configuration.
    pub fn user_of(named: Option<&Path>) -> Result<Option<String>, Vec<Problem>> {
        let (path, text) = file::read(named)?;
        let user = file::parse(path.as_deref(), &text)?.user;
        Ok(user.map(toml::Spanned::into_inner))
    }
}

/// What the parser says of `text`: of a key that it does not know, all those that it does.
#[cfg(test)]
pub(crate) fn what_is_wrong_with(text: &str) -> String {
    let problems = file::parse(None, text).err().unwrap_or_default();
    problems.iter().map(Problem::to_string).collect()
}

/// The file of share links that the configuration names, whether or not the rest of it is sound.
///
/// # Errors
/// A configuration that cannot be read.
pub fn shares_file(named: Option<&Path>) -> Result<Option<PathBuf>, Vec<Problem>> {
    let (path, text) = file::read(named)?;
    let shares_file = file::parse(path.as_deref(), &text)?.shares_file;
    let folder = path.as_deref().and_then(Path::parent);
    Ok(shares_file.map(|file| folder.unwrap_or(Path::new("")).join(file.into_inner())))
}

/// The ledger that the configuration names, and the library it is about, whether or not the rest of it is sound.
///
/// # Errors
/// A configuration that cannot be read.
pub fn ledger_file(named: Option<&Path>) -> Result<(Option<PathBuf>, PathBuf), Vec<Problem>> {
    let (path, text) = file::read(named)?;
    let file = file::parse(path.as_deref(), &text)?;
    let folder = path.as_deref().and_then(Path::parent);
    let beside = |file: PathBuf| folder.unwrap_or(Path::new("")).join(file);
    let ledger = file.ledger_file.map(|file| beside(file.into_inner()));
    let library = file.library.map(|folder| beside(folder.into_inner()));
    Ok((ledger, library.unwrap_or_else(|| DEFAULT_LIBRARY.into())))
}

/// The users' file that the configuration names, whether or not the rest of it is sound: whoever makes users may still be setting
/// the server up.
///
/// # Errors
/// A configuration that cannot be read.
pub fn users_file(named: Option<&Path>) -> Result<Option<PathBuf>, Vec<Problem>> {
    let (path, text) = file::read(named)?;
    let users_file = file::parse(path.as_deref(), &text)?.users_file;
    let folder = path.as_deref().and_then(Path::parent);
    Ok(users_file.map(|file| folder.unwrap_or(Path::new("")).join(file.into_inner())))
}
