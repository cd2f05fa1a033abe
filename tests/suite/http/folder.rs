//! A folder as a page and as JSON: what is in it, in order and in parts, whatever the names are, and nothing of it more than text.

use super::client::{Answer, Http};
use super::{EVERYTHING, config};
use crate::server::Server;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&.txt";

fn serve() -> Server {
    let users = [
        ("all", "pencil", EVERYTHING),
        ("reader", "pencil", "rights = [\"list\", \"get\"]"),
        ("giver", "pencil", "rights = [\"put\"]"),
        ("blind", "pencil", "rights = [\"get\"]"),
    ];
    Server::configured(&config("", "login = \"required\""), &users, |library| {
        let put = |name: &[u8], content: &[u8]| {
            std::fs::write(library.join(OsStr::from_bytes(name)), content).expect("write");
        };
        put(HOSTILE.as_bytes(), b"1");
        put(b"b10.txt", b"22");
        put(b"B2.txt", b"333");
        put("ü a+b?#%.md".as_bytes(), b"4444");
        put(b"\xff\xfe.bin", b"55555");
        put(b"a:b", b"666666");
        put(b".hidden", b"");
        put(b"-", b"cannot be asked for");
        std::fs::create_dir_all(library.join("z/deep")).expect("folder");
    })
}

fn names(told: &Value) -> Vec<&str> {
    let entries = told["entries"].as_array().expect("entries");
    entries
        .iter()
        .map(|entry| entry["name"].as_str().expect("name"))
        .collect()
}

fn page(http: &mut Http, target: &str) -> Answer {
    http.ask("GET", target, "Accept: text/html\r\n")
}

#[test]
fn programs_are_told_what_is_there_and_how_to_get_it() {
    let server = serve();
    let mut http = Http::enter(&server.address, "reader");
    let told = http.json("/").json();
    assert_eq!(names(&told), all_names());
    assert_eq!((&told["total"], &told["matching"]), (&7.into(), &7.into()));
    assert_eq!(told["user"], "reader");
    assert_eq!(told["rights"], serde_json::json!(["list", "get"]));
    assert_eq!((&told["path"], &told["from"]), (&"".into(), &0.into()));
    for entry in told["entries"].as_array().expect("entries") {
        let href = entry["href"].as_str().expect("href");
        if entry["kind"] == "folder" {
            assert_eq!(href, "z/");
            assert_eq!(names(&http.json("/z/").json()), ["deep"]);
            continue;
        }
        let got = http.get(&format!("/{href}"));
        let size = entry["size"].as_u64().expect("size");
        assert_eq!((got.code, got.body.len() as u64), (200, size), "{href}");
    }
    // Asked for in so many words, and in the address.
    let answer = http.ask("GET", "/?json", "Accept: text/html\r\n");
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let vary = answer.field("vary").expect("vary");
    for field in ["Accept", "Accept-Encoding", "Cookie", "Authorization"] {
        assert!(vary.split(", ").any(|one| one == field), "{vary}");
    }
}

#[test]
fn a_list_is_sorted_filtered_and_cut_as_it_is_asked_for() {
    let server = serve();
    let mut http = Http::enter(&server.address, "reader");
    for (query, wanted) in [
        (
            "sort=size&order=desc&count=3",
            vec!["z", "a:b", "\u{fffd}\u{fffd}.bin"],
        ),
        ("sort=size&from=5", vec!["\u{fffd}\u{fffd}.bin", "a:b"]),
        ("q=B1", vec!["b10.txt"]),
        ("q=.TXT&order=desc", vec!["b10.txt", "B2.txt", HOSTILE]),
        ("q=%C3%9C+A", vec!["ü a+b?#%.md"]),
        ("q=nothing", vec![]),
        ("from=7", vec![]),
        ("from=99999999999999999999", all_names()),
        ("sort=kind&count=2", vec!["z", "a:b"]),
    ] {
        let told = http.json(&format!("/?{query}")).json();
        assert_eq!(names(&told), wanted, "{query}");
        assert_eq!(told["total"], 7, "{query}");
    }
    assert_eq!(http.json("/?q=txt&count=1").json()["matching"], 3);
    assert_eq!(http.json("/B2.txt/").code, 404);
    assert_eq!(http.json("/none/").code, 404);
}

fn all_names() -> Vec<&'static str> {
    vec![
        "z",
        HOSTILE,
        "a:b",
        "B2.txt",
        "b10.txt",
        "ü a+b?#%.md",
        "\u{fffd}\u{fffd}.bin",
    ]
}

#[test]
fn in_a_page_names_are_text_and_nothing_runs_but_the_script() {
    let server = serve();
    let mut http = Http::enter(&server.address, "all");
    let answer = page(&mut http, &format!("/?q={}&sort=size", "%3Cb%3E%22%27"));
    assert!(answer.text().contains("value=\"&lt;b&gt;&quot;&#39;\""));
    assert!(answer.text().contains("&amp;q=%3Cb%3E%22%27"));
    let answer = page(&mut http, "/");
    assert_eq!(
        (answer.code, answer.field("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let text = answer.text();
    assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;.txt"));
    assert!(!text.contains("<img") && !text.contains("hidden\"") && !text.contains("href=\"-"));
    assert!(text.contains("href=\"%FF%FE.bin\"") && text.contains("href=\"a%3Ab\""));
    let policy = answer.field("content-security-policy").expect("policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'sha256-"));
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("inline"));
    // The one script, kept for as long as its address stays the same.
    let (_, rest) = text.split_once("src=\"/-/app.js?v=").expect("script");
    let version = rest.split('"').next().expect("version");
    let script = http.get(&format!("/-/app.js?v={version}"));
    assert_eq!(
        script.field("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    let kept = script.field("cache-control").expect("caching");
    assert!(kept.contains("immutable"), "{kept}");
    let other = http.get("/-/app.js?v=0");
    assert_eq!(other.field("cache-control"), Some("no-cache"));
    assert_eq!(other.body, script.body);
}

#[test]
fn pages_speak_the_language_and_the_coding_of_who_reads_them() {
    let server = serve();
    let mut http = Http::enter(&server.address, "reader");
    let fields = "Accept: text/html\r\nAccept-Language: de, zh-CN;q=0.8, en;q=0.5\r\n";
    let answer = http.ask("GET", "/", fields);
    assert!(answer.text().contains("<html lang=\"zh-CN\">") && answer.text().contains("名称"));
    assert_eq!(answer.field("content-encoding"), None);
    let fields = "Accept: text/html\r\nAccept-Encoding: br, gzip\r\n";
    let packed = http.ask("GET", "/", fields);
    assert_eq!(packed.field("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_string(&mut text)
        .expect("unpack");
    assert_eq!(text, page(&mut http, "/").text());
    let fields = "Accept: text/html\r\nAccept-Encoding: gzip;q=0\r\n";
    assert_eq!(http.ask("GET", "/", fields).field("content-encoding"), None);
    let answer = http.ask("HEAD", "/", "Accept: text/html\r\n");
    assert_eq!((answer.code, answer.body.len()), (200, 0));
}

#[test]
fn rights_decide_what_a_page_shows() {
    let server = serve();
    let form = "enctype=\"multipart/form-data\"";
    let shown = |user: &str| {
        let mut http = Http::of(&server.address, user);
        let answer = page(&mut http, "/");
        let told = http.json("/").code;
        (answer.code, told, answer.text().to_owned())
    };
    let (code, told, text) = shown("all");
    assert!(code == 200 && told == 200 && text.contains(form) && text.contains("b10.txt"));
    let (code, told, text) = shown("reader");
    assert!(code == 200 && told == 200 && !text.contains(form) && text.contains("b10.txt"));
    // A drop box: what can be put there, and nothing of what is.
    let (code, told, text) = shown("giver");
    assert!(code == 200 && told == 403 && text.contains(form) && !text.contains("b10.txt"));
    let (code, told, text) = shown("blind");
    assert!(code == 403 && told == 403 && !text.contains(form) && !text.contains("b10.txt"));
    // Nor whether it is there at all.
    let mut http = Http::of(&server.address, "giver");
    assert_eq!(page(&mut http, "/none/").code, page(&mut http, "/z/").code);
}

#[test]
fn refusals_are_pages_for_people() {
    let server = serve();
    let mut http = Http::enter(&server.address, "reader");
    let answer = page(&mut http, "/%3Cscript%3E");
    assert_eq!(
        (answer.code, answer.field("content-type")),
        (404, Some("text/html; charset=utf-8"))
    );
    assert!(
        answer.text().contains("No such file or folder") && !answer.text().contains("<script>")
    );
    assert_eq!(http.json("/none").json()["error"], "not-found");
    assert_eq!(http.get("/none").text(), "no such file or folder\n");
}
