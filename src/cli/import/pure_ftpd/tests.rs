use super::super::report::Fate;
use super::super::scratch::{HASH, Made, has, made};
use super::*;

/// Debian's folder of options, as the package brings it.
const DEBIAN: [(&str, &str); 9] = [
    ("conf/AltLog", "clf:/var/log/pure-ftpd/transfer.log\n"),
    ("conf/FSCharset", "UTF-8\n"),
    ("conf/MinUID", "1000\n"),
    ("conf/NoAnonymous", "yes\n"),
    ("conf/PAMAuthentication", "yes\n"),
    ("conf/PureDB", "HERE/pureftpd.pdb\n"),
    ("conf/TLSCipherSuite", "HIGH\n"),
    ("conf/UnixAuthentication", "no\n"),
    ("conf/PassivePortRange.bak", "1 2\n"),
];

fn users(lines: &str) -> String {
    lines.replace("HASH", HASH)
}

/// The line of a file in which others are comments.
fn command_line(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.next().expect("a line")
}

fn with(files: &[(&str, &str)], what: &[&str]) -> Result<Made, String> {
    made(files, |here, report| {
        let here = here.to_str().expect("path");
        let what: Vec<_> = what.iter().map(|word| word.replace("HERE", here)).collect();
        import(&what, None, report)
    })
}

#[test]
fn debians_folder_and_the_text_of_its_virtual_users() {
    let lines = users(
        "joe:HASH:1000:1000::/home/ftpusers/joe/./:::::2:1000:10485760::::::\nann:HASH:1000:1000::/home/ftpusers/ann/./:5120:10240::::::::10.0.0.0/8,192.0.2.1:::\nold:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/:1000:1000::/home/ftpusers/old/./::::::::::::\nday:HASH:1000:1000::/home/ftpusers/day/./:::::::::::10.0.0.1:0900-1800\n",
    );
    let mut files = DEBIAN.to_vec();
    files.push(("pureftpd.passwd", &lines));
    let made = with(&files, &["HERE/conf"]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/home/ftpusers\"",
            "max_clients = 50",
            "idle_seconds = 900",
            "umask = \"0022\"",
            "address = \"[::]:21\"",
            "login = \"required\"",
            "tls = \"off\"",
        ],
    );
    assert!(!made.config.contains("passive_ports") && !made.config.contains("[anonymous]"));
    has(
        &made.users,
        &[
            "[users.joe]",
            "home = \"joe\"",
            "sessions = 2",
            "quota_files = 1000",
            "quota = 10485760",
            "[users.ann]",
            "upload_rate = 5120",
            "download_rate = 10240",
            "networks = [\"10.0.0.0/8\", \"192.0.2.1\"]",
        ],
    );
    assert!(made.commands.contains("user add old --rights") && !made.users.contains("users.old"));
    assert!(made.report.says(Fate::Missing, "AltLog"));
    assert!(made.report.says(Fate::Missing, "PAMAuthentication"));
    assert!(
        made.report.says(Fate::Unsafe, "day"),
        "{}",
        made.report.table()
    );
}

#[test]
fn flags_as_container_images_have_them() {
    // With what its documents say may be added.
    let flags = include_str!("../images/stilliard-pure-ftpd.flags");
    let flags = flags.replace("/etc/pure-ftpd/", "HERE/");
    let more = "--tls=2 -d -d -O w3c:/var/log/pure-ftpd/transfer.log -k 90";
    let flags = format!("{} {more}", command_line(&flags));
    let lines = users("bob:HASH:1000:1000::/home/ftpusers/bob/./::::::::::::\n");
    let words: Vec<&str> = flags.split(' ').collect();
    let made = with(&[("pureftpd.passwd", &lines)], &words).expect("import");
    has(
        &made.config,
        &[
            "passive_ports = \"30000-30009\"",
            "passive_address = \"localhost\"",
            "max_clients = 5",
            "max_per_address = 5",
            "tls = \"required\"",
            "tls_key = \"/etc/ssl/private/pure-ftpd.pem\"",
            "data_tls_reuse = \"prefer\"",
            "library = \"/home/ftpusers\"",
        ],
    );
    has(&made.users, &["[users.bob]", "home = \"bob\""]);
    assert!(made.report.says(Fate::Missing, "CreateHomeDir (-j)"));
    assert!(made.report.says(Fate::Missing, "AltLog (-O) w3c:"));
    assert!(!made.report.is_unsafe(), "{}", made.report.table());
    let made = with(
        &[],
        &[
            "-S",
            "127.0.0.1,2121",
            "-4Ki",
            "-t8:16",
            "-y",
            "3:20",
            "-n500:10",
            "-V10.0.0.1",
            "--nothing",
        ],
    )
    .expect("flags");
    has(
        &made.config,
        &[
            "address = \"127.0.0.1:2121\"",
            "login = \"optional\"",
            "rights = [\"list\", \"get\"]",
            "upload_rate = 8192",
            "download_rate = 16384",
            "sessions = 20",
        ],
    );
    assert!(
        made.report.says(Fate::Unsafe, "TrustedIP") && made.report.says(Fate::Unsafe, "--nothing")
    );
    assert!(with(&[], &["-p"]).is_err(), "its value is missing");
}

#[test]
fn long_flags_of_an_image_are_all_said() {
    let flags = include_str!("../images/crazymax-pure-ftpd.flags").replace("/data/", "HERE/");
    let line = command_line(&flags);
    let words: Vec<&str> = line.split(' ').collect();
    let lines = users("bob:HASH:1000:1000::/data/bob/./::::::::::::\n");
    let made = with(&[("pureftpd.passwd", &lines)], &words).expect("import");
    has(
        &made.config,
        &[
            "address = \"0.0.0.0:2100\"",
            "login = \"required\"",
            "passive_ports = \"30000-30009\"",
            "passive_address = \"203.0.113.5\"",
            "library = \"/data\"",
        ],
    );
    has(
        &made.users,
        &["rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"mkdir\"]"],
    );
    let table = made.report.table().to_ascii_lowercase();
    for word in words.iter().filter_map(|word| word.strip_prefix("--")) {
        assert!(table.contains(&format!("flags: {word}")), "{word}\n{table}");
    }
    // Nobody is anonymous there, so nothing is lost that kept them from each other's uploads.
    assert!(made.report.says(Fate::Nothing, "AntiWarez"));
    assert!(!made.report.is_unsafe(), "{table}");
    let made = with(&[], &["--login", "mysql:/data/pureftpd-mysql.conf"]).expect("import");
    assert!(made.report.says(Fate::Missing, "login (-l) mysql:"));
}

#[test]
fn lines_of_a_file_and_what_is_off_in_it() {
    let file = "# comment\nChrootEveryone               yes\nMaxClientsNumber             50\nAntiWarez                    no\nKeepAllFiles yes\nNoRename yes\nPureDB HERE/pureftpd.pdb\nTLS 1\nCertFileAndKey \"/etc/pure-ftpd.pem\" \"/etc/pure-ftpd.key\"\nUmask 177:077\n";
    let lines = users(
        "bob:HASH:1000:1000::/home/bob::::::::::::\nhid:HASH:1000:1000::/home/.hid::::::::::::\n",
    );
    let made = with(
        &[("pure-ftpd.conf", file), ("pureftpd.passwd", &lines)],
        &["HERE/pure-ftpd.conf"],
    )
    .expect("import");
    has(
        &made.config,
        &[
            "tls_certificate = \"/etc/pure-ftpd.pem\"",
            "tls_key = \"/etc/pure-ftpd.key\"",
            "tls = \"optional\"",
            "umask = \"0077\"",
        ],
    );
    has(
        &made.users,
        &[
            "rights = [\"list\", \"get\", \"put\", \"mkdir\"]",
            "rights = []",
        ],
    );
    assert!(made.report.says(Fate::Nothing, "AntiWarez") && made.report.says(Fate::Unsafe, "hid"));
}
