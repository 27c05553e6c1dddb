//! Where the stream goes, and how its upgrade is signed.

use std::time::Duration;

use super::{account, echo, routes, signature, simulated, twiml};
use crate::support::{App, Reply, assert_clean, codes, tone};
use telephony_testkit::persona::twilio::UpgradeSignature;
use telephony_testkit::{Script, Simulator};

#[tokio::test]
async fn a_public_url_is_signed_and_leads_to_the_real_server() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(twiml(seen).replace("ws://", "wss://")),
            _ => routes(seen),
        },
        echo,
    )
    .await;
    let outcome = simulated(&app)
        .public_url("https://voice.example.com")
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_clean(&outcome);
    let seen = &app.seen_at("/call")[0];
    assert_eq!(seen.host(), "voice.example.com");
    assert_eq!(
        seen.header("x-twilio-signature"),
        signature("https://voice.example.com/call", &seen.form())
    );
    assert_eq!(
        app.seen_at("/media/one")[0].header("x-twilio-signature"),
        signature("wss://voice.example.com/media/one", &[])
    );
}

#[tokio::test]
async fn the_upgrade_signature_has_variants() {
    for (variant, suffix) in [
        (UpgradeSignature::TrailingSlash, Some("/")),
        (UpgradeSignature::Missing, None),
    ] {
        let app = App::serve(routes, echo).await;
        let outcome = Simulator::twilio(account().with_upgrade_signature(variant))
            .answer_url(app.url("/call"))
            .call()
            .await;
        assert_clean(&outcome);
        let url = app.url("/media/one").replace("http://", "ws://");
        let expected = suffix.map_or(String::new(), |suffix| {
            signature(&format!("{url}{suffix}"), &[])
        });
        assert_eq!(
            app.seen_at("/media/one")[0].header("x-twilio-signature"),
            expected
        );
    }
}

#[tokio::test]
async fn stream_urls_are_checked() {
    for (url, attributes, parameter, code) in [
        ("http://HOST/media/one", "", "", "31922"),
        ("", "", "", "31923"),
        ("ws://HOST/media/one", "track=\"both_tracks\"", "", "31941"),
        ("ws://HOST/media/one?token=x", "", "", "query-on-stream-url"),
        ("ws://HOST/missing", "", "", "31920"),
        ("ws://127.0.0.1:1/media", "", "", "31902"),
        ("wss://elsewhere.example/media", "", "", "31923"),
        ("ws://HOST/media/one", "", "LONG", "parameter-too-long"),
        (
            "ws://HOST/media/one",
            "statusCallbackEvent=\"x\"",
            "",
            "12200",
        ),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => {
                    let parameter = match parameter {
                        "" => String::new(),
                        _ => format!("<Parameter name=\"p\" value=\"{}\"/>", "x".repeat(499)),
                    };
                    Reply::xml(format!(
                        "<Response><Connect><Stream url=\"{}\" statusCallback=\"/stream\" {attributes}>{parameter}</Stream></Connect></Response>",
                        url.replace("HOST", seen.host())
                    ))
                }
                _ => routes(seen),
            },
            echo,
        )
        .await;
        let outcome = simulated(&app)
            .script(Script::new().silence(Duration::from_millis(50)))
            .call()
            .await;
        assert_eq!(codes(&outcome), [code], "{url} {attributes}");
        let failed = code.starts_with("319");
        let events: Vec<_> = app
            .seen_at("/stream")
            .iter()
            .map(|seen| seen.param("StreamEvent"))
            .collect();
        assert_eq!(
            events.first().map(String::as_str),
            Some(if failed {
                "stream-error"
            } else {
                "stream-started"
            })
        );
        assert!(
            app.seen_at("/media/one")
                .iter()
                .all(|seen| seen.query.is_empty())
        );
    }
}

#[tokio::test]
async fn plain_ws_is_refused_when_the_public_url_is_secure() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .public_url("https://voice.example.com")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["31922"]);
}
