//! Options that several commands have.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use telephony::Provider;
use telephony_testkit::engine::UrlParts;
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{Method, Severity, SimulatedCall};

use crate::carrier;
use crate::exit::{Failure, Result};
use crate::secrets::Secrets;

/// Which carrier, and its secrets.
#[derive(Debug, Args)]
pub(crate) struct CarrierOptions {
    /// The carrier to play: twilio, vonage, exotel or plivo
    #[arg(long, value_parser = provider)]
    pub(crate) carrier: Provider,
    /// Lines like TWILIO_AUTH_TOKEN=…; they come before the environment
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

impl CarrierOptions {
    pub(crate) fn secrets(&self) -> Result<Secrets> {
        Secrets::load(self.carrier, self.secret_file.as_deref())
    }
}

/// The app under test.
#[derive(Debug, Args)]
pub(crate) struct AppOptions {
    /// Where the app listens for calls on this machine: http://127.0.0.1:8080/…
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) more: MoreAppOptions,
}

#[derive(Debug, Args)]
pub(crate) struct MoreAppOptions {
    /// What the carrier believes the base of the app to be: signatures are made over it, and URLs under it lead to the app
    #[arg(long, value_name = "BASE")]
    pub(crate) public_url: Option<String>,
    /// Where status callbacks (or events) go, on the app's server
    #[arg(long, value_name = "URL")]
    pub(crate) status_url: Option<String>,
    /// Where the carrier asks when the app fails
    #[arg(long, value_name = "URL")]
    pub(crate) fallback_url: Option<String>,
    /// How the webhook of the call is sent; by default as the carrier does: vonage asks by GET, unless its console says POST
    #[arg(long, value_enum)]
    pub(crate) method: Option<MethodChoice>,
    /// The caller's number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) from: Option<String>,
    /// The number that is called
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: Option<String>,
    /// Exotel's applets, separated by commas: voicebot, hangup, passthru=URL, connect=URL, gather=URL, greeting=URL
    #[arg(long, value_delimiter = ',', value_parser = carrier::applet)]
    pub(crate) flow: Vec<Applet>,
    /// A webhook that takes longer than this is called slow; by default what the carrier bears
    #[arg(long, value_name = "TIME", value_parser = crate::units::duration)]
    pub(crate) slow_webhook: Option<Duration>,
    /// How many times as fast as life the call runs
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
}

/// From which severity on the exit code is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Note,
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodChoice {
    Get,
    Post,
}

impl From<MethodChoice> for Method {
    fn from(choice: MethodChoice) -> Self {
        match choice {
            MethodChoice::Get => Self::Get,
            MethodChoice::Post => Self::Post,
        }
    }
}

impl From<FailOn> for Severity {
    fn from(choice: FailOn) -> Self {
        match choice {
            FailOn::Note => Self::Note,
            FailOn::Warning => Self::Warning,
            FailOn::Error => Self::Error,
        }
    }
}

impl MoreAppOptions {
    /// A call to the app at `url`, all but its script.
    pub(crate) fn call(
        &self,
        provider: Provider,
        secrets: &Secrets,
        url: &str,
    ) -> Result<SimulatedCall> {
        let guarded = |url: &str| guarded(provider, secrets, url);
        let mut call = carrier::simulate(provider, secrets, &self.flow)?
            .answer_url(guarded(url))
            .speed(self.speed);
        if let Some(base) = &self.public_url {
            check_base(base)?;
            call = call.public_url(base);
        }
        if let Some(url) = &self.status_url {
            call = call.status_url(guarded(url));
        }
        if let Some(url) = &self.fallback_url {
            call = call.fallback_url(guarded(url));
        }
        if let Some(method) = self.method {
            call = call.method(method.into());
        }
        if let Some(from) = &self.from {
            call = call.from(from);
        }
        if let Some(to) = &self.to {
            call = call.to(to);
        }
        if let Some(limit) = self.slow_webhook {
            call = call.slow_webhook(Some(limit));
        }
        Ok(call)
    }
}

/// A carrier that signs nothing is known by the secret in its URLs, which must not be on a command line.
fn guarded(provider: Provider, secrets: &Secrets, url: &str) -> String {
    let has_key = || {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.starts_with("key="))
    };
    let secret = match carrier::webhook_secret(provider) {
        Ok(name) if !carrier::signs(provider) => secrets.get(provider, name),
        _ => None,
    };
    match secret {
        Some(secret) if !has_key() => {
            let secret: String =
                form_urlencoded::byte_serialize(carrier::first(secret).as_bytes()).collect();
            let border = if url.contains('?') { '&' } else { '?' };
            format!("{url}{border}key={secret}")
        }
        _ => url.to_owned(),
    }
}

fn check_base(base: &str) -> Result<()> {
    match UrlParts::parse(base) {
        Some(parts) if matches!(parts.scheme.as_str(), "http" | "https") => Ok(()),
        _ => Err(Failure::usage(format!(
            "--public-url {base}: not a URL like https://voice.example.com"
        ))),
    }
}

/// How long a connection to the app may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Makes sure that somebody listens where the app should be, so that a wrong port is not taken for a bad app.
pub(crate) async fn check_reachable(url: &str) -> Result<()> {
    let parts = UrlParts::parse(url)
        .filter(|parts| matches!(parts.scheme.as_str(), "http" | "https"))
        .ok_or_else(|| {
            Failure::usage(format!("{url}: not a URL like http://127.0.0.1:8080/call"))
        })?;
    if parts.is_secure() {
        return Err(Failure::usage(format!(
            "{url}: the command speaks no TLS. Give the app's own address (http://127.0.0.1:…) as --url, and the https one \
             as --public-url"
        )));
    }
    let host = parts.host.trim_start_matches('[').trim_end_matches(']');
    let port = parts.port.unwrap_or(80);
    let unreachable =
        |why: &str| Failure::Unreachable(format!("nobody answers at {host}:{port}: {why}"));
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|_| unreachable("the host has no address"))?
        .collect();
    match tokio::time::timeout(
        CONNECT,
        tokio::net::TcpStream::connect(addresses.as_slice()),
    )
    .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(unreachable(&error.to_string())),
        Err(_) => Err(unreachable("no connection in 5 s")),
    }
}

pub(crate) fn provider(name: &str) -> Result<Provider, String> {
    name.parse().map_err(|_| {
        let known = Provider::ALL.map(Provider::as_str).join(", ");
        format!("there is no carrier \"{name}\"; known are {known}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_carrier_that_does_not_sign_gets_into_its_urls() {
        let secrets = Secrets::of([
            ("EXOTEL_WEBHOOK_SECRET", "a+b,old"),
            ("TWILIO_AUTH_TOKEN", "t"),
        ]);
        let of = |provider, url| guarded(provider, &secrets, url);
        assert_eq!(of(Provider::Exotel, "http://h/c"), "http://h/c?key=a%2Bb");
        assert_eq!(
            of(Provider::Exotel, "http://h/c?x=1"),
            "http://h/c?x=1&key=a%2Bb"
        );
        assert_eq!(of(Provider::Exotel, "http://h/c?key=1"), "http://h/c?key=1");
        assert_eq!(of(Provider::Twilio, "http://h/c"), "http://h/c");
    }
}
