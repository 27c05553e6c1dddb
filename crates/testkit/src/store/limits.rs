//! Rules about repeated requests and about how much an account may have.

use super::ground::{
    Ground, Verdict, fails, inbound, main_account, other_account, same, soon, that,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{
    AccountLimits, CallRate, EndReason, ErrorKind, FirstTime, KeptAnswer, RequestName, Retry,
    StorePolicy, Turn,
};

fn answer(text: &'static str) -> Verdict<KeptAnswer> {
    let body = Bytes::from_static(text.as_bytes());
    Ok(KeptAnswer::new(200, Some("text/xml"), body)?)
}

/// The turn of who asks for the first time.
fn first(told: FirstTime, what: &str) -> Verdict<Turn> {
    match told {
        FirstTime::Yes(turn) => Ok(turn),
        other => Err(format!("{what}: {other:?} instead of the first time")
            .as_str()
            .into()),
    }
}

pub(super) async fn a_repeated_request_gets_the_first_answer(on: &Ground<'_>) -> Verdict {
    let now = Duration::ZERO;
    let long = format!("{}|{{}} \u{e9}", "signature".repeat(50));
    let request = RequestName::new(main_account()?, long.clone());
    let turn = first(on.a.first_time(&request, now).await?, "1st")?;
    let busy = on.b.first_time(&request, now).await?;
    same(busy, FirstTime::InProgress, "while it is worked on")?;
    let theirs = RequestName::new(other_account()?, long);
    first(on.b.first_time(&theirs, now).await?, "another account")?;

    let kept = answer("<Response>\u{e9}\r\n</Response>")?;
    on.a.keep_answer(&request, &turn, Some(kept.clone()))
        .await?;
    on.b.keep_answer(&request, &turn, Some(answer("late")?))
        .await?;
    on.b.keep_answer(&request, &turn, None).await?;
    let repeat = on.b.first_time(&request, now).await?;
    same(repeat, FirstTime::Answered(kept.clone()), "a repeat")?;
    on.pass(599).await;
    let repeat = on.a.first_time(&request, now).await?;
    same(repeat, FirstTime::Answered(kept), "a late repeat")?;
    on.pass(1).await;
    let turn = first(on.b.first_time(&request, now).await?, "a late one")?;

    on.b.keep_answer(&request, &turn, None).await?;
    first(on.a.first_time(&request, now).await?, "after a failure")?;
    on.pass(20).await;
    let turn = first(on.b.first_time(&request, now).await?, "the first is lost")?;
    let empty = KeptAnswer::new(204, None, Bytes::new())?;
    on.b.keep_answer(&request, &turn, Some(empty.clone()))
        .await?;
    let repeat = on.a.first_time(&request, now).await?;
    same(repeat, FirstTime::Answered(empty), "an empty answer")
}

pub(super) async fn who_was_too_late_ends_no_turn_but_its_own(on: &Ground<'_>) -> Verdict {
    let now = Duration::ZERO;
    let request = RequestName::new(main_account()?, "slow");
    let late = first(on.a.first_time(&request, now).await?, "the first")?;
    on.pass(20).await;
    let turn = first(on.b.first_time(&request, now).await?, "the second")?;
    that(turn != late, "two turns are the same")?;

    on.a.keep_answer(&request, &late, None).await?;
    let third = on.a.first_time(&request, now).await?;
    same(third, FirstTime::InProgress, "while the second works")?;

    let kept = answer("late, but an answer")?;
    on.a.keep_answer(&request, &late, Some(kept.clone()))
        .await?;
    on.b.keep_answer(&request, &turn, None).await?;
    let repeat = on.b.first_time(&request, now).await?;
    same(repeat, FirstTime::Answered(kept), "a repeat at last")
}

pub(super) async fn a_repeat_waits_for_the_first(on: &Ground<'_>) -> Verdict {
    let wait = Duration::from_secs(20);
    for (name, kept) in [("answered", Some(answer("yes")?)), ("failed", None)] {
        let request = RequestName::new(main_account()?, name);
        let turn = first(on.a.first_time(&request, wait).await?, name)?;
        let (node, asked) = (Arc::clone(&on.b), request.clone());
        let repeat = tokio::spawn(async move { node.first_time(&asked, wait).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        that(!repeat.is_finished(), "a repeat does not wait")?;
        on.a.keep_answer(&request, &turn, kept.clone()).await?;
        let Ok(told) = soon(repeat, "the answer of the first").await? else {
            return that(false, "a waiter panicked");
        };
        match kept {
            Some(kept) => same(told?, FirstTime::Answered(kept), name)?,
            None => drop(first(told?, name)?),
        }
    }
    let request = RequestName::new(main_account()?, "slow");
    on.a.first_time(&request, wait).await?;
    let short = on.b.first_time(&request, Duration::from_millis(50));
    let told = soon(short, "the end of a short wait").await??;
    same(told, FirstTime::InProgress, "a short wait")
}

pub(super) async fn of_many_repeats_one_is_the_first(on: &Ground<'_>) -> Verdict {
    for round in 0..5 {
        let request = RequestName::new(main_account()?, format!("request {round}"));
        let mut asking = Vec::new();
        for at in 0..20 {
            let node = Arc::clone(if at % 2 == 0 { &on.a } else { &on.b });
            let request = request.clone();
            let ask = async move { node.first_time(&request, Duration::ZERO).await };
            asking.push(tokio::spawn(ask));
        }
        let mut first = 0;
        for ask in asking {
            if let Ok(told) = ask.await {
                first += usize::from(matches!(told?, FirstTime::Yes(_)));
            }
        }
        same(first, 1, "requests that were the first")?;
    }
    Ok(())
}

pub(super) async fn an_account_has_only_so_many_live_calls(on: &Ground<'_>) -> Verdict {
    let mut policy = StorePolicy::default();
    let two = AccountLimits::none().with_live_calls(Some(2));
    policy.account_limits.insert(main_account()?, two);
    let on = on.again(policy).await;
    let first = on.a.open(inbound("1")?).await?;
    on.b.open(inbound("2")?).await?;
    let limited = ErrorKind::RateLimited;
    fails(on.a.open(inbound("3")?).await, limited, "a third call")?;
    let id = telephony_core::CallId::new("3")?;
    let found = on.a.find_by_id(&main_account()?, &id).await?;
    that(found.is_none(), "a call that was refused is there")?;
    let again = on.b.open(inbound("1")?).await?;
    same(again.key, first.key.clone(), "a call that is there already")?;
    let mut other = inbound("3")?;
    other.account = other_account()?;
    on.b.open(other).await?;
    on.b.end(&first.key, EndReason::App).await?;
    on.b.end(&first.key, EndReason::App).await?;
    on.a.open(inbound("3")?).await?;
    fails(on.b.open(inbound("4")?).await, limited, "a third again")?;
    on.pass(5 * 3_600).await;
    on.b.expire(9, 9).await?;
    on.a.open(inbound("5")?).await?;
    on.a.open(inbound("6")?).await?;
    fails(on.b.open(inbound("7")?).await, limited, "a third at last")
}

pub(super) async fn calls_come_only_so_fast(on: &Ground<'_>) -> Verdict {
    let mut policy = StorePolicy::default();
    policy.limits = AccountLimits::none().with_call_rate(Some(CallRate::new(0.5, 3)));
    let on = on.again(policy).await;
    for at in 0..3 {
        on.a.open(inbound(&format!("burst-{at}"))?).await?;
    }
    let refused = on.b.open(inbound("more")?).await;
    let retry = refused.as_ref().err().map(telephony_core::Error::retry);
    let wait = Retry::After(Duration::from_secs(2));
    same(retry, Some(wait), "when to try again")?;
    fails(refused, ErrorKind::RateLimited, "a fourth at once")?;
    on.a.open(inbound("burst-1")?).await?;
    on.pass(2).await;
    on.b.open(inbound("more")?).await?;
    let refused = on.a.open(inbound("even more")?).await;
    fails(refused, ErrorKind::RateLimited, "one too many")?;
    on.pass(100).await;
    for at in 0..3 {
        on.b.open(inbound(&format!("later-{at}"))?).await?;
    }
    let refused = on.a.open(inbound("no more")?).await;
    fails(refused, ErrorKind::RateLimited, "after a pause")
}
