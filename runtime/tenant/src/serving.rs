//! Tenants' nodes, as the components' service reaches them.

use std::sync::Arc;

use actor::Control;
use async_trait::async_trait;
use cluster::{Change, What};
use components::{Misfit, Prepared, Serving};
use model::TenantId;
use plugins::Catalog;

use crate::app::App;
use crate::swap::SwapPlan;
use crate::tenant::{CommitSwap, PlanSwap, TenantActor};

/// The App in this role.
pub struct AppServing(pub App);

#[async_trait]
impl Serving for AppServing {
    async fn ensure(&self, tenant: TenantId) -> Result<(), String> {
        self.0.ensure(tenant).await.map_err(|error| error.to_string())
    }

    /// A tenant that is not in use has no node to try: its chains take what is active when they start.
    async fn prepare(&self, tenant: TenantId, catalog: Arc<Catalog>) -> Result<Box<dyn Prepared>, Vec<Misfit>> {
        let Some(control) = self.0.tenant(tenant) else {
            return Ok(Box::new(Waiting(None)));
        };
        let gone = |reason: &str| {
            vec![Misfit {
                chain: "all".to_owned(),
                node: None,
                reason: reason.to_owned(),
            }]
        };
        let plan = control.ask(PlanSwap(catalog)).await.map_err(|_| gone("the server is stopping"))??;
        let around = self.0.nodes().clone();
        let opened = tokio::task::spawn_blocking(move || plan.open(tenant, &around)).await;
        let plan = opened.map_err(|_| gone("opening the nodes was interrupted"))??;
        Ok(Box::new(Waiting(Some((control, plan)))))
    }

    async fn reload(&self, tenant: TenantId) {
        if !self.0.is_at_work(tenant) {
            return;
        }
        if let Err(error) = self.0.reload(tenant).await {
            tracing::error!(%tenant, %error, "the rule chains could not be read after a component was activated");
        }
    }

    fn announce(&self, owner: TenantId) {
        self.0.announce(Change::new(owner, What::Components));
    }
}

/// Instances that wait, and the tenant that will take them.
struct Waiting(Option<(Control<TenantActor>, SwapPlan)>);

#[async_trait]
impl Prepared for Waiting {
    async fn commit(self: Box<Self>) {
        if let Some((control, plan)) = self.0
            && control.ask(CommitSwap(plan)).await.is_err()
        {
            tracing::info!("a tenant stopped before its nodes switched");
        }
    }
}
