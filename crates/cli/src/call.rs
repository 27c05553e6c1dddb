//! `telephony call`: one whole call to an app.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use telephony::Provider;
use telephony_testkit::{EndedBy, Outcome, SimulatedCall, Speech};

use crate::exit::{Exit, Failure, Result};
use crate::options::{AppOptions, CarrierOptions, FailOn, check_reachable};
use crate::progress::{Journal, Progress};
use crate::secrets::Secrets;
use crate::summary;
use crate::terminal::{self, Paint};
use crate::timeline::{End, Timeline};
use crate::trace::{Head, TraceWriter};
use crate::units::{self, KeysAt};
use crate::verdict::{self, Verdict};

/// Makes one whole call to an app and judges it
///
/// Signed webhook, answer document, media socket, audio both ways, keys, interruption, hang-up, status callbacks. Then it says
/// what the carrier would refuse, warn about or bill for. Times are counted from the moment when the app listens.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  export TWILIO_AUTH_TOKEN=…
  telephony call --carrier twilio --url http://127.0.0.1:8080/twilio/call \\
      --public-url https://voice.example.com --play hello.wav --record heard.wav --dtmf 1@2s")]
pub(crate) struct CallArgs {
    #[command(flatten)]
    carrier: CarrierOptions,
    #[command(flatten)]
    app: AppOptions,
    #[command(flatten)]
    caller: CallerOptions,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
struct CallerOptions {
    /// What the caller says, a WAV file; again for more. Without one it is a tone of a second
    #[arg(long, value_name = "WAV")]
    play: Vec<PathBuf>,
    /// Presses keys at a time: 1@2s, 12#@5s; again for more
    #[arg(long, value_name = "KEYS@TIME", value_parser = units::keys_at)]
    dtmf: Vec<KeysAt>,
    /// From then on, speaks over the app as soon as it talks; again for more
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    interrupt_at: Vec<Duration>,
    /// When the caller hangs up, if the app has not [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = units::duration, conflicts_with = "expect_hang_up")]
    hang_up_after: Option<Duration>,
    /// The app must hang up, within this time after the caller has said everything
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    expect_hang_up: Option<Duration>,
}

/// What comes out.
#[derive(Debug, Args)]
pub(crate) struct OutputOptions {
    /// Writes what the caller heard, as a WAV file
    #[arg(long, value_name = "WAV")]
    pub(crate) record: Option<PathBuf>,
    /// Writes every message, audio included, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Prints the whole result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "warning")]
    pub(crate) fail_on: FailOn,
}

/// The caller hangs up then unless somebody said otherwise.
const HANG_UP_AFTER: Duration = Duration::from_secs(10);
/// For everything around the conversation: ringing, prompts, the end.
const AROUND: Duration = Duration::from_secs(40);

pub(crate) async fn run(args: CallArgs) -> Result<Exit> {
    let provider = args.carrier.carrier;
    let secrets = args.carrier.secrets()?;
    let timeline = args.caller.timeline()?;
    let more = &args.app.more;
    let call = more
        .call(provider, &secrets, &args.app.url)?
        .script(timeline.script())
        .deadline(timeline.length() + AROUND);
    let head = Head {
        kind: "call".into(),
        carrier: provider.to_string(),
        url: args.app.url.clone(),
        public_url: more.public_url.clone(),
        status_url: more.status_url.clone(),
        method: more
            .method
            .map(|method| format!("{method:?}").to_ascii_lowercase()),
        from: more.from.clone(),
        to: more.to.clone(),
    };
    check_reachable(&args.app.url).await?;
    let outcome = make(call, &head, &args.output, &secrets).await?;
    report(provider, &outcome, &args.output, &secrets, None)
}

impl CallerOptions {
    fn timeline(&self) -> Result<Timeline> {
        let read = |path: &PathBuf| {
            Speech::wav(path).map_err(|error| {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                Failure::usage(format!(
                    "--play {}: {}",
                    path.display(),
                    why.unwrap_or_else(|| error.to_string())
                ))
            })
        };
        Ok(Timeline {
            speech: self.play.iter().map(read).collect::<Result<_>>()?,
            keys: self.dtmf.clone(),
            interruptions: self.interrupt_at.clone(),
            end: match self.expect_hang_up {
                Some(within) => End::App(within),
                None => End::HangUp(self.hang_up_after.unwrap_or(HANG_UP_AFTER)),
            },
        })
    }
}

/// Makes the call, with progress and trace. Ctrl-C lets the caller hang up.
pub(crate) async fn make(
    call: SimulatedCall,
    head: &Head,
    output: &OutputOptions,
    secrets: &Secrets,
) -> Result<Outcome> {
    if let Some(path) = &output.record {
        check_writable(path)?;
    }
    let trace = output.trace.as_deref();
    let writer = trace
        .map(|path| TraceWriter::create(path, head, secrets))
        .transpose()?;
    let progress = (!output.quiet).then(|| Progress::new(secrets.clone()));
    let journal = Journal::start(writer, progress);
    let call = match trace {
        Some(_) => call.whole_trace(),
        None => call,
    };
    let running = call.observe(journal.observer()).start();
    let handle = running.handle();
    let mut ending = std::pin::pin!(running.outcome());
    let outcome = tokio::select! {
        outcome = &mut ending => outcome,
        _ = tokio::signal::ctrl_c() => {
            handle.hang_up_as(EndedBy::Caller);
            tokio::select! {
                outcome = &mut ending => outcome,
                _ = tokio::signal::ctrl_c() => return Err(Failure::usage("interrupted")),
            }
        }
    };
    if let Some(problem) = journal.finish() {
        return Err(Failure::Usage(problem));
    }
    if let Some(path) = &output.record {
        write_heard(&outcome, path)?;
    }
    Ok(outcome)
}

/// Says what came of a call.
pub(crate) fn report(
    provider: Provider,
    outcome: &Outcome,
    output: &OutputOptions,
    secrets: &Secrets,
    replayed: Option<Value>,
) -> Result<Exit> {
    let verdict = Verdict::of(&outcome.complaints, output.fail_on.into());
    if output.json {
        let mut result = json!({"verdict": verdict, "call": outcome});
        if let Some(replayed) = replayed {
            result["replay"] = replayed;
        }
        // URLs may have a secret in them.
        terminal::say(secrets.mask(&format!("{result:#}")));
        return Ok(verdict.exit);
    }
    let paint = Paint::stdout();
    if !output.quiet {
        terminal::tell("");
    }
    for line in summary::lines(outcome, paint) {
        terminal::say(line);
    }
    for (name, path) in [("heard", &output.record), ("trace", &output.trace)] {
        if let Some(path) = path {
            terminal::say(format!("{name:<9} {}", path.display()));
        }
    }
    for line in verdict::lines(provider, outcome, verdict, paint) {
        terminal::say(line);
    }
    Ok(verdict.exit)
}

/// A long call must not end with a file that cannot be written.
fn check_writable(path: &Path) -> Result<()> {
    match std::fs::File::create(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
    }
}

fn write_heard(outcome: &Outcome, path: &Path) -> Result<()> {
    let rate = match outcome.heard_rate {
        0 => 8_000, // There was no stream: an empty file says so better than none.
        rate => rate,
    };
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let write = || {
        let mut writer = hound::WavWriter::create(path, spec)?;
        for sample in &outcome.heard {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    };
    write().map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
