//! The conformance kit finds what it should: for each rule there is a fault that breaks it, put into a carrier that otherwise
//! obeys all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use http::{Method, Request, Response};
use std::fmt;
use std::sync::Arc;
use support::{TWILIO_SID, twilio_signature};
use telephony::audio::AudioFormat;
use telephony::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, MediaSocket, StreamTicket, Streamer, WireMessage,
};
use telephony::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierCall, CarrierEntry, ConfigKey, Direction, Dtmf, Error, Handover, HttpClient,
    IncomingCall, Operation, OutboundCall, PlacedCall, Ports, ProviderName, Recording,
    RecordingAudio, RecordingId, Registry, Result, Settings, Step, Telephony, Verb, Verified,
    WebhookKind, WebhookRequest,
};
use telephony_testkit::Conformance;
use telephony_testkit::conformance::Rule;

/// One that looks like a real one.
const TOKEN: &str = "5f4e3d2c1b0a99887766554433221100";
const KEYS: &[ConfigKey] = &[
    ConfigKey::required("account_sid"),
    ConfigKey::required("auth_token"),
    ConfigKey::optional("fault"),
];

/// A carrier with that fault in it, or with none.
fn with_fault(fault: &str) -> Conformance {
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

fn sign(request: &mut WebhookRequest) {
    let url = match request.kind {
        WebhookKind::MediaUpgrade => request.public_url.replacen("https", "wss", 1),
        _ => request.public_url.clone(),
    };
    let form = telephony::Parameters::from_form(&request.body);
    let form: Vec<_> = form.iter().collect();
    let signature = twilio_signature(TOKEN, &url, &form).parse().unwrap();
    request.headers.insert("x-twilio-signature", signature);
}

fn register(registry: &mut Registry) -> Result<()> {
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
            _ => self.inner.authenticate(request),
        }
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        let call = self.inner.accept_call(request)?;
        if !self.has("mistakes the direction") {
            return Ok(call);
        }
        let (from, to) = (call.from().clone(), call.to().clone());
        let turned = IncomingCall::new(request, Direction::Outbound, from, to);
        Ok(turned.with_id(call.id().cloned().unwrap()))
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

#[test]
fn a_carrier_without_a_fault_obeys_all_rules() {
    with_fault("none").run().unwrap();
}

#[test]
fn each_fault_breaks_its_rule() {
    for (fault, rule) in [
        ("takes unknown settings", Rule::Settings),
        ("takes nobody's requests", Rule::GoodRequests),
        ("takes everybody's requests", Rule::Mutations),
        ("takes everybody's requests", Rule::ForeignRequests),
        ("takes the URL's signature for a body's", Rule::OtherMethods),
        ("mistakes the direction", Rule::Calls),
        ("forgets events", Rule::Events),
        ("panics on bytes", Rule::ReadersNeverPanic),
        ("has no acknowledgement", Rule::Replies),
        ("cannot speak", Rule::ClaimedSteps),
        ("does not claim to speak", Rule::UnclaimedSteps),
        ("does not escape", Rule::HostileAnswers),
        ("does not hang up", Rule::ClaimedOperations),
        ("gives up what is to be ended", Rule::OperationRequests),
        ("does not claim to send keys", Rule::UnclaimedOperations),
        ("calls again", Rule::BrokenOperations),
        ("is deaf to keys", Rule::MediaMessages),
        ("panics on messages", Rule::MediaNeverPanics),
        ("turns audio round", Rule::MediaRoundTrip),
        ("claims another format", Rule::Frames),
        ("does not clear", Rule::ClearAndMarks),
        ("never streams", Rule::StreamLife),
        ("shows its token", Rule::Redaction),
    ] {
        let broken = with_fault(fault).check(rule);
        let broken = broken.expect_err(&format!("{rule} does not find: {fault}"));
        assert_eq!(broken.rules(), [rule], "{fault}: {broken}");
        assert!(broken.to_string().contains(rule.demand()), "{broken}");
        assert!(!broken.to_string().contains(TOKEN), "{broken}");
    }
}

#[test]
fn a_request_that_differs_is_described_without_numbers_and_secrets() {
    for (fault, finding) in [
        (
            "gives up what is to be ended",
            "`form/Status` is \"canceled\" and should be \"completed\"",
        ),
        (
            "calls another number",
            "`form/To` is \"[number]\" and should be \"+[a number]\"",
        ),
        (
            "tells its token",
            "`form/StatusCallbackEvent/[a secret]` is sent, and the message does not have it",
        ),
        ("forgets a field", "`form/StatusCallbackMethod` is missing"),
        (
            "adds a field",
            "`form/Trim` is sent, and the message does not have it",
        ),
        (
            "sends no form",
            "`content-type` is \"\" and should be \"application/x-www-form-urlencoded\"",
        ),
        (
            "asks for all at once",
            "`query/PageSize` is \"1000\" and should be \"50\"",
        ),
    ] {
        let broken = with_fault(fault).check(Rule::OperationRequests);
        let broken = broken.unwrap_err().to_string();
        assert!(broken.contains(finding), "{fault}: {broken}");
        for hidden in [TOKEN, "4155550199", "4155550177", "conformance-token"] {
            assert!(!broken.contains(hidden), "{fault}: {broken}");
        }
    }
}

#[test]
fn what_is_claimed_needs_a_message_that_shows_it() {
    let settings = Settings::new()
        .with("account_sid", TWILIO_SID)
        .with("auth_token", TOKEN);
    let bare = Conformance::new("twilio", register, settings).signed_by(sign);
    let broken = bare.clone().check(Rule::Messages).unwrap_err();
    for missing in [
        "a call that comes in",
        "a key on the media socket",
        "`hang-up`",
    ] {
        assert!(broken.to_string().contains(missing), "{missing}: {broken}");
    }
    let hang_up = serde_json::json!({
        "source": "x",
        "rest": {"operation": "hang-up", "call": "CA1", "answers": [{"status": 404}]}
    });
    let broken = bare
        .clone()
        .with_message("one", hang_up)
        .check(Rule::Messages);
    let broken = broken.unwrap_err();
    let mut details = broken.failures().iter().map(|failure| &*failure.detail);
    assert!(details.any(|detail| detail == "no message shows what is sent for `hang-up` (`asks`)"));
    let misspelt = serde_json::json!({"source": "x", "webhoook": {}});
    let broken = bare.with_message("one", misspelt).check(Rule::Messages);
    assert!(
        broken
            .unwrap_err()
            .to_string()
            .contains("[one] unknown field")
    );
}
