//! The servers that a tenant's components may reach: a list of rules, empty at first. Pure.
//!
//! A rule is written as the beginning of a URL: `https://api.example.org`, `http://sensors.example.org:8080`, `https://*.example.org`
//! (every name below it), `https://*` (every server), `mqtts://broker.example.org`. Without a scheme it means `https`, without a port the scheme's own.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::target::{Host, Scheme, Target, check_port, split_port};

/// Rules of a tenant at most.
pub const RULES_MAX: usize = 200;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    scheme: Scheme,
    host: Hosts,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Every,
    /// Names that end so; begins with a dot.
    Below(String),
    One(Host),
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it, in words for its author.
    pub fn parse(text: &str) -> Result<Self, String> {
        let about = |reason: String| format!("the rule {:?}: {reason}", text.chars().take(300).collect::<String>());
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some((scheme, rest)) => {
                let scheme = Scheme::parse(scheme).ok_or_else(|| about(format!("there are {}", Scheme::names())))?;
                (scheme, rest)
            }
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(about(
                "it names a server, such as https://api.example.org:8443, and no path or user".to_owned(),
            ));
        }
        let (host, port) = split_port(rest).ok_or_else(|| about("its port is no number between 1 and 65535".to_owned()))?;
        let host = match host.strip_prefix("*") {
            Some("") => Hosts::Every,
            Some(below) => match below.strip_prefix('.').map(Host::parse) {
                Some(Ok(Host::Name(name))) => Hosts::Below(format!(".{name}")),
                _ => return Err(about("* stands alone, or for the first part of a name: *.example.org".to_owned())),
            },
            None => Hosts::One(Host::parse(host).map_err(about)?),
        };
        let port = port.unwrap_or(scheme.port());
        check_port(scheme, port).map_err(about)?;
        Ok(Rule { scheme, host, port })
    }

    fn allows(&self, target: &Target) -> bool {
        let host = match (&self.host, &target.host) {
            (Hosts::Every, _) => true,
            (Hosts::Below(end), Host::Name(name)) => name.len() > end.len() && name.ends_with(end.as_str()),
            (Hosts::Below(_), Host::Address(_)) => false,
            (Hosts::One(one), host) => one == host,
        };
        host && self.scheme == target.scheme && self.port == target.port
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            Hosts::Every => f.write_str("*")?,
            Hosts::Below(end) => write!(f, "*{end}")?,
            Hosts::One(host) => host.fmt(f)?,
        }
        if self.port == self.scheme.port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Rule::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The servers that a tenant's components may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowList(Vec<Rule>);

impl AllowList {
    /// Reads rules.
    ///
    /// # Errors
    /// What is wrong with the first one that is wrong, or that there are too many.
    pub fn parse(rules: &[String]) -> Result<Self, String> {
        if rules.len() > RULES_MAX {
            return Err(format!("{} rules are more than the {RULES_MAX} allowed", rules.len()));
        }
        Ok(AllowList(rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<_, _>>()?))
    }

    /// Whether a request may go there, as far as the tenant is concerned.
    pub fn allows(&self, target: &Target) -> bool {
        self.0.iter().any(|rule| rule.allows(target))
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rules: &[&str]) -> Result<AllowList, String> {
        AllowList::parse(&rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_rule_means_scheme_host_and_port() {
        let cases: [(&str, &str, bool); 22] = [
            ("https://api.example.org", "https://api.example.org/x?y", true),
            ("api.example.org", "https://API.example.org:443/", true),
            ("https://api.example.org", "http://api.example.org/", false),
            ("https://api.example.org", "https://api.example.org:8443/", false),
            ("https://api.example.org", "https://example.org/", false),
            ("https://api.example.org", "https://api.example.org.evil.org/", false),
            ("https://api.example.org:8443", "https://api.example.org:8443/", true),
            ("http://Example.org", "http://example.org/", true),
            ("https://*.example.org", "https://a.example.org/", true),
            ("https://*.example.org", "https://a.b.example.org/", true),
            ("https://*.example.org", "https://example.org/", false),
            ("https://*.example.org", "https://evilexample.org/", false),
            ("https://*.example.org", "https://a.example.org.evil.org/", false),
            ("https://*", "https://anything.org/", true),
            ("https://*", "http://anything.org/", false),
            ("http://*:8080", "http://anything.org:8080/", true),
            ("http://*", "http://1.2.3.4/", true),
            ("http://1.2.3.4", "http://1.2.3.4/", true),
            ("http://1.2.3.4", "http://1.2.3.5/", false),
            ("http://[2001:db8::1]:81", "http://[2001:db8:0::1]:81/", true),
            ("https://*.0.0.example", "https://127.0.0.example/", true),
            ("https://*.org", "https://a.org?x=https://b.net", true),
        ];
        for (rule, url, allowed) in cases {
            let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(list(&[rule]).expect(rule).allows(&target), allowed, "{rule} {url}");
        }
        let target = Target::parse("https://a.org").expect("a URL");
        assert!(!AllowList::default().allows(&target), "nothing is allowed at first");
        assert!(list(&["http://b.org", "https://a.org"]).expect("rules").allows(&target));
    }

    #[test]
    fn a_broker_has_a_rule_of_its_own() {
        for (rule, broker, allowed) in [
            ("mqtt://a.org", "mqtt://a.org:1883", true),
            ("mqtt://a.org", "mqtts://a.org", false),
            ("mqtt://a.org", "mqtt://a.org:1884", false),
            ("mqtts://*.a.org:8884", "mqtts://b.a.org:8884", true),
            ("mqtts://*", "mqtts://anything.org", true),
            ("http://*:1883", "mqtt://a.org", false),
            ("https://*", "mqtts://a.org", false),
            ("kafka://*.a.org", "kafka://b.a.org:9092", true),
            ("kafka://*", "kafkas://a.org:9092", false),
            ("amqps://a.org", "amqps://a.org:5671", true),
            ("smtp://a.org:25", "smtp://a.org:25", true),
            ("smtp://a.org", "smtp://a.org:25", false),
            ("smpp://a.org", "smpp://a.org:2775", true),
            ("smpp://a.org", "smpps://a.org:2775", false),
            ("smpps://*.a.org", "smpps://b.a.org:3550", true),
        ] {
            let target = Target::broker(broker).expect(broker);
            assert_eq!(list(&[rule]).expect(rule).allows(&target), allowed, "{rule} {broker}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_saying_why() {
        for (rule, says) in [
            (
                "ftp://a.org",
                "there are http, https, mqtt, mqtts, kafka, kafkas, amqp, amqps, smtp, smtps, smpp, smpps",
            ),
            ("https://a.org/", "no path"),
            ("https://u@a.org", "no path or user"),
            ("https://a.org:0", "port"),
            ("https://a.org:25", "port 25"),
            ("https://a*.org", "neither"),
            ("https://*a.org", "* stands"),
            ("https://*.*.org", "* stands"),
            ("https://*.1.2", "* stands"),
            ("https://0x7f.1", "neither"),
            ("", "neither"),
        ] {
            let told = list(&[rule]).expect_err(rule);
            assert!(told.contains(says), "{rule}: {told}");
        }
        assert!(list(&vec!["https://a.org"; RULES_MAX + 1]).is_err());
    }

    #[test]
    fn rules_are_kept_as_they_are_meant() {
        let rules = list(&["A.org", "http://*.b.org:81", "https://*", "http://[::1]", "MQTTS://c.org:8883"]).expect("rules");
        let text = serde_json::to_string(&rules).expect("JSON");
        assert_eq!(
            text,
            r#"["https://a.org","http://*.b.org:81","https://*","http://[::1]","mqtts://c.org"]"#
        );
        assert_eq!(serde_json::from_str::<AllowList>(&text).expect("rules"), rules);
    }
}
