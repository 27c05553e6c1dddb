//! The store speaks to Redis through TLS, and to no other Redis than the one that it trusts.
#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::tls::Certificates;
use support::{Server, account, call, claim};
use telephony_core::{
    CallStatus, CallStore, EndReason, Error, ErrorKind, MediaGrant, MediaToken, OsRandom,
};
use telephony_redis::{ClientCertificate, RedisOptions, RedisStore};
use tokio::time::timeout;

/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

async fn refused(options: RedisOptions) -> Error {
    RedisStore::connect(options).await.unwrap_err()
}

/// Commands and messages go through: nobody looks by itself.
async fn serves_a_call(options: RedisOptions) {
    let mut options = options;
    options.poll = Duration::from_secs(3_600);
    options.policy.keep_ended = 2 * options.poll;
    let a = RedisStore::connect(options.clone()).await.unwrap();
    let b = Arc::new(RedisStore::connect(options).await.unwrap());
    let key = a.open(call("call-1")).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(Duration::from_secs(600));
    a.mint_token(&key, &token, grant).await.unwrap();
    b.claim_token(&account(), &claim(&token)).await.unwrap();
    let waiting = tokio::spawn({
        let (b, token) = (Arc::clone(&b), token.clone());
        async move { b.wait_for_stream_end(&token).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    a.update_status(&key, CallStatus::Completed).await.unwrap();
    let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, EndReason::CallEnded(CallStatus::Completed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_served_through_tls() {
    let certificates = Certificates::new();
    let Some(server) = Server::start_secure(&certificates, "no").await else {
        return;
    };
    serves_a_call(server.secure_options(&certificates.ca)).await;
    // Several authorities may be trusted at once.
    let both = Certificates::new().ca + &certificates.ca;
    let store = RedisStore::connect(server.secure_options(&both)).await;
    let options = format!("{:?}", store.unwrap());
    assert!(!options.contains("BEGIN"), "{options}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_trusted_is_refused() {
    let certificates = Certificates::new();
    let Some(server) = Server::start_secure(&certificates, "no").await else {
        return;
    };
    let strangers = Certificates::new().ca;
    let error = refused(server.secure_options(&strangers)).await;
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("is not trusted"), "{error}");

    // Nor does the platform know it.
    let mut options = server.secure_options(&certificates.ca);
    options.ca = None;
    let error = refused(options).await;
    assert!(error.to_string().contains("is not trusted"), "{error}");

    let mut options = server.secure_options(&certificates.ca);
    options.url = server.secure_url().replace("127.0.0.1", "localhost").into();
    let error = refused(options).await;
    assert!(error.to_string().contains("another name"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_to_know_who_we_are_is_told() {
    let certificates = Certificates::new();
    let Some(server) = Server::start_secure(&certificates, "yes").await else {
        return;
    };
    let options = server.secure_options(&certificates.ca);
    let own = certificates.of_client();
    serves_a_call(options.clone().with_client_certificate(own)).await;

    for options in [
        options.clone(),
        options.with_client_certificate(Certificates::new().of_client()),
    ] {
        let error = refused(options).await;
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("client certificate"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_and_without_tls_do_not_understand_each_other() {
    let certificates = Certificates::new();
    let Some(server) = Server::start_secure(&certificates, "no").await else {
        return;
    };
    let error = refused(RedisOptions::new(&server.url())).await;
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("rediss://"), "{error}");

    let Some(plain) = Server::start(&[]).await else {
        return;
    };
    let error = refused(plain.secure_options(&certificates.ca)).await;
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn certificates_that_cannot_work_are_refused_at_once_and_never_shown() {
    let [one, other] = [Certificates::new(), Certificates::new()];
    let secure = RedisOptions::new("rediss://127.0.0.1:1");
    let own = one.of_client();
    let mixed = ClientCertificate::new(own.certificate.clone(), other.of_client().key);
    let broken = ClientCertificate::new(own.certificate.clone(), "a key");
    let no_pem = secure.clone().with_ca(&b"\x30\x82 no PEM"[..]);
    let torn = &one.ca[..one.ca.len() / 2];
    for options in [
        RedisOptions::new("redis://127.0.0.1:1").with_ca(one.ca.clone()),
        secure.clone().with_ca(""),
        secure.clone().with_ca(torn),
        no_pem,
        secure.clone().with_client_certificate(mixed),
        secure.clone().with_client_certificate(broken),
    ] {
        let shown = format!("{options:?}");
        assert!(!shown.contains("BEGIN") && !shown.contains("a key"));
        let error = refused(options).await;
        assert_eq!(error.kind(), ErrorKind::Configuration, "{shown}: {error}");
    }
    let good = secure.with_ca(one.ca).with_client_certificate(own);
    let error = refused(good).await;
    assert!(error.to_string().contains("nobody answers"), "{error}");
}

#[cfg(feature = "cluster")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_reached_through_tls() {
    let certificates = Certificates::new();
    let Some(server) = Server::start_secure_node(&certificates).await else {
        return;
    };
    let mut options = server.secure_options(&certificates.ca);
    options.cluster = true;
    let own = certificates.of_client();
    serves_a_call(options.clone().with_client_certificate(own)).await;

    options.ca = Some(Certificates::new().ca.into_bytes());
    let error = refused(options).await;
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("is not trusted"), "{error}");
}
