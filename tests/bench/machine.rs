//! Where it was measured, and in what state: the lines that stand above the figures; and the scratch folder.

use crate::meter::Meter;
use crate::peers::{PASSWORD, USER};
use forkftp::proof::Secret;
use forkftp::scram::{ITERATIONS, MIN_ITERATIONS, Verifier};
use forkftp::sys::net;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Scratch folders are named by this and the process that made them.
const PREFIX: &str = "forkftp-bench-";

/// What all figures share.
pub(crate) struct World {
    dir: PathBuf,
    /// The folder that is served.
    pub(crate) library: PathBuf,
    /// The shared secret's file.
    pub(crate) secret_file: PathBuf,
    /// The shared secret.
    pub(crate) secret: Secret,
    /// Runs of each side.
    pub(crate) runs: usize,
    /// Bytes of a large file.
    pub(crate) large: u64,
    /// What counts are divided by in a quick run.
    pub(crate) part: usize,
    /// Congestion controls under which transfers are measured.
    pub(crate) congestions: Vec<&'static str>,
}

impl World {
    /// Makes the scratch folder, after taking away those of runs that were killed.
    pub(crate) fn make(quick: bool) -> World {
        let base = std::env::var_os("FORKFTP_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        fs::create_dir_all(&base).expect("the folder for scratch folders");
        sweep(&base);
        Meter::sweep();
        let dir = base
            .canonicalize()
            .expect("the folder for scratch folders")
            .join(format!("{PREFIX}{}", std::process::id()));
        let library = dir.join("library");
        fs::create_dir_all(&library).expect("scratch folder");
        // vsftpd serves it as another user.
        for folder in [&dir, &library] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let secret_file = dir.join("secret");
        private(
            &secret_file,
            Secret::generate().expect("randomness").as_bytes(),
        );
        let secret = Secret::from_file(&secret_file).expect("secret");
        World {
            dir,
            library,
            secret_file,
            secret,
            runs: if quick { 3 } else { 7 },
            large: if quick { 128 << 20 } else { 1 << 30 },
            part: if quick { 8 } else { 1 },
            congestions: congestions(),
        }
    }

    /// A path in the scratch folder, outside of what is served.
    pub(crate) fn aside(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The users' file, with one user, who may do everything; made the first time.
    pub(crate) fn users_file(&self) -> PathBuf {
        self.users("users.toml", ITERATIONS)
    }

    /// The same at the fewest rounds there may be, for servers to which passwords are sent.
    pub(crate) fn weak_users_file(&self) -> PathBuf {
        self.users("weak-users.toml", MIN_ITERATIONS)
    }

    fn users(&self, name: &str, iterations: u32) -> PathBuf {
        let path = self.aside(name);
        if !path.exists() {
            // As `forkftpd user add` makes it.
            let verifier = Verifier::new(PASSWORD, iterations).expect("a verifier");
            let text = format!(
                "[users.{USER}]\npassword = \"{verifier}\"\n\
                 rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]\n"
            );
            private(&path, text.as_bytes());
        }
        path
    }

    /// The files of a self-signed certificate for 127.0.0.1 and of its key, ECDSA P-256 as `forkftpd cert new` makes them; made
    /// the first time.
    pub(crate) fn certificate(&self) -> [PathBuf; 2] {
        let paths = ["tls.crt", "tls.key"].map(|name| self.aside(name));
        if !paths[1].exists() {
            let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
            let made = made.expect("a certificate");
            fs::write(&paths[0], made.cert.pem()).expect("the certificate");
            private(&paths[1], made.signing_key.serialize_pem().as_bytes());
        }
        paths
    }

    /// The congestion control for figures in which it hardly matters.
    pub(crate) fn unpaced(&self) -> &'static str {
        self.congestions.last().copied().unwrap_or("reno")
    }

    /// The lines above the figures.
    pub(crate) fn describe(&self) -> Vec<String> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_default();
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let mut lines = vec![
            format!(
                "forkftp {} on {}, {cores} cores ({cpu}), {memory}, load {}",
                env!("CARGO_PKG_VERSION"),
                first_line("/proc/sys/kernel/osrelease"),
                load()
            ),
            format!(
                "scratch {} on {}; page cache warm (each series begins with a run that does not count); {} runs of each side, in turns",
                self.dir.display(),
                filesystem(&self.dir),
                self.runs
            ),
            format!(
                "congestion control of the system: {}; measured under: {}",
                first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
                self.congestions.join(", ")
            ),
            format!("server CPU: {}", Meter::method()),
        ];
        if cfg!(debug_assertions) {
            lines.push(
                "this program, and the forkftpd built with it, are not optimised: no figure counts"
                    .into(),
            );
        }
        if std::env::var_os("FORKFTP_BENCH_SERVER").is_some() {
            lines.push(format!(
                "measured is {}",
                crate::server::program().display()
            ));
        }
        if !self.congestions.contains(&"cubic") {
            lines.push("cubic could not be set by this user: reno stands for it".into());
        }
        lines
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            crate::stats::say(&format!("{} stays behind: {error}", self.dir.display()));
        }
    }
}

/// Writes a file that nobody else may read.
fn private(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a private file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("chmod");
}

/// Removes scratch folders whose makers are gone.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if maker
            .is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The pacing one and one that is not, as far as this user may set them.
fn congestions() -> Vec<&'static str> {
    let able = |name: &&str| net::listen_tcp(([127, 0, 0, 1], 0).into(), 1, Some(name)).is_ok();
    let mut found: Vec<&str> = ["bbr", "cubic"].into_iter().filter(able).collect();
    if !found.contains(&"cubic") && able(&"reno") {
        found.push("reno");
    }
    found
}

/// The load averages and what runs now.
pub(crate) fn load() -> String {
    first_line("/proc/loadavg")
}

fn first_line(path: &str) -> String {
    fs::read_to_string(path)
        .map(|text| text.lines().next().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// The value of the first `key : value` line of a file in /proc.
pub(crate) fn field(path: &str, key: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim().to_owned())
    })
}

/// The type of the filesystem that `path` is on.
fn filesystem(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            path.starts_with(point).then_some((point.len(), kind))
        })
        // Of mounts one over the other, the last is seen.
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "an unknown filesystem".into(), |(_, kind)| kind.into())
}
