//! The conformance kit finds what it should: for each rule there is a fault that breaks it, put into a carrier that otherwise
//! obeys all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faulty;
#[path = "../support/mod.rs"]
mod support;

use faulty::{TOKEN, register, sign, with_fault};
use support::TWILIO_SID;
use telephony::Settings;
use telephony_testkit::Conformance;
use telephony_testkit::conformance::{Part, Rule};

#[test]
fn a_carrier_without_a_fault_obeys_all_rules() {
    with_fault("none").run().unwrap();
}

#[test]
fn each_fault_breaks_its_rule() {
    for (fault, rule) in [
        ("takes unknown settings", Rule::Settings),
        ("takes nobody's requests", Rule::GoodRequests),
        ("takes everybody's requests", Rule::Mutations),
        ("takes everybody's requests", Rule::ForeignRequests),
        ("takes the URL's signature for a body's", Rule::OtherMethods),
        ("mistakes the direction", Rule::Calls),
        ("forgets events", Rule::Events),
        ("panics on bytes", Rule::ReadersNeverPanic),
        ("has no acknowledgement", Rule::Replies),
        ("cannot speak", Rule::ClaimedSteps),
        ("does not claim to speak", Rule::UnclaimedSteps),
        ("does not escape", Rule::HostileAnswers),
        ("does not hang up", Rule::ClaimedOperations),
        ("gives up what is to be ended", Rule::OperationRequests),
        ("does not claim to send keys", Rule::UnclaimedOperations),
        ("calls again", Rule::BrokenOperations),
        ("is deaf to keys", Rule::MediaMessages),
        ("panics on messages", Rule::MediaNeverPanics),
        ("turns audio round", Rule::MediaRoundTrip),
        ("claims another format", Rule::Frames),
        ("does not clear", Rule::ClearAndMarks),
        ("never streams", Rule::StreamLife),
        ("shows its token", Rule::Redaction),
    ] {
        let broken = with_fault(fault).check(rule);
        let broken = broken.expect_err(&format!("{rule} does not find: {fault}"));
        assert_eq!(broken.rules(), [rule], "{fault}: {broken}");
        assert!(broken.to_string().contains(rule.demand()), "{broken}");
        assert!(!broken.to_string().contains(TOKEN), "{broken}");
    }
}

#[test]
fn a_signature_vouches_only_for_what_it_was_made_for() {
    for (fault, covered, finding) in [
        (
            "takes the URL's signature for a body's",
            &[Part::Path, Part::Query, Part::Body][..],
            "sent as a POST with one, and it is verified and read as another call",
        ),
        (
            "reads the body of a GET",
            &[Part::Path, Part::Query, Part::Body],
            "a GET without a body came as a GET with one (`From` is another), and it is verified",
        ),
        (
            "reads the query first",
            &[Part::Path, Part::Body],
            "a POST came as a POST with another query (`From` is another), and it is verified",
        ),
    ] {
        let carrier = with_fault(fault).signature_covers(covered.iter().copied());
        carrier.check(Rule::Mutations).unwrap();
        let broken = carrier.check(Rule::OtherMethods).unwrap_err().to_string();
        assert!(broken.contains(finding), "{fault}: {broken}");
    }
}

#[test]
fn a_request_that_differs_is_described_without_numbers_and_secrets() {
    for (fault, finding) in [
        (
            "gives up what is to be ended",
            "`form/Status` is \"canceled\" and should be \"completed\"",
        ),
        (
            "calls another number",
            "`form/To` is \"[number]\" and should be \"+[a number]\"",
        ),
        (
            "tells its token",
            "`form/StatusCallbackEvent/[a secret]` is sent, and the message does not have it",
        ),
        ("forgets a field", "`form/StatusCallbackMethod` is missing"),
        (
            "adds a field",
            "`form/Trim` is sent, and the message does not have it",
        ),
        (
            "sends no form",
            "`content-type` is \"\" and should be \"application/x-www-form-urlencoded\"",
        ),
        (
            "asks for all at once",
            "`query/PageSize` is \"1000\" and should be \"50\"",
        ),
    ] {
        let broken = with_fault(fault).check(Rule::OperationRequests);
        let broken = broken.unwrap_err().to_string();
        assert!(broken.contains(finding), "{fault}: {broken}");
        for hidden in [TOKEN, "4155550199", "4155550177", "conformance-token"] {
            assert!(!broken.contains(hidden), "{fault}: {broken}");
        }
    }
}

#[test]
fn what_is_claimed_needs_a_message_that_shows_it() {
    let settings = Settings::new()
        .with("account_sid", TWILIO_SID)
        .with("auth_token", TOKEN);
    let bare = Conformance::new("twilio", register, settings).signed_by(sign);
    let broken = bare.clone().check(Rule::Messages).unwrap_err();
    for missing in [
        "a call that comes in",
        "a key on the media socket",
        "`hang-up`",
    ] {
        assert!(broken.to_string().contains(missing), "{missing}: {broken}");
    }
    let hang_up = serde_json::json!({
        "source": "x",
        "rest": {"operation": "hang-up", "call": "CA1", "answers": [{"status": 404}]}
    });
    let broken = bare
        .clone()
        .with_message("one", hang_up)
        .check(Rule::Messages);
    let broken = broken.unwrap_err();
    let mut details = broken.failures().iter().map(|failure| &*failure.detail);
    assert!(details.any(|detail| detail == "no message shows what is sent for `hang-up` (`asks`)"));
    let misspelt = serde_json::json!({"source": "x", "webhoook": {}});
    let broken = bare.with_message("one", misspelt).check(Rule::Messages);
    assert!(
        broken
            .unwrap_err()
            .to_string()
            .contains("[one] unknown field")
    );
}
