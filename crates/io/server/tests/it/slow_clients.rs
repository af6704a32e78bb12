//! Clients that do not read what they asked for.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::support::{Http, Service, settings};

#[tokio::test]
async fn client_that_never_reads_is_cut_off_and_gives_its_place_back() {
    let text = "[Service]\nMaxPacketRetrievalTimeSeconds = 1\nMaxConnections = 1\n";
    let service = Service::start_with(settings(text)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(service.address).await.unwrap();
    let requests = b"POST /wsman HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(&requests).await.is_ok() {} };
    timeout(Duration::from_secs(60), flood).await.expect("the connection ends");
    // The service may hear of the end later than we do.
    let until_answered = async {
        loop {
            let mut http = Http::connect(service.address).await;
            http.post(&[], b"").await;
            if let Some(answer) = http.receive().await {
                return answer.status;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let status = timeout(Duration::from_secs(20), until_answered).await.expect("a place");
    assert_eq!(status, 401);
}
