//! Rules about messages and settings.

use std::sync::Arc;

use telephony_core::{
    Clear, ErrorKind, Marks, Ports, Registry, Settings, Telephony, Verb, WebhookKind,
};

use crate::conformance::bench::Bench;
use crate::conformance::message::Media;
use crate::conformance::operations::{NAMES, operation_of};

/// There is a message for each thing that is claimed.
pub(super) fn messages(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (name, why) in &bench.subject.unreadable {
        bench.fail(name, why.as_str());
    }
    let capabilities = carrier.capabilities();
    let need = |there: bool, what: &str| {
        bench.ensure(there, &bench.subject.name, || {
            format!("no message shows {what}")
        });
    };
    let kinds: Vec<_> = bench
        .webhooks()
        .map(|(_, webhook)| webhook.kind())
        .collect();
    let has = |kind| kinds.contains(&kind);
    need(has(WebhookKind::IncomingCall), "a call that comes in");
    need(
        has(WebhookKind::Status) || has(WebhookKind::Event),
        "a callback",
    );
    if capabilities.signed_upgrade {
        let what = "the upgrade of a media socket, which is said to be signed";
        need(has(WebhookKind::MediaUpgrade), what);
    }
    for (message, webhook) in bench.webhooks() {
        let expect = &webhook.expect;
        let says = expect.call.is_some() || expect.events.is_some() || expect.unreadable;
        let is_upgrade = webhook.kind() == WebhookKind::MediaUpgrade;
        bench.ensure(says || is_upgrade, &message.name, || {
            "it does not say what is expected of it".into()
        });
    }
    if capabilities.can(Verb::Stream) && has_codec(bench, carrier) {
        let said: Vec<_> = bench
            .media()
            .flat_map(|(_, media)| &media.expect.media)
            .collect();
        let shows = |word: &str| said.iter().any(|event| event.starts_with(word));
        need(shows("start"), "the start of a stream");
        need(shows("audio "), "audio of the caller");
        if capabilities.dtmf_in {
            need(shows("dtmf "), "a key on the media socket");
        }
        if capabilities.marks == Marks::Echoed {
            need(shows("mark "), "a mark that comes back");
        }
        // Without these, nothing that is sent could be compared.
        let any = |is_there: fn(&Media) -> bool| bench.media().any(|(_, media)| is_there(media));
        need(
            any(|media| media.said.sends.audio.is_some()),
            "the form of audio to the carrier (`sends.audio`)",
        );
        if capabilities.marks == Marks::Echoed {
            need(
                any(|media| media.said.sends.mark.is_some()),
                "the form of a mark to the carrier (`sends.mark`)",
            );
        }
        if capabilities.clear != Clear::Nothing {
            need(
                any(|media| media.said.sends.clear.is_some()),
                "the form of a clear to the carrier (`sends.clear`)",
            );
        }
    }
    for name in NAMES {
        let Some(operation) = operation_of(name) else {
            continue;
        };
        let shown = bench.rest().any(|(_, rest)| rest.asked.operation == name);
        if capabilities.supports(operation) {
            need(shown, &format!("what the carrier answers to `{name}`"));
            // Without it, nothing that is sent could be compared.
            let asked = !shown
                || bench.rest().any(|(_, rest)| {
                    let is_ok = rest.expect.outcome.as_deref().is_none_or(|it| it == "ok");
                    rest.asked.operation == name && is_ok && rest.expect.asks.is_some()
                });
            let what = format!("what is sent for `{name}` (`asks`)");
            need(asked, &what);
        }
    }
    for (message, rest) in bench.rest() {
        let operation = operation_of(&rest.asked.operation);
        let claimed = operation.is_some_and(|operation| capabilities.supports(operation));
        bench.ensure(claimed, &message.name, || {
            format!(
                "`{}` is not an operation that the capabilities claim",
                rest.asked.operation
            )
        });
    }
}

/// Whether its media is a codec at all; a carrier may have a streamer of its own.
pub(super) fn has_codec(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) -> bool {
    let codec = crate::conformance::media::codec(bench, carrier, "media_codec", None);
    !matches!(codec, Some(Err(error)) if error.kind() == ErrorKind::Unsupported)
}

pub(super) fn settings(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let subject = bench.subject;
    bench.ensure(
        carrier.provider().as_str() == subject.name,
        "provider",
        || "its name is not the one under which it is registered".into(),
    );
    bench.ensure(carrier.account() == &bench.label, "account", || {
        "its label is not the one under which it was opened".into()
    });
    let mut registry = Registry::new();
    if (subject.register)(&mut registry).is_err() {
        return bench.fail("register", "it cannot be registered");
    }
    bench.ensure(
        (subject.register)(&mut registry).is_err(),
        "register",
        || "a second carrier of the same name is taken".into(),
    );
    let keys = registry
        .get(&subject.name)
        .map(|entry| entry.keys)
        .unwrap_or_default();
    let open = |settings: Settings| subject.open(None, settings, &Ports::default());
    let refused = |name: &str, how: &str, settings: Settings, names: &str| {
        let Some(opened) = bench.calm(name, "opening the account", || open(settings)) else {
            return;
        };
        match opened {
            Ok(_) => bench.fail(name, format!("an account opens although it is {how}")),
            Err(error) => {
                bench.see_error(name, &error);
                let fine = error.kind() == ErrorKind::Configuration;
                bench.ensure(fine && error.to_string().contains(names), name, || {
                    format!(
                        "{how}: the error is not one of the configuration that names it: {error}"
                    )
                });
            }
        }
    };
    for key in keys.iter().filter(|key| key.required) {
        let mut without = subject.settings.clone();
        let _ = without.take_text(key.name); // Taken out, text or not.
        refused(key.name, "missing", without, key.name);
        let empty = subject.settings.clone().with(key.name, "");
        refused(key.name, "empty", empty, key.name);
    }
    let unknown = subject
        .settings
        .clone()
        .with("no_such_setting", "hunter2-hunter2");
    refused("no_such_setting", "unknown", unknown, "no_such_setting");
}

pub(super) fn shown(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    bench.see("account", "the account", carrier);
    bench.see("capabilities", "the capabilities", &carrier.capabilities());
}
