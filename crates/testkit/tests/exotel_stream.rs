//! Whole calls through the simulated Exotel into a media stream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{App, Reply, Seen, Socket, codes, next_json, no_socket, send_json};
use telephony_testkit::persona::exotel::{Applet, StreamParameters, UrlRequest};
use telephony_testkit::{
    EndedBy, ExotelAccount, Instruction, Method, Outcome, Script, Severity, SimulatedCall,
    Simulator, Speech,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

const SECOND: Duration = Duration::from_secs(1);

/// Voicebot, a Passthru that somebody answers, Hangup.
fn account() -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_flow([
        Applet::Voicebot,
        Applet::passthru("/passthru?key=secret"),
        Applet::Hangup,
    ])
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::json(json!({"url": format!("ws://{}/media/one", seen.host())})),
        "/media/one" => Reply::switch(),
        "/status" | "/passthru" => Reply::status(200),
        _ => Reply::status(404),
    }
}

fn simulated(app: &App, account: ExotelAccount) -> SimulatedCall {
    Simulator::exotel(account)
        .answer_url(app.url("/call?key=secret"))
        .status_url(app.url("/status?key=secret"))
        .from("+919990000105")
        .to("+914440002319")
        .speed(4.0)
        // Long enough for the stream to start.
        .script(Script::new().silence(Duration::from_millis(400)))
}

fn tone(millis: u64) -> Speech {
    Speech::tone(440.0, Duration::from_millis(millis))
}

/// Returns every frame at once, and echoes nothing else.
async fn echo(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "media" {
            let back = json!({
                "event": "media",
                "stream_sid": message["stream_sid"],
                "media": {"payload": message["media"]["payload"]},
            });
            send_json(&mut socket, back).await;
        }
    }
}

/// Audio of 8 kHz that is loud enough to be heard.
fn loud(stream_sid: &Value, millis: usize) -> Value {
    let payload = STANDARD.encode([0x00, 0x20].repeat(millis * 8));
    json!({"event": "media", "stream_sid": stream_sid, "media": {"payload": payload}})
}

fn mark(stream_sid: &Value, name: &str) -> Value {
    json!({"event": "mark", "stream_sid": stream_sid, "mark": {"name": name}})
}

/// Waits for the start.
async fn started(socket: &mut Socket) -> Value {
    loop {
        let message = next_json(socket).await.unwrap();
        if message["event"] == "start" {
            return message;
        }
    }
}

async fn drain(mut socket: Socket) {
    while next_json(&mut socket).await.is_some() {}
}

fn assert_clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}

/// A caller whom the app hangs up on.
fn patient() -> Script {
    Script::new().wait_for_hang_up(5 * SECOND)
}

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    // 200 ms are 3,200 bytes, which is what Exotel wants back.
    let outcome = simulated(&app, account().with_chunk(Duration::from_millis(200)))
        .script(
            Script::new()
                .speak(tone(600))
                .press("5#")
                .wait_to_hear(Duration::from_millis(400), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND)
                .hang_up(),
        )
        .call()
        .await;

    assert_clean(&outcome);
    assert!(outcome.ok() && outcome.answered);
    assert_eq!(outcome.carrier, "exotel");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.documents[0].instructions, [Instruction::Stream]);
    let stream = outcome.stream().unwrap();
    assert_eq!((outcome.keys_pressed, stream.keys), (2, 2));
    assert!(stream.played >= Duration::from_millis(600), "{stream:?}");
    assert_eq!((stream.closed_by_app, outcome.heard_rate), (None, 8_000));
    let loudest = outcome
        .heard
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap();
    assert!(
        (15_000..18_000).contains(&loudest),
        "a tone went out and came back: {loudest}"
    );

    let asked = &app.seen_at("/call")[0];
    assert_eq!((asked.method.as_str(), asked.body.len()), ("GET", 0));
    let names: Vec<_> = asked.form().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "key",
            "CallSid",
            "CallFrom",
            "CallTo",
            "Direction",
            "Created",
            "From",
            "To",
            "CurrentTime"
        ]
    );
    assert_eq!(asked.param("key"), "secret");
    assert_eq!(asked.param("CallSid"), outcome.call_id);
    assert_eq!(outcome.call_id.len(), 32);
    assert!(
        outcome
            .call_id
            .bytes()
            .any(|byte| !byte.is_ascii_hexdigit())
    );
    assert_eq!(
        (asked.param("CallFrom"), asked.param("To")),
        ("09990000105".into(), "04440002319".into())
    );
    assert_eq!(asked.param("Direction"), "incoming");

    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("key"), "secret");
    assert_eq!(told.param("CallStatus"), "completed");
    assert_eq!(told.param("CallType"), "call-attempt");
    assert_eq!(told.param("EndTime"), "1970-01-01 05:30:00");
    assert_eq!(told.param("Stream[Status]"), "cancelled");
    assert_eq!(told.param("Stream[DisconnectedBy]"), "user");
    assert_eq!(told.param("Stream[StreamSID]").len(), 32);
    assert_eq!(
        told.param("Stream[StreamUrl]"),
        app.url("/media/one").replace("http", "ws")
    );
    assert_eq!(told.param("Stream[Error]"), "");
    assert_eq!(app.seen_at("/status").len(), 1);
}

#[tokio::test]
async fn messages_come_in_order_and_stop_at_the_end() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app, account())
        .script(Script::new().speak(tone(300)).press("7"))
        .whole_trace()
        .call()
        .await;
    let sent: Vec<Value> = outcome
        .trace
        .iter()
        .filter(|entry| entry.way == telephony_testkit::Way::ToApp)
        .filter_map(|entry| serde_json::from_str(&entry.text).ok())
        .filter(|message: &Value| message["event"].is_string())
        .collect();
    assert_eq!(sent[0], json!({"event": "connected"}));
    let start = &sent[1];
    assert_eq!(start["event"], "start");
    assert_eq!(start["start"]["call_sid"], outcome.call_id.as_str());
    assert_eq!(start["start"]["account_sid"], "exampleacct1");
    assert_eq!(start["start"]["from"], "09990000105");
    assert_eq!(start["start"].get("custom_parameters"), None);
    for (index, message) in sent[1..].iter().enumerate() {
        assert_eq!(message["sequence_number"], (index + 1).to_string());
        assert_eq!(message["stream_sid"], start["start"]["stream_sid"]);
    }
    let media: Vec<&Value> = sent
        .iter()
        .filter(|message| message["event"] == "media")
        .collect();
    for (index, message) in media.iter().enumerate() {
        assert_eq!(message["media"]["chunk"], (index + 1).to_string());
        assert_eq!(message["media"]["timestamp"], (index * 100).to_string());
        let payload = STANDARD
            .decode(message["media"]["payload"].as_str().unwrap())
            .unwrap();
        assert_eq!(payload.len(), 1_600);
    }
    assert!(sent.iter().any(|message| message["dtmf"]["digit"] == "7"));
    let stop = sent.last().unwrap();
    assert_eq!(stop["stop"]["reason"], "callended");
    assert_eq!(stop["stop"]["call_sid"], outcome.call_id.as_str());
}

#[tokio::test]
async fn the_url_decides_rate_parameters_and_credentials() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::json(json!({
                "url": format!("ws://ada:love%40lace@{}/media/one?sample-rate=16000&who=Ada&n=1", seen.host())
            })),
            _ => routes(seen),
        },
        |mut socket: Socket, seen| async move {
            if !seen.query.is_empty() {
                return drain(socket).await;
            }
            let start = started(&mut socket).await;
            assert_eq!(start["start"]["custom_parameters"], json!({"who": "Ada", "n": "1"}));
            assert_eq!(start["start"]["media_format"]["sample_rate"], "16000");
            assert_eq!(start["start"]["media_format"]["bit_rate"], "256kbps");
            let media = next_json(&mut socket).await.unwrap();
            let payload = STANDARD.decode(media["media"]["payload"].as_str().unwrap()).unwrap();
            assert_eq!(payload.len(), 640, "20 ms");
            let sid = start["stream_sid"].clone();
            send_json(&mut socket, mark(&sid, "checked")).await;
            drain(socket).await;
        },
    )
    .await;
    let call = simulated(&app, account().with_chunk(Duration::from_millis(20)));
    let outcome = call
        .script(Script::new().wait_for_marks(1, 5 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.heard_rate, 16_000);
    let upgrade = &app.seen_at("/media/one")[0];
    assert_eq!(upgrade.query, "");
    assert_eq!(
        upgrade.header("authorization"),
        format!("Basic {}", STANDARD.encode("ada:love@lace"))
    );
    assert!(
        !outcome
            .trace_lines()
            .contains(&STANDARD.encode("ada:love@lace"))
    );

    let kept = account().with_query_kept().with_sample_rate_as_parameter();
    let outcome = simulated(&app, kept).call().await;
    assert_clean(&outcome);
    assert_eq!(
        app.seen_at("/media/one")[1].query,
        "sample-rate=16000&who=Ada&n=1"
    );
    let start = outcome
        .trace
        .iter()
        .find(|entry| entry.text.contains("custom_parameters"))
        .unwrap();
    assert!(start.text.contains(r#""sample-rate":"16000""#));
}

#[tokio::test]
async fn the_stream_may_be_asked_for_with_post_or_not_at_all() {
    let app = App::serve(routes, echo).await;
    let silence = Script::new().silence(Duration::from_millis(20));
    for request in [UrlRequest::PostForm, UrlRequest::PostJson] {
        let outcome = simulated(&app, account().with_url_request(request))
            .script(silence.clone())
            .call()
            .await;
        assert_clean(&outcome);
    }
    let outcome = simulated(&app, account())
        .method(Method::Post)
        .script(silence.clone())
        .call()
        .await;
    assert_clean(&outcome);
    let asked = app.seen_at("/call");
    assert_eq!(asked.len(), 3);
    for seen in &asked {
        assert_eq!(
            (seen.method.as_str(), seen.query.as_str()),
            ("POST", "key=secret")
        );
    }
    assert_eq!(asked[0].param("CallFrom"), "09990000105");
    assert_eq!(asked[1].json()["CallFrom"], "09990000105");
    assert_eq!(asked[1].header("content-type"), "application/json");
    assert_eq!(
        asked[2].header("content-type"),
        "application/x-www-form-urlencoded"
    );

    let url = app.url("/media/one").replace("http", "ws");
    let outcome = simulated(&app, account().with_static_url(url))
        .script(silence)
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(app.seen_at("/call").len(), 3, "nothing was asked");
    assert_eq!(outcome.streams.len(), 1);
}

#[tokio::test]
async fn a_public_url_leads_to_the_real_server() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::json(json!({"url": format!("wss://{}/media/one", seen.host())})),
            _ => routes(seen),
        },
        |socket, _| drain(socket),
    )
    .await;
    let outcome = simulated(&app, account())
        .public_url("https://voice.example.com")
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(app.seen_at("/media/one")[0].host(), "voice.example.com");
    assert_eq!(app.seen_at("/passthru")[0].host(), "voice.example.com");
    assert_eq!(
        outcome.webhooks[1].url.split('?').next(),
        Some("https://voice.example.com/passthru")
    );
}

#[tokio::test]
async fn marks_come_back_when_their_audio_was_played() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await["stream_sid"].clone();
        let begun = tokio::time::Instant::now();
        for _ in 0..2 {
            send_json(&mut socket, loud(&sid, 200)).await;
        }
        send_json(&mut socket, mark(&sid, "said")).await;
        loop {
            let message = next_json(&mut socket).await.unwrap();
            if message["event"] == "mark" {
                assert_eq!(message["mark"]["name"], "said");
                // 400 ms at four times the speed.
                assert!(
                    begun.elapsed() >= Duration::from_millis(95),
                    "{:?}",
                    begun.elapsed()
                );
                break;
            }
        }
        let _ = socket
            .close(Some(CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            }))
            .await;
        drain(socket).await;
    })
    .await;
    let outcome = simulated(&app, account()).script(patient()).call().await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    let stream = outcome.stream().unwrap();
    assert_eq!((stream.marks_played, stream.marks_cleared), (1, 0));
    assert_eq!(stream.played, Duration::from_millis(400));
    assert_eq!(stream.closed_by_app, Some(1000));
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("Stream[Status]"), "completed");
    assert_eq!(told.param("Stream[DisconnectedBy]"), "bot");
    assert_eq!(told.param("CallStatus"), "in-progress");
}

/// Speaks for a second in chunks of 200 ms with a mark behind, and clears when the caller interrupts.
async fn interruptible(mut socket: Socket, _: Seen) {
    let sid = started(&mut socket).await["stream_sid"].clone();
    for _ in 0..5 {
        send_json(&mut socket, loud(&sid, 200)).await;
    }
    send_json(&mut socket, mark(&sid, "never")).await;
    let mut cleared = false;
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "dtmf" && !cleared {
            cleared = true;
            send_json(&mut socket, json!({"event": "clear", "stream_sid": sid})).await;
        }
    }
}

#[tokio::test]
async fn a_clear_spares_what_is_in_play_and_drops_marks_unless_told_otherwise() {
    for (account, marks) in [(account(), 0), (account().with_cleared_marks_returned(), 1)] {
        let app = App::serve(routes, interruptible).await;
        let outcome = simulated(&app, account)
            .speed(1.0)
            .script(
                Script::new()
                    .wait_to_hear(Duration::from_millis(240), 5 * SECOND)
                    .interrupt_with_key('5')
                    .wait_for_quiet(Duration::from_millis(100), 5 * SECOND),
            )
            .call()
            .await;
        assert_clean(&outcome);
        let stream = outcome.stream().unwrap();
        assert_eq!(
            (stream.clears, stream.marks_cleared, stream.marks_played),
            (1, marks, 0)
        );
        assert_eq!(stream.played + stream.cleared, SECOND);
        // The chunk in play went on to its end.
        assert_eq!(stream.played.as_millis() % 200, 0, "{stream:?}");
        assert!(stream.cleared >= Duration::from_millis(200), "{stream:?}");
        let interruption = outcome.interruption.unwrap();
        assert!(
            interruption.by_clear && interruption.after < Duration::from_millis(400),
            "{interruption:?}"
        );
    }
}

#[tokio::test]
async fn an_interruption_is_over_though_the_app_goes_on_with_silence() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await["stream_sid"].clone();
        for _ in 0..5 {
            send_json(&mut socket, loud(&sid, 200)).await;
        }
        let quiet = json!({
            "event": "media", "stream_sid": sid, "media": {"payload": STANDARD.encode([0; 3_200])}
        });
        while let Some(message) = next_json(&mut socket).await {
            if message["event"] == "dtmf" {
                send_json(&mut socket, json!({"event": "clear", "stream_sid": sid})).await;
                for _ in 0..5 {
                    send_json(&mut socket, quiet.clone()).await;
                }
            }
        }
    })
    .await;
    let outcome = simulated(&app, account())
        .speed(1.0)
        .script(
            Script::new()
                .interrupt_with_key('5')
                .silence(Duration::from_millis(500)),
        )
        .call()
        .await;
    assert_clean(&outcome);
    let interruption = outcome.interruption.unwrap();
    // The chunk in play is at most 200 ms long.
    assert!(
        interruption.by_clear && interruption.after < Duration::from_millis(400),
        "{interruption:?}"
    );
    assert!(!outcome.stream().unwrap().unplayed.is_zero());
}

/// Calls an app that does one thing wrong on its socket.
async fn with_fault<F>(
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> (App, Outcome)
where
    F: Future<Output = ()> + Send + 'static,
{
    with_fault_during(Script::new().speak(tone(400)), fault).await
}

async fn with_fault_during<F>(
    script: Script,
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> (App, Outcome)
where
    F: Future<Output = ()> + Send + 'static,
{
    let app = App::serve(routes, move |mut socket: Socket, _| {
        let fault = fault.clone();
        async move {
            let sid = started(&mut socket).await["stream_sid"].clone();
            fault(socket, sid).await;
        }
    })
    .await;
    let outcome = simulated(&app, account())
        .linger(Duration::from_millis(300))
        .script(script)
        .call()
        .await;
    (app, outcome)
}

#[tokio::test]
async fn faulty_messages_are_complained_of() {
    let payload = |bytes: usize| STANDARD.encode(vec![0_u8; bytes]);
    for (bad, code, severity) in [
        (
            json!({"event": "hangup", "stream_sid": "SID"}),
            "unknown-event",
            Severity::Error,
        ),
        (
            json!({"event": "mark", "stream_sid": "SID", "mark": {}}),
            "no-mark-name",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID"}),
            "invalid-message",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {}}),
            "no-payload",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": "%"}}),
            "invalid-base64",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(100_160)}}),
            "chunk-too-long",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(3_201)}}),
            "half-sample",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(3_210)}}),
            "gap",
            Severity::Warning,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(640)}}),
            "short-chunk",
            Severity::Note,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(64_000)}}),
            "burst",
            Severity::Warning,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": STANDARD.encode(b"RIFF".repeat(800))}}),
            "file-header-in-audio",
            Severity::Warning,
        ),
        (
            json!({"event": "clear", "stream_sid": "another"}),
            "stream-sid",
            Severity::Warning,
        ),
        (json!({"event": "clear"}), "stream-sid", Severity::Warning),
        (
            json!({"event": "clear", "streamSid": "SID"}),
            "camel-case",
            Severity::Note,
        ),
        (
            json!({"event": "clear", "stream_sid": "SID", "x": 1}),
            "unknown-member",
            Severity::Note,
        ),
        (
            json!({"event": "clear", "stream_sid": "SID", "sequence_number": []}),
            "odd-counter",
            Severity::Warning,
        ),
    ] {
        let (_app, outcome) = with_fault(move |mut socket, sid| {
            let bad = bad.to_string().replace("\"SID\"", &sid.to_string());
            async move {
                for _ in 0..3 {
                    send_json(&mut socket, serde_json::from_str(&bad).unwrap()).await;
                }
                drain(socket).await;
            }
        })
        .await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(outcome.complaints[0].severity, severity, "{code}");
        assert_eq!(outcome.ok(), severity < Severity::Error);
    }
    let (_app, outcome) = with_fault(|mut socket, _| async move {
        socket.send(Message::binary(vec![0_u8; 320])).await.unwrap();
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["binary-message"]);
}

#[tokio::test]
async fn an_app_that_speaks_before_the_start_is_found() {
    let app = App::serve(routes, |mut socket: Socket, seen| async move {
        send_json(&mut socket, json!({"event": "clear", "stream_sid": "x"})).await;
        echo(socket, seen).await;
    })
    .await;
    let outcome = simulated(&app, account().with_chunk(Duration::from_millis(200)))
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["message-before-start"]);
}

#[tokio::test]
async fn a_socket_that_stays_open_is_found() {
    let (_app, outcome) = with_fault(|socket, _| async move {
        // Neither read nor closed: Exotel's goodbye is not heard.
        tokio::time::sleep(SECOND).await;
        drop(socket);
    })
    .await;
    assert_eq!(codes(&outcome), ["socket-left-open"]);
}

#[tokio::test]
async fn a_broken_connection_and_an_odd_close_code_are_found() {
    let (app, outcome) =
        with_fault_during(patient(), |socket, _| async move { drop(socket) }).await;
    assert_eq!(codes(&outcome), ["connection-broken"]);
    assert_eq!(outcome.ended_by, EndedBy::App);
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (
            told.param("Stream[Status]"),
            told.param("Stream[DisconnectedBy]")
        ),
        ("failed".into(), "bot".into())
    );
    assert!(told.param("Stream[Error]").contains("1006"));

    let (app, outcome) = with_fault_during(patient(), |mut socket, sid| async move {
        send_json(&mut socket, loud(&sid, 800)).await;
        let frame = CloseFrame {
            code: CloseCode::Error,
            reason: "".into(),
        };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(codes(&outcome), ["audio-lost", "close-code"]);
    assert!(
        app.seen_at("/passthru")[0]
            .param("Stream[Error]")
            .contains("1011")
    );
}

#[tokio::test]
async fn bad_answers_are_refused_and_the_flow_goes_on() {
    let good = |seen: &Seen| json!({"url": format!("ws://{}/media/one", seen.host())}).to_string();
    for (reply, code) in [
        (Reply::status(500), "unexpected-status"),
        (Reply::status(204), "unexpected-status"),
        (Reply::redirect(301, "/elsewhere"), "redirected"),
        (Reply::new(200, "text/plain", "GOOD"), "wrong-content-type"),
        (Reply::new(200, "application/json", ""), "invalid-json"),
        (
            Reply::new(200, "application/json", "[GOOD]"),
            "invalid-json",
        ),
        (
            Reply::new(200, "application/json", "GOOD{}"),
            "invalid-json",
        ),
        (
            Reply::json(json!({"URL": "wss://voice.example.com"})),
            "no-stream-url",
        ),
        (Reply::json(json!({"url": ""})), "no-stream-url"),
        (Reply::json(json!({"url": "/media/one"})), "bad-stream-url"),
        (
            Reply::json(json!({"url": "https://voice.example.com/media"})),
            "stream-url-scheme",
        ),
        (
            Reply::json(json!({"url": format!("ws://127.0.0.1/{}", "x".repeat(600))})),
            "stream-url-too-long",
        ),
        (
            Reply::json(json!({"url": "ws://127.0.0.1:1/media"})),
            "3009",
        ),
        (
            Reply::json(json!({"url": "wss://elsewhere.example/media"})),
            "3009",
        ),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => {
                    let mut reply = reply.clone();
                    let body = String::from_utf8(reply.body).unwrap();
                    reply.body = body.replace("GOOD", &good(seen)).into_bytes();
                    reply
                }
                _ => routes(seen),
            },
            no_socket,
        )
        .await;
        let outcome = simulated(&app, account()).call().await;
        let expected = if code == "no-stream-url" && outcome.complaints.len() == 2 {
            vec!["unknown-member", code]
        } else {
            vec![code]
        };
        assert_eq!(codes(&outcome), expected);
        assert!(!outcome.answered);
        assert_eq!(
            (outcome.ended_by, outcome.status.as_str()),
            (EndedBy::Carrier, "failed"),
            "{code}"
        );
        assert!(outcome.streams.is_empty() && app.seen_at("/elsewhere").is_empty());
        let told = &app.seen_at("/passthru")[0];
        assert_eq!(
            (
                told.param("Stream[Status]"),
                told.param("Stream[DisconnectedBy]")
            ),
            ("failed".into(), "NA".into())
        );
        assert_eq!(
            told.param("Stream[Error]").starts_with("3009 "),
            code == "3009"
        );
    }
}

#[tokio::test]
async fn stream_urls_have_limits() {
    for (query, code) in [
        ("a=1&b=2&c=3&d=4".to_owned(), "too-many-parameters"),
        (format!("a={}", "x".repeat(255)), "parameters-too-long"),
        ("a=%7B%7D".to_owned(), "parameter-characters"),
        ("sample_rate=16000".to_owned(), "sample-rate-spelling"),
        ("sample-rate=44100".to_owned(), "bad-sample-rate"),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => {
                    Reply::json(json!({"url": format!("ws://{}/media/one?{query}", seen.host())}))
                }
                _ => routes(seen),
            },
            |socket, _| drain(socket),
        )
        .await;
        let outcome = simulated(&app, account()).call().await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(
            outcome.streams.len(),
            1,
            "{code}: the stream is opened all the same"
        );
        let rate = if code == "sample-rate-spelling" {
            r#""sample_rate":"16000""#
        } else {
            r#""sample_rate":"8000""#
        };
        assert!(
            outcome.trace_lines().replace('\\', "").contains(rate),
            "{code}"
        );
    }
}

#[tokio::test]
async fn plain_ws_is_refused_when_the_public_url_is_secure() {
    let app = App::serve(routes, no_socket).await;
    let outcome = simulated(&app, account())
        .public_url("https://voice.example.com")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["insecure-stream-url"]);
}

#[tokio::test]
async fn extra_members_beside_the_url_are_noted() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => {
                Reply::json(json!({"url": format!("ws://{}/media/one", seen.host()), "rate": 8000}))
            }
            _ => routes(seen),
        },
        |socket, _| drain(socket),
    )
    .await;
    let outcome = simulated(&app, account()).call().await;
    assert_eq!(codes(&outcome), ["unknown-member"]);
    assert!(outcome.ok() && outcome.answered);
}

#[tokio::test]
async fn a_late_answer_is_worse_than_a_slow_one() {
    let app = |delay: u64| async move {
        App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => routes(seen).after(Duration::from_millis(delay)),
                "/fallback" => {
                    Reply::json(json!({"url": format!("ws://{}/media/one", seen.host())}))
                }
                _ => routes(seen),
            },
            |socket, _| drain(socket),
        )
        .await
    };
    let impatient = account().with_webhook_timeout(Duration::from_millis(400));
    let slow = app(200).await;
    let outcome = simulated(&slow, impatient.clone())
        .slow_webhook(Some(Duration::from_millis(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["slow-webhook"]);
    assert!(outcome.answered);

    let late = app(3_000).await;
    let outcome = simulated(&late, impatient.clone()).call().await;
    assert_eq!(codes(&outcome), ["webhook-failed"]);
    assert_eq!(
        (outcome.answered, outcome.status.as_str()),
        (false, "failed")
    );

    let outcome = simulated(&late, impatient)
        .fallback_url(late.url("/fallback"))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["webhook-failed"]);
    assert!(outcome.answered);
    let asked: Vec<_> = outcome
        .webhooks
        .iter()
        .map(|webhook| webhook.purpose.as_str())
        .collect();
    assert_eq!(asked, ["answer", "fallback", "passthru"]);
    assert_eq!(
        late.seen_at("/fallback")[0].param("CallSid"),
        outcome.call_id
    );
}

#[tokio::test]
async fn a_handshake_is_tried_twice() {
    let app = |failures: usize| async move {
        let tried = AtomicUsize::new(0);
        App::serve(
            move |seen| match seen.path.as_str() {
                "/media/one" if tried.fetch_add(1, Ordering::SeqCst) < failures => {
                    Reply::status(503)
                }
                _ => routes(seen),
            },
            |socket, _| drain(socket),
        )
        .await
    };
    let once = app(1).await;
    let outcome = simulated(&once, account()).call().await;
    assert_eq!(codes(&outcome), ["handshake-retried"]);
    assert!(outcome.ok() && outcome.streams.len() == 1);

    let always = app(9).await;
    let outcome = simulated(&always, account()).call().await;
    assert_eq!(codes(&outcome), ["3009"]);
    assert_eq!(always.seen_at("/media/one").len(), 2);
    let told = &always.seen_at("/passthru")[0];
    assert_eq!(
        told.param("Stream[Error]"),
        "3009 failed to establish ws conn websocket: bad handshake"
    );
}

#[tokio::test]
async fn the_stream_may_be_told_of_in_one_parameter() {
    let app = App::serve(routes, |socket, _| drain(socket)).await;
    let outcome = simulated(
        &app,
        account().with_stream_parameters(StreamParameters::Json),
    )
    .call()
    .await;
    assert_clean(&outcome);
    let told = &app.seen_at("/passthru")[0];
    let stream: Value = serde_json::from_str(&told.param("Stream")).unwrap();
    assert_eq!(
        (&stream["Status"], &stream["DisconnectedBy"]),
        (&json!("cancelled"), &json!("user"))
    );
    assert!(stream["Duration"].is_string() && stream["StreamSID"].is_string());
    assert!(told.form().iter().all(|(name, _)| !name.contains('[')));
}

#[tokio::test]
async fn a_call_can_be_ended_from_outside() {
    let app = App::serve(routes, |socket, _| drain(socket)).await;
    let call = simulated(&app, account()).script(patient()).start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(200)).await;
    handle.hang_up();
    let outcome = call.outcome().await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert_eq!(
        app.seen_at("/passthru")[0].param("Stream[DisconnectedBy]"),
        "NA"
    );
}

#[tokio::test]
async fn neither_numbers_nor_secrets_are_shown() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app, account()).script(Script::new().speak(tone(60)).press("47110815"));
    let shown = format!("{call:?} {:?}", account());
    let outcome = call.call().await;
    let shown = format!("{shown} {outcome:#?} {:?}", outcome.trace);
    for secret in [
        "9990000105",
        "4440002319",
        "secret",
        "47110815",
        "exampleacct1",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
