//! The configuration file's page, forkftpd.toml(5), made of the very text that `forkftpd config` prints: its comments are what there is to
//! say of each key, so that there is one place to say it in. Run by `forkftp generate`.

use super::markdown::Block;

/// A line of the example that sets a key.
#[derive(Debug, PartialEq, Eq)]
struct Key<'a> {
    name: &'a str,
    value: &'a str,
    /// What stands behind it on the same line.
    says: Option<&'a str>,
}

/// What the page says, table by table.
pub(super) fn blocks(example: &str) -> Vec<Block> {
    let mut page = vec![Block::Heading(2, "Keys of the whole server".into())];
    // What stands before the next keys, and the keys that share it.
    let mut said: Vec<String> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    // The line before had a key, and what there is to say of it.
    let mut beside_one = false;
    for line in example.lines().chain([""]) {
        let bare = line.trim_start_matches('#');
        let bare = bare.strip_prefix(' ').unwrap_or(bare);
        if let Some(key) = key(bare) {
            if let Some(alone) = key.says {
                flush(&mut page, &mut said, &mut keys);
                page.push(Block::Terms(vec![term(&key)], marked(alone)));
            } else if let Some(Block::Terms(beside, _)) = page.last_mut()
                && said.is_empty()
                && beside_one
            {
                // What was said of the key before it holds for both.
                beside.push(term(&key));
            } else {
                keys.push(term(&key));
            }
            beside_one |= key.says.is_some();
        } else if line.starts_with('#') && bare.starts_with("    ") {
            // The comment behind a key goes on.
            if let Some(Block::Terms(_, text)) = page.last_mut() {
                text.push(' ');
                text.push_str(&marked(bare.trim()));
            }
        } else {
            beside_one = false;
            if !keys.is_empty() || bare.is_empty() {
                flush(&mut page, &mut said, &mut keys);
            }
            if bare.starts_with('[') && bare.ends_with(']') {
                page.push(Block::Heading(2, format!("Keys of {bare}")));
                flush(&mut page, &mut said, &mut keys);
            } else if !bare.is_empty() {
                said.push(marked(bare));
            }
        }
    }
    page
}

/// Ends what belongs together: keys with what stands before them, or a paragraph.
fn flush(page: &mut Vec<Block>, said: &mut Vec<String>, keys: &mut Vec<String>) {
    let (text, keys) = (std::mem::take(said).join(" "), std::mem::take(keys));
    match (text.is_empty(), keys.is_empty()) {
        (true, true) => {}
        (false, true) => page.push(Block::Paragraph(text)),
        // Explained where it stood first: the same key of another table.
        (true, false) => {}
        (false, false) => page.push(Block::Terms(keys, text)),
    }
}

/// `name = value`, and what stands behind it.
fn key(line: &str) -> Option<Key<'_>> {
    let (name, value) = line.split_once(" = ")?;
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    // Prose may have an equals sign, too; a value is TOML, with at most a comment behind it.
    let is_value =
        |value: &str| toml::from_str::<toml::Table>(&format!("{name} = {value}")).is_ok();
    let sound = !name.is_empty() && letters && is_value(value);
    let comments = value.match_indices(" # ").map(|(at, _)| value.split_at(at));
    let (value, says) = comments
        .map(|(value, says)| (value.trim_end(), Some(&says[3..])))
        .find(|(value, _)| is_value(value))
        .unwrap_or((value, None));
    sound.then_some(Key { name, value, says })
}

fn term(key: &Key<'_>) -> String {
    format!("`{}` = {}", key.name, key.value)
}

/// Comments have no marks; what they quote keys and commands with are none.
fn marked(text: &str) -> String {
    text.replace('*', "")
}

#[cfg(test)]
mod tests {
    use super::super::markdown::read;
    use super::*;
    use crate::config::EXAMPLE;

    #[test]
    fn keys_have_what_is_said_of_them() {
        let example = "# Begins.\n\n# One\n# of two.\na = 1\n# b = \"x # y\"\n\n# A table.\n# [[t]]\n# c = true     # says\n#              # or more\n#              that\n# d = [\"x\"]    # and d = 1 is\n# e = 2\n";
        let terms = |keys: &[&str], text: &str| {
            Block::Terms(
                keys.iter().map(|&key| key.to_owned()).collect(),
                text.into(),
            )
        };
        assert_eq!(
            blocks(example),
            [
                Block::Heading(2, "Keys of the whole server".into()),
                Block::Paragraph("Begins.".into()),
                terms(&["`a` = 1", "`b` = \"x # y\""], "One of two."),
                Block::Heading(2, "Keys of [[t]]".into()),
                Block::Paragraph("A table.".into()),
                terms(&["`c` = true"], "says # or more that"),
                terms(&["`d` = [\"x\"]", "`e` = 2"], "and d = 1 is"),
            ]
        );
    }

    /// The keys that the parser knows in a table, as it lists them when it meets another.
    fn known(text: &str) -> Vec<String> {
        let said = crate::config::what_is_wrong_with(text);
        // A word that is none of a few is another matter.
        let fields = said.split_once("unknown field `nothing_of_ours`, expected one of ");
        let Some((_, list)) = fields else {
            return Vec::new();
        };
        list.split(", ")
            .map(|key| key.trim_matches('`').to_owned())
            .collect()
    }

    /// Every key of every table, from the parser itself: each is here in the example, and on the page with something said of it.
    #[test]
    fn no_key_of_the_parser_is_missing() {
        let page = blocks(EXAMPLE);
        let explains = |key: &str| {
            let term = format!("`{key}` = ");
            page.iter().any(|block| matches!(block, Block::Terms(keys, text) if !text.is_empty() && keys.iter().any(|key| key.starts_with(&term))))
        };
        let top = known("nothing_of_ours = 1");
        assert!(top.len() > 30, "{top:?}");
        let mut tables = 0;
        for key in &top {
            let within = [
                format!("[[{key}]]\nnothing_of_ours = 1"),
                format!("[{key}]\nnothing_of_ours = 1"),
            ];
            let within = within
                .iter()
                .map(|text| known(text))
                .find(|keys| !keys.is_empty());
            let Some(keys) = within else {
                assert!(
                    explains(key),
                    "{key} is not in EXAMPLE, or nothing is said of it"
                );
                continue;
            };
            tables += 1;
            for inner in &keys {
                assert!(
                    explains(inner),
                    "{inner} of [{key}] is not in EXAMPLE, or nothing is said of it"
                );
            }
        }
        assert!(tables >= 2, "listen and anonymous are tables");
    }

    /// The keys of users that [anonymous] has not stand in the text of the page.
    #[test]
    fn the_keys_of_users_alone_are_explained() {
        let text = read(include_str!("../../docs/forkftpd.toml.5.md"));
        for key in ["password", "disabled"] {
            let begins = format!("`{key}` = ");
            assert!(
                text.iter().any(
                    |block| matches!(block, Block::Terms(keys, _) if keys[0].starts_with(&begins))
                ),
                "{key}"
            );
        }
    }
}
