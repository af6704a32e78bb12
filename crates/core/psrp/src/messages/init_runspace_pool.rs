//! INIT_RUNSPACEPOOL, [MS-PSRP] 2.2.2.2.

use super::bag::Bag;
use super::{ApartmentState, Body, Error, HostInfo, PsThreadOptions};
use crate::clixml::{Object, Properties, Value};

/// Opens a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct InitRunspacePool {
    /// The least runspaces, 1 or more.
    pub min_runspaces: i32,
    /// The most runspaces, not less than the least.
    pub max_runspaces: i32,
    /// In which threads pipelines run.
    pub thread_options: PsThreadOptions,
    /// The threading model of pipelines.
    pub apartment_state: ApartmentState,
    /// What the client's host can.
    pub host_info: HostInfo,
    /// What the client tells the application: a dictionary of primitives, or null. Scripts see it as
    /// `$PSSenderInfo.ApplicationArguments`.
    pub application_arguments: Value,
}

impl Body for InitRunspacePool {
    fn to_value(&self) -> Value {
        let bag = Properties::default()
            .with("MinRunspaces", self.min_runspaces)
            .with("MaxRunspaces", self.max_runspaces)
            .with("PSThreadOptions", self.thread_options)
            .with("ApartmentState", self.apartment_state)
            .with("HostInfo", self.host_info.to_value())
            .with("ApplicationArguments", self.application_arguments.clone());
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("INIT_RUNSPACEPOOL", &value)?;
        Ok(Self {
            min_runspaces: bag.i32("MinRunspaces")?,
            max_runspaces: bag.i32("MaxRunspaces")?,
            thread_options: PsThreadOptions::from_number(bag.i32("PSThreadOptions")?),
            apartment_state: ApartmentState::from_number(bag.i32("ApartmentState")?),
            host_info: HostInfo::from_bag(bag.part("HostInfo")?)?,
            application_arguments: bag.value("ApplicationArguments"),
        })
    }
}
