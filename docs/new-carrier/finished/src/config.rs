//! The settings of one account.

use serde::Deserialize;
use telephony_core::{ConfigKey, Error, Result, Secret};

/// The keys; in the environment `ACME_SECRET`.
pub const KEYS: &[ConfigKey] = &[ConfigKey::required("secret")];

/// What an account is opened with. `Debug` shows no secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// Signs webhooks, and is the password of REST requests.
    pub secret: Secret,
}

impl AcmeConfig {
    /// Checks what serde does not.
    ///
    /// # Errors
    /// `Configuration`, with the name of the key and never its value.
    pub fn validate(&self) -> Result<()> {
        if self.secret.expose().trim().is_empty() {
            return Err(Error::configuration("`secret` is empty").with_provider(super::NAME));
        }
        Ok(())
    }
}
