//! The doors of a server: a listener for each address of the configuration.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use session::Sessions;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::tls::Purpose;
use transport::{Certificates, CoapConfig, CoapListener, HttpListener, MqttListener, MqttService, Tls};

use crate::config::Config;
use crate::dtls::DtlsFiles;

/// Where a server is reached.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    pub coap: SocketAddr,
    pub https: Option<SocketAddr>,
    pub mqtts: Option<SocketAddr>,
    pub coaps: Option<SocketAddr>,
    /// Other servers of the cluster.
    pub peers: Option<SocketAddr>,
}

/// Bound, not served yet: whoever cannot have all addresses serves none.
pub struct Doors {
    http: HttpListener,
    mqtt: MqttListener,
    coap: CoapListener,
    https: Option<HttpListener>,
    mqtts: Option<MqttListener>,
    coaps: Option<CoapListener>,
    reread: Reread,
}

/// What is read again while the server runs.
#[derive(Clone, Default)]
pub struct Reread {
    certificates: Option<Certificates>,
    dtls: Option<DtlsFiles>,
}

impl Reread {
    /// Has the files looked at, at once.
    pub fn look(&self) {
        if let Some(certificates) = &self.certificates {
            certificates.look();
        }
        if let Some(dtls) = &self.dtls {
            dtls.look();
        }
    }

    /// Looks at the files from time to time, until the process ends.
    pub fn watch(&self) {
        if let Some(certificates) = self.certificates.clone() {
            actor::spawn("certificates", certificates.watch());
        }
        if let Some(dtls) = self.dtls.clone() {
            actor::spawn("keys of DTLS", dtls.watch());
        }
    }
}

/// Why a door stays closed, and which option opens another one.
fn refusal(protocol: &str, address: SocketAddr, option: &str) -> String {
    format!("{protocol} cannot listen on {address}; {option} names another address")
}

impl Doors {
    /// Binds every address.
    pub async fn open(config: &Config) -> Result<Self> {
        let http = async |address, tls: Option<Tls>| {
            let option = if tls.is_some() { "--https" } else { "--http" };
            let listening = HttpListener::bind(address, tls).await;
            listening.with_context(|| refusal("HTTP", address, option))
        };
        let mqtt = async |address, tls: Option<Tls>| {
            let option = if tls.is_some() { "--mqtts" } else { "--mqtt" };
            let listening = MqttListener::bind(address, tls).await;
            listening.with_context(|| refusal("MQTT", address, option))
        };
        let mut doors = Doors {
            http: http(config.http, None).await?,
            mqtt: mqtt(config.mqtt, None).await?,
            coap: CoapListener::bind(CoapConfig::new(config.coap))
                .await
                .with_context(|| refusal("CoAP", config.coap, "--coap"))?,
            https: None,
            mqtts: None,
            coaps: None,
            reread: Reread::default(),
        };
        if let Some(secure) = &config.secure {
            let certificates = Certificates::load(secure.files.clone()).context("TLS cannot be served")?;
            if let Some(address) = secure.https {
                doors.https = Some(http(address, Some(Tls::new(&certificates, Purpose::Http)?)).await?);
            }
            if let Some(address) = secure.mqtts {
                doors.mqtts = Some(mqtt(address, Some(Tls::new(&certificates, Purpose::Mqtt)?)).await?);
            }
            doors.reread.certificates = Some(certificates);
        }
        if let Some(coaps) = config.coaps.clone() {
            let address = coaps.address;
            let files = crate::wire::blocking(move || DtlsFiles::load(coaps)).await??;
            let listening = CoapListener::bind(CoapConfig::secured(address, files.served())).await;
            doors.coaps = Some(listening.with_context(|| refusal("CoAP over DTLS", address, "--coaps"))?);
            doors.reread.dtls = Some(files);
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
            peers: None,
        })
    }

    /// What is read again while they are open.
    pub fn reread(&self) -> Reread {
        self.reread.clone()
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
