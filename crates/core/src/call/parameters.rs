//! Everything that a webhook said, by name, in order, repeated names included.

use std::fmt;

/// Names and values in the order in which they came. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`: a form or the part of a URL after its `?`. Never fails: what is not
    /// valid becomes replacement characters.
    #[must_use]
    pub fn from_form(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The first value of `name` that is not blank.
    #[must_use]
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get_all(name).find(|value| !value.trim().is_empty())
    }

    /// The first value of `name`, whatever the case of its letters.
    #[must_use]
    pub fn get_ignoring_case(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Takes all of that name out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// Adds all of `other` at the end.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_blank_values_are_kept() {
        let parameters = Parameters::from_form(b"a=1&b=&a=%2B2&c");
        assert_eq!(parameters.get_all("a").collect::<Vec<_>>(), ["1", "+2"]);
        assert_eq!(parameters.get("b"), Some(""));
        assert_eq!(parameters.get_filled("b"), None);
        assert_eq!(parameters.get("c"), Some(""));
        assert_eq!(parameters.get_ignoring_case("A"), Some("1"));
    }

    #[test]
    fn debug_shows_names_only() {
        let parameters = Parameters::from_form(b"From=%2B14155550100");
        assert_eq!(format!("{parameters:?}"), "{\"From\"}");
    }
}
