//! Whoever reads the log finds the call: what is said of it says in its span whose it is, and never a number.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::steered::{Steered, able, calls_in, live, outbound, place};
use support::store::{Hands, store};
use support::{account, claim, secs};
use telephony_core::{
    AfterStream, Answer, CallStore, Calls, Dtmf, Error, ErrorKind, Handover, HangUpBy, MediaGrant,
    MediaToken, NodeId, OsRandom, Result,
};
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is written.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// A log of this thread, and of all tasks on it, until the guard is dropped.
    fn of_this_thread() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    /// The line with these words says in its span whose the call is, and what was done with it.
    fn says(&self, words: &str, operation: &str, call_id: Option<&str>) {
        let shown = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(!shown.contains("415555"), "a number: {shown}");
        let line = shown.lines().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("no `{words}` in: {shown}"));
        let (span, _) = line.split_once(words).unwrap();
        let id = call_id.map(|id| format!(" call_id={id}"));
        let operation = format!("call{{operation=\"{operation}\"");
        for part in [
            operation.as_str(),
            " provider=dummy",
            " account=main",
            " call=",
            " node=",
        ]
        .into_iter()
        .chain(id.as_deref())
        {
            assert_eq!(span.matches(part).count(), 1, "`{part}` in: {line}");
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn steered() -> (Calls, Arc<Steered>, Arc<Hands>) {
    let (store, clock) = store();
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    (calls, carrier, clock)
}

fn refused() -> Result<Handover> {
    Err(Error::new(
        ErrorKind::Unauthenticated,
        "hang up",
        "wrong password",
    ))
}

#[tokio::test(start_paused = true)]
async fn a_lost_nodes_call_that_cannot_be_hung_up_is_found_in_the_carriers_console() {
    let (log, _guard) = Log::of_this_thread();
    let (store, clock) = store();
    let lost = store.as_node(NodeId::parse("lost").unwrap());
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    let mut call = support::store::call("CA-1");
    call.account = account("main");
    call.provider = telephony_core::ProviderName::from_static("dummy");
    let key = lost.open(call).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60));
    lost.mint_token(&key, &token, grant).await.unwrap();
    lost.claim_token(&account("main"), &claim(&token))
        .await
        .unwrap();
    carrier.say(refused);
    for _ in 0..5 {
        calls.store().renew_lease().await.unwrap();
        calls.tidy(|_, _| {}).await.unwrap();
        clock.turn(secs(10));
    }
    tokio::time::sleep(secs(1)).await;
    let gone = "the node that held the stream is gone";
    log.says(gone, "look after", Some("CA-1"));
    let left = "the carrier's call could not be ended with its stream";
    log.says(left, "look after", Some("CA-1"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_started_is_told_in_its_span() {
    let (log, _guard) = Log::of_this_thread();
    let (calls, _, clock) = steered();
    place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    log.says("call placed", "place call", Some("CA1"));
    clock.turn(secs(600));
    let told = calls.tidy(|_, _| tracing::info!("the app hears of it"));
    told.await.unwrap();
    log.says("the call never started", "look after", Some("CA1"));
    log.says("the app hears of it", "look after", Some("CA1"));
}

#[tokio::test(start_paused = true)]
async fn what_the_app_does_with_a_call_is_in_its_span() {
    // The carrier's request, as the HTTP client logs it.
    let says: fn() -> Result<Handover> = || {
        tracing::info!("the request is sent");
        refused()
    };
    let sent = "the request is sent";
    let (calls, carrier, _) = steered();
    carrier.say(says);
    {
        let (log, _guard) = Log::of_this_thread();
        let call = outbound(Answer::stream());
        place(&calls, "main", call).await.unwrap_err();
        log.says(sent, "place call", None);
        log.says("call not placed", "place call", None);
    }
    let (key, ..) = live(&calls, AfterStream::HangUp).await;
    {
        let (log, _guard) = Log::of_this_thread();
        calls.transfer(&key, Answer::hang_up()).await.unwrap_err();
        log.says(sent, "transfer call", Some("CA2"));
    }
    {
        let (log, _guard) = Log::of_this_thread();
        let keys = Dtmf::new("12").unwrap();
        let keys = keys.then(Answer::hang_up());
        calls.send_dtmf(&key, &keys).await.unwrap_err();
        log.says(sent, "send DTMF", Some("CA2"));
    }
    let (log, _guard) = Log::of_this_thread();
    calls.hang_up(&key).await.unwrap_err();
    log.says(sent, "hang up", Some("CA2"));
}
