//! The simulated Plivo: whole calls, and faults of the app that it finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use support::raw::{Ask, Told};
use support::{App, Reply, Seen, Socket, codes, next_json, no_socket, send_json};
use telephony_testkit::persona::plivo::UpgradeSignature;
use telephony_testkit::{
    EndedBy, OnDial, Operation, PlivoAccount, Script, SimulatedCall, SimulatedCarrier, Simulator,
    Speech,
};

const SECOND: Duration = Duration::from_secs(1);
const ID: &str = "MA00000000000000000001";
const TOKEN: &str = "a token for tests";
const STREAM: &str = r#"<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000" statusCallbackUrl="http://HOST/stream" extraHeaders="who=Ada,plan=gold">ws://HOST/media</Stream>"#;

fn account() -> PlivoAccount {
    PlivoAccount::new(ID, TOKEN).with_calls_per_second(1_000)
}

fn document(elements: &str, seen: &Seen) -> Reply {
    let elements = elements.replace("HOST", seen.host());
    Reply::xml(format!("<Response>{elements}</Response>"))
}

/// An app that answers with those elements.
async fn app(elements: &'static str) -> App {
    let routes = move |seen: &Seen| match seen.path.as_str() {
        "/call" => document(elements, seen),
        "/next" => document("<Speak>Next</Speak>", seen),
        "/media" => Reply::switch(),
        _ => Reply::status(200),
    };
    App::serve(routes, echo).await
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::plivo(account())
        .answer_url(app.url("/call"))
        .status_url(app.url("/status"))
        .speed(4.0)
}

/// Returns every frame at once.
async fn echo(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "media" {
            let payload = &message["media"]["payload"];
            let media =
                json!({"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": payload});
            send_json(&mut socket, json!({"event": "playAudio", "media": media})).await;
        }
    }
}

fn tone(millis: u64) -> Speech {
    Speech::tone(440.0, Duration::from_millis(millis))
}

fn is_signed(seen: &Seen, signed: &str) -> bool {
    let nonce = seen.header("x-plivo-signature-v3-nonce");
    let mac = Hmac::<sha2::Sha256>::new_from_slice(TOKEN.as_bytes()).unwrap();
    let tag = mac.chain_update(format!("{signed}.{nonce}")).finalize();
    let ours = STANDARD.encode(tag.into_bytes());
    let mut given = seen.header("x-plivo-signature-v3").split(',');
    given.any(|signature| signature == ours)
}

#[tokio::test]
async fn a_call_streams_and_its_end_is_told() {
    let app = app(STREAM).await;
    let script = Script::new().speak(tone(400)).silence(SECOND / 4).hang_up();
    let outcome = simulated(&app).script(script).call().await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    assert_eq!(outcome.ended_by, EndedBy::Caller);
    assert!(outcome.stream().unwrap().to_app.frames > 10);

    let asked = &app.seen_at("/call")[0];
    assert_eq!(
        (asked.param("Event"), asked.param("Direction")),
        ("StartApp".into(), "inbound".into())
    );
    assert_eq!(asked.param("From"), "14155550100", "numbers carry no +");
    let mut form = asked.form();
    form.sort();
    let form: String = form
        .iter()
        .map(|(name, value)| format!("{name}{value}"))
        .collect();
    assert!(is_signed(asked, &format!("{}?{form}", app.url("/call"))));

    let upgrade = &app.seen_at("/media")[0];
    assert!(is_signed(upgrade, &app.url("/media")), "over http");
    let events: Vec<_> = app
        .seen_at("/stream")
        .iter()
        .map(|seen| seen.param("Event"))
        .collect();
    assert_eq!(events, ["StartStream", "StopStream"]);
    let over = &app.seen_at("/status");
    assert_eq!(over.len(), 1, "only the end is told");
    assert_eq!(
        (over[0].param("Event"), over[0].param("CallStatus")),
        ("Hangup".into(), "completed".into())
    );
}

#[tokio::test]
async fn the_next_element_runs_when_the_stream_is_over_or_nothing_was_keyed_in() {
    for (elements, script) in [
        (STREAM, Script::new().silence(SECOND / 2)),
        (
            r#"<GetDigits action="http://HOST/wrong" timeout="1"/>"#,
            Script::new(),
        ),
    ] {
        let elements = format!(r#"{elements}<Redirect method="POST">http://HOST/next</Redirect>"#);
        let routes = {
            let elements = elements.clone();
            move |seen: &Seen| match seen.path.as_str() {
                "/call" => document(&elements, seen),
                "/next" => document("<Speak>Next</Speak>", seen),
                "/media" => Reply::switch(),
                _ => Reply::status(200),
            }
        };
        let app = App::serve(routes, |mut socket: Socket, _| async move {
            let _ = socket.close(None).await;
        })
        .await;
        let script = script.wait_for_hang_up(5 * SECOND);
        let outcome = simulated(&app).script(script).call().await;
        assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
        assert_eq!(app.seen_at("/next").len(), 1, "{elements}");
        assert!(app.seen_at("/wrong").is_empty());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_told() {
    for (elements, code) in [
        (
            "<Stream keepCallAlive=\"true\">ws://HOST/media</Stream>",
            "one-way-stream",
        ),
        (
            "<Stream bidirectional=\"true\">ws://HOST/media</Stream>",
            "keep-call-alive",
        ),
        (
            "<Stream bidirectional=\"true\" keepCallAlive=\"true\">ws://HOST/media</Stream>",
            "content-type",
        ),
        ("<Say>Hello</Say>", "unknown-element"),
        ("<Reject/>", "8011"),
        ("<Redirect>/next</Redirect>", "relative-url"),
        ("<Dial/>", "nobody-to-dial"),
        ("<Speak>Hello</Speak><Hangup reason=\"busy\"/>", "reason"),
        (
            "<GetInput inputType=\"keys\" action=\"http://HOST/next\"/>",
            "input-type",
        ),
        ("<Record/>", "not-simulated"),
    ] {
        let app = app(elements).await;
        let script = Script::new().wait_for_hang_up(5 * SECOND);
        let outcome = simulated(&app).speed(20.0).script(script).call().await;
        assert!(
            codes(&outcome).contains(&code),
            "{elements}: {:?}",
            codes(&outcome)
        );
    }
    let down = App::serve(|_| Reply::status(500), no_socket).await;
    let outcome = simulated(&down).call().await;
    assert_eq!(codes(&outcome)[0], "7011");
}

#[tokio::test]
async fn an_upgrade_may_come_without_a_signature() {
    let app = app(STREAM).await;
    let account = account().with_upgrade_signature(UpgradeSignature::Missing);
    let script = Script::new().silence(SECOND / 4).hang_up();
    let call = Simulator::plivo(account).answer_url(app.url("/call"));
    call.script(script).call().await;
    assert_eq!(app.seen_at("/media")[0].header("x-plivo-signature-v3"), "");
}

// The REST API.

async fn carrier(on_dial: OnDial) -> SimulatedCarrier {
    let call = Simulator::plivo(account()).speed(20.0).on_dial(on_dial);
    let script = Script::new().wait_for_hang_up(10 * SECOND);
    call.script(script).serve().await.unwrap()
}

async fn ask(carrier: &SimulatedCarrier, method: &str, path: &str, body: Value) -> Told {
    let path = format!("/v1/Account/{ID}/{path}");
    let ask = Ask::new(method, carrier.base_url(), &path).basic(ID, TOKEN);
    match body {
        Value::Null => ask.told().await,
        body => ask.json(&body).told().await,
    }
}

async fn place(carrier: &SimulatedCarrier, app: &App) -> String {
    let body = json!({
        "from": "14155550100", "to": "14155550199", "answer_url": app.url("/call"),
        "hangup_url": app.url("/status"), "ring_url": app.url("/ring"), "ring_timeout": 20,
    });
    let told = ask(carrier, "POST", "Call/", body).await;
    assert_eq!(told.status, 201, "{}", told.text());
    assert_eq!(told.json()["message"], "call fired");
    told.json()["request_uuid"].as_str().unwrap().to_owned()
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(10 * SECOND, waiting).await.unwrap();
}

#[tokio::test]
async fn a_transfer_waits_for_the_end_of_the_stream() {
    let after = SECOND / 10;
    let app = app(STREAM).await;
    let carrier = carrier(OnDial::Answer { after }).await;
    let id = place(&carrier, &app).await;
    until(|| !app.seen_at("/media").is_empty()).await;
    tokio::time::sleep(SECOND / 10).await;
    let to = json!({"legs": "aleg", "aleg_url": app.url("/next")});
    let told = ask(&carrier, "POST", &format!("Call/{id}/"), to).await;
    assert_eq!(told.status, 202, "{}", told.text());
    tokio::time::sleep(SECOND / 5).await;
    assert!(app.seen_at("/next").is_empty(), "the stream is still up");
    assert_eq!(
        ask(&carrier, "DELETE", &format!("Call/{id}/"), Value::Null)
            .await
            .status,
        204
    );
    let outcome = carrier.outcome(&id).await.unwrap();
    assert_eq!(outcome.ended_by, EndedBy::App);
    assert_eq!(app.seen_at("/ring")[0].param("CallStatus"), "ringing");
    assert_eq!(app.seen_at("/status")[0].param("CallUUID"), id);
}

#[tokio::test]
async fn what_is_gone_or_wrong_is_refused() {
    let app = app("<Hangup/>").await;
    let carrier = carrier(OnDial::Busy).await;
    let id = place(&carrier, &app).await;
    carrier.outcome(&id).await.unwrap();
    assert_eq!(app.seen_at("/status")[0].param("CallStatus"), "busy");
    for (method, path, body) in [
        ("DELETE", format!("Call/{id}/"), Value::Null),
        ("DELETE", format!("Request/{id}/"), Value::Null),
        (
            "POST",
            format!("Call/{id}/"),
            json!({"aleg_url": app.url("/next")}),
        ),
        ("POST", format!("Call/{id}/DTMF/"), json!({"digits": "1"})),
        ("DELETE", "Call/nobody/".to_owned(), Value::Null),
        ("DELETE", format!("Call/{id}"), Value::Null),
    ] {
        let told = ask(&carrier, method, &path, body).await;
        assert_eq!(told.status, 404, "{method} {path}");
    }
    for body in [
        json!([]),
        json!({"to": "1", "from": "2"}),
        json!({"from": "1", "answer_url": "http://x"}),
        json!({"to": "1", "from": "2", "answer_url": "http://x", "time_limit": "soon"}),
    ] {
        assert_eq!(ask(&carrier, "POST", "Call/", body).await.status, 400);
    }
    let path = format!("/v1/Account/{ID}/Call/");
    let stranger = Ask::new("POST", carrier.base_url(), &path).basic(ID, "guessed");
    assert_eq!(stranger.told().await.status, 401);
    let plus = json!({"from": "+14155550100", "to": "14155550199", "answer_url": app.url("/call")});
    ask(&carrier, "POST", "Call/", plus).await;
    let told: Vec<_> = carrier
        .complaints()
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert!(told.contains(&"plus-in-number".into()), "{told:?}");
    assert!(carrier.requests_for(Operation::PlaceCall).len() > 5);
}

#[tokio::test]
async fn a_call_that_waits_is_a_request_and_no_call() {
    let app = app("<Hangup/>").await;
    let account = account().with_calls_per_second(1);
    let carrier = Simulator::plivo(account).speed(20.0).serve().await.unwrap();
    place(&carrier, &app).await;
    let waits = place(&carrier, &app).await;
    assert_eq!(
        ask(&carrier, "DELETE", &format!("Call/{waits}/"), Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        ask(
            &carrier,
            "DELETE",
            &format!("Request/{waits}/"),
            Value::Null
        )
        .await
        .status,
        204
    );
    carrier.outcome(&waits).await.unwrap();
    let ends = || {
        app.seen_at("/status")
            .iter()
            .any(|seen| seen.param("CallStatus") == "cancel")
    };
    until(ends).await;
}

/// What REST tells of a call there, and its status.
async fn told(carrier: &SimulatedCarrier, id: &str, query: &str) -> (u16, Value) {
    let told = ask(carrier, "GET", &format!("Call/{id}/{query}"), Value::Null).await;
    (told.status, told.json())
}

const PLACES: [&str; 3] = ["?status=queued", "?status=live", ""];

/// A call is in one place at a time, and its word there.
async fn place_of(carrier: &SimulatedCarrier, id: &str) -> Option<(&'static str, Value)> {
    let mut found = None;
    for query in PLACES {
        match told(carrier, id, query).await {
            (404, body) => assert!(body["error"].is_string(), "{body}"),
            (200, body) => {
                assert_eq!(body["call_uuid"], id);
                assert!(body["api_id"].is_string());
                assert!(found.is_none(), "it is in two places: {body}");
                found = Some((query, body));
            }
            (status, body) => panic!("{status}: {body}"),
        }
    }
    found
}

#[tokio::test]
async fn a_call_is_told_of_while_it_waits_and_is_up() {
    let app = app(STREAM).await;
    let account = account().with_calls_per_second(1);
    let after = SECOND / 10;
    let script = Script::new().wait_for_hang_up(10 * SECOND);
    let carrier = Simulator::plivo(account)
        .on_dial(OnDial::Answer { after })
        .script(script)
        .serve()
        .await
        .unwrap();
    let first = place(&carrier, &app).await;
    let second = place(&carrier, &app).await;
    let (place, body) = place_of(&carrier, &second).await.unwrap();
    assert_eq!(
        (place, &body["call_status"]),
        ("?status=queued", &json!("queued"))
    );
    until(|| !app.seen_at("/media").is_empty()).await;
    let (place, body) = place_of(&carrier, &first).await.unwrap();
    assert_eq!(place, "?status=live");
    assert_eq!(
        (&body["call_status"], &body["direction"], &body["to"]),
        (
            &json!("in-progress"),
            &json!("outbound"),
            &json!("14155550199")
        )
    );
    assert_eq!(place_of(&carrier, "nobody").await, None);
    assert_eq!(told(&carrier, &first, "?status=over").await.0, 400);
}

#[tokio::test]
async fn the_record_of_a_call_says_how_it_ended() {
    let answer = OnDial::Answer { after: SECOND / 10 };
    for (elements, on_dial, code, cause, source) in [
        ("<Hangup/>", answer, 4000, "Normal Hangup", "Answer XML"),
        (
            "<Speak>Hello</Speak>",
            answer,
            4010,
            "End Of XML Instructions",
            "Answer XML",
        ),
        ("<Hangup/>", OnDial::Busy, 3010, "Busy Line", "Callee"),
        (
            "<Hangup/>",
            OnDial::Failed,
            2000,
            "Invalid Destination Address",
            "Plivo",
        ),
        (
            "<Hangup/>",
            OnDial::NoAnswer,
            6010,
            "Ring Timeout Reached",
            "Plivo",
        ),
    ] {
        let app = app(elements).await;
        let carrier = carrier(on_dial).await;
        let id = place(&carrier, &app).await;
        carrier.outcome(&id).await.unwrap();
        let (place, body) = place_of(&carrier, &id).await.unwrap();
        assert_eq!(place, "");
        assert_eq!(
            (
                &body["hangup_cause_code"],
                &body["hangup_cause_name"],
                &body["hangup_source"]
            ),
            (&json!(code), &json!(cause), &json!(source))
        );
        assert_eq!(body["answer_time"].is_null(), on_dial != answer, "{cause}");
        assert!(body["end_time"].as_str().unwrap().ends_with("+05:30"));
        let said = &app.seen_at("/status")[0];
        assert_eq!(
            (said.param("HangupCauseCode"), said.param("HangupCauseName")),
            (code.to_string(), cause.to_owned()),
            "the callback says the same"
        );
    }
}

#[tokio::test]
async fn a_record_may_take_its_time() {
    let app = app("<Hangup/>").await;
    let account = account().with_record_delay(3_600 * SECOND);
    let carrier = Simulator::plivo(account).speed(20.0).on_dial(OnDial::Busy);
    let carrier = carrier.serve().await.unwrap();
    let id = place(&carrier, &app).await;
    carrier.outcome(&id).await.unwrap();
    assert_eq!(place_of(&carrier, &id).await, None);
}
