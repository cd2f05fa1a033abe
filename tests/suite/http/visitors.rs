//! A connection is one visitor's: whoever asks on it, each request is answered as on a connection of its own, or sent on to one. Passwords
//! and tokens stay nowhere, and end when they should.

use super::client::{Http, basic};
use super::{EVERYTHING, LISTEN};
use crate::parity::client::Tls;
use crate::server::{Server, User, eventually, new_certificate, write_users};
use crate::walls::{broker_of, child_at, remembers, skip};
use nix::sys::signal::Signal;
use rustls::version::TLS13;
use std::path::Path;

fn users() -> [(&'static str, &'static str, String); 2] {
    let of = |home: &str| format!("{EVERYTHING}\nhome = {home:?}");
    [
        ("ann", "pencil", of("home-ann")),
        ("bob", "pencil", of("home-bob")),
    ]
}

fn as_users<'a>(users: &'a [(&'a str, &'a str, String)]) -> Vec<User<'a>> {
    let users = users.iter();
    users
        .map(|(name, word, keys)| (*name, *word, &**keys))
        .collect()
}

fn homes(library: &Path) {
    std::fs::write(library.join("who"), "nobody").expect("file");
    for name in ["ann", "bob"] {
        let home = library.join(format!("home-{name}"));
        std::fs::create_dir(&home).expect("home");
        std::fs::write(home.join("who"), name).expect("file");
    }
}

fn serve(keys: &str, listen: &str) -> Server {
    let users = users();
    let config = format!(
        "durability = \"none\"\nmax_failures = 1000\n{keys}\n[anonymous]\nrights = [\"list\", \"get\"]\n[[listen]]\n{LISTEN}\n{listen}\n"
    );
    Server::configured(&config, &as_users(&users), homes)
}

/// The cookie of a login by form.
fn sign_in(http: &mut Http, user: &str) -> String {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("user={user}&password=pencil");
    let answer = http.pass("POST", "/-/login", form, body.as_bytes());
    assert_eq!(answer.code, 303, "{answer:?}");
    let cookie = answer.field("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

fn sign_out(http: &mut Http, cookie: &str, everywhere: bool) {
    let lines = format!("Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let body: &[u8] = if everywhere { b"everywhere=1" } else { b"" };
    assert_eq!(http.pass("POST", "/-/logout", &lines, body).code, 303);
}

#[test]
fn nobody_is_taken_for_another_on_one_connection() {
    let server = serve("", "login = \"optional\"");
    let knock = || Http::knock(&server.address);
    let (ann, bob) = (sign_in(&mut knock(), "ann"), sign_in(&mut knock(), "bob"));
    let none = format!("forkftp={}", "0".repeat(64));
    let authorization = |user, word| format!("Authorization: {}\r\n", basic(user, word));
    let cookie = |cookie: &str| format!("Cookie: {cookie}\r\n");
    // What is shown, and who that is: None for nobody who is let in.
    let all = [
        (String::new(), Some("nobody")),
        (authorization("ann", "pencil"), Some("ann")),
        (authorization("bob", "pencil"), Some("bob")),
        (cookie(&ann), Some("ann")),
        (cookie(&bob), Some("bob")),
        (cookie(&none), Some("nobody")),
        (cookie("forkftp=x"), Some("nobody")),
        (cookie(&ann) + &authorization("bob", "pencil"), Some("ann")),
        (cookie(&none) + &authorization("bob", "pencil"), Some("bob")),
        ("Authorization: Bearer x\r\n".into(), None),
    ];
    for (first, one) in &all {
        for (second, other) in &all {
            let about = format!("{first:?}, then {second:?}");
            let mut http = knock();
            let answer = http.ask("GET", "/who", first);
            match one {
                Some(one) => assert_eq!(answer.text(), *one, "{about}"),
                None => assert_eq!(answer.code, 401, "{about}"),
            }
            if answer.field("connection") == Some("close") {
                continue;
            }
            let answer = http.ask("GET", "/who", second);
            match (answer.code, other) {
                (200, Some(other)) => assert_eq!(answer.text(), *other, "{about}"),
                (401, None) => {}
                (307, _) => {
                    assert!(first != second, "{about}: it is the same visitor");
                    assert_eq!(answer.field("location"), Some("/who"), "{about}");
                    assert_eq!(answer.field("connection"), Some("close"), "{about}");
                    http.expect_end();
                }
                _ => panic!("{about}: {answer:?}"),
            }
        }
    }
}

#[test]
fn a_login_is_over_when_it_should_be() {
    let server = serve("", "");
    let knock = || Http::knock(&server.address);
    let who = |http: &mut Http, cookie: &str| {
        let answer = http.ask("GET", "/who", &format!("Cookie: {cookie}\r\n"));
        (answer.code, answer.body)
    };
    let inside = (200, b"ann".to_vec());
    let (one, two) = (sign_in(&mut knock(), "ann"), sign_in(&mut knock(), "ann"));
    assert_ne!(one, two);
    let mut stays = knock();
    assert_eq!(who(&mut stays, &one), inside);
    sign_out(&mut knock(), &one, false);
    // Also where it has a connection.
    assert_ne!(who(&mut stays, &one).0, 200);
    assert_eq!(who(&mut knock(), &one).0, 401);
    assert_eq!(who(&mut knock(), &two), inside);
    let bob = sign_in(&mut knock(), "bob");
    let three = sign_in(&mut knock(), "ann");
    sign_out(&mut knock(), &three, true);
    for cookie in [&two, &three] {
        assert_eq!(who(&mut knock(), cookie).0, 401);
    }
    assert_eq!(who(&mut knock(), &bob).0, 200, "bob is somebody else");
    // With another password, or without the user, it is over, too.
    let ann = sign_in(&mut knock(), "ann");
    let mut users = users();
    users[0].1 = "another";
    let file = server.folder().join("users.toml");
    let read = || std::fs::read_to_string(&file).expect("users");
    let before = read();
    write_users(server.folder(), &as_users(&users));
    let now = read();
    // Of bob nothing has changed.
    let from = |text: &str| text.find("[users.\"bob\"]").expect("bob");
    let text = format!("{}{}", &now[..from(&now)], &before[from(&before)..]);
    std::fs::write(&file, text).expect("users");
    server.signal(Signal::SIGHUP);
    eventually("ann has to log in again", || {
        who(&mut knock(), &ann).0 == 401
    });
    assert_eq!(who(&mut knock(), &bob).0, 200);
    write_users(server.folder(), &as_users(&users[..1]));
    server.signal(Signal::SIGHUP);
    eventually("bob is gone", || who(&mut knock(), &bob).0 == 401);
}

const PASSWORD: &str = "a-long-beginning-of-a-passphrase-and-7c21f0d9e6b4-for-its-end";

#[test]
fn a_password_is_in_no_memory_after_the_request() {
    for mode in ["", "prefork = 1"] {
        let rights = format!("{EVERYTHING}\n");
        let users: [User<'_>; 1] = [("all", PASSWORD, &rights)];
        let config = super::config(mode, "");
        let server = Server::configured(&config, &users, homes);
        let enter = || {
            let mut http = Http::knock(&server.address);
            // What does stand in it is found.
            http.expect("GET", "/-/a-name-that-is-kept-51d0c7", "", 404);
            // One after the other: the log tells of each once, in the order in which they come.
            let pid = child_at(&server, http.address());
            (http, pid)
        };
        let (mut forms, of_forms) = enter();
        let (mut programs, of_programs) = enter();
        let (Some(of_forms), Some(of_programs)) = (of_forms, of_programs) else {
            return skip("the descriptors of children cannot be seen here");
        };
        // As a browser and as curl would write it.
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = format!("user=all&password={PASSWORD}&to=%2F");
        let signed = forms.pass("POST", "/-/login", form, body.as_bytes());
        assert_eq!(signed.code, 303);
        let credentials = basic("all", PASSWORD);
        let line = format!("Authorization: {credentials}\r\n");
        for _ in 0..2 {
            assert_eq!(programs.ask("GET", "/who", &line).body, b"nobody");
        }
        // Nobody has to ask for it to be sent.
        assert_eq!(programs.ask("GET", "/-/health", &line).code, 200);
        // What is given back to the allocator loses its beginning to it.
        let wanted = [
            PASSWORD.as_bytes()[32..].to_vec(),
            credentials.as_bytes()[48..].to_vec(),
        ];
        let all = [of_forms, of_programs, server.pid(), broker_of(&server)];
        for (what, pid) in ["forms", "programs", "listener", "broker"].iter().zip(all) {
            match remembers(pid, &wanted) {
                Ok(found) => assert!(!found, "{mode}: {what}"),
                Err(error) => skip(&format!("the memory of {what}: {error}")),
            }
        }
    }
}

#[test]
fn under_tls_a_login_stays_under_tls() {
    let users = users();
    let secret = format!("{EVERYTHING}\ntls = \"required\"");
    let mut all = as_users(&users);
    all.push(("secret", "pencil", &secret));
    let tls = "tls_certificate = \"crt\"\ntls_key = \"key\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\ntls = \"implicit\"\nhsts_seconds = 5\n";
    let config = format!("durability = \"none\"\n{tls}[[listen]]\n{LISTEN}\n");
    let server = Server::configured(&config, &all, |library| {
        new_certificate(library.parent().expect("folder"));
        homes(library);
    });
    let trusted = Tls::offering(&server, &TLS13, &[b"h2", b"http/1.1"]);
    let knock = || Http::knock_secure(&server.addresses[0], &trusted);
    let mut http = knock();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = http.pass("POST", "/-/login", form, b"user=ann&password=pencil");
    let cookie = answer.field("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.starts_with("__Host-forkftp=") && cookie.contains("; Secure"));
    assert!(answer.field("strict-transport-security").is_some());
    let pair = cookie.split(';').next().expect("a pair");
    let who = |http: &mut Http, pair: &str| http.ask("GET", "/who", &format!("Cookie: {pair}\r\n"));
    assert_eq!(who(&mut knock(), pair).body, b"ann");
    // The name that plain pages could set is not looked at.
    let plain = pair.replace("__Host-forkftp", "forkftp");
    assert_eq!(who(&mut knock(), &plain).code, 401);
    // Without TLS neither is taken that came by it: the first by its name. What a user has to say under TLS is not heard without it.
    let mut open = Http::knock(&server.addresses[1]);
    assert_eq!(who(&mut open, pair).code, 401);
    let mut secure = knock().by("secret");
    assert_eq!(secure.json("/").code, 200);
    let mut open = Http::of(&server.addresses[1], "secret");
    let refused = open.json("/");
    assert!([401, 403].contains(&refused.code), "{refused:?}");
    // A page of the same name in the clear is another site.
    let origin = format!("Host: {0}\r\nOrigin: http://{0}\r\n", server.addresses[0]);
    let mut http = knock();
    http.always = String::new();
    let lines = format!("{origin}Cookie: {pair}\r\n");
    assert_eq!(http.ask("DELETE", "/who", &lines).code, 403);
    // Files come whole through it.
    let content = crate::peer::noise(3_000_000, 1);
    let mut http = knock().by("ann");
    assert_eq!(http.put("/new", &content).code, 201);
    assert!(http.get("/new").body == content);
    // Cut in the middle of a body nothing is stored.
    let mut http = knock().by("ann");
    http.say("PUT", "/cut", "Content-Length: 5000\r\n");
    http.send(&content[..4000]);
    http.wire().finish();
    http.expect_end();
    assert_eq!(knock().by("ann").get("/cut").code, 404);
}
