//! The way down: shells and their processes end, what waits is answered.

use std::time::Duration;

use tokio::net::TcpStream;
use wsman::ErrorCode;

use crate::support::{Service, Session};

#[tokio::test]
async fn stop_answers_what_waits_and_ends_every_shell() {
    let service = Service::start().await;
    let address = service.address;
    let plugin = std::sync::Arc::clone(&service.plugin);
    let mut session = Session::login(address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sleep 1000").await.unwrap();
    let mut idle = Session::login(address, "bob").await;
    idle.open_shell().await;
    let waiting = tokio::spawn(async move { session.receive(&shell, &id).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    service.stop().await;
    let fault = waiting.await.unwrap().unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(1115)));
    assert_eq!(plugin.closed(), 2);
    assert!(idle.http.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}
