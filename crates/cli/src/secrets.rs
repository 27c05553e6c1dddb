//! Secrets and account ids: from the environment, or from a file.
//!
//! A file has lines like `TWILIO_AUTH_TOKEN=…`, as in a `.env` file, with the names that the library's settings have in the
//! environment. A file with one line that is no such assignment is the carrier's webhook secret itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use telephony::{Provider, Settings};

use crate::carrier;
use crate::exit::{Failure, Result};

/// What is known of the account. `Debug` shows names only.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
}

/// Values that are no secret even if they come with the secrets.
const PLAIN: [&str; 8] = [
    "ACCOUNT_SID",
    "APPLICATION_ID",
    "AUTH_ID",
    "BASE_URL",
    "MEDIA_RATE",
    "REGION",
    "EDGE",
    "PUBLIC_KEY",
];
/// Shorter than this it is a placeholder, and masking it would spoil the output.
const SHORTEST_SECRET: usize = 6;

impl Secrets {
    /// From the file where it has something, otherwise from the environment.
    pub(crate) fn load(provider: Provider, file: Option<&Path>) -> Result<Self> {
        let mut values: BTreeMap<_, _> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, value)| name.starts_with(&prefix(provider)) && !value.trim().is_empty())
            .collect();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("the secret file {}: {error}", path.display()))
            })?;
            values.extend(parse(provider, &text)?);
        }
        Ok(Self { values })
    }

    /// The value of one of the carrier's settings, such as `auth_token`.
    pub(crate) fn get(&self, provider: Provider, key: &str) -> Option<&str> {
        self.values
            .get(&variable(provider, key))
            .map(|value| value.trim())
    }

    /// The same, or an error that says what to set.
    pub(crate) fn need(&self, provider: Provider, key: &str) -> Result<&str> {
        self.get(provider, key).ok_or_else(|| {
            let name = variable(provider, key);
            Failure::usage(format!(
                "{name} is not set: put it into the environment or into a --secret-file as {name}=…"
            ))
        })
    }

    /// Settings for the library, with what is known.
    pub(crate) fn settings(&self, provider: Provider, keys: &[telephony::ConfigKey]) -> Settings {
        Settings::from_environment(provider.as_str(), keys, |name| {
            self.values.get(name).cloned()
        })
    }

    /// A text with every secret blotted out.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (name, secret) in &self.values {
            let secret = secret.trim();
            if secret.len() < SHORTEST_SECRET || PLAIN.iter().any(|plain| name.ends_with(plain)) {
                continue;
            }
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            masked = masked.replace(secret, "***").replace(&encoded, "***");
        }
        masked
    }

    #[cfg(test)]
    pub(crate) fn of<const N: usize>(values: [(&str, &str); N]) -> Self {
        Self {
            values: values
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

fn prefix(provider: Provider) -> String {
    format!("{provider}_").to_ascii_uppercase()
}

/// `TWILIO_AUTH_TOKEN` of `auth_token`.
pub(crate) fn variable(provider: Provider, key: &str) -> String {
    format!("{provider}_{key}").to_ascii_uppercase()
}

fn parse(provider: Provider, text: &str) -> Result<Vec<(String, String)>> {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    if let [line] = lines[..]
        && assignment(line).is_none()
    {
        let name = variable(provider, carrier::webhook_secret(provider)?);
        return Ok(vec![(name, line.to_owned())]);
    }
    let read = |line: &&str| {
        assignment(line).ok_or_else(|| {
            // The line itself may be a secret.
            Failure::usage("the secret file has a line that is not NAME=value")
        })
    };
    lines.iter().map(read).collect()
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let is_name = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let value = value.trim();
    let bare = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    // The end of a base64 text looks like an assignment of nothing.
    (is_name && !bare.is_empty() && !bare.trim_matches('=').is_empty())
        .then(|| (name.to_owned(), bare.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_assignments_or_the_secret_itself() {
        let text = "# mine\nexport TWILIO_AUTH_TOKEN='a b'\nTWILIO_ACCOUNT_SID=AC1\n";
        let values = parse(Provider::Twilio, text).unwrap();
        assert_eq!(values[0], ("TWILIO_AUTH_TOKEN".into(), "a b".into()));
        assert_eq!(values[1], ("TWILIO_ACCOUNT_SID".into(), "AC1".into()));
        for bare in ["hunter2", "QUJD=", "QUJD=="] {
            let values = parse(Provider::Vonage, bare).unwrap();
            assert_eq!(values, [("VONAGE_SIGNATURE_SECRET".into(), bare.into())]);
        }
        let error = parse(Provider::Twilio, "hunter2\nhunter3").unwrap_err();
        assert!(!error.to_string().contains("hunter"));
    }

    #[test]
    fn secrets_are_masked_and_ids_are_not() {
        let secrets = Secrets::of([
            ("EXOTEL_WEBHOOK_SECRET", "s3cret/+x"),
            ("EXOTEL_ACCOUNT_SID", "example1"),
            ("PLIVO_AUTH_ID", "MA12345678"),
            ("PLIVO_AUTH_TOKEN", "hunter2hunter2"),
        ]);
        let shown = secrets.mask("GET /example1?key=s3cret%2F%2Bx&k=s3cret/+x");
        assert_eq!(shown, "GET /example1?key=***&k=***");
        assert_eq!(secrets.mask("MA12345678:hunter2hunter2"), "MA12345678:***");
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }
}
