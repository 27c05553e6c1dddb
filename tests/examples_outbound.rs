//! The example `outbound` as a user runs it: as a process, by its output and exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use telephony::Provider;
use telephony_testkit::{OnDial, Operation, Script, SimulatedCall, Speech};
use tokio::process::Command;

/// No run may take longer than this, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

fn outbound() -> Command {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let name = format!("outbound{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(target.join("examples").join(name));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

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

/// A call to whatever is at the carrier's host, as the carrier's variables say it.
async fn call(provider: Provider, on_dial: OnDial, script: Script) -> (i32, String, String) {
    let (listener, url) = house::free_port().await.unwrap();
    let pattern: SimulatedCall = house::simulated::call(provider, &url);
    let carrier = pattern
        .on_dial(on_dial)
        .script(script)
        .serve()
        .await
        .unwrap();
    let (to, from) = house::simulated::parties(provider);
    let name = provider.as_str();
    let mut command = outbound();
    command
        .env("TELEPHONY_LISTEN", url.trim_start_matches("http://"))
        .env("TELEPHONY_PUBLIC_URL", &url)
        .envs(house::simulated::variables())
        .env(
            format!("{}_BASE_URL", name.to_uppercase()),
            carrier.base_url(),
        )
        .args([
            "--carrier",
            name,
            "--to",
            to.address(),
            "--from",
            from.address(),
        ])
        .args(["--hang-up-after", "20"]);
    drop(listener); // For the process.
    let (code, out, err) = run(&mut command).await;
    assert_eq!(carrier.requests_for(Operation::PlaceCall).len(), 1, "{err}");
    assert!(
        carrier.complaints().is_empty(),
        "{:?}",
        carrier.complaints()
    );
    for text in [&out, &err] {
        assert!(!text.contains(to.address()), "a number is shown: {text}");
    }
    (code, out, err)
}

fn hello() -> Script {
    Script::new()
        .speak(Speech::tone(440.0, Duration::from_millis(400)))
        .silence(Duration::from_millis(200))
        .hang_up()
}

#[tokio::test]
async fn it_exits_with_0_when_somebody_answered() {
    for provider in Provider::ALL {
        let after = Duration::from_millis(100);
        let (code, out, err) = call(provider, OnDial::Answer { after }, hello()).await;
        assert_eq!(code, 0, "{provider}: {out}{err}");
        for step in ["taken by the carrier", "the stream is up", "over, answered"] {
            assert!(out.contains(step), "{provider}: no {step:?} in {out}");
        }
    }
}

#[tokio::test]
async fn it_exits_with_1_when_nobody_answered() {
    for provider in Provider::ALL {
        let (code, out, err) = call(provider, OnDial::Busy, hello()).await;
        assert_eq!(code, 1, "{provider}: {out}{err}");
        assert!(out.contains("over, not answered, status busy"), "{out}");
        assert_eq!(err, "error: the call was not answered\n");
    }
}

#[tokio::test]
async fn it_demonstrates_every_carrier_without_a_number() {
    let (code, out, err) = run(outbound().arg("--demo")).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    for provider in Provider::ALL {
        assert!(
            out.contains(&format!("{provider}: over, answered")),
            "{out}"
        );
    }
}

#[tokio::test]
async fn wrong_usage_is_2_and_says_what_is_wrong() {
    let (code, out, _) = run(outbound().arg("--help")).await;
    assert!(code == 0 && out.contains("usage: outbound"), "{out}");
    let cases: [(&[&str], &str); 5] = [
        (&[], "`--carrier` is missing"),
        (&["--carrier"], "needs a value"),
        (&["--to", "+14155550199"], "`--carrier` is missing"),
        (
            &["--carrier", "twilio", "--to", "7654321 x"],
            "needs a number",
        ),
        (&["--ring", "0"], "whole seconds"),
    ];
    for (arguments, wrong) in cases {
        let (code, out, err) = run(outbound().args(arguments)).await;
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(wrong), "{arguments:?}: {err}");
        assert!(!err.contains("7654321"), "{err}");
    }
    let known = [
        "--carrier",
        "acme",
        "--to",
        "+14155550199",
        "--from",
        "+14155550100",
    ];
    let mut command = outbound();
    command.env("TELEPHONY_PUBLIC_URL", "https://voice.example.com");
    let (code, _, err) = run(command.args(known)).await;
    assert!(
        code == 1 && err.contains("known are: exotel, plivo, twilio, vonage"),
        "{err}"
    );
}
