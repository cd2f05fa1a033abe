//! What the tests of all servers share: files in a scratch folder, read as theirs, and what was made of them.

use super::draft::Draft;
use super::report::Report;
use std::path::Path;

/// Of "pencil".
pub(super) const HASH: &str = "$apr1$saltsalt$LR9wPsIAcuy46wmT2IkL./";

/// What was made.
pub(super) struct Made {
    pub(super) config: String,
    pub(super) users: String,
    pub(super) commands: String,
    pub(super) report: Report,
    _folder: tempfile::TempDir,
}

/// Makes the files, in which `HERE` is the scratch folder, and has `import` read them.
pub(super) fn made(
    files: &[(&str, &str)],
    import: impl FnOnce(&Path, &mut Report) -> Result<Draft, String>,
) -> Result<Made, String> {
    let folder = tempfile::tempdir().expect("folder");
    let here = folder.path().to_str().expect("path");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(path, text.replace("HERE", here)).expect("write");
    }
    let mut report = Report::default();
    let draft = import(folder.path(), &mut report)?;
    Ok(Made {
        config: draft.config(),
        users: draft.users(),
        commands: draft.commands(Path::new("users.toml")).join("\n"),
        report,
        _folder: folder,
    })
}

/// Fails unless each of these is a line of the text.
pub(super) fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|known| known.trim() == *line),
            "no {line}\n{text}"
        );
    }
}
