//! Many calls with everything that goes wrong with callbacks.

use super::ground::{Ground, Verdict, Why, claim, inbound, main_account, same, that};
use std::collections::BTreeMap;
use std::sync::Arc;
use telephony_core::{
    AccountLimits, CallKey, CallStatus, CallStore, EndReason, StorePolicy, Transition,
};

const CALLS: u64 = 1_000;
/// How many are worked on at once.
const AT_ONCE: u64 = 50;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or_default()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// What a call ended as for the carrier, and the callbacks of it that arrive, in their order.
fn callbacks(dice: &mut Dice) -> (CallStatus, Vec<CallStatus>) {
    let terminal = [
        CallStatus::Completed,
        CallStatus::Busy,
        CallStatus::Failed,
        CallStatus::NoAnswer,
        CallStatus::Canceled,
    ][dice.below(5)];
    let mut sent = vec![CallStatus::Initiated, CallStatus::Ringing, terminal];
    if terminal == CallStatus::Completed {
        sent.push(CallStatus::InProgress);
    }
    let repeats: Vec<_> = sent.iter().filter(|_| dice.one_in(3)).copied().collect();
    sent.extend(repeats);
    sent.retain(|_| !dice.one_in(5));
    dice.shuffle(&mut sent);
    (terminal, sent)
}

/// One call: its callbacks arrive at either node, some of them at the same time.
async fn live(
    (a, b): (Arc<dyn CallStore>, Arc<dyn CallStore>),
    number: u64,
) -> Verdict<(CallKey, CallStatus)> {
    let mut dice = Dice(number);
    let (terminal, sent) = callbacks(&mut dice);
    let key = a.open(inbound(&format!("call-{number}"))?).await?.key;
    if dice.one_in(2) {
        let token = super::ground::token()?;
        let grant = telephony_core::MediaGrant::new(std::time::Duration::from_secs(600));
        b.mint_token(&key, &token, grant).await?;
        b.claim_token(&main_account()?, &claim(&token)).await?;
        b.finish_stream(&claim(&token), None).await?;
    }
    let mut ends = 0;
    for status in sent {
        let (one, other) = if dice.one_in(2) { (&a, &b) } else { (&b, &a) };
        let same_again = dice.one_in(4);
        let again = async {
            if same_again {
                Some(other.update_status(&key, status).await)
            } else {
                None
            }
        };
        let (first, second) = tokio::join!(one.update_status(&key, status), again);
        let second = second.transpose()?;
        for update in [Some(first?), second].into_iter().flatten() {
            let ended = update.transition == Transition::Advanced && update.status.is_terminal();
            ends += u32::from(ended);
        }
    }
    that(ends <= 1, format_args!("call {number} ended {ends} times"))?;
    Ok((key, terminal))
}

pub(super) async fn a_thousand_calls_end_once_and_leave_nothing(on: &Ground<'_>) -> Verdict {
    let mut policy = StorePolicy::default();
    policy.limits = AccountLimits::none();
    let on = on.again(policy).await;
    let mut calls = BTreeMap::new();
    for batch in 0..CALLS / AT_ONCE {
        let numbers = batch * AT_ONCE..(batch + 1) * AT_ONCE;
        let nodes = || (Arc::clone(&on.a), Arc::clone(&on.b));
        let live: Vec<_> = numbers.map(|n| tokio::spawn(live(nodes(), n))).collect();
        for call in live {
            let (key, terminal) = call.await.map_err(|_| Why::from("a call panicked"))??;
            calls.insert(key, terminal);
        }
    }
    // Of some the terminal callback is lost: they fall silent, and the carrier is asked.
    on.pass(60).await;
    let mut asked = 0;
    loop {
        let silent = on.b.expire(100, 100).await?.silent;
        if silent.is_empty() {
            break;
        }
        for call in silent {
            asked += 1;
            let Some(terminal) = calls.get(&call.key) else {
                return that(false, "a call is silent that nobody opened");
            };
            on.a.update_status(&call.key, *terminal).await?;
        }
    }
    that(asked > 50, "hardly any call fell silent")?;
    for (key, terminal) in &calls {
        let ended = on.b.find(key).await?.and_then(|call| call.ended);
        let wanted = Some(EndReason::CallEnded(*terminal));
        same(ended, wanted, "why a call ended")?;
    }
    on.pass(600).await;
    for _ in 0..CALLS {
        let found = on.a.expire(1_000, 1_000).await?;
        that(
            found.is_empty(),
            "something is found of calls that are over",
        )?;
        if on.store.left().await == 0 {
            return Ok(());
        }
    }
    same(on.store.left().await, 0, "things that are left")
}
