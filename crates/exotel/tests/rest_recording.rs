//! From where a recording is fetched, and who gets the credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{BASIC, noon, response, rest, wire, with_rest};
use common::{assert_kind, config};
use telephony_core::{ErrorKind, Result, Retry};

/// Whether the request has the credentials.
fn signed_with(base_url: Option<&str>, url: &str) -> Result<bool> {
    let config = base_url
        .into_iter()
        .fold(config(), |config, url| config.with_base_url(url));
    with_rest(config, |rest| {
        let request = rest.fetch_recording(url)?;
        assert_eq!(request.uri().to_string(), url.replace("HTTPS", "https"));
        Ok(request.headers().contains_key("authorization"))
    })
}

fn signed(url: &str) -> Result<bool> {
    signed_with(None, url)
}

#[test]
fn exotels_hosts_get_the_credentials() {
    let url = "https://recordings.exotel.com/exotelrecordings/example1/a.mp3";
    let request = rest(|rest| rest.fetch_recording(url)).unwrap();
    assert_eq!(
        wire(&request),
        format!("GET {url}\nauthorization: {BASIC}\n")
    );
    for url in [
        "https://recordings.exotel.com:443/a.mp3",
        "https://Recordings.Exotel.Com/a.mp3",
        "HTTPS://recordings.in.exotel.com/a.mp3",
        "https://api.exotel.com/v3/accounts/example1/a.mp3?x=1&y=a%2Fb",
        "https://api.in.exotel.com/a.mp3",
    ] {
        assert!(signed(url).unwrap(), "{url}");
    }
}

#[test]
fn others_get_none() {
    for url in [
        "https://exotel.com/a.mp3",
        "https://support.exotel.com/a.mp3",
        "https://x.recordings.exotel.com/a.mp3",
        "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings/example1/a.mp3",
        "https://s3-ap-south-1.amazonaws.com/exotel-mum1-recordings/Exotel/a.mp3?X-Amz-Signature=abc&X-Amz-Date=20260101T120000Z",
        "https://s3.ap-south-1.amazonaws.com/exotelrecordings/a.mp3",
        "https://s3.amazonaws.com/exotelrecordings/a.mp3",
        "https://exotelrecordings.s3.ap-southeast-1.amazonaws.com/a.mp3",
        "https://exotelrecordings.s3-ap-southeast-1.amazonaws.com/a.mp3",
    ] {
        assert!(!signed(url).unwrap(), "{url}");
    }
}

#[test]
fn nothing_else_is_fetched() {
    assert_kind(signed(""), ErrorKind::NotFound, "nothing was recorded");
    for url in [
        "recordings.exotel.com/a.mp3",
        "/a.mp3",
        "//recordings.exotel.com/a.mp3",
        "http://recordings.exotel.com/a.mp3",
        "http://api.exotel.com/a.mp3",
        "ftp://recordings.exotel.com/a.mp3",
        "https://recordings.exotel.com:8443/a.mp3",
        "https://recordings.exotel.com:99999/a.mp3",
        "https://recordings.exotel.com./a.mp3",
        "https://evilexotel.com/a.mp3",
        "https://exotel.com.evil.example/a.mp3",
        "https://evil.example/recordings.exotel.com/a.mp3",
        "https://evil.example/?recordings.exotel.com",
        "https://evil.example#.exotel.com",
        "https://evil.example\\.exotel.com/a.mp3",
        "https://recordings.exotel.com\\@evil.example/a.mp3",
        "https://recordings.exotel.com@evil.example/a.mp3",
        "https://user@recordings.exotel.com/a.mp3",
        "https://user:pass@recordings.exotel.com/a.mp3",
        "https://evil.example%2f.exotel.com/a.mp3",
        "https://evil.example%00.exotel.com/a.mp3",
        "https://\u{ff45}xotel.com/a.mp3",
        "https://recordings.exotel.com/a b.mp3",
        "https://recordings.exotel.com/a\nb.mp3",
        "https://recordings.exotel.com\t/a.mp3",
        "https://[::1]/a.mp3",
        "https://127.0.0.1/a.mp3",
        "https://169.254.169.254/latest",
        "https://s3-ap-southeast-1.amazonaws.com/evil/exotelrecordings/a.mp3",
        "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings-evil/a.mp3",
        "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings/../evil/a.mp3",
        "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings/%2e%2E/evil/a.mp3",
        "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings",
        "https://evil.s3.ap-southeast-1.amazonaws.com/exotelrecordings/a.mp3",
        "https://evil-exotelrecordings.s3.amazonaws.com/a.mp3",
        "https://exotelrecordings.evil.amazonaws.com/a.mp3",
        "https://exotelrecordings.s3.a.b.amazonaws.com/a.mp3",
        "https://s3evil.amazonaws.com/exotelrecordings/a.mp3",
        "https://s3.amazonaws.com.evil.example/exotelrecordings/a.mp3",
    ] {
        assert_kind(signed(url), ErrorKind::InvalidArgument, "fetch recording");
    }
}

#[test]
fn the_configured_host_gets_the_credentials_and_may_be_on_loopback() {
    let base = Some("http://127.0.0.1:8080/api");
    assert!(signed_with(base, "http://127.0.0.1:8080/recordings/a.mp3").unwrap());
    assert!(signed_with(base, "https://recordings.exotel.com/a.mp3").unwrap());
    assert!(
        signed_with(
            Some("https://proxy.example:8443"),
            "https://Proxy.example:8443/a.mp3"
        )
        .unwrap()
    );
    for url in [
        "http://127.0.0.1:8081/a.mp3",
        "https://127.0.0.1:8080/a.mp3",
        "http://127.0.0.1/a.mp3",
        "http://localhost:8080/a.mp3",
        "http://127.0.0.1:8080@evil.example/a.mp3",
        "http://127.0.0.1:8080.evil.example/a.mp3",
        "http://recordings.exotel.com/a.mp3",
    ] {
        assert_kind(
            signed_with(base, url),
            ErrorKind::InvalidArgument,
            "fetch recording",
        );
    }
    assert_kind(
        signed("http://127.0.0.1:8080/a.mp3"),
        ErrorKind::InvalidArgument,
        "https",
    );
}

#[test]
fn the_audio_or_why_there_is_none() {
    let read = |status, body: &'static [u8]| {
        rest(|rest| rest.read_recording(&response(status, body), noon()))
    };
    assert_eq!(
        read(200, b"ID3\xff\xfb").unwrap().audio,
        &b"ID3\xff\xfb"[..]
    );
    for (status, body, kind, retry, says) in [
        (200, &b""[..], ErrorKind::NotFound, Retry::Safe, "is empty"),
        (
            200,
            br#"{"RestException":{"Status":404,"Message":"None."}}"#,
            ErrorKind::NotFound,
            Retry::Safe,
            "or not yet",
        ),
        (
            404,
            b"<Error><Code>NoSuchKey</Code><Message>None.</Message></Error>",
            ErrorKind::NotFound,
            Retry::Safe,
            "or not yet",
        ),
        (
            403,
            b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            ErrorKind::Refused,
            Retry::Never,
            "signed URL",
        ),
        (
            401,
            b"",
            ErrorKind::Configuration,
            Retry::Never,
            "credentials",
        ),
        (302, b"", ErrorKind::Carrier, Retry::Never, "not followed"),
        (
            503,
            b"<html><br></html>",
            ErrorKind::Carrier,
            Retry::Safe,
            "side failed",
        ),
    ] {
        let error = read(status, body).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let denied = read(403, b"<Error><Code>AccessDenied</Code></Error>").unwrap_err();
    assert_eq!(denied.provider_code(), Some("AccessDenied"));
}
