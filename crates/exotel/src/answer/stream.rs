//! The URL of our media socket, for a Voicebot applet.

use super::{Writer, invalid, json, unsupported};
use crate::config::is_offered;
use serde::Serialize;
use telephony_core::audio::SampleRate;
use telephony_core::media::StreamTicket;
use telephony_core::{Answered, Result, Stream};

/// So many parameters may a stream URL have, the sample rate counted in (Exotel does not say whether it is).
const MAX_PARAMETERS: usize = 3;
/// So long may they be, written out.
const MAX_QUERY_CHARS: usize = 256;
/// The parameter by which Exotel learns the rate. One page writes `sample_rate`; all others write this.
pub(crate) const RATE_PARAMETER: &str = "sample-rate";

#[derive(Serialize)]
struct Body {
    url: String,
}

impl Writer<'_> {
    /// `{"url": …}`. What comes after the stream is the flow's next applet, whatever `stream.then` says.
    pub(super) fn stream(&self, stream: &Stream) -> Result<Answered> {
        json(&Body {
            url: self.stream_url(stream)?,
        })
    }

    /// The URL of our media socket with the rate, the call key and the app's parameters.
    pub(crate) fn stream_url(&self, stream: &Stream) -> Result<String> {
        let query = query(stream, self.rate(stream)?, self.links.call_key().as_str())?;
        let mut url = self.media_url()?;
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query);
        }
        Ok(url)
    }

    /// The URL of our media socket, with the credentials that we ask for.
    pub(super) fn media_url(&self) -> Result<String> {
        let url = self.links.media_url()?;
        let Some(credentials) = self.config.socket_credentials() else {
            return Ok(url);
        };
        match url.split_once("://") {
            Some((scheme, rest)) => Ok(format!("{scheme}://{}@{rest}", credentials.expose())),
            None => Ok(url),
        }
    }

    fn rate(&self, stream: &Stream) -> Result<SampleRate> {
        let rate = stream.rate.unwrap_or(self.config.media_rate());
        if is_offered(rate) {
            Ok(rate)
        } else {
            Err(unsupported(
                "the media socket has 8000, 16000 or 24000 samples per second",
            ))
        }
    }
}

/// The rate unless it is the usual one, our call key if there is room, and the app's own parameters.
fn query(stream: &Stream, rate: SampleRate, call_key: &str) -> Result<String> {
    let rate = (rate != SampleRate::HZ_8000).then(|| format!("{RATE_PARAMETER}={}", rate.hz()));
    let key = format!("{}={call_key}", StreamTicket::KEY_PARAMETER);
    let mut own = Vec::new();
    for (name, value) in &stream.parameters {
        if !is_plain(name) || !is_plain(value) {
            return Err(invalid(
                "names and values of stream parameters may have letters, digits, `-` and `_` only, and not be empty: \
                 Exotel hands nothing else back unharmed",
            ));
        }
        if [RATE_PARAMETER, "sample_rate", StreamTicket::KEY_PARAMETER].contains(&name.as_str()) {
            return Err(invalid(
                "a stream parameter has a name that this library uses itself",
            ));
        }
        own.push(format!("{name}={value}"));
    }
    let without_key: Vec<_> = rate.iter().chain(&own).cloned().collect();
    if !fits(&without_key) {
        return Err(invalid(
            "a stream has 3 parameters in 256 characters at most, the sample rate counted in unless it is 8000",
        ));
    }
    let with_key: Vec<_> = rate.into_iter().chain([key]).chain(own).collect();
    let parts = if fits(&with_key) {
        with_key
    } else {
        without_key
    };
    Ok(parts.join("&"))
}

fn fits(parts: &[String]) -> bool {
    parts.len() <= MAX_PARAMETERS && parts.join("&").len() <= MAX_QUERY_CHARS
}

/// Whether it survives a URL, HTML escaping (seen on one account) and the way back in JSON.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Checks a stream URL that somebody else wrote.
pub(super) fn check_url(url: &str) -> Result<()> {
    let Some(rest) = url
        .strip_prefix("wss://")
        .or_else(|| url.strip_prefix("ws://"))
    else {
        return Err(invalid(
            "the `url` of the document does not begin with wss://",
        ));
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let count = query.split('&').filter(|part| !part.is_empty()).count();
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid("the `url` of the document is no URL"));
    }
    if count > MAX_PARAMETERS || query.len() > MAX_QUERY_CHARS {
        return Err(invalid(
            "the `url` of the document has more than 3 parameters or 256 characters of them",
        ));
    }
    Ok(())
}
