//! Rules about calls: ids, statuses, the end, data.

use super::ground::{
    Ground, Verdict, claim, fails, inbound, main_account, other_account, outbound, same, soon,
    that, told,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::store::{MAX_DATA_NAMES, MAX_DATA_VALUE};
use telephony_core::{
    Answer, CallId, CallKey, CallStatus, CarrierCall, Direction, EndReason, ErrorKind, Gather,
    MediaGrant, OsRandom, Party, Stream, TransferOutcome, Transition,
};

pub(super) async fn a_call_is_remembered_as_it_was_opened(on: &Ground<'_>) -> Verdict {
    let data = [("tenant".to_owned(), "ac\u{e9}me |,{}".to_owned())].into();
    let call = inbound("call-1")?
        .with_data(data)
        .with_home(Some("https://eu.example".to_owned()));
    let opened = on.a.open(call.clone()).await?;
    for (record, how) in [
        (Some(opened), "opened"),
        (on.b.find(&call.key).await?, "by key"),
        (
            on.b.find_by_id(&call.account, &CallId::new("call-1")?)
                .await?,
            "by id",
        ),
    ] {
        let Some(record) = record else {
            return that(false, format_args!("the call is not found {how}"));
        };
        same(record.key, call.key.clone(), how)?;
        same(record.provider, call.provider.clone(), how)?;
        same(record.account, call.account.clone(), how)?;
        same(record.call_id, call.call_id.clone(), how)?;
        same(record.home, call.home.clone(), how)?;
        same(record.direction, Direction::Inbound, how)?;
        same(record.from, Party::parse("+14155550100"), how)?;
        same(record.to, Party::parse("+14155550199"), how)?;
        same(record.status, CallStatus::Ringing, how)?;
        same(record.history.len(), 1, how)?;
        same(record.data, call.data.clone(), how)?;
        same((record.transfers, record.live_streams), (0, 0), how)?;
        same(record.ended, None, how)?;
    }
    let placed = on.a.open(outbound()?).await?;
    same(placed.status, CallStatus::Queued, "a call that we place")?;
    let unknown = on.b.find(&CallKey::random(&OsRandom)?).await?;
    that(unknown.is_none(), "a key that nobody knows finds a call")
}

pub(super) async fn a_repeated_request_finds_the_call_of_the_first(on: &Ground<'_>) -> Verdict {
    let first = on.call("call-1").await?;
    on.a.update_status(&first, CallStatus::InProgress).await?;
    let again = inbound("call-1")?.with_data([("x".to_owned(), "y".to_owned())].into());
    let unused = again.key.clone();
    let again = on.b.open(again).await?;
    same(again.key, first, "the call")?;
    same(again.status, CallStatus::InProgress, "its status")?;
    that(again.data.is_empty(), "its data changed")?;
    let unused = on.a.find(&unused).await?;
    that(unused.is_none(), "the second call was opened all the same")
}

pub(super) async fn accounts_do_not_share_ids(on: &Ground<'_>) -> Verdict {
    let mine = on.call("call-1").await?;
    let mut other = inbound("call-1")?;
    other.account = other_account()?;
    let other = on.b.open(other).await?;
    that(mine != other.key, "two accounts have one call")?;
    let id = CallId::new("call-1")?;
    let found = on.a.find_by_id(&other_account()?, &id).await?;
    same(found.map(|call| call.key), Some(other.key), "by id")
}

pub(super) async fn one_key_is_one_call(on: &Ground<'_>) -> Verdict {
    let first = on.call("call-1").await?;
    let mut second = inbound("call-2")?;
    second.key = first.clone();
    fails(on.b.open(second).await, ErrorKind::Store, "the same key")?;
    let kept = on.a.find(&first).await?.and_then(|call| call.call_id);
    same(kept, Some(CallId::new("call-1")?), "the id of the first")?;
    let id = CallId::new("call-2")?;
    let found = on.a.find_by_id(&main_account()?, &id).await?;
    that(found.is_none(), "the second call's id leads somewhere")
}

pub(super) async fn the_carriers_id_is_attached_once(on: &Ground<'_>) -> Verdict {
    let key = on.a.open(outbound()?).await?.key;
    let (late, other) = (CallId::new("late")?, CallId::new("other")?);
    on.a.attach(&key, &late.clone().into()).await?;
    let again = CarrierCall::new(late.clone()).at(Some("here".to_owned()));
    on.b.attach(&key, &again).await?;
    let call = on.a.find_by_id(&main_account()?, &late).await?;
    let home = call.as_ref().and_then(|call| call.home.clone());
    same(home.as_deref(), Some("here"), "where it lives")?;
    same(call.map(|call| call.key), Some(key.clone()), "by id")?;
    let refused = on.b.attach(&key, &other.clone().into()).await;
    fails(refused, ErrorKind::Store, "another id")?;
    let found = on.a.find_by_id(&main_account()?, &other).await?;
    that(found.is_none(), "the id that was refused leads somewhere")?;
    let nobody = CallKey::random(&OsRandom)?;
    let refused = on.a.attach(&nobody, &late.clone().into()).await;
    fails(refused, ErrorKind::NotFound, "a call that nobody knows")?;
    let second = on.a.open(outbound()?).await?.key;
    let refused = on.a.attach(&second, &late.clone().into()).await;
    fails(refused, ErrorKind::Store, "the id of another call")?;
    let found = on.b.find_by_id(&main_account()?, &late).await?;
    same(found.map(|call| call.key), Some(key), "by id afterwards")
}

pub(super) async fn of_many_who_open_the_same_call_all_get_the_same(on: &Ground<'_>) -> Verdict {
    for round in 0..5 {
        let mut opening = Vec::new();
        for at in 0..24 {
            let node = Arc::clone(if at % 2 == 0 { &on.a } else { &on.b });
            let call = inbound(&format!("call-{round}"))?;
            opening.push(tokio::spawn(async move { node.open(call).await }));
        }
        let mut keys = BTreeSet::new();
        for open in opening {
            if let Ok(opened) = open.await {
                keys.insert(opened?.key);
            }
        }
        same(keys.len(), 1, "calls")?;
    }
    Ok(())
}

pub(super) async fn late_and_repeated_reports_change_nothing(on: &Ground<'_>) -> Verdict {
    let key = on.a.open(outbound()?).await?.key;
    let mut history = vec![CallStatus::Queued];
    for (reported, transition) in [
        (CallStatus::Queued, Transition::Stale),
        (CallStatus::InProgress, Transition::Advanced),
        (CallStatus::Ringing, Transition::Stale),
        (CallStatus::InProgress, Transition::Stale),
        (CallStatus::NoAnswer, Transition::Advanced),
        (CallStatus::Completed, Transition::Stale),
        (CallStatus::NoAnswer, Transition::Stale),
    ] {
        on.pass(1).await;
        let node = if history.len() % 2 == 0 { &on.a } else { &on.b };
        let update = node.update_status(&key, reported).await?;
        same(update.transition, transition, reported)?;
        if transition == Transition::Advanced {
            history.push(reported);
        }
        let now = history.last().copied();
        same(Some(update.status), now, reported)?;
    }
    let Some(record) = on.b.find(&key).await? else {
        return that(false, "the call is gone");
    };
    let told: Vec<_> = record.history.iter().map(|(_, status)| *status).collect();
    same(told, history, "its history")?;
    let is_in_order = record.history.is_sorted_by(|one, next| one.0 < next.0);
    that(is_in_order, "its history is not in the order of time")?;
    let reason = EndReason::CallEnded(CallStatus::NoAnswer);
    same(record.ended, Some(reason), "why it ended")
}

pub(super) async fn a_terminal_status_ends_the_call_on_every_node(on: &Ground<'_>) -> Verdict {
    for status in CallStatus::ALL.into_iter().filter(|s| s.is_terminal()) {
        let key = on.call(&format!("call-{status}")).await?;
        let token = on.token(&key).await?;
        on.b.claim_token(&main_account()?, &claim(&token)).await?;
        let third = on.store.node("c").await;
        let waiting = [
            on.waiter(&on.a, &key).await,
            on.waiter(&on.b, &key).await,
            on.waiter(&third, &key).await,
            on.stream_waiter(&on.b, &token).await,
        ];
        that(
            waiting.iter().all(|waiter| !waiter.is_finished()),
            "a call ends by itself",
        )?;
        on.a.update_status(&key, status).await?;
        for waiter in waiting {
            let reason = told(waiter, "the end").await?;
            same(reason, EndReason::CallEnded(status), "what was told")?;
        }
        let late = soon(on.b.wait_for_end(&key), "an end that has come").await??;
        same(late, EndReason::CallEnded(status), "who asks late")?;
    }
    Ok(())
}

pub(super) async fn the_first_reason_stays(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    same(on.a.end(&key, EndReason::App).await?, true, "the first end")?;
    let second = on.b.end(&key, EndReason::Shutdown).await?;
    same(second, false, "the second end")?;
    // The carrier's last word is kept as the status, not as the reason.
    let update = on.b.update_status(&key, CallStatus::Completed).await?;
    same(update.status, CallStatus::Completed, "its status")?;
    same(
        on.b.wait_for_end(&key).await?,
        EndReason::App,
        "why it ended",
    )?;
    let told = EndReason::CarrierStopped(Some("a|b, {\"c\"}".to_owned()));
    let key = on.call("call-2").await?;
    on.a.end(&key, told.clone()).await?;
    same(on.b.wait_for_end(&key).await?, told, "the carrier's word")
}

pub(super) async fn a_call_that_is_opened_as_over_is_over(on: &Ground<'_>) -> Verdict {
    let over = inbound("call-1")?.with_status(Some(CallStatus::Failed));
    let record = on.a.open(over).await?;
    let reason = EndReason::CallEnded(CallStatus::Failed);
    same(record.ended, Some(reason.clone()), "the record")?;
    let told = soon(
        on.b.wait_for_end(&record.key),
        "an end that nobody will report",
    );
    same(told.await??, reason, "who waits")
}

pub(super) async fn a_call_that_nobody_knows_is_not_found(on: &Ground<'_>) -> Verdict {
    let (key, gone) = (CallKey::random(&OsRandom)?, ErrorKind::NotFound);
    let id = CallId::new("x")?;
    let token = super::ground::token()?;
    let grant = MediaGrant::new(Duration::from_secs(1));
    let status = on.a.update_status(&key, CallStatus::Ringing).await;
    fails(status, gone, "update_status")?;
    fails(on.a.end(&key, EndReason::App).await, gone, "end")?;
    let stopped = on.a.stop_streams(&key, EndReason::App, None).await;
    fails(stopped, gone, "stop_streams")?;
    fails(on.a.set_next(&key, None).await, gone, "set_next")?;
    fails(on.a.take_next(&key, "r").await, gone, "take_next")?;
    fails(on.a.begin_transfer(&key).await, gone, "begin_transfer")?;
    let ended = on.a.end_transfer(&key, 1, TransferOutcome::Taken).await;
    fails(ended, gone, "end_transfer")?;
    fails(on.a.attach(&key, &id.into()).await, gone, "attach")?;
    let minted = on.a.mint_token(&key, &token, grant).await;
    fails(minted, gone, "mint_token")?;
    let changes = [("a".to_owned(), None)].into();
    fails(on.a.update_data(&key, changes).await, gone, "update_data")?;
    let ended = soon(on.a.wait_for_end(&key), "wait_for_end").await?;
    fails(ended, gone, "wait_for_end")?;
    let ended = soon(on.a.wait_for_stream_end(&token), "wait_for_stream_end").await?;
    fails(ended, gone, "wait_for_stream_end")?;
    let claimed = on.a.claim_token(&main_account()?, &claim(&token)).await;
    fails(claimed, gone, "claim_token")?;
    on.a.release_token(&claim(&token)).await?;
    Ok(on.a.finish_stream(&claim(&token), None).await?)
}

pub(super) async fn what_comes_next_is_taken_once(on: &Ground<'_>) -> Verdict {
    let next = Answer::say("Welcome & \"hello\"")
        .then_gather(Gather::digits(3).with_hint("one"))
        .then_stream(Stream::new().with_parameter("a", "b"));
    let key = on.a.open(outbound()?.with_next(next.clone())).await?.key;
    let first = on.b.take_next(&key, "request|1").await?;
    same(first, Some(next.clone()), "who asks first")?;
    let repeat = on.a.take_next(&key, "request|1").await?;
    same(repeat, Some(next), "the same request again")?;
    same(on.a.take_next(&key, "2").await?, None, "another request")?;
    let former = on.a.set_next(&key, Some(Answer::hang_up())).await?;
    same(former, None, "what was kept, and is taken")?;
    let new = on.b.take_next(&key, "2").await?;
    same(new, Some(Answer::hang_up()), "what was decided anew")?;
    on.b.set_next(&key, None).await?;
    same(on.a.take_next(&key, "2").await?, None, "forgotten")?;
    on.a.set_next(&key, Some(Answer::hang_up())).await?;
    let former = on.b.set_next(&key, Some(Answer::redirect())).await?;
    same(
        former,
        Some(Answer::hang_up()),
        "what was kept, and is not taken",
    )
}

pub(super) async fn the_apps_data_changes_and_is_bounded(on: &Ground<'_>) -> Verdict {
    let text = |text: &str| text.to_owned();
    let call =
        inbound("call-1")?.with_data([(text("a"), text("1")), (text("b"), text("2"))].into());
    let key = on.a.open(call).await?.key;
    let changes = [(text("b"), None), (text("c"), Some(text("3|\u{e9}")))].into();
    on.b.update_data(&key, changes).await?;
    let wanted = [(text("a"), text("1")), (text("c"), text("3|\u{e9}"))].into();
    let data = async |what| match on.a.find(&key).await? {
        Some(call) => Ok(call.data),
        None => that(false, what).map(|()| Default::default()),
    };
    same(data("gone").await?, wanted, "the data")?;
    let bound = ErrorKind::InvalidArgument;
    let long = [(text("a"), Some("x".repeat(MAX_DATA_VALUE + 1)))].into();
    fails(on.a.update_data(&key, long).await, bound, "a long value")?;
    let more = (0..MAX_DATA_NAMES - 1).map(|at| (format!("n{at}"), Some(text("x"))));
    let refused = on.a.update_data(&key, more.collect()).await;
    fails(refused, bound, "too many names")?;
    same(data("gone").await?.len(), 2, "names afterwards")?;
    let long = [(text("a"), "x".repeat(MAX_DATA_VALUE + 1))].into();
    let refused = on.a.open(inbound("call-2")?.with_data(long)).await;
    fails(refused, bound, "a call with a long value")
}
