//! The tests around the network role's scenarios: a place, a service, what the runner does meanwhile, and what is left.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal as SystemSignal;

use crate::runner::{Needs, Test};
use crate::service::{BOB, Mode, Place, assert_descriptors};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "commands_get_their_bytes_codes_and_signals",
        needs: Needs::Either,
        run: |mode| simple(mode, "commands", &[]),
    },
    Test {
        name: "the_environment_starts_with_seven_variables",
        needs: Needs::Either,
        run: |mode| simple(mode, "environment", &[]),
    },
    Test {
        name: "a_command_is_its_user_and_nobody_else",
        needs: Needs::Root,
        run: |mode| simple(mode, "identity", &["service=tm-service"]),
    },
    Test {
        name: "unfit_local_users_are_refused_with_the_reason",
        needs: Needs::Root,
        run: |mode| simple(mode, "refusals", &[]),
    },
    Test {
        name: "closing_ends_those_who_called_setsid",
        needs: Needs::Either,
        run: |mode| simple(mode, "endings", &[]),
    },
    Test {
        name: "process_without_first_thread_ends_with_the_shell",
        needs: Needs::Either,
        run: headless_process,
    },
    Test {
        name: "closing_ends_daemons_of_ended_commands",
        needs: Needs::Either,
        run: |mode| simple(mode, "daemon_after_exit", &[]),
    },
    Test {
        name: "a_stopped_or_killed_keeper_does_not_save_its_tree",
        needs: Needs::Either,
        run: |mode| simple(mode, "keeper_attacked", &[]),
    },
    Test {
        name: "a_bomb_of_300_is_gone",
        needs: Needs::Either,
        run: |mode| simple(mode, "bomb", &[]),
    },
    Test {
        name: "1100_pipes_work",
        needs: Needs::Either,
        run: |mode| simple(mode, "many_pipes", &[]),
    },
    Test {
        name: "shells_are_limited_per_account_and_in_all",
        needs: Needs::Root,
        run: |mode| simple(mode, "limits", &["per-account=3", "shells=4"]),
    },
    Test {
        name: "terminate_ends_what_a_session_left",
        needs: Needs::Either,
        run: |mode| simple(mode, "sessions", &[]),
    },
    Test {
        name: "a_dropped_future_leaves_no_shell_and_no_command",
        needs: Needs::Either,
        run: |mode| simple(mode, "cancelled", &[]),
    },
    Test {
        name: "listed_low_ports_are_bound_and_others_refused",
        needs: Needs::Root,
        run: |mode| simple(mode, "bind", &["listen=127.0.0.1:987", "listen=[::1]:988"]),
    },
    Test {
        name: "a_mapping_change_is_known_at_the_next_open",
        needs: Needs::Root,
        run: mapping_change,
    },
    Test {
        name: "a_mapping_that_others_can_change_is_refused",
        needs: Needs::Either,
        run: untrusted_files,
    },
    Test { name: "a_hung_name_lookup_blocks_one_shell_only", needs: Needs::Root, run: hung },
    Test { name: "nologin_is_honoured", needs: Needs::Root, run: nologin },
    Test {
        name: "too_few_descriptors_refuse_an_open_and_nothing_else",
        needs: Needs::Root,
        run: few,
    },
    Test { name: "a_killed_spawner_leaves_nothing", needs: Needs::Either, run: killed_spawner },
    Test {
        name: "a_killed_network_process_leaves_nothing",
        needs: Needs::Either,
        run: killed_network,
    },
    Test { name: "a_second_sigterm_ends_at_once", needs: Needs::Either, run: second_sigterm },
    Test {
        name: "the_service_manager_hears_ready_and_stopping",
        needs: Needs::Either,
        run: manager,
    },
    Test { name: "one_service_per_state_directory", needs: Needs::Either, run: one_service },
    Test {
        name: "a_state_directory_below_a_link_is_refused_by_name",
        needs: Needs::Either,
        run: bad_state,
    },
    Test { name: "a_process_with_two_threads_is_refused", needs: Needs::Either, run: two_threads },
    Test {
        name: "an_unprivileged_service_serves_one_account",
        needs: Needs::User,
        run: |mode| simple(mode, "unprivileged", &[]),
    },
];

/// Starts a scenario, waits for its result, looks at the spawner's descriptors, stops.
fn simple(mode: Mode, scenario: &str, options: &[&str]) {
    let place = Place::new(mode);
    let mut service = place.start(scenario, options);
    service.result(|_, _, action| panic!("nobody does {action}"));
    if mode.is_root() {
        assert_descriptors(service.spawner());
    }
    drop(service.stop());
}

fn mapping_change(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("mapping_changes", &["service=tm-service"]);
    let line = |uid: u32, name: &str| format!("{} {uid} - {name}\n", "0a".repeat(16));
    service.result(|place, _, action| match action {
        "map 10 to bob" => place.write_users(&line(BOB, "tm-bob")),
        "map 10 to the service" => place.write_users(&line(crate::service::SERVICE, "tm-service")),
        other => panic!("{other}"),
    });
    drop(service.stop());
}

fn untrusted_files(mode: Mode) {
    let place = Place::new(mode);
    let state = place.path("state");
    let (users, aside) = (state.join("users"), state.join("aside"));
    let mut service = place.start("files_refused", &[]);
    let owner = fs::metadata(&users).unwrap();
    let give = |path: &PathBuf| {
        std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid())).unwrap()
    };
    service.result(|_, _, action| {
        if !aside.exists() {
            fs::copy(&users, &aside).unwrap();
        }
        match action {
            "users is a link" => {
                fs::remove_file(&users).unwrap();
                symlink("aside", &users).unwrap();
                give(&users);
            }
            "users is writable" => {
                fs::set_permissions(&users, fs::Permissions::from_mode(0o620)).unwrap()
            }
            "users is a fifo" => {
                fs::remove_file(&users).unwrap();
                nix::unistd::mkfifo(&users, nix::sys::stat::Mode::S_IRUSR).unwrap();
                give(&users);
            }
            "users is nonsense" => fs::write(&users, "transom-users 2\n").unwrap(),
            "users is long" => fs::write(&users, "x".repeat(1024 * 1024 + 1)).unwrap(),
            "folder is writable" => {
                fs::set_permissions(&state, fs::Permissions::from_mode(0o733)).unwrap()
            }
            "good again" => {
                fs::set_permissions(&state, fs::Permissions::from_mode(0o711)).unwrap();
                fs::remove_file(&users).unwrap();
                fs::copy(&aside, &users).unwrap();
                fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
                give(&users);
            }
            other => panic!("{other}"),
        }
    });
    drop(service.stop());
}

fn hung(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("hung_lookup", &[]);
    service.result(|place, _, action| place_passwd(place, action));
    drop(service.stop());
}

/// Makes name look-ups in a place hang, or heals them.
pub(crate) fn place_passwd(place: &Place, action: &str) {
    let (passwd, aside) = (place.path("etc/passwd"), place.path("etc/passwd.aside"));
    match action {
        "hang" => {
            fs::rename(&passwd, &aside).unwrap();
            nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::from_bits_retain(0o644)).unwrap();
        }
        "heal" => fs::rename(&aside, &passwd).unwrap(),
        other => panic!("{other}"),
    }
}

fn nologin(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("no_login", &[]);
    service.result(|place, _, action| match action {
        "forbid" => fs::write(place.path("etc/nologin"), "later").unwrap(),
        "allow" => fs::remove_file(place.path("etc/nologin")).unwrap(),
        other => panic!("{other}"),
    });
    drop(service.stop());
}

fn few(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("few_descriptors", &[]);
    service.result(|_, spawner, action| {
        let limit = if action == "few" { "--nofile=11:" } else { "--nofile=4096:" };
        let pid = format!("--pid={spawner}");
        assert!(
            std::process::Command::new("prlimit").args([&pid, limit]).status().unwrap().success()
        );
    });
    drop(service.stop());
}

fn killed_spawner(mode: Mode) {
    for scenario in ["idle", "idle_with_stopped_keeper"] {
        killed_during(mode, scenario);
    }
}

fn killed_during(mode: Mode, scenario: &str) {
    let place = Place::new(mode);
    let mut service = place.start(scenario, &[]);
    service.result(|_, _, action| panic!("{action}"));
    service.signal(SystemSignal::SIGKILL);
    assert_eq!(service.exit_code(), None);
    service.assert_nothing_left();
    // Its groups, if it had any, are removed by the next service of the same directory.
    let mut next = place.start("idle", &[]);
    next.result(|_, _, action| panic!("{action}"));
    drop(next.stop());
    assert_eq!(groups(&place), Vec::<PathBuf>::new());
}

/// Control groups that name this place's state directory.
fn groups(place: &Place) -> Vec<PathBuf> {
    let stat = fs::metadata(place.path("state")).unwrap();
    let prefix = format!("transom-{:x}.{:x}-", stat.dev(), stat.ino());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let Some(mount) = mounts.lines().find(|line| line.contains(" - cgroup2 ")) else {
        return Vec::new();
    };
    let folder = mount.split(' ').nth(4).unwrap();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

fn killed_network(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("dies", &[]);
    service.result(|_, _, action| panic!("{action}"));
    assert_eq!(service.exit_code(), Some(1), "{:?}", service.log);
    assert_eq!(
        crate::service::marked(&service.marker),
        Vec::<String>::new(),
        "left when the spawner ended"
    );
    assert_eq!(groups(&place), Vec::<PathBuf>::new());
}

fn second_sigterm(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("ignores_stop", &[]);
    service.result(|_, _, action| panic!("{action}"));
    service.signal(SystemSignal::SIGTERM);
    // Nobody sends a result any more; the question is answered by the second signal and the process's end.
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        service.result(|_, spawner, action| {
            assert_eq!(action, "again");
            nix::sys::signal::kill(spawner, SystemSignal::SIGTERM).unwrap();
        });
    }));
    assert!(again.is_err(), "the network process cannot have said anything");
    assert_eq!(service.exit_code(), Some(1), "{:?}", service.log);
    assert_eq!(
        crate::service::marked(&service.marker),
        Vec::<String>::new(),
        "left when the spawner ended"
    );
}

fn manager(mode: Mode) {
    let place = Place::new(mode);
    let path = place.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = place.command("role-spawner", &[], "idle");
    command.env("NOTIFY_SOCKET", &path);
    let mut service = place.start_command(command);
    let said = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(said(), "READY=1");
    service.result(|_, _, action| panic!("{action}"));
    drop(service.stop());
    assert_eq!(said(), "STOPPING=1");
}

fn one_service(mode: Mode) {
    let place = Place::new(mode);
    let mut first = place.start("idle", &[]);
    first.result(|_, _, action| panic!("{action}"));
    let mut second = place.start("idle", &[]);
    assert_eq!(second.exit_code(), Some(1));
    assert!(second.log.iter().any(|line| line.contains("another service")), "{:?}", second.log);
    drop(second);
    drop(first.stop());
}

fn bad_state(mode: Mode) {
    let place = Place::new(mode);
    fs::rename(place.path("state"), place.path("real")).unwrap();
    symlink("real", place.path("state")).unwrap();
    let mut service = place.start("idle", &[]);
    assert_eq!(service.exit_code(), Some(1));
    assert!(
        service.log.iter().any(|line| line.contains("/state: is not a folder")),
        "{:?}",
        service.log
    );
}

fn two_threads(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start_command(place.command("role-two-threads", &[], "idle"));
    assert_eq!(service.exit_code(), Some(1));
    assert!(
        service.log.iter().any(|line| line.contains("this process has 2")),
        "{:?}",
        service.log
    );
}

fn headless_process(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("headless", &[]);
    service.result(|_, _, action| panic!("nobody does {action}"));
    let log = service.stop();
    // Found only after everything else was tried, it would hold up a helper for half a minute.
    assert!(!log.iter().any(|line| line.contains("left something undone")), "{}", log.join("\n"));
}
