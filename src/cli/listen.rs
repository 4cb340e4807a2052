//! Where the engine listens: addresses as operators give them, bound.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use super::serve::{COLLATION_PORT, Failure};
use crate::{source, system};

/// Both families on the default port, or IPv4 where IPv6 is off; or what was asked for.
pub fn collation_listeners(asked: &[String]) -> Result<Vec<TcpListener>, Failure> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, COLLATION_PORT));
    if asked.is_empty() {
        return match source::bind(both) {
            Ok(listener) => Ok(vec![listener]),
            Err(error) if error.raw_os_error() == Some(97) || error.kind() == io::ErrorKind::AddrNotAvailable => {
                listeners(
                    "--collation",
                    &[],
                    COLLATION_PORT,
                    &[SocketAddr::from((Ipv4Addr::UNSPECIFIED, COLLATION_PORT))],
                )
            }
            Err(error) => Err(cannot_listen("--collation", both, &error)),
        };
    }
    listeners("--collation", asked, COLLATION_PORT, &[])
}

/// Listeners on what was asked for, or else on the usual addresses. `flag` is the option for it.
pub fn listeners(flag: &str, asked: &[String], port: u16, default: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut addresses = Vec::new();
    for text in asked {
        addresses.push(resolve(text, port).map_err(|error| Failure::usage(format!("{flag} {text}: {error}")))?);
    }
    if addresses.is_empty() {
        addresses.extend_from_slice(default);
    }
    addresses
        .into_iter()
        .map(|address| source::bind(address).map_err(|error| cannot_listen(flag, address, &error)))
        .collect()
}

/// `host:port`, or a host alone with the usual port.
fn resolve(text: &str, port: u16) -> io::Result<SocketAddr> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "no such address");
    text.to_socket_addrs()?.next().ok_or_else(nothing)
}

fn cannot_listen(flag: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => format!("; is another engine running? Choose another port with {flag}"),
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root".to_owned(),
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address".to_owned(),
        _ => String::new(),
    };
    Failure::failed(format!("can't listen on {address}: {error}{advice}"))
}

/// Address and port that a node would use.
pub fn own_address(collation: &[SocketAddr]) -> String {
    let Some(first) = collation.iter().find(|address| !address.ip().is_loopback()).or(collation.first()) else {
        return String::new();
    };
    let ip = if first.ip().is_unspecified() { system::own_address().unwrap_or(first.ip()) } else { first.ip() };
    SocketAddr::new(ip.to_canonical(), first.port()).to_string()
}

/// An address that a browser can open.
pub fn browsable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())),
        other => other,
    }
}
