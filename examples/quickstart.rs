//! A whole phone call on every carrier, on this machine, with no number and no account.
//!
//! Starts a server with a bot on a free port of 127.0.0.1 and lets each simulated carrier call it: signed webhook, answer
//! document, media socket, audio both ways, key presses, an interruption, hang-up, status callbacks. Everything that the bot
//! sends is checked against the carrier's rules. Exit code 1 if anything failed.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use bytes::Bytes;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use telephony::audio::tone::{tone, tone_level};
use telephony::audio::{AudioFormat, encode};
use telephony::media::{Heard, MediaEvent, Streamer};
use telephony::{
    AccountLabel, Answer, BoxError, CallEvent, CallHandler, CallServer, CallStatus, EndReason,
    EventContext, IncomingCall, Provider, PublicUrl,
};
use telephony_testkit::{Outcome, Script, SimulatedCall, Speech};

/// What the simulated callers say, in Hz.
const CALLER_TONES: [f32; 2] = [440.0, 660.0];
/// How soon the bot must be silent when it is interrupted; one carrier plays messages of 200 ms to their end.
const SILENT_WITHIN: Duration = Duration::from_millis(450);
/// What the bot plays when key 1 is pressed, until the caller interrupts it.
const MELODY: Duration = Duration::from_secs(6);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    house::log();
    let (listener, url) = house::free_port().await?;
    let bot = Bot::default();
    let server = CallServer::new(PublicUrl::new(&url)?, bot.clone());
    for account in house::simulated::accounts()? {
        server.add_account(account);
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener, async { drop(stopped.await) }).await }
    });

    println!("three simulated carriers call {url}; this takes a few seconds");
    let calls = Provider::ALL.map(|provider| {
        (
            provider,
            tokio::spawn(simulated_call(provider, &url).call()),
        )
    });
    let mut rows = Vec::new();
    for (provider, call) in calls {
        let outcome = call.await?;
        println!("  {provider}: the call is over");
        rows.push(Row::new(
            provider,
            outcome,
            bot.of(&AccountLabel::new(provider.as_str())?),
        ));
    }
    let _ = stop.send(());
    serving.await??;

    print_table(&rows);
    let failed: Vec<_> = rows.iter().flat_map(Row::problems).collect();
    for problem in &failed {
        println!("FAILED {problem}");
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn simulated_call(provider: Provider, url: &str) -> SimulatedCall {
    let second = Duration::from_secs(1);
    let mut script = Script::new();
    for hz in CALLER_TONES {
        script = script
            .speak(Speech::tone(f64::from(hz), second / 2))
            .silence(second / 4);
    }
    house::simulated::call(provider, url).script(
        script
            .wait_to_hear(second * 9 / 10, second * 10)
            .press("1")
            .silence(second)
            .interrupt_with_key('2')
            .silence(second / 2)
            .hang_up(),
    )
}

/// Says back what the caller says. Key 1 makes it play a melody; any other key silences it.
#[derive(Debug, Clone, Default)]
struct Bot {
    seen: Arc<Mutex<HashMap<AccountLabel, Seen>>>,
}

/// What the bot saw of a call.
#[derive(Debug, Clone, Default)]
struct Seen {
    frames_in: usize,
    frames_out: usize,
    keys: String,
    heard: Option<Heard>,
    ended: Option<EndReason>,
    status: Option<CallStatus>,
}

impl Bot {
    fn note(&self, account: &AccountLabel, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(seen.entry(account.clone()).or_default());
    }

    fn of(&self, account: &AccountLabel) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(account).cloned().unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl CallHandler for Bot {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let account = stream.context().account.clone();
        let mut is_playing = false;
        while let Some(event) = stream.recv().await {
            match event {
                MediaEvent::Audio(frame) => {
                    self.note(&account, |seen| seen.frames_in += 1);
                    if !is_playing && stream.send(frame.payload).await.is_ok() {
                        self.note(&account, |seen| seen.frames_out += 1);
                    }
                }
                MediaEvent::Dtmf { digit, .. } => {
                    self.note(&account, |seen| seen.keys.push(digit));
                    if digit == '1' {
                        is_playing = stream.finish().await.is_ok()
                            && stream.send(melody(stream.context().outbound)).await.is_ok()
                            && stream.finish().await.is_ok();
                    } else if let Ok(heard) = stream.playback().clear().await {
                        is_playing = false;
                        self.note(&account, |seen| seen.heard = Some(heard));
                    }
                }
                MediaEvent::Stopped { reason } => {
                    self.note(&account, |seen| seen.ended = Some(reason))
                }
                _ => {}
            }
        }
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        if let Some(status) = event.status() {
            self.note(&context.account, |seen| seen.status = Some(status));
        }
        None
    }
}

fn melody(format: AudioFormat) -> Bytes {
    let samples = tone(format.rate, 523.25, MELODY, 0.4);
    let mut audio = Vec::new();
    encode(format.encoding, &samples, &mut audio);
    audio.into()
}

/// One line of the table.
struct Row {
    provider: Provider,
    outcome: Outcome,
    seen: Seen,
}

impl Row {
    fn new(provider: Provider, outcome: Outcome, seen: Seen) -> Self {
        Self {
            provider,
            outcome,
            seen,
        }
    }

    fn problems(&self) -> Vec<String> {
        let Self {
            provider,
            outcome,
            seen,
        } = self;
        let mut problems = Vec::new();
        let mut check = |holds: bool, what: &str| {
            if !holds {
                problems.push(format!("{provider}: {what}"));
            }
        };
        check(outcome.answered, "the call was not answered");
        check(seen.keys == "12", "the bot did not hear the keys 1 and 2");
        check(
            seen.heard.is_some_and(|heard| !heard.dropped.is_zero()),
            "the interruption dropped nothing",
        );
        check(
            outcome
                .interruption
                .is_some_and(|i| i.by_clear && i.after < SILENT_WITHIN),
            "the bot did not fall silent at once when interrupted",
        );
        check(
            seen.ended.is_some(),
            "the bot did not see the end of the stream",
        );
        check(
            seen.status == Some(CallStatus::Completed),
            "the call was not reported as completed",
        );
        for hz in CALLER_TONES {
            check(
                self.heard_tone(hz),
                &format!("the caller did not hear the tone of {hz} Hz come back"),
            );
        }
        problems.extend(
            outcome
                .errors()
                .map(|complaint| format!("{provider} complains: {complaint:?}")),
        );
        problems
    }

    /// Whether a tenth of a second of what the caller heard is that tone.
    fn heard_tone(&self, hz: f32) -> bool {
        let Some(rate) = telephony::audio::SampleRate::new(self.outcome.heard_rate) else {
            return false;
        };
        let tenth = self.outcome.heard_rate as usize / 10;
        self.outcome
            .heard
            .chunks_exact(tenth.max(1))
            .any(|samples| tone_level(samples, rate, hz) > -20.0)
    }

    fn cells(&self) -> [String; 10] {
        let Self {
            provider,
            outcome,
            seen,
        } = self;
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let ms = |time: Option<Duration>| {
            let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
            time.map_or("-".to_owned(), shown)
        };
        [
            provider.to_string(),
            yes(outcome.answered),
            ms(outcome.stream().and_then(|stream| stream.first_audio)),
            format!(
                "{} / {}",
                seen.frames_in,
                outcome.stream().map_or(0, |stream| stream.from_app.frames)
            ),
            seen.keys.clone(),
            ms(outcome.interruption.map(|interruption| interruption.after)),
            ms(seen.heard.map(|heard| heard.played)),
            ms(seen.heard.map(|heard| heard.dropped)),
            seen.ended
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string),
            seen.status
                .map_or("-".to_owned(), |status| status.to_string()),
        ]
    }
}

fn print_table(rows: &[Row]) {
    let head = [
        "carrier",
        "answered",
        "first audio",
        "frames in / out",
        "keys",
        "interrupted after",
        "played",
        "dropped",
        "end",
        "status",
    ]
    .map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    println!();
    for line in &lines {
        let cells: Vec<_> = line
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{cell:<0$}", width(at)))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
    println!();
}
