//! `telephony serve` and `telephony load` as processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use support::{PLIVO_TOKEN, PUBLIC, Server, TWILIO_TOKEN, echo, run, telephony};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SID: &str = "AC00000000000000000000000000000001";
const PLIVO_ID: &str = "MA00000000000000000001";

/// Places a call as an app does, without any library: status and body.
async fn place(base: &str) -> (u16, Value) {
    let path = format!("/2010-04-01/Accounts/{SID}/Calls.json");
    let body = "To=%2B14155550199&From=%2B14155550100&Twiml=%3CResponse%3E%3CSay%3EHi%3C%2FSay%3E%3C%2FResponse%3E";
    let kind = "application/x-www-form-urlencoded";
    post(base, &path, (SID, TWILIO_TOKEN), (kind, body)).await
}

async fn post(
    base: &str,
    path: &str,
    (user, password): (&str, &str),
    (kind, body): (&str, &str),
) -> (u16, Value) {
    let host = base.strip_prefix("http://").unwrap();
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Basic {credentials}\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut tcp = TcpStream::connect(host).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn serve(more: &[&str]) -> Server {
    let mut arguments = vec!["serve", "--carrier", "twilio"];
    arguments.extend(more);
    Server::start(telephony(&arguments).stderr(Stdio::null())).await
}

#[tokio::test]
async fn a_call_is_placed_and_judged() {
    for (answer, status) in [
        ("person", "completed"),
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("machine", "completed"),
    ] {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (listen, base) = (port.to_string(), format!("http://{port}"));
        let arguments = [
            "serve",
            "--carrier",
            "twilio",
            "--listen",
            &listen,
            "--answer",
            answer,
            "--ring",
            "100ms",
            "--speed",
            "20",
            "--calls",
            "1",
            "--for",
            "60s",
            "--json",
        ];
        let mut command = telephony(&arguments);
        let running = tokio::spawn(async move { run(&mut command).await });
        let taken = loop {
            if TcpStream::connect(port).await.is_ok() {
                break place(&base).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(taken.0, 201, "{answer}: {taken:?}");
        let ended = running.await.unwrap();
        assert_eq!(ended.code, 0, "{answer}: {ended:?}");
        let events: Vec<Value> = ended
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events[0]["base_url"], base);
        let call = events
            .iter()
            .find(|event| event["event"] == "call")
            .unwrap();
        assert_eq!(call["call"]["status"], status, "{answer}");
        assert!(
            events
                .iter()
                .any(|event| event["request"]["operation"] == "place-call")
        );
        assert!(!ended.out.contains(TWILIO_TOKEN));
    }
}

#[tokio::test]
async fn faults_strike_as_often_as_they_are_told_to() {
    let server = serve(&["--fail", "429", "--fail-times", "2", "--retry-after", "3s"]).await;
    for expected in [429, 429, 201] {
        let (status, body) = place(&server.url).await;
        assert_eq!(status, expected, "{body}");
        if status == 429 {
            assert_eq!(body["code"], 20429, "in the carrier's words: {body}");
        }
    }
    let server = serve(&["--slow", "700ms"]).await;
    let begun = std::time::Instant::now();
    assert_eq!(place(&server.url).await.0, 201);
    assert!(begun.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn plivo_takes_its_own_words() {
    let arguments = [
        "serve",
        "--carrier",
        "plivo",
        "--fail",
        "503",
        "--fail-times",
        "1",
    ];
    let server = Server::start(telephony(&arguments).stderr(Stdio::null())).await;
    let path = format!("/v1/Account/{PLIVO_ID}/Call/");
    let body =
        r#"{"from": "14155550100", "to": "14155550199", "answer_url": "http://127.0.0.1:1/call"}"#;
    let place = |token| {
        let credentials = (PLIVO_ID, token);
        post(&server.url, &path, credentials, ("application/json", body))
    };
    assert_eq!(place(PLIVO_TOKEN).await.0, 503);
    let (status, answer) = place(PLIVO_TOKEN).await;
    assert_eq!((status, &answer["message"]), (201, &"call fired".into()));
    assert_eq!(place("guessed").await.0, 401);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_with_a_verdict() {
    let mut server = serve(&[]).await;
    let pid = server.child.id().unwrap().to_string();
    let killed = tokio::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await;
    assert!(killed.unwrap().success());
    let status = tokio::time::timeout(Duration::from_secs(30), server.child.wait()).await;
    assert_eq!(status.expect("it goes on").unwrap().code(), Some(0));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&mut telephony(&[
        "serve",
        "--carrier",
        "twilio",
        "--listen",
        &address,
    ]))
    .await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains(&address), "{}", ended.err);
}

#[tokio::test]
async fn many_calls_are_measured() {
    let server = echo().await;
    let url = format!("{}/twilio/call", server.url);
    let arguments = [
        "load",
        "--carrier",
        "twilio",
        "--url",
        &url,
        "--public-url",
        PUBLIC,
        "--calls",
        "6",
        "--rate",
        "10/s",
        "--for",
        "2s",
        "--slow-webhook",
        "30s",
    ];
    let ended = run(telephony(&arguments).arg("--json")).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    assert_eq!(
        (result["calls"].as_u64(), result["with_errors"].as_u64()),
        (Some(6), Some(0))
    );
    assert_eq!(result["not_answered"], 0);
    assert!(
        result["most_at_once"].as_u64().unwrap() >= 2,
        "they did not overlap: {result}"
    );
    for name in ["webhook_ms", "set_up_ms", "first_audio_ms"] {
        assert_eq!(result[name]["count"], 6, "{name}: {result}");
        assert!(result[name]["p50"].as_f64() <= result[name]["max"].as_f64());
    }
    // Two bursts in each call, and each comes back.
    assert!(
        result["round_trip_ms"]["count"].as_u64().unwrap() >= 6,
        "{result}"
    );

    let ended = run(telephony(&arguments).arg("--quiet")).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    for row in ["calls          6", "round trip", "p99", "late messages"] {
        assert!(ended.out.contains(row), "{row}: {}", ended.out);
    }
}

#[tokio::test]
async fn complaints_of_many_calls_are_counted() {
    let server = echo().await;
    // There is no such account: every call is refused.
    let url = format!("{}/acme/call", server.url);
    let arguments = [
        "load",
        "--carrier",
        "twilio",
        "--url",
        &url,
        "--calls",
        "3",
        "--rate",
        "20/s",
        "--for",
        "1s",
        "-q",
    ];
    let ended = run(&mut telephony(&arguments)).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.out.contains("error 11200 in 3 calls"),
        "{}",
        ended.out
    );
}
