//! Looking after calls: what nobody reported is found out, told, and ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::secs;
use support::steered::{Steered, able, calls_in, calls_with, live, outbound, place};
use support::store::{Hands, store};
use support::{account, claim};
use telephony_core::{
    AfterStream, Answer, CallEvent, CallEventKind, CallRecord, CallStatus, CallStore, Calls,
    ClaimedStream, EndReason, Error, ErrorKind, Handover, HangUpBy, MediaGrant, MediaToken, NodeId,
    Operation, OsRandom, Ports, TransferOutcome,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// So many calls came in.
async fn open(calls: &Calls, count: usize) {
    for id in 0..count {
        let mut call = support::store::call(&format!("CA-{id}"));
        call.account = account("main");
        calls.store().open(call).await.unwrap();
    }
}

/// Looks after the calls, and gives what was told within half a minute.
async fn tidy(calls: &Calls) -> Vec<(CallRecord, CallEvent)> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let more = calls.tidy(move |record, event| drop(tell.send((record, event))));
    assert!(!more.await.unwrap(), "more is due already");
    let mut news = Vec::new();
    let all = async {
        while let Some(one) = told.recv().await {
            news.push(one);
        }
    };
    let _ = timeout(secs(30), all).await;
    news
}

#[tokio::test(start_paused = true)]
async fn a_carrier_is_asked_about_a_call_that_nobody_heard_of() {
    let (store, clock) = store();
    let (calls, carrier) = calls_in(
        Arc::new(store),
        able().with_operations([Operation::FetchCall]),
        Duration::ZERO,
    );
    let (key, _, token) = live(&calls, AfterStream::Continue).await;
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    clock.turn(secs(59));
    assert!(tidy(&calls).await.is_empty());
    clock.turn(secs(1));
    assert!(tidy(&calls).await.is_empty(), "it is up");
    assert_eq!(carrier.asked(), ["look at CA2"]);
    assert_eq!(
        calls.find(&key).await.unwrap().status,
        CallStatus::InProgress
    );
    *carrier.state.lock().unwrap() = CallStatus::Completed;
    clock.turn(secs(200));
    let news = tidy(&calls).await;
    let [(record, event)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(record.key, key);
    assert_eq!(event.status(), Some(CallStatus::Completed));
    let ended = calls.find(&key).await.unwrap().ended;
    assert_eq!(ended, Some(EndReason::CallEnded(CallStatus::Completed)));
    clock.turn(secs(200));
    assert!(tidy(&calls).await.is_empty(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_answer_delays_nobody() {
    let (store, clock) = store();
    let capabilities = able().with_operations([Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, secs(3_600));
    open(&calls, 20).await;
    clock.turn(secs(60));
    let began = Instant::now();
    let more = calls.tidy(|_, _| panic!("there is nothing to tell"));
    assert!(!more.await.unwrap());
    assert!(began.elapsed() <= secs(1), "{:?}", began.elapsed());
    assert!(tidy(&calls).await.is_empty());
    assert_eq!(carrier.asked().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_started_is_told_and_hung_up() {
    let (store, clock) = store();
    let capabilities =
        able().with_operations([Operation::MakeCall, Operation::HangUp, Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    *carrier.state.lock().unwrap() = CallStatus::Ringing;
    let placed = place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    clock.turn(secs(600));
    let news = tidy(&calls).await;
    let [(record, event)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(record.key, placed.key);
    assert_eq!(event.kind, CallEventKind::GivenUp(EndReason::NeverStarted));
    clock.turn(secs(10));
    assert!(tidy(&calls).await.is_empty(), "it rings");
    assert_eq!(
        carrier.asked(),
        ["place with media", "look at CA1", "hang up CA1 at region-1"]
    );
    // What became of it then is told, too.
    *carrier.state.lock().unwrap() = CallStatus::Canceled;
    clock.turn(secs(20));
    let news = tidy(&calls).await;
    assert_eq!(statuses(&news), [Some(CallStatus::Canceled)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_and_is_up_all_the_same_is_hung_up() {
    let (store, clock) = store();
    let capabilities =
        able().with_operations([Operation::MakeCall, Operation::HangUp, Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    clock.turn(secs(600));
    assert_eq!(tidy(&calls).await.len(), 1);
    clock.turn(secs(10));
    assert!(tidy(&calls).await.is_empty());
    // Nobody can serve it any more.
    assert_eq!(
        carrier.asked(),
        ["place with media", "look at CA1", "hang up CA1 at region-1"]
    );
}

fn statuses(news: &[(CallRecord, CallEvent)]) -> Vec<Option<CallStatus>> {
    news.iter().map(|(_, event)| event.status()).collect()
}

/// Calls of which one carrier can do all that is asked for here.
fn whole() -> (Calls, Arc<Steered>, Arc<Hands>) {
    let (store, clock) = store();
    let capabilities = able()
        .with_operations([Operation::HangUp, Operation::FetchCall, Operation::Transfer])
        .with_hang_up(HangUpBy::Rest);
    let ports = Ports {
        clock: clock.clone(),
        ..Ports::default()
    };
    let (calls, carrier) = calls_with(Arc::new(store), ports, capabilities, Duration::ZERO);
    (calls, carrier, clock)
}

/// The stream of the call ends, and so says its node.
async fn end_stream(calls: &Calls, stream: &ClaimedStream, token: &MediaToken) {
    let app = EndReason::App;
    assert!(calls.ends_with(stream, &app));
    let finished = calls.store().finish_stream(&claim(token), Some(&app)).await;
    finished.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_failed_for_long_is_tried_again() {
    let (calls, carrier, clock) = whole();
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    carrier.say(|| Err(Error::new(ErrorKind::Transport, "hang up", "no route")));
    end_stream(&calls, &stream, &token).await;
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(3_600)).await;
    let attempts = carrier.asked().len();
    assert!(attempts > 1, "{:?}", carrier.asked());
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
    // Hours later.
    for _ in 0..20 {
        clock.turn(secs(640));
        assert!(tidy(&calls).await.is_empty());
        tokio::time::sleep(secs(60)).await;
    }
    assert!(carrier.asked().len() > attempts, "{:?}", carrier.asked());
    carrier.say(|| Ok(Handover::Sent));
    clock.turn(secs(640));
    assert!(tidy(&calls).await.is_empty());
    tokio::time::sleep(secs(1)).await;
    let last = carrier.asked().pop();
    assert_eq!(last.as_deref(), Some("hang up CA2 at -"));
    let ended = calls.find(&key).await.unwrap().ended;
    assert_eq!(ended, Some(EndReason::App));
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_never_answers_a_hang_up_is_asked_four_times_in_75_seconds() {
    let (store, _clock) = store();
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, secs(3_600));
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    end_stream(&calls, &stream, &token).await;
    let began = Instant::now();
    calls.stream_is_over(stream, EndReason::App);
    for (until, attempts) in [(9, 1), (16, 2), (36, 3), (66, 4), (74, 4)] {
        tokio::time::sleep_until(began + secs(until)).await;
        assert_eq!(carrier.asked().len(), attempts, "after {until} s");
    }
    // What is left to do is left to whoever looks after the calls.
    calls.drain();
    timeout(secs(2), calls.settle()).await.unwrap();
    assert_eq!(carrier.asked().len(), 4);
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_hung_up_also_if_its_node_is_lost_right_after_the_stream() {
    let (calls, carrier, clock) = whole();
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    end_stream(&calls, &stream, &token).await;
    clock.turn(secs(9));
    assert!(tidy(&calls).await.is_empty());
    assert!(carrier.asked().is_empty(), "it has a moment for it");
    clock.turn(secs(1));
    assert!(tidy(&calls).await.is_empty());
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked(), ["look at CA2", "hang up CA2 at -"]);
    let ended = calls.find(&key).await.unwrap().ended;
    assert_eq!(ended, Some(EndReason::App));
}

#[tokio::test(start_paused = true)]
async fn of_a_call_that_we_hung_up_the_last_status_is_found_out_and_told() {
    let (calls, carrier, clock) = whole();
    let (key, ..) = live(&calls, AfterStream::HangUp).await;
    calls.hang_up(&key).await.unwrap();
    *carrier.state.lock().unwrap() = CallStatus::Completed;
    clock.turn(secs(10));
    let news = tidy(&calls).await;
    assert_eq!(statuses(&news), [Some(CallStatus::Completed)]);
    assert_eq!(news[0].0.ended, Some(EndReason::App));
    assert_eq!(carrier.asked(), ["hang up CA2 at -", "look at CA2"]);
    clock.turn(secs(300));
    assert!(tidy(&calls).await.is_empty(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_lives_on_after_its_hang_up_is_hung_up_again() {
    let (calls, carrier, clock) = whole();
    let (key, ..) = live(&calls, AfterStream::HangUp).await;
    calls.hang_up(&key).await.unwrap();
    clock.turn(secs(10));
    assert!(tidy(&calls).await.is_empty());
    tokio::time::sleep(secs(1)).await;
    let twice = ["hang up CA2 at -", "look at CA2", "hang up CA2 at -"];
    assert_eq!(carrier.asked(), twice);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_carrier_does_not_know_is_given_up_but_not_at_once() {
    let (calls, carrier, clock) = whole();
    let (key, _, token) = live(&calls, AfterStream::Continue).await;
    let finished = calls.store().finish_stream(&claim(&token), None).await;
    finished.unwrap();
    carrier.say(|| {
        Err(Error::new(
            ErrorKind::NotFound,
            "fetch call",
            "no such call",
        ))
    });
    clock.turn(secs(60));
    assert!(tidy(&calls).await.is_empty(), "it may be late");
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
    clock.turn(secs(240));
    let news = tidy(&calls).await;
    let [(record, event)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(record.key, key);
    assert_eq!(event.kind, CallEventKind::GivenUp(EndReason::NeverStarted));
    let ended = calls.find(&key).await.unwrap().ended;
    assert_eq!(ended, Some(EndReason::NeverStarted));
    assert!(carrier.asked().iter().all(|asked| asked == "look at CA2"));
}

#[tokio::test(start_paused = true)]
async fn a_transfer_whose_node_was_lost_keeps_no_call_up() {
    let (calls, carrier, clock) = whole();
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    calls.store().begin_transfer(&key).await.unwrap();
    // Nobody ever says what came of it.
    clock.turn(secs(60));
    end_stream(&calls, &stream, &token).await;
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(30)).await;
    assert!(carrier.asked().is_empty(), "it may be under way");
    clock.turn(secs(120));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked(), ["hang up CA2 at -"]);
}

#[tokio::test(start_paused = true)]
async fn the_app_is_told_that_a_carriers_flow_goes_on() {
    let capabilities = able().with_hang_up(HangUpBy::CarrierFlow);
    let (store, _clock) = store();
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    let (key, stream, _) = live(&calls, AfterStream::HangUp).await;
    let app = EndReason::App;
    assert!(!calls.ends_with(&stream, &app));
    let told = calls.stream_is_over(stream.clone(), app.clone());
    let (record, event) = told.unwrap();
    assert_eq!(record.key, key);
    assert_eq!(event.kind, CallEventKind::FlowGoesOn(app));
    let stopped = EndReason::CarrierStopped(None);
    assert!(calls.stream_is_over(stream, stopped).is_none());
    assert!(carrier.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_lost_node_are_hung_up_by_another() {
    let (store, clock) = store();
    let lost = store.as_node(NodeId::parse("lost").unwrap());
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    let mut call = support::store::call("CA-1");
    call.account = account("main");
    let key = lost.open(call).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60));
    lost.mint_token(&key, &token, grant).await.unwrap();
    lost.claim_token(&account("main"), &claim(&token))
        .await
        .unwrap();
    // The hang-up of a lost node's call may fail at first, too.
    carrier.say(|| Err(Error::new(ErrorKind::Transport, "hang up", "no route")));
    for _ in 0..5 {
        calls.store().renew_lease().await.unwrap();
        tidy(&calls).await;
        clock.turn(secs(10));
    }
    tokio::time::sleep(secs(1)).await;
    // At once, and when it was looked after.
    assert_eq!(carrier.asked(), ["hang up CA-1 at -", "hang up CA-1 at -"]);
    carrier.say(|| Ok(Handover::Sent));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(carrier.asked().len(), 3);
    assert_eq!(
        calls.find(&key).await.unwrap().ended,
        Some(EndReason::NodeLost)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_is_tried_again_leaves_alone_what_was_transferred_meanwhile() {
    let (calls, carrier, _clock) = whole();
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    carrier.say(|| Err(Error::new(ErrorKind::Transport, "hang up", "no route")));
    end_stream(&calls, &stream, &token).await;
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked(), ["hang up CA2 at -"]);
    carrier.say(|| Ok(Handover::Sent));
    calls.transfer(&key, Answer::say("Hold on.")).await.unwrap();
    tokio::time::sleep(secs(600)).await;
    let asked = ["hang up CA2 at -", "transfer CA2 to 1 steps"];
    assert_eq!(carrier.asked(), asked);
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_transferred_while_the_carrier_was_asked_is_not_hung_up() {
    let (store, clock) = store();
    let capabilities = able()
        .with_operations([Operation::HangUp, Operation::FetchCall])
        .with_hang_up(HangUpBy::Rest);
    let ports = Ports {
        clock: clock.clone(),
        ..Ports::default()
    };
    let (calls, carrier) = calls_with(Arc::new(store), ports, capabilities, secs(8));
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    end_stream(&calls, &stream, &token).await;
    clock.turn(secs(10));
    calls.tidy(|_, _| {}).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    let number = calls.store().begin_transfer(&key).await.unwrap();
    calls
        .end_transfer(&key, number, TransferOutcome::Taken)
        .await;
    tokio::time::sleep(secs(60)).await;
    assert_eq!(carrier.asked(), ["look at CA2"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_carrier_and_a_full_turn_delay_nobody() {
    let (store, clock) = store();
    let capabilities = able().with_operations([Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, secs(3_600));
    open(&calls, 300).await;
    clock.turn(secs(60));
    let began = Instant::now();
    let (mut turns, mut is_full) = (0, true);
    while is_full {
        is_full = calls.tidy(|_, _| {}).await.unwrap();
        turns += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // It waits a moment for a carrier to answer, and not for all of them.
    assert!(began.elapsed() < secs(2) && turns > 1, "{turns} turns");
    assert_eq!(
        carrier.asked().len(),
        200,
        "no more are asked about at once"
    );
    tokio::time::sleep(secs(11)).await;
    calls.tidy(|_, _| {}).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_for_a_turn_loses_nothing_of_it() {
    let (store, clock) = store();
    let capabilities = able().with_operations([Operation::MakeCall, Operation::HangUp]);
    let (calls, _carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    clock.turn(secs(600));
    let (tell, mut told) = mpsc::unbounded_channel();
    let turn = calls.tidy(move |_, event| drop(tell.send(event.kind)));
    assert!(timeout(Duration::ZERO, turn).await.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    calls.drain();
    calls.settle().await;
    let kind = told.try_recv().unwrap();
    assert_eq!(kind, CallEventKind::GivenUp(EndReason::NeverStarted));
    // Who shuts down finds nothing more: others do.
    clock.turn(secs(600));
    assert!(!calls.tidy(|_, _| {}).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn however_many_streams_a_lost_node_had_they_are_found_at_once() {
    let (store, clock) = store();
    let lost = store.as_node(NodeId::parse("lost").unwrap());
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    for id in 0..250 {
        let mut call = support::store::call(&format!("CA-{id}"));
        call.account = account("main");
        let key = lost.open(call).await.unwrap().key;
        let token = MediaToken::random(&OsRandom).unwrap();
        let grant = MediaGrant::new(secs(60));
        lost.mint_token(&key, &token, grant).await.unwrap();
        lost.claim_token(&account("main"), &claim(&token))
            .await
            .unwrap();
    }
    for _ in 0..4 {
        calls.store().renew_lease().await.unwrap();
        clock.turn(secs(10));
    }
    calls.store().renew_lease().await.unwrap();
    while calls.tidy(|_, _| {}).await.unwrap() {}
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked().len(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_while_the_carrier_is_asked_keeps_the_call_up() {
    let (store, _clock) = store();
    let capabilities = able()
        .with_operations([Operation::HangUp, Operation::FetchCall])
        .with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, secs(8));
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    let broken = EndReason::SocketClosed;
    let (store, old) = (calls.store(), claim(&token));
    store.finish_stream(&old, Some(&broken)).await.unwrap();
    calls.stream_is_over(stream, broken);
    tokio::time::sleep(secs(1)).await;
    let again = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60));
    calls.store().mint_token(&key, &again, grant).await.unwrap();
    let (main, new) = (account("main"), claim(&again));
    calls.store().claim_token(&main, &new).await.unwrap();
    tokio::time::sleep(secs(60)).await;
    assert_eq!(carrier.asked(), ["look at CA2"]);
}
