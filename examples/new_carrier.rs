//! A carrier written outside the crates: "Acme", in the same registry and on the same server as the built-in ones.
//!
//! ```sh
//! cargo run --example new_carrier
//! ```
//!
//! First all that a carrier needs; then Acme's own side, which calls an app that knows nothing of it. Acme posts signed
//! JSON, is answered with JSON, and streams 16-bit PCM at 16 kHz.

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use telephony::audio::{AudioFormat, FrameRules};
use telephony::media::*;
use telephony::*;

const ACME: ProviderName = ProviderName::from_static("acme");
const KEYS: &[ConfigKey] = &[ConfigKey::required("secret")];
const FORMAT: AudioFormat = AudioFormat::PCM16_16000;
const FRAME_BYTES: usize = 640; // 20 ms.
const WINDOW: Duration = Duration::from_secs(300); // For how long a signature is good.

/// Joins through the same call as Twilio, Vonage and Exotel.
pub(crate) fn register(registry: &mut Registry) -> Result<()> {
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
        let refuse = |detail: &str| Error::unauthenticated(detail).with_provider(ACME);
        let header = |name| request.header(name).ok_or_else(|| refuse("not signed"));
        let (time, signature) = (header("acme-timestamp")?, header("acme-signature")?);
        let expected = Secret::new(sign(&self.config.secret, time, &request.body)?);
        // In constant time.
        if !expected.matches(signature.as_bytes()) {
            return Err(refuse("the signature is wrong"));
        }
        let seconds = time.parse().map(Duration::from_secs).ok();
        let signed_at = seconds.and_then(|since| UNIX_EPOCH.checked_add(since));
        let signed_at = signed_at.ok_or_else(|| refuse("the timestamp is not in seconds"))?;
        let age = request.received_at.duration_since(signed_at);
        if age.unwrap_or_else(|ahead| ahead.duration()) > WINDOW {
            return Err(refuse("the signature is too old"));
        }
        Ok(Authenticated::new().with_signed_at(signed_at))
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        let call = read(&request.for_account(self)?.body)?;
        let party = |name| Party::parse(text(&call, name));
        let new = IncomingCall::new(request, Direction::Inbound, party("from"), party("to"));
        Ok(new.with_id(CallId::new(text(&call, "call_id"))?))
    }

    fn incoming_call(
        &self,
        _call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered> {
        let steps = answer.steps().iter().map(|step| match step {
            Step::Stream(stream) if stream.rate.is_none_or(|rate| rate == FORMAT.rate) => {
                let key = links.call_key().to_string();
                let mut parameters = stream.parameters.clone();
                parameters.insert(StreamTicket::KEY_PARAMETER.into(), key);
                let (url, hang_up) = (links.media_url()?, stream.then == AfterStream::HangUp);
                Ok(json!({"stream": url, "parameters": parameters, "hang_up": hang_up}))
            }
            Step::Say(say) => Ok(json!({"say": say.text})),
            Step::HangUp => Ok(json!({"hang_up": true})),
            _ => Err(unsupported("this step")),
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        if steps.is_empty() {
            return Err(unsupported("an answer without steps"));
        }
        let body = json!({"steps": steps, "status_url": links.status_url()});
        Ok(Answered::document("application/json", body.to_string()))
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        Ok(self.catch_all_status_callback(request)?.1)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        let raw = &request.for_account(self)?.body;
        let (callback, parameters) = (read(raw)?, Parameters::default());
        let id = Some(CallId::new(text(&callback, "call_id"))?);
        let name = redact::text(text(&callback, "status"));
        let kind = match name.parse() {
            Ok(status) => CallEventKind::Status(StatusReport::new(status)),
            // A word that we do not know is an event, never a status.
            Err(_) => CallEventKind::Other { name },
        };
        let event = CallEvent::new(kind, id.clone()).with_payload(parameters, raw.clone());
        Ok((id, vec![event]))
    }

    fn reply(&self, asked: &Verified, answer: Option<&Answer>, _: &CallLinks) -> Result<Answered> {
        asked.for_account(self)?;
        match answer {
            None => Ok(Answered::empty(http::StatusCode::NO_CONTENT)),
            Some(_) => Err(unsupported("an answer to a callback")),
        }
    }

    fn media_codec(&self, _ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Ok(Box::new(AcmeCodec))
    }
}

/// Binary messages are audio, text messages are JSON with an `event`.
#[derive(Debug)]
struct AcmeCodec;

impl MediaCodec for AcmeCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let event = match &message {
            WireMessage::Text(json) => control(read(json)?, message)?,
            WireMessage::Binary(audio) if audio.len() % 2 == 0 => {
                let (payload, timestamp) = (audio.clone(), None);
                CodecEvent::Audio { payload, timestamp }
            }
            _ => return Err(malformed("half a sample")),
        };
        decoded.events.push_back(event);
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        out.push(match command {
            MediaCommand::Audio(audio) => WireMessage::Binary(audio.clone()),
            MediaCommand::Mark(name) => {
                WireMessage::text(json!({"event": "mark", "name": name}).to_string())
            }
            MediaCommand::Clear => WireMessage::text(r#"{"event":"clear"}"#),
            _ => return Err(unsupported("this media command")),
        });
        Ok(())
    }
}

fn control(mut json: Value, raw: WireMessage) -> Result<CodecEvent> {
    let (event, name) = (text(&json, "event").to_owned(), text(&json, "name").into());
    let (duration, reason) = (None, None);
    Ok(match (event.as_str(), text(&json, "key").parse()) {
        ("start", _) => {
            let rules = FrameRules::new(FRAME_BYTES, FRAME_BYTES, FRAME_BYTES);
            let mut start = StreamStart::new(FORMAT, rules.map_err(|_| malformed("frames"))?);
            // The library compares this, and our call key among the parameters, with the call's.
            start.call_id = Some(CallId::new(text(&json, "call_id"))?);
            let parameters = serde_json::from_value(json["parameters"].take());
            start.parameters = parameters.map_err(|_| malformed("no parameters"))?;
            CodecEvent::Start(Box::new(start))
        }
        ("key", Ok(digit @ ('0'..='9' | '*' | '#'))) => CodecEvent::Dtmf { digit, duration },
        ("mark", _) => CodecEvent::Mark { name },
        ("stop", _) => CodecEvent::Stop { reason },
        _ => CodecEvent::Unknown { name: event, raw },
    })
}

/// The HMAC-SHA256 of `time.body` in hexadecimal; the upgrade of a socket has an empty body.
fn sign(secret: &Secret, time: &str, body: &[u8]) -> Result<String> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.expose().as_bytes());
    let mac = mac.map_err(|_| Error::configuration("`secret` cannot be a key"))?;
    let signed = [time.as_bytes(), b".", body].concat();
    let tag = mac.chain_update(signed).finalize();
    let hex = |byte| format!("{byte:02x}");
    Ok(tag.into_bytes().iter().map(hex).collect())
}

fn read(json: &[u8]) -> Result<Value> {
    // serde's own words may quote a number.
    serde_json::from_slice(json).map_err(|_| malformed("not JSON"))
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(ACME)
}

fn unsupported(what: &str) -> Error {
    Error::unsupported("write for Acme", format!("it cannot take {what}")).with_provider(ACME)
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    house::exit_code(house::within(Duration::from_secs(20), run()).await)
}

async fn run() -> Result<(), BoxError> {
    let mut registry = registry()?;
    register(&mut registry)?;
    let names = registry.names().collect::<Vec<_>>().join(", ");
    house::expect(names.contains("acme"), format!("carriers: {names}"))?;

    let secret = Secret::new(CallKey::random(&OsRandom)?.as_str());
    let settings = Settings::new().with("secret", secret.expose());
    let account = registry.open("Acme", None, settings, &Ports::default())?;
    let server = house::Loopback::start(house::Echo, [account]).await?;
    call(&server.url, &secret).await?;
    server.stop().await
}

/// Acme calls: a webhook, a socket, half a second of noise there and back, a status.
async fn call(base: &str, secret: &Secret) -> Result<(), BoxError> {
    let call = json!({"call_id": "A-1", "from": "+14155550100", "to": "+14155550199"});
    let url = format!("{base}/acme/call");
    post(&url, &call, &Secret::new("guessed"), 403).await?;
    let answer = post(&url, &call, secret, 200).await?;
    let step = &answer["steps"][0];

    let mut socket = house::open_socket(text(step, "stream"), &signed(secret, "")?).await?;
    let start = json!({"event": "start", "call_id": "A-1", "parameters": step["parameters"]});
    socket.send(WireMessage::text(start.to_string())).await?;
    let said: Vec<u8> = (0..FRAME_BYTES * 25).map(|n| (n % 251) as u8).collect();
    let mut heard = Vec::new();
    for frame in said.chunks(FRAME_BYTES) {
        let audio = WireMessage::Binary(frame.to_vec().into());
        socket.send(audio).await?;
    }
    while heard.len() < said.len() {
        if let WireMessage::Binary(audio) = socket.next().await.ok_or("the socket was closed")?? {
            heard.extend_from_slice(&audio);
        }
    }
    let duration = FORMAT.duration_of(heard.len());
    house::expect(heard == said, format!("stream: {duration:?} came back"))?;

    let over = json!({"call_id": "A-1", "status": "completed"});
    post(text(&answer, "status_url"), &over, secret, 204).await?;
    while let Some(Ok(_)) = socket.next().await {}
    house::expect(true, "stream: closed, because the call is over")
}

fn signed(secret: &Secret, body: &str) -> Result<[(&'static str, String); 2], BoxError> {
    let now = UNIX_EPOCH.elapsed()?.as_secs().to_string();
    let signature = sign(secret, &now, body.as_bytes())?;
    Ok([("acme-timestamp", now), ("acme-signature", signature)])
}

async fn post(url: &str, body: &Value, secret: &Secret, wanted: u16) -> Result<Value, BoxError> {
    let body = body.to_string();
    let (status, answer) = house::post(url, &signed(secret, &body)?, &body).await?;
    house::expect(status == wanted, format!("{url}: {status}"))?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}
