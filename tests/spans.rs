//! What the app logs is found by the call, also when no request of the carrier's is behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::log::Log;
use support::settings;
use telephony::{
    Answer, BoxError, CallEvent, CallHandler, CallServer, Calls, CallsOptions, EventContext,
    IncomingCall, MemoryStore, MemoryStoreOptions, Ports, Provider, PublicUrl, ServerOptions,
    SystemClock,
};
use telephony_core::{CallId, CallKey, Direction, NewCall, OsRandom, Party};
use tokio::sync::mpsc;

#[derive(Debug)]
struct App(mpsc::Sender<()>);

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::hang_up())
    }

    async fn on_event(&self, _context: EventContext, _event: CallEvent) -> Option<Answer> {
        tracing::info!("the app hears of it");
        let _ = self.0.send(()).await;
        None
    }
}

#[tokio::test]
async fn what_no_callback_told_is_told_in_the_calls_span() {
    let (log, _guard) = Log::of_this_thread();
    let mut options = MemoryStoreOptions::default();
    options.policy.never_started = Duration::from_millis(100);
    let store = Arc::new(MemoryStore::new(options, Arc::new(SystemClock)));
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let calls = Calls::with(base, store, Ports::default(), CallsOptions::default());
    let (told, mut hears) = mpsc::channel(1);
    let mut options = ServerOptions::default();
    options.housekeeping = Duration::from_millis(50);
    let server = CallServer::with(calls, App(told), options);
    let twilio = Provider::Twilio;
    let account = twilio.open(None, settings(twilio), &Ports::default());
    let account = account.unwrap();
    server.add_account(Arc::clone(&account));
    let call = NewCall::new(
        CallKey::random(&OsRandom).unwrap(),
        account.provider().clone(),
        account.account().clone(),
        Direction::Outbound,
        (Party::Withheld, Party::Withheld),
    );
    let call = call.with_call_id(Some(CallId::new("CA1").unwrap()));
    let key = server.store().open(call).await.unwrap().key;
    tokio::select! {
        () = server.keep_house() => {}
        heard = hears.recv() => assert_eq!(heard, Some(())),
    }
    let shown = log.shown();
    let line = shown.lines().find(|line| line.contains("the app hears"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    let call = format!(" call={key}");
    let parts = [
        " provider=twilio",
        " account=twilio",
        " call_id=CA1",
        " node=",
    ];
    for part in parts.into_iter().chain([call.as_str()]) {
        assert!(line.contains(part), "no `{part}` in: {line}");
    }
}
