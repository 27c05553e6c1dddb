//! The nodes that a cluster tells of.

use redis::{Client, ConnectionAddr, Value};

/// The nodes in an answer to `CLUSTER SLOTS` that are none of these, reached as these are.
pub(crate) fn others(configured: &[Client], slots: &Value) -> Vec<Client> {
    let Some(like) = configured.first().map(Client::get_connection_info) else {
        return Vec::new();
    };
    let mut known: Vec<_> = configured
        .iter()
        .map(|node| node.get_connection_info().addr().clone())
        .collect();
    let mut found = Vec::new();
    for (host, port) in addresses(slots) {
        let address = match like.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        if !known.contains(&address) {
            known.push(address.clone());
            found.extend(Client::open(like.clone().set_addr(address)));
        }
    }
    found
}

/// The nodes in an answer to `CLUSTER SLOTS`: of each range its first and last slot, then its nodes, each a host and a port.
/// A host that the one who answers does not know is left out.
fn addresses(slots: &Value) -> Vec<(String, u16)> {
    let items = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let address = |node: &Value| match items(node).as_slice() {
        [host, Value::Int(port), ..] => {
            let host = text(host).filter(|host| !host.is_empty() && host != "?")?;
            Some((host, u16::try_from(*port).ok()?))
        }
        _ => None,
    };
    let ranges = items(slots);
    let nodes = ranges
        .iter()
        .flat_map(|range| items(range).into_iter().skip(2));
    nodes.filter_map(|node| address(&node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RedisOptions;
    use crate::endpoint::Endpoint;
    use redis::ConnectionInfo;

    fn node(host: &str, port: i64) -> Value {
        let id = Value::BulkString(b"07c37df".to_vec());
        let host = Value::BulkString(host.as_bytes().to_vec());
        Value::Array(vec![host, Value::Int(port), id, Value::Array(Vec::new())])
    }

    #[test]
    fn a_cluster_tells_of_its_nodes() {
        let range = |nodes: Vec<Value>| {
            let slots = [Value::Int(0), Value::Int(5_460)];
            Value::Array(slots.into_iter().chain(nodes).collect())
        };
        let slots = Value::Array(vec![
            range(vec![node("127.0.0.1", 7_000), node("127.0.0.1", 7_003)]),
            range(vec![node("redis-2.internal", 7_001), node("?", 7_004)]),
            range(vec![Value::Array(vec![Value::Nil, Value::Int(7_002)])]),
            range(vec![node("127.0.0.1", 7_003), node("", 7_005)]),
            Value::Nil,
        ]);
        let mut options = RedisOptions::new("redis://user:word@127.0.0.1:7000");
        options.cluster = true;
        let endpoint = Endpoint::new(&options).unwrap();
        let told = others(endpoint.subscribers(), &slots);
        let infos: Vec<_> = told.iter().map(Client::get_connection_info).collect();
        let names: Vec<_> = infos.iter().map(|info| info.addr().to_string()).collect();
        assert_eq!(names, ["127.0.0.1:7003", "redis-2.internal:7001"]);
        let is_ours = |info: &&ConnectionInfo| info.redis_settings().username() == Some("user");
        assert!(infos.iter().all(is_ours));
        assert!(others(endpoint.subscribers(), &Value::Nil).is_empty());
    }
}
