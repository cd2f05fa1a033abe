//! `forkftpd doctor`: a sound set-up has nothing to see to, and each fault that can be made here is found, with its grade and what mends it.

use crate::server::{Server, as_user, forkftpd, give_away, write_secret};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A set-up that nothing is wrong with, to be spoilt.
struct Setup {
    folder: tempfile::TempDir,
}

/// What the command said.
struct Said {
    code: Option<i32>,
    report: Value,
}

/// A loopback port that is free at this moment, and below those that the kernel takes by itself.
fn free_port() -> u16 {
    (20_000..30_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("chmod");
}

impl Setup {
    /// With a drive listener on any port, and what `config` says besides.
    fn new(config: &str) -> Setup {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("library")).expect("library");
        write_secret(&folder.path().join("secret"));
        let setup = Setup { folder };
        mode(&setup.at(""), 0o755);
        give_away(&setup.at(""), &setup.at("library"));
        setup.configure(config);
        setup
    }

    fn configure(&self, config: &str) {
        let user = if nix::unistd::geteuid().is_root() {
            "user = \"nobody\"\n"
        } else {
            ""
        };
        let text = format!(
            "library = \"library\"\nsecret_file = \"secret\"\nmax_clients = 20\ncontrol = \"control\"\n{user}{config}\n[[listen]]\naddress = \"127.0.0.1:0\"\n"
        );
        std::fs::write(self.at("forkftpd.toml"), text).expect("configuration");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn doctor(&self) -> Said {
        doctor(&self.at("forkftpd.toml"), &[])
    }
}

fn doctor(config: &Path, arguments: &[&str]) -> Said {
    let mut command = forkftpd();
    command.args(["doctor", "--json", "--config"]).arg(config);
    let began = Instant::now();
    let done = command.args(arguments).output().expect("forkftpd");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it takes too long"
    );
    let said = String::from_utf8(done.stdout).expect("text");
    Said {
        code: done.status.code(),
        report: serde_json::from_str(&said).expect(&said),
    }
}

impl Said {
    /// The findings of a topic with this grade, each with what it says to do.
    fn of(&self, topic: &str, grade: &str) -> Vec<String> {
        let findings = self.report["findings"].as_array().expect("findings");
        let wanted = findings
            .iter()
            .filter(|finding| finding["topic"] == topic && finding["grade"] == grade);
        let line = |finding: &Value| {
            let fix = finding["fix"].as_str().unwrap_or_default();
            format!("{} => {fix}", finding["what"].as_str().expect("what"))
        };
        wanted.map(line).collect()
    }

    /// There is one of a topic and grade that says all of these words.
    fn says(&self, topic: &str, grade: &str, words: &[&str]) {
        let lines = self.of(topic, grade);
        let found = lines
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(
            found,
            "no {grade} of {topic} with {words:?}: {:#}",
            self.report
        );
        let code = match grade {
            "error" => Some(1),
            "warning" if self.report["errors"] == 0 => Some(3),
            "warning" => Some(1),
            _ => self.code,
        };
        assert_eq!(self.code, code, "{:#}", self.report);
    }

    fn is_sound(&self) {
        let (errors, warnings) = (&self.report["errors"], &self.report["warnings"]);
        assert!(errors == 0 && warnings == 0, "{:#}", self.report);
        assert_eq!(self.code, Some(0));
    }
}

/// The table of a listener that speaks FTP, with these keys more.
fn ftp(port: u16, keys: &str) -> String {
    format!(
        "[[listen]]\naddress = \"127.0.0.1:{port}\"\nprotocol = \"ftp\"\nlogin = \"none\"\ntls = \"off\"\n{keys}\n"
    )
}

const ANONYMOUS: &str = "[anonymous]\nrights = [\"list\", \"get\"]\n";

#[test]
fn a_sound_set_up_has_nothing_to_see_to_and_stays_as_it_is() {
    let setup = Setup::new("");
    let planned = setup.doctor();
    planned.is_sound();
    planned.says("filesystem", "ok", &["openat2: works"]);
    planned.says("filesystem", "note", &["not tried", "no staging area"]);
    planned.says("secrets", "ok", &["sound, and private"]);
    let left: Vec<_> = std::fs::read_dir(setup.at("library"))
        .expect("list")
        .collect();
    assert!(left.is_empty(), "a look leaves nothing: {left:?}");
    setup.configure(&ftp(free_port(), "passive_ports = \"31000-31099\""));
    let said = setup.doctor();
    said.says("server", "error", &["[anonymous]"]);
    assert_eq!(said.code, Some(1));
}

#[test]
fn a_running_server_is_asked_and_compared() {
    let port = free_port();
    let passive = format!(
        "passive_address = \"127.0.0.1\"\npassive_ports = \"{}-{}\"",
        port + 100,
        port + 199
    );
    let config = format!(
        "control = \"control\"\nmax_clients = 20\n{ANONYMOUS}{}",
        ftp(port, &passive)
    );
    let server = Server::configured(&config, &[], |library| {
        std::fs::write(library.join("a"), "a").expect("write");
    });
    let file = server.folder().join("forkftpd.toml");
    // A child that greets has shut itself in.
    let mut client = std::net::TcpStream::connect(&server.address).expect("connect");
    client.read_exact(&mut [0; 4]).expect("greeting");
    let said = doctor(&file, as_user());
    said.is_sound();
    assert!(
        said.report["about"]
            .as_str()
            .expect("about")
            .contains(&server.pid().to_string())
    );
    said.says("kernel", "ok", &["children were looked at"]);
    said.says("unit", "ok", &["sees the same"]);
    said.says("filesystem", "ok", &["RENAME_NOREPLACE"]);
    said.says(
        "address",
        "ok",
        &["data connections", "it is this machine that answers"],
    );
    said.says(
        "address",
        "ok",
        &[
            &format!("port {port} (where"),
            "it is this machine that answers",
        ],
    );
    said.says("ports", "ok", &["no other program listens there"]);
    assert!(server.staged("stage").is_empty(), "what was tried is gone");

    // What the file says now is not what runs.
    let text = std::fs::read_to_string(&file).expect("configuration");
    std::fs::write(&file, text.replace("max_clients = 20", "max_clients = 30"))
        .expect("configuration");
    let said = doctor(&file, as_user());
    said.says(
        "server",
        "warning",
        &[
            "max_clients = 20",
            "30",
            &format!("kill -HUP {}", server.pid()),
        ],
    );

    // The port that a server has already is not free for another.
    let other = Setup::new(&format!("{ANONYMOUS}{}", ftp(port, "")));
    other.doctor().says(
        "ports",
        "error",
        &[
            &port.to_string(),
            "another program listens there",
            "ss -ltnp",
        ],
    );
}

#[test]
fn ports_are_compared_with_clients_and_with_others() {
    let port = free_port();
    let taken = TcpListener::bind("127.0.0.1:0").expect("socket");
    let taken = taken.local_addr().expect("address").port();
    let range = |first: u16, last: u16| {
        format!(
            "{ANONYMOUS}{}",
            ftp(port, &format!("passive_ports = \"{first}-{last}\""))
        )
    };
    let setup = Setup::new(&range(port + 1, port + 5));
    let said = setup.doctor();
    said.says(
        "ports",
        "warning",
        &["are 5 ports", "max_clients = 20", "=> passive_ports = \""],
    );
    assert_eq!(said.code, Some(3));

    // From those that the kernel takes for itself, with one that somebody has.
    setup.configure(&range(taken - 50, taken + 50));
    let said = setup.doctor();
    said.says("ports", "note", &["overlap", "ip_local_reserved_ports"]);
    drop(said);

    setup.configure(&range(port - 10, port + 100));
    setup.doctor().says(
        "ports",
        "warning",
        &["this server itself listens at", &port.to_string()],
    );

    let held = TcpListener::bind(("127.0.0.1", port + 7)).expect("socket");
    setup.configure(&range(port + 1, port + 100));
    let named = (port + 7).to_string();
    setup.doctor().says(
        "ports",
        "warning",
        &["other programs listen at 1 of them", &named],
    );
    drop(held);

    setup.configure(&format!(
        "{ANONYMOUS}{}",
        ftp(port, "congestion = \"nosuch\"")
    ));
    setup
        .doctor()
        .says("ports", "error", &["nosuch", "modprobe tcp_nosuch"]);

    setup.configure(&format!(
        "{ANONYMOUS}{}",
        ftp(port, "passive_address = \"0.0.0.0\"")
    ));
    setup
        .doctor()
        .says("address", "error", &["0.0.0.0 is no address"]);
    setup.configure(&format!(
        "{ANONYMOUS}{}",
        ftp(port, "passive_address = \"name.invalid\"")
    ));
    setup.doctor().says("server", "error", &["name.invalid"]);
}

/// A certificate for `h.example`, good for so many days from now, by `issuer` or by itself, as PEM beside its key.
fn certificate(days: i64, issuer: Option<&Issuer<'_, KeyPair>>) -> (String, KeyPair) {
    let key = KeyPair::generate().expect("key");
    let mut asked = CertificateParams::new(["h.example".to_owned()]).expect("names");
    asked
        .distinguished_name
        .push(DnType::CommonName, "h.example");
    let date = |days: i64| {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let date = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    (asked.not_before, asked.not_after) = (date(-100), date(days));
    let made = match issuer {
        Some(issuer) => asked.signed_by(&key, issuer),
        None => asked.self_signed(&key),
    };
    (made.expect("certificate").pem(), key)
}

/// An authority of that name, as PEM and to sign with.
fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("key");
    let mut asked = CertificateParams::default();
    asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    asked.distinguished_name.push(DnType::CommonName, name);
    let pem = asked.self_signed(&key).expect("certificate").pem();
    (pem, Issuer::new(asked, key))
}

#[test]
fn certificates_are_judged() {
    let setup = Setup::new("");
    let port = free_port();
    let tls = |names: &str| {
        format!(
            "tls_certificate = \"crt\"\ntls_key = \"key\"\n{ANONYMOUS}{}",
            ftp(port, names).replace("tls = \"off\"", "tls = \"required\"")
        )
    };
    setup.configure(&tls("names = [\"h.example\"]"));
    let install = |pem: &str, key: &KeyPair| {
        std::fs::write(setup.at("crt"), pem).expect("write");
        std::fs::write(setup.at("key"), key.serialize_pem()).expect("write");
        mode(&setup.at("key"), 0o600);
    };
    for (days, grade, words) in [
        (-5, "error", "it expired on"),
        (4, "error", "days"),
        (20, "warning", "days"),
    ] {
        let (pem, key) = certificate(days, None);
        install(&pem, &key);
        setup
            .doctor()
            .says("certificate", grade, &[words, "=> renew it"]);
    }
    let (pem, key) = certificate(400, None);
    install(&pem, &key);
    let said = setup.doctor();
    said.is_sound();
    said.says("certificate", "ok", &["self-signed", "sha256:"]);

    // For another name; and open to others.
    setup.configure(&tls("names = [\"other.example\"]"));
    mode(&setup.at("crt"), 0o666);
    let said = setup.doctor();
    said.says(
        "certificate",
        "warning",
        &["other.example", "the certificate is for h.example"],
    );
    said.says(
        "certificate",
        "warning",
        &["others than its owner may change it", "=> chmod go-w"],
    );
    mode(&setup.at("key"), 0o644);
    setup
        .doctor()
        .says("certificate", "error", &["mode 0644", "chmod 600"]);
    let (_, another) = certificate(400, None);
    install(&pem, &another);
    setup.doctor().says(
        "certificate",
        "error",
        &["is not the key of the first certificate"],
    );

    // By an authority that this machine does not know; and with one behind it that did not sign it.
    setup.configure(&tls(""));
    mode(&setup.at("crt"), 0o644);
    let (own, issuer) = authority("one");
    let (foreign, _) = authority("another");
    let (pem, key) = certificate(400, Some(&issuer));
    install(&pem, &key);
    setup.doctor().says(
        "certificate",
        "warning",
        &["nobody whom this machine trusts"],
    );
    install(&(pem.clone() + &own), &key);
    setup.doctor().says(
        "certificate",
        "warning",
        &["nobody whom this machine trusts"],
    );
    install(&(pem + &foreign), &key);
    setup.doctor().says(
        "certificate",
        "error",
        &["certificate 2 is not the one that signed certificate 1"],
    );
}

#[test]
fn owners_and_modes_are_judged() {
    let setup = Setup::new("umask = \"0000\"");
    setup.doctor().says(
        "owners",
        "warning",
        &["umask = \"0000\"", "=> umask = \"0022\""],
    );
    setup.configure("keep_free = \"1000 TiB\"");
    setup
        .doctor()
        .says("disk", "error", &["every upload is refused", "keep_free"]);
    setup.configure("");
    mode(&setup.at("secret"), 0o644);
    setup
        .doctor()
        .says("secrets", "error", &["mode 0644", "chmod 600"]);
    mode(&setup.at("secret"), 0o600);
    mode(&setup.at(""), 0o777);
    let said = setup.doctor();
    said.says(
        "secrets",
        "warning",
        &["can put another file in its place", "=> chmod go-w"],
    );
    said.says(
        "owners",
        "warning",
        &["every user can put another folder in its place"],
    );
    mode(&setup.at(""), 0o755);
    mode(&setup.at("library"), 0o777);
    setup.doctor().says(
        "owners",
        "warning",
        &["every user of this machine changes", "=> chmod o-w"],
    );
    mode(&setup.at("library"), 0o555);
    let said = setup.doctor();
    said.says("owners", "error", &["can make nothing there", "=> chown"]);
    mode(&setup.at("library"), 0o000);
    setup.doctor().says(
        "library",
        "error",
        &["cannot be opened", "Permission denied"],
    );
    mode(&setup.at("library"), 0o755);
    setup.doctor().is_sound();
    if nix::unistd::geteuid().is_root() {
        // Only root reads on behind a folder that its server's user cannot pass.
        mode(&setup.at(""), 0o700);
        setup.doctor().says(
            "library",
            "error",
            &["does not get through", "=> chmod o+x"],
        );
        mode(&setup.at(""), 0o755);
        let private = setup.at("library/.forkftp");
        std::fs::create_dir(&private).expect("mkdir");
        mode(&private, 0o700);
        setup
            .doctor()
            .says("owners", "error", &["belongs to uid 0", "=> chown -R"]);
    }
    std::fs::remove_dir_all(setup.at("library")).expect("remove");
    setup
        .doctor()
        .says("library", "error", &["No such file", "=> install -d"]);
    std::fs::write(setup.at("forkftpd.toml"), "libary = 1\n").expect("configuration");
    setup
        .doctor()
        .says("server", "error", &["forkftpd.toml:1", "libary"]);
}
