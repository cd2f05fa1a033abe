//! What the server tells its service manager (sd_notify(3)).

use super::super::peer::{Peer, request};
use super::super::server::{Server, configure, eventually};
use super::super::walls::{is_root, skip};
use super::manager::Manager;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

const CONFIG: &str = "drain_seconds = 7\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\nlogin = \"none\"\n";

fn started(watchdog: Option<&str>) -> (Server, Manager) {
    let folder = tempfile::tempdir().expect("scratch folder");
    let manager = Manager::new(folder.path());
    let mut command = configure(folder.path(), CONFIG, &[], |_| ());
    command.env("NOTIFY_SOCKET", manager.path());
    if let Some(micros) = watchdog {
        command.env("WATCHDOG_USEC", micros);
    }
    (Server::commanded(command, folder, 1), manager)
}

#[test]
fn the_manager_hears_of_a_server_from_its_start_to_its_end() {
    let (server, manager) = started(None);
    assert_eq!(manager.hear(), "READY=1", "the first word");
    manager.wait_for_status("STATUS=0 clients, 0 transfers busy; 0 since start");
    let mut peer = Peer::connect(&server);
    peer.list(&json!({"path": ""}));
    manager.wait_for_status("STATUS=1 client, 0 transfers busy; 1 since start");

    // The broker does not have its address. Of a child, which was forked, the listener's own copy would be seen.
    assert_eq!(server.children().len(), 1);
    for pid in server.offspring("forkftpd:broker") {
        match std::fs::read(format!("/proc/{pid}/environ")) {
            Ok(environment) => {
                let text = String::from_utf8_lossy(&environment);
                assert!(!text.contains("NOTIFY_SOCKET"), "{text}");
            }
            // It hides its memory, from all but root.
            Err(error) if !is_root() => {
                skip(&format!("the environment of the broker: {error}"));
            }
            Err(error) => panic!("environ: {error}"),
        }
    }

    server.signal(Signal::SIGHUP);
    let reloading = manager.wait_for("RELOADING=1");
    let micros = reloading
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(
        micros.is_some_and(|micros| micros.parse::<u64>().is_ok()),
        "{reloading}"
    );
    manager.wait_for("READY=1");
    // What is broken changes nothing, and the manager does not wait for ever.
    let file = server.folder().join("forkftpd.toml");
    std::fs::write(file, "no configuration").expect("write");
    server.signal(Signal::SIGHUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");

    server.signal(Signal::SIGTERM);
    let stopping = manager.wait_for("STOPPING=1");
    assert!(
        stopping.contains("EXTEND_TIMEOUT_USEC=17000000"),
        "{stopping}"
    );
    peer.next();
    drop(peer);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn an_end_that_takes_its_time_is_counted_down() {
    let (server, manager) = started(None);
    // In the middle of an upload: it is waited for.
    let mut peer = Peer::connect(&server);
    peer.send(&request('P', &json!({"path": "file", "size": 10})));
    manager.wait_for_status("STATUS=1 client, 1 transfer busy; ");
    server.signal(Signal::SIGTERM);
    manager.wait_for_status("STATUS=draining 1, ");
    drop(peer);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn the_watchdog_hears_of_the_broker_too() {
    let (server, manager) = started(Some("600000"));
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    let broker = server.offspring("forkftpd:broker");
    let broker = Pid::from_raw(broker[0] as i32);
    kill(broker, Signal::SIGSTOP).expect("stop");
    server.wait_for("the broker does not answer");
    manager.rest();
    // The loop goes on all the same.
    let waiting = std::net::TcpStream::connect(&server.address).expect("connect");
    manager.wait_for_status("1 client, ");
    assert!(!manager.rest().iter().any(|word| word.contains("WATCHDOG")));
    kill(broker, Signal::SIGCONT).expect("continue");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    drop(waiting);

    // One that is gone is started again, and that is no reason to be silent.
    kill(broker, Signal::SIGKILL).expect("kill");
    server.wait_for("the broker is gone");
    eventually("another one", || {
        server.offspring("forkftpd:broker").len() == 1
    });
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let manager = Manager::new(folder.path());
    let mut command = configure(folder.path(), CONFIG, &[], |_| ());
    command.env("NOTIFY_SOCKET", manager.path());
    command
        .env("WATCHDOG_USEC", "2000")
        .env("WATCHDOG_PID", "1");
    let server = Server::commanded(command, folder, 1);
    manager.wait_for("READY=1");
    manager.wait_for_status("STATUS=0 clients");
    let peer = Peer::connect(&server);
    // A second and more later.
    manager.wait_for_status("STATUS=1 client");
    drop(peer);
    manager.wait_for_status("STATUS=0 clients");
    assert!(!manager.rest().iter().any(|word| word.contains("WATCHDOG")));
}
