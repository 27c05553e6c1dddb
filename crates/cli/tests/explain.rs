//! `telephony sign` and `telephony explain` as processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Stdio;

use support::{Directory, Ended, PUBLIC, echo, run, telephony};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn sign(carrier: &str, more: &[&str]) -> String {
    let mut arguments = vec!["sign", "--carrier", carrier];
    arguments.extend(more);
    let ended = run(&mut telephony(&arguments)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out
}

/// Explains what comes on stdin.
async fn explain(carrier: &str, dump: &str, more: &[&str]) -> Ended {
    let mut arguments = vec!["explain", "--carrier", carrier, "-"];
    arguments.extend(more);
    let mut child = telephony(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(dump.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_signed_request_is_taken_by_a_real_app() {
    let server = echo().await;
    for (carrier, answer) in [
        ("twilio", "<Stream "),
        ("vonage", "websocket"),
        ("plivo", "<Stream "),
    ] {
        let url = format!("{PUBLIC}/{carrier}/call");
        let raw = sign(
            carrier,
            &[
                "--request-url",
                &url,
                "--send-to",
                &server.url,
                "--format",
                "raw",
            ],
        )
        .await;
        let mut tcp = TcpStream::connect(server.url.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        tcp.write_all(raw.trim_end().as_bytes()).await.unwrap();
        let mut reply = vec![0; 4_096];
        let read = tcp.read(&mut reply).await.unwrap();
        let reply = String::from_utf8_lossy(&reply[..read]).into_owned();
        assert!(
            reply.starts_with("HTTP/1.1 200") && reply.contains(answer),
            "{carrier}: {reply}"
        );
    }
}

#[tokio::test]
async fn what_was_signed_is_explained() {
    for carrier in ["twilio", "vonage", "plivo"] {
        let url = format!("{PUBLIC}/voice/call?line=1");
        let raw = sign(carrier, &["--request-url", &url, "--format", "raw"]).await;
        let ended = explain(carrier, &raw, &["--public-url", PUBLIC]).await;
        assert_eq!(ended.code, 0, "{carrier}: {ended:?}");
        assert!(ended.out.contains("it matches"), "{}", ended.out);
        assert!(ended.out.contains("library   accepts"), "{}", ended.out);
        let ended = run(&mut {
            let mut command =
                telephony(&["explain", "--carrier", carrier, "--public-url", PUBLIC, "-"]);
            command
                .env("TWILIO_AUTH_TOKEN", "wrong")
                .env("VONAGE_SIGNATURE_SECRET", "wrong")
                .env("PLIVO_AUTH_TOKEN", "wrong");
            command
                .stdin(std::fs::File::open(Directory::new(carrier).write("dump", &raw)).unwrap());
            command
        })
        .await;
        assert_eq!(ended.code, 1, "{carrier}: {ended:?}");
        assert!(ended.out.contains("it does not match"), "{}", ended.out);
    }
}

#[tokio::test]
async fn the_trouble_behind_a_proxy_is_named() {
    for carrier in ["twilio", "plivo"] {
        check_proxies(carrier).await;
    }
}

async fn check_proxies(carrier: &str) {
    let url = &format!("{PUBLIC}/{carrier}/call");
    let form = ["--form", "From=+14155550100", "--form", "CallStatus=busy"];
    let mut arguments = vec!["--request-url", url, "--format", "raw"];
    arguments.extend(form);
    let raw = sign(carrier, &arguments).await;
    let behind = raw.replace(
        "Host: voice.example.com",
        "Host: 10.0.0.7:8080\r\nX-Forwarded-Host: voice.example.com",
    );
    for (dump, base, difference) in [
        (
            behind.clone(),
            "http://10.0.0.7:8080",
            "the host is voice.example.com (of the header x-forwarded-host)",
        ),
        (
            behind.clone(),
            "http://voice.example.com",
            "the scheme is https, not http",
        ),
        (
            behind.clone(),
            "https://voice.example.com:8443",
            "the URL has no port",
        ),
        (
            behind.replace("/call HTTP", "/call/ HTTP"),
            PUBLIC,
            "the path has no slash at its end",
        ),
        (
            behind.clone(),
            "https://voice.example.com/voice",
            "has not the prefix of the public URL",
        ),
        (
            behind.replace("%2B", "+"),
            PUBLIC,
            "a + in the body is a plus sign",
        ),
    ] {
        let ended = explain(carrier, &dump, &["--public-url", base, "--json"]).await;
        assert_eq!(ended.code, 1, "{carrier} {base}: {ended:?}");
        let result = ended.json();
        let found = result["differences"].to_string();
        assert!(
            found.contains(difference),
            "{carrier} {base}: {difference} is not in {found}"
        );
        assert_eq!(result["signed_url"], *url);
    }
}

#[tokio::test]
async fn a_media_socket_is_signed_and_explained() {
    // Plivo was seen to sign it with another scheme.
    for (carrier, scheme) in [("twilio", "wss"), ("plivo", "http")] {
        let rest = format!("voice.example.com/{carrier}/media/abc");
        let url = format!("wss://{rest}");
        let raw = sign(carrier, &["--request-url", &url, "--format", "raw"]).await;
        assert!(
            raw.starts_with(&format!("GET /{carrier}/media/abc"))
                && raw.contains("Upgrade: websocket"),
            "{raw}"
        );
        let ended = explain(carrier, &raw, &["--public-url", PUBLIC]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let signed = format!("{scheme}://{rest}");
        assert!(ended.out.contains(&signed), "{}", ended.out);
        assert!(ended.out.contains("library   accepts"), "{}", ended.out);
    }
}

#[tokio::test]
async fn a_media_socket_without_a_signature_is_told_apart() {
    let dump =
        "GET /plivo/media/abc HTTP/1.1\r\nHost: voice.example.com\r\nUpgrade: websocket\r\n\r\n";
    let ended = explain("plivo", dump, &["--public-url", PUBLIC]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for says in [
        "there is no X-Plivo-Signature-V3",
        "PLIVO_REQUIRE_UPGRADE_SIGNATURE",
        "library   refuses",
    ] {
        assert!(ended.out.contains(says), "{says}: {}", ended.out);
    }
}

#[tokio::test]
async fn a_body_that_was_written_anew_is_noticed() {
    let url = format!("{PUBLIC}/vonage/call");
    let body = r#"{"uuid":"1","from":"2"}"#;
    let raw = sign(
        "vonage",
        &["--request-url", &url, "--format", "raw", "--body", body],
    )
    .await;
    let pretty = raw
        .replace(body, r#"{"uuid": "1", "from": "2"}"#)
        .replace("Content-Length: 23", "Content-Length: 26");
    let ended = explain("vonage", &pretty, &[]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("hash the raw bytes"), "{}", ended.out);
    assert!(ended.out.contains("library   refuses"), "{}", ended.out);
}

#[tokio::test]
async fn requests_come_as_arguments_too() {
    // The example of Twilio's documentation.
    let arguments = [
        "explain",
        "--carrier",
        "twilio",
        "--request-url",
        "https://example.com/myapp.php?foo=1&bar=2",
        "-H",
        "X-Twilio-Signature: L/OH5YylLD5NRKLltdqwSvS0BnU=",
        "--body",
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
    ];
    let ended = run(telephony(&arguments).env("TWILIO_AUTH_TOKEN", "12345")).await;
    assert_eq!(ended.code, 0, "{ended:?}");

    let url = format!(
        "https://voice.example.com/exotel/call?key={}",
        support::EXOTEL_SECRET
    );
    let ended = run(&mut telephony(&[
        "explain",
        "--carrier",
        "exotel",
        "--request-url",
        &url,
    ]))
    .await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let wrong = url.replace("key=", "key=x");
    let ended = run(&mut telephony(&[
        "explain",
        "--carrier",
        "exotel",
        "--request-url",
        &wrong,
    ]))
    .await;
    assert_eq!(ended.code, 1, "{ended:?}");
}

#[tokio::test]
async fn curl_gets_a_command_that_is_quoted() {
    let url = "https://voice.example.com/it's";
    let curl = sign(
        "twilio",
        &["--request-url", url, "--form", "CallStatus=busy"],
    )
    .await;
    assert!(
        curl.starts_with("curl -sS -X POST 'https://voice.example.com/it'\\''s'"),
        "{curl}"
    );
    assert!(
        curl.contains("--data-raw 'CallStatus=busy'") && curl.contains("-H 'X-Twilio-Signature: "),
        "{curl}"
    );
    assert!(!curl.contains(support::TWILIO_TOKEN));
}
