//! The HTTP port of the telephony crates, on reqwest.
//!
//! TLS is rustls with ring, certificates are checked as the platform does; no OpenSSL. Connections are kept and used again.
//! Redirects are never followed: a request carries credentials, and only the configured host may see them.
//!
//! ```
//! use std::sync::Arc;
//! use telephony_core::Ports;
//! use telephony_reqwest::{HttpOptions, ReqwestClient};
//!
//! let client = ReqwestClient::new(HttpOptions::default())?;
//! let ports = Ports::default().with_http(Arc::new(client)); // one for all accounts
//! # Ok::<(), telephony_core::Error>(())
//! ```

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{Error, ErrorKind, HttpClient, Result, Retry};

const OPERATION: &str = "send request";

/// Limits of a [`ReqwestClient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpOptions {
    /// How long connecting may take, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a request may take in all, its answer included. Default 40 s: one carrier takes up to 30 s to place a call.
    pub total_timeout: Duration,
    /// How long a connection is kept for the next request. Default 60 s.
    pub keep_alive: Duration,
    /// The largest answer that is read. Default 16 MiB: recordings are the largest.
    pub max_response: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(40),
            keep_alive: Duration::from_secs(60),
            max_response: 16 << 20,
        }
    }
}

/// Sends requests with reqwest. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    client: reqwest::Client,
    max_response: usize,
}

impl ReqwestClient {
    /// A client with these limits.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if TLS cannot be set up on this machine.
    pub fn new(options: HttpOptions) -> Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .timeout(options.total_timeout)
            .pool_idle_timeout(options.keep_alive)
            .user_agent(concat!("telephony-rs/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| configuration("the HTTP client cannot be set up", error))?;
        Ok(Self {
            client,
            max_response: options.max_response,
        })
    }
}

fn tls() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
        .map_err(|error| configuration("the certificates of this machine cannot be used", error))?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| configuration("TLS cannot be set up", error))?
        .dangerous() // The name for setting a verifier at all; this one is the platform's.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn configuration(detail: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Configuration, "set up HTTP", detail).with_source(source)
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>> {
        let request = reqwest::Request::try_from(request).map_err(|error| {
            Error::new(
                ErrorKind::InvalidArgument,
                OPERATION,
                "the URL of the request is not one",
            )
            .with_source(error.without_url())
        })?;
        let mut response = self.client.execute(request).await.map_err(failure)?;
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > self.max_response {
                let detail = "the answer is larger than the limit";
                return Err(Error::new(ErrorKind::Carrier, OPERATION, detail)
                    .with_http_status(answer.status().as_u16()));
            }
            body.extend_from_slice(&chunk);
        }
        *answer.body_mut() = body.freeze();
        Ok(answer)
    }
}

/// reqwest's error without the URL, which may hold an account's name. Only what failed to connect surely was not sent.
fn failure(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, detail) = match &error {
        error if error.is_connect() && error.is_timeout() => {
            (ErrorKind::Timeout, "connecting took too long")
        }
        error if error.is_connect() => (ErrorKind::Transport, "the host could not be connected to"),
        error if error.is_timeout() => (ErrorKind::Timeout, "the answer did not come in time"),
        _ => (ErrorKind::Transport, "the connection broke"),
    };
    let retry = if error.is_connect() {
        Retry::Safe
    } else {
        Retry::Never
    };
    Error::new(kind, OPERATION, detail)
        .with_retry(retry)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives this answer to each request, on one connection after the other.
    async fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
                if answer.is_empty() {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            }
        });
        url
    }

    async fn get(url: &str, options: HttpOptions) -> Result<http::Response<Bytes>> {
        let client = ReqwestClient::new(options)?;
        client
            .execute(http::Request::get(url).body(Bytes::new()).unwrap())
            .await
    }

    #[tokio::test]
    async fn any_status_is_an_answer_and_redirects_are_not_followed() {
        let url = server(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nno",
        )
        .await;
        let answer = get(&url, HttpOptions::default()).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (302, &b"no"[..])
        );
        assert_eq!(answer.headers()["location"], "http://127.0.0.1:1/");
    }

    #[tokio::test]
    async fn large_answers_are_refused() {
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world").await;
        let options = HttpOptions {
            max_response: 10,
            ..HttpOptions::default()
        };
        let error = get(&url, options).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.http_status()),
            (ErrorKind::Carrier, Some(200))
        );
    }

    #[tokio::test]
    async fn only_what_was_not_sent_may_be_sent_again() {
        let nobody = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let error = get(&format!("http://{nobody}/AC1"), HttpOptions::default())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Transport, Retry::Safe)
        );
        assert!(!format!("{error} {error:?}").contains("AC1"), "{error:?}");

        let options = HttpOptions {
            total_timeout: Duration::from_millis(200),
            ..HttpOptions::default()
        };
        let error = get(&server(b"").await, options).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Timeout, Retry::Never)
        );

        let error = get(&server(b"garbage\r\n\r\n").await, HttpOptions::default())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Transport, Retry::Never)
        );
    }
}
