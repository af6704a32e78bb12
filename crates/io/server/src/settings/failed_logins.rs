//! `[Service.FailedLogins]`: how failed logins slow the next ones down. Windows leaves this to its
//! account policies; the names are this service's own.
//!
//! ```toml
//! [Service.FailedLogins]
//! WindowSeconds = 60
//! SlowAfter = 5
//! MaxDelayms = 8000
//! LockoutAfter = 10
//! LockoutSeconds = 300
//! ```

use std::time::Duration;

use serde::Deserialize;
use session::server::throttle::Rules;

use super::range;

/// The rules hold for each account name, known or not, and for each address (each /64 of IPv6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct FailedLogins {
    /// Only failures of the last so many seconds count; 1 to 86,400, default 60.
    #[serde(rename = "WindowSeconds", deserialize_with = "range::within::<_, 1, 86_400>")]
    pub window_seconds: u32,
    /// After so many failures each further login waits, one after the other: half a second, then
    /// twice as long each time; 0 to 1,000, default 5. With 0 none waits.
    #[serde(rename = "SlowAfter", deserialize_with = "range::within::<_, 0, 1_000>")]
    pub slow_after: u32,
    /// The longest such wait in milliseconds; 1 to 60,000, default 8,000. A login that would have
    /// to wait more than twice as long, since others wait before it, is refused.
    #[serde(rename = "MaxDelayms", deserialize_with = "range::within::<_, 1, 60_000>")]
    pub max_delay_ms: u32,
    /// After so many failures every login is refused for a while, the right password included; 0
    /// to 1,000, default 10. With 0 this never happens.
    #[serde(rename = "LockoutAfter", deserialize_with = "range::within::<_, 0, 1_000>")]
    pub lockout_after: u32,
    /// How many seconds that lasts; 1 to 86,400, default 300. What is tried meanwhile does not
    /// make it longer.
    #[serde(rename = "LockoutSeconds", deserialize_with = "range::within::<_, 1, 86_400>")]
    pub lockout_seconds: u32,
}

impl Default for FailedLogins {
    fn default() -> Self {
        Self {
            window_seconds: 60,
            slow_after: 5,
            max_delay_ms: 8_000,
            lockout_after: 10,
            lockout_seconds: 300,
        }
    }
}

impl FailedLogins {
    /// The same for the memory of failed logins.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let seconds = |number: u32| Duration::from_secs(number.into());
        Rules {
            window: seconds(self.window_seconds),
            slow_after: count(self.slow_after),
            most_delay: Duration::from_millis(self.max_delay_ms.into()),
            lockout_after: count(self.lockout_after),
            lockout: seconds(self.lockout_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Settings;

    #[test]
    fn defaults_are_those_of_the_rules_and_each_key_reaches_its_rule() {
        assert_eq!(FailedLogins::default().rules(), Rules::default());
        let text = "[Service.FailedLogins]\nWindowSeconds = 1\nSlowAfter = 2\nMaxDelayms = 3\n\
                    LockoutAfter = 4\nLockoutSeconds = 5\n";
        let settings = Settings::parse(text, Path::new("test.toml")).unwrap();
        let expected = Rules {
            window: Duration::from_secs(1),
            slow_after: 2,
            most_delay: Duration::from_millis(3),
            lockout_after: 4,
            lockout: Duration::from_secs(5),
        };
        assert_eq!(settings.service.failed_logins.rules(), expected);
    }
}
