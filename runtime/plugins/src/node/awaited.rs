//! Calls into an instance whose answers have to be waited for: made on a stack of their own, which is put aside meanwhile.

use std::sync::Arc;

use model::Message;
use uuid::Uuid;
use wasmtime::component::{InstancePre, TypedFunc};
use wasmtime::{Result, Store};

use crate::budget::{allow, allow_in_pieces};
use crate::component::RuleComponent;
use crate::error::{OpenError, ProcessError};
use crate::guest::{Guest, explain, store};
use crate::outcome::Outcome;

use super::{Called, NodeInstance, cut, device_of};

/// The interface that rule nodes export.
const NODES: &str = "pacificsoft:plugin/nodes@0.1.0";

/// A node type's name and its configuration; what it says of them.
type Open = TypedFunc<(String, String), (std::result::Result<(), String>,)>;

/// What is called of an instance while it serves.
pub(super) struct Awaited {
    process: TypedFunc<(), (u32,)>,
    on_timer: TypedFunc<(String,), (u32,)>,
}

impl Awaited {
    /// Instantiates and opens a node.
    pub(super) async fn open(
        component: &RuleComponent,
        pre: &InstancePre<Guest>,
        type_name: &str,
        configuration: &str,
        guest: Guest,
    ) -> std::result::Result<(Self, Store<Guest>), OpenError> {
        let limits = component.limits();
        let mut store = store(&component.0.host.0.engine, guest, limits);
        let ran = allow_in_pieces(&mut store, limits.open_ms);
        let opened = ran.count(Self::opened(pre, &mut store, type_name, configuration)).await;
        match opened {
            Ok((calls, Ok(()))) => Ok((calls, store)),
            Ok((_, Err(reason))) => Err(OpenError::Configuration(cut(reason))),
            Err(error) => Err(explain(&error, store.data(), limits, limits.open_ms).into()),
        }
    }

    async fn opened(
        pre: &InstancePre<Guest>,
        store: &mut Store<Guest>,
        type_name: &str,
        configuration: &str,
    ) -> Result<(Self, std::result::Result<(), String>)> {
        let instance = pre.instantiate_async(&mut *store).await?;
        let missing = |name: &str| wasmtime::Error::msg(format!("it does not export {name}"));
        let nodes = instance.get_export_index(&mut *store, None, NODES).ok_or_else(|| missing(NODES))?;
        let export = |store: &mut Store<Guest>, name: &str| {
            instance
                .get_export_index(&mut *store, Some(&nodes), name)
                .ok_or_else(|| missing(name))
        };
        let (open, process, on_timer) = (export(store, "open")?, export(store, "process")?, export(store, "on-timer")?);
        let open: Open = instance.get_typed_func(&mut *store, open)?;
        let calls = Awaited {
            process: instance.get_typed_func(&mut *store, process)?,
            on_timer: instance.get_typed_func(&mut *store, on_timer)?,
        };
        let (told,) = open
            .call_async(&mut *store, (type_name.to_owned(), configuration.to_owned()))
            .await?;
        Ok((calls, told))
    }
}

impl NodeInstance {
    /// As [`NodeInstance::process`], where what is read has to be waited for.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub async fn process_awaiting(&mut self, message: &Arc<Message>) -> std::result::Result<Outcome, ProcessError> {
        let result = self.call_awaiting(message, device_of(message), None).await;
        self.end_call(&result);
        result
    }

    /// As [`NodeInstance::on_timer`], where what is read has to be waited for.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub async fn on_timer_awaiting(&mut self, name: &str, message: &Arc<Message>) -> std::result::Result<Outcome, ProcessError> {
        let about = self.begin_timer(name);
        let result = self.call_awaiting(message, about, Some(name)).await;
        self.end_timer(name, &result);
        result
    }

    async fn call_awaiting(
        &mut self,
        message: &Arc<Message>,
        about: Option<Uuid>,
        timer: Option<&str>,
    ) -> std::result::Result<Outcome, ProcessError> {
        self.store.data_mut().take_in_hand(message, about);
        let limits = self.component.limits();
        let decided = match &self.called {
            // Nothing that it imports has to be waited for; what it answers may have to be.
            Called::AtOnce(instance) => {
                allow(&mut self.store, limits.process_ms);
                let nodes = instance.pacificsoft_plugin_nodes();
                match timer {
                    None => nodes.call_process(&mut self.store),
                    Some(name) => nodes.call_on_timer(&mut self.store, name),
                }
            }
            Called::Awaited(calls) => {
                let ran = allow_in_pieces(&mut self.store, limits.process_ms);
                let called = async {
                    let (relation,) = match timer {
                        None => calls.process.call_async(&mut self.store, ()).await?,
                        Some(name) => calls.on_timer.call_async(&mut self.store, (name.to_owned(),)).await?,
                    };
                    Ok(relation)
                };
                ran.count(called).await
            }
        };
        self.decided(message, decided).await
    }
}
