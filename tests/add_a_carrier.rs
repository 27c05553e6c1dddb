//! The template compiles and obeys the rules that it can; what the guide makes of it, to the letter, obeys all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use telephony_core::{Registry, Result, Settings, WebhookRequest};
use telephony_testkit::Conformance;
use telephony_testkit::conformance::{Part, Rule};

#[path = "../docs/new-carrier/finished/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod finished;
#[path = "../docs/new-carrier/template/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod template;

const GUIDE: &str = include_str!("../docs/add-a-carrier.md");
const SECRET: &str = "c2VjcmV0MTIzNDU2Nzg5MA7x";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/new-carrier")
        .join(name)
}

fn acme(register: fn(&mut Registry) -> Result<()>, name: &str) -> Conformance {
    Conformance::new("acme", register, Settings::new().with("secret", SECRET))
        .with_secret(SECRET)
        .signed_by(sign)
        .signature_covers([Part::Body])
        .with_folder(folder(name).join("tests/messages"))
}

fn sign(request: &mut WebhookRequest) {
    let since = request.received_at.duration_since(std::time::UNIX_EPOCH);
    let time = since.unwrap().as_secs().to_string();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac
        .chain_update(&time)
        .chain_update(".")
        .chain_update(&request.body);
    let tag = mac.finalize().into_bytes();
    let signature: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, value) in [("acme-timestamp", time), ("acme-signature", signature)] {
        request.headers.insert(name, value.parse().unwrap());
    }
}

#[test]
fn the_template_breaks_what_the_guide_says() {
    let broken = acme(template::register, "template").run().unwrap_err();
    let rules = [
        Rule::GoodRequests,
        Rule::Calls,
        Rule::Events,
        Rule::Replies,
        Rule::ClaimedSteps,
        Rule::UnclaimedSteps,
        Rule::HostileAnswers,
        Rule::Redaction,
    ];
    assert!(GUIDE.contains("Eight rules are broken"));
    let mut wrong = vec![];
    for rule in Rule::ALL {
        let is_broken = acme(template::register, "template").check(rule).is_err();
        if is_broken != rules.contains(&rule) {
            wrong.push(rule);
        }
    }
    assert_eq!(wrong, [], "{broken}");
    let said = GUIDE
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert!(broken.to_string().contains(said.trim_end()), "{broken}");
}

#[test]
fn what_the_guide_makes_of_it_obeys_all_rules() {
    acme(finished::register, "finished").run().unwrap();
}

/// The files that the guide writes, the last version of each.
fn written_by_the_guide() -> BTreeMap<String, String> {
    let blocks = GUIDE.split("<!-- file: ").skip(1);
    let read = |block: &str| {
        let (name, rest) = block.split_once(" -->\n").unwrap();
        let (_, code) = rest.split_once('\n').unwrap();
        let code = code.split("```").next().unwrap();
        (name.to_owned(), code.to_owned())
    };
    blocks.map(read).collect()
}

#[test]
fn the_finished_crate_is_the_template_with_what_the_guide_writes() {
    let written = written_by_the_guide();
    assert!(written.len() > 5, "{:?}", written.keys());
    for directory in ["src", "tests/messages"] {
        for entry in std::fs::read_dir(folder("finished").join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(folder("finished"))
                .unwrap()
                .to_str()
                .unwrap();
            let finished = std::fs::read_to_string(&path).unwrap();
            if name == "src/lib.rs" {
                let claims = GUIDE.rsplit("<!-- capabilities -->").next().unwrap();
                let claims = claims.split("```").nth(1).unwrap();
                let (_, claims) = claims.split_once('\n').unwrap();
                assert!(
                    finished.contains(claims),
                    "the last capabilities of the guide"
                );
                continue;
            }
            let wanted = match written.get(name) {
                Some(code) => code.clone(),
                None => std::fs::read_to_string(folder("template").join(name)).unwrap(),
            };
            assert_eq!(finished, wanted, "{name}");
        }
    }
}
