//! One process among many.

use crate::{RandomSource, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use std::sync::Arc;

/// The longest name that is kept of a node.
const MAX_NAME: usize = 40;

/// One process that serves calls. No two are ever the same, also if they have the same name: a process that was started
/// again does not hold the streams of the one before it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A new node. Of `name`, which is for people, the first 40 letters, digits, dots, dashes and underscores are kept.
    ///
    /// # Errors
    /// If the random source fails.
    pub fn random(name: &str, random: &dyn RandomSource) -> Result<Self> {
        let mut bytes = [0; 9];
        random.fill(&mut bytes)?;
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = name.chars().filter(fits).take(MAX_NAME).collect();
        let name = if name.is_empty() { "node" } else { &name };
        Ok(Self(
            format!("{name}~{}", URL_SAFE_NO_PAD.encode(bytes)).into(),
        ))
    }

    /// The only node of a store that no other process sees.
    pub(super) fn local() -> Self {
        Self("local".into())
    }

    /// Reads one back from a store.
    ///
    /// # Errors
    /// If it does not have the shape of one.
    pub fn parse(text: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.into()));
        }
        Err(crate::Error::new(
            crate::ErrorKind::Store,
            "read node",
            "this is not the id of a node",
        ))
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRandom;

    #[test]
    fn a_name_is_for_people_and_no_two_nodes_are_the_same() {
        let node = NodeId::random("pod-7 (blue)|x", &OsRandom).unwrap();
        assert!(node.as_str().starts_with("pod-7bluex~"), "{node}");
        assert_ne!(node, NodeId::random("pod-7 (blue)|x", &OsRandom).unwrap());
        assert_eq!(NodeId::parse(node.as_str()).unwrap(), node);
        assert!(
            NodeId::random("", &OsRandom)
                .unwrap()
                .as_str()
                .starts_with("node~")
        );
        for bad in ["", "a|b", "a,b", &"x".repeat(65)] {
            assert!(NodeId::parse(bad).is_err(), "{bad}");
        }
    }
}
