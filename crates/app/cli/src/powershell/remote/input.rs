//! What goes into commands on other computers.

use std::sync::Arc;

use crate::command_error::CommandError;
use crate::powershell::value::Value;
use crate::powershell::waiter::Lines;

/// The most bytes of lines that are kept where several computers get them.
const MAX_KEPT: usize = 256 * 1024 * 1024;

/// What comes from a pipe.
#[derive(Debug)]
pub(crate) enum Input {
    Values(Vec<Value>),
    /// An object on each line of stdin.
    Lines(Lines),
}

/// The objects for one computer.
#[derive(Debug)]
pub(crate) enum Feed {
    /// The same for each.
    Shared(Arc<Vec<Value>>, usize),
    /// As they come.
    Lines(Lines, Vec<Value>),
}

impl Input {
    /// For so many computers.
    ///
    /// # Errors
    /// A line of stdin is no object, or stdin has more than can be kept for several computers.
    pub(crate) async fn feeds(self, computers: usize) -> Result<Vec<Feed>, CommandError> {
        let mut feed = match self {
            Self::Lines(lines) if computers == 1 => {
                return Ok(vec![Feed::Lines(lines, Vec::new())]);
            }
            Self::Lines(lines) => Feed::Lines(lines, Vec::new()),
            Self::Values(values) => Feed::Shared(Arc::new(values), 0),
        };
        if let Feed::Lines(lines, _) = &mut feed {
            let (mut values, mut size) = (Vec::new(), 0);
            while let Some(line) = lines.next().await? {
                size += line.len();
                if size > MAX_KEPT {
                    let most = MAX_KEPT / 1024 / 1024;
                    let message = format!(
                        "stdin has more than {most} MiB, too much to keep for several computers"
                    );
                    return Err(CommandError::usage(message));
                }
                values.extend(objects(&line)?);
            }
            feed = Feed::Shared(Arc::new(values), 0);
        }
        let Feed::Shared(values, _) = feed else { return Ok(Vec::new()) };
        Ok((0..computers).map(|_| Feed::Shared(Arc::clone(&values), 0)).collect())
    }
}

impl Feed {
    /// Some of the next objects; none behind the last.
    ///
    /// # Errors
    /// A line of stdin is no object.
    pub(super) async fn next(&mut self, most: usize) -> Result<Vec<Value>, CommandError> {
        match self {
            Self::Shared(values, done) => {
                let next: Vec<Value> = values.iter().skip(*done).take(most).cloned().collect();
                *done += next.len();
                Ok(next)
            }
            Self::Lines(lines, rest) => {
                while rest.is_empty() {
                    let Some(line) = lines.next().await? else { break };
                    *rest = objects(&line)?;
                }
                let later = rest.split_off(rest.len().min(most));
                Ok(std::mem::replace(rest, later))
            }
        }
    }
}

/// The objects of a line: those of a list one by one, none of an empty line.
fn objects(line: &str) -> Result<Vec<Value>, CommandError> {
    match line.trim() {
        "" => Ok(Vec::new()),
        text => object(text).map(Value::into_pipe),
    }
}

/// An object on a line: JSON, or a plain text.
///
/// # Errors
/// It begins as JSON and is none.
pub(crate) fn object(line: &str) -> Result<Value, CommandError> {
    if !line.starts_with(['{', '[', '"']) {
        return Ok(Value::Text(line.to_owned()));
    }
    serde_json::from_str(line)
        .map_err(|error| CommandError::caused("an object on stdin is no JSON", &error))
}
