//! Where answers and lines come from: the terminal, or the lines of stdin.

use std::io::{self, IsTerminal as _};

use zeroize::Zeroizing;

use super::super::parser;
use super::super::waiter::Lines;
use super::Refused;
use super::keys::Key;
use super::tty::Tty;

/// The source of lines.
#[derive(Debug)]
pub(super) enum Input {
    /// The controlling terminal.
    Terminal,
    /// Stdin, once it is read.
    Stdin(Option<Lines>),
}

impl Input {
    pub(super) fn find() -> Self {
        if io::stdin().is_terminal() { Self::Terminal } else { Self::Stdin(None) }
    }

    /// The lines of stdin, unless that is a terminal.
    pub(super) fn lines(&mut self) -> Option<&mut Lines> {
        match self {
            Self::Terminal => None,
            Self::Stdin(lines) => {
                Some(lines.get_or_insert_with(|| Lines::of_stdin(parser::MAX_SOURCE as u64)))
            }
        }
    }

    /// The next line without its end; `None` behind the last.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Refused> {
        match self.lines() {
            None => Ok(terminal()?.line().await?),
            Some(lines) => {
                let line = lines.next().await?;
                Ok(line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }

    /// A secret, from a terminal only.
    pub(super) async fn secret(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
        Ok(self.terminal("a secret")?.secret().await?)
    }

    /// A key, from a terminal only.
    pub(super) async fn key(&self, takes_ctrl_c: bool) -> Result<Key, Refused> {
        Ok(self.terminal("a key")?.key(takes_ctrl_c).await?)
    }

    /// The terminal for what no pipe can give.
    pub(super) fn terminal(&self, what: &str) -> Result<Tty, Refused> {
        match self {
            Self::Terminal => terminal(),
            Self::Stdin(_) => Err(Refused::Call(format!(
                "there is no terminal to ask for {what}: the input comes from a pipe or a file"
            ))),
        }
    }
}

fn terminal() -> Result<Tty, Refused> {
    Tty::open().map_err(|_| Refused::Call("there is no terminal to ask on".to_owned()))
}
