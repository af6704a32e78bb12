//! The enums of messages, [MS-PSRP] 2.2.3: numbers with the names that PowerShell gives them.

use crate::clixml::{Object, Value};

macro_rules! enumeration {
    (
        $(#[$doc:meta])* $name:ident $type_name:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A number that has no name here.
            Other(i32),
        }

        impl $name {
            /// The value of this number.
            #[must_use]
            pub const fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The name, or the number where there is none.
            #[must_use]
            pub fn name(self) -> String {
                match self {
                    $(Self::$variant => $text.to_owned(),)*
                    Self::Other(number) => number.to_string(),
                }
            }
        }

        impl From<$name> for Value {
            fn from(value: $name) -> Self {
                Object::enumeration($type_name, &value.name(), value.number()).into()
            }
        }
    };
}

enumeration! {
    /// The threading model of a pipeline, [MS-PSRP] 2.2.3.7.
    ApartmentState "System.Management.Automation.Runspaces.ApartmentState" {
        /// Single-threaded.
        Sta = 0 "STA",
        /// Multi-threaded.
        Mta = 1 "MTA",
        /// As the server likes.
        Unknown = 2 "UNKNOWN",
    }
}

enumeration! {
    /// What kind of failure an error is, [MS-PSRP] 2.2.3.9.
    ErrorCategory "System.Management.Automation.ErrorCategory" {
        /// None of the others.
        NotSpecified = 0 "NotSpecified",
        /// Something could not be opened.
        OpenError = 1 "OpenError",
        /// Something could not be closed.
        CloseError = 2 "CloseError",
        /// A device failed.
        DeviceError = 3 "DeviceError",
        /// Two wait for each other.
        DeadlockDetected = 4 "DeadlockDetected",
        /// An argument is not valid.
        InvalidArgument = 5 "InvalidArgument",
        /// Data is not valid.
        InvalidData = 6 "InvalidData",
        /// The operation is not valid here.
        InvalidOperation = 7 "InvalidOperation",
        /// A result is not valid.
        InvalidResult = 8 "InvalidResult",
        /// A type is not valid.
        InvalidType = 9 "InvalidType",
        /// Metadata is wrong.
        MetadataError = 10 "MetadataError",
        /// It is not implemented.
        NotImplemented = 11 "NotImplemented",
        /// It is not installed.
        NotInstalled = 12 "NotInstalled",
        /// It is not there.
        ObjectNotFound = 13 "ObjectNotFound",
        /// It was stopped.
        OperationStopped = 14 "OperationStopped",
        /// It took too long.
        OperationTimeout = 15 "OperationTimeout",
        /// The syntax is wrong.
        SyntaxError = 16 "SyntaxError",
        /// The parser gave up.
        ParserError = 17 "ParserError",
        /// It is not permitted.
        PermissionDenied = 18 "PermissionDenied",
        /// A resource is in use.
        ResourceBusy = 19 "ResourceBusy",
        /// A resource is there already.
        ResourceExists = 20 "ResourceExists",
        /// A resource cannot be had.
        ResourceUnavailable = 21 "ResourceUnavailable",
        /// Reading failed.
        ReadError = 22 "ReadError",
        /// Writing failed.
        WriteError = 23 "WriteError",
        /// A native program wrote to its standard error.
        FromStdErr = 24 "FromStdErr",
        /// A security rule was violated.
        SecurityError = 25 "SecurityError",
        /// A protocol was violated.
        ProtocolError = 26 "ProtocolError",
        /// A connection failed.
        ConnectionError = 27 "ConnectionError",
        /// A login failed.
        AuthenticationError = 28 "AuthenticationError",
        /// A limit was exceeded.
        LimitsExceeded = 29 "LimitsExceeded",
        /// A quota was exceeded.
        QuotaExceeded = 30 "QuotaExceeded",
        /// It is not enabled.
        NotEnabled = 31 "NotEnabled",
    }
}

enumeration! {
    /// A stream of a command, [MS-PSRP] 2.2.3.31; on the wire counted, not as bits.
    PipelineResultTypes "System.Management.Automation.Runspaces.PipelineResultTypes" {
        /// No stream.
        None = 0 "None",
        /// Output.
        Output = 1 "Output",
        /// Errors.
        Error = 2 "Error",
        /// Warnings.
        Warning = 3 "Warning",
        /// Verbose messages.
        Verbose = 4 "Verbose",
        /// Debug messages.
        Debug = 5 "Debug",
        /// Information.
        Information = 6 "Information",
        /// Every stream.
        All = 7 "All",
        /// Nowhere.
        Null = 8 "Null",
    }
}

enumeration! {
    /// The state of a pipeline, [MS-PSRP] 2.2.3.5.
    PipelineState "System.Management.Automation.PSInvocationState" {
        /// It has not begun.
        NotStarted = 0 "NotStarted",
        /// It runs.
        Running = 1 "Running",
        /// It shall stop.
        Stopping = 2 "Stopping",
        /// It was stopped.
        Stopped = 3 "Stopped",
        /// It has ended.
        Completed = 4 "Completed",
        /// It has failed.
        Failed = 5 "Failed",
        /// Nobody listens to it.
        Disconnected = 6 "Disconnected",
    }
}

enumeration! {
    /// In which threads pipelines run, [MS-PSRP] 2.2.3.6.
    PsThreadOptions "System.Management.Automation.Runspaces.PSThreadOptions" {
        /// As the server likes.
        Default = 0 "Default",
        /// Each in a new one.
        UseNewThread = 1 "UseNewThread",
        /// All in the same.
        ReuseThread = 2 "ReuseThread",
        /// In the caller's.
        UseCurrentThread = 3 "UseCurrentThread",
    }
}

enumeration! {
    /// The state of a runspace pool, [MS-PSRP] 2.2.3.4.
    RunspacePoolState "System.Management.Automation.Runspaces.RunspacePoolState" {
        /// It has not begun.
        BeforeOpen = 0 "BeforeOpen",
        /// It is being opened.
        Opening = 1 "Opening",
        /// It takes pipelines.
        Opened = 2 "Opened",
        /// It is closed.
        Closed = 3 "Closed",
        /// It is being closed.
        Closing = 4 "Closing",
        /// It has failed.
        Broken = 5 "Broken",
        /// A side has told what it can.
        NegotiationSent = 6 "NegotiationSent",
        /// Both sides have told what they can.
        NegotiationSucceeded = 7 "NegotiationSucceeded",
        /// Another client takes it over.
        Connecting = 8 "Connecting",
        /// Nobody listens to it.
        Disconnected = 9 "Disconnected",
    }
}

macro_rules! bits {
    (
        $(#[$doc:meta])* $name:ident $type_name:literal $none:literal {
            $($(#[$bit_doc:meta])* $bit:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(
            /// The bits.
            pub i32,
        );

        impl $name {
            $($(#[$bit_doc])* pub const $bit: Self = Self($number);)*

            /// The names of the bits, or the number where some have none.
            #[must_use]
            pub fn name(self) -> String {
                let exact: &[(i32, &str)] = &[$(($number, $text)),*];
                if let Some((_, name)) = exact.iter().find(|(number, _)| *number == self.0) {
                    return (*name).to_owned();
                }
                if self.0 == 0 {
                    return $none.to_owned();
                }
                let named = exact.iter().filter(|(number, _)| {
                    number.count_ones() == 1 && self.0 & number != 0
                });
                let (bits, names) = named.fold((0, Vec::new()), |(bits, mut names), (bit, name)| {
                    names.push(*name);
                    (bits | bit, names)
                });
                if bits == self.0 { names.join(", ") } else { self.0.to_string() }
            }

            /// Whether all bits of `other` are set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl From<$name> for Value {
            fn from(value: $name) -> Self {
                Object::enumeration($type_name, &value.name(), value.0).into()
            }
        }
    };
}

bits! {
    /// Which records tell by what command they were written, [MS-PSRP] 2.2.3.8.
    RemoteStreamOptions "System.Management.Automation.RemoteStreamOptions" "0" {
        /// Errors.
        ERROR = 1 "AddInvocationInfoToErrorRecord",
        /// Warnings.
        WARNING = 2 "AddInvocationInfoToWarningRecord",
        /// Debug messages.
        DEBUG = 4 "AddInvocationInfoToDebugRecord",
        /// Verbose messages.
        VERBOSE = 8 "AddInvocationInfoToVerboseRecord",
        /// All of them.
        ALL = 15 "AddInvocationInfo",
    }
}

bits! {
    /// Kinds of commands, [MS-PSRP] 2.2.3.19.
    CommandTypes "System.Management.Automation.CommandTypes" "0" {
        /// Aliases.
        ALIAS = 1 "Alias",
        /// Functions.
        FUNCTION = 2 "Function",
        /// Filters.
        FILTER = 4 "Filter",
        /// Cmdlets.
        CMDLET = 8 "Cmdlet",
        /// Script files.
        EXTERNAL_SCRIPT = 16 "ExternalScript",
        /// Programs.
        APPLICATION = 32 "Application",
        /// Scripts.
        SCRIPT = 64 "Script",
        /// Configurations.
        CONFIGURATION = 256 "Configuration",
        /// All of them.
        ALL = 383 "All",
    }
}

impl PipelineState {
    /// Whether nothing follows: completed, failed or stopped.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_the_names_of_powershell() {
        assert_eq!(RemoteStreamOptions(0).name(), "0");
        assert_eq!(RemoteStreamOptions::ALL.name(), "AddInvocationInfo");
        assert_eq!(
            RemoteStreamOptions(3).name(),
            "AddInvocationInfoToErrorRecord, AddInvocationInfoToWarningRecord"
        );
        assert_eq!(CommandTypes(271).name(), "Alias, Function, Filter, Cmdlet, Configuration");
        assert_eq!(CommandTypes(1 << 20).name(), "1048576");
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(PipelineState::from_number(99), PipelineState::Other(99));
        assert_eq!(PipelineState::Other(99).number(), 99);
        assert_eq!(PipelineState::Other(99).name(), "99");
    }
}
