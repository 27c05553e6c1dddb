//! A media socket's way: verify, claim, upgrade, hand to the app, end.

use crate::server::{Inner, empty};
use crate::{service, unread};
use axum::body::Body;
use axum::extract::Request;
use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::media::{EndSignal, EndTrigger, StreamTicket, Streamer};
use telephony_core::meter::{self, Verdict};
use telephony_core::{
    CallId, CallRecord, CallStatus, CallStore, CarrierCall, Claim, ClaimedStream, EndReason,
    ErrorKind, MediaToken, Operation, Result, Retry, Telephony, WebhookKind, verify,
};
use telephony_ws::{WsSocket, upgrade_response};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How long the carrier has to take our 101.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);
/// The first and the longest pause until a store that failed is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the end of a call waits for a store that fails.
const SHORT_OUTAGE: Duration = Duration::from_secs(3);

pub(crate) async fn upgrade(
    server: &Arc<Inner>,
    carrier: Arc<dyn Telephony>,
    token: &str,
    mut request: Request,
) -> Response<Body> {
    if server.stopping.is_cancelled() {
        return unread::late_socket(server, &*carrier);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let (answer, answered) = oneshot::channel();
    let span = tracing::info_span!(
        "media socket",
        provider = %carrier.provider(),
        account = %carrier.account(),
        node = %server.calls.store().node(),
    );
    let (server, token) = (Arc::clone(server), token.to_owned());
    let tracker = server.streams.clone();
    // In a task of its own: a carrier that goes away must not leave a claim that nobody has.
    let run = async move {
        let came = Instant::now();
        let claimed = claim(&server, &carrier, &token, &parts).await;
        let kind = WebhookKind::MediaUpgrade;
        meter::webhook(
            carrier.provider(),
            kind,
            Verdict::of(&claimed),
            came.elapsed(),
        );
        let (response, claim, claimed) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => return drop(answer.send(refuse(&error))),
        };
        let stream = Stream {
            server,
            carrier,
            claim,
            claimed,
        };
        let _ = answer.send(response.map(|()| Body::empty()));
        match tokio::time::timeout(UPGRADE_DEADLINE, upgraded).await {
            Ok(Ok(upgraded)) => {
                let socket =
                    WsSocket::server(TokioIo::new(upgraded), stream.server.options.socket).await;
                stream.run(socket).await;
            }
            _ => stream.release("the upgrade was not completed").await,
        }
    };
    tracker.spawn(run.instrument(span));
    let answered = answered.await;
    answered.unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn claim(
    server: &Arc<Inner>,
    carrier: &Arc<dyn Telephony>,
    token: &str,
    parts: &http::request::Parts,
) -> Result<(Response<()>, Claim, ClaimedStream)> {
    let webhook = server.webhook(WebhookKind::MediaUpgrade, parts, bytes::Bytes::new());
    verify(&**carrier, webhook)?;
    let response = upgrade_response(&parts.method, &parts.headers)?;
    let token = MediaToken::parse(token)?;
    let claim = Claim::random(token, &*server.calls.ports().random)?;
    let store = server.calls.store();
    match store.claim_token(carrier.account(), &claim).await {
        Ok(claimed) => Ok((response, claim, claimed)),
        Err(error) => {
            // It may be claimed all the same.
            if error.retry() == Retry::OutcomeUnknown {
                let inner = Arc::clone(server);
                let free = async move { leave(&inner, &claim, Leave::Free).await };
                server.streams.spawn(free.in_current_span());
            }
            Err(error)
        }
    }
}

/// Lets go of a token, as often as it takes: while the store takes a stream for live, nobody asks the carrier about its call.
/// If we end before it does not any more, our lease does it.
async fn leave(server: &Inner, claim: &Claim, how: Leave) {
    let store = server.calls.store();
    let mut pause = FIRST_PAUSE;
    loop {
        let left = match &how {
            Leave::Free => store.release_token(claim).await,
            Leave::Over { ends } => store.finish_stream(claim, ends.as_ref()).await,
        };
        let Err(error) = left else { return };
        tracing::error!(%error, ?how, "the call store did not take that a media token is let go of; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = server.stopping.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn refuse(error: &telephony_core::Error) -> Response<Body> {
    let status = match error.kind() {
        ErrorKind::Unauthenticated => StatusCode::FORBIDDEN,
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::AlreadyClaimed => StatusCode::CONFLICT,
        ErrorKind::Closed => StatusCode::GONE,
        ErrorKind::Store => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NOT_FOUND,
    };
    let code = status.as_u16();
    if status.is_server_error() {
        tracing::error!(%error, status = code, "media socket not answered");
    } else {
        tracing::warn!(%error, status = code, "media socket refused");
    }
    empty(status)
}

/// A claimed stream.
struct Stream {
    server: Arc<Inner>,
    carrier: Arc<dyn Telephony>,
    claim: Claim,
    claimed: ClaimedStream,
}

/// What becomes of a token that its stream lets go of.
#[derive(Debug)]
enum Leave {
    /// Another socket may take it.
    Free,
    /// The stream has come and gone; the call is to end with it for that reason, if there is one.
    Over { ends: Option<EndReason> },
}

impl Stream {
    fn record(&self) -> &CallRecord {
        &self.claimed.call
    }

    fn store(&self) -> &Arc<dyn CallStore> {
        self.server.calls.store()
    }

    async fn run(self, socket: WsSocket<TokioIo<hyper::upgrade::Upgraded>>) {
        let call = self.record();
        let span = tracing::info_span!(
            "stream",
            provider = %call.provider,
            account = %call.account,
            call = %call.key,
            call_id = call.call_id.as_ref().map(tracing::field::display),
            node = %self.store().node(),
        );
        self.serve(socket).instrument(span).await;
    }

    async fn serve(self, socket: WsSocket<TokioIo<hyper::upgrade::Upgraded>>) {
        let (trigger, ended) = EndSignal::new();
        let options = self.server.options.stream.clone();
        let options = self.server.handler.stream_options(self.record(), options);
        let options = options.bounded();
        let goodbye = options.goodbye + options.write_deadline * 2;
        let _expected = self.server.goodbyes.add(goodbye);
        let ticket = StreamTicket::new(self.record().clone(), ended).with_options(options);
        let live = async {
            match self.carrier.streamer(Box::new(socket), ticket).await {
                Ok(stream) => self.hand_over(stream, goodbye).await,
                Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                    tracing::warn!(%error, "media socket refused after its start");
                    // Not given back: who had the token once has it again.
                    leave(&self.server, &self.claim, Leave::Over { ends: None }).await;
                }
                Err(error) => self.release(&error.to_string()).await,
            }
        };
        tokio::select! {
            () = live => {}
            // Never ends before `live` does: it only passes the end on.
            () = self.watch(&trigger) => {}
        }
    }

    /// Passes the call's end, wherever it was noticed, and our own shutdown on to the stream.
    async fn watch(&self, trigger: &EndTrigger) {
        tokio::select! {
            reason = self.wait_for_end(|| self.store().wait_for_stream_end(&self.claim.token)) => {
                if self.has_time(&reason) {
                    trigger.end_after_goodbye(reason);
                } else {
                    trigger.end(reason);
                }
            }
            () = self.server.stopping.cancelled() => trigger.end_after_goodbye(EndReason::Shutdown),
        }
        // When the call is over, a goodbye is.
        let over = self.wait_for_end(|| self.store().wait_for_end(&self.record().key));
        trigger.end(over.await);
        std::future::pending::<()>().await;
    }

    /// Whether the caller still hears what was sent: only we can end this call, or only then is it transferred.
    fn has_time(&self, reason: &EndReason) -> bool {
        let capabilities = self.carrier.capabilities();
        match reason {
            EndReason::Transferred => capabilities.transfers_after_stream,
            EndReason::App => !capabilities.supports(Operation::HangUp),
            _ => false,
        }
    }

    async fn wait_for_end<T>(&self, wait: impl Fn() -> T) -> EndReason
    where
        T: Future<Output = Result<EndReason>>,
    {
        loop {
            match wait().await {
                Ok(reason) => return reason,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return EndReason::NeverStarted;
                }
                Err(error) => {
                    tracing::error!(%error, "the call store does not tell of the call's end; asking again");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        }
    }

    async fn hand_over(&self, stream: Box<dyn Streamer>, goodbye: Duration) {
        let call_id = stream.context().call_id.clone();
        if let Err(error) = self.note_start(call_id).await {
            tracing::error!(%error, "the call store did not take the stream's start");
        }
        let context = stream.context();
        let (over, closed) = (context.cancellation.clone(), context.closed.clone());
        let mut ended = context.ended.clone();
        let handler = Arc::clone(&self.server.handler);
        // In a task of its own, so that a panic of the app is an end of this stream and no more.
        let mut app =
            tokio::spawn(async move { handler.on_stream(stream).await }.in_current_span());
        let overdue = async {
            over.cancelled().await;
            tokio::time::sleep(self.server.options.handler_grace).await;
        };
        let app_is_done = CancellationToken::new();
        let run_app = async {
            tokio::select! {
                result = &mut app => if result.is_err() {
                    tracing::error!("the app panicked with a live stream");
                },
                () = overdue => {
                    tracing::error!("the app did not let go of a stream that is over; it is dropped");
                    app.abort();
                }
            }
            app_is_done.cancel();
        };
        // However long the app takes with its own end, the carrier's call ends with the stream.
        let end_call = async {
            // What the app said last may still be playing when it is done.
            let closed_late = async {
                app_is_done.cancelled().await;
                tokio::time::sleep(goodbye).await;
            };
            tokio::select! {
                () = closed.cancelled() => {}
                () = closed_late => {}
            }
            let reason = tokio::time::timeout(Duration::ZERO, ended.wait()).await;
            self.note_end(reason.unwrap_or(EndReason::WriteTimeout))
                .await;
        };
        tokio::join!(run_app, end_call);
    }

    async fn note_end(&self, reason: EndReason) {
        let calls = &self.server.calls;
        let ends = calls
            .ends_with(&self.claimed, &reason)
            .then(|| reason.clone());
        let mut left = pin!(leave(&self.server, &self.claim, Leave::Over { ends }));
        // A short outage must not look like another stream of the call that is up.
        let is_left = tokio::time::timeout(SHORT_OUTAGE, &mut left).await.is_ok();
        if let Some((record, event)) = calls.stream_is_over(self.claimed.clone(), reason) {
            service::tell(&self.server, record, event);
        }
        if !is_left {
            left.await;
        }
    }

    /// A stream that has started proves that the call is up, and may be the first to tell its id.
    async fn note_start(&self, call_id: Option<CallId>) -> Result<()> {
        let (store, record) = (self.store(), self.record());
        if let (None, Some(id)) = (&record.call_id, call_id) {
            store.attach(&record.key, &CarrierCall::new(id)).await?;
        }
        self.server
            .calls
            .update_status(&record.key, CallStatus::InProgress)
            .await?;
        // A later stream of the same call is no set-up.
        if self.claimed.transfers > 0 {
            return Ok(());
        }
        let now = self.server.calls.ports().clock.now();
        let opened = record.history.first().map_or(now, |(at, _)| *at);
        meter::call_set_up(record, now.duration_since(opened).unwrap_or_default());
        Ok(())
    }

    /// The handshake failed: the carrier may try again.
    async fn release(&self, why: &str) {
        tracing::warn!(why, "media socket did not start");
        leave(&self.server, &self.claim, Leave::Free).await;
    }
}
