//! What the test files share.
#![allow(dead_code, unreachable_pub)]

use telephony_core::{AccountLabel, CallKey, CallLinks, MediaToken, PublicUrl};

pub const KEY: &str = "key0key0key0key0key0ke";

pub fn links() -> CallLinks {
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let label = AccountLabel::new("acme").unwrap();
    CallLinks::new(base, label, CallKey::parse(KEY).unwrap())
        .with_media(MediaToken::parse("token0token0token0toke").unwrap())
}
