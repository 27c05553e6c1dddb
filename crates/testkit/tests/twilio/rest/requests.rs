//! Who may ask, what may be asked, and refusals.

use std::time::Duration;

use crate::api::*;
use crate::support::raw::Ask;
use crate::support::{App, SECOND, codes, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{Fault, OnDial, Operation, Simulator};

#[tokio::test]
async fn credentials_are_checked() {
    let carrier = Simulator::twilio(account().with_api_key("SK01", "a secret"))
        .serve()
        .await
        .unwrap();
    let form = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Twiml", "<Response/>"),
    ];
    let with = |user: &str, password: &str, path: &str| {
        Ask::new("POST", carrier.base_url(), path)
            .basic(user, password)
            .form(&form)
            .told()
    };
    assert_eq!(with(ACCOUNT, TOKEN, CALLS).await.status, 201);
    assert_eq!(with("SK01", "a secret", CALLS).await.status, 201);
    for (user, password) in [(ACCOUNT, "wrong"), ("SK01", TOKEN), ("SK02", "a secret")] {
        let told = with(user, password, CALLS).await;
        assert_eq!(error(&told), (401, 20003));
        assert!(told.header("www-authenticate").starts_with("Basic"));
    }
    let told = Ask::new("POST", carrier.base_url(), CALLS)
        .form(&form)
        .told()
        .await;
    assert_eq!(error(&told), (401, 20003));
    let other = CALLS.replace("0001/", "0002/");
    assert_eq!(error(&with(ACCOUNT, TOKEN, &other).await), (404, 20404));
    assert_eq!(carrier.calls().len(), 2);
}

#[tokio::test]
async fn parameters_are_checked() {
    let carrier = Simulator::twilio(account().with_number("+14155550100"))
        .serve()
        .await
        .unwrap();
    let url = "https://voice.example.com/answer";
    let long = "x".repeat(4_001);
    let good = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Url", url),
    ];
    for (name, value, code) in [
        ("To", "", 21201),
        ("To", "ada", 21211),
        ("From", "", 21213),
        ("From", "ada", 21212),
        ("From", "+14155550101", 21210),
        ("Url", "", 21205),
        ("Url", "/answer", 21205),
        ("Url", "https://a_b.example.com/", 21205),
        ("StatusCallback", "status", 21205),
        ("Method", "PUT", 21209),
        ("Timeout", "601", 21208),
        ("Timeout", "soon", 21208),
        ("Twiml", &long, 32018),
        ("SendDigits", "12x", 21206),
        ("MachineDetection", "Maybe", 21234),
        ("ApplicationSid", "AP1", 21218),
        ("RecordingChannels", "stereo", 20422),
    ] {
        let mut form: Vec<_> = good
            .iter()
            .filter(|(known, _)| *known != name)
            .copied()
            .collect();
        form.push((name, value));
        let told = ask(&carrier, "POST", CALLS).form(&form).told().await;
        assert_eq!(error(&told), (400, code), "{name}={value}");
    }
    let told = ask(&carrier, "POST", CALLS)
        .json(&json!({"To": "+14155550199"}))
        .told()
        .await;
    assert_eq!(error(&told), (400, 21201));
    assert_eq!(carrier.complaints()[0].code, "not-a-form");
    assert!(carrier.calls().is_empty());
    // Exactly 4,000 characters go.
    let twiml = format!("<Response><!--{}--></Response>", "x".repeat(4_000 - 28));
    assert_eq!(twiml.len(), 4_000);
    placed(&carrier, &[("Twiml", &twiml)]).await;
}

#[tokio::test]
async fn what_the_carrier_swallows_is_complained_of() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status) = (app.url("/say"), app.url("/status"));
    let base = [("Url", url.as_str()), ("StatusCallback", &status)];
    for (more, code) in [
        (
            [
                ("StatusCallbackEvent", "initiated,ringing"),
                ("Timeout", "5"),
            ],
            "21626",
        ),
        (
            [("StatusCallbackEvent[0]", "initiated"), ("Timeout", "5")],
            "21626",
        ),
        (
            [("AsyncAmd", "true"), ("MachineDetection", "Enable")],
            "21262",
        ),
        ([("statusCallback", "x"), ("Timeout", "5")], "20001"),
        ([("Twiml", "<Response/>"), ("Timeout", "5")], "32019"),
    ] {
        let before = app.seen_at("/status").len();
        let mut form = base.to_vec();
        form.extend(more);
        let sid = placed(&carrier, &form).await;
        let outcome = outcome(&carrier, &sid).await;
        assert!(codes(&outcome).contains(&code), "{:?}", codes(&outcome));
        let after = app.seen_at("/status").len();
        assert_eq!(after - before, usize::from(code != "21626"), "{code}");
    }
}

#[tokio::test]
async fn without_json_in_the_path_the_answer_is_xml() {
    let carrier = carrier().await;
    let path = CALLS.trim_end_matches(".json");
    let told = ask(&carrier, "POST", path).form(&[]).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (400, "application/xml")
    );
    assert!(
        told.text().contains("<RestException><Code>21201</Code>")
            || told.text().contains("<Code>21201</Code>")
    );
}

#[tokio::test]
async fn refusals_have_the_carriers_words() {
    let carrier = carrier().await;
    let form = [("Twiml", "<Response/>")];
    for (fault, expected) in [
        (Fault::status(400), (400, 20001)),
        (Fault::status(401), (401, 20003)),
        (Fault::status(404), (404, 20404)),
        (Fault::status(500), (500, 20500)),
        (Fault::status(503), (503, 20503)),
        (Fault::code(400, "21214"), (400, 21214)),
        (Fault::too_many_requests(None), (429, 20429)),
    ] {
        carrier.inject(fault);
        let told = place(&carrier, &form).await;
        assert_eq!(error(&told), expected);
        assert_eq!(told.header("retry-after"), "");
    }
    carrier.inject(
        Fault::too_many_requests(Some(3 * SECOND))
            .times(2)
            .on(Operation::PlaceCall),
    );
    assert_eq!(
        ask(&carrier, "GET", CALLS).told().await.status,
        200,
        "not aimed at it"
    );
    for _ in 0..2 {
        let told = place(&carrier, &form).await;
        assert_eq!((told.status, told.header("retry-after")), (429, "3"));
    }
    carrier.inject(Fault::body(502, "text/html", "<html>Bad Gateway</html>"));
    let told = place(&carrier, &form).await;
    assert_eq!(
        (told.status, told.text().as_str()),
        (502, "<html>Bad Gateway</html>")
    );
    carrier.inject(Fault::redirect("http://127.0.0.1:1/elsewhere"));
    let told = place(&carrier, &form).await;
    assert_eq!(
        (told.status, told.header("location")),
        (307, "http://127.0.0.1:1/elsewhere")
    );
    assert!(carrier.calls().is_empty(), "none of them was processed");
    assert_eq!(place(&carrier, &form).await.status, 201);
}

#[tokio::test]
async fn a_connection_may_break_before_and_after() {
    let carrier = carrier().await;
    let form = [
        ("To", "+14155550199"),
        ("From", "+14155550100"),
        ("Twiml", "<Response/>"),
    ];
    let attempt = || ask(&carrier, "POST", CALLS).form(&form).send();
    carrier.inject(Fault::close_before());
    assert!(attempt().await.is_none());
    assert!(carrier.calls().is_empty());
    carrier.inject(Fault::close_after());
    assert!(attempt().await.is_none());
    let sids = carrier.placed(1, SECOND).await;
    assert_eq!(sids.len(), 1);
    assert_eq!(outcome(&carrier, &sids[0]).await.status, "completed");
    let requests = carrier.requests();
    assert_eq!((requests[0].status, requests[1].status), (None, None));
    assert_eq!(requests[1].call_id.as_ref(), Some(&sids[0]));
}

#[tokio::test]
async fn answers_may_be_late_or_garbage() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let (url, status) = (app.url("/say"), app.url("/status"));
    let form = [
        ("Url", url.as_str()),
        ("StatusCallback", &status),
        ("StatusCallbackEvent", "initiated"),
    ];
    carrier.inject(Fault::slow(Duration::from_millis(300)));
    let told = place(&carrier, &form).await;
    assert!(told.status == 201 && told.took >= Duration::from_millis(300));
    assert!(
        !app.seen_at("/status").is_empty(),
        "the call did not wait for the answer"
    );

    let before = app.seen_at("/status").len();
    carrier.inject(Fault::after_first_callback());
    assert_eq!(place(&carrier, &form).await.status, 201);
    assert!(app.seen_at("/status").len() > before);

    carrier.inject(Fault::garbage());
    let told = place(&carrier, &form).await;
    assert!(told.status == 201 && serde_json::from_slice::<Value>(&told.body).is_err());
    assert_eq!(carrier.calls().len(), 3);
}

#[tokio::test]
async fn secrets_and_numbers_are_not_shown() {
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let sid = placed(
        &carrier,
        &[("Twiml", "<Response><Say>psst</Say></Response>")],
    )
    .await;
    let call = carrier.call(&sid).unwrap();
    let shown = format!(
        "{carrier:?} {:?} {call:?} {:?} {:?}",
        carrier.requests(),
        account().with_api_key("SK01", "hidden"),
        Fault::redirect("https://secret.example.com"),
    );
    for secret in [
        TOKEN,
        ACCOUNT,
        "4155550199",
        "psst",
        "hidden",
        "SK01",
        "secret.example",
        &sid,
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
