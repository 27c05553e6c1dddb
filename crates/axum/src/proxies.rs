//! Whose word counts for what the carrier called: a proxy's that the configuration trusts, nobody else's.

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;
use telephony_core::{Error, PublicUrl, Result};

const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

/// The proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` are believed: for a service that carriers reach under
/// several names. Links that we give out are of the one public URL all the same.
///
/// Without any, which is the default, what a carrier called is made from the public URL alone, and nobody's headers count.
///
/// ```
/// use telephony_axum::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.0.0.0/8, 192.0.2.7, fd00::/8".parse()?;
/// assert!(proxies.contains("10.1.2.3".parse()?));
/// assert!(!proxies.contains("192.0.2.8".parse()?));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether a connection from there is one of them.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The base of the URL that the carrier called, if `peer` is trusted and says so.
    pub(crate) fn base(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        configured: &PublicUrl,
    ) -> Option<String> {
        if !peer.is_some_and(|peer| self.contains(peer)) {
            return None;
        }
        let (proto, host) = (last(headers, PROTO), last(headers, HOST));
        if proto.is_none() && host.is_none() {
            return None;
        }
        let (scheme, rest) = configured.as_str().split_once("://")?;
        let (name, prefix) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (scheme, name) = (proto.unwrap_or(scheme), host.unwrap_or(name));
        Some(format!("{scheme}://{name}{prefix}"))
    }
}

/// The last value: that of the proxy that speaks to us. Those before it may be anybody's.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers
        .get_all(name)
        .iter()
        .next_back()
        .map(HeaderValue::to_str)?
        .ok()?;
    let value = value.rsplit(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

impl FromStr for TrustedProxies {
    type Err = Error;

    /// Addresses and networks, between commas.
    fn from_str(text: &str) -> Result<Self> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                let address = part.parse().map(|address: IpAddr| address.to_canonical().into());
                address.or_else(|_| part.parse()).map_err(|_| {
                    let detail = "trusted proxies are addresses or networks between commas, such as 10.0.0.0/8, 192.0.2.7";
                    Error::configuration(detail)
                })
            })
            .collect::<Result<_>>()
            .map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn base(peer: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let proxies: TrustedProxies = "10.0.0.0/8,192.0.2.7".parse().unwrap();
        let configured = PublicUrl::new("https://voice.example.com/phone").unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).try_into().unwrap(), HeaderValue::from_static(value)))
            .collect();
        proxies.base(Some(peer.parse().unwrap()), &headers, &configured)
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let said = [(PROTO, "https"), (HOST, "other.example.com")];
        let believed = Some("https://other.example.com/phone".to_owned());
        assert_eq!(base("10.9.9.9", &said), believed);
        assert_eq!(base("::ffff:192.0.2.7", &said), believed);
        assert_eq!(base("192.0.2.8", &said), None);
        assert_eq!(base("::1", &said), None);
        let nobody = TrustedProxies::none();
        assert!(!nobody.contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_not_said_is_as_configured() {
        assert_eq!(base("10.0.0.1", &[]), None);
        assert_eq!(base("10.0.0.1", &[(HOST, " ")]), None);
        let host = base("10.0.0.1", &[(HOST, "a.example:8443")]);
        assert_eq!(host.as_deref(), Some("https://a.example:8443/phone"));
        let proto = base("10.0.0.1", &[(PROTO, "http")]);
        assert_eq!(proto.as_deref(), Some("http://voice.example.com/phone"));
    }

    #[test]
    fn of_many_words_the_last_is_the_proxys() {
        let said = [(HOST, "forged.example, real.example")];
        let base = base("10.0.0.1", &said);
        assert_eq!(base.as_deref(), Some("https://real.example/phone"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in ["localhost", "10.0.0.0/40", "10.0.0.1;10.0.0.2"] {
            let error = wrong.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
        }
    }
}
