//! Pools and the others: accounts cannot reach each other's, engines have nothing of the service's, and what one account's
//! pools hold is bounded.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use client::pool::{Leave, PoolOptions};
use nix::unistd::Uid;
use psrp::clixml::Value;
use testkit::outside::report;
use tokio::time::timeout;

use crate::powershell::{Reachable, client_at, client_of, finish, led, options};
use crate::service::{Flavour, Service, flavours};
use crate::tool;

#[test]
fn pools_of_another_account_are_neither_listed_nor_taken_over() {
    if !Uid::effective().is_root() {
        return report(
            "SKIPPED pools_of_another_account_are_neither_listed_nor_taken_over: not root, so one account only",
        );
    }
    let engine = Reachable::find();
    let service = Service::configured(Flavour::Root, &engine.settings());
    service.add_member("bob", "daemon", "Remote Management Users").ended(0);
    led(async {
        let (alice, bob) = (client_at(service.port), client_of("bob", service.port));
        let pool = alice.open_pool(PoolOptions::default()).await.unwrap();
        let pipeline = pool.invoke(options("Start-Sleep -Seconds 20")).await.unwrap();
        let id = pool.id();
        for is_left in [false, true] {
            if is_left {
                pool.disconnect(Leave::default()).await.unwrap();
            }
            assert_eq!(bob.pools().await.unwrap(), []);
            let refused = bob.connect_pool(id, PoolOptions::default()).await.unwrap_err();
            assert!(refused.to_string().contains("Connect"), "{refused}");
            let listed = alice.pools().await.unwrap();
            assert_eq!((listed.len(), listed[0].is_disconnected()), (1, is_left));
            assert!(bob.pipelines(&listed[0]).await.is_err());
            assert_eq!(alice.pipelines(&listed[0]).await.unwrap(), [pipeline.id()]);
        }
        pool.reconnect().await.unwrap();
        drop(pipeline);
        assert_eq!(finish(&pool, "7").await.unwrap().0, [Value::Int32(7)]);
        pool.close().await.unwrap();
    });
}

#[test]
fn engine_has_its_three_pipes_and_nothing_of_the_service() {
    for flavour in flavours() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let file = folder.path().join("seen");
        let look = format!(
            "cd /proc/$$/fd; set -- *; for one in \"$@\"; do [ -e $one ] && all=\"$all $one\"; done; \
             echo $all > {0}; env >> {0}; tr '\\0' '\\n' < /proc/$PPID/environ >> {0}; exit 3",
            file.display()
        );
        let settings = format!("[PowerShell]\nCommand = [\"/bin/sh\", \"-c\", {look:?}]\n");
        let service = Service::configured(flavour, &settings);
        led(async {
            let pool = client_at(service.port).open_pool(PoolOptions::default()).await;
            assert!(pool.unwrap_err().to_string().contains("exit code 3"));
        });
        let seen = fs::read_to_string(&file).unwrap();
        assert!(seen.starts_with("0 1 2\n"), "{seen}");
        for secret in ["TRANSOM_", "NOTIFY_SOCKET", "LISTEN_", crate::service::PASSWORD] {
            assert!(!seen.contains(secret), "{secret} in {seen}");
        }
    }
}

#[test]
fn pools_of_one_account_share_what_it_may_leave_unread() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client_at(service.port);
        let mut pools = Vec::new();
        for _ in 0..2 {
            let pool = client.open_pool(PoolOptions::default()).await.unwrap();
            // Nobody fetches its output, so that the engine waits, and what is sent to it as well.
            let mut full = options("Get-Large 8; $input | Out-Null");
            full.takes_input = true;
            let pipeline = pool.invoke(full).await.unwrap();
            pools.push((pool, pipeline));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let object = Value::from("x".repeat(6 * 1024 * 1024));
        let mut written = [0, 0];
        let mut refused = None;
        'all: for _ in 0..8 {
            for ((_, pipeline), written) in pools.iter().zip(&mut written) {
                let sent = pipeline.input();
                match timeout(Duration::from_secs(30), sent.write(object.clone())).await {
                    Ok(Ok(())) => *written += 1,
                    Ok(Err(error)) => {
                        refused = Some(error.to_string());
                        break 'all;
                    }
                    Err(_) => break 'all,
                }
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("all was taken: {written:?}"));
        assert!(refused.contains("64 MB"), "{refused}");
        for (pool, pipeline) in pools {
            drop(pipeline);
            pool.close().await.unwrap();
        }
    });
    // All is given back.
    let ran = tool::run_with_input(&mut service.winrs(&["wc -c"]), &vec![b'x'; 1_000_000]);
    assert_eq!(ran.ended(0).stdout.trim(), "1000000");
}
