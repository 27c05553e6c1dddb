//! A bridge to a realtime speech model over a WebSocket: the caller's µ-law goes to the model and the model's to the caller;
//! when the caller speaks, the bot is silent, and the model learns how much of its answer was heard.
//!
//! ```sh
//! cargo run --example realtime_bridge             # simulated carriers, and a small stand-in for the model
//! cargo run --example realtime_bridge -- --serve  # a real server with the stand-in; variables as for the example `echo`
//! ```
//!
//! The messages are those of the usual realtime APIs: `session.update`, `input_audio_buffer.append`,
//! `input_audio_buffer.speech_started`, `response.output_audio.delta` and `.done`, `conversation.item.truncate`. For a real
//! model open a TLS socket to it in [`Bridge::open_model`] and put your key in its headers.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use telephony::audio::tone::tone;
use telephony::audio::voice::{EnergyDetector, SpeechEdge, SpeechGate};
use telephony::audio::{AudioFormat, decode, encode};
use telephony::media::{MediaEvent, StreamOptions, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, CallRecord, ErrorKind, IncomingCall, Provider, ServerOptions,
};
use telephony_testkit::{Script, Speech};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const HELP: &str = "\
Bridges calls to a stand-in for a realtime speech model.

usage: realtime_bridge [--demo | --serve]

--demo   simulated carriers call and interrupt (default)
--serve  a real server: TELEPHONY_PUBLIC_URL and the variables of at least one carrier
         are needed; it listens on TELEPHONY_LISTEN (default 127.0.0.1:8080)";

/// What the model is told to speak. Where the line has the same, not a byte is touched.
const FORMAT: AudioFormat = AudioFormat::MULAW_8000;
/// A model hands over whole answers at once. One that is longer waits at the socket.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

type Model = WebSocketStream<TcpStream>;

#[derive(Debug)]
struct Bridge {
    /// Where the model listens: host and port.
    model: String,
}

#[async_trait::async_trait]
impl CallHandler for Bridge {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    fn stream_options(&self, _call: &CallRecord, options: StreamOptions) -> StreamOptions {
        let mut options = options.with_format(FORMAT);
        options.send_queue = LONGEST_ANSWER;
        // The model tells when the caller speaks.
        options.voice = None;
        options
    }

    async fn on_stream(&self, stream: Box<dyn Streamer>) {
        let bridged = async {
            let model = self.open_model().await?;
            bridge(stream, model).await
        };
        if let Err(error) = bridged.await {
            println!("the bridge broke: {error}");
        }
    }
}

impl Bridge {
    async fn open_model(&self) -> Result<Model, BoxError> {
        let socket = TcpStream::connect(&self.model).await?;
        socket.set_nodelay(true)?;
        let url = format!("ws://{}/v1/realtime", self.model);
        let (mut model, _) = tokio_tungstenite::client_async(url, socket).await?;
        let format = json!({ "type": "audio/pcmu" });
        let audio = json!({
            "input": { "format": format, "turn_detection": { "type": "server_vad" } },
            "output": { "format": format },
        });
        say(
            &mut model,
            json!({ "type": "session.update", "session": { "audio": audio } }),
        )
        .await?;
        Ok(model)
    }
}

/// What the model is saying.
#[derive(Debug, Default)]
struct Speaking {
    item: Option<String>,
    /// Interrupted: what still comes of it is not said.
    cut: Option<String>,
}

/// Passes audio on both ways until one of the two has enough.
async fn bridge(mut stream: Box<dyn Streamer>, mut model: Model) -> Result<(), BoxError> {
    let mut speaking = Speaking::default();
    loop {
        tokio::select! {
            event = stream.recv() => match event {
                Some(MediaEvent::Audio(frame)) => {
                    let audio = STANDARD.encode(&frame.payload);
                    say(&mut model, json!({ "type": "input_audio_buffer.append", "audio": audio })).await?;
                }
                Some(_) => {}
                None => {
                    model.close(None).await?;
                    return Ok(());
                }
            },
            message = model.next() => match message.transpose()? {
                Some(Message::Text(text)) => {
                    let message = serde_json::from_str(&text)?;
                    obey(&message, &mut *stream, &mut model, &mut speaking).await?;
                }
                Some(Message::Close(_)) | None => return Ok(()), // Dropping the stream hangs up.
                Some(_) => {}
            },
        }
    }
}

/// Does what the model says.
async fn obey(
    message: &Value,
    stream: &mut dyn Streamer,
    model: &mut Model,
    speaking: &mut Speaking,
) -> Result<(), BoxError> {
    let item = message["item_id"].as_str().map(str::to_owned);
    match message["type"].as_str().unwrap_or_default() {
        "response.output_audio.delta" if item != speaking.cut => {
            speaking.item = item;
            let audio = STANDARD.decode(message["delta"].as_str().unwrap_or_default())?;
            let audio = bytes::Bytes::from(audio);
            match stream.send(audio.clone()).await {
                // Told once of the utterance that was cut; this is of the next one.
                Err(error) if error.kind() == ErrorKind::Interrupted => stream.send(audio).await?,
                sent => sent?,
            }
        }
        "response.output_audio.done" if item != speaking.cut => {
            // The item is an utterance: what is heard is counted from its beginning.
            match stream.finish().await {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                finished => finished?,
            }
        }
        "input_audio_buffer.speech_started" => {
            let heard = stream.playback().clear().await?;
            if let Some(item) = speaking.item.take()
                && !heard.dropped.is_zero()
            {
                let truncate = json!({
                    "type": "conversation.item.truncate",
                    "item_id": item,
                    "content_index": 0,
                    "audio_end_ms": u64::try_from(heard.played.as_millis())?,
                });
                say(model, truncate).await?;
                speaking.cut = Some(item);
            }
        }
        _ => {}
    }
    Ok(())
}

async fn say(socket: &mut Model, message: Value) -> Result<(), BoxError> {
    Ok(socket.send(Message::text(message.to_string())).await?)
}

/// What the stand-in saw of a call.
#[derive(Debug)]
struct Seen {
    /// Milliseconds of its first answer that were heard.
    truncated_at: u64,
    /// Bytes of audio of the caller.
    bytes: usize,
}

/// A model that says ten seconds as soon as somebody is there, and a second when it was interrupted.
async fn stand_in(listener: TcpListener, seen: mpsc::Sender<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(socket, seen).await {
                println!("the stand-in broke: {error}");
            }
        });
    }
}

async fn converse(socket: TcpStream, seen: mpsc::Sender<Seen>) -> Result<(), BoxError> {
    socket.set_nodelay(true)?;
    let mut app = tokio_tungstenite::accept_async(socket).await?;
    let mut gate = SpeechGate::new(
        Box::new(EnergyDetector::default()),
        FORMAT.rate,
        Duration::from_millis(100),
        Duration::from_millis(300),
    );
    let (mut bytes, mut truncated_at) = (0, None);
    while let Some(Ok(message)) = app.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let message: Value = serde_json::from_str(&text)?;
        match message["type"].as_str().unwrap_or_default() {
            "session.update" => answer(&mut app, "item_1", Duration::from_secs(10)).await?,
            "input_audio_buffer.append" => {
                let audio = STANDARD.decode(message["audio"].as_str().unwrap_or_default())?;
                bytes += audio.len();
                let (mut samples, mut edges) = (Vec::new(), Vec::new());
                decode(FORMAT.encoding, &audio, &mut samples);
                gate.process(&samples, |edge, _| edges.push(edge));
                for edge in edges {
                    match edge {
                        SpeechEdge::Started => {
                            let started = json!({ "type": "input_audio_buffer.speech_started" });
                            say(&mut app, started).await?;
                        }
                        SpeechEdge::Ended => {
                            answer(&mut app, "item_2", Duration::from_secs(1)).await?;
                        }
                    }
                }
            }
            "conversation.item.truncate" => truncated_at = message["audio_end_ms"].as_u64(),
            _ => {}
        }
    }
    if let Some(truncated_at) = truncated_at {
        let told = Seen {
            truncated_at,
            bytes,
        };
        seen.send(told).await?;
    }
    Ok(())
}

/// Hands over an answer of that length in pieces of 200 ms, as fast as it can.
async fn answer(app: &mut Model, item: &str, length: Duration) -> Result<(), BoxError> {
    let mut audio = Vec::new();
    encode(
        FORMAT.encoding,
        &tone(FORMAT.rate, 600.0, length, 0.4),
        &mut audio,
    );
    for piece in audio.chunks(FORMAT.bytes_in(Duration::from_millis(200))) {
        let delta = json!({
            "type": "response.output_audio.delta",
            "item_id": item,
            "delta": STANDARD.encode(piece),
        });
        say(app, delta).await?;
    }
    say(
        app,
        json!({ "type": "response.output_audio.done", "item_id": item }),
    )
    .await
}

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    house::exit_code(run().await)
}

async fn run() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--help" | "-h"] = arguments[..] {
        println!("{HELP}");
        return Ok(());
    }
    if !matches!(arguments[..], [] | ["--demo"] | ["--serve"]) {
        return Err(house::Usage("only --demo or --serve is known".to_owned()).into());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let model = listener.local_addr()?.to_string();
    let (seen, sees) = mpsc::channel(16);
    tokio::spawn(stand_in(listener, seen));
    let bridge = Bridge { model };
    match arguments[..] {
        ["--serve"] => house::serve_from_environment(bridge, ServerOptions::default()).await,
        _ => house::within(Duration::from_secs(60), demo(bridge, sees)).await,
    }
}

/// Every simulated carrier calls; the caller interrupts the first answer and hears the second.
async fn demo(bridge: Bridge, mut sees: mpsc::Receiver<Seen>) -> Result<(), BoxError> {
    let server = house::Loopback::start(bridge, house::simulated::accounts()?).await?;
    for provider in Provider::ALL {
        let patience = Duration::from_secs(10);
        let script = Script::new()
            .wait_to_hear(Duration::from_millis(1500), patience)
            .interrupt(Speech::tone(300.0, Duration::from_millis(500)))
            .silence(Duration::from_millis(2200))
            .hang_up();
        let call = house::simulated::call(provider, &server.url).script(script);
        let outcome = call.deadline(Duration::from_secs(30)).call().await;
        for complaint in outcome.errors() {
            println!("{provider} complains: {}", complaint.text);
        }
        let silent = outcome.interruption.ok_or("the model talked on")?.after;
        house::expect(
            outcome.ok() && silent < Duration::from_millis(700),
            format!(
                "{provider}: silent {} ms after the caller began to speak",
                silent.as_millis()
            ),
        )?;
        let seen = sees.recv().await.ok_or("the stand-in saw nothing")?;
        let stream = outcome.stream().ok_or("there was no stream")?;
        // All that was played, without the second answer.
        let first = stream.played.saturating_sub(Duration::from_secs(1));
        house::expect(
            Duration::from_millis(seen.truncated_at).abs_diff(first) < Duration::from_millis(500),
            format!(
                "  the model's answer is cut at {} ms; the carrier played {} ms of it",
                seen.truncated_at,
                first.as_millis()
            ),
        )?;
        let heard = FORMAT.duration_of(seen.bytes);
        println!("  the model heard {} ms of the caller", heard.as_millis());
    }
    server.stop().await
}
