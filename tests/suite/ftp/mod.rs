//! FTP, spoken by hand: control lines as they stand, and data connections by EPSV.

mod checksums;
mod facts;
mod listings;
mod names;
mod uploads;

use super::server::{PATIENCE, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

/// One listener, without encryption; logins do not wait for the disk.
const CONFIG: &str = "durability = \"none\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"ftp\"\ntls = \"off\"\n";

const EVERYTHING: &str =
    "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";

/// A server whose user ann may do everything, bob everything but overwrite, rita list and get, and dora only put.
fn server(prepare: impl FnOnce(&Path)) -> Server {
    Server::configured(
        CONFIG,
        &[
            ("ann", "pencil", EVERYTHING),
            (
                "bob",
                "pencil",
                "rights = [\"list\", \"get\", \"put\", \"delete\", \"rename\", \"mkdir\"]",
            ),
            ("rita", "pencil", "rights = [\"list\", \"get\"]"),
            ("dora", "pencil", "rights = [\"put\"]"),
        ],
        prepare,
    )
}

/// A control connection.
struct Ftp {
    control: BufReader<TcpStream>,
}

/// A reply, with its lines as they came, without their ends.
#[derive(Debug)]
struct Reply {
    code: u16,
    lines: Vec<Vec<u8>>,
}

impl Reply {
    /// All lines, joined by `\n`, with `\u{fffd}` for what is no UTF-8.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.join(&b'\n')).into_owned()
    }
}

impl Ftp {
    fn connect(server: &Server) -> Ftp {
        let stream = TcpStream::connect(&server.address).expect("connect");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("read timeout");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("write timeout");
        stream.set_nodelay(true).expect("no delay");
        let mut ftp = Ftp {
            control: BufReader::new(stream),
        };
        assert_eq!(ftp.reply().code, 220);
        ftp
    }

    /// Somebody's session, in TYPE I.
    fn log_in(server: &Server, user: &str) -> Ftp {
        let mut ftp = Ftp::connect(server);
        ftp.expect(format!("USER {user}"), 331);
        ftp.expect("PASS pencil", 230);
        ftp.expect("TYPE I", 200);
        ftp
    }

    fn send(&mut self, line: impl AsRef<[u8]>) {
        let line = [line.as_ref(), b"\r\n"].concat();
        self.control.get_mut().write_all(&line).expect("send");
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.control.read_until(b'\n', &mut line).expect("a line");
        assert!(
            line.ends_with(b"\r\n"),
            "{}",
            String::from_utf8_lossy(&line)
        );
        line.truncate(line.len() - 2);
        line
    }

    fn reply(&mut self) -> Reply {
        let mut lines = vec![self.line()];
        let code = std::str::from_utf8(&lines[0][..3]).expect("a code");
        let code: u16 = code.parse().expect("a code");
        if lines[0][3] == b'-' {
            let end = format!("{code} ");
            while !lines[lines.len() - 1].starts_with(end.as_bytes()) {
                lines.push(self.line());
            }
        }
        Reply { code, lines }
    }

    fn ask(&mut self, line: impl AsRef<[u8]>) -> Reply {
        self.send(line);
        self.reply()
    }

    /// The text of a reply that has this code.
    fn expect(&mut self, line: impl AsRef<[u8]>, code: u16) -> String {
        let reply = self.ask(&line);
        let line = String::from_utf8_lossy(line.as_ref()).into_owned();
        assert_eq!(reply.code, code, "{line}: {}", reply.text());
        reply.text()
    }

    /// A data connection for the next transfer.
    fn data(&mut self) -> TcpStream {
        let said = self.expect("EPSV", 229);
        let port = said.split('|').nth(3).expect("a port");
        let port: u16 = port.parse().expect("a port");
        let data = TcpStream::connect(("127.0.0.1", port)).expect("data connection");
        data.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        data
    }

    /// What a transfer sends.
    fn receive(&mut self, line: impl AsRef<[u8]>) -> Vec<u8> {
        let mut data = self.data();
        self.expect(line, 150);
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).expect("data");
        let reply = self.reply();
        assert_eq!(reply.code, 226, "{}", reply.text());
        bytes
    }

    /// The lines of a listing, sorted.
    fn lines(&mut self, line: impl AsRef<[u8]>) -> Vec<String> {
        let bytes = self.receive(line);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text}");
        let mut lines: Vec<_> = text.split_terminator("\r\n").map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// A transfer that is refused before it begins.
    fn refused(&mut self, line: impl AsRef<[u8]>, code: u16) -> String {
        let _data = self.data();
        self.expect(line, code)
    }

    /// A whole upload; the code of its end.
    fn store(&mut self, line: impl AsRef<[u8]>, bytes: &[u8]) -> u16 {
        let mut data = self.data();
        let begun = self.ask(line);
        if begun.code != 150 {
            return begun.code;
        }
        data.write_all(bytes).expect("data");
        data.shutdown(Shutdown::Write).expect("end");
        self.reply().code
    }
}
