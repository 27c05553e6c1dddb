//! A documented message: what the carrier sends or answers, and what is expected of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use telephony_core::media::{CodecEvent, WireMessage};
use telephony_core::{CallEventKind, ErrorKind, WebhookKind, WebhookRequest};

use crate::conformance::ask::Ask;
use crate::conformance::{BASE_URL, CALL_KEY, MEDIA_TOKEN, RECEIVED_AT};

const FORM: &str = "application/x-www-form-urlencoded";

/// A message by its name.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) content: Content,
}

#[derive(Clone)]
pub(super) enum Content {
    Webhook(Box<Webhook>),
    Media(Box<Media>),
    Rest(Box<Rest>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    source: String,
    webhook: Option<Value>,
    media: Option<Value>,
    rest: Option<Value>,
    #[serde(default)]
    expect: Value,
}

impl Message {
    pub(super) fn read(name: &str, message: Value) -> Result<Self, String> {
        let raw: Raw = read(message)?;
        if raw.source.trim().is_empty() {
            return Err("it does not say where it is from: `source` is empty".into());
        }
        let content = match (raw.webhook, raw.media, raw.rest) {
            (Some(webhook), None, None) => Content::Webhook(Box::new(Webhook {
                sent: read(webhook)?,
                expect: read_or_default(raw.expect)?,
            })),
            (None, Some(media), None) => Content::Media(Box::new(Media {
                said: read(media)?,
                expect: read_or_default(raw.expect)?,
            })),
            (None, None, Some(rest)) => Content::Rest(Box::new(Rest {
                asked: read(rest)?,
                expect: read_or_default(raw.expect)?,
            })),
            _ => return Err("it holds not exactly one of `webhook`, `media` and `rest`".into()),
        };
        Ok(Self {
            name: name.to_owned(),
            content,
        })
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn read_or_default<T: DeserializeOwned + Default>(value: Value) -> Result<T, String> {
    match value {
        Value::Null => Ok(T::default()),
        value => read(value),
    }
}

/// A request of the carrier, and what it means.
#[derive(Clone)]
pub(super) struct Webhook {
    sent: SentWebhook,
    pub(super) expect: ExpectedOfWebhook,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentWebhook {
    kind: Kind,
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    path: String,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    form: Option<Form>,
    json: Option<Value>,
    body: Option<String>,
    at: Option<u64>,
}

fn post() -> String {
    "POST".into()
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    IncomingCall,
    NextStep,
    Status,
    Event,
    MediaUpgrade,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Form {
    Fields(Map<String, Value>),
    Pairs(Vec<(String, String)>),
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedOfWebhook {
    pub(super) call: Option<ExpectedCall>,
    /// The call that a callback is about.
    pub(super) id: Option<String>,
    pub(super) events: Option<Vec<String>>,
    /// It cannot be read as what it says it is.
    #[serde(default)]
    pub(super) unreadable: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedCall {
    pub(super) id: Option<String>,
    pub(super) direction: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) status: Option<String>,
}

impl Webhook {
    pub(super) fn kind(&self) -> WebhookKind {
        match self.sent.kind {
            Kind::IncomingCall => WebhookKind::IncomingCall,
            Kind::NextStep => WebhookKind::NextStep,
            Kind::Status => WebhookKind::Status,
            Kind::Event => WebhookKind::Event,
            Kind::MediaUpgrade => WebhookKind::MediaUpgrade,
        }
    }

    /// The request before it is signed.
    pub(super) fn request(&self, label: &str) -> Result<WebhookRequest, String> {
        let sent = &self.sent;
        let method = Method::from_bytes(sent.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| "`method` is no method".to_owned())?;
        let method = match sent.kind {
            Kind::MediaUpgrade => Method::GET,
            _ => method,
        };
        let mut url = sent.url.clone().unwrap_or_else(|| {
            let path = sent.path.replace("{key}", CALL_KEY);
            let path = path.replace("{token}", MEDIA_TOKEN);
            format!("{BASE_URL}/{label}/{path}")
        });
        let mut headers = HeaderMap::new();
        let mut body = Bytes::new();
        if let Some(form) = &sent.form {
            let form = form.encoded();
            if method == Method::GET {
                let border = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{border}{form}");
            } else {
                headers.insert("content-type", HeaderValue::from_static(FORM));
                body = form.into();
            }
        }
        if let Some(json) = &sent.json {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            body = json.to_string().into();
        }
        if let Some(text) = &sent.body {
            body = text.clone().into();
        }
        for (name, value) in &sent.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            headers.insert(name, value);
        }
        let at = Duration::from_secs(sent.at.unwrap_or(RECEIVED_AT));
        Ok(WebhookRequest {
            method,
            public_url: url,
            headers,
            body,
            received_at: SystemTime::UNIX_EPOCH + at,
            kind: self.kind(),
        })
    }
}

impl Form {
    fn encoded(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self {
            Self::Pairs(pairs) => form.extend_pairs(pairs).finish(),
            Self::Fields(fields) => {
                for (name, value) in fields {
                    form.append_pair(name, &text_of(value));
                }
                form.finish()
            }
        }
    }
}

pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What the carrier says on the media socket, and what it means.
#[derive(Clone)]
pub(super) struct Media {
    pub(super) said: SaidMedia,
    pub(super) expect: ExpectedOfMedia,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidMedia {
    pub(super) messages: Vec<Value>,
    #[serde(default)]
    pub(super) echo: Templates,
    #[serde(default)]
    pub(super) sends: Templates,
}

/// Messages with `$PAYLOAD`, `$NAME` and, for what does not matter, `$ANY` in them.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Templates {
    pub(super) audio: Option<Value>,
    pub(super) mark: Option<Value>,
    pub(super) clear: Option<Value>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedOfMedia {
    #[serde(default)]
    pub(super) media: Vec<String>,
    pub(super) call: Option<String>,
}

impl Media {
    pub(super) fn messages(&self) -> Vec<WireMessage> {
        self.said.messages.iter().map(wire).collect()
    }
}

/// A wire message as it is written down.
pub(super) fn wire(message: &Value) -> WireMessage {
    match message {
        Value::String(text) => WireMessage::text(text.clone()),
        Value::Object(fields) => match fields.get("$binary").and_then(Value::as_str) {
            Some(base64) => WireMessage::Binary(STANDARD.decode(base64).unwrap_or_default().into()),
            None => WireMessage::text(message.to_string()),
        },
        other => WireMessage::text(other.to_string()),
    }
}

/// What the carrier's REST API answers, and what that means.
#[derive(Clone)]
pub(super) struct Rest {
    pub(super) asked: AskedRest,
    pub(super) expect: ExpectedOfRest,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedRest {
    pub(super) operation: String,
    pub(super) call: Option<String>,
    pub(super) home: Option<String>,
    /// The recording that is stopped or fetched.
    pub(super) recording: Option<String>,
    /// Where the recording that is fetched is.
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) answers: Vec<RestAnswer>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestAnswer {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

impl RestAnswer {
    pub(super) fn body(&self) -> String {
        match &self.body {
            Value::Null => String::new(),
            body => text_of(body),
        }
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedOfRest {
    /// `ok` unless it says otherwise.
    pub(super) outcome: Option<String>,
    pub(super) asks: Option<Vec<Ask>>,
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
}

/// An event of a call as the messages of the kit write it: its [name](telephony_core::CallEvent::name), and behind it what
/// matters of it.
///
/// `status completed`, `leg busy` (`leg` without a status), `digits 12`, `speech`, `dial-ended completed`, `transferred`,
/// `recording-ready`, `machine-detected Human`, `stream-started`, `stream-stopped`, `stream-failed`, `carrier-fault 123`,
/// `next-step redirect`, `other NAME`.
pub fn describe(event: &CallEventKind) -> String {
    let with = |name: &str, word: &str| format!("{name} {word}").trim_end().to_owned();
    match event {
        CallEventKind::Status(report) => with("status", report.status.as_str()),
        CallEventKind::Leg(leg) => with("leg", leg.status.map_or("", |status| status.as_str())),
        CallEventKind::DigitsGathered(said) if !said.speech.is_empty() => "speech".into(),
        CallEventKind::DigitsGathered(keys) => with("digits", &keys.digits),
        CallEventKind::DialEnded(report) => with(
            "dial-ended",
            report.status.map_or("", |status| status.as_str()),
        ),
        CallEventKind::Transferred { .. } => "transferred".into(),
        CallEventKind::RecordingReady(_) => "recording-ready".into(),
        CallEventKind::MachineDetected(by) => with("machine-detected", &format!("{by:?}")),
        CallEventKind::StreamStarted { .. } => "stream-started".into(),
        CallEventKind::StreamStopped(_) => "stream-stopped".into(),
        CallEventKind::StreamFailed(_) => "stream-failed".into(),
        CallEventKind::CarrierFault { code, .. } => {
            with("carrier-fault", code.as_deref().unwrap_or_default())
        }
        CallEventKind::NextStep { after } => with("next-step", after),
        CallEventKind::Other { name } => with("other", name),
        other => format!("{other:?}"),
    }
}

/// What the codec read, as the messages of the kit write it.
pub(super) fn describe_media(event: &CodecEvent) -> String {
    match event {
        CodecEvent::Start(_) => "start".into(),
        CodecEvent::Audio { payload, .. } => format!("audio {}", payload.len()),
        CodecEvent::Dtmf { digit, .. } => format!("dtmf {digit}"),
        CodecEvent::Mark { name } => format!("mark {name}"),
        CodecEvent::Cleared => "cleared".into(),
        CodecEvent::Stop { .. } => "stop".into(),
        CodecEvent::Unknown { name, .. } => format!("unknown {name}"),
        other => format!("{other:?}"),
    }
}

/// What the codec could not read, as the messages of the kit write it.
pub(super) fn describe_error(kind: ErrorKind) -> String {
    format!("{kind:?}").to_lowercase()
}
