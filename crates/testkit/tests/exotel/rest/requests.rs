//! Who may ask, what may be asked, and refusals.

use std::time::Duration;

use super::{
    CONNECT, CUSTOMER, EXOPHONE, FLOW, account, ask, carrier, exception, outcome, place, placed,
    routes, serve,
};
use crate::support::raw::Ask;
use crate::support::{App, SECOND, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{ExotelAccount, Fault, OnDial, Operation};

#[tokio::test]
async fn credentials_are_checked() {
    let carrier = carrier().await;
    for (user, password) in [
        ("a key", "wrong"),
        ("another key", "a token"),
        ("exampleacct1", "a token"),
    ] {
        let told = Ask::new("POST", carrier.base_url(), CONNECT)
            .basic(user, password)
            .form(&[])
            .told()
            .await;
        assert_eq!(exception(&told), (401, 401));
    }
    let told = Ask::new("POST", carrier.base_url(), CONNECT)
        .form(&[])
        .told()
        .await;
    assert_eq!(exception(&told), (401, 401));
    let other = CONNECT.replace("exampleacct1", "another1");
    assert_eq!(
        exception(&ask(&carrier, "POST", &other).form(&[]).told().await),
        (404, 404)
    );
    let lower = CONNECT.replace("Calls", "calls");
    assert_eq!(
        exception(&ask(&carrier, "POST", &lower).form(&[]).told().await),
        (404, 404)
    );
    // An account without a key has no API.
    let closed = serve(ExotelAccount::new("exampleacct1")).await;
    assert_eq!(
        exception(&ask(&closed, "POST", CONNECT).form(&[]).told().await),
        (401, 401)
    );
}

#[tokio::test]
async fn parameters_are_checked() {
    let carrier = serve(
        account()
            .with_number("+918040000003")
            .without_direct_streams(),
    )
    .await;
    let good = [("From", CUSTOMER), ("CallerId", EXOPHONE), ("Url", FLOW)];
    let (long_url, long_field) = (
        format!("wss://a.example/{}", "x".repeat(600)),
        "x".repeat(129),
    );
    let stream = "wss://voice.example.com/media";
    for (changes, status) in [
        (vec![("From", "")], 400),
        (vec![("From", "ada")], 400),
        (vec![("CallerId", "")], 400),
        (vec![("CallerId", "08040000004")], 400),
        (vec![("Url", "")], 400),
        (vec![("StreamUrl", stream)], 400),
        (vec![("Url", ""), ("StreamUrl", stream)], 400),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", stream),
                ("StreamType", "bidirectional"),
            ],
            403,
        ),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", "https://a.example/"),
                ("StreamType", "bidirectional"),
            ],
            400,
        ),
        (
            vec![
                ("Url", ""),
                ("StreamUrl", &long_url),
                ("StreamType", "bidirectional"),
            ],
            400,
        ),
        (vec![("CustomField", &long_field)], 400),
        (vec![("TimeLimit", "14401")], 400),
        (vec![("TimeOut", "soon")], 400),
        (vec![("Record", "yes")], 400),
        (vec![("CallType", "promo")], 400),
        (vec![("StatusCallback", "/status")], 400),
        (vec![("StatusCallbackContentType", "text/xml")], 400),
    ] {
        let changed = |name: &str| changes.iter().any(|(known, _)| *known == name);
        let mut form: Vec<_> = good
            .iter()
            .filter(|(name, _)| !changed(name))
            .copied()
            .collect();
        form.extend(&changes);
        let told = ask(&carrier, "POST", CONNECT).form(&form).told().await;
        assert_eq!(exception(&told), (status, u64::from(status)), "{changes:?}");
    }
    let told = ask(&carrier, "POST", CONNECT)
        .json(&json!({"From": CUSTOMER}))
        .told()
        .await;
    assert_eq!(exception(&told), (400, 400));
    assert!(carrier.calls().is_empty());
    let more = [
        ("Url", FLOW),
        ("from", "x"),
        ("StatusCallbackEvents[]", "ringing"),
    ];
    placed(&carrier, &more).await;
    let complaints = carrier.complaints();
    let codes: Vec<_> = complaints
        .iter()
        .map(|finding| finding.code.as_ref())
        .collect();
    assert_eq!(codes, ["not-a-form", "unknown-event", "unknown-parameter"]);
}

#[tokio::test]
async fn a_multipart_form_will_do_and_xml_is_the_default() {
    let carrier = carrier().await;
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = [
        part("From", CUSTOMER),
        part("CallerId", EXOPHONE),
        part("Url", FLOW),
        "--b--\r\n".into(),
    ];
    let told = ask(&carrier, "POST", CONNECT.trim_end_matches(".json"))
        .body("multipart/form-data; boundary=b", body.concat())
        .told()
        .await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "application/xml")
    );
    let text = told.text();
    assert!(
        text.contains("<TwilioResponse>") && text.contains("<Status>in-progress</Status>"),
        "{text}"
    );
    let sid = carrier.calls().pop().unwrap();
    assert!(text.contains(&format!("<Sid>{sid}</Sid>")));
    let told = ask(&carrier, "POST", CONNECT.trim_end_matches(".json"))
        .form(&[])
        .told()
        .await;
    assert!(
        told.status == 400 && told.text().contains("<RestException>"),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let carrier = serve(account().with_requests_per_minute(2)).await;
    assert_eq!(place(&carrier, &[("Url", FLOW)]).await.status, 200);
    assert_eq!(place(&carrier, &[("Url", FLOW)]).await.status, 200);
    let told = place(&carrier, &[("Url", FLOW)]).await;
    assert_eq!(exception(&told), (429, 429));
    assert_eq!(told.json()["RestException"]["Code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(account().requests_per_minute, 200);
}

#[tokio::test]
async fn calls_are_listed() {
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::Busy));
    let mut sids = vec![];
    for _ in 0..3 {
        let sid = placed(&carrier, &[("Url", FLOW)]).await;
        outcome(&carrier, &sid).await;
        sids.push(sid);
    }
    let list = async |query: &str| {
        let path = format!("/v1/Accounts/exampleacct1/Calls.json{query}");
        ask(&carrier, "GET", &path).told().await
    };
    let page = list("?PageSize=2&From=%2B919990000105&Status=busy&DateCreated=gte:2020-01-01")
        .await
        .json();
    assert_eq!(page["Metadata"]["Total"], 3);
    assert_eq!(page["Calls"][0]["Sid"], sids[2]);
    let next = page["Metadata"]["NextPageUri"].as_str().unwrap();
    let page = ask(&carrier, "GET", next).told().await.json();
    assert_eq!(
        (&page["Calls"][0]["Sid"], &page["Metadata"]["NextPageUri"]),
        (&json!(sids[0]), &Value::Null)
    );
    let page = list(&format!("?Sid={},{}", sids[0], sids[1])).await.json();
    assert_eq!(page["Metadata"]["Total"], 2);
    assert_eq!(
        list("?Status=completed").await.json()["Metadata"]["Total"],
        0
    );
    assert_eq!(exception(&list("?PageSize=101").await), (400, 400));
    let path = "/v1/Accounts/exampleacct1/Calls/nobody.json";
    assert_eq!(
        exception(&ask(&carrier, "GET", path).told().await),
        (404, 404)
    );
    let told = ask(&carrier, "GET", "/v1/Accounts/exampleacct1/ActiveStreams")
        .told()
        .await;
    assert!(
        told.text()
            .contains("<ActiveStreamCount>0</ActiveStreamCount>"),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn refusals_have_the_carriers_words() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    carrier.set(|call| call.on_dial(OnDial::Busy));
    let more = [("Url", FLOW), ("StatusCallback", &*app.url("/status"))];
    for status in [400, 401, 402, 403, 404, 429, 500, 503] {
        carrier.inject(Fault::status(status));
        assert_eq!(
            exception(&place(&carrier, &more).await),
            (status, u64::from(status))
        );
    }
    carrier.inject(Fault::status(403));
    let told = place(&carrier, &more).await;
    assert!(told.text().contains("TRAI NDNC"));
    carrier.inject(Fault::too_many_requests(Some(30 * SECOND)).on(Operation::PlaceCall));
    assert_eq!(place(&carrier, &more).await.header("retry-after"), "30");
    // Success that is none.
    carrier.inject(Fault::body(
        200,
        "application/json",
        r#"{"RestException":{"Status":400}}"#,
    ));
    assert_eq!(place(&carrier, &more).await.status, 200);
    carrier.inject(Fault::redirect("http://127.0.0.1:1/"));
    assert_eq!(place(&carrier, &more).await.status, 307);
    let mut form = vec![("From", CUSTOMER), ("CallerId", EXOPHONE)];
    form.extend_from_slice(&more);
    let asked = ask(&carrier, "POST", CONNECT).form(&form);
    carrier.inject(Fault::close_before());
    assert!(asked.clone().send().await.is_none());
    assert!(carrier.calls().is_empty());
    carrier.inject(Fault::close_after());
    assert!(asked.send().await.is_none());
    let sids = carrier.placed(1, SECOND).await;
    assert_eq!(outcome(&carrier, &sids[0]).await.status, "busy");
    let before = app.seen_at("/status").len();
    carrier.inject(Fault::after_first_callback());
    place(&carrier, &more).await;
    assert!(app.seen_at("/status").len() > before);
    carrier.inject(Fault::slow(Duration::from_millis(200)));
    assert!(place(&carrier, &more).await.took >= Duration::from_millis(200));
    carrier.inject(Fault::garbage());
    let told = place(&carrier, &more).await;
    assert_eq!((told.status, told.json()), (200, Value::Null));
    assert_eq!(carrier.calls().len(), 4);
}

#[tokio::test]
async fn secrets_and_numbers_are_not_shown() {
    let carrier = carrier().await;
    placed(&carrier, &[("Url", FLOW)]).await;
    let shown = format!("{carrier:?} {:?} {:?}", carrier.requests(), account());
    for secret in ["a token", "a key", "9990000105", "exampleacct1", EXOPHONE] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
