//! A menu: say, gather, branch, dial. Key 1 dials sales, key 2 says back what the caller says; after anything else, or
//! nothing, the menu is repeated twice, then comes a goodbye.
//!
//! ```sh
//! cargo run --example ivr -- --demo                  # called by a simulated carrier: no number needed
//! cargo run --example ivr -- --sales +14155550123    # a real server, with the variables of the example `echo`
//! ```
//!
//! Which carrier can express which step:
//!
//! | step | Twilio | Vonage | Exotel |
//! |---|---|---|---|
//! | say | `<Say>` | `talk` | a Greeting applet |
//! | gather | `<Gather>` | `input` | a Gather applet; the keys come with the request of the next applet |
//! | dial | `<Dial>` | `connect` | a Connect applet |
//! | stream | `<Connect><Stream>` | `connect` to a `websocket` | a Voicebot applet |
//! | hang up | `<Hangup>` | the end of the NCCO | a Hangup applet |
//!
//! Twilio and Vonage take the steps together, in one document. Exotel takes one from each applet of a flow that is drawn in
//! its console; here: Gather (`/exotel/call?key=…&applet=gather`), Connect (`/exotel/answer?key=…&applet=connect`; if key 1
//! was not pressed, nobody is dialled), Greeting (`/exotel/answer?key=…&applet=greeting`), Hangup. This flow repeats nothing,
//! and its goodbye is always the same: a Greeting applet is not told how the dial went.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telephony::media::{MediaEvent, Streamer};
use telephony::{
    Answer, BoxError, CallEvent, CallEventKind, CallHandler, CallKey, CallStatus, Dial,
    EventContext, Gather, IncomingCall, Party, Provider, ServerOptions, Step, Stream,
};
use telephony_testkit::{DialResult, Instruction, Outcome, Script, SimulatedCall, Speech};

const HELP: &str = "\
A menu on the phone: 1 dials sales, 2 is an echo.

usage: ivr --demo             a simulated carrier calls it
       ivr --sales NUMBER     a real server; NUMBER, as +14155550123, is dialled for sales

The server needs TELEPHONY_PUBLIC_URL and the variables of at least one carrier;
it listens on TELEPHONY_LISTEN (default 127.0.0.1:8080).";

/// How often the menu is repeated.
const REPEATS: u32 = 2;
/// How many callers who missed the menu are remembered. If there are more, carriers do not report how calls end, and all are
/// forgotten: they get another chance.
const MAX_MISSES: usize = 10_000;

/// The app.
#[derive(Debug)]
pub(crate) struct Ivr {
    sales: Party,
    /// How often each caller who missed the menu has missed it. Whoever goes is forgotten.
    misses: Mutex<HashMap<CallKey, u32>>,
}

#[async_trait::async_trait]
impl CallHandler for Ivr {
    async fn on_call(&self, call: IncomingCall) -> Result<Answer, BoxError> {
        let answer = menu("Welcome to Example Limited.");
        Ok(match call.parameters().get("applet") {
            Some("voicebot") => Answer::stream(),
            Some(applet) => at_applet(applet, &answer),
            None => answer,
        })
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        let call = context.call?.key;
        let applet = event.parameters.get("applet");
        let answer = match event.kind {
            // Exotel may tell the keys to any applet that comes after; only the Connect applet has a use for them.
            CallEventKind::DigitsGathered(entered)
                if applet.is_some() && (applet, &*entered.digits) != (Some("connect"), "1") =>
            {
                return None;
            }
            CallEventKind::DigitsGathered(entered) => self.branch(call, &entered.digits),
            CallEventKind::DialEnded(report) if report.status == Some(CallStatus::Completed) => {
                goodbye("Thank you for calling. Goodbye.")
            }
            CallEventKind::DialEnded(_) => goodbye("Nobody in sales is free right now. Goodbye."),
            // Exotel has come to this applet of its flow.
            CallEventKind::NextStep { after } if after == "greeting" => goodbye("Goodbye."),
            CallEventKind::Status(report) if report.status.is_terminal() => {
                self.forget(&call);
                return None;
            }
            _ => return None,
        };
        Some(match applet {
            Some(applet) => at_applet(applet, &answer),
            None => answer,
        })
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        while let Some(event) = stream.recv().await {
            match event {
                MediaEvent::Audio(frame) => drop(stream.send(frame.payload).await),
                MediaEvent::Dtmf { digit: '#', .. } => break, // Our side hangs up.
                _ => {}
            }
        }
    }
}

impl Ivr {
    pub(crate) fn new(sales: Party) -> Self {
        Self {
            sales,
            misses: Mutex::default(),
        }
    }

    fn branch(&self, call: CallKey, digits: &str) -> Answer {
        match digits {
            "1" => {
                self.forget(&call);
                let sales =
                    Dial::new(self.sales.clone()).with_ring_timeout(Duration::from_secs(20));
                Answer::say("You are being connected with sales.").then_dial(sales)
            }
            "2" => {
                self.forget(&call);
                Answer::say("Say something. The hash key ends it.").then_stream(Stream::new())
            }
            _ if self.miss(call) => menu("Sorry, that is not on the menu."),
            _ => goodbye("Goodbye."),
        }
    }

    /// Whether the caller gets another chance.
    fn miss(&self, call: CallKey) -> bool {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if misses.len() >= MAX_MISSES {
            misses.clear();
        }
        let count = misses.entry(call.clone()).or_default();
        *count += 1;
        let again = *count <= REPEATS;
        if !again {
            misses.remove(&call);
        }
        again
    }

    fn forget(&self, call: &CallKey) {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        misses.remove(call);
    }
}

fn menu(first: &str) -> Answer {
    let choice = Gather::digits(1)
        .with_prompt("For sales, press 1. For an echo, press 2.")
        .with_timeout(Duration::from_secs(5));
    Answer::say(first).then_gather(choice)
}

fn goodbye(text: &str) -> Answer {
    Answer::say(text).then_hang_up()
}

/// The one step of `answer` that this applet of Exotel can do. Nothing for it to do is a hang-up, which makes a Connect
/// applet dial nobody.
fn at_applet(applet: &str, answer: &Answer) -> Answer {
    let can = |step: &&Step| match applet {
        "gather" => matches!(step, Step::Gather(_)),
        "connect" => matches!(step, Step::Dial(_)),
        "greeting" => matches!(step, Step::Say(_)),
        "voicebot" => matches!(step, Step::Stream(_)),
        _ => false,
    };
    let step = answer.steps().iter().find(can);
    step.map_or_else(Answer::hang_up, |step| Answer::new([step.clone()]))
}

enum Task {
    Help,
    Demo,
    Serve(Party),
}

fn read_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Task, house::Usage> {
    let usage = |text: &str| Err(house::Usage(text.to_owned()));
    let arguments: Vec<_> = arguments.into_iter().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => Ok(Task::Help),
        ["--demo"] => Ok(Task::Demo),
        ["--sales", number] => match Party::parse(number) {
            sales @ Party::Number(_) => Ok(Task::Serve(sales)),
            _ => usage("--sales needs a number with its country code, as +14155550123"),
        },
        ["--sales"] => usage("--sales needs a number"),
        [] => usage("say --demo, or whom to dial for sales"),
        _ => usage("these arguments are not known, or do not go together"),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    house::exit_code(run().await)
}

async fn run() -> Result<(), BoxError> {
    match read_arguments(std::env::args().skip(1))? {
        Task::Help => println!("{HELP}"),
        Task::Demo => house::within(Duration::from_secs(60), demo()).await?,
        Task::Serve(sales) => {
            house::serve_from_environment(Ivr::new(sales), ServerOptions::default()).await?;
        }
    }
    Ok(())
}

/// A simulated Twilio calls. Prints what each of its webhooks was answered with.
async fn demo() -> Result<(), BoxError> {
    let ivr = Ivr::new(Party::parse("+14155550123"));
    let account = house::simulated::account(Provider::Twilio)?;
    let server = house::Loopback::start(ivr, [account]).await?;
    let call = house::simulated::call(Provider::Twilio, &server.url);
    let call = call.deadline(Duration::from_secs(30));

    let calls = scenarios(&call).map(|(title, call, wanted)| (title, call.start(), wanted));
    for (title, call, wanted) in calls {
        let outcome = call.outcome().await;
        let (answers, status) = (answers(&outcome), &outcome.status);
        println!("the caller {title}");
        house::expect(
            answers == wanted,
            format!("  is answered: {}", answers.join(" | ")),
        )?;
        for complaint in outcome.errors() {
            println!(
                "  the carrier complains: {}: {}",
                complaint.code, complaint.text
            );
        }
        house::expect(
            outcome.ok() && status == "completed",
            format!("  the call is {status}"),
        )?;
    }
    server.stop().await
}

/// What the caller does, the call, and what the webhooks should be answered with.
fn scenarios(call: &SimulatedCall) -> [(&'static str, SimulatedCall, Vec<&'static str>); 4] {
    let patience = Duration::from_secs(20);
    let menu = "say, gather";
    // Nobody speaks in these: they may run faster than life.
    let press = |key: &str| {
        let script = Script::new().press(key).wait_for_hang_up(patience);
        call.clone().speed(10.0).script(script)
    };
    let echo = Script::new()
        .press("2")
        .speak(Speech::tone(440.0, Duration::from_millis(500)))
        .wait_to_hear(Duration::from_millis(400), patience)
        .press("#")
        .wait_for_hang_up(patience);
    [
        (
            "presses 1, and sales answers",
            press("1"),
            vec![menu, "say, dial", "say, hang-up"],
        ),
        (
            "presses 1, and nobody answers",
            press("1").dial_result(DialResult::NoAnswer),
            vec![menu, "say, dial", "say, hang-up"],
        ),
        (
            "presses 2, and hears the echo",
            call.clone().script(echo),
            vec![menu, "say, stream, hang-up"],
        ),
        (
            "presses 9, then nothing",
            press("9"),
            vec![menu, menu, menu, "say, hang-up"],
        ),
    ]
}

fn answers(outcome: &Outcome) -> Vec<String> {
    let steps = |document: &telephony_testkit::Document| {
        document
            .instructions
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    outcome.documents.iter().map(steps).collect()
}

fn name(instruction: &Instruction) -> String {
    let json = serde_json::to_value(instruction).unwrap_or_default();
    json["do"].as_str().unwrap_or("?").to_owned()
}
