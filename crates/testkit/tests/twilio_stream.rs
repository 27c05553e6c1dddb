//! Whole calls through the simulated Twilio into a media stream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{App, Reply, Seen, Socket, codes, next_json, send_json};
use telephony_testkit::persona::twilio::UpgradeSignature;
use telephony_testkit::{
    EndedBy, Outcome, Script, Severity, SimulatedCall, Simulator, Speech, TwilioAccount,
};

const SECOND: Duration = Duration::from_secs(1);

fn account() -> TwilioAccount {
    TwilioAccount::new("AC00000000000000000000000000000001", "a token for tests")
}

fn twiml(seen: &Seen) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="ws://{}/media/one" statusCallback="/stream"><Parameter name="who" value="Ada"/></Stream></Connect><Hangup/></Response>"#,
        seen.host()
    )
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::xml(twiml(seen)),
        "/media/one" => Reply::switch(),
        "/status" | "/stream" => Reply::status(204),
        _ => Reply::status(404),
    }
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::twilio(account())
        .answer_url(app.url("/call"))
        .status_url(app.url("/status"))
        .speed(4.0)
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
                "streamSid": message["streamSid"],
                "media": {"payload": message["media"]["payload"]},
            });
            send_json(&mut socket, back).await;
        }
    }
}

fn silence(stream_sid: &Value, millis: usize) -> Value {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::STANDARD.encode(vec![0x10_u8; millis * 8]);
    json!({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}})
}

/// Waits for the start and returns the stream's id.
async fn started(socket: &mut Socket) -> Value {
    loop {
        let message = next_json(socket).await.unwrap();
        if message["event"] == "start" {
            return message["streamSid"].clone();
        }
    }
}

fn assert_clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .speak(tone(400))
                .press("5#")
                .wait_to_hear(Duration::from_millis(300), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND)
                .hang_up(),
        )
        .call()
        .await;

    assert_clean(&outcome);
    assert!(outcome.ok() && outcome.answered);
    assert_eq!(outcome.carrier, "twilio");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.keys_pressed, 2);
    let stream = outcome.stream().unwrap();
    assert_eq!(stream.keys, 2);
    assert!(
        stream.to_app.frames >= 20 && stream.from_app.frames > 15,
        "{stream:?}"
    );
    assert!(stream.played >= Duration::from_millis(400), "{stream:?}");
    assert!(stream.first_audio.unwrap() <= stream.first_sound.unwrap());
    assert_eq!(stream.closed_by_app, None);
    assert_eq!(outcome.heard_rate, 8_000);
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

    // Every request was signed, the socket included, and callbacks came.
    let calls = app.seen_at("/call");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].param("CallStatus"), "ringing");
    assert_eq!(calls[0].param("From"), "+14155550100");
    assert_eq!(calls[0].param("CallSid"), outcome.call_id);
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].param("CallStatus"), "completed");
    assert_eq!(status[0].param("SequenceNumber"), "0");
    let events: Vec<_> = app
        .seen_at("/stream")
        .iter()
        .map(|seen| seen.param("StreamEvent"))
        .collect();
    assert_eq!(events, ["stream-started", "stream-stopped"]);
    for seen in calls.iter().chain(&status).chain(&app.seen_at("/stream")) {
        let url = app.url(&seen.path_and_query());
        assert_eq!(
            seen.header("x-twilio-signature"),
            signature(&url, &seen.form())
        );
    }
    let upgrade = &app.seen_at("/media/one")[0];
    let url = app.url("/media/one").replace("http://", "ws://");
    assert_eq!(upgrade.header("x-twilio-signature"), signature(&url, &[]));
    assert_eq!(upgrade.header("origin"), "");
}

/// The signature, computed once more from the documentation.
fn signature(url: &str, form: &[(String, String)]) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit, Mac};
    let mut form = form.to_vec();
    form.sort();
    let mut text = url.to_owned();
    for (name, value) in form {
        text += &name;
        text += &value;
    }
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(b"a token for tests").unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_public_url_is_signed_and_leads_to_the_real_server() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(twiml(seen).replace("ws://", "wss://")),
            _ => routes(seen),
        },
        echo,
    )
    .await;
    let outcome = simulated(&app)
        .public_url("https://voice.example.com")
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_clean(&outcome);
    let seen = &app.seen_at("/call")[0];
    assert_eq!(seen.host(), "voice.example.com");
    assert_eq!(
        seen.header("x-twilio-signature"),
        signature("https://voice.example.com/call", &seen.form())
    );
    assert_eq!(
        app.seen_at("/media/one")[0].header("x-twilio-signature"),
        signature("wss://voice.example.com/media/one", &[])
    );
}

#[tokio::test]
async fn the_upgrade_signature_has_variants() {
    for (variant, suffix) in [
        (UpgradeSignature::TrailingSlash, Some("/")),
        (UpgradeSignature::Missing, None),
    ] {
        let app = App::serve(routes, echo).await;
        let outcome = Simulator::twilio(account().with_upgrade_signature(variant))
            .answer_url(app.url("/call"))
            .call()
            .await;
        assert_clean(&outcome);
        let url = app.url("/media/one").replace("http://", "ws://");
        let expected = suffix.map_or(String::new(), |suffix| {
            signature(&format!("{url}{suffix}"), &[])
        });
        assert_eq!(
            app.seen_at("/media/one")[0].header("x-twilio-signature"),
            expected
        );
    }
}

#[tokio::test]
async fn marks_come_back_when_their_audio_was_played() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await;
        send_json(&mut socket, silence(&sid, 400)).await;
        let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "said"}});
        let begun = tokio::time::Instant::now();
        send_json(&mut socket, mark).await;
        while let Some(message) = next_json(&mut socket).await {
            if message["event"] == "mark" {
                assert_eq!(message["mark"]["name"], "said");
                // 400 ms at four times the speed
                assert!(
                    begun.elapsed() >= Duration::from_millis(90),
                    "{:?}",
                    begun.elapsed()
                );
                let _ = socket.close(None).await;
            }
        }
    })
    .await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .wait_for_marks(1, 5 * SECOND)
                .wait_for_hang_up(5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::App);
    let stream = outcome.stream().unwrap();
    assert_eq!((stream.marks_played, stream.marks_cleared), (1, 0));
    assert_eq!(stream.played, Duration::from_millis(400));
    assert!(stream.closed_by_app.is_some());
}

#[tokio::test]
async fn an_interruption_is_measured_and_a_clear_returns_the_marks() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await;
        send_json(&mut socket, silence(&sid, 20_000)).await;
        let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "never"}});
        send_json(&mut socket, mark).await;
        let mut cleared = false;
        while let Some(message) = next_json(&mut socket).await {
            let loud = message["media"]["payload"]
                .as_str()
                .is_some_and(|payload| !payload.starts_with("////"));
            if loud && !cleared {
                cleared = true;
                send_json(&mut socket, json!({"event": "clear", "streamSid": sid})).await;
            }
        }
    })
    .await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .wait_to_hear(Duration::from_millis(200), 5 * SECOND)
                .interrupt(tone(400))
                .wait_for_marks(1, 5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    let interruption = outcome.interruption.unwrap();
    assert!(
        interruption.by_clear && interruption.after < Duration::from_millis(300),
        "{interruption:?}"
    );
    let stream = outcome.stream().unwrap();
    assert_eq!(
        (stream.clears, stream.marks_cleared, stream.marks_played),
        (1, 1, 0)
    );
    assert_eq!(stream.played + stream.cleared, Duration::from_secs(20));
    assert_eq!(stream.unplayed, Duration::ZERO);
}

/// Calls an app that does one thing wrong on its socket.
async fn with_fault<F>(
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> Outcome
where
    F: Future<Output = ()> + Send + 'static,
{
    with_fault_during(400, fault).await
}

async fn with_fault_during<F>(
    millis: u64,
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> Outcome
where
    F: Future<Output = ()> + Send + 'static,
{
    let app = App::serve(routes, move |mut socket: Socket, _| {
        let fault = fault.clone();
        async move {
            let sid = started(&mut socket).await;
            fault(socket, sid).await;
        }
    })
    .await;
    simulated(&app)
        .linger(Duration::from_millis(300))
        .script(Script::new().speak(tone(millis)))
        .call()
        .await
}

async fn drain(mut socket: Socket) {
    while next_json(&mut socket).await.is_some() {}
}

#[tokio::test]
async fn invalid_messages_are_reported_once() {
    for bad in [
        json!({"event": "media", "streamSid": "SID", "media": {"playload": "//8="}}),
        json!({"event": "media", "streamSid": "MZ0", "media": {"payload": "//8="}}),
        json!({"event": "hangup", "streamSid": "SID"}),
        json!({"event": "mark", "streamSid": "SID"}),
    ] {
        let outcome = with_fault(move |mut socket, sid| {
            let bad = bad.to_string().replace("\"SID\"", &sid.to_string());
            async move {
                for _ in 0..3 {
                    send_json(&mut socket, serde_json::from_str(&bad).unwrap()).await;
                }
                drain(socket).await;
            }
        })
        .await;
        assert_eq!(codes(&outcome), ["31951"]);
        assert!(!outcome.ok());
    }
}

#[tokio::test]
async fn binary_and_odd_frames_are_complained_of() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let outcome = with_fault(|mut socket, sid| async move {
        socket.send(Message::binary(vec![0_u8; 160])).await.unwrap();
        let odd = json!({"event": "media", "streamSid": sid, "media": {"payload": "/////w=="}});
        send_json(&mut socket, odd).await;
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["31950", "odd-frame-size"]);
    assert_eq!(outcome.complaints[1].severity, Severity::Warning);
}

#[tokio::test]
async fn a_socket_that_stays_open_is_found() {
    let outcome = with_fault(|socket, _| async move {
        // Neither read nor closed: the carrier's goodbye is not heard.
        tokio::time::sleep(SECOND).await;
        drop(socket);
    })
    .await;
    assert_eq!(codes(&outcome), ["socket-left-open"]);
}

#[tokio::test]
async fn a_broken_connection_and_an_odd_close_code_are_found() {
    let outcome = with_fault(|socket, _| async move { drop(socket) }).await;
    assert_eq!(codes(&outcome), ["31903"]);
    assert_eq!(outcome.ended_by, EndedBy::App);

    use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
    let outcome = with_fault(|mut socket, sid| async move {
        send_json(&mut socket, silence(&sid, 2_000)).await;
        let frame = CloseFrame {
            code: CloseCode::Error,
            reason: "".into(),
        };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(codes(&outcome), ["audio-lost", "31921"]);
    assert_eq!(outcome.stream().unwrap().closed_by_app, Some(1011));
}

#[tokio::test]
async fn an_app_that_speaks_before_the_start_is_found() {
    let app = App::serve(routes, |mut socket: Socket, seen| async move {
        send_json(&mut socket, json!({"event": "clear", "streamSid": "MZ0"})).await;
        echo(socket, seen).await;
    })
    .await;
    let outcome = simulated(&app)
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["message-before-start"]);
}

#[tokio::test]
async fn more_than_ten_minutes_are_thrown_away() {
    let outcome = with_fault_during(40_000, |mut socket, sid| async move {
        for _ in 0..80 {
            send_json(&mut socket, silence(&sid, 10_000)).await;
        }
        let _ = socket.close(None).await;
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["31931", "audio-lost"]);
    assert!(outcome.stream().unwrap().overflowed >= Duration::from_secs(10));
}

#[tokio::test]
async fn gaps_are_counted_and_pauses_are_not() {
    let outcome = with_fault_during(4_000, |mut socket, sid| async move {
        for pause in [100, 100, 400] {
            send_json(&mut socket, silence(&sid, 100)).await;
            // At four times the speed: twice 300 ms of silence, then 1.5 s.
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        send_json(&mut socket, silence(&sid, 100)).await;
        drain(socket).await;
    })
    .await;
    let stream = outcome.stream().unwrap();
    assert_eq!(stream.gaps, 2, "{stream:?}");
    assert!(
        (200..1_000).contains(&stream.gap_time.as_millis()),
        "{stream:?}"
    );
}

#[tokio::test]
async fn stream_urls_are_checked() {
    for (url, attributes, parameter, code) in [
        ("http://HOST/media/one", "", "", "31922"),
        ("", "", "", "31923"),
        ("ws://HOST/media/one", "track=\"both_tracks\"", "", "31941"),
        ("ws://HOST/media/one?token=x", "", "", "query-on-stream-url"),
        ("ws://HOST/missing", "", "", "31920"),
        ("ws://127.0.0.1:1/media", "", "", "31902"),
        ("wss://elsewhere.example/media", "", "", "31923"),
        ("ws://HOST/media/one", "", "LONG", "parameter-too-long"),
        (
            "ws://HOST/media/one",
            "statusCallbackEvent=\"x\"",
            "",
            "12200",
        ),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => {
                    let parameter = match parameter {
                        "" => String::new(),
                        _ => format!("<Parameter name=\"p\" value=\"{}\"/>", "x".repeat(499)),
                    };
                    Reply::xml(format!(
                        "<Response><Connect><Stream url=\"{}\" statusCallback=\"/stream\" {attributes}>{parameter}</Stream></Connect></Response>",
                        url.replace("HOST", seen.host())
                    ))
                }
                _ => routes(seen),
            },
            echo,
        )
        .await;
        let outcome = simulated(&app)
            .script(Script::new().silence(Duration::from_millis(50)))
            .call()
            .await;
        assert_eq!(codes(&outcome), [code], "{url} {attributes}");
        let failed = code.starts_with("319");
        let events: Vec<_> = app
            .seen_at("/stream")
            .iter()
            .map(|seen| seen.param("StreamEvent"))
            .collect();
        assert_eq!(
            events.first().map(String::as_str),
            Some(if failed {
                "stream-error"
            } else {
                "stream-started"
            })
        );
        assert!(
            app.seen_at("/media/one")
                .iter()
                .all(|seen| seen.query.is_empty())
        );
    }
}

#[tokio::test]
async fn plain_ws_is_refused_when_the_public_url_is_secure() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .public_url("https://voice.example.com")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["31922"]);
}

#[tokio::test]
async fn the_document_goes_on_behind_a_closed_stream() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(twiml(seen).replace("<Connect>", "<Connect action=\"/after\">")),
            "/after" => Reply::xml("<Response><Say>Bye</Say></Response>"),
            _ => routes(seen),
        },
        |mut socket: Socket, _| async move {
            started(&mut socket).await;
            let _ = socket.close(None).await;
            drain(socket).await;
        },
    )
    .await;
    let outcome = simulated(&app)
        .script(Script::new().wait_for_hang_up(5 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    assert_eq!(app.seen_at("/after")[0].param("CallStatus"), "in-progress");
    let asked: Vec<_> = outcome
        .documents
        .iter()
        .map(|document| document.asked_by.as_str())
        .collect();
    assert_eq!(asked, ["answer", "connect"]);
}

#[tokio::test]
async fn a_call_can_be_ended_from_outside() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!handle.is_over());
    assert!(handle.call_id().unwrap().starts_with("CA"));
    handle.hang_up();
    let outcome = call.outcome().await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::App);
}

#[tokio::test]
async fn a_call_that_never_ends_is_ended() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .deadline(Duration::from_millis(300))
        .script(Script::new().wait_for_hang_up(60 * SECOND))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["deadline"]);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_run_at_once() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app).script(
        Script::new()
            .speak(tone(300))
            .wait_to_hear(Duration::from_millis(200), 10 * SECOND),
    );
    let running: Vec<_> = (0..30).map(|_| call.clone().start()).collect();
    let mut ids = vec![];
    for call in running {
        let outcome = call.outcome().await;
        assert_clean(&outcome);
        ids.push(outcome.call_id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

#[tokio::test]
async fn neither_numbers_nor_secrets_are_shown() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app)
        .answer_url(app.url("/call?key=hush"))
        .script(Script::new().speak(tone(60)).press("4711081547"));
    let shown = format!("{call:?}");
    let outcome = call.call().await;
    let shown = format!("{shown} {outcome:#?} {:?}", outcome.trace);
    for secret in [
        "4155550100",
        "4155550199",
        "a token for tests",
        "hush",
        "4711081547",
        "AC0000000",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
    // The trace as JSON is for the author of the app, and holds the messages.
    let lines = outcome.trace_lines();
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert!(lines.contains("websocket") && lines.contains("4155550100"));
}
