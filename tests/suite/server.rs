//! A server for one test: on a port of its own, over a library of its own, ended by pid when the test is over.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The secret of every test server that asks for one.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running `forkftpd serve`.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    folder: std::cell::RefCell<tempfile::TempDir>,
    /// Its path.
    home: PathBuf,
    /// The first of `addresses`.
    pub address: String,
    /// Where it listens, in the order of its configuration.
    pub addresses: Vec<String>,
    /// How it was started.
    arguments: Vec<std::ffi::OsString>,
}

/// Runs what refuses to serve: all that it says on its way out.
pub fn refusal_of(mut command: Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("forkftpd");
    let mut stderr = child.stderr.take().expect("stderr");
    let until = Instant::now() + PATIENCE;
    let code = loop {
        if let Some(status) = child.try_wait().expect("wait") {
            break status.code();
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} serves");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
    assert!(!said.contains("listening"), "{said}");
    said
}

/// A user of a test: name, password, and the other keys of the table.
pub type User<'a> = (&'a str, &'a str, &'a str);

/// The program under test; from the folder that FORKFTP_SUITE_PROGRAMS names, if that is set.
pub fn forkftpd() -> Command {
    match std::env::var_os("FORKFTP_SUITE_PROGRAMS") {
        Some(folder) => Command::new(std::path::Path::new(&folder).join("forkftpd")),
        None => Command::new(env!("CARGO_BIN_EXE_forkftpd")),
    }
}

impl Server {
    /// Starts one with these further arguments; without a proof unless they say otherwise.
    pub fn start(arguments: &[&str]) -> Server {
        Server::prepared(arguments, |_| ())
    }

    /// The same, with files put into the library before.
    pub fn prepared(arguments: &[&str], prepare: impl FnOnce(&Path)) -> Server {
        let folder = tempfile::tempdir().expect("scratch folder");
        let library = folder.path().join("library");
        std::fs::create_dir(&library).expect("library");
        prepare(&library);
        give_away(folder.path(), &library);
        let secret = folder.path().join("secret");
        write_secret(&secret);
        let mut command = forkftpd();
        command.args(["serve", "--log-level", "debug", "--library"]);
        command.arg(&library).args(as_user());
        if arguments.contains(&"--tls") {
            let config = folder.path().join("tls.toml");
            new_certificate(folder.path());
            std::fs::write(&config, TLS).expect("configuration");
            command.arg("--config").arg(config);
        } else {
            command.args(["--listen", "127.0.0.1:0"]);
            if !arguments.contains(&"--config") {
                // Not what this machine has in /etc.
                command.args(["--config", "/dev/null"]);
            }
        }
        if arguments.contains(&"--proof") {
            command.arg("--secret-file").arg(&secret);
        } else {
            command.arg("--no-secret");
        }
        command.args(
            arguments
                .iter()
                .filter(|&&a| a != "--proof" && a != "--tls"),
        );
        Server::launched(command, folder, 1)
    }

    /// Starts one with this configuration behind the library and the secret, and these users. Every `[[listen]]` of it is a
    /// place in `addresses`.
    pub fn configured(config: &str, users: &[User<'_>], prepare: impl FnOnce(&Path)) -> Server {
        let folder = tempfile::tempdir().expect("scratch folder");
        let command = configure(folder.path(), config, users, prepare);
        let listeners = config.matches("[[listen]]").count();
        Server::launched(command, folder, listeners)
    }

    fn launched(command: Command, folder: tempfile::TempDir, listeners: usize) -> Server {
        let arguments: Vec<_> = command.get_args().map(Into::into).collect();
        let mut program = forkftpd();
        program.args(&arguments);
        let mut server = Server::commanded(program, folder, listeners);
        server.arguments = arguments;
        server
    }

    /// The server that this command starts, or becomes. It cannot be started again.
    pub fn commanded(command: Command, folder: tempfile::TempDir, listeners: usize) -> Server {
        let (child, lines) = spawn(command);
        let mut server = Server {
            child,
            lines,
            home: folder.path().to_owned(),
            folder: folder.into(),
            address: String::new(),
            addresses: Vec::new(),
            arguments: Vec::new(),
        };
        server.hear_addresses(listeners);
        server
    }

    fn hear_addresses(&mut self, listeners: usize) {
        let address = |line: String| {
            let at = line.find("://").expect("address") + "://".len();
            // In JSON a quote ends it.
            let address = line[at..].split([' ', '"']).next();
            address.expect("address").to_owned()
        };
        self.addresses = (0..listeners)
            .map(|_| address(self.wait_for("listening on ")))
            .collect();
        self.address = self.addresses[0].clone();
    }

    /// Ends it, waits for its end, and starts it again over the same library.
    pub fn restart(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.child.wait().expect("wait").success());
        let mut program = forkftpd();
        program.args(&self.arguments);
        (self.child, self.lines) = spawn(program);
        self.hear_addresses(self.addresses.len());
    }

    /// The next log line with `text` in it.
    pub fn wait_for(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut last = String::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => last = line,
                Err(_) => panic!("no log line with {text:?}; the last one: {last}"),
            }
        }
    }

    /// The folder around the library, with the secret, the certificate and the configuration.
    pub fn folder(&self) -> &Path {
        &self.home
    }

    pub fn library(&self) -> PathBuf {
        self.home.join("library")
    }

    /// Names of the files in the staging area, in the stage or among the partials.
    pub fn staged(&self, room: &str) -> Vec<PathBuf> {
        let folder = self.library().join(".forkftp").join(room);
        std::fs::read_dir(folder)
            .expect("staging area")
            .map(|entry| entry.expect("entry").path())
            .collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid() as i32), signal)
            .expect("kill");
    }

    /// Its folder, for another server: this one does not remove it any more.
    pub fn keep_folder(&self) -> tempfile::TempDir {
        let own = tempfile::tempdir().expect("scratch folder");
        self.folder.replace(own)
    }

    /// Kills the listener, and nobody else.
    pub fn kill_alone(self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        assert_eq!(self.wait(), None, "a signal ended it");
    }

    /// Waits for its end, and returns its exit code.
    pub fn wait(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not end");
    }

    /// Pids of the living children that serve a client or wait for one.
    pub fn children(&self) -> Vec<u32> {
        self.offspring("forkftpd:child")
    }

    /// Pids of the living processes of this name that the listener made.
    pub fn offspring(&self, name: &str) -> Vec<u32> {
        let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid()));
        let pids = list.expect("children");
        let pids = pids.split_whitespace().map(|pid| pid.parse().expect("pid"));
        let named = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm"));
        pids.filter(|pid| named(pid).is_ok_and(|comm| comm.trim() == name))
            .collect()
    }
}

fn spawn(mut command: Command) -> (Child, Receiver<String>) {
    let mut child = command
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("forkftpd");
    let stderr = child.stderr.take().expect("stderr");
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
    (child, lines)
}

/// Writes a configuration, with a library, a secret and users beside it: the command that serves by it.
pub fn configure(
    folder: &Path,
    config: &str,
    users: &[User<'_>],
    prepare: impl FnOnce(&Path),
) -> Command {
    let library = folder.join("library");
    std::fs::create_dir(&library).expect("library");
    prepare(&library);
    give_away(folder, &library);
    write_secret(&folder.join("secret"));
    write_users(folder, users);
    let file = folder.join("forkftpd.toml");
    let above = "library = \"library\"\nsecret_file = \"secret\"\nusers_file = \"users.toml\"\nlog_level = \"debug\"\n";
    std::fs::write(&file, format!("{above}{config}")).expect("configuration");
    let mut command = forkftpd();
    command.arg("serve").args(as_user());
    command.arg("--config").arg(file);
    command
}

/// Puts these users in the place of those in `folder`, in one step.
pub fn write_users(folder: &Path, users: &[User<'_>]) {
    use forkftp::scram::{MIN_ITERATIONS, Verifier};
    let mut text = String::new();
    for (name, password, keys) in users {
        let verifier = Verifier::new(password, MIN_ITERATIONS).expect("verifier");
        text += &format!("[users.{name:?}]\npassword = \"{verifier}\"\n{keys}\n");
    }
    let new = folder.join("users.new");
    private_file(&new, text.as_bytes());
    std::fs::rename(new, folder.join("users.toml")).expect("rename");
}

impl Drop for Server {
    fn drop(&mut self) {
        for pid in self
            .child
            .try_wait()
            .ok()
            .flatten()
            .map_or_else(|| self.children(), |_| Vec::new())
        {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid as i32),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The configuration of a server started with `--tls`.
const TLS: &str = "tls_certificate = \"crt\"\ntls_key = \"key\"\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n";

/// Puts a new certificate for 127.0.0.1 and its key in the place of `crt` and `key` in `folder`.
pub fn new_certificate(folder: &Path) {
    let (crt, key) = (folder.join("new.crt"), folder.join("new.key"));
    let mut command = forkftpd();
    command.args(["cert", "new", "--host", "127.0.0.1"]);
    let made = command.args([&crt, &key]).output().expect("forkftpd");
    assert!(made.status.success(), "{made:?}");
    std::fs::rename(key, folder.join("key")).expect("rename");
    std::fs::rename(crt, folder.join("crt")).expect("rename");
}

/// Root serves nobody: then it is this user who does.
pub fn as_user() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() {
        &["--user", "nobody"]
    } else {
        &[]
    }
}

/// Gives the library with all that is in it to that user.
pub fn give_away(folder: &Path, library: &Path) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let given = Command::new("chown")
        .args(["-Rh", "nobody"])
        .arg(library)
        .status();
    assert!(given.expect("chown").success());
}

pub fn write_secret(path: &Path) {
    private_file(path, SECRET.as_bytes());
}

/// A new file that its owner alone reads.
pub fn private_file(path: &Path, content: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .expect("a new file");
    std::io::Write::write_all(&mut file, content).expect("write");
}

/// Runs `forkftpd` to its end: exit code, and what it said.
pub fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let serves = matches!(arguments[0], "check" | "serve" | "session");
    let mut child = forkftpd()
        .args(arguments)
        .args(if serves { as_user() } else { &[] })
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("forkftpd");
    let (mut out, mut err) = (String::new(), String::new());
    child
        .stdout
        .take()
        .expect("stdout")
        .read_to_string(&mut out)
        .expect("read");
    child
        .stderr
        .take()
        .expect("stderr")
        .read_to_string(&mut err)
        .expect("read");
    (child.wait().expect("wait").code(), out + &err)
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
