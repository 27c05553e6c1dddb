//! Certificates for `rediss://`, and what goes wrong with them.

use crate::endpoint::bad_url;
use crate::error::configuration;
use crate::options::RedisOptions;
use redis::{Client, ConnectionInfo, RedisError};
use redis::{ClientTlsConfig, ConnectionAddr, TlsCertificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, Error as Fault, RootCertStore};
use std::sync::Arc;
use telephony_core::Result;

/// Says what is wrong with the certificates before anything is sent.
pub(crate) fn prepare(options: &RedisOptions) -> Result<()> {
    // Fails if the app has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = options
        .ca
        .as_deref()
        .map_or(Ok(RootCertStore::empty()), roots)?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    if let Some(own) = &options.client_certificate {
        let unreadable = |_| configuration("the client certificate or its key is not PEM");
        let chain = CertificateDer::pem_slice_iter(&own.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(&own.key).map_err(unreadable)?;
        config
            .with_client_auth_cert(chain, key)
            .map_err(|_| configuration("the client certificate and its key do not fit"))?;
    }
    Ok(())
}

fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let unreadable = "the certificates of the CA cannot be read: PEM, one or more";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.map(|certificate| roots.add(certificate));
        if !matches!(added, Ok(Ok(()))) {
            return Err(configuration(unreadable));
        }
    }
    if roots.is_empty() {
        return Err(configuration(unreadable));
    }
    Ok(roots)
}

fn certificates(options: &RedisOptions) -> Option<TlsCertificates> {
    let client_tls = options
        .client_certificate
        .as_ref()
        .map(|own| ClientTlsConfig {
            client_cert: own.certificate.clone(),
            client_key: own.key.clone(),
        });
    let is_any = options.ca.is_some() || client_tls.is_some();
    is_any.then(|| TlsCertificates {
        client_tls,
        root_cert: options.ca.clone(),
    })
}

pub(crate) fn open(info: ConnectionInfo, options: &RedisOptions) -> Result<Client> {
    let Some(certificates) = certificates(options) else {
        return Client::open(info).map_err(|_| bad_url());
    };
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return Err(configuration("certificates are for rediss:// URLs"));
    }
    Client::build_with_tls(info, certificates).map_err(|_| bad_url())
}

/// What is wrong if it is about TLS.
pub(crate) fn fault(error: &RedisError) -> Option<&'static str> {
    match source(error) {
        Some(Fault::InvalidCertificate(why)) => Some(untrusted(why)),
        Some(Fault::AlertReceived(_)) => {
            Some("Redis refuses the TLS connection; does it want a client certificate?")
        }
        Some(Fault::InvalidMessage(_)) => Some("what answers there is not TLS"),
        Some(_) => Some("the TLS handshake fails"),
        // A cluster tells of the errors of its nodes by their text only.
        None => error
            .detail()
            .is_some_and(|detail| detail.contains("invalid peer certificate"))
            .then_some("the certificate of Redis is not trusted here"),
    }
}

fn source(error: &RedisError) -> Option<&Fault> {
    let source = std::error::Error::source(error)?;
    let shared = source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    let io = shared.downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref()
}

fn untrusted(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate of Redis is for another name than that of the URL"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate of Redis has expired"
        }
        _ => "the certificate of Redis is not trusted here",
    }
}

#[cfg(feature = "cluster")]
pub(crate) fn secure(
    builder: redis::cluster::ClusterClientBuilder,
    options: &RedisOptions,
) -> redis::cluster::ClusterClientBuilder {
    match certificates(options) {
        Some(certificates) => builder.certs(certificates),
        None => builder,
    }
}
