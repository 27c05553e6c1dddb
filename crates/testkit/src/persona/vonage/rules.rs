//! Which actions an NCCO may hold, and what their members may be.
//!
//! <https://developer.vonage.com/en/voice/voice-api/ncco-reference>

use serde_json::{Map, Value};

use crate::complaint::Finding;

/// What a member may be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// At most so many characters, SSML tags not counted.
    Speech(usize),
    Number(f64, f64),
    Flag,
    /// An array of one URL.
    Url,
    Words(&'static [&'static str]),
    Object,
    Array,
    Any,
}

type Members = &'static [(&'static str, Kind)];

const METHODS: Kind = Kind::Words(&["GET", "POST"]);
const FOREVER: f64 = 7_200.0;

/// Members of each action, and those that it cannot do without.
const ACTIONS: &[(&str, Members, &[&str])] = &[
    (
        "talk",
        &[
            ("text", Kind::Speech(1_500)),
            ("bargeIn", Kind::Flag),
            ("loop", Kind::Number(0.0, f64::MAX)),
            ("level", Kind::Number(-1.0, 1.0)),
            ("language", Kind::Text),
            ("style", Kind::Number(0.0, 100.0)),
            ("premium", Kind::Flag),
            ("provider", Kind::Text),
            ("providerOptions", Kind::Object),
            ("voiceName", Kind::Text),
        ],
        &["text"],
    ),
    (
        "stream",
        &[
            ("streamUrl", Kind::Url),
            ("level", Kind::Number(-1.0, 1.0)),
            ("bargeIn", Kind::Flag),
            ("loop", Kind::Number(0.0, f64::MAX)),
        ],
        &["streamUrl"],
    ),
    (
        "input",
        &[
            ("type", Kind::Array),
            ("dtmf", Kind::Object),
            ("speech", Kind::Object),
            ("mode", Kind::Words(&["synchronous", "asynchronous"])),
            ("eventUrl", Kind::Url),
            ("eventMethod", METHODS),
        ],
        &["type"],
    ),
    (
        "connect",
        &[
            ("endpoint", Kind::Array),
            ("from", Kind::Text),
            ("randomFromNumber", Kind::Flag),
            ("eventType", Kind::Words(&["synchronous"])),
            ("timeout", Kind::Number(1.0, FOREVER)),
            ("limit", Kind::Number(1.0, FOREVER)),
            ("machineDetection", Kind::Words(&["continue", "hangup"])),
            ("advancedMachineDetection", Kind::Object),
            ("eventUrl", Kind::Url),
            ("eventMethod", METHODS),
            ("ringbackTone", Kind::Any),
        ],
        &["endpoint"],
    ),
    (
        "notify",
        &[
            ("payload", Kind::Object),
            ("eventUrl", Kind::Url),
            ("eventMethod", METHODS),
        ],
        &["payload", "eventUrl"],
    ),
    (
        "record",
        &[
            ("format", Kind::Words(&["mp3", "wav", "ogg"])),
            ("split", Kind::Words(&["conversation"])),
            ("channels", Kind::Number(1.0, 32.0)),
            ("endOnSilence", Kind::Number(3.0, 10.0)),
            ("endOnKey", Kind::Text),
            ("timeOut", Kind::Number(3.0, FOREVER)),
            ("beepStart", Kind::Flag),
            ("eventUrl", Kind::Url),
            ("eventMethod", METHODS),
            ("transcription", Kind::Object),
        ],
        &[],
    ),
    (
        "conversation",
        &[
            ("name", Kind::Text),
            ("musicOnHoldUrl", Kind::Url),
            ("startOnEnter", Kind::Flag),
            ("endOnExit", Kind::Flag),
            ("record", Kind::Flag),
            ("canSpeak", Kind::Array),
            ("canHear", Kind::Array),
            ("mute", Kind::Flag),
            ("transcription", Kind::Object),
            ("eventUrl", Kind::Url),
            ("eventMethod", METHODS),
        ],
        &["name"],
    ),
    (
        "wait",
        &[("timeout", Kind::Number(f64::MIN, f64::MAX))],
        &[],
    ),
    (
        "transfer",
        &[
            ("conversationId", Kind::Text),
            ("canHear", Kind::Array),
            ("canSpeak", Kind::Array),
            ("mute", Kind::Flag),
        ],
        &["conversationId"],
    ),
];

/// Members of `dtmf` in an input.
const DTMF: Members = &[
    ("timeOut", Kind::Number(0.0, 10.0)),
    ("maxDigits", Kind::Number(1.0, 22.0)),
    ("submitOnHash", Kind::Flag),
];

/// Checks an action: an error makes the whole document void, the rest is said by the way.
pub(crate) fn check(action: &Map<String, Value>, index: usize) -> (Option<Finding>, Vec<Finding>) {
    let name = action
        .get("action")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some((_, members, required)) = ACTIONS.iter().find(|(known, ..)| *known == name) else {
        let what = match name {
            "" => format!("action {index} has no \"action\""),
            "hangup" => "there is no action \"hangup\": a call ends when its NCCO runs out".into(),
            other => format!("the action \"{}\" is unknown", shown(other)),
        };
        return (Some(syntax(what)), vec![]);
    };
    if let Some(missing) = required
        .iter()
        .find(|member| !action.contains_key(**member))
    {
        return (Some(syntax(format!("{name} has no \"{missing}\""))), vec![]);
    }
    let mut findings = vec![];
    let mut error = check_members(name, action, members, &mut findings);
    if error.is_none()
        && let Some(Value::Object(dtmf)) = action.get("dtmf")
    {
        error = check_members("dtmf", dtmf, DTMF, &mut findings);
    }
    (error, findings)
}

fn check_members(
    name: &str,
    object: &Map<String, Value>,
    members: Members,
    findings: &mut Vec<Finding>,
) -> Option<Finding> {
    for (member, value) in object {
        if member == "action" {
            continue;
        }
        let Some((_, kind)) = members.iter().find(|(known, _)| known == member) else {
            findings.push(Finding::warning(
                "ncco-unknown-member",
                format!(
                    "{name} has the unknown member \"{}\" (names are camelCase)",
                    shown(member)
                ),
            ));
            continue;
        };
        match check_value(*kind, value) {
            Verdict::Good => {}
            Verdict::Tolerated => findings.push(Finding::note(
                "ncco-number-as-string",
                format!("\"{member}\" of {name} is a string, which is tolerated"),
            )),
            Verdict::Bad(what) => return Some(syntax(format!("\"{member}\" of {name} {what}"))),
        }
    }
    None
}

enum Verdict {
    Good,
    Tolerated,
    Bad(String),
}

fn check_value(kind: Kind, value: &Value) -> Verdict {
    let bad = |what: &str| Verdict::Bad(what.into());
    match (kind, value) {
        (Kind::Any, _) | (Kind::Text, Value::String(_)) | (Kind::Object, Value::Object(_)) => {
            Verdict::Good
        }
        (Kind::Array, Value::Array(_)) | (Kind::Flag, Value::Bool(_)) => Verdict::Good,
        (Kind::Text, _) => bad("is no string"),
        (Kind::Object, _) => bad("is no object"),
        (Kind::Array, _) => bad("is no array"),
        (Kind::Speech(most), Value::String(text)) if characters(text) > most => {
            Verdict::Bad(format!("is longer than {most} characters"))
        }
        (Kind::Speech(_), Value::String(_)) => Verdict::Good,
        (Kind::Speech(_), _) => bad("is no string"),
        (Kind::Flag, Value::String(text)) if text == "true" || text == "false" => {
            Verdict::Tolerated
        }
        (Kind::Flag, _) => bad("is neither true nor false"),
        (Kind::Words(words), Value::String(text)) if words.contains(&text.as_str()) => {
            Verdict::Good
        }
        (Kind::Words(words), _) => Verdict::Bad(format!("is none of {}", words.join(", "))),
        (Kind::Url, Value::Array(urls)) => match urls.as_slice() {
            [Value::String(url)] if url.starts_with("http://") || url.starts_with("https://") => {
                Verdict::Good
            }
            _ => bad("is no array of one http URL"),
        },
        (Kind::Url, _) => bad("is no array (of one URL)"),
        (Kind::Number(least, most), value) => match number(value) {
            Some(number) if (least..=most).contains(&number) && value.is_string() => {
                Verdict::Tolerated
            }
            Some(number) if (least..=most).contains(&number) => Verdict::Good,
            Some(_) => Verdict::Bad(format!("is not between {least} and {most}")),
            None => bad("is no number"),
        },
    }
}

/// A number, also when it is written as a string.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// Characters outside of tags.
fn characters(text: &str) -> usize {
    let mut inside = false;
    text.chars()
        .filter(|character| {
            match character {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    return false;
                }
                _ => {}
            }
            !inside
        })
        .count()
}

pub(crate) fn syntax(what: impl std::fmt::Display) -> Finding {
    Finding::error("ncco-syntax", format!("syntax error in the NCCO: {what}"))
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}
