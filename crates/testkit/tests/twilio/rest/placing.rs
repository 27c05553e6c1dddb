//! A placed call, the whole way.

use std::time::Duration;

use crate::api::*;
use crate::support::{App, SECOND, codes, listen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{EndedBy, OnDial, Operation, Script, Simulator, Speech};

#[tokio::test]
async fn a_placed_call_calls_the_app_back() {
    let app = App::serve(routes, listen).await;
    let carrier = pattern()
        .script(
            Script::new()
                .speak(Speech::tone(440.0, Duration::from_millis(300)))
                .hang_up(),
        )
        .serve()
        .await
        .unwrap();
    let status = app.url("/status?key=7");
    let told = place(
        &carrier,
        &[
            ("Url", &app.url("/answer")),
            ("StatusCallback", &status),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
        ],
    )
    .await;
    assert_eq!(told.status, 201);
    assert!(told.header("twilio-request-id").starts_with("RQ"));
    let body = told.json();
    assert_eq!(
        (&body["status"], &body["direction"], &body["start_time"]),
        (&json!("queued"), &json!("outbound-api"), &Value::Null)
    );
    assert_eq!(
        (&body["to"], &body["from"], &body["account_sid"]),
        (
            &json!("+14155550199"),
            &json!("+14155550100"),
            &json!(ACCOUNT)
        )
    );
    let sid = body["sid"].as_str().unwrap();
    assert!(sid.starts_with("CA") && sid.len() == 34);
    assert_eq!(body["uri"], call_path(sid));

    let outcome = outcome(&carrier, sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    assert_eq!(
        (
            outcome.call_id.as_str(),
            outcome.status.as_str(),
            outcome.ended_by
        ),
        (sid, "completed", EndedBy::Callee)
    );
    assert!(outcome.stream().unwrap().to_app.frames > 5);
    assert_eq!(
        statuses(&app, "/status"),
        ["initiated", "ringing", "in-progress", "completed"]
    );
    for (number, seen) in app.seen_at("/status").iter().enumerate() {
        assert_eq!(seen.query, "key=7");
        assert_eq!(seen.param("SequenceNumber"), number.to_string());
        assert_eq!(seen.param("CallSid"), sid);
        assert_eq!(seen.param("Direction"), "outbound-api");
        assert!(!seen.header("x-twilio-signature").is_empty());
    }
    let answer = &app.seen_at("/answer")[0];
    assert_eq!(answer.param("CallStatus"), "in-progress");
    assert_eq!(answer.param("To"), "+14155550199");

    let body = fetched(&carrier, sid).await;
    assert_eq!(body["status"], "completed");
    assert!(
        body["duration"].is_string() && body["end_time"].is_string(),
        "{body}"
    );
    assert_eq!(carrier.calls(), [sid]);
    let requests = carrier.requests_for(Operation::PlaceCall);
    assert_eq!((requests.len(), requests[0].status), (1, Some(201)));
    assert_eq!(requests[0].header("authorization"), "Basic");
    assert_eq!(requests[0].call_id.as_deref(), Some(sid));
}

#[tokio::test]
async fn a_document_may_be_in_the_request() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let host = app.origin.strip_prefix("http://").unwrap();
    let sid = placed(&carrier, &[("Twiml", &stream_twiml(host))]).await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    assert_eq!(outcome.documents[0].asked_by, "inline");
    assert!(outcome.webhooks.is_empty() && outcome.streams.len() == 1);
}

#[tokio::test]
async fn relative_urls_lead_nowhere_from_a_document_in_the_request() {
    let carrier = carrier().await;
    let twiml =
        r#"<Response><Gather action="/next" timeout="1" actionOnEmptyResult="true"/></Response>"#;
    let sid = placed(&carrier, &[("Twiml", twiml)]).await;
    carrier.call(&sid).unwrap();
    carrier.set(|call| call.script(Script::new().silence(5 * SECOND)));
    let sid = placed(&carrier, &[("Twiml", twiml)]).await;
    assert_eq!(codes(&outcome(&carrier, &sid).await), ["11100"]);
}

#[tokio::test]
async fn nobody_may_answer() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    for (on_dial, expected, sip) in [
        (OnDial::Busy, "busy", "486"),
        (OnDial::NoAnswer, "no-answer", "487"),
        (OnDial::Answer { after: 40 * SECOND }, "no-answer", "487"),
        (OnDial::Failed, "failed", "404"),
    ] {
        carrier.set(|call| call.on_dial(on_dial));
        let path = format!("/status/{expected}");
        let sid = placed(
            &carrier,
            &[
                ("Url", &app.url("/answer")),
                ("StatusCallback", &app.url(&path)),
                ("Timeout", "5"),
            ],
        )
        .await;
        let outcome = outcome(&carrier, &sid).await;
        assert!(!outcome.answered && outcome.webhooks.is_empty());
        assert_eq!(outcome.status, expected);
        let last = app.seen_at(&path).pop().unwrap();
        assert_eq!(last.param("CallStatus"), expected);
        assert_eq!(last.param("SipResponseCode"), sip);
        assert_eq!(last.param("CallDuration"), "0");
        assert_eq!(fetched(&carrier, &sid).await["status"], expected);
    }
}

#[tokio::test]
async fn machines_are_told_from_people() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    for (on_dial, mode, verdict) in [
        (OnDial::Answer { after: SECOND }, "Enable", "human"),
        (OnDial::Machine { after: SECOND }, "Enable", "machine_start"),
        (
            OnDial::Machine { after: SECOND },
            "DetectMessageEnd",
            "machine_end_beep",
        ),
    ] {
        carrier.set(|call| {
            call.on_dial(on_dial)
                .script(Script::new().silence(5 * SECOND))
        });
        let path = format!("/say/{mode}/{verdict}");
        let sid = placed(
            &carrier,
            &[("Url", &app.url(&path)), ("MachineDetection", mode)],
        )
        .await;
        let _ = outcome(&carrier, &sid).await;
        assert_eq!(app.seen_at(&path)[0].param("AnsweredBy"), verdict);
        assert_eq!(fetched(&carrier, &sid).await["answered_by"], verdict);
    }
    // In the background, the document does not wait and does not know.
    carrier.set(|call| call.script(Script::new().silence(10 * SECOND)));
    let sid = placed(
        &carrier,
        &[
            ("Twiml", "<Response><Pause length=\"30\"/></Response>"),
            ("MachineDetection", "Enable"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", &app.url("/amd")),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    let verdict = &app.seen_at("/amd")[0];
    assert_eq!(verdict.param("AnsweredBy"), "machine_start");
    assert_eq!(verdict.param("CallSid"), sid);
    assert_eq!(
        verdict.param("CallStatus"),
        "",
        "it has four parameters only"
    );
}

#[tokio::test]
async fn calls_start_one_after_the_other() {
    let app = App::serve(routes, no_socket).await;
    let carrier = Simulator::twilio(account().with_calls_per_second(5))
        .speed(20.0)
        .serve()
        .await
        .unwrap();
    let url = app.url("/say");
    let mut sids = vec![];
    for _ in 0..3 {
        sids.push(placed(&carrier, &[("Url", &url)]).await);
    }
    assert_eq!(fetched(&carrier, &sids[2]).await["status"], "queued");
    let begun = std::time::Instant::now();
    for sid in &sids {
        outcome(&carrier, sid).await;
    }
    assert!(
        begun.elapsed() > Duration::from_millis(250),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_time_limit_ends_the_call() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let sid = placed(
        &carrier,
        &[("Url", &app.url("/answer")), ("TimeLimit", "3")],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Carrier, "completed")
    );
    assert!(outcome.ok());
}
