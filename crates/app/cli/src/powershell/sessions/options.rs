//! What the options of sessions mean: `-SessionOption`, `$PSSessionOption`, `[PSSessionOption]` in `client.toml`.
//!
//! Each option goes to where it counts, or says what it still waits for.

use std::time::Duration;

use auth::Secret;
use client::{
    BufferMode, Charset, Config, Credentials, Encryption, PoolOptions, ProxyAuthentication,
    ProxySettings,
};

use super::super::binder::{Bound, Word};
use super::super::cmdlets::NEW_SESSION_OPTION;
use super::super::convert::convert;
use super::super::table::Kind;
use super::super::value::{Object, Value};
use super::arguments;
use super::target::account;
use crate::command_error::CommandError;
use crate::winrs::PROXY_PASSWORD_VARIABLE;

/// The type of the object with the options.
const TYPE: &str = "System.Management.Automation.Remoting.PSSessionOption";
/// What an option of 0 means to those that take "no limit".
const NO_LIMIT: Duration = Duration::from_millis(i32::MAX as u64);
/// The shortest idle time that hosts have.
pub(in crate::powershell) const LEAST_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The property names that differ from those of the parameters.
const PROPERTIES: &[(&str, &str)] = &[("MaximumConnectionRedirectionCount", "MaximumRedirection")];

/// Where a proxy comes from.
const NAME_IT: &str = "name the proxy in the table [Proxy] of client.toml: URL = \"http://proxy.example:3128\", or \"environment\" for the \
                       variables https_proxy and no_proxy; ProxyAccessType None takes it";

/// The options of sessions, checked.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct SessionOptions(Bound);

impl Default for SessionOptions {
    fn default() -> Self {
        Self(Bound::of(&NEW_SESSION_OPTION, Vec::new()))
    }
}

impl SessionOptions {
    /// Reads an object of New-PSSessionOption or a hashtable with its properties or parameters.
    ///
    /// # Errors
    /// An option that there is not, or a value that it does not take.
    pub(in crate::powershell) fn read(value: &Value) -> Result<Self, CommandError> {
        let Value::Object(object) = value else {
            return Err(CommandError::usage(format!("\"{}\" is no session option", value.text())));
        };
        let mut values = Vec::new();
        for (name, value) in &object.properties {
            let parameter = parameter(name).ok_or_else(|| unknown(name))?;
            let is_off = parameter.kind == Kind::Switch && matches!(value, Value::Bool(false));
            if is_off || matches!(value, Value::Null) {
                // What is not set.
                continue;
            }
            let number = if let Value::Milliseconds(time) = value { Some(*time) } else { None };
            let value = number.map_or_else(|| value.clone(), Value::Integer);
            let value = convert(parameter, Word::from(value)).map_err(|error| {
                CommandError::usage(format!("-SessionOption: {}", error.message)).hints(error.hint)
            })?;
            values.push((parameter, value));
        }
        Ok(Self(Bound::of(&NEW_SESSION_OPTION, values)))
    }

    /// As a hashtable, from which [`read`](Self::read) makes the same options; secrets are left out.
    pub(in crate::powershell) fn to_value(&self) -> Value {
        Value::hashtable(
            self.0
                .values()
                .iter()
                .filter(|(parameter, _)| parameter.kind != Kind::Credential)
                .map(|(parameter, value)| (parameter.name.to_owned(), value.clone()))
                .collect(),
        )
    }

    /// As the arguments of New-PSSessionOption, which makes an object of them.
    pub(in crate::powershell) const fn bound(&self) -> &Bound {
        &self.0
    }

    /// Applies them to a connection and to a session over it.
    ///
    /// # Errors
    /// What is not in this version, or cannot be.
    pub(in crate::powershell) fn apply(
        &self,
        config: &mut Config,
        pool: &mut PoolOptions,
    ) -> Result<(), CommandError> {
        self.check()?;
        let bound = &self.0;
        let trust = &mut config.settings.trust;
        trust.skip_ca_check |= bound.is_set("SkipCACheck");
        trust.skip_cn_check |= bound.is_set("SkipCNCheck");
        trust.revocation.skip |= bound.is_set("SkipRevocationCheck");
        if bound.is_set("NoEncryption") {
            config.settings.encryption = Encryption::Never;
        }
        config.settings.kerberos.service_port |= bound.is_set("IncludePortInSPN");
        self.take_proxy(&mut config.settings.proxy)?;
        if bound.is_set("UseUTF16") {
            config.charset = Charset::Utf16;
        }
        let own = culture();
        if let Some(culture) = bound.text("UICulture").or(own.as_deref()) {
            culture.clone_into(&mut config.locale);
        }
        config.data_locale = bound.text("Culture").map(str::to_owned).or(own);
        config.settings.timing.operation = self.time("OperationTimeout", 180_000);

        pool.open_timeout = self.time("OpenTimeout", 180_000);
        pool.cancel_timeout = self.time("CancelTimeout", 60_000);
        pool.idle_timeout = self.idle_timeout()?;
        pool.compression = !bound.is_set("NoCompression");
        pool.no_machine_profile = bound.is_set("NoMachineProfile");
        if let Some(count) = bound.integer("MaxConnectionRetryCount") {
            pool.retries = u32::try_from(count).unwrap_or(u32::MAX);
        }
        pool.limits.bytes = match bound.integer("MaximumReceivedObjectSize") {
            None => 200 * 1024 * 1024,
            Some(0) => i32::MAX as usize,
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
        };
        pool.max_data_per_command = bound
            .integer("MaximumReceivedDataSizePerCommand")
            .and_then(|size| u64::try_from(size).ok())
            .filter(|size| *size > 0);
        if let Some(table) = bound.value("ApplicationArguments") {
            pool.application_arguments = arguments::dictionary(table)?;
        }
        Ok(())
    }

    /// How often a host may send the connection elsewhere, if it may at all.
    pub(in crate::powershell) fn redirections(&self) -> u32 {
        let count = self.0.integer("MaximumRedirection").unwrap_or(5);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The settings name the proxy, these options whether it is taken and who logs in to it.
    fn take_proxy(&self, proxy: &mut ProxySettings) -> Result<(), CommandError> {
        let bound = &self.0;
        if bound.text("ProxyAccessType") == Some("NoProxyServer") {
            *proxy = ProxySettings::default();
            return Ok(());
        }
        if let Some(name) = bound.text("ProxyAuthentication") {
            let known = ProxyAuthentication::NAMES.iter().find(|(known, _)| *known == name);
            proxy.authentication = known.map(|(_, known)| *known).ok_or_else(|| {
                CommandError::usage(format!("the login {name} is none for a proxy"))
                    .hint("-ProxyAuthentication takes Negotiate, Basic and Digest")
            })?;
        }
        let Some(value) = bound.value("ProxyCredential") else { return Ok(()) };
        if proxy.proxies.http.is_none() && proxy.proxies.https.is_none() {
            return Err(CommandError::usage("ProxyCredential: there is no proxy").hint(NAME_IT));
        }
        let (user, password) = account(value);
        let password = match (password, std::env::var(PROXY_PASSWORD_VARIABLE)) {
            (Some(password), _) => password,
            (None, Ok(password)) => Secret::from(password),
            (None, Err(_)) => {
                return Err(CommandError::usage(format!(
                    "ProxyCredential: no password for {user}"
                ))
                .hint("make the options by New-PSSessionOption -ProxyCredential, which asks for it")
                .hint(format!("or set the environment variable {PROXY_PASSWORD_VARIABLE}")));
            }
        };
        proxy.credentials = Some(Credentials { user, password });
        Ok(())
    }

    /// What becomes of output that nobody collects; `None` leaves it to the host.
    pub(in crate::powershell) fn buffer_mode(&self) -> Option<BufferMode> {
        self.0.text("OutputBufferingMode").and_then(BufferMode::from_name)
    }

    fn time(&self, name: &str, default: u64) -> Duration {
        match self.0.integer(name) {
            None => Duration::from_millis(default),
            Some(0) => NO_LIMIT,
            Some(time) => Duration::from_millis(u64::try_from(time).unwrap_or(default)),
        }
    }

    fn idle_timeout(&self) -> Result<Option<Duration>, CommandError> {
        let time = self.0.integer("IdleTimeout").filter(|time| *time >= 0);
        let time = time.map(|time| Duration::from_millis(time.unsigned_abs()));
        time.map(checked_idle_timeout).transpose()
    }

    /// Refuses what cannot be, before anything is asked or sent.
    ///
    /// # Errors
    /// What is not in this version, or too little.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        self.idle_timeout()?;
        match self.0.text("ProxyAccessType") {
            Some("NoProxyServer") if self.0.value("ProxyCredential").is_some() => {
                Err(CommandError::usage(
                    "The WS-Management client cannot process the request. The direct connection to the server option \
                     cannot be used with non empty proxy authentication data (error 2150859165).",
                )
                .hint("leave out ProxyCredential, or ProxyAccessType"))
            }
            None | Some("None" | "NoProxyServer") => Ok(()),
            Some(other) => Err(CommandError::usage(format!(
                "ProxyAccessType {other}: this computer has no such settings"
            ))
            .hint(NAME_IT)),
        }
    }
}

/// The object with the options, those that are not given as Windows has them.
pub(in crate::powershell) fn object(bound: &Bound, proxy: Value) -> Value {
    let given = |name: &str| bound.value(name).cloned();
    let or_null = |name: &str| given(name).unwrap_or(Value::Null);
    let integer = |name: &str, default: i64| Value::Integer(bound.integer(name).unwrap_or(default));
    let time =
        |name: &str, default: i64| Value::Milliseconds(bound.integer(name).unwrap_or(default));
    let text =
        |name: &str, default: &str| Value::Text(bound.text(name).unwrap_or(default).to_owned());
    let is_set = |name: &str| Value::Bool(bound.is_set(name));
    let properties = [
        ("MaximumConnectionRedirectionCount", integer("MaximumRedirection", 5)),
        ("NoCompression", is_set("NoCompression")),
        ("NoMachineProfile", is_set("NoMachineProfile")),
        ("ProxyAccessType", text("ProxyAccessType", "None")),
        ("ProxyAuthentication", text("ProxyAuthentication", "Negotiate")),
        ("ProxyCredential", proxy),
        ("SkipCACheck", is_set("SkipCACheck")),
        ("SkipCNCheck", is_set("SkipCNCheck")),
        ("SkipRevocationCheck", is_set("SkipRevocationCheck")),
        ("OperationTimeout", time("OperationTimeout", 180_000)),
        ("NoEncryption", is_set("NoEncryption")),
        ("UseUTF16", is_set("UseUTF16")),
        ("IncludePortInSPN", is_set("IncludePortInSPN")),
        ("OutputBufferingMode", text("OutputBufferingMode", "None")),
        ("MaxConnectionRetryCount", integer("MaxConnectionRetryCount", 5)),
        ("Culture", or_null("Culture")),
        ("UICulture", or_null("UICulture")),
        ("MaximumReceivedDataSizePerCommand", or_null("MaximumReceivedDataSizePerCommand")),
        ("MaximumReceivedObjectSize", integer("MaximumReceivedObjectSize", 209_715_200)),
        ("ApplicationArguments", or_null("ApplicationArguments")),
        ("OpenTimeout", time("OpenTimeout", 180_000)),
        ("CancelTimeout", time("CancelTimeout", 60_000)),
        ("IdleTimeout", time("IdleTimeout", -1)),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
    Value::Object(Object { type_name: TYPE.to_owned(), properties })
}

/// An idle time that a host could take.
///
/// # Errors
/// It is too short.
pub(in crate::powershell) fn checked_idle_timeout(
    time: Duration,
) -> Result<Duration, CommandError> {
    if time >= LEAST_IDLE_TIMEOUT {
        return Ok(time);
    }
    Err(CommandError::usage(format!(
        "The specified IdleTimeout session option {} (seconds) is not a valid value. It must be at least {} (seconds).",
        time.as_secs_f64(),
        LEAST_IDLE_TIMEOUT.as_secs()
    )))
}

fn parameter(name: &str) -> Option<&'static super::super::table::Parameter> {
    let renamed = PROPERTIES.iter().find(|(property, _)| property.eq_ignore_ascii_case(name));
    let name = renamed.map_or(name, |(_, parameter)| parameter);
    NEW_SESSION_OPTION
        .parameters
        .iter()
        .find(|parameter| parameter.names().any(|known| known.eq_ignore_ascii_case(name)))
}

fn unknown(name: &str) -> CommandError {
    let names: Vec<&str> =
        NEW_SESSION_OPTION.parameters.iter().map(|parameter| parameter.name).collect();
    CommandError::usage(format!(
        "Cannot bind parameter 'SessionOption'. The {name} property was not found for the \
         System.Management.Automation.Remoting.PSSessionOption object. The available properties are: {}",
        names.join(", ")
    ))
}

/// The culture of this process's user, where it says one: `de_DE.UTF-8` is `de-DE`.
fn culture() -> Option<String> {
    let said = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    culture_of(&said)
}

fn culture_of(locale: &str) -> Option<String> {
    let name = locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
    let is_name = name.len() >= 2
        && name.split('-').all(|part| {
            matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    (is_name && !name.eq_ignore_ascii_case("posix")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(json: &str) -> Result<(Config, PoolOptions, Option<BufferMode>), String> {
        let value = serde_json::from_str(json).unwrap();
        let options = SessionOptions::read(&value).map_err(|error| error.error().to_owned())?;
        // What is kept means the same.
        let options = SessionOptions::read(&options.to_value()).unwrap();
        let credentials = Credentials { user: "u".to_owned(), password: Secret::from("p") };
        let mut config = Config::new("h".parse().unwrap(), credentials);
        let mut pool = PoolOptions::default();
        let applied = options.apply(&mut config, &mut pool);
        let mode = options.buffer_mode();
        applied.map(|()| (config, pool, mode)).map_err(|error| error.error().to_owned())
    }

    #[test]
    fn options_without_values_are_windows_defaults() {
        let (config, pool, mode) = applied("{}").unwrap();
        assert_eq!(config.settings.timing.operation, Duration::from_secs(180));
        assert_eq!((pool.open_timeout, pool.retries), (Duration::from_secs(180), 5));
        assert_eq!((pool.idle_timeout, pool.max_data_per_command), (None, None));
        assert_eq!((pool.limits.bytes, pool.compression), (209_715_200, true));
        assert!(!pool.no_machine_profile && config.settings.encryption == Encryption::Auto);
        assert_eq!((mode, pool.cancel_timeout), (None, Duration::from_secs(60)));
    }

    #[test]
    fn each_option_arrives_where_it_counts() {
        let (config, pool, mode) = applied(
            r#"{"nocompression":true,"NoMachineProfile":true,"Culture":"de-DE","UICulture":"fr-FR","OutputBufferingMode":"drop",
                "MaximumReceivedDataSizePerCommand":7,"MaximumReceivedObjectSize":8,"MaxConnectionRetryCount":9,
                "ApplicationArguments":{"Team":"IT"},"OpenTimeout":1000,"CancelTimeoutMSec":2000,"IdleTimeout":60000,
                "ProxyAccessType":"NoProxyServer","SkipCACheck":true,"SkipCNCheck":true,"SkipRevocationCheck":true,"OperationTimeout":3000,
                "NoEncryption":true,"UseUTF16":true,"IncludePortInSPN":true,"MaximumConnectionRedirectionCount":1}"#,
        )
        .unwrap();
        let trust = &config.settings.trust;
        assert!(trust.skip_ca_check && trust.skip_cn_check && trust.revocation.skip);
        assert_eq!(config.settings.encryption, Encryption::Never);
        assert_eq!((config.charset, config.locale.as_str()), (Charset::Utf16, "fr-FR"));
        assert_eq!(config.data_locale.as_deref(), Some("de-DE"));
        assert!(config.settings.kerberos.service_port);
        assert_eq!(config.settings.timing.operation, Duration::from_secs(3));
        assert!(!pool.compression && pool.no_machine_profile);
        assert_eq!((pool.max_data_per_command, pool.limits.bytes, pool.retries), (Some(7), 8, 9));
        assert_eq!(pool.open_timeout, Duration::from_secs(1));
        assert_eq!(pool.idle_timeout, Some(Duration::from_secs(60)));
        assert_ne!(pool.application_arguments, psrp::clixml::Value::Null);
        let expected = (Some(BufferMode::Drop), Duration::from_secs(2));
        assert_eq!((mode, pool.cancel_timeout), expected);
    }

    #[test]
    fn options_that_cannot_be_are_refused_by_name() {
        for (json, part) in [
            (r#"{"Foo":1}"#, "The Foo property was not found"),
            (r#"{"OpenTimeout":"soon"}"#, "Cannot bind parameter 'OpenTimeout'"),
            (r#"{"OutputBufferingMode":"x"}"#, "None, Drop, Block"),
            (r#"{"IdleTimeout":59999}"#, "IdleTimeout session option 59.999 (seconds)"),
            (r#"{"ProxyAccessType":"IEConfig"}"#, "this computer has no such settings"),
            (r#"{"ProxyAccessType":"WinHttpConfig"}"#, "this computer has no such settings"),
            (r#"{"ProxyAccessType":"AutoDetect"}"#, "this computer has no such settings"),
            (r#"{"ProxyAuthentication":"Kerberos"}"#, "none for a proxy"),
            (r#"{"Culture":"d e"}"#, "Culture is not supported"),
        ] {
            let error = applied(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn account_at_a_proxy_wants_a_proxy() {
        for (json, part) in [
            (r#"{"ProxyAccessType":"NoProxyServer","ProxyCredential":"u"}"#, "2150859165"),
            (r#"{"ProxyCredential":"u"}"#, "there is no proxy"),
        ] {
            let options = SessionOptions::read(&serde_json::from_str(json).unwrap()).unwrap();
            let credentials = Credentials { user: "u".to_owned(), password: Secret::from("p") };
            let mut config = Config::new("h".parse().unwrap(), credentials);
            let error = options.apply(&mut config, &mut PoolOptions::default()).unwrap_err();
            assert!(error.error().contains(part), "{json}: {error:?}");
        }
    }

    #[test]
    fn cultures_are_read_from_names_of_locales() {
        for (locale, expected) in [
            ("de_DE.UTF-8", Some("de-DE")),
            ("sr_RS@latin", Some("sr-RS")),
            ("en", Some("en")),
            ("C.UTF-8", None),
            ("POSIX", None),
            ("a b", None),
        ] {
            assert_eq!(culture_of(locale).as_deref(), expected, "{locale}");
        }
    }
}
