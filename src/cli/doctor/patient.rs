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
    /// None for one that is only planned, and for one that we may not ask.
    pub(super) running: Option<Running>,
    /// There is one, and we may not ask it: what it has, it has already.
    pub(super) hidden: bool,
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
        let (running, owner) = match ask(&flags, &mut topic) {
            Answer::Running(running) => (Some(running), None),
            Answer::Hidden(owner) => (None, Some(owner)),
            Answer::Nobody => (None, None),
        };
        let starter = starter(&mut flags, running.as_ref(), &mut topic)?;
        let named = flags.user.clone().or_else(|| {
            let file = Config::user_of(flags.file.as_deref());
            file.ok().flatten()
        });
        let named = named.and_then(|name| privs::user_id(&name));
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
        let starter = owner.or(starter).unwrap_or(own);
        let listener = running.as_ref().and_then(|running| running.process.user());
        let listener = listener.map(|(uid, _)| uid).or(owner);
        let (serves, eyes) = match (config.identity, listener) {
            // Started as root, or looked at by root who knows whom it is started as.
            (Some(identity), _) => (identity.uid, Eyes::Theirs(identity)),
            (None, None) => (own, Eyes::Own),
            (None, Some(0)) => {
                let serves = named.or_else(|| servants(running.as_ref()?));
                (serves.unwrap_or(0), Eyes::of(serves == Some(own)))
            }
            (None, Some(uid)) => (uid, Eyes::of(uid == own)),
        };
        topic.ok(match eyes {
            Eyes::Strangers => "the configuration is sound".to_owned(),
            _ => format!("the configuration is sound; clients are served by uid {serves}"),
        });
        let about = match &running {
            Some(Running { status, .. }) => {
                format!(
                    "the running server, forkftpd {} with pid {}",
                    status.version, status.pid
                )
            }
            None if owner.is_some() => "a running server that we may not ask".to_owned(),
            None => "the planned set-up: no running server was asked".to_owned(),
        };
        let patient = Patient {
            container: container::kind(),
            until: Instant::now() + DIALLING,
            config,
            running,
            hidden: owner.is_some(),
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

/// What came of asking.
enum Answer {
    Running(Running),
    /// Somebody may be there, of this user, and we may not ask them.
    Hidden(u32),
    Nobody,
}

/// Asks the server behind the control socket.
fn ask(flags: &Flags, topic: &mut Topic<'_>) -> Answer {
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
        return Answer::Nobody;
    };
    let at = socket.display();
    match who::exchange(&socket, &Request::Who {}) {
        Ok(Reply::Who(status)) => {
            topic.ok(format!("the server answers at {at}"));
            let process = Process::of(status.pid);
            return Answer::Running(Running { status, process });
        }
        Ok(other) => {
            topic.warning(
                format!("control socket {at}: another answer than to who: {other:?}"),
                "systemctl restart forkftpd",
            );
        }
        Err(error) => {
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    topic.ok(format!("no server answers at {at}"));
                }
                ErrorKind::PermissionDenied => {
                    use std::os::unix::fs::MetadataExt as _;
                    topic.hint(
                    format!("control socket {at}: permission denied, so that the running server was not asked"),
                    "sudo forkftpd doctor",
                );
                    // The listener's user made it.
                    let owner = std::fs::metadata(&socket).map_or(0, |facts| facts.uid());
                    return Answer::Hidden(owner);
                }
                ErrorKind::WouldBlock | ErrorKind::TimedOut => topic.warning(
                    format!("control socket {at}: a server is there and does not answer"),
                    "systemctl restart forkftpd",
                ),
                _ => topic.note(format!("control socket {at}: {error}")),
            }
        }
    }
    Answer::Nobody
}

/// Who starts the server. Root looks at one whose configuration names no user, since another user starts it, or since a flag named
/// them: that user is written into the flags. None when that is wrong.
fn starter(
    flags: &mut Flags,
    running: Option<&Running>,
    topic: &mut Topic<'_>,
) -> Option<Option<u32>> {
    let listener = running.and_then(|running| running.process.user());
    let listener = listener.map(|(uid, _)| uid);
    let named = flags.user.is_some()
        || Config::user_of(flags.file.as_deref()).is_ok_and(|user| user.is_some());
    if !privs::is_root() {
        return Some(listener);
    }
    let serves = match (listener, running) {
        (Some(0), Some(running)) if !named => servants(running),
        (Some(0), _) => None,
        (Some(uid), _) => Some(uid),
        (None, _) if named => None,
        (None, _) => {
            let usual = privs::user_id(USUAL_USER);
            if usual.is_some() {
                topic.note(format!(
                    "the configuration names no user: looked at as for a unit with User={USUAL_USER}"
                ));
            }
            usual
        }
    };
    if let Some(uid) = serves {
        let Some(name) = machine::user_name(uid) else {
            topic.problem(format!(
                "the server is uid {uid}, and this machine has no such user: make it with useradd"
            ));
            return None;
        };
        flags.user = Some(name);
    }
    Some(Some(match (listener, serves) {
        (Some(uid), _) => uid,
        // Planned for a unit that starts it as that user.
        (None, Some(uid)) => uid,
        (None, None) => 0,
    }))
}

/// The user whom a listener that is root has for its children.
fn servants(running: &Running) -> Option<u32> {
    let children = running.process.children().into_iter();
    let mut users = children.filter_map(|pid| Process::of(pid).user());
    users.find(|(uid, _)| *uid != 0).map(|(uid, _)| uid)
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
