//! A socket in memory: one end is ours, the other end a carrier's that may be slow, closed or broken.

use super::{ScriptedCodec, Sent, ms, ticket};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use telephony_core::audio::AudioFormat;
use telephony_core::media::{
    EndTrigger, MediaEvent, MediaSocket, SocketError, StreamOptions, StreamReceiver, StreamStart,
    Streamer, WireMessage, drive,
};
use telephony_core::{EndReason, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::PollSender;

enum Wire {
    Message(WireMessage),
    Close,
}

struct Socket {
    incoming: mpsc::Receiver<Result<WireMessage, SocketError>>,
    outgoing: PollSender<Wire>,
    closing: bool,
    /// A close waits for the peer's, as a WebSocket's does.
    waits_for_close: bool,
    dropped: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

impl Stream for Socket {
    type Item = Result<WireMessage, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx)
    }
}

impl Sink<WireMessage> for Socket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.outgoing
            .poll_reserve(cx)
            .map_err(|_| SocketError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: WireMessage) -> Result<(), SocketError> {
        self.outgoing
            .send_item(Wire::Message(message))
            .map_err(|_| SocketError::Closed)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if !self.closing {
            ready!(self.outgoing.poll_reserve(cx)).map_err(|_| SocketError::Closed)?;
            self.outgoing
                .send_item(Wire::Close)
                .map_err(|_| SocketError::Closed)?;
            self.closing = true;
        }
        if self.waits_for_close {
            while ready!(self.incoming.poll_recv(cx)).is_some() {}
        }
        Poll::Ready(Ok(()))
    }
}

/// The carrier's end of a socket.
pub(crate) struct Carrier {
    to_us: mpsc::Sender<Result<WireMessage, SocketError>>,
    from_us: mpsc::Receiver<Wire>,
    dropped: Arc<AtomicBool>,
}

/// A socket that takes `capacity` messages which the carrier has not read before its writes wait.
pub(crate) fn socket_pair(capacity: usize) -> (Box<dyn MediaSocket>, Carrier) {
    pair(capacity, false)
}

fn pair(capacity: usize, waits_for_close: bool) -> (Box<dyn MediaSocket>, Carrier) {
    let (to_us, incoming) = mpsc::channel(1024);
    let (outgoing, from_us) = mpsc::channel(capacity);
    let dropped = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        incoming,
        outgoing: PollSender::new(outgoing),
        closing: false,
        waits_for_close,
        dropped: Arc::clone(&dropped),
    };
    let carrier = Carrier {
        to_us,
        from_us,
        dropped,
    };
    (Box::new(socket), carrier)
}

impl Carrier {
    pub(crate) async fn say(&self, text: &str) {
        self.to_us.send(Ok(WireMessage::text(text))).await.unwrap();
    }

    pub(crate) async fn speak(&self, audio: impl Into<Bytes>) {
        let message = WireMessage::Binary(audio.into());
        self.to_us.send(Ok(message)).await.unwrap();
    }

    /// To go on speaking while [`play`](Self::play) listens.
    pub(crate) fn voice(&self) -> Voice {
        Voice(self.to_us.clone())
    }

    /// The connection breaks with an error.
    pub(crate) async fn break_off(&self) {
        let error = SocketError::Broken("connection reset".into());
        self.to_us.send(Err(error)).await.unwrap();
    }

    /// What we wrote; [`None`] once our end is gone.
    pub(crate) async fn hear(&mut self) -> Option<Sent> {
        Some(match self.from_us.recv().await? {
            Wire::Message(message) => Sent::read(message),
            Wire::Close => Sent::Close,
        })
    }

    /// What we wrote until now.
    pub(crate) fn heard_now(&mut self) -> Vec<Sent> {
        let mut heard = Vec::new();
        while let Ok(wire) = self.from_us.try_recv() {
            heard.push(match wire {
                Wire::Message(message) => Sent::read(message),
                Wire::Close => Sent::Close,
            });
        }
        heard
    }

    /// Takes nothing any more: our writes fail. What it has said can still be read.
    pub(crate) fn stop_listening(&mut self) {
        self.from_us.close();
        while self.from_us.try_recv().is_ok() {}
    }

    /// Whether our end is gone.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Plays what it gets in real time and sends marks back when they are reached, until our end is gone. Gives back what
    /// it got, and when.
    pub(crate) fn play(mut self, format: AudioFormat) -> tokio::task::JoinHandle<Played> {
        tokio::spawn(async move {
            let began = Instant::now();
            let mut played = Played { log: Vec::new() };
            let mut end = began;
            let mut marks: VecDeque<(Instant, String)> = VecDeque::new();
            loop {
                let next = marks.front().map_or(began + MAX, |(due, _)| *due);
                tokio::select! {
                    sent = self.hear() => {
                        let Some(sent) = sent else { return played };
                        let now = Instant::now();
                        match &sent {
                            Sent::Audio(audio) => end = end.max(now) + format.duration_of(audio.len()),
                            Sent::Mark(name) => marks.push_back((end.max(now), name.clone())),
                            Sent::Clear => {
                                end = end.min(now);
                                marks.iter_mut().for_each(|(due, _)| *due = now);
                            }
                            _ => {}
                        }
                        played.log.push((now - began, sent));
                    }
                    () = sleep_until(next), if !marks.is_empty() => {
                        if let Some((_, name)) = marks.pop_front() {
                            let echo = WireMessage::text(format!("mark:{name}"));
                            // Our end may be gone by now.
                            let _ = self.to_us.send(Ok(echo)).await;
                        }
                    }
                }
            }
        })
    }
}

/// A carrier's mouth.
#[derive(Clone)]
pub(crate) struct Voice(mpsc::Sender<Result<WireMessage, SocketError>>);

impl Voice {
    pub(crate) async fn speak(&self, audio: Bytes) {
        self.0.send(Ok(WireMessage::Binary(audio))).await.unwrap();
    }

    /// The same, unless our end is gone.
    pub(crate) async fn try_speak(&self, audio: Bytes) {
        let _ = self.0.send(Ok(WireMessage::Binary(audio))).await;
    }

    pub(crate) async fn try_say(&self, text: &str) {
        let _ = self.0.send(Ok(WireMessage::text(text))).await;
    }

    pub(crate) async fn say(&self, text: &str) {
        self.0.send(Ok(WireMessage::text(text))).await.unwrap();
    }
}

const MAX: Duration = Duration::from_secs(1 << 30);

/// What a carrier got from us, and when.
pub(crate) struct Played {
    pub(crate) log: Vec<(Duration, Sent)>,
}

impl Played {
    pub(crate) fn audio(&self) -> Vec<u8> {
        let audio = self.log.iter().filter_map(|(_, sent)| match sent {
            Sent::Audio(audio) => Some(audio.to_vec()),
            _ => None,
        });
        audio.flatten().collect()
    }

    pub(crate) fn when(&self, wanted: &Sent) -> Option<Duration> {
        let found = self.log.iter().find(|(_, sent)| sent == wanted);
        found.map(|(at, _)| *at)
    }
}

/// A stream that the carrier has started.
pub(crate) struct Call {
    pub(crate) stream: Box<dyn Streamer>,
    pub(crate) carrier: Carrier,
    pub(crate) trigger: EndTrigger,
}

pub(crate) async fn call(start: StreamStart, options: StreamOptions) -> Call {
    call_over(pair(1024, false), start, options).await
}

/// A stream over a socket that takes few messages at once.
pub(crate) async fn narrow_call(
    capacity: usize,
    start: StreamStart,
    options: StreamOptions,
) -> Call {
    call_over(pair(capacity, false), start, options).await
}

/// A stream over a socket whose close waits for the carrier's.
pub(crate) async fn polite_call(start: StreamStart, options: StreamOptions) -> Call {
    call_over(pair(1024, true), start, options).await
}

async fn call_over(
    (socket, carrier): (Box<dyn MediaSocket>, Carrier),
    start: StreamStart,
    options: StreamOptions,
) -> Call {
    let (ticket, trigger) = ticket(options).await;
    carrier.say("start").await;
    let stream = drive(socket, ScriptedCodec::new(start), ticket)
        .await
        .unwrap();
    Call {
        stream,
        carrier,
        trigger,
    }
}

/// The rest of a stream: all events but the last, and why it ended.
pub(crate) async fn rest(stream: &mut dyn Streamer) -> (Vec<MediaEvent>, EndReason) {
    let mut events = Vec::new();
    while let Some(event) = stream.recv().await {
        events.push(event);
    }
    assert_eq!(stream.recv().await, None, "after the end is the end");
    last(events)
}

pub(crate) async fn rest_of_half(stream: &mut dyn StreamReceiver) -> (Vec<MediaEvent>, EndReason) {
    let mut events = Vec::new();
    while let Some(event) = stream.recv().await {
        events.push(event);
    }
    last(events)
}

fn last(mut events: Vec<MediaEvent>) -> (Vec<MediaEvent>, EndReason) {
    let Some(MediaEvent::Stopped { reason }) = events.pop() else {
        panic!("the last event is not Stopped");
    };
    let again = |event: &MediaEvent| matches!(event, MediaEvent::Stopped { .. });
    assert!(!events.iter().any(again), "stopped more than once");
    (events, reason)
}

/// Lets every task do what it can do without time passing.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Whether `future` is still waiting after everything else had its turn.
pub(crate) async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
    timeout(ms(1), future).await.is_err()
}
