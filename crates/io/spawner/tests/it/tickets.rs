//! Kerberos tickets: where commands find them, who else does, and what is left when the shell is gone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use spawner::network::{Keeper, Spawner, Stage, Start, StartError, Wishes};
use tempfile::TempDir;

use crate::network::{ALICE, Context, NONE, Outcomes, Scenario, ensure, open, scenarios, text};
use crate::runner::{Needs, Test};
use crate::service::{Mode, Place, Service};

/// What a shell needs that gets a ticket.
const FOR_TICKET: Wishes = Wishes { ticket: true, memory: None };

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_ticket_is_the_shells_own_and_gone_with_it",
        needs: Needs::Either,
        run: |mode| drop(with_memory(mode, "ticket_stored")),
    },
    Test {
        name: "whatever_a_user_leaves_beside_its_ticket_is_removed",
        needs: Needs::Either,
        run: |mode| drop(with_memory(mode, "ticket_hostile")),
    },
    Test {
        name: "a_ticket_is_gone_when_its_keeper_is_killed",
        needs: Needs::Either,
        run: |mode| drop(with_memory(mode, "ticket_keeper_killed")),
    },
    Test {
        name: "a_ticket_is_written_to_no_file_that_was_there",
        needs: Needs::Either,
        run: |mode| drop(with_memory(mode, "ticket_forestalled")),
    },
    Test {
        name: "a_folder_that_is_filled_all_the_time_does_not_keep_its_shell",
        needs: Needs::Either,
        run: refilled,
    },
    Test {
        name: "a_user_fills_the_memory_of_tickets_only",
        needs: Needs::Root,
        run: |mode| drop(with_memory(mode, "ticket_memory_filled")),
    },
    Test {
        name: "tickets_that_a_killed_service_left_are_removed",
        needs: Needs::User,
        run: left_over,
    },
    Test { name: "a_ticket_never_reaches_a_disk", needs: Needs::User, run: no_memory },
];

pub(crate) const SCENARIOS: &[(&str, Scenario)] = scenarios![
    ticket_stored,
    ticket_hostile,
    ticket_keeper_killed,
    ticket_forestalled,
    ticket_refilled,
    ticket_memory_filled,
    ticket_kept,
    ticket_refused,
];

const TICKET: &[u8] = b"\x05\x04 not really a ticket";

/// A folder in memory for a service that is not root's.
fn memory(mode: Mode) -> TempDir {
    let folder = tempfile::Builder::new().prefix("transom-it-").tempdir_in("/dev/shm").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if !mode.is_root() {
        chown(folder.path(), Some(mode.uid()), Some(mode.uid())).unwrap();
    }
    folder
}

fn start<'a>(place: &'a Place, memory: &TempDir, scenario: &str) -> Service<'a> {
    let mut command = place.command("role-spawner", &[], scenario);
    command.env("XDG_RUNTIME_DIR", memory.path());
    place.start_command(command)
}

/// Runs a scenario to its end; returns the log.
fn with_memory(mode: Mode, scenario: &str) -> Vec<String> {
    let (place, memory) = (Place::new(mode), memory(mode));
    let mut service = start(&place, &memory, scenario);
    service.result(|_, _, action| panic!("nobody does {action}"));
    let log = service.stop();
    let left = fs::read_dir(memory.path().join("transom/shells"));
    assert_eq!(left.map_or(0, Iterator::count), 0, "something is left in memory");
    log
}

fn refilled(mode: Mode) {
    let (place, memory) = (Place::new(mode), memory(mode));
    let mut service = start(&place, &memory, "ticket_refilled");
    service.result(|_, _, action| panic!("nobody does {action}"));
    drop(service.stop());
    // What it could not remove then is removed now.
    let mut next = start(&place, &memory, "idle");
    next.result(|_, _, action| panic!("nobody does {action}"));
    drop(next.stop());
    let left = fs::read_dir(memory.path().join("transom/shells"));
    assert_eq!(left.map_or(0, Iterator::count), 0, "something is left in memory");
}

fn left_over(mode: Mode) {
    let (place, memory) = (Place::new(mode), memory(mode));
    let mut service = start(&place, &memory, "ticket_kept");
    service.result(|_, _, action| panic!("nobody does {action}"));
    // The keeper is stopped and dies with nobody to remove the ticket: as after a loss of everything but memory.
    service.signal(Signal::SIGKILL);
    assert_eq!(service.exit_code(), None);
    service.assert_nothing_left();
    let state = fs::read_dir(memory.path().join("transom/shells")).unwrap().next().unwrap();
    let state = state.unwrap().path();
    let planted = state.join("1.1-1");
    fs::create_dir(&planted).unwrap();
    fs::write(planted.join("krb5cc"), TICKET).unwrap();
    for path in [planted.join("krb5cc"), planted] {
        chown(&path, Some(mode.uid()), Some(mode.uid())).unwrap();
    }
    let mut next = start(&place, &memory, "idle");
    next.result(|_, _, action| panic!("nobody does {action}"));
    drop(next.stop());
    assert!(!state.exists(), "left in memory: {state:?}");
}

fn no_memory(mode: Mode) {
    for (runtime, reason) in [(Some("home"), "is on a disk"), (None, "XDG_RUNTIME_DIR is not set")]
    {
        let place = Place::new(mode);
        fs::set_permissions(place.path("home"), fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = place.command("role-spawner", &[], "ticket_refused");
        match runtime {
            Some(name) => command.env("XDG_RUNTIME_DIR", place.path(name)),
            None => command.env_remove("XDG_RUNTIME_DIR"),
        };
        let mut service = place.start_command(command);
        service.result(|_, _, action| panic!("nobody does {action}"));
        let log = service.stop();
        let told = log.iter().any(|line| line.contains("gets no ticket") && line.contains(reason));
        assert!(told, "{reason}: {log:?}");
    }
}

async fn open_with_ticket(spawner: &Spawner) -> Result<(Keeper, PathBuf), String> {
    let keeper =
        spawner.open_with(ALICE, NONE, FOR_TICKET).await.map_err(|error| error.to_string())?;
    keeper.store_ticket(TICKET).await.map_err(|error| error.to_string())?;
    let name = text(&keeper, "echo $KRB5CCNAME").await?;
    let path = name.strip_prefix("FILE:").ok_or_else(|| format!("KRB5CCNAME is {name:?}"))?;
    Ok((keeper, path.into()))
}

async fn not_stored(keeper: &Keeper, wanted: i32) -> Outcomes {
    match keeper.store_ticket(TICKET).await {
        Err(StartError::Failed { stage: Stage::Ticket, errno }) if errno == wanted => Ok(()),
        other => Err(format!("{other:?} instead of error {wanted}")),
    }
}

async fn ticket_stored(spawner: Spawner, context: Context) -> Outcomes {
    let (keeper, path) = open_with_ticket(&spawner).await?;
    let folder = path.parent().unwrap().to_owned();
    let shown = text(&keeper, "cat ${KRB5CCNAME#FILE:}").await?;
    ensure!(shown.as_bytes() == TICKET, "the ticket is {shown:?}");
    let script = "f=${KRB5CCNAME#FILE:}; stat -c '%a %u' $f ${f%/*}; stat -f -c %T $f; id -u";
    let shown = text(&keeper, script).await?;
    let lines: Vec<_> = shown.lines().collect();
    let uid = *lines.last().unwrap();
    ensure!(lines == [&format!("600 {uid}"), &format!("700 {uid}"), "tmpfs", uid], "{shown}");
    not_stored(&keeper, nix::libc::EEXIST).await?;

    let without = open(&spawner).await?;
    let shown = text(&without, "echo \"[$KRB5CCNAME]\"").await?;
    ensure!(shown == "[]", "a shell without a ticket has {shown}");
    not_stored(&without, nix::libc::EOPNOTSUPP).await?;
    if context.root {
        let bob = spawner.open([2; 16], NONE).await.map_err(|error| error.to_string())?;
        let script =
            format!("cat {0}; ls {1}; ls {1}/..; touch {1}/../x", path.display(), folder.display());
        let shown = text(&bob, &script).await?;
        ensure!(shown.matches("ermission denied").count() == 4, "another user: {shown}");
        let shown = text(&keeper, &format!("mv {0} {0}x; rmdir {0}", folder.display())).await?;
        ensure!(shown.contains("ermission denied"), "the user moves its folder: {shown}");
    }
    keeper.close().await;
    ensure!(!folder.exists(), "{} is left", folder.display());
    // A variable that the client gave wins over the service's.
    let (keeper, _) = open_with_ticket(&spawner).await?;
    let start = Start {
        argv: ["/bin/sh", "-c", "echo $KRB5CCNAME"].map(Into::into).to_vec(),
        environment: vec![("KRB5CCNAME".into(), "mine".into())],
        ..Start::default()
    };
    let (out, _, _) = crate::network::run(&keeper, start, b"").await?;
    ensure!(out == b"mine\n", "{out:?}");
    Ok(())
}

async fn ticket_hostile(spawner: Spawner, context: Context) -> Outcomes {
    let (keeper, path) = open_with_ticket(&spawner).await?;
    let outside = context.base.join("home").join("outside");
    let script = format!(
        "cd $(dirname {path}) && mkdir {outside} && echo kept > {outside}/file && rm krb5cc && ln -s {outside} krb5cc && \
         ln -s {outside}/file link && mkdir -p a/b/c && ln {outside}/file a/hard 2>/dev/null; \
         i=0; while [ $i -lt 2000 ]; do : > f$i; i=$((i+1)); done; \
         i=0; while [ $i -lt 300 ]; do mkdir d && cd d; i=$((i+1)); done; : > bottom; \
         cd $(dirname {path}); mkfifo a/b/fifo; chmod 0 a/b/c a/b a; chmod 0 .; echo done",
        path = path.display(),
        outside = outside.display()
    );
    let shown = text(&keeper, &script).await?;
    ensure!(shown.ends_with("done"), "{shown}");
    keeper.close().await;
    ensure!(!path.parent().unwrap().exists(), "{} is left", path.display());
    let again = open(&spawner).await?;
    let shown = text(&again, &format!("cat {}/file", outside.display())).await?;
    ensure!(shown == "kept", "outside of the folder: {shown}");
    Ok(())
}

async fn ticket_keeper_killed(spawner: Spawner, _: Context) -> Outcomes {
    let (keeper, path) = open_with_ticket(&spawner).await?;
    // What the keeper leaves writes on as long as it lives.
    let script = "f=${KRB5CCNAME#FILE:}; setsid sh -c \"while :; do echo x >> $f.more; done\" \
                  >/dev/null 2>&1 & kill -9 $PPID";
    drop(crate::network::start(&keeper, script).await);
    keeper.ended().await;
    ensure!(!path.parent().unwrap().exists(), "{} is left", path.display());
    Ok(())
}

async fn ticket_forestalled(spawner: Spawner, context: Context) -> Outcomes {
    let (first, path) = open_with_ticket(&spawner).await?;
    let second =
        spawner.open_with(ALICE, NONE, FOR_TICKET).await.map_err(|error| error.to_string())?;
    let target = context.base.join("home").join("target");
    let folder = path.parent().unwrap().to_string_lossy().into_owned();
    let (name, _) = folder.rsplit_once('-').unwrap();
    let script = format!("ln -s {} {name}-{}/krb5cc && echo done", target.display(), second.id());
    let shown = text(&first, &script).await?;
    ensure!(shown == "done", "{shown}");
    not_stored(&second, nix::libc::EEXIST).await?;
    ensure!(!target.exists(), "a link was followed");
    let shown = text(&second, "echo \"[$KRB5CCNAME]\"").await?;
    ensure!(shown == "[]", "a shell without a ticket has {shown}");
    Ok(())
}

/// Another shell of the same user keeps filling the folder.
async fn ticket_refilled(spawner: Spawner, _: Context) -> Outcomes {
    let (keeper, path) = open_with_ticket(&spawner).await?;
    let other = open(&spawner).await?;
    let script = format!(
        "while :; do : > {0}/a; mkdir -p {0}/b/c 2>/dev/null; done 2>/dev/null",
        path.parent().unwrap().display()
    );
    let busy = crate::network::start(&other, &script).await?;
    keeper.close().await;
    ensure!(!path.exists(), "the ticket is left");
    drop(busy);
    other.close().await;
    Ok(())
}

async fn ticket_memory_filled(spawner: Spawner, _: Context) -> Outcomes {
    let (keeper, path) = open_with_ticket(&spawner).await?;
    let folder = path.parent().unwrap().display().to_string();
    let script = format!("head -c 500m /dev/zero > {folder}/big; stat -c %s {folder}/big");
    let shown = text(&keeper, &script).await?;
    ensure!(shown.contains("No space left"), "{shown}");
    let other =
        spawner.open_with(ALICE, NONE, FOR_TICKET).await.map_err(|error| error.to_string())?;
    not_stored(&other, nix::libc::ENOSPC).await?;
    keeper.close().await;
    let (again, _) = open_with_ticket(&spawner).await?;
    again.close().await;
    Ok(())
}

async fn ticket_kept(spawner: Spawner, _: Context) -> Outcomes {
    let (keeper, _) = open_with_ticket(&spawner).await?;
    std::mem::forget(keeper);
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

async fn ticket_refused(spawner: Spawner, _: Context) -> Outcomes {
    let keeper =
        spawner.open_with(ALICE, NONE, FOR_TICKET).await.map_err(|error| error.to_string())?;
    not_stored(&keeper, nix::libc::EOPNOTSUPP).await?;
    let shown = text(&keeper, "echo \"[$KRB5CCNAME]\"").await?;
    ensure!(shown == "[]", "a shell without a ticket has {shown}");
    Ok(())
}
