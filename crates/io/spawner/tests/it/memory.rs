//! The memory of a shell: whose limit counts, and what the log says where it cannot be put in force.

use spawner::network::{Keeper, Spawner, Wishes};

use crate::network::{ALICE, Context, NONE, Outcomes, Scenario, ask, open, scenarios, text};
use crate::runner::{Needs, Test};
use crate::service::{Mode, Place};

const MIB: u64 = 1024 * 1024;
/// What the log says where a limit is not in force.
const NOT_IN_FORCE: &str = "the memory limit of shells is not in force";
/// A command that holds 300 million bytes, and says how many it had.
const GREEDY: &str = "head -c 300000000 /dev/zero | tail -c 300000000 | wc -c";

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_limit_of_memory_only_tightens_what_root_says",
        needs: Needs::Either,
        run: |mode| tightened(mode, &["memory=134217728"], ["134217728"; 2]),
    },
    Test {
        name: "a_limit_of_memory_counts_for_the_next_shell",
        needs: Needs::Either,
        run: |mode| tightened(mode, &[], ["unlimited", "536870912"]),
    },
];

pub(crate) const SCENARIOS: &[(&str, Scenario)] = scenarios![memory];

async fn open_with(spawner: &Spawner, memory: u64) -> Result<Keeper, String> {
    let wishes = Wishes { ticket: false, memory: Some(memory) };
    spawner.open_with(ALICE, NONE, wishes).await.map_err(|error| format!("open: {error}"))
}

/// Three shells: with no limit of the network process's, with 512 MiB, and with 64 MiB, beside which the others stay open.
async fn memory(spawner: Spawner, context: Context) -> Outcomes {
    let first = open(&spawner).await?;
    let second = open_with(&spawner, 512 * MIB).await?;
    let third = open_with(&spawner, 64 * MIB).await?;
    for (name, keeper) in [("first", &first), ("third", &third)] {
        ask(&context, &format!("{name} {}", text(keeper, GREEDY).await?)).await;
    }
    for keeper in [first, second, third] {
        let said = text(&keeper, "echo well").await?;
        if said != "well" {
            return Err(format!("a shell says {said}"));
        }
        keeper.close().await;
    }
    Ok(())
}

/// Whatever the network process asks for, the log shows what each shell has: the two given, and 64 MiB.
fn tightened(mode: Mode, options: &[&str], [first, second]: [&str; 2]) {
    let place = Place::new(mode);
    let mut service = place.start("memory", options);
    let mut held = Vec::new();
    service.result(|_, _, held_by| held.push(held_by.to_owned()));
    let log = service.stop();
    let shells =
        log.iter().filter_map(|line| line.split_once("shell opened")?.1.split_once(" memory="));
    let limits: Vec<&str> = shells.map(|(_, limit)| limit.trim_matches('"')).collect();
    let is_said = |line: &&String| line.contains(NOT_IN_FORCE);
    let in_force = !log.iter().any(|line| is_said(&line));
    let shown = |bytes: &str| match bytes {
        "unlimited" => bytes.to_owned(),
        _ if in_force => bytes.to_owned(),
        _ => format!("{bytes} (not in force)"),
    };
    assert_eq!(limits, [first, second, "67108864"].map(shown), "{log:#?}");
    let whole = |name: &str| held.contains(&format!("{name} 300000000"));
    if in_force {
        assert!(!whole("third"), "more memory than allowed: {held:?}");
    } else {
        eprintln!("SKIPPED memory limit in force: no memory controller of cgroup v2");
        assert!(whole("third"), "{held:?}");
        // Once for each limit, however often it is asked for.
        assert_eq!(log.iter().filter(is_said).count(), 2, "{log:#?}");
    }
    assert_eq!(whole("first"), first == "unlimited" || !in_force, "{held:?}");
}
