//! What the first start creates: a system administrator; with `--demo`, something to play with.

use std::time::Duration;

use anyhow::{Context, Result};
use api::seed;
use model::TenantId;
use model::entity::Authority;
use rand::Rng;
use rand::distr::Alphanumeric;

use crate::config::{Config, Storage};
use crate::doors::Addresses;
use crate::wire::{Listening, Server};

const ADMIN: &str = "sysadmin@pacificsoft.org";
const TENANT_ADMIN: &str = "tenant@pacificsoft.org";
const CUSTOMER_USER: &str = "customer@pacificsoft.org";
const DEMO_TOKEN: &str = "A1_TEST_TOKEN";
/// Characters of a password that is made.
const PASSWORD_LEN: usize = 20;

/// What the person who started the server must be told, once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// A password that was made.
    password: Option<String>,
}

/// Creates what is missing. Does nothing the second time.
pub async fn first_start(server: &Server, config: &Config) -> Result<Told> {
    let mut told = Told::default();
    if server.store.login(ADMIN).await?.is_none() {
        let password = match (&config.admin_password, config.demo) {
            (Some(given), _) => given.clone(),
            (None, true) => "sysadmin".to_owned(),
            (None, false) => {
                let made: String = rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LEN).map(char::from).collect();
                told.password = Some(made.clone());
                made
            }
        };
        login(server, TenantId::SYSTEM, None, Authority::SysAdmin, ADMIN, "System", &password).await?;
    }
    if config.demo && server.store.login(TENANT_ADMIN).await?.is_none() {
        demo(server).await.context("the demo data was not created")?;
    }
    Ok(told)
}

async fn demo(server: &Server) -> Result<()> {
    let (store, clock) = (&*server.store, &*server.clock);
    let tenant = seed::create_demo_tenant(store, server.components.shipped(), clock, "Demo").await?;
    let customer = seed::create_customer(store, clock, tenant, "Demo customer").await?;
    seed::create_device(store, clock, tenant, "Demo device", Some(customer), DEMO_TOKEN).await?;
    login(server, tenant, None, Authority::TenantAdmin, TENANT_ADMIN, "Demo tenant", "tenant").await?;
    login(
        server,
        tenant,
        Some(customer),
        Authority::CustomerUser,
        CUSTOMER_USER,
        "Demo customer",
        "customer",
    )
    .await
}

async fn login(
    server: &Server,
    tenant: TenantId,
    customer: Option<uuid::Uuid>,
    authority: Authority,
    email: &str,
    name: &str,
    password: &str,
) -> Result<()> {
    seed::create_login(
        &*server.store,
        &*server.clock,
        tenant,
        customer,
        authority,
        email,
        name,
        "",
        password,
    )
    .await
    .with_context(|| format!("the user {email} was not created"))?;
    Ok(())
}

/// Says that the server is there, and what to do next.
pub fn greet(listening: &Listening, config: &Config, told: Told, took: Duration) {
    let Addresses {
        http,
        mqtt,
        coap,
        https,
        mqtts,
        coaps,
        peers,
    } = listening.addresses;
    println!(
        "Pacificsoft is serving: REST and HTTP devices on http://{http}, MQTT devices on {mqtt}, CoAP devices on {coap} (ready after {} ms)",
        took.as_millis()
    );
    if let Some(https) = https {
        println!("Over TLS: REST and HTTP devices on https://{https}");
    }
    if let Some(mqtts) = mqtts {
        println!("Over TLS: MQTT devices on {mqtts}");
    }
    if let Some(coaps) = coaps {
        println!("Over DTLS: CoAP devices on {coaps}");
    }
    if let Some(peers) = peers {
        println!("Other servers of the cluster on {peers}; their state: pacificsoft cluster status {peers}");
    }
    match &config.storage {
        Storage::Embedded => println!("Data is kept in {}", config.data_dir.display()),
        Storage::Cassandra { url, .. } => println!("Data is kept in {url}; what is this server's own, in {}", config.data_dir.display()),
    }
    if let Some(password) = told.password {
        println!("\nSystem administrator: {ADMIN}, password {password}\nThis password is shown only now.");
    }
    if config.demo {
        println!(
            "\nDemo users: {ADMIN} / sysadmin, {TENANT_ADMIN} / tenant, {CUSTOMER_USER} / customer. Demo device: token {DEMO_TOKEN}\n\n\
             Next, in another terminal:\n\
             \x20 curl -d '{{\"temperature\": 21}}' http://{http}/api/v1/{DEMO_TOKEN}/telemetry\n\
             \x20 mosquitto_pub -h {} -p {} -q 1 -u {DEMO_TOKEN} -t v1/devices/me/telemetry -m '{{\"temperature\": 30}}'\n\
             \x20 curl -d '{{\"username\": \"{TENANT_ADMIN}\", \"password\": \"tenant\"}}' http://{http}/api/auth/login\n\
             The README goes on from there.",
            mqtt.ip(),
            mqtt.port(),
        );
    }
}
