//! Calls that come in: what Twilio says of them and what becomes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{ACCOUNT, incoming, ringing, signed_get, twilio, verified};
use telephony_core::{
    CallStatus, Direction, ErrorKind, IncomingCall, Party, Telephony, WebhookKind, verify,
};

fn accept(pairs: &[(&str, &str)]) -> telephony_core::Result<IncomingCall> {
    let twilio = twilio();
    twilio.accept_call(&verified(&twilio, WebhookKind::IncomingCall, pairs))
}

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs = ringing();
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs
}

#[test]
fn a_call_with_all_documented_parameters() {
    let call = accept(&with(&[
        ("Caller", "+14155550100"),
        ("Called", "+14155550199"),
        ("FromCity", "SAN FRANCISCO"),
        ("FromState", "CA"),
        ("FromZip", ""),
        ("FromCountry", "US"),
        ("ToCity", ""),
        ("ForwardedFrom", "+442071838750"),
        ("CallerName", "Zo\u{eb} & Co"),
        ("StirVerstat", "TN-Validation-Passed-A"),
        ("CallToken", "{\"parentCallInfoToken\":\"x\"}"),
        ("SipHeader_X-Department", "sales"),
        ("NewIn2031", "kept"),
    ]))
    .unwrap();
    assert_eq!(call.provider().as_str(), "twilio");
    assert_eq!(call.account().as_str(), "twilio");
    assert_eq!(call.id().unwrap().as_str(), "CA0001");
    assert_eq!(call.direction(), Direction::Inbound);
    assert_eq!(call.from(), &Party::Number("+14155550100".into()));
    assert_eq!(call.to(), &Party::Number("+14155550199".into()));
    assert_eq!(call.status(), Some(CallStatus::Ringing));
    assert_eq!(
        call.forwarded_from(),
        Some(&Party::Number("+442071838750".into()))
    );
    for (name, value) in [
        ("CallerName", "Zo\u{eb} & Co"),
        ("FromZip", ""),
        ("SipHeader_X-Department", "sales"),
        ("NewIn2031", "kept"),
        ("AccountSid", ACCOUNT),
    ] {
        assert_eq!(call.parameters().get(name), Some(value), "{name}");
    }
    assert!(call.raw().starts_with(b"AccountSid="));
}

#[test]
fn a_get_says_the_same_in_its_query() {
    let twilio = twilio();
    let url = "https://voice.example.com/twilio/call?tenant=7&CallSid=CA0001&From=%2B14155550100&To=client%3Ajenny\
               &CallStatus=ringing&Direction=inbound&CallerCity=MIDDLEBURY+CENTER";
    let request = verify(&twilio, signed_get(WebhookKind::IncomingCall, url)).unwrap();
    let call = twilio.accept_call(&request).unwrap();
    assert_eq!(call.id().unwrap().as_str(), "CA0001");
    assert_eq!(call.to(), &Party::Client("jenny".into()));
    assert_eq!(
        call.parameters().get("CallerCity"),
        Some("MIDDLEBURY CENTER")
    );
    assert_eq!(call.parameters().get("tenant"), Some("7"));
}

#[test]
fn the_query_of_a_post_is_for_the_app_and_says_nothing_of_the_call() {
    let twilio = twilio();
    let url = "https://voice.example.com/twilio/call?tenant=7&CallSid=CA-of-the-url&Digits=1";
    let request = common::verified_at(&twilio, WebhookKind::IncomingCall, url, &ringing());
    let call = twilio.accept_call(&request).unwrap();
    assert_eq!(call.id().unwrap().as_str(), "CA0001");
    assert_eq!(call.parameters().get("tenant"), Some("7"));
}

#[test]
fn callers_of_every_kind() {
    for (from, party) in [
        ("+14155550100", Party::Number("+14155550100".into())),
        ("client:jenny", Party::Client("jenny".into())),
        (
            "sip:jenny@example.com;transport=tls",
            Party::Sip("sip:jenny@example.com;transport=tls".into()),
        ),
        ("anonymous", Party::Withheld),
        ("Restricted", Party::Withheld),
        ("+266696687", Party::Withheld),
        ("", Party::Withheld),
        ("8675309", Party::LocalNumber("8675309".into())),
    ] {
        assert_eq!(
            accept(&with(&[("From", from)])).unwrap().from(),
            &party,
            "{from}"
        );
    }
    let old_name = with(&[("From", ""), ("Caller", "+14155550101")]);
    assert_eq!(
        accept(&old_name).unwrap().from().e164(),
        Some("+14155550101")
    );
}

#[test]
fn direction_is_in_twilios_words() {
    for (word, direction) in [
        ("inbound", Direction::Inbound),
        ("outbound-api", Direction::Outbound),
        ("outbound-dial", Direction::Outbound),
        ("trunking-originating", Direction::Inbound),
        ("trunking-terminating", Direction::Outbound),
        ("sideways", Direction::Inbound),
        ("", Direction::Inbound),
    ] {
        assert_eq!(
            accept(&with(&[("Direction", word)])).unwrap().direction(),
            direction,
            "{word}"
        );
    }
}

#[test]
fn an_unknown_status_is_none_and_no_error() {
    assert_eq!(
        accept(&with(&[("CallStatus", "levitating")]))
            .unwrap()
            .status(),
        None
    );
}

#[test]
fn without_an_id_there_is_no_call() {
    for sid in ["", " ", "CA\u{7}", &"C".repeat(300)] {
        let error = accept(&with(&[("CallSid", sid)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
    }
    // Opaque otherwise.
    assert!(accept(&with(&[("CallSid", "not-a-sid")])).is_ok());
}

#[test]
fn what_was_verified_for_another_account_is_not_read() {
    let ours = twilio();
    let label = telephony_core::AccountLabel::new("other").unwrap();
    let config = ours.config().clone();
    let other = telephony_twilio::Twilio::new(label, config, &Default::default()).unwrap();
    let request = verified(&ours, WebhookKind::IncomingCall, &ringing());
    let links = common::links();
    for error in [
        other.accept_call(&request).unwrap_err(),
        other.status_callback(&request).unwrap_err(),
        other.catch_all_status_callback(&request).unwrap_err(),
        other.reply(&request, None, &links).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    let error = other
        .incoming_call(&incoming(&ours), &telephony_core::Answer::hang_up(), &links)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
