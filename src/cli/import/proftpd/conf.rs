//! The file as a tree: directives, sections and what is included, each with its place. Run by `forkftpd import proftpd`.

use super::super::passwords::text_of;
use std::path::{Path, PathBuf};

/// How deep files include others, and sections others.
const DEEPEST: usize = 16;
/// Most lines, with all that is included.
const MOST: usize = 100_000;

/// One directive, or a section with what is in it.
#[derive(Debug)]
pub(super) struct Node {
    /// FILE:LINE.
    pub(super) place: String,
    /// In lower case.
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// Of a section.
    pub(super) inside: Option<Vec<Node>>,
}

impl Node {
    /// The line as it stands.
    pub(super) fn shown(&self) -> String {
        let line = format!("{} {}", self.name, self.arguments.join(" "));
        match self.inside {
            Some(_) => format!("<{}>", line.trim_end()),
            None => line.trim_end().to_owned(),
        }
    }

    /// An argument, or nothing.
    pub(super) fn argument(&self, at: usize) -> &str {
        self.arguments.get(at).map_or("", String::as_str)
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(
            self.argument(0).to_ascii_lowercase().as_str(),
            "on" | "yes" | "true" | "1"
        )
    }
}

/// Reads the file.
///
/// # Errors
/// It cannot be read, or a section has no end.
pub(super) fn read(path: &Path) -> Result<Vec<Node>, String> {
    let mut left = MOST;
    let mut open = vec![Vec::new()];
    let mut begun = Vec::new();
    lay(path, 0, &mut left, &mut open, &mut begun)?;
    match (open.pop(), begun.pop()) {
        (Some(all), None) => Ok(all),
        (_, Some(Node { place, .. })) => Err(format!("{place}: this section has no end")),
        (None, None) => Ok(Vec::new()),
    }
}

fn lay(
    path: &Path,
    depth: usize,
    left: &mut usize,
    open: &mut Vec<Vec<Node>>,
    begun: &mut Vec<Node>,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!(
            "{}: files include each other too deep",
            path.display()
        ));
    }
    let text = text_of(path)?;
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        while line.ends_with('\\') {
            line.pop();
            match lines.next() {
                Some((_, more)) => line.push_str(more.trim()),
                None => break,
            }
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{}", path.display(), at + 1);
        *left = left
            .checked_sub(1)
            .ok_or_else(|| format!("{place}: more than {MOST} lines"))?;
        if let Some(end) = line.strip_prefix("</") {
            let name = end.trim_end_matches('>').trim().to_ascii_lowercase();
            let (Some(mut node), Some(inside)) = (begun.pop(), open.pop()) else {
                return Err(format!("{place}: the end of a section that did not begin"));
            };
            if node.name != name {
                return Err(format!(
                    "{place}: <{}> of {} ends here as {name}",
                    node.name, node.place
                ));
            }
            node.inside = Some(inside);
            open.last_mut().ok_or("no place for a section")?.push(node);
            continue;
        }
        let section = line
            .strip_prefix('<')
            .and_then(|line| line.strip_suffix('>'));
        let mut words = words(section.unwrap_or(&line)).into_iter();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let node = Node {
            place,
            name,
            arguments: words.collect(),
            inside: None,
        };
        if section.is_some() {
            if begun.len() >= DEEPEST {
                return Err(format!("{}: sections within sections too deep", node.place));
            }
            begun.push(node);
            open.push(Vec::new());
        } else if node.name == "include" {
            let files = included(path, node.argument(0));
            // A pattern that fits nothing, and a folder with nothing in it, are as they may be; what is not there has to be said.
            let what = path
                .parent()
                .unwrap_or(Path::new("."))
                .join(node.argument(0));
            if files.is_empty() && !node.argument(0).contains('*') && !what.is_dir() {
                open.last_mut()
                    .ok_or("no place for a directive")?
                    .push(node);
                continue;
            }
            for file in files {
                lay(&file, depth + 1, left, open, begun)?;
            }
        } else {
            open.last_mut()
                .ok_or("no place for a directive")?
                .push(node);
        }
    }
    Ok(())
}

/// The files that are meant: one, those of a folder, or those of a pattern in the last part.
fn included(from: &Path, what: &str) -> Vec<PathBuf> {
    let folder = from.parent().unwrap_or(Path::new("."));
    let what = folder.join(what);
    let (folder, pattern) = if what.is_dir() {
        (what, "*".to_owned())
    } else {
        let name = what
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !name.contains('*') {
            return what.is_file().then_some(what).into_iter().collect();
        }
        (what.parent().unwrap_or(Path::new(".")).to_owned(), name)
    };
    let (begin, end) = pattern.split_once('*').unwrap_or((&pattern, ""));
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = found
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            path.is_file()
                && !name.starts_with('.')
                && name.starts_with(begin)
                && name.ends_with(end)
        })
        .collect();
    files.sort();
    files
}

/// Words, and what stands between quotes as one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            c if c.is_whitespace() && !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}
