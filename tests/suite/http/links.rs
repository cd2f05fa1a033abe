//! Share links, as those use them who were given none: a link is good for the one file, as long as its maker may get it, and for nothing else.

use super::client::Http;
use super::{EVERYTHING, LISTEN};
use crate::server::{Server, User, eventually, write_users};
use nix::sys::signal::Signal;
use serde_json::json;
use std::path::Path;

fn furnish(library: &Path) {
    for home in ["home-ann", "home-bob"] {
        std::fs::create_dir(library.join(home)).expect("home");
        std::fs::write(library.join(home).join("file"), home).expect("file");
        std::fs::write(library.join(home).join(".hidden"), "hidden").expect("file");
        std::fs::create_dir(library.join(home).join("folder")).expect("folder");
    }
    std::os::unix::fs::symlink("../home-bob/file", library.join("home-ann/link")).expect("link");
    std::os::unix::fs::symlink("../home-bob", library.join("home-ann/door")).expect("link");
}

fn serve(rights: &str) -> Server {
    let config = format!(
        "durability = \"none\"\nshares_file = \"shares\"\nmax_failures = 1000\nmax_per_address = 1000\n[[listen]]\n{LISTEN}\n"
    );
    let (ann, bob) = users(rights);
    let users: [User<'_>; 2] = [("ann", "pencil", &ann), ("bob", "pencil", &bob)];
    Server::configured(&config, &users, furnish)
}

fn users(rights: &str) -> (String, String) {
    let ann = format!("{rights}\nhome = \"home-ann\"");
    let bob = format!("{EVERYTHING}\nhome = \"home-bob\"");
    (ann, bob)
}

/// Makes a link: its identifier, and the target that it leads to.
fn share(server: &Server, user: &str, wanted: &serde_json::Value) -> Result<(String, String), u16> {
    let mut http = Http::of(&server.address, user);
    let lines = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let answer = http.pass("POST", "/-/shares", lines, wanted.to_string().as_bytes());
    if answer.code != 201 {
        return Err(answer.code);
    }
    let told = answer.json();
    let text = |key: &str| told[key].as_str().expect("text").to_owned();
    let url = text("url");
    let target = url.strip_prefix("http://localhost").expect("this host");
    Ok((text("id"), target.to_owned()))
}

fn open(server: &Server, target: &str) -> (u16, Vec<u8>) {
    let answer = Http::knock(&server.address).get(target);
    (answer.code, answer.body)
}

#[test]
fn a_link_is_good_for_one_file_and_nothing_else() {
    let server = serve(EVERYTHING);
    for path in [
        "",
        "/",
        ".",
        "..",
        "folder",
        "folder/",
        "missing",
        "../home-bob/file",
        "/../home-bob/file",
        ".hidden",
        "link",
        "door/file",
        "folder/../file",
        "file/",
        "//file",
        "file\0",
        "file\n",
        "%66ile",
        "/etc/passwd",
        "../shares",
        ".forkftp/stage",
    ] {
        let made = share(&server, "ann", &json!({"path": path}));
        assert!(matches!(made, Err(400..=409)), "{path:?}: {made:?}");
    }
    for wanted in [
        json!({}),
        json!({"path": "file", "hours": 0}),
        json!({"path": "file", "hours": 8761}),
        json!({"path": "file", "hours": u64::MAX}),
        json!({"path": "file", "hours": -1}),
        json!({"path": "file", "count": 0}),
        json!({"path": "file", "count": u64::MAX}),
        json!({"path": "file", "user": "bob"}),
        json!({"path": ["file"]}),
        json!([]),
        json!("[".repeat(200)),
    ] {
        let made = share(&server, "ann", &wanted);
        assert!(matches!(made, Err(400)), "{wanted}: {made:?}");
    }
    let (id, target) = share(&server, "ann", &json!({"path": "file"})).expect("a link");
    assert_eq!(open(&server, &target), (200, b"home-ann".to_vec()));
    // Nothing of it leads anywhere else.
    let (base, _) = target.rsplit_once('/').expect("a name");
    let token = base.rsplit('/').next().expect("a token");
    let mut other = token.to_owned();
    let last = if other.ends_with('A') { 'B' } else { 'A' };
    other.replace_range(20..21, &last.to_string());
    for target in [
        format!("/-/s/{other}/file"),
        format!("/-/s/{}/file", &token[1..]),
        format!("/-/s/{token}A/file"),
        format!("/-/s/{token}=/file"),
        format!("/-/s/{}/file", "A".repeat(55)),
        format!("/-/s/{}/file", "A".repeat(4000)),
        "/-/s//file".into(),
        "/-/s/".into(),
        "/-/s".into(),
        format!("/-/s/{id}/file"),
        format!("/s/{token}/file"),
    ] {
        let (code, body) = open(&server, &target);
        assert!(
            [400, 401, 404].contains(&code) && body != b"home-ann",
            "{target}"
        );
    }
    // What stands behind the token is for people.
    for name in [
        "",
        "/other",
        "/../../file",
        "/%2e%2e/x",
        "/a/b/c",
        "/.hidden",
    ] {
        let (code, body) = open(&server, &format!("{base}{name}"));
        assert!([200, 400, 404].contains(&code), "{name}");
        assert!(code != 200 || body == b"home-ann", "{name}");
    }
    for method in ["PUT", "DELETE", "POST", "MOVE", "MKCOL"] {
        let mut http = Http::knock(&server.address);
        let lines = "Destination: /x\r\n";
        assert_eq!(
            http.pass(method, &target, lines, b"x").code,
            405,
            "{method}"
        );
    }
    // After it, nobody's connection is anybody's.
    let mut http = Http::knock(&server.address);
    assert_eq!(http.get(&target).code, 200);
    if http
        .try_send(format!("GET /file HTTP/1.1\r\n{}\r\n", http.always).as_bytes())
        .is_ok()
    {
        assert!(http.next().is_none_or(|answer| answer.code == 401));
    }
    // Of others it is neither seen nor ended.
    let mut bob = Http::of(&server.address, "bob");
    assert_eq!(bob.json("/-/shares").json()["shares"], json!([]));
    bob.expect("DELETE", &format!("/-/shares/{id}"), "", 404);
    let mut nobody = Http::knock(&server.address);
    nobody.expect("DELETE", &format!("/-/shares/{id}"), "", 401);
    assert_eq!(open(&server, &target).0, 200);
    let mut ann = Http::of(&server.address, "ann");
    ann.expect("DELETE", &format!("/-/shares/{id}"), "", 204);
    assert_eq!(open(&server, &target).0, 404);
}

#[test]
fn a_link_ends_with_what_it_rests_on() {
    let server = serve(EVERYTHING);
    let twice = json!({"path": "file", "count": 2});
    let (_, counted) = share(&server, "ann", &twice).expect("a link");
    // Many at once get no more than that.
    let address = &server.address;
    let codes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Http::knock(address).get(&counted).code))
            .collect();
        let all = all.into_iter().map(|one| one.join().expect("an answer"));
        all.collect()
    });
    assert_eq!(
        codes.iter().filter(|code| **code == 200).count(),
        2,
        "{codes:?}"
    );
    let (_, target) = share(&server, "ann", &json!({"path": "file"})).expect("a link");
    let home = server.library().join("home-ann");
    // In the place of the file there is a way out.
    std::fs::remove_file(home.join("file")).expect("remove");
    assert_eq!(open(&server, &target).0, 404);
    std::os::unix::fs::symlink("../home-bob/file", home.join("file")).expect("link");
    assert_eq!(open(&server, &target).0, 404);
    std::fs::remove_file(home.join("file")).expect("remove");
    std::fs::create_dir(home.join("file")).expect("folder");
    assert_eq!(open(&server, &target).0, 404);
    std::fs::remove_dir(home.join("file")).expect("remove");
    std::fs::write(home.join("file"), "again").expect("file");
    assert_eq!(open(&server, &target), (200, b"again".to_vec()));
    // Its maker may not get files any more, and then is not there.
    let (_, bob) = users("");
    let (ann, _) = users("rights = [\"list\", \"put\"]");
    let some: [User<'_>; 2] = [("ann", "pencil", &ann), ("bob", "pencil", &bob)];
    write_users(server.folder(), &some);
    server.signal(Signal::SIGHUP);
    eventually("it is dead", || open(&server, &target).0 == 404);
    assert_eq!(share(&server, "ann", &json!({"path": "file"})), Err(403));
    write_users(server.folder(), &some[1..]);
    server.signal(Signal::SIGHUP);
    eventually("ann is gone", || {
        share(&server, "ann", &json!({"path": "file"})) == Err(401)
    });
    assert_eq!(open(&server, &target).0, 404);
}
