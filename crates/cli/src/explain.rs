//! `telephony explain`: why a signature matches, or what is different.

mod exotel;
mod parameters;
mod plivo;
mod request;
mod twilio;
mod urls;
mod vonage;

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use serde_json::json;
use telephony::{Provider, Telephony, WebhookRequest};
use telephony_testkit::engine::UrlParts;

use crate::exit::{Exit, Failure, Result};
use crate::explain::request::Captured;
use crate::options::CarrierOptions;
use crate::terminal::{self, Paint};

/// Says why the signature of a captured request matches, or what is different
///
/// It tries the variants of URL, host, port, slash and parameters that proxies and frameworks make of a request. The request comes as a raw dump (request line, headers, empty line, body) in a file or on stdin, or as --request-url
/// with -H and --body.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  telephony explain --carrier twilio --public-url https://voice.example.com request.txt
  telephony explain --carrier twilio --request-url https://voice.example.com/call -H 'X-Twilio-Signature: …' -d 'CallSid=CA1&…'")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    carrier: CarrierOptions,
    /// A raw dump of the request; - is stdin
    #[arg(value_name = "DUMP", required_unless_present = "request_url")]
    dump: Option<PathBuf>,
    /// The base that the app believes the carrier calls: https://voice.example.com
    #[arg(long, value_name = "BASE")]
    public_url: Option<String>,
    /// The whole URL of the request, instead of a dump
    #[arg(long, value_name = "URL", conflicts_with = "dump")]
    request_url: Option<String>,
    /// GET or POST [default: POST with a body, GET without]
    #[arg(long, short = 'X', requires = "request_url")]
    method: Option<String>,
    /// A header: "X-Twilio-Signature: …"; again for more
    #[arg(
        long = "header",
        short = 'H',
        value_name = "HEADER",
        requires = "request_url"
    )]
    headers: Vec<String>,
    /// The body, byte for byte
    #[arg(long, short = 'd', requires = "request_url")]
    body: Option<String>,
    /// Judges the age of a token at its own time, not now
    #[arg(long, value_name = "TIME", value_parser = ["token", "now"], default_value = "now")]
    at: String,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

/// What was found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Explanation {
    findings: Vec<(Kind, String)>,
    /// The URL that was signed.
    url: Option<String>,
    matched: bool,
    /// What must be different for a match; nothing for a request that matches as it is.
    pub(crate) differences: Vec<String>,
    /// What to do about it.
    advice: Option<String>,
    /// What the library says, as a last word: it is what apps run.
    library: Option<Result<(), String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    Bad,
    Note,
}

impl Explanation {
    fn new(captured: &Captured) -> Self {
        let mut explanation = Self::default();
        for oddity in &captured.oddities {
            explanation.note(oddity);
        }
        explanation
    }

    fn good(&mut self, text: impl Into<String>) {
        self.findings.push((Kind::Good, text.into()));
    }

    fn bad(&mut self, text: impl Into<String>) {
        self.findings.push((Kind::Bad, text.into()));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.findings.push((Kind::Note, text.into()));
    }

    fn is_good(&self) -> bool {
        self.findings.iter().all(|(kind, _)| *kind != Kind::Bad)
    }

    /// The signature is of this URL, if these differences are made up for.
    fn matches(&mut self, url: &str, differences: Vec<String>) {
        self.url = Some(url.to_owned()).filter(|url| !url.is_empty());
        self.matched = differences.is_empty();
        self.differences = differences;
    }

    fn library(&mut self, verdict: Result<(), String>) {
        self.library = Some(verdict);
    }

    fn library_says(&self) -> Option<String> {
        self.library.as_ref().map(|verdict| match verdict {
            Ok(()) => "accepts the request with that URL".to_owned(),
            Err(why) => format!("refuses the request: {why}"),
        })
    }

    fn is_match(&self) -> bool {
        let is_refused = matches!(self.library, Some(Err(_)));
        self.matched && self.is_good() && !is_refused
    }
}

/// What a real app would say.
fn verify(account: &dyn Telephony, request: WebhookRequest) -> Result<(), String> {
    match telephony::verify(account, request) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.detail().to_owned()),
    }
}

pub(crate) fn run(args: ExplainArgs) -> Result<Exit> {
    let provider = args.carrier.carrier;
    let secrets = args.carrier.secrets()?;
    let public = args.public_url.as_deref().map(read_base).transpose()?;
    let captured = args.captured()?;
    let now = match args.at.as_str() {
        "token" => vonage::issued_at(&captured).unwrap_or_else(SystemTime::now),
        _ => SystemTime::now(),
    };
    let url = urls::variants(&captured, public.as_ref())
        .into_iter()
        .next()
        .map(|variant| variant.url)
        .unwrap_or_default();
    let explanation = match provider {
        Provider::Twilio => twilio::explain(&captured, public.as_ref(), &secrets)?,
        Provider::Vonage => vonage::explain(&captured, &url, &secrets, now)?,
        Provider::Exotel => exotel::explain(&captured, &url, &secrets)?,
        Provider::Plivo => plivo::explain(&captured, public.as_ref(), &secrets)?,
        other => {
            let text = format!("signatures of {other} cannot be explained yet");
            return Err(Failure::usage(text));
        }
    };
    let exit = if explanation.is_match() {
        Exit::Clean
    } else {
        Exit::Complaints
    };
    if args.json {
        let result = format!("{:#}", as_json(&explanation, exit));
        terminal::say(secrets.mask(&result));
    } else {
        for line in lines(provider, &explanation, Paint::stdout()) {
            terminal::say(secrets.mask(&line));
        }
    }
    Ok(exit)
}

impl ExplainArgs {
    fn captured(&self) -> Result<Captured> {
        if let Some(url) = &self.request_url {
            return Captured::new(
                self.method.as_deref(),
                url,
                &self.headers,
                self.body.as_deref(),
            );
        }
        let mut dump = vec![];
        let path = self.dump.clone().unwrap_or_else(|| "-".into());
        let read = if path.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut dump).map(|_| ())
        } else {
            std::fs::read(&path).map(|bytes| dump = bytes)
        };
        read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Captured::parse(&dump)
    }
}

fn read_base(base: &str) -> Result<UrlParts> {
    UrlParts::parse(base).ok_or_else(|| {
        Failure::usage(format!(
            "--public-url {base}: not a URL like https://voice.example.com"
        ))
    })
}

fn lines(provider: Provider, explanation: &Explanation, paint: Paint) -> Vec<String> {
    let mut lines: Vec<_> = explanation
        .findings
        .iter()
        .map(|(kind, text)| match kind {
            Kind::Good => format!("  {} {text}", paint.good("✓")),
            Kind::Bad => format!("  {} {text}", paint.bad("✗")),
            Kind::Note => format!("    {}", paint.dim(text)),
        })
        .collect();
    if let Some(url) = &explanation.url {
        lines.push(format!("  signed    {url}"));
    }
    for difference in &explanation.differences {
        lines.push(format!("  different {difference}"));
    }
    if let Some(advice) = &explanation.advice {
        lines.push(format!("  so        {advice}"));
    }
    if let Some(library) = explanation.library_says() {
        lines.push(format!("  library   {library}"));
    }
    let verdict = if explanation.is_match() {
        paint.good(format!("it matches: this request is {provider}'s"))
    } else if explanation.differences.is_empty() {
        paint.bad("it does not match")
    } else {
        paint.bad("it does not match as it is, and does with the differences above")
    };
    lines.push(format!("verdict     {verdict}"));
    lines
}

fn as_json(explanation: &Explanation, exit: Exit) -> serde_json::Value {
    let findings: Vec<_> = explanation
        .findings
        .iter()
        .map(|(kind, text)| json!({"kind": format!("{kind:?}").to_ascii_lowercase(), "text": text}))
        .collect();
    json!({
        "matches": explanation.is_match(),
        "signed_url": explanation.url,
        "differences": explanation.differences,
        "advice": explanation.advice,
        "library": explanation.library_says(),
        "findings": findings,
        "exit_code": exit.code(),
    })
}

/// Bytes in lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
