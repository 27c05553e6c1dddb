//! Calls that are given something else to do while streams come and go, and carriers that are slow, refuse or say nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::steered::{Steered, able, calls, live, outbound, place};
use support::{account, claim, secs};
use telephony_core::{
    AfterStream, Answer, CallKey, CallStore, Calls, Capabilities, ClaimedStream, Dtmf, EndReason,
    Error, ErrorKind, Handover, HangUpBy, MediaGrant, MediaToken, OsRandom, Retry,
};

fn unknown() -> telephony_core::Result<Handover> {
    let error = Error::new(ErrorKind::Timeout, "transfer call", "no answer");
    Err(error.with_retry(Retry::OutcomeUnknown))
}

fn refused() -> telephony_core::Result<Handover> {
    Err(Error::new(ErrorKind::Refused, "transfer call", "no"))
}

fn at_once() -> Capabilities {
    able().with_hang_up(HangUpBy::Rest)
}

fn hang_ups(carrier: &Steered) -> usize {
    let asked = carrier.asked();
    asked
        .iter()
        .filter(|what| what.starts_with("hang up"))
        .count()
}

/// The carrier opens the socket that the request under way offers.
async fn claim_offered(calls: &Calls, carrier: &Steered) -> (ClaimedStream, MediaToken) {
    let token = carrier.offered.lock().unwrap().clone().unwrap();
    let claimed = calls
        .store()
        .claim_token(&account("main"), &claim(&token))
        .await;
    (claimed.unwrap(), token)
}

/// The stream is over, and there is time for all that follows.
async fn end(calls: &Calls, token: &MediaToken, stream: ClaimedStream, reason: EndReason) {
    calls
        .store()
        .finish_stream(&claim(token), None)
        .await
        .unwrap();
    calls.stream_is_over(stream, reason);
    tokio::time::sleep(secs(600)).await;
}

async fn is_told_to_stop(store: &Arc<dyn CallStore>, token: &MediaToken) -> Option<EndReason> {
    let told = tokio::time::timeout(secs(1), store.wait_for_stream_end(token));
    told.await.ok().map(Result::unwrap)
}

#[derive(Clone, Copy)]
enum Way {
    Transfer,
    Keys,
}

async fn begin(calls: &Calls, key: &CallKey, way: Way) -> tokio::task::JoinHandle<()> {
    let (calls, key) = (calls.clone(), key.clone());
    let task = tokio::spawn(async move {
        let moved = match way {
            Way::Transfer => calls.transfer(&key, Answer::stream()).await,
            Way::Keys => {
                let keys = Dtmf::new("1").unwrap().then(Answer::stream());
                calls.send_dtmf(&key, &keys).await
            }
        };
        drop(moved);
    });
    tokio::time::sleep(secs(1)).await;
    task
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_comes_before_the_carriers_answer_is_part_of_the_transfer() {
    for way in [Way::Transfer, Way::Keys] {
        let (calls, carrier) = calls(at_once(), secs(10));
        let (key, old, old_token) = live(&calls, AfterStream::HangUp).await;
        let moving = begin(&calls, &key, way).await;
        let (new, new_token) = claim_offered(&calls, &carrier).await;
        moving.await.unwrap();
        let store = calls.store();
        let told = is_told_to_stop(store, &old_token).await;
        assert_eq!(told, Some(EndReason::Transferred));
        assert_eq!(is_told_to_stop(store, &new_token).await, None);
        end(&calls, &old_token, old, EndReason::Transferred).await;
        assert_eq!(hang_ups(&carrier), 0, "the call is in the new stream");
        end(&calls, &new_token, new, EndReason::App).await;
        assert_eq!(hang_ups(&carrier), 1, "the new stream is ours to end");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_old_stream_waits_for_what_comes_of_the_transfer() {
    for (capabilities, reason) in [
        (able(), EndReason::SocketClosed),
        (at_once(), EndReason::SocketClosed),
        (at_once(), EndReason::App),
    ] {
        // Longer than a stream's end is waited for.
        let (calls, carrier) = calls(capabilities, secs(60));
        let (key, old, token) = live(&calls, AfterStream::HangUp).await;
        let moving = begin(&calls, &key, Way::Transfer).await;
        end(&calls, &token, old, reason).await;
        moving.await.unwrap();
        assert_eq!(hang_ups(&carrier), 0, "a transfer does not hang up");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_transferred_is_not_hung_up() {
    let (calls, carrier) = calls(at_once(), secs(10));
    carrier.say(unknown);
    let (key, old, token) = live(&calls, AfterStream::HangUp).await;
    let error = calls.transfer(&key, Answer::say("Hold on.")).await;
    assert_eq!(error.unwrap_err().retry(), Retry::OutcomeUnknown);
    carrier.say(|| Ok(Handover::Sent));
    end(&calls, &token, old, EndReason::SocketClosed).await;
    assert_eq!(hang_ups(&carrier), 0);
    let record = calls.find(&key).await.unwrap();
    assert_eq!((record.moved, record.open_transfers.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_transfer_the_stream_still_ends_the_call() {
    let (calls, carrier) = calls(at_once(), secs(10));
    carrier.say(refused);
    let (key, old, token) = live(&calls, AfterStream::HangUp).await;
    let moving = begin(&calls, &key, Way::Transfer).await;
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    calls.stream_is_over(old, EndReason::App);
    moving.await.unwrap();
    carrier.say(|| Ok(Handover::Sent));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(hang_ups(&carrier), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_transfer_takes_nothing_away() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    // A call that the carrier will ask about, and that was offered a socket.
    carrier.say(|| Ok(Handover::Asks));
    let placed = place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    let key = placed.key;
    let (token, grant) = (MediaToken::random(&OsRandom), MediaGrant::new(secs(60)));
    let token = token.unwrap();
    calls.store().mint_token(&key, &token, grant).await.unwrap();
    carrier.say(refused);
    for answer in [Answer::stream(), Answer::say("Bye.")] {
        assert!(calls.transfer(&key, answer).await.is_err());
    }
    let claimed = calls
        .store()
        .claim_token(&account("main"), &claim(&token))
        .await;
    assert_eq!(claimed.unwrap().call.key, key);
    let next = calls.store().take_next(&key, "later").await.unwrap();
    assert_eq!(next, Some(Answer::stream()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_went_with_the_request_is_not_given_again() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    // Whether the call exists is not known, but if it does, it has its answer.
    carrier.say(unknown);
    let answer = Answer::say("Hello.");
    let failed = place(&calls, "main", outbound(answer)).await.unwrap_err();
    let key = failed.key.unwrap();
    let next = calls.store().take_next(&key, "gathered").await.unwrap();
    assert_eq!(next, None);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_while_it_is_placed() {
    let (calls, carrier) = calls(able(), secs(10));
    let key = CallKey::random(&OsRandom).unwrap();
    let call = outbound(Answer::stream()).with_key(key.clone());
    let placing = {
        let calls = calls.clone();
        tokio::spawn(async move { place(&calls, "main", call).await.unwrap() })
    };
    tokio::time::sleep(secs(1)).await;
    calls.hang_up(&key).await.unwrap();
    assert_eq!(hang_ups(&carrier), 0, "nobody knows its id yet");
    assert_eq!(placing.await.unwrap().key, key);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(hang_ups(&carrier), 1);
    assert_eq!(calls.find(&key).await.unwrap().ended, Some(EndReason::App));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_placed_while_we_shut_down_is_hung_up() {
    let (calls, carrier) = calls(able(), secs(10));
    let placing = {
        let calls = calls.clone();
        tokio::spawn(async move { place(&calls, "main", outbound(Answer::stream())).await })
    };
    tokio::time::sleep(secs(1)).await;
    calls.drain();
    placing.await.unwrap().unwrap();
    calls.settle().await;
    assert_eq!(hang_ups(&carrier), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_fails_is_tried_again() {
    let (calls, carrier) = calls(at_once(), Duration::ZERO);
    carrier.say(|| Err(Error::new(ErrorKind::Transport, "hang up", "no route")));
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(7)).await;
    assert_eq!(hang_ups(&carrier), 2);
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
    carrier.say(|| Ok(Handover::Sent));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(hang_ups(&carrier), 3);
    assert_eq!(calls.find(&key).await.unwrap().ended, Some(EndReason::App));
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_is_refused_for_good_is_not() {
    let (calls, carrier) = calls(at_once(), Duration::ZERO);
    carrier.say(|| Err(Error::new(ErrorKind::Unauthenticated, "hang up", "no")));
    let (_, stream, token) = live(&calls, AfterStream::HangUp).await;
    end(&calls, &token, stream, EndReason::App).await;
    assert_eq!(hang_ups(&carrier), 1);
}
