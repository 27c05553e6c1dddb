//! A thousand calls on all carriers over two nodes and one Redis: webhooks and sockets go to either node, callbacks come late,
//! again, out of order or never. Each call ends once, for the right reason, and nothing of it is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests"
)]

#[path = "support/fleet.rs"]
mod fleet;

use fleet::{Fleet, SOON, is_callback, over};
use futures_util::stream::{self, StreamExt as _};
use house::front::Pass;
use house::own_redis::Memory;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use telephony::redis::RedisStore;
use telephony::{
    AccountLabel, Answer, CallId, CallRecord, CallStatus, CallStore as _, Calls, CallsOptions,
    EndReason, OutboundCall, Provider, PublicUrl, StorePolicy,
};
use telephony_testkit::{OnDial, Script};

/// The carriers that can be asked about a call whose callbacks are lost.
const ASKABLE: [Provider; 3] = [Provider::Twilio, Provider::Vonage, Provider::Exotel];
const CALLS: usize = 1000;
const AT_ONCE: usize = 40;
const KEEP_ENDED: Duration = Duration::from_secs(20);
/// What decides who goes where, and what is lost.
const SEED: u64 = 0x7E1E_F0AE;

/// Splitmix64: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// What happens to a request: questions and sockets go to either node, callbacks go wrong.
fn weather(nodes: Vec<String>) -> impl Fn(&str) -> Pass {
    let dice = Mutex::new(Dice(SEED));
    move |path| {
        let mut dice = dice.lock().unwrap();
        let node = |dice: &mut Dice| nodes[usize::try_from(dice.throw(2)).unwrap()].clone();
        if !is_callback(path) {
            return Pass::To(node(&mut dice));
        }
        // One in six is lost, half come once, the others up to four times.
        let copies = match dice.throw(6) {
            0 => 0,
            1..4 => 1,
            more => more - 2,
        };
        let late = |_| {
            let wait = Duration::from_millis(dice.throw(1500));
            (wait, node(&mut dice))
        };
        Pass::Later((0..copies).map(late).collect())
    }
}

/// How a call goes, and what it is to have ended with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The caller hangs up.
    Caller,
    /// Our side hangs up.
    Ours,
    /// Refused as busy.
    Refused,
    /// Hears a sentence, and then the document is at its end.
    Told,
}

impl Kind {
    fn of(number: usize, provider: Provider) -> Self {
        match (number % 20, provider) {
            (0..3, _) => Self::Ours,
            // Only Twilio can refuse, and an applet of Exotel's can do one thing only.
            (3..5, Provider::Twilio) => Self::Refused,
            (5..8, Provider::Twilio | Provider::Vonage) => Self::Told,
            _ => Self::Caller,
        }
    }

    fn digit(self) -> char {
        match self {
            Self::Caller => '9',
            Self::Ours => '1',
            Self::Refused => '2',
            Self::Told => '3',
        }
    }

    fn status(self) -> CallStatus {
        match self {
            Self::Refused => CallStatus::Busy,
            _ => CallStatus::Completed,
        }
    }

    fn is_right(self, reason: &EndReason) -> bool {
        // What is told first of the two is the reason.
        *reason == EndReason::CallEnded(self.status())
            || (self == Self::Ours && *reason == EndReason::App)
    }
}

/// The call's record once it has ended and its last status is known.
async fn ended(store: &RedisStore, account: &AccountLabel, id: &str) -> CallRecord {
    let began = Instant::now();
    let id = CallId::new(id).unwrap();
    let mut last = None;
    while began.elapsed() < SOON {
        let record = store.find_by_id(account, &id).await.unwrap();
        match record {
            Some(record) if record.ended.is_some() && record.status.is_terminal() => return record,
            other => last = other,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!(
        "it has not ended: {last:?}, {:?}",
        last.as_ref().map(|last| &last.history)
    );
}

async fn call_in(fleet: &Fleet, store: &RedisStore, number: usize) -> (String, Kind) {
    let provider = ASKABLE[number % 3];
    let kind = Kind::of(number, provider);
    let script = match kind {
        Kind::Caller => {
            let talk = u64::try_from(number % 7).unwrap() * 100;
            Script::new().silence(Duration::from_millis(talk)).hang_up()
        }
        _ => Script::new().wait_for_hang_up(SOON),
    };
    let carrier = fleet.carrier(provider);
    let call = carrier
        .incoming()
        .to(format!("+1415555010{}", kind.digit()));
    let outcome = over(call.script(script).start()).await;
    let account = AccountLabel::new(provider.as_str()).unwrap();
    let record = ended(store, &account, &outcome.call_id).await;
    assert_eq!(
        record.status,
        kind.status(),
        "{provider} {kind:?}: {outcome:?}"
    );
    let reason = record.ended.unwrap();
    assert!(kind.is_right(&reason), "{provider} {kind:?}: {reason:?}");
    (record.key.to_string(), kind)
}

/// Calls that go out, one after the other, to people who are busy, away or there.
async fn call_out(
    fleet: &Fleet,
    calls: &Calls,
    store: &RedisStore,
    provider: Provider,
) -> Vec<(String, Kind)> {
    let (carrier, label) = (
        fleet.carrier(provider),
        AccountLabel::new(provider.as_str()).unwrap(),
    );
    let (to, from) = house::simulated::parties(provider);
    let after = Duration::from_millis(100);
    let people = [
        (OnDial::Answer { after }, CallStatus::Completed),
        (OnDial::Busy, CallStatus::Busy),
        (OnDial::Failed, CallStatus::Failed),
        (OnDial::NoAnswer, CallStatus::NoAnswer),
    ];
    // How long a call of Exotel's straight to a stream rings cannot be set: nobody waits for that here.
    let can_ring = usize::from(provider != Provider::Exotel);
    let people = people.into_iter().take(3 + can_ring);
    let mut done = Vec::new();
    for (number, (on_dial, status)) in people.cycle().take(12).enumerate() {
        carrier.set(|call| {
            call.on_dial(on_dial)
                .script(Script::new().silence(after).hang_up())
        });
        let mut call = OutboundCall::new(to.clone(), from.clone(), Answer::stream());
        if on_dial == OnDial::NoAnswer {
            call = call.with_ring_timeout(Duration::from_secs(5));
        }
        let placed = calls.place(&label, call).await.unwrap();
        let _ = tokio::time::timeout(SOON, carrier.outcome(placed.id().as_str()))
            .await
            .unwrap();
        let record = ended(store, &label, placed.id().as_str()).await;
        assert_eq!(record.status, status, "{provider}, call {number}");
        assert_eq!(
            record.ended,
            Some(EndReason::CallEnded(status)),
            "{provider}, call {number}"
        );
        done.push((record.key.to_string(), Kind::Caller));
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_end_once_and_leave_nothing() {
    let mut policy = StorePolicy::default();
    policy.keep_ended = KEEP_ENDED;
    policy.keep_answers = Duration::from_secs(5);
    policy.silent_after = Duration::from_secs(3);
    policy.confirm_after = Duration::from_secs(3);
    let settings = [
        "keep-ended=20",
        "keep-answers=5",
        "silent-after=3",
        "confirm-after=3",
        "housekeeping=0.5",
    ];
    let Some(fleet) = Fleet::start(Memory::Fleeting, &settings).await else {
        return;
    };
    fleet.front.route(weather(fleet.addresses()));
    let store = fleet.store(policy).await;
    let began = Instant::now();

    let ports = telephony::ports().unwrap();
    let base = PublicUrl::new(&fleet.front.url).unwrap();
    let calls = Calls::with(base, store.clone(), ports.clone(), CallsOptions::default());
    for (provider, carrier) in &fleet.carriers {
        let account = house::simulated::account_at(*provider, carrier.base_url(), &ports);
        calls.add_account(account.unwrap());
    }
    let out = futures_util::future::join_all(
        ASKABLE.map(|provider| call_out(&fleet, &calls, &store, provider)),
    );
    let inbound = CALLS - 36;
    let incoming = stream::iter(0..inbound)
        .map(|number| call_in(&fleet, &store, number))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>();
    let (mut done, placed) = tokio::join!(incoming, out);
    done.extend(placed.into_iter().flatten());
    assert_eq!(done.len(), CALLS);
    eprintln!("{CALLS} calls in {:?}", began.elapsed());

    // What the app was told, on either node.
    let said: Vec<_> = fleet.nodes.iter().flat_map(|node| node.said(0)).collect();
    let mut told: HashMap<(&str, &str), usize> = HashMap::new();
    for line in &said {
        let mut words = line.split(' ');
        let (what, key) = (words.next().unwrap(), words.next().unwrap_or_default());
        let is_last = words
            .next()
            .and_then(|word| word.parse::<CallStatus>().ok());
        let is_counted = what != "status" || is_last.is_some_and(CallStatus::is_terminal);
        if is_counted {
            *told.entry((what, key)).or_default() += 1;
        }
    }
    let count = |what, key: &str| told.get(&(what, key)).copied().unwrap_or_default();
    for (key, kind) in &done {
        let last = count("status", key);
        assert_eq!(last, 1, "{kind:?} {key}: told of its last status");
        let streams = count("stream", key);
        assert!(streams <= 1, "{kind:?} {key}: {streams} streams");
        assert_eq!(count("ended", key), streams, "{kind:?} {key}");
        assert_eq!(count("given-up", key), 0, "{kind:?} {key}");
    }
    let streams = said
        .iter()
        .filter(|line| line.starts_with("stream "))
        .count();
    eprintln!("{streams} streams; {} lines of the app", said.len());
    assert!(streams > CALLS / 2);
    let both = fleet
        .nodes
        .iter()
        .all(|node| node.said(0).iter().any(|line| line.starts_with("stream ")));
    assert!(both, "one node had no stream at all");

    drop(calls);
    fleet.forgotten().await;
    eprintln!("nothing is left after {:?}", began.elapsed());
}
