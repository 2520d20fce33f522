//! Which addresses and URLs a download may go to. Pure: nothing here connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether `ip` is an address of the public internet: not private, loopback, link-local, shared
/// (CGNAT), multicast, unspecified, reserved, for documentation or benchmarks, and not an IPv4
/// address in IPv6 clothes (v4-mapped, NAT64, 6to4, Teredo).
/// Source: the IANA special-purpose address registries.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip == AZURE_PLATFORM
        || matches!(
            ip.octets(),
            [0 | 224..=255, ..]
                | [100, 64..=127, ..]
                | [192, 0, 0, _]
                | [192, 88, 99, _]
                | [198, 18..=19, ..]
        );
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let global_unicast = segments[0] & 0xe000 == 0x2000;
    let special = matches!(
        segments,
        // Protocol assignments (Teredo among them) and documentation; 6to4; documentation again.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..]
    );
    global_unicast && !special
}

/// What a download may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Plain http and loopback addresses are fine too: the API itself is on this machine.
    pub allow_loopback: bool,
}

impl Rules {
    /// Whether a connection to `ip` is allowed.
    #[must_use]
    pub fn allow(self, ip: IpAddr) -> bool {
        is_public(ip) || (self.allow_loopback && ip.is_loopback())
    }

    /// Checks all of a URL that can be checked without asking the DNS. The error says what is
    /// wrong with it, in words that follow "the output's address".
    pub fn check(self, url: &Url) -> Result<(), String> {
        let plain_http = url.scheme() == "http" && self.allow_loopback;
        if url.scheme() != "https" && !plain_http {
            let scheme = url.scheme();
            return Err(format!("has the scheme `{scheme}`, only https is allowed"));
        }
        // A client would turn them into an Authorization header.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("carries a user name or password".to_owned());
        }
        match url.port_or_known_default() {
            Some(443 | 80 | 1024..) => {}
            _ => return Err("has a port below 1024 other than 80 and 443".to_owned()),
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(name)) if is_local_name(name) && !self.allow_loopback => {
                return Err("is this machine's own".to_owned());
            }
            Some(Host::Domain(_)) => None,
            None => return Err("has no host".to_owned()),
        };
        match literal {
            Some(ip) if !self.allow(ip) => Err(format!("is {ip}, not a public one")),
            _ => Ok(()),
        }
    }
}

/// `localhost` and the names below it, which never leave a machine (RFC 6761, 6.3). Not every
/// resolver knows all of them.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 8] = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "198.20.0.1",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
    ];
    const NOT_PUBLIC: [&str; 38] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fd00::1",
        "fe80::1",
        "ff02::1",
    ];

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for ip in PUBLIC {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in NOT_PUBLIC {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    fn check(url: &str, allow_loopback: bool) -> Result<(), String> {
        Rules { allow_loopback }.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_address_is_refused_in_whatever_form_it_is_written() {
        for host in [
            "127.0.0.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "127.1",
            "0",
            "169.254.169.254",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "①②⑦.0.0.1",
            "localhost",
            "LocalHost.",
            "a.localhost",
        ] {
            let said = check(&format!("https://{host}/a.mp4"), false);
            assert!(said.is_err(), "{host}");
        }
        assert_eq!(check("https://cdn.example/a.mp4?sig=1", false), Ok(()));
        assert_eq!(check("https://cdn.example:8443/a.mp4", false), Ok(()));
    }

    #[test]
    fn other_schemes_ports_and_credentials_are_refused() {
        for url in [
            "http://cdn.example/a.mp4",
            "file:///etc/passwd",
            "ftp://cdn.example/a",
            "gopher://cdn.example/a",
            "https://cdn.example:22/a",
            "https://user:word@cdn.example/a",
        ] {
            assert!(check(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn a_loopback_api_opens_loopback_and_nothing_else() {
        assert_eq!(check("http://127.0.0.1:8080/a.mp4", true), Ok(()));
        assert_eq!(check("http://[::1]:8080/a.mp4", true), Ok(()));
        for url in ["http://10.0.0.1/a", "http://[::ffff:127.0.0.1]/a", "file:///a"] {
            assert!(check(url, true).is_err(), "{url}");
        }
    }
}
