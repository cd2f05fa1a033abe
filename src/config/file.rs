//! The configuration file as it stands: keys, their types, and where they were.

use super::check::Problem;
use super::drop_box::FileDropBox;
use super::ftp::{Goodbye, Reuse};
use super::hook::FileHook;
use super::program::FileCommand;
use super::{DEFAULT_FILE, Durability, Encryption, FileAccount, Level, Login, Protocol, Receipt};
use crate::log::{self, Format};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Every key with its default, as `forkftpd config` prints it. A test reads it back.
pub const EXAMPLE: &str = r#"# Configuration of forkftpd. Every key is optional; what stands here are the defaults.
# Relative paths are relative to the folder of this file. Sizes are numbers of bytes or text as "64 MiB".

# The folder that is served. Names that begin with a dot are not.
library = "/srv/forkftp"
# The shared secret, mode 0600, at least 16 bytes: forkftpd secret new FILE. Here, as for tls_certificate and tls_key, "credential:NAME"
# is what systemd's LoadCredential=NAME:FILE gives the service, and for others the file NAME beside this one.
secret_file = "/etc/forkftp/secret"

# Users who log in, mode 0600: forkftpd user add. Without it nobody logs in.
# users_file = "/etc/forkftp/users.toml"
# Links that users of HTTP give to others, mode 0600: made when it is not there. Without it there are none.
# shares_file = "/var/lib/forkftp/shares.json"
# The ledger: a line of JSON for each upload, download, deletion and rename. Made when it is not there, and written by the server alone;
# forkftpd receipts and forkftpd stats read it, and what logrotate made of it. Without it none is kept.
# ledger_file = "/var/lib/forkftp/ledger.jsonl"
# The certificate of listeners with tls = true, and its private key, mode 0600: forkftpd cert new. Read again when they change.
# tls_certificate = "/etc/forkftp/tls.crt"
# tls_key = "/etc/forkftp/tls.key"
# The socket that forkftpd who and kick talk to; none when absent.
# control = "/run/forkftpd.control"

# Who serves, when the server is started as root: children become this user, and never root. There is no default.
# user = "forkftp"
# How far children are shut in: "full" (Landlock and seccomp, or nobody is served), "no-landlock" for kernels before 6.2,
# or "off".
sandbox = "full"

# Warm children that wait for a client; 0 forks one when a client comes.
prefork = 0
# Most clients at once, from everywhere and from one address (an IPv6 /64 is one address).
max_clients = 1000
max_per_address = 100

# Deadlines, in seconds: from connecting to the proof, for FTP from connecting to the login, between two requests, and without a
# byte moving within one.
handshake_seconds = 10
login_seconds = 60
idle_seconds = 300
stall_seconds = 60
# A transfer that moves fewer bytes a second than this, over each stall_seconds of waiting for the client, is ended; 0 asks
# only that something moves.
min_rate = 0
# Failed proofs and logins of one address, in all protocols together, after which no proof and no login from it is accepted
# for so many seconds.
max_failures = 20
ban_seconds = 600
# How long transfers may go on after SIGTERM, and hooks that run; those that do not come to their end are run again after the next start.
drain_seconds = 30
# The same of transfers that are under way when a new server takes over (SIGUSR2, SIGUSR1, or SIGHUP once the program is another).
handover_seconds = 3600

# Before an upload counts as stored: "full" waits for its bytes and its name to be on the disk, "file" for its bytes,
# "none" for nothing.
durability = "full"
# Uploads leave this much of the disk free.
keep_free = "64 MiB"
# Largest upload; no limit when absent.
# largest_file = "10 GiB"
# Hours for which a cut upload (of 1 MiB or more) is kept for resuming.
partial_hours = 72
# Do not serve filesystems that are mounted below the library.
one_filesystem = false
# Permission bits that new files and folders do not get.
umask = "0022"

# What hooks are still to be run for is kept here, in a folder of mode 0700 outside of the library: needed when there is a hook. An upload that
# cannot be noted here is refused.
# spool_folder = "/var/lib/forkftp/spool"
# Hooks that run at once.
most_hooks = 4

# Digest that is computed of uploads by FTP and HTTP, and said in their receipt: "sha256", "blake3", "md5" or "none".
receipt = "sha256"

# Transfers and logins by FTP, in the lines that other tools read: wu-ftpd's xferlog, and vsftpd's own log, which fail2ban knows. To
# rotate them, as the ledger: rename, and SIGHUP.
# xferlog = "/var/log/xferlog"
# vsftpd_log = "/var/log/vsftpd.log"

# Most commands (tables [[command]], below) that run at once, for all clients together.
most_commands = 8

# "text" or "json", to standard error (SIGHUP opens no file: whoever collects it rotates it), or "journal": entries of systemd's
# journal with fields (journalctl -t forkftpd FORKFTP_USER=anna); and "error", "warn", "info" or "debug".
log_format = "text"
log_level = "info"

# One table for each listening socket.
[[listen]]
# IP:PORT, [IPv6]:PORT, unix:/path, or systemd:NAME for all sockets that a socket unit passes under this name
# (FileDescriptorName=); mode and backlog are that unit's then.
address = "127.0.0.1:8888"
# "drive", "ftp" or "http"
protocol = "drive"
# "required": clients prove the shared secret. "none" is for loopback and Unix sockets only.
proof = "required"
# Whether they log in, too: "required", "optional" (whoever does not is anonymous) or "none" (all are). When the key is
# absent: "required" with a users_file, "none" without.
# login = "required"
# "implicit" (or true): TLS from the first byte; "off" (or false): none. For FTP also "required" (its default): nobody logs in
# before AUTH TLS, and "optional".
tls = "off"
# TCP congestion control ("cubic", "bbr", "reno"); the system's own when absent.
# congestion = "cubic"
# Permissions of a Unix socket.
mode = "0660"
# Connections that may wait to be accepted.
backlog = 1024

# A listening socket that speaks FTP, with the keys that only FTP has. No secret is proved there; who logs in is in the clear
# unless there is TLS.
# [[listen]]
# address = "0.0.0.0:21"
# protocol = "ftp"
# login = "required"                # "optional": the users anonymous and ftp may do what [anonymous] says
# tls = "required"
# passive_ports = "50000-50999"     # of data connections, two for each client that transfers; any when absent
# passive_address = "203.0.113.5"   # what clients are told, if it is not the address they came to; or a name
# passive_networks = { "10.0.0.0/8" = "10.0.0.5" }
# active = false                    # whether clients may have the server connect to them (to them alone, ports from 1024 on)
# data_seconds = 30                 # in which a data connection has to come
# data_tls_reuse = "require"        # data connections resume the TLS session of the control connection; "prefer" or "off"
# close_notify = "require"          # an upload under TLS that ends without a goodbye is cut; "off" judges it as without TLS
# plain_networks = []               # where tls = "required" does not hold
# names = []                        # for HOST

# A listening socket that speaks HTTP, with the keys that only HTTP has. Browsers log in on a page, other clients with Basic.
# [[listen]]
# address = "0.0.0.0:443"
# protocol = "http"
# login = "optional"
# tls = "implicit"                  # HTTPS; "off" where a proxy does that, or on a loopback address
# site = false                      # true: the library is a static site (index.html, 404.html), and nothing else is done there
# redirect = "https://files.example.org"  # all requests are sent on to there, and nothing is served
# hsts_seconds = 0                  # for so long browsers come by TLS alone
# trusted_proxies = []              # networks, or "unix" for a Unix socket: their X-Forwarded-For says who the client is, and
#                                   # X-Forwarded-Proto whether it has TLS; they pass Host on as it came, and add to the first
#                                   # what they heard. Each request by them has a connection of its own
# metrics_networks = []             # who may read /-/metrics
# session_hours = 12                # a login in a browser holds for; without a request for a quarter of that
# keepalive_seconds = 60            # a connection is kept between two requests
# names = []                        # what requests may be for; any when empty, but on a loopback address: localhost and IP addresses

# What those may do who do not log in; login = "optional" needs this table. With login = "none" and without this table they may
# do everything: they proved the secret. The same keys belong to each user in the users file.
# [anonymous]
# rights = ["list", "get"]          # of list, get, put, overwrite, delete, rename, mkdir
# home = "public"                   # a folder below the library that is all they see
# quota = "10 GiB"                  # bytes and files in that folder, all uploads together
# quota_files = 100000
# largest_file = "1 GiB"            # of one upload
# keep_free = "1 GiB"               # of the disk, besides what others may fill
# upload_rate = "5 MiB"             # bytes a second, for each session
# download_rate = "5 MiB"
# sessions = 20                     # at once; by HTTP each connection is one, and a browser has up to six
# networks = ["192.0.2.0/24"]       # where they may come from
# umask = "0027"                    # permission bits that new files and folders do not get
# on_taken = "refuse"               # or "rename": a new file whose name is taken gets another (a drop box)
# on_hangup = "keep"                # or "publish": an upload by FTP whose client hung up without a word at its end counts as whole
# tls = "optional"                  # or "required": logs in under TLS alone
# owner = "www-data"                # of new files; needs a server that is started as root. What its permissions keep from the
#                                   # server's user, nobody can get back
# group = "www-data"                # of new files; needs root, or a server's user in that group
# commands = ["disk"]               # what they may have run, of the tables [[command]]; nothing when absent

# A program that clients of the drive protocol may have run by its name (forkftp run), if their account says so. Nothing of it comes
# from them: it is this command line, without a shell, in the folder /, with no input and no other environment than PATH=/usr/bin:/bin,
# LANG=C.UTF-8, HOME=/, FORKFTP_USER (the name of who logged in; absent for others) and FORKFTP_PEER (the client's IP address; absent
# for a Unix socket). It gains nothing by setuid: sudo does not work in it. Whatever came of it ends with it. What a service manager keeps
# from the server, it keeps from commands too.
# [[command]]
# name = "disk"                     # letters, digits and -
# run = ["/usr/bin/df", "-h"]       # an absolute path, of a program that nobody else can change and that is not in the library
# description = "free space"        # for those who may run it
# user = "nobody"                   # who it runs as: needed by a server that is started as root, and never root. Of another server it is the
#                                   # server's user, who can read what that can: the secret, too
# seconds = 60                      # after which it is killed
# most_output = "1 MiB"             # after which it is killed, too
# processes = 32                    # at once, threads with them, besides those that its user has when it begins
# memory = "1 GiB"                  # that each process writes to
# largest_file = "1 GiB"            # of those that it writes

# A drop box: a folder into which whoever has the right "put" puts new files, and where nothing else is done: nothing is listed, sent,
# replaced, renamed, removed or made. A file whose name is taken gets another. What the rights of a user say holds for readers alone.
# [[drop_box]]
# path = "in/scans"                 # below the library; made at start when it is not there. Nobody removes or renames it
# readers = ["anna"]                # users who may do in it what their rights say: somebody has to fetch the files
# mode = "0640"                     # permissions of new files; those that umask leaves when absent
# group = "scans"                   # of new files; needs root, or a server's user in that group
# largest_file = "100 MiB"          # of one upload
# expire_hours = 720                # a file that nobody has touched for so long is removed; never when absent
# hook = "convert"                  # what is run for each file that is stored there

# A hook: a program that is run for each upload, once it is stored; it delays none. It reads one JSON object: hook, id, path (from the
# library's root, "%" and what is no UTF-8 as %XX), file (on this machine, where it is UTF-8), size, sha256, user, face, address, time. It is
# run at least once for each file (twice if the machine dies just then), for one name in the order of the uploads, and again when it does
# not end with 0: after retry_seconds, then twice that and so on up to an hour. After so many tries it is given up: forkftpd hooks. What holds of the
# environment and the limits of a command holds here, too; what it writes beyond most_output is thrown away.
# [[hook]]
# name = "convert"                  # letters, digits and -
# run = ["/usr/local/bin/convert-scan"]
# folder = "in"                     # uploads below it; when absent those of the drop boxes that name it, or else of the whole library
# tries = 10
# retry_seconds = 10
# user = "nobody"                   # this and what follows as in [[command]]
# seconds = 60
"#;

/// A value, and the bytes of the file it stands in.
pub(super) type Placed<T> = Option<Spanned<T>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) library: Placed<PathBuf>,
    pub(super) secret_file: Placed<PathBuf>,
    pub(super) users_file: Placed<PathBuf>,
    pub(super) shares_file: Placed<PathBuf>,
    pub(super) ledger_file: Placed<PathBuf>,
    pub(super) anonymous: Option<Spanned<FileAccount>>,
    pub(super) tls_certificate: Placed<PathBuf>,
    pub(super) tls_key: Placed<PathBuf>,
    pub(super) control: Placed<PathBuf>,
    pub(super) user: Placed<String>,
    pub(super) sandbox: Option<Level>,
    pub(super) prefork: Placed<u32>,
    pub(super) max_clients: Placed<u32>,
    pub(super) max_per_address: Placed<u32>,
    pub(super) handshake_seconds: Placed<u32>,
    pub(super) login_seconds: Placed<u32>,
    pub(super) idle_seconds: Placed<u32>,
    pub(super) stall_seconds: Placed<u32>,
    pub(super) max_failures: Placed<u32>,
    pub(super) ban_seconds: Placed<u32>,
    pub(super) min_rate: Placed<Size>,
    pub(super) drain_seconds: Placed<u32>,
    pub(super) handover_seconds: Placed<u32>,
    pub(super) durability: Option<Durability>,
    pub(super) keep_free: Placed<Size>,
    pub(super) largest_file: Placed<Size>,
    pub(super) partial_hours: Placed<u32>,
    pub(super) one_filesystem: Option<bool>,
    pub(super) umask: Placed<String>,
    pub(super) receipt: Option<Receipt>,
    pub(super) log_format: Option<Format>,
    pub(super) log_level: Option<log::Level>,
    pub(super) xferlog: Placed<PathBuf>,
    pub(super) vsftpd_log: Placed<PathBuf>,
    #[serde(default)]
    pub(super) drop_box: Vec<Spanned<FileDropBox>>,
    pub(super) spool_folder: Placed<PathBuf>,
    pub(super) most_hooks: Placed<u32>,
    #[serde(default)]
    pub(super) hook: Vec<Spanned<FileHook>>,
    #[serde(default)]
    pub(super) listen: Vec<Spanned<FileListen>>,
    #[serde(default)]
    pub(super) command: Vec<Spanned<FileCommand>>,
    pub(super) most_commands: Placed<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileListen {
    pub(super) address: Spanned<String>,
    #[serde(default)]
    pub(super) protocol: Protocol,
    pub(super) proof: Option<Proof>,
    pub(super) login: Option<Login>,
    pub(super) tls: Option<Spanned<TlsText>>,
    pub(super) congestion: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) backlog: Option<Spanned<u32>>,
    // For FTP alone.
    pub(super) passive_ports: Placed<String>,
    pub(super) passive_address: Placed<String>,
    pub(super) passive_networks: Option<BTreeMap<String, Spanned<String>>>,
    pub(super) active: Option<bool>,
    pub(super) data_seconds: Placed<u32>,
    pub(super) data_tls_reuse: Option<Reuse>,
    pub(super) close_notify: Option<Goodbye>,
    pub(super) plain_networks: Option<Vec<Spanned<String>>>,
    // For FTP and HTTP.
    pub(super) names: Option<Vec<String>>,
    // For HTTP alone.
    pub(super) site: Option<bool>,
    pub(super) redirect: Placed<String>,
    pub(super) hsts_seconds: Placed<u32>,
    pub(super) trusted_proxies: Option<Vec<Spanned<String>>>,
    pub(super) metrics_networks: Option<Vec<Spanned<String>>>,
    pub(super) session_hours: Placed<u32>,
    pub(super) keepalive_seconds: Placed<u32>,
}

/// `true` and `false`, or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "true, false, \"off\", \"optional\", \"required\" or \"implicit\""
)]
pub(super) enum TlsText {
    FromTheStart(bool),
    Word(Encryption),
}

impl From<TlsText> for Encryption {
    fn from(text: TlsText) -> Encryption {
        match text {
            TlsText::FromTheStart(true) => Encryption::Implicit,
            TlsText::FromTheStart(false) => Encryption::Off,
            TlsText::Word(word) => word,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proof {
    Required,
    None,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SizeText")]
pub(super) struct Size(pub(super) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl TryFrom<SizeText> for Size {
    type Error = String;
    fn try_from(given: SizeText) -> Result<Size, String> {
        let text = match given {
            SizeText::Bytes(bytes) => return Ok(Size(bytes)),
            SizeText::Text(text) => text,
        };
        let wrong = || format!("{text:?} is no size: a number, or one with KiB, MiB, GiB or TiB");
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let shift = match text[digits..].trim() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(wrong()),
        };
        number.checked_mul(1 << shift).map(Size).ok_or_else(wrong)
    }
}

/// The text of the file: the named one, or the default one if it is there, or none.
pub(super) fn read(named: Option<&Path>) -> Result<(Option<PathBuf>, String), Vec<Problem>> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((Some(path.to_owned()), text)),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            Ok((None, String::new()))
        }
        Err(error) => Err(vec![Problem::new(
            path.display().to_string(),
            error.to_string(),
        )]),
    }
}

pub(super) fn parse(path: Option<&Path>, text: &str) -> Result<File, Vec<Problem>> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![Problem::new(
            place(path, text, at),
            error.message().trim_end().to_owned(),
        )]
    })
}

/// `FILE:LINE` of the byte at `offset`.
#[must_use]
pub fn place(path: Option<&Path>, text: &str, offset: usize) -> String {
    let line = 1 + text
        .as_bytes()
        .iter()
        .take(offset)
        .filter(|&&b| b == b'\n')
        .count();
    format!(
        "{}:{line}",
        path.unwrap_or(Path::new("configuration")).display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid() {
        let file = parse(None, EXAMPLE).expect("the example");
        assert_eq!(file.listen.len(), 1);
        assert_eq!(file.keep_free.map(|s| s.into_inner().0), Some(64 << 20));
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_with_its_line() {
        for (text, line, word) in [
            ("library = \"a\"\n\nlibary = 1\n", 3, "libary"),
            ("prefork = \"two\"", 1, "invalid type"),
            ("prefork = -1", 1, "invalid value"),
            ("durability = \"maybe\"", 1, "maybe"),
            ("\nkeep_free = \"5 apples\"", 2, "KiB"),
            (
                "[[listen]]\naddress = \"1.2.3.4:5\"\nprotocol = \"gopher\"",
                3,
                "gopher",
            ),
            ("[[listen]]\nproof = \"none\"", 1, "address"),
            ("prefork = 1\nprefork = 2", 2, "duplicate"),
        ] {
            let problem = parse(Some(Path::new("f.toml")), text)
                .expect_err(text)
                .remove(0)
                .to_string();
            assert!(
                problem.starts_with(&format!("f.toml:{line}: ")) && problem.contains(word),
                "{problem}"
            );
        }
    }
}
