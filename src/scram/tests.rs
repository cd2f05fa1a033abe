//! Both halves against each other, against the published example, and against what is damaged.

use super::*;
use proptest::prelude::*;

const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
/// Few, so that the tests end.
const QUICK: u32 = MIN_ITERATIONS;

fn pencil() -> Verifier {
    let salt = words::decode("W22ZaJ0SNY7soEsUEjb6gQ==", "salt").expect("salt");
    Verifier::with_salt("pencil", salt, QUICK).expect("verifier")
}

/// A whole login: what the server and then the client make of it.
fn login(
    user: &str,
    password: &str,
    verifier: &Verifier,
    ours: Binding<'_>,
    theirs: Binding<'_>,
    offered_plus: bool,
) -> Result<(), String> {
    let (client, first) = ClientLogin::begin(user, password, &[1; 32], ours, offered_plus)?;
    let first = FirstMessage::parse(&first, theirs)?;
    assert_eq!(first.user(), user);
    let (server, said) = ServerLogin::challenge(first, verifier.clone(), &[2; 32]);
    let (client, last) = client.respond(&said)?;
    client.verify(&server.finish(&last)?)
}

#[test]
fn the_example_of_rfc_7677() {
    let (client, first) =
        ClientLogin::begin_with("user", "pencil", CLIENT_NONCE, Binding::None, false)
            .expect("begin");
    assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let heard = FirstMessage::parse(&first, Binding::None).expect("first");
    let (server, said) = ServerLogin::challenge_with(heard, pencil(), SERVER_NONCE);
    assert_eq!(
        said,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let (client, last) = client.respond(&said).expect("respond");
    assert_eq!(
        last,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    let done = server.finish(&last).expect("finish");
    assert_eq!(done, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    client.verify(&done).expect("verify");
}

#[test]
fn the_right_password_fits_and_others_do_not() {
    let verifier = pencil();
    assert!(verifier.check("pencil"));
    assert!(
        verifier.check("pen\u{ad}cil"),
        "SASLprep drops soft hyphens"
    );
    for wrong in ["pencil ", "Pencil", "", "a\u{0}b", "\u{627}1"] {
        assert!(!verifier.check(wrong), "{wrong:?}");
    }
    let none = Binding::None;
    assert_eq!(
        login("user", "pencil", &verifier, none, none, false),
        Ok(())
    );
    let why = login("user", "crayon", &verifier, none, none, false).expect_err("wrong");
    assert!(why.contains("wrong password"), "{why}");
    for odd in ["a=b,c", "=2C", "Grüße", "名前"] {
        assert_eq!(login(odd, "pencil", &verifier, none, none, false), Ok(()));
    }
}

#[test]
fn a_login_is_good_on_its_own_channel_only() {
    let verifier = pencil();
    let (none, here, there) = (
        Binding::None,
        Binding::Exporter(&[1; 32]),
        Binding::Exporter(&[2; 32]),
    );
    let run = |ours, theirs, plus| login("user", "pencil", &verifier, ours, theirs, plus);
    assert_eq!(run(here, here, true), Ok(()));
    let relayed = run(there, here, true).expect_err("relayed");
    assert!(relayed.contains("another channel"), "{relayed}");
    // The offer was taken out on the way: the client says that it could, and the server that it offered.
    let stripped = run(here, here, false).expect_err("stripped");
    assert!(stripped.contains("offer"), "{stripped}");
    assert_eq!(run(here, none, false), Ok(()), "a server without");
    assert_eq!(run(none, here, true), Ok(()), "a client without");
    assert!(run(here, none, true).is_err(), "bound, and not TLS here");
}

#[test]
fn first_messages_that_are_refused() {
    let good = format!("n,,n=user,r={CLIENT_NONCE}");
    assert!(FirstMessage::parse(&good, Binding::None).is_ok());
    let extended = format!("{good},x=1,y=a=b");
    assert!(FirstMessage::parse(&extended, Binding::None).is_ok());
    let long = "x".repeat(65);
    for bad in [
        String::new(),
        "n".into(),
        "n,,".into(),
        format!("q,,n=user,r={CLIENT_NONCE}"),
        format!("p=tls-unique,,n=user,r={CLIENT_NONCE}"),
        format!("p=tls-exporter,,n=user,r={CLIENT_NONCE}"),
        format!("n,a=admin,n=user,r={CLIENT_NONCE}"),
        format!("n,a=,n=user,r={CLIENT_NONCE}"),
        format!("n,,m=1,n=user,r={CLIENT_NONCE}"),
        format!("{good},m=1"),
        format!("{good},"),
        format!("{good},x"),
        format!("{good},x="),
        format!("n,,n=,r={CLIENT_NONCE}"),
        format!("n,,r={CLIENT_NONCE},n=user"),
        format!("n,,n=us=er,r={CLIENT_NONCE}"),
        format!("n,,n=us=2cer,r={CLIENT_NONCE}"),
        format!("n,,n=us\u{7}er,r={CLIENT_NONCE}"),
        format!("n,,n=us\ner,r={CLIENT_NONCE}"),
        format!("n,,n=\u{ad},r={CLIENT_NONCE}"),
        format!("n,,n= user,r={CLIENT_NONCE}"),
        format!("n,,n={long},r={CLIENT_NONCE}"),
        "n,,n=user,r=short".into(),
        format!("n,,n=user,r={CLIENT_NONCE} "),
        format!("n,,n=user,r={CLIENT_NONCE}\u{e9}"),
        format!("n,,n=user,r={}", "x".repeat(257)),
        format!("{good},x={}", "x".repeat(MAX_MESSAGE)),
    ] {
        assert!(FirstMessage::parse(&bad, Binding::None).is_err(), "{bad}");
    }
}

/// A login up to its last message.
fn begun() -> (ServerLogin, ClientFinal, String) {
    let (client, first) =
        ClientLogin::begin("user", "pencil", &[1; 32], Binding::None, false).expect("begin");
    let first = FirstMessage::parse(&first, Binding::None).expect("first");
    let (server, said) = ServerLogin::challenge(first, pencil(), &[2; 32]);
    let (client, last) = client.respond(&said).expect("respond");
    (server, client, last)
}

#[test]
fn last_messages_that_are_refused() {
    let (_, _, last) = begun();
    let proof = last.rsplit_once(",p=").expect("proof").1.to_owned();
    for bad in [
        String::new(),
        last.replace("c=biws", "c=eSws"),
        last.replace("c=biws", "c=biws="),
        last.replace("c=biws,", ""),
        last.replace(",r=", ",r=x"),
        last.replace(&format!(",p={proof}"), ""),
        last.replace(&proof, ""),
        last.replace(&proof, &words::encode(&[0; 32])),
        last.replace(&proof, &words::encode(&[0; 31])),
        last.replace(",p=", ",m=1,p="),
        // Signed without it.
        last.replace(",p=", ",x=1,p="),
        format!("{last},x=1"),
        format!("{last},p={proof}"),
        format!(" {last}"),
    ] {
        let (server, _, again) = begun();
        assert_eq!(last, again);
        assert!(server.finish(&bad).is_err(), "{bad}");
    }
    // Nothing of one login is worth anything in another.
    let first = FirstMessage::parse(&format!("n,,n=user,r={CLIENT_NONCE}"), Binding::None);
    let (other, _) = ServerLogin::challenge(first.expect("first"), pencil(), &[3; 32]);
    assert!(other.finish(&last).is_err());
}

#[test]
fn servers_that_are_refused() {
    let ours = words::encode(&[1; 32]);
    let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
    for bad in [
        String::new(),
        format!("r={ours},s={salt},i=4096"),
        format!("r=x{ours}y,s={salt},i=4096"),
        format!("r={ours}y z,s={salt},i=4096"),
        format!("r={ours}y,s=,i=4096"),
        format!("r={ours}y,s=W22Z.,i=4096"),
        format!("r={ours}y,s={salt},i=4095"),
        format!("r={ours}y,s={salt},i=10000001"),
        format!("r={ours}y,s={salt},i=99999999999"),
        format!("r={ours}y,s={salt},i=+4096"),
        format!("r={ours}y,s={salt},i=04096"),
        format!("r={ours}y,s={salt},i=-1"),
        format!("r={ours}y,s={salt}"),
        format!("s={salt},r={ours}y,i=4096"),
        format!("m=1,r={ours}y,s={salt},i=4096"),
        format!("r={ours}y,s={salt},i=4096,m=1"),
        format!("r={ours}y,s={salt},i=4096,x={}", "x".repeat(MAX_MESSAGE)),
    ] {
        let (client, _) =
            ClientLogin::begin("user", "pencil", &[1; 32], Binding::None, false).expect("begin");
        assert!(client.respond(&bad).is_err(), "{bad}");
    }
    for bad in [
        "",
        "v=",
        "v=AAAA",
        "e=invalid-proof",
        "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        assert!(begun().1.verify(bad).is_err(), "{bad}");
    }
    let (server, client, last) = begun();
    let done = server.finish(&last).expect("finish");
    client.verify(&format!("{done},x=1")).expect("extended");
    assert!(ClientLogin::begin("", "p", &[1; 32], Binding::None, false).is_err());
    assert!(ClientLogin::begin("u", "", &[1; 32], Binding::None, false).is_err());
}

#[test]
fn kept_keys_serve_the_same_password_salt_and_rounds_only() {
    let mut cache = KeyCache::default();
    let answer = |cache: &mut KeyCache, password: &str, salt: &str| {
        let (client, _) =
            ClientLogin::begin("user", password, &[1; 32], Binding::None, false).expect("begin");
        let said = format!("r={}y,s={salt},i=4096", words::encode(&[1; 32]));
        client.respond_with(&said, cache).expect("respond").1
    };
    let fresh = |password: &str, salt: &str| answer(&mut KeyCache::default(), password, salt);
    let (salt, other) = ("W22ZaJ0SNY7soEsUEjb6gQ==", "AAAAAAAAAAAAAAAAAAAAAA==");
    let first = answer(&mut cache, "pencil", salt);
    assert_eq!(first, fresh("pencil", salt));
    let kept = cache.kept.as_mut().expect("kept");
    kept.client_key[0] ^= 1;
    assert_ne!(first, answer(&mut cache, "pencil", salt), "it was used");
    for (password, salt) in [("crayon", salt), ("pencil", other), ("pencil", salt)] {
        assert_eq!(answer(&mut cache, password, salt), fresh(password, salt));
    }
    assert_eq!(cache.made(), 4);
}

#[test]
fn verifiers_are_their_text_and_nothing_damaged_is_one() {
    let verifier = Verifier::new("pencil", QUICK).expect("verifier");
    let text = verifier.to_string();
    assert!(text.parse::<Verifier>().expect("text") == verifier);
    assert_ne!(
        text,
        Verifier::new("pencil", QUICK).expect("other").to_string()
    );
    assert_eq!(format!("{verifier:?}"), "Verifier(..)");
    let good = pencil().to_string();
    assert!(good.parse::<Verifier>().is_ok());
    for bad in [
        String::new(),
        "pencil".into(),
        good.replace("SHA-256$", "SHA-1$"),
        good.replace("4096", "4095"),
        good.replace("4096", "10000001"),
        good.replace("4096", "04096"),
        good.replace("4096", "+4096"),
        good.replace("4096:", "4096"),
        good.replace("gQ==", "gQ="),
        good.replace("gQ==", "gR=="),
        good.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjY="),
        good.replace('$', ":"),
        format!("{good}="),
        format!("{good}:AAAA"),
        format!(" {good}"),
        format!("{good}\n"),
        good[..good.len() - 4].to_owned(),
    ] {
        assert!(bad.parse::<Verifier>().is_err(), "{bad}");
    }
    assert!(Verifier::new("pencil", MIN_ITERATIONS - 1).is_err());
    assert!(Verifier::new("pencil", MAX_ITERATIONS + 1).is_err());
    assert!(Verifier::new("", QUICK).is_err());
    assert!(Verifier::new(&"x".repeat(MAX_PASSWORD + 1), QUICK).is_err());
}

#[test]
fn nobody_looks_like_somebody() {
    let key = [9; 32];
    let mock = Verifier::mock(&key, "nobody");
    assert!(mock == Verifier::mock(&key, "nobody"), "the same each time");
    assert!(mock.salt != Verifier::mock(&key, "nobodY").salt);
    assert!(mock.salt != Verifier::mock(&[8; 32], "nobody").salt);
    let real = Verifier::new("pencil", QUICK).expect("verifier");
    assert_eq!(mock.salt.len(), real.salt.len());
    assert_eq!(mock.iterations, ITERATIONS);
    assert!(mock.to_string().parse::<Verifier>().is_ok());
    let none = Binding::None;
    assert!(login("nobody", "pencil", &mock, none, none, false).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_makes_the_readers_panic(text in "\\PC{0,200}", near in "[nypr=,asicvm2CD0-9A-Za-z+/$:]{0,120}") {
        for text in [&text, &near] {
            let _ = FirstMessage::parse(text, Binding::None);
            let _ = FirstMessage::parse(&format!("n,,{text}"), Binding::Exporter(&[0; 32]));
            let _ = FirstMessage::parse(&format!("p=tls-exporter,,n={text},r={CLIENT_NONCE}"), Binding::Exporter(&[0; 32]));
            let _ = text.parse::<Verifier>();
            let _ = format!("SCRAM-SHA-256$4096:{text}").parse::<Verifier>();
            let first = FirstMessage::parse(&format!("n,,n=u,r={CLIENT_NONCE}"), Binding::None).expect("first");
            let mock = || Verifier::mock(&[0; 32], "u");
            prop_assert!(ServerLogin::challenge(first.clone(), mock(), &[0; 32]).0.finish(text).is_err());
            let both = format!("c=biws,r={text},p={text}");
            let server = ServerLogin::challenge(first, mock(), &[0; 32]).0;
            prop_assert!(server.finish(&both).is_err());
            let client = ClientFinal { signature: [0; 32] };
            prop_assert!(client.verify(text).is_err());
            let (client, _) = ClientLogin::begin("u", "p", &[0; 32], Binding::None, false).expect("begin");
            prop_assert!(client.respond(text).is_err());
        }
    }

    #[test]
    fn names_come_back_from_messages(name in "[a-c=,2CD3 äﬀÅ名\u{ad}]{1,16}") {
        prop_assume!(user_name(&name).is_ok());
        let name = user_name(&name).expect("name");
        let (_, first) = ClientLogin::begin(&name, "p", &[0; 32], Binding::None, false).expect("begin");
        let heard = FirstMessage::parse(&first, Binding::None).expect("first");
        prop_assert_eq!(heard.user(), name);
    }
}
