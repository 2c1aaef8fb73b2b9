//! From a component that speaks a protocol to something that can be instantiated.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::Component;

use crate::bindings::stream_adapter::StreamAdapterPre;
use crate::budget::allow;
use crate::component::{AdapterDescriptor, name_of};
use crate::engine::Host;
use crate::error::LoadError;
use crate::guest::{Guest, explain, store};

/// A stream adapter, ready to be instantiated.
#[derive(Clone)]
pub struct StreamComponent(pub(crate) Arc<StreamInner>);

pub(crate) struct StreamInner {
    pub(crate) host: Host,
    pub(crate) pre: StreamAdapterPre<Guest>,
    descriptor: AdapterDescriptor,
}

impl StreamComponent {
    /// What it says of itself.
    pub fn descriptor(&self) -> &AdapterDescriptor {
        &self.0.descriptor
    }

    /// Whether both are the same loaded component.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for StreamComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamComponent").field(&self.0.descriptor.name).finish()
    }
}

impl Host {
    pub(crate) fn stream(&self, component: &Component) -> Result<StreamComponent, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let pre = StreamAdapterPre::new(self.0.stream_linker.instantiate_pre(component).map_err(misfit)?).map_err(misfit)?;
        let mut store = store(&self.0.engine, self.anonymous(), self.limits());
        allow(&mut store, self.limits().open_ms);
        let described = pre
            .instantiate(&mut store)
            .and_then(|instance| instance.pacificsoft_plugin_protocol().call_describe(&mut store));
        let told = described.map_err(|error| explain(&error, store.data(), self.limits(), self.limits().open_ms))?;
        let descriptor = AdapterDescriptor {
            name: name_of("the adapter's name", told.name).map_err(LoadError::Description)?,
            title: told.title,
            description: told.description,
        };
        Ok(StreamComponent(Arc::new(StreamInner {
            host: self.clone(),
            pre,
            descriptor,
        })))
    }
}
