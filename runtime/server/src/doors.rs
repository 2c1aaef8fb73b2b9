//! The doors of a server: a listener for each address of the configuration.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use session::Sessions;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::tls::Purpose;
use transport::{Certificates, CoapConfig, CoapListener, DtlsKeys, HttpListener, MqttListener, MqttService, Tls};

use crate::config::{Coaps, Config};

/// Where a server is reached.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    pub coap: SocketAddr,
    pub https: Option<SocketAddr>,
    pub mqtts: Option<SocketAddr>,
    pub coaps: Option<SocketAddr>,
}

/// Bound, not served yet: whoever cannot have all addresses serves none.
pub struct Doors {
    http: HttpListener,
    mqtt: MqttListener,
    coap: CoapListener,
    https: Option<HttpListener>,
    mqtts: Option<MqttListener>,
    coaps: Option<CoapListener>,
    certificates: Option<Certificates>,
}

impl Doors {
    /// Binds every address.
    pub async fn open(config: &Config) -> Result<Self> {
        let http = async |address, tls| {
            let listening = HttpListener::bind(address, tls).await;
            listening.with_context(|| format!("HTTP cannot listen on {address}"))
        };
        let mqtt = async |address, tls| {
            let listening = MqttListener::bind(address, tls).await;
            listening.with_context(|| format!("MQTT cannot listen on {address}"))
        };
        let mut doors = Doors {
            http: http(config.http, None).await?,
            mqtt: mqtt(config.mqtt, None).await?,
            coap: CoapListener::bind(CoapConfig::new(config.coap))
                .await
                .with_context(|| format!("CoAP cannot listen on {}", config.coap))?,
            https: None,
            mqtts: None,
            coaps: None,
            certificates: None,
        };
        if let Some(secure) = &config.secure {
            let certificates = Certificates::load(secure.files.clone()).context("TLS cannot be served")?;
            if let Some(address) = secure.https {
                doors.https = Some(http(address, Some(Tls::new(&certificates, Purpose::Http)?)).await?);
            }
            if let Some(address) = secure.mqtts {
                doors.mqtts = Some(mqtt(address, Some(Tls::new(&certificates, Purpose::Mqtt)?)).await?);
            }
            doors.certificates = Some(certificates);
        }
        if let Some(coaps) = config.coaps.clone() {
            doors.coaps = Some(secured_coap(coaps).await?);
        }
        Ok(doors)
    }

    /// The addresses that were bound, with the ports that were free.
    pub fn addresses(&self) -> Result<Addresses> {
        Ok(Addresses {
            http: self.http.address()?,
            mqtt: self.mqtt.address()?,
            coap: self.coap.address()?,
            https: self.https.as_ref().map(HttpListener::address).transpose()?,
            mqtts: self.mqtts.as_ref().map(MqttListener::address).transpose()?,
            coaps: self.coaps.as_ref().map(CoapListener::address).transpose()?,
        })
    }

    /// The certificates of what is served over TLS.
    pub fn certificates(&self) -> Option<Certificates> {
        self.certificates.clone()
    }

    /// Serves until told to stop.
    pub fn serve(
        self,
        gateway: &axum::Router,
        service: &MqttService,
        sessions: &Sessions,
        stopping: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let http = [Some(self.http), self.https].into_iter().flatten();
        let http = http.map(|listener| actor::spawn("http", listener.run(gateway.clone(), stopping.clone())));
        let mqtt = [Some(self.mqtt), self.mqtts].into_iter().flatten();
        let mqtt = mqtt.map(|listener| actor::spawn("mqtt", listener.run(service.clone(), stopping.clone())));
        let coap = [Some(self.coap), self.coaps].into_iter().flatten();
        let coap = coap.map(|listener| actor::spawn("coap", listener.run(sessions.clone(), stopping.clone())));
        http.chain(mqtt).chain(coap).collect()
    }
}

/// CoAP over DTLS, with the keys of a file, a certificate, or both.
async fn secured_coap(coaps: Coaps) -> Result<CoapListener> {
    let address = coaps.address;
    let keys = crate::wire::blocking(move || dtls_keys(&coaps)).await??;
    let listener = CoapListener::bind(CoapConfig::secured(address, keys)).await;
    listener.with_context(|| format!("CoAP over DTLS cannot listen on {address}"))
}

fn dtls_keys(coaps: &Coaps) -> Result<DtlsKeys> {
    let mut all = DtlsKeys::default();
    if let Some(keys) = &coaps.keys {
        let text = std::fs::read_to_string(keys).with_context(|| format!("the keys in {} cannot be read", keys.display()))?;
        all = DtlsKeys::pre_shared(&text).with_context(|| format!("the keys in {} are not taken", keys.display()))?;
    }
    let Some(files) = &coaps.certificate else { return Ok(all) };
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    match DtlsKeys::certified(&read(&files.certificate)?, &read(&files.key)?) {
        Ok(certified) => Ok(all.and(certified)),
        // A server with another certificate goes on serving devices that have keys.
        Err(error) if coaps.keys.is_some() => {
            tracing::warn!(%error, "CoAP over DTLS is served with pre-shared keys alone");
            Ok(all)
        }
        Err(error) => Err(error).context("CoAP over DTLS cannot be served"),
    }
}
