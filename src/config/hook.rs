//! Hooks: programs that are run when an upload is stored. Read by the runner, which executes them, and by the broker, which tells children
//! where uploads have to be announced.

use super::check::{Checker, Set};
use super::drop_box::{DropBox, fits};
use super::file::{Placed, Size};
use super::private::private;
use super::program::{FileProgram, Program, is_name, program};
use crate::wire::path::RelPath;
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Most hooks.
const MOST: usize = 16;
/// Longest first wait between two tries, in seconds.
const LONGEST_WAIT: u32 = 3600;

/// Decided and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Letters, digits and `-`.
    pub name: String,
    /// Below which uploads it is run for. The root stands for the whole library.
    pub folders: Vec<RelPath>,
    /// What is run.
    pub program: Program,
    /// How often at most, for one upload.
    pub tries: u32,
    /// Seconds between the first try and the second; each further wait is twice as long, up to an hour.
    pub retry_seconds: u32,
}

impl Hook {
    /// True when it is run for an upload to `path`.
    #[must_use]
    pub fn heeds(&self, path: &RelPath) -> bool {
        let holds =
            |folder: &RelPath| folder.is_root() || path.folders_above().any(|f| f == *folder);
        self.folders.iter().any(holds)
    }
}

/// All of them, and what they share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// In the order of the file.
    pub all: Vec<Hook>,
    /// Where it is kept on disk what they are still to be run for; none when there are none.
    pub spool_folder: Option<PathBuf>,
    /// How many are run at once.
    pub most: u32,
}

/// `[[hook]]` as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileHook {
    name: Spanned<String>,
    folder: Placed<String>,
    tries: Placed<u32>,
    retry_seconds: Placed<u32>,
    run: Spanned<Vec<String>>,
    user: Placed<String>,
    seconds: Placed<u32>,
    most_output: Placed<Size>,
    processes: Placed<u32>,
    memory: Placed<Size>,
    largest_file: Placed<Size>,
}

/// What the keys mean. `asked` are the hooks that drop boxes name, and where they do.
pub(super) fn hooks(
    c: &mut Checker<'_>,
    tables: Vec<Spanned<FileHook>>,
    spool_folder: Placed<PathBuf>,
    most: Placed<u32>,
    boxes: &[DropBox],
    library: &Path,
) -> Hooks {
    let most = c.count(None, "most-hooks", most, 4).value;
    let spool_folder = c.path(None, "spool_folder", spool_folder);
    let missing = "there are hooks, and nowhere to keep on disk what they are to be run for: name a folder with spool_folder, as /var/lib/forkftp/spool";
    if let Some(Set { value, place }) = &spool_folder
        && let Err(what) = judge(value)
    {
        c.wrong(place.as_deref(), format!("spool_folder: {what}"));
    }
    let spool_folder = private(c, !tables.is_empty(), spool_folder, library, missing);
    if let Some(table) = tables.get(MOST) {
        let place = c.place(table.span().start);
        c.wrong(Some(&place), format!("there may be {MOST} hooks"));
    }
    let mut all: Vec<Hook> = Vec::new();
    for table in tables {
        let name = table.get_ref().name.clone();
        if all.iter().any(|hook| hook.name == *name.get_ref()) {
            let place = c.place(name.span().start);
            c.wrong(
                Some(&place),
                format!("there are two hooks {:?}", name.get_ref()),
            );
        }
        all.extend(hook(c, table.into_inner(), boxes, library));
    }
    let folders = all.iter().flat_map(|hook| &hook.folders);
    if !fits(folders) {
        c.wrong(
            None,
            "the folders of all hooks together have too long paths",
        );
    }
    for name in boxes.iter().filter_map(|drop_box| drop_box.hook.as_ref()) {
        if !all.iter().any(|hook| hook.name == *name.get_ref()) {
            let place = c.place(name.span().start);
            let what = format!(
                "hook = {:?}: there is no [[hook]] of that name",
                name.get_ref()
            );
            c.wrong(Some(&place), what);
        }
    }
    Hooks {
        all,
        spool_folder,
        most,
    }
}

/// Whether that can be the spool: a folder that nobody else looks into, or a name in one that is there.
fn judge(spool: &Path) -> Result<(), String> {
    let shown = spool.display();
    match spool.symlink_metadata() {
        Ok(facts) if facts.is_dir() && facts.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(_) => Err(format!("{shown} has to be a folder of mode 0700: chmod")),
        Err(_) if spool.parent().is_some_and(Path::is_dir) => Ok(()),
        Err(error) => Err(format!("{shown}: {error}: make the folder above it")),
    }
}

fn hook(c: &mut Checker<'_>, table: FileHook, boxes: &[DropBox], library: &Path) -> Option<Hook> {
    let at = c.place(table.name.span().start);
    let name = table.name.into_inner();
    if !is_name(&name) {
        let what = "a hook is called by letters, digits and -, 32 at most";
        c.wrong(Some(&at), format!("name = {name:?}: {what}"));
    }
    let mut folders: Vec<RelPath> = Vec::new();
    if let Some(folder) = table.folder {
        match RelPath::parse(folder.get_ref().as_bytes()) {
            Ok(path) => folders.push(path),
            Err(_) => {
                let place = c.place(folder.span().start);
                let what = "a path below the library, without .. and hidden names";
                c.wrong(
                    Some(&place),
                    format!("folder = {:?}: {what}", folder.get_ref()),
                );
            }
        }
    }
    let names_it = |known: &&DropBox| {
        let hook = known.hook.as_ref();
        hook.is_some_and(|hook| *hook.get_ref() == name)
    };
    folders.extend(
        boxes
            .iter()
            .filter(names_it)
            .map(|known| known.path.clone()),
    );
    if folders.is_empty() {
        folders.push(RelPath::root());
    }
    let tries = c.count(None, "tries", table.tries, 10).value;
    let retry = c.count(None, "retry-seconds", table.retry_seconds, 10);
    if retry.value > LONGEST_WAIT {
        let what = format!("retry_seconds: at most {LONGEST_WAIT}");
        c.wrong(retry.place.as_deref(), what);
    }
    let keys = FileProgram {
        run: table.run,
        user: table.user,
        seconds: table.seconds,
        most_output: table.most_output,
        processes: table.processes,
        memory: table.memory,
        largest_file: table.largest_file,
    };
    Some(Hook {
        name,
        folders,
        program: program(c, keys, library)?,
        tries,
        retry_seconds: retry.value,
    })
}
