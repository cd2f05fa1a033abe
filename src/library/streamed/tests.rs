//! Tests of where uploads begin, and of what is left of those that do not come to their end. A process that is killed closes its
//! descriptors and does nothing else: that is what dropping an upload is here.

use super::*;
use crate::digest::{Hasher, Kind as DigestKind};
use crate::library::tests::{LARGE, Served, bytes, code, from, over, rel};

#[test]
fn a_cut_stream_goes_on_where_its_owner_says() {
    let s = Served::new();
    let content = bytes(1, LARGE + 1000);
    let (head, tail) = content.split_at(LARGE);
    let sum = {
        let mut hasher = Hasher::new(DigestKind::Sha256);
        hasher.update(&content);
        hasher.finish()
    };
    let begins = [
        (From::Offset(LARGE as u64), LARGE),
        (From::Offset(LARGE as u64 - 7), LARGE - 7),
        (From::Offset(1), 1),
        (From::End, LARGE),
        (From::Start, 0),
        (From::Offset(0), 0),
    ];
    for (at, offset) in begins {
        s.cut("f", from(From::Start), head);
        assert_eq!(s.kept("f"), Some(LARGE as u64));
        assert!(s.names().is_empty(), "it does not show");
        let streamed = Streamed {
            digest: Some(DigestKind::Sha256),
            ..from(at)
        };
        let mut upload = s.begin("f", streamed).expect("begin");
        assert_eq!(upload.written(), offset as u64);
        let mut moved = 0;
        assert_eq!(upload.take_over(|n| moved += n), Ok(offset as u64));
        assert_eq!(moved, offset as u64);
        upload.write(&content[offset..]).expect("write");
        let stored = s.publish(upload).expect("publish");
        assert_eq!(
            (stored.size, stored.digest),
            (LARGE as u64 + 1000, Some(sum))
        );
        assert_eq!(s.read("f"), content, "{at:?}");
        assert_eq!((s.kept("f"), s.staged()), (None, (0, 0)));
        std::fs::remove_file(s.at("f")).expect("remove");
    }
    // Also where nobody called for it before the first byte.
    s.cut("f", from(From::Start), head);
    let streamed = Streamed {
        digest: Some(DigestKind::Sha256),
        ..from(From::End)
    };
    let mut upload = s.begin("f", streamed).expect("begin");
    upload.write(tail).expect("write");
    assert_eq!(s.publish(upload).expect("publish").digest, Some(sum));
}

#[test]
fn only_what_is_there_and_worth_it_can_be_gone_on_with() {
    let s = Served::new();
    let refusal = s.begin("f", over(From::Offset(1))).expect_err("nothing");
    assert_eq!(refusal.code, Code::Range);
    assert_eq!(refusal.message, "there are only 0 bytes");
    s.cut("f", from(From::Start), b"short");
    assert_eq!((s.kept("f"), s.staged()), (None, (0, 0)));
    s.cut("f", from(From::Start), &bytes(1, LARGE));
    let beyond = from(From::Offset(LARGE as u64 + 1));
    assert_eq!(code(s.begin("f", beyond)), Code::Range);
    let far = from(From::Offset(u64::MAX));
    assert_eq!(code(s.begin("f", far)), Code::Range);
    assert_eq!(s.kept("f"), Some(LARGE as u64), "it stays");
    s.write("g", b"0123456789");
    let refusal = s.begin("g", over(From::Offset(11))).expect_err("short");
    assert_eq!(refusal.message, "there are only 10 bytes");
    assert_eq!((s.read("g"), s.staged()), (b"0123456789".to_vec(), (0, 1)));
    for at in [From::Start, From::Offset(5), From::End] {
        assert_eq!(code(s.begin("g", from(at))), Code::Exists);
    }
}

#[test]
fn one_writer_of_a_name_whom_its_owner_sees_come() {
    let s = Served::new();
    let mut first = s.begin("f", over(From::Start)).expect("first");
    assert_eq!(s.kept("f"), None, "nothing of it");
    first.write(b"12345").expect("write");
    assert_eq!(s.kept("f"), Some(5));
    for at in [From::Start, From::Offset(3), From::End] {
        assert_eq!(code(s.begin("f", over(at))), Code::InUse);
    }
    s.publish(first).expect("publish");
    assert_eq!(s.kept("f"), None);
    // Those that are copied hold the name, too: before the copy and after it.
    for at in [From::Offset(3), From::End] {
        let mut upload = s.begin("f", over(at)).expect("begin");
        assert_eq!(code(s.begin("f", over(From::Start))), Code::InUse);
        upload.take_over(|_| ()).expect("take over");
        assert_eq!(code(s.begin("f", over(at))), Code::InUse);
        upload.abandon(&s.library);
        assert_eq!(s.staged(), (0, 0));
    }
    assert_eq!(s.read("f"), b"12345");
}

#[test]
fn a_published_file_is_gone_on_with_in_a_copy() {
    let cases = [
        (From::Offset(10), 10),
        (From::Offset(LARGE as u64), LARGE),
        (From::End, LARGE),
    ];
    let old = bytes(1, LARGE);
    for ((at, offset), named) in cases.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let s = Served::with(|files| files.named = named);
        s.write("f", &old);
        let streamed = Streamed {
            digest: Some(DigestKind::Blake3),
            ..over(at)
        };
        let mut upload = s.begin("f", streamed).expect("begin");
        assert!(upload.replaces());
        assert_eq!(upload.written(), offset as u64);
        let mut moved = 0;
        let taken = upload.take_over(|n| moved += n);
        assert_eq!(taken, Ok(offset as u64));
        assert_eq!(moved, 2 * offset as u64, "copied, and read for the digest");
        upload.write(b"new").expect("write");
        assert_eq!(s.read("f"), old, "until it is published");
        let stored = s.publish(upload).expect("publish");
        let new = [&old[..offset], b"new"].concat();
        assert_eq!(s.read("f"), new, "{at:?}");
        assert_eq!(stored.replaced, Some(LARGE as u64));
        let mut hasher = Hasher::new(DigestKind::Blake3);
        hasher.update(&new);
        assert_eq!(stored.digest, Some(hasher.finish()));
        assert_eq!(s.staged(), (0, 0));
    }
}

#[test]
fn a_cut_copy_is_kept_after_an_offset_and_never_after_the_end() {
    let s = Served::new();
    let old = bytes(1, LARGE);
    s.write("f", &old);
    s.cut("f", over(From::End), b"more");
    assert_eq!((s.read("f"), s.staged()), (old.clone(), (0, 0)));
    s.cut("f", over(From::Offset(LARGE as u64)), b"new, and ");
    assert_eq!((s.read("f"), s.staged()), (old.clone(), (0, 1)));
    let refusal = s.begin("f", over(From::End)).expect_err("waiting");
    assert_eq!(refusal.code, Code::InUse);
    assert!(refusal.message.contains(&(LARGE + 9).to_string()));
    let on = over(From::Offset(LARGE as u64 + 9));
    s.put("f", on, b"on").expect("put");
    assert_eq!(s.read("f"), [&old[..], b"new, and on"].concat());
}

#[test]
fn what_the_client_sent_last_is_never_mixed_with_the_file_before() {
    let s = Served::new();
    let (old, new) = (bytes(1, 3 * LARGE), bytes(2, 3 * LARGE));
    s.write("f", &old);
    s.wait_for_a_tick();
    s.cut("f", over(From::Start), &new[..LARGE]);
    // What moves the old file's time of change makes it no newer.
    s.wait_for_a_tick();
    s.library.set_mode(&rel("f"), 0o600).expect("chmod");
    let behind = over(From::Offset(LARGE as u64 + 1));
    assert_eq!(
        code(s.begin("f", behind)),
        Code::Range,
        "the old one goes on"
    );
    assert_eq!(code(s.begin("f", over(From::End))), Code::InUse);
    let on = over(From::Offset(LARGE as u64 - 1));
    s.put("f", on, &new[LARGE - 1..]).expect("put");
    assert_eq!(s.read("f"), new);
    // A file that came after the cut one is what counts.
    s.cut("f", over(From::Start), &old[..LARGE]);
    s.wait_for_a_tick();
    s.write("other", b"0123456789");
    std::fs::rename(s.at("other"), s.at("f")).expect("rename");
    s.put("f", over(From::Offset(4)), b"....").expect("put");
    assert_eq!(s.read("f"), b"0123....");
    s.cut("f", over(From::Start), &old[..LARGE]);
    s.wait_for_a_tick();
    s.write("other", b"0123456789");
    std::fs::rename(s.at("other"), s.at("f")).expect("rename");
    s.put("f", over(From::End), b"....").expect("put");
    assert_eq!(s.read("f"), b"0123456789....");
}

#[test]
fn a_killed_process_leaves_the_old_file_and_no_half_copy() {
    for named in [false, true] {
        let s = Served::with(|files| files.named = named);
        let old = bytes(1, LARGE);
        let half = LARGE as u64 / 2;
        let ways = [From::Start, From::Offset(half), From::End];
        for (at, steps) in ways.into_iter().flat_map(|at| (0..4).map(move |n| (at, n))) {
            s.write("f", &old);
            let mut upload = s.begin("f", over(at)).expect("begin");
            if steps > 0 {
                upload.take_over(|_| ()).expect("take over");
            }
            if steps > 1 {
                upload.write(b"new").expect("write");
            }
            if steps > 2 {
                drop(upload.finish_streamed());
            } else {
                drop(upload);
            }
            assert_eq!(s.read("f"), old, "{at:?} {steps}");
            assert_eq!(s.names(), ["f"]);
            // What is kept is what the client said or sent, whole: or nothing.
            let kept = std::fs::read_dir(s.at(".forkftp/partial")).expect("list");
            for partial in kept {
                let kept = std::fs::read(partial.expect("entry").path()).expect("read");
                let expected: &[u8] = match (at, steps) {
                    (From::Start, 2..) => b"new",
                    (From::Offset(_), 1) => &old[..half as usize],
                    (From::Offset(_), 2..) => &[&old[..half as usize], b"new"].concat(),
                    _ => b"",
                };
                assert!(kept == expected, "{at:?} {steps}: {} bytes", kept.len());
            }
            s.library.sweep().expect("sweep");
            assert_eq!(s.staged(), (0, 0), "{at:?} {steps}");
        }
    }
}

#[test]
fn a_copy_that_was_not_made_is_never_shown() {
    let s = Served::new();
    s.write("f", b"0123456789");
    for at in [From::Offset(4), From::End] {
        let upload = s.begin("f", over(at)).expect("begin");
        assert_eq!(upload.digest(), None);
        assert_eq!(code(s.publish(upload)), Code::Io);
        assert_eq!((s.read("f"), s.staged()), (b"0123456789".to_vec(), (0, 0)));
    }
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_not_gone_on_with() {
    let s = Served::new();
    s.write("f", b"0123456789");
    for (at, now) in [
        (From::Offset(8), &b"short"[..]),
        (From::End, b"longer than it was"),
    ] {
        let mut upload = s.begin("f", over(at)).expect("begin");
        // Not by a client, none of which can write to a file that shows.
        s.write("f", now);
        assert_eq!(code(upload.take_over(|_| ())), Code::Changed);
        upload.abandon(&s.library);
        assert_eq!((s.read("f"), s.staged()), (now.to_vec(), (0, 0)));
    }
}

#[test]
fn the_file_system_of_old_is_enough() {
    let s = Served::with(|files| files.named = true);
    s.write("f", b"0123456789");
    s.put("f", over(From::Offset(3)), b"!").expect("put");
    s.put("f", over(From::End), b"?").expect("put");
    assert_eq!((s.read("f"), s.staged()), (b"012!?".to_vec(), (0, 0)));
    let content = bytes(1, 3 * 256 * 1024 + 1);
    s.write("from", &content);
    for in_kernel in [true, false] {
        let from = std::fs::File::open(s.at("from")).expect("open");
        let to = tempfile::tempfile().expect("tempfile");
        let size = content.len() as u64 - 1;
        let mut moved = 0;
        copy_bytes(from.as_fd(), to.as_fd(), size, in_kernel, |n| moved += n).expect("copy");
        assert_eq!(moved, size);
        let mut copied = vec![0; content.len()];
        let got = crate::sys::copy::read_at(to.as_fd(), &mut copied, 0);
        assert_eq!(got, Ok(size as usize));
        assert!(copied[..size as usize] == content[..size as usize]);
        let beyond = copy_bytes(from.as_fd(), to.as_fd(), size + 2, in_kernel, |_| ());
        assert_eq!(code(beyond), Code::Changed);
    }
}
