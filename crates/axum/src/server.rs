//! The server: accounts, options, routes, shutting down.

use crate::handler::CallHandler;
use crate::proxies::TrustedProxies;
use crate::shutdown::Goodbyes;
use crate::{accept, media, service, unread};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::routing::any;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::media::StreamOptions;
use telephony_core::{
    AccountLabel, Answer, CallStore, Calls, PublicUrl, Telephony, WebhookKind, WebhookRequest,
};
use telephony_ws::WsOptions;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the call store has to show that it is there.
const STORE_DEADLINE: Duration = Duration::from_secs(1);

/// Longer than anything here takes.
const FOREVER: Duration = Duration::from_secs(366 * 24 * 3600);

/// How calls are served.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// How long the app may take to answer. Default: six tenths of the carrier's own deadline, at most 5 s.
    pub handler_deadline: Option<Duration>,
    /// What goes out when the app is late, fails, or answers what the carrier cannot express. Default: hang up.
    pub fallback: Answer,
    /// The largest body of a webhook. Default 1 MiB; carriers send up to some 10 KiB.
    pub max_body: usize,
    /// How long the body of a webhook may take. Default 10 s.
    pub body_deadline: Duration,
    /// How long live calls have to end by themselves when [`CallServer::serve`] shuts down. Default 2 s.
    pub shutdown_grace: Duration,
    /// How long the app has to let go of a stream that is over, or to come to an end with an event, before it is dropped.
    /// Default 30 s.
    pub handler_grace: Duration,
    /// How streams are run.
    pub stream: StreamOptions,
    /// Sizes of the media sockets.
    pub socket: WsOptions,
    /// How often the calls are looked after: a third of [`StorePolicy::lease`](telephony_core::StorePolicy::lease) at most.
    /// Default 10 s.
    pub housekeeping: Duration,
    /// Whose `X-Forwarded-Proto` and `X-Forwarded-Host` count. Default: nobody's. Who serves the
    /// [routes](CallServer::router) in another way must tell the peers, by axum's `into_make_service_with_connect_info`.
    pub trusted_proxies: TrustedProxies,
    /// How many connections [`CallServer::serve`] has open at once; more wait to be accepted. Default 20,000.
    pub max_connections: usize,
    /// How long the head of a request may take, and a connection stay idle, with [`CallServer::serve`]. Default 30 s.
    pub head_deadline: Duration,
}

impl ServerOptions {
    /// The same, with times that do not overflow.
    fn bounded(mut self) -> Self {
        self.stream = self.stream.bounded();
        for time in [
            &mut self.body_deadline,
            &mut self.shutdown_grace,
            &mut self.handler_grace,
            &mut self.head_deadline,
        ] {
            *time = (*time).min(FOREVER);
        }
        self.housekeeping = self.housekeeping.clamp(Duration::from_millis(1), FOREVER);
        self.handler_deadline = self.handler_deadline.map(|deadline| deadline.min(FOREVER));
        self
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            handler_deadline: None,
            fallback: Answer::hang_up(),
            max_body: 1 << 20,
            body_deadline: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(2),
            handler_grace: Duration::from_secs(30),
            stream: StreamOptions::default(),
            socket: WsOptions::default(),
            housekeeping: Duration::from_secs(10),
            trusted_proxies: TrustedProxies::none(),
            max_connections: 20_000,
            head_deadline: Duration::from_secs(30),
        }
    }
}

/// Serves the calls of any number of accounts with one handler. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallServer {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) calls: Calls,
    pub(crate) handler: Arc<dyn CallHandler>,
    pub(crate) options: ServerOptions,
    /// Live streams end from then on.
    pub(crate) stopping: CancellationToken,
    pub(crate) streams: TaskTracker,
    pub(crate) goodbyes: Goodbyes,
    /// Webhooks that are answered, the app's work on events, commands to carriers.
    pub(crate) tasks: TaskTracker,
}

impl CallServer {
    /// A server that carriers reach under `base`, with calls kept in memory and default options.
    pub fn new(base: PublicUrl, handler: impl CallHandler) -> Self {
        Self::with(Calls::new(base), handler, ServerOptions::default())
    }

    /// A server for these calls, with its own options. The handler may have the same [`Calls`], to steer them.
    pub fn with(calls: Calls, handler: impl CallHandler, options: ServerOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                calls,
                handler: Arc::new(handler),
                options: options.bounded(),
                stopping: CancellationToken::new(),
                streams: TaskTracker::new(),
                goodbyes: Goodbyes::default(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// The calls that are served: for placing and steering them.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.inner.calls
    }

    /// Serves this account from now on, under its label; one that had the label before is replaced.
    pub fn add_account(&self, carrier: Arc<dyn Telephony>) {
        self.inner.calls.add_account(carrier);
    }

    /// Stops serving this account; its live streams go on.
    pub fn remove_account(&self, label: &AccountLabel) {
        self.inner.calls.remove_account(label);
    }

    /// The accounts that are served.
    #[must_use]
    pub fn accounts(&self) -> Vec<Arc<dyn Telephony>> {
        self.inner.calls.accounts()
    }

    /// Where calls are remembered.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn CallStore> {
        self.inner.calls.store()
    }

    /// How many media streams are up.
    #[must_use]
    pub fn live_streams(&self) -> usize {
        self.inner.streams.len()
    }

    /// The routes. Put them at the path of the public base URL: at the root, or nested under its prefix.
    pub fn router(&self) -> Router {
        let webhook = |kind| {
            any(
                move |State(server): State<Self>, request: Request| async move {
                    server.webhook(kind, request).await
                },
            )
        };
        Router::new()
            .route("/healthz", any(|| async { "ok\n" }))
            .route("/readyz", any(Self::ready))
            .route("/{account}/call", webhook(WebhookKind::IncomingCall))
            .route("/{account}/answer", webhook(WebhookKind::NextStep))
            .route("/{account}/answer/{key}", webhook(WebhookKind::NextStep))
            .route("/{account}/status", webhook(WebhookKind::Status))
            .route("/{account}/status/{key}", webhook(WebhookKind::Status))
            .route("/{account}/events", webhook(WebhookKind::Event))
            .route("/{account}/events/{key}", webhook(WebhookKind::Event))
            .route("/{account}/media/{token}", any(Self::media))
            .with_state(self.clone())
    }

    /// Serves the routes on `listener` until `signal` is done, then [shuts down](Self::shutdown).
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        signal: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        let stop = CancellationToken::new();
        let accepting = accept::serve(
            listener,
            self.router_of_all(),
            self.inner.options.clone(),
            stop.clone(),
        );
        let mut accepting = std::pin::pin!(accepting);
        let housekeeping = self.keep_house();
        tokio::select! {
            result = &mut accepting => return result,
            () = housekeeping => {}
            () = signal => {}
        }
        let shutdown = async {
            // Its lease is kept until the last stream is gone.
            tokio::select! {
                _ = self.shutdown(self.inner.options.shutdown_grace) => {}
                () = self.keep_lease() => {}
            }
            stop.cancel();
        };
        let ((), result) = tokio::join!(shutdown, accepting);
        result
    }

    /// With an answer to whatever else comes: only here are all paths ours.
    fn router_of_all(&self) -> Router {
        let server = self.clone();
        let elsewhere = move |request: Request| async move {
            match segment(&request, 0).and_then(|label| server.account(&label)) {
                Some(carrier) => unread::unknown_route(&server.inner, &*carrier),
                // Whoever looks for open doors in the internet fills no log.
                None => empty(StatusCode::NOT_FOUND),
            }
        };
        self.router().fallback(elsewhere)
    }

    /// Looks after the calls until it is dropped: every [`ServerOptions::housekeeping`] the node's lease is renewed, what
    /// [`Calls::tidy`] does is done, and the app is told what only that found out. [`serve`](Self::serve) does it; who serves
    /// the [routes](Self::router) in another way runs this beside.
    pub async fn keep_house(&self) {
        // Two loops: no carrier that takes its time may cost the lease.
        tokio::join!(self.keep_lease(), self.keep_tidy());
    }

    async fn keep_lease(&self) {
        let mut ticks = self.housekeeping();
        loop {
            ticks.tick().await;
            if let Err(error) = self.store().renew_lease().await {
                tracing::error!(%error, "the node's lease could not be renewed");
            }
        }
    }

    async fn keep_tidy(&self) {
        let mut ticks = self.housekeeping();
        loop {
            ticks.tick().await;
            // As often as there is more to be done.
            loop {
                let inner = Arc::clone(&self.inner);
                let tell = move |record, event| service::tell(&inner, record, event);
                match self.inner.calls.tidy(tell).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(%error, "the call store could not be tidied up");
                        break;
                    }
                }
            }
        }
    }

    fn housekeeping(&self) -> Interval {
        let mut ticks = tokio::time::interval(self.inner.options.housekeeping);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    async fn ready(State(server): State<Self>) -> (StatusCode, &'static str) {
        if server.inner.calls.is_draining() {
            return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n");
        }
        let store = server.store().renew_lease();
        match tokio::time::timeout(STORE_DEADLINE, store).await {
            Ok(Ok(())) => (StatusCode::OK, "ready\n"),
            _ => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the call store does not answer\n",
            ),
        }
    }

    async fn webhook(self, kind: WebhookKind, request: Request) -> Response<Body> {
        let (label, key) = (segment(&request, 0), segment(&request, 2));
        let Some(carrier) = label.as_deref().and_then(|label| self.account(label)) else {
            return unread::unknown_account(&self.inner, kind, label.as_deref());
        };
        let request = match self.read(kind, request).await {
            Ok(request) => request,
            Err(status) => return unread::unreadable(&self.inner, &*carrier, kind, status),
        };
        // In a task of its own: a carrier that goes away must not leave it half done.
        let (inner, by) = (Arc::clone(&self.inner), Arc::clone(&carrier));
        let work = async move { service::serve(&inner, by, request, key).await };
        match self.inner.tasks.spawn(work).await {
            Ok(response) => response.map(Body::from),
            Err(_) => unread::panicked(&self.inner, &*carrier, kind),
        }
    }

    async fn media(State(server): State<Self>, request: Request) -> Response<Body> {
        let (label, token) = (segment(&request, 0), segment(&request, 2));
        let Some(carrier) = label.as_deref().and_then(|label| server.account(label)) else {
            let kind = WebhookKind::MediaUpgrade;
            return unread::unknown_account(&server.inner, kind, label.as_deref());
        };
        media::upgrade(&server.inner, carrier, &token.unwrap_or_default(), request).await
    }

    fn account(&self, label: &str) -> Option<Arc<dyn Telephony>> {
        let label = AccountLabel::new(label).ok()?;
        self.inner.calls.account(&label).ok()
    }

    async fn read(
        &self,
        kind: WebhookKind,
        request: Request,
    ) -> Result<WebhookRequest, StatusCode> {
        let options = &self.inner.options;
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, options.max_body).collect();
        let body = match tokio::time::timeout(options.body_deadline, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Ok(Err(_)) => return Err(StatusCode::BAD_REQUEST),
            Err(_) => return Err(StatusCode::REQUEST_TIMEOUT),
        };
        Ok(self.inner.webhook(kind, &parts, body))
    }
}

impl Inner {
    pub(crate) fn webhook(
        &self,
        kind: WebhookKind,
        parts: &http::request::Parts,
        body: Bytes,
    ) -> WebhookRequest {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        let configured = self.calls.public_url();
        let proxies = &self.options.trusted_proxies;
        let base = proxies.base(peer, &parts.headers, configured);
        let base = base.as_deref().unwrap_or(configured.as_str());
        WebhookRequest {
            method: parts.method.clone(),
            public_url: format!("{base}{path}"),
            headers: parts.headers.clone(),
            body,
            received_at: self.calls.ports().clock.now(),
            kind,
        }
    }
}

/// A part of the path as it came: labels, keys and tokens need no decoding, and what needs it is none of ours.
fn segment(request: &Request, index: usize) -> Option<String> {
    let path = request.uri().path().trim_start_matches('/');
    path.split('/').nth(index).map(str::to_owned)
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
