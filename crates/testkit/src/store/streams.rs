//! Rules about media tokens, streams and the nodes that hold them.

use super::ground::{
    Ground, Verdict, claim, fails, main_account, other_account, same, that, token, told,
};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::store::MAX_TOKENS;
use telephony_core::{
    AfterStream, CallStatus, Claim, EndReason, ErrorKind, MediaGrant, MediaToken, StorePolicy,
};
use tokio::sync::Barrier;

fn minute() -> MediaGrant {
    MediaGrant::new(Duration::from_secs(60))
}

pub(super) async fn a_token_is_claimed_once(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let (token, main) = (token()?, main_account()?);
    let grant = minute().then(AfterStream::Continue);
    on.a.mint_token(&key, &token, grant).await?;
    let [first, second, third] = [1, 2, 3].map(|number| Claim::numbered(token.clone(), number));
    let claimed = on.b.claim_token(&main, &first).await?;
    same(claimed.call.key, key.clone(), "the call")?;
    same(claimed.call.live_streams, 1, "its open sockets")?;
    // Its answer was lost.
    let claimed = on.b.claim_token(&main, &first).await?;
    same(claimed.call.key, key, "the call, told again")?;
    same(claimed.then, AfterStream::Continue, "what comes after")?;
    let again = ErrorKind::AlreadyClaimed;
    for node in [&on.a, &on.b] {
        fails(node.claim_token(&main, &second).await, again, "a second")?;
    }
    // Only who has it gives it back.
    on.b.release_token(&second).await?;
    on.b.finish_stream(&second, None).await?;
    fails(on.a.claim_token(&main, &second).await, again, "a third")?;
    // The handshake failed: the carrier tries again, at another node.
    on.b.release_token(&first).await?;
    on.a.claim_token(&main, &second).await?;
    fails(on.b.claim_token(&main, &third).await, again, "a fourth")?;
    on.a.finish_stream(&second, None).await?;
    fails(on.b.claim_token(&main, &third).await, again, "a late one")?;
    on.a.release_token(&second).await?;
    let over = on.b.claim_token(&main, &third).await;
    fails(over, again, "a stream that is over is not given back")
}

pub(super) async fn what_is_said_late_of_a_claim_is_not_said_of_the_next(
    on: &Ground<'_>,
) -> Verdict {
    let key = on.call("call-1").await?;
    let (token, main) = (on.token(&key).await?, main_account()?);
    let [first, second, third] = [1, 2, 3].map(|number| Claim::numbered(token.clone(), number));
    on.a.claim_token(&main, &first).await?;
    on.a.release_token(&first).await?;
    // Of the same node.
    on.a.claim_token(&main, &second).await?;
    on.a.release_token(&first).await?;
    on.a.finish_stream(&first, Some(&EndReason::App)).await?;
    let call = on.b.find(&key).await?;
    let known = call.map(|call| (call.live_streams, call.planned_end));
    same(
        known,
        Some((1, None)),
        "its open sockets, and what is planned",
    )?;
    let taken = on.b.claim_token(&main, &third).await;
    fails(taken, ErrorKind::AlreadyClaimed, "a third")
}

pub(super) async fn a_token_is_for_one_account(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let good = on.token(&key).await?;
    let gone = ErrorKind::NotFound;
    let wrong = on.a.claim_token(&other_account()?, &claim(&good)).await;
    let unknown = on.a.claim_token(&main_account()?, &claim(&token()?)).await;
    let texts = [&wrong, &unknown].map(|r| r.as_ref().err().map(ToString::to_string));
    same(&texts[0], &texts[1], "what a wrong account is told")?;
    fails(wrong, gone, "a wrong account")?;
    on.a.claim_token(&main_account()?, &claim(&good)).await?;
    let claimed = on.b.claim_token(&other_account()?, &claim(&good)).await;
    fails(claimed, gone, "a wrong account, later")?;
    on.a.end(&key, EndReason::App).await?;
    let ended = on.b.claim_token(&other_account()?, &claim(&good)).await;
    fails(ended, gone, "a wrong account, at the end")
}

pub(super) async fn a_new_token_voids_older_ones_that_nobody_took(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let main = main_account()?;
    let taken = on.token(&key).await?;
    on.a.claim_token(&main, &claim(&taken)).await?;
    let (idle, new) = (on.token(&key).await?, on.token(&key).await?);
    let idle = on.b.claim_token(&main, &claim(&idle)).await;
    fails(idle, ErrorKind::NotFound, "the idle one")?;
    let again = Claim::numbered(taken.clone(), 2);
    let taken = on.b.claim_token(&main, &again).await;
    fails(taken, ErrorKind::AlreadyClaimed, "the taken one")?;
    let claimed = on.b.claim_token(&main, &claim(&new)).await?;
    same(claimed.call.live_streams, 2, "streams")
}

pub(super) async fn a_token_lives_only_so_long(on: &Ground<'_>) -> Verdict {
    let main = main_account()?;
    let mut tokens: Vec<MediaToken> = Vec::new();
    for id in ["call-1", "call-2"] {
        let (key, token) = (on.call(id).await?, token()?);
        on.a.mint_token(&key, &token, minute()).await?;
        tokens.push(token);
    }
    on.pass(59).await;
    on.a.claim_token(&main, &claim(&tokens[0])).await?;
    on.pass(1).await;
    let late = on.a.claim_token(&main, &claim(&tokens[1])).await;
    fails(late, ErrorKind::NotFound, "a late claim")?;
    // One that was claimed in time and given back too late is over as well.
    let second = Claim::numbered(tokens[0].clone(), 2);
    let second = on.b.claim_token(&main, &second).await;
    fails(second, ErrorKind::AlreadyClaimed, "a second claim")?;
    on.a.release_token(&claim(&tokens[0])).await?;
    let late = on.b.claim_token(&main, &claim(&tokens[0])).await;
    fails(late, ErrorKind::NotFound, "a late second claim")
}

pub(super) async fn there_is_no_stream_for_a_call_that_is_over(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let minted = on.token(&key).await?;
    on.b.update_status(&key, CallStatus::Completed).await?;
    let closed = ErrorKind::Closed;
    let claimed = on.a.claim_token(&main_account()?, &claim(&minted)).await;
    fails(claimed, closed, "a claim")?;
    let late = on.a.mint_token(&key, &token()?, minute()).await;
    fails(late, closed, "a new token")
}

pub(super) async fn of_many_claims_one_wins(on: &Ground<'_>) -> Verdict {
    const CLAIMS: u64 = 50;
    for round in 0..10 {
        let key = on.call(&format!("call-{round}")).await?;
        let token = on.token(&key).await?;
        let start = Arc::new(Barrier::new(CLAIMS as usize));
        let mut claims = Vec::new();
        for at in 0..CLAIMS {
            let node = Arc::clone(if at % 2 == 0 { &on.a } else { &on.b });
            let (start, main) = (start.clone(), main_account()?);
            let claim = Claim::numbered(token.clone(), at);
            claims.push(tokio::spawn(async move {
                start.wait().await;
                node.claim_token(&main, &claim).await.map(drop)
            }));
        }
        let mut won = 0;
        for claim in claims {
            match claim.await {
                Ok(Ok(())) => won += 1,
                Ok(lost) => fails(lost, ErrorKind::AlreadyClaimed, "a claim that lost")?,
                Err(_) => that(false, "a claim panicked")?,
            }
        }
        same(won, 1, "claims that won")?;
    }
    Ok(())
}

pub(super) async fn a_stream_is_held_by_its_node_until_it_is_over(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let token = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &claim(&token)).await?;
    let held = async || -> Verdict<_> {
        let call = on.a.find(&key).await?;
        Ok(call.map(|call| (call.live_streams, call.held_by)))
    };
    let by_b = (1, vec![on.b.node().clone()]);
    same(held().await?, Some(by_b), "while it is open")?;
    on.b.finish_stream(&claim(&token), None).await?;
    same(held().await?, Some((0, Vec::new())), "when it is over")?;
    // The call goes on, and may have another one.
    let token = on.token(&key).await?;
    on.a.claim_token(&main_account()?, &claim(&token)).await?;
    let by_a = (1, vec![on.a.node().clone()]);
    same(held().await?, Some(by_a), "the next one")
}

pub(super) async fn a_call_may_have_many_streams_one_after_the_other(on: &Ground<'_>) -> Verdict {
    let (key, main) = (on.call("call-1").await?, main_account()?);
    let long = on.token(&key).await?;
    on.a.claim_token(&main, &claim(&long)).await?;
    let mut last = long.clone();
    for _ in 0..MAX_TOKENS + 8 {
        on.pass(1).await;
        last = on.token(&key).await?;
        on.b.claim_token(&main, &claim(&last)).await?;
        on.b.finish_stream(&claim(&last), None).await?;
    }
    let again = on.a.claim_token(&main, &Claim::numbered(last, 2)).await;
    fails(again, ErrorKind::AlreadyClaimed, "the last one")?;
    let held = on.b.find(&key).await?.map(|call| call.held_by);
    let by_a = vec![on.a.node().clone()];
    same(held, Some(by_a), "a stream that lives all the time")?;
    on.a.finish_stream(&claim(&long), None).await?;
    let live = on.b.find(&key).await?.map(|call| call.live_streams);
    same(live, Some(0), "live streams in the end")?;
    on.a.update_status(&key, CallStatus::Completed).await?;
    on.pass(600).await;
    on.a.expire(9, 9).await?;
    same(on.store.left().await, 0, "things that are left")
}

pub(super) async fn streams_are_stopped_while_the_call_goes_on(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let none = on.a.stop_streams(&key, EndReason::App, None).await?;
    same(none, 0, "streams that were told")?;
    let first = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &claim(&first)).await?;
    let waiting = on.stream_waiter(&on.b, &first).await;
    let told_now = on.a.stop_streams(&key, EndReason::Transferred, None);
    let told_now = told_now.await?;
    same(told_now, 1, "streams that were told")?;
    let reason = told(waiting, "the end of the stream").await?;
    same(reason, EndReason::Transferred, "why")?;
    on.a.stop_streams(&key, EndReason::App, None).await?;
    let again = on.b.wait_for_stream_end(&first).await?;
    same(again, EndReason::Transferred, "the first reason stays")?;
    on.b.finish_stream(&claim(&first), None).await?;
    // A stream that begins later is another one.
    let second = on.token(&key).await?;
    on.b.claim_token(&main_account()?, &claim(&second)).await?;
    let waiting = on.stream_waiter(&on.b, &second).await;
    let ended = on.a.find(&key).await?.map(|call| call.ended);
    same(ended, Some(None), "the call")?;
    on.a.end(&key, EndReason::MaxDuration).await?;
    let reason = told(waiting, "the end of the second stream").await?;
    same(reason, EndReason::MaxDuration, "why the second ended")
}

fn short_lease() -> StorePolicy {
    let mut policy = StorePolicy::default();
    policy.lease = Duration::from_secs(30);
    policy
}

pub(super) async fn the_streams_of_a_lost_node_are_given_to_one_other(on: &Ground<'_>) -> Verdict {
    let on = on.again(short_lease()).await;
    let (one, two, over) = (
        on.call("1").await?,
        on.call("2").await?,
        on.call("3").await?,
    );
    let (lost, alive, late) = (
        on.token(&one).await?,
        on.token(&two).await?,
        on.token(&over).await?,
    );
    on.a.renew_lease().await?;
    on.b.claim_token(&main_account()?, &claim(&lost)).await?;
    on.b.claim_token(&main_account()?, &claim(&late)).await?;
    on.a.claim_token(&main_account()?, &claim(&alive)).await?;
    on.a.begin_transfer(&one).await?;
    on.b.update_status(&over, CallStatus::Completed).await?;
    let waiting = on.stream_waiter(&on.b, &lost).await;
    for _ in 0..3 {
        on.pass(15).await;
        on.a.renew_lease().await?;
    }
    let c = on.store.node("c").await;
    c.renew_lease().await?;
    let found = c.expire(100, 100).await?.orphaned;
    same(found.len(), 0, "found by a node that is new itself")?;
    let (first, second) = tokio::join!(on.a.expire(100, 100), on.a.expire(100, 100));
    let mut found = first?.orphaned;
    found.extend(second?.orphaned);
    let keys: Vec<_> = found.iter().map(|stream| stream.call.key.clone()).collect();
    same(keys, vec![one.clone()], "the streams that were given")?;
    same(found[0].transfers, 0, "transfers when it was offered")?;
    same(found[0].call.live_streams, 0, "its open sockets")?;
    let reason = told(waiting, "the end of an orphaned stream").await?;
    same(
        reason,
        EndReason::NodeLost,
        "what its node is told, should it live",
    )?;
    let call = on.a.find(&two).await?;
    same(
        call.map(|call| call.live_streams),
        Some(1),
        "a stream of a node that lives",
    )?;
    on.pass(15).await;
    on.a.renew_lease().await?;
    same(
        on.a.expire(100, 100).await?.orphaned.len(),
        0,
        "given again",
    )
}

pub(super) async fn after_an_outage_of_all_every_node_may_come_back_first(
    on: &Ground<'_>,
) -> Verdict {
    let on = on.again(short_lease()).await;
    let key = on.call("1").await?;
    let token = on.token(&key).await?;
    on.a.renew_lease().await?;
    on.b.claim_token(&main_account()?, &claim(&token)).await?;
    on.pass(40).await;
    // Nobody could renew anything. The first that is back does not take the others for lost.
    on.a.renew_lease().await?;
    same(
        on.a.expire(100, 100).await?.orphaned.len(),
        0,
        "given at once",
    )?;
    on.b.renew_lease().await?;
    for _ in 0..4 {
        on.pass(15).await;
        on.a.renew_lease().await?;
        on.b.renew_lease().await?;
        let found = on.a.expire(100, 100).await?.orphaned;
        same(found.len(), 0, "given later, though its node is back")?;
    }
    let live = on.b.find(&key).await?.map(|call| call.live_streams);
    same(live, Some(1), "its open sockets")
}
