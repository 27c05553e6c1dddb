//! Recordings, and from where they may be fetched.

use super::{RECORDING, Rest, error};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use std::time::SystemTime;
use telephony_core::{ErrorKind, RecordingAudio, Result, Retry};

/// Hosts of Exotel's that want the credentials: its API, and where recordings are since October 2024 (support article,
/// public code). Other names below `exotel.com` may be other companies', the help pages for one.
const SIGNED_HOSTS: [&str; 4] = [
    "api.exotel.com",
    "api.in.exotel.com",
    "recordings.exotel.com",
    "recordings.in.exotel.com",
];
/// Exotel's own domain.
const DOMAIN: &str = "exotel.com";
/// Exotel's stores at Amazon (documented). They get no credentials: what is fetched there is public or has a signed URL.
const BUCKETS: [&str; 2] = ["exotelrecordings", "exotel-mum1-recordings"];

/// What is sent along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credentials {
    Ours,
    None,
}

impl Rest<'_> {
    /// Fetches the recording at `url`, as Exotel gave it: in a [`Recording`](telephony_core::Recording) or a
    /// [`CallState`](super::CallState).
    ///
    /// A callback's word is not enough to send a request anywhere, so the host must be Exotel's, one of its stores at Amazon,
    /// or the configured `base_url`; the credentials go to the hosts of Exotel's that want them and the configured one only.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the URL is anywhere else, is not `https`, or cannot be read the same by everybody;
    /// [`ErrorKind::NotFound`] if it is empty, which says that nothing was recorded.
    pub fn fetch_recording(&self, url: &str) -> Result<Request<Bytes>> {
        let credentials = self.recording_credentials(url)?;
        self.get(RECORDING, url, credentials == Credentials::Ours)
    }

    /// The audio, and what it is as the host says it.
    ///
    /// # Errors
    /// What the host says; [`ErrorKind::NotFound`] with [`Retry::Safe`] if it is not there, or not yet.
    pub fn read_recording(
        &self,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> Result<RecordingAudio> {
        let body = response.body();
        let tree = super::body::parse(body);
        match (response.status().is_success(), &tree) {
            (true, None) if !body.is_empty() => {
                Ok(RecordingAudio::new(media_type(response), body.clone()))
            }
            (true, None) => Err(error(
                ErrorKind::NotFound,
                RECORDING,
                "the recording is empty: it takes minutes after the end of the call",
            )
            .with_http_status(response.status().as_u16())
            .with_retry(Retry::Safe)),
            _ => Err(self.fault(RECORDING, response, tree.as_ref(), now)),
        }
    }

    fn recording_credentials(&self, url: &str) -> Result<Credentials> {
        if url.is_empty() {
            return Err(error(
                ErrorKind::NotFound,
                RECORDING,
                "nothing was recorded",
            ));
        }
        // The host is judged here and contacted by a client with a parser of its own: nothing may pass that the two could
        // read differently.
        let unambiguous = url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte));
        let uri: Uri = url
            .parse()
            .ok()
            .filter(|_| unambiguous)
            .ok_or_else(|| refused("the URL of the recording is not valid"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(refused("the URL of the recording is not absolute"));
        };
        if authority.as_str().contains(['@', '%']) {
            return Err(refused("the URL of the recording has a user in it"));
        }
        if has_dot_segments(uri.path()) {
            return Err(refused("the path of the recording's URL has dots in it"));
        }
        if self.is_configured(scheme, authority) {
            return Ok(Credentials::Ours);
        }
        let host = authority.as_str().to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        if *scheme != Scheme::HTTPS || host.contains(':') {
            return Err(refused(
                "the recording is not at an https URL of the usual port",
            ));
        }
        let is_below = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        if SIGNED_HOSTS.contains(&host) {
            Ok(Credentials::Ours)
        } else if host == DOMAIN || is_below(DOMAIN) || is_bucket(host, uri.path()) {
            Ok(Credentials::None)
        } else {
            Err(refused(
                "the recording is neither on a host of Exotel's nor at `base_url`; it is not fetched",
            ))
        }
    }

    /// Whether it is the very host that the configuration names; the only one that may be without TLS, on loopback.
    fn is_configured(&self, scheme: &Scheme, authority: &Authority) -> bool {
        let configured: Option<Uri> = self.config.rest_url().parse().ok();
        configured.is_some_and(|uri| {
            // Both compare without regard to case.
            uri.scheme() == Some(scheme) && uri.authority() == Some(authority)
        })
    }
}

fn media_type(response: &Response<Bytes>) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    (!value.trim().is_empty()).then(|| value.trim().to_owned())
}

/// `s3.amazonaws.com`, `s3-REGION.amazonaws.com`, `s3.REGION.amazonaws.com`, with the bucket as the first segment of the
/// path or in front of the host.
fn is_bucket(host: &str, path: &str) -> bool {
    let Some(name) = host.strip_suffix(".amazonaws.com") else {
        return false;
    };
    let is_store = |name: &str| match name.strip_prefix("s3") {
        Some("") => true,
        Some(region) => {
            let region = region.strip_prefix(['-', '.']).unwrap_or_default();
            !region.is_empty()
                && region
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }
        None => false,
    };
    BUCKETS.iter().any(|bucket| {
        let in_host = name
            .strip_prefix(bucket)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(is_store);
        let in_path = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(bucket))
            .is_some_and(|rest| rest.starts_with('/'));
        in_host || (is_store(name) && in_path)
    })
}

/// Segments that a client may take out of the path before it sends it.
fn has_dot_segments(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

fn refused(detail: &str) -> telephony_core::Error {
    error(ErrorKind::InvalidArgument, RECORDING, detail)
}
