//! Calls of subaccounts are steered where they live, and credentials go nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::config;
use common::scripted::{live_at, saying, scripted_with};
use common::{ACCOUNT, TOKEN, form, links, ringing, sign, with_config};
use http::Method;
use telephony_core::{
    Answer, Dtmf, ErrorKind, Recording, RecordingId, Result, Secret, Telephony, WebhookKind, verify,
};
use telephony_twilio::{Twilio, TwilioConfig};

const SUBACCOUNT: &str = "AC00000000000000000000000000000002";
/// The subaccount and its token.
const BASIC: &str = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMjpzdWItdG9rZW4=";

fn with_subaccount() -> TwilioConfig {
    config()
        .with_subaccount(SUBACCOUNT, Secret::new("sub-token"))
        .with_api_key("SK0001", Secret::new("key-secret"))
}

/// The home of a call that this account sends, signed with that token.
fn home_of(account: &str, token: &str) -> Option<String> {
    let twilio = with_config(with_subaccount());
    let mut pairs = ringing();
    pairs.retain(|(name, _)| *name != "AccountSid");
    pairs.push(("AccountSid", account));
    pairs.sort_unstable();
    let url = links().call_url();
    let text: String = pairs
        .iter()
        .flat_map(|(name, value)| [*name, *value])
        .collect();
    let request = common::request(WebhookKind::IncomingCall, Method::POST, &url, &form(&pairs));
    let request = common::with_header(request, "content-type", "application/x-www-form-urlencoded");
    let signature = sign(token, &format!("{url}{text}"));
    let request = common::with_header(request, "x-twilio-signature", &signature);
    let request = verify(&twilio, request).unwrap();
    let call = twilio.accept_call(&request).unwrap();
    call.home().map(str::to_owned)
}

#[test]
fn a_call_that_comes_in_says_where_it_lives() {
    assert_eq!(home_of(ACCOUNT, TOKEN), None);
    assert_eq!(
        home_of(SUBACCOUNT, "sub-token").as_deref(),
        Some(SUBACCOUNT)
    );
}

/// All that can be done with a call.
async fn steer(twilio: &Twilio, home: &str) -> Vec<Result<()>> {
    let call = live_at(home);
    let recording = RecordingId::new("RE0001").unwrap();
    let keys = Dtmf::new("1").unwrap().then(Answer::stream());
    vec![
        twilio.hang_up(&call).await,
        twilio
            .transfer(&call, &Answer::hang_up(), &links())
            .await
            .map(drop),
        twilio.send_dtmf(&call, &keys, &links()).await,
        twilio.start_recording(&call, &links()).await.map(drop),
        twilio.stop_recording(&call, &recording).await,
        twilio.fetch_call(&call).await.map(drop),
    ]
}

#[tokio::test]
async fn it_is_steered_there_with_its_own_token() {
    let any = (200, r#"{"sid": "CA0001", "status": "completed"}"#);
    let (http, twilio) = scripted_with(with_subaccount(), saying(&[any; 6]));
    for result in steer(&twilio, SUBACCOUNT).await {
        result.unwrap();
    }
    for request in http.requests() {
        assert!(
            request.contains(&format!("/Accounts/{SUBACCOUNT}/Calls/CA0001")),
            "{request}"
        );
        assert!(
            request.contains(&format!("\nauthorization: {BASIC}\n")),
            "{request}"
        );
    }

    let (_, twilio) = scripted_with(with_subaccount(), saying(&[any]));
    let call = live_at(SUBACCOUNT);
    assert_eq!(twilio.fetch_call(&call).await.unwrap().call, call);
}

#[tokio::test]
async fn an_account_that_is_not_configured_is_refused_before_anything_is_sent() {
    for home in ["AC00000000000000000000000000000003", "", "../AC1"] {
        let (http, twilio) = scripted_with(with_subaccount(), vec![]);
        for result in steer(&twilio, home).await {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.detail().contains("`subaccounts`"), "{error}");
        }
        assert_eq!(http.count(), 0);
    }
}

#[tokio::test]
async fn a_recording_of_a_subaccount_is_fetched_with_its_own_token() {
    let (http, twilio) = scripted_with(with_subaccount(), saying(&[(200, "RIFF")]));
    let path = format!("/2010-04-01/Accounts/{SUBACCOUNT}/Recordings/RE0001");
    let recording = Recording::new(None, format!("https://api.twilio.com{path}"));
    twilio.fetch_recording(&recording).await.unwrap();
    let request = http.request();
    assert!(
        request.starts_with(&format!("GET https://api.twilio.com{path}.wav\n")),
        "{request}"
    );
    assert!(request.contains(BASIC), "{request}");
}

#[tokio::test]
async fn everything_goes_to_the_configured_host() {
    let any = (200, r#"{"sid": "CA0001", "status": "completed"}"#);
    for (config, host) in [
        (
            config().with_region("ie1", "dublin"),
            "https://api.dublin.ie1.twilio.com/",
        ),
        (
            config().with_base_url("https://proxy.example.com/twilio/"),
            "https://proxy.example.com/twilio/",
        ),
    ] {
        let (http, twilio) = scripted_with(config, saying(&[any; 6]));
        for result in steer(&twilio, ACCOUNT).await {
            result.unwrap();
        }
        for request in http.requests() {
            let (_, url) = request.split_once(' ').unwrap();
            assert!(url.starts_with(host), "{request}");
        }
    }
}
