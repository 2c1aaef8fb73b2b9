//! URLs and brokers' addresses that are read, and such as are not.

use super::*;

#[test]
fn urls_are_read_in_one_way() {
    let cases = [
        ("https://api.example.org", "https://api.example.org", "/"),
        ("HTTPS://API.Example.ORG/a?b=c#d", "https://api.example.org", "/a?b=c"),
        ("http://example.org:8080?x", "http://example.org:8080", "/?x"),
        ("http://example.org:80/", "http://example.org", "/"),
        ("https://example.org//evil.org/", "https://example.org", "//evil.org/"),
        ("http://1.2.3.4/", "http://1.2.3.4", "/"),
        ("http://[::1]:8080/", "http://[::1]:8080", "/"),
        (
            "https://x_1.example.org/a b/ö?q=\"{}\"",
            "https://x_1.example.org",
            "/a%20b/%C3%B6?q=%22%7B%7D%22",
        ),
        ("https://example.org/%41?x=%2F", "https://example.org", "/%41?x=%2F"),
        (
            "https://example.org?next=http://127.0.0.1",
            "https://example.org",
            "/?next=http://127.0.0.1",
        ),
        ("https://example.org#@127.0.0.1/", "https://example.org", "/"),
    ];
    for (url, origin, path) in cases {
        let target = Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!((target.origin().as_str(), target.path.as_str()), (origin, path), "{url}");
    }
}

#[test]
fn what_other_programs_take_for_an_address_is_none() {
    for host in [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "1",
        "127.0.0.1.",
        "0x7F.0.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "[::ffff:127.0.0.1",
        "[127.0.0.1]",
        "[fe80::1%25eth0]",
        "[::1]x",
        "%31%32%37.0.0.1",
        "127%2e0%2e0%2e1",
        "",
        ".",
        "a..b",
        "a.",
        "a b",
        "ex\u{ff0e}org",
        "①②⑦.0.0.1",
        "localhost\\@x",
        "a/b",
        "xn--\u{e9}",
        "foo.0x1",
        "foo.12",
    ] {
        assert!(Host::parse(host).is_err(), "{host}");
    }
    assert_eq!(
        Host::parse("[::ffff:127.0.0.1]"),
        Ok(Host::Address("::ffff:127.0.0.1".parse().expect("one")))
    );
}

#[test]
fn what_is_no_url_of_a_web_server_is_refused() {
    let long = format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX));
    for url in [
        "",
        "example.org",
        "//example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "gopher://example.org",
        "http:/example.org",
        "http://",
        "http:///x",
        "http://user:word@example.org",
        "http://127.0.0.1@example.org",
        "http://example.org:0",
        "http://example.org:",
        "http://example.org:65536",
        "http://example.org:8a",
        "http://example.org:+80",
        "http://[::1",
        "http://a\r\nX: y/",
        "http://a/\r\nX: y",
        "http://a/\0",
        "http://a/\u{85}",
        "http://a:80:80/",
        "http://example.org\\@127.0.0.1/",
        &long,
    ] {
        assert!(matches!(Target::parse(url), Err(EgressError::Invalid(_))), "{url:?}");
    }
    for port in [22, 25, 53, 110, 465, 587, 6667, 2049] {
        let refused = Target::parse(&format!("http://example.org:{port}/"));
        assert!(matches!(refused, Err(EgressError::Refused(_))), "{port}: {refused:?}");
    }
}

#[test]
fn a_brokers_address_is_a_host_and_a_port() {
    for (url, origin) in [
        ("mqtt://broker.example.org", "mqtt://broker.example.org"),
        ("MQTT://Broker.example.org:1883", "mqtt://broker.example.org"),
        ("mqtts://broker.example.org", "mqtts://broker.example.org"),
        ("mqtts://[::1]:1884", "mqtts://[::1]:1884"),
        ("kafka://a:9092", "kafka://a"),
        ("kafkas://a", "kafkas://a"),
        ("amqp://a:5673", "amqp://a:5673"),
        ("amqps://a:5671", "amqps://a"),
        ("smtp://a:25", "smtp://a:25"),
        ("smtps://a", "smtps://a"),
        ("smpp://a:2775", "smpp://a"),
        ("SMPP://A.test:2776", "smpp://a.test:2776"),
        ("smpps://a:3550", "smpps://a"),
        ("smpps://[::1]:2775", "smpps://[::1]:2775"),
    ] {
        assert_eq!(Target::broker(url).map(|target| target.origin()).expect(url), origin);
        assert!(Target::parse(url).is_err(), "{url} is no URL of a web server");
    }
    for url in [
        "",
        "broker.example.org",
        "http://broker.example.org",
        "mqtt://",
        "mqtt://a/b",
        "mqtt://a?b",
        "mqtt://a#b",
        "mqtt://u:p@a",
        "mqtt://a:0",
        "mqtt://127.1",
        "mqtt://2130706433",
        "mqtt://a\r\nb",
        "mqtt://a:1883:1",
        "mqtt://a,b",
        "kafka://a,b",
        "kafka://a/t",
        "amqp://u:p@a",
        "smpp://u:p@a",
        "smpp://a,b",
        "smpps://a/b",
        "ssmpp://a",
    ] {
        assert!(matches!(Target::broker(url), Err(EgressError::Invalid(_))), "{url:?}");
    }
    assert!(matches!(Target::broker("mqtt://a:25"), Err(EgressError::Refused(_))));
    assert!(matches!(Target::broker("smtp://a:22"), Err(EgressError::Refused(_))));
    assert!(matches!(Target::broker("smpp://a:25"), Err(EgressError::Refused(_))));
}

#[test]
fn a_proxy_is_named_alone() {
    let proxy = |url: &str| Target::proxy(url).map(|target| target.origin());
    for (url, origin) in [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("HTTP://Proxy.test", "http://proxy.test"),
        ("https://proxy.test:8443", "https://proxy.test:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(proxy(url).expect(url), origin);
    }
    for url in [
        "",
        "proxy.test:3128",
        "socks5://proxy.test:1080",
        "http://",
        "http://u:p@proxy.test:3128",
        "http://proxy.test:3128/",
        "http://proxy.test:3128?a",
        "http://127.1:3128",
        "http://proxy.test:0",
        "http://proxy.test\r\n:3128",
        &format!("http://{}", "a".repeat(URL_BYTES_MAX)),
    ] {
        assert!(matches!(proxy(url), Err(EgressError::Invalid(_))), "{url:?}");
    }
    assert!(matches!(proxy("http://proxy.test:25"), Err(EgressError::Refused(_))));
}

#[test]
fn brokers_of_a_cluster_are_named_together() {
    let origins = |url: &str| {
        let (first, more) = Target::brokers(url)?;
        Ok::<_, EgressError>(
            [vec![first], more]
                .concat()
                .iter()
                .map(Target::origin)
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    for (url, all) in [
        ("kafka://a,b:9093, [::1]:9092", "kafka://a kafka://b:9093 kafka://[::1]"),
        ("kafkas://1.2.3.4", "kafkas://1.2.3.4"),
        ("mqtt://a", "mqtt://a"),
    ] {
        assert_eq!(origins(url).expect(url), all);
    }
    let nine = format!("kafka://{}", ["a"; 9].join(","));
    for url in [
        "kafka://",
        "kafka://a,",
        "kafka://a,127.1",
        "kafka://a,b:0",
        "mqtt://a,b",
        "amqp://a,b",
        &nine,
    ] {
        assert!(matches!(origins(url), Err(EgressError::Invalid(_))), "{url}");
    }
    assert!(matches!(origins("kafka://a,b:25"), Err(EgressError::Refused(_))));
}

#[test]
fn who_is_named_by_another_server_is_read_as_strictly() {
    let named = |host, port| Target::named(Scheme::Kafka, host, port).map(|target| target.origin());
    assert_eq!(named("b.test", 9092).expect("a broker"), "kafka://b.test");
    assert_eq!(named("::1", 9093).expect("a broker"), "kafka://[::1]:9093");
    for (host, port) in [
        ("127.1", 9092),
        ("a/b", 9092),
        ("a@b", 9092),
        ("", 9092),
        ("a", 0),
        ("a", -1),
        ("a", 70_000),
    ] {
        assert!(matches!(named(host, port), Err(EgressError::Invalid(_))), "{host} {port}");
    }
    assert!(matches!(named("a", 22), Err(EgressError::Refused(_))));
}

#[test]
fn nothing_of_path_and_query_is_shown() {
    let target = Target::parse("https://example.org/hidden?key=hidden").expect("a URL");
    assert_eq!(format!("{target:?}"), "https://example.org");
}
