//! A network of one's own: a bridge, and namespaces on it, as machines on a switch. Needs root and `ip` (iproute2). Gone when dropped.

use std::net::Ipv4Addr;
use std::process::Command;

/// The addresses: those for measurements between networks (RFC 2544), which no machine has.
const NETWORK: [u8; 3] = [198, 18, 77];

/// A network with places for machines.
pub struct Network {
    name: String,
    places: u8,
}

impl Network {
    /// With so many places. Why there is none: this machine does not allow it.
    pub fn new(places: u8) -> Result<Self, String> {
        let network = Network {
            name: format!("ps{:x}", std::process::id()),
            places,
        };
        let (bridge, host) = (&network.name, network.host());
        ip(&["link", "add", bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{host}/24"), "dev", bridge])?;
        ip(&["link", "set", bridge, "up"])?;
        for place in 0..places {
            let (namespace, cable) = (network.namespace(place), format!("{bridge}-{place}"));
            ip(&["netns", "add", &namespace])?;
            ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
            ip(&["link", "set", &cable, "master", bridge, "up"])?;
            let address = format!("{}/24", network.address(place));
            ip(&["-n", &namespace, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(network)
    }

    /// This machine's address on it.
    pub fn host(&self) -> Ipv4Addr {
        let [a, b, c] = NETWORK;
        Ipv4Addr::new(a, b, c, 1)
    }

    /// The address of a place.
    pub fn address(&self, place: u8) -> Ipv4Addr {
        let [a, b, c] = NETWORK;
        Ipv4Addr::new(a, b, c, 10 + place)
    }

    /// The name of a place's namespace.
    pub fn namespace(&self, place: u8) -> String {
        format!("{}-{place}", self.name)
    }

    /// Nothing goes between two places any more; both still reach everybody else.
    pub fn part(&self, one: u8, other: u8) {
        self.routes("add", one, other);
    }

    /// They reach each other again.
    pub fn heal(&self, one: u8, other: u8) {
        self.routes("del", one, other);
    }

    fn routes(&self, what: &str, one: u8, other: u8) {
        for (from, to) in [(one, other), (other, one)] {
            let to = self.address(to).to_string();
            ip(&["-n", &self.namespace(from), "route", what, "blackhole", &to]).unwrap();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in 0..self.places {
            // It may have come to nothing.
            let _ = ip(&["netns", "del", &self.namespace(place)]);
        }
        let _ = ip(&["link", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let told = |why: &str| format!("`ip {}`: {}", arguments.join(" "), why.trim());
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| told(&error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(told(&String::from_utf8_lossy(&output.stderr))),
    }
}
