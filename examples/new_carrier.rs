//! A carrier written outside the crates: "Acme", in the same registry and on the same server as the built-in ones.
//!
//! ```sh
//! cargo run --example new_carrier
//! ```
//!
//! The first part is all that a carrier needs. Then comes an app that knows nothing of it, and at the end Acme's own side:
//! it calls the app and says what happened. Acme posts signed JSON, reads JSON, and streams 16-bit PCM at 16 kHz.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony::audio::{AudioFormat, FrameRules, encode, tone};
use telephony::media::*;
use telephony::*;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const ACME: ProviderName = ProviderName::from_static("acme");
const KEYS: &[ConfigKey] = &[ConfigKey::required("secret")];
const FORMAT: AudioFormat = AudioFormat::PCM16_16000;
/// 20 ms.
const FRAME_BYTES: usize = 640;
/// How far the time of a signature may be from ours.
const WINDOW: Duration = Duration::from_secs(300);

/// Joins through the same call as Twilio, Vonage and Exotel.
fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: "acme",
        aliases: &[],
        keys: KEYS,
        open: |account, settings, _ports| {
            let config = settings.read(&ACME, KEYS)?;
            Ok(Arc::new(Acme { account, config }))
        },
    })
}

#[derive(Debug, serde::Deserialize)]
struct Config {
    secret: Secret, // `Debug` does not show it.
}

#[derive(Debug)]
struct Acme {
    account: AccountLabel,
    config: Config,
}

impl Telephony for Acme {
    fn provider(&self) -> &ProviderName {
        const { &ACME }
    }

    fn account(&self) -> &AccountLabel {
        &self.account
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_verbs([Verb::Stream, Verb::Say, Verb::HangUp])
            .with_formats([FORMAT])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::Everything)
            .with_dtmf_in()
            .with_signatures(true, true)
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        let refuse = |detail: &str| acme(Error::unauthenticated(detail));
        let header = |name| request.header(name).ok_or_else(|| refuse("not signed"));
        let (time, signature) = (header("acme-timestamp")?, header("acme-signature")?);
        let expected = sign(&self.config.secret, time, &request.body)?;
        // Compared in constant time.
        if !Secret::new(expected).matches(signature.as_bytes()) {
            return Err(refuse("the signature is wrong"));
        }
        let seconds = time.parse().map(Duration::from_secs).ok();
        let signed_at = seconds.and_then(|since| UNIX_EPOCH.checked_add(since));
        let signed_at = signed_at.ok_or_else(|| refuse("the timestamp is not in seconds"))?;
        let age = request.received_at.duration_since(signed_at);
        if age.unwrap_or_else(|ahead| ahead.duration()) > WINDOW {
            return Err(refuse("the signature is too old"));
        }
        let authenticated = Authenticated::new().with_signed_at(signed_at);
        Ok(authenticated.with_replay_key(signature))
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        let call = read(&request.for_account(self)?.body)?;
        let party = |name| Party::parse(text(&call, name));
        let (from, to) = (party("from"), party("to"));
        let id = CallId::new(text(&call, "call_id")).map_err(acme)?;
        Ok(IncomingCall::new(request, Direction::Inbound, from, to).with_id(id))
    }

    fn incoming_call(&self, _: &IncomingCall, answer: &Answer, links: &CallLinks) -> Result<Answered> {
        let refuse = |what: &str| acme(Error::unsupported("write answer", format!("no {what}")));
        let steps = answer.steps().iter().map(|step| match step {
            Step::Stream(stream) if stream.rate.is_none_or(|rate| rate == FORMAT.rate) => {
                let mut parameters = stream.parameters.clone();
                parameters.insert(StreamTicket::KEY_PARAMETER.into(), links.call_key().to_string());
                let hang_up = stream.then == AfterStream::HangUp;
                Ok(json!({"stream": links.media_url()?, "parameters": parameters, "hang_up": hang_up}))
            }
            Step::Say(say) => Ok(json!({"say": say.text})),
            Step::HangUp => Ok(json!({"hang_up": true})),
            other => Err(refuse(other.name())),
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        if steps.is_empty() {
            return Err(refuse("answer without steps, nor document of its own"));
        }
        let body = json!({"steps": steps, "status_url": links.status_url()});
        Ok(Answered::document("application/json", body.to_string()))
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        Ok(self.catch_all_status_callback(request)?.1)
    }

    fn catch_all_status_callback(&self, request: &Verified) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        let body = &request.for_account(self)?.body;
        let callback = read(body)?;
        let id = Some(CallId::new(text(&callback, "call_id")).map_err(acme)?);
        let kind = match text(&callback, "status").parse() {
            Ok(status) => CallEventKind::Status(StatusReport::new(status)),
            // A word that we do not know is an event, never a status.
            Err(_) => CallEventKind::Other { name: redact::text(text(&callback, "event")) },
        };
        let event = CallEvent::new(kind, id.clone());
        Ok((id, vec![event.with_payload(Parameters::default(), body.clone())]))
    }

    fn reply(&self, request: &Verified, answer: Option<&Answer>, _: &CallLinks) -> Result<Answered> {
        request.for_account(self)?;
        match answer {
            None => Ok(Answered::empty(http::StatusCode::NO_CONTENT)),
            Some(_) => Err(acme(Error::unsupported("answer callback", "Acme takes no answer"))),
        }
    }

    fn media_codec(&self, _: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Ok(Box::new(AcmeCodec))
    }
}

/// Binary messages are audio, text messages are JSON with an `event`.
#[derive(Debug)]
struct AcmeCodec;

impl MediaCodec for AcmeCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let mut json = match &message {
            WireMessage::Text(text) => read(text)?,
            WireMessage::Binary(audio) if audio.len() % 2 == 0 => {
                let (payload, timestamp) = (audio.clone(), None);
                decoded.events.push_back(CodecEvent::Audio { payload, timestamp });
                return Ok(());
            }
            _ => return Err(malformed("half a sample")),
        };
        let key = text(&json, "key").parse().ok();
        decoded.events.push_back(match (text(&json, "event"), key) {
            ("start", _) => {
                let rules = FrameRules::new(FRAME_BYTES, FRAME_BYTES, FRAME_BYTES);
                let mut start = StreamStart::new(FORMAT, rules.map_err(|_| malformed("frames"))?);
                // The library compares the id, and our call key among the parameters, with the call's.
                start.call_id = Some(CallId::new(text(&json, "call_id")).map_err(acme)?);
                let parameters = serde_json::from_value(json["parameters"].take());
                start.parameters = parameters.map_err(|_| malformed("no parameters"))?;
                CodecEvent::Start(Box::new(start))
            }
            ("key", Some(digit @ ('0'..='9' | '*' | '#'))) => CodecEvent::Dtmf { digit, duration: None },
            ("mark", _) => CodecEvent::Mark { name: text(&json, "name").into() },
            ("stop", _) => CodecEvent::Stop { reason: None },
            (name, _) => CodecEvent::Unknown { name: name.into(), raw: message.clone() },
        });
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        out.push(match command {
            MediaCommand::Audio(audio) => WireMessage::Binary(audio.clone()),
            MediaCommand::Mark(name) => WireMessage::text(json!({"event": "mark", "name": name}).to_string()),
            MediaCommand::Clear => WireMessage::text(r#"{"event":"clear"}"#),
            _ => return Err(acme(Error::unsupported("write media", "Acme has no such command"))),
        });
        Ok(())
    }
}

/// The HMAC-SHA256 of `time.body` in hexadecimal; the upgrade of a socket has an empty body.
fn sign(secret: &Secret, time: &str, body: &[u8]) -> Result<String> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.expose().as_bytes());
    let mac = mac.map_err(|_| Error::configuration("`secret` cannot be a key"))?;
    let tag = mac.chain_update(time).chain_update(".").chain_update(body).finalize();
    Ok(tag.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read(json: &[u8]) -> Result<Value> {
    // serde's own words may quote a number.
    serde_json::from_slice(json).map_err(|_| malformed("not JSON"))
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

fn malformed(detail: &str) -> Error {
    acme(Error::malformed(detail))
}

fn acme(error: Error) -> Error {
    error.with_provider(ACME)
}

/// The app.
#[derive(Debug)]
struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            match event {
                MediaEvent::Audio(frame) => drop(stream.send(frame.payload).await),
                MediaEvent::Stopped { reason } => println!("the app's stream is over: {reason}"),
                _ => {}
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    house::exit_code(house::within(Duration::from_secs(20), run()).await)
}

async fn run() -> Result<(), BoxError> {
    let mut registry = registry()?;
    register(&mut registry)?;
    println!("known carriers: {}", registry.names().collect::<Vec<_>>().join(", "));

    let secret = Secret::new(CallKey::random(&OsRandom)?.as_str());
    let acme = Settings::new().with("secret", secret.expose());
    let twilio = Settings::new().with("account_sid", "AC0").with("auth_token", "unused");
    let accounts = [("acme".into(), acme), ("twilio".into(), twilio)];
    let server = house::Loopback::start(Echo, registry.open_all(accounts, &Ports::default())?).await?;
    call(&server.url, &secret).await?;
    server.stop().await
}

/// Acme calls: a webhook, a socket, half a second of a tone there and back, a status.
async fn call(base: &str, secret: &Secret) -> Result<(), BoxError> {
    let url = format!("{base}/acme/call");
    let call = json!({"call_id": "A-1", "from": "+14155550100", "to": "+14155550199"});
    let (status, _) = post(&url, &call, &Secret::new("guessed")).await?;
    expect(status == 403, format!("a wrong signature is refused: {status}"))?;
    let (status, answer) = post(&url, &call, secret).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let step = &answer["steps"][0];
    expect(status == 200 && step["hang_up"] == true, format!("the call is answered: {status}"))?;

    let mut upgrade = text(step, "stream").into_client_request()?;
    for (name, value) in signed(secret, "")? {
        upgrade.headers_mut().insert(name, value.parse()?);
    }
    let tcp = TcpStream::connect(base.trim_start_matches("http://")).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(upgrade, tcp).await?;
    let start = json!({"event": "start", "call_id": "A-1", "parameters": step["parameters"]});
    socket.send(Message::text(start.to_string())).await?;
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    let tone = tone::tone(FORMAT.rate, 440.0, Duration::from_millis(500), 0.5);
    encode(FORMAT.encoding, &tone, &mut said);
    for frame in said.chunks(FRAME_BYTES) {
        socket.send(Message::binary(frame.to_vec())).await?;
    }
    while heard.len() < said.len() {
        let message = socket.next().await.ok_or("the socket was closed too early")??;
        heard.extend_from_slice(&message.into_data());
    }
    expect(heard == said, format!("{} bytes of audio came back", heard.len()))?;

    let over = json!({"call_id": "A-1", "status": "completed"});
    let (status, _) = post(text(&answer, "status_url"), &over, secret).await?;
    expect(status == 204, format!("the status is taken: {status}"))?;
    while let Some(Ok(_)) = socket.next().await {} // The end of the call ends its stream.
    expect(true, "the socket is closed".into())
}

fn expect(fine: bool, what: String) -> Result<(), BoxError> {
    println!("{what}");
    if fine { Ok(()) } else { Err("that is not as it should be".into()) }
}

fn signed(secret: &Secret, body: &str) -> Result<[(&'static str, String); 2], BoxError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let signature = sign(secret, &now, body.as_bytes())?;
    Ok([("acme-timestamp", now), ("acme-signature", signature)])
}

async fn post(url: &str, body: &Value, secret: &Secret) -> Result<(u16, Vec<u8>), BoxError> {
    let body = body.to_string();
    house::post(url, &signed(secret, &body)?, &body).await
}
