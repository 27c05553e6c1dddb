//! A carrier that obeys all rules, or has one fault.

use crate::support::{TWILIO_SID, twilio_signature};
use bytes::Bytes;
use http::{Method, Request, Response};
use std::fmt;
use std::sync::Arc;
use telephony::audio::AudioFormat;
use telephony::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, MediaSocket, StreamTicket, Streamer, WireMessage,
};
use telephony::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierCall, CarrierEntry, ConfigKey, Direction, Dtmf, Error, Handover, HttpClient,
    IncomingCall, Operation, OutboundCall, Parameters, Party, PlacedCall, Ports, ProviderName,
    Recording, RecordingAudio, RecordingId, Registry, Result, Settings, Step, Telephony, Verb,
    Verified, WebhookKind, WebhookRequest,
};
use telephony_testkit::Conformance;

/// One that looks like a real one.
pub(crate) const TOKEN: &str = "5f4e3d2c1b0a99887766554433221100";
const KEYS: &[ConfigKey] = &[
    ConfigKey::required("account_sid"),
    ConfigKey::required("auth_token"),
    ConfigKey::optional("fault"),
];

/// A carrier with that fault in it, or with none.
pub(crate) fn with_fault(fault: &str) -> Conformance {
    let settings = Settings::new()
        .with("account_sid", TWILIO_SID)
        .with("auth_token", TOKEN)
        .with("fault", fault);
    let messages = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/twilio/tests/messages");
    Conformance::new("twilio", register, settings)
        .with_secret(TOKEN)
        .signed_by(sign)
        .with_folder(messages)
}

pub(crate) fn sign(request: &mut WebhookRequest) {
    let url = match request.kind {
        WebhookKind::MediaUpgrade => request.public_url.replacen("https", "wss", 1),
        _ => request.public_url.clone(),
    };
    let form = Parameters::from_form(&request.body);
    let form: Vec<_> = form.iter().collect();
    let signature = twilio_signature(TOKEN, &url, &form).parse().unwrap();
    request.headers.insert("x-twilio-signature", signature);
}

pub(crate) fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: "twilio",
        aliases: &[],
        keys: KEYS,
        open,
    })
}

fn open(label: AccountLabel, mut settings: Settings, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    let fault = settings.take_text("fault").unwrap_or_default();
    if fault == "takes unknown settings" {
        settings.take_text("no_such_setting");
    }
    let mut registry = Registry::new();
    telephony::twilio::register(&mut registry)?;
    let http = FaultyHttp {
        inner: Arc::clone(&ports.http),
        fault: fault.clone(),
    };
    let ports = ports.clone().with_http(Arc::new(http));
    let inner = registry.open("twilio", Some(label), settings, &ports)?;
    Ok(Arc::new(Faulty { inner, fault }))
}

struct Faulty {
    inner: Arc<dyn Telephony>,
    fault: String,
}

impl Faulty {
    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn refuse<T>(&self) -> Result<T> {
        Err(Error::unsupported("test", "a fault").with_provider(self.provider()))
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has("shows its token") {
            true => write!(f, "Faulty({TOKEN})"),
            false => self.inner.fmt(f),
        }
    }
}

#[async_trait::async_trait]
impl Telephony for Faulty {
    fn provider(&self) -> &ProviderName {
        self.inner.provider()
    }

    fn account(&self) -> &AccountLabel {
        self.inner.account()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        match self.fault.as_str() {
            "does not claim to speak" => drop(capabilities.verbs.remove(&Verb::Say)),
            "does not claim to send keys" => {
                capabilities.operations.remove(&Operation::SendDtmf);
            }
            "claims another format" => capabilities.formats = vec![AudioFormat::PCM16_16000],
            _ => {}
        }
        capabilities
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        match self.fault.as_str() {
            "takes everybody's requests" => Ok(Authenticated::new()),
            "takes nobody's requests" => Err(Error::unauthenticated("no")),
            "takes the URL's signature for a body's" => {
                let mut bare = request.clone();
                bare.method = Method::GET;
                bare.body = Bytes::new();
                let of_url = self.inner.authenticate(&bare);
                self.inner.authenticate(request).or(of_url)
            }
            "reads the body of a GET" if request.method == Method::GET => {
                let mut bare = request.clone();
                bare.body = Bytes::new();
                self.inner.authenticate(&bare)
            }
            "reads the query first" => {
                let mut bare = request.clone();
                let url = bare.public_url.split('?').next();
                bare.public_url = url.unwrap_or_default().to_owned();
                let without_query = self.inner.authenticate(&bare);
                self.inner.authenticate(request).or(without_query)
            }
            _ => self.inner.authenticate(request),
        }
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        let call = self.inner.accept_call(request)?;
        let (mut direction, mut from) = (call.direction(), call.from().clone());
        let said = match self.fault.as_str() {
            "reads the body of a GET" => Parameters::from_form(&request.request().body),
            "reads the query first" => request.request().query(),
            _ => Parameters::default(),
        };
        if let Some(other) = said.get("From") {
            from = Party::parse(other);
        }
        if self.has("mistakes the direction") {
            direction = Direction::Outbound;
        }
        let read = IncomingCall::new(request, direction, from, call.to().clone());
        Ok(read
            .with_id(call.id().cloned().unwrap())
            .with_status(call.status()))
    }

    fn incoming_call(
        &self,
        call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered> {
        match (self.fault.as_str(), answer.steps().first()) {
            ("cannot speak", Some(Step::Say(_))) => self.refuse(),
            ("does not escape", Some(Step::Say(say))) => {
                let text = &say.text;
                let xml = format!("<Response><Say>{text}</Say></Response>");
                Ok(Answered::document("text/xml", xml))
            }
            _ => self.inner.incoming_call(call, answer, links),
        }
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        self.inner.status_callback(request)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        if self.has("panics on bytes") && std::str::from_utf8(&request.request().body).is_err() {
            panic!("a fault");
        }
        let (id, mut events) = self.inner.catch_all_status_callback(request)?;
        if self.has("forgets events") {
            events.clear();
        }
        Ok((id, events))
    }

    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered> {
        match answer {
            None if self.has("has no acknowledgement") => self.refuse(),
            Some(answer) if self.has("cannot speak") => match answer.steps() {
                [Step::Say(_), ..] => self.refuse(),
                _ => self.inner.reply(request, Some(answer), links),
            },
            answer => self.inner.reply(request, answer, links),
        }
    }

    fn media_codec(&self, ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Ok(Box::new(FaultyCodec {
            inner: self.inner.media_codec(ticket)?,
            fault: self.fault.clone(),
        }))
    }

    async fn streamer(
        &self,
        socket: Box<dyn MediaSocket>,
        ticket: StreamTicket,
    ) -> Result<Box<dyn Streamer>> {
        if self.has("never streams") {
            return self.refuse();
        }
        telephony::media::drive(socket, self.media_codec(&ticket)?, ticket).await
    }

    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        match self.inner.make_call(call, links).await {
            Err(_) if self.has("calls again") => self.inner.make_call(call, links).await,
            result => result,
        }
    }

    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        match self.has("does not hang up") {
            true => self.refuse(),
            false => self.inner.hang_up(call).await,
        }
    }

    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.inner.transfer(call, answer, links).await
    }

    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, links: &CallLinks) -> Result<()> {
        self.inner.send_dtmf(call, keys, links).await
    }

    async fn start_recording(&self, call: &CarrierCall, links: &CallLinks) -> Result<RecordingId> {
        self.inner.start_recording(call, links).await
    }

    async fn stop_recording(&self, call: &CarrierCall, recording: &RecordingId) -> Result<()> {
        self.inner.stop_recording(call, recording).await
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<telephony::CallSnapshot> {
        self.inner.fetch_call(call).await
    }

    async fn find_placed(
        &self,
        call: &OutboundCall,
        since: std::time::SystemTime,
    ) -> Result<Vec<telephony::CallSnapshot>> {
        self.inner.find_placed(call, since).await
    }

    async fn fetch_recording(&self, recording: &Recording) -> Result<RecordingAudio> {
        self.inner.fetch_recording(recording).await
    }
}

#[derive(Debug)]
struct FaultyCodec {
    inner: Box<dyn MediaCodec>,
    fault: String,
}

impl MediaCodec for FaultyCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let read = self.inner.decode(message, decoded);
        if self.fault == "panics on messages" && read.is_err() {
            panic!("a fault");
        }
        if self.fault == "is deaf to keys" {
            let is_key = |event: &CodecEvent| matches!(event, CodecEvent::Dtmf { .. });
            decoded.events.retain(|event| !is_key(event));
        }
        read
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        match command {
            MediaCommand::Clear if self.fault == "does not clear" => Ok(()),
            MediaCommand::Audio(audio) if self.fault == "turns audio round" => {
                let turned: Vec<u8> = audio.iter().rev().copied().collect();
                self.inner.encode(MediaCommand::Audio(&turned.into()), out)
            }
            command => self.inner.encode(command, out),
        }
    }
}

/// Sends requests that are not quite what they should be.
#[derive(Debug)]
struct FaultyHttp {
    inner: Arc<dyn HttpClient>,
    fault: String,
}

#[async_trait::async_trait]
impl HttpClient for FaultyHttp {
    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let (mut head, body) = request.into_parts();
        let mut form = std::str::from_utf8(&body).unwrap().to_owned();
        match self.fault.as_str() {
            "gives up what is to be ended" => {
                form = form.replace("Status=completed", "Status=canceled");
            }
            "calls another number" => form = form.replace("14155550199", "14155550177"),
            "tells its token" => form = form.replace("Event=ringing", &format!("Event={TOKEN}")),
            "forgets a field" => form = form.replace("&StatusCallbackMethod=POST", ""),
            "adds a field" if !form.is_empty() => form += "&Trim=trim-silence",
            "sends no form" => drop(head.headers.remove("content-type")),
            "asks for all at once" => {
                let uri = head.uri.to_string().replace("PageSize=50", "PageSize=1000");
                head.uri = uri.parse().unwrap();
            }
            _ => {}
        }
        let request = Request::from_parts(head, form.into());
        self.inner.execute(request).await
    }
}
