//! Placing and steering calls: what the store knows when, and what the carrier is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::away::Away;
use support::steered::{able, calls, calls_in, live, outbound, place};
use support::{account, call_id, claim, secs};
use telephony_core::{
    AfterStream, Answer, CallKey, CallStatus, Calls, Capabilities, Direction, Dtmf, EndReason,
    Error, ErrorKind, Handover, HangUpBy, MediaGrant, MediaToken, Operation, OsRandom, Party,
    Retry, Stream, metadata,
};
use tokio::time::Instant;

async fn next(calls: &Calls, key: &CallKey) -> Option<Answer> {
    calls.store().take_next(key, "later").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_the_store_before_the_carrier_is_asked() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let placed = place(&calls, "main", outbound(Answer::stream()));
    let placed = placed.await.unwrap();
    assert_eq!(carrier.asked(), ["place with media"]);
    let known = carrier.known.lock().unwrap().clone().unwrap();
    assert_eq!(known.key, placed.key);
    assert_eq!((known.status, known.call_id), (CallStatus::Queued, None));
    assert_eq!(known.direction, Direction::Outbound);
    assert_eq!(known.data.get("order").map(String::as_str), Some("17"));
    let record = calls.find(&placed.key).await.unwrap();
    assert_eq!(record.call_id.as_ref(), Some(placed.id()));
    assert_eq!(record.home.as_deref(), Some("region-1"));
    assert_eq!(record.status, CallStatus::Initiated);
    assert_eq!(placed.report.metric("STATUS"), Some("SUCCESS"));
    assert_eq!(next(&calls, &placed.key).await, None, "the request said it");
}

#[tokio::test(start_paused = true)]
async fn what_the_call_is_to_do_is_kept_while_the_carrier_will_ask() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    carrier.say(|| Ok(Handover::Asks));
    let answer = Answer::say("Hello.");
    let placed = place(&calls, "main", outbound(answer.clone()));
    let key = placed.await.unwrap().key;
    let store = calls.store();
    assert_eq!(
        store.take_next(&key, "a").await.unwrap(),
        Some(answer.clone())
    );
    assert_eq!(store.take_next(&key, "b").await.unwrap(), None);
    // Carriers repeat their requests.
    assert_eq!(store.take_next(&key, "a").await.unwrap(), Some(answer));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_loses_nothing() {
    let (calls, carrier) = calls(able(), secs(10));
    let place = place(&calls, "main", outbound(Answer::stream()));
    assert!(tokio::time::timeout(secs(1), place).await.is_err());
    let key = carrier.known.lock().unwrap().clone().unwrap().key;
    calls.drain();
    calls.settle().await;
    let record = calls.find(&key).await.unwrap();
    assert_eq!(record.call_id, Some(call_id("CA1")));
    assert_eq!(record.status, CallStatus::Initiated);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_placed_has_failed_and_is_reported_like_one_that_was() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    carrier.say(|| {
        Err(Error::new(
            ErrorKind::Refused,
            "place call",
            "the number is blocked",
        ))
    });
    let failed = place(&calls, "main", outbound(Answer::stream()));
    let failed = failed.await.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Refused);
    let record = calls.find(failed.key.as_ref().unwrap()).await.unwrap();
    assert_eq!(record.ended, Some(EndReason::CallEnded(CallStatus::Failed)));
    let report = &failed.report;
    assert_eq!(report.get(metadata::PROVIDER), Some("dummy"));
    assert_eq!(report.get(metadata::TO_PHONE), Some("+14155550199"));
    assert_eq!(report.get(metadata::FROM_PHONE), Some("+14155550100"));
    assert!(report.get(metadata::ERROR).unwrap().contains("blocked"));
    assert_eq!(report.metric("STATUS"), Some("FAILED"));
    let names: Vec<_> = report.events.iter().map(|event| &*event.name).collect();
    assert_eq!(names, ["api-call", "failed"]);
    assert!(!format!("{failed:?}").contains("4155550"));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_unknown_outcome_stays_for_callbacks() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    *carrier.planned.lock().unwrap() = Some(Handover::Asks);
    carrier.say(|| {
        let error = Error::new(ErrorKind::Timeout, "place call", "no answer");
        Err(error.with_retry(Retry::OutcomeUnknown))
    });
    let failed = place(&calls, "main", outbound(Answer::stream()));
    let key = failed.await.unwrap_err().key.unwrap();
    let record = calls.find(&key).await.unwrap();
    assert_eq!((record.status, record.ended), (CallStatus::Queued, None));
    assert_eq!(next(&calls, &key).await, Some(Answer::stream()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_refused_before_anything_is_asked() {
    let (cannot, carrier) = calls(Capabilities::new(), Duration::ZERO);
    let failed = place(&cannot, "main", outbound(Answer::stream()));
    assert_eq!(
        failed.await.unwrap_err().error.kind(),
        ErrorKind::Unsupported
    );
    let nobody = place(&cannot, "nobody", outbound(Answer::stream()));
    let nobody = nobody.await.unwrap_err();
    assert_eq!(nobody.error.kind(), ErrorKind::NotFound);
    assert!(nobody.to_string().contains("known are: main"), "{nobody}");
    let (key, ..) = live(&cannot, AfterStream::HangUp).await;
    let refused = [
        cannot.transfer(&key, Answer::hang_up()).await,
        cannot.send_dtmf(&key, &Dtmf::new("1").unwrap()).await,
        cannot.start_recording(&key).await.map(drop),
        cannot.fetch_call(&key).await.map(drop),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert!(carrier.asked().is_empty());
    assert_eq!(cannot.find(&key).await.unwrap().ended, None);
}

#[tokio::test(start_paused = true)]
async fn no_call_is_placed_while_the_node_shuts_down() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    calls.drain();
    let failed = place(&calls, "main", outbound(Answer::stream()));
    assert_eq!(failed.await.unwrap_err().error.kind(), ErrorKind::Closed);
    assert!(carrier.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn hanging_up_ends_the_call_and_what_is_over_is_over() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, _, token) = live(&calls, AfterStream::HangUp).await;
    calls.hang_up(&key).await.unwrap();
    assert_eq!(carrier.asked(), ["hang up CA2 at -"]);
    let reason = calls.store().wait_for_stream_end(&token).await.unwrap();
    assert_eq!(reason, EndReason::App);
    calls
        .store()
        .update_status(&key, CallStatus::Completed)
        .await
        .unwrap();
    calls.hang_up(&key).await.unwrap();
    assert_eq!(carrier.asked().len(), 1);
    let error = calls.transfer(&key, Answer::hang_up()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn where_only_closing_hangs_up_the_streams_are_closed() {
    let capabilities = Capabilities::new().with_hang_up(HangUpBy::CarrierFlow);
    let (calls, _) = calls(capabilities, Duration::ZERO);
    let (key, _, token) = live(&calls, AfterStream::HangUp).await;
    calls.hang_up(&key).await.unwrap();
    let reason = calls.store().wait_for_stream_end(&token).await.unwrap();
    assert_eq!(reason, EndReason::App);
    assert_eq!(calls.find(&key).await.unwrap().ended, None);
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    let error = calls.hang_up(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_known_before_the_carrier_can_ask_for_it() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, ..) = live(&calls, AfterStream::HangUp).await;
    carrier.say(|| Ok(Handover::Asks)); // The carrier of the test takes it at once.
    calls
        .transfer(&key, Party::parse("+14155550111"))
        .await
        .unwrap();
    assert_eq!(carrier.asked(), ["transfer CA2 to 1 steps"]);
    assert_eq!(calls.find(&key).await.unwrap().transfers, 1);
    carrier.say(|| Ok(Handover::Sent));
    calls.transfer(&key, Answer::say("Bye.")).await.unwrap();
    assert_eq!(next(&calls, &key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_the_carrier_takes_up_after_the_stream_closes_it() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    carrier.say(|| Ok(Handover::AsksAfterStream));
    calls.transfer(&key, Answer::say("Bye.")).await.unwrap();
    let reason = calls.store().wait_for_stream_end(&token).await.unwrap();
    assert_eq!(reason, EndReason::Transferred);
    calls.stream_is_over(stream, reason);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(carrier.asked().len(), 1, "a transfer does not hang up");
    assert_eq!(next(&calls, &key).await, Some(Answer::say("Bye.")));
}

#[tokio::test(start_paused = true)]
async fn a_refused_transfer_leaves_the_call_as_it_was() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, ..) = live(&calls, AfterStream::HangUp).await;
    carrier.say(|| Err(Error::new(ErrorKind::Refused, "transfer call", "no")));
    assert!(calls.transfer(&key, Answer::say("Bye.")).await.is_err());
    let record = calls.find(&key).await.unwrap();
    assert_eq!((record.moved, record.open_transfers.len()), (0, 0));
    assert_eq!(record.ended, None);
    assert_eq!(next(&calls, &key).await, None);
}

#[tokio::test(start_paused = true)]
async fn keys_that_would_end_a_stream_need_to_know_what_comes_after() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, stream, _) = live(&calls, AfterStream::HangUp).await;
    let keys = Dtmf::new("12#").unwrap();
    let error = calls.send_dtmf(&key, &keys).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(carrier.asked().is_empty());
    let keys = keys.then(Answer::stream());
    calls.send_dtmf(&key, &keys).await.unwrap();
    assert_eq!(carrier.asked(), ["send 12# to CA2 with media"]);
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(carrier.asked().len(), 1, "the old stream does not hang up");
}

/// What the carrier is asked when a stream ends for that reason and `meanwhile` happens.
async fn after_stream(
    then: AfterStream,
    reason: EndReason,
    capabilities: Capabilities,
    status: Option<CallStatus>,
) -> Vec<String> {
    let (calls, carrier) = calls(capabilities, Duration::ZERO);
    let (key, stream, token) = live(&calls, then).await;
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    calls.stream_is_over(stream, reason);
    tokio::time::sleep(secs(1)).await;
    if let Some(status) = status {
        calls.store().update_status(&key, status).await.unwrap();
    }
    tokio::time::sleep(secs(60)).await;
    carrier.asked()
}

#[tokio::test(start_paused = true)]
async fn when_our_side_ends_a_stream_its_call_ends_too() {
    let hung_up = vec!["hang up CA2 at -".to_owned()];
    let nothing = Vec::<String>::new();
    for reason in [
        EndReason::App,
        EndReason::Silence,
        EndReason::Shutdown,
        EndReason::SocketClosed,
    ] {
        let asked = after_stream(AfterStream::HangUp, reason.clone(), able(), None).await;
        assert_eq!(asked, hung_up, "{reason}");
        let ended = Some(CallStatus::Completed);
        let asked = after_stream(AfterStream::HangUp, reason.clone(), able(), ended).await;
        assert_eq!(
            asked, nothing,
            "{reason}: the carrier has ended it by itself"
        );
        let asked = after_stream(AfterStream::Continue, reason.clone(), able(), None).await;
        assert_eq!(asked, nothing, "{reason}: the call goes on");
        let flow = able().with_hang_up(HangUpBy::CarrierFlow);
        let asked = after_stream(AfterStream::HangUp, reason.clone(), flow, None).await;
        assert_eq!(asked, nothing, "{reason}: the carrier's flow decides");
        let at_once = able().with_hang_up(HangUpBy::Rest);
        let ended = Some(CallStatus::Completed);
        let asked = after_stream(AfterStream::HangUp, reason.clone(), at_once, ended).await;
        assert_eq!(asked, hung_up, "{reason}: nothing else ends it");
    }
    let stopped = EndReason::CarrierStopped(None);
    let asked = after_stream(AfterStream::HangUp, stopped, able(), None).await;
    assert_eq!(asked, nothing, "the carrier has something else in mind");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_came_after_keeps_the_call_up() {
    let (calls, carrier) = calls(able(), Duration::ZERO);
    let (key, stream, token) = live(&calls, AfterStream::HangUp).await;
    calls
        .store()
        .finish_stream(&claim(&token), None)
        .await
        .unwrap();
    let answer = Answer::from(Stream::new());
    calls
        .links_for(&account("main"), &key, &answer)
        .await
        .unwrap();
    let again = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60));
    calls.store().mint_token(&key, &again, grant).await.unwrap();
    calls
        .store()
        .claim_token(&account("main"), &claim(&again))
        .await
        .unwrap();
    calls.stream_is_over(stream, EndReason::SocketClosed);
    tokio::time::sleep(secs(60)).await;
    assert!(carrier.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_forgotten_the_call_does_not_keep_it_up() {
    let (before, _) = calls(able(), Duration::ZERO);
    let (_, stream, _) = live(&before, AfterStream::HangUp).await;
    // As after a restart of a store that kept nothing.
    let (calls, carrier) = calls(able(), Duration::ZERO);
    calls.stream_is_over(stream, EndReason::App);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(carrier.asked(), ["hang up CA2 at -"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_once_before_a_call_is_hung_up() {
    for (reason, looks) in [
        (EndReason::App, 20),
        // The carrier was asked in between, and the store may be back.
        (EndReason::SocketClosed, 21),
    ] {
        let store = Arc::new(Away::default());
        let capabilities = able().with_operations([Operation::HangUp, Operation::FetchCall]);
        let (calls, carrier) = calls_in(store.clone(), capabilities, Duration::ZERO);
        let (_, stream, _) = live(&calls, AfterStream::HangUp).await;
        store.is_away.store(true, Ordering::SeqCst);
        let began = Instant::now();
        calls.stream_is_over(stream, reason.clone());
        while !carrier
            .asked()
            .iter()
            .any(|asked| asked.starts_with("hang up"))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = began.elapsed();
        // `closing_grace`, and 19 pauses of 250 ms.
        assert!(took >= secs(9) && took <= secs(10), "{reason:?}: {took:?}");
        // One is that the call's end could not be waited for, one that it could not be noted.
        assert_eq!(store.missed.load(Ordering::SeqCst) - 2, looks, "{reason:?}");
    }
}
