//! The examples as a user runs them: as processes, by their output and exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use telephony::Provider;
use telephony_testkit::{Outcome, Script, Speech};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// No example may take longer than this, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// The example's binary, which `cargo test` has built. It sees no variable but those that the test sets.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let binary = target
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "{} is missing: `cargo test --workspace` builds it, and so does `cargo build --examples`",
        binary.display()
    );
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs to the end: exit code, stdout, stderr.
async fn run(command: &mut Command) -> (i32, String, String) {
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("it hangs").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        status.code().expect("it was killed"),
        text(stdout),
        text(stderr),
    )
}

/// A directory of this test alone, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("telephony-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

mod demonstrations {
    use super::*;

    #[tokio::test]
    async fn new_carrier_calls_the_server_and_hears_itself() {
        let (code, out, err) = run(&mut example("new_carrier")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        for step in [
            "carriers: acme, exotel, plivo, twilio, vonage",
            "/acme/call: 403",
            "/acme/call: 200",
            "stream: 500ms came back",
            ": 204",
            "stream: closed",
        ] {
            assert!(out.contains(step), "{step} is missing in:\n{out}");
        }
    }

    #[tokio::test]
    async fn the_carrier_has_less_than_300_lines() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/new_carrier.rs");
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines < 300, "{lines}");
    }

    #[tokio::test]
    async fn ivr_answers_every_choice() {
        let (code, out, err) = run(example("ivr").arg("--demo")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let answers: Vec<_> = out
            .lines()
            .filter(|line| line.contains("is answered: "))
            .collect();
        assert_eq!(
            answers,
            [
                "  is answered: say, gather | say, dial | say, hang-up",
                "  is answered: say, gather | say, dial | say, hang-up",
                "  is answered: say, gather | say, stream, hang-up",
                "  is answered: say, gather | say, gather | say, gather | say, hang-up",
            ],
            "{out}"
        );
        assert_eq!(out.matches("the call is completed").count(), 4, "{out}");
    }

    #[tokio::test]
    async fn barge_in_is_silent_and_knows_what_was_heard() {
        let (code, out, err) = run(&mut example("barge_in")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        for carrier in Provider::ALL {
            assert!(out.contains(&format!("{carrier}: \"once upon")), "{out}");
        }
        assert_eq!(
            out.matches("after the caller began to speak").count(),
            Provider::ALL.len()
        );
        assert_eq!(
            out.matches("were dropped").count(),
            Provider::ALL.len(),
            "{out}"
        );
    }

    #[tokio::test]
    async fn realtime_bridge_cuts_the_models_answer_where_it_was_interrupted() {
        let (code, out, err) = run(example("realtime_bridge").arg("--demo")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert_eq!(
            out.matches("the model's answer is cut at").count(),
            Provider::ALL.len()
        );
        assert_eq!(
            out.matches("of the caller").count(),
            Provider::ALL.len(),
            "{out}"
        );
    }

    #[tokio::test]
    async fn record_writes_one_file_per_call() {
        let directory = Directory::new("record");
        let (code, out, err) = run(example("record").arg(&directory.0).arg("--demo")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        for carrier in Provider::ALL {
            let line = out
                .lines()
                .find(|line| line.contains(&format!("  {carrier}: ")));
            assert!(line.unwrap().contains("of 440 Hz at -"), "{out}");
        }
        let names = directory.names();
        assert_eq!(names.len(), Provider::ALL.len(), "{names:?}");
        for name in names {
            assert!(
                name.starts_with("call-") && name.ends_with(".wav"),
                "{name}"
            );
            assert!(!name.contains("415555"), "{name} shows a number");
            let wav = hound::WavReader::open(directory.0.join(&name)).unwrap();
            let spec = wav.spec();
            assert_eq!((spec.channels, spec.bits_per_sample), (1, 16));
            let seconds = f64::from(wav.duration()) / f64::from(spec.sample_rate);
            assert!((1.5..4.0).contains(&seconds), "{seconds} s");
        }
    }

    #[tokio::test]
    async fn record_stops_at_its_maximum() {
        let directory = Directory::new("record-max");
        let mut command = example("record");
        let (code, out, err) =
            run(command.arg("--demo").arg(&directory.0).args(["--max", "1"])).await;
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let names = directory.names();
        assert_eq!(names.len(), Provider::ALL.len(), "{names:?}");
        for name in names {
            let wav = hound::WavReader::open(directory.0.join(name)).unwrap();
            assert_eq!(
                wav.duration(),
                wav.spec().sample_rate,
                "not exactly a second"
            );
        }
    }
}

mod arguments {
    use super::*;

    #[tokio::test]
    async fn help_says_how_to_use_it() {
        for name in ["ivr", "record", "barge_in", "realtime_bridge"] {
            let (code, out, _) = run(example(name).arg("--help")).await;
            assert_eq!(code, 0);
            assert!(
                out.contains(&format!("usage: {name}")) && out.contains("--demo"),
                "{out}"
            );
        }
    }

    #[tokio::test]
    async fn wrong_usage_is_2_and_says_what_is_wrong() {
        let cases: [(&str, &[&str], &str); 10] = [
            ("ivr", &[], "say --demo"),
            ("ivr", &["--demmo"], "not known"),
            ("ivr", &["--sales"], "--sales needs a number"),
            ("ivr", &["--sales", "7654321"], "country code"),
            ("record", &["--max"], "from 1 to 3600"),
            ("record", &["--max", "0"], "from 1 to 3600"),
            ("record", &["--fast"], "--fast is not an option"),
            ("record", &["a", "b"], "more than one directory"),
            ("barge_in", &["--now"], "only --demo or --serve"),
            (
                "realtime_bridge",
                &["--demo", "x"],
                "only --demo or --serve",
            ),
        ];
        for (name, arguments, wrong) in cases {
            let (code, out, err) = run(example(name).args(arguments)).await;
            assert_eq!((code, out.as_str()), (2, ""), "{name} {arguments:?}: {err}");
            assert!(
                err.starts_with("error: ") && err.contains(wrong),
                "{name} {arguments:?}: {err}"
            );
            assert!(!err.contains("7654321"), "{err}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_named() {
        let directory = Directory::new("record-file");
        let file = directory.0.join("file");
        std::fs::write(&file, "in the way").unwrap();
        let (code, _, err) = run(example("record").arg(&file).arg("--demo")).await;
        assert_eq!(code, 1);
        assert!(
            err.contains("cannot make the directory") && err.contains("file"),
            "{err}"
        );
    }
}

mod environment {
    use super::*;

    async fn fails_to_start(name: &str, variables: &[(&str, &str)]) -> String {
        let mut command = example(name);
        command
            .env("TELEPHONY_LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied());
        if name == "ivr" {
            command.args(["--sales", "+14155550123"]);
        }
        let (code, out, err) = run(&mut command).await;
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.starts_with("error: "), "{err}");
        err
    }

    #[tokio::test]
    async fn the_public_url_is_required() {
        for name in ["echo", "ivr"] {
            assert!(
                fails_to_start(name, &[])
                    .await
                    .contains("TELEPHONY_PUBLIC_URL")
            );
        }
        for wrong in ["ftp://voice.example.com", "http://voice.example.com", ""] {
            let err = fails_to_start("echo", &[("TELEPHONY_PUBLIC_URL", wrong)]).await;
            assert!(err.contains("TELEPHONY_PUBLIC_URL"), "{err}");
        }
    }

    #[tokio::test]
    async fn missing_variables_are_named_and_values_are_not_shown() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["TWILIO_ACCOUNT_SID"], &["TWILIO_AUTH_TOKEN"]),
            (&["TWILIO_AUTH_TOKEN"], &["TWILIO_ACCOUNT_SID"]),
            (
                &["VONAGE_API_KEY", "VONAGE_SIGNATURE_SECRET"],
                &["VONAGE_APPLICATION_ID", "VONAGE_PRIVATE_KEY"],
            ),
            (
                &["EXOTEL_ACCOUNT_SID", "EXOTEL_API_KEY", "EXOTEL_API_TOKEN"],
                &["EXOTEL_WEBHOOK_SECRET"],
            ),
        ];
        for (set, missing) in cases {
            let mut variables = vec![("TELEPHONY_PUBLIC_URL", "https://voice.example.com")];
            variables.extend(set.iter().map(|name| (*name, "hunter2-value")));
            let err = fails_to_start("echo", &variables).await;
            assert!(
                missing.iter().all(|name| err.contains(name)),
                "{missing:?}: {err}"
            );
            assert!(!set.iter().any(|name| err.contains(name)), "{err}");
            assert!(!err.contains("hunter2"), "{err}");
        }
    }

    #[tokio::test]
    async fn with_no_carrier_on_the_variables_of_all_are_named() {
        let public = ("TELEPHONY_PUBLIC_URL", "https://voice.example.com");
        let err = fails_to_start("echo", &[public]).await;
        for name in ["TWILIO_ACCOUNT_SID", "VONAGE_API_KEY", "EXOTEL_API_TOKEN"] {
            assert!(err.contains(name), "{name}: {err}");
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let (listener, url) = house::free_port().await.unwrap();
        let address = url.trim_start_matches("http://");
        let mut command = example("echo");
        command.env("TELEPHONY_LISTEN", address);
        command.env("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001");
        command.env("TWILIO_AUTH_TOKEN", "a-token-for-tests");
        let (code, _, err) =
            run(command.env("TELEPHONY_PUBLIC_URL", "https://voice.example.com")).await;
        assert_eq!(code, 1);
        assert!(
            err.contains(&format!("cannot listen on {address}")),
            "{err}"
        );
        drop(listener);
    }
}

#[cfg(unix)]
mod server {
    use super::*;

    /// A running `echo`, and what it printed at its start.
    struct Echo {
        process: Child,
        printed: String,
        url: String,
    }

    impl Echo {
        /// With the accounts that the simulated carriers use.
        async fn start() -> Self {
            let mut command = example("echo");
            command
                .env("TELEPHONY_LISTEN", "127.0.0.1:0")
                .env("TELEPHONY_PUBLIC_URL", "https://voice.example.com/")
                .envs(house::simulated::variables())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
            let mut printed = String::new();
            // The last line that it prints is the last carrier's last URL.
            while !printed.contains("/vonage/status") {
                let line = tokio::time::timeout(DEADLINE, lines.next_line())
                    .await
                    .expect("it hangs");
                printed += &line.unwrap().expect("it ended");
                printed += "\n";
            }
            let url = printed
                .lines()
                .next()
                .unwrap()
                .strip_prefix("listening on ")
                .unwrap()
                .to_owned();
            Self {
                process,
                printed,
                url,
            }
        }

        /// Asks it to end: how long that took, its exit code, and what it said meanwhile.
        async fn terminate(mut self) -> (Duration, Option<i32>, String) {
            let begun = Instant::now();
            let id = self.process.id().unwrap().to_string();
            assert!(
                Command::new("kill")
                    .args(["-TERM", &id])
                    .status()
                    .await
                    .unwrap()
                    .success()
            );
            let status = tokio::time::timeout(DEADLINE, self.process.wait())
                .await
                .expect("it hangs");
            let took = begun.elapsed();
            let mut said = String::new();
            self.process
                .stderr
                .as_mut()
                .unwrap()
                .read_to_string(&mut said)
                .await
                .unwrap();
            (took, status.unwrap().code(), said)
        }

        fn call(&self, script: Script) -> telephony_testkit::SimulatedCall {
            let call = house::simulated::call(Provider::Twilio, &self.url);
            call.public_url("https://voice.example.com")
                .script(script)
                .deadline(DEADLINE / 2)
        }
    }

    #[tokio::test]
    async fn echo_prints_the_urls_and_no_secret() {
        let echo = Echo::start().await;
        let printed = echo.printed.clone();
        for carrier in ["twilio", "vonage"] {
            for route in ["call", "events", "status"] {
                let url = format!(" https://voice.example.com/{carrier}/{route}\n");
                assert!(printed.contains(&url), "{url} is missing in:\n{printed}");
            }
        }
        let exotel = " https://voice.example.com/exotel/call?key=$EXOTEL_WEBHOOK_SECRET\n";
        assert!(printed.contains(exotel), "{printed}");

        let (status, body) = house::get(&format!("{}/healthz", echo.url)).await.unwrap();
        assert_eq!((status, body.as_slice()), (200, &b"ok\n"[..]));
        let unsigned = house::post(&format!("{}/twilio/call", echo.url), &[], "CallSid=CA1").await;
        assert_eq!(unsigned.unwrap(), (403, vec![]));
        let nobody = house::post(&format!("{}/nobody/call", echo.url), &[], "").await;
        assert_eq!(nobody.unwrap().0, 404);

        let (took, code, said) = echo.terminate().await;
        assert_eq!(code, Some(0), "{said}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        for (name, value) in house::simulated::variables() {
            assert!(
                !printed.contains(value) && !said.contains(value),
                "{name} is shown"
            );
        }
    }

    #[tokio::test]
    async fn echo_says_back_what_it_hears() {
        let echo = Echo::start().await;
        let second = Duration::from_secs(1);
        let script = Script::new()
            .speak(Speech::tone(440.0, second))
            .wait_to_hear(second * 9 / 10, second * 20)
            .hang_up();
        let outcome: Outcome = echo.call(script).call().await;
        assert!(outcome.ok(), "{:?}", outcome.complaints);
        assert_eq!(
            (outcome.answered, outcome.status.as_str()),
            (true, "completed")
        );
        let stream = outcome.stream().unwrap();
        assert!(stream.from_app.frames >= 45, "{stream:?}");
        assert_eq!(echo.terminate().await.1, Some(0));
    }

    #[tokio::test]
    async fn sigterm_ends_a_live_call_and_the_process() {
        let echo = Echo::start().await;
        let second = Duration::from_secs(1);
        let script = Script::new()
            .speak(Speech::tone(440.0, second))
            .wait_for_hang_up(second * 30);
        let call = echo.call(script).start();
        let handle = call.handle();
        tokio::time::sleep(second * 2).await;
        assert!(!handle.is_over(), "there is no call to end");
        let (took, code, said) = echo.terminate().await;
        assert_eq!(code, Some(0), "{said}");
        assert!(took < second * 10, "{took:?}");
        let outcome = tokio::time::timeout(DEADLINE, call.outcome())
            .await
            .unwrap();
        assert_eq!(
            outcome.ended_by,
            telephony_testkit::EndedBy::App,
            "{:?}",
            outcome.complaints
        );
        assert!(outcome.stream().unwrap().closed_by_app.is_some());
    }
}
