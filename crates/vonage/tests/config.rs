//! From settings to an account, and what is said when they are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AccountLabel, CarrierEntry, ErrorKind, Operation, Ports, Registry, Settings, Telephony, Verb,
};
use telephony_vonage::{KEYS, NAME, Vonage};

fn settings() -> Settings {
    Settings::new()
        .with("api_key", API_KEY)
        .with("application_id", APPLICATION)
        .with("private_key", PEM)
        .with("signature_secret", SECRET)
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    telephony_vonage::register(&mut registry).unwrap();
    registry
}

#[test]
fn it_is_found_under_both_names() {
    let registry = registry();
    for name in ["vonage", "nexmo", "Nexmo", "VONAGE"] {
        let carrier = registry
            .open(name, None, settings(), &Ports::default())
            .unwrap();
        assert_eq!(carrier.provider().as_str(), NAME);
        assert_eq!(carrier.account().as_str(), "vonage");
    }
    let taken = CarrierEntry {
        aliases: &[],
        ..*registry.get("vonage").unwrap()
    };
    assert!(registry.clone().register(taken).is_err());
}

#[test]
fn the_environment_is_enough() {
    let opened = registry()
        .open_from_environment(
            |name| {
                Some(match name {
                    "VONAGE_API_KEY" => API_KEY.to_owned(),
                    "VONAGE_APPLICATION_ID" => APPLICATION.to_owned(),
                    "VONAGE_PRIVATE_KEY" => PEM.replace('\n', "\\n"),
                    "VONAGE_SIGNATURE_SECRET" => format!("{SECRET}, an-older-one"),
                    "VONAGE_ALLOW_GET" => "true".to_owned(),
                    "VONAGE_GET_PAYLOAD_HASH" => "check".to_owned(),
                    "VONAGE_MEDIA_RATE" => "8000".to_owned(),
                    "VONAGE_WEBSOCKET_AUTHORIZATION" => "none".to_owned(),
                    "VONAGE_REQUIRE_UPGRADE_TOKEN" => "false".to_owned(),
                    "VONAGE_MAX_AGE" => "60".to_owned(),
                    "VONAGE_MAX_AHEAD" => "5".to_owned(),
                    "VONAGE_CALLS_PER_SECOND" => "30".to_owned(),
                    "VONAGE_BASE_URL" => "https://api-eu-3.vonage.com/".to_owned(),
                    _ => return None,
                })
            },
            &Ports::default(),
        )
        .unwrap();
    let shown = format!("{:?}", opened[0]);
    for part in [
        "allow_get: true",
        "Check",
        "8000",
        "None",
        "max_age: 60s",
        "max_ahead: 5s",
        "https://api-eu-3.vonage.com",
        "calls_per_second: 30",
        "[Secret(***), Secret(***)]",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(KEYS.len(), 13, "each key is tried here");
}

#[test]
fn errors_name_the_key_and_never_the_value() {
    let open = |settings: Settings| {
        registry()
            .open("vonage", None, settings, &Ports::default())
            .map(|_| ())
    };
    assert!(open(settings()).is_ok());
    for (settings, key) in [
        (
            Settings::new(),
            "`api_key`, `application_id`, `private_key`, `signature_secret` is missing",
        ),
        (settings().with("api_key", ""), "`api_key` is empty"),
        (
            settings().with("signature_secret", vec!["hunter2", ""]),
            "`signature_secret` is empty",
        ),
        (
            settings().with("signature_secret", "hunter2,,"),
            "`signature_secret`",
        ),
        (settings().with("private_key", "hunter2"), "`private_key`"),
        (settings().with("media_rate", 44_100), "`media_rate`"),
        (settings().with("media_rate", "hunter2"), "`media_rate`"),
        (
            settings().with("websocket_authorization", "hunter2"),
            "`websocket_authorization`",
        ),
        (
            settings().with("get_payload_hash", "hunter2"),
            "`get_payload_hash`",
        ),
        (settings().with("allow_get", "hunter2"), "`allow_get`"),
        (settings().with("max_age", "hunter2"), "`max_age`"),
        (
            settings().with("calls_per_second", "hunter2"),
            "`calls_per_second`",
        ),
        (
            settings().with("calls_per_second", 0),
            "`calls_per_second` must be 1 or more",
        ),
        (
            settings().with("calls_per_second", 5_000_000_000_u64),
            "`calls_per_second`",
        ),
        (
            settings().with("base_url", "http://hunter2.example"),
            "`base_url`",
        ),
        (
            settings().with("signature_secert", "hunter2"),
            "`signature_secert` is not a setting",
        ),
    ] {
        let error = open(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            error.to_string().contains(key),
            "{error} does not name {key}"
        );
        assert!(
            !format!("{error}{error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[test]
fn the_builder_is_checked_too() {
    for (config, key) in [
        (
            telephony_vonage::VonageConfig::new(" ", APPLICATION, PEM, SECRET),
            "`api_key`",
        ),
        (
            telephony_vonage::VonageConfig::new(API_KEY, "", PEM, SECRET),
            "`application_id`",
        ),
        (
            telephony_vonage::VonageConfig::new(API_KEY, APPLICATION, "", SECRET),
            "`private_key`",
        ),
        (config().with_signature_secret(" "), "`signature_secret`"),
        (
            config().with_media_rate(SampleRate::HZ_48000),
            "`media_rate`",
        ),
        (config().with_base_url("ftp://x"), "`base_url`"),
        (config().with_calls_per_second(0), "`calls_per_second`"),
    ] {
        let error = Vonage::new(label(), config, &Ports::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn what_it_can_do_is_what_it_does() {
    let vonage = vonage();
    let capabilities = vonage.capabilities();
    assert!(!capabilities.can(Verb::Reject));
    assert!(!capabilities.supports(Operation::Record));
    assert_eq!(capabilities.formats.len(), 3);
    assert_eq!(vonage.account(), &AccountLabel::new("vonage").unwrap());
}
