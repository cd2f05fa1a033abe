use super::super::scratch::{HASH, Made, has, made};
use super::*;

/// As Debian has it, with what an image changes.
const KIBATIC: &str = include_str!("../images/kibatic-proftpd.conf");
const MODULES: &str = include_str!("../images/kibatic-modules.conf");
const INSTANTLINUX: &str = include_str!("../images/instantlinux-proftpd.conf");

fn with(files: &[(&str, &str)]) -> Result<Made, String> {
    made(files, |here, report| {
        import(&here.join("proftpd.conf"), None, report)
    })
}

#[test]
fn debians_own_with_a_file_of_users() {
    let debian = KIBATIC.replace("/etc/proftpd/", "HERE/");
    let users = format!(
        "ann:{HASH}:1001:1001::/srv/ftp/ann:/bin/false\nbob:x:1002:1002::/srv/ftp/bob:/bin/false\n"
    );
    let more = "AuthUserFile HERE/ftpd.passwd\nPassivePorts 49152 49200\nMasqueradeAddress 203.0.113.5\n<IfModule mod_tls.c>\nTLSEngine on\nTLSRequired on\nTLSRSACertificateFile /etc/ssl/a.crt\nTLSRSACertificateKeyFile /etc/ssl/a.key\nTLSOptions NoSessionReuseRequired\n</IfModule>\n";
    let files = [
        ("proftpd.conf", debian.as_str()),
        ("modules.conf", MODULES),
        ("conf.d/own.conf", more),
        ("ftpd.passwd", &users),
    ];
    let made = with(&files).expect("import");
    has(
        &made.config,
        &[
            "library = \"/srv/ftp\"",
            "max_clients = 30",
            "idle_seconds = 1200",
            "stall_seconds = 600",
            "login_seconds = 300",
            "umask = \"0022\"",
            "xferlog = \"/var/log/proftpd/xferlog\"",
            "address = \"[::]:21\"",
            "login = \"required\"",
            "tls = \"required\"",
            "data_tls_reuse = \"prefer\"",
            "tls_key = \"/etc/ssl/a.key\"",
            "passive_ports = \"49152-49200\"",
            "passive_address = \"203.0.113.5\"",
        ],
    );
    has(
        &made.users,
        &[
            "[users.ann]",
            "home = \"ann\"",
            "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]",
        ],
    );
    assert!(made.commands.contains("user add bob"));
    assert!(
        made.report.says(Fate::Missing, "displaylogin")
            && made.report.says(Fate::Nothing, "quotaengine off")
    );
    assert!(!made.report.is_unsafe(), "{}", made.report.table());
}

#[test]
fn limits_are_rights_and_what_else_they_deny_is_marked() {
    let base = "AuthUserFile HERE/p\nDefaultRoot /srv/ftp\n";
    let users = format!("ann:{HASH}:1:1::/x:/f\neve:{HASH}:1:1::/x:/f\n");
    let of = |more: &str| {
        with(&[("proftpd.conf", &format!("{base}{more}")), ("p", &users)]).expect(more)
    };
    let made = of("<Limit WRITE>\n  DenyAll\n</Limit>\n");
    has(&made.users, &["rights = [\"list\", \"get\"]"]);
    let made = of(
        "<Limit DELE RMD>\nDenyAll\n</Limit>\n<Limit LOGIN>\nAllowUser ann\nDenyAll\n</Limit>\n",
    );
    has(
        &made.users,
        &["rights = [\"list\", \"get\", \"put\", \"rename\", \"mkdir\"]"],
    );
    assert!(made.users.contains("ann") && !made.users.contains("eve") && !made.report.is_unsafe());
    let made = of(
        "<Limit LOGIN>\nOrder Allow,Deny\nAllow from 10.0.0.0/8, 192.0.2.1\nDeny from all\n</Limit>\n",
    );
    has(&made.users, &["networks = [\"10.0.0.0/8\", \"192.0.2.1\"]"]);
    assert!(!made.report.is_unsafe());
    let made = of("<Limit LOGIN>\nDenyUser eve\n</Limit>\n");
    assert!(made.users.contains("ann") && !made.users.contains("eve"));
    for bad in [
        "<Limit STOR>\nAllowUser ann\nDenyAll\n</Limit>\n",
        "<Limit LOGIN>\nAllowGroup staff\nDenyAll\n</Limit>\n",
        "<Directory /srv/ftp/secret>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n",
        "TLSVerifyClient on\n",
        "PathDenyFilter \"\\.php$\"\n",
        "QuotaEngine on\n",
    ] {
        let made = of(bad);
        assert!(made.report.is_unsafe(), "{bad}: {}", made.report.table());
    }
    let made = of("<Limit STOR>\nAllowUser ann\nDenyAll\n</Limit>\n");
    has(
        &made.users,
        &["rights = [\"list\", \"get\", \"delete\", \"rename\", \"mkdir\"]"],
    );
}

#[test]
fn what_images_have_is_all_said() {
    let users = format!(
        "zed:{HASH}:19000:0:99999:7:::\nold:pa3dSnSdW8mLM:19000:0:99999:7:::\nroot:*:1:::::\n"
    );
    for image in [KIBATIC, INSTANTLINUX] {
        let image = image.replace("/etc/proftpd/", "HERE/");
        let files = [
            ("proftpd.conf", image.as_str()),
            ("modules.conf", MODULES),
            ("conf.d/none", ""),
            ("shadow", &users),
        ];
        let made = made(&files, |here, report| {
            import(
                &here.join("proftpd.conf"),
                Some(&here.join("shadow")),
                report,
            )
        })
        .expect("import");
        let table = made.report.table();
        for (at, line) in image.lines().enumerate() {
            let line = line.trim().to_ascii_lowercase();
            let name = line.split_whitespace().next().unwrap_or("#");
            let no_line = name.starts_with(['#', '<']) && !line.starts_with("<limit");
            let said = format!("proftpd.conf:{}: {name}", at + 1);
            // What a section of the kinds that are gone through has in it is said for itself, and that of <Limit> by the section.
            let of_limit = matches!(name, "allowall" | "denyall" | "include");
            assert!(
                no_line || of_limit || table.contains(&said),
                "{line}\n{table}"
            );
        }
        // The machine's own users: a hash that is verified here, and one that is not.
        assert!(made.users.contains("[users.zed]"), "{}", made.users);
        assert!(made.commands.contains("user add old "), "{}", made.commands);
        assert!(!made.users.contains("root") && !made.commands.contains("root"));
    }
}

#[test]
fn what_is_not_there_to_be_included_is_said() {
    let made = with(&[(
        "proftpd.conf",
        "Include HERE/tls.conf\nInclude HERE/none/*.conf\n",
    )]);
    let made = made.expect("import");
    assert!(made.report.says(Fate::Missing, "include "));
    assert_eq!(made.report.table().matches("include ").count(), 1);
}

#[test]
fn a_denied_command_that_no_right_is_for_is_said() {
    for (limit, fate) in [
        ("SITE_CHMOD", Fate::Missing),
        ("RMD", Fate::Unsafe),
        ("APPE SITE_CHMOD", Fate::Unsafe),
        ("CWD", Fate::Unsafe),
        ("DELE RMD", Fate::Ours),
        ("WRITE SITE_CHMOD", Fate::Ours),
    ] {
        let text = format!("<Limit {limit}>\nDenyAll\n</Limit>\n");
        let made = with(&[("proftpd.conf", &text)]).expect(limit);
        assert!(made.report.says(fate, "<limit"), "{}", made.report.table());
    }
}

#[test]
fn an_anonymous_section_is_ours() {
    // As the sample configuration of the package has it.
    let text = "ServerName x\nMaxInstances 30\nUser nobody\n<Anonymous /srv/pub>\n  User ftp\n  Group ftp\n  UserAlias anonymous ftp\n  MaxClients 10\n  DisplayLogin welcome.msg\n  <Limit WRITE>\n    DenyAll\n  </Limit>\n  <Directory uploads/*>\n    <Limit STOR>\n      AllowAll\n    </Limit>\n  </Directory>\n</Anonymous>\n";
    let made = with(&[("proftpd.conf", text)]).expect("import");
    has(
        &made.config,
        &[
            "library = \"/srv/pub\"",
            "login = \"optional\"",
            "[anonymous]",
            "rights = [\"list\", \"get\"]",
            "sessions = 10",
            "idle_seconds = 600",
            "stall_seconds = 3600",
        ],
    );
    assert!(!made.report.is_unsafe(), "{}", made.report.table());
    let shut = text.replace("MaxClients 10", "<Limit LOGIN>\nDenyAll\n</Limit>");
    let made = with(&[("proftpd.conf", &shut)]).expect("import");
    has(&made.config, &["login = \"required\""]);
    assert!(!made.config.contains("[anonymous]"));
}

#[test]
fn what_does_not_end_or_includes_itself_is_refused() {
    for (text, word) in [
        ("<Global>\nPort 21\n", "proftpd.conf:1"),
        ("</Global>\n", "did not begin"),
        ("<Global>\n</Limit>\n", "ends here as limit"),
        ("Include HERE/proftpd.conf\n", "too deep"),
        (&"<Global>\n".repeat(20), "too deep"),
    ] {
        let why = with(&[("proftpd.conf", text)]).err().expect(text);
        assert!(why.contains(word), "{text}: {why}");
    }
    let made = with(&[(
        "proftpd.conf",
        "Port \\\n 2121\n<IfModule !mod_tls.c>\nPort 1\n</IfModule>\nNoSuchThing 1\n",
    )])
    .expect("import");
    has(&made.config, &["address = \"[::]:2121\""]);
    assert!(made.report.says(Fate::Missing, "nosuchthing"));
}
