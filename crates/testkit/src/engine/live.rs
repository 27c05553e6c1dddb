//! A call as the carrier's REST API sees it: while it lives, and after.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::engine::callbacks::{Callback, ReplyCheck};
use crate::engine::clock::Tempo;
use crate::engine::ending::Ending;
use crate::engine::http::Webhook;
use crate::engine::line::{Line, lock};
use crate::engine::recorder::Recorder;
use crate::engine::recording::Recording;
use crate::outcome::EndedBy;
use crate::trace::{TraceKind, Way};

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// A person called the app.
    Inbound,
    /// The app had the carrier call a person.
    Outbound,
}

/// What the app wants a live call to do instead of what it does now.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diversion {
    /// Where the new document is.
    pub document: NewDocument,
    /// What else the request said, in the carrier's words.
    pub settings: Vec<(String, String)>,
}

/// Where a new document is.
#[derive(Clone, PartialEq, Eq)]
pub enum NewDocument {
    /// In the request itself.
    Inline(String),
    /// Behind a URL.
    Fetch {
        /// The URL.
        url: String,
        /// How to ask; `None` for the carrier's own way.
        method: Option<crate::engine::Method>,
    },
}

impl Diversion {
    /// To a document, with no more to say.
    pub fn new(document: NewDocument) -> Self {
        Self {
            document,
            settings: vec![],
        }
    }

    /// With what else the request said.
    pub fn with_settings(mut self, settings: Vec<(String, String)>) -> Self {
        self.settings = settings;
        self
    }
}

impl fmt::Debug for Diversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diversion")
            .field("document", &self.document)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(text) => write!(f, "Inline({} bytes)", text.len()),
            Self::Fetch { .. } => f.write_str("Fetch"),
        }
    }
}

/// A handle of one call for the REST API. Clones are the same call. `Debug` shows neither numbers nor ids.
#[derive(Clone)]
pub struct LiveCall(Arc<Inner>);

struct Inner {
    direction: CallDirection,
    from: String,
    to: String,
    created: SystemTime,
    begun: Instant,
    tempo: Tempo,
    base_url: Option<String>,
    recorder: Recorder,
    ending: Ending,
    line: Arc<Line>,
    diversion: watch::Sender<Option<Diversion>>,
    /// Open once the call may begin.
    gate: watch::Sender<bool>,
    outbox: OnceLock<mpsc::WeakSender<Callback>>,
    facts: Mutex<Facts>,
    recordings: Mutex<Vec<Recording>>,
}

#[derive(Default)]
struct Facts {
    id: String,
    legs: Vec<(String, Ending)>,
    status: String,
    answered: Option<Instant>,
    notes: Map<String, Value>,
}

/// What a call is born with.
pub(crate) struct Birth {
    pub(crate) direction: CallDirection,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) tempo: Tempo,
    pub(crate) base_url: Option<String>,
    pub(crate) recorder: Recorder,
}

impl LiveCall {
    pub(crate) fn new(birth: Birth) -> Self {
        Self(Arc::new(Inner {
            direction: birth.direction,
            from: birth.from,
            to: birth.to,
            created: SystemTime::now(),
            begun: Instant::now(),
            tempo: birth.tempo,
            base_url: birth.base_url,
            recorder: birth.recorder,
            ending: Ending::new(),
            line: Line::new(),
            diversion: watch::Sender::new(None),
            gate: watch::Sender::new(birth.direction == CallDirection::Inbound),
            outbox: OnceLock::new(),
            facts: Mutex::default(),
            recordings: Mutex::default(),
        }))
    }

    // What it is.

    /// The carrier's id of the call; empty until it has one.
    pub fn id(&self) -> String {
        lock(&self.0.facts).id.clone()
    }

    /// Who began it.
    pub fn direction(&self) -> CallDirection {
        self.0.direction
    }

    /// Who calls, as the app or the test wrote it.
    pub fn from(&self) -> &str {
        &self.0.from
    }

    /// Who is called, as the app or the test wrote it.
    pub fn to(&self) -> &str {
        &self.0.to
    }

    /// Its status in the carrier's words.
    pub fn status(&self) -> String {
        lock(&self.0.facts).status.clone()
    }

    /// When it was created.
    pub fn created(&self) -> SystemTime {
        self.0.created
    }

    /// When somebody answered.
    pub fn answered(&self) -> Option<SystemTime> {
        let answered = lock(&self.0.facts).answered?;
        Some(self.0.created + answered.duration_since(self.0.begun))
    }

    /// When it ended.
    pub fn ended(&self) -> Option<SystemTime> {
        let ended = self.0.ending.at()?;
        Some(self.0.created + ended.duration_since(self.0.begun))
    }

    /// Who ended it.
    pub fn ended_by(&self) -> Option<EndedBy> {
        self.0.ending.by()
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.0.ending.by().is_some()
    }

    /// How long the two sides have talked (call time).
    pub fn talked(&self) -> Duration {
        let Some(answered) = lock(&self.0.facts).answered else {
            return Duration::ZERO;
        };
        let until = self.0.ending.at().unwrap_or_else(Instant::now);
        self.0.tempo.call(until.saturating_duration_since(answered))
    }

    /// Where the carrier's REST API is, if it is served.
    pub fn base_url(&self) -> Option<&str> {
        self.0.base_url.as_deref()
    }

    /// Something that the carrier keeps of the call.
    pub fn noted(&self, name: &str) -> Option<Value> {
        lock(&self.0.facts).notes.get(name).cloned()
    }

    /// Keeps something of the call for later requests.
    pub fn note(&self, name: impl Into<String>, value: impl Into<Value>) {
        lock(&self.0.facts).notes.insert(name.into(), value.into());
    }

    // What the app can do to it.

    /// Ends the call in the name of the app. Whether it was still there.
    pub fn hang_up(&self) -> bool {
        self.0.ending.end(EndedBy::App)
    }

    /// Ends one further leg of the call. `None` when the call has no such leg, otherwise whether it was still there.
    pub fn hang_up_leg(&self, id: &str) -> Option<bool> {
        let ending = self.leg(id)?;
        Some(ending.end(EndedBy::App))
    }

    /// Lets the call do something else. Whether it was still there.
    pub fn divert(&self, diversion: Diversion) -> bool {
        if self.is_over() {
            return false;
        }
        self.0.diversion.send_replace(Some(diversion));
        true
    }

    /// Lets the person on the phone hear key tones.
    pub fn send_tones(&self, tones: &str) {
        self.0
            .recorder
            .write(|record| record.tones_heard.push_str(tones));
    }

    /// Whether the app can hear the person on the phone. Default: yes.
    pub fn mute(&self, muted: bool) {
        self.0.line.mute(muted);
    }

    /// Whether the person on the phone can hear the app. Default: yes.
    pub fn earmuff(&self, deaf: bool) {
        self.0.line.earmuff(deaf);
    }

    /// Sends a callback of this call, as reliably as the test wants. Nothing happens when the last one is out.
    pub async fn callback(&self, webhook: Webhook, check: ReplyCheck) {
        let outbox = self.0.outbox.get().and_then(mpsc::WeakSender::upgrade);
        if let Some(outbox) = outbox {
            let _ = outbox.send(Callback { webhook, check }).await;
        }
    }

    /// Has something to say about the app.
    pub fn complain(&self, finding: Finding) {
        self.0.recorder.complain(finding);
    }

    /// Reads and changes the recordings of the call; not one within another.
    pub fn recordings<T>(&self, change: impl FnOnce(&mut Vec<Recording>) -> T) -> T {
        change(&mut lock(&self.0.recordings))
    }

    // What the engine does to it.

    pub(crate) fn answers_to(&self, id: &str) -> bool {
        let facts = lock(&self.0.facts);
        facts.id == id || facts.legs.iter().any(|(leg, _)| leg == id)
    }

    pub(crate) fn identify(&self, id: &str) {
        lock(&self.0.facts).id = id.to_owned();
    }

    pub(crate) fn add_leg(&self, id: &str) -> Ending {
        let ending = Ending::new();
        lock(&self.0.facts)
            .legs
            .push((id.to_owned(), ending.clone()));
        ending
    }

    /// The ending of a further leg.
    pub fn leg(&self, id: &str) -> Option<Ending> {
        let facts = lock(&self.0.facts);
        let (_, ending) = facts.legs.iter().find(|(leg, _)| leg == id)?;
        Some(ending.clone())
    }

    pub(crate) fn set_status(&self, status: &str) {
        lock(&self.0.facts).status = status.to_owned();
    }

    pub(crate) fn set_answered(&self) {
        lock(&self.0.facts)
            .answered
            .get_or_insert_with(Instant::now);
    }

    pub(crate) fn set_outbox(&self, outbox: mpsc::WeakSender<Callback>) {
        let _ = self.0.outbox.set(outbox);
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    pub(crate) fn ending(&self) -> &Ending {
        &self.0.ending
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.0.line
    }

    pub(crate) fn is_diverted(&self) -> bool {
        self.0.diversion.borrow().is_some()
    }

    pub(crate) fn take_diversion(&self) -> Option<Diversion> {
        self.0.diversion.send_replace(None)
    }

    /// Waits until the call has ended.
    pub(crate) async fn gone(&self) {
        self.0.ending.ended().await;
    }

    /// Lets call time pass, whatever happens to the call.
    pub(crate) async fn pass(&self, call_time: Duration) {
        tokio::time::sleep(self.0.tempo.wall(call_time)).await;
    }

    /// Waits until the call has ended or is to do something else.
    pub(crate) async fn interrupted(&self) {
        let mut diversion = self.0.diversion.subscribe();
        tokio::select! {
            _ = self.0.ending.ended() => {}
            _ = diversion.wait_for(Option::is_some) => {}
        }
    }

    /// The response to the request that placed the call is out: it may begin.
    pub(crate) fn begin(&self) {
        self.0.gate.send_replace(true);
    }

    pub(crate) async fn may_begin(&self) {
        // The sender lives in `self`.
        let _ = self.0.gate.subscribe().wait_for(|open| *open).await;
    }

    /// A message of the REST API, kept with the other messages of the call.
    pub(crate) fn trace_rest(
        &self,
        way: Way,
        kind: TraceKind,
        head: String,
        headers: Vec<(String, String)>,
        body: &[u8],
    ) {
        let text = String::from_utf8_lossy(body).into_owned();
        self.0
            .recorder
            .trace(way, kind, head, headers, text, body.len());
    }
}

impl fmt::Debug for LiveCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCall")
            .field("direction", &self.0.direction)
            .field("status", &self.status())
            .field("ended_by", &self.ended_by())
            .finish_non_exhaustive()
    }
}
