//! `winrm quickconfig`: two rounds of the service's own methods, one for itself and one for listeners.
//!
//! ```text
//! AnalyzeService ─┬─ nothing to do ─► Analyze ─┬─ nothing to do ──► done
//!                 └─ asked ─► EnableService    └─ asked ─► EnableRemoting ─► done
//! ```

use std::io::{self, Write as _};

use client::Client;
use tokio::task::spawn_blocking;
use wsman::transfer::Locator;
use wsman::xml::{Element, Name};

use super::failure::Failure;
use super::show::print;
use super::switches::Transport;
use crate::command_error::{CommandError, printable};

/// The resource whose methods these are, and their namespace.
const SERVICE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";

/// What the command line says.
#[derive(Debug)]
pub(super) struct QuickConfig<'a> {
    pub(super) client: &'a Client,
    pub(super) transport: Transport,
    /// Whether nothing is asked.
    pub(super) quiet: bool,
    /// Whether what would stand in the way is passed over.
    pub(super) force: bool,
}

/// One of the two rounds.
struct Round {
    analyze: &'static str,
    enable: &'static str,
    input: &'static str,
    nothing_to_do: &'static str,
    needed: &'static str,
    done: &'static str,
}

const ROUNDS: [Round; 2] = [
    Round {
        analyze: "AnalyzeService",
        enable: "EnableService",
        input: "EnableService_INPUT",
        nothing_to_do: "WinRM service is already running on this machine.",
        needed: "WinRM is not set up to receive requests on this machine.",
        done: "WinRM has been updated to receive requests.",
    },
    Round {
        analyze: "Analyze",
        enable: "EnableRemoting",
        input: "EnableRemoting_INPUT",
        nothing_to_do: "WinRM is already set up for remote management on this computer.",
        needed: "WinRM is not set up to allow remote access to this machine for management.",
        done: "WinRM has been updated for remote management.",
    },
];

impl QuickConfig<'_> {
    /// Asks what is missing, whether it shall be made, and makes it.
    ///
    /// # Errors
    /// The service cannot say or do it, a policy stands in the way, or nobody answers the question.
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let [service, remoting] = &ROUNDS;
        if !self.round(service, None).await? {
            return Ok(());
        }
        let mut input = named("Analyze_INPUT")
            .with_child(named("Transport").with_text(self.transport.as_str()));
        if self.force {
            input.push(named("Force"));
        }
        self.round(remoting, Some(input)).await.map(drop)
    }

    /// Whether the next round follows: not where the user says no.
    async fn round(&self, round: &Round, input: Option<Element>) -> Result<bool, Failure> {
        let input = input.unwrap_or_else(|| named_of(round.analyze, "_INPUT"));
        let analysis = self.invoke(round.analyze, input).await?;
        let enabled = child(&analysis, "RemotingEnabled")
            .ok_or_else(|| CommandError::failed("could not determine if remoting is enabled"))?;
        let by_policy =
            enabled.attribute("Source").is_some_and(|source| source.eq_ignore_ascii_case("GPO"));
        if wsman::parse_boolean(&enabled.text()).unwrap_or_default() {
            say(round.nothing_to_do)?;
            return Ok(true);
        }
        if by_policy {
            return Err(CommandError::failed(
                "cannot complete the request due to a conflicting Group Policy setting",
            )
            .hint("the administrator's configuration file says otherwise")
            .into());
        }
        let wanted = child(&analysis, round.input).cloned().ok_or_else(|| {
            CommandError::failed("could not find update instructions in the analysis result")
        })?;
        say(&format!("{}\nThe following changes must be made:\n", round.needed))?;
        say(&format!("{}\n", results(&analysis)))?;
        if !self.quiet && !asked().await? {
            return Ok(false);
        }
        let outcome = self.invoke(round.enable, wanted).await?;
        let status = child(&outcome, "Status").map(Element::trimmed_text).unwrap_or_default();
        if !status.eq_ignore_ascii_case("succeeded") {
            let told = results(&outcome);
            return Err(CommandError::failed(format!(
                "one or more update steps could not be completed: {}",
                told.split_whitespace().collect::<Vec<_>>().join(" ")
            ))
            .into());
        }
        say(&format!("{}\n", round.done))?;
        say(&results(&outcome))?;
        Ok(true)
    }

    async fn invoke(&self, method: &str, input: Element) -> Result<Element, Failure> {
        let answer = self.client.invoke(&Locator::new(SERVICE), method, Some(input)).await?;
        Ok(answer
            .ok_or_else(|| CommandError::failed(format!("the answer to {method} is empty")))?)
    }
}

/// Whether the user agrees; the question is asked until the answer is one.
async fn asked() -> Result<bool, CommandError> {
    loop {
        write("Make these changes [y/n]? ")?;
        let read = spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|length| (length, line))
        });
        let read =
            read.await.map_err(|error| CommandError::caused("reading the answer", &error))?;
        let (length, line) =
            read.map_err(|error| CommandError::caused("reading the answer", &error))?;
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => {
                write("\n")?;
                return Ok(true);
            }
            "n" | "no" => return Ok(false),
            _ if length == 0 => {
                return Err(CommandError::usage("no answer, and the input has ended")
                    .hint("-quiet makes the changes without a question"));
            }
            _ => {}
        }
    }
}

/// What the service tells of its steps, a line for each.
fn results(answer: &Element) -> String {
    let steps = answer.elements().filter(|element| element.name.local() == "Results");
    let lines: Vec<String> =
        steps.map(Element::trimmed_text).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn child<'e>(element: &'e Element, local: &str) -> Option<&'e Element> {
    element.elements().find(|child| child.name.local() == local)
}

fn named(local: &'static str) -> Element {
    named_of(local, "")
}

fn named_of(local: &str, ending: &str) -> Element {
    Element::named(Name::from_parts(SERVICE, &format!("{local}{ending}")))
}

fn say(text: &str) -> Result<(), CommandError> {
    print(&printable(&format!("{text}\n")))
}

fn write(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| CommandError::caused("writing to stdout", &error))
}
