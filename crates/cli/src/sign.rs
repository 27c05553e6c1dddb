//! `telephony sign`: a signed request to paste.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::json;
use telephony::Provider;
use telephony_testkit::engine::UrlParts;
use telephony_testkit::engine::Webhook;

use crate::carrier;
use crate::exit::{Exit, Failure, Result};
use crate::options::CarrierOptions;
use crate::terminal;

/// Makes a signed request to paste into a terminal
///
/// The signature is made over --request-url, which is what the carrier believes the URL to be; --send-to is where the request
/// really goes. Without a body it is the form or the JSON of a call that comes in.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  telephony sign --carrier twilio --request-url https://voice.example.com/twilio/call --send-to http://127.0.0.1:8080")]
pub(crate) struct SignArgs {
    #[command(flatten)]
    carrier: CarrierOptions,
    /// The URL as the carrier knows it: https://voice.example.com/twilio/call, or wss://… for a media socket
    #[arg(long, value_name = "URL")]
    request_url: String,
    /// The app's own base, if it is another one: http://127.0.0.1:8080
    #[arg(long, value_name = "BASE")]
    send_to: Option<String>,
    /// GET or POST [default: POST]
    #[arg(long, short = 'X', value_enum)]
    method: Option<SignMethod>,
    /// A parameter of a form: CallStatus=busy; again for more
    #[arg(
        long = "form",
        short = 'f',
        value_name = "NAME=VALUE",
        conflicts_with = "body"
    )]
    form: Vec<String>,
    /// The body, byte for byte
    #[arg(long, short = 'd')]
    body: Option<String>,
    /// Content type of the body [default: JSON for vonage, else a form]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value = "curl")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SignMethod {
    Get,
    Post,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A curl command
    Curl,
    /// The request as it goes over the wire
    Raw,
    /// Method, URL, headers and body
    Json,
    /// Only the headers with the signature
    Headers,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

pub(crate) fn run(args: SignArgs) -> Result<Exit> {
    let provider = args.carrier.carrier;
    let secrets = args.carrier.secrets()?;
    let call = carrier::simulate(provider, &secrets, &[])?;
    let parts = UrlParts::parse(&args.request_url).ok_or_else(|| {
        Failure::usage(format!(
            "--request-url {}: not a whole URL like https://voice.example.com/call",
            args.request_url
        ))
    })?;
    if !carrier::signs(provider) {
        terminal::tell(format!(
            "{provider} signs nothing: the app knows it by the secret in the URL (?key=…)"
        ));
    }
    let is_socket = matches!(parts.scheme.as_str(), "ws" | "wss");
    let account = secrets.get(provider, "account_sid");
    let webhook = call.sign(args.webhook(provider, account, is_socket)?);
    let target = match &args.send_to {
        Some(base) => sent_to(base, &webhook.url)?,
        None => webhook.url.clone(),
    };
    let text = match args.format {
        Format::Curl => curl(&webhook, &target),
        Format::Raw => raw(&webhook, &target),
        Format::Json => format!("{:#}", as_json(&webhook, &target)),
        Format::Headers => headers(&webhook)
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect(),
    };
    terminal::say(text.trim_end());
    Ok(Exit::Clean)
}

impl SignArgs {
    fn webhook(
        &self,
        provider: Provider,
        account: Option<&str>,
        is_socket: bool,
    ) -> Result<Webhook> {
        let method = match self.method {
            Some(SignMethod::Get) => Method::GET,
            Some(SignMethod::Post) => Method::POST,
            None if is_socket => Method::GET,
            None => Method::POST,
        };
        let webhook = Webhook::new("signed", method.clone(), &self.request_url);
        if method == Method::GET {
            return Ok(webhook);
        }
        let (default, body) = match (&self.body, self.form.as_slice()) {
            (Some(body), _) => (content_type(provider), body.clone()),
            (None, []) => (content_type(provider), example(provider, account)),
            (None, pairs) => (FORM, form(pairs)?),
        };
        let kind = self.content_type.as_deref().unwrap_or(default);
        Ok(webhook.with_body(kind, body))
    }
}

fn content_type(provider: Provider) -> &'static str {
    match provider {
        Provider::Vonage => JSON,
        _ => FORM,
    }
}

/// A call that comes in.
fn example(provider: Provider, account: Option<&str>) -> String {
    match provider {
        Provider::Vonage => json!({
            "from": "14155550100",
            "to": "14155550199",
            "uuid": "aaaaaaaa-bbbb-cccc-dddd-eeeeffff0001",
            "conversation_uuid": "CON-aaaaaaaa-bbbb-cccc-dddd-eeeeffff0001",
            "region_url": "https://api-us-3.vonage.com",
        })
        .to_string(),
        Provider::Exotel => encoded([
            ("CallSid", "3fe058a07a2d26360082b797a600194o"),
            ("CallFrom", "09876501234"),
            ("CallTo", "08033334444"),
            ("Direction", "incoming"),
            ("CallType", "call-attempt"),
        ]),
        Provider::Plivo => encoded([
            ("CallUUID", "aaaaaaaa-bbbb-cccc-dddd-eeeeffff0001"),
            ("From", "14155550100"),
            ("To", "14155550199"),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
            ("Event", "StartApp"),
        ]),
        _ => encoded([
            ("AccountSid", account.unwrap_or(carrier::TWILIO_ACCOUNT)),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", "CA00000000000000000000000000000001"),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
            ("From", "+14155550100"),
            ("To", "+14155550199"),
        ]),
    }
}

fn encoded<const N: usize>(pairs: [(&str, &str); N]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn form(pairs: &[String]) -> Result<String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--form {pair}: write NAME=VALUE")))?;
        form.append_pair(name, value);
    }
    Ok(form.finish())
}

fn sent_to(base: &str, url: &str) -> Result<String> {
    let wrong = || {
        Failure::usage(format!(
            "--send-to {base}: not a URL like http://127.0.0.1:8080"
        ))
    };
    let (base, url) = (
        UrlParts::parse(base).ok_or_else(wrong)?,
        UrlParts::parse(url).ok_or_else(wrong)?,
    );
    let prefix = base.path.trim_end_matches('/');
    Ok(format!(
        "{}://{}{prefix}{}",
        base.scheme,
        base.host_and_port(),
        url.path_and_query()
    ))
}

fn headers(webhook: &Webhook) -> impl Iterator<Item = (&str, &str)> {
    let kind = webhook.content_type.as_deref();
    let kind = kind.map(|kind| ("Content-Type", kind));
    let others = webhook
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    kind.into_iter().chain(others)
}

fn curl(webhook: &Webhook, target: &str) -> String {
    let mut text = format!("curl -sS -X {} {}", webhook.method, quoted(target));
    for (name, value) in headers(webhook) {
        let _ = write!(text, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    if !webhook.body.is_empty() {
        let body = String::from_utf8_lossy(&webhook.body);
        let _ = write!(text, " \\\n  --data-raw {}", quoted(&body));
    }
    text
}

fn raw(webhook: &Webhook, target: &str) -> String {
    let (path, host) = UrlParts::parse(target)
        .map(|parts| (parts.path_and_query(), parts.host_and_port()))
        .unwrap_or_default();
    let mut text = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", webhook.method);
    for (name, value) in headers(webhook) {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if webhook.url.starts_with("ws") {
        text.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else {
        let _ = write!(text, "Content-Length: {}\r\n", webhook.body.len());
    }
    let _ = write!(text, "\r\n{}", String::from_utf8_lossy(&webhook.body));
    text
}

fn as_json(webhook: &Webhook, target: &str) -> serde_json::Value {
    json!({
        "method": webhook.method.as_str(),
        "url": target,
        "signed_url": webhook.url,
        "headers": headers(webhook).collect::<std::collections::BTreeMap<_, _>>(),
        "body": String::from_utf8_lossy(&webhook.body),
    })
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
