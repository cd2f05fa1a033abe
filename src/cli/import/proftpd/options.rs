//! The directives of ProFTPD that one meets, and what becomes of each that is not worked out by `super`. Run by `forkftpd import`.

use super::super::report::Fate;
use Fate::{Missing, Nothing, Unsafe};

const SEALED: &str = "every user sees their home and no more, always";
const SERVICE: &str = "the service manager starts it, in the foreground, and each client has a process of its own that is shut in";
const MODERN: &str = "TLS 1.2 and 1.3 with sound ciphers, and nothing older";
const TOLD: &str = "no text is shown to users";
const CERTS: &str =
    "clients have no certificates here: passwords and networks of users keep strangers out";
const NAMES: &str = "names are not filtered: move what nobody may have out of the library (names that begin with a dot are not served)";
const WHOLE: &str = "an upload is whole or not there, always, and goes on where it was cut";
const LOGS: &str = "events go to standard error, in text or JSON, which the service manager keeps";
const BACKEND: &str = "users stand in the users file alone: forkftpd user add, for each";
const QUOTAS: &str = "quota of each user and of [anonymous]";
const FXP: &str = "data connections are with the client's own address, always";

/// Name in lower case, what becomes of it.
pub(super) static OPTIONS: &[(&str, Fate, &str)] = &[
    ("accessdenymsg", Missing, TOLD),
    ("accessgrantmsg", Missing, TOLD),
    ("allowchrootsymlinks", Nothing, SEALED),
    (
        "allowfilter",
        Unsafe,
        "commands are not filtered: rights say what may be done",
    ),
    ("allowforeignaddress", Missing, FXP),
    ("allowlogsymlinks", Nothing, LOGS),
    (
        "allowretrieverestart",
        Nothing,
        "REST is there for everybody",
    ),
    (
        "allowstorerestart",
        Nothing,
        "REST is there for everybody who may overwrite",
    ),
    ("authgroupfile", Nothing, "there are no groups of users"),
    ("authorder", Nothing, BACKEND),
    ("authpam", Nothing, BACKEND),
    ("authpamconfig", Nothing, BACKEND),
    ("authaliasonly", Nothing, BACKEND),
    ("banengine", Nothing, "max_failures and ban_seconds"),
    ("banlog", Nothing, LOGS),
    ("banonevent", Nothing, "max_failures and ban_seconds"),
    ("bantable", Nothing, "max_failures and ban_seconds"),
    ("bancontrolsacls", Nothing, "forkftpd kick"),
    (
        "controlsengine",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    (
        "controlsacls",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    (
        "controlsinterval",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    ("controlslog", Nothing, LOGS),
    (
        "controlsmaxclients",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    (
        "controlssocket",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    (
        "admincontrolsengine",
        Nothing,
        "control = PATH, for forkftpd who and kick",
    ),
    (
        "createhome",
        Missing,
        "homes have to be there: mkdir, for each user",
    ),
    ("debuglevel", Nothing, "log_level = \"debug\""),
    (
        "defaultserver",
        Nothing,
        "each listening socket says what it serves",
    ),
    ("deferwelcome", Nothing, "the greeting names no version"),
    (
        "delayengine",
        Nothing,
        "unknown users and wrong passwords take the same time",
    ),
    (
        "delaytable",
        Nothing,
        "unknown users and wrong passwords take the same time",
    ),
    ("deleteabortedstores", Nothing, WHOLE),
    (
        "denyfilter",
        Nothing,
        "arguments of commands are paths, and no patterns in them are expanded but those of listings, which are bounded",
    ),
    ("dirfakegroup", Nothing, "owners are never shown"),
    (
        "dirfakemode",
        Nothing,
        "permissions are shown as they hold for the session",
    ),
    ("dirfakeuser", Nothing, "owners are never shown"),
    ("displaychdir", Missing, TOLD),
    ("displayconnect", Missing, TOLD),
    ("displaylogin", Missing, TOLD),
    ("displayquit", Missing, TOLD),
    (
        "dynmasqrefresh",
        Nothing,
        "a name in passive_address is looked up at SIGHUP",
    ),
    ("extendedlog", Missing, LOGS),
    (
        "hidefiles",
        Nothing,
        "what was hidden there could be had by its name all the same; names that begin with a dot are not served at all",
    ),
    (
        "hidenoaccess",
        Nothing,
        "what the server's user cannot read is not served",
    ),
    (
        "hidegroup",
        Missing,
        "what the server's user can read is served",
    ),
    (
        "hideuser",
        Missing,
        "what the server's user can read is served",
    ),
    ("hiddenstores", Nothing, WHOLE),
    ("identlookups", Nothing, "nothing is looked up"),
    (
        "include",
        Missing,
        "not there: what it says is not known here; import where it is",
    ),
    (
        "ignorehidden",
        Nothing,
        "names that begin with a dot are not served",
    ),
    (
        "langengine",
        Nothing,
        "names are bytes, and UTF-8 to who asks",
    ),
    (
        "listoptions",
        Nothing,
        "listings are bounded in time and size",
    ),
    ("loadmodule", Nothing, "there are no modules"),
    ("logformat", Nothing, LOGS),
    ("logoptions", Nothing, LOGS),
    (
        "maxconnectionrate",
        Missing,
        "max_clients and max_per_address",
    ),
    ("maxconnectionsperhost", Nothing, "see max_per_address"),
    (
        "maxloginattempts",
        Nothing,
        "a session has three attempts, and max_failures counts over all of them",
    ),
    ("modulepath", Nothing, "there are no modules"),
    ("modulecontrolsacls", Nothing, "there are no modules"),
    ("modulecontrolsengine", Nothing, "there are no modules"),
    (
        "multilinerfc2228",
        Nothing,
        "replies are as RFC 959 has them",
    ),
    ("pathallowfilter", Unsafe, NAMES),
    ("pathdenyfilter", Unsafe, NAMES),
    ("persistentpasswd", Nothing, BACKEND),
    ("pidfile", Nothing, SERVICE),
    ("quotaengine", Unsafe, QUOTAS),
    ("quotadirectorytally", Nothing, QUOTAS),
    ("quotadisplayunits", Nothing, QUOTAS),
    ("quotalimittable", Unsafe, QUOTAS),
    ("quotatallytable", Nothing, QUOTAS),
    ("quotalog", Nothing, LOGS),
    ("quotashowquotas", Nothing, QUOTAS),
    ("ratios", Missing, "there are no ratios"),
    ("requirevalidshell", Nothing, "users here have no shell"),
    ("rewriteengine", Missing, "names are not rewritten"),
    (
        "rootlogin",
        Nothing,
        "root is never a user, and never serves",
    ),
    ("rootrevoke", Nothing, SERVICE),
    (
        "scoreboardfile",
        Nothing,
        "control = PATH, for forkftpd who",
    ),
    ("serveradmin", Nothing, TOLD),
    ("serverident", Nothing, "the greeting names no version"),
    ("serverlog", Nothing, LOGS),
    ("servername", Nothing, "the greeting names no version"),
    ("servertype", Nothing, SERVICE),
    ("setenv", Nothing, SERVICE),
    (
        "sftpengine",
        Missing,
        "SFTP is not spoken: the drive protocol under TLS is what stands in its place (forkftp)",
    ),
    ("showsymlinks", Nothing, "links are not there for anybody"),
    (
        "socketbindtight",
        Nothing,
        "each listening socket has the address that it names",
    ),
    ("sqlauthenticate", Unsafe, BACKEND),
    ("sqlauthtypes", Nothing, BACKEND),
    ("sqlbackend", Nothing, BACKEND),
    ("sqlconnectinfo", Nothing, BACKEND),
    ("sqlengine", Missing, BACKEND),
    ("sqluserinfo", Missing, BACKEND),
    ("ldapserver", Missing, BACKEND),
    ("storeuniqueprefix", Nothing, "STOU gives names of its own"),
    ("syslogfacility", Nothing, LOGS),
    ("sysloglevel", Nothing, LOGS),
    ("systemlog", Nothing, LOGS),
    (
        "tcpaccessfiles",
        Unsafe,
        "hosts.allow is not read: networks of each user and of [anonymous], or the firewall",
    ),
    ("tcpbacklog", Nothing, "backlog, 1024 where nothing is said"),
    (
        "timeoutlinger",
        Nothing,
        "connections are ended as TCP does",
    ),
    ("timeoutnotransfer", Nothing, "see idle_seconds"),
    (
        "timeoutsession",
        Missing,
        "sessions may last: idle_seconds, stall_seconds and min_rate end those that do nothing",
    ),
    ("timesgmt", Nothing, "times are UTC, as RFC 3659 has them"),
    ("tlscacertificatefile", Nothing, CERTS),
    ("tlscacertificatepath", Nothing, CERTS),
    (
        "tlscertificatechainfile",
        Missing,
        "tls_certificate is the whole chain: put this file behind the certificate",
    ),
    ("tlsciphersuite", Nothing, MODERN),
    ("tlsdhparamfile", Nothing, MODERN),
    ("tlslog", Nothing, LOGS),
    ("tlsprotocol", Nothing, MODERN),
    ("tlsrenegotiate", Nothing, MODERN),
    (
        "tlssessioncache",
        Nothing,
        "sessions are resumed by tickets",
    ),
    ("tlsverifyclient", Unsafe, CERTS),
    (
        "usefsync",
        Nothing,
        "durability = \"full\", where nothing is said",
    ),
    (
        "useftpusers",
        Nothing,
        "users of this machine are not those of the server",
    ),
    ("usereversedns", Nothing, "no names are looked up"),
    ("usesendfile", Nothing, "sendfile is used where it can be"),
    (
        "useralias",
        Missing,
        "a name of its own for each: forkftpd user add",
    ),
    ("wtmplog", Nothing, LOGS),
];

/// What becomes of a directive that `super` does not work out.
pub(super) fn find(name: &str) -> Option<(Fate, &'static str)> {
    let found = OPTIONS.iter().find(|(known, ..)| *known == name);
    found.map(|(_, fate, says)| (*fate, *says))
}
