//! The task that runs one stream: the only owner of the socket.

use super::playback::PlaybackCommand;
use super::session::{MediaSession, SessionOutput};
use super::socket::{MediaSocket, WireMessage};
use super::streamer::{MediaEvent, StreamReceiver, StreamSender, Streamer};
use super::{EndSignal, MediaCodec, Playback, StreamContext, StreamTicket};
use crate::{EndReason, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use telephony_audio::AudioFormat;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::Instrument as _;

/// Chunks on their way to the task. Their bytes are bounded by the semaphore, this bounds their number.
const CHUNKS: usize = 64;
/// Events on their way to the app; more wait with the task, where the oldest audio can be taken out.
const EVENTS: usize = 8;
/// Events without audio that wait for a slow app. Nobody presses that many keys.
const MAX_WAITING_EVENTS: usize = 4096;
const COMMANDS: usize = 16;
/// How long the peer has to say goodbye back.
const FAREWELL: Duration = Duration::from_secs(1);

/// Makes a stream of a socket and a codec: waits until the carrier has started it, compares it with the ticket, and then
/// runs it in a task of its own until it ends. What [`Telephony::streamer`](crate::Telephony::streamer) does by default.
///
/// # Errors
/// [`Timeout`](ErrorKind::Timeout), [`Closed`](ErrorKind::Closed) or [`Transport`](ErrorKind::Transport) if it never
/// starts; [`Unauthenticated`](ErrorKind::Unauthenticated) if it is the stream of another call.
pub async fn drive(
    mut socket: Box<dyn MediaSocket>,
    codec: Box<dyn MediaCodec>,
    mut ticket: StreamTicket,
) -> Result<Box<dyn Streamer>> {
    let began = Instant::now();
    let mut session = MediaSession::new(codec, ticket.options);
    match handshake(&mut socket, &mut session, &mut ticket, began).await {
        Ok(context) => Ok(Box::new(start(socket, session, ticket, context, began))),
        Err(error) => {
            // A refused peer is told, but not waited for.
            let _ = timeout(FAREWELL, socket.close()).await;
            Err(error.with_provider(&ticket.call.provider))
        }
    }
}

async fn handshake(
    socket: &mut Box<dyn MediaSocket>,
    session: &mut MediaSession<OwnedSemaphorePermit>,
    ticket: &mut StreamTicket,
    began: Instant,
) -> Result<StreamContext> {
    const OPERATION: &str = "start stream";
    let deadline = began + ticket.options.start_deadline;
    loop {
        if let Some(start) = session.start() {
            ticket.check(start)?;
            return Ok(StreamContext::new(ticket, start));
        }
        let received = tokio::select! {
            received = timeout_at(deadline, socket.next()) => received,
            reason = ticket.ended.wait() => {
                return Err(Error::new(ErrorKind::Closed, OPERATION, format!("the call ended first ({reason})")));
            }
        };
        match received {
            Ok(Some(Ok(message))) => session.receive(message, began.elapsed())?,
            Ok(Some(Err(error))) => {
                return Err(
                    Error::new(ErrorKind::Transport, OPERATION, "the socket broke")
                        .with_source(error),
                );
            }
            Ok(None) => {
                let detail = "the socket was closed before the carrier started the stream";
                return Err(Error::new(ErrorKind::Closed, OPERATION, detail));
            }
            Err(_) => {
                let detail = "the carrier did not start the stream in time";
                return Err(Error::new(ErrorKind::Timeout, OPERATION, detail));
            }
        }
        while let Some(message) = session.next_message() {
            let sent = timeout_at(deadline, socket.send(message)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Err(Error::new(
                    ErrorKind::Transport,
                    OPERATION,
                    "the socket takes nothing",
                ));
            }
        }
    }
}

fn start(
    socket: Box<dyn MediaSocket>,
    session: MediaSession<OwnedSemaphorePermit>,
    ticket: StreamTicket,
    context: StreamContext,
    began: Instant,
) -> DrivenStreamer {
    let (chunks, chunks_in) = mpsc::channel(CHUNKS);
    let (events_out, events) = mpsc::channel(EVENTS);
    let (commands, commands_in) = mpsc::channel(COMMANDS);
    let (rest_out, rest) = oneshot::channel();
    let (generation_out, generation) = watch::channel(0);
    let options = ticket.options;
    let span = tracing::info_span!(
        "media stream",
        call = %context.call_key,
        account = %context.account,
        call_id = context.call_id.as_ref().map(tracing::field::display),
        stream_id = context.stream_id.as_ref().map(tracing::field::display),
    );
    let task = Task {
        socket: SocketIo {
            socket,
            dirty: false,
            blocked_since: None,
        },
        session,
        options,
        began,
        ended: ticket.ended,
        chunks: chunks_in,
        commands: commands_in,
        events: EventQueue::new(events_out, context.inbound, options.receive_queue),
        generation: generation_out,
        waits: HashMap::new(),
        next_wait: 1,
        ending: None,
        sender_gone: false,
    };
    let (over, closed) = (context.cancellation.clone(), context.closed.clone());
    tokio::spawn(
        async move {
            // Also if the task panics, so that nobody waits for a stream that is gone.
            let (over, _closed) = (over.drop_guard(), closed.drop_guard());
            let mut task = task;
            let rest = task.run().await;
            // The app hears of the end at once; a peer that does not say goodbye is not its business.
            let _ = rest_out.send(rest);
            drop(over);
            task.say_goodbye().await;
        }
        .instrument(span),
    );
    // The bound is kept in whole milliseconds of audio: a semaphore counts up to 2^29 or so.
    let room = context
        .outbound
        .bytes_in(options.send_queue)
        .clamp(1, u32::MAX as usize >> 4);
    let playback = Playback::new(commands);
    DrivenStreamer {
        receiver: Receiver {
            context: context.clone(),
            events,
            rest: Some(rest),
            left: VecDeque::new(),
            done: false,
        },
        sender: Sender {
            context,
            chunks,
            room: Arc::new(Semaphore::new(room)),
            capacity: room,
            generation,
            utterance: None,
            playback,
            close_deadline: options.goodbye + options.write_deadline * 2,
        },
    }
}

/// A chunk of audio, or the end of an utterance.
#[derive(Debug)]
struct Chunk {
    audio: Option<(Bytes, OwnedSemaphorePermit)>,
    generation: u64,
}

/// What is left for the app when the task has ended.
#[derive(Debug)]
struct Rest {
    events: VecDeque<MediaEvent>,
    reason: EndReason,
}

struct Task {
    socket: SocketIo,
    session: MediaSession<OwnedSemaphorePermit>,
    options: super::StreamOptions,
    began: Instant,
    ended: EndSignal,
    chunks: mpsc::Receiver<Chunk>,
    commands: mpsc::Receiver<PlaybackCommand>,
    events: EventQueue,
    generation: watch::Sender<u64>,
    waits: HashMap<u64, oneshot::Sender<bool>>,
    next_wait: u64,
    /// Our side has ended; what was sent is still played until then.
    ending: Option<Duration>,
    sender_gone: bool,
}

/// The wait for the goodbye to be heard.
const GOODBYE: u64 = 0;

impl Task {
    async fn run(&mut self) -> Rest {
        let reason = self.serve().await;
        self.session.end();
        self.flush_outputs();
        let stats = self.session.stats();
        tracing::info!(
            reason = %reason,
            frames_in = stats.frames_in,
            bytes_in = stats.bytes_in,
            frames_out = stats.frames_out,
            bytes_out = stats.bytes_out,
            late = stats.late,
            interruptions = stats.interruptions,
            malformed = stats.malformed,
            ignored = stats.ignored,
            lost = self.events.lost_total,
            "stream ended"
        );
        let events = std::mem::take(&mut self.events.waiting);
        self.events.out = None;
        self.chunks.close();
        self.commands.close();
        self.waits.clear();
        Rest { events, reason }
    }

    /// Runs until the stream has ended; gives the reason.
    async fn serve(&mut self) -> EndReason {
        loop {
            let now = self.now();
            self.session.advance(now);
            if let Some(reason) = self.flush_outputs() {
                return self.first_reason(reason);
            }
            if self.ending.is_some_and(|deadline| deadline <= now) {
                return EndReason::App;
            }
            if let Some(reason) = self.overdue(now) {
                return self.first_reason(reason);
            }
            let wake = self.began + self.next_wake();
            let ending = self.ending.is_some();
            tokio::select! {
                Some(command) = self.commands.recv() => self.obey(command),
                step = std::future::poll_fn(|cx| self.socket.poll(cx, &mut self.session)) => match step {
                    SocketStep::Message(message) => {
                        let now = self.began.elapsed();
                        if self.session.receive(message, now).is_err() {
                            return self.first_reason(EndReason::Protocol);
                        }
                    }
                    SocketStep::Unblocked => {}
                    SocketStep::Closed => return self.first_reason(EndReason::SocketClosed),
                },
                chunk = self.chunks.recv(), if !self.sender_gone => match chunk {
                    Some(chunk) => self.queue(chunk),
                    None => {
                        self.sender_gone = true;
                        self.end_if_alone();
                    }
                },
                () = self.events.progress() => if self.events.is_closed {
                    self.end_if_alone();
                },
                reason = self.ended.wait(), if !ending => return reason,
                () = sleep_until(wake) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Once our side has ended, whatever comes after does not change why.
    fn first_reason(&self, reason: EndReason) -> EndReason {
        if self.ending.is_some() {
            EndReason::App
        } else {
            reason
        }
    }

    fn overdue(&self, now: Duration) -> Option<EndReason> {
        let blocked = self
            .socket
            .blocked_since
            .map(|since| since.duration_since(self.began));
        if blocked.is_some_and(|since| now >= since + self.options.write_deadline) {
            Some(EndReason::WriteTimeout)
        } else if now >= self.options.max_duration {
            Some(EndReason::MaxDuration)
        } else if now >= self.session.heard_at() + self.options.idle_timeout {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    fn next_wake(&self) -> Duration {
        let idle = self.session.heard_at() + self.options.idle_timeout;
        let mut wake = idle.min(self.options.max_duration);
        if let Some(blocked) = self.socket.blocked_since {
            // While the socket takes nothing, nothing can be due.
            wake = wake.min(blocked.duration_since(self.began) + self.options.write_deadline);
        } else if let Some(due) = self.session.deadline() {
            wake = wake.min(due);
        }
        wake.min(self.ending.unwrap_or(Duration::MAX))
            .min(Duration::from_secs(24 * 3600))
    }

    fn queue(&mut self, chunk: Chunk) {
        if chunk.generation != *self.generation.borrow() {
            return; // Of an utterance that was cleared while it was on its way.
        }
        let now = self.now();
        match chunk.audio {
            Some((audio, permit)) => self.session.push(audio, permit, now),
            None => self.session.finish(now),
        }
    }

    fn obey(&mut self, command: PlaybackCommand) {
        // What was sent before the command is before it in the queue too.
        while let Ok(chunk) = self.chunks.try_recv() {
            self.queue(chunk);
        }
        let now = self.now();
        match command {
            PlaybackCommand::Clear { reply } => {
                // First the number, then the room: a waiting `send` must see that it was interrupted, not that there is room.
                self.generation.send_modify(|generation| *generation += 1);
                let _ = reply.send(self.session.clear(now));
            }
            PlaybackCommand::Mark { name } => self.session.mark(name, now),
            PlaybackCommand::WaitUntilPlayed { reply } => {
                let id = self.next_wait;
                self.next_wait += 1;
                self.waits.insert(id, reply);
                self.session.wait_until_played(id, now);
            }
            PlaybackCommand::Position { reply } => {
                let _ = reply.send(self.session.position(now));
            }
            PlaybackCommand::HangUp => self.begin_end(),
        }
    }

    fn end_if_alone(&mut self) {
        if self.sender_gone && self.events.is_closed {
            self.begin_end();
        }
    }

    /// Our side ends: nothing more is taken; what was sent is still played.
    fn begin_end(&mut self) {
        if self.ending.is_some() {
            return;
        }
        self.chunks.close();
        while let Ok(chunk) = self.chunks.try_recv() {
            self.queue(chunk);
        }
        let now = self.now();
        self.session.finish(now);
        self.ending = Some(now + self.options.goodbye);
        self.session.wait_until_played(GOODBYE, now);
    }

    /// Hands what the session has put out to the app; the reason if the stream is over with it.
    fn flush_outputs(&mut self) -> Option<EndReason> {
        let mut over = None;
        while let Some(output) = self.session.next_output() {
            match output {
                SessionOutput::Event(event) => self.events.push(event),
                SessionOutput::Waited { id: GOODBYE, .. } => over = over.or(Some(EndReason::App)),
                SessionOutput::Waited { id, played } => {
                    if let Some(reply) = self.waits.remove(&id) {
                        let _ = reply.send(played);
                    }
                }
                SessionOutput::Stopped { reason } => {
                    over = over.or(Some(EndReason::CarrierStopped(reason)))
                }
            }
        }
        over
    }

    /// Writes the last messages and closes the socket the normal way.
    async fn say_goodbye(&mut self) {
        let socket = &mut self.socket.socket;
        let session = &mut self.session;
        let farewell = async {
            while let Some(message) = session.next_message() {
                if socket.feed(message).await.is_err() {
                    return;
                }
            }
            let _ = socket.close().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

enum SocketStep {
    Message(WireMessage),
    /// It takes messages again: what became due in the meantime can go out.
    Unblocked,
    Closed,
}

/// Reads and writes at the same time, in one poll.
struct SocketIo {
    socket: Box<dyn MediaSocket>,
    dirty: bool,
    blocked_since: Option<Instant>,
}

impl SocketIo {
    fn poll<G>(&mut self, cx: &mut Context<'_>, session: &mut MediaSession<G>) -> Poll<SocketStep> {
        let was_blocked = self.blocked_since.is_some();
        if self.poll_write(cx, session).is_err() {
            return Poll::Ready(SocketStep::Closed);
        }
        if was_blocked && self.blocked_since.is_none() {
            return Poll::Ready(SocketStep::Unblocked);
        }
        match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(SocketStep::Message(message)),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(SocketStep::Closed),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write<G>(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut MediaSession<G>,
    ) -> Result<(), ()> {
        let mut sink = Pin::new(&mut self.socket);
        let mut blocked = false;
        while session.has_message() {
            match sink.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {
                    let Some(message) = session.next_message() else {
                        break;
                    };
                    sink.as_mut().start_send(message).map_err(drop)?;
                    self.dirty = true;
                    // Slow is not stuck.
                    self.blocked_since = None;
                }
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Pending => {
                    blocked = true;
                    break;
                }
            }
        }
        if self.dirty {
            match sink.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.dirty = false,
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Pending => blocked = true,
            }
        }
        match (blocked, self.blocked_since) {
            (true, None) => self.blocked_since = Some(Instant::now()),
            (false, Some(_)) => self.blocked_since = None,
            _ => {}
        }
        Ok(())
    }
}

/// Events for an app that may be slow: a few in a channel, more here, and over the bound the oldest audio is lost and counted.
struct EventQueue {
    out: Option<mpsc::Sender<MediaEvent>>,
    waiting: VecDeque<MediaEvent>,
    format: AudioFormat,
    audio_bytes: usize,
    max_audio_bytes: usize,
    lost_total: u64,
    is_closed: bool,
}

impl EventQueue {
    fn new(out: mpsc::Sender<MediaEvent>, format: AudioFormat, bound: Duration) -> Self {
        let max_audio_bytes = format.bytes_in(bound);
        Self {
            out: Some(out),
            waiting: VecDeque::new(),
            format,
            audio_bytes: 0,
            max_audio_bytes,
            lost_total: 0,
            is_closed: false,
        }
    }

    fn push(&mut self, event: MediaEvent) {
        let Some(out) = &self.out else { return };
        let event = if self.waiting.is_empty() {
            match out.try_send(event) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(event)) => event,
            }
        } else {
            event
        };
        match &event {
            MediaEvent::Audio(frame) => self.audio_bytes += frame.payload.len(),
            _ if self.waiting.len() >= MAX_WAITING_EVENTS => return,
            _ => {}
        }
        self.waiting.push_back(event);
        while self.audio_bytes > self.max_audio_bytes || self.waiting.len() > MAX_WAITING_EVENTS {
            if !self.lose_oldest() {
                break;
            }
        }
    }

    /// Takes the oldest audio out and notes its length in the next audio.
    fn lose_oldest(&mut self) -> bool {
        let is_audio = |event: &MediaEvent| matches!(event, MediaEvent::Audio(_));
        let Some(index) = self.waiting.iter().position(is_audio) else {
            return false;
        };
        let Some(MediaEvent::Audio(lost)) = self.waiting.remove(index) else {
            return false;
        };
        self.audio_bytes -= lost.payload.len();
        self.lost_total += 1;
        let length = lost.lost + self.format.duration_of(lost.payload.len());
        if let Some(MediaEvent::Audio(next)) = self
            .waiting
            .iter_mut()
            .skip(index)
            .find(|event| is_audio(event))
        {
            next.lost += length;
        }
        true
    }

    /// Waits for room in the channel and moves one event there, or until the app's listening half is gone. Cancel-safe.
    async fn progress(&mut self) {
        let Some(out) = &self.out else {
            return std::future::pending().await;
        };
        if self.waiting.is_empty() {
            out.closed().await;
        } else if let Ok(room) = out.reserve().await {
            if let Some(event) = self.waiting.pop_front() {
                if let MediaEvent::Audio(frame) = &event {
                    self.audio_bytes -= frame.payload.len();
                }
                room.send(event);
            }
            return;
        }
        self.is_closed = true;
        self.out = None;
        self.waiting.clear();
        self.audio_bytes = 0;
    }
}

/// What the app holds.
struct DrivenStreamer {
    receiver: Receiver,
    sender: Sender,
}

struct Receiver {
    context: StreamContext,
    events: mpsc::Receiver<MediaEvent>,
    rest: Option<oneshot::Receiver<Rest>>,
    left: VecDeque<MediaEvent>,
    done: bool,
}

struct Sender {
    context: StreamContext,
    chunks: mpsc::Sender<Chunk>,
    room: Arc<Semaphore>,
    capacity: usize,
    generation: watch::Receiver<u64>,
    /// The generation of the utterance that was begun and not finished.
    utterance: Option<u64>,
    playback: Playback,
    close_deadline: Duration,
}

impl Receiver {
    async fn recv(&mut self) -> Option<MediaEvent> {
        if let Some(event) = self.events.recv().await {
            return Some(event);
        }
        if let Some(rest) = &mut self.rest {
            let rest = rest.await;
            self.rest = None;
            let (events, reason) = match rest {
                Ok(rest) => (rest.events, rest.reason),
                // The task is gone without a word, which is a fault of ours; the app must still see the end.
                Err(_) => (VecDeque::new(), EndReason::Protocol),
            };
            self.left = events;
            self.left.push_back(MediaEvent::Stopped { reason });
        }
        let event = self.left.pop_front();
        self.done = event.is_none();
        event
    }
}

impl Sender {
    async fn send(&mut self, audio: Bytes) -> Result<()> {
        const OPERATION: &str = "send audio";
        if audio.is_empty() {
            return Ok(());
        }
        let generation = self.begin(OPERATION)?;
        // A chunk that is larger than the whole queue takes all of it.
        let bytes = u32::try_from(audio.len().min(self.capacity)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let queued = async {
            let permit = room.await.map_err(|_| closed(OPERATION))?;
            let slot = self.chunks.reserve().await.map_err(|_| closed(OPERATION))?;
            slot.send(Chunk {
                audio: Some((audio, permit)),
                generation,
            });
            Ok(())
        };
        tokio::select! {
            biased;
            _ = self.generation.wait_for(|current| *current != generation) => {}
            () = self.context.cancellation.cancelled() => return Err(closed(OPERATION)),
            result = queued => return result,
        }
        if self.context.cancellation.is_cancelled() {
            return Err(closed(OPERATION));
        }
        self.utterance = None;
        Err(interrupted(OPERATION))
    }

    async fn finish(&mut self) -> Result<()> {
        const OPERATION: &str = "finish utterance";
        if self.utterance.is_none() {
            return Ok(());
        }
        let generation = self.begin(OPERATION)?;
        self.utterance = None;
        self.chunks
            .send(Chunk {
                audio: None,
                generation,
            })
            .await
            .map_err(|_| closed(OPERATION))
    }

    /// The generation of the utterance that is going on, or of a new one; interrupted if it was cleared since.
    fn begin(&mut self, operation: &'static str) -> Result<u64> {
        let current = *self.generation.borrow();
        match self.utterance {
            Some(begun) if begun != current => {
                self.utterance = None;
                Err(interrupted(operation))
            }
            _ if self.context.cancellation.is_cancelled() => Err(closed(operation)),
            _ => {
                self.utterance = Some(current);
                Ok(current)
            }
        }
    }

    async fn close(&mut self) -> Result<()> {
        // An error means that the stream is over already, which is what is wanted.
        let _ = self.playback.hang_up().await;
        match timeout(self.close_deadline, self.context.closed.cancelled()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                "close stream",
                "the stream did not end in time",
            )),
        }
    }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the stream is over")
}

fn interrupted(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Interrupted,
        operation,
        "the utterance was cleared",
    )
}

#[async_trait]
impl StreamReceiver for Receiver {
    fn context(&self) -> &StreamContext {
        &self.context
    }

    async fn recv(&mut self) -> Option<MediaEvent> {
        if self.done {
            None
        } else {
            Self::recv(self).await
        }
    }
}

#[async_trait]
impl StreamSender for Sender {
    async fn send(&mut self, audio: Bytes) -> Result<()> {
        Self::send(self, audio).await
    }

    async fn finish(&mut self) -> Result<()> {
        Self::finish(self).await
    }

    fn playback(&self) -> Playback {
        self.playback.clone()
    }

    async fn close(&mut self) -> Result<()> {
        Self::close(self).await
    }
}

#[async_trait]
impl Streamer for DrivenStreamer {
    fn context(&self) -> &StreamContext {
        &self.receiver.context
    }

    async fn recv(&mut self) -> Option<MediaEvent> {
        StreamReceiver::recv(&mut self.receiver).await
    }

    async fn send(&mut self, audio: Bytes) -> Result<()> {
        self.sender.send(audio).await
    }

    async fn finish(&mut self) -> Result<()> {
        self.sender.finish().await
    }

    fn playback(&self) -> Playback {
        self.sender.playback.clone()
    }

    async fn close(&mut self) -> Result<()> {
        self.sender.close().await
    }

    fn split(self: Box<Self>) -> (Box<dyn StreamReceiver>, Box<dyn StreamSender>) {
        (Box::new(self.receiver), Box::new(self.sender))
    }
}
