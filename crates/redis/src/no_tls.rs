//! In place of `tls` without that feature.

use crate::endpoint::bad_url;
use crate::error::configuration;
use crate::options::RedisOptions;
use redis::{Client, ConnectionInfo, RedisError};
use telephony_core::Result;

pub(crate) fn prepare(options: &RedisOptions) -> Result<()> {
    if options.ca.is_some() || options.client_certificate.is_some() {
        let detail = "certificates need the feature `tls` of telephony-redis";
        return Err(configuration(detail));
    }
    Ok(())
}

pub(crate) fn open(info: ConnectionInfo, _: &RedisOptions) -> Result<Client> {
    Client::open(info).map_err(|_| bad_url())
}

pub(crate) fn fault(_: &RedisError) -> Option<&'static str> {
    None
}

#[cfg(feature = "cluster")]
pub(crate) fn secure(
    builder: redis::cluster::ClusterClientBuilder,
    _: &RedisOptions,
) -> redis::cluster::ClusterClientBuilder {
    builder
}
