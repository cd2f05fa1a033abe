//! What was found, and how it is said to people and to programs.

use crate::client::show;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grade {
    /// Nothing to do.
    Ok,
    /// Good to know; or something that could not be looked at.
    Note,
    /// Some are served badly, or will be.
    Warning,
    /// Something is refused, or does not start.
    Error,
}

impl Grade {
    /// As it stands at the beginning of a line, all of one width.
    fn head(self) -> &'static str {
        match self {
            Grade::Ok => "ok     ",
            Grade::Note => "note   ",
            Grade::Warning => "WARNING",
            Grade::Error => "ERROR  ",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    topic: &'static str,
    grade: Grade,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// All of them, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Report {
    about: String,
    findings: Vec<Finding>,
}

/// What a program reads.
#[derive(Serialize)]
struct Whole<'a> {
    version: &'static str,
    about: &'a str,
    findings: &'a [Finding],
    ok: usize,
    notes: usize,
    warnings: usize,
    errors: usize,
}

/// Findings of one topic go in here.
pub(super) struct Topic<'a> {
    name: &'static str,
    report: &'a mut Report,
}

impl Report {
    pub(super) fn topic(&mut self, name: &'static str) -> Topic<'_> {
        Topic { name, report: self }
    }

    /// What is looked at, in a line.
    pub(super) fn about(&mut self, about: String) {
        self.about = about;
    }

    pub(super) fn errors(&self) -> usize {
        self.count(Grade::Error)
    }

    pub(super) fn warnings(&self) -> usize {
        self.count(Grade::Warning)
    }

    fn count(&self, grade: Grade) -> usize {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.grade == grade).count()
    }

    /// For people: what is to be seen to, with `all` what is fine as well, under the names of the topics.
    pub(super) fn text(&self, all: bool) -> String {
        let clean = |text: &str| show::clean(text.as_bytes());
        let mut text = format!("{}\n", clean(&self.about));
        let mut topic = "";
        for finding in &self.findings {
            if finding.grade == Grade::Ok && !all {
                continue;
            }
            if finding.topic != topic {
                topic = finding.topic;
                text += &format!("\n{topic}\n");
            }
            let head = finding.grade.head();
            text += &format!("  {head}  {}\n", clean(&finding.what));
            if let Some(fix) = &finding.fix {
                text += &format!("           do: {}\n", clean(fix));
            }
        }
        let count = |grade, one, many| show::count(self.count(grade) as u64, one, many);
        text += &format!(
            "\n{} fine, {}, {}, {}\n",
            self.count(Grade::Ok),
            count(Grade::Note, "note", "notes"),
            count(Grade::Warning, "warning", "warnings"),
            count(Grade::Error, "error", "errors"),
        );
        text
    }

    /// For programs: everything, on one line.
    pub(super) fn json(&self) -> String {
        let whole = Whole {
            version: env!("CARGO_PKG_VERSION"),
            about: &self.about,
            findings: &self.findings,
            ok: self.count(Grade::Ok),
            notes: self.count(Grade::Note),
            warnings: self.warnings(),
            errors: self.errors(),
        };
        // Texts and numbers alone: there is nothing that could not be written.
        serde_json::to_string(&whole).unwrap_or_default() + "\n"
    }
}

impl Topic<'_> {
    fn add(&mut self, grade: Grade, what: String, fix: Option<String>) {
        self.report.findings.push(Finding {
            topic: self.name,
            grade,
            what,
            fix,
        });
    }

    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.add(Grade::Ok, what.into(), None);
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.add(Grade::Note, what.into(), None);
    }

    /// A note with what may be done.
    pub(super) fn hint(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Grade::Note, what.into(), Some(fix.into()));
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Grade::Warning, what.into(), Some(fix.into()));
    }

    pub(super) fn error(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Grade::Error, what.into(), Some(fix.into()));
    }

    /// An error whose sentence ends with what is to be done.
    pub(super) fn problem(&mut self, what: impl Into<String>) {
        self.add(Grade::Error, what.into(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fine_is_counted_and_what_is_not_is_shown() {
        let mut report = Report::default();
        report.about("the planned set-up".into());
        let mut topic = report.topic("clock");
        topic.ok("kept");
        topic.warning("a\x1b[31m red path", "chmod 600 it");
        report.topic("disk").note("nobody looked");
        assert_eq!(
            report.text(false),
            "the planned set-up\n\nclock\n  WARNING  a\\x1b[31m red path\n           do: chmod 600 it\n\ndisk\n  note     nobody looked\n\n1 fine, 1 note, 1 warning, 0 errors\n"
        );
        assert!(report.text(true).contains("  ok       kept\n"));
        let said: serde_json::Value = serde_json::from_str(&report.json()).expect("json");
        assert_eq!(said["warnings"], 1);
        assert_eq!(said["findings"][1]["fix"], "chmod 600 it");
        assert_eq!(said["findings"][0]["grade"], "ok");
    }
}
