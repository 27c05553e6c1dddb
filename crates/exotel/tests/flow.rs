//! What the applets of a flow report with their questions: keys, dials, streams.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{events, get, kinds};
use http::Method;
use std::time::Duration;
use telephony_core::{CallEventKind, CallStatus, Party, StatusReport, WebhookKind};

fn status(status: CallStatus) -> CallEventKind {
    CallEventKind::Status(StatusReport::new(status))
}

fn next(after: &str) -> CallEventKind {
    CallEventKind::NextStep {
        after: after.into(),
    }
}

fn other(name: &str) -> CallEventKind {
    CallEventKind::Other { name: name.into() }
}

/// The parameters that come with every request of an applet.
const BASICS: &str = "CallSid=c1&CallFrom=09876501234&CallTo=08033334444&Direction=incoming&CallType=completed\
    &EndTime=1970-01-01+05%3A30%3A00&CurrentTime=2026-01-05+10%3A00%3A01";

fn ask(applet: &str, rest: &str) -> Vec<CallEventKind> {
    kinds(get(
        WebhookKind::NextStep,
        &format!("applet={applet}&{BASICS}{rest}"),
    ))
}

fn digits(kinds: &[CallEventKind]) -> Option<(String, bool)> {
    kinds.iter().find_map(|kind| match kind {
        CallEventKind::DigitsGathered(gathered) => {
            Some((gathered.digits.clone(), gathered.timed_out))
        }
        _ => None,
    })
}

#[test]
fn an_applet_asks_what_comes_next() {
    for applet in ["voicebot", "connect", "gather", "greeting", "passthru"] {
        assert_eq!(
            ask(applet, ""),
            [next(applet)],
            "and the type of the call is no status"
        );
    }
    assert_eq!(ask("", ""), [other("callback")]);
    assert_eq!(ask("Connect", ""), [next("connect")]);
}

#[test]
fn keys_come_in_quotes() {
    for (value, wanted) in [
        ("%221%22", Some(("1", false))),
        ("\"42*%23\"", Some(("42*#", false))),
        ("7", Some(("7", false))),
        ("%22%22", Some(("", true))),
        ("", None),
        ("null", None),
        ("%22null%22", None),
    ] {
        let kinds = ask("passthru", &format!("&digits={value}"));
        let wanted = wanted.map(|(digits, timed_out)| (digits.to_owned(), timed_out));
        assert_eq!(digits(&kinds), wanted, "{value}");
        assert_eq!(
            kinds.contains(&next("passthru")),
            wanted.is_none(),
            "the keys are the question"
        );
        let kinds = ask("connect", &format!("&digits={value}"));
        assert_eq!(digits(&kinds), wanted);
        assert_eq!(kinds.last(), Some(&next("connect")));
    }
}

#[test]
fn a_dial_that_is_over_is_told_by_its_own_word() {
    let kinds = ask(
        "passthru",
        "&CallStatus=in-progress&DialCallStatus=completed&DialCallDuration=41&DialWhomNumber=07200498000\
         &Legs[0][CauseCode]=NORMAL_CLEARING&Legs[0][Cause]=16&Legs[0][Type]=single&Legs[0][OnCallDuration]=21&Legs[0][Number]=07200498000",
    );
    let [CallEventKind::Status(call), CallEventKind::DialEnded(dial)] = &kinds[..] else {
        panic!("{kinds:?}");
    };
    assert_eq!(
        call.status,
        CallStatus::InProgress,
        "the dialled leg's end is not the call's"
    );
    assert_eq!(dial.status, Some(CallStatus::Completed));
    assert_eq!(dial.to, Some(Party::Number("+917200498000".into())));
    assert_eq!(dial.duration, Some(Duration::from_secs(21)));
    assert_eq!(dial.leg, None);

    for (word, status) in [("no-answer", Some(CallStatus::NoAnswer)), ("lost", None)] {
        let kinds = ask(
            "passthru",
            &format!("&DialCallStatus={word}&DialWhomNumber="),
        );
        let [CallEventKind::DialEnded(dial)] = &kinds[..] else {
            panic!("{kinds:?}")
        };
        assert_eq!(
            (dial.status, &dial.to, dial.duration),
            (status, &None, None)
        );
    }
    assert_eq!(
        ask("passthru", "&DialCallStatus=&DialCallDuration=0"),
        [next("passthru")]
    );
}

#[test]
fn a_terminal_word_is_not_believed_of_a_call_that_asks() {
    for applet in ["voicebot", "connect", "gather", "greeting"] {
        assert_eq!(ask(applet, "&CallStatus=completed"), [next(applet)]);
        assert_eq!(
            ask(applet, "&CallStatus=ringing"),
            [status(CallStatus::Ringing), next(applet)]
        );
    }
    assert_eq!(
        ask("passthru", "&CallStatus=completed"),
        [status(CallStatus::Completed), next("passthru")]
    );
    assert_eq!(
        kinds(get(
            WebhookKind::Event,
            &format!("{BASICS}&CallStatus=canceled")
        )),
        [status(CallStatus::Canceled)]
    );
}

fn stream(query: &str) -> CallEventKind {
    let kinds = ask("passthru", query);
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    kinds.into_iter().next().unwrap()
}

#[test]
fn a_stream_that_is_over_tells_who_ended_it() {
    let flat = "&Stream[StreamSID]=s1&Stream[Status]=completed&Stream[Duration]=28&Stream[StreamUrl]=wss://a:b@x.example/t\
        &Stream[DisconnectedBy]=bot&Stream[Error]=&Stream[DetailedStatus]=NA";
    let json = "&Stream=%7B%22StreamSID%22%3A%22s1%22%2C%22Status%22%3A%22completed%22%2C%22Duration%22%3A28%2C\
        %22StreamUrl%22%3A%22wss%3A%2F%2Fx.example%22%2C%22DisconnectedBy%22%3A%22bot%22%2C%22Error%22%3Anull%7D";
    for query in [flat, json] {
        let CallEventKind::StreamStopped(report) = stream(query) else {
            panic!("{query}")
        };
        assert_eq!(report.stream_id.unwrap().as_str(), "s1");
        assert_eq!(report.status.as_deref(), Some("completed"));
        assert_eq!(report.ended_by.as_deref(), Some("bot"));
        assert_eq!(report.duration, Some(Duration::from_secs(28)));
        assert_eq!(report.error, None);
    }
    let CallEventKind::StreamStopped(report) =
        stream("&stream[status]=cancelled&STREAM[DISCONNECTEDBY]=user")
    else {
        panic!("the caller hung up")
    };
    assert_eq!(
        (report.status.as_deref(), report.ended_by.as_deref()),
        (Some("cancelled"), Some("user"))
    );
}

#[test]
fn the_error_of_a_stream_is_trusted_over_its_status() {
    for (query, error) in [
        (
            "&Stream[Status]=failed&Stream[Error]=3009 failed to establish ws conn dial tcp: no such host",
            Some("3009 failed to establish ws conn dial tcp: no such host"),
        ),
        (
            "&Stream[Status]=completed&Stream[Error]=3009 reset",
            Some("3009 reset"),
        ),
        (
            "&Stream[Status]=failed&Stream[Error]=NA&Stream[DetailedStatus]=Streaming_call_throttled",
            Some("Streaming_call_throttled"),
        ),
        (
            "&Stream[DetailedStatus]=Streaming_call_throttled",
            Some("Streaming_call_throttled"),
        ),
        ("&Stream[Status]=Failed&Stream[DisconnectedBy]=NA", None),
        (
            "&Stream[Error]=dial wss://bot:pw@x.example/t: 09876501234",
            Some("dial [url] [number]"),
        ),
    ] {
        let CallEventKind::StreamFailed(report) = stream(query) else {
            panic!("{query}")
        };
        assert_eq!(report.error.as_deref(), error, "{query}");
    }
    for nothing in [
        "&Stream[]=x",
        "&Stream[a][b]=x",
        "&Stream=",
        "&Stream=[1]",
        "&Streams[Status]=failed",
    ] {
        let kinds = ask("passthru", nothing);
        assert!(
            !kinds
                .iter()
                .any(|kind| matches!(kind, CallEventKind::StreamFailed(_))),
            "{nothing}"
        );
    }
}

#[test]
fn recordings_of_the_call_and_of_the_stream_are_told() {
    let kinds = ask(
        "passthru",
        "&RecordingUrl=https://x.example/call.mp3&Stream[Status]=completed&Stream[RecordingUrl]=https://x.example/s.mp3",
    );
    let urls: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            CallEventKind::RecordingReady(recording) => Some(recording.url.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        urls,
        ["https://x.example/call.mp3", "https://x.example/s.mp3"]
    );
}

#[test]
fn our_secrets_are_taken_out_of_what_is_kept() {
    for query in [
        "CallSid=c1&Stream[StreamUrl]=wss://bot:pw@x.example/token&Stream[Status]=completed",
        "CallSid=c1&Stream=%7B%22StreamUrl%22%3A%22wss%3A%2F%2Fbot%3Apw%40x.example%2Ftoken%22%2C%22Status%22%3A%22completed%22%7D",
        "CallSid=c1&Stream=%7B%22StreamUrl%22%3A%22wss%3A%2F%2Fbot%3Apw%40x.example%2Ftoken%22%2C%22Status",
    ] {
        for event in events(get(WebhookKind::Event, query), Some("c1")) {
            let kept: Vec<_> = event.parameters.iter().collect();
            assert!(!format!("{kept:?}").contains("token"), "{kept:?}");
            assert!(!format!("{kept:?}").contains(common::SECRET), "{kept:?}");
            assert_eq!(event.parameters.get("CallSid"), Some("c1"));
        }
    }
}

#[test]
fn a_head_only_looks() {
    let head = |kind, query: &str| {
        let mut request = get(kind, query);
        request.method = Method::HEAD;
        kinds(request)
    };
    assert_eq!(
        head(
            WebhookKind::NextStep,
            "applet=greeting&CallSid=c1&digits=%221%22&CallStatus=completed"
        ),
        [next("greeting")]
    );
    assert_eq!(head(WebhookKind::Status, "CallSid=c1&Status=completed"), []);
}
