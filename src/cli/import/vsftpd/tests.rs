use super::super::report::Fate;
use super::super::scratch::{HASH, Made, has, made};
use super::*;

/// What /etc/vsftpd.conf says on Debian, without its comments.
const DEBIAN: &str = "\
# Example config file /etc/vsftpd.conf
listen=NO
listen_ipv6=YES
anonymous_enable=NO
local_enable=YES
dirmessage_enable=YES
use_localtime=YES
xferlog_enable=YES
connect_from_port_20=YES
secure_chroot_dir=/var/run/vsftpd/empty
pam_service_name=vsftpd
rsa_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
rsa_private_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
ssl_enable=NO
";

/// As the image fauria/vsftpd documents its own.
const GUESTS: &str = "\
background=NO
anonymous_enable=NO
local_enable=YES
guest_enable=YES
virtual_use_local_privs=YES
user_sub_token=$USER
local_root=/home/vsftpd/$USER
chroot_local_user=YES
allow_writeable_chroot=YES
hide_ids=YES
write_enable=YES
listen=YES
listen_port=21
xferlog_enable=YES
xferlog_std_format=NO
log_ftp_protocol=YES
pasv_enable=YES
pasv_min_port=21100
pasv_max_port=21110
pasv_address=127.0.0.1
port_enable=YES
pasv_addr_resolve=NO
seccomp_sandbox=NO
passwd_chroot_enable=YES
local_umask=077
";

/// As the image delfer/alpine-ftp-server documents its own, with TLS on.
const ALPINE: &str = "\
seccomp_sandbox=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
local_umask=022
passwd_chroot_enable=yes
listen_ipv6=NO
listen=YES
max_clients=10
max_per_ip=5
background=NO
pasv_min_port=21000
pasv_max_port=21010
ssl_enable=YES
force_local_data_ssl=YES
force_local_logins_ssl=YES
require_ssl_reuse=NO
rsa_cert_file=/etc/letsencrypt/live/a/fullchain.pem
rsa_private_key_file=/etc/letsencrypt/live/a/privkey.pem
ssl_ciphers=HIGH
";

fn import_with(
    text: &str,
    passwords: Option<&str>,
    files: &[(&str, &str)],
) -> Result<Made, String> {
    let all = [&[("vsftpd.conf", text)], files].concat();
    made(&all, |here, report| {
        let passwords = passwords.map(|name| here.join(name));
        import(&here.join("vsftpd.conf"), passwords.as_deref(), report)
    })
}

#[test]
fn debians_own_file() {
    let made = import_with(DEBIAN, None, &[]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/home\"",
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
    // There is one on every machine, and their home is not below /home.
    let lines = format!("ann:{HASH}\ndaemon:{HASH}\n");
    let made = import_with(DEBIAN, Some("pw"), &[("pw", &lines)]).expect("import");
    has(
        &made.users,
        &[
            "[users.ann]",
            "home = \"ann\"",
            "[users.daemon]",
            "rights = []",
        ],
    );
    assert!(made.report.is_unsafe(), "{}", made.report.table());
}

#[test]
fn guests_have_a_home_each_below_what_is_the_same_for_all() {
    let lines = format!("ann:{HASH}\nbob:pencil\n# nobody\nlocked:!\n");
    let made = import_with(GUESTS, Some("pw"), &[("pw", &lines)]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/home/vsftpd\"",
            "address = \"0.0.0.0:21\"",
            "passive_ports = \"21100-21110\"",
            "passive_address = \"127.0.0.1\"",
        ],
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
    let made = import_with(ALPINE, None, &[]).expect("import");
    has(
        &made.config,
        &[
            "tls = \"required\"",
            "data_tls_reuse = \"prefer\"",
            "tls_certificate = \"/etc/letsencrypt/live/a/fullchain.pem\"",
            "tls_key = \"/etc/letsencrypt/live/a/privkey.pem\"",
            "max_clients = 10",
            "max_per_address = 5",
            "umask = \"0022\"",
        ],
    );
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
