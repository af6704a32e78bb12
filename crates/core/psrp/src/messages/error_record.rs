//! ERROR_RECORD, [MS-PSRP] 2.2.2.20, 2.2.3.15.

use super::bag::Bag;
use super::{Body, Error, ErrorCategory};
use crate::clixml::{Fields, Object, Properties, Text, TypeNames, Value};

/// An error of a pipeline, of a pool or of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorRecord {
    /// What the error says of itself.
    pub to_string: Option<Text>,
    /// The exception, an object with a property `Message`.
    pub exception: Value,
    /// What the command was working on.
    pub target_object: Value,
    /// The error's name, and the command's behind a comma.
    pub fully_qualified_error_id: Option<Text>,
    /// The call that failed, an object.
    pub invocation_info: Value,
    /// The kind of failure.
    pub category: ErrorCategory,
    /// What was being done.
    pub activity: Option<Text>,
    /// Why it failed: mostly the exception's type.
    pub reason: Option<Text>,
    /// The name of the target.
    pub target_name: Option<Text>,
    /// The type of the target.
    pub target_type: Option<Text>,
    /// Category, target and activity in one line.
    pub category_message: Option<Text>,
    /// A message in the place of the exception's.
    pub details_message: Option<Text>,
    /// What to do about it.
    pub recommended_action: Option<Text>,
    /// Where in the script it happened.
    pub script_stack_trace: Option<Text>,
    /// All other properties, in their order: `InvocationInfo_…` where the client asked for it.
    pub others: Properties,
}

impl ErrorRecord {
    /// An error of this side, with the exception's type and message.
    #[must_use]
    pub fn new(exception: &str, message: &str, id: &str, category: ErrorCategory) -> Self {
        let short = exception.rsplit('.').next().unwrap_or(exception);
        let exception = Object::new(Fields {
            type_names: Some(TypeNames::new([exception, "System.Exception", "System.Object"])),
            to_string: Some(format!("{exception}: {message}").into()),
            adapted: Properties::default().with("Message", message),
            ..Fields::default()
        });
        let category_message = format!("{}: (:) [], {short}", category.name());
        Self {
            to_string: Some(message.into()),
            exception: exception.into(),
            target_object: Value::Null,
            fully_qualified_error_id: Some(id.into()),
            invocation_info: Value::Null,
            category,
            activity: Some(Text::EMPTY),
            reason: Some(short.into()),
            target_name: Some(Text::EMPTY),
            target_type: Some(Text::EMPTY),
            category_message: Some(category_message.into()),
            details_message: None,
            recommended_action: None,
            script_stack_trace: None,
            others: Properties::NONE,
        }
    }

    /// What to show: the message of the details, of the exception, or what the error says of itself.
    #[must_use]
    pub fn message(&self) -> Text {
        let exception = self.exception.as_object();
        let of_exception = || exception?.property("Message")?.as_text().cloned();
        let details = self.details_message.clone().filter(|text| !text.is_empty());
        details.or_else(of_exception).or_else(|| self.to_string.clone()).unwrap_or_default()
    }
}

/// The properties that have a field of their own.
const KNOWN: &[&str] = &[
    "Exception",
    "TargetObject",
    "FullyQualifiedErrorId",
    "InvocationInfo",
    "ErrorCategory_Category",
    "ErrorCategory_Activity",
    "ErrorCategory_Reason",
    "ErrorCategory_TargetName",
    "ErrorCategory_TargetType",
    "ErrorCategory_Message",
    "ErrorDetails_Message",
    "ErrorDetails_RecommendedAction",
    "ErrorDetails_ScriptStackTrace",
    "SerializeExtendedInfo",
];

impl Body for ErrorRecord {
    fn to_value(&self) -> Value {
        let mut bag = Properties::default()
            .with("Exception", self.exception.clone())
            .with("TargetObject", self.target_object.clone())
            .with("FullyQualifiedErrorId", self.fully_qualified_error_id.clone())
            .with("InvocationInfo", self.invocation_info.clone())
            .with("ErrorCategory_Category", self.category.number())
            .with("ErrorCategory_Activity", self.activity.clone())
            .with("ErrorCategory_Reason", self.reason.clone())
            .with("ErrorCategory_TargetName", self.target_name.clone())
            .with("ErrorCategory_TargetType", self.target_type.clone())
            .with("ErrorCategory_Message", self.category_message.clone());
        let details = [
            ("ErrorDetails_Message", &self.details_message),
            ("ErrorDetails_RecommendedAction", &self.recommended_action),
            ("ErrorDetails_ScriptStackTrace", &self.script_stack_trace),
        ];
        for (name, text) in details {
            if let Some(text) = text {
                bag.push(name, text.clone());
            }
        }
        bag.push("SerializeExtendedInfo", self.is_extended());
        for (name, value) in self.others.values() {
            bag.push(name.clone(), value.clone());
        }
        Object::new(Fields {
            type_names: Some(TypeNames::new([
                "System.Management.Automation.ErrorRecord",
                "System.Object",
            ])),
            to_string: self.to_string.clone(),
            extended: bag,
            ..Fields::default()
        })
        .into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("ERROR_RECORD", &value)?;
        let others =
            bag.fields().extended.iter().filter(|property| {
                KNOWN.iter().all(|known| !property.name().eq_ignore_case(known))
            });
        Ok(Self {
            to_string: bag.fields().to_string.clone(),
            exception: bag.value("Exception"),
            target_object: bag.value("TargetObject"),
            fully_qualified_error_id: bag.optional_text("FullyQualifiedErrorId")?,
            invocation_info: bag.value("InvocationInfo"),
            category: ErrorCategory::from_number(bag.i32_or("ErrorCategory_Category", 0)?),
            activity: bag.optional_text("ErrorCategory_Activity")?,
            reason: bag.optional_text("ErrorCategory_Reason")?,
            target_name: bag.optional_text("ErrorCategory_TargetName")?,
            target_type: bag.optional_text("ErrorCategory_TargetType")?,
            category_message: bag.optional_text("ErrorCategory_Message")?,
            details_message: bag.optional_text("ErrorDetails_Message")?,
            recommended_action: bag.optional_text("ErrorDetails_RecommendedAction")?,
            script_stack_trace: bag.optional_text("ErrorDetails_ScriptStackTrace")?,
            others: others.cloned().collect(),
        })
    }
}

impl From<&ErrorRecord> for Value {
    fn from(error: &ErrorRecord) -> Self {
        error.to_value()
    }
}

impl ErrorRecord {
    /// Whether the other properties tell of the call.
    fn is_extended(&self) -> bool {
        self.others.value("InvocationInfo_InvocationName").is_some()
    }
}
