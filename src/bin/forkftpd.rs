//! The server; everything is in the library crate.

fn main() -> std::process::ExitCode {
    forkftp::cli::forkftpd::main()
}
