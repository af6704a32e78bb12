//! Many connections at once, each with one request after the other, for some seconds.

use std::time::{Duration, Instant};

use client::{Client, Event, ShellOptions};
use tokio::task::JoinSet;

use crate::single::{finish, line};
use crate::{Outcome, Target};

/// Operations between two looks at the clock.
const BATCH: usize = 8;

/// What is done over and over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    Identify,
    Send,
    Echo,
    Commands,
}

impl Work {
    pub(crate) fn named(mode: &str) -> Option<Self> {
        Some(match mode {
            "identify" => Self::Identify,
            "send" => Self::Send,
            "echo" => Self::Echo,
            "commands" => Self::Commands,
            _ => return None,
        })
    }
}

/// Runs the work on so many connections, and prints how often it was done in how many seconds.
pub(crate) async fn run(
    target: &Target,
    work: Work,
    connections: usize,
    seconds: usize,
) -> Outcome<()> {
    let start = Instant::now();
    let until = start + Duration::from_secs(u64::try_from(seconds)?);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let client = target.client()?;
        tasks.spawn(async move {
            match work {
                Work::Identify => identify(&client, until).await,
                Work::Send => send(&client, until).await,
                Work::Echo => echo(&client, until).await,
                Work::Commands => commands(&client, until).await,
            }
        });
    }
    let mut done = 0;
    while let Some(count) = tasks.join_next().await {
        done += count??;
    }
    println!("{done} {:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

async fn identify(client: &Client, until: Instant) -> Outcome<usize> {
    let mut done = 0;
    while Instant::now() < until {
        for _ in 0..BATCH {
            client.identify().await?;
        }
        done += BATCH;
    }
    Ok(done)
}

async fn send(client: &Client, until: Instant) -> Outcome<usize> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let mut command = shell.start(line("cat >/dev/null")).await?;
    let input = command.input();
    let mut done = 0;
    while Instant::now() < until {
        for _ in 0..BATCH {
            input.write(b"one line of input\n").await?;
        }
        done += BATCH;
    }
    input.end(b"").await?;
    finish(&mut command).await?;
    shell.close().await?;
    Ok(done)
}

async fn echo(client: &Client, until: Instant) -> Outcome<usize> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let mut command = shell.start(line("cat")).await?;
    let input = command.input();
    let mut done = 0;
    while Instant::now() < until {
        input.write(b"one line of input\n").await?;
        match command.next().await? {
            Some(Event::Stdout(data)) if data == b"one line of input\n" => done += 1,
            other => return Err(format!("no echo: {other:?}").into()),
        }
    }
    input.end(b"").await?;
    finish(&mut command).await?;
    shell.close().await?;
    Ok(done)
}

async fn commands(client: &Client, until: Instant) -> Outcome<usize> {
    let shell = client.open_shell(ShellOptions::default()).await?;
    let mut done = 0;
    while Instant::now() < until {
        finish(&mut shell.start(line("true")).await?).await?;
        done += 1;
    }
    shell.close().await?;
    Ok(done)
}
