//! Hooks: each upload that shows is told to its program, whatever dies in between, and no other is; the client waits for none of it.

use super::http::client::Http;
use super::parity::client::Ftp;
use super::peer::{Peer, blake3, frame, noise, put, request};
use super::server::{Server, eventually, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// Waits for `go` where there is a file `wait`, fails where there is a file `fail`; says what it read before and that it has ended after.
const SCRIPT: &str = r#"#!/bin/sh
record=$(cat)
printf 'begin %s\n' "$record" >>"$1/log"
while [ -e "$1/wait" ]; do sleep 0.02; done
if [ -e "$1/fail" ]; then echo "this was no good"; exit 3; fi
printf 'end %s\n' "$record" >>"$1/log"
"#;

/// A server with a hook for what is put below `in`, and a place for each protocol.
struct Hooked {
    server: Server,
    /// The script, its folder `out`, and the spool.
    beside: tempfile::TempDir,
}

impl Hooked {
    fn new(script: &str, keys: &str) -> Hooked {
        let beside = tempfile::tempdir().expect("folder");
        let at = beside.path();
        let set = |path: &PathBuf, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
        };
        let (program, out) = (at.join("hook"), at.join("out"));
        std::fs::write(&program, script).expect("script");
        std::fs::create_dir(&out).expect("folder");
        for (path, mode) in [(&at.to_owned(), 0o755), (&program, 0o755), (&out, 0o777)] {
            set(path, mode);
        }
        let user = match nix::unistd::geteuid().is_root() {
            true => "user = \"nobody\"",
            false => "",
        };
        let spool = at.join("spool");
        let listen = |keys: &str| format!("[[listen]]\naddress = \"127.0.0.1:0\"\n{keys}\n");
        let config = format!(
            "durability = \"none\"\nkeep_free = 0\nspool_folder = {spool:?}\n[[hook]]\nname = \"note\"\nrun = [{program:?}, {out:?}]\n{user}\n{keys}\n{}{}{}",
            listen("proof = \"none\""),
            listen("protocol = \"ftp\"\ntls = \"off\""),
            listen("protocol = \"http\"\ntls = \"off\""),
        );
        let rights = "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"mkdir\"]";
        let server = Server::configured(&config, &[("all", "pencil", rights)], |library| {
            std::fs::create_dir(library.join("in")).expect("folder");
        });
        Hooked { server, beside }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.beside.path().join("out").join(name)
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.out(name), "").expect("write");
    }

    fn clear(&self, name: &str) {
        std::fs::remove_file(self.out(name)).expect("remove");
    }

    /// What was read by programs that began, or that ended well.
    fn records(&self, what: &str) -> Vec<Value> {
        let log = std::fs::read_to_string(self.out("log")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| line.strip_prefix(what));
        lines
            .map(|line| serde_json::from_str(line).expect("a record"))
            .collect()
    }

    fn paths(&self, what: &str) -> Vec<String> {
        let records = self.records(what);
        let path = |record: &Value| record["path"].as_str().expect("path").to_owned();
        records.iter().map(path).collect()
    }

    fn drive(&self) -> Peer {
        let mut peer = Peer::connect_to(&self.server.addresses[0]);
        assert_eq!(peer.log_in("all", "pencil").letter, 'K');
        peer
    }

    fn ftp(&self) -> Ftp {
        Ftp::enter(&self.server.addresses[1], "all")
    }

    /// Entries of a folder of the spool.
    fn spooled(&self, what: &str) -> usize {
        let folder = self.beside.path().join("spool").join(what);
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    /// The words of `forkftpd hooks`.
    fn hooks(&self, words: &[&str]) -> String {
        let spool = self.beside.path().join("spool").display().to_string();
        let all = [&["hooks", "--spool-folder", &spool], words].concat();
        let (code, said) = run(&all);
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// All its processes, also those that it does not know of.
    fn kill_all(&self) {
        let names = ["forkftpd:broker", "forkftpd:runner"];
        let others = names.iter().flat_map(|name| self.server.offspring(name));
        let all: Vec<_> = others.chain(self.server.children()).collect();
        assert!(all.len() >= 2, "{all:?}");
        self.server.signal(Signal::SIGKILL);
        for pid in all {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

#[test]
fn a_hook_is_told_of_what_is_stored_by_whatever_protocol_and_of_nothing_else() {
    let h = Hooked::new(SCRIPT, "folder = \"in\"");
    let content = noise(70_000, 1);
    let mut peer = h.drive();
    for path in ["in/by drive", "elsewhere"] {
        peer.send(&put(json!({"path": path}), &content));
        peer.expect('K');
    }
    let mut ftp = h.ftp();
    let stored = ftp.store("STOR in/ftp", &content);
    assert_eq!(stored.code, 226, "{stored:?}");
    assert_eq!(ftp.store("STOR other", &content).code, 226);
    let mut http = Http::of(&h.server.addresses[2], "all");
    let told = http.pass(
        "PUT",
        "/in/%FF%25",
        "Accept: application/json\r\n",
        &content,
    );
    assert_eq!(told.code, 201, "{told:?}");
    let told = told.json();
    // Refused: nothing of it shows.
    peer.send(&put(json!({"path": "in/ftp"}), &content));
    assert_eq!(peer.refusal(), "exists");
    eventually("all are told", || h.records("end ").len() == 3);
    let mut records = h.records("end ");
    records.sort_by_key(|record| record["face"].to_string());
    let library = h.server.library().canonicalize().expect("library");
    for (record, (face, path)) in records.iter().zip([
        ("drive", "in/by drive"),
        ("ftp", "in/ftp"),
        ("http", "in/%FF%25"),
    ]) {
        assert_eq!(
            (&record["face"], &record["path"]),
            (&json!(face), &json!(path))
        );
        assert_eq!(record["hook"], "note");
        assert_eq!(record["size"], content.len());
        assert_eq!(record["user"], "all");
        assert_eq!(record["address"], "127.0.0.1");
        assert_eq!(record["id"].as_str().map(str::len), Some(16), "{record}");
        let time = record["time"].as_str().expect("time");
        assert!(time.ends_with('Z') && time.len() == 24, "{time}");
        match face {
            // What is no UTF-8 has no name in JSON.
            "http" => assert_eq!(record["file"], Value::Null),
            _ => assert_eq!(record["file"], json!(library.join(path))),
        }
    }
    assert_eq!(records[0]["blake3"], blake3(&content));
    assert_eq!(records[1]["sha256"], records[2]["sha256"]);
    assert!(
        stored
            .text()
            .contains(records[1]["sha256"].as_str().expect("digest"))
    );
    assert!(
        stored
            .text()
            .contains(records[1]["id"].as_str().expect("id"))
    );
    assert_eq!(
        (&records[2]["sha256"], &records[2]["id"]),
        (&told["sha256"], &told["id"])
    );
    eventually("nothing is left to do", || h.spooled("jobs") == 0);
    assert_eq!((h.spooled("intents"), h.spooled("failed")), (0, 0));
    assert_eq!(h.hooks(&[]), "");
}

#[test]
fn an_upload_does_not_wait_for_its_hook_which_outlives_all_processes() {
    let mut h = Hooked::new(SCRIPT, "folder = \"in\"");
    h.touch("wait");
    let mut peer = h.drive();
    for path in ["in/a", "in/b", "in/a"] {
        peer.send(&put(
            json!({"path": path, "overwrite": true}),
            path.as_bytes(),
        ));
        peer.expect('K');
    }
    eventually("those of two files run", || h.paths("begin ").len() == 2);
    let listed = h.hooks(&["list"]);
    assert_eq!(listed.matches("\twaits\tnote\t").count(), 3, "{listed}");
    assert!(h.records("end ").is_empty());
    // A runner that dies is started again, and the hooks that it ran are run again.
    let runner = h.server.offspring("forkftpd:runner");
    kill(Pid::from_raw(runner[0] as i32), Signal::SIGKILL).expect("kill");
    eventually("they run again", || h.paths("begin ").len() == 4);
    peer.send(&put(json!({"path": "in/c"}), b"content"));
    peer.expect('K');
    eventually("the new one hears of uploads", || {
        h.paths("begin ").len() == 5
    });
    h.kill_all();
    h.server.restart_after_death();
    eventually("they run again", || h.paths("begin ").len() == 8);
    h.clear("wait");
    eventually("all have run", || h.paths("end ").len() == 4);
    let mut ended = h.paths("end ");
    ended.sort();
    assert_eq!(ended, ["in/a", "in/a", "in/b", "in/c"]);
    eventually("nothing is left to do", || h.spooled("jobs") == 0);
}

#[test]
fn a_hook_that_fails_is_tried_again_later_and_nothing_overtakes_it() {
    let h = Hooked::new(SCRIPT, "folder = \"in\"\nretry_seconds = 1\ntries = 2");
    h.touch("fail");
    let mut peer = h.drive();
    for content in ["first", "second"] {
        peer.send(&put(
            json!({"path": "in/a", "overwrite": true}),
            content.as_bytes(),
        ));
        peer.expect('K');
    }
    let sizes = |what: &str| -> Vec<u64> {
        let records = h.records(what);
        records
            .iter()
            .map(|record| record["size"].as_u64().expect("size"))
            .collect()
    };
    eventually("it was given up", || h.spooled("failed") == 1);
    assert_eq!(
        sizes("begin ")[..2],
        [5, 5],
        "the second overtook the first"
    );
    h.clear("fail");
    eventually("the second has its turn", || sizes("end ") == [6]);
    let listed = h.hooks(&["list", "--json"]);
    let failed: Value = serde_json::from_str(listed.trim()).expect("one job");
    assert_eq!(
        (&failed["state"], &failed["tries"]),
        (&json!("failed"), &json!(2))
    );
    assert_eq!(
        (&failed["outcome"], &failed["path"]),
        (&json!("exit 3"), &json!("in/a"))
    );
    assert_eq!(failed["output"], "this was no good\n");
    let job = failed["job"].as_str().expect("job");
    h.hooks(&["retry", job]);
    eventually("it ends well by hand", || sizes("end ") == [6, 5]);
    eventually("nothing is left to do", || h.spooled("jobs") == 0);
    let (code, said) = run(&["hooks", "--spool-folder", "/nowhere"]);
    assert!(code == Some(1) && said.contains("no spool"), "{said}");
}

#[test]
fn a_hook_that_hangs_forks_and_floods_is_ended_with_all_that_came_of_it() {
    let marker = format!("4711.{}", std::process::id());
    let script = format!("#!/bin/sh\n(sleep {marker} &)\nsetsid sleep {marker} &\nexec yes\n");
    let h = Hooked::new(&script, "seconds = 1\ntries = 1\nmost_output = \"64 KiB\"");
    let mut peer = h.drive();
    peer.send(&put(json!({"path": "file"}), b"content"));
    peer.expect('K');
    eventually("it was given up", || h.spooled("failed") == 1);
    let listed = h.hooks(&[]);
    assert!(
        listed.contains("last: \"time\"") || listed.contains("last: time"),
        "{listed}"
    );
    let lives = || {
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
        all.filter_map(line)
            .any(|line| String::from_utf8_lossy(&line).contains(&marker))
    };
    eventually("nothing of it lives", || !lives());
    let job = listed.split('\t').next().expect("job");
    h.hooks(&["drop", job]);
    assert_eq!((h.spooled("failed"), h.hooks(&[])), (0, String::new()));
}

#[test]
fn what_is_cut_or_cannot_be_noted_is_told_to_nobody_and_does_not_show() {
    let h = Hooked::new(SCRIPT, "folder = \"in\"");
    let mut ftp = h.ftp();
    let mut data = ftp.begin("STOR in/cut").expect("data");
    std::io::Write::write_all(&mut data, &[1; 1000]).expect("send");
    drop(ftp);
    drop(data);
    let mut peer = h.drive();
    peer.send(&request('P', &json!({"path": "in/cut too"})));
    peer.send(&frame('D', b"half"));
    drop(peer);
    eventually("both are gone", || h.server.children().is_empty());
    // Root may write to any folder but one that is none.
    let intents = h.beside.path().join("spool/intents");
    eventually("there is a spool", || intents.is_dir());
    let mut peer = h.drive();
    peer.send(&put(json!({"path": "in/first"}), b"content"));
    peer.expect('K');
    // Its note goes a moment after the answer, and until then the folder is not empty.
    eventually("the first is told", || h.paths("end ") == ["in/first"]);
    std::fs::set_permissions(&intents, PermissionsExt::from_mode(0o500)).expect("chmod");
    let own = !nix::unistd::geteuid().is_root();
    std::fs::rename(&intents, intents.with_extension("away")).expect("rename");
    std::fs::remove_dir(intents.with_extension("away")).expect("remove");
    peer.send(&put(json!({"path": "in/unnoted"}), b"content"));
    let code = peer.refusal();
    assert!(
        ["not-found", "denied", "io"].contains(&code.as_str()),
        "{code} {own}"
    );
    peer.send(&put(json!({"path": "elsewhere"}), b"content"));
    peer.expect('K');
    assert_eq!(peer.list(&json!({"path": "in"})), ["first"]);
    assert_eq!(h.paths("end "), ["in/first"]);
    assert!(h.server.staged("stage").is_empty());
}

#[test]
fn a_drop_box_names_its_hook_and_the_file_that_got_another_name_is_told() {
    let keys = "[[drop_box]]\npath = \"box/scans\"\nhook = \"note\"";
    let h = Hooked::new(SCRIPT, keys);
    let mut peer = h.drive();
    for path in ["box/scans/scan.pdf", "box/scans/scan.pdf", "in/other"] {
        peer.send(&put(json!({"path": path}), b"content"));
        peer.expect('K');
    }
    assert_eq!(
        h.ftp().store("STOR box/scans/scan.pdf", b"content").code,
        226
    );
    eventually("three are told", || h.paths("end ").len() == 3);
    let mut told = h.paths("end ");
    told.sort();
    let names = ["scan-1.pdf", "scan-2.pdf", "scan.pdf"];
    assert_eq!(told, names.map(|name| format!("box/scans/{name}")));
}

#[test]
fn a_server_that_ends_waits_for_its_hooks_and_leaves_none_behind() {
    let mut h = Hooked::new(SCRIPT, "folder = \"in\"");
    let put_and_end = |h: &Hooked, path: &str, begun: usize| {
        h.touch("wait");
        let mut peer = h.drive();
        peer.send(&put(json!({"path": path}), b"content"));
        peer.expect('K');
        eventually("it runs", || h.paths("begin ").len() == begun);
        let runner = h.server.offspring("forkftpd:runner");
        h.server.signal(Signal::SIGTERM);
        h.server.wait_for("draining");
        PathBuf::from(format!("/proc/{}/comm", runner[0]))
    };
    let runner = put_and_end(&h, "in/a", 1);
    assert!(runner.exists());
    h.clear("wait");
    h.server.restart_after_death();
    eventually("its runner is gone", || !runner.exists());
    assert_eq!(h.paths("end "), ["in/a"]);
    // A second signal ends at once, and with it what runs, which is run again by the next.
    let runner = put_and_end(&h, "in/b", 2);
    h.server.signal(Signal::SIGTERM);
    h.server.restart_after_death();
    eventually("nobody is left", || !runner.exists());
    eventually("it runs again", || h.paths("begin ").len() == 3);
    h.clear("wait");
    eventually("it has run", || h.paths("end ") == ["in/a", "in/b"]);
    assert_eq!(h.paths("begin "), ["in/a", "in/b", "in/b"]);
    eventually("nothing is left to do", || h.spooled("jobs") == 0);
}

#[test]
fn root_leaves_the_spool_of_a_server_with_a_user_of_its_own_to_that_user() {
    let beside = tempfile::tempdir().expect("folder");
    let set = |path: &PathBuf, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
    };
    set(&beside.path().to_owned(), 0o755);
    let nobody = nix::unistd::User::from_name("nobody").expect("users");
    let nobody = nobody.filter(|_| nix::unistd::geteuid().is_root());
    let job = "000000000000001f-0123456789abcdef-note";
    let spool = beside.path().join("spool");
    let (failed, waits) = (spool.join("failed"), spool.join("jobs").join(job));
    std::fs::create_dir_all(&failed).expect("folders");
    let shows = json!({"device": 1, "inode": 1, "born": null});
    let upload = json!({"id": "0123456789abcdef", "path": "in/a", "size": 1, "digest": null, "user": null,
        "face": "ftp", "address": null, "time": 0, "shows": shows});
    let entry =
        json!({"upload": upload, "tries": 1, "again": 0, "outcome": "exit 3", "output": ""});
    std::fs::write(failed.join(job), entry.to_string()).expect("write");
    set(&failed.join(job), 0o600);
    for path in [&spool, &failed, &failed.join(job)] {
        let (uid, gid) = (
            nobody.as_ref().map(|user| user.uid),
            nobody.as_ref().map(|user| user.gid),
        );
        nix::unistd::chown(path, uid, gid).expect("chown");
    }
    set(&failed, 0o700);
    set(&spool, 0o700);
    let folder = spool.display().to_string();
    let hooks = |words: &[&str]| {
        let (code, said) = run(&[&["hooks", "--spool-folder", &folder], words].concat());
        assert_eq!(code, Some(0), "{said}");
        said
    };
    assert!(hooks(&[]).contains("\tfailed\tnote\t"));
    hooks(&["retry", job]);
    assert!(hooks(&[]).contains("\twaits\tnote\t"));
    let owner = std::fs::metadata(&waits).expect("the job").uid();
    assert_eq!(
        owner,
        nobody
            .map_or_else(nix::unistd::geteuid, |user| user.uid)
            .as_raw()
    );
    hooks(&["drop", job]);
    assert_eq!(hooks(&[]), "");
}
