//! Markdown as the project's documents use it, read into blocks: headings, paragraphs, lists, tables, code, and terms with what they
//! mean. Run by `forkftp generate` when the project is built; it reads nothing that a stranger wrote.

/// A part of a document. Text is one line, with its marks (`**`, backquotes, links) still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// 1 is the title.
    Heading(usize, String),
    Paragraph(String),
    /// What stands before each item (a number and a dot, or nothing), and the item.
    List(Vec<(Option<String>, String)>),
    /// Rows of cells; the first is the head.
    Table(Vec<Vec<String>>),
    Code(Vec<String>),
    /// Terms that share what is said of them: lines, and then a line that begins with `: `.
    Terms(Vec<String>, String),
}

/// A piece of text in one manner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    Plain(String),
    Strong(String),
    Emphasis(String),
}

/// Reads a document.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(Block::Code(code.map(str::to_owned).collect()));
            continue;
        }
        if let Some(heading) = heading(line) {
            blocks.push(heading);
            continue;
        }
        // What belongs together ends at an empty line, or where something else begins.
        let mut together = vec![line];
        while let Some(next) = lines.next_if(|next| {
            !next.trim().is_empty() && !next.starts_with("```") && heading(next).is_none()
        }) {
            together.push(next);
        }
        if line.starts_with('|') {
            blocks.push(table(&together));
        } else if item(line).is_some() {
            list(&together, &mut blocks);
        } else if let Some(at) = together.iter().position(|line| line.starts_with(": ")) {
            let (terms, meaning) = together.split_at(at);
            let terms = terms.iter().map(|&term| term.to_owned()).collect();
            let meaning = meaning.join(" ");
            blocks.push(Block::Terms(terms, join(&[&meaning[2..]])));
        } else {
            blocks.push(Block::Paragraph(join(&together)));
        }
    }
    blocks
}

fn heading(line: &str) -> Option<Block> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let text = line[level..].strip_prefix(' ')?;
    (level > 0).then(|| Block::Heading(level, text.trim().to_owned()))
}

/// The number of an item of a list, if it has one, and its text.
fn item(line: &str) -> Option<(Option<String>, &str)> {
    if let Some(text) = line.strip_prefix("- ") {
        return Some((None, text));
    }
    let (number, text) = line.split_once(". ")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (Some(format!("{number}.")), text))
}

/// A list; what goes before the first item of `lines` never comes here.
fn list(lines: &[&str], blocks: &mut Vec<Block>) {
    let mut items: Vec<(Option<String>, String)> = Vec::new();
    for line in lines {
        match (item(line), items.last_mut()) {
            (Some((mark, text)), _) => items.push((mark, text.trim().to_owned())),
            (None, Some((_, text))) => {
                text.push(' ');
                text.push_str(line.trim());
            }
            (None, None) => {}
        }
    }
    // An empty line between two items does not part them.
    if let Some(Block::List(before)) = blocks.last_mut() {
        before.extend(items);
    } else {
        blocks.push(Block::List(items));
    }
}

fn table(lines: &[&str]) -> Block {
    let rule = |line: &str| line.contains('-') && line.bytes().all(|byte| b"|-: ".contains(&byte));
    let rows = lines.iter().filter(|line| !rule(line));
    Block::Table(rows.map(|line| cells(line)).collect())
}

/// The cells of a row; `\|` is no border.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|');
    let line = line.strip_suffix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&'|').is_some() => {
                cells.last_mut().map_or((), |cell| cell.push('|'))
            }
            '|' => cells.push(String::new()),
            other => cells.last_mut().map_or((), |cell| cell.push(other)),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn join(lines: &[&str]) -> String {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

/// The pieces of a line of text. Of a link to elsewhere on the web the address is kept; of others the words alone.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((span, after)) = marked(rest) {
            if !plain.is_empty() {
                spans.push(Span::Plain(std::mem::take(&mut plain)));
            }
            spans.push(span);
            rest = after;
        } else {
            plain.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    if !plain.is_empty() {
        spans.push(Span::Plain(plain));
    }
    spans
}

/// What `text` begins with, if that is a mark with its end, and what comes after it.
fn marked(text: &str) -> Option<(Span, &str)> {
    let between = |mark: &str| {
        let (inside, after) = text.strip_prefix(mark)?.split_once(mark)?;
        (!inside.is_empty()).then_some((inside, after))
    };
    if let Some((inside, after)) = between("`") {
        return Some((Span::Strong(inside.to_owned()), after));
    }
    if let Some((inside, after)) = between("**") {
        return Some((Span::Strong(inside.replace('`', "")), after));
    }
    if let Some((inside, after)) = between("*")
        && !inside.starts_with([' ', '*'])
    {
        return Some((Span::Emphasis(inside.to_owned()), after));
    }
    let (words, after) = text.strip_prefix('[')?.split_once("](")?;
    let (address, after) = after.split_once(')')?;
    if words.contains('[') {
        return None;
    }
    let shown = match address {
        web if web.starts_with("http") => format!("{words} <{web}>"),
        _ => words.to_owned(),
    };
    Some((Span::Plain(shown.replace('`', "")), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let text = "# A `title`\n\nFirst\nsecond.\n\n| a | b |\n|---|---|\n| `x` | y \\| z |\n\n- one\n  goes on\n- two\n\n```sh\n# no heading\n\nend\n```\n## Sub\n`f`\n`g`\n: means\n  this\n\n1. first\n2. last\n";
        let owned = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read(text),
            [
                Block::Heading(1, "A `title`".into()),
                Block::Paragraph("First second.".into()),
                Block::Table(vec![owned(&["a", "b"]), owned(&["`x`", "y | z"])]),
                Block::List(vec![(None, "one goes on".into()), (None, "two".into())]),
                Block::Code(owned(&["# no heading", "", "end"])),
                Block::Heading(2, "Sub".into()),
                Block::Terms(owned(&["`f`", "`g`"]), "means this".into()),
                Block::List(vec![
                    (Some("1.".into()), "first".into()),
                    (Some("2.".into()), "last".into())
                ]),
            ]
        );
    }

    #[test]
    fn marks_without_an_end_are_text() {
        let plain = |text: &str| Span::Plain(text.into());
        let strong = |text: &str| Span::Strong(text.into());
        for (text, expected) in [
            ("a `b` c", vec![plain("a "), strong("b"), plain(" c")]),
            ("a ` b", vec![plain("a ` b")]),
            ("2 * 3 * 4", vec![plain("2 * 3 * 4")]),
            ("**a `b`.** c", vec![strong("a b."), plain(" c")]),
            ("*so*", vec![Span::Emphasis("so".into())]),
            ("[[listen]] (x)", vec![plain("[[listen]] (x)")]),
            ("[the page](x/y.md).", vec![plain("the page"), plain(".")]),
            (
                "[w](https://w.example)",
                vec![plain("w <https://w.example>")],
            ),
        ] {
            assert_eq!(spans(text), expected, "{text}");
        }
    }
}
