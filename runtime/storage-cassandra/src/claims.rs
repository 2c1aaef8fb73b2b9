//! Names that belong to one: of entities within their tenant and kind, ids of credentials within the system.
//!
//! Who saves something under a name claims the name first, by a transaction, and then writes its own row, which says the name as well.
//! Only both together count: a claim whose owner's row says otherwise is left over from a program that died in between, or from one that
//! is at work just now. Such a claim is respected for [`GRACE_MS`], and then given to whoever asks.

use model::{EntityId, EntityKind, TenantId};
use storage::StorageError;
use uuid::Uuid;

use crate::bind::tiny;
use crate::queries::Query;
use crate::store::Inner;

/// How long a claim without its owner's row is respected; longer than any save may take.
const GRACE_MS: i64 = 120_000;
/// A save that has taken so long since its claim gives up, so that nobody else can have taken the claim over.
pub(crate) const SAVE_MS_MAX: i64 = 60_000;
/// Attempts to take a claim that others take at the same time.
const ATTEMPTS: usize = 5;
/// The space of credentials ids; other spaces are the numbers of entity kinds.
const CREDENTIALS: i8 = 0;

/// A name, within its space.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    tenant: TenantId,
    space: i8,
    text: String,
}

impl Name {
    /// Of an entity of a kind.
    pub(crate) fn entity(of: EntityId, name: &str) -> Self {
        Name {
            tenant: of.tenant,
            space: tiny(of.kind.number()),
            text: name.to_owned(),
        }
    }

    /// The id of credentials: the only name without a tenant.
    pub(crate) fn credentials(id: &str) -> Self {
        Name {
            tenant: TenantId::SYSTEM,
            space: CREDENTIALS,
            text: id.to_owned(),
        }
    }

    fn key(&self) -> (Uuid, i8, &str) {
        (self.tenant.0, self.space, &self.text)
    }
}

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) id: Uuid,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is the asker's since now.
    New,
    /// It was before.
    Before,
    /// It is somebody else's.
    Taken,
}

impl Inner {
    /// Who has claimed a name.
    pub(crate) async fn owner(&self, name: &Name) -> Result<Option<Owner>, StorageError> {
        let row = self.driver.first::<(Uuid, Uuid)>(Query::Claim, name.key()).await?;
        Ok(row.map(|(tenant, id)| Owner {
            tenant: TenantId(tenant),
            id,
        }))
    }

    /// Claims a name.
    pub(crate) async fn claim(&self, name: &Name, owner: Owner) -> Result<Claimed, StorageError> {
        let (tenant, space, text) = name.key();
        for _ in 0..ATTEMPTS {
            let now_ms = self.clock.now_ms();
            let create = (tenant, space, text, owner.tenant.0, owner.id, now_ms);
            if self.driver.decide(Query::CreateClaim, create).await? {
                return Ok(Claimed::New);
            }
            let state = self.driver.first::<(Uuid, Uuid, i64)>(Query::ClaimState, name.key()).await?;
            let Some((of, id, since)) = state else { continue };
            let other = Owner { tenant: TenantId(of), id };
            if other != owner && (now_ms.saturating_sub(since) < GRACE_MS || self.holds(name, other).await?) {
                return Ok(Claimed::Taken);
            }
            // The asker's own claim as well: an old one could be taken over before its row is written.
            let renew = (owner.tenant.0, owner.id, now_ms, tenant, space, text, of, id, since);
            if self.driver.decide(Query::RenewClaim, renew).await? {
                return Ok(if other == owner { Claimed::Before } else { Claimed::New });
            }
        }
        Err(StorageError::Unavailable("too many want the same name"))
    }

    /// Whether an owner's own row says the name.
    async fn holds(&self, name: &Name, owner: Owner) -> Result<bool, StorageError> {
        let said = match EntityKind::from_number(name.space.cast_unsigned()) {
            Some(kind) => {
                let state = self.state(EntityId::new(owner.tenant, kind, owner.id)).await?;
                state.map(|(_, name, _)| name)
            }
            None => self.held(owner.tenant, owner.id).await?.map(|(id, _)| id),
        };
        Ok(said.as_ref() == Some(&name.text))
    }

    /// Gives a name up, if it is the owner's.
    pub(crate) async fn release(&self, name: &Name, owner: Owner) -> Result<(), StorageError> {
        let (tenant, space, text) = name.key();
        let values = (tenant, space, text, owner.tenant.0, owner.id);
        self.driver.decide(Query::DeleteClaim, values).await.map(drop)
    }
}
