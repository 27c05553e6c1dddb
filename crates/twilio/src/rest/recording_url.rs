//! The audio of a recording, also by the URL that a callback named.
//!
//! The credentials go along with the request, so what the URL says is not asked as it is: whatever it names, the request
//! goes to the host that is configured.

use super::requests::{Requests, VERSION, has_dot_segment, origin};
use super::{RecordingChannels, RestOperation};
use bytes::Bytes;
use http::{Method, Request, Uri};
use telephony_core::Result;

const OPERATION: RestOperation = RestOperation::FetchRecording;
const AUDIO: &str = "audio/*";

/// The form in which a recording is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AudioFile {
    /// WAV: 16 bit at 8000 Hz.
    #[default]
    Wav,
    /// MP3: 32 kbit/s.
    Mp3,
}

impl AudioFile {
    fn extension(self) -> &'static str {
        match self {
            Self::Wav => ".wav",
            Self::Mp3 => ".mp3",
        }
    }
}

impl Requests<'_> {
    /// Fetches the audio of a recording, as it was made or with these channels. It is there once the recording is
    /// completed.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) if the id cannot be part of a path.
    pub fn recording_audio(
        &self,
        recording: &str,
        file: AudioFile,
        channels: Option<RecordingChannels>,
    ) -> Result<Request<Bytes>> {
        let mut url = self.url(OPERATION, &["Recordings", recording], file.extension())?;
        if let Some(channels) = channels {
            url.push('?');
            url.push_str(channels.query());
        }
        self.request(OPERATION, Method::GET, &url, AUDIO, None)
    }

    /// The same by the URL of the recording, as callbacks (`RecordingUrl`) and the API (`media_url`, which may say `http`)
    /// give it. It must be on the configured host or on one of Twilio's API hosts (`api.twilio.com`, `api.….twilio.com`),
    /// and is asked on the configured host in any case.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for any other URL.
    pub fn recording_audio_at(
        &self,
        url: &str,
        file: AudioFile,
        channels: Option<RecordingChannels>,
    ) -> Result<Request<Bytes>> {
        let uri: Uri = url
            .trim()
            .parse()
            .map_err(|_| OPERATION.invalid("the URL of the recording is not a URL"))?;
        let base = self.base_for(&uri)?;
        let path = uri.path();
        let segments: Vec<&str> = path.split('/').collect();
        let [.., kind, recording] = segments.as_slice() else {
            return Err(not_a_recording());
        };
        let stem = [".wav", ".mp3", ".json"]
            .iter()
            .find_map(|extension| recording.strip_suffix(extension))
            .unwrap_or(recording);
        let account = segments
            .iter()
            .skip_while(|name| **name != "Accounts")
            .nth(1);
        let (Some(account), "Recordings") = (account, *kind) else {
            return Err(not_a_recording());
        };
        if stem.is_empty() || has_dot_segment(path) {
            return Err(not_a_recording());
        }
        let folder = &path[..path.len() - recording.len()];
        let mut url = format!("{base}{folder}{stem}{}", file.extension());
        let query = [uri.query(), channels.map(RecordingChannels::query)];
        for (at, query) in query.into_iter().flatten().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(query);
        }
        // A recording of a subaccount's call is fetched with its own token, if there is one.
        let owner = Requests::of(self.config, account).unwrap_or(*self);
        owner.request(OPERATION, Method::GET, &url, AUDIO, None)
    }

    /// What the path of that URL is put behind: the configured origin, if it is there already, or the configured base.
    fn base_for(&self, uri: &Uri) -> Result<String> {
        let refuse = || {
            OPERATION.invalid(
                "the recording is neither on the configured host nor on one of Twilio's: no credentials are sent there",
            )
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse());
        };
        if !matches!(scheme, "https" | "http") || authority.as_str().contains('@') {
            return Err(refuse());
        }
        let api = self.config.api_url();
        let configured: Uri = origin(&api).parse().map_err(|_| refuse())?;
        let host = authority.host().to_ascii_lowercase();
        let is_configured_host = configured
            .host()
            .is_some_and(|own| own.eq_ignore_ascii_case(&host));
        if is_configured_host && (port(uri) == port(&configured) || is_plain_http(uri)) {
            return Ok(origin(&api).to_owned());
        }
        let has_default_port = uri.port().is_none() || uri.port_u16() == Some(443);
        let is_twilios =
            host == "api.twilio.com" || (host.starts_with("api.") && host.ends_with(".twilio.com"));
        let is_in_api = uri.path().starts_with(&format!("/{VERSION}/"));
        if is_twilios && has_default_port && is_in_api {
            return Ok(api);
        }
        Err(refuse())
    }
}

/// The port, said or not.
fn port(uri: &Uri) -> Option<u16> {
    let default = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    uri.port_u16().or(default)
}

/// `media_url` may say `http` without a port for what is there by `https` only.
fn is_plain_http(uri: &Uri) -> bool {
    uri.scheme_str() == Some("http") && uri.port().is_none()
}

fn not_a_recording() -> telephony_core::Error {
    OPERATION.invalid("the URL is not one of a recording: …/Recordings/RE…")
}
