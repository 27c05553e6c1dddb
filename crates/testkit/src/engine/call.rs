//! One simulated call, as a persona sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::complaint::Finding;
use crate::document::Document;
use crate::engine::callbacks::{Callback, CallbackDelivery, ReplyCheck};
use crate::engine::clock::Tempo;
use crate::engine::ending::{Ended, Ending};
use crate::engine::http::{HttpPort, Webhook, WebhookFailure, WebhookReply};
use crate::engine::line::Line;
use crate::engine::live::{Diversion, LiveCall};
use crate::engine::media::{self, StreamEnd};
use crate::engine::recorder::{Keep, Observer, Recorder};
use crate::engine::socket::{self, MediaSocket, Upgrade, UpgradeFailure};
use crate::engine::wire::MediaWire;
use crate::outcome::EndedBy;
use crate::script::Script;

/// What the test wants of a call.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) answer_url: String,
    pub(crate) public_url: Option<String>,
    pub(crate) fallback_url: Option<String>,
    pub(crate) status_url: Option<String>,
    pub(crate) method: Option<Method>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) tempo: Tempo,
    pub(crate) script: Script,
    pub(crate) deadline: Duration,
    pub(crate) linger: Duration,
    pub(crate) prompt: Duration,
    pub(crate) slow_webhook: Option<Duration>,
    pub(crate) dial_result: DialResult,
    pub(crate) on_dial: OnDial,
    pub(crate) callbacks: CallbackDelivery,
    pub(crate) keep: Keep,
    pub(crate) observer: Option<Observer>,
}

/// How the carrier sends a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters in the body.
    Post,
}

impl Method {
    /// `GET` or `POST`, whatever the case; anything else is `None`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            _ => None,
        }
    }
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
        }
    }
}

/// What happens when the app dials somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialResult {
    /// They answer, talk for this long (call time) and hang up.
    Completed(Duration),
    /// The line is busy.
    Busy,
    /// Nobody answers.
    NoAnswer,
    /// The number cannot be reached.
    Failed,
}

/// What happens when the carrier calls a person for the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDial {
    /// The person answers, after so much ringing (call time), and follows the script.
    Answer {
        /// How long it rings.
        after: Duration,
    },
    /// The line is busy.
    Busy,
    /// It rings until the carrier gives up, which takes as long as the app asked for (call time).
    NoAnswer,
    /// The number cannot be reached.
    Failed,
    /// An answering machine takes the call, after so much ringing (call time); the script is what it plays.
    Machine {
        /// How long it rings.
        after: Duration,
    },
}

impl OnDial {
    /// How long it rings before somebody or something answers; `None` when nobody does.
    pub fn answers_after(self) -> Option<Duration> {
        match self {
            Self::Answer { after } | Self::Machine { after } => Some(after),
            Self::Busy | Self::NoAnswer | Self::Failed => None,
        }
    }

    /// Whether a machine answers.
    pub fn is_machine(self) -> bool {
        matches!(self, Self::Machine { .. })
    }
}

/// One call: the handle of a persona.
pub struct Call {
    pub(crate) plan: Plan,
    pub(crate) recorder: Recorder,
    pub(crate) line: Arc<Line>,
    pub(crate) ending: Ending,
    pub(crate) live: LiveCall,
    pub(crate) http: HttpPort,
    pub(crate) outbox: mpsc::Sender<Callback>,
}

impl Call {
    // What the test wants.

    /// The answer URL, under the public base.
    pub fn answer_url(&self) -> String {
        self.http.addresses().public_url(&self.plan.answer_url)
    }

    /// The URL that is asked when the answer URL fails, under the public base.
    pub fn fallback_url(&self) -> Option<String> {
        self.public(self.plan.fallback_url.as_deref())
    }

    /// Where status callbacks (or events) of the call go, under the public base.
    pub fn status_url(&self) -> Option<String> {
        self.public(self.plan.status_url.as_deref())
    }

    fn public(&self, url: Option<&str>) -> Option<String> {
        url.map(|url| self.http.addresses().public_url(url))
    }

    /// Whether the app is known under an `https` base.
    pub fn is_secure(&self) -> bool {
        self.http.addresses().is_secure()
    }

    /// The method of the answer webhook, when the test wants a certain one.
    pub fn method(&self) -> Option<Method> {
        self.plan.method
    }

    /// The caller.
    pub fn from(&self) -> &str {
        &self.plan.from
    }

    /// The number that was called.
    pub fn to(&self) -> &str {
        &self.plan.to
    }

    /// What happens when the app dials somebody else.
    pub fn dial_result(&self) -> DialResult {
        self.plan.dial_result
    }

    /// What happens when the carrier calls a person for the app.
    pub fn on_dial(&self) -> OnDial {
        self.plan.on_dial
    }

    /// The call as the carrier's REST API sees it.
    pub fn live(&self) -> &LiveCall {
        &self.live
    }

    /// How long a prompt takes to speak (call time).
    pub fn prompt(&self) -> Duration {
        self.plan.prompt
    }

    /// How fast the call runs.
    pub fn tempo(&self) -> Tempo {
        self.plan.tempo
    }

    pub(crate) fn linger(&self) -> Duration {
        self.plan.linger
    }

    // What happens.

    /// Gives the call its id.
    pub fn identify(&self, id: impl Into<String>) {
        let id = id.into();
        self.live.identify(&id);
        self.recorder.write(|record| record.call_id = id);
    }

    /// The app took the call: the script begins.
    pub fn answered(&self) {
        self.recorder.write(|record| record.answered = true);
        self.live.set_answered();
        self.line.notice(|ear| ear.answered = true);
    }

    /// The status of the call in the carrier's words; the last one is the final one.
    pub fn status(&self, status: impl Into<String>) {
        let status = status.into();
        self.live.set_status(&status);
        self.recorder.write(|record| record.status = status);
    }

    /// Has something to say about the app.
    pub fn complain(&self, finding: Finding) {
        self.recorder.complain(finding);
    }

    /// Has several things to say.
    pub fn complain_all(&self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.complain(finding);
        }
    }

    /// Keeps an answer document for the outcome.
    pub fn document(&self, document: Document) {
        self.recorder
            .write(|record| record.documents.push(document));
    }

    /// Since the call began (wall time).
    pub fn elapsed(&self) -> Duration {
        self.recorder.elapsed()
    }

    // The end.

    /// Ends the call; the first word counts.
    pub fn end(&self, by: EndedBy) {
        self.ending.end(by);
    }

    /// Who ended the call, if it has ended.
    pub fn ended_by(&self) -> Option<EndedBy> {
        self.ending.by()
    }

    /// # Errors
    /// [`Ended`] when the call has ended, or is to do something else.
    pub fn check(&self) -> Result<(), Ended> {
        match self.ending.by() {
            None if !self.live.is_diverted() => Ok(()),
            _ => Err(Ended),
        }
    }

    /// What the app wants the call to do now instead, asked once. Nothing when the call has ended.
    pub fn take_diversion(&self) -> Option<Diversion> {
        let diversion = self.live.take_diversion()?;
        self.ending.by().is_none().then_some(diversion)
    }

    /// Lets call time pass.
    ///
    /// # Errors
    /// [`Ended`] when the call ends before.
    pub async fn pass(&self, call_time: Duration) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = self.live.interrupted() => Err(Ended),
            () = sleep(self.tempo().wall(call_time)) => Ok(()),
        }
    }

    // HTTP.

    /// Sends a webhook that steers the call and waits for the reply, also when the call ends meanwhile.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn request(&self, webhook: &Webhook) -> Result<WebhookReply, WebhookFailure> {
        let (result, answer) = self.http.send(webhook).await;
        if let (Some(limit), Ok(reply)) = (self.plan.slow_webhook, &result)
            && reply.latency > limit
        {
            self.complain(Finding::warning(
                "slow-webhook",
                format!(
                    "the app took {} ms for the webhook \"{}\": the caller hears nothing meanwhile",
                    reply.latency.as_millis(),
                    webhook.purpose
                ),
            ));
        }
        self.recorder.write(|record| record.webhooks.push(answer));
        result
    }

    /// Sends an event that may steer the call. Like [`request`](Self::request), but it counts as a callback.
    ///
    /// # Errors
    /// When there is no reply.
    pub async fn event(&self, webhook: &Webhook) -> Result<WebhookReply, WebhookFailure> {
        let (result, answer) = self.http.send(webhook).await;
        self.recorder.write(|record| record.callbacks.push(answer));
        result
    }

    /// Sends a callback beside the call, as reliably as the test wants; `check` looks at the reply.
    pub async fn callback(&self, webhook: Webhook, check: ReplyCheck) {
        // The receiver lives until the call is over; a full outbox makes the persona wait.
        let _ = self.outbox.send(Callback { webhook, check }).await;
    }

    // Media.

    /// Opens a media socket.
    ///
    /// # Errors
    /// When the app does not take it.
    pub async fn open_socket(&self, upgrade: &Upgrade) -> Result<MediaSocket, UpgradeFailure> {
        socket::open(self.http.addresses(), &self.recorder, upgrade).await
    }

    /// Runs a media stream until the app, the caller or the carrier ends it.
    pub async fn stream(&self, socket: MediaSocket, wire: Box<dyn MediaWire>) -> StreamEnd {
        media::run(self, socket, wire, &Ending::new()).await
    }

    /// Runs a media stream that is a leg of its own, which the app can hang up through the REST API.
    pub async fn stream_as_leg(
        &self,
        leg: &str,
        socket: MediaSocket,
        wire: Box<dyn MediaWire>,
    ) -> StreamEnd {
        let ending = self.live.add_leg(leg);
        let end = media::run(self, socket, wire, &ending).await;
        ending.end(EndedBy::Carrier);
        end
    }

    /// Collects keys that the caller presses while `prompt` (call time) is spoken and after it.
    ///
    /// # Errors
    /// [`Ended`] when the call ends before.
    pub async fn gather(&self, keypad: Keypad, prompt: Duration) -> Result<Gathered, Ended> {
        let mut pressed = self.line.pressed.lock().await;
        self.line.notice(|ear| ear.keys_wanted = true);
        let gathered = self.collect(&mut pressed, keypad, prompt).await;
        self.line.notice(|ear| ear.keys_wanted = false);
        gathered
    }

    async fn collect(
        &self,
        pressed: &mut mpsc::Receiver<char>,
        keypad: Keypad,
        prompt: Duration,
    ) -> Result<Gathered, Ended> {
        let mut gathered = Gathered::default();
        let mut patience = prompt + keypad.timeout;
        loop {
            tokio::select! {
                biased;
                () = self.live.interrupted() => return Err(Ended),
                key = pressed.recv() => match key {
                    Some(key) if keypad.finish_on.contains(key) => {
                        gathered.finished_on = Some(key);
                        return Ok(gathered);
                    }
                    Some(key) => {
                        gathered.digits.push(key);
                        if keypad.most.is_some_and(|most| gathered.digits.len() >= most) {
                            return Ok(gathered);
                        }
                    }
                    None => return Ok(gathered),
                },
                () = sleep(self.tempo().wall(patience)) => {
                    gathered.timed_out = true;
                    return Ok(gathered);
                }
            }
            // The prompt stops at the first key.
            patience = keypad.timeout;
        }
    }
}

/// How a menu takes keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keypad {
    /// Done after so many keys.
    pub most: Option<usize>,
    /// Keys that end the input and do not belong to it.
    pub finish_on: String,
    /// How long to wait for the next key (call time).
    pub timeout: Duration,
}

impl Keypad {
    /// Waits so long for each key; nothing else ends the input.
    pub fn new(timeout: Duration) -> Self {
        Self {
            most: None,
            finish_on: String::new(),
            timeout,
        }
    }

    /// Done after so many keys.
    pub fn with_most(mut self, most: Option<usize>) -> Self {
        self.most = most;
        self
    }

    /// Done when one of these keys is pressed.
    pub fn with_finish_on(mut self, keys: impl Into<String>) -> Self {
        self.finish_on = keys.into();
        self
    }
}

/// What the caller entered.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gathered {
    /// The keys, without the finishing one.
    pub digits: String,
    /// The key that ended the input.
    pub finished_on: Option<char>,
    /// Whether it ended because the caller pressed nothing more.
    pub timed_out: bool,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Callers enter secrets.
        f.debug_struct("Gathered")
            .field("count", &self.digits.len())
            .field("timed_out", &self.timed_out)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("ended", &self.ending.by())
            .field("tempo", &self.plan.tempo)
            .finish_non_exhaustive()
    }
}
