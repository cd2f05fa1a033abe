//! `http-page`: what a browser fetches that comes for the first time to a folder of a thousand files: bytes and requests, and how long the page
//! itself takes.

use super::Http;
use crate::machine::World;
use crate::peers::{Contestant, Product, Way};
use crate::server::Ours;
use crate::stats::say;
use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

const FILES: usize = 1_000;
const FOLDER: &str = "thousand-shown";
/// As browsers ask.
const PAGE: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const PACKED: &str = "Accept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n";

/// Counts.
pub(crate) fn run(world: &World) {
    let folder = world.library.join(FOLDER);
    fs::create_dir(&folder).expect("mkdir");
    for index in 0..FILES {
        let name = format!("Some picture {index:04}.jpeg");
        fs::write(folder.join(name), [index as u8; 64]).expect("a file");
    }
    let mut servers = vec![Contestant::ours_by_http(
        world,
        "forkftpd",
        Ours::default(),
        0,
    )];
    let theirs = Contestant::all_theirs(world, &Product::HTTP, Way::Plain);
    servers.extend(theirs);
    let mut text = format!("the page of a folder of {FILES} files, for the first time");
    for server in &servers {
        text += &format!("\n    {:<28} {}", server.name, fetched(world, server));
    }
    say(&text);
    fs::remove_dir_all(folder).expect("remove");
}

fn fetched(world: &World, server: &Contestant) -> String {
    let target = format!("/{FOLDER}/");
    let mut http = Http::connect(server.address);
    // Not packed, to see what it wants besides.
    let (head, plain) = http.fetch(&target, PAGE);
    assert_eq!(head.code, 200, "{}", server.name);
    let plain = String::from_utf8_lossy(&plain).into_owned();
    let mut times: Vec<f64> = (0..world.runs.max(5))
        .map(|_| {
            let began = Instant::now();
            http.fetch(&target, PACKED);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (_, page) = http.fetch(&target, PACKED);
    let wanted = wanted(&plain);
    let mut bytes = page.len();
    for one in &wanted {
        let one = one.strip_prefix("./").unwrap_or(one);
        let one = if one.starts_with('/') {
            one.to_owned()
        } else {
            format!("{target}{one}")
        };
        let (head, body) = http.fetch(&one, PACKED);
        assert_eq!(head.code, 200, "{} {one}", server.name);
        bytes += body.len();
    }
    let shown = plain.matches("Some picture ").count().min(FILES)
        + plain.matches("Some%20picture%20").count().min(FILES);
    format!(
        "{} requests, {bytes} bytes, the page {} of them ({} unpacked), in {:.2} ms; {} in it",
        wanted.len() + 1,
        page.len(),
        plain.len(),
        times[times.len() / 2],
        if shown > 0 {
            "names stand"
        } else {
            "NO names stand"
        }
    )
}

/// What a page has a browser fetch: scripts, sheets and icons.
fn wanted(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let key = if tag.starts_with("script") || tag.starts_with("img") {
            "src="
        } else if tag.starts_with("link") {
            "href="
        } else {
            continue;
        };
        let Some((_, value)) = tag.split_once(key) else {
            continue;
        };
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split([' ', '/']).next(),
        };
        let value = value.unwrap_or_default();
        if !value.is_empty() && !value.starts_with("data:") {
            found.insert(value.replace("&amp;", "&"));
        }
    }
    found
}
