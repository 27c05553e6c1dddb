//! The caller's audio to a WAV file per call: 16-bit mono at the rate of the line, named by our own key of the call.
//!
//! ```sh
//! cargo run --example record -- --demo        # called by simulated carriers: no number needed
//! cargo run --example record -- recordings    # a real server, with the variables of the example `echo`
//! ```
//!
//! Tell callers that they are recorded where the law wants it: `Answer::say("…").then_stream(…)`, or on Exotel a Greeting
//! applet before the Voicebot applet.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use telephony::audio::tone::tone_level;
use telephony::audio::{AudioFormat, SampleRate, decode};
use telephony::media::{MediaEvent, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, IncomingCall, Ports, Provider, ProviderName, ServerOptions,
    Settings, Telephony,
};
use telephony_testkit::{
    ExotelAccount, Script, SimulatedCall, Simulator, Speech, TwilioAccount, VonageAccount,
};
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
            tracing_error(&error);
        }
    }
}

impl Recorder {
    async fn record(&self, mut stream: Box<dyn Streamer>) -> Result<(), BoxError> {
        let context = stream.context();
        let (format, provider) = (context.inbound, context.provider.clone());
        // Our own key: a carrier's id may hold anything, and a number is nobody's business.
        let path = self.directory.join(format!("call-{}.wav", context.call_key));
        let (audio, queue) = mpsc::channel(QUEUE);
        // Writing blocks: it is done elsewhere.
        let writer = tokio::task::spawn_blocking({
            let path = path.clone();
            move || write_wav(&path, format, queue)
        });
        self.listen(&mut *stream, format, audio).await;
        let closed = stream.close().await;
        let duration = writer.await??;
        let _ = self.done.send(Recording { provider, path, duration }).await;
        Ok(closed?)
    }

    /// Passes audio on until the call is over or has been recorded for long enough.
    async fn listen(&self, stream: &mut dyn Streamer, format: AudioFormat, to: mpsc::Sender<Bytes>) {
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
                if to.send(audio).await.is_err() {
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
