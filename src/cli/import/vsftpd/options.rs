//! Every option of vsftpd.conf(5), and those that only its source, or what Red Hat adds to it, names: the default, and what becomes of it.
//! The defaults are those of the program of version 3; the manual still has older ones for some. Run by `forkftpd import`.

use super::super::draft::CHMOD;
use super::super::report::Fate;

/// An option by name.
#[derive(Debug)]
pub(super) struct Option_ {
    pub(super) name: &'static str,
    /// As vsftpd has it when the option is absent.
    pub(super) default: &'static str,
    pub(super) becomes: Becomes,
}

/// What becomes of an option.
#[derive(Debug, Clone, Copy)]
pub(super) enum Becomes {
    /// Keys of ours, which `super` works out.
    Ours(&'static str),
    /// Nothing has to be done, because.
    Nothing(&'static str),
    /// Not to be had when it is other than the default: what to do.
    Missing(&'static str),
    /// The same, and it protected something.
    Unsafe(&'static str),
}

impl Becomes {
    pub(super) fn fate(self, is_default: bool) -> (Fate, &'static str) {
        match self {
            Becomes::Ours(says) => (Fate::Ours, says),
            Becomes::Nothing(why) => (Fate::Nothing, why),
            Becomes::Missing(_) | Becomes::Unsafe(_) if is_default => {
                (Fate::Nothing, "not in use there")
            }
            Becomes::Missing(says) => (Fate::Missing, says),
            Becomes::Unsafe(says) => (Fate::Unsafe, says),
        }
    }
}

/// The option of that name.
pub(super) fn find(name: &str) -> Option<&'static Option_> {
    OPTIONS.iter().find(|option| option.name == name)
}

const fn ours(name: &'static str, default: &'static str, says: &'static str) -> Option_ {
    Option_ {
        name,
        default,
        becomes: Becomes::Ours(says),
    }
}

const fn nothing(name: &'static str, default: &'static str, why: &'static str) -> Option_ {
    Option_ {
        name,
        default,
        becomes: Becomes::Nothing(why),
    }
}

const fn missing(name: &'static str, default: &'static str, says: &'static str) -> Option_ {
    Option_ {
        name,
        default,
        becomes: Becomes::Missing(says),
    }
}

const fn less_safe(name: &'static str, default: &'static str, says: &'static str) -> Option_ {
    Option_ {
        name,
        default,
        becomes: Becomes::Unsafe(says),
    }
}

const NO: &str = "NO";
const YES: &str = "YES";
const NONE: &str = "";

const SERVICE: &str = "the service manager starts it, in the foreground, and each client has a process of its own that is shut in";
const SEALED: &str = "every user sees their home and no more, always; it may be writable";
const MODERN: &str = "TLS 1.2 and 1.3 with sound ciphers, and nothing older; a device that has none of them comes in from plain_networks";
const TOLD: &str = "no text is shown to users";
const HARMLESS: &str = "no such choice is needed here";
const EMAIL: &str = "anonymous passwords are not looked at: take anonymous rights away, and make users with passwords (forkftpd user add)";
const CERTS: &str =
    "clients have no certificates here: passwords and networks of users keep strangers out";
const NAMES: &str = "names are not filtered: move what nobody may have out of the library (names that begin with a dot are not served)";

/// All of them, by name.
pub(super) static OPTIONS: &[Option_] = &[
    nothing("allow_anon_ssl", NO, "who is anonymous may use TLS, too"),
    nothing("allow_writeable_chroot", NO, SEALED),
    nothing("allow_writable_chroot", NO, SEALED),
    ours(
        "anon_max_rate",
        "0",
        "[anonymous] upload_rate, download_rate",
    ),
    ours("anon_mkdir_write_enable", NO, "[anonymous] rights: mkdir"),
    ours(
        "anon_other_write_enable",
        NO,
        "[anonymous] rights: overwrite, delete, rename",
    ),
    ours("anon_root", NONE, "library, or [anonymous] home"),
    ours("anon_umask", "077", "[anonymous] umask"),
    ours("anon_upload_enable", NO, "[anonymous] rights: put"),
    nothing(
        "anon_world_readable_only",
        YES,
        "what the server's user can read is served, and no more: let that user be none who owns other files",
    ),
    ours("anonymous_enable", NO, "[[listen]] login"),
    nothing(
        "ascii_download_enable",
        NO,
        "TYPE A is what RFC 959 says it is",
    ),
    nothing(
        "ascii_upload_enable",
        NO,
        "TYPE A is what RFC 959 says it is",
    ),
    nothing(
        "async_abor_enable",
        NO,
        "ABOR works in every way in which clients send it",
    ),
    nothing("background", NO, SERVICE),
    nothing(
        "banned_email_file",
        "/etc/vsftpd.banned_emails",
        "see deny_email_enable",
    ),
    missing("banner_file", NONE, TOLD),
    nothing("better_stou", NO, "STOU gives names of its own"),
    missing("ca_certs_file", NONE, CERTS),
    nothing("check_shell", YES, "users here have no shell"),
    missing("chmod_enable", YES, CHMOD),
    nothing("chown_upload_mode", "0600", "see umask"),
    ours("chown_uploads", NO, "[anonymous] owner"),
    ours("chown_username", "root", "[anonymous] owner"),
    nothing("chroot_list_enable", NO, SEALED),
    nothing("chroot_list_file", "/etc/vsftpd.chroot_list", SEALED),
    nothing("chroot_local_user", NO, SEALED),
    ours(
        "cmds_allowed",
        NONE,
        "rights of those whom it holds for; other commands are as they are",
    ),
    ours(
        "cmds_denied",
        NONE,
        "rights of those whom it holds for; other commands are as they are",
    ),
    nothing(
        "connect_from_port_20",
        NO,
        "active connections come from any port, as clients take them today",
    ),
    ours("accept_timeout", "60", "[[listen]] data_seconds"),
    ours("connect_timeout", "60", "[[listen]] data_seconds"),
    ours("data_connection_timeout", "300", "stall_seconds"),
    nothing("debug_ssl", NO, "log_level = \"debug\""),
    nothing(
        "delay_failed_login",
        "1",
        "each failure waits longer, and max_failures bans",
    ),
    nothing("delay_successful_login", "0", HARMLESS),
    nothing(
        "delete_failed_uploads",
        NO,
        "what fails is never visible; it is kept aside for partial_hours, to be resumed",
    ),
    less_safe("deny_email_enable", NO, EMAIL),
    less_safe("deny_file", NONE, NAMES),
    ours("dirlist_enable", YES, "rights: list"),
    missing("dirmessage_enable", NO, TOLD),
    ours("download_enable", YES, "rights: get"),
    less_safe("download_file", NONE, NAMES),
    missing(
        "dsa_cert_file",
        NONE,
        "DSA is no longer in use: an ECDSA or RSA certificate (forkftpd cert new)",
    ),
    missing(
        "dsa_private_key_file",
        NONE,
        "DSA is no longer in use: an ECDSA or RSA certificate (forkftpd cert new)",
    ),
    ours("dual_log_enable", NO, "xferlog and vsftpd_log"),
    nothing("ecdh_param_file", NONE, MODERN),
    nothing("dh_param_file", NONE, MODERN),
    nothing("eccurve", NONE, MODERN),
    nothing(
        "email_password_file",
        "/etc/vsftpd.email_passwords",
        "see secure_email_list_enable",
    ),
    nothing(
        "file_open_mode",
        "0666",
        "files are made with 0666 less the umask, and are never executable",
    ),
    ours("force_anon_data_ssl", NO, "[anonymous] tls"),
    ours("force_anon_logins_ssl", NO, "[anonymous] tls"),
    missing(
        "force_dot_files",
        NO,
        "names that begin with a dot are not served: rename them",
    ),
    nothing(
        "force_local_data_ssl",
        YES,
        "tls = \"required\" takes no data in the clear",
    ),
    ours(
        "force_local_logins_ssl",
        YES,
        "[[listen]] tls, or tls of each user",
    ),
    nothing(
        "ftp_data_port",
        "20",
        "active connections come from any port, as clients take them today",
    ),
    nothing("ftp_enable", YES, "the listening socket speaks FTP"),
    ours(
        "ftp_username",
        "ftp",
        "library, where there is no anon_root",
    ),
    missing(
        "ftpd_banner",
        NONE,
        "the greeting is the server's own and names no version",
    ),
    ours(
        "guest_enable",
        NO,
        "user: all are served as one user, in homes of their own",
    ),
    ours(
        "guest_username",
        "ftp",
        "user, and library where there is no local_root",
    ),
    nothing(
        "hide_file",
        NONE,
        "what was hidden there could be had by its name all the same; names that begin with a dot are not served at all",
    ),
    nothing("hide_ids", NO, "owners are never shown"),
    less_safe(
        "http_enable",
        NO,
        "HTTP is a listening socket of its own: protocol = \"http\"",
    ),
    ours("idle_session_timeout", "300", "idle_seconds"),
    ours("implicit_ssl", NO, "[[listen]] tls"),
    nothing("isolate", YES, SERVICE),
    nothing("isolate_network", YES, SERVICE),
    // Debian's program has NO here; its own file says so, too.
    ours("listen", YES, "[[listen]] address"),
    ours("listen_address", NONE, "[[listen]] address"),
    ours("listen_address6", NONE, "[[listen]] address"),
    ours("listen_ipv6", NO, "[[listen]] address"),
    ours("listen_port", "21", "[[listen]] address"),
    ours(
        "local_enable",
        NO,
        "[[listen]] login; the users of this machine are not those of the server",
    ),
    ours(
        "local_max_rate",
        "0",
        "upload_rate, download_rate of each user",
    ),
    ours("local_root", NONE, "library, and home of each user"),
    ours("local_umask", "077", "umask"),
    nothing(
        "lock_upload_files",
        YES,
        "a second writer of one name is told 450, and who reads gets the old file or the new one",
    ),
    nothing("log_die", NO, "all is logged"),
    nothing("log_ftp_protocol", NO, "log_level = \"debug\""),
    nothing(
        "ls_recurse_enable",
        NO,
        "LIST -R is bounded in time and size",
    ),
    ours("max_clients", "2000", "max_clients"),
    nothing(
        "max_login_fails",
        "3",
        "a session has three attempts, and max_failures counts over all of them",
    ),
    ours("max_per_ip", "50", "max_per_address"),
    nothing("mdtm_write", YES, "the right overwrite has times with it"),
    nothing("message_file", ".message", TOLD),
    nothing("no_anon_password", NO, "any password is taken"),
    nothing("no_log_lock", NO, HARMLESS),
    ours(
        "nopriv_user",
        "nobody",
        "user, where nothing else says who serves",
    ),
    nothing("one_process_model", NO, SERVICE),
    ours(
        "pam_service_name",
        "vsftpd",
        "users.toml, where that service names a file of pam_pwdfile",
    ),
    nothing("passwd_chroot_enable", NO, SEALED),
    ours(
        "pasv_addr_resolve",
        NO,
        "[[listen]] passive_address takes a name, too",
    ),
    ours("pasv_address", NONE, "[[listen]] passive_address"),
    missing(
        "pasv_enable",
        YES,
        "passive connections cannot be turned off: passive_ports says which ports they have",
    ),
    ours("pasv_max_port", "0", "[[listen]] passive_ports"),
    ours("pasv_min_port", "0", "[[listen]] passive_ports"),
    missing(
        "pasv_promiscuous",
        NO,
        "a data connection comes from the client's own address, always",
    ),
    ours("port_enable", YES, "[[listen]] active"),
    missing(
        "port_promiscuous",
        NO,
        "an active connection goes to the client's own address, always",
    ),
    nothing("ptrace_sandbox", NO, SERVICE),
    less_safe("require_cert", NO, CERTS),
    ours("require_ssl_reuse", YES, "[[listen]] data_tls_reuse"),
    nothing("reverse_lookup_enable", YES, "no names are looked up"),
    ours(
        "rsa_cert_file",
        "/usr/share/ssl/certs/vsftpd.pem",
        "tls_certificate",
    ),
    ours("rsa_private_key_file", NONE, "tls_key"),
    nothing(
        "run_as_launching_user",
        NO,
        "who is not root serves as they are",
    ),
    nothing("sandbox", NO, SERVICE),
    nothing("seccomp_sandbox", YES, SERVICE),
    nothing("secure_chroot_dir", "/usr/share/empty", SERVICE),
    less_safe("secure_email_list_enable", NO, EMAIL),
    nothing("session_support", NO, "no sessions of PAM are made"),
    nothing(
        "setproctitle_enable",
        NO,
        "forkftpd who shows what sessions are at",
    ),
    nothing("ssl_ciphers", "DES-CBC3-SHA", MODERN),
    ours("ssl_enable", NO, "[[listen]] tls"),
    nothing(
        "ssl_request_cert",
        YES,
        "clients are asked for no certificate",
    ),
    missing(
        "ssl_sni_hostname",
        NONE,
        "clients are served by whatever name they ask for: those of the certificate are theirs to check",
    ),
    nothing("ssl_sslv2", NO, MODERN),
    nothing("ssl_sslv3", NO, MODERN),
    nothing("ssl_tlsv1", YES, MODERN),
    nothing("ssl_tlsv1_1", NO, MODERN),
    nothing("ssl_tlsv1_2", YES, MODERN),
    nothing("ssl_tlsv1_3", YES, MODERN),
    ours(
        "strict_ssl_read_eof",
        YES,
        "[[listen]] close_notify; without it an upload that TLS did not end is cut all the same: close_notify = \"off\" for devices that never say goodbye",
    ),
    nothing(
        "strict_ssl_write_shutdown",
        NO,
        "clients check what they got by its size or digest",
    ),
    nothing(
        "syslog_enable",
        NO,
        "events go to standard error, which the service manager keeps",
    ),
    less_safe(
        "tcp_wrappers",
        NO,
        "hosts.allow is not read: networks of each user and of [anonymous], or the firewall",
    ),
    nothing("text_userdb_names", NO, "owners are never shown"),
    nothing("tilde_user_enable", NO, HARMLESS),
    nothing("trans_chunk_size", "0", HARMLESS),
    less_safe("upload_file", NONE, NAMES),
    nothing("use_localtime", NO, "times are UTC, as RFC 3659 has them"),
    nothing("use_sendfile", YES, "sendfile is used where it can be"),
    ours(
        "user_config_dir",
        NONE,
        "keys of each user whose file is there",
    ),
    ours("user_sub_token", NONE, "home of each user"),
    ours("userlist_deny", YES, "who is a user at all"),
    ours("userlist_enable", NO, "who is a user at all"),
    ours(
        "userlist_file",
        "/etc/vsftpd.user_list",
        "who is a user at all",
    ),
    nothing("userlist_log", NO, "every refused login is logged"),
    nothing(
        "utf8_filesystem",
        NO,
        "names are bytes, and UTF-8 to who asks",
    ),
    less_safe("validate_cert", NO, CERTS),
    ours("virtual_use_local_privs", NO, "rights of each user"),
    ours("vsftpd_log_file", "/var/log/vsftpd.log", "vsftpd_log"),
    nothing("wc_logs_enable", NO, "names in logs are UTF-8"),
    ours(
        "write_enable",
        NO,
        "rights: put, overwrite, delete, rename, mkdir",
    ),
    ours("xferlog_enable", NO, "xferlog or vsftpd_log"),
    ours("xferlog_file", "/var/log/xferlog", "xferlog"),
    ours("xferlog_std_format", NO, "xferlog or vsftpd_log"),
];
