//! Who may do what.

use auth::Account;
use session::access::{Denied, Operation, Target, decide};

const ALL: [Operation; 7] = [
    Operation::Command,
    Operation::Create,
    Operation::Delete,
    Operation::Get,
    Operation::Receive,
    Operation::Send,
    Operation::Signal,
];

fn account(id: u8, groups: &[&str]) -> Account {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    Account { id: [id; 16], name: format!("user{id}"), groups }
}

#[test]
fn administrators_may_do_everything_with_their_own_shells() {
    let admin = account(1, &["administrators"]);
    for operation in ALL {
        assert_eq!(decide(&admin, operation, Target::Shell(&admin)), Ok(()), "{operation:?}");
        assert_eq!(decide(&admin, operation, Target::ShellKind("x")), Ok(()), "{operation:?}");
    }
}

#[test]
fn shell_of_somebody_else_is_refused_as_unknown_even_to_administrators() {
    let (admin, other) = (account(1, &["Administrators"]), account(2, &["Administrators"]));
    for operation in ALL {
        assert_eq!(
            decide(&admin, operation, Target::Shell(&other)),
            Err(Denied::NotOwner),
            "{operation:?}"
        );
    }
}

const CMD: Target<'_> =
    Target::ShellKind("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd");
const ANY_SHELL: Target<'_> =
    Target::ShellKind("http://schemas.microsoft.com/wbem/wsman/1/windows/shell");
const ENDPOINT: Target<'_> =
    Target::ShellKind("http://schemas.microsoft.com/PowerShell/Microsoft.PowerShell");

#[test]
fn remote_management_users_have_powershell_but_not_the_cmd_shell() {
    let user = account(1, &["remote management users", "Users"]);
    for operation in ALL {
        assert_eq!(decide(&user, operation, CMD), Err(Denied::NotAllowed), "{operation:?}");
        assert_eq!(decide(&user, operation, ENDPOINT), Ok(()), "{operation:?}");
        assert_eq!(decide(&user, operation, Target::Shell(&user)), Ok(()), "{operation:?}");
    }
    let other = account(2, &["Remote Management Users"]);
    let theirs = decide(&user, Operation::Receive, Target::Shell(&other));
    assert_eq!(theirs, Err(Denied::NotOwner));
    for operation in [Operation::Get, Operation::Enumerate, Operation::Pull, Operation::Release] {
        assert_eq!(decide(&user, operation, ANY_SHELL), Ok(()), "{operation:?}");
    }
    assert_eq!(decide(&user, Operation::Create, ANY_SHELL), Err(Denied::NotAllowed));
}

#[test]
fn accounts_of_other_groups_may_only_identify() {
    let user = account(1, &["Users"]);
    for operation in ALL {
        for target in [CMD, ENDPOINT, ANY_SHELL, Target::Shell(&user), Target::Service] {
            assert_eq!(decide(&user, operation, target), Err(Denied::NotAllowed), "{operation:?}");
        }
    }
    assert_eq!(decide(&user, Operation::Identify, Target::Service), Ok(()));
}
