//! The rules that every carrier's crate has to obey, by the kit that a stranger's crate would use.

use telephony_core::{Party, Settings};
use telephony_testkit::Conformance;

/// Exotel signs nothing: this, in our URLs, is what protects its webhooks.
const SECRET: &str = "a8Jt2-conformance-secret-7Qx";

fn exotel() -> Conformance {
    let settings = Settings::new()
        .with("account_sid", "example1")
        .with("api_key", "4c1d0e2f3a5b69788796a5b4c3d2e1f0")
        .with("api_token", "9a8b7c6d5e4f30211203f4e5d6c7b8a9")
        .with("webhook_secret", SECRET);
    Conformance::new("exotel", telephony_exotel::register, settings)
        .with_secret(SECRET)
        .with_secret("4c1d0e2f3a5b69788796a5b4c3d2e1f0")
        .with_secret("9a8b7c6d5e4f30211203f4e5d6c7b8a9")
        .with_parties(Party::parse("+918033334444"), Party::parse("+919876501234"))
        .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
}

telephony_testkit::conformance!(exotel);
