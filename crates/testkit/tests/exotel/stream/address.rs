//! Where the stream goes: how the app is asked for it, and what it answers.

use std::time::Duration;

use super::{account, echo, mark, routes, simulated, started};
use crate::support::{
    App, Reply, SECOND, Seen, Socket, assert_clean, codes, drain, next_json, no_socket, send_json,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use telephony_testkit::persona::exotel::UrlRequest;
use telephony_testkit::{EndedBy, Method, Script};

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
