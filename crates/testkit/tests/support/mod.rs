//! A small server that knows no carrier: HTTP by one closure, WebSockets by another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub
)]

pub mod raw;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use telephony_testkit::{Outcome, Speech};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const SECOND: Duration = Duration::from_secs(1);

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnHttp = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;
type OnSocket = Arc<dyn Fn(Socket, Seen) -> BoxFuture + Send + Sync>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn host(&self) -> &str {
        self.header("host")
    }

    /// Parameters of the form, or of the query when there is no body.
    pub fn form(&self) -> Vec<(String, String)> {
        let bytes = if self.body.is_empty() {
            self.query.as_bytes()
        } else {
            &self.body
        };
        form_urlencoded::parse(bytes).into_owned().collect()
    }

    pub fn param(&self, name: &str) -> String {
        self.form()
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
            .unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn path_and_query(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    fn is_upgrade(&self) -> bool {
        self.header("upgrade").eq_ignore_ascii_case("websocket")
    }
}

/// What the app answers. Status 101 takes the socket.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.into())],
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    pub fn xml(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/xml", body)
    }

    pub fn json(body: Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: vec![],
            body: vec![],
            delay: Duration::ZERO,
        }
    }

    pub fn switch() -> Self {
        Self::status(101)
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        let mut reply = Self::status(status);
        reply.headers.push(("location", to.into()));
        reply
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A running app. Dropping it ends everything that it does.
pub struct App {
    pub origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    failed: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
        if !std::thread::panicking() {
            assert!(
                !self.failed.load(Ordering::SeqCst),
                "an assertion of the app's socket failed"
            );
        }
    }
}

impl App {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.path == path)
            .collect()
    }

    pub async fn serve<F>(
        on_http: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        on_socket: impl Fn(Socket, Seen) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&failed);
        let on_http: OnHttp = Arc::new(on_http);
        let on_socket: OnSocket = Arc::new(move |socket, seen| {
            let playing = tokio::spawn(on_socket(socket, seen));
            let failure = Arc::clone(&failure);
            Box::pin(async move {
                if playing.await.is_err_and(|error| error.is_panic()) {
                    failure.store(true, Ordering::SeqCst);
                }
            })
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&seen), on_http, on_socket));
        Self {
            origin,
            seen,
            failed,
            server,
        }
    }
}

async fn accept(
    listener: TcpListener,
    seen: Arc<Mutex<Vec<Seen>>>,
    on_http: OnHttp,
    on_socket: OnSocket,
) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (seen, on_http, on_socket) = (
            Arc::clone(&seen),
            Arc::clone(&on_http),
            Arc::clone(&on_socket),
        );
        tasks.spawn(async move {
            let service = service_fn(move |request| {
                handle(
                    request,
                    Arc::clone(&seen),
                    Arc::clone(&on_http),
                    Arc::clone(&on_socket),
                )
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

async fn handle(
    mut request: Request<Incoming>,
    log: Arc<Mutex<Vec<Seen>>>,
    on_http: OnHttp,
    on_socket: OnSocket,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    log.lock().unwrap().push(seen.clone());
    let reply = on_http(&seen);
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if reply.status == 101 && seen.is_upgrade() {
        response = response
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header(
                "sec-websocket-accept",
                derive_accept_key(seen.header("sec-websocket-key").as_bytes()),
            );
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None)
                        .await;
                on_socket(socket, seen).await;
            }
        });
    }
    Ok(response.body(Full::new(Bytes::from(reply.body))).unwrap())
}

/// The next text message as JSON; `None` when the socket is closed.
pub async fn next_json(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await? {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Sends JSON; a closed socket is no fault of the test.
pub async fn send_json(socket: &mut Socket, value: Value) {
    let _ = socket.send(Message::text(value.to_string())).await;
}

/// Takes what comes until the socket is closed.
pub async fn drain(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

/// An app that only listens.
pub async fn listen(socket: Socket, _: Seen) {
    drain(socket).await;
}

/// What somebody says.
pub fn tone(millis: u64) -> Speech {
    Speech::tone(440.0, Duration::from_millis(millis))
}

/// No sockets are wanted.
pub async fn no_socket(_: Socket, _: Seen) {}

/// What a complaint list must hold.
pub fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome
        .complaints
        .iter()
        .map(|complaint| complaint.code.as_ref())
        .collect()
}

/// Nobody has anything to complain about.
pub fn assert_clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}
