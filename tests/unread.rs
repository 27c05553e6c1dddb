//! What is turned away is seen by whoever runs the server: each has a line in the log and is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::sync::Arc;
use std::time::Duration;
use support::log::Log;
use support::{http, start_in, start_with, twilio, twilio_call_form};
use telephony::{
    Answer, BoxError, CallHandler, IncomingCall, MemoryStore, MemoryStoreOptions, ServerOptions,
    SystemClock,
};
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities, FirstTime,
    ProviderName, RequestName, Telephony, Verified, WebhookRequest,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug)]
struct App;

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }
}

/// What is logged and counted on this thread, where the server runs as well.
struct Seen {
    log: Log,
    counts: Snapshotter,
    _guards: (
        tracing::subscriber::DefaultGuard,
        metrics::LocalRecorderGuard<'static>,
    ),
}

impl Seen {
    fn new() -> Self {
        let (log, logging) = Log::of_this_thread();
        let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let counts = recorder.snapshotter();
        let guards = (logging, metrics::set_default_local_recorder(recorder));
        Self {
            log,
            counts,
            _guards: guards,
        }
    }

    /// The lines since the last look.
    fn lines(&self) -> String {
        self.log.take()
    }

    /// The requests since the last look, by their labels.
    fn requests(&self) -> Vec<(String, u64)> {
        let all = self.counts.snapshot().into_vec().into_iter();
        let webhooks = all.filter(|(key, ..)| key.key().name() == "telephony_webhooks_total");
        webhooks
            .filter_map(|(key, _, _, value)| {
                let labels: Vec<_> = key.key().labels().map(|label| label.value()).collect();
                match value {
                    DebugValue::Counter(0) => None,
                    DebugValue::Counter(count) => Some((labels.join(" "), count)),
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    }

    /// One request was counted so, and said so.
    fn is(&self, labels: &str, words: &[&str]) {
        assert_eq!(self.requests(), [(labels.to_owned(), 1)]);
        let lines = self.lines();
        let is_loud = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
        let warned = lines.lines().find(is_loud);
        let warned = warned.unwrap_or_else(|| panic!("no warning: {lines}"));
        for word in words {
            assert!(warned.contains(word), "no `{word}` in: {warned}");
        }
    }
}

#[tokio::test]
async fn a_wrong_url_in_the_console_is_seen() {
    let seen = Seen::new();
    let house = start_with(App, ServerOptions::default()).await;
    let ask = async |path: &str| {
        let url = format!("{}{path}", house.url);
        assert_eq!(http("POST", &url, &[], "").await.status, 404, "{path}");
    };
    let elsewhere = "a request is for an account that is not here";
    ask("/twillio/call").await;
    let words = [elsewhere, "account=\"twillio\"", "incoming-call", "node="];
    seen.is("unknown incoming-call refused", &words);
    ask("/twillio/media/0123456789abcdefghijkl").await;
    seen.is("unknown media-upgrade refused", &[elsewhere]);
    assert!(!seen.lines().contains("0123456789abcdefghijkl"));
    // What can be no label is nobody's business, and neither is a number.
    for path in ["/Acme%20Secret/status", "/919812345670/status"] {
        ask(path).await;
        assert_eq!(
            seen.requests(),
            [("unknown status refused".to_owned(), 1)],
            "{path}"
        );
        let lines = seen.lines();
        assert!(lines.contains(elsewhere), "{lines}");
        assert!(
            !lines.contains("Secret") && !lines.contains("9812345670"),
            "{lines}"
        );
    }
    ask("/twilio/incoming/9812345670").await;
    let words = [
        "a request is for a route that is not there",
        "account=twilio",
    ];
    seen.is("twilio unknown refused", &words);
    ask("/.env").await;
    assert_eq!((seen.requests(), seen.lines().as_str()), (vec![], ""));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_seen() {
    let seen = Seen::new();
    let mut options = ServerOptions::default();
    options.max_body = 100;
    options.body_deadline = Duration::from_millis(200);
    let house = start_with(App, options).await;
    let unread = "the body of a webhook could not be read";
    let url = format!("{}/twilio/status", house.url);
    let reply = http("POST", &url, &[], &"x".repeat(101)).await;
    assert_eq!(reply.status, 413);
    let words = [unread, "account=twilio", "status=413"];
    seen.is("twilio status malformed", &words);
    let mut socket = TcpStream::connect(house.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let head = "POST /twilio/call HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    let words = [unread, "status=408"];
    seen.is("twilio incoming-call malformed", &words);
}

#[tokio::test]
async fn what_a_node_turns_away_while_it_shuts_down_is_seen() {
    let seen = Seen::new();
    let house = start_with(App, ServerOptions::default()).await;
    house.server.calls().drain();
    let url = format!("{}/twilio/call", house.url);
    assert_eq!(twilio(&url, &twilio_call_form("CA1")).await.status, 503);
    let words = ["the call is turned away: this node shuts down"];
    seen.is("twilio incoming-call turned-away", &words);
}

#[tokio::test]
async fn a_socket_that_comes_when_streams_are_being_ended_is_seen() {
    /// Never answers, so that there is something to wait for.
    #[derive(Debug)]
    struct Slow;

    #[async_trait::async_trait]
    impl CallHandler for Slow {
        async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
            std::future::pending().await
        }
    }

    let seen = Seen::new();
    let mut options = ServerOptions::default();
    options.handler_deadline = Some(Duration::from_secs(30));
    let house = start_with(Slow, options).await;
    let url = format!("{}/twilio/call", house.url);
    let asks = tokio::spawn(async move { twilio(&url, &twilio_call_form("CA1")).await });
    while !seen.lines().contains("call came in") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let server = house.server.clone();
    let shutdown = tokio::spawn(async move { server.shutdown(Duration::ZERO).await });
    while !house.server.calls().is_draining() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let url = format!("{}/twilio/media/0123456789abcdefghijkl", house.url);
    assert_eq!(http("GET", &url, &[], "").await.status, 503);
    let words = ["a media socket is turned away", "account=twilio"];
    seen.is("twilio media-upgrade turned-away", &words);
    shutdown.abort();
    asks.abort();
}

#[tokio::test]
async fn a_repeat_whose_first_time_is_not_answered_is_a_failure() {
    let seen = Seen::new();
    let mut options = ServerOptions::default();
    options.handler_deadline = Some(Duration::from_millis(200));
    let house = start_with(App, options).await;
    let url = format!("{}/twilio/status", house.url);
    let mut form = twilio_call_form("CA1");
    form[3] = ("CallStatus", "completed");
    // Another node is at it.
    let token = "11111111-2222-3333-4444-555555555555";
    let account = AccountLabel::new("twilio").unwrap();
    let name = RequestName::new(account, token.to_owned());
    let store = house.server.store();
    let turn = store.first_time(&name, Duration::ZERO).await.unwrap();
    assert!(matches!(turn, FirstTime::Yes(_)));
    let signature = support::twilio_signature(support::TWILIO_TOKEN, &url, &form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", signature.as_str()),
        ("i-twilio-idempotency-token", token),
    ];
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let reply = http("POST", &url, &headers, &body.join("&")).await;
    assert_eq!(reply.status, 503);
    let words = ["a repeated request is not answered"];
    seen.is("twilio status failed", &words);
}

#[tokio::test]
async fn a_store_that_fails_is_no_wrong_secret() {
    let seen = Seen::new();
    let mut full = MemoryStoreOptions::default();
    full.max_calls = 0;
    let store = MemoryStore::new(full, Arc::new(SystemClock));
    let house = start_in(Arc::new(store), App, ServerOptions::default()).await;
    let url = format!("{}/twilio/call", house.url);
    assert_eq!(twilio(&url, &twilio_call_form("CA1")).await.status, 503);
    let words = ["ERROR", "webhook not answered", "status=503", "store"];
    seen.is("twilio incoming-call failed", &words);
    let reply = http("POST", &url, &[], "").await;
    assert_eq!(reply.status, 403);
    let words = ["WARN", "webhook refused", "status=403"];
    seen.is("twilio incoming-call refused", &words);
}

/// A carrier's crate with a fault: it panics when it is asked whether a request is its carrier's.
#[derive(Debug)]
struct Broken(ProviderName, AccountLabel);

impl Telephony for Broken {
    fn provider(&self) -> &ProviderName {
        &self.0
    }

    fn account(&self) -> &AccountLabel {
        &self.1
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn authenticate(&self, _: &WebhookRequest) -> telephony::Result<Authenticated> {
        panic!("as a fault does")
    }

    fn accept_call(&self, _: &Verified) -> telephony::Result<IncomingCall> {
        unreachable!("nothing is verified")
    }

    fn incoming_call(
        &self,
        _: &IncomingCall,
        _: &Answer,
        _: &CallLinks,
    ) -> telephony::Result<Answered> {
        unreachable!("nothing is verified")
    }

    fn status_callback(&self, _: &Verified) -> telephony::Result<Vec<CallEvent>> {
        unreachable!("nothing is verified")
    }

    fn catch_all_status_callback(
        &self,
        _: &Verified,
    ) -> telephony::Result<(Option<CallId>, Vec<CallEvent>)> {
        unreachable!("nothing is verified")
    }

    fn reply(
        &self,
        _: &Verified,
        _: Option<&Answer>,
        _: &CallLinks,
    ) -> telephony::Result<Answered> {
        unreachable!("nothing is verified")
    }

    fn media_codec(&self, _: &StreamTicket) -> telephony::Result<Box<dyn MediaCodec>> {
        unreachable!("nothing is verified")
    }
}

#[tokio::test]
async fn a_fault_of_a_carriers_crate_is_seen() {
    let seen = Seen::new();
    let house = start_with(App, ServerOptions::default()).await;
    let (name, label) = (
        ProviderName::from_static("broken"),
        AccountLabel::new("broken").unwrap(),
    );
    house.server.add_account(Arc::new(Broken(name, label)));
    let url = format!("{}/broken/call", house.url);
    assert_eq!(http("POST", &url, &[], "").await.status, 500);
    let words = ["the work on a webhook panicked", "account=broken", "node="];
    seen.is("broken incoming-call failed", &words);
    // The others go on.
    let url = format!("{}/twilio/call", house.url);
    assert_eq!(http("POST", &url, &[], "").await.status, 403);
}
