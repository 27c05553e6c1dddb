//! The caller's audio to a WAV file per call: 16-bit mono at the rate of the line, named by our own key of the call.
//!
//! ```sh
//! cargo run --example record -- --demo        # called by simulated carriers: no number needed
//! cargo run --example record -- recordings    # a real server, with the variables of the example `echo`
//! ```
//!
//! Tell callers that they are recorded where the law wants it: `Answer::say("…").then_stream(…)`, or on Exotel a Greeting
//! applet before the Voicebot applet.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use telephony::audio::tone::tone_level;
use telephony::audio::{AudioFormat, SampleRate, decode};
use telephony::media::{MediaEvent, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, IncomingCall, Provider, ProviderName, ServerOptions,
};
use telephony_testkit::{Script, Speech};
use tokio::sync::mpsc;

const HELP: &str = "\
Records what callers say, each call to a WAV file.

usage: record [DIRECTORY] [--max SECONDS] [--demo]

DIRECTORY      where the files go; made if it is not there (default: recordings)
--max SECONDS  a recording is not longer; then the call is ended (1 to 3600, default 60)
--demo         simulated carriers call; without it this is a real server

The server needs TELEPHONY_PUBLIC_URL and the variables of at least one carrier;
it listens on TELEPHONY_LISTEN (default 127.0.0.1:8080).";

/// Messages that wait for the disk; a second of audio at the usual 20 ms.
const QUEUE: usize = 50;

/// The app.
#[derive(Debug)]
struct Recorder {
    directory: PathBuf,
    max: Duration,
    /// Is told of each recording.
    done: mpsc::Sender<Recording>,
}

#[derive(Debug)]
struct Recording {
    provider: ProviderName,
    path: PathBuf,
    duration: Duration,
}

#[async_trait::async_trait]
impl CallHandler for Recorder {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, stream: Box<dyn Streamer>) {
        if let Err(error) = self.record(stream).await {
            eprintln!("error: a call was not recorded: {error}");
        }
    }
}

impl Recorder {
    async fn record(&self, mut stream: Box<dyn Streamer>) -> Result<(), BoxError> {
        let context = stream.context();
        let (format, provider) = (context.inbound, context.provider.clone());
        // Our own key: a carrier's id may hold anything, and a number is nobody's business.
        let path = self
            .directory
            .join(format!("call-{}.wav", context.call_key));
        let (audio, queue) = mpsc::channel(QUEUE);
        // Writing blocks: it is done elsewhere.
        let writer = tokio::task::spawn_blocking({
            let path = path.clone();
            move || write_wav(&path, format, queue)
        });
        self.listen(&mut *stream, format, audio).await;
        // Whether the goodbye was heard is no matter of the recording.
        let _ = stream.close().await;
        let duration = writer.await??;
        let _ = self
            .done
            .send(Recording {
                provider,
                path,
                duration,
            })
            .await;
        Ok(())
    }

    /// Passes audio on until the call is over or has been recorded for long enough.
    async fn listen(
        &self,
        stream: &mut dyn Streamer,
        format: AudioFormat,
        to: mpsc::Sender<Bytes>,
    ) {
        let mut room = format.bytes_in(self.max);
        while let Some(event) = stream.recv().await {
            let MediaEvent::Audio(frame) = event else {
                continue;
            };
            // What was lost because we were slow is silence, so that the file is as long as the call.
            let lost = frame.lost.min(format.duration_of(room));
            for mut audio in [Bytes::from(format.silence(lost)), frame.payload] {
                audio.truncate(room);
                room -= audio.len();
                if !audio.is_empty() && to.send(audio).await.is_err() {
                    return; // The disk is full; the writer says so.
                }
            }
            if room < format.encoding.bytes_per_sample() {
                return;
            }
        }
    }
}

/// Writes what comes through `queue`: how long it is. Until all is there the file has another name.
fn write_wav(
    path: &Path,
    format: AudioFormat,
    mut queue: mpsc::Receiver<Bytes>,
) -> Result<Duration, hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: format.rate.hz(),
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let part = path.with_extension("part");
    let file = std::fs::File::create_new(&part)?;
    let mut wav = hound::WavWriter::new(io::BufWriter::new(file), spec)?;
    let (mut samples, mut bytes) = (Vec::new(), 0);
    while let Some(audio) = queue.blocking_recv() {
        bytes += audio.len();
        samples.clear();
        decode(format.encoding, &audio, &mut samples);
        for sample in &samples {
            wav.write_sample(*sample)?;
        }
    }
    wav.finalize()?;
    std::fs::rename(&part, path)?;
    Ok(format.duration_of(bytes))
}

#[derive(Debug)]
struct Arguments {
    directory: PathBuf,
    max: Duration,
    demo: bool,
}

/// [`None`] is a call for help.
fn read_arguments(
    arguments: impl IntoIterator<Item = String>,
) -> Result<Option<Arguments>, house::Usage> {
    let usage = |text: String| Err(house::Usage(text));
    let (mut directory, mut max, mut demo) = (None, 60, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--demo" => demo = true,
            "--max" => match arguments.next().and_then(|seconds| seconds.parse().ok()) {
                Some(seconds @ 1..=3600) => max = seconds,
                _ => return usage("--max needs a number of seconds from 1 to 3600".to_owned()),
            },
            option if option.starts_with('-') => {
                return usage(format!("{option} is not an option"));
            }
            _ if directory.is_some() => return usage("more than one directory".to_owned()),
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    Ok(Some(Arguments {
        directory: directory.unwrap_or_else(|| "recordings".into()),
        max: Duration::from_secs(max),
        demo,
    }))
}

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    house::exit_code(run().await)
}

async fn run() -> Result<(), BoxError> {
    let Some(Arguments {
        directory,
        max,
        demo,
    }) = read_arguments(std::env::args().skip(1))?
    else {
        println!("{HELP}");
        return Ok(());
    };
    let made = std::fs::create_dir_all(&directory);
    made.map_err(|error| format!("cannot make the directory {}: {error}", directory.display()))?;
    let (done, mut recordings) = mpsc::channel(QUEUE);
    let recorder = Recorder {
        directory,
        max,
        done,
    };
    if demo {
        return house::within(Duration::from_secs(60), call(recorder, recordings)).await;
    }
    let show = tokio::spawn(async move {
        while let Some(Recording { path, duration, .. }) = recordings.recv().await {
            println!("{}: {:.1} s", path.display(), duration.as_secs_f64());
        }
    });
    house::serve_from_environment(recorder, ServerOptions::default()).await?;
    // The handler is gone, or about to.
    let _ = tokio::time::timeout(Duration::from_secs(1), show).await;
    Ok(())
}

/// What the simulated callers say.
const TONE_HZ: f32 = 440.0;
const TONE: Duration = Duration::from_millis(1500);
/// Half of full scale, in dBFS.
const TONE_LEVEL: f32 = -6.0;

/// Every simulated carrier calls once; then its file is measured.
async fn call(
    recorder: Recorder,
    mut recordings: mpsc::Receiver<Recording>,
) -> Result<(), BoxError> {
    let max = recorder.max;
    let server = house::Loopback::start(recorder, house::simulated::accounts()?).await?;
    let script = Script::new()
        .speak(Speech::tone(f64::from(TONE_HZ), TONE))
        .silence(Duration::from_millis(300))
        .hang_up();
    let calls = Provider::ALL.map(|provider| {
        let call = house::simulated::call(provider, &server.url).script(script.clone());
        (provider, call.deadline(Duration::from_secs(30)).start())
    });
    for (provider, call) in calls {
        let outcome = call.outcome().await;
        for complaint in outcome.errors() {
            println!(
                "{provider} complains: {}: {}",
                complaint.code, complaint.text
            );
        }
        house::expect(
            outcome.ok(),
            format!("{provider}: the call is {}", outcome.status),
        )?;
    }
    for _ in Provider::ALL {
        let recording = recordings.recv().await.ok_or("a recording is missing")?;
        report(&recording, max)?;
    }
    server.stop().await
}

/// Prints length and level of the tone in the file.
fn report(recording: &Recording, max: Duration) -> Result<(), BoxError> {
    let mut wav = hound::WavReader::open(&recording.path)?;
    let rate = SampleRate::new(wav.spec().sample_rate).ok_or("the file has no rate")?;
    let samples = wav.samples().collect::<Result<Vec<i16>, _>>()?;
    let window = Duration::from_millis(20);
    let windows = samples.chunks_exact(rate.hz() as usize / 50);
    let levels: Vec<f32> = windows
        .map(|window| tone_level(window, rate, TONE_HZ))
        .collect();
    let heard = levels.iter().filter(|level| **level > TONE_LEVEL - 6.0);
    let tone = window * heard.count() as u32;
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);

    let Recording {
        provider,
        path,
        duration,
    } = recording;
    let fine = *duration <= max
        && tone.abs_diff(TONE.min(max)) < Duration::from_millis(200)
        && (loudest - TONE_LEVEL).abs() < 1.0;
    let (length, tone) = (duration.as_secs_f64(), tone.as_secs_f64());
    println!("{}", path.display());
    house::expect(
        fine,
        format!(
            "  {provider}: {length:.2} s at {rate}, in it {tone:.2} s of {TONE_HZ} Hz at {loudest:.1} dBFS"
        ),
    )
}
