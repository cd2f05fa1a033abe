//! What a file's content is taken for, by its name. Pure; used by children.
//!
//! Whoever may put files here could put pages with programs here, and a browser would run them as if they were the server's own. So of a
//! library only what cannot run is shown; everything else is to be saved. All of it stands in a sandbox besides, and nothing is guessed.

/// Content-Security-Policy of everything that users stored: an origin of its own, no programs, nothing loaded but the file itself.
pub const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'";

/// Of what nothing is known.
const BYTES: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// Pictures made of dots.
const IMAGES: [&str; 8] = [
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/vnd.microsoft.icon",
    "image/webp",
    "image/x-icon",
];
/// Text under another name.
const ALSO_TEXT: [&str; 3] = ["application/json", "application/x-sh", "application/toml"];
/// Text that browsers run, or are told by what else to run.
const ACTIVE: [&str; 10] = [
    "ecmascript",
    "html",
    "javascript",
    "jscript",
    "livescript",
    "vbscript",
    "x-component",
    "x-ecmascript",
    "x-javascript",
    "xml",
];
/// Types that programs tell apart, and nobody runs.
const KEPT: [&str; 8] = [
    "application/epub+zip",
    "application/gzip",
    "application/x-7z-compressed",
    "application/x-bzip2",
    "application/x-gzip",
    "application/x-tar",
    "application/x-xz",
    "application/zip",
];

/// A file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// Content-Type.
    pub kind: &'static str,
    /// It may be shown; otherwise it is to be saved.
    pub inline: bool,
}

/// What a file in the library is shown as, by its name.
#[must_use]
pub fn of_library(name: &[u8]) -> Media {
    let kind = guess(name);
    let (group, sub) = kind.split_once('/').unwrap_or((kind, ""));
    let inline = |kind| Media { kind, inline: true };
    match group {
        "text" if !is_active(sub) => inline(TEXT),
        "audio" | "video" if !is_active(sub) => inline(kind),
        _ if IMAGES.contains(&kind) || kind == "application/pdf" => inline(kind),
        _ if ALSO_TEXT.contains(&kind) => inline(TEXT),
        _ => Media {
            kind: if KEPT.contains(&kind) { kind } else { BYTES },
            inline: false,
        },
    }
}

/// What a file of a site is, by its name: the operator put it there, and it is what it says. Text is in UTF-8.
#[must_use]
pub fn of_site(name: &[u8]) -> String {
    let kind = guess(name);
    let is_text = kind.starts_with("text/")
        || kind == "application/javascript"
        || kind == "application/json"
        || kind == "image/svg+xml"
        || kind.ends_with("+xml") && kind.starts_with("application/");
    if is_text {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

fn is_active(sub: &str) -> bool {
    ACTIVE.contains(&sub) || sub.ends_with("+xml") || sub.ends_with("+html")
}

/// The type that goes with what stands after the last dot.
fn guess(name: &[u8]) -> &'static str {
    let Some(dot) = memchr::memrchr(b'.', name) else {
        return BYTES;
    };
    let extension = std::str::from_utf8(&name[dot + 1..]).unwrap_or("");
    mime_guess::from_ext(extension).first_raw().unwrap_or(BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_runs_is_shown() {
        for extension in [
            "html",
            "htm",
            "HTML",
            "xhtml",
            "xht",
            "shtml",
            "svg",
            "svgz",
            "SVG",
            "xml",
            "xsl",
            "xslt",
            "xsd",
            "rss",
            "atom",
            "rdf",
            "mathml",
            "mml",
            "js",
            "mjs",
            "cjs",
            "es",
            "htc",
            "swf",
            "jar",
            "wasm",
            "mht",
            "mhtml",
            "eml",
            "hta",
            "vbs",
            "exe",
            "php",
            "xul",
            "xpi",
            "webmanifest",
            "manifest~",
            "unknown",
            "dtd",
            "vtt.html",
            "png.svg",
            "xaml",
            "jsonld",
        ] {
            let media = of_library(format!("a.{extension}").as_bytes());
            let shown_as_text = media.kind == TEXT;
            assert!(!media.inline || shown_as_text, "{extension}: {media:?}");
            assert!(
                !media.kind.contains("html")
                    && !media.kind.contains("xml")
                    && !media.kind.contains("script"),
                "{extension}: {media:?}"
            );
        }
        // Whatever the table of names holds, by what it says itself.
        for active in [
            "html", "htm", "svg", "xhtml", "xml", "js", "mjs", "xsl", "htc",
        ] {
            let media = of_library(format!("a.{active}").as_bytes());
            assert_eq!((media.kind, media.inline), (BYTES, false), "{active}");
        }
    }

    #[test]
    fn what_only_is_looked_at_is_shown() {
        for (name, kind) in [
            ("a.txt", TEXT),
            ("a.TXT", TEXT),
            ("a.md", TEXT),
            ("a.csv", TEXT),
            ("a.css", TEXT),
            ("a.rs", TEXT),
            ("a.log", TEXT),
            ("a.json", TEXT),
            ("a.html.txt", TEXT),
            ("a.png", "image/png"),
            ("a.JPG", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.bmp", "image/bmp"),
            ("a.ico", "image/x-icon"),
            ("a.mp3", "audio/mpeg"),
            ("a.ogg", "audio/ogg"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.pdf", "application/pdf"),
        ] {
            let media = of_library(name.as_bytes());
            assert_eq!((media.kind, media.inline), (kind, true), "{name}");
        }
        for (name, kind) in [
            ("a.zip", "application/zip"),
            ("a", BYTES),
            ("a.", BYTES),
            (".html", BYTES),
            ("html", BYTES),
            ("a.docx", BYTES),
        ] {
            let media = of_library(name.as_bytes());
            assert_eq!((media.kind, media.inline), (kind, false), "{name}");
        }
        assert_eq!(of_library(b"\xff.\xff").kind, BYTES);
    }

    #[test]
    fn a_site_says_what_its_files_are() {
        for (name, kind) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "application/javascript; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.png", "image/png"),
            ("a", BYTES),
        ] {
            assert_eq!(of_site(name.as_bytes()), kind, "{name}");
        }
    }
}
