//! Rules about what happens when nobody says anything.

use super::ground::{
    Ground, Verdict, claim, fails, inbound, main_account, outbound, same, soon, that, token, told,
};
use std::collections::BTreeSet;
use std::time::Duration;
use telephony_core::store::PlannedEnd;
use telephony_core::{
    CallId, CallKey, CallRecord, CallStatus, CarrierCall, EndReason, ErrorKind, MediaGrant,
    TransferOutcome,
};

fn keys(calls: &[CallRecord]) -> BTreeSet<CallKey> {
    calls.iter().map(|call| call.key.clone()).collect()
}

pub(super) async fn what_ended_is_remembered_and_then_forgotten(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &claim(&token)).await?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.b.finish_stream(&claim(&token), None).await?;
    on.pass(599).await;
    that(
        on.a.expire(100, 100).await?.is_empty(),
        "something is found",
    )?;
    that(
        on.b.find(&key).await?.is_some(),
        "it is forgotten too early",
    )?;
    on.pass(1).await;
    that(
        on.b.expire(100, 100).await?.is_empty(),
        "something is found",
    )?;
    that(on.a.find(&key).await?.is_none(), "it is still there")?;
    let id = CallId::new("call-1")?;
    let by_id = on.a.find_by_id(&main_account()?, &id).await?;
    that(by_id.is_none(), "its id is still known")?;
    let claimed = on.a.claim_token(&main_account()?, &claim(&token)).await;
    fails(claimed, ErrorKind::NotFound, "its token")?;
    same(on.store.left().await, 0, "things that are left")?;
    let again = on.call("call-1").await?;
    that(again != key, "a call that is over was found")
}

pub(super) async fn a_silent_call_is_told_of_and_again_after_twice_the_time(
    on: &Ground<'_>,
) -> Verdict {
    let key = on.call("call-1").await?;
    on.a.update_status(&key, CallStatus::InProgress).await?;
    on.pass(59).await;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "too early")?;
    on.pass(1).await;
    let silent = keys(&on.b.expire(9, 9).await?.silent);
    same(silent, [key.clone()].into(), "after a minute")?;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "told twice")?;
    on.pass(119).await;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "too early again")?;
    on.pass(1).await;
    same(on.a.expire(9, 9).await?.silent.len(), 1, "after two more")?;
    // The carrier asks what comes next: it lives.
    on.b.take_next(&key, "request").await?;
    on.pass(60).await;
    same(
        on.a.expire(9, 9).await?.silent.len(),
        1,
        "a minute after news",
    )?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.pass(500).await;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "when it is over")
}

pub(super) async fn a_call_with_a_live_stream_is_not_silent(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &claim(&token)).await?;
    on.pass(3_600).await;
    on.b.renew_lease().await?;
    let found = on.a.expire(9, 9).await?;
    that(found.is_empty(), "a live stream is taken for silence")?;
    on.b.finish_stream(&claim(&token), None).await?;
    on.pass(59).await;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "too early")?;
    on.pass(1).await;
    let silent = keys(&on.a.expire(9, 9).await?.silent);
    same(silent, [key].into(), "a minute after its last stream")
}

pub(super) async fn a_call_that_our_side_ended_is_told_of_until_the_carrier_says_so(
    on: &Ground<'_>,
) -> Verdict {
    let (known, unknown) = (on.call("known").await?, on.call("unknown").await?);
    for key in [&known, &unknown] {
        on.a.update_status(key, CallStatus::InProgress).await?;
        on.pass(50).await;
        on.a.end(key, EndReason::App).await?;
    }
    on.pass(9).await;
    on.b.update_status(&known, CallStatus::Completed).await?;
    // The first of them ended 59 s ago.
    on.a.expire(9, 9).await?;
    on.pass(1).await;
    let silent = on.b.expire(9, 9).await?.silent;
    let ended = silent.first().and_then(|call| call.ended.clone());
    same(keys(&silent), [unknown.clone()].into(), "after 10 s")?;
    same(ended, Some(EndReason::App), "why it ended")?;
    on.pass(19).await;
    same(on.a.expire(9, 9).await?.silent.len(), 0, "too early")?;
    on.pass(1).await;
    same(on.a.expire(9, 9).await?.silent.len(), 1, "after 20 s more")?;
    on.b.update_status(&unknown, CallStatus::Completed).await?;
    // One of which the carrier tells the id only then.
    let late = on.a.open(outbound()?).await?.key;
    on.a.end(&late, EndReason::App).await?;
    on.pass(5).await;
    let carriers = CarrierCall::new(CallId::new("late")?);
    on.a.attach(&late, &carriers).await?;
    on.pass(5).await;
    let silent = keys(&on.a.expire(9, 9).await?.silent);
    same(silent, [late.clone()].into(), "a call with a late id")?;
    on.b.update_status(&late, CallStatus::Canceled).await?;
    on.pass(500).await;
    that(
        on.a.expire(9, 9).await?.is_empty(),
        "told of when it is over",
    )?;
    on.pass(600).await;
    on.a.expire(9, 9).await?;
    same(on.store.left().await, 0, "things that are left")
}

pub(super) async fn a_call_that_is_to_end_is_told_of_until_it_has(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.a.claim_token(&main_account()?, &claim(&token)).await?;
    on.a.update_status(&key, CallStatus::InProgress).await?;
    on.pass(300).await;
    on.a.finish_stream(&claim(&token), Some(&EndReason::Silence))
        .await?;
    let call = on.b.find(&key).await?;
    let known = call.map(|call| (call.planned_end, call.ended));
    let planned = Some(PlannedEnd::new(EndReason::Silence, 0));
    same(known, Some((planned.clone(), None)), "what is planned")?;
    on.pass(9).await;
    same(on.b.expire(9, 9).await?.silent.len(), 0, "too early")?;
    for pause in [1, 20, 40] {
        on.pass(pause).await;
        let silent = on.b.expire(9, 9).await?.silent;
        same(keys(&silent), [key.clone()].into(), "calls to end")?;
        same(&silent[0].planned_end, &planned, "what is planned")?;
    }
    on.a.end(&key, EndReason::Silence).await?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.pass(500).await;
    that(
        on.b.expire(9, 9).await?.is_empty(),
        "told of when it is over",
    )
}

pub(super) async fn another_stream_or_a_later_transfer_takes_back_that_a_call_is_to_end(
    on: &Ground<'_>,
) -> Verdict {
    let (main, app) = (main_account()?, EndReason::App);
    let planned = async |key: &CallKey| -> Verdict<_> {
        Ok(on.b.find(key).await?.and_then(|call| call.planned_end))
    };
    let key = on.call("call-1").await?;
    let [old, new] = [on.token(&key).await?, token()?];
    on.a.claim_token(&main, &claim(&old)).await?;
    on.a.finish_stream(&claim(&old), Some(&app)).await?;
    that(planned(&key).await?.is_some(), "nothing is planned")?;
    // A transfer that was refused changes nothing, one that began before the stream was offered neither.
    let number = on.a.begin_transfer(&key).await?;
    on.a.end_transfer(&key, number, TransferOutcome::Refused)
        .await?;
    that(planned(&key).await?.is_some(), "nothing is planned (2)")?;
    let number = on.a.begin_transfer(&key).await?;
    let grant = MediaGrant::new(Duration::from_secs(60)).beside();
    on.a.mint_token(&key, &new, grant).await?;
    on.b.claim_token(&main, &claim(&new)).await?;
    same(planned(&key).await?, None, "planned with another stream")?;
    on.b.finish_stream(&claim(&new), Some(&app)).await?;
    on.a.end_transfer(&key, number, TransferOutcome::Taken)
        .await?;
    let by_new = Some(PlannedEnd::new(app.clone(), number));
    same(planned(&key).await?, by_new, "planned by the new stream")?;
    let later = on.a.begin_transfer(&key).await?;
    on.a.end_transfer(&key, later, TransferOutcome::Unknown)
        .await?;
    same(planned(&key).await?, None, "planned after a transfer")?;
    // An older stream that ends late says nothing of what a newer one, which came, left to do.
    let key = on.call("call-3").await?;
    let old = on.token(&key).await?;
    on.a.claim_token(&main, &claim(&old)).await?;
    let new = on.token(&key).await?;
    on.b.claim_token(&main, &claim(&new)).await?;
    on.b.finish_stream(&claim(&new), None).await?;
    on.a.finish_stream(&claim(&old), Some(&app)).await?;
    same(planned(&key).await?, None, "planned by a late old stream")?;
    // One that was taken and given back did not come.
    let key = on.call("call-4").await?;
    let old = on.token(&key).await?;
    on.a.claim_token(&main, &claim(&old)).await?;
    on.a.finish_stream(&claim(&old), Some(&app)).await?;
    let new = on.token(&key).await?;
    on.b.claim_token(&main, &claim(&new)).await?;
    on.b.release_token(&claim(&new)).await?;
    that(planned(&key).await?.is_some(), "nothing is planned (3)")?;
    // And a stream that a transfer has ended plans nothing.
    let key = on.call("call-2").await?;
    let old = on.token(&key).await?;
    on.a.claim_token(&main, &claim(&old)).await?;
    let number = on.a.begin_transfer(&key).await?;
    on.a.end_transfer(&key, number, TransferOutcome::Taken)
        .await?;
    on.a.finish_stream(&claim(&old), Some(&app)).await?;
    same(planned(&key).await?, None, "planned by an old stream")
}

pub(super) async fn a_call_that_never_started_is_given_up(on: &Ground<'_>) -> Verdict {
    let placed = on.a.open(outbound()?).await?.key;
    let offered = on.call("offered").await?;
    on.token(&offered).await?;
    let (spoken, up, streamed) = (
        on.call("spoken").await?,
        on.call("up").await?,
        on.call("streamed").await?,
    );
    on.token(&up).await?;
    on.a.update_status(&up, CallStatus::InProgress).await?;
    let token = on.token(&streamed).await?;
    on.a.claim_token(&main_account()?, &claim(&token)).await?;
    on.b.finish_stream(&claim(&token), None).await?;
    let waiting = on.waiter(&on.b, &placed).await;
    on.pass(599).await;
    same(on.a.expire(9, 9).await?.never_started.len(), 0, "too early")?;
    on.pass(1).await;
    let found = on.a.expire(9, 9).await?.never_started;
    let reasons: Vec<_> = found.iter().map(|call| call.ended.clone()).collect();
    let never = Some(EndReason::NeverStarted);
    same(reasons, vec![never.clone(); 2], "what they ended as")?;
    let wanted = [placed.clone(), offered.clone()].into();
    same(keys(&found), wanted, "what never started")?;
    let reason = told(waiting, "the end of a call that never started").await?;
    same(reason, EndReason::NeverStarted, "what was told")?;
    for key in [spoken, up, streamed] {
        let ended = on.b.find(&key).await?.map(|call| call.ended);
        same(ended, Some(None), "a call of which more is known")?;
    }
    // A callback that comes late is no other end.
    on.a.update_status(&placed, CallStatus::NoAnswer).await?;
    let ended = on.a.find(&placed).await?.and_then(|call| call.ended);
    same(ended, never, "why it ended, after a late callback")?;
    same(
        on.b.expire(9, 9).await?.never_started.len(),
        0,
        "given again",
    )
}

pub(super) async fn a_call_that_nobody_hears_of_is_given_up(on: &Ground<'_>) -> Verdict {
    let (silent, alive) = (on.call("silent").await?, on.call("alive").await?);
    let waiting = on.waiter(&on.b, &silent).await;
    on.pass(4 * 3_600).await;
    on.a.update_status(&alive, CallStatus::InProgress).await?;
    on.pass(3_600).await;
    let found = keys(&on.a.expire(9, 9).await?.never_started);
    same(found, [silent].into(), "what is given up")?;
    let reason = told(waiting, "the end of a call that is given up").await?;
    same(reason, EndReason::NeverStarted, "what was told")?;
    // The carrier has not said that it is over, so it is asked for as long again.
    for _ in 0..5 {
        on.pass(3_600).await;
        on.a.update_status(&alive, CallStatus::InProgress).await?;
        on.a.take_next(&alive, "request").await?;
        on.a.expire(9, 9).await?;
    }
    that(on.b.find(&alive).await?.is_some(), "a live call is gone")?;
    let id = CallId::new("silent")?;
    let gone = soon(on.b.find_by_id(&main_account()?, &id), "an answer").await??;
    that(gone.is_none(), "a call that is given up stays for ever")
}

pub(super) async fn what_may_not_be_asked_about_yet_hides_nothing(on: &Ground<'_>) -> Verdict {
    let ended = on.call("ended").await?;
    on.a.update_status(&ended, CallStatus::Completed).await?;
    let mut silent = BTreeSet::new();
    on.pass(100).await;
    for at in 0..300 {
        let call = inbound(&format!("call-{at}"))?;
        silent.insert(on.a.open(call).await?.key);
    }
    let placed = on.a.open(outbound()?).await?.key;
    on.pass(500).await;
    let found = on.a.expire(9, 0).await?;
    same(found.silent.len(), 0, "silent calls, with no room for any")?;
    that(on.a.find(&ended).await?.is_none(), "it is not forgotten")?;
    on.pass(100).await;
    let found = on.a.expire(9, 2).await?;
    let given_up = keys(&found.never_started);
    same(given_up, [placed].into(), "what never started")?;
    same(found.silent.len(), 2, "silent calls, with room for two")?;
    let mut seen = keys(&found.silent);
    for _ in 0..40 {
        seen.extend(keys(&on.b.expire(9, 9).await?.silent));
    }
    same(seen, silent, "silent calls")
}

pub(super) async fn what_expires_is_given_to_one_asker(on: &Ground<'_>) -> Verdict {
    const CALLS: usize = 60;
    let mut wanted = BTreeSet::new();
    for at in 0..CALLS {
        let call = inbound(&format!("call-{at}"))?;
        let call = call.with_status(Some(CallStatus::InProgress));
        wanted.insert(on.a.open(call).await?.key);
    }
    on.pass(60).await;
    let mut found = Vec::new();
    for _ in 0..CALLS {
        let (a, b) = tokio::join!(on.a.expire(7, 7), on.b.expire(7, 7));
        let (a, b) = (a?.silent, b?.silent);
        that(a.len() <= 7 && b.len() <= 7, "more than the limit")?;
        if a.is_empty() && b.is_empty() {
            break;
        }
        found.extend(a.into_iter().chain(b));
    }
    same(found.len(), CALLS, "calls that were given")?;
    same(keys(&found), wanted, "the calls")
}
