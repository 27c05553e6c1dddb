//! The simulated Vonage places calls for the app.

use std::time::Duration;

use crate::api::*;
use crate::key::{PUBLIC_OF_THE_OLD_KIND, token};
use crate::support::raw::Ask;
use crate::support::{App, Reply, SECOND, assert_clean, codes, listen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{
    EndedBy, Fault, OnDial, Operation, Script, SimulatedCarrier, Simulator, Speech, VonageAccount,
};

// The whole way.

#[tokio::test]
async fn a_placed_call_calls_the_app_back() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.script(
            Script::new()
                .speak(Speech::tone(440.0, Duration::from_millis(300)))
                .hang_up(),
        )
    });
    let told = place(&carrier, &app, json!({"answer_url": [app.url("/answer")]})).await;
    let created = told.json();
    assert_eq!(told.status, 201, "{created}");
    assert_eq!(
        (&created["status"], &created["direction"]),
        (&json!("started"), &json!("outbound"))
    );
    assert!(
        created["conversation_uuid"]
            .as_str()
            .unwrap()
            .starts_with("CON-")
    );
    let uuid = created["uuid"].as_str().unwrap();
    let outcome = outcome(&carrier, uuid).await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.status.as_str(), outcome.ended_by),
        ("completed", EndedBy::Callee)
    );
    assert!(outcome.stream().unwrap().to_app.frames > 5);
    assert_eq!(
        statuses(&app, uuid),
        ["started", "ringing", "answered", "completed"]
    );
    let last = app.seen_at("/event").pop().unwrap().json();
    assert_eq!(
        (&last["direction"], &last["disconnected_by"], &last["to"]),
        (&json!("outbound"), &json!("user"), &json!("14155550199"))
    );
    let answer = &app.seen_at("/answer")[0];
    assert_eq!(
        (answer.method.as_str(), answer.param("uuid").as_str()),
        ("GET", uuid)
    );
    assert_eq!(answer.param("region_url"), carrier.base_url());
    assert!(answer.header("authorization").starts_with("Bearer "));

    let leg = fetched(&carrier, uuid).await;
    assert_eq!(leg["to"], json!({"type": "phone", "number": "14155550199"}));
    assert_eq!(leg["status"], "completed");
    assert!(
        leg["duration"].is_string() && leg["price"].is_string(),
        "{leg}"
    );
}

#[tokio::test]
async fn a_document_may_be_in_the_request() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let host = app.origin.strip_prefix("http://").unwrap().to_owned();
    let uuid = placed(&carrier, &app, json!({"ncco": socket_ncco(&host)})).await;
    let outcome = outcome(&carrier, &uuid).await;
    assert_clean(&outcome);
    assert_eq!(
        (
            outcome.documents[0].asked_by.as_str(),
            outcome.webhooks.len()
        ),
        ("inline", 0)
    );
    assert_eq!(outcome.streams.len(), 1);
    // What is wrong with it is an event.
    let uuid = placed(&carrier, &app, json!({"ncco": [{"action": "hangup"}]})).await;
    assert_eq!(
        codes(&carrier.outcome(&uuid).await.unwrap()),
        ["ncco-syntax"]
    );
}

#[tokio::test]
async fn nobody_may_answer() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    for (on_dial, expected, sip) in [
        (OnDial::Busy, "busy", 486),
        (OnDial::NoAnswer, "timeout", 487),
        (OnDial::Answer { after: 20 * SECOND }, "timeout", 487),
        (OnDial::Failed, "failed", 404),
    ] {
        carrier.set(|call| call.on_dial(on_dial));
        let more = json!({"answer_url": [app.url("/talk")], "ringing_timer": 5});
        let uuid = placed(&carrier, &app, more).await;
        let outcome = outcome(&carrier, &uuid).await;
        assert!(!outcome.answered && outcome.webhooks.is_empty());
        assert_eq!(outcome.status, expected);
        assert_eq!(statuses(&app, &uuid), ["started", "ringing", expected]);
        let last = app.seen_at("/event").pop().unwrap().json();
        assert_eq!(last["sip_code"], sip);
        assert_eq!(fetched(&carrier, &uuid).await["status"], expected);
    }
}

#[tokio::test]
async fn machines_are_told_from_people() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let machine = OnDial::Machine { after: SECOND };
    let human = OnDial::Answer { after: SECOND };
    let wait = json!([{"action": "wait", "timeout": 20}]);
    let detect = |mode: &str, behavior: &str| {
        json!({
            "ncco": wait,
            "advanced_machine_detection": {"mode": mode, "behavior": behavior, "beep_timeout": 45},
        })
    };
    carrier.set(|call| call.script(Script::new().silence(15 * SECOND)));
    let (begin, verdict, beep) = (["started", "ringing", "answered"], "machine", "machine");
    for (on_dial, more, expected) in [
        (human, detect("detect", "continue"), vec!["human"]),
        (machine, detect("detect", "continue"), vec![verdict]),
        (machine, detect("detect", "hangup"), vec![verdict]),
        (machine, detect("detect_beep", "continue"), vec![beep]),
        (human, detect("detect_beep", "continue"), vec![]),
        (machine, detect("default", "continue"), vec![verdict, beep]),
        (
            machine,
            json!({"ncco": wait, "machine_detection": "hangup"}),
            vec![verdict],
        ),
    ] {
        carrier.set(|call| call.on_dial(on_dial));
        let hangs_up = more.to_string().contains("hangup");
        let synchronous = more.to_string().contains("detect\"");
        let uuid = placed(&carrier, &app, more).await;
        let outcome = outcome(&carrier, &uuid).await;
        assert_clean(&outcome);
        let seen = statuses(&app, &uuid);
        let whole = [&begin[..], &expected, &["completed"]].concat();
        assert_eq!(seen, whole);
        assert_eq!(outcome.ended_by == EndedBy::Carrier, hangs_up);
        assert_eq!(outcome.documents.is_empty(), hangs_up && synchronous);
    }
}

#[tokio::test]
async fn the_verdict_may_be_answered_with_a_document() {
    let app = App::serve(
        |seen| match seen.json()["status"].as_str() {
            Some("machine") if seen.json()["sub_state"] == "beep_start" => {
                Reply::json(json!([{"action": "talk", "text": "After the beep"}]))
            }
            _ => routes(seen),
        },
        no_socket,
    )
    .await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.on_dial(OnDial::Machine { after: SECOND })
            .script(Script::new().wait_for_hang_up(10 * SECOND))
    });
    let more = json!({
        "ncco": [{"action": "wait", "timeout": 600}],
        "advanced_machine_detection": {"mode": "default"},
    });
    let uuid = placed(&carrier, &app, more).await;
    let outcome = outcome(&carrier, &uuid).await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    assert!(
        app.seen_at("/event")
            .iter()
            .all(|seen| seen.json()["type"] != "transfer")
    );
}

#[tokio::test]
async fn a_time_limit_ends_the_call() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let more = json!({"answer_url": [app.url("/answer")], "length_timer": 3});
    let uuid = placed(&carrier, &app, more).await;
    let outcome = outcome(&carrier, &uuid).await;
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
    assert_clean(&outcome);
}

// Who may, and what may be asked.

#[tokio::test]
async fn tokens_are_checked() {
    let app = App::serve(routes, no_socket).await;
    let strict = carrier().await;
    let with = |carrier: &SimulatedCarrier, token: Option<String>| {
        let ask = Ask::new("POST", carrier.base_url(), "/v1/calls").json(&body(
            &app,
            json!({"ncco": [{"action": "talk", "text": "Hi"}]}),
        ));
        match token {
            Some(token) => ask.header("Authorization", format!("Bearer {token}")),
            None => ask,
        }
        .told()
    };
    let good = token(APPLICATION, json!({"exp": 4_000_000_000_u64}));
    assert_eq!(
        with(&strict, Some(good)).await.status,
        401,
        "it lives too long"
    );
    let good = token(APPLICATION, json!({}));
    assert_eq!(with(&strict, Some(good.clone())).await.status, 201);
    assert_eq!(
        with(&strict, Some(good.clone())).await.status,
        201,
        "it may be used again"
    );
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let other = token(APPLICATION, json!({"jti": "another"}));
    let (_, swapped) = other.rsplit_once('.').unwrap();
    assert_ne!(signature, swapped);
    for bad in [
        None,
        Some(token("another application", json!({}))),
        Some(token(APPLICATION, json!({"iat": 1_000}))),
        Some(format!("{rest}.{swapped}")),
        Some(format!("{rest}.")),
    ] {
        let told = with(&strict, bad).await;
        assert_eq!(told.status, 401);
        assert_eq!(
            told.json(),
            json!({"type": "UNAUTHORIZED", "error_title": "Unauthorized"})
        );
    }
    assert!(
        strict
            .complaints()
            .iter()
            .all(|finding| finding.code == "unauthorized")
    );

    let old = Simulator::vonage(account().with_public_key(PUBLIC_OF_THE_OLD_KIND));
    let old = old.serve().await.unwrap();
    assert_eq!(with(&old, Some(good.clone())).await.status, 201);
    // Without a key, anybody may have signed.
    let lenient = Simulator::vonage(VonageAccount::new("abcd1234", APPLICATION, "s"));
    let lenient = lenient.serve().await.unwrap();
    assert_eq!(
        with(&lenient, Some(format!("{rest}.{swapped}")))
            .await
            .status,
        201
    );
    assert_eq!(with(&lenient, None).await.status, 401);
}

#[tokio::test]
async fn parameters_are_checked() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let phone = |number: &str| json!([{"type": "phone", "number": number}]);
    let talk = json!([{"action": "talk", "text": "Hi"}]);
    for (more, name) in [
        (json!({"to": phone("+14155550199")}), "number"),
        (json!({"to": phone("0014155550199")}), "number"),
        (
            json!({"to": {"type": "phone", "number": "14155550199"}}),
            "to",
        ),
        (json!({"to": []}), "to"),
        (json!({"to": [{"type": "fax"}]}), "type"),
        (
            json!({"to": [{"type": "sip", "uri": "ada@example.com"}]}),
            "uri",
        ),
        (json!({"from": null}), "from"),
        (
            json!({"from": {"type": "phone", "number": "+14155550100"}}),
            "number",
        ),
        (json!({"random_from_number": true}), "from"),
        (json!({"ncco": null}), "ncco"),
        (json!({"ncco": []}), "ncco"),
        (json!({"answer_url": ["https://example.com/a"]}), "ncco"),
        (
            json!({"ncco": null, "answer_url": "https://example.com/a"}),
            "answer_url",
        ),
        (json!({"event_url": null}), "event_url"),
        (json!({"event_url": ["event"]}), "event_url"),
        (json!({"event_method": "PUT"}), "event_method"),
        (json!({"ringing_timer": 121}), "ringing_timer"),
        (json!({"ringing_timer": "60"}), "ringing_timer"),
        (json!({"length_timer": 0}), "length_timer"),
        (json!({"machine_detection": "ignore"}), "machine_detection"),
        (
            json!({"advanced_machine_detection": {"mode": "fast"}}),
            "mode",
        ),
        (
            json!({"advanced_machine_detection": {"beep_timeout": 20}}),
            "beep_timeout",
        ),
    ] {
        let mut whole = json!({"ncco": talk});
        for (member, value) in more.as_object().unwrap() {
            whole[member] = value.clone();
        }
        let told = place(&carrier, &app, whole).await;
        let error = told.json();
        assert_eq!((told.status, &error["type"]), (400, &json!(400)), "{more}");
        assert_eq!(
            error["invalid_parameters"][0]["name"], name,
            "{more}: {error}"
        );
    }
    let told = ask(&carrier, "POST", "/v1/calls")
        .form(&[("to", "1")])
        .told()
        .await;
    assert_eq!(told.status, 400);
    assert!(carrier.calls().is_empty());
    let more = json!({"ncco": talk, "from": null, "random_from_number": true, "eventUrl": []});
    assert_eq!(place(&carrier, &app, more).await.status, 201);
    assert_eq!(carrier.complaints()[0].code, "unknown-member");
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let app = App::serve(routes, no_socket).await;
    let account = account().with_limits(3, 15);
    let carrier = Simulator::vonage(account).serve().await.unwrap();
    let more = json!({"ncco": [{"action": "talk", "text": "Hi"}]});
    let mut codes = vec![];
    for _ in 0..4 {
        codes.push(place(&carrier, &app, more.clone()).await.status);
    }
    assert_eq!(codes, [201, 201, 201, 429]);
    let told = ask(&carrier, "GET", "/v1/calls").told().await;
    assert_eq!(told.status, 200, "others are counted by themselves");
    for _ in 0..14 {
        assert_eq!(ask(&carrier, "GET", "/v1/calls").told().await.status, 200);
    }
    let told = ask(&carrier, "GET", "/v1/calls").told().await;
    assert_eq!(
        (told.status, told.json()["title"].as_str()),
        (429, Some("Too Many Requests"))
    );
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(place(&carrier, &app, more).await.status, 201);
}

// Faults.

#[tokio::test]
async fn refusals_have_the_carriers_words() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let more = json!({"answer_url": [app.url("/talk")]});
    for (fault, status, member, value) in [
        (Fault::status(400), 400, "title", "Bad Request"),
        (Fault::status(401), 401, "error_title", "Unauthorized"),
        (Fault::status(404), 404, "title", "Not Found"),
        (
            Fault::too_many_requests(None),
            429,
            "title",
            "Too Many Requests",
        ),
        (Fault::status(503), 503, "title", "Service Unavailable"),
    ] {
        carrier.inject(fault);
        let told = place(&carrier, &app, more.clone()).await;
        assert_eq!(
            (told.status, told.json()[member].as_str()),
            (status, Some(value))
        );
    }
    carrier.inject(Fault::too_many_requests(Some(2 * SECOND)).on(Operation::PlaceCall));
    assert_eq!(ask(&carrier, "GET", "/v1/calls").told().await.status, 200);
    assert_eq!(
        place(&carrier, &app, more.clone())
            .await
            .header("retry-after"),
        "2"
    );
    carrier.inject(Fault::redirect("http://127.0.0.1:1/"));
    assert_eq!(place(&carrier, &app, more.clone()).await.status, 307);
    carrier.inject(Fault::close_before());
    let asked = ask(&carrier, "POST", "/v1/calls").json(&body(&app, more.clone()));
    assert!(asked.clone().send().await.is_none());
    assert!(carrier.calls().is_empty());
    carrier.inject(Fault::close_after());
    assert!(asked.send().await.is_none());
    assert_eq!(carrier.placed(1, SECOND).await.len(), 1);
    carrier.inject(Fault::after_first_callback());
    let uuid = placed(&carrier, &app, more.clone()).await;
    assert!(!statuses(&app, &uuid).is_empty());
    carrier.inject(Fault::slow(Duration::from_millis(200)));
    assert!(place(&carrier, &app, more.clone()).await.took >= Duration::from_millis(200));
    carrier.inject(Fault::garbage());
    let told = place(&carrier, &app, more).await;
    assert_eq!((told.status, told.json()), (201, Value::Null));
    assert_eq!(carrier.calls().len(), 4);
}
