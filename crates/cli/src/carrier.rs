//! Everything that differs between carriers: one line for each of them in each place.

use std::sync::Arc;

use telephony::{Ports, Provider, Telephony};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{
    ExotelAccount, PlivoAccount, SimulatedCall, Simulator, TwilioAccount, VonageAccount,
};

use crate::exit::{Failure, Result};
use crate::secrets::Secrets;

/// Stands in for an account's id when none is set: the secret is what counts.
pub(crate) const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";
const VONAGE_KEY: &str = "a1b2c3d4";
const VONAGE_APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
const EXOTEL_ACCOUNT: &str = "exampleacct1";
const PLIVO_ACCOUNT: &str = "MA00000000000000000001";
/// The library wants a private key, and nothing here is signed with it.
const NO_PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\nunused\n-----END PRIVATE KEY-----\n";

/// The setting that webhooks are signed or guarded with.
pub(crate) fn webhook_secret(provider: Provider) -> Result<&'static str> {
    match provider {
        Provider::Twilio => Ok("auth_token"),
        Provider::Vonage => Ok("signature_secret"),
        Provider::Exotel => Ok("webhook_secret"),
        Provider::Plivo => Ok("auth_token"),
        other => Err(not_simulated(other)),
    }
}

/// Whether the carrier signs its webhooks; one that does not carries a secret of ours as `?key=`.
pub(crate) fn signs(provider: Provider) -> bool {
    !matches!(provider, Provider::Exotel)
}

/// A call through the simulated carrier.
pub(crate) fn simulate(
    provider: Provider,
    secrets: &Secrets,
    flow: &[Applet],
) -> Result<SimulatedCall> {
    let get = |key, default: &str| secrets.get(provider, key).unwrap_or(default).to_owned();
    match provider {
        Provider::Twilio => {
            // During a rotation there are two, the current one first.
            let token = first(secrets.need(provider, "auth_token")?);
            let mut account = TwilioAccount::new(get("account_sid", TWILIO_ACCOUNT), token);
            if let (Some(sid), Some(secret)) = (
                secrets.get(provider, "api_key_sid"),
                secrets.get(provider, "api_key_secret"),
            ) {
                account = account.with_api_key(sid, secret);
            }
            Ok(Simulator::twilio(account))
        }
        Provider::Vonage => {
            let secret = first(secrets.need(provider, "signature_secret")?);
            let (key, application) = (
                get("api_key", VONAGE_KEY),
                get("application_id", VONAGE_APPLICATION),
            );
            let mut account = VonageAccount::new(key, application, secret);
            if let Some(pem) = secrets.get(provider, "public_key") {
                account = account.with_public_key(pem);
            }
            Ok(Simulator::vonage(account))
        }
        Provider::Exotel => {
            let mut account = ExotelAccount::new(get("account_sid", EXOTEL_ACCOUNT));
            if let (Some(key), Some(token)) = (
                secrets.get(provider, "api_key"),
                secrets.get(provider, "api_token"),
            ) {
                account = account.with_api_key(key, token);
            }
            if !flow.is_empty() {
                account = account.with_flow(flow.to_vec());
            }
            Ok(Simulator::exotel(account))
        }
        Provider::Plivo => {
            let token = first(secrets.need(provider, "auth_token")?);
            let account = PlivoAccount::new(get("auth_id", PLIVO_ACCOUNT), token);
            Ok(Simulator::plivo(account))
        }
        other => Err(not_simulated(other)),
    }
}

/// The library's own account: what verifies webhooks and reads media messages in a real app.
pub(crate) fn account(
    provider: Provider,
    secrets: &Secrets,
    account_id: Option<&str>,
) -> Result<Arc<dyn Telephony>> {
    let fail = |error: telephony::Error| Failure::usage(error.to_string());
    let registry = telephony::registry().map_err(fail)?;
    let entry = *registry.get(provider.as_str()).map_err(fail)?;
    let mut settings = secrets.settings(provider, entry.keys);
    let defaults = [
        ("account_sid", account_id.unwrap_or(TWILIO_ACCOUNT)),
        ("auth_id", PLIVO_ACCOUNT),
        ("auth_token", "unknown-token"),
        ("api_key", VONAGE_KEY),
        ("api_token", "unused"),
        ("application_id", VONAGE_APPLICATION),
        ("private_key", NO_PRIVATE_KEY),
        ("signature_secret", "unknown-secret"),
        ("webhook_secret", "unknown-secret"),
    ];
    let missing = entry
        .keys
        .iter()
        .filter(|key| key.required && !settings.contains(key.name));
    let missing: Vec<_> = missing.map(|key| key.name).collect();
    for name in missing {
        let default = defaults.iter().find(|(known, _)| *known == name);
        settings = settings.with(name, default.map_or("unused", |(_, value)| *value));
    }
    if provider == Provider::Vonage {
        // The command explains GET webhooks, too.
        settings = settings.with("allow_get", true);
    }
    if let (Provider::Twilio, Some(id)) = (provider, account_id) {
        settings = settings.with("account_sid", id);
    }
    provider
        .open(None, settings, &Ports::default())
        .map_err(fail)
}

/// Where the carrier explains a code of its own.
pub(crate) fn link(provider: Provider, code: &str) -> Option<String> {
    let is_number = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    match provider {
        Provider::Twilio if is_number => {
            Some(format!("https://www.twilio.com/docs/api/errors/{code}"))
        }
        _ => None,
    }
}

/// One of several, separated by commas.
pub(crate) fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or(list).trim()
}

/// `voicebot,passthru=/events,connect=/dial,gather=/menu,greeting=/hello,hangup`.
pub(crate) fn applet(text: &str) -> Result<Applet, String> {
    let (name, url) = match text.split_once('=') {
        Some((name, url)) => (name, Some(url.to_owned())),
        None => (text, None),
    };
    match (name.trim().to_ascii_lowercase().as_str(), url) {
        ("voicebot", None) => Ok(Applet::Voicebot),
        ("hangup", None) => Ok(Applet::Hangup),
        ("passthru", Some(url)) => Ok(Applet::passthru(url)),
        ("connect", Some(url)) => Ok(Applet::connect(url)),
        ("gather", Some(url)) => Ok(Applet::Gather { url }),
        ("greeting", Some(url)) => Ok(Applet::Greeting { url }),
        _ => Err(format!(
            "\"{text}\" is no applet: voicebot, hangup, or passthru, connect, gather, greeting with =URL"
        )),
    }
}

fn not_simulated(provider: Provider) -> Failure {
    Failure::usage(format!("{provider} is not simulated yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_carrier_is_everywhere() {
        let secrets = Secrets::of([
            ("TWILIO_AUTH_TOKEN", "token"),
            ("VONAGE_SIGNATURE_SECRET", "secret"),
            ("PLIVO_AUTH_TOKEN", "token"),
        ]);
        for provider in Provider::ALL {
            assert!(webhook_secret(provider).is_ok(), "{provider}");
            assert!(simulate(provider, &secrets, &[]).is_ok(), "{provider}");
            let account = account(provider, &secrets, None).unwrap();
            assert_eq!(account.provider().as_str(), provider.as_str());
            assert_eq!(account.capabilities().signed_webhooks, signs(provider));
        }
    }

    #[test]
    fn applets_are_read() {
        assert_eq!(applet("Voicebot"), Ok(Applet::Voicebot));
        assert_eq!(applet("passthru=/e?k=1"), Ok(Applet::passthru("/e?k=1")));
        assert!(applet("passthru").is_err() && applet("voicebot=/x").is_err());
    }
}
