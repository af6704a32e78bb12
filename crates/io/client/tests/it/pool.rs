//! Runspace pools against an independent server: pyspnego's logins and sealing, psrpcore's server half behind them.

use client::pool::{PipelineEvent, PipelineOptions, Pool, PoolOptions};
use client::{Authentication, Client, Error, ErrorKind, Protection};
use psrp::client::Record;
use psrp::clixml::Value;
use psrp::messages::{Command, PipelineState, PowerShell};
use psrp::version;
use testkit::{Stub, report};

use crate::stub::config;

fn script(text: &str) -> PipelineOptions {
    let statements = vec![vec![Command::script(text)]];
    PipelineOptions::new(PowerShell { statements, ..PowerShell::default() })
}

/// Output as text, the streams of the other records, and the end.
async fn finish(
    pool: &Pool,
    options: PipelineOptions,
) -> Result<(Vec<String>, Vec<String>, PipelineState), Error> {
    let mut pipeline = pool.invoke(options).await?;
    let (mut output, mut others, mut end) = (Vec::new(), Vec::new(), None);
    while let Some(event) = pipeline.next().await? {
        match event {
            PipelineEvent::Record(Record::Output(Value::String(text))) => {
                output.push(text.to_string_lossy().into_owned())
            }
            PipelineEvent::Record(Record::Verbose(record)) => {
                others.push(format!("verbose {}", record.message.to_string_lossy()))
            }
            PipelineEvent::Record(Record::Warning(record)) => {
                others.push(format!("warning {}", record.message.to_string_lossy()))
            }
            PipelineEvent::Ended { state, .. } => end = Some(state),
            other => panic!("{other:?}"),
        }
    }
    Ok((output, others, end.unwrap()))
}

async fn run(name: &str, options: &[&str], authentication: Authentication) {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(name, folder.path(), options) else { return };
    let client = Client::new(config(&stub, authentication)).unwrap();
    let pool = client.open_pool(PoolOptions::default()).await.unwrap();
    assert_eq!(pool.version(), version::DEFAULT);
    let before = stub.requests().len();
    let (output, others, state) = finish(&pool, script("Get-Date")).await.unwrap();
    assert_eq!(output, ["stub ran: Get-Date"]);
    assert_eq!(others, ["verbose verbose from stub", "warning warning from stub"]);
    assert_eq!(state, PipelineState::Completed);
    let first = stub.requests().len();
    finish(&pool, script("Get-Date")).await.unwrap();
    let second = stub.requests().len() - first;
    pool.close().await.unwrap();
    assert_eq!(client.protection(), Some(Protection::Seal));
    let requests = stub.requests();
    report(&format!(
        "PEER winrm_stub 1: {name}, {before} requests for the pool, {} for a command, {second} for the next, {} in all",
        first - before,
        requests.len(),
    ));
    assert_eq!(u64::try_from(requests.len()), Ok(client.requests()));
}

#[tokio::test]
async fn pool_over_raw_ntlm() {
    run("pool_over_raw_ntlm", &[], Authentication::Ntlm).await;
}

#[tokio::test]
async fn pool_over_spnego() {
    run("pool_over_spnego", &[], Authentication::Negotiate).await;
}

#[tokio::test]
async fn long_script_goes_in_several_messages() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("long_script", folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Ntlm)).unwrap();
    let pool = client.open_pool(PoolOptions::default()).await.unwrap();
    let text = format!("'{}'", "x".repeat(400_000));
    let (output, _, state) = finish(&pool, script(&text)).await.unwrap();
    assert_eq!(state, PipelineState::Completed);
    assert!(output[0].starts_with("stub ran: 'xxx"));
    pool.close().await.unwrap();
    // The stub's list may lack one of two messages that come at once.
    let sends = stub.requests().iter().filter(|name| name.contains("Send")).count();
    assert!(sends >= 2, "{:?}", stub.requests());
}

#[tokio::test]
async fn pipelines_run_at_once_and_a_host_that_is_gone_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("pipelines_at_once", folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Ntlm)).unwrap();
    let pool =
        client.open_pool(PoolOptions { retries: 0, ..PoolOptions::default() }).await.unwrap();
    let (one, two) = tokio::join!(finish(&pool, script("one")), finish(&pool, script("two")));
    assert_eq!(
        (one.unwrap().0, two.unwrap().0),
        (vec!["stub ran: one".to_owned()], vec!["stub ran: two".to_owned()])
    );
    drop(stub);
    let error = finish(&pool, script("three")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
}
