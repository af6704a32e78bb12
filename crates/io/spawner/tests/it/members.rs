//! Who belongs to a group of the service by a local one: as the system says at that moment, and nobody where it cannot say.

use std::fs;

use nix::unistd::{Gid, Group, Uid, User};
use spawner::frames::root::Reason;
use spawner::network::{RequestError, Spawner};

use crate::cases::place_passwd;
use crate::network::{Context, Outcomes, Scenario, ask, ensure, open, scenarios, text};
use crate::runner::{Needs, Test};
use crate::service::{Mode, Place, assert_descriptors};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_member_of_a_local_group_is_known_until_it_leaves",
        needs: Needs::Root,
        run: known,
    },
    Test {
        name: "nobody_is_a_member_without_groups_in_roots_settings",
        needs: Needs::Either,
        run: none,
    },
    Test { name: "an_unprivileged_service_knows_its_own_groups", needs: Needs::User, run: own },
    Test { name: "a_hung_look_up_of_groups_blocks_nothing_else", needs: Needs::Root, run: hung },
];

pub(crate) const SCENARIOS: &[(&str, Scenario)] =
    scenarios![members, no_members, own_members, hung_members];

async fn groups_of(spawner: &Spawner, account: u8) -> Result<u64, String> {
    spawner.members([account; 16]).await.map_err(|error| format!("account {account}: {error}"))
}

async fn unknown(spawner: &Spawner, account: u8, reason: Reason) -> Outcomes {
    match spawner.members([account; 16]).await {
        Err(RequestError::Refused { reason: given, .. }) if given == reason => Ok(()),
        other => Err(format!("account {account}: {other:?} instead of {reason:?}")),
    }
}

async fn members(spawner: Spawner, context: Context) -> Outcomes {
    for (account, expected) in [(1, 0b0_1011), (2, 0b1_0000)] {
        let found = groups_of(&spawner, account).await?;
        ensure!(found == expected, "account {account}: {found:#b}");
    }
    unknown(&spawner, 5, Reason::RootNotAllowed).await?;
    unknown(&spawner, 7, Reason::UidChanged).await?;
    unknown(&spawner, 8, Reason::NoSuchUser).await?;
    unknown(&spawner, 99, Reason::NotMapped).await?;
    ask(&context, "leave").await;
    let found = groups_of(&spawner, 1).await?;
    ensure!(found == 0b0_1000, "who has left: {found:#b}");
    Ok(())
}

fn known(mode: Mode) {
    let place = Place::new(mode);
    let groups = [
        "group=tm-absent,tm-one",
        "group=tm-two",
        "group=tm-absent",
        "group=tm-alice",
        "group=tm-bob",
    ];
    let mut service = place.start("members", &groups);
    service.result(|place, _, action| match action {
        "leave" => {
            let path = place.path("etc/group");
            let text = fs::read_to_string(&path).unwrap();
            let left = text.replace("tm-one:x:60011:tm-alice", "tm-one:x:60011:");
            fs::write(path, left.replace("tm-two:x:60012:tm-alice", "tm-two:x:60012:")).unwrap();
        }
        other => panic!("{other}"),
    });
    assert_descriptors(service.spawner());
    let log = service.stop();
    let refused = log.iter().filter(|line| line.contains("refused request=\"Members ")).count();
    assert_eq!(refused, 4, "{log:#?}");
}

async fn no_members(spawner: Spawner, _: Context) -> Outcomes {
    for account in [1, 99] {
        let found = groups_of(&spawner, account).await?;
        ensure!(found == 0, "account {account}: {found:#b}");
    }
    Ok(())
}

fn none(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("no_members", &[]);
    service.result(|_, _, action| panic!("nobody does {action}"));
    drop(service.stop());
}

async fn own_members(spawner: Spawner, _: Context) -> Outcomes {
    let found = groups_of(&spawner, 1).await?;
    ensure!(found == 0b10, "{found:#b}");
    Ok(())
}

fn own(mode: Mode) {
    let place = Place::new(mode);
    let user = User::from_uid(Uid::from_raw(mode.uid())).unwrap().unwrap();
    let name = |gid: Gid| Group::from_gid(gid).unwrap().unwrap().name;
    let options = ["group=tm-absent".to_owned(), format!("group={}", name(user.gid))];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut service = place.start("own_members", &options);
    service.result(|_, _, action| panic!("nobody does {action}"));
    drop(service.stop());
}

async fn hung_members(spawner: Spawner, context: Context) -> Outcomes {
    ask(&context, "hang").await;
    let mut hung = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let spawner = spawner.clone();
        hung.spawn(async move { spawner.members([1; 16]).await });
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    ask(&context, "heal").await;
    spawner.accounts().await.map_err(|error| format!("root waits with them: {error}"))?;
    let keeper = open(&spawner).await?;
    ensure!(text(&keeper, "echo up").await? == "up", "meanwhile");
    let mut late = 0;
    while let Some(result) = hung.join_next().await {
        match result.unwrap() {
            Err(RequestError::Refused { reason: Reason::TimedOut, .. }) => late += 1,
            // Those that had to wait for a place came after the file was whole again.
            Ok(0b1) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    ensure!(late == 64, "{late} were late");
    Ok(())
}

fn hung(mode: Mode) {
    let place = Place::new(mode);
    let mut service = place.start("hung_members", &["group=tm-one"]);
    service.result(|place, _, action| place_passwd(place, action));
    drop(service.stop());
}
