//! Names and ids: the carrier's (opaque) and our own (unguessable).
//!
//! ```
//! use telephony_core::{AccountLabel, CallId, CallKey, OsRandom, ProviderName};
//!
//! assert_eq!(ProviderName::new("Twilio").as_str(), "twilio");
//! assert!(AccountLabel::new("support line").is_err());
//! assert_eq!(CallId::new("CA1").unwrap().as_str(), "CA1");
//! assert_eq!(CallKey::random(&OsRandom).unwrap().as_str().len(), 22);
//! ```

use crate::{Error, ErrorKind, RandomSource, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The longest id that is taken from a carrier, in bytes. The longest known one has 40.
const MAX_ID_BYTES: usize = 256;

macro_rules! carrier_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the carrier's id as it is.
            ///
            /// # Errors
            /// If it is empty, longer than 256 bytes or holds control characters.
            pub fn new(id: impl AsRef<str>) -> Result<Self> {
                let id = id.as_ref();
                if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
                    return Err(Error::malformed(concat!("the ", $what, " is empty, too long or not printable")));
                }
                Ok(Self(id.into()))
            }

            /// The id as the carrier wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

carrier_id! {
    /// The carrier's id of a call. Opaque: never parsed, its prefix never checked. Where a carrier has one id for each leg,
    /// this is the id of the caller's leg.
    CallId, "call id"
}

carrier_id! {
    /// The carrier's id of a media stream. Opaque.
    StreamId, "stream id"
}

carrier_id! {
    /// The carrier's id of a recording. Opaque.
    RecordingId, "recording id"
}

/// A carrier's name, in lower case: `twilio`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(Cow<'static, str>);

impl ProviderName {
    /// The name in lower case without surrounding blanks.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Cow::Owned(name.trim().to_ascii_lowercase()))
    }

    /// A name that is in lower case already.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ProviderName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<&Self> for ProviderName {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The label of one configured account of a carrier: 1 to 64 characters out of `a-z 0-9 _ -`. Part of our URLs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountLabel(Arc<str>);

impl AccountLabel {
    /// Checks `label`.
    ///
    /// # Errors
    /// If it is empty, longer than 64 characters or holds anything else than `a-z 0-9 _ -`.
    pub fn new(label: impl AsRef<str>) -> Result<Self> {
        let label = label.as_ref();
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        };
        if label.is_empty() || label.len() > 64 || !label.bytes().all(fits) {
            return Err(Error::configuration(
                "an account label has 1 to 64 characters out of a-z, 0-9, _ and -",
            ));
        }
        Ok(Self(label.into()))
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new one: 128 random bits as 22 characters of URL-safe base64.
            ///
            /// # Errors
            /// If the random source fails.
            pub fn random(random: &dyn RandomSource) -> Result<Self> {
                let mut bytes = [0; 16];
                random.fill(&mut bytes)?;
                Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
            }

            /// Reads one back from a URL or a store.
            ///
            /// # Errors
            /// If it does not have the shape of one.
            pub fn parse(text: &str) -> Result<Self> {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                if (16..=64).contains(&text.len()) && text.bytes().all(fits) {
                    Ok(Self(text.into()))
                } else {
                    Err(Error::new(ErrorKind::NotFound, "look up call", concat!("this is not a ", $what)))
                }
            }

            /// The text of it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

random_id! {
    /// Our own id of a call: unguessable, in our URLs, known before the carrier's.
    CallKey, "call key"
}

random_id! {
    /// The right to open the media socket of one stream, once. A secret: its `Debug` shows nothing.
    MediaToken, "media token"
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRandom;

    #[test]
    fn ids_are_taken_as_they_are_or_refused() {
        assert!(CallId::new("b0c8aea60aceb0007fc5a1bb75c218bl").is_ok());
        for bad in ["", "a\nb", &"x".repeat(257)] {
            assert!(CallId::new(bad).is_err());
        }
    }

    #[test]
    fn tokens_are_unguessable_and_hidden() {
        let token = MediaToken::random(&OsRandom).unwrap();
        assert_ne!(token, MediaToken::random(&OsRandom).unwrap());
        assert_eq!(MediaToken::parse(token.as_str()).unwrap(), token);
        assert!(!format!("{token:?}").contains(token.as_str()));
        for bad in [
            "",
            "short",
            "../../../../etc/passwd",
            "with blank in the middle",
        ] {
            assert!(MediaToken::parse(bad).is_err(), "{bad}");
        }
    }
}
