//! The servers. Each prints its address and serves until its input is closed.

use crate::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use std::collections::VecDeque;
use std::future::Future;
use std::io::Read as _;
use std::time::Duration;
use telephony::audio::SampleRate;
use telephony::media::{AppFormat, MediaEvent, StreamOptions, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, CallServer, Calls, IncomingCall, Ports, Provider, PublicUrl,
    ServerOptions, Settings,
};
use telephony_benches::{FRAME, pcm16};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "an-auth-token-for-benchmarks";

/// As much is sent ahead as the library does by default.
const LEAD: Duration = Duration::from_millis(200);

pub(crate) fn run(kind: Kind, workers: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        match kind {
            Kind::Bare => accept(listener, bare).await,
            Kind::ByHand => accept(listener, by_hand).await,
            Kind::Passing => {
                let mut options = StreamOptions::default().with_format(AppFormat::Carrier);
                options.voice = None;
                whole(listener, options).await;
            }
            Kind::Defaults => whole(listener, StreamOptions::default()).await,
            Kind::Wideband => {
                let options = StreamOptions::default().with_format(pcm16(SampleRate::HZ_16000));
                whole(listener, options).await;
            }
        }
    });
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(0);
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: fn(WebSocketStream<TcpStream>) -> F,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            stream.set_nodelay(true).unwrap();
            // The library's sizes; with tungstenite's own these would be the more expensive servers.
            let sizes = ServerOptions::default().socket;
            let config = WebSocketConfig::default()
                .read_buffer_size(sizes.read_buffer)
                .write_buffer_size(sizes.write_buffer);
            let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config));
            serve(socket.await.unwrap()).await;
        });
    }
}

async fn bare(mut socket: WebSocketStream<TcpStream>) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

#[derive(Deserialize)]
struct Incoming<'a> {
    event: &'a str,
    #[serde(rename = "streamSid")]
    stream_sid: &'a str,
    media: Option<Media<'a>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    payload: &'a str,
}

async fn by_hand(mut socket: WebSocketStream<TcpStream>) {
    let mut queue: VecDeque<Vec<u8>> = VecDeque::new();
    let mut sid = String::new();
    let mut playout_end = Instant::now();
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = sleep_until(playout_end - LEAD), if !queue.is_empty() => Some(Ok(Message::Ping(Vec::new().into()))),
        };
        let Some(Ok(message)) = message else { break };
        if let Message::Text(text) = &message {
            let incoming: Incoming<'_> = serde_json::from_str(text).unwrap();
            match (incoming.event, incoming.media) {
                ("start", _) => sid = incoming.stream_sid.to_owned(),
                ("media", Some(media)) => queue.push_back(STANDARD.decode(media.payload).unwrap()),
                _ => {}
            }
        }
        let now = Instant::now();
        let mut wrote = false;
        while playout_end < now + LEAD
            && let Some(audio) = queue.pop_front()
        {
            let payload = STANDARD.encode(audio);
            let text = format!(
                r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"{payload}"}}}}"#
            );
            socket.feed(Message::text(text)).await.unwrap();
            wrote = true;
            playout_end = playout_end.max(now) + FRAME;
        }
        if wrote && socket.flush().await.is_err() {
            break;
        }
    }
}

#[derive(Debug)]
struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            if let MediaEvent::Audio(frame) = event
                && stream.send(frame.payload).await.is_err()
            {
                break;
            }
        }
    }
}

async fn whole(listener: TcpListener, stream: StreamOptions) {
    let mut options = ServerOptions::default();
    options.stream = stream;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Calls::new(PublicUrl::new(&url).unwrap());
    let server = CallServer::with(calls, Echo, options);
    let settings = Settings::new()
        .with("account_sid", ACCOUNT)
        .with("auth_token", TOKEN);
    let account = Provider::Twilio.open(None, settings, &Ports::default());
    server.add_account(account.unwrap());
    server
        .serve(listener, std::future::pending())
        .await
        .unwrap();
}
