//! A tenant's rate on three whole servers: its devices ask for more than it at every one of them, over MQTT and HTTP.
//!
//! What all servers together let in stays below what `runtime/cluster/SCALE.md` states, in every window of time; the tenant gets its rate all
//! the same, and what was let in is what is stored. Of three tenants, one is held up by its messages, one by its values, and one asks for
//! less than it may. That the bound is one is seen from servers of a version that did not tell each other: they let in more.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use peers::handshake::USAGE_SINCE;
use serde_json::{Value as Json, json};
use tests::cluster::{Cassandra, Cluster, Old};
use tests::rest::Rest;
use tests::server::Server;
use tests::wire::{Wire, publish};

const SERVERS: usize = 3;
/// Messages in a second, and values in a second, of every tenant; the capacity of a window is as much.
const MESSAGES: f64 = 50.0;
const VALUES: f64 = 150.0;
/// How old news of the other servers are at most, in seconds: 250 ms and the way, on a machine where servers, store and devices share two
/// processors. (SCALE.md reckons with 0.3 s.)
const LATE: f64 = 1.0;
/// How long a device over MQTT waits after it was cut off, before it connects again.
const AFTER_CLOSE: Duration = Duration::from_millis(500);

/// A device's way to a server.
enum Way {
    /// Connected, with MQTT 5; none: it was cut off.
    Mqtt(u16, Option<Wire>),
    /// A connection that stays, with a request for each message.
    Http(Wire),
}

/// A device that says something over and over.
struct Device {
    id: String,
    token: String,
    server: usize,
    way: Way,
    /// How many values a message has, and how often it says one.
    values: usize,
    every: Duration,
}

/// Something a device said. Times are seconds since all began.
struct Said {
    server: usize,
    number: usize,
    sent: f64,
    answered: f64,
    let_in: bool,
}

/// A tenant, and what its devices said: for each its id, and that.
struct Tenant {
    rest: Rest,
    devices: Vec<(String, Vec<Said>)>,
}

/// A rate whose window is a second, and what a message costs.
#[derive(Clone, Copy)]
struct Rate {
    capacity: f64,
    cost: f64,
}

impl Rate {
    /// What so many servers let in at most in so many seconds (SCALE.md: C + r·W + (n − 1)·(C + r·L)).
    fn bound(self, servers: usize, seconds: f64) -> f64 {
        self.capacity * (1.0 + seconds) + (servers - 1) as f64 * self.capacity * (1.0 + LATE)
    }

    /// What servers would have let in of what was said, if each had counted by itself.
    fn each_alone(self, said: &[&Said]) -> f64 {
        let alone = |server| {
            let mut at: Vec<f64> = said.iter().filter(|said| said.server == server).map(|said| said.sent).collect();
            at.sort_by(f64::total_cmp);
            let (mut left, mut before, mut taken) = (self.capacity, 0.0, 0.0);
            for now in at {
                left = self.capacity.min(left + (now - before) * self.capacity);
                before = now;
                if left >= self.cost {
                    left -= self.cost;
                    taken += self.cost;
                }
            }
            taken
        };
        (0..SERVERS).map(alone).sum()
    }
}

impl Device {
    /// Makes one, and connects it to a server.
    fn new(rest: &Rest, (number, server): (usize, &Server), (name, is_mqtt): (&str, bool), values: usize, every_ms: u64) -> Self {
        let token = format!("{name}-{number}");
        let id = rest.create_device(&token, &token);
        let way = if is_mqtt {
            Way::Mqtt(server.mqtt_port, Some(Wire::connect(server.mqtt_port, &token, 5)))
        } else {
            let port = server.http.rsplit(':').next().unwrap().parse().unwrap();
            Way::Http(Wire::open(port))
        };
        Device {
            id,
            token,
            server: number,
            way,
            values,
            every: Duration::from_millis(every_ms),
        }
    }

    /// Says a message each time it is due, until it is over; answers what became of each.
    fn talk(mut self, began: Instant, seconds: f64) -> (String, Vec<Said>) {
        let mut said = Vec::new();
        let mut due = began;
        while due.duration_since(began).as_secs_f64() < seconds {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let number = said.len();
            // Each number has a time of its own: what was refused would be seen.
            let mut values = json!({ "n": number });
            (1..self.values).for_each(|more| values[format!("v{more}")] = json!(more));
            let payload = json!({"ts": number + 1, "values": values}).to_string();
            self.connect();
            let sent = began.elapsed().as_secs_f64();
            let let_in = self.say(number, &payload);
            said.push(Said {
                server: self.server,
                number,
                sent,
                answered: began.elapsed().as_secs_f64(),
                let_in,
            });
            let waits = if matches!(self.way, Way::Mqtt(_, None)) {
                AFTER_CLOSE
            } else {
                self.every
            };
            due = (due + waits).max(Instant::now());
        }
        (self.id, said)
    }

    /// Connects again, if it was cut off.
    fn connect(&mut self) {
        if let Way::Mqtt(port, wire @ None) = &mut self.way {
            *wire = Some(Wire::connect(*port, &self.token, 5));
        }
    }

    /// Says a message; whether it was let in. There is no third answer.
    fn say(&mut self, number: usize, payload: &str) -> bool {
        match &mut self.way {
            Way::Mqtt(_, wire) => {
                let pkid = u16::try_from(number + 1).unwrap();
                let open = wire.as_mut().unwrap();
                assert!(open.send(&publish(pkid, "v1/devices/me/telemetry", payload.as_bytes(), 5)));
                let told = open.packet().expect("a PUBACK or a DISCONNECT");
                let let_in = told[0] == 0x40;
                if let_in {
                    assert_eq!(told[2..4], pkid.to_be_bytes(), "{told:?}");
                    assert!(told.get(4).is_none_or(|reason| *reason == 0), "{told:?}");
                } else {
                    // No acknowledgement, and cut off: implementation specific error.
                    assert_eq!((told[0], told[2]), (0xE0, 0x83), "{told:?}");
                    *wire = None;
                }
                let_in
            }
            Way::Http(wire) => {
                let length = payload.len();
                let head = format!(
                    "POST /api/v1/{}/telemetry HTTP/1.1\r\nHost: it\r\nContent-Length: {length}\r\n\r\n",
                    self.token
                );
                assert!(wire.send((head + payload).as_bytes()));
                let head = String::from_utf8(wire.until(b"\r\n\r\n")).unwrap().to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
                let body = wire.exactly(length.map_or(0, |length| length.parse().unwrap()));
                match head.split(' ').nth(1) {
                    Some("200") => true,
                    Some("429") => false,
                    _ => panic!("{head}{}", String::from_utf8_lossy(&body)),
                }
            }
        }
    }
}

impl Tenant {
    /// A tenant of its own for each of three, with devices at every server, which all talk for so many seconds at one time.
    fn all_talk(cluster: &Cluster, seconds: f64) -> [Tenant; 3] {
        let admin = cluster.server(0).login("sysadmin@pacificsoft.org", "sysadmin");
        let shapes = [("messages", 1, 50), ("values", 10, 100), ("modest", 1, 300)];
        let tenants = shapes.map(|(name, values, every_ms)| {
            let made = admin.post("/api/tenant", &json!({ "title": name }));
            let email = format!("{name}@example.org");
            let rest = admin.invite(&json!({"email": email, "authority": "TENANT_ADMIN", "tenantId": made["id"]}));
            let mut devices = Vec::new();
            for number in 0..SERVERS {
                let at = (number, cluster.server(number));
                let modest = name == "modest";
                for one in 0..if modest { 1 } else { 5 } {
                    let token = format!("{name}-{one}");
                    devices.push(Device::new(&rest, at, (&token, modest || one == 0), values, every_ms));
                }
            }
            (rest, devices)
        });
        let began = Instant::now();
        let talking = tenants.map(|(rest, devices)| {
            let talk = |device: Device| std::thread::spawn(move || device.talk(began, seconds));
            (rest, devices.into_iter().map(talk).collect::<Vec<JoinHandle<_>>>())
        });
        talking.map(|(rest, devices)| {
            let devices = devices.into_iter().map(|device| device.join().unwrap()).collect();
            Tenant { rest, devices }
        })
    }

    fn said(&self) -> Vec<&Said> {
        self.devices.iter().flat_map(|(_, said)| said).collect()
    }

    /// What was let in is stored, and nothing that was refused.
    fn assert_stored(&self) {
        for (id, said) in &self.devices {
            let path = format!(
                "/api/plugins/telemetry/DEVICE/{id}/values/timeseries?useStrictDataTypes=true&keys=n&startTs=1&endTs={}&limit=100000&orderBy=ASC",
                said.len() + 1
            );
            let stored = self.rest.get(&path);
            let stored = stored["n"].as_array().cloned().unwrap_or_default();
            let stored: Vec<&Json> = stored.iter().map(|one| &one["value"]).collect();
            let let_in: Vec<usize> = said.iter().filter(|said| said.let_in).map(|said| said.number).collect();
            assert_eq!(json!(stored), json!(let_in), "device {id}");
        }
    }
}

/// What was let in: all of it, and for how long there was something to say.
fn let_in(rate: Rate, said: &[&Said]) -> (f64, f64) {
    let sum = said.iter().filter(|said| said.let_in).count() as f64 * rate.cost;
    (sum, said.iter().map(|said| said.answered).fold(0.0, f64::max))
}

/// The most that was let in for certain in any window of so many seconds: sent when it had begun, answered before it was over.
fn worst(rate: Rate, said: &[&Said], seconds: f64) -> f64 {
    let within = |from: f64| {
        let certain = |said: &&&Said| said.let_in && said.sent >= from && said.answered <= from + seconds;
        said.iter().filter(certain).count() as f64 * rate.cost
    };
    said.iter().map(|said| within(said.sent)).fold(0.0, f64::max)
}

/// Three servers with rates, of an older version or not.
fn three(cassandra: &std::sync::Arc<Cassandra>, old: Option<&Old>) -> (Cluster, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    let rates = format!("telemetry-messages = \"{MESSAGES}:1\"\ntelemetry-data-points = \"{VALUES}:1\"\n");
    std::fs::write(&file, format!("[rate-limits.tenant]\n{rates}")).unwrap();
    let told = ["--config", file.to_str().unwrap()];
    (Cluster::start_told(SERVERS, cassandra, old, &told), folder)
}

/// The rates of the two tenants that ask for more: messages, and values.
const RATES: [Rate; 2] = [
    Rate {
        capacity: MESSAGES,
        cost: 1.0,
    },
    Rate {
        capacity: VALUES,
        cost: 10.0,
    },
];

#[test]
fn a_tenants_rate_holds_for_three_servers_together() {
    let Some((cassandra, _turn)) = crate::turn() else { return };
    let (cluster, _folder) = three(&cassandra, None);
    let tenants = Tenant::all_talk(&cluster, 20.0);
    for (rate, tenant) in RATES.into_iter().zip(&tenants) {
        let said = tenant.said();
        let (sum, seconds) = let_in(rate, &said);
        let (bound, alone) = (rate.bound(SERVERS, seconds), rate.each_alone(&said));
        eprintln!(
            "{sum} of {} let in within {seconds:.1} s: the rate is {:.0}, the bound {bound:.0}, each alone {alone}",
            said.len() as f64 * rate.cost,
            rate.capacity * seconds,
        );
        assert!(alone > 1.5 * bound, "the load is no trial: {alone}, bound {bound}");
        assert!(sum <= bound, "{sum} of {bound}");
        assert!(
            sum >= 0.9 * rate.capacity * seconds,
            "the tenant gets its rate: {sum} in {seconds} s"
        );
        for window in [3.0, 10.0] {
            let (worst, bound) = (worst(rate, &said, window), rate.bound(SERVERS, window));
            eprintln!("at most {worst} within {window} s, the bound is {bound:.0}");
            assert!(worst <= bound, "{worst} within {window} s");
        }
        for server in 0..SERVERS {
            assert!(
                said.iter().any(|said| said.server == server && said.let_in),
                "server {server} lets in some"
            );
        }
    }
    let modest = tenants[2].said();
    let refused = modest.iter().filter(|said| !said.let_in).count();
    assert_eq!((refused, modest.len() > 100), (0, true), "what others use costs it nothing");
    tenants.iter().for_each(Tenant::assert_stored);
}

/// Servers that do not tell each other what they let in go beyond the bound: the test above could fail.
#[test]
fn servers_of_before_usage_was_told_let_in_more() {
    let Some((cassandra, _turn)) = crate::turn() else { return };
    let (cluster, _folder) = three(&cassandra, Some(&Old::Held(USAGE_SINCE - 1)));
    let tenants = Tenant::all_talk(&cluster, 10.0);
    for (rate, tenant) in RATES.into_iter().zip(&tenants) {
        let said = tenant.said();
        let (sum, seconds) = let_in(rate, &said);
        let (bound, alone) = (rate.bound(SERVERS, seconds), rate.each_alone(&said));
        let (worst, within) = (worst(rate, &said, 3.0), rate.bound(SERVERS, 3.0));
        eprintln!(
            "{sum} let in within {seconds:.1} s, reckoned {alone}, the bound is {bound:.0}; {worst} within 3 s, the bound is {within:.0}"
        );
        assert!(sum > 1.2 * bound && worst > within, "{sum} of {bound}, {worst} of {within}");
        assert!((alone - sum).abs() < 0.1 * sum, "what is reckoned is what happens: {alone}, {sum}");
    }
}
