//! Tunnels: what is asked for, and whose the bytes are that come with a proxy's answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn proxy() -> Proxy {
    Proxy {
        target: Target::proxy("http://proxy.test:3128").expect("a proxy"),
        authorization: Some(HeaderValue::from_static("Basic hidden")),
    }
}

#[test]
fn a_target_is_named_as_a_proxy_wants_it() {
    for (url, authority, whole) in [
        ("https://api.test/x?y", "api.test:443", "https://api.test/x?y"),
        ("http://api.test:8080", "api.test:8080", "http://api.test:8080/"),
        ("http://[2606:4700::1111]//x", "[2606:4700::1111]:80", "http://[2606:4700::1111]//x"),
        ("http://api.test/?q=a%20b#c", "api.test:80", "http://api.test/?q=a%20b"),
    ] {
        let target = Target::parse(url).expect(url);
        let asked = proxy().asked(&target).expect(url);
        assert_eq!((asked.method(), asked.uri().to_string().as_str()), (&Method::CONNECT, authority));
        assert_eq!(asked.headers()[HOST], authority);
        assert_eq!(asked.headers()[PROXY_AUTHORIZATION], "Basic hidden");
        let mut headers = HeaderMap::new();
        assert_eq!(proxy().readdress(&target, &mut headers).expect(url).to_string(), whole);
        assert!(headers[PROXY_AUTHORIZATION].is_sensitive());
    }
    assert_eq!(format!("{:?}", proxy()), "http://proxy.test:3128");
}

#[tokio::test]
async fn what_comes_with_the_answer_is_the_tunnels() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("a port")).await.expect("connected");
        let (mut other, _) = listener.accept().await.expect("connected");
        other.write_all(format!("{answer}first").as_bytes()).await.expect("written");
        let target = Target::parse("https://api.test").expect("a URL");
        let mut tunnel = proxy().tunnel(Connection::Plain(stream), &target).await.expect(answer);
        other.write_all(b" second").await.expect("written");
        tunnel.write_all(b"third").await.expect("written");
        tunnel.shutdown().await.expect("written");
        let mut heard = String::new();
        other.read_to_string(&mut heard).await.expect("read");
        assert!(
            heard.starts_with("CONNECT api.test:443 HTTP/1.1\r\n") && heard.ends_with("\r\n\r\nthird"),
            "{heard:?}"
        );
        drop(other);
        let mut told = String::new();
        tunnel.read_to_string(&mut told).await.expect("read");
        assert_eq!(told, "first second", "{answer:?}");
    }
}
