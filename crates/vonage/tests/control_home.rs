//! Where a call lives, and where its requests go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::assert_refused;
use common::scripted::*;
use common::*;
use serde_json::json;
use telephony_core::{
    Answer, CallId, CarrierCall, Dtmf, ErrorKind, Recording, Telephony, WebhookKind,
};
use telephony_vonage::rest::{StreamAudio, Talk};
use telephony_vonage::{NAME, VonageCallOptions};

const REGION: &str = "https://api-eu-3.vonage.com";

fn call_in(home: &str) -> CarrierCall {
    CarrierCall::new(CallId::new("u-1").unwrap()).at(Some(home.to_owned()))
}

fn hosts(bench: &Bench) -> Vec<String> {
    let host = |seen: &Seen| seen.request.uri().host().unwrap().to_owned();
    bench.http.seen().iter().map(host).collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_came_in_is_steered_in_its_region() {
    let body =
        json!({"uuid": "u-1", "from": "447700900456", "to": "442079460123", "region_url": REGION});
    let bench = bench([says(204, "")]);
    let request = verified(&bench.vonage, WebhookKind::IncomingCall, &body);
    let incoming = bench.vonage.accept_call(&request).unwrap();
    let call =
        CarrierCall::new(incoming.id().unwrap().clone()).at(incoming.home().map(str::to_owned));
    bench.vonage.hang_up(&call).await.unwrap();
    assert_eq!(
        bench.http.only().line(),
        format!("PUT {REGION}/v1/calls/u-1")
    );
}

#[tokio::test(start_paused = true)]
async fn every_operation_goes_there() {
    let turns = [
        says(204, ""),
        says(204, ""),
        says(200, "{}"),
        says(200, r#"{"uuid":"u-1"}"#),
    ];
    let bench = bench(turns.into_iter().chain((0..10).map(|_| says(200, "{}"))));
    let (vonage, call, links) = (&bench.vonage, call_in(REGION), links());
    vonage.hang_up(&call).await.unwrap();
    let answer = Answer::say("Hello.");
    vonage.transfer(&call, &answer, &links).await.unwrap();
    let keys = Dtmf::new("1").unwrap();
    vonage.send_dtmf(&call, &keys, &links).await.unwrap();
    let snapshot = vonage.fetch_call(&call).await.unwrap();
    assert_eq!(snapshot.call.home.as_deref(), Some(REGION));
    vonage.mute(&call).await.unwrap();
    vonage.unmute(&call).await.unwrap();
    vonage.earmuff(&call).await.unwrap();
    vonage.unearmuff(&call).await.unwrap();
    vonage.start_talk(&call, &Talk::new("Hi.")).await.unwrap();
    vonage.stop_talk(&call).await.unwrap();
    let audio = StreamAudio::new("https://e.com/a.mp3");
    vonage.start_stream(&call, &audio).await.unwrap();
    vonage.stop_stream(&call).await.unwrap();
    vonage.subscribe_dtmf(&call, &links).await.unwrap();
    vonage.unsubscribe_dtmf(&call).await.unwrap();
    assert_eq!(hosts(&bench), ["api-eu-3.vonage.com"; 14]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_placed_in_a_region_lives_there() {
    let bench = bench([
        says(201, TAKEN),
        says(204, ""),
        says(200, r#"{"count":0,"_embedded":{"calls":[]}}"#),
    ]);
    let options = VonageCallOptions::new().with_region_url(format!("{REGION}/v1"));
    let call = call_out().with_extension(NAME, options);
    let placed = bench.vonage.make_call(&call, &links()).await.unwrap();
    assert_eq!(placed.call.home.as_deref(), Some(REGION));
    bench.vonage.hang_up(&placed.call).await.unwrap();
    let found = bench.vonage.find_placed(&call, at(NOW)).await.unwrap();
    assert!(found.is_empty());
    assert_eq!(hosts(&bench), ["api-eu-3.vonage.com"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_sent_nothing() {
    for home in [
        "https://evil.example",
        "https://evil.example/?vonage.com",
        "https://vonage.com.evil.example",
        "http://api-eu-3.vonage.com",
        "https://hunter2@api-eu-3.vonage.com",
        "api-eu-3.vonage.com",
        "",
    ] {
        let bench = bench([]);
        let (vonage, call, links) = (&bench.vonage, call_in(home), links());
        let refused = |result| {
            assert_refused(result, ErrorKind::InvalidArgument, "the region's URL");
        };
        refused(vonage.hang_up(&call).await);
        let answer = Answer::say("Hello.");
        refused(vonage.transfer(&call, &answer, &links).await.map(drop));
        let keys = Dtmf::new("1").unwrap();
        refused(vonage.send_dtmf(&call, &keys, &links).await);
        refused(vonage.fetch_call(&call).await.map(drop));
        refused(vonage.mute(&call).await);
        refused(vonage.stop_talk(&call).await);
        let options = VonageCallOptions::new().with_region_url(home);
        let placing = call_out().with_extension(NAME, options);
        refused(vonage.make_call(&placing, &links).await.map(drop));
        refused(vonage.find_placed(&placing, at(NOW)).await.map(drop));
        bench.http.assert_silent();
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_somewhere_else_is_not_fetched() {
    for url in [
        "https://evil.example/v1/files/a",
        "https://evil.example/?vonage.com",
        "http://api.nexmo.com/v1/files/a",
        "https://api.nexmo.com@evil.example/",
        "/v1/files/a",
        "",
    ] {
        let bench = bench([]);
        let recording = Recording::new(None, url);
        let result = bench.vonage.fetch_recording(&recording).await;
        assert_refused(
            result,
            ErrorKind::InvalidArgument,
            "not on a host of Vonage's",
        );
        bench.http.assert_silent();
    }
}
