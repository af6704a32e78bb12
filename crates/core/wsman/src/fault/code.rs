//! Error codes: the number in `f:WSManFault`, its symbol and its meaning.

use std::fmt;

use super::codes::{ROWS, Row};

/// The number of a WS-Management, Win32 or HRESULT error, as `f:WSManFault` carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is a number")]
pub struct ErrorCode(pub u32);

macro_rules! constants {
    ($($name:ident = $code:literal $symbol:literal;)*) => {
        impl ErrorCode {
            $(#[doc = concat!("`", $symbol, "`")]
            pub const $name: Self = Self($code);)*
        }

        #[cfg(test)]
        const CONSTANTS: &[(ErrorCode, &str)] = &[$((ErrorCode::$name, $symbol)),*];
    };
}

constants! {
    FILE_NOT_FOUND = 2 "ERROR_FILE_NOT_FOUND";
    ACCESS_DENIED = 5 "ERROR_ACCESS_DENIED";
    NOT_SUPPORTED = 50 "ERROR_NOT_SUPPORTED";
    INVALID_PARAMETER = 87 "ERROR_INVALID_PARAMETER";
    BUSY = 170 "ERROR_BUSY";
    OPERATION_ABORTED = 995 "ERROR_OPERATION_ABORTED";
    SHUTDOWN_IN_PROGRESS = 1115 "ERROR_SHUTDOWN_IN_PROGRESS";
    CANCELLED = 1223 "ERROR_CANCELLED";
    INTERNAL_ERROR = 1359 "ERROR_INTERNAL_ERROR";
    NOT_ENOUGH_QUOTA = 0x8007_0718 "HRESULT(ERROR_NOT_ENOUGH_QUOTA)";
    RESOURCE_NOT_FOUND = 0x8033_8000 "ERROR_WSMAN_RESOURCE_NOT_FOUND";
    SOAP_VERSION_MISMATCH = 0x8033_800D "ERROR_WSMAN_SOAP_VERSION_MISMATCH";
    INVALID_MESSAGE_INFORMATION_HEADER = 0x8033_800F "ERROR_WSMAN_INVALID_MESSAGE_INFORMATION_HEADER";
    SOAP_FAULT_MUST_UNDERSTAND = 0x8033_8010 "ERROR_WSMAN_SOAP_FAULT_MUST_UNDERSTAND";
    MESSAGE_INFORMATION_HEADER_REQUIRED = 0x8033_8011 "ERROR_WSMAN_MESSAGE_INFORMATION_HEADER_REQUIRED";
    ACTION_NOT_SUPPORTED = 0x8033_8013 "ERROR_WSMAN_ACTION_NOT_SUPPORTED";
    OPERATION_TIMEDOUT = 0x8033_8029 "ERROR_WSMAN_OPERATION_TIMEDOUT";
    URI_LIMIT = 0x8033_802D "ERROR_WSMAN_URI_LIMIT";
    CONCURRENCY = 0x8033_8032 "ERROR_WSMAN_CONCURRENCY";
    ENCODING_LIMIT = 0x8033_8035 "ERROR_WSMAN_ENCODING_LIMIT";
    INVALID_RESOURCE_URI = 0x8033_803B "ERROR_WSMAN_INVALID_RESOURCE_URI";
    QUOTA_LIMIT = 0x8033_803F "ERROR_WSMAN_QUOTA_LIMIT";
    SCHEMA_VALIDATION_ERROR = 0x8033_8041 "ERROR_WSMAN_SCHEMA_VALIDATION_ERROR";
    UNSUPPORTED_FEATURE = 0x8033_8042 "ERROR_WSMAN_UNSUPPORTED_FEATURE";
    MAX_ENVELOPE_SIZE_EXCEEDED = 0x8033_8048 "ERROR_WSMAN_MAX_ENVELOPE_SIZE_EXCEEDED";
    SERVER_ENVELOPE_LIMIT = 0x8033_8049 "ERROR_WSMAN_SERVER_ENVELOPE_LIMIT";
    CHARACTER_SET = 0x8033_804C "ERROR_WSMAN_CHARACTER_SET";
    OPTIONS_NOT_SUPPORTED = 0x8033_8051 "ERROR_WSMAN_OPTIONS_NOT_SUPPORTED";
    OPTIONS_INVALID_NAME = 0x8033_8052 "ERROR_WSMAN_OPTIONS_INVALID_NAME";
    OPTIONS_INVALID_VALUE = 0x8033_8053 "ERROR_WSMAN_OPTIONS_INVALID_VALUE";
    INSUFFICIENT_SELECTORS = 0x8033_805A "ERROR_WSMAN_INSUFFCIENT_SELECTORS";
    UNEXPECTED_SELECTORS = 0x8033_805B "ERROR_WSMAN_UNEXPECTED_SELECTORS";
    DUPLICATE_SELECTORS = 0x8033_805F "ERROR_WSMAN_DUPLICATE_SELECTORS";
    UNSUPPORTED_ADDRESSING_MODE = 0x8033_8076 "ERROR_WSMAN_UNSUPPORTED_ADDRESSING_MODE";
    FRAGMENT_TRANSFER_NOT_SUPPORTED = 0x8033_8077 "ERROR_WSMAN_FRAGMENT_TRANSFER_NOT_SUPPORTED";
    MIN_ENVELOPE_SIZE = 0x8033_807E "ERROR_WSMAN_MIN_ENVELOPE_SIZE";
    MUSTUNDERSTAND_ON_LOCALE_UNSUPPORTED = 0x8033_8087 "ERROR_WSMAN_MUSTUNDERSTAND_ON_LOCALE_UNSUPPORTED";
    REDIRECT_REQUESTED = 0x8033_8199 "ERROR_WSMAN_REDIRECT_REQUESTED";
    QUOTA_MAX_SHELLS = 0x8033_81A5 "ERROR_WSMAN_QUOTA_MAX_SHELLS";
    QUOTA_MAX_OPERATIONS = 0x8033_81A6 "ERROR_WSMAN_QUOTA_MAX_OPERATIONS";
    QUOTA_USER = 0x8033_81A7 "ERROR_WSMAN_QUOTA_USER";
    QUOTA_SYSTEM = 0x8033_81A8 "ERROR_WSMAN_QUOTA_SYSTEM";
    QUOTA_MAX_SHELLUSERS = 0x8033_81AB "ERROR_WSMAN_QUOTA_MAX_SHELLUSERS";
    REMOTESHELLS_NOT_ALLOWED = 0x8033_81AC "ERROR_WSMAN_REMOTESHELLS_NOT_ALLOWED";
    SHELL_DISCONNECTED = 0x8033_81C4 "ERROR_WINRS_SHELL_DISCONNECTED";
    SHELLCOMMAND_CLIENTID_NOT_VALID = 0x8033_81D4 "ERROR_WINRS_SHELLCOMMAND_CLIENTID_NOT_VALID";
    SHELL_CLIENTID_NOT_VALID = 0x8033_81D5 "ERROR_WINRS_SHELL_CLIENTID_NOT_VALID";
    SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT = 0x8033_81D6 "ERROR_WINRS_SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT";
    SHELL_CLIENTID_RESOURCE_CONFLICT = 0x8033_81D7 "ERROR_WINRS_SHELL_CLIENTID_RESOURCE_CONFLICT";
    SERVICE_STREAM_DISCONNECTED = 0x8033_81DE "ERROR_WSMAN_SERVICE_STREAM_DISCONNECTED";
    QUOTA_MAX_COMMANDS_PER_SHELL = 0x8033_81E9 "ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ";
}

impl ErrorCode {
    /// The symbol, such as `ERROR_WSMAN_OPERATION_TIMEDOUT`, for a code in the table.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// What the code means, in a few words that begin in lower case and end without a stop.
    #[must_use]
    pub fn summary(self) -> Option<&'static str> {
        self.row().map(|row| row.summary)
    }

    /// The code with that symbol, in any case; `ERROR_WSMAN_` may be left out.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let same = |row: &&Row| {
            let short = row.name.strip_prefix("ERROR_WSMAN_");
            row.name.eq_ignore_ascii_case(name)
                || short.is_some_and(|short| short.eq_ignore_ascii_case(name))
        };
        ROWS.iter().find(same).map(|row| Self(row.code))
    }

    /// Every code of the table, in ascending order.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| Self(row.code))
    }

    fn row(self) -> Option<&'static Row> {
        let found = ROWS.binary_search_by_key(&self.0, |row| row.code);
        found.ok().and_then(|index| ROWS.get(index))
    }
}

/// Decimal below 65,536, as Win32 errors are written, else hexadecimal; with the symbol.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0x1_0000 {
            write!(f, "{}", self.0)?;
        } else {
            write!(f, "0x{:08X}", self.0)?;
        }
        match self.name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(ROWS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn each_constant_has_the_symbol_of_its_number() {
        for (code, symbol) in CONSTANTS {
            assert_eq!(code.name(), Some(*symbol), "{:#X}", code.0);
            assert_eq!(ErrorCode::by_name(&symbol.to_lowercase()), Some(*code));
        }
    }
}
