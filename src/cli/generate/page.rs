//! Blocks of a document as a manual page: man(7), with tables for tbl(1). Run by `forkftp generate`.

use super::markdown::{Block, Span, spans};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Columns that text has on a terminal of the usual width, and that a table must not be wider than.
const WIDTH: usize = 68;
/// A cell that is longer than this may be broken into lines.
const SHORT: usize = 20;

/// Says to man(1) that there are tables.
const HAS_TABLES: &str = "'\\\" t\n";

/// What a page is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) name: &'a str,
    pub(super) section: &'a str,
    /// What it is about, in a few words.
    pub(super) about: &'a str,
}

/// A page by itself, of a document whose text before the first heading of the second level is its description.
pub(super) fn whole(name: Name<'_>, blocks: &[Block]) -> String {
    let mut page = Roff::new();
    title(&mut page, name.name, name.section);
    // Narrow cells would be torn apart by an even right margin.
    page.control("ad", ["l"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{} - {}", name.name, name.about))]);
    let (description, rest) = parts(blocks);
    if !description.is_empty() {
        page.control("SH", ["DESCRIPTION"]);
        write(&mut page, description);
    }
    write(&mut page, rest);
    finished(&page.render())
}

/// The line that a page begins with.
pub(super) fn title(page: &mut Roff, name: &str, section: &str) {
    let source = concat!("forkftp ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, section, "\"\"", source, "\"\""]);
}

/// What stands before the first section, without the title, and the sections.
pub(super) fn parts(blocks: &[Block]) -> (&[Block], &[Block]) {
    let title = matches!(blocks.first(), Some(Block::Heading(1, _)));
    let blocks = &blocks[usize::from(title)..];
    let section = |block: &Block| matches!(block, Block::Heading(..));
    blocks.split_at(blocks.iter().position(section).unwrap_or(blocks.len()))
}

/// The text of a page, ready to be written.
pub(super) fn finished(text: &str) -> String {
    match text.contains("\n.TS\n") {
        true => format!("{HAS_TABLES}{text}"),
        false => text.to_owned(),
    }
}

/// Writes `blocks` at the end of `page`, which ends with a heading.
pub(super) fn write(page: &mut Roff, blocks: &[Block]) {
    for (number, block) in blocks.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| &blocks[before]);
        if !matches!(before, None | Some(Block::Heading(..)))
            && !matches!(
                block,
                Block::Heading(..) | Block::List(..) | Block::Terms(..)
            )
        {
            page.control("PP", []);
        }
        match block {
            Block::Heading(level, text) => heading(page, *level, text),
            Block::Paragraph(text) => {
                page.text(inlines(text));
            }
            Block::List(items) => {
                for (mark, text) in items {
                    let mark = mark.as_deref().unwrap_or("\\(bu");
                    page.control("IP", [mark, "4"]);
                    page.text(inlines(text));
                }
            }
            Block::Terms(terms, text) => {
                for (number, term) in terms.iter().enumerate() {
                    page.control(if number == 0 { "TP" } else { "TQ" }, []);
                    page.text(inlines(term));
                }
                page.text(inlines(text));
            }
            Block::Code(lines) => {
                page.control("PP", [])
                    .control("RS", ["4"])
                    .control("EX", []);
                for line in lines {
                    page.text([roman(line.as_str())]);
                }
                page.control("EE", []).control("RE", []);
            }
            Block::Table(rows) => table(page, rows),
        }
    }
}

fn heading(page: &mut Roff, level: usize, text: &str) {
    let text = text.replace(['`', '*'], "");
    let (macro_, text) = match level {
        ..=2 => ("SH", text.to_uppercase()),
        _ => ("SS", text),
    };
    // An argument ends at a quotation mark.
    page.control(macro_, [text.replace('"', "\\(dq").as_str()]);
}

fn inlines(text: &str) -> Vec<Inline> {
    let one = |span| match span {
        Span::Plain(text) => roman(text),
        Span::Strong(text) => bold(text),
        Span::Emphasis(text) => italic(text),
    };
    spans(text).into_iter().map(one).collect()
}

/// A table whose long columns share what the short ones leave.
fn table(page: &mut Roff, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(longest).collect();
    let fits = widths.iter().sum::<usize>() + 3 * columns <= WIDTH;
    let broken = |column: usize| !fits && widths[column] > SHORT;
    let key = |head: &str| {
        let one = |column| format!("l{head}{}", if broken(column) { "x" } else { "" });
        (0..columns).map(one).collect::<Vec<_>>().join(" ")
    };
    page.control("TS", []);
    // A head without words is none.
    let headed = rows
        .first()
        .is_some_and(|head| head.iter().any(|cell| !cell.is_empty()));
    if headed {
        page.text([roman(key("B"))]);
    }
    page.text([roman(key("") + ".")]);
    for (number, row) in rows.iter().enumerate().skip(usize::from(!headed)) {
        // A cell that may be broken is text between `T{` and `T}`, with lines of its own.
        let mut line: Vec<Inline> = Vec::new();
        for column in 0..columns {
            if column > 0 {
                line.push(roman("\t"));
            }
            let cell = inlines(row.get(column).map_or("", String::as_str));
            if broken(column) {
                line.push(roman("T{"));
                page.text(std::mem::take(&mut line));
                page.text(cell);
                line.push(roman("T}"));
            } else {
                line.extend(cell);
            }
        }
        page.text(line);
        if number == 0 {
            page.text([roman("_")]);
        }
    }
    page.control("TE", []);
}

#[cfg(test)]
mod tests {
    use super::super::markdown::read;
    use super::*;

    fn page(text: &str) -> String {
        let name = Name {
            name: "x",
            section: "7",
            about: "a page",
        };
        whole(name, &read(text))
    }

    #[test]
    fn a_document_is_a_page() {
        let page = page(
            "# T\n\nBegins `--so`.\n\n## Two words\n\n.starts with a dot\n\n- 'quoted'\n\n```\n.TH\n  \\n\n```\n",
        );
        for expected in [
            ".SH DESCRIPTION\nBegins \\fB\\-\\-so\\fR.\n",
            ".SH \"TWO WORDS\"\n\\&.starts with a dot\n",
            ".IP \\(bu 4\n\\*(Aqquoted\\*(Aq\n",
            ".EX\n\\&.TH\n  \\\\n\n.EE\n",
        ] {
            assert!(page.contains(expected), "{expected:?} in {page}");
        }
        assert!(!page.starts_with('\''), "it has no table");
    }

    #[test]
    fn long_cells_are_broken_and_short_ones_are_not() {
        let long = "word ".repeat(20);
        let text = page(&format!("| code | says |\n|---|---|\n| `a-b` | {long} |\n"));
        let cell = long.trim();
        let expected = format!(
            ".TS\nlB lBx\nl lx.\ncode\tT{{\nsays\nT}}\n_\n\\fBa\\-b\\fR\tT{{\n{cell}\nT}}\n.TE\n"
        );
        assert!(text.contains(&expected), "{text}");
        assert!(text.starts_with("'\\\" t\n"));
        assert!(page("|||\n|---|---|\n| a | b |\n").contains(".TS\nl l.\na\tb\n.TE\n"));
    }
}
