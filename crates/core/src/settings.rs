//! Configuration of an account: from a file, a map or the environment, with errors that name the key and never its value.
//!
//! ```
//! use serde::Deserialize;
//! use telephony_core::{ConfigKey, ProviderName, Secret, Settings};
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     account_sid: String,
//!     auth_token: Secret,
//! }
//! const KEYS: &[ConfigKey] = &[ConfigKey::required("account_sid"), ConfigKey::required("auth_token")];
//!
//! let settings = Settings::new().with("account_sid", "AC1").with("auth_tokn", "hunter2");
//! let error = settings.read::<Config>(&ProviderName::from_static("example"), KEYS).err().unwrap().to_string();
//! assert!(error.contains("`auth_tokn`") && !error.contains("hunter2"));
//! ```

use crate::{Error, ProviderName, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// One key that a carrier's configuration knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigKey {
    /// Its name in lower case; in the environment `{CARRIER}_{NAME}` in upper case.
    pub name: &'static str,
    /// Whether there is no account without it.
    pub required: bool,
}

impl ConfigKey {
    /// There is no account without it.
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self {
            name,
            required: true,
        }
    }

    /// It has a default.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self {
            name,
            required: false,
        }
    }

    /// The environment variable for it: `TWILIO_ACCOUNT_SID`.
    #[must_use]
    pub fn variable(&self, carrier: &str) -> String {
        format!("{carrier}_{}", self.name).to_ascii_uppercase()
    }
}

/// Keys and values as they were written. `Debug` shows the keys only.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// What the environment has for `carrier`'s keys, with names asked of `variable` (pass `|name| std::env::var(name).ok()`).
    /// A variable that is set to nothing counts as not set.
    #[must_use]
    pub fn from_environment(
        carrier: &str,
        keys: &[ConfigKey],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let found = keys.iter().filter_map(|key| {
            let value =
                variable(&key.variable(carrier)).filter(|value| !value.trim().is_empty())?;
            Some((key.name, value))
        });
        found.collect()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that key is there.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Takes a text out, if it is there and is one.
    pub fn take_text(&mut self, key: &str) -> Option<String> {
        match self.0.remove(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Reads them as a carrier's configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) that names the keys that are unknown, missing, empty
    /// or of the wrong form; never a value.
    pub fn read<T: DeserializeOwned>(
        self,
        provider: &ProviderName,
        keys: &[ConfigKey],
    ) -> Result<T> {
        let fail = |detail: String| Error::configuration(detail).with_provider(provider);
        let known = |name: &str| keys.iter().any(|key| key.name == name);
        let unknown = names(
            self.0
                .keys()
                .filter(|name| !known(name))
                .map(String::as_str),
        );
        if !unknown.is_empty() {
            let all = names(keys.iter().map(|key| key.name));
            return Err(fail(format!(
                "{unknown} is not a setting of this carrier; it knows {all}"
            )));
        }
        let missing = names(
            keys.iter()
                .filter(|key| key.required && !self.contains(key.name))
                .map(|key| key.name),
        );
        if !missing.is_empty() {
            return Err(fail(format!("{missing} is missing")));
        }
        let empty = names(
            self.0
                .iter()
                .filter(|(_, value)| is_empty(value))
                .map(|(name, _)| name.as_str()),
        );
        if !empty.is_empty() {
            return Err(fail(format!("{empty} is empty")));
        }
        // The text of serde's errors may hold the value: only the path is shown.
        serde_path_to_error::deserialize(Value::Object(self.0))
            .map_err(|error| fail(format!("`{}` does not have the right form", error.path())))
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(is_empty),
        _ => false,
    }
}

/// Readers for values that may come from the environment, where everything is text. For `#[serde(deserialize_with)]`.
pub mod de {
    use serde::{Deserialize, Deserializer, de::Error as _};
    use std::time::Duration;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    /// A list of texts, or one text with commas between them. Blanks around each are dropped.
    ///
    /// # Errors
    /// If it is neither, or one of them is empty.
    pub fn list<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(text) => text.split(',').map(str::to_owned).collect(),
            OneOrMany::Many(texts) => texts,
        };
        let texts: Vec<&str> = texts.iter().map(|text| text.trim()).collect();
        if texts.is_empty() || texts.contains(&"") {
            return Err(D::Error::custom("is empty"));
        }
        Ok(texts
            .into_iter()
            .map(|text| T::from(text.to_owned()))
            .collect())
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum FlagOrText {
        Flag(bool),
        Text(String),
    }

    /// `true` or `false`, also as text.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        match FlagOrText::deserialize(deserializer)? {
            FlagOrText::Flag(flag) => Ok(flag),
            FlagOrText::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| D::Error::custom("is not true or false")),
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(u64),
        Text(String),
    }

    /// A whole number, also as text.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(number) => Ok(number),
            NumberOrText::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| D::Error::custom("is not a whole number")),
        }
    }

    /// Whole seconds, also as text.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        number(deserializer).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        account: String,
        #[serde(deserialize_with = "de::list")]
        tokens: Vec<String>,
        #[serde(default, deserialize_with = "de::flag")]
        allow: bool,
        #[serde(default)]
        secret: Option<Secret>,
    }

    const KEYS: &[ConfigKey] = &[
        ConfigKey::required("account"),
        ConfigKey::required("tokens"),
        ConfigKey::optional("allow"),
        ConfigKey::optional("secret"),
    ];

    fn read(settings: Settings) -> Result<Config> {
        settings.read(&ProviderName::from_static("example"), KEYS)
    }

    #[test]
    fn reads_typed_values_and_texts_alike() {
        let typed = Settings::new()
            .with("account", "a")
            .with("tokens", vec!["x", "y"])
            .with("allow", true);
        let texts = Settings::from_environment("example", KEYS, |name| match name {
            "EXAMPLE_ACCOUNT" => Some("a".into()),
            "EXAMPLE_TOKENS" => Some("x, y".into()),
            "EXAMPLE_ALLOW" => Some("true".into()),
            _ => None,
        });
        for settings in [typed, texts] {
            let config = read(settings).unwrap();
            assert_eq!((config.account.as_str(), config.allow), ("a", true));
            assert_eq!(config.tokens, ["x", "y"]);
            assert!(config.secret.is_none());
        }
    }

    #[test]
    fn errors_name_the_key_and_never_the_value() {
        let full = || {
            Settings::new()
                .with("account", "hunter2")
                .with("tokens", "hunter2")
        };
        for (settings, key) in [
            (
                Settings::new().with("tokens", "hunter2"),
                "`account` is missing",
            ),
            (full().with("tokens", " "), "`tokens` is empty"),
            (
                full().with("tokens", vec!["hunter2", ""]),
                "`tokens` is empty",
            ),
            (
                full().with("accont", "hunter2"),
                "`accont` is not a setting",
            ),
            (
                full().with("allow", "hunter2"),
                "`allow` does not have the right form",
            ),
            (
                full().with("secret", 5),
                "`secret` does not have the right form",
            ),
        ] {
            let shown = format!("{settings:?}");
            let error = read(settings).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
            assert!(
                !format!("{error:?}{error}{shown}").contains("hunter2"),
                "{error:?}"
            );
        }
    }
}
