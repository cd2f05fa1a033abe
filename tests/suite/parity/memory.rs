//! What FTP has to send in one piece, a password, stays nowhere: not in the child that heard it, not in the broker that compared it.

use super::client::Ftp;
use super::config;
use crate::server::Server;
use crate::walls::{broker_of, child_at, remembers, skip};

const PASSWORD: &str = "a-long-beginning-of-a-passphrase-and-7c21f0d9e6b4-for-its-end";

/// Waits for a password, and is no secret.
const NAME: &str = "a-name-that-is-kept-51d0c7";

/// Those of these processes whose memory holds it; what cannot be read is said, and left out.
fn holders(processes: &[(&'static str, u32)]) -> Vec<&'static str> {
    // What is given back to the allocator loses its beginning to it.
    let wanted = [PASSWORD.as_bytes()[32..].to_vec()];
    let holds = |(what, pid): &&(&str, u32)| match remembers(*pid, &wanted) {
        Ok(found) => found,
        Err(error) => {
            skip(&format!("the memory of a {what}: {error}"));
            false
        }
    };
    processes
        .iter()
        .filter(holds)
        .map(|(what, _)| *what)
        .collect()
}

#[test]
fn a_password_is_in_no_memory_after_the_login() {
    for mode in ["", "prefork = 1"] {
        let users = [("all", PASSWORD, "rights = [\"list\", \"get\"]")];
        let server = Server::configured(&config(mode, ""), &users, |_| ());
        let mut ftp = Ftp::connect(&server.address);
        let Some(child) = child_at(&server, ftp.address()) else {
            return skip("the descriptors of children cannot be seen here");
        };
        let all = [
            ("child", child),
            ("listener", server.pid()),
            ("broker", broker_of(&server)),
        ];
        // What does stand in it is found.
        ftp.expect(&format!("USER {NAME}"), 331);
        let known = remembers(child, &[NAME.as_bytes().to_vec()]);
        assert!(known.is_err() || known.is_ok_and(|known| known));
        ftp.expect("USER all", 331);
        assert_eq!(ftp.log_in_with("all", PASSWORD).code, 230);
        ftp.expect("NOOP", 200);
        assert_eq!(holders(&all), Vec::<&str>::new(), "{mode}");
    }
}
