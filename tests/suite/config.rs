//! What is wrong is refused before anything listens, with the place and the remedy.

use super::server::{run, write_secret};

#[test]
fn check_says_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("path").to_owned();
    std::fs::create_dir(at("library")).expect("mkdir");
    write_secret(std::path::Path::new(&at("secret")));
    std::fs::write(at("short"), "short").expect("write");
    for (text, code, word) in [
        (
            "library = \"library\"\nsecret_file = \"secret\"\n",
            0,
            "configuration ok",
        ),
        (
            "library = \"library\"\nsecret_file = \"secret\"\ncolour = 1\n",
            1,
            "c.toml:3: unknown field `colour`",
        ),
        (
            "library = \"library\"\nsecret_file = \"absent\"\n",
            1,
            "forkftpd secret new",
        ),
        (
            "library = \"library\"\nsecret_file = \"short\"\n",
            1,
            "chmod 600",
        ),
        (
            "library = \"absent\"\nsecret_file = \"secret\"\n",
            1,
            "--library",
        ),
        (
            "library = \".\"\nsecret_file = \"secret\"\n",
            1,
            "lies in the library",
        ),
        (
            "library = \"library\"\nsecret_file = \"secret\"\n[[listen]]\naddress = \"0.0.0.0:1\"\nproof = \"none\"\n",
            1,
            "c.toml:4: ",
        ),
    ] {
        std::fs::write(at("c.toml"), text).expect("write");
        for command in ["check", "serve"] {
            if code == 0 && command == "serve" {
                continue;
            }
            let (status, said) = run(&[command, "--config", &at("c.toml")]);
            assert!(
                status == Some(code) && said.contains(word),
                "{command} {text}: {status:?} {said}"
            );
        }
    }
    let (status, said) = run(&["secret", "new", &at("secret")]);
    assert!(status == Some(1) && said.contains("exists"), "{said}");
    let (status, said) = run(&["config"]);
    assert!(status == Some(0) && said.contains("[[listen]]"));
}

#[test]
fn a_broken_reload_changes_nothing_and_is_said() {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("c.toml");
    std::fs::write(&config, "max_clients = 5\n").expect("write");
    let server = super::server::Server::start(&["--config", config.to_str().expect("path")]);
    std::fs::write(&config, "max_clients = 5\nmax_cleints = 6\n").expect("write");
    server.signal(nix::sys::signal::Signal::SIGHUP);
    let said = server.wait_for("configuration not reloaded");
    assert!(said.contains("c.toml:2"), "{said}");
    assert_eq!(super::peer::Peer::connect(&server).hello.letter, 'H');
}
