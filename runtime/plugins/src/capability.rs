//! What guests may ask the host: one file for each interface of the contract.

/// Defines a function that waits for its answer, by the method of [`crate::guest::Guest`] that has it.
macro_rules! asynchronous {
    ($interface:ident, $name:literal, ($($argument:ident: $type:ty),*) => $method:ident) => {
        $interface.func_wrap_async(
            $name,
            |mut store: wasmtime::StoreContextMut<'_, $crate::guest::Guest>, ($($argument,)*): ($($type,)*)| {
                Box::new(async move { Ok((store.data_mut().$method($($argument),*).await?,)) })
            },
        )?
    };
}

mod alarms;
mod answer;
mod clock;
mod credentials;
mod entities;
pub(crate) mod foreign;
mod history;
mod json;
mod log;
pub(crate) mod message;
mod metrics;
mod readings;
mod relations;
mod state;
mod uplink;

use wasmtime::component::Linker;

use crate::guest::Guest;

pub(crate) use readings::{entity_id, short};

/// The interfaces whose answers may have to be waited for.
pub(crate) const WAITING: [&str; 7] = ["alarms", "credentials", "customers", "entities", "history", "readings", "relations"];

/// Gives guests these interfaces, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    readings::awaited(linker)?;
    history::awaited(linker)?;
    entities::awaited(linker)?;
    relations::awaited(linker)?;
    alarms::awaited(linker)?;
    credentials::awaited(linker)
}
