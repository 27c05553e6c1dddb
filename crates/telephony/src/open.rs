//! From configuration to accounts in one step.

use std::sync::Arc;
use telephony_core::{Error, Ports, Registry, Result, Telephony};

/// The carriers that were compiled in; those that were not are remembered with the feature that brings them.
///
/// Carriers of your own join through the same call as ours:
///
/// ```
/// let registry = telephony::registry()?;
/// // acme_telephony::register(&mut registry)?;
/// assert!(registry.get("acme").unwrap_err().to_string().contains("known are"));
/// # Ok::<(), telephony::Error>(())
/// ```
///
/// # Errors
/// None with the carriers of this crate; the type is that of [`Registry::register`].
pub fn registry() -> Result<Registry> {
    let mut registry = Registry::new();
    #[cfg(feature = "twilio")]
    telephony_twilio::register(&mut registry)?;
    #[cfg(not(feature = "twilio"))]
    registry.declare_absent("twilio", "twilio");
    #[cfg(feature = "vonage")]
    telephony_vonage::register(&mut registry)?;
    #[cfg(not(feature = "vonage"))]
    for name in ["vonage", "nexmo"] {
        registry.declare_absent(name, "vonage");
    }
    #[cfg(feature = "exotel")]
    telephony_exotel::register(&mut registry)?;
    #[cfg(not(feature = "exotel"))]
    registry.declare_absent("exotel", "exotel");
    #[cfg(feature = "plivo")]
    telephony_plivo::register(&mut registry)?;
    #[cfg(not(feature = "plivo"))]
    registry.declare_absent("plivo", "plivo");
    Ok(registry)
}

/// What accounts are opened with: an HTTP client with its default limits, for placing and steering calls, the machine's clock
/// and its randomness. Take one for all accounts, so that they share connections.
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration) if TLS cannot be set up on this machine.
#[cfg(feature = "reqwest")]
pub fn ports() -> Result<Ports> {
    let client = telephony_reqwest::ReqwestClient::new(telephony_reqwest::HttpOptions::default())?;
    Ok(Ports::default().with_http(Arc::new(client)))
}

/// Opens one account of each carrier whose variables are set in the environment: `TWILIO_ACCOUNT_SID` and so on. None of a
/// carrier's variables set: it is off.
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration) that names the variables if some are set and some are missing, or if all
/// carriers are off.
pub fn from_env(ports: &Ports) -> Result<Vec<Arc<dyn Telephony>>> {
    from_env_with(&registry()?, ports)
}

/// As [`from_env`], with the carriers of a registry of your own.
///
/// # Errors
/// As there.
pub fn from_env_with(registry: &Registry, ports: &Ports) -> Result<Vec<Arc<dyn Telephony>>> {
    open_from(registry, |name| std::env::var(name).ok(), ports)
}

fn open_from(
    registry: &Registry,
    variable: impl Fn(&str) -> Option<String>,
    ports: &Ports,
) -> Result<Vec<Arc<dyn Telephony>>> {
    let accounts = registry.open_from_environment(variable, ports)?;
    if accounts.is_empty() {
        return Err(Error::configuration(all_off(registry)));
    }
    Ok(accounts)
}

/// What to do when no carrier is on.
fn all_off(registry: &Registry) -> String {
    let needs = registry.carriers().map(|entry| {
        let required = entry.keys.iter().filter(|key| key.required);
        let variables: Vec<_> = required.map(|key| key.variable(entry.name)).collect();
        format!("{} ({})", entry.name, variables.join(", "))
    });
    let needs: Vec<_> = needs.collect();
    if needs.is_empty() {
        return "no carrier is compiled in: enable the feature of one, `twilio` for example"
            .to_owned();
    }
    let needs = needs.join("; ");
    format!("no carrier is on: set all variables of at least one: {needs}")
}

/// Opens all accounts of a file, TOML or, if its name ends in `.json`, JSON: one table for each account, named by its label.
///
/// ```toml
/// [support]
/// provider = "twilio"          # default: the label
/// account_sid = "AC…"
/// auth_token = ["new", "old"]  # a list while tokens rotate
///
/// [exotel]
/// account_sid = "…"
/// # …
/// ```
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration) that names the file, and the line or the key; never a value.
#[cfg(feature = "file")]
pub fn from_file(
    path: impl AsRef<std::path::Path>,
    ports: &Ports,
) -> Result<Vec<Arc<dyn Telephony>>> {
    from_file_with(&registry()?, path, ports)
}

/// As [`from_file`], with the carriers of a registry of your own.
///
/// # Errors
/// As there.
#[cfg(feature = "file")]
pub fn from_file_with(
    registry: &Registry,
    path: impl AsRef<std::path::Path>,
    ports: &Ports,
) -> Result<Vec<Arc<dyn Telephony>>> {
    let path = path.as_ref();
    let fail = |what: String| Error::configuration(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let accounts = if is_json {
        parse_json(&text)
    } else {
        parse_toml(&text)
    };
    let accounts = accounts.map_err(fail)?;
    if accounts.is_empty() {
        return Err(fail("there is no account in it".to_owned()));
    }
    registry.open_all(accounts, ports)
}

#[cfg(feature = "file")]
type Tables = std::collections::BTreeMap<String, telephony_core::Settings>;

// The parsers' own messages may quote the line, and with it a secret: only the place is told.

#[cfg(feature = "file")]
fn parse_toml(text: &str) -> std::result::Result<Tables, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text.get(..span.start)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1
        });
        format!("line {line} is not what it should be; each account is a [table] of settings")
    })
}

#[cfg(feature = "file")]
fn parse_json(text: &str) -> std::result::Result<Tables, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "line {} is not what it should be; each account is an object of settings",
            error.line()
        )
    })
}

#[cfg(all(test, feature = "file"))]
mod tests {
    use super::*;

    #[test]
    fn with_no_carrier_on_it_is_told_what_to_set() {
        let registry = registry().unwrap();
        let error = open_from(&registry, |_| None, &Ports::default()).unwrap_err();
        for entry in registry.carriers() {
            let required = entry.keys.iter().find(|key| key.required).unwrap();
            let variable = required.variable(entry.name);
            assert!(error.to_string().contains(&variable), "{error}");
        }
        let none = open_from(&Registry::new(), |_| None, &Ports::default()).unwrap_err();
        assert!(none.to_string().contains("feature"), "{none}");
    }

    #[test]
    fn a_broken_file_is_told_by_line_and_not_by_content() {
        for (parsed, line) in [
            (parse_toml("[a]\nauth_token = hunter2\n"), "line 2"),
            (parse_toml("[a]\n\n[[b]]\nx = 'hunter2'"), "line"),
            (parse_json("{\"a\":\n {\"auth_token\": hunter2}}"), "line 2"),
            (parse_json("{\"a\": \"hunter2\"}"), "line 1"),
        ] {
            let error = parsed.unwrap_err();
            assert!(error.contains(line), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert_eq!(
            parse_toml("[a]\nx = 1\n[b]\ny = ['p', 'q']").unwrap().len(),
            2
        );
    }
}
