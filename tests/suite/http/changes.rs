//! Names that are changed and freed by HTTP in ways that nobody means, parts of files that belong to somebody else, and sites that are
//! only read.

use super::client::Http;
use super::{EVERYTHING, LISTEN, serve};
use crate::parity::on_the_way;
use crate::peer::noise;
use crate::rights::look;
use crate::server::{Server, User};
use std::path::{Path, PathBuf};

const MIB: usize = 1 << 20;

fn tree(library: &Path) {
    std::fs::create_dir_all(library.join("folder/deep/deeper")).expect("folder");
    std::fs::create_dir_all(library.join("other/empty")).expect("folder");
    for file in [
        "file",
        "folder/inside",
        "folder/deep/bottom",
        "other/inside",
    ] {
        std::fs::write(library.join(file), file).expect("file");
    }
    std::fs::write(library.join("other/.hidden"), "hidden").expect("file");
    std::fs::create_dir(library.join("-")).expect("folder");
    std::fs::write(library.join("-/mine"), "mine").expect("file");
}

#[test]
fn nothing_is_moved_where_it_cannot_be() {
    let server = serve("", "", "", tree);
    let library = server.library();
    let before = look(&library);
    let mut http = Http::enter(&server.address, "all");
    for (from, to, overwrite) in [
        ("/folder/", "/folder/deep/x", "T"),
        ("/folder/", "/folder/deep/", "T"),
        ("/folder/", "/folder", "T"),
        ("/folder/", "/folder", "F"),
        ("/file", "/file", "F"),
        ("/folder/", "/file", "T"),
        ("/file", "/folder", "T"),
        ("/file", "/other/empty", "T"),
        ("/folder/", "/other/empty", "T"),
        ("/", "/x", "T"),
        ("/file", "/", "T"),
        ("/file/", "/x/", "T"),
        ("/file/x", "/x", "T"),
        ("/file", "/file/x", "T"),
        ("/file", "/missing/x", "T"),
        ("/file", "/other/.x", "T"),
        ("/file", "/-/x", "T"),
        ("/file", "/%2d", "T"),
        ("/-/mine", "/x", "T"),
        ("/file", "/x", "maybe"),
        ("/file", "http://elsewhere/x", "T"),
        ("/file", "http://localhost@elsewhere/x", "T"),
        ("/file", "http://localhost:80/x", "T"),
        ("/file", "//localhost/x", "T"),
        ("/file", "ftp://localhost/x", "T"),
        ("/file", "/x?y", "T"),
        ("/file", "/x%00y", "T"),
    ] {
        let lines = format!("Destination: {to}\r\nOverwrite: {overwrite}\r\n");
        let answer = http.ask("MOVE", from, &lines);
        let about = format!("{from} to {to}: {answer:?}");
        assert!((400..500).contains(&answer.code), "{about}");
        assert_eq!(look(&library), before, "{about}");
    }
    for lines in [
        "",
        "Destination: /x\r\nDestination: /y\r\n",
        "Destination: \r\n",
    ] {
        assert_eq!(http.ask("MOVE", "/file", lines).code, 400, "{lines:?}");
    }
    // What has that meaning for the server cannot be made, changed or freed, nor looked at.
    for (method, target) in [
        ("GET", "/-/mine"),
        ("PUT", "/-/mine"),
        ("DELETE", "/-/mine"),
        ("DELETE", "/-?recursive"),
        ("DELETE", "/-/?recursive"),
        ("DELETE", "/?recursive"),
        ("DELETE", "/%2d?recursive"),
        ("MKCOL", "/-/x/"),
        ("POST", "/-/"),
    ] {
        let answer = http.pass(method, target, "", b"");
        assert!(
            (400..500).contains(&answer.code),
            "{method} {target}: {answer:?}"
        );
    }
    assert_eq!(look(&library), before);
    // A folder in which something is hidden stays, whatever else goes.
    http.expect("DELETE", "/other/?recursive", "", 409);
    assert_eq!(
        std::fs::read(library.join("other/.hidden")).expect("file"),
        b"hidden"
    );
    http.expect("DELETE", "/folder/?recursive", "", 204);
    assert!(!library.join("folder").exists());
    let mut http = Http::enter(&server.address, "all");
    http.expect(
        "MOVE",
        "/file",
        "Destination: http://LOCALHOST/%66%20\r\n",
        201,
    );
    assert!(library.join("f ").exists());
}

/// Sends a part of /name, which is the first `part` bytes of `total`.
fn begin(http: &mut Http, target: &str, part: &[u8], total: usize) -> u16 {
    let range = format!("Content-Range: bytes 0-{}/{total}\r\n", part.len() - 1);
    http.pass("PUT", target, &range, part).code
}

fn kept(http: &mut Http, target: &str) -> String {
    let answer = http.expect("HEAD", &format!("{target}?upload"), "", 204);
    answer.field("upload-offset").expect("an offset").to_owned()
}

#[test]
fn a_part_is_whose_it_is() {
    let config = format!("durability = \"none\"\n[[listen]]\n{LISTEN}\n");
    let users: [User<'_>; 2] = [("ann", "pencil", EVERYTHING), ("bob", "pencil", EVERYTHING)];
    let server = Server::configured(&config, &users, |_| ());
    let [mut ann, mut bob] = ["ann", "bob"].map(|who| Http::enter(&server.address, who));
    let content = noise(4 * MIB, 1);
    assert_eq!(begin(&mut ann, "/new", &content[..2 * MIB], 4 * MIB), 202);
    assert_eq!(kept(&mut ann, "/new"), (2 * MIB).to_string());
    assert_eq!(kept(&mut bob, "/new"), "0");
    let rest = format!(
        "Content-Range: bytes {}-{}/{}\r\n",
        2 * MIB,
        4 * MIB - 1,
        4 * MIB
    );
    assert_eq!(
        bob.pass("PUT", "/new", &rest, &content[2 * MIB..]).code,
        409
    );
    let mut bob = Http::enter(&server.address, "bob");
    bob.expect("DELETE", "/new?upload", "", 204);
    assert_eq!(kept(&mut ann, "/new"), (2 * MIB).to_string());
    assert_eq!(bob.get("/new").code, 404);
    // A digest of the whole that does not fit is no reason to show it, or to keep it.
    let lines =
        format!("{rest}Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\r\n");
    assert_eq!(
        ann.pass("PUT", "/new", &lines, &content[2 * MIB..]).code,
        422
    );
    let mut ann = Http::enter(&server.address, "ann");
    assert_eq!(ann.get("/new").code, 404);
    assert_eq!(kept(&mut ann, "/new"), "0");
    // What says of itself what it is not is refused before anything of it is kept.
    for range in [
        "bytes 0-9/10",
        "bytes 0-5/5",
        "bytes 5-0/10",
        "bytes 0-9/*",
        "bytes */10",
        "bytes 0-18446744073709551615/18446744073709551616",
        "bytes 9223372036854775807-9223372036854775808/9223372036854775809",
        "bytes 0-4/99999999999999999",
    ] {
        let mut ann = Http::enter(&server.address, "ann");
        let answer = ann.pass(
            "PUT",
            "/x",
            &format!("Content-Range: {range}\r\n"),
            b"hello",
        );
        assert!(
            [400, 413, 507].contains(&answer.code),
            "{range}: {answer:?}"
        );
    }
    assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
    // Nor does one by whose name nobody may replace what is there begin.
    let mut ann = Http::enter(&server.address, "ann");
    assert_eq!(ann.put("/new", b"there").code, 201);
    let lines = "If-None-Match: *\r\nContent-Range: bytes 0-4/10\r\n";
    assert_eq!(ann.pass("PUT", "/new", lines, b"hello").code, 412);
    assert_eq!(ann.get("/new").body, b"there");
}

#[test]
fn two_uploads_of_one_name_do_not_meet() {
    let server = serve("", "", "", tree);
    let [mut one, mut other] = [0, 1].map(|_| Http::enter(&server.address, "all"));
    let content = noise(2 * MIB, 2);
    one.say(
        "PUT",
        "/new",
        &format!("Content-Length: {}\r\n", content.len()),
    );
    one.send(&content[..MIB]);
    crate::server::eventually("a part of it has come", || {
        let size = |path: &PathBuf| path.metadata().map_or(0, |facts| facts.len());
        on_the_way(&server).iter().any(|path| size(path) > 0)
    });
    assert_eq!(other.put("/new", b"mine").code, 423);
    assert_eq!(other.ask("DELETE", "/new?upload", "").code / 100, 4);
    let mut other = Http::enter(&server.address, "all");
    assert_eq!(begin(&mut other, "/new", b"mine", 10), 423);
    one.send(&content[MIB..]);
    assert_eq!(one.hear().code, 201);
    assert!(one.get("/new").body == content);
    assert_eq!(on_the_way(&server), Vec::<PathBuf>::new());
}

#[test]
fn a_site_is_read_and_nothing_else() {
    let config = format!(
        "durability = \"none\"\n[anonymous]\nrights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]\n[[listen]]\n{LISTEN}\nsite = true\nlogin = \"none\"\n"
    );
    let server = Server::configured(&config, &[], |library| {
        tree(library);
        std::fs::write(library.join("index.html"), "INDEX").expect("file");
        std::fs::write(library.join("404.html"), "MISSING").expect("file");
        std::os::unix::fs::symlink("/etc", library.join("etc")).expect("link");
    });
    let before = look(&server.library());
    let mut http = Http::knock(&server.address);
    assert_eq!(http.get("/").body, b"INDEX");
    for method in ["PUT", "POST", "DELETE", "MKCOL", "MOVE", "PATCH"] {
        for target in ["/file", "/new", "/folder/", "/?recursive", "/-/login"] {
            let mut http = Http::knock(&server.address);
            let answer = http.pass(method, target, "Destination: /x\r\n", b"x");
            assert!(
                [404, 405].contains(&answer.code),
                "{method} {target}: {answer:?}"
            );
            assert!(answer.field("set-cookie").is_none());
        }
    }
    for target in [
        "/folder/",
        "/other/.hidden",
        "/.forkftp/stage/",
        "/../x",
        "/%2e%2e/x",
        "/etc/passwd",
        "/etc/",
        "/folder/?json",
        "/folder/?zip",
        "/folder/?q=x",
        "/folder/inside/",
        "/-/shares",
        "/-/s/x",
        "/-/app.js",
        "/-/login",
        "/-/mine",
        "//",
        "/missing?upload",
    ] {
        for lines in ["", "Accept: application/json\r\n", "Accept: text/html\r\n"] {
            let answer = http.ask("GET", target, lines);
            assert!([400, 404].contains(&answer.code), "{target}: {answer:?}");
            let told = answer.body.escape_ascii().to_string();
            for secret in ["inside", "bottom", "hidden", "root:"] {
                assert!(!told.contains(secret), "{target}: {told}");
            }
        }
    }
    assert_eq!(http.get("/file?zip").body, b"file");
    assert_eq!(look(&server.library()), before);
}
