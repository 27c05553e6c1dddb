//! What the end-to-end tests share: a server on a free port, accounts that it and the simulated carriers agree on, and a
//! plain HTTP client.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

pub mod log;
pub mod rest;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::sync::Arc;
use std::time::Duration;
use telephony::{
    CallHandler, CallServer, CallStore, Calls, CallsOptions, MemoryStore, Ports, Provider,
    PublicUrl, ServerOptions, Settings,
};
use telephony_testkit::{
    ExotelAccount, Method, PlivoAccount, SimulatedCall, Simulator, TwilioAccount, VonageAccount,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub const TWILIO_SID: &str = "AC00000000000000000000000000000001";
pub const TWILIO_TOKEN: &str = "twilio-auth-token-for-tests";
pub const VONAGE_KEY: &str = "a1b2c3d4";
pub const VONAGE_APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
pub const VONAGE_SECRET: &str = "vonage-signature-secret-for-tests-0123";
pub const EXOTEL_SID: &str = "exampleacct1";
pub const EXOTEL_SECRET: &str = "exotel-webhook-secret-for-tests-0123";
pub const PLIVO_ID: &str = "MATESTACCOUNT0000001";
pub const PLIVO_TOKEN: &str = "plivo-auth-token-for-tests";

/// A server on a free port; it is stopped when this is dropped.
pub struct Running {
    pub url: String,
    pub server: CallServer,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn start(handler: impl CallHandler) -> Running {
    start_with(handler, ServerOptions::default()).await
}

pub async fn start_with(handler: impl CallHandler, options: ServerOptions) -> Running {
    start_in(Arc::new(MemoryStore::default()), handler, options).await
}

pub async fn start_in(
    store: Arc<dyn CallStore>,
    handler: impl CallHandler,
    options: ServerOptions,
) -> Running {
    let (listener, url) = house::free_port().await.unwrap();
    let public = PublicUrl::new(&url).unwrap();
    let calls = Calls::with(public, store, Ports::default(), CallsOptions::default());
    let server = CallServer::with(calls, handler, options);
    for provider in Provider::ALL {
        server.add_account(
            provider
                .open(None, settings(provider), &Ports::default())
                .unwrap(),
        );
    }
    let serving = server.clone();
    let task = tokio::spawn(async move {
        serving
            .serve(listener, std::future::pending())
            .await
            .unwrap();
    });
    Running { url, server, task }
}

pub fn settings(provider: Provider) -> Settings {
    match provider {
        Provider::Twilio => Settings::new()
            .with("account_sid", TWILIO_SID)
            .with("auth_token", TWILIO_TOKEN),
        Provider::Vonage => Settings::new()
            .with("api_key", VONAGE_KEY)
            .with("application_id", VONAGE_APPLICATION)
            .with("signature_secret", VONAGE_SECRET)
            .with(
                "private_key",
                "-----BEGIN PRIVATE KEY-----\nunused\n-----END PRIVATE KEY-----\n",
            ),
        Provider::Exotel => Settings::new()
            .with("account_sid", EXOTEL_SID)
            .with("api_key", "exotel-api-key-for-tests")
            .with("api_token", "exotel-api-token-for-tests")
            .with("webhook_secret", EXOTEL_SECRET),
        Provider::Plivo => Settings::new()
            .with("auth_id", PLIVO_ID)
            .with("auth_token", PLIVO_TOKEN),
        other => panic!("no test account for {other}"),
    }
}

/// A call of that simulated carrier to that server.
pub fn call(provider: Provider, url: &str) -> SimulatedCall {
    let base = format!("{url}/{provider}");
    match provider {
        Provider::Twilio => Simulator::twilio(TwilioAccount::new(TWILIO_SID, TWILIO_TOKEN))
            .answer_url(format!("{base}/call"))
            .status_url(format!("{base}/status")),
        Provider::Vonage => Simulator::vonage(VonageAccount::new(
            VONAGE_KEY,
            VONAGE_APPLICATION,
            VONAGE_SECRET,
        ))
        .answer_url(format!("{base}/call"))
        .status_url(format!("{base}/events"))
        .method(Method::Post),
        Provider::Exotel => Simulator::exotel(ExotelAccount::new(EXOTEL_SID))
            .answer_url(format!("{base}/call?key={EXOTEL_SECRET}"))
            .status_url(format!("{base}/status?key={EXOTEL_SECRET}")),
        Provider::Plivo => Simulator::plivo(PlivoAccount::new(PLIVO_ID, PLIVO_TOKEN))
            .answer_url(format!("{base}/call"))
            .status_url(format!("{base}/status")),
        other => panic!("no simulated carrier for {other}"),
    }
    .deadline(Duration::from_secs(40))
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// One request on a connection of its own.
pub async fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut request = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses a body may reset the connection after its answer.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Twilio's signature of a form POST, by the recipe of its documentation.
pub fn twilio_signature(token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut pairs = form.to_vec();
    pairs.sort_unstable();
    let text = pairs
        .into_iter()
        .fold(url.to_owned(), |text, (name, value)| text + name + value);
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A signed webhook of Twilio's. Values must need no escaping.
pub async fn twilio(url: &str, form: &[(&str, &str)]) -> Reply {
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let signature = twilio_signature(TWILIO_TOKEN, url, form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-twilio-signature", signature.as_str()),
    ];
    http("POST", url, &headers, &body.join("&")).await
}

/// The form of a call that comes in.
pub fn twilio_call_form(call_sid: &str) -> Vec<(&str, &str)> {
    vec![
        ("AccountSid", TWILIO_SID),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call_sid),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "client:jenny"),
        ("To", "client:bot"),
    ]
}
