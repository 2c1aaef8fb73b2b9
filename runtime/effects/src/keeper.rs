//! The port through which effects change entities: made and assigned where entities are known, above this crate.

use async_trait::async_trait;
use cluster::Notice;
use model::{CustomerId, EntityId, EntityKind, TenantId};

use crate::EffectError;

/// Makes and changes entities for rule nodes.
#[async_trait]
pub trait Keeper: Send + Sync + 'static {
    /// The entity of a name, made if there is none.
    ///
    /// # Errors
    /// [`EffectError::Invalid`] for a kind that nodes cannot make, or a name that no entity has; [`EffectError::Storage`].
    async fn ensure(&self, tenant: TenantId, kind: EntityKind, name: &str, subtype: &str) -> Result<EntityId, EffectError>;

    /// Assigns an entity to a customer, or to nobody. `only_from`: only if it is this one's now. Answers whose it is afterwards.
    ///
    /// # Errors
    /// [`EffectError::Invalid`] for a kind that cannot be assigned, and for what is not there; [`EffectError::Storage`].
    async fn assign(
        &self,
        entity: EntityId,
        customer: Option<CustomerId>,
        only_from: Option<CustomerId>,
    ) -> Result<Option<CustomerId>, EffectError>;

    /// Tells the chain of an entity that is no device something about it. Waits for room there; nobody waits for what it makes of it.
    async fn tell_chain(&self, entity: EntityId, notice: Notice);
}
