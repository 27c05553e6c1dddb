//! The Connect applet: whom to dial, as the app says in JSON.

use std::time::Duration;

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{Ended, UrlParts, WebhookReply};
use crate::outcome::EndedBy;
use crate::persona::exotel::dial::Dialled;
use crate::persona::exotel::fetch::json_object;
use crate::persona::exotel::members::Members;
use crate::persona::exotel::session::Session;

/// Whom to dial, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) targets: Vec<String>,
    /// Dial all at once.
    pub(crate) parallel: bool,
    /// Ask again after an attempt that failed.
    pub(crate) ask_again: bool,
    pub(crate) longest_talk: Option<Duration>,
    /// Where agent events go.
    pub(crate) events: Option<String>,
    /// The number that the callee sees.
    pub(crate) shown_number: Option<String>,
}

/// So many numbers are rung; one public adapter says so, Exotel's pages do not.
const MOST_NUMBERS: usize = 5;
/// Custom parameters become SIP headers: so many of them, and so many bytes altogether.
const MOST_HEADERS: usize = 3;
const LONGEST_HEADERS: usize = 200;
/// An app that always answers the same would be asked for ever.
const MOST_QUESTIONS: usize = 10;

impl Session<'_> {
    pub(crate) async fn connect(&mut self, url: &str) -> Result<(), Ended> {
        let url = match self.url(url) {
            Ok(url) => url,
            Err(finding) => {
                self.fail(finding);
                return Ok(());
            }
        };
        self.dialled = Some(Dialled::nobody());
        for _ in 0..MOST_QUESTIONS {
            self.call.check()?;
            let order = match self.ask_whom_to_dial(&url).await {
                Ok(order) => order,
                Err(finding) => {
                    self.fail(finding);
                    return Ok(());
                }
            };
            self.call.check()?;
            self.ended_by = EndedBy::Document;
            if order.targets.is_empty() {
                return Ok(());
            }
            self.answer().await;
            let talked = self.dial(&order).await?;
            if talked || !order.ask_again {
                return Ok(());
            }
        }
        self.fail(Finding::error(
            "endless-connect",
            format!("\"fetch_after_attempt\" led to {MOST_QUESTIONS} questions"),
        ));
        Ok(())
    }

    async fn ask_whom_to_dial(&self, url: &str) -> Result<Order, Finding> {
        let parameters = self.flow_parameters();
        self.fetch(
            "connect",
            url,
            |purpose, url| {
                self.get(purpose, url, &parameters)
                    .with_header("Exotel-Version", "1.0")
            },
            |purpose, reply| self.read_order(purpose, reply),
        )
        .await
    }

    fn read_order(&self, purpose: &str, reply: &WebhookReply) -> Result<Order, Finding> {
        let result = json_object(purpose, reply).and_then(|members| {
            let (order, findings) = order(Members::of(members));
            self.call.complain_all(findings);
            order
        });
        let instruction = result.as_ref().ok().map(|order| Instruction::Dial {
            targets: order.targets.len(),
        });
        self.keep(purpose, reply, instruction);
        result
    }
}

fn order(mut members: Members) -> (Result<Order, Finding>, Vec<Finding>) {
    let shown_number = members.text("outgoing_phone_number");
    let targets = targets(&mut members);
    let order = targets.map(|targets| Order {
        targets,
        parallel: parallel(&mut members),
        ask_again: members.flag("fetch_after_attempt").unwrap_or(false),
        longest_talk: members
            .count("max_conversation_duration")
            .map(Duration::from_secs),
        events: events(&mut members),
        shown_number,
    });
    read_manners(&mut members);
    let findings = members.finish("the answer of a Connect URL");
    (order, findings)
}

fn targets(members: &mut Members) -> Result<Vec<String>, Finding> {
    if members.has("destination_type") {
        return Err(Finding::note(
            "not-simulated",
            "dialling co-workers (\"destination_type\") is a beta of Exotel that is not simulated",
        ));
    }
    let destination = members.object("destination").ok_or_else(|| {
        Finding::error(
            "no-destination",
            "the answer has no \"destination\" with \"numbers\" or a \"trunk\"",
        )
    });
    let mut destination = destination?;
    let numbers = destination.texts("numbers");
    let trunk = destination.text("trunk");
    let custom = members.text("custom_params");
    let targets = match (numbers, trunk) {
        (Some(numbers), None) => {
            if custom.is_some() {
                members.find(Finding::note(
                    "custom-params-without-trunk",
                    "\"custom_params\" become SIP headers of a trunk; numbers do not get them",
                ));
            }
            Ok(numbers)
        }
        (None, Some(trunk)) => {
            check_headers(custom.as_deref().unwrap_or_default(), members);
            Ok(vec![trunk])
        }
        (Some(_), Some(_)) => Err(Finding::error(
            "no-destination",
            "the \"destination\" has both \"numbers\" and a \"trunk\"",
        )),
        (None, None) => Err(Finding::error(
            "no-destination",
            "the \"destination\" has neither \"numbers\" nor a \"trunk\" that can be read",
        )),
    };
    for finding in destination.finish("a destination") {
        members.find(finding);
    }
    targets.map(|targets| dialable(targets, members))
}

fn dialable(mut targets: Vec<String>, members: &mut Members) -> Vec<String> {
    let before = targets.len();
    targets.retain(|target| !target.starts_with("sip:"));
    if targets.len() < before {
        members.find(Finding::warning(
            "sip-in-numbers",
            "SIP addresses among the numbers are dropped silently: a trunk dials those",
        ));
    }
    if targets.len() > MOST_NUMBERS {
        members.find(Finding::warning(
            "too-many-numbers",
            format!(
                "{} numbers are to be dialled; {MOST_NUMBERS} are known to ring",
                targets.len()
            ),
        ));
        targets.truncate(MOST_NUMBERS);
    }
    targets
}

fn check_headers(custom: &str, members: &mut Members) {
    if custom.split('&').count() > MOST_HEADERS || custom.len() > LONGEST_HEADERS {
        members.find(Finding::error(
            "custom-params-too-long",
            format!(
                "\"custom_params\" holds more than {MOST_HEADERS} pairs or {LONGEST_HEADERS} bytes"
            ),
        ));
    }
}

fn parallel(members: &mut Members) -> bool {
    let Some(mut ringing) = members.object("parallel_ringing") else {
        return false;
    };
    let active = ringing.flag("activate").unwrap_or(false);
    ringing.count("max_parallel_attempts");
    for finding in ringing.finish("\"parallel_ringing\"") {
        members.find(finding);
    }
    active
}

fn events(members: &mut Members) -> Option<String> {
    let url = members.text("dial_passthru_event_url")?;
    if UrlParts::parse(&url).is_some_and(|parts| matches!(parts.scheme.as_str(), "http" | "https"))
    {
        return Some(url);
    }
    members.find(Finding::error(
        "bad-event-url",
        "\"dial_passthru_event_url\" is no absolute http(s) URL",
    ));
    None
}

/// What changes nothing here and still has a type.
fn read_manners(members: &mut Members) {
    members.flag("record");
    members.word("recording_channels", &["single", "dual"]);
    members.count("max_ringing_duration");
    if let Some(mut music) = members.object("music_on_hold") {
        music.text("type");
        music.text("value");
        for finding in music.finish("\"music_on_hold\"") {
            members.find(finding);
        }
    }
    if let Some(mut playback) = members.object("start_call_playback") {
        playback.word("playback_to", &["both", "callee"]);
        playback.word("type", &["text", "audio_url"]);
        playback.text("value");
        for finding in playback.finish("\"start_call_playback\"") {
            members.find(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (Result<Order, Finding>, Vec<String>) {
        let Value::Object(members) = value else {
            panic!("no object");
        };
        let (order, findings) = order(Members::of(members));
        (
            order,
            findings
                .into_iter()
                .map(|finding| finding.code.into_owned())
                .collect(),
        )
    }

    #[test]
    fn everything_that_is_documented_is_read() {
        let (order, codes) = read(json!({
            "fetch_after_attempt": true,
            "destination": {"numbers": ["+919990000101", "09990000102"]},
            "outgoing_phone_number": "08040000003",
            "record": true,
            "recording_channels": "dual",
            "max_ringing_duration": 30,
            "max_conversation_duration": 600,
            "music_on_hold": {"type": "operator_tone"},
            "start_call_playback": {"playback_to": "callee", "type": "text", "value": "A call for you"},
            "parallel_ringing": {"activate": true, "max_parallel_attempts": 2},
            "dial_passthru_event_url": "https://voice.example.com/events?key=x",
        }));
        assert_eq!(codes, [""; 0]);
        assert_eq!(
            order.unwrap(),
            Order {
                targets: vec!["+919990000101".into(), "09990000102".into()],
                parallel: true,
                ask_again: true,
                longest_talk: Some(Duration::from_secs(600)),
                events: Some("https://voice.example.com/events?key=x".into()),
                shown_number: Some("08040000003".into()),
            }
        );
        let (order, codes) =
            read(json!({"destination": {"trunk": "trunk-7"}, "custom_params": "a=1&b=2"}));
        assert_eq!(
            (order.unwrap().targets, codes.len()),
            (vec!["trunk-7".to_owned()], 0)
        );
    }

    #[test]
    fn nobody_may_be_dialled() {
        let (order, codes) = read(json!({"destination": {"numbers": []}}));
        assert!(order.unwrap().targets.is_empty() && codes.is_empty());
    }

    #[test]
    fn without_a_destination_there_is_no_order() {
        for answer in [
            json!({}),
            json!({"destination": "+919990000101"}),
            json!({"destination": {}}),
            json!({"destination": {"numbers": "+919990000101"}}),
            json!({"destination": {"numbers": [], "trunk": "trunk-7"}}),
        ] {
            assert_eq!(
                read(answer.clone()).0.unwrap_err().code,
                "no-destination",
                "{answer}"
            );
        }
        let beta = json!({"destination_type": "user", "destination": [{"contact_uri": "sip:ada"}]});
        assert_eq!(read(beta).0.unwrap_err().code, "not-simulated");
    }

    #[test]
    fn odd_members_are_complained_of() {
        let with = |name: &str, value: Value| {
            let mut answer = json!({"destination": {"numbers": ["1"]}});
            answer[name] = value;
            read(answer).1
        };
        assert_eq!(with("record", json!("yes")), ["wrong-type"]);
        assert_eq!(with("recording_channels", json!("stereo")), ["wrong-value"]);
        assert_eq!(
            with("start_call_playback", json!({"type": "voice"})),
            ["wrong-value"]
        );
        assert_eq!(
            with("music_on_hold", json!({"url": "x"})),
            ["unknown-member"]
        );
        assert_eq!(
            with("dial_passthru_event_url", json!("/events")),
            ["bad-event-url"]
        );
        assert_eq!(
            with("custom_params", json!("a=1")),
            ["custom-params-without-trunk"]
        );
        assert_eq!(with("timeout", json!(30)), ["unknown-member"]);
        assert_eq!(
            with("parallel_ringing", json!({"activate": 1})),
            ["wrong-type"]
        );
        let (order, codes) =
            read(json!({"destination": {"numbers": ["1", "2", "3", "4", "5", "6", "sip:ada"]}}));
        assert_eq!(
            (order.unwrap().targets.len(), codes),
            (5, vec!["sip-in-numbers".into(), "too-many-numbers".into()])
        );
        let trunk = json!({"destination": {"trunk": "t"}, "custom_params": "a=1&b=2&c=3&d=4"});
        assert_eq!(read(trunk).1, ["custom-params-too-long"]);
    }
}
