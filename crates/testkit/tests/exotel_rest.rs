//! The simulated Exotel places calls for the app in all three modes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::{Value, json};
use support::raw::{Ask, Told};
use support::{App, Reply, Seen, Socket, codes, next_json, no_socket};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{
    DialResult, EndedBy, ExotelAccount, Fault, OnDial, Operation, Outcome, Script,
    SimulatedCarrier, Simulator, Speech,
};

const SECOND: Duration = Duration::from_secs(1);
const CONNECT: &str = "/v1/Accounts/exampleacct1/Calls/connect.json";
const FLOW: &str = "http://my.exotel.com/exampleacct1/exoml/start_voice/926";
const CUSTOMER: &str = "+919990000105";
const EXOPHONE: &str = "08040000003";

fn account() -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_api_key("a key", "a token")
}

async fn serve(account: ExotelAccount) -> SimulatedCarrier {
    Simulator::exotel(account)
        .speed(20.0)
        .serve()
        .await
        .unwrap()
}

async fn carrier() -> SimulatedCarrier {
    serve(account()).await
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
        "/media" => Reply::switch(),
        _ => Reply::status(200),
    }
}

async fn listen(mut socket: Socket, _: Seen) {
    while next_json(&mut socket).await.is_some() {}
}

/// Hears the start, then closes.
async fn greet(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "start" {
            break;
        }
    }
    let _ = socket.close(None).await;
    let _ = socket.flush().await;
    while next_json(&mut socket).await.is_some() {}
}

fn ask(carrier: &SimulatedCarrier, method: &str, path: &str) -> Ask {
    Ask::new(method, carrier.base_url(), path).basic("a key", "a token")
}

async fn place(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> Told {
    let mut form = vec![("From", CUSTOMER), ("CallerId", EXOPHONE)];
    form.extend_from_slice(more);
    ask(carrier, "POST", CONNECT).form(&form).told().await
}

async fn placed(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> String {
    let told = place(carrier, more).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json()["Call"]["Sid"].as_str().unwrap().to_owned()
}

async fn outcome(carrier: &SimulatedCarrier, sid: &str) -> Outcome {
    carrier.outcome(sid).await.unwrap()
}

async fn fetched(carrier: &SimulatedCarrier, sid: &str) -> Value {
    let path = format!("/v1/Accounts/exampleacct1/Calls/{sid}.json?details=true");
    ask(carrier, "GET", &path).told().await.json()["Call"].clone()
}

fn clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}

fn stream_url(app: &App) -> String {
    app.url("/media?sample-rate=8000&who=Ada")
        .replace("http://", "ws://")
}

fn exception(told: &Told) -> (u16, u64) {
    let status = told.json()["RestException"]["Status"].as_u64().unwrap();
    assert!(told.json()["RestException"]["Message"].is_string());
    (told.status, status)
}

// The three modes.

#[tokio::test]
async fn a_call_is_connected_to_a_stream() {
    let app = App::serve(routes, greet).await;
    let carrier = carrier().await;
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let told = place(
        &carrier,
        &[
            ("StreamUrl", &stream_url(&app)),
            ("StreamType", "bidirectional"),
            ("CustomField", "order 7"),
            ("StatusCallback", &app.url("/status?key=secret")),
            ("StatusCallbackEvents[0]", "ringing"),
            ("StatusCallbackEvents[1]", "answered"),
            ("StatusCallbackEvents[]", "terminal"),
            ("StatusCallbackContentType", "application/json"),
        ],
    )
    .await;
    let call = told.json()["Call"].clone();
    assert_eq!(told.status, 200, "{call}");
    assert_eq!(
        (&call["Status"], &call["Direction"], &call["EndTime"]),
        (&json!("in-progress"), &json!("outbound-api"), &Value::Null)
    );
    assert_eq!(
        (&call["From"], &call["To"], &call["PhoneNumberSid"]),
        (&json!("09990000105"), &json!(EXOPHONE), &json!(EXOPHONE))
    );
    let sid = call["Sid"].as_str().unwrap();
    assert_eq!(sid.len(), 32);
    let outcome = outcome(&carrier, sid).await;
    clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert!(outcome.webhooks.is_empty(), "there is no flow");
    let told = app.seen_at("/status");
    let told: Vec<Value> = told.iter().map(Seen::json).collect();
    let events: Vec<_> = told
        .iter()
        .map(|event| event["EventType"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["ringing", "answered", "terminal"]);
    let last = &told[2];
    assert_eq!(
        (&last["CallSid"], &last["Status"]),
        (&json!(sid), &json!("completed"))
    );
    assert_eq!(
        (&last["CustomField"], &last["Direction"]),
        (&json!("order 7"), &json!("outbound-api"))
    );
    assert_eq!(last["Legs"][0]["AnsweredBy"], "Human");
    assert_eq!(app.seen_at("/status")[0].query, "key=secret");
    assert_eq!(
        app.seen_at("/media")[0].query,
        "",
        "the query stays at home"
    );

    let call = fetched(&carrier, sid).await;
    assert_eq!(
        (&call["Status"], &call["Details"]["Leg1Status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert!(
        call["Duration"].is_string() && call["Price"].is_string(),
        "{call}"
    );
}

#[tokio::test]
async fn a_call_runs_through_a_flow() {
    let app = App::serve(routes, greet).await;
    let flow = [
        Applet::Voicebot,
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ];
    let carrier = Simulator::exotel(account().with_flow(flow))
        .answer_url(app.url("/call"))
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .serve()
        .await
        .unwrap();
    let sid = placed(
        &carrier,
        &[
            ("Url", FLOW),
            ("CallType", "trans"),
            ("CustomField", "42"),
            ("StatusCallback", &app.url("/status")),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    clean(&outcome);
    let asked = &app.seen_at("/call")[0];
    assert_eq!(asked.param("CallSid"), sid);
    assert_eq!(
        (
            asked.param("From"),
            asked.param("CallFrom"),
            asked.param("CallTo")
        ),
        ("09990000105".into(), EXOPHONE.into(), "09990000105".into())
    );
    let passed = &app.seen_at("/passthru")[0];
    assert_eq!(passed.param("CustomField"), "42");
    assert_eq!(passed.param("Direction"), "outbound-dial");
    assert_eq!(passed.param("Stream[DisconnectedBy]"), "bot");
    // Without chosen events, a form with four fields comes at the end.
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert!(
        status[0]
            .header("content-type")
            .starts_with("multipart/form-data")
    );
    let body = String::from_utf8(status[0].body.to_vec()).unwrap();
    assert!(body.contains("\"Status\"\r\n\r\ncompleted") && !body.contains("EventType"));
}

#[tokio::test]
async fn foreign_flows_fail() {
    let carrier = carrier().await;
    for url in [
        "https://voice.example.com/answer",
        "http://my.exotel.com/another1/exoml/start_voice/926",
        "http://my.exotel.com/exampleacct1/exoml/start_voice/",
    ] {
        let sid = placed(&carrier, &[("Url", url)]).await;
        let outcome = outcome(&carrier, &sid).await;
        assert_eq!(
            (outcome.status.as_str(), codes(&outcome)),
            ("failed", vec!["flow-url"]),
            "{url}"
        );
    }
}

#[tokio::test]
async fn two_numbers_are_connected() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let more = [
        ("To", "+919990000106"),
        ("StatusCallback", &app.url("/status")),
        ("StatusCallbackEvents[]", "terminal"),
        ("StatusCallbackContentType", "application/json"),
    ];
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    for (result, second) in [
        (DialResult::Completed(2 * SECOND), "completed"),
        (DialResult::Busy, "busy"),
    ] {
        carrier.set(|call| call.dial_result(result));
        let sid = placed(&carrier, &more).await;
        let outcome = outcome(&carrier, &sid).await;
        clean(&outcome);
        assert_eq!(outcome.ended_by, EndedBy::Document);
        let last = app.seen_at("/status").pop().unwrap().json();
        assert_eq!(
            (&last["Status"], &last["Legs"][1]["Status"]),
            (&json!("completed"), &json!(second))
        );
        assert_eq!(last["To"], "09990000106");
    }
}

#[tokio::test]
async fn nobody_may_answer() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    for (on_dial, expected) in [
        (OnDial::Busy, "busy"),
        (OnDial::NoAnswer, "no-answer"),
        (OnDial::Answer { after: 20 * SECOND }, "no-answer"),
        (OnDial::Failed, "failed"),
    ] {
        carrier.set(|call| call.on_dial(on_dial));
        let path = format!("/status/{expected}");
        let url = app.url(&path);
        let more = [("Url", FLOW), ("TimeOut", "5"), ("StatusCallback", &url)];
        let sid = placed(&carrier, &more).await;
        assert_eq!(
            fetched(&carrier, &sid).await["Status"],
            "in-progress",
            "that is no answer"
        );
        let outcome = outcome(&carrier, &sid).await;
        assert!(!outcome.answered);
        assert_eq!(outcome.status, expected);
        assert_eq!(fetched(&carrier, &sid).await["Status"], expected);
        assert!(!app.seen_at(&path).is_empty());
    }
}

#[tokio::test]
async fn machines_answer_and_limits_end_calls() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.on_dial(OnDial::Machine { after: SECOND })
            .script(Script::new().wait_for_hang_up(10 * SECOND))
    });
    let sid = placed(
        &carrier,
        &[
            ("StreamUrl", &stream_url(&app)),
            ("StreamType", "bidirectional"),
            ("TimeLimit", "3"),
            ("Record", "true"),
            ("StatusCallback", &app.url("/status")),
            ("StatusCallbackEvents[]", "terminal"),
            ("StatusCallbackContentType", "application/json"),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
    let last = app.seen_at("/status")[0].json();
    assert_eq!(last["Legs"][0]["AnsweredBy"], "Machine");
    let url = last["RecordingUrl"].as_str().unwrap();
    let path = url.strip_prefix(carrier.base_url()).unwrap();
    let told = ask(&carrier, "GET", path).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "audio/mpeg")
    );
    assert_eq!(
        Ask::new("GET", carrier.base_url(), path)
            .told()
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_callee_hangs_up() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.script(
            Script::new()
                .speak(Speech::tone(440.0, Duration::from_millis(300)))
                .hang_up(),
        )
    });
    let more = [
        ("StreamUrl", &*stream_url(&app)),
        ("StreamType", "bidirectional"),
    ];
    let sid = placed(&carrier, &more).await;
    let outcome = outcome(&carrier, &sid).await;
    clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Callee, "completed")
    );
    assert!(outcome.stream().unwrap().to_app.frames > 0);
}

// Who may, and what may be asked.

#[tokio::test]
async fn credentials_are_checked() {
    let carrier = carrier().await;
    for (user, password) in [
        ("a key", "wrong"),
        ("another key", "a token"),
        ("exampleacct1", "a token"),
    ] {
        let told = Ask::new("POST", carrier.base_url(), CONNECT)
            .basic(user, password)
            .form(&[])
            .told()
            .await;
        assert_eq!(exception(&told), (401, 401));
    }
    let told = Ask::new("POST", carrier.base_url(), CONNECT)
        .form(&[])
        .told()
        .await;
    assert_eq!(exception(&told), (401, 401));
    let other = CONNECT.replace("exampleacct1", "another1");
    assert_eq!(
        exception(&ask(&carrier, "POST", &other).form(&[]).told().await),
        (404, 404)
    );
    let lower = CONNECT.replace("Calls", "calls");
    assert_eq!(
        exception(&ask(&carrier, "POST", &lower).form(&[]).told().await),
        (404, 404)
    );
    // An account without a key has no API.
    let closed = serve(ExotelAccount::new("exampleacct1")).await;
    assert_eq!(
        exception(&ask(&closed, "POST", CONNECT).form(&[]).told().await),
        (401, 401)
    );
}

#[tokio::test]
async fn parameters_are_checked() {
    let carrier = serve(
        account()
            .with_number("+918040000003")
            .without_direct_streams(),
    )
    .await;
    let good = [("From", CUSTOMER), ("CallerId", EXOPHONE), ("Url", FLOW)];
    let (long_url, long_field) = (
        format!("wss://a.example/{}", "x".repeat(600)),
        "x".repeat(129),
    );
    let stream = "wss://voice.example.com/media";
    for (changes, status) in [
        (vec![("From", "")], 400),
        (vec![("From", "ada")], 400),
        (vec![("CallerId", "")], 400),
        (vec![("CallerId", "08040000004")], 400),
        (vec![("Url", "")], 400),
        (vec![("StreamUrl", stream)], 400),
        (vec![("Url", ""), ("StreamUrl", stream)], 400),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", stream),
                ("StreamType", "bidirectional"),
            ],
            403,
        ),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", "https://a.example/"),
                ("StreamType", "bidirectional"),
            ],
            400,
        ),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", &long_url),
                ("StreamType", "bidirectional"),
            ],
            400,
        ),
        (vec![("CustomField", &long_field)], 400),
        (vec![("TimeLimit", "14401")], 400),
        (vec![("TimeOut", "soon")], 400),
        (vec![("Record", "yes")], 400),
        (vec![("CallType", "promo")], 400),
        (vec![("StatusCallback", "/status")], 400),
        (vec![("StatusCallbackContentType", "text/xml")], 400),
    ] {
        let changed = |name: &str| changes.iter().any(|(known, _)| *known == name);
        let mut form: Vec<_> = good
            .iter()
            .filter(|(name, _)| !changed(name))
            .copied()
            .collect();
        form.extend(&changes);
        let told = ask(&carrier, "POST", CONNECT).form(&form).told().await;
        assert_eq!(exception(&told), (status, u64::from(status)), "{changes:?}");
    }
    let told = ask(&carrier, "POST", CONNECT)
        .json(&json!({"From": CUSTOMER}))
        .told()
        .await;
    assert_eq!(exception(&told), (400, 400));
    assert!(carrier.calls().is_empty());
    let more = [
        ("Url", FLOW),
        ("from", "x"),
        ("StatusCallbackEvents[]", "ringing"),
    ];
    placed(&carrier, &more).await;
    let complaints = carrier.complaints();
    let codes: Vec<_> = complaints
        .iter()
        .map(|finding| finding.code.as_ref())
        .collect();
    assert_eq!(codes, ["not-a-form", "unknown-event", "unknown-parameter"]);
}

#[tokio::test]
async fn a_multipart_form_will_do_and_xml_is_the_default() {
    let carrier = carrier().await;
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = [
        part("From", CUSTOMER),
        part("CallerId", EXOPHONE),
        part("Url", FLOW),
        "--b--\r\n".into(),
    ];
    let told = ask(&carrier, "POST", CONNECT.trim_end_matches(".json"))
        .body("multipart/form-data; boundary=b", body.concat())
        .told()
        .await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "application/xml")
    );
    let text = told.text();
    assert!(
        text.contains("<TwilioResponse>") && text.contains("<Status>in-progress</Status>"),
        "{text}"
    );
    let sid = carrier.calls().pop().unwrap();
    assert!(text.contains(&format!("<Sid>{sid}</Sid>")));
    let told = ask(&carrier, "POST", CONNECT.trim_end_matches(".json"))
        .form(&[])
        .told()
        .await;
    assert!(
        told.status == 400 && told.text().contains("<RestException>"),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let carrier = serve(account().with_requests_per_minute(2)).await;
    assert_eq!(place(&carrier, &[("Url", FLOW)]).await.status, 200);
    assert_eq!(place(&carrier, &[("Url", FLOW)]).await.status, 200);
    let told = place(&carrier, &[("Url", FLOW)]).await;
    assert_eq!(exception(&told), (429, 429));
    assert_eq!(told.json()["RestException"]["Code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(account().requests_per_minute, 200);
}

#[tokio::test]
async fn calls_are_listed() {
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::Busy));
    let mut sids = vec![];
    for _ in 0..3 {
        let sid = placed(&carrier, &[("Url", FLOW)]).await;
        outcome(&carrier, &sid).await;
        sids.push(sid);
    }
    let list = async |query: &str| {
        let path = format!("/v1/Accounts/exampleacct1/Calls.json{query}");
        ask(&carrier, "GET", &path).told().await
    };
    let page = list("?PageSize=2&From=%2B919990000105&Status=busy&DateCreated=gte:2020-01-01")
        .await
        .json();
    assert_eq!(page["Metadata"]["Total"], 3);
    assert_eq!(page["Calls"][0]["Sid"], sids[2]);
    let next = page["Metadata"]["NextPageUri"].as_str().unwrap();
    let page = ask(&carrier, "GET", next).told().await.json();
    assert_eq!(
        (&page["Calls"][0]["Sid"], &page["Metadata"]["NextPageUri"]),
        (&json!(sids[0]), &Value::Null)
    );
    let page = list(&format!("?Sid={},{}", sids[0], sids[1])).await.json();
    assert_eq!(page["Metadata"]["Total"], 2);
    assert_eq!(
        list("?Status=completed").await.json()["Metadata"]["Total"],
        0
    );
    assert_eq!(exception(&list("?PageSize=101").await), (400, 400));
    let path = "/v1/Accounts/exampleacct1/Calls/nobody.json";
    assert_eq!(
        exception(&ask(&carrier, "GET", path).told().await),
        (404, 404)
    );
    let told = ask(&carrier, "GET", "/v1/Accounts/exampleacct1/ActiveStreams")
        .told()
        .await;
    assert!(
        told.text()
            .contains("<ActiveStreamCount>0</ActiveStreamCount>"),
        "{}",
        told.text()
    );
}

// Faults.

#[tokio::test]
async fn refusals_have_the_carriers_words() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::Busy));
    let more = [("Url", FLOW), ("StatusCallback", &*app.url("/status"))];
    for status in [400, 401, 402, 403, 404, 429, 500, 503] {
        carrier.inject(Fault::status(status));
        assert_eq!(
            exception(&place(&carrier, &more).await),
            (status, u64::from(status))
        );
    }
    carrier.inject(Fault::status(403));
    let told = place(&carrier, &more).await;
    assert!(told.text().contains("TRAI NDNC"));
    carrier.inject(Fault::too_many_requests(Some(30 * SECOND)).on(Operation::PlaceCall));
    assert_eq!(place(&carrier, &more).await.header("retry-after"), "30");
    // Success that is none.
    carrier.inject(Fault::body(
        200,
        "application/json",
        r#"{"RestException":{"Status":400}}"#,
    ));
    assert_eq!(place(&carrier, &more).await.status, 200);
    carrier.inject(Fault::redirect("http://127.0.0.1:1/"));
    assert_eq!(place(&carrier, &more).await.status, 307);
    let mut form = vec![("From", CUSTOMER), ("CallerId", EXOPHONE)];
    form.extend_from_slice(&more);
    let asked = ask(&carrier, "POST", CONNECT).form(&form);
    carrier.inject(Fault::close_before());
    assert!(asked.clone().send().await.is_none());
    assert!(carrier.calls().is_empty());
    carrier.inject(Fault::close_after());
    assert!(asked.send().await.is_none());
    let sids = carrier.placed(1, SECOND).await;
    assert_eq!(outcome(&carrier, &sids[0]).await.status, "busy");
    let before = app.seen_at("/status").len();
    carrier.inject(Fault::after_first_callback());
    place(&carrier, &more).await;
    assert!(app.seen_at("/status").len() > before);
    carrier.inject(Fault::slow(Duration::from_millis(200)));
    assert!(place(&carrier, &more).await.took >= Duration::from_millis(200));
    carrier.inject(Fault::garbage());
    let told = place(&carrier, &more).await;
    assert_eq!((told.status, told.json()), (200, Value::Null));
    assert_eq!(carrier.calls().len(), 4);
}

#[tokio::test]
async fn secrets_and_numbers_are_not_shown() {
    let carrier = carrier().await;
    placed(&carrier, &[("Url", FLOW)]).await;
    let shown = format!("{carrier:?} {:?} {:?}", carrier.requests(), account());
    for secret in ["a token", "a key", "9990000105", "exampleacct1", EXOPHONE] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
