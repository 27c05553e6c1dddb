//! Whole calls through the real server and real sockets, on every carrier. The simulated carriers share no code with the
//! adapters and complain about whatever breaks their rules; a complaint fails the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use support::{call, start};
use telephony::audio::tone::{tone, tone_level};
use telephony::audio::{AudioFormat, SampleRate, decode, encode};
use telephony::media::{Heard, MarkOutcome, MediaEvent, Streamer};
use telephony::{
    Answer, BoxError, CallEvent, CallEventKind, CallHandler, CallStatus, EndReason, EventContext,
    Gather, IncomingCall, LegRole, Provider,
};
use telephony_testkit::{CallbackDelivery, DialResult, EndedBy, Outcome, Script, Speech};
use tokio::sync::mpsc;

/// What a bot saw.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Key(char),
    Heard(Heard),
    Mark(String, MarkOutcome),
    Ended(EndReason),
    Status(CallStatus),
    Leg(LegRole, String),
    Gathered(String),
    Dialled(Option<CallStatus>),
}

/// What a bot does with a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Echo,
    /// Says something short, waits until it was heard, hangs up.
    SayGoodbye,
    /// Talks for ten seconds and is silent as soon as the caller speaks.
    Talk,
    /// Says two things with a mark after each and stops when the first was heard.
    Mark,
}

#[derive(Debug)]
struct Bot {
    habit: Habit,
    seen: mpsc::UnboundedSender<Seen>,
}

const TALK: Duration = Duration::from_secs(10);
const PHRASE: Duration = Duration::from_millis(600);

fn bot(habit: Habit) -> (Bot, mpsc::UnboundedReceiver<Seen>) {
    let (seen, sees) = mpsc::unbounded_channel();
    (Bot { habit, seen }, sees)
}

fn sound(format: AudioFormat, hz: f32, duration: Duration) -> Bytes {
    let mut audio = Vec::new();
    encode(
        format.encoding,
        &tone(format.rate, hz, duration, 0.5),
        &mut audio,
    );
    audio.into()
}

fn is_loud(format: AudioFormat, audio: &[u8]) -> bool {
    let mut samples = Vec::new();
    decode(format.encoding, audio, &mut samples);
    samples.iter().any(|sample| sample.unsigned_abs() > 3000)
}

#[async_trait::async_trait]
impl CallHandler for Bot {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let (inbound, outbound) = (stream.context().inbound, stream.context().outbound);
        let playback = stream.playback();
        match self.habit {
            Habit::Echo => {}
            Habit::SayGoodbye => {
                stream.send(sound(outbound, 800.0, PHRASE)).await.unwrap();
                return;
            }
            Habit::Talk => {
                stream.send(sound(outbound, 800.0, TALK)).await.unwrap();
                stream.finish().await.unwrap();
            }
            Habit::Mark => {
                for mark in ["first", "second"] {
                    stream.send(sound(outbound, 800.0, PHRASE)).await.unwrap();
                    playback.mark(mark).await.unwrap();
                }
                stream.finish().await.unwrap();
            }
        }
        while let Some(event) = stream.recv().await {
            let seen = match event {
                MediaEvent::Audio(frame) if self.habit == Habit::Echo => {
                    let _ = stream.send(frame.payload).await;
                    continue;
                }
                MediaEvent::Audio(frame)
                    if self.habit == Habit::Talk && is_loud(inbound, &frame.payload) =>
                {
                    let heard = playback.clear().await.unwrap();
                    if heard == Heard::default() {
                        continue; // It was silent already.
                    }
                    Seen::Heard(heard)
                }
                MediaEvent::Dtmf { digit, .. } => Seen::Key(digit),
                MediaEvent::Played { mark, outcome } => {
                    if mark == "first" {
                        let _ = self.seen.send(Seen::Heard(playback.clear().await.unwrap()));
                    }
                    Seen::Mark(mark, outcome)
                }
                MediaEvent::Stopped { reason } => Seen::Ended(reason),
                _ => continue,
            };
            let _ = self.seen.send(seen);
        }
    }

    async fn on_event(&self, _context: EventContext, event: CallEvent) -> Option<Answer> {
        if let Some(status) = event.status() {
            let _ = self.seen.send(Seen::Status(status));
        }
        None
    }
}

fn all(mut sees: mpsc::UnboundedReceiver<Seen>) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Ok(seen) = sees.try_recv() {
        all.push(seen);
    }
    all
}

fn assert_clean(provider: Provider, outcome: &Outcome) {
    let complaints: Vec<_> = outcome.errors().collect();
    assert!(
        outcome.answered && complaints.is_empty(),
        "{provider}: {complaints:?}"
    );
}

/// How long the caller heard that tone, in steps of 20 ms, and how loud it was at its loudest.
fn heard_tone(outcome: &Outcome, hz: f32) -> (Duration, f32) {
    let rate = SampleRate::new(outcome.heard_rate).unwrap();
    let levels = outcome
        .heard
        .chunks_exact(outcome.heard_rate as usize / 50)
        .map(|frame| tone_level(frame, rate, hz));
    let levels: Vec<f32> = levels.collect();
    let loud = levels.iter().filter(|level| **level > -12.0).count();
    (
        Duration::from_millis(20) * u32::try_from(loud).unwrap(),
        levels.into_iter().fold(f32::MIN, f32::max),
    )
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_comes_back_at_its_pitch_length_and_level() {
    for provider in Provider::ALL {
        let (echo, sees) = bot(Habit::Echo);
        let house = start(echo).await;
        let script = Script::new()
            .speak(Speech::tone(500.0, ms(400)))
            .silence(ms(200))
            .press("7*#")
            .wait_to_hear(ms(380), ms(5000))
            .silence(ms(300))
            .hang_up();
        let outcome = call(provider, &house.url).script(script).call().await;
        assert_clean(provider, &outcome);
        let (length, level) = heard_tone(&outcome, 500.0);
        assert!(
            (ms(360)..=ms(440)).contains(&length),
            "{provider}: the tone was {length:?} long"
        );
        // The simulated caller speaks at half scale: -6 dBFS.
        assert!(
            (-7.5..-4.5).contains(&level),
            "{provider}: the tone came back at {level} dBFS"
        );
        let sees = all(sees);
        let keys: String = sees
            .iter()
            .filter_map(|seen| {
                if let Seen::Key(key) = seen {
                    Some(*key)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(keys, "7*#", "{provider}");
        let ended = sees
            .iter()
            .filter(|seen| matches!(seen, Seen::Ended(_)))
            .count();
        assert_eq!(ended, 1, "{provider}: {sees:?}");
        assert_eq!(outcome.ended_by, EndedBy::Caller, "{provider}");
        assert!(
            sees.contains(&Seen::Status(CallStatus::Completed)),
            "{provider}: {sees:?}"
        );
    }
}

/// What our codecs write the simulated carriers read, and the other way round, to the last bit: noise, which no filter could
/// repair, goes there and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_comes_back_bit_for_bit() {
    // A linear congruential generator is noise enough, and the same every time.
    let mut state = 12_345_u32;
    let noise: Vec<i16> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::from_ne_bytes([(state >> 16) as u8, (state >> 24) as u8])
    })
    .take(4000)
    .collect();
    for provider in Provider::ALL {
        let (echo, _sees) = bot(Habit::Echo);
        let house = start(echo).await;
        let speech = Speech::samples_8k(noise.clone());
        let script = Script::new()
            .speak(speech.clone())
            .wait_to_hear(ms(400), ms(5000))
            .silence(ms(500))
            .hang_up();
        let outcome = call(provider, &house.url).script(script).call().await;
        assert_clean(provider, &outcome);
        let mut said = speech.render(outcome.heard_rate);
        if matches!(provider, Provider::Twilio | Provider::Plivo) {
            // Its wire is µ-law: what was said is rounded once.
            let mut wire = Vec::new();
            encode(telephony::audio::Encoding::Mulaw, &said, &mut wire);
            said.clear();
            decode(telephony::audio::Encoding::Mulaw, &wire, &mut said);
        }
        // An echo has no cushion: where a frame comes late, silence is heard between two frames, of which there are 25. So: all
        // pieces in order, but those that such a seam runs through.
        let (mut at, mut missing) = (0, 0);
        let pieces = said.chunks_exact(20);
        let count = pieces.len();
        for piece in pieces {
            match outcome.heard[at..]
                .windows(20)
                .position(|heard| heard == piece)
            {
                Some(found) => at += found + 20,
                None => missing += 1,
            }
        }
        assert!(
            missing * 5 < count,
            "{provider}: {missing} of {count} pieces did not come back"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_app_lets_go_the_goodbye_is_heard_and_the_call_ends() {
    for provider in Provider::ALL {
        let (goodbye, sees) = bot(Habit::SayGoodbye);
        let house = start(goodbye).await;
        let outcome = call(provider, &house.url)
            .script(Script::new().wait_for_hang_up(ms(8000)))
            .call()
            .await;
        assert_clean(provider, &outcome);
        assert_ne!(outcome.ended_by, EndedBy::Caller, "{provider}");
        let (length, _) = heard_tone(&outcome, 800.0);
        assert!(
            length >= PHRASE - ms(40),
            "{provider}: only {length:?} of the goodbye was heard"
        );
        let stream = outcome.stream().unwrap();
        assert_eq!(
            (stream.unplayed, stream.closed_by_app),
            (Duration::ZERO, Some(1000)),
            "{provider}"
        );
        assert!(
            all(sees).contains(&Seen::Status(CallStatus::Completed)),
            "{provider}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_caller_speaks_the_bot_is_silent_at_once() {
    for provider in Provider::ALL {
        let (talk, sees) = bot(Habit::Talk);
        let house = start(talk).await;
        let script = Script::new()
            .wait_to_hear(ms(1000), ms(5000))
            .interrupt(Speech::tone(500.0, ms(300)))
            .silence(ms(300))
            .hang_up();
        let outcome = call(provider, &house.url).script(script).call().await;
        assert_clean(provider, &outcome);
        let interruption = outcome
            .interruption
            .unwrap_or_else(|| panic!("{provider}: the bot talked on"));
        assert!(interruption.by_clear, "{provider}");
        // A grace period of half a second, as another system has it, would not pass. Exotel plays what it has picked up
        // to its end: that is one message of 200 ms.
        let allowed = if provider == Provider::Exotel {
            ms(420)
        } else {
            ms(250)
        };
        assert!(
            interruption.after < allowed,
            "{provider}: silent only after {:?}",
            interruption.after
        );
        let heard = all(sees).into_iter().find_map(|seen| {
            if let Seen::Heard(heard) = seen {
                Some(heard)
            } else {
                None
            }
        });
        let heard = heard.unwrap();
        assert_eq!(
            heard.played + heard.dropped,
            TALK,
            "{provider}: nothing is lost in the account"
        );
        let really = outcome.stream().unwrap().played;
        let error = really.abs_diff(heard.played);
        assert!(
            error < ms(300),
            "{provider}: reckoned {:?}, heard {really:?}",
            heard.played
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_tell_what_was_heard_and_what_was_cleared() {
    for provider in Provider::ALL {
        let (mark, sees) = bot(Habit::Mark);
        let house = start(mark).await;
        let script = Script::new()
            .wait_to_hear(ms(500), ms(5000))
            .silence(ms(1000))
            .hang_up();
        let outcome = call(provider, &house.url).script(script).call().await;
        assert_clean(provider, &outcome);
        let sees = all(sees);
        let mark = |name: &str, outcome| Seen::Mark(name.to_owned(), outcome);
        assert!(
            sees.contains(&mark("first", MarkOutcome::Reached)),
            "{provider}: {sees:?}"
        );
        assert!(
            sees.contains(&mark("second", MarkOutcome::Cleared)),
            "{provider}: {sees:?}"
        );
        let heard = sees
            .iter()
            .find_map(|seen| {
                if let Seen::Heard(heard) = seen {
                    Some(heard)
                } else {
                    None
                }
            })
            .unwrap();
        assert!(
            heard.played >= PHRASE && heard.played < PHRASE + ms(150),
            "{provider}: {heard:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_that_come_twice_and_out_of_order_end_a_call_once() {
    for provider in Provider::ALL {
        let (echo, sees) = bot(Habit::Echo);
        let house = start(echo).await;
        let script = Script::new().speak(Speech::tone(500.0, ms(200))).hang_up();
        let untidy = CallbackDelivery::reliable().backwards().repeated(1);
        let outcome = call(provider, &house.url)
            .callbacks(untidy)
            .script(script)
            .call()
            .await;
        assert_clean(provider, &outcome);
        for reply in &outcome.callbacks {
            assert!(
                reply.status.is_some_and(|status| status.is_success()),
                "{provider}: {reply:?}"
            );
        }
        let statuses: Vec<_> = all(sees)
            .into_iter()
            .filter(|seen| *seen == Seen::Status(CallStatus::Completed))
            .collect();
        assert_eq!(statuses.len(), 1, "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_do_not_disturb_each_other() {
    let (echo, sees) = bot(Habit::Echo);
    let house = start(echo).await;
    let script = Script::new()
        .speak(Speech::tone(500.0, ms(400)))
        .wait_to_hear(ms(350), ms(8000))
        .silence(ms(200))
        .hang_up();
    let calls: Vec<_> = (0..30)
        .map(|n| {
            let provider = Provider::ALL[n % Provider::ALL.len()];
            (
                provider,
                tokio::spawn(call(provider, &house.url).script(script.clone()).call()),
            )
        })
        .collect();
    for (provider, running) in calls {
        let outcome = running.await.unwrap();
        assert_clean(provider, &outcome);
    }
    let completed = all(sees)
        .into_iter()
        .filter(|seen| *seen == Seen::Status(CallStatus::Completed))
        .count();
    assert_eq!(completed, 30);
    let grace = ms(2000);
    assert!(
        house.server.shutdown(grace).await && house.server.live_streams() == 0,
        "no task is left over"
    );
}

/// A menu that dials.
#[derive(Debug)]
struct Menu {
    seen: mpsc::UnboundedSender<Seen>,
}

#[async_trait::async_trait]
impl CallHandler for Menu {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::gather(
            Gather::digits(1).with_prompt("Press 1 for sales & service."),
        ))
    }

    async fn on_event(&self, _context: EventContext, event: CallEvent) -> Option<Answer> {
        let (seen, answer) = match event.kind {
            CallEventKind::DigitsGathered(entered) => {
                let answer = match entered.digits.as_str() {
                    "1" => Answer::dial("+14155550123"),
                    _ => Answer::say("Goodbye.").then_hang_up(),
                };
                (Seen::Gathered(entered.digits), Some(answer))
            }
            CallEventKind::DialEnded(report) => (
                Seen::Dialled(report.status),
                Some(Answer::say("They have gone.").then_hang_up()),
            ),
            CallEventKind::Leg(leg) => (Seen::Leg(leg.role, leg.word), None),
            CallEventKind::Status(report) => (Seen::Status(report.status), None),
            _ => return None,
        };
        let _ = self.seen.send(seen);
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_menu_dials_and_a_dialled_leg_does_not_end_the_call() {
    for provider in [Provider::Twilio, Provider::Vonage] {
        let (seen, sees) = mpsc::unbounded_channel();
        let house = start(Menu { seen }).await;
        let script = Script::new().press("1").wait_for_hang_up(ms(10_000));
        let outcome = call(provider, &house.url)
            .dial_result(DialResult::Completed(ms(300)))
            .script(script)
            .call()
            .await;
        assert_clean(provider, &outcome);
        let sees = all(sees);
        assert!(
            sees.contains(&Seen::Gathered("1".to_owned())),
            "{provider}: {sees:?}"
        );
        let legs = sees
            .iter()
            .filter(|seen| matches!(seen, Seen::Leg(..)))
            .count();
        assert!(
            legs > 0,
            "{provider}: the dialled leg is heard of: {sees:?}"
        );
        let completed = sees
            .iter()
            .filter(|seen| **seen == Seen::Status(CallStatus::Completed))
            .count();
        assert_eq!(completed, 1, "{provider}: {sees:?}");
        let at = |wanted: &Seen| sees.iter().position(|seen| seen == wanted);
        assert!(
            at(&Seen::Gathered("1".to_owned())) < at(&Seen::Status(CallStatus::Completed)),
            "{provider}: {sees:?}"
        );
        if provider == Provider::Twilio {
            assert!(
                sees.contains(&Seen::Dialled(Some(CallStatus::Completed))),
                "{sees:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_menu_hears_that_nothing_was_pressed() {
    for provider in [Provider::Twilio, Provider::Vonage] {
        let (seen, sees) = mpsc::unbounded_channel();
        let house = start(Menu { seen }).await;
        let outcome = call(provider, &house.url)
            .speed(20.0)
            .script(Script::new().wait_for_hang_up(ms(10_000)))
            .call()
            .await;
        assert_clean(provider, &outcome);
        assert!(
            all(sees).contains(&Seen::Gathered(String::new())),
            "{provider}"
        );
    }
}
