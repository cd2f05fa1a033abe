//! The client's program: everything is in `forkftp::cli::forkftp` and `forkftp::client`.

fn main() -> std::process::ExitCode {
    forkftp::cli::forkftp::main()
}
