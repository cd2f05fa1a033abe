"""Runs pyftpdlib's own functional tests against a server that is running elsewhere: started by test_ftp_pyftpdlib.sh.

    pyftpdlib_shim.py FOLDER-OF-ITS-TESTS USER-TO-BECOME [TEST...]

The environment has PORT, FTP_IPV6_PORT (0 for none) and LIBRARY. Their class that starts a server in a thread is replaced by one that
knows where ours is; everything else of theirs runs as it is, with the library as its folder. What a reply says in words is each server's
own (RFC 959, 4.2: the number is for programs, the text for people), so where they compare texts the numbers are compared.

DIFFERENT lists what is known to differ, each with what decides it; a test that is listed and passes is as wrong as one that fails.
"""
import ftplib, os, pwd, re, sys, types, unittest

# Which of their classes are about the protocol, as a client sees it.
CLASSES = ["TestFtpAuthentication", "TestFtpDummyCmds", "TestFtpCmdsSemantic", "TestFtpFsOperations", "TestFtpStoreData",
           "TestFtpRetrieveData", "TestFtpListingCmds", "TestFtpAbort", "TestIPv4Environment", "TestIPv6Environment", "TestCornerCases"]

# Classes that reach into their server's objects from within its process: nothing there to be asked of another.
INTERNAL = {
    "TestFtpStoreDataNoSendfile": "switches their use of sendfile(2)",
    "TestFtpStoreDataWithCustomIO": "passes their client Python objects; the exchange is that of TestFtpStoreData",
    "TestFtpRetrieveDataNoSendfile": "switches their use of sendfile(2)",
    "TestFtpRetrieveDataCustomIO": "passes their client Python objects; the exchange is that of TestFtpRetrieveData",
    "TestThrottleBandwidth": "replaces their class of transfers",
    "TestTimeouts": "sets their timeouts before the server starts",
    "TestConfigurableOptions": "sets their options before the server starts",
    "TestCallbacks": "overrides methods of their handler",
    "TestIPv6MixedEnvironment": "binds a server of their own to the address ::",
    "ThreadedFTPTests": "replaces their filesystem, timeouts and addresses",
}
INTERNAL_TESTS = {
    "TestCornerCases.test_error_on_callback": "schedules a call in their event loop",
    "TestCornerCases.test_repr": "looks at their event loop's objects",
    "TestCornerCases.test_ioloop_fileno": "looks at their event loop",
    "TestFtpListingCmds.test_unforeseen_time_event": "overrides a method of their filesystem",
}

ONE_USER = 'a session is one user\'s, whose rights its process was given: USER after login is 503 (RFC 959, 4.1.1: servers "may allow" it)'
REIN = "REIN is 502: RFC 959, 5.1, does not ask for it, and a session is one user's"
AT_TRANSFER = 'the server connects when a transfer begins, and not at PORT or EPRT (RFC 959, 3.2 and 5.2)'
ABOR = 'where nothing is going on, ABOR is 226 (RFC 959, 4.1.3: the command before it "was already completed")'
DIFFERENT = {
    "TestFtpAuthentication.test_anon_auth": ONE_USER,
    "TestFtpAuthentication.test_max_auth": 'guesses are answered more and more slowly, and after the last one by 421, with which the session ends (RFC 959, 5.4)',
    "TestFtpAuthentication.test_rein": REIN,
    "TestFtpAuthentication.test_rein_during_transfer": REIN,
    "TestFtpAuthentication.test_user": ONE_USER,
    "TestFtpAuthentication.test_user_during_transfer": ONE_USER,
    "TestFtpDummyCmds.test_allo": 'ALLO takes a number (RFC 959, 5.3.1), and what follows is no file when less comes: a word is 501',
    "TestFtpDummyCmds.test_help": 'HELP answers whatever it is asked about (RFC 959, 4.1.3: it "may take an argument")',
    "TestFtpDummyCmds.test_opts_feat": 'a semicolon that is missing at the end of OPTS MLST is overlooked: unknown facts are ignored (RFC 3659, 7.9)',
    "TestFtpDummyCmds.test_site_help": 'SITE HELP names everything there is, whatever it is asked about (RFC 959, 4.1.3)',
    "TestFtpDummyCmds.test_type": 'bytes of 7 bits are 504, as they are not to be had (RFC 959, 3.1.1.4)',
    "TestFtpCmdsSemantic.test_arg_cmds": 'USER after login is 503, with or without a name',
    "TestFtpCmdsSemantic.test_auth_cmds": REIN,
    "TestFtpCmdsSemantic.test_no_arg_cmds": 'what follows a command that takes no argument is overlooked, as by most servers (RFC 1123, 1.2.2: "be liberal in what you accept")',
    "TestFtpCmdsSemantic.test_no_auth_cmds": REIN,
    "TestFtpFsOperations.test_cwd": 'CWD without a path is 501: RFC 959, 5.3.1, has it take one',
    "TestFtpFsOperations.test_site_chmod": 'an owner cannot take the right to read and write from himself: who put a file can always replace it',
    "TestFtpFsOperations.test_size": 'SIZE in TYPE A is the size of the transfer in that type (RFC 3659, 4)',
    "TestFtpStoreData.test_quit_during_transfer": 'QUIT is answered when the transfer is over, after its 226 (RFC 959, 4.1.1)',
    "TestFtpStoreData.test_stou": 'asks for the way of the data after STOU: it has to be known when the transfer begins (RFC 959, 5.2)',
    "TestFtpStoreData.test_stou_orphaned_file": ONE_USER,
    "TestFtpListingCmds.test_mlsd": 'the listing begins with the folder itself (type=cdir: RFC 3659, 7.5.1.3), so that of an empty one is not empty',
    "TestFtpListingCmds.test_mlsd_all_facts": "the numbers of owner and group on the server's machine are told to nobody (RFC 3659, 7.5: facts are the server's choice)",
    "TestFtpListingCmds.test_stat": 'STAT takes the patterns that LIST takes',
    "TestFtpAbort.test_abor_no_data": ABOR,
    "TestFtpAbort.test_abor_pasv": ABOR,
    "TestFtpAbort.test_abor_port": ABOR,
    "TestFtpAbort.test_oob_abor": ABOR,
    "TestIPv4Environment.test_eprt": AT_TRANSFER,
    "TestIPv6Environment.test_eprt": AT_TRANSFER,
    "TestCornerCases.test_active_conn_error": AT_TRANSFER,
    "TestCornerCases.test_port_race_condition": AT_TRANSFER,
}

# The words that their tests look for within a refusal, and the numbers that say the same.
WORDS = {"privileged port": ("500", "501", "504"), "foreign address": ("500", "501", "504"),
         "Network protocol not supported": ("500", "501", "522")}


class Said(str):
    """A reply: equal to another when their numbers are."""

    def __eq__(self, other):
        return self[:3] == other[:3] if re.match(r"\d{3}[ -]", other) else str.__eq__(self, other)

    __hash__ = str.__hash__

    def __str__(self):
        return self

    def __contains__(self, words):
        return self[:3] in WORDS[words] if words in WORDS else str.__contains__(self, words)


class Remote:
    """Stands where their thread with a server stood."""

    def __init__(self, address=None):
        from pyftpdlib.handlers import FTPHandler
        self.host = address[0] if address else "127.0.0.1"
        self.port = int(os.environ["FTP_IPV6_PORT" if ":" in self.host else "PORT"])
        self.handler = FTPHandler  # for the list of commands it knows

    def start(self):
        pass

    def stop(self):
        pass


def load(folder):
    """Their module, with their server replaced."""
    sys.path.insert(0, os.path.dirname(folder))
    os.chdir(os.environ["LIBRARY"])  # they take the folder they are imported in for the server's
    import tests
    tests.FtpdThreadWrapper = Remote
    tests.NO_RETRIES = 1
    from tests import test_functional

    import pytest
    def raises(expected, match=None):
        code = re.match(r"\d{3}", match or "")
        return pytest.raises(expected, match=code[0] if code else None)
    test_functional.pytest = types.SimpleNamespace(raises=raises, mark=pytest.mark)
    multiline = ftplib.FTP.getmultiline
    ftplib.FTP.getmultiline = lambda self: Said(multiline(self))
    return test_functional


def tests_of(module, wanted):
    for name in dir(module):
        if name.startswith(("Test", "Threaded")) and name not in CLASSES and name not in INTERNAL:
            sys.exit(f"pyftpdlib has tests that nobody here has judged: {name}")
    for name in CLASSES:
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(getattr(module, name)):
            title = f"{name}.{test._testMethodName}"
            if title in INTERNAL_TESTS or name == "TestIPv6Environment" and os.environ["FTP_IPV6_PORT"] == "0":
                continue
            if not wanted or title in wanted or name in wanted:
                yield title, test


def main():
    folder, user, *wanted = sys.argv[1:]
    module = load(os.path.abspath(folder))
    if os.getuid() == 0:  # files that they make have to be the server's
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    os.umask(0o022)
    passed, wrong = 0, []
    for title, test in tests_of(module, wanted):
        module.GLOBAL_TIMEOUT = 1 if title in DIFFERENT else 8  # some of those wait for what will not come
        result = unittest.TestResult()
        test.run(result)
        problems = result.failures + result.errors
        if problems and title not in DIFFERENT:
            lines = problems[0][1].strip().splitlines()
            places = [line.strip() for line in lines if "test_functional.py" in line]
            wrong.append(f"{title}: {places[-1].split(',')[1].strip() if places else '?'}: {lines[-1][:200]}")
        elif title in DIFFERENT and not problems:
            wrong.append(f"{title}: passes, and is listed as different: {DIFFERENT[title]}")
        else:
            passed += 1
    for line in wrong:
        print(line)
    for title in DIFFERENT:
        if not wanted:
            print(f"known to differ: {title}: {DIFFERENT[title]}")
    print(f"{passed} as expected, {len(wrong)} not")
    sys.exit(bool(wrong) or passed == 0)


if __name__ == "__main__":
    main()
