use super::super::report::Fate;
use super::super::scratch::{HASH, Made, has, made};
use super::*;

const DEBIAN: &str = include_str!("../images/debian-vsftpd.conf");
const FAURIA: &str = include_str!("../images/fauria-vsftpd.conf");
const DELFER: &str = include_str!("../images/delfer-vsftpd.conf");
const PANUBO: &str = include_str!("../images/panubo-vsftpd.conf");

fn import_with(
    text: &str,
    passwords: Option<&str>,
    files: &[(&str, &str)],
) -> Result<Made, String> {
    import_after(&[], text, passwords, files)
}

fn import_after(
    options: &[&str],
    text: &str,
    passwords: Option<&str>,
    files: &[(&str, &str)],
) -> Result<Made, String> {
    let all = [&[("vsftpd.conf", text)], files].concat();
    let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
    made(&all, |here, report| {
        let passwords = passwords.map(|name| here.join(name));
        let file = here.join("vsftpd.conf");
        import(&file, &options, passwords.as_deref(), report)
    })
}

#[test]
fn debians_own_file() {
    let made = import_with(DEBIAN, None, &[]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/home\"",
            "max_clients = 2000",
            "max_per_address = 50",
            "idle_seconds = 300",
            "stall_seconds = 300",
            "umask = \"0077\"",
            "vsftpd_log = \"/var/log/vsftpd.log\"",
            "users_file = \"users.toml\"",
            "address = \"[::]:21\"",
            "login = \"required\"",
            "tls = \"off\"",
            "active = true",
            "data_seconds = 60",
        ],
    );
    assert!(!made.config.contains("xferlog =") && !made.config.contains("[anonymous]"));
    assert!(made.report.says(Fate::Missing, "local_enable"));
    assert!(made.report.says(Fate::Missing, "dirmessage_enable"));
    assert!(made.report.says(Fate::Nothing, "use_localtime"));
    assert!(!made.report.is_unsafe(), "{}", made.report.table());
}

#[test]
fn users_of_this_machine_have_their_homes_here() {
    // One who is not kept from logging in, and whose home is not below /home.
    let barred = std::fs::read_to_string("/etc/ftpusers").unwrap_or_default();
    let table = std::fs::read_to_string("/etc/passwd").expect("users");
    let name = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, home) = (*fields.first()?, *fields.get(5)?);
        let kept = name == "root" || barred.lines().any(|line| line == name);
        (!kept && !home.starts_with("/home")).then(|| name.to_owned())
    });
    let name = name.expect("a user of the system");
    let lines = format!("ann:{HASH}\n{name}:{HASH}\n");
    let made = import_with(DEBIAN, Some("pw"), &[("pw", &lines)]).expect("import");
    has(
        &made.users,
        &["[users.ann]", "home = \"ann\"", "rights = []"],
    );
    assert!(made.report.is_unsafe(), "{}", made.report.table());
}

#[test]
fn guests_have_a_home_each_below_what_is_the_same_for_all() {
    let lines = format!("ann:{HASH}\nbob:pencil\n# nobody\nlocked:!\n");
    let made = import_with(FAURIA, Some("pw"), &[("pw", &lines)]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/home/vsftpd\"",
            "address = \"0.0.0.0:21\"",
            "passive_ports = \"21100-21110\"",
            "passive_address = \"127.0.0.1\"",
            // As there: the file of xferlog_file is for the other format.
            "vsftpd_log = \"/var/log/vsftpd.log\"",
        ],
    );
    assert!(!made.config.contains("xferlog"));
    assert!(
        !made.report.says(Fate::Missing, "listen"),
        "{}",
        made.report.table()
    );
    has(
        &made.users,
        &[
            "[users.ann]",
            &format!("password = \"{HASH}\""),
            "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]",
            "home = \"ann\"",
        ],
    );
    assert!(!made.users.contains("bob") && !made.users.contains("locked"));
    assert_eq!(
        made.commands,
        "forkftpd user add bob --rights list,get,put,overwrite,delete,rename,mkdir --home bob --users-file users.toml"
    );
    assert!(made.report.says(Fate::Missing, "bob"));
}

#[test]
fn tls_as_it_was_there() {
    // As start_vsftpd.sh of the image has it, with a certificate.
    let options = [
        "pasv_min_port=21000",
        "pasv_max_port=21010",
        "pasv_address=ftp.example.net",
        "rsa_cert_file=/etc/letsencrypt/live/a/fullchain.pem",
        "rsa_private_key_file=/etc/letsencrypt/live/a/privkey.pem",
        "ssl_enable=YES",
        "allow_anon_ssl=NO",
        "force_local_data_ssl=YES",
        "force_local_logins_ssl=YES",
        "ssl_tlsv1=NO",
        "ssl_sslv2=NO",
        "ssl_sslv3=NO",
        "ssl_ciphers=HIGH",
    ];
    let made = import_after(&options, DELFER, None, &[]).expect("import");
    has(
        &made.config,
        &[
            "tls = \"required\"",
            "data_tls_reuse = \"require\"",
            "tls_certificate = \"/etc/letsencrypt/live/a/fullchain.pem\"",
            "tls_key = \"/etc/letsencrypt/live/a/privkey.pem\"",
            "passive_ports = \"21000-21010\"",
            "passive_address = \"ftp.example.net\"",
            "umask = \"0022\"",
        ],
    );
    for option in options {
        assert!(
            made.report.table().contains(&format!("-o: {option}")),
            "{option}"
        );
    }
    let mixed = import_with("ssl_enable=YES\nlocal_enable=YES\nanonymous_enable=YES\nanon_root=/srv/a\nlocal_root=/srv/b\n", Some("pw"), &[("pw", &format!("ann:{HASH}"))]).expect("mixed");
    has(
        &mixed.config,
        &[
            "tls = \"optional\"",
            "login = \"optional\"",
            "library = \"/srv\"",
            "home = \"a\"",
            "tls_key = \"/usr/share/ssl/certs/vsftpd.pem\"",
        ],
    );
    has(
        &mixed.users,
        &[
            "tls = \"required\"",
            "home = \"b\"",
            "rights = [\"list\", \"get\"]",
        ],
    );
    assert!(mixed.report.says(Fate::Unsafe, "force_local_data_ssl"));
    assert!(!made.report.is_unsafe(), "{}", made.report.table());
    let implicit = import_with(
        "ssl_enable=YES\nimplicit_ssl=YES\nlocal_enable=YES\n",
        None,
        &[],
    )
    .expect("implicit");
    has(
        &implicit.config,
        &["tls = \"implicit\"", "data_tls_reuse = \"require\""],
    );
}

#[test]
fn what_images_have_is_all_said() {
    for (image, marked) in [
        (DEBIAN, None),
        (FAURIA, None),
        (DELFER, None),
        (PANUBO, Some("tcp_wrappers")),
    ] {
        let image = image.replace("/etc/vsftpd/user_conf", "HERE/user_conf");
        let made = import_with(&image, None, &[("user_conf/ann", "")]).expect("import");
        let table = made.report.table();
        for (at, line) in image.lines().enumerate() {
            let said = format!("vsftpd.conf:{}: {}", at + 1, line.replace("HERE", ""));
            let said = said.split_once('=').map_or("", |(said, _)| said);
            assert!(
                line.starts_with('#') || table.contains(said),
                "{line}\n{table}"
            );
        }
        assert_eq!(made.report.is_unsafe(), marked.is_some(), "{table}");
        assert!(marked.is_none_or(|key| made.report.says(Fate::Unsafe, key)));
    }
    // What a container prints to is no file of ours.
    let made = import_with(DELFER, None, &[]).expect("import");
    assert!(!made.config.contains("vsftpd_log"), "{}", made.config);
    assert!(made.report.says(Fate::Missing, "vsftpd_log_file"));
    // Two logs, and one root for all.
    let made = import_with(PANUBO, None, &[]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/srv\"",
            "umask = \"0000\"",
            "xferlog = \"/var/log/xferlog\"",
            "vsftpd_log = \"/var/log/vsftpd.log\"",
            "passive_ports = \"4559-4564\"",
        ],
    );
}

#[test]
fn options_of_the_command_line_come_first_and_the_file_over_them() {
    let text = "local_enable=YES\nlisten_port=2121\nlisten_port=2222\n";
    let options = ["listen_port=2020", "max_clients=7", "no_such_thing=1"];
    let made = import_after(&options, text, None, &[]).expect("import");
    has(
        &made.config,
        &["address = \"0.0.0.0:2222\"", "max_clients = 7"],
    );
    let table = made.report.table();
    for said in [
        "-o: listen_port=2020",
        "vsftpd.conf:2: listen_port=2121",
        "vsftpd.conf:3: listen_port=2222",
        "! -o: no_such_thing=1",
    ] {
        assert!(table.contains(said), "{said}\n{table}");
    }
    let why = import_after(&["max_clients=many"], text, None, &[]).err();
    assert!(why.is_some_and(|why| why.starts_with("-o: max_clients")));
}

#[test]
fn rights_of_the_anonymous_are_those_that_were_given() {
    let made = import_with("anonymous_enable=YES\nanon_root=/srv/ftp/\nwrite_enable=YES\nanon_upload_enable=YES\nanon_max_rate=5000\ndirlist_enable=NO\ncmds_denied=RETR,DELE\nlisten=YES\nxferlog_enable=YES\nxferlog_std_format=YES\n", None, &[]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/srv/ftp\"",
            "login = \"none\"",
            "rights = [\"put\"]",
            "umask = \"0077\"",
            "upload_rate = 5000",
            "xferlog = \"/var/log/xferlog\"",
        ],
    );
    assert!(!made.config.contains("users_file"));
}

#[test]
fn lists_and_files_of_users_say_who_is_one() {
    let base = "local_enable=YES\nwrite_enable=YES\nlocal_root=HERE/data\nuserlist_enable=YES\nuserlist_file=HERE/list\nuser_config_dir=HERE/conf\nlocal_umask=022\n";
    let pw = format!("ann:{HASH}\neve:{HASH}\n");
    let files = [
        ("list", "eve\n"),
        (
            "conf/ann",
            "write_enable=NO\nlocal_root=HERE/data/ann\nlocal_max_rate=100\nidle_session_timeout=5\n",
        ),
        ("conf/zoe", ""),
        ("pw", &pw),
    ];
    let made = import_with(base, Some("pw"), &files).expect("import");
    has(
        &made.users,
        &[
            "[users.ann]",
            "rights = [\"list\", \"get\"]",
            "home = \"ann\"",
            "upload_rate = 100",
        ],
    );
    assert!(
        !made.users.contains("eve")
            && made.commands.contains("user add zoe")
            && !made.commands.contains("eve")
    );
    assert!(made.report.says(Fate::Missing, "idle_session_timeout"));
    let only = format!("{base}userlist_deny=NO\n");
    let made = import_with(&only, Some("pw"), &files).expect("import");
    assert!(
        made.users.contains("eve") && !made.users.contains("ann") && !made.commands.contains("zoe")
    );
    let outside = [
        ("list", ""),
        ("conf/ann", "local_root=/elsewhere\n"),
        ("pw", &pw),
    ];
    let made = import_with(base, Some("pw"), &outside).expect("import");
    assert!(
        made.report.is_unsafe() && made.users.contains("rights = []"),
        "{}",
        made.users
    );
}

#[test]
fn root_is_never_a_user() {
    let pw = format!("root:{HASH}:19000:0:99999:7:::\nann:{HASH}:19000:0:99999:7:::\n");
    let made =
        import_with("local_enable=YES\n", Some("shadow"), &[("shadow", &pw)]).expect("import");
    assert!(made.users.contains("[users.ann]") && !made.users.contains("root"));
    has(&made.users, &["home = \"ann\""]);
    assert!(!made.commands.contains("root"));
}

#[test]
fn what_protected_there_is_marked_and_what_is_no_option_is_refused() {
    for (line, fate) in [
        ("tcp_wrappers=YES", Fate::Unsafe),
        ("tcp_wrappers=NO", Fate::Nothing),
        ("deny_file={*.mp3}", Fate::Unsafe),
        ("require_cert=YES", Fate::Unsafe),
        ("secure_email_list_enable=yes", Fate::Unsafe),
        ("pasv_promiscuous=YES", Fate::Missing),
        ("no_such_thing=1", Fate::Unsafe),
        ("ssl_sslv3=YES", Fate::Nothing),
        ("userlist_enable=YES", Fate::Ours),
    ] {
        let text = format!("local_enable=YES\nssl_enable=YES\n{line}\nuserlist_file=HERE/list\n");
        let made = import_with(&text, None, &[("list", "")]).expect(line);
        let key = line.split('=').next().expect("key");
        assert!(
            made.report.says(fate, key),
            "{line}: {}",
            made.report.table()
        );
        assert!(made.report.table().contains("vsftpd.conf:3: "), "{line}");
    }
    for (bad, place) in [("listen=MAYBE", ":1: "), ("\nlisten_port=x", ":2: ")] {
        let why = import_with(bad, None, &[]).err().expect(bad);
        assert!(why.contains(place), "{why}");
    }
}

#[test]
fn every_option_is_known_once() {
    let names: Vec<_> = options::OPTIONS.iter().map(|option| option.name).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), unique.len());
    // As many as vsftpd.conf(5) has, and some that only its source names.
    assert!(names.len() >= 128, "{}", names.len());
}

/// The table of the page about moving, and this program, say the same of each option that does not go by itself.
#[test]
fn the_page_says_of_each_option_what_becomes_of_it() {
    let page = include_str!("../../../docs/moving-from-vsftpd.md");
    let said: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let row = |option: &options::Option_| {
        let (taken, says) = match option.becomes {
            options::Becomes::Ours(says) => ("yes", says),
            options::Becomes::Missing(says) => ("no", says),
            options::Becomes::Unsafe(says) => ("no: *look*", says),
            options::Becomes::Nothing(_) => return None,
        };
        Some(format!("| `{}` | {taken} | {says} |", option.name))
    };
    let expected: Vec<_> = options::OPTIONS.iter().filter_map(row).collect();
    assert!(expected.len() > 60);
    for (said, expected) in said.iter().zip(&expected) {
        assert_eq!(said, expected);
    }
    assert_eq!(said.len(), expected.len());
}
