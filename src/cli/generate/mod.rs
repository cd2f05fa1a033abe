//! Man pages and shell completions, made from the same tables that parse the command lines, from the example of the configuration, and from
//! the documents of the source tree. Run by the client when the project is built: nothing of it is in the server.
//!
//! | file | job |
//! |---|---|
//! | `markdown` | documents, read into blocks |
//! | `page` | blocks as man(7) |
//! | `configuration` | the keys of forkftpd.toml(5), from the example |

mod configuration;
mod markdown;
mod page;

use crate::config::EXAMPLE;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use markdown::Block;
use page::Name;
use std::io;
use std::path::Path;

/// Documents that are pages of their own: the file below `src`, and what the page is called.
const DOCUMENTS: [(&str, Name<'static>); 3] = [
    (
        "wire/PROTOCOL.md",
        Name {
            name: "forkftp-protocol",
            section: "7",
            about: "the drive protocol, version forkftp/1",
        },
    ),
    (
        "docs/moving-from-vsftpd.md",
        Name {
            name: "forkftp-moving",
            section: "7",
            about: "moving from vsftpd to forkftpd in a weekend",
        },
    ),
    (
        "docs/security.md",
        Name {
            name: "forkftp-security",
            section: "7",
            about: "what each process of forkftpd holds, and what a stolen one could do",
        },
    ),
];

/// Writes `man/*` and `completions/*` below `folder`, with the documents that are below `source`.
pub(super) fn all(source: &Path, folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    std::fs::create_dir_all(&man)?;
    std::fs::create_dir_all(&completions)?;
    for (command, section) in [
        (super::forkftp::Forkftp::command(), "1"),
        (super::forkftpd::Forkftpd::command(), "8"),
    ] {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let name = command.get_name().to_owned();
            generate_to(shell, &mut command.clone(), name, &completions)?;
        }
        let name = command.get_name().to_owned();
        let more = document(source, &format!("docs/{name}.{section}.md"))?;
        pages(command, &[&name], section, &more, &man)?;
    }
    for (file, name) in DOCUMENTS {
        write(&man, name, &document(source, file)?)?;
    }
    let name = Name {
        name: "forkftpd.toml",
        section: "5",
        about: "configuration of forkftpd, and its users file",
    };
    write(
        &man,
        name,
        &settings(&document(source, "docs/forkftpd.toml.5.md")?),
    )
}

/// The keys from the example, between the description and the sections of `text`.
fn settings(text: &[Block]) -> Vec<Block> {
    let (description, rest) = page::parts(text);
    [description, &configuration::blocks(EXAMPLE), rest].concat()
}

fn document(source: &Path, file: &str) -> io::Result<Vec<Block>> {
    let path = source.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        io::Error::new(error.kind(), what)
    })?;
    Ok(markdown::read(&text))
}

fn write(man: &Path, name: Name<'_>, blocks: &[Block]) -> io::Result<()> {
    let file = man.join(format!("{}.{}", name.name, name.section));
    std::fs::write(file, page::whole(name, blocks))
}

/// A page for the command that `words` call, with what `more` says of it, and one for each of its subcommands.
fn pages(
    command: Command,
    words: &[&str],
    section: &str,
    more: &[Block],
    man: &Path,
) -> io::Result<()> {
    let name = words.join("-");
    let command = command
        .name(name.clone())
        .display_name(name.clone())
        .bin_name(words.join(" "))
        .disable_help_subcommand(true);
    let visible = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "help";
    let text = of_command(&command, words, section, more)?;
    std::fs::write(man.join(format!("{name}.{section}")), text)?;
    for sub in command.get_subcommands().filter(visible) {
        pages(
            sub.clone(),
            &[words, &[sub.get_name()]].concat(),
            section,
            &[],
            man,
        )?;
    }
    Ok(())
}

fn of_command(
    command: &Command,
    words: &[&str],
    section: &str,
    more: &[Block],
) -> io::Result<String> {
    // With --help and --version, which are not there before.
    let mut built = command.clone();
    built.build();
    let mut arguments = built.get_arguments();
    let options = arguments.any(|argument| !argument.is_hide_set());
    let subcommands = command.get_subcommands().any(|sub| !sub.is_hide_set());
    let own = Man::new(command.clone()).section(section);
    let (description, rest) = page::parts(more);
    let mut text = Vec::new();
    let mut roff = Roff::new();
    page::title(&mut roff, &words.join("-"), section);
    roff.to_writer(&mut text)?;
    own.render_name_section(&mut text)?;
    own.render_synopsis_section(&mut text)?;
    own.render_description_section(&mut text)?;
    let mut roff = Roff::new();
    if !description.is_empty() {
        roff.control("PP", []);
    }
    page::write(&mut roff, description);
    roff.to_writer(&mut text)?;
    if options {
        own.render_options_section(&mut text)?;
    }
    if subcommands {
        own.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    page::write(&mut roff, rest);
    if more.is_empty() {
        notes(&mut roff, command);
        see_also(&mut roff, words, section);
    }
    roff.to_writer(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(page::finished(&text))
}

/// What stands behind the help of a command without a document.
fn notes(page: &mut Roff, command: &Command) {
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    let Some(after) = after else {
        return;
    };
    page.control("SH", ["NOTES"]);
    for (number, paragraph) in after.to_string().split("\n\n").enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        let words: Vec<_> = paragraph.split_whitespace().collect();
        page.text([roman(words.join(" "))]);
    }
}

/// Where to read on: the page of the program, which has signals, files and exit status.
fn see_also(page: &mut Roff, words: &[&str], section: &str) {
    page.control("SH", ["SEE ALSO"]);
    let above = words.split_last().map_or(words, |(_, above)| above);
    let mut pages = vec![format!("{}({section})", words[0])];
    if above.len() > 1 {
        pages.insert(0, format!("{}({section})", above.join("-")));
    }
    if section == "8" {
        pages.push("forkftpd.toml(5)".into());
    }
    page.text([roman(pages.join(", "))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pages of this tree, in a folder of their own.
    fn made() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        all(&source, folder.path()).expect("pages");
        folder
    }

    fn text(folder: &Path, page: &str) -> String {
        std::fs::read_to_string(folder.join("man").join(page)).expect(page)
    }

    #[test]
    fn every_page_is_there_and_says_what_it_should() {
        let folder = made();
        for (page, sections) in [
            (
                "forkftpd.8",
                &[
                    "DESCRIPTION",
                    "OPTIONS",
                    "SUBCOMMANDS",
                    "SIGNALS",
                    "FILES",
                    "\"EXIT STATUS\"",
                    "EXAMPLES",
                    "\"SEE ALSO\"",
                ][..],
            ),
            (
                "forkftp.1",
                &[
                    "DESCRIPTION",
                    "OPTIONS",
                    "SUBCOMMANDS",
                    "ENVIRONMENT",
                    "FILES",
                    "\"EXIT STATUS\"",
                    "EXAMPLES",
                    "\"SEE ALSO\"",
                ],
            ),
            (
                "forkftpd.toml.5",
                &[
                    "DESCRIPTION",
                    "\"KEYS OF THE WHOLE SERVER\"",
                    "\"KEYS OF [[LISTEN]]\"",
                    "EXAMPLES",
                    "\"SEE ALSO\"",
                ],
            ),
            ("forkftp-protocol.7", &["\"2. NAMES\"", "\"10. CODES\""]),
            ("forkftp-moving.7", &[]),
            ("forkftp-security.7", &[]),
            ("forkftpd-user-add.8", &["SYNOPSIS", "\"SEE ALSO\""]),
            ("forkftpd-import-vsftpd.8", &["SYNOPSIS"]),
        ] {
            let text = text(folder.path(), page);
            for section in sections {
                assert!(
                    text.contains(&format!("\n.SH {section}\n")),
                    "{page} has no {section}"
                );
            }
        }
        assert!(text(folder.path(), "forkftpd-user-add.8").contains("\\fBforkftpd user add\\fR"));
    }

    #[test]
    fn what_is_hidden_has_no_page() {
        let folder = made();
        let pages = std::fs::read_dir(folder.path().join("man")).expect("pages");
        let names: Vec<_> = pages
            .map(|page| {
                page.expect("a page")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for hidden in [
            "forkftpd-broker.8",
            "forkftpd-generate.8",
            "forkftpd-help.8",
        ] {
            assert!(!names.iter().any(|name| name == hidden), "{hidden}");
        }
    }

    /// The codes stand in two places: the client's own table, and its page.
    #[test]
    fn the_page_of_the_client_has_all_exit_codes() {
        let text = include_str!("../../docs/forkftp.1.md");
        let (_, status) = text.split_once("## Exit status").expect("the section");
        for line in crate::client::exit::TABLE.lines() {
            let code = line.trim_start().split(' ').next().unwrap_or_default();
            if code.parse::<u8>().is_ok() {
                assert!(status.contains(&format!("`{code}`\n: ")), "{code}");
            }
        }
    }
}
