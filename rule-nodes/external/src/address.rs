//! How a configuration's host and port become part of an address.

/// `host:port`; an IPv6 address stands in brackets where a port follows.
///
/// # Errors
/// What is wrong, by the names of the configuration's fields.
pub fn address(host: &str, port: u32) -> Result<String, String> {
    let host = host.trim();
    if host.is_empty() {
        return Err("host is empty".to_owned());
    }
    if !(1..=65_535).contains(&port) {
        return Err("port is not between 1 and 65535".to_owned());
    }
    let (open, close) = if host.contains(':') && !host.starts_with('[') {
        ("[", "]")
    } else {
        ("", "")
    };
    Ok([open, host, close, ":", &port.to_string()].concat())
}
