use super::super::scratch::{HASH, Made, has, made};
use super::*;

/// Debian's own, without its comments; its modules are said to be somewhere.
const DEBIAN: &str = r#"
Include HERE/modules.conf
UseIPv6 on
<IfModule mod_ident.c>
  IdentLookups off
</IfModule>
ServerName "Debian"
ServerType standalone
DeferWelcome off
DefaultServer on
ShowSymlinks on
TimeoutNoTransfer 600
TimeoutStalled 600
TimeoutIdle 1200
DisplayLogin welcome.msg
DisplayChdir .message true
ListOptions "-l"
DenyFilter \*.*/
Port 21
MaxInstances 30
User proftpd
Group nogroup
Umask 022 022
AllowOverwrite on
TransferLog /var/log/proftpd/xferlog
SystemLog /var/log/proftpd/proftpd.log
<IfModule mod_quotatab.c>
QuotaEngine off
</IfModule>
<IfModule mod_ratio.c>
Ratios off
</IfModule>
<IfModule mod_ctrls.c>
ControlsEngine off
ControlsMaxClients 2
</IfModule>
Include HERE/conf.d/
"#;

fn with(files: &[(&str, &str)]) -> Result<Made, String> {
    made(files, |here, report| {
        import(&here.join("proftpd.conf"), report)
    })
}

#[test]
fn debians_own_with_a_file_of_users() {
    let users = format!(
        "ann:{HASH}:1001:1001::/srv/ftp/ann:/bin/false\nbob:x:1002:1002::/srv/ftp/bob:/bin/false\n"
    );
    let more = "AuthUserFile HERE/ftpd.passwd\nDefaultRoot ~\nPassivePorts 49152 49200\nMasqueradeAddress 203.0.113.5\n<IfModule mod_tls.c>\nTLSEngine on\nTLSRequired on\nTLSRSACertificateFile /etc/ssl/a.crt\nTLSRSACertificateKeyFile /etc/ssl/a.key\nTLSOptions NoSessionReuseRequired\n</IfModule>\n";
    let files = [
        ("proftpd.conf", DEBIAN),
        (
            "modules.conf",
            "ModulePath /usr/lib\nLoadModule mod_tls.c\n",
        ),
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
