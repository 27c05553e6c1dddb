//! Our own URLs, as the carrier sees them.
//!
//! ```
//! use telephony_core::{AccountLabel, CallKey, CallLinks, OsRandom, PublicUrl};
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let key = CallKey::random(&OsRandom)?;
//! let links = CallLinks::new(base, AccountLabel::new("twilio")?, key.clone());
//! assert_eq!(links.status_url(), format!("https://voice.example.com/twilio/status/{key}"));
//! # Ok::<(), telephony_core::Error>(())
//! ```

use crate::{AccountLabel, CallKey, Error, ErrorKind, MediaToken, Result};
use std::fmt;
use std::sync::Arc;

/// The base URL under which carriers reach us: scheme, host, and a path prefix if there is one. `http` becomes `ws` and is
/// allowed on loopback only; `https` becomes `wss`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl PublicUrl {
    /// Checks `url`: `https://host[:port][/prefix]`, or `http://` on loopback. A trailing slash is dropped; nothing else is
    /// changed, because carriers sign the text of the URL.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if it is anything else.
    pub fn new(url: &str) -> Result<Self> {
        let url = url.trim().trim_end_matches('/');
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let printable = url.bytes().all(|byte| byte.is_ascii_graphic())
            && !rest.contains(['?', '#', '@', '"', '<', '>']);
        if host.is_empty() || host.starts_with(':') || !printable {
            let detail = "the public URL must look like https://voice.example.com, without query, fragment and user";
            return Err(Error::configuration(detail));
        }
        match scheme {
            "https" => Ok(Self(url.into())),
            "http" if is_loopback(host) => Ok(Self(url.into())),
            "http" => Err(Error::configuration(
                "the public URL must be https: http is for loopback only",
            )),
            _ => Err(Error::configuration(
                "the public URL must begin with https://",
            )),
        }
    }

    /// The URL without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for WebSockets: `wss://…`, or `ws://…` on loopback.
    #[must_use]
    pub fn websocket(&self) -> String {
        match self.0.strip_prefix("https://") {
            Some(rest) => format!("wss://{rest}"),
            None => format!("ws://{}", self.0.trim_start_matches("http://")),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The URLs of one call. `Debug` does not show the media token.
#[derive(Debug, Clone)]
pub struct CallLinks {
    base: PublicUrl,
    account: AccountLabel,
    key: CallKey,
    media: Option<MediaToken>,
}

impl CallLinks {
    /// The links of the call `key` on `account`, without a media socket.
    #[must_use]
    pub fn new(base: PublicUrl, account: AccountLabel, key: CallKey) -> Self {
        Self {
            base,
            account,
            key,
            media: None,
        }
    }

    /// With a media socket.
    #[must_use]
    pub fn with_media(mut self, token: MediaToken) -> Self {
        self.media = Some(token);
        self
    }

    pub(crate) fn media_token(&self) -> Option<&MediaToken> {
        self.media.as_ref()
    }

    /// The call's key.
    #[must_use]
    pub fn call_key(&self) -> &CallKey {
        &self.key
    }

    /// The account's label.
    #[must_use]
    pub fn account(&self) -> &AccountLabel {
        &self.account
    }

    /// Where a call comes in: for the carrier's console.
    #[must_use]
    pub fn call_url(&self) -> String {
        format!("{}/{}/call", self.base, self.account)
    }

    /// Where the carrier asks what to do next in this call.
    #[must_use]
    pub fn answer_url(&self) -> String {
        format!("{}/{}/answer/{}", self.base, self.account, self.key)
    }

    /// Where the carrier reports the status of this call.
    #[must_use]
    pub fn status_url(&self) -> String {
        format!("{}/{}/status/{}", self.base, self.account, self.key)
    }

    /// Where the carrier sends everything else about this call.
    #[must_use]
    pub fn events_url(&self) -> String {
        format!("{}/{}/events/{}", self.base, self.account, self.key)
    }

    /// Where the carrier opens the media socket of this call: `wss://…`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if no token was minted for this answer.
    pub fn media_url(&self) -> Result<String> {
        let token = self.media.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "write answer",
                "the answer streams, but no media token was minted for it",
            )
        })?;
        Ok(format!(
            "{}/{}/media/{}",
            self.base.websocket(),
            self.account,
            token.as_str()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_loopback_only() {
        for good in [
            "https://voice.example.com/",
            "https://a.example:8443/prefix",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
        ] {
            assert!(PublicUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "voice.example.com",
            "http://voice.example.com",
            "http://127.0.0.1.example.com",
            "ftp://x",
            "https://",
            "https://:8443",
            "https://a?b=c",
            "https://user@a",
            "https://a b",
        ] {
            assert!(PublicUrl::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_media_url_is_wss_and_needs_a_token() {
        let base = PublicUrl::new("https://voice.example.com/").unwrap();
        let key = CallKey::parse("0123456789abcdefghij_-").unwrap();
        let links = CallLinks::new(base, AccountLabel::new("main").unwrap(), key);
        assert!(links.media_url().is_err());
        let links = links.with_media(MediaToken::parse("tokentokentokentoken00").unwrap());
        assert_eq!(
            links.media_url().unwrap(),
            "wss://voice.example.com/main/media/tokentokentokentoken00"
        );
        assert!(!format!("{links:?}").contains("tokentoken"));
    }
}
