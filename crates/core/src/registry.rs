//! Carriers by name. Ours join through the same call as anybody's.
//!
//! ```no_run
//! use telephony_core::{CarrierEntry, Ports, Registry, Settings};
//!
//! # fn main() -> telephony_core::Result<()> {
//! # let entry: CarrierEntry = todo!();
//! let mut registry = Registry::new();
//! registry.register(entry)?; // e.g. telephony_twilio::register(&mut registry)?
//! let settings = Settings::new().with("account_sid", "AC…").with("auth_token", "…");
//! let carrier = registry.open("twilio", None, settings, &Ports::default())?;
//! # Ok(()) }
//! ```

use crate::{
    AccountLabel, ConfigKey, Error, ErrorKind, Ports, ProviderName, Result, Settings, Telephony,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Opens one account of a carrier.
pub type OpenAccount = fn(AccountLabel, Settings, &Ports) -> Result<Arc<dyn Telephony>>;

/// What a carrier's crate tells about itself.
#[derive(Clone, Copy)]
pub struct CarrierEntry {
    /// Its name in lower case.
    pub name: &'static str,
    /// Other names of it, in lower case.
    pub aliases: &'static [&'static str],
    /// The keys that its configuration knows.
    pub keys: &'static [ConfigKey],
    /// Opens one account.
    pub open: OpenAccount,
}

impl fmt::Debug for CarrierEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierEntry")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

/// Carriers by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    carriers: BTreeMap<&'static str, CarrierEntry>,
    /// Carriers that exist but were not compiled in, with the feature that brings them.
    absent: BTreeMap<&'static str, &'static str>,
}

impl Registry {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a carrier in.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if its name or one of its other names is taken or is not in lower case.
    pub fn register(&mut self, entry: CarrierEntry) -> Result<()> {
        for name in std::iter::once(&entry.name).chain(entry.aliases) {
            if AccountLabel::new(name).is_err() {
                return Err(Error::configuration(format!(
                    "`{name}` cannot be a carrier's name"
                )));
            }
            if self.find(name).is_some() {
                return Err(Error::configuration(format!(
                    "there is a carrier with the name `{name}` already"
                )));
            }
        }
        self.carriers.insert(entry.name, entry);
        Ok(())
    }

    /// Remembers that there is a carrier of that name, which the crate feature `feature` would bring.
    pub fn declare_absent(&mut self, name: &'static str, feature: &'static str) {
        self.absent.insert(name, feature);
    }

    /// The names that are known, without their other names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.carriers.keys().copied()
    }

    /// All carriers, by name.
    pub fn carriers(&self) -> impl Iterator<Item = &CarrierEntry> {
        self.carriers.values()
    }

    /// The carrier of that name; case does not matter.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownProvider`] that lists the known ones, or says which feature to enable.
    pub fn get(&self, name: &str) -> Result<&CarrierEntry> {
        let name = ProviderName::new(name);
        if let Some(entry) = self.find(name.as_str()) {
            return Ok(entry);
        }
        let detail = match self.absent.get(name.as_str()) {
            Some(feature) => {
                format!("`{name}` is known but not compiled in: enable the feature `{feature}`")
            }
            None => {
                let known: Vec<_> = self.names().collect();
                format!(
                    "there is no carrier `{name}`; known are: {}",
                    known.join(", ")
                )
            }
        };
        Err(Error::new(
            ErrorKind::UnknownProvider,
            "select carrier",
            detail,
        ))
    }

    /// Opens one account of the carrier of that name, under `label` or, without one, under the carrier's name.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`ErrorKind::Configuration`] for what is wrong with the settings.
    pub fn open(
        &self,
        name: &str,
        label: Option<AccountLabel>,
        settings: Settings,
        ports: &Ports,
    ) -> Result<Arc<dyn Telephony>> {
        let entry = self.get(name)?;
        let label = label.map_or_else(|| AccountLabel::new(entry.name), Ok)?;
        (entry.open)(label, settings, ports)
    }

    /// Opens all accounts of a configuration: for each label its settings, with the carrier's name under `provider`
    /// (default: the label itself).
    ///
    /// # Errors
    /// As [`open`](Self::open); the error names the account.
    pub fn open_all(
        &self,
        accounts: impl IntoIterator<Item = (String, Settings)>,
        ports: &Ports,
    ) -> Result<Vec<Arc<dyn Telephony>>> {
        let mut labels = BTreeSet::new();
        let mut opened = Vec::new();
        for (label, settings) in accounts {
            let account = if labels.insert(label.clone()) {
                self.open_labelled(&label, settings, ports)
            } else {
                Err(Error::configuration(
                    "there are two accounts with this label",
                ))
            };
            opened.push(account.map_err(|error| in_account(&label, &error))?);
        }
        Ok(opened)
    }

    fn open_labelled(
        &self,
        label: &str,
        mut settings: Settings,
        ports: &Ports,
    ) -> Result<Arc<dyn Telephony>> {
        let is_named = settings.contains("provider");
        let name = match settings.take_text("provider") {
            Some(name) => name,
            None if is_named => {
                return Err(Error::configuration(
                    "`provider` does not have the right form",
                ));
            }
            None => label.to_owned(),
        };
        self.open(&name, Some(AccountLabel::new(label)?), settings, ports)
    }

    /// Opens one account of each carrier whose variables are set in the environment, under the carrier's name: all
    /// required ones set is on, none set is off.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] that names the variables if some are set and some are missing.
    pub fn open_from_environment(
        &self,
        variable: impl Fn(&str) -> Option<String>,
        ports: &Ports,
    ) -> Result<Vec<Arc<dyn Telephony>>> {
        let mut opened = Vec::new();
        for entry in self.carriers() {
            let settings = Settings::from_environment(entry.name, entry.keys, &variable);
            let required = || entry.keys.iter().filter(|key| key.required);
            if settings.is_empty() {
                continue;
            }
            let missing: Vec<_> = required()
                .filter(|key| !settings.contains(key.name))
                .map(|key| format!("`{}`", key.variable(entry.name)))
                .collect();
            if !missing.is_empty() {
                let detail = format!(
                    "set {} too, or none of this carrier's variables",
                    missing.join(", ")
                );
                return Err(Error::configuration(detail).with_provider(entry.name));
            }
            opened.push((entry.open)(
                AccountLabel::new(entry.name)?,
                settings,
                ports,
            )?);
        }
        Ok(opened)
    }

    fn find(&self, name: &str) -> Option<&CarrierEntry> {
        self.carriers.get(name).or_else(|| {
            self.carriers
                .values()
                .find(|entry| entry.aliases.contains(&name))
        })
    }
}

fn in_account(label: &str, error: &Error) -> Error {
    let inner = Error::new(
        error.kind(),
        error.operation(),
        format!("account `{label}`: {}", error.detail()),
    );
    match error.provider() {
        Some(provider) => inner.with_provider(provider),
        None => inner,
    }
}
