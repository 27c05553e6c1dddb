//! Says back whatever the caller says: a real server for a sandbox number.
//!
//! ```sh
//! export TELEPHONY_PUBLIC_URL=https://voice.example.com   # where carriers reach this server, without a trailing slash
//! export TWILIO_ACCOUNT_SID=AC… TWILIO_AUTH_TOKEN=…       # and the same for other carriers
//! cargo run --example echo
//! ```
//!
//! It listens on `TELEPHONY_LISTEN` (default 127.0.0.1:8080). Each carrier whose variables are set is on. At start it prints
//! the URLs for the carriers' consoles. `SIGTERM` and Ctrl-C end it.

use std::process::ExitCode;
use std::time::Duration;
use telephony::media::{MediaEvent, StreamOptions, Streamer};
use telephony::{Answer, BoxError, CallHandler, IncomingCall, ServerOptions};

#[derive(Debug)]
struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            if let MediaEvent::Audio(frame) = event
                && stream.send(frame.payload).await.is_err()
            {
                break;
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    // An echo has nothing to interrupt, so nothing is held back: what comes faster than life goes back so, too.
    let mut stream = StreamOptions::default();
    stream.lead = Duration::from_secs(10);
    let mut options = ServerOptions::default();
    options.stream = stream;
    house::exit_code(house::serve_from_environment(Echo, options).await)
}
