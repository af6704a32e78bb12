//! The wall clock jumps while the service runs: logins, lockouts and idle times do not care.
//!
//! The test runs itself once more under a clock that can be turned (`tests/data/clock.c`).

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::{Sealer, Step};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Runtime;
use wsman::identify::Identify;

use crate::places::connect_from;
use crate::support::{Http, PASSWORD, Service, Session, negotiate, settings};

const FILE: &str = "CLOCK_OFFSET_FILE";
const NAME: &str = "clock::jumps_of_the_wall_clock_change_nothing";
const DAY: i64 = 86_400;
/// Both ways, a little and a lot; the last is before the year 1970.
const JUMPS: [i64; 7] = [60, -3_600, DAY, -2 * DAY, 3_650 * DAY, 0, -80 * 366 * DAY];

fn turn(file: &Path, offset: i64) {
    let before = file.with_extension("new");
    std::fs::write(&before, offset.to_string()).unwrap();
    std::fs::rename(before, file).unwrap();
}

fn unix_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs().cast_signed(),
        Err(before) => -before.duration().as_secs().cast_signed(),
    }
}

#[test]
fn jumps_of_the_wall_clock_change_nothing() {
    if let Some(file) = env::var_os(FILE) {
        return Runtime::new().unwrap().block_on(under_a_clock_that_turns(&PathBuf::from(file)));
    }
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clock.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .status();
    assert!(compiled.unwrap().success());
    let file = folder.path().join("offset");
    turn(&file, 0);
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]).env(FILE, &file).env("LD_PRELOAD", &library);
    let ran = again.output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

async fn under_a_clock_that_turns(file: &Path) {
    can_be_turned(file);
    let text = "[Service.FailedLogins]\nSlowAfter = 0\nLockoutAfter = 2\nLockoutSeconds = 3600\n";
    let service = Service::start_with(settings(text)).await;
    let mut open = Session::login(service.address, "alice").await;
    let shell = open.open_shell().await;
    let command = open.start(&shell, "read x; echo $x").await.unwrap();
    for _ in 0..2 {
        // From another address, which is locked out as well.
        let http = connect_from(9, service.address).await;
        assert!(Session::over(http, negotiate("carol", "wrong", true)).await.is_err());
    }
    for jump in JUMPS {
        turn(file, jump);
        goes_on(&service, &mut open, jump).await;
    }
    logins_across_every_jump(service.address, file).await;
    // The shell is neither idle nor forgotten, and its command is there.
    turn(file, 400 * DAY);
    assert!(open.receive(&shell, &command).await.is_err(), "the operation's time-out");
    let other = open.start(&shell, "echo on").await.unwrap();
    assert_eq!(open.finish(&shell, &other).await.0, b"on\n");
    service.stop().await;
}

/// What is open goes on, others log in, and who is locked out stays so.
async fn goes_on(service: &Service, open: &mut Session, jump: i64) {
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(open.ask_bytes(&identify).await.0, 200, "{jump}");
    Session::login(service.address, "bob").await;
    let locked = Session::try_login(service.address, "carol", PASSWORD, true).await;
    assert!(locked.is_err(), "{jump}: a lockout lasts as long as it should");
}

fn can_be_turned(file: &Path) {
    let start = unix_now();
    turn(file, DAY);
    assert!((unix_now() - start - DAY).abs() < 100, "the clock can be turned");
    turn(file, 0);
}

async fn logins_across_every_jump(address: SocketAddr, file: &Path) {
    for from in JUMPS {
        for to in JUMPS {
            assert!(login_across(address, file, from, to).await, "from {from} to {to}");
        }
    }
}

/// A login whose challenge comes before a jump, and whose answer after it.
async fn login_across(address: SocketAddr, file: &Path, from: i64, to: i64) -> bool {
    turn(file, from);
    let mut http = Http::connect(address).await;
    let mut login = negotiate("alice", PASSWORD, true);
    let mut reply: Option<Vec<u8>> = None;
    for clock in [from, to] {
        turn(file, clock);
        let (Step::Send(token) | Step::Last(token)) = login.step(reply.as_deref()).unwrap() else {
            return false;
        };
        let header = format!("Negotiate {}", STANDARD.encode(token));
        let answer = http.ask(&[("Authorization", &header)], b"").await;
        let challenge = answer
            .values("WWW-Authenticate")
            .into_iter()
            .find_map(|value| STANDARD.decode(value.split_once(' ')?.1).ok());
        if answer.status == 200 {
            return login.sealer().is_some_and(|sealer: Box<dyn Sealer>| sealer.can_seal());
        }
        reply = challenge;
    }
    false
}
