//! Live calls that are steered: hung up, transferred, sent keys, recorded; through the real client and server, on every
//! carrier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use futures_util::future::BoxFuture;
use std::time::Duration;
use support::rest::{House, OnStream, SOON, Seen, history, listen};
use telephony::media::Streamer;
use telephony::reqwest::HttpOptions;
use telephony::{
    Answer, CallEventKind, CallKey, CallStatus, Calls, Dtmf, EndReason, ErrorKind, Party, Provider,
    Recording,
};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{DialResult, EndedBy, OnDial, Operation, Script, SimulatedCall, Speech};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody answers and stays until the other side hangs up.
fn patient(call: SimulatedCall) -> SimulatedCall {
    let after = Duration::from_millis(100);
    call.on_dial(OnDial::Answer { after })
        .script(Script::new().wait_for_hang_up(SOON))
}

/// Waits for something that the app sees.
async fn wait_for<T>(house: &House, find: impl Fn(&Seen) -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = house.seen().iter().find_map(&find) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let provider = house.provider;
    tokio::time::timeout(SOON, wait)
        .await
        .unwrap_or_else(|_| panic!("{provider}: the app does not see it"))
}

async fn stream_is_up(house: &House) -> CallKey {
    wait_for(house, |seen| match seen {
        Seen::Stream(key) => Some(key.clone()),
        _ => None,
    })
    .await
}

async fn place(house: &House, answer: Answer) -> CallKey {
    let call = house.outbound(answer);
    house.calls.place(&house.label, call).await.unwrap().key
}

#[tokio::test]
async fn our_hang_up_ends_the_carriers_call_and_its_stream() {
    for provider in [Provider::Twilio, Provider::Vonage, Provider::Plivo] {
        let house = House::start(provider, patient).await;
        let key = place(&house, Answer::stream()).await;
        assert_eq!(stream_is_up(&house).await, key);
        house.calls.hang_up(&key).await.unwrap();
        wait_for(&house, |seen| match seen {
            Seen::Ended(reason) => Some(reason.clone()),
            _ => None,
        })
        .await;
        let outcome = house.outcome(0).await;
        house.assert_no_complaints(&outcome);
        assert_eq!(outcome.ended_by, EndedBy::App, "{provider}");
        let record = house.finished(&key).await;
        assert_eq!(record.status, CallStatus::Completed, "{provider}");
        // Again, and with nothing there any more, is the same.
        house.calls.hang_up(&key).await.unwrap();
        assert_eq!(house.carrier.requests_for(Operation::HangUp).len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_still_rings_can_be_given_up_where_the_carrier_can() {
    for provider in Provider::ALL {
        let ringing = |call: SimulatedCall| call.on_dial(OnDial::NoAnswer);
        let house = House::start(provider, ringing).await;
        let key = place(&house, Answer::stream()).await;
        let result = house.calls.hang_up(&key).await;
        if provider == Provider::Exotel {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
            assert_eq!(house.calls.find(&key).await.unwrap().ended, None);
            continue;
        }
        result.unwrap();
        let record = house.finished(&key).await;
        assert!(!history(&record).contains(&CallStatus::InProgress));
        house.assert_no_complaints(&house.outcome(0).await);
    }
}

/// Says something short and lets go.
fn goodbye(_: Calls, mut stream: Box<dyn Streamer>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let format = stream.context().outbound;
        let bytes = format.bytes_in(Duration::from_millis(300));
        stream.send(vec![1; bytes].into()).await.unwrap();
        stream.finish().await.unwrap();
    })
}

async fn with_app(
    provider: Provider,
    on_stream: OnStream,
    pattern: impl FnOnce(SimulatedCall) -> SimulatedCall,
) -> House {
    let http = HttpOptions::default();
    House::with(provider, on_stream, http, |url| {
        pattern(house::simulated::call(provider, url))
    })
    .await
}

#[tokio::test]
async fn when_the_app_lets_go_the_call_ends_and_the_carrier_is_not_asked_twice() {
    for provider in Provider::ALL {
        let house = with_app(provider, goodbye, patient).await;
        let outcome = house.carrier.incoming().call().await;
        house.assert_no_complaints(&outcome);
        assert!(outcome.streams[0].played >= Duration::from_millis(300));
        assert!(!outcome.ended_by.is_person(), "{provider}");
        assert!(house.carrier.requests().is_empty(), "{provider}");
        if provider == Provider::Exotel {
            let reason = wait_for(&house, |seen| match seen {
                Seen::Event(_, event) => match &event.kind {
                    CallEventKind::FlowGoesOn(reason) => Some(reason.clone()),
                    _ => None,
                },
                _ => None,
            });
            assert_eq!(reason.await, EndReason::App);
        }
    }
}

/// Transfers the call as soon as its stream is up, and lets go at once.
fn transfer(calls: Calls, stream: Box<dyn Streamer>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let key = stream.context().call_key.clone();
        calls
            .transfer(&key, Party::parse("+919876500000"))
            .await
            .unwrap();
    })
}

#[tokio::test]
async fn a_transfer_connects_the_caller_and_does_not_hang_up() {
    for provider in [Provider::Twilio, Provider::Vonage, Provider::Plivo] {
        let talk = |call: SimulatedCall| {
            let script = Script::new().silence(SECOND * 2).hang_up();
            let (to, _) = house::simulated::parties(provider);
            call.script(script)
                .from(to.address().to_owned())
                .dial_result(DialResult::Completed(SECOND))
        };
        let house = with_app(provider, transfer, talk).await;
        let outcome = house.carrier.incoming().call().await;
        house.assert_no_complaints(&outcome);
        assert_eq!(outcome.streams.len(), 1, "{provider}");
        assert!(outcome.documents.len() >= 2, "{provider}");
        let ended = wait_for(&house, |seen| match seen {
            Seen::Event(_, event) => match &event.kind {
                CallEventKind::DialEnded(report) => Some(report.status),
                CallEventKind::Leg(leg) if leg.status == Some(CallStatus::Completed) => {
                    Some(leg.status)
                }
                _ => None,
            },
            _ => None,
        })
        .await;
        assert_eq!(ended, Some(CallStatus::Completed), "{provider}");
        assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
    }
}

#[tokio::test]
async fn exotel_transfers_by_closing_the_stream_and_answering_the_next_applet() {
    let http = HttpOptions::default();
    let house = House::with(Provider::Exotel, transfer, http, |url| {
        let connect = format!("{}&applet=connect", house::simulated::exotel_call_url(url));
        let applets = [Applet::Voicebot, Applet::connect(connect), Applet::Hangup];
        house::simulated::exotel_flow(url, applets)
            .script(Script::new().silence(SECOND * 2).hang_up())
            .dial_result(DialResult::Completed(SECOND))
    })
    .await;
    let outcome = house.carrier.incoming().call().await;
    house.assert_no_complaints(&outcome);
    assert_eq!(outcome.streams.len(), 1);
    assert!(
        outcome.streams[0].closed_by_app.is_some(),
        "we close, so that the flow goes on"
    );
    let dialled = outcome
        .documents
        .iter()
        .any(|document| document.raw.contains("9876500000"));
    assert!(dialled, "the Connect applet was not told whom to dial");
}

#[tokio::test]
async fn a_live_call_gets_another_answer_also_one_that_is_too_long_for_a_request() {
    for provider in [Provider::Twilio, Provider::Vonage, Provider::Plivo] {
        for words in [5, 700] {
            let house = House::start(provider, patient).await;
            let key = place(&house, Answer::stream()).await;
            assert_eq!(stream_is_up(&house).await, key);
            let text = "word ".repeat(words.min(250));
            let mut answer = Answer::say(text.as_str());
            for _ in 1..words.div_ceil(250) {
                answer = answer.then_say(text.as_str());
            }
            let answer = answer.then_say("Last.").then_hang_up();
            house.calls.transfer(&key, answer).await.unwrap();
            let outcome = house.outcome(0).await;
            house.assert_no_complaints(&outcome);
            let last = outcome.documents.last().unwrap();
            assert!(last.raw.contains("Last."), "{provider} {words}");
            let record = house.finished(&key).await;
            assert_eq!(record.status, CallStatus::Completed);
            assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
        }
    }
}

#[tokio::test]
async fn keys_are_sent_beside_the_stream_or_in_its_place() {
    for provider in Provider::ALL {
        let house = House::start(provider, patient).await;
        let key = place(&house, Answer::stream()).await;
        assert_eq!(stream_is_up(&house).await, key);
        let keys = Dtmf::new("12#").unwrap();
        let plain = house.calls.send_dtmf(&key, &keys).await;
        if matches!(provider, Provider::Vonage | Provider::Plivo) {
            plain.unwrap();
        } else {
            assert_eq!(plain.unwrap_err().kind(), ErrorKind::Unsupported);
            assert!(house.carrier.requests_for(Operation::SendDigits).is_empty());
            assert_eq!(house.calls.find(&key).await.unwrap().live_streams, 1);
        }
        if provider == Provider::Exotel {
            house.calls.hang_up(&key).await.unwrap();
            continue;
        }
        if provider == Provider::Twilio {
            let keys = keys.then(Answer::stream());
            house.calls.send_dtmf(&key, &keys).await.unwrap();
            assert_eq!(stream_is_up(&house).await, key, "a new stream");
        }
        tokio::time::sleep(SECOND).await;
        house.calls.hang_up(&key).await.unwrap();
        let outcome = house.outcome(0).await;
        house.assert_no_complaints(&outcome);
        assert_eq!(outcome.tones_heard, "12#", "{provider}");
    }
}

#[tokio::test]
async fn a_live_call_is_recorded_where_the_carrier_can() {
    for provider in [Provider::Vonage, Provider::Exotel, Provider::Plivo] {
        let house = House::start(provider, patient).await;
        let key = place(&house, Answer::stream()).await;
        stream_is_up(&house).await;
        let before = house.carrier.requests().len();
        let error = house.calls.start_recording(&key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{provider}");
        assert_eq!(house.carrier.requests().len(), before, "nothing was sent");
        assert_eq!(house.calls.find(&key).await.unwrap().ended, None);
    }
    let house = House::start(Provider::Twilio, patient).await;
    let key = place(&house, Answer::stream()).await;
    assert_eq!(stream_is_up(&house).await, key);
    let recording = house.calls.start_recording(&key).await.unwrap();
    tokio::time::sleep(SECOND).await;
    house.calls.stop_recording(&key, &recording).await.unwrap();
    let ready: Recording = wait_for(&house, |seen| match seen {
        Seen::Event(_, event) => match &event.kind {
            CallEventKind::RecordingReady(recording) => Some(recording.clone()),
            _ => None,
        },
        _ => None,
    })
    .await;
    assert_eq!(ready.id.as_deref(), Some(recording.as_str()));
    let audio = house.calls.fetch_recording(&house.label, &ready).await;
    assert!(audio.unwrap().audio.starts_with(b"RIFF"));
    let elsewhere = Recording::new(
        ready.id,
        "https://api.twilio.com.example.net/x/Recordings/RE1",
    );
    let error = house.calls.fetch_recording(&house.label, &elsewhere).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    house.calls.hang_up(&key).await.unwrap();
    house.assert_no_complaints(&house.outcome(0).await);
}

#[tokio::test]
async fn the_carrier_tells_what_became_of_a_call() {
    for provider in Provider::ALL {
        let house = House::start(provider, |call| {
            let script = Script::new()
                .speak(Speech::tone(440.0, SECOND / 2))
                .hang_up();
            patient(call).script(script)
        })
        .await;
        let key = place(&house, Answer::stream()).await;
        let outcome = house.outcome(0).await;
        house.finished(&key).await;
        let told = house.calls.fetch_call(&key).await;
        if provider == Provider::Plivo {
            assert_eq!(told.unwrap_err().kind(), ErrorKind::Unsupported);
            continue;
        }
        let told = told.unwrap();
        assert_eq!(told.call.id.as_str(), outcome.call_id);
        assert_eq!(told.status, Some(CallStatus::Completed), "{provider}");
    }
}

/// The app does something else while its stream is up, and the caller hangs up: everything ends within a second.
#[tokio::test]
async fn a_call_that_the_other_side_ends_leaves_nothing() {
    for provider in Provider::ALL {
        let house = with_app(provider, listen, |call| {
            patient(call).script(Script::new().silence(SECOND / 2).hang_up())
        })
        .await;
        let key = place(&house, Answer::stream()).await;
        let outcome = house.outcome(0).await;
        let over = tokio::time::Instant::now();
        let reason = wait_for(&house, |seen| match seen {
            Seen::Ended(reason) => Some(reason.clone()),
            _ => None,
        })
        .await;
        assert!(over.elapsed() < SECOND, "{provider}: {reason}");
        assert!(!matches!(reason, EndReason::App), "{provider}");
        assert_eq!(house.finished(&key).await.live_streams, 0);
        house.assert_no_complaints(&outcome);
        tokio::time::sleep(SECOND * 6).await;
        assert!(house.carrier.requests_for(Operation::HangUp).is_empty());
    }
}
