//! Simulated carriers, and the accounts that they and the server under test agree on.

use std::sync::Arc;
use telephony::{Party, Ports, Provider, Result, Settings, Telephony};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{
    ExotelAccount, Method, PlivoAccount, SimulatedCall, Simulator, TwilioAccount, VonageAccount,
};

const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";
const TWILIO_TOKEN: &str = "example-auth-token";
/// The number that the account has, where the carrier checks that.
const OUR_NUMBER: &str = "+14155550100";
const VONAGE_KEY: &str = "a1b2c3d4";
const VONAGE_APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
const VONAGE_SECRET: &str = "example-signature-secret-0123456789";
/// Made for the examples and known to everybody: it guards nothing.
const VONAGE_PRIVATE_KEY: &str = include_str!("demo_private_key.pem");
const VONAGE_PUBLIC_KEY: &str = include_str!("demo_public_key.pem");
const EXOTEL_ACCOUNT: &str = "exampleacct1";
const EXOTEL_SECRET: &str = "example-webhook-secret-0123456789";
const EXOTEL_KEY: &str = "example-key";
const EXOTEL_TOKEN: &str = "example-token";
const PLIVO_ID: &str = "MAEXAMPLEACCOUNT0001";
const PLIVO_TOKEN: &str = "example-plivo-token";

/// What the environment of a server with all accounts is.
#[must_use]
pub fn variables() -> [(&'static str, &'static str); 12] {
    [
        ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
        ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
        ("VONAGE_API_KEY", VONAGE_KEY),
        ("VONAGE_APPLICATION_ID", VONAGE_APPLICATION),
        ("VONAGE_PRIVATE_KEY", VONAGE_PRIVATE_KEY),
        ("VONAGE_SIGNATURE_SECRET", VONAGE_SECRET),
        ("EXOTEL_ACCOUNT_SID", EXOTEL_ACCOUNT),
        ("EXOTEL_API_KEY", EXOTEL_KEY),
        ("EXOTEL_API_TOKEN", EXOTEL_TOKEN),
        ("EXOTEL_WEBHOOK_SECRET", EXOTEL_SECRET),
        ("PLIVO_AUTH_ID", PLIVO_ID),
        ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN),
    ]
}

/// The account of `provider`, under its name.
///
/// # Errors
/// As [`accounts`].
pub fn account(provider: Provider) -> Result<Arc<dyn Telephony>> {
    open(provider, None, &Ports::default())
}

/// The account of `provider`, under its name, whose REST API is at `base_url`: that of a simulated carrier that
/// [serves](SimulatedCall::serve).
///
/// # Errors
/// As [`accounts`].
pub fn account_at(provider: Provider, base_url: &str, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    open(provider, Some(base_url), ports)
}

fn open(provider: Provider, base_url: Option<&str>, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    let entry = *telephony::registry()?.get(provider.as_str())?;
    let variable = |name: &str| {
        let found = variables().into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    let mut settings = Settings::from_environment(entry.name, entry.keys, variable);
    if let Some(url) = base_url {
        settings = settings.with("base_url", url);
    }
    provider.open(None, settings, ports)
}

/// Who is called, and the account's own number that is shown.
#[must_use]
pub fn parties(provider: Provider) -> (Party, Party) {
    let (to, from) = match provider {
        Provider::Exotel => ("+919876501234", "+918033334444"),
        _ => ("+14155550199", OUR_NUMBER),
    };
    (Party::parse(to), Party::parse(from))
}

/// All accounts.
///
/// # Errors
/// Those of [`Provider::open`].
pub fn accounts() -> Result<Vec<Arc<dyn Telephony>>> {
    Provider::ALL.into_iter().map(account).collect()
}

/// A call by `provider` to the server at `url`. Give it a script.
pub fn call(provider: Provider, url: &str) -> SimulatedCall {
    let base = format!("{url}/{provider}");
    match provider {
        Provider::Twilio => {
            let account = TwilioAccount::new(TWILIO_ACCOUNT, TWILIO_TOKEN).with_number(OUR_NUMBER);
            Simulator::twilio(account)
                .answer_url(format!("{base}/call"))
                .status_url(format!("{base}/status"))
        }
        Provider::Vonage => {
            let account = VonageAccount::new(VONAGE_KEY, VONAGE_APPLICATION, VONAGE_SECRET)
                .with_public_key(VONAGE_PUBLIC_KEY);
            // Vonage asks by GET unless the application says otherwise; a POST is signed as a whole.
            Simulator::vonage(account)
                .method(Method::Post)
                .answer_url(format!("{base}/call"))
                .status_url(format!("{base}/events"))
        }
        Provider::Plivo => {
            // Plivo's numbers carry no `+`.
            let number = OUR_NUMBER.trim_start_matches('+');
            Simulator::plivo(PlivoAccount::new(PLIVO_ID, PLIVO_TOKEN).with_number(number))
                .answer_url(format!("{base}/call"))
                .status_url(format!("{base}/status"))
        }
        _ => exotel(exotel_account(), url),
    }
}

/// A call by Exotel that runs through these applets.
pub fn exotel_flow(url: &str, applets: impl IntoIterator<Item = Applet>) -> SimulatedCall {
    exotel(exotel_account().with_flow(applets), url)
}

/// The URL that an applet asks, for the server at `url`.
#[must_use]
pub fn exotel_call_url(url: &str) -> String {
    format!("{url}/exotel/call?key={EXOTEL_SECRET}")
}

fn exotel(account: ExotelAccount, url: &str) -> SimulatedCall {
    Simulator::exotel(account)
        .answer_url(exotel_call_url(url))
        .status_url(format!("{url}/exotel/status?key={EXOTEL_SECRET}"))
}

fn exotel_account() -> ExotelAccount {
    ExotelAccount::new(EXOTEL_ACCOUNT)
        .with_api_key(EXOTEL_KEY, EXOTEL_TOKEN)
        .with_number("+918033334444")
}
