//! Simulated carriers, and the accounts that they and the server under test agree on.

use std::sync::Arc;
use telephony::{Ports, Provider, Result, Settings, Telephony};
use telephony_testkit::{
    ExotelAccount, Method, SimulatedCall, Simulator, TwilioAccount, VonageAccount,
};

const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";
const TWILIO_TOKEN: &str = "example-auth-token";
const VONAGE_KEY: &str = "a1b2c3d4";
const VONAGE_APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
const VONAGE_SECRET: &str = "example-signature-secret-0123456789";
/// Signs requests to the carrier only, and nobody places one here.
const VONAGE_PRIVATE_KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nnot needed to answer calls\n-----END PRIVATE KEY-----\n";
const EXOTEL_ACCOUNT: &str = "exampleacct1";
const EXOTEL_SECRET: &str = "example-webhook-secret-0123456789";

/// What the environment of a server with all accounts is.
#[must_use]
pub fn variables() -> [(&'static str, &'static str); 10] {
    [
        ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
        ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
        ("VONAGE_API_KEY", VONAGE_KEY),
        ("VONAGE_APPLICATION_ID", VONAGE_APPLICATION),
        ("VONAGE_PRIVATE_KEY", VONAGE_PRIVATE_KEY),
        ("VONAGE_SIGNATURE_SECRET", VONAGE_SECRET),
        ("EXOTEL_ACCOUNT_SID", EXOTEL_ACCOUNT),
        ("EXOTEL_API_KEY", "example-key"),
        ("EXOTEL_API_TOKEN", "example-token"),
        ("EXOTEL_WEBHOOK_SECRET", EXOTEL_SECRET),
    ]
}

/// The account of `provider`, under its name.
///
/// # Errors
/// As [`accounts`].
pub fn account(provider: Provider) -> Result<Arc<dyn Telephony>> {
    let entry = *telephony::registry()?.get(provider.as_str())?;
    let variable = |name: &str| {
        let found = variables().into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    let settings = Settings::from_environment(entry.name, entry.keys, variable);
    provider.open(None, settings, &Ports::default())
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
        Provider::Twilio => Simulator::twilio(TwilioAccount::new(TWILIO_ACCOUNT, TWILIO_TOKEN))
            .answer_url(format!("{base}/call"))
            .status_url(format!("{base}/status")),
        Provider::Vonage => {
            let account = VonageAccount::new(VONAGE_KEY, VONAGE_APPLICATION, VONAGE_SECRET);
            // Vonage asks by GET unless the application says otherwise; a POST is signed as a whole.
            Simulator::vonage(account)
                .method(Method::Post)
                .answer_url(format!("{base}/call"))
                .status_url(format!("{base}/events"))
        }
        _ => Simulator::exotel(ExotelAccount::new(EXOTEL_ACCOUNT))
            .answer_url(format!("{base}/call?key={EXOTEL_SECRET}"))
            .status_url(format!("{base}/status?key={EXOTEL_SECRET}")),
    }
}
