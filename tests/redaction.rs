//! Nothing that is said about a call anywhere in the process holds a number, a secret, a token or what the caller keyed in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod support;

use std::io::Write;
use std::time::Duration;
use support::log::Log;
use support::{EXOTEL_SECRET, TWILIO_TOKEN, VONAGE_SECRET, call, start};
use telephony::media::Streamer;
use telephony::{Answer, BoxError, CallEvent, CallHandler, EventContext, IncomingCall, Provider};
use telephony_testkit::{Script, Speech};

/// What the caller keys in: a PIN that appears nowhere by chance.
const PIN: &str = "8305921746";

/// An app that logs everything that it is given, as an app under development does.
#[derive(Debug)]
struct Talkative(Log);

impl Talkative {
    fn say(&self, what: &dyn std::fmt::Debug) {
        writeln!(self.0.clone(), "app: {what:?}").unwrap();
    }
}

#[async_trait::async_trait]
impl CallHandler for Talkative {
    async fn on_call(&self, call: IncomingCall) -> Result<Answer, BoxError> {
        self.say(&call);
        self.say(call.from());
        self.say(
            &Answer::say(format!("Your PIN is {PIN}."))
                .then_play(format!("https://example.com/{PIN}.mp3")),
        );
        Ok(Answer::stream())
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        self.say(stream.context());
        while let Some(event) = stream.recv().await {
            self.say(&event);
        }
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        self.say(&context);
        self.say(&event);
        Some(Answer::say("not here")) // Fits no status callback: the error is logged.
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_debug_hold_no_number_secret_token_or_pin() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let house = start(Talkative(log.clone())).await;
    for provider in Provider::ALL {
        let script = Script::new()
            .speak(Speech::tone(500.0, Duration::from_millis(200)))
            .press(PIN)
            .silence(Duration::from_millis(300))
            .hang_up();
        let outcome = call(provider, &house.url)
            .from("+919812345670")
            .to("+918047654321")
            .script(script)
            .whole_trace()
            .call()
            .await;
        assert!(outcome.answered, "{provider}");
        let tokens = outcome.trace_lines();
        let token = tokens
            .split("/media/")
            .nth(1)
            .map(|rest| &rest[..22])
            .unwrap();
        let shown = log.shown();
        assert!(
            shown.contains("stream ended") && shown.contains("app: "),
            "the log is captured"
        );
        // Below the library, hyper and tungstenite log what they like at TRACE; what we say is on our own targets.
        let ours: Vec<&str> = shown
            .lines()
            .filter(|line| line.contains("telephony") || line.starts_with("app: "))
            .collect();
        let secrets = [
            "9812345670",
            "8047654321",
            PIN,
            TWILIO_TOKEN,
            VONAGE_SECRET,
            EXOTEL_SECRET,
            token,
            "?key=",
            "Bearer ",
        ];
        for secret in secrets {
            let line = ours.iter().find(|line| line.contains(secret));
            assert!(
                line.is_none(),
                "{provider}: `{secret}` is in: {}",
                line.unwrap()
            );
        }
    }
    // Things that are refused are logged too.
    let url = format!(
        "{}/exotel/call?key={EXOTEL_SECRET}x&CallFrom=09812345670",
        house.url
    );
    assert_eq!(support::http("GET", &url, &[], "").await.status, 403);
    let shown = log.shown();
    let refused = shown
        .lines()
        .rfind(|line| line.contains("webhook refused"))
        .unwrap();
    assert!(
        !refused.contains(EXOTEL_SECRET) && !refused.contains("09812345670"),
        "{refused}"
    );
}
