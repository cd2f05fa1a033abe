//! Commands of the operator: who may have them run, what they are when they run, and that nothing of them is left at whatever end.

use super::peer::{Frame, Peer, request};
use super::server::{PATIENCE, Server, configure, eventually, refusal_of, run, write_users};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

const LISTEN: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n";

/// The keys of a command that is this script. What it starts carries `marker` in its command line.
struct Script<'a> {
    name: &'a str,
    text: &'a str,
    keys: &'a str,
}

fn script<'a>(name: &'a str, text: &'a str, keys: &'a str) -> Script<'a> {
    Script { name, text, keys }
}

/// A time to sleep that stands in the command line of what a test starts, and of nothing else.
fn marker() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("1000.{:08}{number:03}", std::process::id())
}

/// Processes whose command line has `marker` in it, but this one's.
fn marked(marker: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    })
    .collect()
}

fn nothing_left(marker: &str) {
    eventually("nothing of it is left", || marked(marker).is_empty());
}

fn user_key() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "user = \"nobody\"\n"
    } else {
        ""
    }
}

/// The tables of these scripts, which are written into `folder`.
fn tables(folder: &Path, scripts: &[Script<'_>]) -> String {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("chmod");
    let mut text = String::new();
    for script in scripts {
        let path: PathBuf = folder.join(format!("{}.sh", script.name));
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", script.text)).expect("script");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("chmod");
        text += &format!(
            "[[command]]\nname = {:?}\nrun = [{:?}]\n{}{}\n",
            script.name,
            path.display().to_string(),
            user_key(),
            script.keys,
        );
    }
    text
}

/// A server with these scripts, that all may have run who do not log in.
struct Commands {
    server: Server,
    scripts: tempfile::TempDir,
}

fn serve(above: &str, scripts: &[Script<'_>]) -> Commands {
    let folder = tempfile::tempdir().expect("folder");
    let names: Vec<_> = scripts.iter().map(|script| script.name).collect();
    let config = format!(
        "{above}{LISTEN}login = \"none\"\n[anonymous]\nrights = [\"list\"]\ncommands = {names:?}\n{}",
        tables(folder.path(), scripts)
    );
    Commands {
        server: Server::configured(&config, &[], |_| ()),
        scripts: folder,
    }
}

/// All output of a command that `peer` has asked for, and the frame that ends it.
fn output(peer: &mut Peer) -> (Vec<u8>, Frame) {
    let mut all = Vec::new();
    loop {
        let frame = peer.next().expect("a frame");
        match frame.letter {
            'D' => all.extend(frame.payload),
            _ => return (all, frame),
        }
    }
}

fn ordered(peer: &mut Peer, name: &str) -> (String, Value) {
    peer.send(&request('X', &json!({"name": name})));
    let (said, end) = output(peer);
    assert_eq!(end.letter, 'Z', "{end:?} after {said:?}");
    (String::from_utf8(said).expect("text"), end.json())
}

/// Asks for a command, and waits for the first of its output.
fn begun(peer: &mut Peer, name: &str) {
    peer.send(&request('X', &json!({"name": name})));
    while peer.expect('D').payload.is_empty() {}
}

#[test]
fn a_command_is_run_for_who_may_and_for_nobody_else() {
    let folder = tempfile::tempdir().expect("folder");
    let config = format!(
        "{LISTEN}login = \"optional\"\n[anonymous]\nrights = [\"list\"]\n{}",
        tables(
            folder.path(),
            &[
                script(
                    "hello",
                    "echo to all; echo and errors >&2",
                    "description = \"says it\"\n"
                ),
                script("other", "echo never", ""),
            ]
        )
    );
    let keys = "rights = [\"list\"]\ncommands = [\"hello\"]\n";
    let none = "rights = [\"list\"]\n";
    let users = [("anna", "pencil", keys), ("ben", "pencil", none)];
    let server = Server::configured(&config, &users, |_| ());

    let mut anna = Peer::connect(&server);
    anna.log_in("anna", "pencil");
    let listed = anna.ask('X', &json!({}));
    assert_eq!(
        listed.json(),
        json!({"commands": [{"name": "hello", "description": "says it"}]})
    );
    let (said, end) = ordered(&mut anna, "hello");
    assert_eq!(
        (said.as_str(), end),
        ("to all\nand errors\n", json!({"exit": 0}))
    );
    let begins = server.wait_for("command begins");
    assert!(begins.contains(" session="), "{begins}");
    assert!(
        begins.contains("user=anna") && begins.contains("command=hello"),
        "{begins}"
    );
    let ended = server.wait_for("command ended");
    for part in [
        "user=anna",
        "command=hello",
        "outcome=\"exit 0\"",
        "seconds=0.",
        "bytes=18",
    ] {
        assert!(ended.contains(part), "{part}: {ended}");
    }
    for denied in ["other", "absent", "", "/bin/sh", "hello "] {
        assert_eq!(anna.ask('X', &json!({"name": denied})).code(), "denied");
    }
    server.wait_for("refused=denied");
    assert_eq!(
        anna.ask('X', &json!({"name": "hello", "run": ["/bin/sh"]}))
            .code(),
        "request"
    );
    // The session goes on.
    assert_eq!(ordered(&mut anna, "hello").1, json!({"exit": 0}));

    let mut ben = Peer::connect(&server);
    ben.log_in("ben", "pencil");
    assert_eq!(ben.ask('X', &json!({})).json(), json!({"commands": []}));
    assert_eq!(ben.ask('X', &json!({"name": "hello"})).code(), "denied");
    let mut nobody = Peer::connect(&server);
    assert_eq!(nobody.ask('X', &json!({"name": "hello"})).code(), "denied");

    // A right that is taken away is gone at once, for those who are in, too.
    write_users(
        server.folder(),
        &[("anna", "pencil", none), ("ben", "pencil", keys)],
    );
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    assert_eq!(anna.ask('X', &json!({"name": "hello"})).code(), "denied");
    assert_eq!(ordered(&mut ben, "hello").1, json!({"exit": 0}));
}

#[test]
fn what_runs_has_nothing_of_the_server() {
    let probe = "env | sort; echo; ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> \\([^0-9]*\\).*/\\1 \\2/p'; echo
         pwd; umask; id -u; id -G; grep -E '^(CapEff|CapBnd|NoNewPrivs|SigIgn|SigBlk)' /proc/self/status
         read -r pid name state parent group session rest </proc/self/stat; echo $session; echo $pid
         ulimit -c; ulimit -n; nice; read x; echo \"read $x\"";
    let commands = serve("", &[script("probe", probe, "")]);
    let mut peer = Peer::connect(&commands.server);
    let (said, end) = ordered(&mut peer, "probe");
    assert_eq!(end, json!({"exit": 0}), "{said}");
    let parts: Vec<&str> = said.split("\n\n").collect();
    let [environment, descriptors, rest] = parts[..] else {
        panic!("{said}")
    };
    // PWD and the like are the shell's own.
    let environment: Vec<_> = environment
        .lines()
        .filter(|line| {
            !["PWD=", "_=", "SHLVL=", "OLDPWD="]
                .iter()
                .any(|own| line.starts_with(own))
        })
        .collect();
    assert_eq!(
        environment,
        [
            "FORKFTP_PEER=127.0.0.1",
            "HOME=/",
            "LANG=C.UTF-8",
            "PATH=/usr/bin:/bin"
        ]
    );
    // The last is the folder that ls reads; its output goes to sed.
    let open: Vec<_> = descriptors.lines().collect();
    assert_eq!(open, ["0 /dev/null", "1 pipe:[", "2 pipe:[", "3 /proc/"]);
    let rest: Vec<_> = rest.lines().collect();
    assert_eq!(rest[..2], ["/", "0077"]);
    let uid = if nix::unistd::geteuid().is_root() {
        nix::unistd::User::from_name("nobody")
            .expect("users")
            .expect("nobody")
            .uid
    } else {
        nix::unistd::geteuid()
    };
    assert_eq!(rest[2], uid.to_string());
    if nix::unistd::geteuid().is_root() {
        assert_eq!(rest[3].split_whitespace().count(), 1, "{said}");
        assert!(rest.contains(&"CapBnd:\t0000000000000000"), "{said}");
    }
    for line in [
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
    ] {
        assert!(rest.contains(&line), "{line}: {said}");
    }
    let [.., sid, pid, core, files, nice, read] = rest[..] else {
        panic!("{said}")
    };
    assert_eq!(sid, pid, "a session of its own: {said}");
    assert_eq!((core, nice, read), ("0", "10", "read "));
    assert!(
        files.parse::<u32>().is_ok_and(|files| files <= 1024),
        "{said}"
    );
}

#[test]
fn ends_are_told_apart() {
    let marker = marker();
    let commands = serve(
        "",
        &[
            script("fails", "exit 7", ""),
            script("dies", "kill -9 $$", ""),
            script(
                "floods",
                &format!("yes {marker}"),
                "most_output = \"100 KiB\"\n",
            ),
            script(
                "hangs",
                &format!("echo on; sleep {marker}"),
                "seconds = 1\n",
            ),
            script("missing", "true", ""),
        ],
    );
    let mut peer = Peer::connect(&commands.server);
    assert_eq!(
        ordered(&mut peer, "fails"),
        (String::new(), json!({"exit": 7}))
    );
    assert_eq!(
        ordered(&mut peer, "dies"),
        (String::new(), json!({"signal": 9}))
    );
    let (said, end) = ordered(&mut peer, "floods");
    assert_eq!((said.len(), end), (100 << 10, json!({"ended": "output"})));
    let began = Instant::now();
    assert_eq!(
        ordered(&mut peer, "hangs"),
        ("on\n".into(), json!({"ended": "time"}))
    );
    assert!(began.elapsed() < PATIENCE / 2);
    std::fs::remove_file(commands.scripts.path().join("missing.sh")).expect("remove");
    assert_eq!(peer.ask('X', &json!({"name": "missing"})).code(), "io");
    nothing_left(&marker);
}

#[test]
fn nothing_that_was_started_gets_away() {
    let marker = marker();
    // Twice forked, in sessions of their own, with nobody's output; one of them also deaf to what can be refused.
    let escape = format!(
        "for n in 1 2 3; do
           setsid sh -c 'trap \"\" TERM HUP INT; (setsid sh -c \"while :; do sleep {marker}; done\" &) ; exit 0' >/dev/null 2>&1 </dev/null &
         done; wait; echo started"
    );
    let hang = format!("{escape}; sleep {marker}");
    let commands = serve(
        "",
        &[
            script("leaves", &escape, ""),
            script("hangs", &hang, "seconds = 600\n"),
            script(
                "bomb",
                &format!("echo on; f() {{ f | f & }}; f; sleep {marker}"),
                "seconds = 2\nprocesses = 20\n",
            ),
        ],
    );
    let mut peer = Peer::connect(&commands.server);
    assert_eq!(
        ordered(&mut peer, "leaves"),
        ("started\n".into(), json!({"exit": 0}))
    );
    assert_eq!(marked(&marker), [0; 0], "they live when the end is told");
    // The client hangs up, or only half of it.
    begun(&mut peer, "hangs");
    eventually("it has started all", || marked(&marker).len() >= 4);
    drop(peer);
    nothing_left(&marker);
    commands.server.wait_for("outcome=gone");
    let mut peer = Peer::connect(&commands.server);
    begun(&mut peer, "hangs");
    peer.socket
        .shutdown(std::net::Shutdown::Write)
        .expect("shutdown");
    nothing_left(&marker);
    // Its child is killed.
    let mut peer = Peer::connect(&commands.server);
    begun(&mut peer, "hangs");
    for child in commands.server.children() {
        kill(Pid::from_raw(child as i32), Signal::SIGKILL).expect("kill");
    }
    nothing_left(&marker);
    // It forks as fast as it can.
    let mut peer = Peer::connect(&commands.server);
    peer.send(&request('X', &json!({"name": "bomb"})));
    let (_, end) = output(&mut peer);
    assert_eq!(end.json(), json!({"ended": "time"}));
    nothing_left(&marker);
}

#[test]
fn a_runner_that_dies_takes_all_with_it_and_another_takes_its_place() {
    let marker = marker();
    let commands = serve(
        "",
        &[script(
            "hangs",
            &format!("setsid sleep {marker} & echo on; sleep {marker}"),
            "",
        )],
    );
    let server = &commands.server;
    let runner = || server.offspring("forkftpd:runner");
    eventually("there is one", || runner().len() == 1);
    let first = runner()[0];
    let mut peer = Peer::connect(server);
    begun(&mut peer, "hangs");
    eventually("both sleep", || marked(&marker).len() >= 2);
    kill(Pid::from_raw(first as i32), Signal::SIGKILL).expect("kill");
    let (_, end) = output(&mut peer);
    assert_eq!(end.code(), "io");
    nothing_left(&marker);
    server.wait_for("the runner is gone, and is started again");
    server.wait_for("kept_by=");
    eventually("there is another", || {
        runner().first().is_some_and(|pid| *pid != first)
    });
    // The session goes on, and so does the service.
    begun(&mut peer, "hangs");
    drop(peer);
    nothing_left(&marker);
}

#[test]
fn a_supervisor_that_is_killed_leaves_nothing() {
    let marker = marker();
    let text = format!("(setsid sh -c 'sleep {marker}' &) ; echo on; sleep {marker}");
    let commands = serve("", &[script("hangs", &text, "")]);
    let server = &commands.server;
    let mut peer = Peer::connect(server);
    begun(&mut peer, "hangs");
    eventually("it runs", || !marked(&marker).is_empty());
    let begins = server.wait_for("command begins");
    let pid = begins.split("supervisor=").nth(1).expect("pid");
    let pid = pid.split_whitespace().next().expect("pid");
    kill(Pid::from_raw(pid.parse().expect("pid")), Signal::SIGKILL).expect("kill");
    let (_, end) = output(&mut peer);
    assert_eq!(end.code(), "io");
    nothing_left(&marker);
    assert_eq!(server.offspring("forkftpd:runner").len(), 1);
    assert_eq!(peer.ask('X', &json!({})).letter, 'K');
}

#[test]
fn a_quiet_command_is_no_stalled_client_and_requests_behind_it_wait() {
    let commands = serve(
        "stall_seconds = 1\nidle_seconds = 1\n",
        &[script("quiet", "sleep 5; echo at last", "")],
    );
    let mut peer = Peer::connect(&commands.server);
    // With what comes behind it, in one write.
    let mut sent = request('X', &json!({"name": "quiet"}));
    sent.extend(request('N', &json!({})));
    peer.send(&sent);
    let (said, end) = output(&mut peer);
    assert_eq!(
        (said, end.json()),
        (b"at last\n".to_vec(), json!({"exit": 0}))
    );
    assert_eq!(peer.next().expect("echo").letter, 'N');
}

#[test]
fn so_many_run_at_once_and_no_more() {
    let marker = marker();
    let commands = serve(
        "most_commands = 2\n",
        &[script("hangs", &format!("echo on; sleep {marker}"), "")],
    );
    let server = &commands.server;
    let mut peers: Vec<_> = (0..3).map(|_| Peer::connect(server)).collect();
    begun(&mut peers[0], "hangs");
    begun(&mut peers[1], "hangs");
    assert_eq!(
        peers[2].ask('X', &json!({"name": "hangs"})).code(),
        "in-use"
    );
    drop(peers.remove(0));
    server.wait_for("command ended");
    server.wait_for("outcome=gone");
    begun(&mut peers[1], "hangs");
    drop(peers);
    nothing_left(&marker);
}

#[test]
fn a_server_that_ends_lets_a_command_finish_and_kills_it_in_the_end() {
    let marker = marker();
    let finishes =
        "echo on; while ! test -e \"$(dirname \"$0\")/go\"; do sleep 0.05; done; echo done";
    let commands = serve(
        "drain_seconds = 2\n",
        &[
            script("finishes", finishes, ""),
            script("hangs", &format!("echo on; sleep {marker}"), ""),
        ],
    );
    let mut finishes = Peer::connect(&commands.server);
    begun(&mut finishes, "finishes");
    let mut hangs = Peer::connect(&commands.server);
    begun(&mut hangs, "hangs");
    commands.server.signal(Signal::SIGTERM);
    commands.server.wait_for("draining");
    std::fs::write(commands.scripts.path().join("go"), "").expect("write");
    let (said, end) = output(&mut finishes);
    assert_eq!((said, end.json()), (b"done\n".to_vec(), json!({"exit": 0})));
    assert_eq!(finishes.next().expect("last word").code(), "closing");
    let runner = commands.server.offspring("forkftpd:runner");
    assert_eq!(commands.server.wait(), Some(0));
    nothing_left(&marker);
    for pid in runner {
        eventually("the runner ends", || {
            !std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "forkftpd:runner")
        });
    }
}

#[test]
fn a_reload_brings_other_commands_and_lets_what_runs_finish() {
    let finishes =
        "echo on; while ! test -e \"$(dirname \"$0\")/go\"; do sleep 0.05; done; echo done";
    let commands = serve("", &[script("old", finishes, "")]);
    let server = &commands.server;
    let mut runs = Peer::connect(server);
    begun(&mut runs, "old");
    let before = server.offspring("forkftpd:runner");
    let file = server.folder().join("forkftpd.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let added = tables(commands.scripts.path(), &[script("new", "echo new", "")]);
    let text = text.replace("commands = [\"old\"]", "commands = [\"new\"]") + &added;
    std::fs::write(&file, text).expect("write");
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    let mut other = Peer::connect(server);
    assert_eq!(other.ask('X', &json!({"name": "old"})).code(), "denied");
    assert_eq!(
        ordered(&mut other, "new"),
        ("new\n".into(), json!({"exit": 0}))
    );
    std::fs::write(commands.scripts.path().join("go"), "").expect("write");
    let (said, end) = output(&mut runs);
    assert_eq!((said, end.json()), (b"done\n".to_vec(), json!({"exit": 0})));
    eventually("the old one ends", || {
        let now = server.offspring("forkftpd:runner");
        now.len() == 1 && now != before
    });
    // Broken, it changes nothing.
    let text = std::fs::read_to_string(&file).expect("read");
    let broken = text.replace("commands = [\"new\"]", "commands = [\"new\", \"moon\"]");
    std::fs::write(&file, broken).expect("write");
    server.signal(Signal::SIGHUP);
    let said = server.wait_for("configuration not reloaded");
    assert!(said.contains("moon"), "{said}");
    assert_eq!(ordered(&mut other, "new").1, json!({"exit": 0}));
    // And none at all is no runner.
    let from = text.find("[[command]]").expect("command");
    let without = text[..from].replace("commands = [\"new\"]", "commands = []");
    std::fs::write(&file, without).expect("write");
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    eventually("no runner is left", || {
        server.offspring("forkftpd:runner").is_empty()
    });
    assert_eq!(other.ask('X', &json!({"name": "new"})).code(), "denied");
}

#[test]
fn a_broker_that_died_is_given_the_runner_again() {
    let commands = serve("", &[script("hello", "echo hello", "")]);
    let server = &commands.server;
    let [broker] = server.offspring("forkftpd:broker")[..] else {
        panic!("no broker")
    };
    kill(Pid::from_raw(broker as i32), Signal::SIGKILL).expect("kill");
    server.wait_for("the broker is gone, and is started again");
    eventually("there is another", || {
        server
            .offspring("forkftpd:broker")
            .first()
            .is_some_and(|pid| *pid != broker)
    });
    let mut peer = Peer::connect(server);
    assert_eq!(ordered(&mut peer, "hello").0, "hello\n");
    assert_eq!(server.offspring("forkftpd:runner").len(), 1);
}

#[test]
fn a_user_with_a_command_that_there_is_not_lets_nothing_start() {
    let folder = tempfile::tempdir().expect("folder");
    let users = [("anna", "pencil", "rights = []\ncommands = [\"moon\"]\n")];
    let command = configure(folder.path(), LISTEN, &users, |_| ());
    let config = folder.path().join("forkftpd.toml");
    let said = refusal_of(command);
    assert!(
        said.contains("users.toml:4: ") && said.contains("moon"),
        "{said}"
    );
    let (code, said) = run(&["check", "--config", config.to_str().expect("path")]);
    assert!(code == Some(1) && said.contains("users.toml:4: "), "{said}");
}

#[test]
fn check_shows_commands() {
    let commands = serve("", &[script("hello", "echo hello", "seconds = 7\n")]);
    let config = commands.server.folder().join("forkftpd.toml");
    let (code, said) = run(&["check", "--config", config.to_str().expect("path")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("  hello: ") && said.contains("7 s, 1 MiB of output"),
        "{said}"
    );
    let fence = if nix::unistd::geteuid().is_root() {
        "a pid namespace"
    } else {
        "a subreaper"
    };
    assert!(said.contains(fence), "{said}");
}
