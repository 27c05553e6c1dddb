//! A webhook's way: verify, read, remember, ask the app, reply.

mod record;
mod repeats;
mod write;

use self::record::Admitted;
use self::repeats::{again, repeatable, to_keep};
use crate::handler::EventContext;
use crate::server::Inner;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use telephony_core::meter::{self, Verdict};
use telephony_core::{
    Answer, Answered, CallEvent, CallId, CallLinks, CallRecord, CallStore, Error, ErrorKind,
    FirstTime, Report, Result, Telephony, Verified, WebhookKind, WebhookRequest, verify,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument as _;

/// The longest that an app may take to answer, whatever the carrier would allow.
const MAX_HANDLER_DEADLINE: Duration = Duration::from_secs(5);

pub(crate) async fn serve(
    server: &Arc<Inner>,
    carrier: Arc<dyn Telephony>,
    request: WebhookRequest,
    key: Option<String>,
) -> Response<Bytes> {
    let span = tracing::info_span!(
        "webhook",
        provider = %carrier.provider(),
        account = %carrier.account(),
        kind = ?request.kind,
        node = %server.calls.store().node(),
        call = tracing::field::Empty,
        call_id = tracing::field::Empty,
    );
    let webhook = Webhook::new(server, carrier);
    async {
        let came = Instant::now();
        let kind = request.kind;
        let answered = webhook.serve(request, key).await;
        let verdict = webhook.verdict.get().copied();
        let verdict = verdict.unwrap_or_else(|| Verdict::of(&answered));
        meter::webhook(webhook.carrier.provider(), kind, verdict, came.elapsed());
        match answered {
            Ok(answered) => answered.response,
            Err(error) => {
                let status = status_of(&error);
                let code = status.as_u16();
                if status.is_server_error() {
                    tracing::error!(%error, status = code, "webhook not answered");
                } else {
                    tracing::warn!(%error, status = code, "webhook refused");
                }
                Answered::empty(status).response
            }
        }
    }
    .instrument(span)
    .await
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Unauthenticated => StatusCode::FORBIDDEN,
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyClaimed => StatusCode::CONFLICT,
        ErrorKind::Closed => StatusCode::GONE,
        ErrorKind::Store | ErrorKind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

struct Webhook<'a> {
    server: &'a Arc<Inner>,
    carrier: Arc<dyn Telephony>,
    /// Until then the app's answer counts.
    deadline: Instant,
    /// What becomes of it, if that is not simply an answer.
    verdict: OnceLock<Verdict>,
}

impl<'a> Webhook<'a> {
    fn new(server: &'a Arc<Inner>, carrier: Arc<dyn Telephony>) -> Self {
        let carriers = carrier.capabilities().answer_deadline;
        let allowed = server.options.handler_deadline.unwrap_or_else(|| {
            (carriers.unwrap_or(MAX_HANDLER_DEADLINE) * 6 / 10).min(MAX_HANDLER_DEADLINE)
        });
        Self {
            server,
            carrier,
            deadline: Instant::now() + allowed,
            verdict: OnceLock::new(),
        }
    }

    async fn serve(&self, request: WebhookRequest, key: Option<String>) -> Result<Answered> {
        let request = verify(&*self.carrier, request)?;
        if request.request().method == Method::HEAD {
            // Asks what a GET would look like, before it comes: nothing has happened yet.
            return self.acknowledge(&request, None);
        }
        let Some(name) = repeatable(&request) else {
            return self.answer(&request, key.as_deref()).await;
        };
        let wait = self.deadline.saturating_duration_since(Instant::now());
        let turn = match self.store().first_time(&name, wait).await? {
            FirstTime::Yes(turn) => turn,
            FirstTime::Answered(kept) => {
                tracing::info!("a repeated request is answered as the first time");
                self.verdict.get_or_init(|| Verdict::Repeated);
                return Ok(again(kept));
            }
            FirstTime::InProgress => {
                tracing::warn!(
                    "a repeated request is not answered: its first time is not answered yet"
                );
                self.verdict.get_or_init(|| Verdict::Failed);
                return Ok(Answered::empty(StatusCode::SERVICE_UNAVAILABLE));
            }
        };
        let answered = self.answer(&request, key.as_deref()).await;
        let kept = answered.as_ref().ok().and_then(to_keep);
        if let Err(error) = self.store().keep_answer(&name, &turn, kept).await {
            tracing::error!(%error, "the answer could not be kept for repeats of its request");
        }
        answered
    }

    async fn answer(&self, request: &Verified, key: Option<&str>) -> Result<Answered> {
        let answered = if request.request().kind == WebhookKind::IncomingCall {
            self.incoming(request).await?
        } else {
            self.callback(request, key).await?
        };
        self.send_commands(&answered);
        Ok(answered)
    }

    async fn incoming(&self, request: &Verified) -> Result<Answered> {
        let call = self.carrier.accept_call(request)?;
        let record = match self.find_known(&call).await? {
            Some(record) => {
                // That a call asks may be all that is ever heard of its being up.
                if let Some(status) = call.status().filter(|status| !status.is_terminal()) {
                    self.server.calls.update_status(&record.key, status).await?;
                }
                record
            }
            None => match self.admit(request, &call).await? {
                Admitted::Opened(record) => *record,
                Admitted::Refused(answered) => return Ok(answered),
            },
        };
        self.note(&record);
        let call = call.with_key(record.key.clone());
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.incoming_call(&call, answer, links);
        if let Some(next) = self.take_next(request, &record).await?
            && let Some(answered) = self.write_next(&record.key, next, write).await?
        {
            return Ok(answered);
        }
        tracing::info!(report = ?Report::incoming(&call), "call came in");
        let handler = Arc::clone(&self.server.handler);
        let app_call = call.clone();
        // Nobody needs the answer once it is late.
        let mut work = AbortOnDrop(tokio::spawn(
            async move { handler.on_call(app_call).await }.in_current_span(),
        ));
        let answer = match self.within_deadline(&mut work.0).await {
            Some(Ok(answer)) => Some(answer),
            Some(Err(error)) => {
                // The app's own words may hold anything, numbers included.
                tracing::error!(error = %telephony_core::redact::text(&error.to_string()), "the app failed to answer");
                None
            }
            None => None,
        };
        match self.write_or_fall_back(&record.key, answer, write).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::error!(%error, "the fallback cannot be given either: the carrier's own flow decides");
                self.acknowledge(request, Some(record.key))
            }
            result => result,
        }
    }

    async fn callback(&self, request: &Verified, key: Option<&str>) -> Result<Answered> {
        let (id, events) = self.read_events(request)?;
        let mut record = self.find(request, key, id.as_ref()).await?;
        if record.is_none()
            && request.request().kind == WebhookKind::NextStep
            // It asks what to do next, and we never heard of it: its first request went elsewhere.
            && let Ok(call) = self.carrier.accept_call(request)
        {
            match self.admit(request, &call).await? {
                Admitted::Opened(opened) => record = Some(*opened),
                Admitted::Refused(answered) => return Ok(answered),
            }
        }
        if let Some(record) = &mut record {
            self.learn_id(record, &events).await?;
            self.note(record);
        }
        // First what follows for the call, however long the app takes.
        let mut news = Vec::new();
        for event in events {
            if let Some(event) = self.remember(&mut record, event).await? {
                tracing::info!(event = event.name(), status = ?event.status(), "event");
                news.push(event);
            }
        }
        let told = self.tell_app(request, record.clone(), news).await;
        let Some(record) = record else {
            // Nothing is known of this call, so there is nothing to link to: an acknowledgement is all.
            return self.acknowledge(request, None);
        };
        // What was decided before the carrier asked comes first: an outbound call's answer, a transfer.
        let next = match request.request().kind {
            WebhookKind::NextStep => self.take_next(request, &record).await?,
            _ => None,
        };
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.reply(request, Some(answer), links);
        if let Some(next) = next
            && let Some(answered) = self.write_next(&record.key, next, write).await?
        {
            return Ok(answered);
        }
        let answer = match told {
            // The call leaves what it did, a stream too, which must not hang it up then.
            Some(Some(answer)) => return self.move_by_answer(request, &record.key, answer).await,
            Some(None) => return self.acknowledge(request, Some(record.key)),
            // Late or failed: the fallback, where the carrier waits for what comes next.
            None if request.request().kind == WebhookKind::NextStep => None,
            None => return self.acknowledge(request, Some(record.key)),
        };
        self.write_reply(request, &record.key, answer).await
    }

    /// Tells the app of events, in order, and gives its first answer; [`None`] if it is late or panics. What it does about
    /// the events goes on then: the carrier's deadline is for the answer only.
    async fn tell_app(
        &self,
        request: &Verified,
        record: Option<CallRecord>,
        news: Vec<CallEvent>,
    ) -> Option<Option<Answer>> {
        if news.is_empty() {
            return Some(None);
        }
        let (provider, account) = (request.provider().clone(), request.account().clone());
        let handler = Arc::clone(&self.server.handler);
        let work = async move {
            let mut answer = None;
            for event in news {
                let context = EventContext::new(&provider, &account, record.clone(), &event);
                let given = handler.on_event(context, event).await;
                answer = answer.or(given);
            }
            answer
        };
        let grace = self.server.options.handler_grace;
        let bounded = async move {
            let done = tokio::time::timeout(grace, work).await;
            if done.is_err() {
                tracing::error!("the app did not come to an end with an event; it is dropped");
            }
            done.unwrap_or_default()
        };
        let mut task = self.server.tasks.spawn(bounded.in_current_span());
        self.within_deadline(&mut task).await
    }

    /// The output of a task of the app; [`None`] if it is late or panics, which costs no more than this answer.
    async fn within_deadline<T>(&self, task: &mut JoinHandle<T>) -> Option<T> {
        match tokio::time::timeout_at(self.deadline, task).await {
            Ok(Ok(output)) => Some(output),
            Ok(Err(_)) => {
                tracing::error!("the app panicked while it was to answer");
                None
            }
            Err(_) => {
                tracing::error!("the app was too late to answer");
                None
            }
        }
    }

    /// The status route knows what it expects, but some carriers send everything to one URL.
    fn read_events(&self, request: &Verified) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        if request.request().kind == WebhookKind::Status
            && let Ok(events) = self.carrier.status_callback(request)
        {
            let id = events.iter().find_map(|event| event.call_id.clone());
            return Ok((id, events));
        }
        self.carrier.catch_all_status_callback(request)
    }

    fn store(&self) -> &Arc<dyn CallStore> {
        self.server.calls.store()
    }

    fn note(&self, record: &CallRecord) {
        let span = tracing::Span::current();
        span.record("call", tracing::field::display(&record.key));
        if let Some(id) = &record.call_id {
            span.record("call_id", tracing::field::display(id));
        }
    }

    /// Sends what the carrier wants told by REST, after the response and in order.
    fn send_commands(&self, answered: &Answered) {
        if answered.commands.is_empty() {
            return;
        }
        let (commands, http) = (
            answered.commands.clone(),
            Arc::clone(&self.server.calls.ports().http),
        );
        let send = async move {
            for command in commands {
                if let Err(error) = http.execute(command).await {
                    tracing::error!(%error, "a command to the carrier failed");
                    break;
                }
            }
        };
        self.server.tasks.spawn(send.in_current_span());
    }
}

/// Tells the app what no callback told, in the span of the call that it is about.
pub(crate) fn tell(server: &Arc<Inner>, record: CallRecord, event: CallEvent) {
    let (provider, account) = (record.provider.clone(), record.account.clone());
    let context = EventContext::new(&provider, &account, Some(record), &event);
    let (handler, grace) = (Arc::clone(&server.handler), server.options.handler_grace);
    let work = async move {
        let told = handler.on_event(context, event);
        if tokio::time::timeout(grace, told).await.is_err() {
            tracing::error!("the app did not come to an end with an event; it is dropped");
        }
    };
    server.tasks.spawn(work.in_current_span());
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
