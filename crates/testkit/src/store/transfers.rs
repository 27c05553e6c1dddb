//! Rules about calls that are given something else to do.

use super::ground::{Ground, Verdict, claim, fails, main_account, same, token, told};
use std::time::Duration;
use telephony_core::{CallKey, EndReason, ErrorKind, MediaGrant, MediaToken, TransferOutcome};

fn minute() -> MediaGrant {
    MediaGrant::new(Duration::from_secs(60))
}

/// A token that leaves what was offered before as it is.
async fn offer(on: &Ground<'_>, key: &CallKey) -> Verdict<MediaToken> {
    let token = token()?;
    on.a.mint_token(key, &token, minute().beside()).await?;
    Ok(token)
}

pub(super) async fn a_stream_is_part_of_the_transfer_that_offered_it(on: &Ground<'_>) -> Verdict {
    let (key, main) = (on.call("call-1").await?, main_account()?);
    let old = on.token(&key).await?;
    let claimed = on.b.claim_token(&main, &claim(&old)).await?;
    same(claimed.transfers, 0, "transfers before the first stream")?;
    let old_one = on.stream_waiter(&on.b, &old).await;
    let number = on.a.begin_transfer(&key).await?;
    same(number, 1, "the first transfer")?;
    // The carrier is faster with the socket than with its answer.
    let new = offer(on, &key).await?;
    let claimed = on.b.claim_token(&main, &claim(&new)).await?;
    same(claimed.transfers, 1, "transfers before the second stream")?;
    let new_one = on.stream_waiter(&on.b, &new).await;
    let reason = EndReason::Transferred;
    let stopped =
        on.a.stop_streams(&key, reason.clone(), Some(number))
            .await?;
    same(stopped, 1, "streams that were told")?;
    let why = told(old_one, "the end of the old stream").await?;
    same(why, reason, "why")?;
    same(new_one.is_finished(), false, "the end of the new stream")?;
    on.a.end(&key, EndReason::App).await?;
    let why = told(new_one, "the end of the new stream").await?;
    same(why, EndReason::App, "why it ended")
}

pub(super) async fn only_a_transfer_that_was_taken_voids_what_was_offered(
    on: &Ground<'_>,
) -> Verdict {
    let main = main_account()?;
    for (outcome, is_void) in [
        (TransferOutcome::Refused, false),
        (TransferOutcome::Unknown, false),
        (TransferOutcome::Taken, true),
    ] {
        let what = format!("{outcome:?}");
        let key = on.call(&what).await?;
        let old = on.token(&key).await?;
        let number = on.a.begin_transfer(&key).await?;
        let new = offer(on, &key).await?;
        on.b.end_transfer(&key, number, outcome).await?;
        let claimed = on.b.claim_token(&main, &claim(&old)).await;
        if is_void {
            fails(claimed, ErrorKind::NotFound, what)?;
        } else {
            same(claimed?.call.key, key.clone(), what)?;
        }
        on.a.claim_token(&main, &claim(&new)).await?;
    }
    Ok(())
}

pub(super) async fn what_came_of_transfers_is_remembered(on: &Ground<'_>) -> Verdict {
    let key = on.call("call-1").await?;
    let known = async || -> Verdict<_> {
        let call = on.b.find(&key).await?;
        Ok(call.map(|call| (call.transfers, call.moved, call.open_transfers.len())))
    };
    same(known().await?, Some((0, 0, 0)), "at first")?;
    let one = on.a.begin_transfer(&key).await?;
    let two = on.b.begin_transfer(&key).await?;
    same(known().await?, Some((2, 0, 2)), "while both are under way")?;
    on.a.end_transfer(&key, two, TransferOutcome::Taken).await?;
    same(known().await?, Some((2, 2, 1)), "when the second was taken")?;
    on.a.end_transfer(&key, one, TransferOutcome::Unknown)
        .await?;
    same(known().await?, Some((2, 2, 0)), "when the first is over")?;
    let three = on.a.begin_transfer(&key).await?;
    on.a.end_transfer(&key, three, TransferOutcome::Refused)
        .await?;
    same(
        known().await?,
        Some((3, 2, 0)),
        "when the third was refused",
    )
}
