//! Load for a service, by this crate's own API: what `cargo xtask bench` measures services and clients with.
//!
//! `load URL USER PASSWORD_FILE MODE …`; each mode prints one line of numbers:
//!
//! | mode | does | prints |
//! |---|---|---|
//! | `further N` | N times: new connection, login, shell, `echo hi`, close | N |
//! | `pool N` | N times: new connection, login, runspace pool, a script, close | what the scripts wrote |
//! | `next N` | N commands in one shell | requests until the exit code was known: median, mean |
//! | `identify C S` | Identify on C connections for S seconds | done, seconds |
//! | `send C S` | one line to `cat >/dev/null` in each of C shells | done, seconds |
//! | `echo C S` | one line to `cat` and back, a Send and a Receive | done, seconds |
//! | `commands C S` | `true` in each of C shells, one after the other | done, seconds |
//! | `idle N` | opens N shells, waits for the end of its input, closes them | `open N`, then `closed N` |
//!
//! It sends to loopback only: a tool for one's own service, and none against others.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod idle;
mod rates;
mod single;

use std::error::Error;
use std::process::ExitCode;

use auth::Secret;
use client::{Authentication, Client, Config, Credentials, Endpoint};

/// Whatever went wrong ends the run.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Whom to log in as, and where.
#[derive(Debug, Clone)]
struct Target {
    config: Config,
}

impl Target {
    fn parse(url: &str, user: &str, password_file: &str) -> Outcome<Self> {
        let endpoint = Endpoint::parse(url, false)?;
        if !endpoint.is_loopback() {
            return Err("load is for loopback only".into());
        }
        let text = std::fs::read_to_string(password_file)?;
        let password = Secret::from(text.trim_end_matches('\n'));
        let credentials = Credentials { user: user.to_owned(), password };
        let authentication = Authentication::Ntlm;
        Ok(Self { config: Config { authentication, ..Config::new(endpoint, credentials) } })
    }

    /// A client with connections of its own.
    fn client(&self) -> Outcome<Client> {
        Ok(Client::new(self.config.clone())?)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome<()> {
    let [url, user, password_file, mode, numbers @ ..] = words else {
        return Err("usage: load URL USER PASSWORD_FILE MODE NUMBER..".into());
    };
    let target = Target::parse(url, user, password_file)?;
    let numbers: Vec<usize> =
        numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    // One thread, as the programs have: the other cores are the service's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match (*mode, numbers.as_slice()) {
            ("further", [count]) => single::further(&target, *count).await,
            ("next", [count]) => single::next(&target, *count).await,
            ("pool", [count]) => single::pool(&target, *count).await,
            ("idle", [count]) => idle::run(&target, *count).await,
            (mode, [connections, seconds]) => {
                let work = rates::Work::named(mode).ok_or_else(|| format!("no mode {mode}"))?;
                rates::run(&target, work, *connections, *seconds).await
            }
            _ => Err(format!("{mode}: wrong numbers").into()),
        }
    })
}
