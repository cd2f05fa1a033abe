//! `ftp-cut`: uploads that break off in all the ways there are, over a good file: what is there afterwards? By the same client
//! as in `tests/e2e`, at ours and at each peer, also at those that can put uploads aside, with that.

use crate::machine::World;
use crate::peers::{Contestant, PASSWORD, Product, USER, Way};
use crate::server::Ours;
use crate::stats::{Goal, say};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where nothing fails, and where in plain FTP nobody can know that something did.
const UNDETECTABLE: [&str; 2] = ["ok", "early"];

/// What is there afterwards, and what the server answered, by the way the upload broke off.
type Found = BTreeMap<String, String>;

/// Prints a table without TLS and one with it, as Markdown.
pub(crate) fn run(world: &World) {
    let plain = Product::FTP
        .map(|product| (product, Way::Plain, ""))
        .into_iter()
        .chain([
            (Product::PureFtpd, Way::Atomic, " -0"),
            (Product::Proftpd, Way::Atomic, " HiddenStores"),
        ])
        .collect();
    one(world, false, plain);
    let secure = Product::FTP.map(|product| (product, Way::Tls, ""));
    one(world, true, secure.into());
}

fn one(world: &World, tls: bool, others: Vec<(Product, Way, &str)>) {
    let ours = Ours {
        tls,
        ..Ours::default()
    };
    let ours = Contestant::ours(world, "forkftpd", ours);
    let mut order = Vec::new();
    let mut columns = vec![("forkftpd".to_owned(), look(world, &ours, tls, &mut order))];
    drop(ours);
    for (product, way, more) in others {
        let name = format!("{}{more}", product.name());
        match Contestant::theirs(world, product, way) {
            Ok(server) => columns.push((name, look(world, &server, tls, &mut order))),
            Err(why) => say(&format!("{name} is not to be had: {why}")),
        }
    }
    let row = |cells: Vec<String>| format!("\n| {} |", cells.join(" | "));
    let names = columns.iter().map(|(name, _)| name.clone());
    let under = if tls { " under TLS" } else { "" };
    let mut text = format!(
        "An upload{under} over a good file breaks off; what is there afterwards, and the answers.\n"
    );
    text += &row([String::new()].into_iter().chain(names).collect());
    text += &row(vec!["---".to_owned(); columns.len() + 1]);
    for mode in &order {
        let cells = columns.iter().map(|(_, found)| {
            let cell = found.get(mode).map_or("not tried", String::as_str);
            cell.to_owned()
        });
        text += &row([mode.clone()].into_iter().chain(cells).collect());
    }
    say(&text);
    let ours = columns[0].1.iter();
    let broken = ours.filter(|(mode, _)| !UNDETECTABLE.contains(&mode.as_str()));
    let lost = broken.filter(|(_, cell)| !cell.starts_with("OLD")).count();
    say(&format!(
        "    forkftpd: ways in which OLD was not kept, {} apart: {lost} | {}",
        UNDETECTABLE.join(" and "),
        Goal::AtMost(0.0).verdict(lost as f64)
    ));
}

fn look(world: &World, server: &Contestant, tls: bool, order: &mut Vec<String>) -> Found {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/ftp_cut.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(server.address.ip().to_string())
        .arg(server.address.port().to_string())
        .args([USER, PASSWORD])
        .arg(&world.library)
        .args(tls.then_some("--tls"))
        .stdin(Stdio::null())
        .output()
        .expect("python3");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        say(&format!(
            "{}: ftp_cut.py gave up: {}",
            server.name,
            said.trim()
        ));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = Found::new();
    for line in said.lines() {
        let mut words = line.split('\t');
        let (Some(mode), Some(state)) = (words.next(), words.next()) else {
            continue;
        };
        if !order.iter().any(|known| known == mode) {
            order.push(mode.to_owned());
        }
        let answer = words.next().filter(|codes| *codes != "-");
        let mut cell = state.to_owned();
        if let Some(codes) = answer {
            cell += &format!(" ({codes})");
        }
        if words.next().is_some_and(|names| !names.is_empty()) {
            cell += ", and a file of another name";
        }
        found.insert(mode.to_owned(), cell);
    }
    found
}
