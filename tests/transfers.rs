//! Calls that are given something else to do while the carrier is slow, refuses, or asks first; through the real client
//! and server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use futures_util::future::BoxFuture;
use std::time::{Duration, Instant};
use support::rest::{House, SOON, Seen, listen};
use telephony::media::Streamer;
use telephony::reqwest::HttpOptions;
use telephony::{
    Answer, CallEvent, CallEventKind, CallKey, Calls, Dtmf, EndReason, ErrorKind, MachineDetection,
    Party, Provider,
};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{
    DialResult, EndedBy, Fault, OnDial, Operation, Script, SimulatedCall, Speech,
};

const SECOND: Duration = Duration::from_secs(1);

fn patient(call: SimulatedCall) -> SimulatedCall {
    let after = Duration::from_millis(100);
    call.on_dial(OnDial::Answer { after })
        .script(Script::new().wait_for_hang_up(SOON))
}

/// All that the app sees until `is_last`.
async fn watch(house: &House, is_last: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let began = Instant::now();
    let mut all = Vec::new();
    while !is_last(&all) {
        assert!(began.elapsed() < SOON, "{}: {all:?}", house.provider);
        tokio::time::sleep(Duration::from_millis(5)).await;
        all.extend(house.seen());
    }
    all
}

fn streams(seen: &[Seen]) -> usize {
    let is_stream = |seen: &&Seen| matches!(seen, Seen::Stream(_));
    seen.iter().filter(is_stream).count()
}

fn ends(seen: &[Seen]) -> Vec<EndReason> {
    let reason = |seen: &Seen| match seen {
        Seen::Ended(reason) => Some(reason.clone()),
        _ => None,
    };
    seen.iter().filter_map(reason).collect()
}

async fn in_a_stream(house: &House) -> CallKey {
    let call = house.outbound(Answer::stream());
    let key = house.calls.place(&house.label, call).await.unwrap().key;
    watch(house, |seen| streams(seen) == 1).await;
    key
}

#[tokio::test]
async fn a_new_stream_that_is_faster_than_the_carriers_answer_lives() {
    for (provider, operation) in [
        (Provider::Twilio, Operation::Redirect),
        (Provider::Twilio, Operation::SendDigits),
        (Provider::Vonage, Operation::Redirect),
    ] {
        let house = House::start(provider, patient).await;
        let key = in_a_stream(&house).await;
        let slow = Fault::slow(Duration::from_millis(700)).on(operation);
        house.carrier.inject(slow);
        if operation == Operation::SendDigits {
            let keys = Dtmf::new("1").unwrap().then(Answer::stream());
            house.calls.send_dtmf(&key, &keys).await.unwrap();
        } else {
            house.calls.transfer(&key, Answer::stream()).await.unwrap();
        }
        // Longer than an end is waited for.
        tokio::time::sleep(SECOND * 6).await;
        let seen = house.seen();
        assert_eq!(streams(&seen), 1, "{provider}: the new one");
        assert_eq!(ends(&seen).len(), 1, "{provider}: the old one, {seen:?}");
        assert_eq!(house.calls.find(&key).await.unwrap().live_streams, 1);
        assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
        house.calls.hang_up(&key).await.unwrap();
        house.assert_no_complaints(&house.outcome(0).await);
    }
}

#[tokio::test]
async fn a_transfer_whose_answer_is_lost_is_not_cut() {
    let http = HttpOptions::default();
    for provider in [Provider::Twilio, Provider::Vonage] {
        let house = House::with(provider, listen, http, |url| {
            patient(house::simulated::call(provider, url))
                .script(Script::new().silence(SECOND * 9).hang_up())
                .dial_result(DialResult::Completed(SECOND * 7))
        })
        .await;
        let key = in_a_stream(&house).await;
        house
            .carrier
            .inject(Fault::garbage().on(Operation::Redirect));
        let answer = Answer::dial("+919876500000");
        // The carrier has done it, whatever its answer looked like.
        let _ = house.calls.transfer(&key, answer).await;
        let outcome = house.outcome(0).await;
        assert_ne!(outcome.ended_by, EndedBy::App, "{provider}");
        assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
    }
}

#[tokio::test]
async fn a_refused_transfer_leaves_a_stream_that_ends_its_call() {
    for provider in [Provider::Twilio, Provider::Vonage] {
        let house = House::start(provider, patient).await;
        let key = in_a_stream(&house).await;
        house
            .carrier
            .inject(Fault::status(403).on(Operation::Redirect));
        house
            .calls
            .transfer(&key, Answer::stream())
            .await
            .unwrap_err();
        let record = house.calls.find(&key).await.unwrap();
        assert_eq!((record.live_streams, record.moved), (1, 0), "{provider}");
        house.calls.hang_up(&key).await.unwrap();
        house.outcome(0).await;
    }
}

/// Leaves a message for a machine.
fn to_machine(event: &CallEvent) -> Option<Answer> {
    matches!(event.kind, CallEventKind::MachineDetected(_))
        .then(|| Answer::say("word ".repeat(18)).then_hang_up())
}

#[tokio::test]
async fn what_the_app_answers_to_an_event_is_done_to_its_end() {
    let provider = Provider::Vonage;
    let http = HttpOptions::default();
    let house = House::with_app(provider, listen, to_machine, http, |url| {
        let script = Script::new()
            .speak(Speech::tone(300.0, Duration::from_millis(600)))
            .wait_for_hang_up(SOON * 2);
        let after = Duration::from_millis(100);
        house::simulated::call(provider, url)
            .on_dial(OnDial::Machine { after })
            .script(script)
    })
    .await;
    let call = house.outbound(Answer::stream());
    let call = call.with_machine_detection(MachineDetection::Report);
    house.calls.place(&house.label, call).await.unwrap();
    let outcome = house.outcome(0).await;
    house.assert_no_complaints(&outcome);
    assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
    assert_eq!(outcome.ended_by, EndedBy::Document);
}

/// Says that the caller is being connected, and transfers.
fn announce(calls: Calls, mut stream: Box<dyn Streamer>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let format = stream.context().outbound;
        let bytes = format.bytes_in(Duration::from_millis(800));
        stream.send(vec![1; bytes].into()).await.unwrap();
        stream.finish().await.unwrap();
        let key = stream.context().call_key.clone();
        let to = Party::parse("+919876500000");
        calls.transfer(&key, to).await.unwrap();
        // The app holds the stream until it is over.
        while stream.recv().await.is_some() {}
    })
}

#[tokio::test]
async fn exotel_plays_what_was_said_before_a_transfer() {
    let http = HttpOptions::default();
    let house = House::with(Provider::Exotel, announce, http, |url| {
        let connect = format!("{}&applet=connect", house::simulated::exotel_call_url(url));
        let applets = [Applet::Voicebot, Applet::connect(connect), Applet::Hangup];
        house::simulated::exotel_flow(url, applets)
            .script(Script::new().silence(SECOND * 3).hang_up())
            .dial_result(DialResult::Completed(SECOND))
    })
    .await;
    let outcome = house.carrier.incoming().call().await;
    house.assert_no_complaints(&outcome);
    let played = outcome.streams[0].played;
    assert!(played >= Duration::from_millis(800), "{played:?}");
    let documents = &outcome.documents;
    let is_dialled = documents
        .iter()
        .any(|document| document.raw.contains("9876500000"));
    assert!(is_dialled, "the Connect applet was not told whom to dial");
}

#[tokio::test]
async fn a_call_that_is_being_placed_can_be_given_up() {
    for provider in [Provider::Twilio, Provider::Vonage] {
        let house = House::start(provider, patient).await;
        let slow = Fault::slow(Duration::from_millis(500)).on(Operation::PlaceCall);
        house.carrier.inject(slow);
        let key = CallKey::random(&telephony::OsRandom).unwrap();
        let call = house.outbound(Answer::stream()).with_key(key.clone());
        let unknown = house.calls.hang_up(&key).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        let (placed, hung_up) = tokio::join!(house.calls.place(&house.label, call), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            house.calls.hang_up(&key).await
        });
        assert_eq!(placed.unwrap().key, key);
        hung_up.unwrap();
        house.finished(&key).await;
        assert_eq!(house.outcome(0).await.ended_by, EndedBy::App, "{provider}");
    }
}
