//! The task that runs one stream: the only owner of the socket.

use super::events::EventQueue;
use super::halves::{CLOSED, DrivenStreamer, Input, Receiver, Rest, Sender};
use super::io::{FAREWELL, SocketIo, SocketStep};
use super::output::SessionOutput;
use super::playback::PlaybackCommand;
use super::session::MediaSession;
use super::sources::{Sources, Step};
use super::{
    EndSignal, Heard, MediaCodec, MediaSocket, Playback, StreamContext, StreamOptions, StreamStats,
    StreamTicket, Streamer,
};
use crate::meter::StreamMeter;
use crate::{EndReason, Error, ErrorKind, Result};
use futures_util::{SinkExt, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Requests on their way to the task, which takes them at once. The bytes of audio are bounded by a semaphore.
const INPUTS: usize = 64;
/// Events on their way to the app; more wait with the task, where the oldest audio can be taken out.
const EVENTS: usize = 8;
/// The wait for the goodbye to be heard.
const GOODBYE: u64 = 0;

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
    ticket.options = ticket.options.bounded();
    let mut session = MediaSession::new(codec, ticket.options.clone());
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
        while let Some(message) = session.next_message(began.elapsed()) {
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
    mut context: StreamContext,
    began: Instant,
) -> DrivenStreamer {
    let (tell_end, ended) = EndSignal::new();
    context.ended = ended;
    let (inputs, inputs_in) = mpsc::channel(INPUTS);
    let (events_out, events) = mpsc::channel(EVENTS);
    let (rest_out, rest) = oneshot::channel();
    let (generation_out, generation) = watch::channel(0);
    let sender_gone = CancellationToken::new();
    let last_stats = Arc::new(OnceLock::new());
    let options = ticket.options;
    let close_deadline = options.goodbye + options.write_deadline * 2;
    let send_queue = options.send_queue;
    let receive_queue = options.receive_queue;
    let span = tracing::info_span!(
        "media stream",
        provider = %context.provider,
        call = %context.call_key,
        account = %context.account,
        call_id = context.call_id.as_ref().map(tracing::field::display),
        stream_id = context.stream_id.as_ref().map(tracing::field::display),
    );
    let mut task = Task {
        sources: Sources::new(SocketIo::new(socket, began), inputs_in),
        session,
        options,
        began,
        sender_gone: sender_gone.clone(),
        events: EventQueue::new(events_out, context.inbound, receive_queue),
        generation: generation_out,
        waits: HashMap::new(),
        next_wait: GOODBYE + 1,
        ending: None,
        last_stats: Arc::clone(&last_stats),
        meter: StreamMeter::new(context.provider.clone()),
    };
    let (over, closed) = (context.cancellation.clone(), context.closed.clone());
    tokio::spawn(
        async move {
            // Also if the task panics, so that nobody waits for a stream that is gone.
            let (over, _closed) = (over.drop_guard(), closed.drop_guard());
            let rest = task.run(ticket.ended).await;
            tell_end.end(rest.reason.clone());
            // The app hears of the end at once; a peer that does not say goodbye is not its business.
            let _ = rest_out.send(rest);
            drop(over);
            task.sources.io.say_goodbye(&mut task.session).await;
        }
        .instrument(span),
    );
    // A semaphore does not count much further.
    let capacity = context
        .outbound
        .bytes_in(send_queue)
        .clamp(1, u32::MAX as usize >> 4);
    DrivenStreamer {
        receiver: Receiver {
            context: context.clone(),
            events,
            rest: Some(rest),
            left: VecDeque::new(),
        },
        sender: Sender {
            context,
            playback: Playback::driven(inputs.clone(), last_stats),
            inputs,
            room: Arc::new(Semaphore::new(capacity)),
            capacity,
            generation,
            utterance: None,
            close_deadline,
            _gone: sender_gone.drop_guard(),
        },
    }
}

struct Task {
    sources: Sources,
    session: MediaSession<OwnedSemaphorePermit>,
    options: StreamOptions,
    began: Instant,
    sender_gone: CancellationToken,
    events: EventQueue,
    generation: watch::Sender<u64>,
    waits: HashMap<u64, oneshot::Sender<bool>>,
    next_wait: u64,
    /// Our side has ended, and why; what was sent is still played until then.
    ending: Option<(Duration, EndReason)>,
    /// For who asks after the end.
    last_stats: Arc<OnceLock<StreamStats>>,
    meter: StreamMeter,
}

impl Task {
    async fn run(&mut self, mut ended: EndSignal) -> Rest {
        let reason = self.serve(&mut ended).await;
        self.session.end();
        self.flush_outputs();
        let stats = self.stats();
        let _ = self.last_stats.set(stats);
        self.count();
        self.meter.ended(&reason);
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
            gaps = stats.gaps,
            duplicates = stats.duplicates,
            reordered = stats.reordered,
            late_in = stats.late_in,
            lost = stats.lost,
            lost_events = stats.lost_events,
            speeches = stats.speeches,
            barge_ins = stats.barge_ins,
            "stream ended"
        );
        self.sources.inputs.close();
        while self.sources.inputs.try_recv().is_ok() {} // Who waits for a reply hears that it is over.
        self.waits.clear();
        Rest {
            events: self.events.finish(),
            reason,
        }
    }

    /// Runs until the stream has ended; gives the reason.
    async fn serve(&mut self, ended: &mut EndSignal) -> EndReason {
        // These wait from beginning to end: to begin anew with every message costs more than the message.
        let mut hard_end = ended.clone();
        let mut over = pin!(ended.wait_with_time(false));
        let mut over_at_once = pin!(hard_end.wait_with_time(true));
        let mut app_is_gone = pin!(self.events.app_is_gone());
        let mut alarm = pin!(sleep_until(self.began));
        loop {
            let now = self.now();
            self.session.advance(now);
            if self.meter.is_due(now) {
                self.count();
            }
            if let Some(reason) = self.flush_outputs() {
                return self.first_reason(reason);
            }
            if let Some((deadline, reason)) = &self.ending
                && *deadline <= now
            {
                return reason.clone();
            }
            let silent_at = self.silent_at(now);
            if let Some(reason) = self.overdue(now, silent_at) {
                return self.first_reason(reason);
            }
            let wake = self.began + self.next_wake(now, silent_at);
            // One that rings too early is put right when it does.
            if wake < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(wake);
            }
            let is_ending = self.ending.is_some();
            // What is rare comes first, so that a flood of messages cannot hide it; the socket, which is the dearest to ask,
            // comes late.
            tokio::select! {
                biased;
                (reason, has_time) = &mut over, if !is_ending => match has_time {
                    true => self.begin_end(reason),
                    false => return reason,
                },
                // When the call is over, nobody hears a goodbye.
                (reason, _) = &mut over_at_once, if is_ending => return self.first_reason(reason),
                () = &mut app_is_gone, if !self.events.is_closed() => self.events.close(),
                () = self.sender_gone.cancelled(), if self.events.is_closed() && !is_ending => self.begin_end(EndReason::App),
                () = self.events.progress(), if self.events.is_behind() => {}
                step = poll_fn(|cx| self.sources.poll(cx, &mut self.session)) => match step {
                    Step::Input(input) => self.take(input),
                    Step::Socket(SocketStep::Message(message)) => {
                        if self.session.receive(message, self.began.elapsed()).is_err() {
                            return self.first_reason(EndReason::Protocol);
                        }
                    }
                    Step::Socket(SocketStep::Unblocked) => {}
                    Step::Socket(SocketStep::Closed) => {
                        return self.first_reason(EndReason::SocketClosed);
                    }
                },
                () = &mut alarm => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Once our side has ended, whatever comes after does not change why.
    fn first_reason(&self, reason: EndReason) -> EndReason {
        match &self.ending {
            Some((_, first)) => first.clone(),
            None => reason,
        }
    }

    fn overdue(&self, now: Duration, silent_at: Option<Duration>) -> Option<EndReason> {
        if self
            .sources
            .io
            .blocked_since()
            .is_some_and(|since| now >= since + self.options.write_deadline)
        {
            Some(EndReason::WriteTimeout)
        } else if self
            .sources
            .io
            .failed_at()
            .is_some_and(|at| now >= at + FAREWELL)
        {
            Some(EndReason::SocketClosed)
        } else if now >= self.options.max_duration {
            Some(EndReason::MaxDuration)
        } else if now >= self.session.heard_at() + self.options.idle_timeout {
            Some(EndReason::Idle)
        } else if silent_at.is_some_and(|at| now >= at) {
            Some(EndReason::Silence)
        } else {
            None
        }
    }

    /// When both sides will have been silent for too long.
    fn silent_at(&self, now: Duration) -> Option<Duration> {
        let quiet = self.session.quiet_since(now)?;
        Some(quiet + self.options.silence_timeout)
    }

    fn next_wake(&self, now: Duration, silent_at: Option<Duration>) -> Duration {
        let idle = self.session.heard_at() + self.options.idle_timeout;
        let wake = idle
            .min(silent_at.unwrap_or(Duration::MAX))
            .min(self.options.max_duration)
            .min(self.ending.as_ref().map_or(Duration::MAX, |(at, _)| *at));
        // While the socket takes nothing, nothing can be due.
        wake.min(
            match (self.sources.io.failed_at(), self.sources.io.blocked_since()) {
                (Some(at), _) => at + FAREWELL,
                (None, Some(since)) => since + self.options.write_deadline,
                (None, None) => self.session.deadline(now).unwrap_or(Duration::MAX),
            },
        )
    }

    fn take(&mut self, input: Input) {
        let current = *self.generation.borrow();
        match input {
            // What is of an utterance that was cleared while it was on its way is dropped.
            Input::Audio {
                audio,
                room,
                generation,
            } if generation == current => {
                self.session.push(audio, room, self.began.elapsed());
            }
            Input::Finish { generation } if generation == current => self.session.finish(),
            Input::Audio { .. } | Input::Finish { .. } => {}
            Input::Command(command) => self.obey(command),
        }
    }

    fn obey(&mut self, command: PlaybackCommand) {
        match command {
            PlaybackCommand::Clear { reply } => {
                let _ = reply.send(self.clear());
            }
            PlaybackCommand::Stats { reply } => {
                let _ = reply.send(self.stats());
            }
            PlaybackCommand::Mark { name } => self.session.mark(name),
            PlaybackCommand::WaitUntilPlayed { reply } => {
                let id = self.next_wait;
                self.next_wait += 1;
                self.waits.insert(id, reply);
                self.session.wait_until_played(id);
            }
            PlaybackCommand::Position { reply } => {
                let _ = reply.send(self.session.position(self.now()));
            }
            PlaybackCommand::HangUp => self.begin_end(EndReason::App),
        }
    }

    fn clear(&mut self) -> Heard {
        // First the number, then the room: a waiting `send` must see that it was interrupted, not that there is room.
        self.generation
            .send_modify(|generation| *generation = generation.saturating_add(1));
        self.session.clear(self.now())
    }

    fn stats(&self) -> StreamStats {
        let mut stats = self.session.stats();
        stats.lost = self.events.lost_frames();
        stats.lost_events = self.events.lost_events();
        stats
    }

    fn count(&mut self) {
        let now = self.now();
        let queued = self.session.position(now).dropped;
        self.meter.count(self.stats(), queued, now);
    }

    /// Our side ends: nothing more is taken; what was sent is still played.
    fn begin_end(&mut self, reason: EndReason) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some((self.now() + self.options.goodbye, reason));
        // What was sent before is before it in the queue, too.
        while let Ok(input) = self.sources.inputs.try_recv() {
            self.take(input);
        }
        self.generation.send_replace(CLOSED);
        self.session.finish();
        self.session.wait_until_played(GOODBYE);
    }

    /// Hands what the session has put out to the app; the reason if the stream is over with it.
    fn flush_outputs(&mut self) -> Option<EndReason> {
        let mut over = None;
        while let Some(output) = self.session.next_output() {
            match output {
                SessionOutput::Event(event) => self.events.push(event),
                SessionOutput::SpeechStarted { at } => {
                    // A goodbye is said to its end.
                    let clears = self.session.barges_in() && self.ending.is_none();
                    let heard = clears.then(|| self.clear());
                    let event = self.session.speech_started(at, heard);
                    self.events.push(event);
                }
                SessionOutput::Waited { id: GOODBYE, .. } => {
                    over = over.or_else(|| Some(self.first_reason(EndReason::App)));
                }
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
}
