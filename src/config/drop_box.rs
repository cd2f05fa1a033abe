//! Drop boxes: folders below the library into which files are put and nothing else is done, but by those who fetch them. Read by the
//! broker, which tells children of them.

use super::account::group;
use super::check::Checker;
use super::file::{Placed, Size};
use crate::wire::name::Name;
use crate::wire::path::RelPath;
use serde::Deserialize;
use toml::Spanned;

/// Most drop boxes, and the longest path of one as it is written in JSON, bytes: a child is told of all that it can reach in one
/// message.
const MOST: usize = 16;
const LONGEST: usize = 200;

/// Decided and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropBox {
    /// The folder below the library. It is not the library itself, and none lies in another.
    pub path: RelPath,
    /// Users whose rights hold in it as elsewhere.
    pub readers: Vec<String>,
    /// Permission bits of new files.
    pub mode: Option<u32>,
    /// Group of new files.
    pub group: Option<u32>,
    /// Most bytes of one file.
    pub largest_file: Option<u64>,
    /// Hours after which a file is removed that nobody has touched.
    pub expire_hours: Option<u32>,
}

/// A table `[[drop_box]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileDropBox {
    path: Spanned<String>,
    #[serde(default)]
    readers: Vec<String>,
    mode: Placed<String>,
    group: Placed<String>,
    largest_file: Placed<Size>,
    expire_hours: Placed<u32>,
}

/// What the tables mean, in their order.
pub(super) fn drop_boxes(c: &mut Checker<'_>, tables: Vec<Spanned<FileDropBox>>) -> Vec<DropBox> {
    if let Some(table) = tables.get(MOST) {
        let place = c.place(table.span().start);
        c.wrong(Some(&place), format!("there may be {MOST} drop boxes"));
    }
    let mut boxes: Vec<DropBox> = Vec::new();
    for table in tables {
        let Some((at, drop_box)) = drop_box(c, table.into_inner()) else {
            continue;
        };
        let holds = |one: &RelPath, other: &RelPath| {
            one == other || other.folders_above().any(|above| above == *one)
        };
        let clash = boxes
            .iter()
            .find(|known| holds(&known.path, &drop_box.path) || holds(&drop_box.path, &known.path));
        if clash.is_some() {
            let place = c.place(at);
            c.wrong(
                Some(&place),
                "a drop box lies in no other, and is named once: keep one of the two",
            );
        }
        boxes.push(drop_box);
    }
    boxes
}

/// One of them, and where its path stands.
fn drop_box(c: &mut Checker<'_>, table: FileDropBox) -> Option<(usize, DropBox)> {
    let mut wrong = Vec::new();
    let at = table.path.span().start;
    let text = table.path.get_ref();
    let path = RelPath::parse(text.as_bytes()).ok();
    let path = path.filter(|path| !path.is_root());
    if path.is_none() {
        let what = "a folder below the library, without a slash at its ends, .. and hidden names";
        wrong.push((at, format!("path = {text:?}: {what}")));
    }
    let written = serde_json::to_string(&Name(text.as_bytes().to_vec()));
    if written.is_ok_and(|written| written.len() > LONGEST) {
        let what = format!("the path of a drop box has at most {LONGEST} bytes");
        wrong.push((at, what));
    }
    let mode = table.mode.and_then(|text| {
        let bits = u32::from_str_radix(text.get_ref(), 8).ok();
        let bits = bits.filter(|bits| bits & !0o666 == 0 && bits & 0o600 == 0o600);
        if bits.is_none() {
            let what = "octal digits, 0600 to 0666: the server reads and writes it, and nobody executes it";
            let at = text.span().start;
            wrong.push((at, format!("mode = {:?}: {what}", text.get_ref())));
        }
        bits
    });
    let group = group(table.group, |at, what| wrong.push((at, what)));
    for (what, at) in [
        (
            "largest_file",
            zero(&table.largest_file, |size| size.0 == 0),
        ),
        (
            "expire_hours",
            zero(&table.expire_hours, |hours| *hours == 0),
        ),
    ] {
        if let Some(at) = at {
            let why =
                format!("{what} = 0 would leave nothing there; leave the key out for no limit");
            wrong.push((at, why));
        }
    }
    for (at, what) in wrong {
        let place = c.place(at);
        c.wrong(Some(&place), what);
    }
    let drop_box = DropBox {
        path: path?,
        readers: table.readers,
        mode,
        group,
        largest_file: table.largest_file.map(|size| size.into_inner().0),
        expire_hours: table.expire_hours.map(Spanned::into_inner),
    };
    Some((at, drop_box))
}

/// Where a value stands that is nothing.
fn zero<T>(value: &Placed<T>, is_nothing: impl FnOnce(&T) -> bool) -> Option<usize> {
    let value = value.as_ref().filter(|value| is_nothing(value.get_ref()));
    value.map(|value| value.span().start)
}
