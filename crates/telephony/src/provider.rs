//! The carriers that this crate knows, as an enum.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use telephony_core::{AccountLabel, Error, ErrorKind, Ports, Result, Settings, Telephony};

/// Selects a carrier by name.
///
/// All of them are always known; opening an account of one that was not compiled in says which feature to enable.
///
/// ```
/// use telephony::Provider;
///
/// assert_eq!("Twilio".parse::<Provider>().unwrap(), Provider::Twilio);
/// assert_eq!("nexmo".parse::<Provider>().unwrap(), Provider::Vonage);
/// let error = "acme".parse::<Provider>().unwrap_err();
/// assert_eq!(error.to_string(), "select carrier: there is no carrier `acme`; known are: twilio, vonage, exotel, plivo");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Provider {
    /// Twilio Programmable Voice.
    Twilio,
    /// Vonage Voice, formerly Nexmo.
    Vonage,
    /// Exotel Voice.
    Exotel,
    /// Plivo Voice.
    Plivo,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Twilio, Self::Vonage, Self::Exotel, Self::Plivo];

    /// Its name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Vonage => "vonage",
            Self::Exotel => "exotel",
            Self::Plivo => "plivo",
        }
    }

    /// Opens one account, under `label` or, without one, under the carrier's name.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownProvider`] if the carrier was not compiled in; [`ErrorKind::Configuration`] for what is wrong
    /// with the settings.
    pub fn open(
        self,
        label: Option<AccountLabel>,
        settings: Settings,
        ports: &Ports,
    ) -> Result<Arc<dyn Telephony>> {
        crate::registry()?.open(self.as_str(), label, settings, ports)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = Error;

    /// Reads a name; case does not matter.
    fn from_str(name: &str) -> Result<Self> {
        let name = name.trim();
        let is_it = |provider: &Self| {
            name.eq_ignore_ascii_case(provider.as_str())
                || (*provider == Self::Vonage && name.eq_ignore_ascii_case("nexmo"))
        };
        Self::ALL.into_iter().find(is_it).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            let detail = format!("there is no carrier `{name}`; known are: {known}");
            Error::new(ErrorKind::UnknownProvider, "select carrier", detail)
        })
    }
}

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for provider in Provider::ALL {
            let json = serde_json::to_string(&provider).unwrap();
            assert_eq!(json, format!("\"{provider}\""));
            assert_eq!(
                serde_json::from_str::<Provider>(&json.to_ascii_uppercase()).unwrap(),
                provider
            );
        }
        assert_eq!(
            serde_json::from_str::<Provider>("\"Nexmo\"").unwrap(),
            Provider::Vonage
        );
        assert!(
            serde_json::from_str::<Provider>("\"acme\"")
                .unwrap_err()
                .to_string()
                .contains("twilio, vonage")
        );
    }
}
