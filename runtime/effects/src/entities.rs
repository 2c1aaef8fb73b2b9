//! Effects on entities themselves: relations, customers, entities that are to be there. All of them can be repeated.

use std::sync::Arc;

use model::entity::{Relation, RelationGroup};
use model::{CustomerId, EntityId, EntityKind, Message, TenantId};
use plugins::{EntityRef, RelationChange};
use storage::Mutation;

use crate::{EffectError, Effects, Performed};

impl Effects {
    /// Relates two entities that are there.
    pub(crate) async fn relate(&self, change: RelationChange) -> Result<Performed, EffectError> {
        let (from, to) = (self.existing(change.source).await?, self.existing(change.target).await?);
        self.write(Mutation::PutRelation {
            tenant: from.tenant,
            relation: Arc::new(relation(from, to, change.relation_type)),
        })
        .await
    }

    /// Relates two entities no more. What is not there is related to nothing.
    pub(crate) async fn part(&self, change: RelationChange) -> Result<Performed, EffectError> {
        let (Some(from), Some(to)) = (self.found(change.source).await?, self.found(change.target).await?) else {
            return Ok(Performed::SUCCESS);
        };
        self.write(Mutation::DeleteRelation {
            tenant: from.tenant,
            relation: Arc::new(relation(from, to, change.relation_type)),
        })
        .await
    }

    /// Assigns an entity to a customer.
    pub(crate) async fn assign(&self, entity: EntityId, customer: EntityRef, message: &Arc<Message>) -> Result<Performed, EffectError> {
        let customer = self.existing(customer).await?;
        let customer = CustomerId::try_from(customer).map_err(|other| invalid(format!("{other:?} is not a customer")))?;
        let now = self.keeper()?.assign(entity, Some(customer), None).await?;
        Ok(owned(entity, now, message))
    }

    /// Takes an entity from a customer, or from whoever has it.
    pub(crate) async fn unassign(
        &self,
        entity: EntityId,
        customer: Option<EntityRef>,
        message: &Arc<Message>,
    ) -> Result<Performed, EffectError> {
        let only_from = match customer {
            None => None,
            Some(named) => match self.found(named).await?.map(CustomerId::try_from) {
                Some(Ok(customer)) => Some(customer),
                Some(Err(other)) => return Err(invalid(format!("{other:?} is not a customer"))),
                // A customer that is not there has nothing.
                None => return Ok(Performed::SUCCESS),
            },
        };
        let now = self.keeper()?.assign(entity, None, only_from).await?;
        Ok(owned(entity, now, message))
    }

    /// Finds an entity by its name, or makes it.
    pub(crate) async fn ensure(
        &self,
        (tenant, kind): (TenantId, EntityKind),
        name: &str,
        subtype: &str,
        becomes_originator: bool,
        message: &Arc<Message>,
    ) -> Result<Performed, EffectError> {
        let entity = self.keeper()?.ensure(tenant, kind, name, subtype).await?;
        if !becomes_originator {
            return Ok(Performed::SUCCESS);
        }
        let customer = self.store().entity(entity).await?.and_then(|record| record.customer);
        Ok(Performed {
            relation: "Success",
            message: Some(Arc::new(Message {
                originator: entity,
                customer: customer.map(|customer| CustomerId::new(tenant, customer)),
                ..Message::clone(message)
            })),
        })
    }

    /// An entity that must be there.
    async fn existing(&self, named: EntityRef) -> Result<EntityId, EffectError> {
        let told = match &named {
            EntityRef::Id(id) => format!("{id:?}"),
            EntityRef::Named { kind, name, .. } => format!("{} {name:?}", kind.as_str()),
        };
        let found = match named {
            EntityRef::Id(id) if id.kind == EntityKind::Tenant => (id.id == id.tenant.0).then_some(id),
            EntityRef::Id(id) => self.store().entity(id).await?.map(|record| record.id),
            named => self.found(named).await?,
        };
        found.ok_or_else(|| invalid(format!("{told} is not there")))
    }

    /// An entity, by its id as it stands, or by its name.
    async fn found(&self, named: EntityRef) -> Result<Option<EntityId>, EffectError> {
        match named {
            EntityRef::Id(id) => Ok(Some(id)),
            EntityRef::Named { tenant, kind, name } => {
                let record = self.store().entity_by_name(tenant, kind, &name).await?;
                Ok(record.map(|record| record.id))
            }
        }
    }
}

fn invalid(text: String) -> EffectError {
    EffectError::Invalid(text)
}

fn relation(from: EntityId, to: EntityId, relation_type: String) -> Relation {
    Relation {
        from: from.into(),
        to: to.into(),
        relation_type,
        type_group: RelationGroup::Common,
        additional_info: None,
    }
}

/// A message whose originator has a customer from now on, or none.
fn owned(entity: EntityId, customer: Option<CustomerId>, message: &Arc<Message>) -> Performed {
    if message.originator != entity {
        return Performed::SUCCESS;
    }
    Performed {
        relation: "Success",
        message: Some(Arc::new(Message {
            customer,
            ..Message::clone(message)
        })),
    }
}
