//! The configuration: from a map and from the environment, and what is wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::assert_kind;
use telephony_core::audio::{AudioFormat, SampleRate};
use telephony_core::{ErrorKind, HangUpBy, Marks, Ports, Registry, Settings, Telephony, Verb};
use telephony_exotel::{ExotelConfig, KEYS, MediaFields, NAME, Region, register};

fn registry() -> Registry {
    let mut registry = Registry::new();
    register(&mut registry).unwrap();
    registry
}

fn settings() -> Settings {
    Settings::new()
        .with("account_sid", "example1")
        .with("api_key", "hunter2-key")
        .with("api_token", "hunter2-token")
        .with("webhook_secret", "hunter2-secret")
}

fn open(settings: Settings) -> telephony_core::Result<()> {
    registry()
        .open("Exotel", None, settings, &Ports::default())
        .map(drop)
}

#[test]
fn opens_by_name_and_registers_once() {
    let mut registry = registry();
    let account = registry
        .open("EXOTEL", None, settings(), &Ports::default())
        .unwrap();
    assert_eq!(
        (account.provider().as_str(), account.account().as_str()),
        (NAME, "exotel")
    );
    assert_kind_configuration(register(&mut registry));
}

fn assert_kind_configuration<T: std::fmt::Debug>(result: telephony_core::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn the_four_required_variables_are_enough() {
    let all = |name: &str| match name {
        "EXOTEL_ACCOUNT_SID" => Some("example1".to_owned()),
        "EXOTEL_API_KEY" => Some("k".to_owned()),
        "EXOTEL_API_TOKEN" => Some("t".to_owned()),
        "EXOTEL_WEBHOOK_SECRET" => Some("new-secret-1, old-secret-1".to_owned()),
        _ => None,
    };
    assert_eq!(
        registry()
            .open_from_environment(all, &Ports::default())
            .unwrap()
            .len(),
        1
    );
    let some = |name: &str| all(name).filter(|_| name != "EXOTEL_WEBHOOK_SECRET");
    let error = registry()
        .open_from_environment(some, &Ports::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("`EXOTEL_WEBHOOK_SECRET`"),
        "{error}"
    );
    assert!(
        registry()
            .open_from_environment(|_| None, &Ports::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn every_option_is_read_as_text_too() {
    let full = settings()
        .with("socket_user", "bot")
        .with("socket_password", "hunter2-password")
        .with("media_rate", "16000")
        .with("chunk_bytes", "640")
        .with("media_fields", "Minimal")
        .with("region", "Mumbai")
        .with("base_url", "http://127.0.0.1:9")
        .with("requests_per_minute", "60");
    assert_eq!(KEYS.len(), 12);
    let config: ExotelConfig = full
        .clone()
        .read(&telephony_exotel::provider_name(), KEYS)
        .unwrap();
    assert_eq!(config.rest_url(), "http://127.0.0.1:9");
    assert_eq!(config.account_sid(), "example1");
    open(full).unwrap();
    open(
        settings()
            .with("media_rate", 24_000)
            .with("chunk_bytes", 99_840),
    )
    .unwrap();
}

#[test]
fn what_is_wrong_is_named_and_never_shown() {
    for (settings, says) in [
        (
            settings().with("account_sid", "hunter2/.."),
            "`account_sid`",
        ),
        (settings().with("api_key", " "), "`api_key`"),
        (
            settings().with("webhook_secret", "hunter2"),
            "`webhook_secret`",
        ),
        (
            settings().with("webhook_secret", "hunter2 secret"),
            "`webhook_secret`",
        ),
        (
            settings().with("webhook_secret", "hunter2&secret"),
            "`webhook_secret`",
        ),
        (
            settings().with("webhook_secret", "hunter2-secret,,x"),
            "`webhook_secret`",
        ),
        (
            settings().with("webhook_secret", vec!["hunter2-secret", "hunter2"]),
            "`webhook_secret`",
        ),
        (
            settings().with("socket_user", "hunter2"),
            "`socket_password`",
        ),
        (
            settings().with("socket_password", "hunter2"),
            "`socket_user`",
        ),
        (
            settings()
                .with("socket_user", "a:b")
                .with("socket_password", "hunter2"),
            "`socket_user`",
        ),
        (settings().with("media_rate", 48_000), "`media_rate`"),
        (settings().with("media_rate", 0), "`media_rate`"),
        (settings().with("media_rate", "hunter2"), "`media_rate`"),
        (settings().with("chunk_bytes", 100_000), "`chunk_bytes`"),
        (settings().with("chunk_bytes", 1_000), "`chunk_bytes`"),
        (settings().with("chunk_bytes", 0), "`chunk_bytes`"),
        (settings().with("chunk_bytes", 100_160), "`chunk_bytes`"),
        (settings().with("chunk_bytes", -320), "`chunk_bytes`"),
        (settings().with("media_fields", "hunter2"), "`media_fields`"),
        (settings().with("region", "hunter2"), "`region`"),
        (
            settings().with("base_url", "http://hunter2.example.com"),
            "`base_url`",
        ),
        (
            settings().with("requests_per_minute", 0),
            "`requests_per_minute`",
        ),
        (
            settings().with("requests_per_minute", "hunter2"),
            "`requests_per_minute`",
        ),
        (
            settings().with("requests_per_minute", 4_294_967_296_u64),
            "`requests_per_minute`",
        ),
        (
            settings().with("webhok_secret", "hunter2"),
            "`webhok_secret`",
        ),
    ] {
        let error = open(settings).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert!(
            !format!("{error}{error:?}").contains("hunter2"),
            "{error:?}"
        );
        assert_kind(Err::<(), _>(error), ErrorKind::Configuration, "");
    }
}

#[test]
fn the_builder_is_checked_too() {
    let config = || ExotelConfig::new("example1", "key", "token", "long-enough-secret");
    let open = |config| telephony_exotel::Exotel::new(common::label(), config, &Ports::default());
    open(
        config()
            .with_media_rate(SampleRate::HZ_24000)
            .with_media_fields(MediaFields::Minimal),
    )
    .unwrap();
    assert_kind_configuration(open(config().with_media_rate(SampleRate::HZ_48000)));
    assert_kind_configuration(open(config().with_chunk_bytes(3_201)));
    assert_kind_configuration(open(config().with_further_webhook_secret("")));
    assert_kind_configuration(open(config().with_requests_per_minute(0)));
    open(config().with_requests_per_minute(u32::MAX)).unwrap();
    assert_kind_configuration(open(config().with_socket_credentials("", "")));
    assert_kind_configuration(open(ExotelConfig::new(
        "example1",
        "",
        "token",
        "long-enough-secret",
    )));
}

#[test]
fn each_region_has_its_host() {
    assert_eq!(common::config().rest_url(), "https://api.exotel.com");
    assert_eq!(
        common::config().with_region(Region::Mumbai).rest_url(),
        "https://api.in.exotel.com"
    );
    assert_eq!(
        common::config()
            .with_base_url("https://x.example/")
            .rest_url(),
        "https://x.example"
    );
}

#[test]
fn capabilities_say_what_works_now() {
    let capabilities = common::exotel().capabilities();
    assert!(
        capabilities.can(Verb::Stream)
            && capabilities.can(Verb::Dial)
            && capabilities.can(Verb::HangUp)
    );
    assert!(!capabilities.can(Verb::Redirect) && !capabilities.can(Verb::Pause));
    assert!(!capabilities.operations.is_empty());
    assert_eq!(capabilities.hang_up, HangUpBy::CarrierFlow);
    assert_eq!(capabilities.marks, Marks::Echoed);
    assert!(!capabilities.signed_webhooks && !capabilities.signed_upgrade);
    assert_eq!(
        capabilities.formats,
        [
            AudioFormat::PCM16_8000,
            AudioFormat::PCM16_16000,
            AudioFormat::PCM16_24000
        ]
    );
}
