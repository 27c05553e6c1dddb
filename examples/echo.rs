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
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::sync::Arc;
use std::time::Duration;
use telephony::media::{MediaEvent, StreamOptions, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, CallServer, IncomingCall, MemoryStore, Ports, PublicUrl, ServerOptions, Telephony,
};
use tokio::net::TcpListener;

#[derive(Debug)]
struct Echo;

#[async_trait::async_trait]
impl CallHandler for Echo {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            if let MediaEvent::Audio(frame) = event {
                if stream.send(frame.payload).await.is_err() {
                    break;
                }
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    house::log();
    let listen = std::env::var("TELEPHONY_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let public = std::env::var("TELEPHONY_PUBLIC_URL")
        .map_err(|_| "set TELEPHONY_PUBLIC_URL to the https URL under which carriers reach this server")?;

    // An echo has nothing to interrupt, so nothing is held back: what comes faster than life goes back so, too.
    let mut options = ServerOptions::default();
    let mut stream = StreamOptions::default();
    stream.lead = Duration::from_secs(10);
    options.stream = stream;
    let public = PublicUrl::new(&public)?;
    let server = CallServer::with(public.clone(), Echo, Arc::new(MemoryStore::default()), Ports::default(), options);
    for account in telephony::from_env(&Ports::default())? {
        server.add_account(account);
    }

    let listener = TcpListener::bind(&listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    for account in server.accounts() {
        print_console_urls(&public, &*account);
    }
    if server.accounts().is_empty() {
        println!("no carrier is on: set, for example, TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN");
    }
    server.serve(listener, house::end_signal()?).await?;
    Ok(())
}

fn print_console_urls(public: &PublicUrl, account: &dyn Telephony) {
    let label = account.account();
    // A carrier that signs nothing is known by a secret of ours in the URL. The shell fills it in, so that it is not shown.
    let secret = match account.capabilities().signed_webhooks {
        true => String::new(),
        false => format!("?key=${}_WEBHOOK_SECRET", account.provider().as_str().to_ascii_uppercase()),
    };
    println!("put into the console of {}:", account.provider());
    println!("  calls   {public}/{label}/call{secret}");
    println!("  events  {public}/{label}/events{secret}");
    println!("  status  {public}/{label}/status{secret}");
}
