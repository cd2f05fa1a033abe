//! The list of a folder as HTML: filter, columns, rows, and the way to the pages before and after. Run by a child.

use super::{count, may_delete, text};
use crate::child::http::folder::{Asked, Entry, Sort};
use crate::child::http::gather::Listing;
use crate::child::http::words::Words;
use crate::rights::{Right, Rights};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// What stands above the list.
pub(super) fn bar(words: &Words, asked: &Asked, rights: Rights) -> String {
    let mut html = format!(
        "<div class=\"bar\"><form class=\"filter\" role=\"search\" id=\"filter\"><input type=\"search\" name=\"q\" value=\"{}\" \
        placeholder=\"{1}\" aria-label=\"{1}\" autocomplete=\"off\" spellcheck=\"false\">",
        text(&asked.filter),
        words.filter_these,
    );
    if asked.sort != Sort::Name || asked.descending {
        let (sort, order) = (asked.sort.as_str(), order(asked.descending));
        let _ = write!(
            html,
            "<input type=\"hidden\" name=\"sort\" value=\"{sort}\"><input type=\"hidden\" name=\"order\" value=\"{order}\">"
        );
    }
    let _ = write!(
        html,
        "<button>{}</button></form><div class=\"tools\" id=\"tools\">",
        words.filter_button
    );
    if rights.has(Right::Get) {
        let _ = write!(
            html,
            "<a class=\"button zip\" id=\"zip\" href=\"?zip\">{}</a>",
            words.as_zip
        );
    }
    html.push_str("</div></div>\n");
    html
}

/// The list.
pub(super) fn table(
    html: &mut String,
    words: &Words,
    asked: &Asked,
    listing: &Listing,
    rights: Rights,
) {
    let may_get = rights.has(Right::Get);
    if !listing.sorted {
        let _ = write!(html, "<p class=\"note\">{}</p>", words.too_many);
    }
    let selects = if may_delete(rights) { " selects" } else { "" };
    let _ = write!(
        html,
        "<table class=\"list{selects}\" id=\"list\"><thead><tr>"
    );
    for (sort, class, label) in [
        (Sort::Name, "n", words.name),
        (Sort::Size, "s", words.size),
        (Sort::Modified, "m", words.modified),
    ] {
        column(html, asked, sort, class, label);
    }
    let _ = write!(
        html,
        "<td class=\"a\"></td></tr></thead>\n<tbody id=\"rows\">\n"
    );
    for entry in &listing.entries {
        row(html, words, entry, may_get);
    }
    html.push_str("</tbody></table>\n");
    if listing.entries.is_empty() {
        let said = if listing.total == 0 {
            words.empty
        } else {
            words.none_match
        };
        let _ = write!(html, "<p class=\"none\" id=\"none\">{said}</p>");
    }
    let _ = write!(
        html,
        "<nav class=\"pager\" id=\"pager\"><span id=\"count\">{}</span>",
        count(words, asked, listing)
    );
    let step = asked.count as u64;
    if asked.from > 0 {
        let query = query(
            asked,
            asked.sort,
            asked.descending,
            asked.from.saturating_sub(step),
        );
        let _ = write!(
            html,
            "<a class=\"button\" rel=\"prev\" href=\"{query}\">{}</a>",
            words.previous
        );
    }
    if asked.from.saturating_add(step) < listing.matching {
        let query = query(asked, asked.sort, asked.descending, asked.from + step);
        let _ = write!(
            html,
            "<a class=\"button\" rel=\"next\" href=\"{query}\">{}</a>",
            words.next
        );
    }
    html.push_str("</nav>\n");
}

fn order(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// The same list otherwise.
fn query(asked: &Asked, sort: Sort, descending: bool, from: u64) -> String {
    let (sort, order) = (sort.as_str(), order(descending));
    let mut query = format!("?sort={sort}&amp;order={order}");
    if !asked.filter.is_empty() {
        let filter = super::escaped(asked.filter.as_bytes());
        let _ = write!(query, "&amp;q={filter}");
    }
    if from > 0 {
        let _ = write!(query, "&amp;from={from}");
    }
    if asked.count < 1000 {
        let _ = write!(query, "&amp;count={}", asked.count);
    }
    query
}

fn column(html: &mut String, asked: &Asked, sort: Sort, class: &str, label: &str) {
    let is_by_this = asked.sort == sort;
    // The other way round at the second time; the largest and the newest are looked for first.
    let descending = match is_by_this {
        true => !asked.descending,
        false => sort != Sort::Name,
    };
    let sorted = match (is_by_this, asked.descending) {
        (false, _) => "",
        (true, false) => " aria-sort=\"ascending\"",
        (true, true) => " aria-sort=\"descending\"",
    };
    let href = query(asked, sort, descending, 0);
    let _ = write!(
        html,
        "<th class=\"{class}\" scope=\"col\"{sorted}><a href=\"{href}\" data-sort=\"{}\">{label}</a></th>",
        sort.as_str()
    );
}

fn row(html: &mut String, words: &Words, entry: &Entry, may_get: bool) {
    let (name, href) = (text(&entry.name), &entry.href);
    let is_folder = entry.kind == "folder";
    let class = if is_folder { "d" } else { "f" };
    let _ = write!(
        html,
        "<tr><td class=\"n\"><a class=\"{class}\" href=\"{href}\">{name}</a></td>"
    );
    if is_folder {
        html.push_str("<td class=\"s\"></td>");
    } else {
        let _ = write!(
            html,
            "<td class=\"s\" data-n=\"{}\">{}</td>",
            entry.size,
            size(entry.size)
        );
    }
    html.push_str("<td class=\"m\">");
    if let Ok(moment) = Timestamp::from_second(entry.modified) {
        let shown = moment
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M")
            .to_string();
        let _ = write!(
            html,
            "<time data-t=\"{}\">{shown} UTC</time>",
            entry.modified
        );
    }
    html.push_str("</td><td class=\"a\">");
    if may_get {
        let how = if is_folder { "zip" } else { "download" };
        let _ = write!(
            html,
            "<a class=\"get\" href=\"{href}?{how}\" aria-label=\"{} {name}\"></a>",
            words.download
        );
    }
    html.push_str("</td></tr>\n");
}

/// Bytes, for people: three figures are enough.
fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn a_name_stands_in_a_row_as_text() {
        let entry = Entry {
            name: "<b>\"'&".into(),
            href: super::super::escaped(b"<b>\"'&").into_owned(),
            kind: "file",
            size: 5,
            modified: 0,
        };
        let mut html = String::new();
        row(&mut html, Words::english(), &entry, true);
        assert_eq!(
            html,
            "<tr><td class=\"n\"><a class=\"f\" href=\"%3Cb%3E%22%27%26\">&lt;b&gt;&quot;&#39;&amp;</a></td>\
            <td class=\"s\" data-n=\"5\">5 B</td><td class=\"m\"><time data-t=\"0\">1970-01-01 00:00 UTC</time></td>\
            <td class=\"a\"><a class=\"get\" href=\"%3Cb%3E%22%27%26?download\" aria-label=\"Download &lt;b&gt;&quot;&#39;&amp;\"></a></td></tr>\n"
        );
        let far = Entry {
            modified: i64::MAX,
            ..entry
        };
        let mut html = String::new();
        row(&mut html, Words::english(), &far, false);
        assert!(html.contains("<td class=\"m\"></td>") && !html.contains("download"));
    }
}
