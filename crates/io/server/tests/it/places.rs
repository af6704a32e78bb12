//! Who keeps the places of connections: one address cannot keep others out before a login, a complete login keeps its
//! place, and a connection with a login may rest.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use wsman::identify::Identify;

use crate::support::{Http, Service, Session, settings};

/// A connection from another address of loopback.
pub(crate) async fn connect_from(last: u8, to: SocketAddr) -> Http {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into()).unwrap();
    Http::of(socket.connect(to).await.unwrap())
}

/// Whether the service answers on a connection.
async fn is_served(http: &mut Http) -> bool {
    http.post(&[], b"").await;
    http.receive().await.is_some_and(|answer| answer.status == 401)
}

#[tokio::test]
async fn address_that_holds_all_places_before_a_login_keeps_nobody_out() {
    let service = Service::start_with(settings("[Service]\nMaxConnections = 8\n")).await;
    let mut known = Session::login(service.address, "alice").await;
    let mut silent = Vec::new();
    for _ in 0..7 {
        let mut http = Http::connect(service.address).await;
        assert!(is_served(&mut http).await, "while places are free one address may have all");
        silent.push(http);
    }
    let mut own = Http::connect(service.address).await;
    assert!(!is_served(&mut own).await, "its own logins are still young");
    for last in 2..5 {
        let mut other = connect_from(last, service.address).await;
        assert!(is_served(&mut other).await, "127.0.0.{last}");
        // Kept until the end of the test.
        silent.push(other);
    }
    for (index, http) in silent.iter_mut().enumerate() {
        let gave_way = index < 3;
        assert_ne!(is_served(http).await, gave_way, "connection {index}");
    }
    // The complete login was never in question.
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(known.ask_bytes(&identify).await.0, 200);
}

#[tokio::test]
async fn fleet_behind_one_address_logs_in_at_once() {
    let service = Service::start_with(settings("[Service]\nMaxConnections = 60\n")).await;
    let logins = (0..60).map(|_| tokio::spawn(Session::login(service.address, "alice")));
    let logins: Vec<_> = logins.collect();
    let mut sessions = Vec::new();
    for login in logins {
        sessions.push(login.await.unwrap());
    }
    let identify = Identify::default().to_envelope().encode();
    for session in &mut sessions {
        assert_eq!(session.ask_bytes(&identify).await.0, 200);
    }
    // All places have complete logins: nobody gives way.
    let mut late = connect_from(2, service.address).await;
    assert!(!is_served(&mut late).await);
}

#[tokio::test]
async fn connection_with_a_login_rests_longer_than_a_request_may_take() {
    let text = "[Service]\nMaxPacketRetrievalTimeSeconds = 1\n";
    let service = Service::start_with(settings(text)).await;
    let mut known = Session::login(service.address, "alice").await;
    let mut stranger = TcpStream::connect(service.address).await.unwrap();
    assert_eq!(tokio::io::AsyncReadExt::read(&mut stranger, &mut [0]).await.unwrap(), 0);
    sleep(Duration::from_millis(2_500)).await;
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(known.ask_bytes(&identify).await.0, 200);
    // A request that has begun must come to its end.
    known.http.send(b"POST /wsman HTTP/1.1\r\nHost: b\r\n").await;
    assert!(known.http.is_closed().await);
}
