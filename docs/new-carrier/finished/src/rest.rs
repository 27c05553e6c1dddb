//! Requests to the carrier.

use super::NAME;
use super::config::AcmeConfig;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use telephony_core::{CarrierCall, Error, ErrorKind, Repeat, RestClient, Result, Retry};

const OPERATION: &str = "hang up";

/// Ends a call. Already gone is success.
pub(super) async fn hang_up(
    config: &AcmeConfig,
    rest: &RestClient,
    call: &CarrierCall,
) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !call.id.as_str().bytes().all(fits) {
        return Err(error(
            ErrorKind::InvalidArgument,
            "the call's id is none of Acme's",
        ));
    }
    let bearer = format!("Bearer {}", config.secret.expose());
    let mut bearer = HeaderValue::from_str(&bearer)
        .map_err(|_| error(ErrorKind::Configuration, "`secret` makes no header"))?;
    bearer.set_sensitive(true);
    let request = Request::delete(format!("https://api.acme.example/calls/{}", call.id))
        .header(header::AUTHORIZATION, bearer)
        .body(Bytes::new())
        .map_err(|_| error(ErrorKind::Internal, "the request could not be written"))?;
    rest.send(OPERATION, request, Repeat::WhenFailed, |response, _now| {
        read(&response)
    })
    .await
}

fn read(response: &Response<Bytes>) -> Result<()> {
    let status = response.status().as_u16();
    let (kind, detail, retry) = match status {
        200..=299 | 404 => return Ok(()),
        401 | 403 => (
            ErrorKind::Configuration,
            "`secret` is not accepted",
            Retry::Never,
        ),
        429 => (ErrorKind::RateLimited, "too many requests", Retry::Safe),
        500..=599 => (ErrorKind::Carrier, "the service failed", Retry::Safe),
        _ => (
            ErrorKind::InvalidArgument,
            "the request was not accepted",
            Retry::Never,
        ),
    };
    Err(error(kind, detail)
        .with_http_status(status)
        .with_retry(retry))
}

fn error(kind: ErrorKind, detail: &str) -> Error {
    Error::new(kind, OPERATION, detail).with_provider(NAME)
}
