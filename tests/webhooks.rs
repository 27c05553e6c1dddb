//! Webhooks as they come at scale: again, too many, and through proxies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{
    PLIVO_TOKEN, Reply, Running, TWILIO_TOKEN, http, settings, start_with, twilio,
    twilio_call_form, twilio_signature,
};
use telephony::store::AccountLimits;
use telephony::{
    Answer, BoxError, CallEvent, CallHandler, CallServer, Calls, CallsOptions, EventContext,
    IncomingCall, MemoryStore, MemoryStoreOptions, Ports, Provider, PublicUrl, ServerOptions,
    SystemClock,
};

/// Counts what it is asked and told.
#[derive(Debug, Default, Clone)]
struct App {
    calls: Arc<AtomicUsize>,
    events: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        let count = self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(Answer::say(format!("Answer {count}.")))
    }

    async fn on_event(&self, _context: EventContext, _event: CallEvent) -> Option<Answer> {
        self.events.fetch_add(1, Ordering::SeqCst);
        None
    }
}

fn form_body(form: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_time() {
    let app = App::default();
    let house = start_with(app.clone(), ServerOptions::default()).await;
    let (url, form) = (
        format!("{}/twilio/call", house.url),
        twilio_call_form("CA1"),
    );
    let signature = twilio_signature(TWILIO_TOKEN, &url, &form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", signature.as_str()),
        (
            "i-twilio-idempotency-token",
            "11111111-2222-3333-4444-555555555555",
        ),
    ];
    let body = form_body(&form);
    // Two at once, and one later.
    let (one, two) = tokio::join!(
        http("POST", &url, &headers, &body),
        http("POST", &url, &headers, &body)
    );
    let three = http("POST", &url, &headers, &body).await;
    assert_eq!((one.status, one.body.contains("Answer 0.")), (200, true));
    for reply in [two, three] {
        assert_eq!((reply.status, &reply.body), (200, &one.body));
        assert!(reply.head.contains("content-type: "), "{}", reply.head);
    }
    assert_eq!(app.calls.load(Ordering::SeqCst), 1);
    // Another question has another token.
    let mut other = headers;
    other[2].1 = "11111111-2222-3333-4444-666666666666";
    http("POST", &url, &other, &body).await;
    assert_eq!(app.calls.load(Ordering::SeqCst), 2);
}

/// A question of Plivo's about a call that comes in, signed.
async fn plivo(url: &str, event: &str, status: &str) -> Reply {
    let form = [
        ("CallStatus", status),
        ("CallUUID", "u1"),
        ("Direction", "inbound"),
        ("Event", event),
        ("From", "14155550100"),
        ("To", "14155550199"),
    ];
    let sorted = form.map(|(name, value)| format!("{name}{value}")).concat();
    let mut mac = Hmac::<Sha256>::new_from_slice(PLIVO_TOKEN.as_bytes()).unwrap();
    mac.update(format!("{url}?{sorted}.nonce").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-plivo-signature-v3", signature.as_str()),
        ("x-plivo-signature-v3-nonce", "nonce"),
    ];
    http("POST", url, &headers, &form_body(&form)).await
}

#[tokio::test]
async fn plivos_first_question_is_asked_once_and_a_redirect_is_another() {
    let app = App::default();
    let house = start_with(app.clone(), ServerOptions::default()).await;
    let url = format!("{}/plivo/call", house.url);
    // Two at once, and one later.
    let (one, two) = tokio::join!(
        plivo(&url, "StartApp", "ringing"),
        plivo(&url, "StartApp", "ringing")
    );
    let three = plivo(&url, "StartApp", "ringing").await;
    assert!(one.body.contains("Answer 0."), "{}", one.body);
    assert_eq!((&two.body, &three.body), (&one.body, &one.body));
    assert_eq!(app.calls.load(Ordering::SeqCst), 1);
    for count in 1..3 {
        let redirected = plivo(&url, "Redirect", "in-progress").await;
        let answer = format!("Answer {count}.");
        assert!(redirected.body.contains(&answer), "{}", redirected.body);
    }
}

#[tokio::test]
async fn a_report_without_a_token_that_says_the_same_is_the_same() {
    let app = App::default();
    let house = start_with(app.clone(), ServerOptions::default()).await;
    twilio(
        &format!("{}/twilio/call", house.url),
        &twilio_call_form("CA1"),
    )
    .await;
    let status = format!("{}/twilio/status", house.url);
    let mut form = twilio_call_form("CA1");
    form[3] = ("CallStatus", "in-progress");
    for _ in 0..3 {
        assert!(twilio(&status, &form).await.status < 300);
    }
    assert_eq!(app.events.load(Ordering::SeqCst), 1);
}

async fn limited(
    app: App,
    limits: AccountLimits,
) -> (CallServer, String, tokio::task::JoinHandle<()>) {
    let (listener, url) = house::free_port().await.unwrap();
    let mut options = MemoryStoreOptions::default();
    options.policy.limits = limits;
    let store = Arc::new(MemoryStore::new(options, Arc::new(SystemClock)));
    let base = PublicUrl::new(&url).unwrap();
    let calls = Calls::with(base, store, Ports::default(), CallsOptions::default());
    let server = CallServer::with(calls, app, ServerOptions::default());
    for provider in Provider::ALL {
        let account = provider.open(None, settings(provider), &Ports::default());
        server.add_account(account.unwrap());
    }
    let serving = server.clone();
    let task = tokio::spawn(async move {
        let forever = std::future::pending();
        serving.serve(listener, forever).await.unwrap();
    });
    (server, url, task)
}

#[tokio::test]
async fn a_call_beyond_the_accounts_limit_is_refused_as_busy() {
    let app = App::default();
    let mut limits = AccountLimits::default();
    limits.live_calls = Some(1);
    let (_server, url, task) = limited(app.clone(), limits).await;
    let incoming = format!("{url}/twilio/call");
    let first = twilio(&incoming, &twilio_call_form("CA1")).await;
    assert!(first.body.contains("Answer 0."), "{}", first.body);
    let second = twilio(&incoming, &twilio_call_form("CA2")).await;
    assert_eq!(second.status, 200);
    assert!(
        second.body.contains("<Reject reason=\"busy\""),
        "{}",
        second.body
    );
    // Also where the first that is heard of a call is that it asks what comes next.
    let next = format!("{url}/twilio/answer");
    let late = twilio(&next, &twilio_call_form("CA4")).await;
    assert_eq!(late.status, 200);
    assert!(
        late.body.contains("<Reject reason=\"busy\""),
        "{}",
        late.body
    );
    // The first call asks again, and is no new one.
    twilio(&incoming, &twilio_call_form("CA1")).await;
    assert_eq!(app.calls.load(Ordering::SeqCst), 2);
    let mut over = twilio_call_form("CA1");
    over[3] = ("CallStatus", "completed");
    twilio(&format!("{url}/twilio/status"), &over).await;
    let third = twilio(&incoming, &twilio_call_form("CA3")).await;
    assert!(third.body.contains("Answer "), "{}", third.body);
    task.abort();
}

/// What a server answers to a call whose carrier called it by another name.
async fn called_as(house: &Running, name: &str, forwarded: &[(&str, &str)]) -> u16 {
    let form = twilio_call_form("CA1");
    let signature = twilio_signature(TWILIO_TOKEN, &format!("{name}/twilio/call"), &form);
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", signature.as_str()),
    ];
    headers.extend_from_slice(forwarded);
    let url = format!("{}/twilio/call", house.url);
    http("POST", &url, &headers, &form_body(&form)).await.status
}

#[tokio::test]
async fn forwarded_headers_count_from_trusted_proxies_only() {
    let forwarded = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "second.example.com"),
    ];
    let second = "https://second.example.com";
    for (trusted, by_configuration, by_proxy) in [
        ("", 200, 403),
        ("10.0.0.0/8, ::1", 200, 403),
        ("10.0.0.0/8, 127.0.0.0/8", 403, 200),
    ] {
        let mut options = ServerOptions::default();
        options.trusted_proxies = trusted.parse().unwrap();
        let house = start_with(App::default(), options).await;
        let url = house.url.clone();
        assert_eq!(called_as(&house, &url, &[]).await, 200, "{trusted}");
        let told = called_as(&house, &url, &forwarded).await;
        assert_eq!(told, by_configuration, "{trusted}: what is configured");
        let told = called_as(&house, second, &forwarded).await;
        assert_eq!(told, by_proxy, "{trusted}: what the proxy says");
        assert_eq!(called_as(&house, second, &[]).await, 403, "{trusted}");
    }
}
