//! Forms, whole and broken, however they come.

use super::*;

/// What a form brings: of each part its names and content, and whether it came to its end.
type Read = (Vec<(Part, Vec<u8>, bool)>, bool);

/// Reads a body that comes in `pieces`.
fn read(boundary: &str, pieces: &[&[u8]]) -> Result<Read, BadForm> {
    let kind = format!("multipart/form-data; boundary={boundary}");
    let mut form = Multipart::of(kind.as_bytes()).expect("a form");
    let mut parts: Vec<(Part, Vec<u8>, bool)> = Vec::new();
    let mut waiting = Vec::new();
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let (taken, step) = form.step(&waiting)?;
            let is_hungry = matches!(step, Step::More);
            match step {
                Step::Part(part) => parts.push((part, Vec::new(), false)),
                Step::Content(content) => {
                    assert!(!content.is_empty());
                    parts.last_mut().expect("part").1.extend_from_slice(content);
                }
                Step::PartEnd => parts.last_mut().expect("part").2 = true,
                Step::Over | Step::More => {}
            }
            assert!(taken > 0 || is_hungry || waiting.is_empty(), "it goes on");
            waiting.drain(..taken);
            if is_hungry || waiting.is_empty() {
                break;
            }
        }
        assert!(waiting.len() <= LONGEST_PART_HEAD + LONGEST_BOUNDARY + 8);
    }
    Ok((parts, form.is_over()))
}

fn file(name: &str, filename: &str) -> Part {
    Part {
        name: name.into(),
        filename: Some(filename.into()),
    }
}

const FORM: &[u8] = b"--x-y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--x-y\r\n\
Content-Type: text/plain\r\ncontent-disposition: form-data; name=f; filename=\"one.txt\"\r\n\r\n\r\n--x-\r\r\n--x-\r\n\r\n--x-y\r\n\
Content-Disposition: form-data; name=\"f\"; filename=\"two\"\r\n\r\n\r\n--x-y--\r\nnothing";

fn expected() -> Vec<(Part, Vec<u8>, bool)> {
    let field = Part {
        name: b"a".to_vec(),
        filename: None,
    };
    vec![
        (field, b"value".to_vec(), true),
        (
            file("f", "one.txt"),
            b"\r\n--x-\r\r\n--x-\r\n".to_vec(),
            true,
        ),
        (file("f", "two"), Vec::new(), true),
    ]
}

#[test]
fn a_form_is_taken_apart_wherever_it_is_split() {
    for at in 0..=FORM.len() {
        let (head, tail) = FORM.split_at(at);
        assert_eq!(read("x-y", &[head, tail]), Ok((expected(), true)), "{at}");
    }
    for size in 1..40 {
        let pieces: Vec<_> = FORM.chunks(size).collect();
        assert_eq!(
            read("\"x-y\"", &pieces),
            Ok((expected(), true)),
            "pieces of {size}"
        );
    }
}

#[test]
fn a_form_that_is_cut_is_never_over_and_its_last_part_never_whole() {
    let end = FORM.len() - b"\r\nnothing".len();
    for at in 0..end {
        let (parts, over) = read("x-y", &[&FORM[..at]]).expect("so far");
        assert!(!over, "{at}");
        for (part, whole) in parts.iter().zip(expected()) {
            assert_eq!(part.0, whole.0);
            assert!(whole.1.starts_with(&part.1), "{at}");
            assert!(!part.2 || part.1 == whole.1, "{at}");
        }
        let wholes = parts.iter().filter(|part| part.2).count();
        assert!(wholes < 3, "{at}");
    }
    assert!(read("x-y", &[&FORM[..end]]).expect("whole").1);
}

#[test]
fn what_programs_could_differ_about_is_refused() {
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n\"\r\n\r\n";
    let head = |line: &str| format!("--b\r\n{line}\r\n\r\nx\r\n--b--");
    for body in [
        "\r\n--b\r\n".to_owned(),
        "preamble\r\n--b\r\n".to_owned(),
        "--c\r\n".to_owned(),
        "--b \r\n".to_owned(),
        "--b\n".to_owned(),
        "--bb\r\n".to_owned(),
        format!("{part}x\r\n--b \r\n"),
        format!("{part}x\r\n--bX"),
        format!("{part}x\r\n--b-X"),
        format!("{part}x\r\n--b\rX"),
        head("X: y"),
        head("no field"),
        head("Content-Disposition: attachment; name=f; filename=n"),
        head("Content-Disposition: form-data; name"),
        head("Content-Disposition: form-data; name=f; filename=\"n"),
        head("Content-Disposition: form-data; name=f; filename=\"n\"x"),
        head("Content-Disposition: form-data; name=f; filename=a; filename=b"),
        head("Content-Disposition: form-data; name=f; filename="),
        head("Content-Disposition: form-data; name=f; filename=a b"),
        head("Content-Disposition: form-data; name=f\r\nContent-Disposition: form-data; name=g"),
        head("Content-Disposition: form-data; name=f\nX: y"),
        head("Content-Disposition: form-data; name=\"\0\""),
    ] {
        for size in [1, 5, 1000] {
            let pieces: Vec<_> = body.as_bytes().chunks(size).collect();
            assert!(read("b", &pieces).is_err(), "{body:?} in pieces of {size}");
        }
    }
}

#[test]
fn boundaries_are_what_they_may_be() {
    for good in [
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "Multipart/Form-Data;boundary=\"a b\"",
        "multipart/form-data; charset=utf-8; BOUNDARY=x",
        "multipart/form-data; boundary=gc0p4Jq0M2Yt08j34c0p==",
        &format!("multipart/form-data; boundary={}", "x".repeat(70)),
    ] {
        assert!(Multipart::of(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"x \"",
        "multipart/form-data; boundary=\"x\r\n\"",
        "multipart/form-data; boundary=\u{fc}",
        "multipart/form-data; boundary=x; boundary=y",
        &format!("multipart/form-data; boundary={}", "x".repeat(71)),
    ] {
        assert!(Multipart::of(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn names_are_what_the_client_meant() {
    for (written, meant, last) in [
        ("\"a b.txt\"", "a b.txt", "a b.txt"),
        ("plain", "plain", "plain"),
        (r#""quo\"te\\slash""#, r#"quo"te\slash"#, r#"quo"te\slash"#),
        ("\"quo%22te\"", "quo\"te", "quo\"te"),
        ("\"100%25\"", "100%25", "100%25"),
        ("\"semi;colon = x\"", "semi;colon = x", "semi;colon = x"),
        ("\"a/b/../c\"", "a/b/../c", "c"),
        ("\"../../etc/passwd\"", "../../etc/passwd", "passwd"),
        ("\"dir/\"", "dir/", ""),
        (r#""C:\dir\name""#, r"C:\dir\name", "name"),
        (
            r#""\\host\share\name""#,
            r"\host\share\name",
            r"\host\share\name",
        ),
        (r#""back\slash""#, r"back\slash", r"back\slash"),
        (
            "\"\u{65e5}\u{672c}\"",
            "\u{65e5}\u{672c}",
            "\u{65e5}\u{672c}",
        ),
        ("\"\"", "", ""),
    ] {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; filename={written}; name=f\r\n\r\nx\r\n--b--"
        );
        let (parts, over) = read("b", &[body.as_bytes()]).expect(written);
        assert!(over);
        assert_eq!(parts[0].0, file("f", meant), "{written}");
        assert_eq!(parts[0].0.last_component(), Some(last.as_bytes()));
    }
}

#[test]
fn bounds_hold() {
    let head = "X: ".to_owned() + &"y".repeat(LONGEST_PART_HEAD);
    let long = format!("--b\r\n{head}");
    let error = BadForm("the head of a part is too long");
    assert_eq!(read("b", &[long.as_bytes()]), Err(error));
    let part = "--b\r\nContent-Disposition: form-data; name=f\r\n\r\n\r\n";
    let most = part.repeat(MOST_PARTS as usize) + "--b--";
    let pieces: Vec<_> = most.as_bytes().chunks(1000).collect();
    let (parts, over) = read("b", &pieces).expect("so many");
    assert!(over && parts.len() == MOST_PARTS as usize);
    let more = part.repeat(MOST_PARTS as usize + 1);
    assert_eq!(
        read("b", &[more.as_bytes()]),
        Err(BadForm("too many parts"))
    );
}
