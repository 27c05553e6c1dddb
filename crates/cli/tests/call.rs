//! `telephony call` and `telephony replay`, against the library's own echo.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::{Directory, PUBLIC, Server, bare, echo, run, telephony};

/// What a call to the echo needs for that carrier.
fn arguments<'a>(carrier: &'a str, url: &'a str, status: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![
        "--carrier",
        carrier,
        "--url",
        url,
        "--status-url",
        status,
        "--public-url",
        PUBLIC,
        "--slow-webhook",
        "30s",
    ];
    if carrier == "vonage" {
        arguments.extend(["--method", "post"]);
    }
    arguments
}

fn urls(server: &Server, carrier: &str) -> (String, String) {
    let status = if carrier == "vonage" {
        "events"
    } else {
        "status"
    };
    let base = format!("{}/{carrier}", server.url);
    (format!("{base}/call"), format!("{base}/{status}"))
}

/// How strong a tone is in these samples, from 0 to about 1 (Goertzel's algorithm).
fn strength(samples: &[i16], rate: f64, hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / rate;
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let value = f64::from(*sample);
        sine += value * (step * index as f64).sin();
        cosine += value * (step * index as f64).cos();
        power += value * value;
    }
    let count = samples.len() as f64;
    (sine.hypot(cosine) / count) / (power / count / 2.0).sqrt().max(1.0)
}

/// Whether a tenth of a second of the file is mostly that tone.
fn has_tone(path: &str, hz: f64) -> bool {
    let mut reader = hound::WavReader::open(path).unwrap();
    let rate = reader.spec().sample_rate;
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    samples
        .chunks_exact(rate as usize / 10)
        .any(|tenth| strength(tenth, f64::from(rate), hz) > 0.8)
}

fn write_tone(path: &str, hz: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for index in 0..16_000 {
        let phase = std::f64::consts::TAU * hz * f64::from(index) / 16_000.0;
        writer
            .write_sample((phase.sin() * 12_000.0) as i16)
            .unwrap();
    }
    writer.finalize().unwrap();
}

#[tokio::test]
async fn a_call_is_heard_recorded_traced_and_judged_and_can_be_replayed() {
    let server = echo().await;
    let directory = Directory::new("call");
    let hello = directory.path("hello.wav");
    write_tone(&hello, 600.0);
    for carrier in ["twilio", "vonage", "exotel", "plivo"] {
        let (url, status) = urls(&server, carrier);
        let (heard, trace) = (
            directory.path(&format!("{carrier}.wav")),
            directory.path(&format!("{carrier}.jsonl")),
        );
        let mut call = vec![
            "call", "--play", &hello, "--record", &heard, "--trace", &trace,
        ];
        call.extend([
            "--dtmf",
            "1@500ms",
            "--dtmf",
            "#@1800ms",
            "--hang-up-after",
            "2s",
        ]);
        call.extend(arguments(carrier, &url, &status));
        let ended = run(&mut telephony(&call)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended
                .out
                .contains("answered, completed, ended by the caller"),
            "{}",
            ended.out
        );
        assert!(ended.out.contains("verdict   clean:"), "{}", ended.out);
        // Progress is on stderr, and nothing is coloured that is no terminal.
        assert!(
            ended.err.contains(&format!("{PUBLIC}/{carrier}/call")),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("← audio"), "{}", ended.err);
        assert!(!ended.out.contains('\x1b') && !ended.err.contains('\x1b'));
        assert!(
            has_tone(&heard, 600.0),
            "{carrier}: the caller did not hear the echo"
        );
        assert!(!has_tone(&heard, 1_000.0));
        check_trace(&directory.read(&format!("{carrier}.jsonl")), carrier);

        // The same caller again: what was said comes from the trace now.
        let again = directory.path(&format!("{carrier}-again.wav"));
        let replay = [
            "replay",
            &trace,
            "--record",
            &again,
            "--slow-webhook",
            "30s",
            "-q",
        ];
        let ended = run(&mut telephony(&replay)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.out.contains("of speech, 2 keys"), "{}", ended.out);
        assert!(
            ended.out.contains("answers   as recorded:"),
            "{}",
            ended.out
        );
        assert!(ended.err.is_empty(), "--quiet: {}", ended.err);
        assert!(
            has_tone(&again, 600.0),
            "{carrier}: the replayed caller said something else"
        );

        let replay = ["replay", &trace, "--slow-webhook", "30s", "-q", "--json"];
        let ended = run(&mut telephony(&replay)).await;
        let result = ended.json();
        assert_eq!(result["replay"]["as_recorded"], true, "{carrier}: {result}");
        assert_eq!(result["replay"]["keys"], 2);
    }
}

fn check_trace(text: &str, carrier: &str) {
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "call");
    assert_eq!(lines[0]["carrier"], carrier);
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert!(of("request") >= 2 && of("response") >= 2 && of("close") >= 1);
    assert_eq!(of("handshake"), 2);
    let audio = if carrier == "vonage" {
        of("binary")
    } else {
        of("text")
    };
    assert!(audio > 20, "{carrier}: {audio}");
    for secret in [
        support::TWILIO_TOKEN,
        support::VONAGE_SECRET,
        support::EXOTEL_SECRET,
        support::PLIVO_TOKEN,
    ] {
        assert!(
            !text.contains(secret),
            "{carrier}: a secret is in the trace"
        );
    }
}

#[tokio::test]
async fn the_result_can_be_json() {
    let server = echo().await;
    let (url, status) = urls(&server, "twilio");
    let mut call = vec!["call", "--json", "--quiet", "--hang-up-after", "1s"];
    call.extend(arguments("twilio", &url, &status));
    let ended = run(&mut telephony(&call)).await;
    let result = ended.json();
    assert_eq!(result["verdict"]["clean"], true);
    assert_eq!(result["verdict"]["exit_code"], 0);
    assert_eq!(result["call"]["status"], "completed");
    assert!(
        result["call"]["streams"][0]["first_audio_ms"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[tokio::test]
async fn an_app_that_should_hang_up_and_does_not_is_told_so() {
    let server = echo().await;
    let (url, status) = urls(&server, "twilio");
    let mut call = vec!["call", "-q", "--expect-hang-up", "500ms"];
    call.extend(arguments("twilio", &url, &status));
    let ended = run(&mut telephony(&call)).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("not-hung-up"), "{}", ended.out);
    // Whoever wants only what the carrier refuses says so; this is an error all the same.
    call.extend(["--fail-on", "error"]);
    assert_eq!(run(&mut telephony(&call)).await.code, 1);
}

#[tokio::test]
async fn secrets_come_from_a_file_and_not_from_the_command_line() {
    let server = echo().await;
    let directory = Directory::new("secrets");
    let (url, status) = urls(&server, "twilio");
    let mut call = vec!["call", "-q", "--hang-up-after", "500ms"];
    call.extend(arguments("twilio", &url, &status));

    let ended = run(&mut bare(&call)).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.contains("TWILIO_AUTH_TOKEN is not set"),
        "{}",
        ended.err
    );

    for text in [
        format!("# mine\nTWILIO_AUTH_TOKEN={}\n", support::TWILIO_TOKEN),
        format!("{}\n", support::TWILIO_TOKEN),
    ] {
        let file = directory.write("secrets.env", &text);
        let mut call = call.clone();
        call.extend(["--secret-file", &file]);
        let ended = run(&mut bare(&call)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    for option in ["--auth-token", "--secret", "--token"] {
        let mut call = call.clone();
        call.extend([option, "hunter2"]);
        assert_eq!(run(&mut bare(&call)).await.code, 2, "{option}");
    }
}

#[tokio::test]
async fn nobody_home_is_no_verdict() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/call", listener.local_addr().unwrap());
    drop(listener);
    for command in ["call", "load"] {
        let ended = run(&mut telephony(&[
            command,
            "--carrier",
            "twilio",
            "--url",
            &url,
        ]))
        .await;
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(
            ended.err.contains("nobody answers at 127.0.0.1:"),
            "{}",
            ended.err
        );
        assert_eq!(ended.out, "");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_command_line_is_said() {
    let url = "http://127.0.0.1:1/call";
    let of = |more: &[&'static str]| {
        let mut all = vec!["call", "--carrier", "twilio", "--url", url];
        all.extend(more);
        all
    };
    for (arguments, says) in [
        (vec!["call", "--url", url], "--carrier"),
        (
            vec!["call", "--carrier", "acme", "--url", url],
            "known are twilio, vonage, exotel, plivo",
        ),
        (vec!["call", "--carrier", "twilio"], "--url"),
        (
            vec![
                "call",
                "--carrier",
                "twilio",
                "--url",
                "https://127.0.0.1:1/",
            ],
            "speaks no TLS",
        ),
        (
            vec!["call", "--carrier", "twilio", "--url", "call"],
            "not a URL",
        ),
        (of(&["--dtmf", "1"]), "write 1@2s"),
        (of(&["--dtmf", "x@1s"]), "no keys"),
        (of(&["--hang-up-after", "10"]), "write 500ms"),
        (of(&["--play", "/nowhere.wav"]), "/nowhere.wav"),
        (of(&["--secret-file", "/nowhere"]), "/nowhere"),
        (
            of(&["--hang-up-after", "1s", "--expect-hang-up", "1s"]),
            "cannot be used with",
        ),
        (of(&["--public-url", "voice"]), "--public-url voice"),
        (vec!["replay", "/nowhere.jsonl"], "/nowhere.jsonl"),
        (
            vec!["load", "--carrier", "twilio", "--url", url, "--rate", "0"],
            "no rate",
        ),
        (vec!["serve", "--carrier", "twilio", "--fail", "200"], "200"),
        (vec!["dance"], "dance"),
    ] {
        let ended = run(&mut telephony(&arguments)).await;
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(says), "{arguments:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn help_tells_the_exit_codes_and_every_option() {
    let ended = run(&mut bare(&["--help"])).await;
    assert_eq!(ended.code, 0);
    for word in [
        "call",
        "serve",
        "load",
        "explain",
        "sign",
        "replay",
        "Exit codes",
        "TWILIO_AUTH_TOKEN",
        "PLIVO_AUTH_TOKEN",
    ] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    for command in ["call", "serve", "load", "explain", "sign", "replay"] {
        let ended = run(&mut bare(&[command, "--help"])).await;
        assert_eq!(ended.code, 0, "{command}");
        assert!(ended.out.contains("Usage: telephony"), "{}", ended.out);
    }
    let ended = run(&mut bare(&["--version"])).await;
    assert_eq!(
        ended.out,
        format!("telephony {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn a_trace_that_is_none_is_refused() {
    let directory = Directory::new("trace");
    for (text, says) in [
        ("", "does not say which call"),
        ("{}\n", "line 1"),
        ("no JSON\n", "line 1"),
        (
            "{\"kind\":\"call\",\"carrier\":\"twilio\",\"url\":\"http://127.0.0.1:1/\"}\n{\"at_ms\":1}\n",
            "line 2",
        ),
    ] {
        let file = directory.write("trace.jsonl", text);
        let ended = run(&mut telephony(&["replay", &file])).await;
        assert_eq!(ended.code, 2, "{text}: {ended:?}");
        assert!(ended.err.contains(says), "{text}: {}", ended.err);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_makes_the_caller_hang_up() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
    let server = echo().await;
    let (url, status) = urls(&server, "twilio");
    let mut call = vec!["call", "--hang-up-after", "100s"];
    call.extend(arguments("twilio", &url, &status));
    let mut child = telephony(&call)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    while !progress
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .contains("← audio")
    {}
    let pid = child.id().unwrap().to_string();
    let kill = tokio::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await;
    assert!(kill.unwrap().success());
    let rest = async { while let Ok(Some(_)) = progress.next_line().await {} };
    let mut out = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let (_, read) = tokio::join!(rest, stdout.read_to_string(&mut out));
    read.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{out}");
    assert!(
        out.contains("ended by the caller") && out.contains("verdict   clean"),
        "{out}"
    );
}
