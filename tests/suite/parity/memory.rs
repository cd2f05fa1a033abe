//! What FTP has to send in one piece, a password, stays nowhere: not in the child that heard it, not in the broker that compared it.

use super::client::Ftp;
use super::config;
use crate::server::Server;
use crate::walls::{broker_of, child_at, remembers, skip};

const PASSWORD: &str = "a-long-beginning-of-a-passphrase-and-7c21f0d9e6b4-for-its-end";

#[test]
fn a_password_is_in_no_memory_after_the_login() {
    for mode in ["", "prefork = 1"] {
        let users = [("all", PASSWORD, "rights = [\"list\", \"get\"]")];
        let server = Server::configured(&config(mode, ""), &users, |_| ());
        let mut ftp = Ftp::connect(&server.address);
        let Some(child) = child_at(&server, ftp.address()) else {
            return skip("the descriptors of children cannot be seen here");
        };
        assert_eq!(ftp.log_in_with("all", PASSWORD).code, 230);
        ftp.expect("NOOP", 200);
        // What is given back to the allocator loses its beginning to it.
        let wanted = [PASSWORD.as_bytes()[32..].to_vec()];
        let mut found = Vec::new();
        for (what, pid) in [
            ("child", child),
            ("listener", server.pid()),
            ("broker", broker_of(&server)),
        ] {
            match remembers(pid, &wanted) {
                Ok(true) => found.push(what),
                Ok(false) => {}
                Err(error) => return skip(&format!("the memory of a {what}: {error}")),
            }
        }
        assert!(found.is_empty(), "{mode}: {found:?}");
        // What does stand in it is found.
        let library = server.library();
        let library = library.to_str().expect("text").as_bytes().to_vec();
        assert!(remembers(child, &[library]).expect("memory"));
    }
}
