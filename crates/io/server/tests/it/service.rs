//! Starting: listeners and plug-ins.

use std::sync::Arc;

use server::accounts::FileSource;
use server::{Config, Listeners, RunError, run};
use tokio::sync::oneshot;

use crate::support::{Pipes, settings};

fn config(listeners: &[&str]) -> Result<Config, RunError> {
    let mut settings = settings("");
    settings.listeners = listeners.iter().map(|url| url.parse().unwrap()).collect();
    let listeners = Listeners::open(&settings, None, None, None)?;
    Ok(Config::new(settings, listeners, Arc::new(FileSource("/nonexistent".into()))))
}

#[tokio::test]
async fn several_listeners_accept_each_with_its_own_path() {
    let mut config =
        config(&["http://127.0.0.1:0/one", "http://[::1]:0/two", "http://*:0"]).unwrap();
    let (ready, listening) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    config.ready = Box::new(|addresses| drop(ready.send(addresses.to_vec())));
    config.stop = Box::pin(async move { drop(stopped.await) });
    let task = tokio::spawn(run(config));
    let addresses = listening.await.unwrap();
    assert_eq!(addresses.len(), 4);
    // `*` is one port on both families.
    assert_eq!(addresses[2].port(), addresses[3].port());
    for (address, path, status) in
        [(addresses[0], "/one", 401), (addresses[1], "/two", 401), (addresses[0], "/two", 404)]
    {
        let mut http = crate::support::Http::connect(address).await;
        let request = format!("POST {path} HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n");
        http.send(request.as_bytes()).await;
        assert_eq!(http.receive().await.unwrap().status, status, "{address} {path}");
    }
    drop(stop);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn taken_address_and_doubled_plugins_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", taken.local_addr().unwrap());
    let error = config(&[&url]).unwrap_err();
    assert!(error.to_string().contains(&url), "{error}");
    // Without a private socket nobody could ever reach it.
    assert!(matches!(run(config(&[]).unwrap()).await, Err(RunError::NoListener)));
    let mut twice = config(&["http://127.0.0.1:0"]).unwrap();
    twice.plugins = vec![Arc::new(Pipes::default()), Arc::new(Pipes::default())];
    assert!(matches!(run(twice).await, Err(RunError::PluginTwice(_))));
}
