//! `telephony`: phone carriers on your machine, for the people who write voice apps, in whatever language.
//!
//! The command plays the carrier: it calls an app and judges it ([`call`]), serves a carrier's REST API ([`serve`]), makes
//! many calls at once ([`load`]), plays a recorded call again ([`replay`]), and says why a signature does not match
//! ([`explain`]) or makes one that does ([`sign`]).

mod call;
mod carrier;
mod exit;
mod explain;
mod load;
mod options;
mod progress;
mod replay;
mod secrets;
mod serve;
mod sign;
mod signals;
mod summary;
mod terminal;
mod timeline;
mod trace;
mod units;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Phone carriers on your machine: they call your voice app as the real ones do, and say what they would complain about
#[derive(Debug, Parser)]
#[command(name = "telephony", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Command {
    Call(call::CallArgs),
    Serve(serve::ServeArgs),
    Load(load::LoadArgs),
    Explain(explain::ExplainArgs),
    Sign(sign::SignArgs),
    Replay(replay::ReplayArgs),
}

const AFTER_HELP: &str = "\
Secrets are read from the environment or a --secret-file, never from the command line:
  twilio   TWILIO_AUTH_TOKEN, TWILIO_ACCOUNT_SID
  vonage   VONAGE_SIGNATURE_SECRET, VONAGE_API_KEY, VONAGE_APPLICATION_ID
  exotel   EXOTEL_WEBHOOK_SECRET (sent as ?key=), EXOTEL_ACCOUNT_SID
  plivo    PLIVO_AUTH_TOKEN, PLIVO_AUTH_ID

Exit codes:
  0  the carrier has nothing to complain about
  1  it has, or a signature does not match
  2  the command line, a file or the environment is wrong
  3  the app could not be reached";

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Call(args) => call::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Explain(args) => explain::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Replay(args) => replay::run(args).await,
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::complain(&failure);
            Exit::from(&failure).into()
        }
    }
}
