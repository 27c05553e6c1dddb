//! The app steers calls of the simulated Twilio.

use std::time::Duration;

use crate::api::*;
use crate::support::raw::{Ask, Told};
use crate::support::{App, Reply, SECOND, listen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::persona::twilio::GoneCall;
use telephony_testkit::{EndedBy, OnDial, Script, Simulator};

#[tokio::test]
async fn the_app_hangs_up() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("completed"))
    );
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    // Once more, and it is gone.
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(error(&told), (404, 20404));
    let told = update(
        &carrier,
        "CA00000000000000000000000000000009",
        &[("Status", "completed")],
    )
    .await;
    assert_eq!(error(&told), (404, 20404));
}

#[tokio::test]
async fn a_gone_call_may_also_be_in_the_wrong_state() {
    let carrier = Simulator::twilio(account().with_gone_call(GoneCall::NotInProgress))
        .serve()
        .await
        .unwrap();
    let sid = placed(&carrier, &[("Twiml", "<Response/>")]).await;
    outcome(&carrier, &sid).await;
    let told = update(&carrier, &sid, &[("Status", "completed")]).await;
    assert_eq!(error(&told), (400, 21220));
}

#[tokio::test]
async fn canceling_is_for_calls_that_nobody_has_answered() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let told = update(&carrier, &sid, &[("Status", "canceled")]).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("in-progress"))
    );
    update(&carrier, &sid, &[("Status", "completed")]).await;

    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let status = app.url("/status");
    let sid = placed(
        &carrier,
        &[("Twiml", "<Response/>"), ("StatusCallback", &status)],
    )
    .await;
    until(&carrier, &sid, "ringing").await;
    let told = update(&carrier, &sid, &[("Status", "canceled")]).await;
    assert_eq!(told.json()["status"], "canceled");
    assert_eq!(outcome(&carrier, &sid).await.status, "canceled");
    assert_eq!(statuses(&app, "/status"), ["canceled"]);
}

#[tokio::test]
async fn nobody_hears_of_a_call_that_never_left_the_queue() {
    let app = App::serve(routes, no_socket).await;
    let carrier = Simulator::twilio(account().with_calls_per_second(1))
        .serve()
        .await
        .unwrap();
    let (url, status) = (app.url("/say"), app.url("/status"));
    let first = placed(&carrier, &[("Url", &url)]).await;
    let second = placed(&carrier, &[("Url", &url), ("StatusCallback", &status)]).await;
    let told = update(&carrier, &second, &[("Status", "completed")]).await;
    assert_eq!(told.json()["status"], "canceled");
    assert_eq!(outcome(&carrier, &second).await.status, "canceled");
    assert!(app.seen_at("/status").is_empty());
    outcome(&carrier, &first).await;
}

#[tokio::test]
async fn a_live_call_gets_a_new_document() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let told = update(
        &carrier,
        &sid,
        &[("Url", &app.url("/say/new")), ("Method", "GET")],
    )
    .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("in-progress"))
    );
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(outcome.ended_by, EndedBy::Document);
    assert_eq!(app.seen_at("/say/new")[0].method, "GET");
    assert_eq!(outcome.stream().unwrap().closed_by_app, None);
    assert!(outcome.trace_lines().contains(r#"\"event\":\"stop\""#));
    let told = update(&carrier, &sid, &[("Twiml", "<Response/>")]).await;
    assert_eq!(error(&told), (400, 21220));
}

#[tokio::test]
async fn documents_and_keys_in_an_update() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let host = app.origin.strip_prefix("http://").unwrap();
    let again = stream_twiml(host).replace("<Response>", r#"<Response><Play digits="12#"/>"#);
    assert_eq!(
        update(&carrier, &sid, &[("Twiml", &again)]).await.status,
        200
    );
    while app.seen_at("/media").len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let both = [("Twiml", "<Response/>"), ("Url", "https://example.com/")];
    assert_eq!(error(&update(&carrier, &sid, &both).await), (400, 20422));
    // A status callback alone changes nothing.
    let status = app.url("/status");
    assert_eq!(
        update(&carrier, &sid, &[("StatusCallback", &status)])
            .await
            .status,
        200
    );
    let form = [
        ("Twiml", "<Response><Hangup/></Response>"),
        ("StatusCallback", &status),
    ];
    assert_eq!(update(&carrier, &sid, &form).await.status, 200);
    let outcome = outcome(&carrier, &sid).await;
    assert_eq!(
        (outcome.tones_heard.as_str(), outcome.streams.len()),
        ("12#", 2)
    );
    assert_eq!(statuses(&app, "/status"), ["completed"]);
}

#[tokio::test]
async fn an_interrupted_dial_still_asks_its_action() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/answer" => Reply::xml(
                r#"<Response><Dial action="/dialled"><Number>+14155550123</Number></Dial></Response>"#,
            ),
            "/dialled" => Reply::xml("<Response><Say>Never heard</Say></Response>"),
            _ => routes(seen),
        },
        no_socket,
    )
    .await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.dial_result(telephony_testkit::DialResult::Completed(600 * SECOND))
            .script(Script::new().wait_for_hang_up(10 * SECOND))
    });
    let sid = placed(&carrier, &[("Url", &app.url("/answer"))]).await;
    until(&carrier, &sid, "in-progress").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    update(&carrier, &sid, &[("Url", &app.url("/say"))]).await;
    let outcome = outcome(&carrier, &sid).await;
    let purposes: Vec<_> = outcome
        .webhooks
        .iter()
        .map(|asked| asked.purpose.as_str())
        .collect();
    assert_eq!(purposes, ["answer", "dial", "update"]);
    assert_eq!(outcome.documents.len(), 2);
}

#[tokio::test]
async fn a_call_that_came_in_can_be_steered_too() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let running = carrier
        .incoming()
        .answer_url(app.url("/answer"))
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .start();
    while app.seen_at("/media").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sid = running.handle().call_id().unwrap();
    let body = fetched(&carrier, &sid).await;
    assert_eq!(
        (&body["direction"], &body["status"]),
        (&json!("inbound"), &json!("in-progress"))
    );
    assert_eq!(
        update(&carrier, &sid, &[("Status", "completed")])
            .await
            .status,
        200
    );
    let outcome = running.outcome().await;
    assert_eq!(outcome.ended_by, EndedBy::App);
    assert!(outcome.complaints.is_empty() && carrier.calls().is_empty());
}

#[tokio::test]
async fn calls_are_recorded() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let sid = live_call(&carrier, &app).await;
    let base = call_path(&sid).replace(".json", "/Recordings");
    let callback = app.url("/recording");
    let told = ask(&carrier, "POST", &format!("{base}.json"))
        .form(&[
            ("RecordingStatusCallback", &callback),
            ("RecordingStatusCallbackEvent", "in-progress completed"),
            ("RecordingChannels", "dual"),
        ])
        .told()
        .await;
    let body = told.json();
    assert_eq!(
        (told.status, &body["status"], &body["channels"]),
        (201, &json!("in-progress"), &json!(2))
    );
    assert_eq!(body["source"], "StartCallRecordingAPI");
    let recording = body["sid"].as_str().unwrap();
    let media = CALLS.replace("Calls.json", &format!("Recordings/{recording}"));
    let told = ask(&carrier, "GET", &media).told().await;
    assert_eq!(error_xml(&told), 404, "there is no file yet");
    let one = format!("{base}/Twilio.CURRENT.json");
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "paused")])
        .told()
        .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("paused"))
    );
    let one = format!("{base}/{recording}.json");
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "stopped")])
        .told()
        .await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("stopped"))
    );
    let told = ask(&carrier, "POST", &one)
        .form(&[("Status", "stopped")])
        .told()
        .await;
    assert_eq!(error(&told), (404, 20404));

    let told = ask(&carrier, "GET", &media).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "audio/x-wav")
    );
    assert!(told.body.starts_with(b"RIFF"));
    let told = ask(&carrier, "GET", &format!("{media}.mp3")).told().await;
    assert!(told.body.starts_with(&[0xff, 0xf3]));
    let told = Ask::new("GET", carrier.base_url(), &media).told().await;
    assert_eq!(told.status, 401);
    update(&carrier, &sid, &[("Status", "completed")]).await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    let told = app.seen_at("/recording");
    let events: Vec<_> = told
        .iter()
        .map(|seen| seen.param("RecordingStatus"))
        .collect();
    assert_eq!(events, ["in-progress", "completed"]);
    assert_eq!(told[1].param("RecordingSid"), recording);
    assert_eq!(
        told[1].param("RecordingUrl"),
        format!("{}{media}", carrier.base_url())
    );
    assert!(!told[1].param("RecordingDuration").is_empty());
    let told = ask(&carrier, "POST", &format!("{base}.json"))
        .form(&[])
        .told()
        .await;
    assert_eq!(error(&told), (400, 21220));
}

fn error_xml(told: &Told) -> u16 {
    assert!(told.text().contains("<RestException>"), "{}", told.text());
    told.status
}

#[tokio::test]
async fn a_call_may_be_recorded_from_its_start() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status, recording) = (app.url("/say"), app.url("/status"), app.url("/recording"));
    let sid = placed(
        &carrier,
        &[
            ("Url", &url),
            ("Record", "true"),
            ("RecordingStatusCallback", &recording),
            ("StatusCallback", &status),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
    let recorded = &app.seen_at("/recording")[0];
    assert_eq!(recorded.param("RecordingSource"), "OutboundAPI");
    let completed = &app.seen_at("/status")[0];
    assert_eq!(
        completed.param("RecordingSid"),
        recorded.param("RecordingSid")
    );
    let listed = ask(&carrier, "GET", &CALLS.replace("Calls", "Recordings"))
        .told()
        .await
        .json();
    assert_eq!(
        listed["recordings"][0]["sid"],
        recorded.param("RecordingSid")
    );
}

#[tokio::test]
async fn calls_are_listed_and_deleted() {
    let carrier = carrier().await;
    let mut sids = vec![];
    for to in ["+14155550111", "+14155550112", "+14155550112"] {
        let form = [
            ("To", to),
            ("From", "+14155550100"),
            ("Twiml", "<Response/>"),
        ];
        let told = ask(&carrier, "POST", CALLS).form(&form).told().await;
        let sid = told.json()["sid"].as_str().unwrap().to_owned();
        outcome(&carrier, &sid).await;
        sids.push(sid);
    }
    let list = async |query: &str| {
        ask(&carrier, "GET", &format!("{CALLS}{query}"))
            .told()
            .await
            .json()
    };
    let ids = |page: &Value| -> Vec<String> {
        let calls = page["calls"].as_array().unwrap();
        calls
            .iter()
            .map(|call| call["sid"].as_str().unwrap().to_owned())
            .collect()
    };
    let to = list("?To=%2B14155550112&StartTime%3E=2020-01-01T00:00:00Z&Status=completed").await;
    assert_eq!(ids(&to), [sids[2].clone(), sids[1].clone()]);
    assert_eq!(list("?StartTime%3E=2999-01-01").await["calls"], json!([]));
    let first = list("?PageSize=2").await;
    assert_eq!(ids(&first).len(), 2);
    let next = first["next_page_uri"].as_str().unwrap();
    let second = ask(&carrier, "GET", next).told().await.json();
    assert_eq!(
        (ids(&second), &second["next_page_uri"]),
        (vec![sids[0].clone()], &Value::Null)
    );
    let told = ask(&carrier, "GET", &format!("{CALLS}?PageSize=1001"))
        .told()
        .await;
    assert_eq!(error(&told), (400, 20007));

    let told = ask(&carrier, "DELETE", &call_path(&sids[0])).told().await;
    assert_eq!((told.status, told.body.len()), (204, 0));
    let told = ask(&carrier, "GET", &call_path(&sids[0])).told().await;
    assert_eq!(error(&told), (404, 20404));
    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let sid = placed(&carrier, &[("Twiml", "<Response/>")]).await;
    let told = ask(&carrier, "DELETE", &call_path(&sid)).told().await;
    assert_eq!(error(&told), (400, 20009));
}
