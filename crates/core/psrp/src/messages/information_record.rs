//! INFORMATION_RECORD, [MS-PSRP] 2.2.2.26.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Text, Value};

/// What `Write-Information` or `Write-Host` wrote; since version 2.3.
#[derive(Debug, Clone, PartialEq)]
pub struct InformationRecord {
    /// What was written. `Write-Host` has an object with a message and colours.
    pub message_data: Value,
    /// The command or script that wrote it.
    pub source: Option<Text>,
    /// When, a `DT`.
    pub time_generated: Value,
    /// Tags: `PSHOST` is that of `Write-Host`.
    pub tags: Vec<Text>,
    /// Who runs the pipeline.
    pub user: Option<Text>,
    /// Where.
    pub computer: Option<Text>,
    /// In which process.
    pub process_id: i64,
    /// In which thread of the system.
    pub native_thread_id: i64,
    /// In which thread of .NET.
    pub managed_thread_id: i64,
}

impl Body for InformationRecord {
    fn to_value(&self) -> Value {
        let number =
            |number: i64| u32::try_from(number).map_or(Value::Int64(number), Value::UInt32);
        let tags = self.tags.iter().cloned().map(Value::String).collect();
        let bag = Properties::default()
            .with("MessageData", self.message_data.clone())
            .with("Source", self.source.clone())
            .with("TimeGenerated", self.time_generated.clone())
            .with("Tags", Object::list(TAGS, tags))
            .with("User", self.user.clone())
            .with("Computer", self.computer.clone())
            .with("ProcessId", number(self.process_id))
            .with("NativeThreadId", number(self.native_thread_id))
            .with("ManagedThreadId", number(self.managed_thread_id));
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("INFORMATION_RECORD", &value)?;
        let number = |name| bag.optional(name).and_then(Value::as_i64).unwrap_or_default();
        Ok(Self {
            message_data: bag.value("MessageData"),
            source: bag.optional_text("Source")?,
            time_generated: bag.value("TimeGenerated"),
            tags: bag.texts("Tags")?,
            user: bag.optional_text("User")?,
            computer: bag.optional_text("Computer")?,
            process_id: number("ProcessId"),
            native_thread_id: number("NativeThreadId"),
            managed_thread_id: number("ManagedThreadId"),
        })
    }
}

const TAGS: &str = "System.Collections.Generic.List`1[[System.String, mscorlib, \
    Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089]]";
