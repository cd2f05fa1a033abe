//! Payloads of `X`, by which a client has a command of the operator's run. Used by children and the client.

use serde::{Deserialize, Serialize};

/// `X`: have a command of the operator's run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Which; without a name it is asked which ones there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A command that somebody may have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// For people; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// `K` to an `X` without a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// Those that this client may have run, by name.
    pub commands: Vec<Offer>,
}

/// Why a command was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Its time was over.
    Time,
    /// It wrote more than it may.
    Output,
    /// For something that a newer server says.
    #[serde(other)]
    Unknown,
}

/// `Z` after the output of a command: how it ended. One of the keys is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunEnd {
    /// The code of its exit, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// The signal that killed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// Why it was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl RunEnd {
    /// It left with this code.
    #[must_use]
    pub fn exit(code: i32) -> RunEnd {
        RunEnd {
            exit: Some((code & 0xff) as u8),
            ..RunEnd::default()
        }
    }

    /// This signal killed it.
    #[must_use]
    pub fn signal(signal: i32) -> RunEnd {
        RunEnd {
            signal: Some((signal & 0x7f) as u8),
            ..RunEnd::default()
        }
    }

    /// It was ended.
    #[must_use]
    pub fn ended(why: Ended) -> RunEnd {
        RunEnd {
            ended: Some(why),
            ..RunEnd::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes for a request of a command is refused, or is a name and nothing more.
    #[test]
    fn requests_of_commands_survive_chance() {
        use crate::wire::dice::Dice;
        const LINES: [&str; 4] = [
            r#"{}"#,
            r#"{"name":"disk"}"#,
            r#"{"name":null}"#,
            r#"{"name":"\u0064isk","name2":[{"a":1}]}"#,
        ];
        let mut dice = Dice::new(b"{}[]\",:\\u0nameull");
        for _ in 0..20_000 {
            let mut line = dice.one_of(&LINES).as_bytes().to_vec();
            dice.spoil(&mut line);
            let Ok(run) = serde_json::from_slice::<Run>(&line) else {
                continue;
            };
            let again = serde_json::to_vec(&run).expect("text");
            let back: Run = serde_json::from_slice(&again).expect("what we write we read");
            assert_eq!(back, run);
            assert!(again.len() <= line.len() * 2 + 16, "{line:?}");
        }
    }

    #[test]
    fn commands_are_asked_for_by_name_and_end_in_one_way() {
        let run = |text: &str| serde_json::from_str::<Run>(text);
        assert_eq!(run("{}").expect("list").name, None);
        assert_eq!(run(r#"{"name":null}"#).expect("list").name, None);
        assert_eq!(
            run(r#"{"name":"disk"}"#).expect("run").name.as_deref(),
            Some("disk")
        );
        for (bad, why) in [
            (r#"{"name":["disk","-h"]}"#, "words"),
            (r#"{"name":"disk","arguments":["-h"]}"#, "arguments"),
            (r#"{"name":"disk","name":"other"}"#, "doubled key"),
            (r#"{"name":7}"#, "a number"),
        ] {
            assert!(run(bad).is_err(), "{why}");
        }
        for (end, text) in [
            (RunEnd::exit(0), r#"{"exit":0}"#),
            (RunEnd::exit(255), r#"{"exit":255}"#),
            (RunEnd::signal(9), r#"{"signal":9}"#),
            (RunEnd::ended(Ended::Time), r#"{"ended":"time"}"#),
            (RunEnd::ended(Ended::Output), r#"{"ended":"output"}"#),
        ] {
            assert_eq!(serde_json::to_string(&end).expect("text"), text);
            assert_eq!(serde_json::from_str::<RunEnd>(text).expect("end"), end);
        }
        let newer = serde_json::from_str::<RunEnd>(r#"{"ended":"moon","phase":3}"#);
        assert_eq!(newer.expect("newer").ended, Some(Ended::Unknown));
        assert!(serde_json::from_str::<RunEnd>(r#"{"exit":256}"#).is_err());
    }
}
