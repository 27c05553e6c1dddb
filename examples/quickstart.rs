//! A whole phone call on every carrier, on this machine, with no number and no account.
//!
//! Starts a server with a bot on a free port of 127.0.0.1 and lets each simulated carrier call it: signed webhook, answer
//! document, media socket, audio both ways, key presses, an interruption, hang-up, status callbacks. Then the bot calls
//! somebody through each carrier's REST API. Everything that the bot sends is checked against the carrier's rules. Exit code 1
//! if anything failed.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use bytes::Bytes;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use telephony::audio::tone::{tone, tone_level};
use telephony::audio::{AudioFormat, encode};
use telephony::media::{Heard, MediaEvent, Streamer};
use telephony::{
    AccountLabel, Answer, BoxError, CallEvent, CallHandler, CallServer, CallStatus, Calls,
    EndReason, EventContext, IncomingCall, OutboundCall, Provider, PublicUrl,
};
use telephony_testkit::{OnDial, Outcome, Script, SimulatedCarrier, Speech};

/// What the simulated callers say, in Hz.
const CALLER_TONES: [f32; 2] = [440.0, 660.0];
/// How soon the bot must be silent when it is interrupted; one carrier plays messages of 200 ms to their end.
const SILENT_WITHIN: Duration = Duration::from_millis(450);
/// What the bot plays when key 1 is pressed, until the caller interrupts it.
const MELODY: Duration = Duration::from_secs(6);
/// How long the phone of somebody whom the bot calls rings.
const RINGING: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    house::log();
    let (listener, url) = house::free_port().await?;
    let bot = Bot::default();
    let ports = telephony::ports()?;
    let server = CallServer::new(PublicUrl::new(&url)?, bot.clone());
    let mut carriers = Vec::new();
    for provider in Provider::ALL {
        let carrier = house::simulated::call(provider, &url)
            .on_dial(OnDial::Answer { after: RINGING })
            .serve()
            .await?;
        server.add_account(house::simulated::account_at(
            provider,
            carrier.base_url(),
            &ports,
        )?);
        carriers.push((provider, carrier));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener, async { drop(stopped.await) }).await }
    });

    println!("the simulated carriers call {url}; this takes a few seconds");
    let calls: Vec<_> = carriers
        .iter()
        .map(|(provider, carrier)| {
            let call = carrier.incoming().script(caller());
            (*provider, tokio::spawn(call.call()))
        })
        .collect();
    let mut rows = Vec::new();
    for (provider, call) in calls {
        let outcome = call.await?;
        println!("  {provider}: the call is over");
        let seen = bot.of(&AccountLabel::new(provider.as_str())?);
        rows.push(Row::new(provider, outcome, seen));
    }
    print_table(&rows.iter().map(Row::cells).collect::<Vec<_>>(), &Row::HEAD);

    println!("the bot calls somebody through each of them");
    let mut placed = Vec::new();
    for (provider, carrier) in &carriers {
        placed.push(Placed::call(*provider, carrier, server.calls(), &bot).await?);
        println!("  {provider}: the call is over");
    }
    let _ = stop.send(());
    serving.await??;
    print_table(
        &placed.iter().map(Placed::cells).collect::<Vec<_>>(),
        &Placed::HEAD,
    );

    let failed: Vec<_> = rows
        .iter()
        .flat_map(Row::problems)
        .chain(placed.iter().flat_map(Placed::problems))
        .collect();
    for problem in &failed {
        println!("FAILED {problem}");
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What those who call do.
fn caller() -> Script {
    let second = Duration::from_secs(1);
    let mut script = Script::new();
    for hz in CALLER_TONES {
        script = script
            .speak(Speech::tone(f64::from(hz), second / 2))
            .silence(second / 4);
    }
    script
        .wait_to_hear(second * 9 / 10, second * 10)
        .press("1")
        .silence(second)
        .interrupt_with_key('2')
        .silence(second / 2)
        .hang_up()
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
    /// Forgets what it saw of that account's calls.
    fn forget(&self, account: &AccountLabel) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(account);
    }

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

    fn heard_tone(&self, hz: f32) -> bool {
        heard_tone(&self.outcome, hz)
    }

    const HEAD: [&str; 10] = [
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
    ];

    fn cells(&self) -> [String; 10] {
        let Self {
            provider,
            outcome,
            seen,
        } = self;
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

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn ms(time: Option<Duration>) -> String {
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    time.map_or("-".to_owned(), shown)
}

/// Whether a tenth of a second of what the other side heard is that tone.
fn heard_tone(outcome: &Outcome, hz: f32) -> bool {
    let Some(rate) = telephony::audio::SampleRate::new(outcome.heard_rate) else {
        return false;
    };
    let tenth = outcome.heard_rate as usize / 10;
    outcome
        .heard
        .chunks_exact(tenth.max(1))
        .any(|samples| tone_level(samples, rate, hz) > -20.0)
}

/// A call that the bot placed.
struct Placed {
    provider: Provider,
    /// How long the carrier took to take it.
    taken_after: Duration,
    taken_as: CallStatus,
    history: Vec<CallStatus>,
    seen: Seen,
    outcome: Outcome,
    findings: usize,
}

impl Placed {
    const HEAD: [&str; 7] = [
        "carrier",
        "taken after",
        "taken as",
        "statuses",
        "first audio",
        "end",
        "status",
    ];

    async fn call(
        provider: Provider,
        carrier: &SimulatedCarrier,
        calls: &Calls,
        bot: &Bot,
    ) -> Result<Self, BoxError> {
        let account = AccountLabel::new(provider.as_str())?;
        bot.forget(&account);
        let second = Duration::from_secs(1);
        carrier.set(|call| {
            call.script(
                Script::new()
                    .speak(Speech::tone(f64::from(CALLER_TONES[0]), second / 2))
                    .wait_to_hear(second / 4, second * 10)
                    .silence(second / 4)
                    .hang_up(),
            )
        });
        let (to, from) = house::simulated::parties(provider);
        let began = Instant::now();
        let placed = calls
            .place(&account, OutboundCall::new(to, from, Answer::stream()))
            .await?;
        let taken_after = began.elapsed();
        let outcome = carrier.outcome(placed.id().as_str()).await;
        let outcome = outcome.ok_or("the carrier does not know the call that it took")?;
        calls.wait_for_end(&placed.key, second * 10).await?;
        let record = calls.find(&placed.key).await?;
        Ok(Self {
            provider,
            taken_after,
            taken_as: placed.status,
            history: record.history.iter().map(|(_, status)| *status).collect(),
            seen: bot.of(&account),
            outcome,
            findings: carrier.complaints().len(),
        })
    }

    fn problems(&self) -> Vec<String> {
        let provider = self.provider;
        let checks = [
            (
                self.taken_as != CallStatus::InProgress,
                "a call that was only taken is said to be answered",
            ),
            (
                self.history.contains(&CallStatus::InProgress),
                "the call that the bot placed was not answered",
            ),
            (
                self.history.last() == Some(&CallStatus::Completed),
                "the call that the bot placed was not reported as completed",
            ),
            (
                heard_tone(&self.outcome, CALLER_TONES[0]),
                "who was called did not hear the tone come back",
            ),
            (
                self.findings == 0,
                "the carrier complains about requests to its REST API",
            ),
        ];
        let failed = checks.into_iter().filter(|(holds, _)| !holds);
        let mut problems: Vec<_> = failed
            .map(|(_, what)| format!("{provider}: {what}"))
            .collect();
        let errors = self.outcome.errors();
        problems.extend(errors.map(|complaint| format!("{provider} complains: {complaint:?}")));
        problems
    }

    fn cells(&self) -> [String; 7] {
        let words: Vec<_> = self.history.iter().map(ToString::to_string).collect();
        [
            self.provider.to_string(),
            ms(Some(self.taken_after)),
            self.taken_as.to_string(),
            words.join(", "),
            ms(self.outcome.stream().and_then(|stream| stream.first_audio)),
            self.seen
                .ended
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string),
            self.seen
                .status
                .map_or("-".to_owned(), |status| status.to_string()),
        ]
    }
}

fn print_table<const N: usize>(rows: &[[String; N]], head: &[&str; N]) {
    let lines: Vec<_> = std::iter::once(head.map(str::to_owned))
        .chain(rows.iter().cloned())
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
