//! Every option of pure-ftpd(8): its letter, its name in files (in lower case the long option), and what becomes of it. Run by
//! `forkftpd import`.

use super::super::draft::CHMOD;
use super::super::report::Fate;

/// An option.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) letter: char,
    pub(super) name: &'static str,
    /// On a command line; in files all have one.
    pub(super) takes: bool,
    pub(super) fate: Fate,
    pub(super) says: &'static str,
}

const fn known(
    letter: char,
    name: &'static str,
    takes: bool,
    fate: Fate,
    says: &'static str,
) -> Known {
    Known {
        letter,
        name,
        takes,
        fate,
        says,
    }
}

use Fate::{Missing, Nothing, Ours, Unsafe};

/// For options without a letter.
const NO: char = '\0';
const SEALED: &str = "every user sees their home and no more, always";
const SERVICE: &str = "the service manager starts it, in the foreground";
const DOTS: &str = "names that begin with a dot are not served";
pub(super) const BACKEND: &str = "users stand in the users file alone: forkftpd user add";
const FXP: &str = "data connections are with the client's own address, always";
const RATIO: &str = "there are no ratios";

/// All of them.
pub(super) static OPTIONS: &[Known] = &[
    known(
        '0',
        "NoTruncate",
        false,
        Nothing,
        "the old file stays until the new one is whole, always",
    ),
    known(
        '1',
        "LogPID",
        false,
        Nothing,
        "every line of the log has the process",
    ),
    known('2', "CertFile", true, Ours, "tls_certificate, tls_key"),
    known(NO, "CertFileAndKey", true, Ours, "tls_certificate, tls_key"),
    known(
        '3',
        "ExtCert",
        true,
        Missing,
        "one certificate: tls_certificate, read again when it changes",
    ),
    known('4', "IPV4Only", false, Ours, "[[listen]] address"),
    known('6', "IPV6Only", false, Ours, "[[listen]] address"),
    known(
        '8',
        "FSCharset",
        true,
        Nothing,
        "names are bytes, and UTF-8 to who asks",
    ),
    known(
        '9',
        "ClientCharset",
        true,
        Nothing,
        "names are bytes, and UTF-8 to who asks",
    ),
    known('a', "TrustedGID", true, Nothing, SEALED),
    known('A', "ChrootEveryone", false, Nothing, SEALED),
    known(
        'b',
        "BrokenClientsCompatibility",
        false,
        Nothing,
        "what devices need is on for all of them",
    ),
    known('B', "Daemonize", false, Nothing, SERVICE),
    known('c', "MaxClientsNumber", true, Ours, "max_clients"),
    known('C', "MaxClientsPerIP", true, Ours, "max_per_address"),
    known('d', "VerboseLog", false, Nothing, "log_level = \"debug\""),
    known('D', "DisplayDotFiles", false, Nothing, DOTS),
    known('e', "AnonymousOnly", false, Ours, "[[listen]] login"),
    known('E', "NoAnonymous", false, Ours, "[[listen]] login"),
    known(
        'f',
        "SyslogFacility",
        true,
        Nothing,
        "events go to standard error, which the service manager keeps",
    ),
    known(
        'F',
        "FortunesFile",
        true,
        Missing,
        "no text is shown to users",
    ),
    known('g', "PIDFile", true, Nothing, SERVICE),
    known('G', "NoRename", false, Ours, "rights: no rename"),
    known('H', "DontResolve", false, Nothing, "no names are looked up"),
    known(
        'i',
        "AnonymousCantUpload",
        false,
        Ours,
        "[anonymous] rights: no put",
    ),
    known('I', "MaxIdleTime", true, Ours, "idle_seconds"),
    known(
        'j',
        "CreateHomeDir",
        false,
        Missing,
        "homes have to be there: mkdir, for each user",
    ),
    known(
        'J',
        "TLSCipherSuite",
        true,
        Nothing,
        "TLS 1.2 and 1.3 with sound ciphers, and nothing older",
    ),
    known(
        'k',
        "MaxDiskUsage",
        true,
        Missing,
        "keep_free says what uploads leave free of the disk, as a size",
    ),
    known(
        'K',
        "KeepAllFiles",
        false,
        Ours,
        "rights: no delete, no overwrite",
    ),
    known('l', "login", true, Ours, "users.toml"),
    known(
        NO,
        "PureDB",
        true,
        Ours,
        "users.toml, from the text that it was made of",
    ),
    known(NO, "UnixAuthentication", true, Missing, BACKEND),
    known(NO, "PAMAuthentication", true, Missing, BACKEND),
    known(NO, "ExtAuth", true, Missing, BACKEND),
    known(NO, "LDAPConfigFile", true, Missing, BACKEND),
    known(NO, "MySQLConfigFile", true, Missing, BACKEND),
    known(NO, "PGSQLConfigFile", true, Missing, BACKEND),
    known(
        'L',
        "LimitRecursion",
        true,
        Nothing,
        "listings are bounded in time and size",
    ),
    known(
        'm',
        "MaxLoad",
        true,
        Missing,
        "the load is not looked at: max_clients, and sessions in [anonymous]",
    ),
    known(
        'M',
        "AnonymousCanCreateDirs",
        false,
        Ours,
        "[anonymous] rights: mkdir",
    ),
    known(
        'n',
        "Quota",
        true,
        Ours,
        "quota_files and quota of each user",
    ),
    known(
        'N',
        "NATmode",
        false,
        Nothing,
        "passive_address says what clients are told",
    ),
    known(
        'o',
        "CallUploadScript",
        false,
        Missing,
        "a [[hook]] runs a program after each upload, with a record of it on standard input",
    ),
    known('O', "AltLog", true, Ours, "xferlog"),
    known(
        'p',
        "PassivePortRange",
        true,
        Ours,
        "[[listen]] passive_ports",
    ),
    known(
        'P',
        "ForcePassiveIP",
        true,
        Ours,
        "[[listen]] passive_address",
    ),
    known('q', "AnonymousRatio", true, Missing, RATIO),
    known('Q', "UserRatio", true, Missing, RATIO),
    known(
        'r',
        "AutoRename",
        false,
        Ours,
        "on_taken = \"rename\" of each user",
    ),
    known('R', "NoChmod", false, Missing, CHMOD),
    known(
        's',
        "AntiWarez",
        false,
        Unsafe,
        "what is uploaded by the anonymous may be had by them: take get or put out of [anonymous] rights",
    ),
    known('S', "Bind", true, Ours, "[[listen]] address"),
    known(
        't',
        "AnonymousBandwidth",
        true,
        Ours,
        "[anonymous] upload_rate, download_rate",
    ),
    known(
        'T',
        "UserBandwidth",
        true,
        Ours,
        "upload_rate, download_rate of all",
    ),
    known(
        'u',
        "MinUID",
        true,
        Nothing,
        "users of this machine are not those of the server",
    ),
    known('U', "Umask", true, Ours, "umask"),
    known(
        'v',
        "Bonjour",
        true,
        Missing,
        "the service is not announced",
    ),
    known(
        'V',
        "TrustedIP",
        true,
        Unsafe,
        "all addresses that are listened on let users in: listen on that one alone, and for the anonymous with a server of their own",
    ),
    known('w', "AllowUserFXP", false, Missing, FXP),
    known('W', "AllowAnonymousFXP", false, Missing, FXP),
    known('x', "ProhibitDotFilesWrite", false, Nothing, DOTS),
    known('X', "ProhibitDotFilesRead", false, Nothing, DOTS),
    known('y', "PerUserLimits", true, Ours, "sessions"),
    known('Y', "TLS", true, Ours, "[[listen]] tls"),
    known(
        'z',
        "AllowDotFiles",
        false,
        Missing,
        "names that begin with a dot are not served: rename them",
    ),
    known(
        'Z',
        "CustomerProof",
        false,
        Nothing,
        "nobody shuts themselves out of their files",
    ),
];
