//! One command after the other, as a script runs them.

use client::pool::{PipelineEvent, PipelineOptions, PoolOptions};
use client::{Command, CommandOptions, Event, ShellOptions};
use psrp::client::Record;
use psrp::messages::{Command as Script, PowerShell};

use crate::{Outcome, Target};

/// What each command is.
const LINE: &str = "echo hi";

/// What each script is.
const SCRIPT: &str = "'2'";

/// A command line for a start.
pub(crate) fn line(text: &str) -> CommandOptions {
    CommandOptions { command: text.to_owned(), ..CommandOptions::default() }
}

/// Waits for a command's exit code and checks it.
pub(crate) async fn finish(command: &mut Command) -> Outcome<()> {
    while let Some(event) = command.next().await? {
        match event {
            Event::Done { exit_code: Some(0) } => return Ok(()),
            Event::Done { exit_code } => return Err(format!("exit code {exit_code:?}").into()),
            Event::Stdout(_) | Event::Stderr(_) => {}
        }
    }
    Err("the command ended without an exit code".into())
}

/// Each command with a connection, a login and a shell of its own.
pub(crate) async fn further(target: &Target, count: usize) -> Outcome<()> {
    for _ in 0..count {
        let client = target.client()?;
        let shell = client.open_shell(ShellOptions::default()).await?;
        let mut command = shell.start(line(LINE)).await?;
        finish(&mut command).await?;
        shell.close().await?;
    }
    println!("{count}");
    Ok(())
}

/// Counts, for each command of one shell, the requests until its exit code was known. What one command leaves to be said
/// later counts for the next one.
pub(crate) async fn next(target: &Target, count: usize) -> Outcome<()> {
    let client = target.client()?;
    let shell = client.open_shell(ShellOptions::default()).await?;
    // The first command is on a new connection, which is another row.
    finish(&mut shell.start(line(LINE)).await?).await?;
    let mut requests = Vec::new();
    for _ in 0..count {
        let before = client.requests();
        let mut command = shell.start(line(LINE)).await?;
        finish(&mut command).await?;
        requests.push(client.requests() - before);
    }
    shell.close().await?;
    requests.sort_unstable();
    let median = requests.get(requests.len() / 2).copied().unwrap_or_default();
    let mean = requests.iter().sum::<u64>() as f64 / count as f64;
    println!("{median} {mean:.2}");
    Ok(())
}

/// Each script with a connection, a login and a runspace pool of its own.
pub(crate) async fn pool(target: &Target, count: usize) -> Outcome<()> {
    for _ in 0..count {
        let client = target.client()?;
        let pool = client.open_pool(PoolOptions::default()).await?;
        let statements = vec![vec![Script::script(SCRIPT)]];
        let options = PipelineOptions::new(PowerShell { statements, ..PowerShell::default() });
        let mut pipeline = pool.invoke(options).await?;
        while let Some(event) = pipeline.next().await? {
            if let PipelineEvent::Record(Record::Output(value)) = event {
                println!(
                    "{}",
                    value
                        .as_text()
                        .map_or_else(String::new, |text| text.to_string_lossy().into_owned())
                );
            }
        }
        drop(pipeline);
        pool.close().await?;
    }
    Ok(())
}
