//! Carriers by name, and from configuration to accounts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use support::account;
use support::carrier::entry;
use telephony_core::{Error, ErrorKind, Ports, Registry, Result, Settings, Telephony};

/// What must never be seen in an error.
const SECRET: &str = "hunter2";

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry
        .register(entry("dummy", &["mock", "old-dummy"]))
        .unwrap();
    registry.register(entry("other", &[])).unwrap();
    registry.declare_absent("absent", "carrier-absent");
    registry
}

fn settings() -> Settings {
    Settings::new().with("account", "AC1").with("token", SECRET)
}

fn labels(accounts: &[Arc<dyn Telephony>]) -> Vec<(String, String)> {
    let label = |carrier: &Arc<dyn Telephony>| {
        (
            carrier.account().to_string(),
            carrier.provider().to_string(),
        )
    };
    accounts.iter().map(label).collect()
}

fn failure<T>(result: Result<T>) -> Error {
    let Err(error) = result else {
        panic!("an error was expected")
    };
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    error
}

#[test]
fn a_carrier_is_found_by_any_of_its_names_in_any_case() {
    let registry = registry();
    for name in ["dummy", "DUMMY", "Mock", "old-dummy", " OLD-Dummy "] {
        assert_eq!(registry.get(name).unwrap().name, "dummy", "{name}");
        let carrier = registry
            .open(name, None, settings(), &Ports::default())
            .unwrap();
        assert_eq!(
            (carrier.provider().as_str(), carrier.account().as_str()),
            ("dummy", "dummy")
        );
    }
    assert_eq!(registry.names().collect::<Vec<_>>(), ["dummy", "other"]);
    assert_eq!(registry.carriers().count(), 2);
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    for name in ["twillio", "", "dummy2", "dum"] {
        let error = failure(registry().get(name));
        assert_eq!(error.kind(), ErrorKind::UnknownProvider);
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{name}`")) && text.contains("dummy, other"),
            "{text}"
        );
    }
}

#[test]
fn a_carrier_that_was_not_compiled_in_says_which_feature_brings_it() {
    let error = failure(registry().open("Absent", None, settings(), &Ports::default()));
    assert_eq!(error.kind(), ErrorKind::UnknownProvider);
    assert!(error.to_string().contains("`carrier-absent`"), "{error}");

    // Once it is there it is there.
    let mut registry = registry();
    registry.register(entry("absent", &[])).unwrap();
    assert!(registry.get("absent").is_ok());
}

#[test]
fn no_name_is_taken_twice() {
    for (name, aliases) in [
        ("dummy", &[][..]),
        ("mock", &[]),
        ("new", &["dummy"]),
        ("new", &["fine", "old-dummy"]),
    ] {
        let mut registry = registry();
        let error = failure(registry.register(entry(name, aliases)));
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("already"), "{error}");
        assert_eq!(
            registry.names().collect::<Vec<_>>(),
            ["dummy", "other"],
            "nothing of it is taken in"
        );
        assert!(registry.get("fine").is_err());
    }
}

#[test]
fn a_name_is_fit_for_urls_and_variables() {
    for name in ["Upper", "", "two words", "a/b", "caf\u{e9}"] {
        let error = failure(Registry::new().register(entry(name, &[])));
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name}");
    }
    let error = failure(Registry::new().register(entry("good", &["Bad"])));
    assert!(error.to_string().contains("`Bad`"), "{error}");
}

#[test]
fn an_account_may_have_a_label_of_its_own() {
    let carrier = registry()
        .open(
            "dummy",
            Some(account("support-line")),
            settings(),
            &Ports::default(),
        )
        .unwrap();
    assert_eq!(carrier.account().as_str(), "support-line");
    assert_eq!(carrier.provider().as_str(), "dummy");
}

#[test]
fn what_is_wrong_with_the_settings_is_named_and_not_shown() {
    for (settings, key) in [
        (Settings::new().with("token", SECRET), "`account`"),
        (settings().with("token", " "), "`token`"),
        (settings().with("tokn", SECRET), "`tokn`"),
        (settings().with("region", vec![SECRET]), "`region`"),
    ] {
        let error = failure(registry().open("dummy", None, settings, &Ports::default()));
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(key), "{error}");
        assert_eq!(error.provider().unwrap().as_str(), "dummy");
    }
}

#[test]
fn a_configuration_opens_several_accounts_of_one_carrier() {
    let accounts = BTreeMap::from([
        ("dummy".to_owned(), settings()),
        ("north".to_owned(), settings().with("provider", "MOCK")),
        ("south".to_owned(), settings().with("provider", "other")),
    ]);
    let opened = registry().open_all(accounts, &Ports::default()).unwrap();
    let expected = [("dummy", "dummy"), ("north", "dummy"), ("south", "other")];
    assert_eq!(
        labels(&opened),
        expected.map(|(label, name)| (label.to_owned(), name.to_owned()))
    );
    assert!(
        registry()
            .open_all(BTreeMap::new(), &Ports::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_mistake_in_one_account_names_it() {
    for (label, settings, kind) in [
        (
            "north",
            settings().with("provider", "nobody"),
            ErrorKind::UnknownProvider,
        ),
        ("north", settings(), ErrorKind::UnknownProvider),
        (
            "north",
            settings().with("provider", "dummy").with("tokn", SECRET),
            ErrorKind::Configuration,
        ),
    ] {
        let accounts = [
            ("dummy".to_owned(), self::settings()),
            (label.to_owned(), settings),
        ];
        let error = failure(registry().open_all(accounts, &Ports::default()));
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("account `north`"), "{error}");
    }
}

#[test]
fn a_label_that_cannot_be_one_is_named_too() {
    let accounts = [(
        "North Side".to_owned(),
        settings().with("provider", "dummy"),
    )];
    let error = failure(registry().open_all(accounts, &Ports::default()));
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`North Side`"), "{error}");
}

#[test]
fn no_label_is_taken_twice() {
    let accounts =
        ["dummy", "other"].map(|name| ("line".to_owned(), settings().with("provider", name)));
    let error = failure(registry().open_all(accounts, &Ports::default()));
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`line`"), "{error}");
}

#[test]
fn a_provider_that_is_no_text_is_a_mistake() {
    let accounts = [("dummy".to_owned(), settings().with("provider", 5))];
    let error = failure(registry().open_all(accounts, &Ports::default()));
    assert!(error.to_string().contains("`provider`"), "{error}");
}

fn environment(set: &[&str]) -> Result<Vec<Arc<dyn Telephony>>> {
    let variable = |name: &str| set.contains(&name).then(|| SECRET.to_owned());
    registry().open_from_environment(variable, &Ports::default())
}

#[test]
fn a_carrier_is_on_when_its_variables_are_set() {
    assert!(environment(&[]).unwrap().is_empty(), "none set means off");

    let dummy = environment(&["DUMMY_ACCOUNT", "DUMMY_TOKEN"]).unwrap();
    let on = |label: &str| (label.to_owned(), label.to_owned());
    assert_eq!(labels(&dummy), [on("dummy")]);

    let both = environment(&[
        "OTHER_TOKEN",
        "OTHER_ACCOUNT",
        "OTHER_REGION",
        "DUMMY_ACCOUNT",
        "DUMMY_TOKEN",
        "DUMMY_TYPO",
    ]);
    assert_eq!(labels(&both.unwrap()), [on("dummy"), on("other")]);
}

#[test]
fn variables_that_are_missing_are_named() {
    for (set, missing) in [
        (&["DUMMY_ACCOUNT"][..], "`DUMMY_TOKEN`"),
        (&["DUMMY_TOKEN", "DUMMY_REGION"], "`DUMMY_ACCOUNT`"),
        (
            &["OTHER_ACCOUNT", "OTHER_TOKEN", "DUMMY_ACCOUNT"],
            "`DUMMY_TOKEN`",
        ),
    ] {
        let error = failure(environment(set));
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains(missing), "{text}");
        for name in set {
            assert!(!text.contains(name), "{text}");
        }
    }
}

#[test]
fn an_optional_variable_alone_is_a_mistake_and_not_silence() {
    let text = failure(environment(&["DUMMY_REGION"])).to_string();
    assert!(
        text.contains("`DUMMY_ACCOUNT`") && text.contains("`DUMMY_TOKEN`"),
        "{text}"
    );
}

#[test]
fn debug_shows_names_and_no_values() {
    let shown = format!("{:?} {:?}", registry(), settings());
    assert!(
        shown.contains("dummy") && shown.contains("token"),
        "{shown}"
    );
    assert!(!shown.contains(SECRET), "{shown}");
}
