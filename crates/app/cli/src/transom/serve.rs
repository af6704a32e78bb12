//! `transom serve`: reads its command line by hand and becomes the spawner.
//!
//! This runs as root, before any log or thread exists: everything but the options below, and what root obeys of the
//! settings, which only root can write, is left to the network process, which is this same program under a hidden name.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use server::certificates::{InvalidThumbprint, Thumbprint};
use server::settings::{
    ListenAddress, Listener, ListenerError, MetricsAddress, MetricsAddressError,
};
use spawner::{LogFormat, Options};

use super::serve_limits::{self, FIRST_FREE_PORT, Limits};
use crate::command_error::CommandError;

/// The option that takes no value: looks, and starts nothing.
const CHECK: &str = "--check";

/// The other options of `transom serve`; each takes a value.
const OPTIONS: [&str; 8] = [
    "--state",
    "--config",
    "--service-user",
    "--listen",
    "--certificate",
    "--metrics",
    "--log",
    "--log-file",
];

/// What the words after `serve` ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The help.
    Help,
    /// The service.
    Run(Start),
    /// What would keep the service from starting.
    Check(Start),
}

/// How the service starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The state folder.
    pub(super) state: PathBuf,
    /// Whom the network process runs as, when the administrator says so.
    pub(super) service_user: Option<String>,
    /// How the spawner's own log lines look.
    pub(super) log_format: LogFormat,
    /// The file that takes the log.
    pub(super) log_file: Option<PathBuf>,
    /// Listeners on ports that only root may open.
    pub(super) privileged: Vec<SocketAddr>,
    /// The settings, where they are not in their usual place.
    pub(super) config: Option<PathBuf>,
    /// The options of the network process.
    pub(super) network: Vec<OsString>,
}

impl Start {
    /// The same for the spawner.
    ///
    /// # Errors
    /// As root: the settings can be written by somebody else.
    pub(super) fn into_options(self) -> Result<Options, CommandError> {
        let Limits { memory, ports, groups } = serve_limits::read(self.config.as_deref())?;
        // The network process finds its own folder there, and may have another current directory.
        let state = std::path::absolute(&self.state).unwrap_or_else(|_| self.state.clone());
        let mut options = Options::new(self.state);
        options.service_user = self.service_user;
        options.network_command = super::NETWORK.into();
        options.network_args = self.network;
        options.network_args.extend(["--state".into(), state.into_os_string()]);
        // Both processes know the groups by their places in one list, which is read once.
        for (group, local) in groups {
            let mut word = OsString::from("--group=");
            word.push(group);
            options.network_args.push(word);
            options.groups.push(local);
        }
        options.privileged_listeners = self.privileged;
        options.privileged_ports = ports;
        options.log_format = self.log_format;
        options.log_file = self.log_file;
        options.memory_per_shell = memory;
        Ok(options)
    }
}

/// Reads the words after `serve`.
///
/// # Errors
/// A word that is none of the options, an option without its value or twice, an unknown log format.
pub(super) fn scan(words: &[OsString]) -> Result<Request, CommandError> {
    let mut state = None;
    let mut service_user = None;
    let mut log_format = LogFormat::default();
    let mut log_file = None;
    let mut low_ports = Vec::new();
    let mut config = None;
    let mut network = Vec::new();
    let mut seen = Vec::new();
    let mut check = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if matches!(word.as_bytes(), b"-h" | b"--help") {
            return Ok(Request::Help);
        }
        if word == CHECK {
            check = true;
            continue;
        }
        let (name, attached) = halves(word);
        let Some(option) = OPTIONS.into_iter().find(|option| name == *option) else {
            return Err(usage(format!("unexpected argument '{}'", word.to_string_lossy())));
        };
        let Some(value) = attached.or_else(|| words.next().map(OsString::as_os_str)) else {
            return Err(usage(format!("the option {option} needs a value")));
        };
        if option != "--listen" && seen.contains(&option) {
            return Err(usage(format!("the option {option} is there twice")));
        }
        seen.push(option);
        match option {
            "--state" => state = Some(PathBuf::from(value)),
            "--log-file" => log_file = Some(absolute(option, value)?),
            "--service-user" => {
                let name = value
                    .to_str()
                    .ok_or_else(|| usage("the name of the service user is not valid UTF-8"))?;
                service_user = Some(name.to_owned());
            }
            passed_on => {
                match passed_on {
                    "--log" => log_format = self::log_format(value)?,
                    "--listen" => low_ports.extend(privileged(value)?),
                    "--config" => config = Some(PathBuf::from(value)),
                    "--certificate" => drop(thumbprint(value)?),
                    "--metrics" => drop(metrics(value)?),
                    _ => {}
                }
                network.extend([OsString::from(passed_on), for_network(passed_on, value)?]);
            }
        }
    }
    let state = state.unwrap_or_else(|| PathBuf::from(super::STATE));
    let privileged = low_ports;
    let start = Start { state, service_user, log_format, log_file, privileged, config, network };
    Ok(if check { Request::Check(start) } else { Request::Run(start) })
}

fn log_format(value: &OsStr) -> Result<LogFormat, CommandError> {
    match value.as_bytes() {
        b"text" => Ok(LogFormat::Text),
        b"json" => Ok(LogFormat::Json),
        _ => Err(usage(format!("'{}' is no log format: text or json", value.to_string_lossy()))),
    }
}

/// The addresses of a listener whose port only root may open. A name is not resolved here: as root, nobody asks the
/// network.
fn privileged(url: &OsStr) -> Result<Vec<SocketAddr>, CommandError> {
    let listener: Listener =
        url.to_string_lossy().parse().map_err(|error: ListenerError| usage(error.to_string()))?;
    if listener.port == 0 || listener.port >= FIRST_FREE_PORT {
        return Ok(Vec::new());
    }
    let addresses: Vec<IpAddr> = match listener.address {
        ListenAddress::Any => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        ListenAddress::Ip(address) => vec![address],
        ListenAddress::Name(_) | ListenAddress::Mac(_) => Vec::new(),
    };
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, listener.port)).collect())
}

fn thumbprint(value: &OsStr) -> Result<Thumbprint, CommandError> {
    value.to_string_lossy().parse().map_err(|error: InvalidThumbprint| usage(error.to_string()))
}

fn metrics(value: &OsStr) -> Result<MetricsAddress, CommandError> {
    value.to_string_lossy().parse().map_err(|error: MetricsAddressError| usage(error.to_string()))
}

/// The network process may have another current directory.
fn for_network(option: &str, value: &OsStr) -> Result<OsString, CommandError> {
    if option != "--config" {
        return Ok(value.to_owned());
    }
    absolute(option, value).map(PathBuf::into_os_string)
}

fn absolute(option: &str, value: &OsStr) -> Result<PathBuf, CommandError> {
    std::path::absolute(value)
        .map_err(|error| CommandError::caused(format!("reading {option}"), &error))
}

fn usage(message: impl Into<String>) -> CommandError {
    CommandError::usage(message).hint("`transom serve --help` shows the options")
}

/// Splits `--name=value`.
fn halves(word: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let mut halves = word.as_bytes().splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
    (halves.next().unwrap_or(word), halves.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn spawner_keeps_its_own_options_and_passes_on_the_others() {
        let typed = [
            "--state",
            "/s",
            "--listen=http://a:1",
            "--log",
            "json",
            "--service-user",
            "t",
            "--config",
            "/c",
            "--log-file=/l",
        ];
        let expected = Start {
            state: "/s".into(),
            service_user: Some("t".to_owned()),
            log_format: LogFormat::Json,
            log_file: Some("/l".into()),
            privileged: Vec::new(),
            config: Some("/c".into()),
            network: words(&["--listen", "http://a:1", "--log", "json", "--config", "/c"]),
        };
        assert_eq!(scan(&words(&typed)).unwrap(), Request::Run(expected));
    }

    #[test]
    fn what_the_spawner_does_not_know_is_refused_before_anything_starts() {
        for typed in [
            ["--state", "/s", "extra"].as_slice(),
            &["--state"],
            &["--log", "xml"],
            &["--sta", "/s"],
            &["--certificate", "00"],
            &["--metrics", "0.0.0.0:9985"],
        ] {
            assert!(scan(&words(typed)).is_err(), "{typed:?}");
        }
        assert!(scan(&words(&["--state", "/s", "--state", "/t"])).is_err());
        assert!(scan(&words(&["--check=yes"])).is_err());
        assert!(matches!(scan(&words(&["--check", "--state", "/s"])), Ok(Request::Check(_))));
        assert_eq!(scan(&words(&["--state", "/s", "--help"])).unwrap(), Request::Help);
    }

    #[test]
    fn listeners_below_1024_are_announced_to_root() {
        let ports = |url: &str| {
            let addresses = privileged(OsStr::new(url)).unwrap();
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ports("http://10.0.0.1:80"), "10.0.0.1:80");
        assert_eq!(ports("http://[::1]/wsman"), "[::1]:80");
        assert_eq!(ports("http://*:80"), "0.0.0.0:80 [::]:80");
        assert_eq!(ports("http://127.0.0.1:15985"), "");
        assert!(privileged(OsStr::new("ftp://127.0.0.1")).is_err());
    }

    #[test]
    fn help_shows_the_options_that_the_scan_knows() {
        let command = <super::super::Transom as clap::CommandFactory>::command();
        let serve = command.find_subcommand("serve").unwrap();
        let shown: Vec<String> = serve
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .map(|long| format!("--{long}"))
            .collect();
        let known: Vec<&str> = OPTIONS.into_iter().chain([CHECK]).collect();
        assert_eq!(shown, known);
    }
}
