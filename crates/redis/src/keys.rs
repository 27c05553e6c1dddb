//! The names of keys. What stands in braces decides the slot of a cluster.

use sha2::{Digest as _, Sha256};
use telephony_core::{AccountLabel, CallId, CallKey, MediaToken, NodeId, RequestName};

/// Calls are spread over so many slots. Fixed: another number would not find the calls of the one before.
pub(crate) const SLOTS: u32 = 32;

/// Makes the names of keys.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        // Braces of the prefix would take the place of ours.
        let prefix = prefix.replace(['{', '}'], "");
        Self { prefix }
    }

    /// A call and what is due in its slot: always in one slot, so that one script sees all.
    pub(crate) fn call(&self, key: &CallKey) -> [String; 3] {
        let slot = slot(key.as_str());
        let call = format!("{{{}:{slot}}}:call:{}", self.prefix, key.as_str());
        [call, self.due(slot), self.asks(slot)]
    }

    /// What is to be forgotten or given up.
    pub(crate) fn due(&self, slot: u32) -> String {
        format!("{{{}:{slot}}}:due", self.prefix)
    }

    /// What is to be asked about.
    pub(crate) fn asks(&self, slot: u32) -> String {
        format!("{{{}:{slot}}}:asks", self.prefix)
    }

    pub(crate) fn id(&self, account: &AccountLabel, id: &CallId) -> String {
        format!("{}:id:{account}:{{{}}}", self.prefix, hash(id.as_str()))
    }

    pub(crate) fn token(&self, token: &MediaToken) -> String {
        format!("{}:token:{{{}}}", self.prefix, token.as_str())
    }

    /// The live calls of an account, and its rate.
    pub(crate) fn account(&self, account: &AccountLabel) -> [String; 2] {
        let tag = format!("{{{}:account:{account}}}", self.prefix);
        [format!("{tag}:live"), format!("{tag}:rate")]
    }

    /// Until when nodes live, and since when.
    pub(crate) fn nodes(&self) -> [String; 2] {
        let tag = format!("{{{}:nodes}}", self.prefix);
        [format!("{tag}:until"), format!("{tag}:since")]
    }

    /// What a node holds.
    pub(crate) fn held(&self, node: &NodeId) -> String {
        format!("{{{}:nodes}}:held:{node}", self.prefix)
    }

    pub(crate) fn request(&self, request: &RequestName) -> String {
        let name = hash(request.name());
        format!("{}:request:{}:{{{name}}}", self.prefix, request.account())
    }

    /// What the channels of nodes begin with.
    pub(crate) fn channels(&self) -> String {
        format!("{}:node:", self.prefix)
    }
}

/// FNV-1a: the same on every node, for ever.
fn slot(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    text.bytes().fold(2_166_136_261, step) % SLOTS
}

/// Of names that may be long or secret: 128 bits in hex.
fn hash(text: &str) -> String {
    let hex = |byte: &u8| format!("{byte:02x}");
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .map(hex)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_change() {
        let keys = Keys::new("{p}");
        let call = CallKey::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let [name, due, asks] = keys.call(&call);
        assert_eq!(name, "{p:27}:call:AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(due, "{p:27}:due");
        assert_eq!(asks, "{p:27}:asks");
        let main = AccountLabel::new("main").unwrap();
        let id = keys.id(&main, &CallId::new("{CA}1").unwrap());
        assert_eq!(id, "p:id:main:{780481c2582c17dcf55fef06befcfb5e}");
        let secret = keys.request(&RequestName::new(main, "signature"));
        assert!(!secret.contains("signature"), "{secret}");
    }

    #[test]
    fn calls_are_spread_over_all_slots() {
        let slots: std::collections::BTreeSet<_> =
            (0..2_000).map(|at| slot(&format!("key{at}"))).collect();
        assert_eq!(slots.len(), SLOTS as usize);
    }
}
