//! Many shells that do nothing, opened over a few connections and held until the input ends.

use std::io::Read as _;

use client::{Client, Shell, ShellOptions};
use tokio::task::JoinSet;

use crate::{Outcome, Target};

/// Clients that open at the same time; each keeps its shells.
const CLIENTS: usize = 8;

/// Opens the shells, prints `open N`, waits, closes them, prints `closed N`.
pub(crate) async fn run(target: &Target, count: usize) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let share = count / CLIENTS + usize::from(number < count % CLIENTS);
        tasks.spawn(open(target.client()?, share));
    }
    let mut groups = Vec::new();
    while let Some(group) = tasks.join_next().await {
        groups.push(group??);
    }
    println!("open {}", groups.iter().map(|(_, shells)| shells.len()).sum::<usize>());
    // A line or the end; nothing is going on meanwhile.
    let _length = std::io::stdin().read(&mut [0; 16])?;
    let mut tasks = JoinSet::new();
    for (client, shells) in groups {
        tasks.spawn(close(client, shells));
    }
    let mut closed = 0;
    while let Some(count) = tasks.join_next().await {
        closed += count??;
    }
    println!("closed {closed}");
    Ok(())
}

async fn open(client: Client, count: usize) -> Outcome<(Client, Vec<Shell>)> {
    let mut shells = Vec::with_capacity(count);
    for _ in 0..count {
        shells.push(client.open_shell(ShellOptions::default()).await?);
    }
    Ok((client, shells))
}

async fn close(client: Client, shells: Vec<Shell>) -> Outcome<usize> {
    let count = shells.len();
    for shell in shells {
        shell.close().await?;
    }
    drop(client);
    Ok(count)
}
