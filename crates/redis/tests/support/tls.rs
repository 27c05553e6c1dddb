//! A Redis that speaks TLS only, with certificates of our own.

use super::{Server, skip};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::process::Command;
use telephony_redis::{ClientCertificate, RedisOptions};

/// An authority that signed a server for the loopback and one of its clients. All PEM.
#[derive(Clone)]
pub(crate) struct Certificates {
    pub(crate) ca: String,
    server: [String; 2],
    client: [String; 2],
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        // Its own name: who is signed by somebody of the same name seems to have signed for itself.
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "authority of the tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let names = CertificateParams::new([name.to_owned()]).unwrap();
            let certificate = names.signed_by(&key, &authority).unwrap();
            [certificate.pem(), key.serialize_pem()]
        };
        Self {
            ca: authority.pem(),
            server: signed("127.0.0.1"),
            client: signed("app.test"),
        }
    }

    pub(crate) fn of_client(&self) -> ClientCertificate {
        let [certificate, key] = self.client.clone();
        ClientCertificate::new(certificate, key)
    }

    /// As a plain client of the tests takes them.
    pub(super) fn for_redis(&self) -> redis::TlsCertificates {
        // Fails if it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let [certificate, key] = self.client.clone().map(String::into_bytes);
        redis::TlsCertificates {
            client_tls: Some(redis::ClientTlsConfig {
                client_cert: certificate,
                client_key: key,
            }),
            root_cert: Some(self.ca.clone().into_bytes()),
        }
    }
}

impl Server {
    /// As [`start`](Self::start), also [`None`] if this Redis was built without TLS. `clients` says whether they have to
    /// show a certificate: `yes` or `no`.
    pub(crate) async fn start_secure(certificates: &Certificates, clients: &str) -> Option<Self> {
        Self::start_with(certificates, &["--tls-auth-clients", clients]).await
    }

    async fn start_with(certificates: &Certificates, more: &[&str]) -> Option<Self> {
        let nonsense = ["--port", "0", "--tls-port", "nonsense"];
        let told = Command::new("redis-server").args(nonsense).output();
        let Ok(told) = told else {
            skip("redis-server");
            return None;
        };
        // One that knows the option says what is wrong with it.
        let told = [told.stdout, told.stderr].concat();
        if String::from_utf8_lossy(&told).contains("Bad directive") {
            skip("redis-server with TLS");
            return None;
        }
        let mut server = Self::new(more);
        let [certificate, key] = &certificates.server;
        for (option, pem) in [
            ("tls-cert-file", certificate),
            ("tls-key-file", key),
            ("tls-ca-cert-file", &certificates.ca),
        ] {
            let path = server.directory.join(option);
            std::fs::write(&path, pem).unwrap();
            let path = path.to_string_lossy().into_owned();
            server.more.extend([format!("--{option}"), path]);
        }
        server.tls = Some(certificates.clone());
        server.run().await;
        Some(server)
    }

    /// The only node of a cluster, which has all slots.
    #[cfg(feature = "cluster")]
    pub(crate) async fn start_secure_node(certificates: &Certificates) -> Option<Self> {
        let more = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
        let server = Self::start_with(certificates, &more).await?;
        server.take_all_slots().await;
        Some(server)
    }

    pub(crate) fn secure_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    /// Options for a store on it that trusts that authority.
    pub(crate) fn secure_options(&self, ca: &str) -> RedisOptions {
        let mut options = self.options("t").with_ca(ca);
        options.url = self.secure_url().into();
        options
    }
}
