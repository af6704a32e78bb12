//! Who may do what: two tables of expected answers, and what no table shows.

use auth::Account;
use auth::sddl::{Origin, SecurityDescriptor, Sid};
use session::access::{Asker, Denied, LOCAL_ADMINISTRATOR, Operation, Rules, Secured, Target};

/// The columns of the tables.
const OPERATIONS: [Operation; 16] = [
    Operation::Identify,
    Operation::Get,
    Operation::Enumerate,
    Operation::Pull,
    Operation::Release,
    Operation::Put,
    Operation::Create,
    Operation::Delete,
    Operation::Invoke,
    Operation::Command,
    Operation::Send,
    Operation::Receive,
    Operation::Signal,
    Operation::Connect,
    Operation::Disconnect,
    Operation::Reconnect,
];

const CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const ENDPOINT: &str = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";

/// As the service has them.
const ROOT: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";
const POWERSHELL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

fn account(id: u8, groups: &[&str]) -> Account {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    Account { id: [id; 16], name: format!("user{id}"), groups }
}

fn secured(uri: &str, is_exact: bool, text: &str) -> Secured {
    Secured {
        uri: uri.to_owned(),
        is_exact,
        has_shells: uri.contains("powershell"),
        descriptor: text.parse().unwrap(),
    }
}

/// The rows of a table: cells before the answers, and the answers in the order of the operations.
fn rows(text: &str) -> Vec<(Vec<&str>, Vec<bool>)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let (names, answers) = cells.split_at(2);
            let answers: String = answers.concat();
            assert!(answers.chars().all(|c| c == 'y' || c == '-'), "{line}");
            assert_eq!(answers.len(), OPERATIONS.len(), "{line}");
            (names.to_vec(), answers.chars().map(|c| c == 'y').collect())
        })
        .collect()
}

fn check(rules: Rules<'_>, asker: Asker<'_>, target: Target<'_>, expected: &[bool], what: &[&str]) {
    for (operation, expected) in OPERATIONS.into_iter().zip(expected) {
        let answer = if *expected { Ok(()) } else { Err(Denied::NotAllowed) };
        assert_eq!(rules.decide(asker, operation, target), answer, "{what:?} {operation:?}");
    }
}

/// Whom the tables name.
fn asker_named(name: &str) -> (Account, Origin) {
    match name {
        "administrator" => (account(1, &["administrators"]), Origin::Network),
        "remote" => (account(2, &["remote management USERS", "Users"]), Origin::Network),
        "user" => (account(3, &["Users", "Administrators of something"]), Origin::Network),
        "local" => (account(3, &["Users"]), Origin::Local),
        "root" => {
            let name = "root".to_owned();
            (Account { id: LOCAL_ADMINISTRATOR, name, groups: Vec::new() }, Origin::Local)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn defaults_answer_as_their_table_says() {
    let root: SecurityDescriptor = ROOT.parse().unwrap();
    let own = [secured(ENDPOINT, true, POWERSHELL)];
    let rules = Rules { root: &root, secured: &own };
    let table = rows(include_str!("defaults.txt"));
    assert_eq!(table.len(), 31);
    for (names, expected) in table {
        let target = match names[0] {
            "configuration" => Target::Resource("http://schemas.microsoft.com/wbem/wsman/1/config"),
            "shell-list" => Target::Resource(SHELL),
            "command-list" => {
                Target::Resource("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/command")
            }
            "cmd" => Target::ShellKind(CMD),
            "powershell" => Target::ShellKind(
                "http://schemas.microsoft.com/PowerShell/microsoft.powershell?PSVersion=5.1",
            ),
            "nothing" => Target::Resource("http://example.com/nothing"),
            "no-powershell" => {
                Target::ShellKind("http://schemas.microsoft.com/powershell/Microsoft.PowerShell.7")
            }
            other => panic!("{other}"),
        };
        let (account, origin) = asker_named(names[1]);
        check(rules, Asker { account: &account, origin }, target, &expected, &names);
    }
}

#[test]
fn rights_allow_what_their_table_says() {
    let user = account(7, &["operators"]);
    let asker = Asker { account: &user, origin: Origin::Network };
    let table = rows(include_str!("rights.txt"));
    assert_eq!(table.len(), 36);
    for (names, expected) in table {
        let entries = if names[0] == "-" { "" } else { names[0] };
        let entries = entries
            .replace(";OP)", &format!(";{})", Sid::of_group("Operators")))
            .replace(";ME)", &format!(";{})", Sid::of_account(&user.id)));
        let descriptor: SecurityDescriptor = format!("O:NSG:BAD:P{entries}").parse().unwrap();
        let nobody: SecurityDescriptor = "O:NSG:BAD:P".parse().unwrap();
        let target = match names[1] {
            "resource" => Target::Resource("http://example.com/a/b"),
            _ => Target::ShellKind("http://example.com/a/b"),
        };
        if names[1] == "configuration" {
            for node in ["", "/service", "/plugin", "/SERVICE/certmapping", "/"] {
                let long = format!("http://schemas.microsoft.com/wbem/wsman/1/config{node}");
                for uri in [long, format!("winrm/config{node}"), format!("WSMan/Config{node}")] {
                    let rules = Rules { root: &descriptor, secured: &[] };
                    check(rules, asker, Target::Resource(&uri), &expected, &names);
                }
            }
            continue;
        }
        // As the RootSDDL, as the descriptor of the resource, and of what is above it.
        check(Rules { root: &descriptor, secured: &[] }, asker, target, &expected, &names);
        for uri in ["http://example.com/A/b", "http://example.com/a", "http://example.com/"] {
            let own = [
                Secured { descriptor: nobody.clone(), ..secured("http://example", false, ROOT) },
                Secured { descriptor: descriptor.clone(), ..secured(uri, false, ROOT) },
            ];
            check(Rules { root: &nobody, secured: &own }, asker, target, &expected, &names);
        }
    }
}

#[test]
fn descriptor_of_another_resource_says_nothing() {
    let root: SecurityDescriptor = "D:P".parse().unwrap();
    let all = "D:(A;;GA;;;WD)";
    let own = [
        secured("http://example.com/exact", true, all),
        secured("http://example.com/tree", false, all),
        secured("http://example.com/tree/closed", false, "D:P"),
    ];
    let rules = Rules { root: &root, secured: &own };
    let user = account(1, &[]);
    let asker = Asker { account: &user, origin: Origin::Network };
    for (uri, is_granted) in [
        ("http://example.com/exact", true),
        ("http://example.com/EXACT?x=/y", true),
        ("http://example.com/exact/below", false),
        ("http://example.com/exactly", false),
        ("http://example.com/tree", true),
        ("http://example.com/tree/below", true),
        ("http://example.com/trees", false),
        ("http://example.com/tree/closed", false),
        ("http://example.com/tree/closed/below", false),
        ("http://example.com", false),
        ("", false),
    ] {
        let answer = rules.decide(asker, Operation::Get, Target::Resource(uri));
        assert_eq!(answer.is_ok(), is_granted, "{uri}");
    }
}

#[test]
fn shells_of_others_are_seen_and_ended_as_their_table_says_and_otherwise_unknown() {
    let other = account(9, &["Administrators"]);
    let table = rows(include_str!("others.txt"));
    assert_eq!(table.len(), 13);
    for (names, expected) in table {
        let root = if names[0] == "default" { ROOT } else { names[0] };
        let root: SecurityDescriptor = root.parse().unwrap();
        // What a kind of shells has of its own says nothing about those of others.
        let own = [secured(CMD, true, "D:P(A;;GA;;;WD)"), secured(ENDPOINT, true, "D:P")];
        let rules = Rules { root: &root, secured: &own };
        let (account, origin) = asker_named(names[1]);
        let asker = Asker { account: &account, origin };
        for (operation, expected) in OPERATIONS.into_iter().zip(expected) {
            let answer = if expected { Ok(()) } else { Err(Denied::NotOwner) };
            let what = format!("{names:?} {operation:?}");
            assert_eq!(rules.decide(asker, operation, Target::Shell(&other)), answer, "{what}");
            assert_eq!(rules.decide(asker, operation, Target::Shell(&account)), Ok(()), "{what}");
        }
    }
}

#[test]
fn own_administrator_is_one_on_the_machine_itself_only() {
    let root: SecurityDescriptor = "O:NSG:BAD:P".parse().unwrap();
    let rules = Rules { root: &root, secured: &[] };
    let account = Account { id: LOCAL_ADMINISTRATOR, ..account(1, &[]) };
    assert_eq!(Sid::of_account(&account.id).letters(), Some("LA"));
    for (origin, answer) in [(Origin::Local, Ok(())), (Origin::Network, Err(Denied::NotAllowed))] {
        let asker = Asker { account: &account, origin };
        assert_eq!(rules.decide(asker, Operation::Put, Target::Resource("x")), answer);
    }
}

#[test]
fn whoever_may_open_shells_of_one_kind_may_list_their_own() {
    let root: SecurityDescriptor = "O:NSG:BAD:P".parse().unwrap();
    let user = account(1, &["Operators"]);
    let asker = Asker { account: &user, origin: Origin::Network };
    let entry = format!("D:(A;;GX;;;{})", Sid::of_group("Operators"));
    let own = [secured(ENDPOINT, true, &entry)];
    let rules = Rules { root: &root, secured: &own };
    assert_eq!(rules.decide(asker, Operation::Enumerate, Target::Resource(SHELL)), Ok(()));
    assert!(rules.decide(asker, Operation::Create, Target::Resource(SHELL)).is_err());
    assert!(rules.decide(asker, Operation::Get, Target::Resource(CMD)).is_err());
    let no_shells = [Secured { has_shells: false, ..own[0].clone() }];
    let rules = Rules { root: &root, secured: &no_shells };
    assert!(rules.decide(asker, Operation::Enumerate, Target::Resource(SHELL)).is_err());
}
