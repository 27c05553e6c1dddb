//! The verdict on an app in another language: every deliberate fault is found, and a clean app has none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Ended, PUBLIC, Server, python, run, telephony};

/// A fault of the app, and a code that the verdict must have.
type Case = (&'static str, &'static str);

const TWILIO: [Case; 21] = [
    ("bad-xml", "12100"),
    ("wrong-root", "12102"),
    ("wrong-type", "12300"),
    ("empty", "11770"),
    ("error", "11200"),
    ("slow", "slow-webhook"),
    ("record", "record-beside-stream"),
    ("unknown-verb", "12200"),
    ("plain-socket", "31922"),
    ("query", "query-on-stream-url"),
    ("no-socket", "31920"),
    ("early", "message-before-start"),
    ("binary", "31950"),
    ("junk", "31951"),
    ("wrong-sid", "31951"),
    ("odd-frame", "odd-frame-size"),
    ("wav", "file-header-in-audio"),
    ("odd-close", "31921"),
    ("vanishes", "31903"),
    ("stays-open", "socket-left-open"),
    ("bad-status", "15003"),
];

const VONAGE: [Case; 14] = [
    ("bad-ncco", "ncco-syntax"),
    ("wrong-type", "ncco-content-type"),
    ("error", "ncco-fetch-failed"),
    ("slow", "slow-webhook"),
    ("odd-rate", "websocket-content-type"),
    ("not-last", "connect-not-last"),
    ("no-socket", "websocket-not-opened"),
    ("odd-frame", "unexpected-frame-size"),
    ("junk", "bad-command"),
    ("unknown-command", "unknown-command"),
    ("wav", "file-header-in-audio"),
    ("odd-close", "odd-close-code"),
    ("stays-open", "socket-left-open"),
    ("bad-status", "event-not-taken"),
];

const EXOTEL: [Case; 20] = [
    ("not-json", "invalid-json"),
    ("wrong-type", "wrong-content-type"),
    ("redirects", "redirected"),
    ("error", "unexpected-status"),
    ("slow", "slow-webhook"),
    ("no-url", "no-stream-url"),
    ("plain-socket", "insecure-stream-url"),
    ("no-socket", "3009"),
    ("binary", "binary-message"),
    ("junk", "invalid-message"),
    ("unknown-event", "unknown-event"),
    ("wrong-sid", "stream-sid"),
    ("half-sample", "half-sample"),
    ("odd-frame", "gap"),
    ("bad-base64", "invalid-base64"),
    ("no-payload", "no-payload"),
    ("too-long", "chunk-too-long"),
    ("burst", "burst"),
    ("odd-close", "close-code"),
    ("stays-open", "socket-left-open"),
];

const PLIVO: [Case; 19] = [
    ("bad-xml", "8011"),
    ("wrong-root", "8011"),
    ("reject", "8011"),
    ("empty", "8011"),
    ("wrong-type", "content-type"),
    ("error", "7011"),
    ("slow", "slow-webhook"),
    ("unknown-verb", "unknown-element"),
    ("one-way", "one-way-stream"),
    ("short", "keep-call-alive"),
    ("plain-socket", "stream-url"),
    ("no-socket", "connection_failed"),
    ("binary", "invalid-message"),
    ("junk", "invalid-message"),
    ("wrong-rate", "invalid-message"),
    ("wrong-stream", "invalid-message"),
    ("vanishes", "connection-broken"),
    ("stays-open", "socket-left-open"),
    ("bad-status", "callback-refused"),
];

/// As many calls as a small machine bears at once.
const AT_ONCE: usize = 4;

async fn call(server: &str, carrier: &'static str, fault: &'static str, more: &[&str]) -> Ended {
    let url = format!("{server}/{fault}/{carrier}/call");
    let status = match carrier {
        "vonage" => "events",
        _ => "status",
    };
    let status = format!("{server}/{fault}/{carrier}/{status}");
    let mut arguments = vec![
        "call",
        "--carrier",
        carrier,
        "--url",
        &url,
        "--status-url",
        &status,
        "--public-url",
        PUBLIC,
        "--json",
        "--quiet",
    ];
    if carrier == "vonage" {
        arguments.extend(["--method", "post"]);
    }
    arguments.extend(more);
    run(&mut telephony(&arguments)).await
}

async fn every_fault_is_found(carrier: &'static str, cases: &'static [Case]) {
    let Some(Server { url, child: _child }) = python().await else {
        return;
    };
    // Whatever a busy machine does, no clean webhook is slow.
    let patient = ["--hang-up-after", "1500ms", "--slow-webhook", "30s"];
    let clean = call(&url, carrier, "clean", &patient).await;
    assert_eq!(clean.code, 0, "{clean:?}");
    assert_eq!(
        clean.codes(true),
        [""; 0],
        "{carrier}: a clean app has no complaints at all"
    );
    assert_eq!(clean.json()["call"]["answered"], true);
    assert!(
        !clean.out.contains(support::EXOTEL_SECRET) && !clean.out.contains(support::PLIVO_TOKEN),
        "a secret is in the output"
    );

    let mut found = 0;
    for cases in cases.chunks(AT_ONCE) {
        let mut calls = tokio::task::JoinSet::new();
        for (fault, code) in cases {
            let url = url.clone();
            calls.spawn(async move {
                let limit = if *fault == "slow" { "300ms" } else { "30s" };
                let more = ["--hang-up-after", "1s", "--slow-webhook", limit];
                (*fault, *code, call(&url, carrier, fault, &more).await)
            });
        }
        while let Some(call) = calls.join_next().await {
            let (fault, code, ended) = call.unwrap();
            assert_eq!(ended.code, 1, "{carrier} {fault}: {ended:?}");
            let codes = ended.codes(false);
            assert!(
                codes.iter().any(|known| known == code),
                "{carrier} {fault}: {code} is not in {codes:?}"
            );
            found += 1;
        }
    }
    assert_eq!(found, cases.len());
}

#[tokio::test]
async fn twilio_finds_every_fault() {
    every_fault_is_found("twilio", &TWILIO).await;
}

#[tokio::test]
async fn vonage_finds_every_fault() {
    every_fault_is_found("vonage", &VONAGE).await;
}

#[tokio::test]
async fn exotel_finds_every_fault() {
    every_fault_is_found("exotel", &EXOTEL).await;
}

#[tokio::test]
async fn plivo_finds_every_fault() {
    every_fault_is_found("plivo", &PLIVO).await;
}

#[tokio::test]
async fn an_app_that_talks_on_after_its_clear_is_told_so() {
    let Some(server) = python().await else {
        return;
    };
    let more = [
        "--interrupt-at",
        "2s",
        "--hang-up-after",
        "4s",
        "--slow-webhook",
        "30s",
    ];
    let ended = call(&server.url, "twilio", "deaf", &more).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.codes(false).contains(&"audio-after-clear".to_owned()),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_app_that_checks_signatures_refuses_another_secret() {
    let Some(server) = python().await else {
        return;
    };
    for (carrier, variable, code) in [
        ("twilio", "TWILIO_AUTH_TOKEN", "11200"),
        ("plivo", "PLIVO_AUTH_TOKEN", "7011"),
    ] {
        let url = format!("{}/clean/{carrier}/call", server.url);
        let arguments = [
            "call",
            "--carrier",
            carrier,
            "--url",
            &url,
            "--public-url",
            PUBLIC,
            "-q",
        ];
        let ended = run(telephony(&arguments).env(variable, "another token")).await;
        assert_eq!(ended.code, 1, "{ended:?}");
        for says in [code, "403", "is --public-url what it believes"] {
            assert!(ended.out.contains(says), "{says}: {}", ended.out);
        }
    }
}

#[tokio::test]
async fn an_app_that_hangs_up_as_it_should_is_clean() {
    let Some(server) = python().await else {
        return;
    };
    let more = ["--expect-hang-up", "20s", "--slow-webhook", "30s"];
    let ended = call(&server.url, "twilio", "hangs-up", &more).await;
    let result = ended.json();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(result["call"]["ended_by"], "app");
    assert_eq!(result["call"]["streams"][0]["closed_by_app"], 1000);
}

#[tokio::test]
async fn a_menu_hears_the_keys() {
    let Some(server) = python().await else {
        return;
    };
    let url = format!("{}/clean/twilio/menu", server.url);
    let arguments = [
        "call",
        "--carrier",
        "twilio",
        "--url",
        &url,
        "--dtmf",
        "7@200ms",
        "--json",
        "-q",
        "--slow-webhook",
        "30s",
    ];
    let ended = run(&mut telephony(&arguments)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    assert_eq!(result["call"]["keys_pressed"], 1);
    let purposes = result["call"]["webhooks"].as_array().unwrap();
    assert_eq!(
        purposes.len(),
        2,
        "the call and what was entered: {purposes:?}"
    );
}
