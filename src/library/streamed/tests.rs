//! Tests of where uploads begin, and of what is left of those that do not come to their end. A process that is killed closes its
//! descriptors and does nothing else: that is what dropping an upload is here.

use super::*;
use crate::config::Durability;
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

#[test]
fn a_file_comes_in_parts_which_its_owner_alone_has_sent() {
    for durability in [Durability::None, Durability::Full] {
        let s = Served::with(|files| files.durability = durability);
        let content = bytes(1, 5000);
        s.write("f", b"published");
        let mut at = 0;
        for part in content[..4999].chunks(2500) {
            assert_eq!(s.library.kept(&rel("f")), at);
            for other in [at + 1, at.wrapping_sub(1)] {
                let refusal = s.begin("f", over(From::Kept(other))).expect_err("offset");
                assert_eq!(refusal.code, Code::Range);
                assert!(refusal.message.contains(&at.to_string()));
            }
            let mut upload = s.begin("f", over(From::Kept(at))).expect("begin");
            assert_eq!(code(s.begin("f", over(From::Kept(at)))), Code::InUse);
            upload.write(part).expect("write");
            at += part.len() as u64;
            assert_eq!(upload.keep(&s.library), Ok(at));
            assert_eq!(s.read("f"), b"published", "it does not show");
        }
        assert_eq!(s.library.kept(&rel("f")), 4999);
        assert_eq!(s.kept("f"), None, "for those who go on with either");
        let streamed = Streamed {
            digest: Some(DigestKind::Sha256),
            modified: Some(stamp(1_000_000_000)),
            ..over(From::Kept(4999))
        };
        let mut upload = s.begin("f", streamed).expect("the last");
        assert_eq!(upload.take_over(|_| ()), Ok(4999));
        upload.write(&content[4999..]).expect("write");
        let mut hasher = Hasher::new(DigestKind::Sha256);
        hasher.update(&content);
        let ready = upload.finish_whole(&s.library, Some(&hasher.finish()));
        let mut outcomes = s
            .library
            .publish(vec![ready.expect("whole")], &|_, _| Ok(()));
        let stored = outcomes.pop().expect("an outcome").expect("stored");
        assert_eq!((stored.size, stored.replaced), (5000, Some(9)));
        assert_eq!((s.read("f"), s.staged()), (content, (0, 0)));
        let facts = s.library.stat(&rel("f")).expect("stat");
        assert_eq!(facts.modified, stamp(1_000_000_000));
    }
}

fn stamp(seconds: i64) -> Stamp {
    Stamp { seconds, nanos: 0 }
}

#[test]
fn what_is_proved_wrong_is_neither_shown_nor_kept() {
    let s = Served::new();
    s.write("f", b"old");
    let streamed = Streamed {
        digest: Some(DigestKind::Sha256),
        ..over(From::Start)
    };
    let mut upload = s.begin("f", streamed).expect("begin");
    upload.write(&bytes(1, LARGE)).expect("write");
    let other = Hasher::new(DigestKind::Sha256).finish();
    let outcome = upload.finish_whole(&s.library, Some(&other)).map(drop);
    assert_eq!(code(outcome), Code::Digest);
    assert_eq!((s.read("f"), s.staged()), (b"old".to_vec(), (0, 0)));
    // One that was not even to be computed proves nothing.
    let mut upload = s.begin("f", over(From::Start)).expect("begin");
    upload.write(b"").expect("write");
    let outcome = upload.finish_whole(&s.library, Some(&other)).map(drop);
    assert_eq!(code(outcome), Code::Digest);
}

#[test]
fn what_is_kept_is_thrown_away_when_its_owner_says_so() {
    let s = Served::new();
    s.write("f", b"old");
    assert_eq!(s.library.forget(&rel("f")), Ok(()), "nothing is kept");
    s.cut("f", over(From::Start), &bytes(1, LARGE));
    assert_eq!(s.library.kept(&rel("f")), LARGE as u64);
    let going_on = s.begin("f", over(From::Kept(LARGE as u64))).expect("begin");
    assert_eq!(code(s.library.forget(&rel("f"))), Code::InUse);
    going_on.abandon(&s.library);
    assert_eq!(s.library.forget(&rel("f")), Ok(()));
    assert_eq!((s.library.kept(&rel("f")), s.staged()), (0, (0, 0)));
    assert_eq!(s.read("f"), b"old");
}

#[test]
fn only_what_was_expected_is_replaced() {
    for named in [false, true] {
        let s = Served::with(|files| files.named = named);
        let expecting = |expected| Streamed {
            expected: Some(expected),
            ..over(From::Start)
        };
        assert_eq!(code(s.begin("f", expecting(Expected::File))), Code::Changed);
        s.write("f", b"first");
        let first = Expected::This(s.library.stat(&rel("f")).expect("stat"));
        let refused = Streamed {
            overwrite: false,
            ..expecting(first)
        };
        assert_eq!(code(s.begin("f", refused)), Code::Exists);
        s.put("f", expecting(first), b"second").expect("put");
        assert_eq!(code(s.begin("f", expecting(first))), Code::Changed);
        s.put("f", expecting(Expected::File), b"third")
            .expect("put");
        // Another comes while the bytes do, or it goes.
        let third = Expected::This(s.library.stat(&rel("f")).expect("stat"));
        for (expected, other) in [
            (third, Some(&b"theirs"[..])),
            (third, None),
            (Expected::File, None),
        ] {
            s.write("f", b"third");
            let expected = match expected {
                Expected::File => Expected::File,
                Expected::This(_) => Expected::This(s.library.stat(&rel("f")).expect("stat")),
            };
            let mut upload = s.begin("f", expecting(expected)).expect("begin");
            upload.write(&bytes(1, LARGE)).expect("write");
            std::fs::remove_file(s.at("f")).expect("remove");
            if let Some(other) = other {
                s.write("f", other);
            }
            assert_eq!(code(s.publish(upload)), Code::Changed);
            assert_eq!(s.staged(), (0, 0));
            match other {
                Some(other) => assert_eq!(s.read("f"), other),
                None => assert!(s.names().is_empty()),
            }
        }
    }
}

#[test]
fn folders_on_the_way_are_made_when_asked() {
    let s = Served::new();
    let parents = |parents| Streamed {
        parents,
        ..from(From::Start)
    };
    assert_eq!(code(s.begin("a/b/f", parents(false))), Code::NotFound);
    s.put("a/b/f", parents(true), b"x").expect("put");
    assert_eq!(s.read("a/b/f"), b"x");
    assert_eq!(code(s.begin("a/b/f/g", parents(true))), Code::NotFolder);
}
