//! What Plivo XML may hold, and what is wrong with a document.

use crate::complaint::Finding;
use crate::persona::xml::{Element, parse as parse_xml, shown};

/// Larger documents are not read.
const LARGEST: usize = 100 * 1000;

/// Elements, their attributes, and what may be in them.
const RULES: &[(&str, &[&str], &[&str])] = &[
    (
        "Response",
        &[],
        &[
            "Stream",
            "Speak",
            "Play",
            "GetDigits",
            "GetInput",
            "Dial",
            "Wait",
            "Hangup",
            "Redirect",
            "Record",
            "Conference",
            "MultiPartyCall",
            "PreAnswer",
            "DTMF",
            "Message",
        ],
    ),
    (
        "Stream",
        &[
            "bidirectional",
            "audioTrack",
            "streamTimeout",
            "statusCallbackUrl",
            "statusCallbackMethod",
            "contentType",
            "extraHeaders",
            "keepCallAlive",
            "noiseCancellation",
            "noiseCancellationLevel",
        ],
        &[],
    ),
    ("Speak", &["voice", "language", "loop"], &[]),
    ("Play", &["loop"], &[]),
    (
        "GetDigits",
        &[
            "action",
            "method",
            "timeout",
            "digitTimeout",
            "finishOnKey",
            "numDigits",
            "retries",
            "redirect",
            "playBeep",
            "validDigits",
            "invalidDigitsSound",
            "log",
        ],
        &["Speak", "Play"],
    ),
    (
        "GetInput",
        &[
            "action",
            "method",
            "inputType",
            "executionTimeout",
            "digitEndTimeout",
            "speechEndTimeout",
            "finishOnKey",
            "numDigits",
            "speechModel",
            "hints",
            "language",
            "interimSpeechResultsCallback",
            "interimSpeechResultsCallbackMethod",
            "log",
            "redirect",
            "profanityFilter",
        ],
        &["Speak", "Play"],
    ),
    (
        "Dial",
        &[
            "action",
            "method",
            "hangupOnStar",
            "timeLimit",
            "timeout",
            "callerId",
            "callerName",
            "confirmSound",
            "confirmTimeout",
            "confirmKey",
            "dialMusic",
            "callbackUrl",
            "callbackMethod",
            "redirect",
            "digitsMatch",
            "digitsMatchBLeg",
            "sipHeaders",
        ],
        &["Number", "User"],
    ),
    ("Number", &["sendDigits", "sendOnPreanswer"], &[]),
    (
        "User",
        &[
            "sendDigits",
            "sendOnPreanswer",
            "sipHeaders",
            "sipAuthUsername",
            "sipAuthPassword",
        ],
        &[],
    ),
    ("Wait", &["length", "silence", "minSilence", "beep"], &[]),
    ("Hangup", &["reason", "schedule"], &[]),
    ("Redirect", &["method"], &[]),
];

/// Reads a document and its root.
pub(crate) fn parse(text: &str) -> Result<Element, Finding> {
    if text.len() > LARGEST {
        return Err(invalid("the XML is larger than 100 kB"));
    }
    if text.trim().is_empty() {
        return Err(invalid("the answer is empty where XML is wanted"));
    }
    let root = parse_xml(text).map_err(|what| invalid(&format!("the answer is no XML: {what}")))?;
    if root.name != "Response" {
        let name = shown(&root.name);
        return Err(invalid(&format!(
            "the root element is <{name}>, not <Response>"
        )));
    }
    // Others are ignored; this one was seen to end the call.
    if root.children.iter().any(|child| child.name == "Reject") {
        return Err(invalid("Plivo XML has no <Reject>"));
    }
    Ok(root)
}

/// The call ends with this.
fn invalid(what: &str) -> Finding {
    Finding::error("8011", what.to_owned())
}

fn rule(name: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    let known = RULES.iter().find(|(known, ..)| *known == name)?;
    Some((known.1, known.2))
}

/// What the carrier lets pass, and does not do.
pub(crate) fn lint(element: &Element) -> Vec<Finding> {
    let mut findings = vec![];
    // What is known by its name only is not looked at.
    let Some((attributes, children)) = rule(&element.name) else {
        return findings;
    };
    for (name, value) in &element.attributes {
        if !attributes.contains(&name.as_str()) {
            let text = format!("<{}> has no attribute \"{}\"", element.name, shown(name));
            findings.push(Finding::warning("unknown-attribute", text));
        }
        if value.trim().is_empty() && name != "finishOnKey" {
            let text = format!("\"{}\" of <{}> is empty", shown(name), element.name);
            findings.push(Finding::warning("empty-attribute", text));
        }
        if name.to_ascii_lowercase().ends_with("method")
            && !matches!(value.as_str(), "GET" | "POST")
        {
            let text = format!(
                "\"{}\" of <{}> is neither GET nor POST",
                shown(name),
                element.name
            );
            findings.push(Finding::error("method", text));
        }
    }
    for child in &element.children {
        if children.contains(&child.name.as_str()) {
            findings.extend(lint(child));
        } else {
            let name = shown(&child.name);
            let text = format!("<{}> may not hold <{name}>, which is ignored", element.name);
            findings.push(Finding::warning("unknown-element", text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(root) => lint(&root)
                .iter()
                .map(|finding| finding.code.to_string())
                .collect(),
            Err(finding) => vec![finding.code.to_string()],
        }
    }

    #[test]
    fn what_ends_the_call() {
        for text in [
            "",
            " ",
            "{}",
            "<Response>",
            "<Respond/>",
            "<Response><Reject/></Response>",
        ] {
            assert_eq!(codes(text), ["8011"], "{text}");
        }
    }

    #[test]
    fn what_is_ignored() {
        for (text, wanted) in [
            (
                "<Response><Speak voice=\"WOMAN\">Hi</Speak><Hangup/></Response>",
                vec![],
            ),
            (
                "<Response><Say>Hi</Say></Response>",
                vec!["unknown-element"],
            ),
            (
                "<Response><Speak rate=\"1\">Hi</Speak></Response>",
                vec!["unknown-attribute"],
            ),
            (
                "<Response><Redirect method=\"\">x</Redirect></Response>",
                vec!["empty-attribute", "method"],
            ),
        ] {
            assert_eq!(codes(text), wanted, "{text}");
        }
    }
}
