//! A webhook's way: verify, read, remember, ask the app, reply.

use crate::handler::EventContext;
use crate::server::Inner;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use telephony_core::meter::{self, Verdict};
use telephony_core::{
    Answer, Answered, CallEvent, CallEventKind, CallId, CallKey, CallLinks, CallRecord, CallStore,
    CarrierCall, Direction, Error, ErrorKind, FirstTime, IncomingCall, KeptAnswer, LegReport,
    LegRole, MediaToken, NewCall, RejectReason, Report, RequestName, Result, Telephony,
    TransferOutcome, Transition, Verified, WebhookKind, WebhookRequest, verify,
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
        match self.store().first_time(&name, wait).await? {
            FirstTime::Yes => {}
            FirstTime::Answered(kept) => {
                tracing::info!("a repeated request is answered as the first time");
                self.verdict.get_or_init(|| Verdict::Repeated);
                return Ok(again(kept));
            }
            FirstTime::InProgress => {
                self.verdict.get_or_init(|| Verdict::Repeated);
                return Ok(Answered::empty(StatusCode::SERVICE_UNAVAILABLE));
            }
        }
        let answered = self.answer(&request, key.as_deref()).await;
        let kept = answered.as_ref().ok().and_then(to_keep);
        if let Err(error) = self.store().keep_answer(&name, kept).await {
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
        let known = self.find_known(&call).await?;
        if known.is_none() && self.server.calls.is_draining() {
            return Ok(Answered::empty(StatusCode::SERVICE_UNAVAILABLE));
        }
        let record = match known {
            Some(record) => {
                // That a call asks may be all that is ever heard of its being up.
                if let Some(status) = call.status().filter(|status| !status.is_terminal()) {
                    self.server.calls.update_status(&record.key, status).await?;
                }
                record
            }
            None => match self.open(&call).await {
                Err(error) if error.kind() == ErrorKind::RateLimited => {
                    tracing::warn!(%error, "the call is refused");
                    self.verdict.get_or_init(|| Verdict::Limited);
                    return self.refuse(request, &call);
                }
                opened => opened?,
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
        let mut record = self.find(request, key, id.as_ref(), &events).await?;
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

    async fn write_reply(
        &self,
        request: &Verified,
        key: &CallKey,
        answer: Option<Answer>,
    ) -> Result<Answered> {
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.reply(request, Some(answer), links);
        match self.write_or_fall_back(key, answer, write).await {
            // This callback takes no answer: acknowledged all the same.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(%error, "the app's answer does not fit this callback");
                self.acknowledge(request, Some(key.clone()))
            }
            result => result,
        }
    }

    /// The app's answer to an event is a transfer.
    async fn move_by_answer(
        &self,
        request: &Verified,
        key: &CallKey,
        answer: Answer,
    ) -> Result<Answered> {
        let calls = &self.server.calls;
        let media = MediaToken::random(&*calls.ports().random)?;
        let trial = calls.links(self.carrier.account(), key).with_media(media);
        // What was offered to the call before stays good if this callback takes no such answer.
        if let Err(error) = self.carrier.reply(request, Some(&answer), &trial) {
            tracing::error!(%error, "the app's answer cannot be given here");
            return self.write_reply(request, key, None).await;
        }
        let number = self.store().begin_transfer(key).await?;
        let answered = self.write_reply(request, key, Some(answer)).await;
        let outcome = match &answered {
            Ok(_) => TransferOutcome::Taken,
            Err(_) => TransferOutcome::Refused,
        };
        self.server.calls.end_transfer(key, number, outcome).await;
        answered
    }

    /// Some carriers repeat what they found out with every later report. [`None`] if the app knows it.
    async fn once(&self, record: &CallRecord, event: CallEvent) -> Result<Option<CallEvent>> {
        let CallEventKind::MachineDetected(by) = &event.kind else {
            return Ok(Some(event));
        };
        let name = RequestName::new(record.account.clone(), format!("{} {by:?}", record.key));
        let first = self.store().first_time(&name, Duration::ZERO).await?;
        if !matches!(first, FirstTime::Yes) {
            return Ok(None);
        }
        let known = KeptAnswer::new(200, None, Bytes::new())?;
        self.store().keep_answer(&name, Some(known)).await?;
        Ok(Some(event))
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

    /// What goes back where nothing is to be done.
    fn acknowledge(&self, request: &Verified, key: Option<CallKey>) -> Result<Answered> {
        let key = match key {
            Some(key) => key,
            None => CallKey::random(&*self.server.calls.ports().random)?,
        };
        let links = self.server.calls.links(self.carrier.account(), &key);
        self.carrier.reply(request, None, &links)
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

    async fn open(&self, call: &IncomingCall) -> Result<CallRecord> {
        let key = CallKey::random(&*self.server.calls.ports().random)?;
        let parties = (call.from().clone(), call.to().clone());
        let new = NewCall::new(
            key,
            call.provider().clone(),
            call.account().clone(),
            call.direction(),
            parties,
        )
        .with_call_id(call.id().cloned())
        .with_home(call.home().map(str::to_owned))
        .with_status(call.status());
        let key = new.key.clone();
        let record = self.store().open(new).await?;
        // Somebody else may have been faster.
        if record.key == key {
            meter::call_started(&record.provider, record.direction);
        }
        Ok(record)
    }

    /// The call, if we have it: one that we placed, of which the carrier hands our key back, or one that it asks about again.
    async fn find_known(&self, call: &IncomingCall) -> Result<Option<CallRecord>> {
        if let Some(key) = call.key()
            && let Some(mut record) = self.store().find(key).await?
            && record.account == *call.account()
            && record.direction == Direction::Outbound
        {
            if let (None, Some(id)) = (&record.call_id, call.id()) {
                let carriers = CarrierCall::new(id.clone()).at(call.home().map(str::to_owned));
                self.store().attach(&record.key, &carriers).await?;
                record.call_id = Some(id.clone());
            }
            return Ok(Some(record));
        }
        match call.id() {
            Some(id) => self.store().find_by_id(call.account(), id).await,
            None => Ok(None),
        }
    }

    /// The account has as many calls as it may have: busy, as well as the carrier can say it.
    fn refuse(&self, request: &Verified, call: &IncomingCall) -> Result<Answered> {
        let key = CallKey::random(&*self.server.calls.ports().random)?;
        let links = self.server.calls.links(self.carrier.account(), &key);
        for answer in [Answer::reject(RejectReason::Busy), Answer::hang_up()] {
            match self.carrier.incoming_call(call, &answer, &links) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                result => return result,
            }
        }
        self.carrier.reply(request, None, &links)
    }

    /// What the call is to do next, if that was decided before the carrier asked.
    async fn take_next(&self, request: &Verified, record: &CallRecord) -> Result<Option<Answer>> {
        let name = match &request.authenticated().replay_key {
            Some(key) => key.clone(),
            // Two questions that say the same may be two, so each is one of its own.
            None => CallKey::random(&*self.server.calls.ports().random)?.to_string(),
        };
        self.store().take_next(&record.key, &name).await
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

    /// The call of a callback: by our key in the URL, else by the carrier's id. A call that asks what to do next and that we
    /// never heard of (its first request went elsewhere) is opened now.
    async fn find(
        &self,
        request: &Verified,
        key: Option<&str>,
        id: Option<&CallId>,
        events: &[CallEvent],
    ) -> Result<Option<CallRecord>> {
        let store = self.store();
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
                store
                    .attach(&record.key, &CarrierCall::new(id.clone()))
                    .await?;
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
        let (record, status) = match (record, event.status()) {
            (Some(record), Some(status)) => (record, status),
            (Some(record), None) => return self.once(record, event).await,
            (None, _) => return Ok(Some(event)),
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
        let update = self.server.calls.update_status(&record.key, status).await?;
        record.status = update.status;
        if update.transition == Transition::Advanced
            && !status.is_terminal()
            && record.ended.is_some()
        {
            self.server.calls.end_again(record.clone());
        }
        Ok((update.transition == Transition::Advanced).then_some(event))
    }

    /// Writes what was decided before the carrier asked; [`None`] if it does not fit what asks, and then it is kept.
    async fn write_next(
        &self,
        key: &CallKey,
        next: Answer,
        write: impl Fn(&Answer, &CallLinks) -> Result<Answered>,
    ) -> Result<Option<Answered>> {
        let links = self.prepare(key, &next).await?;
        match write(&next, &links) {
            Ok(answered) => Ok(Some(answered)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::debug!(%error, "what was decided for the call does not fit here: the app is asked");
                self.store().set_next(key, Some(next)).await?;
                Ok(None)
            }
            Err(error) => Err(error),
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
        let calls = &self.server.calls;
        calls.links_for(self.carrier.account(), key, answer).await
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

/// What tells a request from others where the carrier has nothing that does: its URL and body.
fn fingerprint(request: &WebhookRequest) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    (&request.public_url, &request.body).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What a request is called that may come again and must be answered as the first time: by the carrier's own token, or, if
/// it only tells something, by all that it says. Two questions that say the same may be two: a key that was pressed twice.
fn repeatable(request: &Verified) -> Option<RequestName> {
    let name = match (&request.authenticated().replay_key, request.request().kind) {
        (Some(key), _) => key.clone(),
        (None, WebhookKind::Status | WebhookKind::Event) => fingerprint(request.request()),
        (None, _) => return None,
    };
    Some(RequestName::new(request.account().clone(), name))
}

/// The answer as it can be given again: what has headers of its own cannot.
fn to_keep(answered: &Answered) -> Option<KeptAnswer> {
    let response = &answered.response;
    let headers = response.headers();
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str());
    let others = headers.len() - usize::from(content_type.is_some());
    let content_type = content_type.transpose().ok()?;
    let status = response.status().as_u16();
    let kept = KeptAnswer::new(status, content_type, response.body().clone());
    // What another node could do better is not kept.
    let is_good = others == 0 && !response.status().is_server_error();
    kept.ok().filter(|_| is_good)
}

fn again(kept: KeptAnswer) -> Answered {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut answered = Answered::empty(status);
    *answered.response.body_mut() = kept.body;
    let content_type = kept.content_type.map(HeaderValue::try_from);
    if let Some(Ok(content_type)) = content_type {
        let headers = answered.response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    answered
}

/// Tells the app what no callback told.
pub(crate) fn tell(server: &Arc<Inner>, record: CallRecord, event: CallEvent) {
    let (provider, account) = (record.provider.clone(), record.account.clone());
    let context = EventContext::new(&provider, &account, Some(record), &event);
    let (handler, grace) = (Arc::clone(&server.handler), server.options.handler_grace);
    server.tasks.spawn(async move {
        let told = handler.on_event(context, event);
        if tokio::time::timeout(grace, told).await.is_err() {
            tracing::error!("the app did not come to an end with an event; it is dropped");
        }
    });
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
