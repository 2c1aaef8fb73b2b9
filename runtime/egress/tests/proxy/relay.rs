//! A proxy: passes requests in the clear on, and opens tunnels. Every name leads to this machine there.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What a proxy does with a request.
#[derive(Clone)]
pub enum Manner {
    /// Passes it on.
    Good,
    /// Passes it on for whoever shows this.
    Knows(&'static str),
    /// Says this, and nothing else.
    Says(String),
    /// Says this, then a byte now and then.
    Drips(&'static str),
    Silent,
}

/// A proxy. Ends with its test.
pub struct Relay {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub async fn start(manner: Manner) -> Self {
        Self::start_on("127.0.0.1", manner).await
    }

    pub async fn start_on(address: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let relay = Relay {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
        };
        let heard = Arc::clone(&relay.heard);
        actor::spawn("proxy", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, manner) = (Arc::clone(&heard), manner.clone());
                // Whoever goes away has an answer, or wants none.
                actor::spawn("proxy", async move { drop(serve(stream, &heard, &manner).await) });
            }
        });
        relay
    }

    /// Its address under a name.
    pub fn url(&self, name: &str) -> String {
        format!("http://{name}:{}", self.port)
    }

    /// The heads of what was asked. One that is empty: a connection, and nothing said.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, heard: &Mutex<Vec<String>>, manner: &Manner) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heard.lock().unwrap().push(head.clone());
    match manner {
        Manner::Good => pass_on(client, &head).await,
        Manner::Knows(who) if head.contains(&format!("\r\nproxy-authorization: {who}\r\n")) => pass_on(client, &head).await,
        Manner::Knows(_) => {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            client.write_all(refusal.as_bytes()).await
        }
        Manner::Says(text) => client.write_all(text.as_bytes()).await,
        Manner::Drips(text) => {
            client.write_all(text.as_bytes()).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                client.write_all(b"x").await?;
            }
        }
        Manner::Silent => std::future::pending().await,
    }
}

async fn pass_on(mut client: TcpStream, head: &str) -> io::Result<()> {
    let (line, headers) = head.split_once("\r\n").unwrap();
    let [method, url, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let port = |authority: &str| authority.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    if method == "CONNECT" {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", port(url))).await else {
            return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        };
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\nVia: a proxy\r\n\r\n")
            .await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port(authority))).await?;
    let own = |header: &&str| !header.starts_with("proxy-");
    let headers = headers.split("\r\n").filter(own).collect::<Vec<_>>().join("\r\n");
    server
        .write_all(format!("{method} /{path} {version}\r\n{headers}").as_bytes())
        .await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
