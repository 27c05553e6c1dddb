//! The caller speaks, the bot is silent: a long story that stops as soon as it is interrupted, and how much of it was heard.
//!
//! ```sh
//! cargo run --example barge_in              # simulated carriers call and interrupt: no number needed
//! cargo run --example barge_in -- --serve   # a real server, with the variables of the example `echo`
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use bytes::Bytes;
use std::process::ExitCode;
use std::time::Duration;
use telephony::audio::AudioFormat;
use telephony::media::{Heard, MediaEvent, StreamOptions, StreamSender, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, CallRecord, ErrorKind, IncomingCall, Provider, ProviderName,
    ServerOptions,
};
use telephony_testkit::{Script, Speech};
use tokio::sync::mpsc;

const HELP: &str = "\
Tells a long story until the caller speaks, and says how much of it was heard.

usage: barge_in [--demo | --serve]

--demo   simulated carriers call and interrupt (default)
--serve  a real server: TELEPHONY_PUBLIC_URL and the variables of at least one carrier
         are needed; it listens on TELEPHONY_LISTEN (default 127.0.0.1:8080)";

/// What the bot tells, a word each 400 ms.
const STORY: &str = "once upon a time there was a telephone that nobody answered because it rang all day and all night and \
    the people of the town had grown so used to the sound of it that they heard it no more than the sea";
const WORD: Duration = Duration::from_millis(400);
/// As a synthesiser has it; no carrier needs to.
const FORMAT: AudioFormat = AudioFormat::PCM16_24000;
/// Speech is speech after 200 ms; then the bot must be silent at once. One carrier plays messages of 200 ms to their end.
const SILENT_WITHIN: Duration = Duration::from_millis(800);

#[derive(Debug)]
struct Storyteller {
    /// Is told how much each caller heard.
    told: mpsc::Sender<(ProviderName, Heard)>,
}

#[async_trait::async_trait]
impl CallHandler for Storyteller {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    fn stream_options(&self, _call: &CallRecord, options: StreamOptions) -> StreamOptions {
        options.with_format(FORMAT).with_barge_in()
    }

    async fn on_stream(&self, stream: Box<dyn Streamer>) {
        let provider = stream.context().provider.clone();
        let (mut receiver, mut sender) = stream.split();
        // Speaks while it listens; the end of the stream ends it, too.
        let speaking = tokio::spawn(async move {
            let done = tell(&mut *sender).await;
            (sender, done)
        });
        while let Some(event) = receiver.recv().await {
            if let MediaEvent::SpeechStarted {
                interrupted: Some(heard),
                ..
            } = event
            {
                let _ = self.told.send((provider.clone(), heard)).await;
            }
        }
        let _ = speaking.await;
    }
}

/// Says the story word by word, as a synthesiser would hand it over; stops where it is interrupted.
async fn tell(sender: &mut dyn StreamSender) -> Result<(), telephony::Error> {
    for (number, _) in STORY.split_whitespace().enumerate() {
        match sender.send(word(number)).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    sender.finish().await
}

/// Something like a spoken word: a buzz of the pitch of a voice, loud where a mouth would be open.
fn word(number: usize) -> Bytes {
    let rate = FORMAT.rate.hz() as f32;
    let pitch = 110.0 + 15.0 * (number % 4) as f32;
    let samples = FORMAT.bytes_in(WORD) / FORMAT.encoding.bytes_per_sample();
    let sample = |n: usize| {
        let (time, progress) = (n as f32 / rate, n as f32 / samples as f32);
        let open = (progress * std::f32::consts::PI).sin().powi(2);
        let buzz: f32 = (1..=12)
            .map(|harmonic| {
                let hz = pitch * harmonic as f32;
                let formant = 1.0 / (1.0 + ((hz - 600.0) / 300.0).powi(2));
                formant * (std::f32::consts::TAU * hz * time).sin()
            })
            .sum();
        (9_000.0 * open * buzz).clamp(-32_000.0, 32_000.0) as i16
    };
    (0..samples)
        .flat_map(|n| sample(n).to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
}

/// The words that were heard: what belongs into a model's transcript.
fn words_heard(heard: Heard) -> String {
    let count = heard.played.as_millis() / WORD.as_millis();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    STORY
        .split_whitespace()
        .take(count)
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    house::exit_code(run().await)
}

async fn run() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (told, mut tells) = mpsc::channel(16);
    let bot = Storyteller { told };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["--demo"] => house::within(Duration::from_secs(60), demo(bot, tells)).await,
        ["--serve"] => {
            tokio::spawn(async move {
                while let Some((provider, heard)) = tells.recv().await {
                    println!("{provider}: heard: {}", words_heard(heard));
                }
            });
            house::serve_from_environment(bot, ServerOptions::default()).await
        }
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(house::Usage("only --demo or --serve is known".to_owned()).into()),
    }
}

/// Every simulated carrier calls; the caller listens for a while and then speaks.
async fn demo(
    bot: Storyteller,
    mut tells: mpsc::Receiver<(ProviderName, Heard)>,
) -> Result<(), BoxError> {
    let server = house::Loopback::start(bot, house::simulated::accounts()?).await?;
    for provider in Provider::ALL {
        let script = Script::new()
            .wait_to_hear(Duration::from_secs(2), Duration::from_secs(10))
            .interrupt(Speech::tone(300.0, Duration::from_millis(700)))
            .silence(Duration::from_millis(300))
            .hang_up();
        let call = house::simulated::call(provider, &server.url).script(script);
        let outcome = call.deadline(Duration::from_secs(30)).call().await;
        for complaint in outcome.errors() {
            println!("{provider} complains: {}", complaint.text);
        }
        let (_, heard) = tells.recv().await.ok_or("nobody was interrupted")?;
        let silent = outcome.interruption.ok_or("the bot talked on")?.after;
        let played = outcome
            .stream()
            .map_or(Duration::ZERO, |stream| stream.played);
        println!("{provider}: \"{} ...\"", words_heard(heard));
        house::expect(
            outcome.ok() && silent < SILENT_WITHIN && !heard.dropped.is_zero(),
            format!(
                "  silent {} ms after the caller began to speak",
                silent.as_millis()
            ),
        )?;
        house::expect(
            heard.played.abs_diff(played) < Duration::from_millis(400),
            format!(
                "  heard {} ms of the story by our account, {} ms by the carrier's; {} ms were dropped",
                heard.played.as_millis(),
                played.as_millis(),
                heard.dropped.as_millis()
            ),
        )?;
    }
    server.stop().await
}
