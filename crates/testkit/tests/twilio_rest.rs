//! The simulated Twilio places calls for the app and lets it steer them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::raw::{Ask, Told};
use support::{App, Reply, Seen, Socket, codes, next_json, no_socket};
use telephony_testkit::persona::twilio::GoneCall;
use telephony_testkit::{
    EndedBy, Fault, OnDial, Operation, Outcome, Script, SimulatedCall, SimulatedCarrier, Simulator,
    Speech, TwilioAccount,
};

const SECOND: Duration = Duration::from_secs(1);
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "a token for tests";
const CALLS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json";

fn account() -> TwilioAccount {
    TwilioAccount::new(ACCOUNT, TOKEN).with_calls_per_second(1_000)
}

fn pattern() -> SimulatedCall {
    Simulator::twilio(account()).speed(20.0)
}

async fn carrier() -> SimulatedCarrier {
    pattern().serve().await.unwrap()
}

fn stream_twiml(seen_host: &str) -> String {
    format!(
        r#"<Response><Connect><Stream url="ws://{seen_host}/media"/></Connect><Hangup/></Response>"#
    )
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/answer" => Reply::xml(stream_twiml(seen.host())),
        path if path.starts_with("/say") => Reply::xml("<Response><Say>Hello</Say></Response>"),
        "/media" => Reply::switch(),
        _ => Reply::status(204),
    }
}

/// Listens until the carrier says goodbye.
async fn listen(mut socket: Socket, _: Seen) {
    while next_json(&mut socket).await.is_some() {}
}

fn ask(carrier: &SimulatedCarrier, method: &str, path: &str) -> Ask {
    Ask::new(method, carrier.base_url(), path).basic(ACCOUNT, TOKEN)
}

/// The parameters of a call, and some more.
async fn place(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> Told {
    let mut form = vec![("To", "+14155550199"), ("From", "+14155550100")];
    form.extend_from_slice(more);
    ask(carrier, "POST", CALLS).form(&form).told().await
}

async fn placed(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> String {
    let told = place(carrier, more).await;
    assert_eq!(told.status, 201, "{}", told.text());
    told.json()["sid"].as_str().unwrap().to_owned()
}

fn call_path(sid: &str) -> String {
    CALLS.replace(".json", &format!("/{sid}.json"))
}

async fn update(carrier: &SimulatedCarrier, sid: &str, form: &[(&str, &str)]) -> Told {
    let path = call_path(sid);
    ask(carrier, "POST", &path).form(form).told().await
}

async fn fetched(carrier: &SimulatedCarrier, sid: &str) -> Value {
    ask(carrier, "GET", &call_path(sid)).told().await.json()
}

async fn outcome(carrier: &SimulatedCarrier, sid: &str) -> Outcome {
    carrier.outcome(sid).await.unwrap()
}

/// Waits until the call has this status.
async fn until(carrier: &SimulatedCarrier, sid: &str, status: &str) {
    for _ in 0..500 {
        if fetched(carrier, sid).await["status"] == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call never was {status}");
}

/// A call that lives until somebody ends it.
async fn live_call(carrier: &SimulatedCarrier, app: &App) -> String {
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let sid = placed(carrier, &[("Url", &app.url("/answer"))]).await;
    until(carrier, &sid, "in-progress").await;
    while app.seen_at("/media").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sid
}

fn error(told: &Told) -> (u16, u64) {
    let body = told.json();
    assert_eq!(body["status"], told.status, "{body}");
    assert_eq!(
        body["more_info"],
        format!("https://www.twilio.com/docs/errors/{}", body["code"])
    );
    (told.status, body["code"].as_u64().unwrap())
}

fn statuses(app: &App, path: &str) -> Vec<String> {
    app.seen_at(path)
        .iter()
        .map(|seen| seen.param("CallStatus"))
        .collect()
}

// The whole way.

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

// Who may, and what may be asked.

#[tokio::test]
async fn credentials_are_checked() {
    let carrier = Simulator::twilio(account().with_api_key("SK01", "a secret"))
        .serve()
        .await
        .unwrap();
    let form = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Twiml", "<Response/>"),
    ];
    let with = |user: &str, password: &str, path: &str| {
        Ask::new("POST", carrier.base_url(), path)
            .basic(user, password)
            .form(&form)
            .told()
    };
    assert_eq!(with(ACCOUNT, TOKEN, CALLS).await.status, 201);
    assert_eq!(with("SK01", "a secret", CALLS).await.status, 201);
    for (user, password) in [(ACCOUNT, "wrong"), ("SK01", TOKEN), ("SK02", "a secret")] {
        let told = with(user, password, CALLS).await;
        assert_eq!(error(&told), (401, 20003));
        assert!(told.header("www-authenticate").starts_with("Basic"));
    }
    let told = Ask::new("POST", carrier.base_url(), CALLS)
        .form(&form)
        .told()
        .await;
    assert_eq!(error(&told), (401, 20003));
    let other = CALLS.replace("0001/", "0002/");
    assert_eq!(error(&with(ACCOUNT, TOKEN, &other).await), (404, 20404));
    assert_eq!(carrier.calls().len(), 2);
}

#[tokio::test]
async fn parameters_are_checked() {
    let carrier = Simulator::twilio(account().with_number("+14155550100"))
        .serve()
        .await
        .unwrap();
    let url = "https://voice.example.com/answer";
    let long = "x".repeat(4_001);
    let good = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Url", url),
    ];
    for (name, value, code) in [
        ("To", "", 21201),
        ("To", "ada", 21211),
        ("From", "", 21213),
        ("From", "ada", 21212),
        ("From", "+14155550101", 21210),
        ("Url", "", 21205),
        ("Url", "/answer", 21205),
        ("Url", "https://a_b.example.com/", 21205),
        ("StatusCallback", "status", 21205),
        ("Method", "PUT", 21209),
        ("Timeout", "601", 21208),
        ("Timeout", "soon", 21208),
        ("Twiml", &long, 32018),
        ("SendDigits", "12x", 21206),
        ("MachineDetection", "Maybe", 21234),
        ("ApplicationSid", "AP1", 21218),
        ("RecordingChannels", "stereo", 20422),
    ] {
        let mut form: Vec<_> = good
            .iter()
            .filter(|(known, _)| *known != name)
            .copied()
            .collect();
        form.push((name, value));
        let told = ask(&carrier, "POST", CALLS).form(&form).told().await;
        assert_eq!(error(&told), (400, code), "{name}={value}");
    }
    let told = ask(&carrier, "POST", CALLS)
        .json(&json!({"To": "+14155550199"}))
        .told()
        .await;
    assert_eq!(error(&told), (400, 21201));
    assert_eq!(carrier.complaints()[0].code, "not-a-form");
    assert!(carrier.calls().is_empty());
    // Exactly 4,000 characters go.
    let twiml = format!("<Response><!--{}--></Response>", "x".repeat(4_000 - 28));
    assert_eq!(twiml.len(), 4_000);
    placed(&carrier, &[("Twiml", &twiml)]).await;
}

#[tokio::test]
async fn what_the_carrier_swallows_is_complained_of() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status) = (app.url("/say"), app.url("/status"));
    let base = [("Url", url.as_str()), ("StatusCallback", &status)];
    for (more, code) in [
        (
            [
                ("StatusCallbackEvent", "initiated,ringing"),
                ("Timeout", "5"),
            ],
            "21626",
        ),
        (
            [("StatusCallbackEvent[0]", "initiated"), ("Timeout", "5")],
            "21626",
        ),
        (
            [("AsyncAmd", "true"), ("MachineDetection", "Enable")],
            "21262",
        ),
        ([("statusCallback", "x"), ("Timeout", "5")], "20001"),
        ([("Twiml", "<Response/>"), ("Timeout", "5")], "32019"),
    ] {
        let before = app.seen_at("/status").len();
        let mut form = base.to_vec();
        form.extend(more);
        let sid = placed(&carrier, &form).await;
        let outcome = outcome(&carrier, &sid).await;
        assert!(codes(&outcome).contains(&code), "{:?}", codes(&outcome));
        let after = app.seen_at("/status").len();
        assert_eq!(after - before, usize::from(code != "21626"), "{code}");
    }
}

#[tokio::test]
async fn without_json_in_the_path_the_answer_is_xml() {
    let carrier = carrier().await;
    let path = CALLS.trim_end_matches(".json");
    let told = ask(&carrier, "POST", path).form(&[]).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (400, "application/xml")
    );
    assert!(
        told.text().contains("<RestException><Code>21201</Code>")
            || told.text().contains("<Code>21201</Code>")
    );
}

// Steering.

#[tokio::test]
async fn the_app_hangs_up() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("completed"))
    );
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    // Once more, and it is gone.
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(error(&told), (404, 20404));
    let told = update(
        &carrier,
        "CA00000000000000000000000000000009",
        &[("Status", "completed")],
    )
    .await;
    assert_eq!(error(&told), (404, 20404));
}

#[tokio::test]
async fn a_gone_call_may_also_be_in_the_wrong_state() {
    let carrier = Simulator::twilio(account().with_gone_call(GoneCall::NotInProgress))
        .serve()
        .await
        .unwrap();
    let sid = placed(&carrier, &[("Twiml", "<Response/>")]).await;
    outcome(&carrier, &sid).await;
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(error(&told), (400, 21220));
}

#[tokio::test]
async fn canceling_is_for_calls_that_nobody_has_answered() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let told = update(&carrier, &sid, &[("Status", "canceled")]).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("in-progress"))
    );
    update(&carrier, &sid, &[("Status", "completed")]).await;

    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let status = app.url("/status");
    let sid = placed(
        &carrier,
        &[("Twiml", "<Response/>"), ("StatusCallback", &status)],
    )
    .await;
    until(&carrier, &sid, "ringing").await;
    let told = update(&carrier, &sid, &[("Status", "canceled")]).await;
    assert_eq!(told.json()["status"], "canceled");
    assert_eq!(outcome(&carrier, &sid).await.status, "canceled");
    assert_eq!(statuses(&app, "/status"), ["canceled"]);
}

#[tokio::test]
async fn nobody_hears_of_a_call_that_never_left_the_queue() {
    let app = App::serve(routes, no_socket).await;
    let carrier = Simulator::twilio(account().with_calls_per_second(1))
        .serve()
        .await
        .unwrap();
    let (url, status) = (app.url("/say"), app.url("/status"));
    let first = placed(&carrier, &[("Url", &url)]).await;
    let second = placed(&carrier, &[("Url", &url), ("StatusCallback", &status)]).await;
    let told = update(&carrier, &second, &[("Status", "completed")]).await;
    assert_eq!(told.json()["status"], "canceled");
    assert_eq!(outcome(&carrier, &second).await.status, "canceled");
    assert!(app.seen_at("/status").is_empty());
    outcome(&carrier, &first).await;
}

#[tokio::test]
async fn a_live_call_gets_a_new_document() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    // The call is up a moment before its stream has begun, and only a stream that has begun is stopped.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let told = update(
        &carrier,
        &sid,
        &[("Url", &app.url("/say/new")), ("Method", "GET")],
    )
    .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("in-progress"))
    );
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(outcome.ended_by, EndedBy::Document);
    assert_eq!(app.seen_at("/say/new")[0].method, "GET");
    assert_eq!(outcome.stream().unwrap().closed_by_app, None);
    assert!(outcome.trace_lines().contains(r#"\"event\":\"stop\""#));
    let told = update(&carrier, &sid, &[("Twiml", "<Response/>")]).await;
    assert_eq!(error(&told), (400, 21220));
}

#[tokio::test]
async fn documents_and_keys_in_an_update() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let host = app.origin.strip_prefix("http://").unwrap();
    let again = stream_twiml(host).replace("<Response>", r#"<Response><Play digits="12#"/>"#);
    assert_eq!(
        update(&carrier, &sid, &[("Twiml", &again)]).await.status,
        200
    );
    while app.seen_at("/media").len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let both = [("Twiml", "<Response/>"), ("Url", "https://example.com/")];
    assert_eq!(error(&update(&carrier, &sid, &both).await), (400, 20422));
    // A status callback alone changes nothing.
    let status = app.url("/status");
    assert_eq!(
        update(&carrier, &sid, &[("StatusCallback", &status)])
            .await
            .status,
        200
    );
    let form = [
        ("Twiml", "<Response><Hangup/></Response>"),
        ("StatusCallback", &status),
    ];
    assert_eq!(update(&carrier, &sid, &form).await.status, 200);
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(
        (outcome.tones_heard.as_str(), outcome.streams.len()),
        ("12#", 2)
    );
    assert_eq!(statuses(&app, "/status"), ["completed"]);
}

#[tokio::test]
async fn an_interrupted_dial_still_asks_its_action() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/answer" => Reply::xml(
                r#"<Response><Dial action="/dialled"><Number>+14155550123</Number></Dial></Response>"#,
            ),
            "/dialled" => Reply::xml("<Response><Say>Never heard</Say></Response>"),
            _ => routes(seen),
        },
        no_socket,
    )
    .await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.dial_result(telephony_testkit::DialResult::Completed(600 * SECOND))
            .script(Script::new().wait_for_hang_up(10 * SECOND))
    });
    let sid = placed(&carrier, &[("Url", &app.url("/answer"))]).await;
    until(&carrier, &sid, "in-progress").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    update(&carrier, &sid, &[("Url", &app.url("/say"))]).await;
    let outcome = outcome(&carrier, &sid).await;
    let purposes: Vec<_> = outcome
        .webhooks
        .iter()
        .map(|asked| asked.purpose.as_str())
        .collect();
    assert_eq!(purposes, ["answer", "dial", "update"]);
    assert_eq!(outcome.documents.len(), 2);
}

#[tokio::test]
async fn a_call_that_came_in_can_be_steered_too() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let running = carrier
        .incoming()
        .answer_url(app.url("/answer"))
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .start();
    while app.seen_at("/media").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sid = running.handle().call_id().unwrap();
    let body = fetched(&carrier, &sid).await;
    assert_eq!(
        (&body["direction"], &body["status"]),
        (&json!("inbound"), &json!("in-progress"))
    );
    assert_eq!(
        update(&carrier, &sid, &[("Status", "completed")])
            .await
            .status,
        200
    );
    let outcome = running.outcome().await;
    assert_eq!(outcome.ended_by, EndedBy::App);
    assert!(outcome.complaints.is_empty() && carrier.calls().is_empty());
}

#[tokio::test]
async fn calls_are_recorded() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let base = call_path(&sid).replace(".json", "/Recordings");
    let callback = app.url("/recording");
    let told = ask(&carrier, "POST", &format!("{base}.json"))
        .form(&[
            ("RecordingStatusCallback", &callback),
            ("RecordingStatusCallbackEvent", "in-progress completed"),
            ("RecordingChannels", "dual"),
        ])
        .told()
        .await;
    let body = told.json();
    assert_eq!(
        (told.status, &body["status"], &body["channels"]),
        (201, &json!("in-progress"), &json!(2))
    );
    assert_eq!(body["source"], "StartCallRecordingAPI");
    let recording = body["sid"].as_str().unwrap();
    let media = CALLS.replace("Calls.json", &format!("Recordings/{recording}"));
    let told = ask(&carrier, "GET", &media).told().await;
    assert_eq!(error_xml(&told), 404, "there is no file yet");
    let one = format!("{base}/Twilio.CURRENT.json");
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "paused")])
        .told()
        .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("paused"))
    );
    let one = format!("{base}/{recording}.json");
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "stopped")])
        .told()
        .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("stopped"))
    );
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "stopped")])
        .told()
        .await;
    assert_eq!(error(&told), (404, 20404));

    let told = ask(&carrier, "GET", &media).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "audio/x-wav")
    );
    assert!(told.body.starts_with(b"RIFF"));
    let told = ask(&carrier, "GET", &format!("{media}.mp3")).told().await;
    assert!(told.body.starts_with(&[0xff, 0xf3]));
    let told = Ask::new("GET", carrier.base_url(), &media).told().await;
    assert_eq!(told.status, 401);
    update(&carrier, &sid, &[("Status", "completed")]).await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    let told = app.seen_at("/recording");
    let events: Vec<_> = told
        .iter()
        .map(|seen| seen.param("RecordingStatus"))
        .collect();
    assert_eq!(events, ["in-progress", "completed"]);
    assert_eq!(told[1].param("RecordingSid"), recording);
    assert_eq!(
        told[1].param("RecordingUrl"),
        format!("{}{media}", carrier.base_url())
    );
    assert!(!told[1].param("RecordingDuration").is_empty());
    let told = ask(&carrier, "POST", &format!("{base}.json"))
        .form(&[])
        .told()
        .await;
    assert_eq!(error(&told), (400, 21220));
}

fn error_xml(told: &Told) -> u16 {
    assert!(told.text().contains("<RestException>"), "{}", told.text());
    told.status
}

#[tokio::test]
async fn a_call_may_be_recorded_from_its_start() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status, recording) = (app.url("/say"), app.url("/status"), app.url("/recording"));
    let sid = placed(
        &carrier,
        &[
            ("Url", &url),
            ("Record", "true"),
            ("RecordingStatusCallback", &recording),
            ("StatusCallback", &status),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    let recorded = &app.seen_at("/recording")[0];
    assert_eq!(recorded.param("RecordingSource"), "OutboundAPI");
    let completed = &app.seen_at("/status")[0];
    assert_eq!(
        completed.param("RecordingSid"),
        recorded.param("RecordingSid")
    );
    let listed = ask(&carrier, "GET", &CALLS.replace("Calls", "Recordings"))
        .told()
        .await
        .json();
    assert_eq!(
        listed["recordings"][0]["sid"],
        recorded.param("RecordingSid")
    );
}

#[tokio::test]
async fn calls_are_listed_and_deleted() {
    let carrier = carrier().await;
    let mut sids = vec![];
    for to in ["+14155550111", "+14155550112", "+14155550112"] {
        let form = [
            ("To", to),
            ("From", "+14155550100"),
            ("Twiml", "<Response/>"),
        ];
        let told = ask(&carrier, "POST", CALLS).form(&form).told().await;
        let sid = told.json()["sid"].as_str().unwrap().to_owned();
        outcome(&carrier, &sid).await;
        sids.push(sid);
    }
    let list = async |query: &str| {
        ask(&carrier, "GET", &format!("{CALLS}{query}"))
            .told()
            .await
            .json()
    };
    let ids = |page: &Value| -> Vec<String> {
        let calls = page["calls"].as_array().unwrap();
        calls
            .iter()
            .map(|call| call["sid"].as_str().unwrap().to_owned())
            .collect()
    };
    let to = list("?To=%2B14155550112&StartTime%3E=2020-01-01T00:00:00Z&Status=completed").await;
    assert_eq!(ids(&to), [sids[2].clone(), sids[1].clone()]);
    assert_eq!(list("?StartTime%3E=2999-01-01").await["calls"], json!([]));
    let first = list("?PageSize=2").await;
    assert_eq!(ids(&first).len(), 2);
    let next = first["next_page_uri"].as_str().unwrap();
    let second = ask(&carrier, "GET", next).told().await.json();
    assert_eq!(
        (ids(&second), &second["next_page_uri"]),
        (vec![sids[0].clone()], &Value::Null)
    );
    let told = ask(&carrier, "GET", &format!("{CALLS}?PageSize=1001"))
        .told()
        .await;
    assert_eq!(error(&told), (400, 20007));

    let told = ask(&carrier, "DELETE", &call_path(&sids[0])).told().await;
    assert_eq!((told.status, told.body.len()), (204, 0));
    let told = ask(&carrier, "GET", &call_path(&sids[0])).told().await;
    assert_eq!(error(&told), (404, 20404));
    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let sid = placed(&carrier, &[("Twiml", "<Response/>")]).await;
    let told = ask(&carrier, "DELETE", &call_path(&sid)).told().await;
    assert_eq!(error(&told), (400, 20009));
}

// Faults.

#[tokio::test]
async fn refusals_have_the_carriers_words() {
    let carrier = carrier().await;
    let form = [("Twiml", "<Response/>")];
    for (fault, expected) in [
        (Fault::status(400), (400, 20001)),
        (Fault::status(401), (401, 20003)),
        (Fault::status(404), (404, 20404)),
        (Fault::status(500), (500, 20500)),
        (Fault::status(503), (503, 20503)),
        (Fault::code(400, "21214"), (400, 21214)),
        (Fault::too_many_requests(None), (429, 20429)),
    ] {
        carrier.inject(fault);
        let told = place(&carrier, &form).await;
        assert_eq!(error(&told), expected);
        assert_eq!(told.header("retry-after"), "");
    }
    carrier.inject(
        Fault::too_many_requests(Some(3 * SECOND))
            .times(2)
            .on(Operation::PlaceCall),
    );
    assert_eq!(
        ask(&carrier, "GET", CALLS).told().await.status,
        200,
        "not aimed at it"
    );
    for _ in 0..2 {
        let told = place(&carrier, &form).await;
        assert_eq!((told.status, told.header("retry-after")), (429, "3"));
    }
    carrier.inject(Fault::body(502, "text/html", "<html>Bad Gateway</html>"));
    let told = place(&carrier, &form).await;
    assert_eq!(
        (told.status, told.text().as_str()),
        (502, "<html>Bad Gateway</html>")
    );
    carrier.inject(Fault::redirect("http://127.0.0.1:1/elsewhere"));
    let told = place(&carrier, &form).await;
    assert_eq!(
        (told.status, told.header("location")),
        (307, "http://127.0.0.1:1/elsewhere")
    );
    assert!(carrier.calls().is_empty(), "none of them was processed");
    assert_eq!(place(&carrier, &form).await.status, 201);
}

#[tokio::test]
async fn a_connection_may_break_before_and_after() {
    let carrier = carrier().await;
    let form = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Twiml", "<Response/>"),
    ];
    let attempt = || ask(&carrier, "POST", CALLS).form(&form).send();
    carrier.inject(Fault::close_before());
    assert!(attempt().await.is_none());
    assert!(carrier.calls().is_empty());
    carrier.inject(Fault::close_after());
    assert!(attempt().await.is_none());
    let sids = carrier.placed(1, SECOND).await;
    assert_eq!(sids.len(), 1);
    assert_eq!(outcome(&carrier, &sids[0]).await.status, "completed");
    let requests = carrier.requests();
    assert_eq!((requests[0].status, requests[1].status), (None, None));
    assert_eq!(requests[1].call_id.as_ref(), Some(&sids[0]));
}

#[tokio::test]
async fn answers_may_be_late_or_garbage() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status) = (app.url("/say"), app.url("/status"));
    let form = [
        ("Url", url.as_str()),
        ("StatusCallback", &status),
        ("StatusCallbackEvent", "initiated"),
    ];
    carrier.inject(Fault::slow(Duration::from_millis(300)));
    let told = place(&carrier, &form).await;
    assert!(told.status == 201 && told.took >= Duration::from_millis(300));
    assert!(
        !app.seen_at("/status").is_empty(),
        "the call did not wait for the answer"
    );

    let before = app.seen_at("/status").len();
    carrier.inject(Fault::after_first_callback());
    assert_eq!(place(&carrier, &form).await.status, 201);
    assert!(app.seen_at("/status").len() > before);

    carrier.inject(Fault::garbage());
    let told = place(&carrier, &form).await;
    assert!(told.status == 201 && serde_json::from_slice::<Value>(&told.body).is_err());
    assert_eq!(carrier.calls().len(), 3);
}

#[tokio::test]
async fn secrets_and_numbers_are_not_shown() {
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let sid = placed(
        &carrier,
        &[("Twiml", "<Response><Say>psst</Say></Response>")],
    )
    .await;
    let call = carrier.call(&sid).unwrap();
    let shown = format!(
        "{carrier:?} {:?} {call:?} {:?} {:?}",
        carrier.requests(),
        account().with_api_key("SK01", "hidden"),
        Fault::redirect("https://secret.example.com"),
    );
    for secret in [
        TOKEN,
        ACCOUNT,
        "4155550199",
        "psst",
        "hidden",
        "SK01",
        "secret.example",
        &sid,
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
