//! How fast files come and go where the operator set a rate: never faster, without anybody's deadline being met, and exactly the
//! same bytes.

use super::peer::{Peer, frame, noise, put, request};
use super::server::Server;
use serde_json::json;
use std::time::{Duration, Instant};

/// A server with these keys in `[anonymous]`, and `content` as its file `file`.
fn limited(keys: &str, arguments: &[&str], content: &[u8]) -> (Server, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    let text =
        format!("[anonymous]\nrights = [\"list\", \"get\", \"put\", \"overwrite\"]\n{keys}\n");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("write");
    let path = file.path().to_str().expect("path").to_owned();
    let mut all = vec!["--config", &path, "--durability", "none"];
    all.extend(arguments);
    let server = Server::prepared(&all, |library| {
        std::fs::write(library.join("file"), content).expect("write");
    });
    (server, file)
}

/// What `bytes` take at `rate`, less what may be saved up and the resolution of clocks.
fn least(bytes: usize, rate: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64 - 0.13)
}

#[test]
fn a_get_is_as_slow_as_it_should_be() {
    // Small enough for the output buffer, large enough for sendfile, and for a second thread.
    for (size, rate) in [(60_000, 60_000), (1 << 20, 1 << 20), (5 << 20, 4 << 20)] {
        let content = noise(size, 1);
        let (server, _file) = limited(&format!("download_rate = {rate}"), &[], &content);
        let mut peer = Peer::connect(&server);
        // Of several that wait for each other, too; the second time with a digest that is kept.
        let begin = Instant::now();
        peer.send(
            &[
                request('G', &json!({"path": "file"})),
                request('G', &json!({"path": "file"})),
            ]
            .concat(),
        );
        assert!(peer.receive() == content);
        assert!(peer.receive() == content);
        let took = begin.elapsed();
        assert!(took >= least(2 * size, rate), "{size} bytes took {took:?}");
        assert!(took < Duration::from_secs(15), "{size} bytes took {took:?}");
    }
}

#[test]
fn a_put_is_as_slow_as_it_should_be() {
    let content = noise(1 << 20, 2);
    let (server, _file) = limited("upload_rate = \"512 KiB\"", &[], &content);
    let mut peer = Peer::connect(&server);
    let begin = Instant::now();
    peer.send(&put(json!({"path": "put"}), &content));
    peer.expect('K');
    let took = begin.elapsed();
    assert!(took >= least(1 << 20, 512 << 10), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(peer.get("put") == content);
}

#[test]
fn each_direction_has_a_rate_of_its_own() {
    let content = noise(100_000, 5);
    // At the other's rate it would take longer than anything here may.
    for (key, puts) in [("download_rate", true), ("upload_rate", false)] {
        let (server, _file) = limited(&format!("{key} = 1000"), &[], &content);
        let mut peer = Peer::connect(&server);
        let begin = Instant::now();
        if puts {
            peer.send(&put(json!({"path": "put"}), &content));
            peer.expect('K');
        } else {
            assert!(peer.get("file") == content);
        }
        assert!(begin.elapsed() < Duration::from_secs(50), "{key}");
    }
}

#[test]
fn no_deadline_is_met_by_waiting_for_the_rate() {
    let content = noise(4_500, 3);
    let (server, _file) = limited(
        "upload_rate = 1000\ndownload_rate = 1000",
        &["--stall-seconds", "1"],
        &content,
    );
    let mut peer = Peer::connect(&server);
    // The listener would end it after 1 s, and the grace it gives.
    let begin = Instant::now();
    assert!(peer.get("file") == content);
    assert!(begin.elapsed() >= least(4_500, 1000));
    let begin = Instant::now();
    peer.send(&put(json!({"path": "put", "size": 4_500}), &content));
    peer.expect('K');
    assert!(begin.elapsed() >= least(4_500, 1000));
    assert!(std::fs::read(server.library().join("put")).expect("read") == content);
    // The stall of a client that sends nothing is one all the same.
    peer.send(&request('P', &json!({"path": "stalled"})));
    peer.send(&frame('D', b"something"));
    assert_eq!(peer.refusal(), "timeout");
}

#[test]
fn answers_do_not_wait_for_what_comes_after_them() {
    let (server, _file) = limited("upload_rate = \"64 KiB\"", &[], b"x");
    let mut peer = Peer::connect(&server);
    let mut run = put(json!({"path": "first"}), b"first");
    run.extend(put(json!({"path": "second"}), &noise(192 << 10, 4)));
    let begin = Instant::now();
    peer.send(&run);
    peer.expect('K');
    let first = begin.elapsed();
    peer.expect('K');
    let second = begin.elapsed();
    assert!(second >= least(192 << 10, 64 << 10), "{second:?}");
    assert!(
        second - first > Duration::from_secs(1),
        "{first:?} of {second:?}"
    );
}
