//! Man pages and shell completions, made from the same tables that parse the command lines.

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use std::io;
use std::path::Path;

/// Writes `man/*.1|8` and `completions/` below `folder`.
pub(super) fn all(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    for (command, section) in [
        (super::forkftp::Forkftp::command(), "1"),
        (super::forkftpd::Forkftpd::command(), "8"),
    ] {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            generate_to(
                shell,
                &mut command.clone(),
                command.get_name().to_owned(),
                &completions,
            )?;
        }
        let name = command.get_name().to_owned();
        pages(command, &name, section, &man)?;
    }
    Ok(())
}

/// A page for the command, and one for each of its subcommands.
fn pages(command: Command, name: &str, section: &str, into: &Path) -> io::Result<()> {
    let mut page = Vec::new();
    let command = command.name(name.to_owned()).display_name(name.to_owned());
    clap_mangen::Man::new(command.clone())
        .section(section)
        .render(&mut page)?;
    std::fs::write(into.join(format!("{name}.{section}")), page)?;
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        pages(
            sub.clone(),
            &format!("{name}-{}", sub.get_name()),
            section,
            into,
        )?;
    }
    Ok(())
}
