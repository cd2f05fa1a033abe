//! Command lines of the two programs: clap tables, and nothing that does work. Each program's file parses, calls the
//! layer below, and turns the outcome into an exit code.

pub mod forkftp;
