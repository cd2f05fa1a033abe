//! Which server is looked at: the one that answers at the control socket, or the one that the configuration plans; and who it is.

use super::container;
use super::eyes::Eyes;
use super::proc::Process;
use super::report::{Report, Topic};
use crate::cli::who;
use crate::config::{Config, Flags, Listen, Problem, Protocol};
use crate::control::{Reply, Request, Status};
use crate::sys::{machine, privs};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long the configuration may take: names in it are looked up.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long all that is dialled may take together.
const DIALLING: Duration = Duration::from_secs(8);
/// Who serves where the configuration does not say, as the packaged unit has it.
const USUAL_USER: &str = "forkftp";

/// A server that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) status: Status,
    pub(super) process: Process,
}

/// The server that is looked at.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) config: Config,
    /// None for one that is only planned.
    pub(super) running: Option<Running>,
    /// The user its listener and its broker are, as far as that can be known.
    pub(super) starter: u32,
    /// The user its children are.
    pub(super) serves: u32,
    pub(super) eyes: Eyes,
    /// What kind of container this is.
    pub(super) container: Option<String>,
    /// When dialling ends.
    pub(super) until: Instant,
}

impl Patient {
    /// Finds it. None when there is nothing to look at: what is wrong stands in the report.
    pub(super) fn find(mut flags: Flags, report: &mut Report) -> Option<Patient> {
        report.about("the configuration".into());
        let mut topic = report.topic("server");
        let running = ask(&flags, &mut topic);
        let user = running.as_ref().and_then(|running| running.process.user());
        let starter = starter(&mut flags, user, &mut topic)?;
        let mut config = match load(flags) {
            Ok(config) => config,
            Err(problems) => {
                for problem in problems {
                    topic.problem(problem);
                }
                return None;
            }
        };
        // What is said to be typed works from any folder.
        config.library = std::path::absolute(&config.library).unwrap_or(config.library);
        let own = privs::own_uid();
        let starter = starter.unwrap_or(own);
        let (serves, eyes) = match config.identity {
            // Started as root, or looked at by root who knows whom it is started as.
            Some(identity) => (identity.uid, Eyes::Theirs(identity)),
            None => match running.as_ref() {
                Some(running) => strangers(running, own),
                None => (own, Eyes::Own),
            },
        };
        topic.ok(format!(
            "the configuration is sound; clients are served by uid {serves}"
        ));
        let about = match &running {
            Some(Running { status, .. }) => {
                format!(
                    "the running server, forkftpd {} with pid {}",
                    status.version, status.pid
                )
            }
            None => "the planned set-up: no running server was asked".to_owned(),
        };
        let patient = Patient {
            container: container::kind(),
            until: Instant::now() + DIALLING,
            config,
            running,
            starter,
            serves,
            eyes,
        };
        patient.compare(&mut topic);
        report.about(about);
        Some(patient)
    }

    /// The running process, or this one for the planned set-up.
    pub(super) fn process(&self) -> Process {
        let running = self.running.as_ref();
        running.map_or_else(Process::own, |running| running.process.clone())
    }

    /// The listening sockets that speak FTP.
    pub(super) fn ftp(&self) -> impl Iterator<Item = &Listen> {
        let listen = self.config.listen.iter();
        listen.filter(|listen| listen.protocol == Protocol::Ftp)
    }

    /// Says where the running server is not what its configuration says.
    fn compare(&self, topic: &mut Topic<'_>) {
        let Some(Running { status, process }) = &self.running else {
            return;
        };
        let ours = env!("CARGO_PKG_VERSION");
        if status.version != ours {
            topic.hint(
                format!(
                    "the running server is forkftpd {}, this program is {ours}",
                    status.version
                ),
                "systemctl restart forkftpd",
            );
        }
        if std::fs::read_link(process.path("exe")).is_ok_and(|exe| is_deleted(&exe)) {
            topic.hint(
                "the program that runs was replaced on the disk since",
                "systemctl restart forkftpd",
            );
        }
        let counts = (status.max_clients, status.max_per_address);
        let written = (self.config.max_clients, self.config.max_per_address);
        if counts == written {
            topic.ok("the running server has the limits of the configuration");
        } else {
            topic.warning(
                format!(
                    "the running server has max_clients = {} and max_per_address = {}, the configuration {} and {}: it was not read again, or flags say otherwise",
                    counts.0, counts.1, written.0, written.1
                ),
                format!("kill -HUP {}", status.pid),
            );
        }
    }
}

fn is_deleted(exe: &Path) -> bool {
    exe.to_string_lossy().ends_with(" (deleted)")
}

/// Whose server it is, seen by somebody who is not root.
fn strangers(running: &Running, own: u32) -> (u32, Eyes) {
    match running.process.user() {
        Some((uid, _)) if uid != own => (uid, Eyes::Strangers),
        _ => (own, Eyes::Own),
    }
}

/// Asks the server behind the control socket.
fn ask(flags: &Flags, topic: &mut Topic<'_>) -> Option<Running> {
    let named = flags.file.as_deref();
    let socket = match &flags.control {
        Some(socket) => Some(socket.clone()),
        // What is wrong with the file is said when it is loaded.
        None => Config::control_of(named).ok().flatten(),
    };
    let Some(socket) = socket else {
        topic.hint(
            "there is no control socket: a running server, if there is one, was not asked",
            "control = \"/run/forkftp/control\" in forkftpd.toml",
        );
        return None;
    };
    let at = socket.display();
    match who::exchange(&socket, &Request::Who {}) {
        Ok(Reply::Who(status)) => {
            topic.ok(format!("the server answers at {at}"));
            let process = Process::of(status.pid);
            Some(Running { status, process })
        }
        Ok(other) => {
            topic.warning(
                format!("control socket {at}: another answer than to who: {other:?}"),
                "systemctl restart forkftpd",
            );
            None
        }
        Err(error) => {
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    topic.ok(format!("no server answers at {at}"));
                }
                ErrorKind::PermissionDenied => topic.hint(
                    format!("control socket {at}: permission denied, so that the running server was not asked"),
                    "sudo forkftpd doctor",
                ),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => topic.warning(
                    format!("control socket {at}: a server is there and does not answer"),
                    "systemctl restart forkftpd",
                ),
                _ => topic.note(format!("control socket {at}: {error}")),
            }
            None
        }
    }
}

/// Who starts the server. Root looks at one that another user starts: that user is written into the flags, since the
/// configuration then names none. None when that is wrong.
fn starter(
    flags: &mut Flags,
    running: Option<(u32, u32)>,
    topic: &mut Topic<'_>,
) -> Option<Option<u32>> {
    if let Some((uid, _)) = running.filter(|(uid, _)| *uid != 0) {
        if privs::is_root() {
            let Some(name) = machine::user_name(uid) else {
                topic.problem(format!(
                    "the server is uid {uid}, and this machine has no such user"
                ));
                return None;
            };
            flags.user = Some(name);
        }
        return Some(Some(uid));
    }
    if running.is_some() || !privs::is_root() {
        return Some(running.map(|(uid, _)| uid));
    }
    let named = flags.user.is_some()
        || Config::user_of(flags.file.as_deref()).is_ok_and(|user| user.is_some());
    match privs::user_id(USUAL_USER) {
        Some(uid) if !named => {
            topic.note(format!(
                "the configuration names no user: looked at as for a unit with User={USUAL_USER}"
            ));
            flags.user = Some(USUAL_USER.into());
            Some(Some(uid))
        }
        _ => Some(Some(0)),
    }
}

/// Loads the configuration, with an end to it: a name in it may be looked up at a server that does not answer.
fn load(flags: Flags) -> Result<Config, Vec<String>> {
    let (send, receive) = mpsc::channel();
    let loading = std::thread::spawn(move || {
        let loaded = Config::load(&flags);
        let words = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
        let _ = send.send(loaded.map_err(words));
    });
    match receive.recv_timeout(PATIENCE) {
        Ok(loaded) => {
            // Who looks with other eyes forks, and that takes a process of one thread.
            let _ = loading.join();
            loaded
        }
        Err(_) => Err(vec![format!(
            "the configuration was not read within {} seconds: is a name in passive_address or passive_networks looked up at a server that does not answer? Write the address itself",
            PATIENCE.as_secs()
        )]),
    }
}
