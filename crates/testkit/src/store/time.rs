//! Rules about what happens when nobody says anything.

use super::ground::{
    Ground, Verdict, fails, inbound, main_account, outbound, same, soon, that, told,
};
use std::collections::BTreeSet;
use telephony_core::{CallId, CallKey, CallRecord, CallStatus, EndReason, ErrorKind};

fn keys(calls: &[CallRecord]) -> BTreeSet<CallKey> {
    calls.iter().map(|call| call.key.clone()).collect()
}

pub(super) async fn what_ended_is_remembered_and_then_forgotten(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &token).await?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.b.finish_stream(&token).await?;
    on.pass(599).await;
    that(on.a.expire(100).await?.is_empty(), "something is found")?;
    that(
        on.b.find(&key).await?.is_some(),
        "it is forgotten too early",
    )?;
    on.pass(1).await;
    that(on.b.expire(100).await?.is_empty(), "something is found")?;
    that(on.a.find(&key).await?.is_none(), "it is still there")?;
    let id = CallId::new("call-1")?;
    let by_id = on.a.find_by_id(&main_account()?, &id).await?;
    that(by_id.is_none(), "its id is still known")?;
    let claimed = on.a.claim_token(&main_account()?, &token).await;
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
    same(on.a.expire(9).await?.silent.len(), 0, "too early")?;
    on.pass(1).await;
    let silent = keys(&on.b.expire(9).await?.silent);
    same(silent, [key.clone()].into(), "after a minute")?;
    same(on.a.expire(9).await?.silent.len(), 0, "told twice")?;
    on.pass(119).await;
    same(on.a.expire(9).await?.silent.len(), 0, "too early again")?;
    on.pass(1).await;
    same(on.a.expire(9).await?.silent.len(), 1, "after two more")?;
    // The carrier asks what comes next: it lives.
    on.b.take_next(&key, "request").await?;
    on.pass(60).await;
    same(on.a.expire(9).await?.silent.len(), 1, "a minute after news")?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.pass(500).await;
    same(on.a.expire(9).await?.silent.len(), 0, "when it is over")
}

pub(super) async fn a_call_with_a_live_stream_is_not_silent(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &token).await?;
    on.pass(3_600).await;
    on.b.renew_lease().await?;
    let found = on.a.expire(9).await?;
    that(found.is_empty(), "a live stream is taken for silence")?;
    on.b.finish_stream(&token).await?;
    on.pass(59).await;
    same(on.a.expire(9).await?.silent.len(), 0, "too early")?;
    on.pass(1).await;
    let silent = keys(&on.a.expire(9).await?.silent);
    same(silent, [key].into(), "a minute after its last stream")
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
    on.a.claim_token(&main_account()?, &token).await?;
    on.b.finish_stream(&token).await?;
    let waiting = on.waiter(&on.b, &placed).await;
    on.pass(599).await;
    same(on.a.expire(9).await?.never_started.len(), 0, "too early")?;
    on.pass(1).await;
    let found = on.a.expire(9).await?.never_started;
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
    same(on.b.expire(9).await?.never_started.len(), 0, "given again")
}

pub(super) async fn a_call_that_nobody_hears_of_is_given_up(on: &Ground<'_>) -> Verdict {
    let (silent, alive) = (on.call("silent").await?, on.call("alive").await?);
    let waiting = on.waiter(&on.b, &silent).await;
    on.pass(4 * 3_600).await;
    on.a.update_status(&alive, CallStatus::InProgress).await?;
    on.pass(3_600).await;
    let found = keys(&on.a.expire(9).await?.never_started);
    same(found, [silent].into(), "what is given up")?;
    let reason = told(waiting, "the end of a call that is given up").await?;
    same(reason, EndReason::NeverStarted, "what was told")?;
    on.pass(600).await;
    on.a.expire(9).await?;
    that(on.b.find(&alive).await?.is_some(), "a live call is gone")?;
    let id = CallId::new("silent")?;
    let gone = soon(on.b.find_by_id(&main_account()?, &id), "an answer").await??;
    that(gone.is_none(), "a call that is given up stays for ever")
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
        let (a, b) = tokio::join!(on.a.expire(7), on.b.expire(7));
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
