use super::*;

/// Of "pencil", by libxcrypt, OpenSSL, libsodium's form as libxcrypt writes it, and the reference of argon2.
const PENCIL: [&str; 8] = [
    "$6$saltsalt$rD9fW1BwIrjB90WCgCTdIQc3phTBhf04I6Iw/XlgKD9E9aEbzqGZipjiFxGo/4wWXDA6jV6/vZO.kKdDSfUJb0",
    "$6$rounds=10000$saltstring$00JQfnDwMhH2VaMVdAP2GuCZQyjtwnzHHr0Hcbeb8nT.h3/Mz4cJdNfV5c0KvZC3EaQ0NMz9tJYZg.KEY.0/Y1",
    "$5$saltsalt$hl9BvcGsj7AkON13nbqeQHDgRpHyFxt7WDzLoS.OCQ/",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$rPeawue/nS.5CE6nTU9GpACAbn46u5ZGm.W6wf1Q.RD",
    "$y$j75$F5Jx5fExrKuPp53xLKQ..1$ZZk4Wq3zBBM9B7MxvDKfRXpJ7vFEg1eScQsxRdJWyAA",
    "$7$C6..../....SodiumChloride$d87987rCNjUUIm9tf3PfNXGvf3zgb8LXpHR8hsBkEQ9",
    "$2b$05$abcdefghijklmnopqrstuu680Yiaj5hFUaJTH/rTAcbA2PQEGfiZu",
    "$apr1$saltsalt$LR9wPsIAcuy46wmT2IkL./",
];

#[test]
fn what_others_hashed_is_checked() {
    for text in PENCIL {
        let imported: Imported = text.parse().expect(text);
        assert!(imported.check("pencil"), "{text}");
        for wrong in ["pencil ", "Pencil", "", "pencil\0", &"x".repeat(2000)] {
            assert!(!imported.check(wrong), "{text}: {wrong:?}");
        }
        assert_eq!(imported.to_string(), text);
        assert!(!format!("{imported:?}").contains("salt"));
    }
    let long: Imported = "$apr1$saltsalt$N0kMDqfuIJTyltaMi9rWG/"
        .parse()
        .expect("apr1");
    assert!(long.check("a longer password, longer than sixteen bytes"));
    // RFC 9106's reference program: password "password", salt "somesalt".
    let argon2: Imported =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
            .parse()
            .expect("argon2");
    assert!(argon2.check("password") && !argon2.check("pencil"));
    assert!(argon2.cost() > 0);
}

#[test]
fn what_is_weak_damaged_or_too_dear_is_refused_with_the_reason() {
    for (text, word) in [
        ("pencil", "no hash"),
        ("", "no hash"),
        ("abJnggxhB/yWI", "DES"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "no hash"),
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "MD5"),
        ("$3$$8846f7eaee8fb117ad06bdd830b7586c", "not known"),
        ("$gy$j9T$F5Jx$abc", "not known"),
        ("$6$saltsalt$short", "damaged"),
        (
            "$6$rounds=1$saltsalt$rD9fW1BwIrjB90WCgCTdIQc3phTBhf04I6Iw/XlgKD9E9aEbzqGZipjiFxGo/4wWXDA6jV6/vZO.kKdDSfUJb0",
            "few",
        ),
        (
            "$6$rounds=999999999$saltsalt$rD9fW1BwIrjB90WCgCTdIQc3phTBhf04I6Iw/XlgKD9E9aEbzqGZipjiFxGo/4wWXDA6jV6/vZO.kKdDSfUJb0",
            "costs more",
        ),
        (
            "$6$rounds=99999999999$saltsalt$rD9fW1BwIrjB90WCgCTdIQc3phTBhf04I6Iw/XlgKD9E9aEbzqGZipjiFxGo/4wWXDA6jV6/vZO.kKdDSfUJb0",
            "costs more",
        ),
        (
            "$y$jFT$F5Jx5fExrKuPp53xLKQ..1$rPeawue/nS.5CE6nTU9GpACAbn46u5ZGm.W6wf1Q.RD",
            "costs more",
        ),
        (
            "$y$jzz$F5Jx5fExrKuPp53xLKQ..1$rPeawue/nS.5CE6nTU9GpACAbn46u5ZGm.W6wf1Q.RD",
            "costs more",
        ),
        (
            "$7$zzzzzzzzzzzsalt$d87987rCNjUUIm9tf3PfNXGvf3zgb8LXpHR8hsBkEQ9",
            "costs more",
        ),
        ("$7$C6..../..", "not known"),
        (
            "$2b$31$abcdefghijklmnopqrstuu680Yiaj5hFUaJTH/rTAcbA2PQEGfiZu",
            "costs more",
        ),
        (
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "costs more",
        ),
        (
            "$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "costs more",
        ),
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$!", "damaged"),
        ("$apr1$saltsalt$LR9wPsIAcuy46wmT2IkL.", "not known"),
    ] {
        let why = text.parse::<Imported>().expect_err(text);
        assert!(why.contains(word), "{text}: {why}");
        assert!(text.len() < 20 || !why.contains(&text[12..]), "{why}");
    }
}
