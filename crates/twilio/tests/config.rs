//! Configuration: what it takes, what it refuses, and that errors name the key and never the value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use telephony_core::{AccountLabel, ErrorKind, Ports, Registry, Secret, Settings};
use telephony_twilio::{KEYS, Twilio, TwilioConfig, register};

fn open(settings: Settings) -> telephony_core::Result<()> {
    let mut registry = Registry::new();
    register(&mut registry)?;
    registry
        .open("TWILIO", None, settings, &Ports::default())
        .map(|_| ())
}

fn minimal() -> Settings {
    Settings::new()
        .with("account_sid", "AC1")
        .with("auth_token", "hunter2")
}

#[test]
fn takes_all_its_keys() {
    let full = minimal()
        .with("auth_token", vec!["hunter2", "hunter3"])
        .with("api_key_sid", "SK1")
        .with("api_key_secret", "hunter4")
        .with("region", "ie1")
        .with("edge", "dublin")
        .with("base_url", "https://api.example.test/")
        .with("calls_per_second", 2.5)
        .with(
            "subaccounts",
            serde_json::json!({"AC2": "hunter5", "AC3": ["hunter6", "hunter7"]}),
        );
    open(minimal()).unwrap();
    open(full.clone()).unwrap();
    let config: TwilioConfig = full.read(&telephony_twilio::provider_name(), KEYS).unwrap();
    assert_eq!(config.account_sid(), "AC1");
    assert_eq!(config.calls_per_second(), 2.5);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn reads_the_environment() {
    let settings = Settings::from_environment("twilio", KEYS, |name| match name {
        "TWILIO_ACCOUNT_SID" => Some("AC1".into()),
        "TWILIO_AUTH_TOKEN" => Some("hunter2, hunter3".into()),
        "TWILIO_CALLS_PER_SECOND" => Some(" 30 ".into()),
        _ => None,
    });
    let config: TwilioConfig = settings
        .read(&telephony_twilio::provider_name(), KEYS)
        .unwrap();
    let rotated = TwilioConfig::new("AC1", Secret::new("hunter2"))
        .with_next_auth_token(Secret::new("hunter3"))
        .with_calls_per_second(30.0);
    assert_eq!(config, rotated);
}

#[test]
fn refuses_what_is_wrong_and_names_the_key() {
    let with = |key: &str, value: &str| minimal().with(key, value);
    for (settings, said) in [
        (
            Settings::new().with("account_sid", "AC1"),
            "`auth_token` is missing",
        ),
        (
            Settings::new().with("auth_token", "hunter2"),
            "`account_sid` is missing",
        ),
        (with("auth_token", " "), "`auth_token` is empty"),
        (
            with("auth_token", "hunter2,,hunter3"),
            "`auth_token` does not have the right form",
        ),
        (
            with("auth_tokens", "hunter2"),
            "`auth_tokens` is not a setting",
        ),
        (
            with("account_sid", "SKhunter2"),
            "`account_sid` is the SID of an API key",
        ),
        (
            with("account_sid", "AC1/../hunter2"),
            "`account_sid` must be a SID",
        ),
        (
            with("api_key_sid", "SKhunter2"),
            "`api_key_sid` needs `api_key_secret`",
        ),
        (
            with("api_key_secret", "hunter2"),
            "`api_key_secret` needs `api_key_sid`",
        ),
        (
            with("api_key_secret", "hunter2").with("api_key_sid", "SK/1"),
            "`api_key_sid` must be a SID",
        ),
        (with("region", "ie1"), "`region` needs `edge`"),
        (with("edge", "dublin"), "`edge` needs `region`"),
        (
            with("region", "ie1.hunter2/").with("edge", "dublin"),
            "`region` must be a name in lower case",
        ),
        (
            with("base_url", "http://api.hunter2.test"),
            "`base_url` must look like",
        ),
        (
            with("base_url", "https://hunter2@api.example.test"),
            "`base_url` must look like",
        ),
        (
            with("calls_per_second", "hunter2"),
            "`calls_per_second` does not have the right form",
        ),
        (
            with("calls_per_second", "0"),
            "`calls_per_second` must be a number above 0",
        ),
        (
            with("calls_per_second", "-1"),
            "`calls_per_second` must be a number above 0",
        ),
        (
            with("calls_per_second", "inf"),
            "`calls_per_second` must be a number above 0",
        ),
        (
            with("calls_per_second", "NaN"),
            "`calls_per_second` must be a number above 0",
        ),
        (
            with("subaccounts", "AC2=hunter2"),
            "`subaccounts` does not have the right form",
        ),
        (
            minimal().with("subaccounts", serde_json::json!({"AC1": "hunter2"})),
            "`subaccounts` names the account itself",
        ),
        (
            minimal().with("subaccounts", serde_json::json!({"AC 2": "hunter2"})),
            "`subaccounts` must be a SID",
        ),
    ] {
        let error = open(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(
            error.to_string().contains(said),
            "{error} should say {said}"
        );
        assert!(
            !format!("{error} {error:?}").contains("hunter"),
            "{error:?}"
        );
    }
}

#[test]
fn region_and_edge_come_together_unless_the_host_is_given() {
    let region_only = minimal()
        .with("region", "au1")
        .with("base_url", "https://api.example.test/");
    let config: TwilioConfig = region_only
        .read(&telephony_twilio::provider_name(), KEYS)
        .unwrap();
    config.validate().unwrap();
    assert_eq!(config.api_url(), "https://api.example.test");

    let plain = TwilioConfig::new("AC1", Secret::new("t"));
    assert_eq!(plain.api_url(), "https://api.twilio.com");
    let sydney = plain.with_region("au1", "sydney");
    assert_eq!(sydney.api_url(), "https://api.sydney.au1.twilio.com");
}

#[test]
fn what_is_built_in_code_is_checked_too() {
    let label = || AccountLabel::new("twilio").unwrap();
    for config in [
        TwilioConfig::new("", Secret::new("t")),
        TwilioConfig::new("AC1", Secret::new("")),
        TwilioConfig::new("AC1", Secret::new("t")).with_next_auth_token(Secret::new(" ")),
        TwilioConfig::new("AC1", Secret::new("t")).with_subaccount("AC2", Secret::new("")),
        TwilioConfig::new("AC1", Secret::new("t")).with_api_key("SK1", Secret::new("")),
    ] {
        let error = Twilio::new(label(), config, &Ports::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
