//! Webhooks and upgrades, and who signed them.

use std::time::Duration;

use super::{account, claims, connect, echo, endpoint, hash, routes, simulated, statuses};
use crate::support::{App, Reply, SECOND, assert_clean, no_socket, tone};
use serde_json::json;
use telephony_testkit::{EndedBy, Method, Script, Simulator};

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .speak(tone(400))
                .press("5")
                .wait_to_hear(Duration::from_millis(300), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.answered);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.heard_rate, 16_000);
    let loudest = outcome
        .heard
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap();
    assert!(
        (16_000..17_000).contains(&loudest),
        "nothing is lost on the way: {loudest}"
    );
    let stream = outcome.stream().unwrap();
    assert!(
        stream.from_app.bytes >= 20 * 640 && stream.keys == 1,
        "{stream:?}"
    );

    let asked = &app.seen_at("/answer")[0];
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.param("from"), "14155550100");
    assert_eq!(asked.param("uuid"), outcome.call_id);
    let signed: Vec<String> = asked
        .form()
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    let claimed = claims(asked);
    assert_eq!(
        claimed["payload_hash"],
        hash(format!("{{{}}}", signed.join(",")).as_bytes())
    );
    assert_eq!(
        (&claimed["iss"], &claimed["api_key"]),
        (&json!("Vonage"), &json!("abcd1234"))
    );
    assert!(claimed.get("exp").is_none());

    for event in app.seen_at("/event") {
        assert_eq!(claims(&event)["payload_hash"], hash(&event.body));
    }
    assert_eq!(
        statuses(&app),
        [
            "started",
            "ringing",
            "answered",
            "started",
            "answered",
            "completed",
            "completed"
        ]
    );
    let own: Vec<_> = app
        .seen_at("/event")
        .iter()
        .map(|seen| seen.json()["uuid"] == outcome.call_id.as_str())
        .collect();
    assert_eq!(
        own,
        [true, true, true, false, false, false, true],
        "the socket is a leg of its own"
    );
    // The query of a socket arrives here, and nothing is signed unless the document asks for it.
    let upgrade = &app.seen_at("/socket")[0];
    assert_eq!(
        (upgrade.query.as_str(), upgrade.header("authorization")),
        ("who=me", "")
    );
}

#[tokio::test]
async fn post_signs_the_body_and_unsigned_sends_nothing() {
    let app = App::serve(|_| Reply::json(json!([])), no_socket).await;
    let outcome = simulated(&app).method(Method::Post).call().await;
    assert_clean(&outcome);
    assert!(!outcome.answered);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    let asked = &app.seen_at("/answer")[0];
    assert_eq!(asked.json()["to"], "14155550199");
    assert_eq!(claims(asked)["payload_hash"], hash(&asked.body));

    Simulator::vonage(account().unsigned().with_event_method(Method::Get))
        .answer_url(app.url("/answer"))
        .status_url(app.url("/event"))
        .call()
        .await;
    let seen = app.seen();
    assert_eq!(seen.last().unwrap().method, "GET");
    assert_eq!(seen.last().unwrap().param("headers"), "{}");
    assert_eq!(seen.last().unwrap().header("authorization"), "");
}

#[tokio::test]
async fn the_upgrade_is_authorized_as_the_document_says() {
    for (authorization, expected) in [
        (json!({"type": "vonage"}), "jwt"),
        (json!({}), "jwt"),
        (
            json!({"type": "custom", "value": "Token of mine"}),
            "Token of mine",
        ),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/answer" => {
                    let mut endpoint = endpoint(seen, 8_000);
                    endpoint["authorization"] = authorization.clone();
                    Reply::json(connect(endpoint))
                }
                _ => routes(seen),
            },
            echo,
        )
        .await;
        assert_clean(&simulated(&app).call().await);
        let upgrade = &app.seen_at("/socket")[0];
        if expected == "jwt" {
            let claims = claims(upgrade);
            assert_eq!(claims["iss"], "Vonage");
            assert!(claims.get("payload_hash").is_none());
        } else {
            assert_eq!(upgrade.header("authorization"), expected);
        }
    }
}
