//! The token that requests are sent with: kept, renewed, and given up when Vonage does not take it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::scripted::*;
use common::*;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{CallId, CarrierCall, ErrorKind, Ports, Retry, Telephony};
use telephony_vonage::Vonage;

fn call() -> CarrierCall {
    CarrierCall::new(CallId::new("u-1").unwrap())
}

fn unauthorized() -> telephony_core::Result<http::Response<bytes::Bytes>> {
    says(
        401,
        r#"{"type":"UNAUTHORIZED","error_title":"Unauthorized"}"#,
    )
}

fn jtis(bench: &Bench) -> Vec<String> {
    let id = |seen: &Seen| seen.claims()["jti"].as_str().unwrap()[..2].to_owned();
    bench.http.seen().iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_until_shortly_before_its_end() {
    let bench = bench((0..5).map(|_| says(204, "")));
    for seconds in [0, 300, 299] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        bench.vonage.hang_up(&call()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.vonage.hang_up(&call()).await.unwrap();
    // The clock was set back behind its issue.
    bench.clock.set_ahead(-3600);
    bench.vonage.hang_up(&call()).await.unwrap();
    assert_eq!(jtis(&bench), ["01", "01", "01", "02", "03"]);
    let seen = bench.http.seen();
    assert_eq!(seen[3].claims()["iat"], NOW + 600);
    assert_eq!(seen[3].claims()["exp"], NOW + 1500);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_good_before_is_renewed_once() {
    for placing in [false, true] {
        let done = if placing {
            says(201, TAKEN)
        } else {
            says(204, "")
        };
        let bench = bench([says(204, ""), unauthorized(), done, says(204, "")]);
        bench.vonage.mute(&call()).await.unwrap();
        if placing {
            // It was not placed, so this is safe.
            bench.vonage.make_call(&call_out(), &links()).await.unwrap();
        } else {
            bench.vonage.hang_up(&call()).await.unwrap();
        }
        bench.vonage.unmute(&call()).await.unwrap();
        assert_eq!(jtis(&bench), ["01", "01", "02", "02"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_one_that_is_not_taken_is_an_error() {
    let bench = bench((0..4).map(|_| unauthorized()));
    for _ in 0..2 {
        let error = bench
            .vonage
            .make_call(&call_out(), &links())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(
            (error.http_status(), error.retry()),
            (Some(401), Retry::Never)
        );
        assert!(error.detail().contains("`private_key`"), "{error}");
    }
    // It was not kept, so each operation has asked once.
    assert_eq!(jtis(&bench), ["01", "02"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_second_refusal_it_is_an_error() {
    let turns = [says(204, ""), unauthorized(), unauthorized(), says(204, "")];
    let bench = bench(turns);
    bench.vonage.mute(&call()).await.unwrap();
    let error = bench.vonage.hang_up(&call()).await.unwrap_err();
    assert_eq!(error.http_status(), Some(401));
    bench.vonage.hang_up(&call()).await.unwrap();
    assert_eq!(jtis(&bench), ["01", "01", "02", "03"]);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_share_one() {
    let bench = Arc::new(bench((0..20).map(|_| says(204, ""))));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.vonage.hang_up(&call()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(jtis(&bench).iter().all(|jti| jti == "01"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_used_sends_nothing() {
    let bench = bench_with(config(), []);
    let error = bench.vonage.hang_up(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.detail().contains("`private_key`"), "{error}");
    bench.http.assert_silent();
}

#[tokio::test]
async fn without_an_http_client_that_is_said() {
    let vonage = Vonage::new(label(), rest_config(), &Ports::default()).unwrap();
    let error = vonage.hang_up(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.detail().contains("HTTP client"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_it_is_shown() {
    let bench = bench([says(204, ""), says(500, "")]);
    bench.vonage.hang_up(&call()).await.unwrap();
    let error = bench
        .vonage
        .make_call(&call_out(), &links())
        .await
        .unwrap_err();
    let shown = format!("{:?} {error} {error:?}", bench.vonage);
    assert!(shown.contains("Scripted"), "{shown}");
    let token = bench.http.seen()[0].token().to_owned();
    let key = PKCS8.lines().filter(|line| !line.starts_with("---"));
    for secret in token.split('.').chain(key).chain([SECRET, "7700900"]) {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}
