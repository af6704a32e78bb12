//! PROGRESS_RECORD, [MS-PSRP] 2.2.2.25.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Progress, Properties, Value};

/// How far a pipeline is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgressRecord(pub Progress);

impl ProgressRecord {
    /// The record that an object tells, as a host call has it.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        Self::from_value(value.clone()).ok()
    }
}

const TYPE: &str = "System.Management.Automation.ProgressRecordType";

impl Body for ProgressRecord {
    fn to_value(&self) -> Value {
        let Progress {
            activity,
            activity_id,
            current_operation,
            parent_activity_id,
            percent_complete,
            is_completed,
            seconds_remaining,
            status,
        } = &self.0;
        let (name, number) = if *is_completed { ("Completed", 1) } else { ("Processing", 0) };
        let bag = Properties::default()
            .with("Activity", activity.clone())
            .with("ActivityId", *activity_id)
            .with("StatusDescription", status.clone())
            .with("CurrentOperation", current_operation.clone())
            .with("ParentActivityId", *parent_activity_id)
            .with("PercentComplete", *percent_complete)
            .with("Type", Object::enumeration(TYPE, name, number))
            .with("SecondsRemaining", *seconds_remaining);
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("PROGRESS_RECORD", &value)?;
        Ok(Self(Progress {
            activity: bag.optional_text("Activity")?.unwrap_or_default(),
            activity_id: bag.i32("ActivityId")?,
            current_operation: bag.optional_text("CurrentOperation")?,
            parent_activity_id: bag.i32_or("ParentActivityId", -1)?,
            percent_complete: bag.i32_or("PercentComplete", -1)?,
            is_completed: bag.i32("Type")? == 1,
            seconds_remaining: bag.i32_or("SecondsRemaining", -1)?,
            status: bag.optional_text("StatusDescription")?.unwrap_or_default(),
        }))
    }
}
