//! What a service manager does: hears what servers say of themselves, and starts them with sockets of its own.

use super::super::server::{PATIENCE, forkftpd};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The other end of NOTIFY_SOCKET.
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    pub fn new(folder: &Path) -> Manager {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("socket");
        // Whoever serves may be another user.
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, all).expect("mode");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Manager { socket, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next message.
    pub fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        let length = loop {
            match self.socket.recv(&mut bytes) {
                // A read with a deadline is not taken up again by the kernel (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.expect("a message in time"),
            }
        };
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    /// The next message with this line in it, or with one that begins so where the word ends with `=`.
    pub fn wait_for(&self, word: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let heard = self.hear();
            let is_it = |line: &str| line == word || word.ends_with('=') && line.starts_with(word);
            if heard.lines().any(is_it) {
                return heard;
            }
            assert!(
                Instant::now() < until,
                "never said: {word}; at last {heard:?}"
            );
        }
    }

    /// Waits until the status has this text in it.
    pub fn wait_for_status(&self, text: &str) {
        while !self.wait_for("STATUS=").contains(text) {}
    }

    /// What has come and was not heard.
    pub fn rest(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("option");
        let mut rest = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            rest.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        self.socket.set_nonblocking(false).expect("option");
        rest
    }
}

/// Has `command` start with these sockets, as a service manager passes them.
pub fn passing(command: &Command, sockets: &[(&str, &OwnedFd)]) -> Command {
    let mut script = String::from("export LISTEN_PID=$$\nexec \"$@\"");
    let mut names = Vec::new();
    for (at, (name, fd)) in sockets.iter().enumerate() {
        // Open over exec: other servers that are started meanwhile close what they are not told of.
        let fd = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD(100)).expect("copy");
        script += &format!(" {}<&{fd}", at + 3);
        names.push(*name);
    }
    let mut launcher = Command::new("bash");
    launcher.args(["-c", &script, "bash"]);
    launcher.arg(command.get_program()).args(command.get_args());
    launcher.env("LISTEN_FDS", sockets.len().to_string());
    launcher.env("LISTEN_FDNAMES", names.join(":"));
    for (name, value) in command.get_envs() {
        launcher.env(name, value.expect("value"));
    }
    launcher
}

/// The program as it is, with the arguments of `command`.
pub fn program(command: &Command) -> Command {
    let mut program = forkftpd();
    program.args(command.get_args());
    program
}
