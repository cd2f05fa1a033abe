//! What an administrator sees: one name for a session in the lines of every process. Listings on the control socket are in `control`.

use super::server::{PATIENCE, Server, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// What stands behind `key=` in a line of the log.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split(' ');
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// An FTP connection, after its greeting.
fn connect(server: &Server) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(&server.address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let mut control = BufReader::new(stream);
    let mut greeting = String::new();
    control.read_line(&mut greeting).expect("greeting");
    assert!(greeting.starts_with("220"), "{greeting}");
    control
}

fn say(control: &mut BufReader<TcpStream>, line: &str, code: &str) {
    let line = format!("{line}\r\n");
    control
        .get_mut()
        .write_all(line.as_bytes())
        .expect("a line");
    let mut reply = String::new();
    control.read_line(&mut reply).expect("reply");
    assert!(reply.starts_with(code), "{line}: {reply}");
}

#[test]
fn a_session_has_one_name_in_the_lines_of_all_processes_and_in_listings() {
    for prefork in [0, 2] {
        let config = format!(
            "control = \"control\"\nprefork = {prefork}\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n"
        );
        let server =
            Server::configured(&config, &[("ann", "pencil", "rights = [\"list\"]")], |_| ());
        let control = server.folder().join("control");
        let control = control.to_str().expect("path");
        let mut stays = connect(&server);
        let other = server.wait_for(" connected ");
        let mut ftp = connect(&server);
        let address = ftp.get_ref().local_addr().expect("address").to_string();
        // The child's own line, then the broker's, the child's again, and the listener's.
        let connected = server.wait_for(&format!(" connected peer={address}"));
        let session = field(&connected, "session").expect("a name").to_owned();
        assert_ne!(field(&other, "session"), Some(&*session));
        let start = session
            .split_once('-')
            .and_then(|(start, _)| u64::from_str_radix(start, 16).ok())
            .expect("a start");
        let now = std::time::UNIX_EPOCH.elapsed().expect("now").as_secs();
        assert!((now - 60..=now).contains(&start), "{session}");

        say(&mut ftp, "USER ann", "331");
        say(&mut ftp, "PASS wrong", "530");
        let refused = server.wait_for(" broker[");
        assert!(refused.contains("login refused"), "{refused}");
        assert_eq!(field(&refused, "session"), Some(&*session), "{refused}");
        say(&mut ftp, "USER ann", "331");
        say(&mut ftp, "PASS pencil", "230");
        let line = server.wait_for(" logged in ");
        assert_eq!(field(&line, "session"), Some(&*session), "{line}");

        let (code, who) = run(&["who", "--json", "--control", control]);
        assert_eq!(code, Some(0), "{who}");
        let status: Value = serde_json::from_str(&who).expect("JSON");
        let sessions = status["sessions"].as_array().expect("sessions");
        let found = sessions.iter().find(|shown| shown["address"] == *address);
        assert_eq!(found.expect("shown")["session"], *session);
        let (_, table) = run(&["who", "--control", control]);
        let row = table.lines().find(|row| row.contains(&address));
        assert!(row.expect("a row").ends_with(&session), "{table}");

        // Ended by its name, and it alone.
        let kick = ["kick", "--session", &session, "--control", control];
        assert_eq!(run(&kick), (Some(0), "1 session ended\n".to_owned()));
        let mut rest = Vec::new();
        ftp.read_to_end(&mut rest).expect("the end");
        for what in ["session ended by an administrator", "child killed"] {
            let line = server.wait_for(what);
            assert_eq!(field(&line, "session"), Some(&*session), "{line}");
        }
        say(&mut stays, "NOOP", "200");
        let (code, said) = run(&kick);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("no session {session} now")),
            "{said}"
        );
        let wrong = ["kick", "--session", "7", "--control", control];
        assert_eq!(run(&wrong).0, Some(2));
    }
}

#[test]
fn the_end_by_a_deadline_has_the_session_too_and_in_json_it_is_a_key() {
    let config = "log_format = \"json\"\nlogin_seconds = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";
    let server = Server::configured(config, &[("ann", "pencil", "rights = [\"list\"]")], |_| ());
    let read = |line: String| serde_json::from_str::<Value>(&line).expect("JSON");
    let mut ftp = connect(&server);
    let connected = read(server.wait_for("\"connected\""));
    let session = &connected["session"];
    assert!(session.is_string(), "{connected}");
    // A child that can do nothing about it: the listener does.
    let child = connected["pid"].as_i64().expect("pid") as i32;
    let child = nix::unistd::Pid::from_raw(child);
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGSTOP).expect("stop");
    let late = read(server.wait_for("deadline passed"));
    assert_eq!(
        (&late["session"], &late["process"]),
        (session, &"listener".into())
    );
    let mut rest = Vec::new();
    ftp.read_to_end(&mut rest).expect("the end");
    let ended = read(server.wait_for("child killed"));
    assert_eq!(ended["session"], *session);
}

#[test]
fn counters_are_shown_where_nothing_speaks_http() {
    let config = "control = \"control\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";
    let server = Server::configured(config, &[("ann", "pencil", "rights = [\"list\"]")], |_| ());
    let control = server.folder().join("control");
    let control = control.to_str().expect("path");
    let metrics = || {
        let (code, text) = run(&["metrics", "--control", control]);
        assert_eq!(code, Some(0), "{text}");
        text
    };
    let value = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {text}"));
        line.trim().parse::<f64>().expect("a number")
    };
    let ftp = "{protocol=\"ftp\"}";
    let accepted = format!("forkftp_connections_accepted_total{ftp}");
    assert!(value(&metrics(), &accepted).abs() < 0.5);
    let mut ann = connect(&server);
    say(&mut ann, "USER ann", "331");
    say(&mut ann, "PASS wrong", "530");
    // Of a living child, at once.
    let text = metrics();
    assert!((value(&text, &accepted) - 1.0).abs() < 0.5, "{text}");
    let refused = format!("forkftp_logins_refused_total{ftp}");
    assert!((value(&text, &refused) - 1.0).abs() < 0.5, "{text}");
    let living = "forkftp_clients{protocol=\"ftp\",phase=\"login\"}";
    assert!((value(&text, living) - 1.0).abs() < 0.5, "{text}");
    assert!(value(&text, "forkftp_uptime_seconds") < 60.0, "{text}");
    assert!(text.contains("# TYPE forkftp_clients gauge\n"), "{text}");
    // And of one that has ended.
    say(&mut ann, "QUIT", "221");
    super::server::eventually("nobody is there", || value(&metrics(), living) < 0.5);
    assert!((value(&metrics(), &refused) - 1.0).abs() < 0.5);
}

#[test]
fn top_without_a_terminal_prints_tables_with_what_moved_between_two_looks() {
    let config = "control = \"control\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";
    let server = Server::configured(config, &[("ann", "pencil", "rights = [\"list\"]")], |_| ());
    let control = server.folder().join("control");
    let control = control.to_str().expect("path");
    let once = ["top", "--once", "--interval", "0.1", "--control", control];
    let (code, text) = run(&once);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("; 0 of 1000 clients; in 0 B/s, out 0 B/s\n"));
    assert_eq!(text.lines().count(), 1, "{text}");

    let mut ann = connect(&server);
    say(&mut ann, "USER ann", "331");
    say(&mut ann, "PASS pencil", "230");
    let (code, text) = run(&once);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains('\x1b'), "nothing for a terminal: {text:?}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("; 1 of 1000 clients; "), "{text}");
    let words: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!(words[..7], ["1", "0", "B", "0", "B", "ftp", "idle"]);
    assert_eq!(words[8], "ann", "{text}");

    // One table after the other, until nobody reads them any more. What moves meanwhile is seen.
    let mut top = super::server::forkftpd()
        .args(["top", "--interval", "0.1", "--control", control])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("top");
    let mut tables = BufReader::new(top.stdout.take().expect("stdout"));
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        assert!(std::time::Instant::now() < until, "nothing moves");
        say(&mut ann, "NOOP", "200");
        let mut line = String::new();
        tables.read_line(&mut line).expect("a line");
        if line.starts_with("forkftpd ") && !line.contains("in 0 B/s") {
            break;
        }
    }
    drop(tables);
    assert!(top.wait().expect("wait").success());
}
