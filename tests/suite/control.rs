//! The control socket: who is there, and the end of a session. What happens to administrators who misbehave is in
//! `tests/e2e/test_who.sh`.

use super::peer::Peer;
use super::server::{Server, eventually, run};
use serde_json::{Value, json};

fn who(control: &str) -> Value {
    let (code, text) = run(&["who", "--json", "--control", control]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn sessions_are_shown_and_ended_one_by_one() {
    for prefork in ["0", "2"] {
        let folder = tempfile::tempdir().expect("scratch folder");
        let control = folder.path().join("control");
        let control = control.to_str().expect("path");
        let server = Server::start(&["--control", control, "--prefork", prefork]);
        let (mut stays, mut goes) = (Peer::connect(&server), Peer::connect(&server));
        for peer in [&mut stays, &mut goes] {
            assert!(peer.list(&json!({"path": ""})).is_empty());
        }
        let address = goes.socket.local_addr().expect("address").to_string();
        let status = who(control);
        assert_eq!(status["pid"], server.pid());
        assert_eq!(status["clients"], 2);
        let sessions = status["sessions"].as_array().expect("sessions");
        assert_eq!(sessions.len(), 2, "{status}");
        let goner = sessions.iter().find(|s| s["address"] == *address);
        let goner = goner.expect("by its address");
        assert_eq!(goner["protocol"], "drive");
        assert!(goner["received"].as_u64() > Some(0) && goner["sent"].as_u64() > Some(0));
        let pid = goner["pid"].to_string();
        assert!(
            server
                .children()
                .iter()
                .any(|child| child.to_string() == pid)
        );

        let kick = ["kick", "--pid", &pid, "--control", control];
        assert_eq!(run(&kick), (Some(0), "1 session ended\n".to_owned()));
        goes.expect_end();
        assert!(stays.list(&json!({"path": ""})).is_empty());
        eventually("one is left", || who(control)["clients"] == 1);
        let (code, text) = run(&kick);
        assert_eq!(code, Some(1), "nobody is ended twice: {text}");

        // The listener itself is no session.
        let own = server.pid().to_string();
        let (code, text) = run(&["kick", "--pid", &own, "--control", control]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("no session of this server"), "{text}");
        assert!(stays.list(&json!({"path": ""})).is_empty());
    }
}
