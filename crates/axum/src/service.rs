//! A webhook's way: verify, read, remember, ask the app, reply.

use crate::handler::EventContext;
use crate::server::Inner;
use bytes::Bytes;
use http::{Response, StatusCode};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{
    Answer, Answered, CallEvent, CallEventKind, CallKey, CallLinks, CallRecord, Error, ErrorKind,
    IncomingCall, LegReport, LegRole, MediaToken, NewCall, Report, Result, Telephony, Transition,
    Verified, WebhookKind, WebhookRequest, verify,
};
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
        account = %carrier.account(),
        kind = ?request.kind,
        call = tracing::field::Empty,
        call_id = tracing::field::Empty,
    );
    let webhook = Webhook { server, carrier };
    async {
        match webhook.serve(request, key).await {
            Ok(answered) => answered.response,
            Err(error) => {
                let status = status_of(&error);
                tracing::warn!(%error, status = status.as_u16(), "webhook refused");
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
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

struct Webhook<'a> {
    server: &'a Arc<Inner>,
    carrier: Arc<dyn Telephony>,
}

impl Webhook<'_> {
    async fn serve(&self, request: WebhookRequest, key: Option<String>) -> Result<Answered> {
        let kind = request.kind;
        let request = verify(&*self.carrier, request)?;
        let answered = match kind {
            WebhookKind::IncomingCall => self.incoming(&request).await?,
            _ => self.callback(&request, key.as_deref()).await?,
        };
        self.send_commands(&answered);
        Ok(answered)
    }

    async fn incoming(&self, request: &Verified) -> Result<Answered> {
        if self.server.draining.is_cancelled() {
            return Ok(Answered::empty(StatusCode::SERVICE_UNAVAILABLE));
        }
        let call = self.carrier.accept_call(request)?;
        let record = self.open(&call).await?;
        tracing::info!(report = ?Report::incoming(&call), "call came in");
        let handler = Arc::clone(&self.server.handler);
        let app_call = call.clone();
        let answer = self
            .ask_app(async move { handler.on_call(app_call).await })
            .await;
        let answer = match answer {
            Some(Ok(answer)) => Some(answer),
            Some(Err(error)) => {
                // The app's own words may hold anything, numbers included.
                tracing::error!(error = %telephony_core::redact::text(&error.to_string()), "the app failed to answer");
                None
            }
            None => None,
        };
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.incoming_call(&call, answer, links);
        self.write_or_fall_back(&record.key, answer, write).await
    }

    async fn callback(&self, request: &Verified, key: Option<&str>) -> Result<Answered> {
        let (id, events) = self.read_events(request)?;
        let mut record = self.find(request, key, id.as_ref(), &events).await?;
        let mut answer = None;
        let mut failed = false;
        for event in events {
            let Some(event) = self.remember(&mut record, event).await? else {
                continue;
            };
            tracing::info!(event = event.name(), status = ?event.status(), "event");
            let context = EventContext::new(
                request.provider().clone(),
                request.account().clone(),
                record.clone(),
            );
            let handler = Arc::clone(&self.server.handler);
            match self
                .ask_app(async move { handler.on_event(context, event).await })
                .await
            {
                Some(given) => answer = answer.or(given),
                None => failed = true,
            }
        }
        let Some(record) = record else {
            // Nothing is known of this call, so there is nothing to link to: an acknowledgement is all.
            let key = CallKey::random(&*self.server.ports.random)?;
            return self.carrier.reply(request, None, &self.links(key));
        };
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.reply(request, Some(answer), links);
        match answer {
            Some(answer) => match self
                .write_or_fall_back(&record.key, Some(answer), write)
                .await
            {
                // This callback takes no answer: acknowledged all the same.
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    tracing::warn!(%error, "the app's answer does not fit this callback");
                    self.carrier.reply(request, None, &self.links(record.key))
                }
                result => result,
            },
            None if failed && request.request().kind == WebhookKind::NextStep => {
                self.write_or_fall_back(&record.key, None, write).await
            }
            None => self.carrier.reply(request, None, &self.links(record.key)),
        }
    }

    /// The status route knows what it expects, but some carriers send everything to one URL.
    fn read_events(
        &self,
        request: &Verified,
    ) -> Result<(Option<telephony_core::CallId>, Vec<CallEvent>)> {
        if request.request().kind == WebhookKind::Status
            && let Ok(events) = self.carrier.status_callback(request)
        {
            let id = events.iter().find_map(|event| event.call_id.clone());
            return Ok((id, events));
        }
        self.carrier.catch_all_status_callback(request)
    }

    async fn open(&self, call: &IncomingCall) -> Result<CallRecord> {
        let key = CallKey::random(&*self.server.ports.random)?;
        let parties = (call.from().clone(), call.to().clone());
        let new = NewCall::new(
            key,
            call.provider().clone(),
            call.account().clone(),
            call.direction(),
            parties,
        )
        .with_call_id(call.id().cloned())
        .with_status(call.status());
        let record = self.server.store.open(new).await?;
        self.note(&record);
        Ok(record)
    }

    fn note(&self, record: &CallRecord) {
        let span = tracing::Span::current();
        span.record("call", tracing::field::display(&record.key));
        if let Some(id) = &record.call_id {
            span.record("call_id", tracing::field::display(id));
        }
    }

    /// The call of a callback: by our key in the URL, else by the carrier's id. A call that asks what to do next and that we
    /// never heard of (its first request went elsewhere) is opened now.
    async fn find(
        &self,
        request: &Verified,
        key: Option<&str>,
        id: Option<&telephony_core::CallId>,
        events: &[CallEvent],
    ) -> Result<Option<CallRecord>> {
        let store = &self.server.store;
        let account = request.account();
        let by_key = match key.map(CallKey::parse) {
            Some(Ok(key)) => store
                .find(&key)
                .await?
                .filter(|record| record.account == *account),
            _ => None,
        };
        let mut record = by_key;
        if record.is_none()
            && let Some(id) = id
        {
            record = store.find_by_id(account, id).await?;
        }
        if record.is_none()
            && request.request().kind == WebhookKind::NextStep
            && let Ok(call) = self.carrier.accept_call(request)
        {
            record = Some(self.open(&call).await?);
        }
        if let Some(record) = &mut record {
            let status = events.iter().find(|event| event.status().is_some());
            if let (None, Some(id)) = (
                &record.call_id,
                status.and_then(|event| event.call_id.as_ref()),
            ) {
                store.attach(&record.key, id).await?;
                record.call_id = Some(id.clone());
            }
            self.note(record);
        }
        Ok(record)
    }

    /// Applies an event to the call. [`None`] if the app need not hear of it: a status that came late or again.
    async fn remember(
        &self,
        record: &mut Option<CallRecord>,
        mut event: CallEvent,
    ) -> Result<Option<CallEvent>> {
        let (Some(record), Some(status)) = (record, event.status()) else {
            return Ok(Some(event));
        };
        let is_other_leg =
            matches!((&event.call_id, &record.call_id), (Some(leg), Some(call)) if leg != call);
        if is_other_leg {
            let leg = LegReport::new(
                event.call_id.clone(),
                LegRole::Other,
                Some(status),
                status.as_str(),
            );
            event.kind = CallEventKind::Leg(leg);
            return Ok(Some(event));
        }
        let update = self.server.store.update_status(&record.key, status).await?;
        record.status = update.status;
        Ok((update.transition == Transition::Advanced).then_some(event))
    }

    /// Runs the app's code within the deadline. [`None`] if it is late or panics.
    async fn ask_app<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let carriers = self
            .carrier
            .capabilities()
            .answer_deadline
            .unwrap_or(MAX_HANDLER_DEADLINE);
        let deadline = self
            .server
            .options
            .handler_deadline
            .unwrap_or_else(|| (carriers * 6 / 10).min(MAX_HANDLER_DEADLINE));
        // In a task of its own, so that a panic there costs no more than this answer.
        let task = AbortOnDrop(tokio::spawn(work.in_current_span()));
        match tokio::time::timeout(deadline, task.join()).await {
            Ok(Some(output)) => Some(output),
            Ok(None) => {
                tracing::error!("the app panicked while it was to answer");
                None
            }
            Err(_) => {
                tracing::error!(
                    deadline_ms = deadline.as_millis(),
                    "the app was too late to answer"
                );
                None
            }
        }
    }

    /// Writes the app's answer; the fallback if there is none or the carrier cannot express it.
    async fn write_or_fall_back(
        &self,
        key: &CallKey,
        answer: Option<Answer>,
        write: impl Fn(&Answer, &CallLinks) -> Result<Answered>,
    ) -> Result<Answered> {
        if let Some(answer) = answer {
            match self
                .prepare(key, &answer)
                .await
                .and_then(|links| write(&answer, &links))
            {
                Ok(answered) => return Ok(answered),
                Err(error) => {
                    tracing::error!(%error, "the app's answer cannot be given; the fallback goes out")
                }
            }
        }
        let fallback = &self.server.options.fallback;
        let links = self.prepare(key, fallback).await?;
        write(fallback, &links)
    }

    /// The call's links, with a media token if the answer needs one.
    async fn prepare(&self, key: &CallKey, answer: &Answer) -> Result<CallLinks> {
        let links = self.links(key.clone());
        if !answer.wants_stream() {
            return Ok(links);
        }
        let token = MediaToken::random(&*self.server.ports.random)?;
        self.server
            .store
            .mint_token(key, &token, self.server.options.token_lifetime)
            .await?;
        Ok(links.with_media(token))
    }

    fn links(&self, key: CallKey) -> CallLinks {
        CallLinks::new(
            self.server.base.clone(),
            self.carrier.account().clone(),
            key,
        )
    }

    /// Sends what the carrier wants told by REST, after the response and in order.
    fn send_commands(&self, answered: &Answered) {
        if answered.commands.is_empty() {
            return;
        }
        let (commands, http) = (
            answered.commands.clone(),
            Arc::clone(&self.server.ports.http),
        );
        let send = async move {
            for command in commands {
                if let Err(error) = http.execute(command).await {
                    tracing::error!(%error, "a command to the carrier failed");
                    break;
                }
            }
        };
        self.server.streams.spawn(send.in_current_span());
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
