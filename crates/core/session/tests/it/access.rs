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

#[test]
fn remote_management_users_may_identify_but_not_use_the_cmd_shell() {
    let user = account(1, &["Remote Management Users", "Users"]);
    for operation in ALL {
        let kind = Target::ShellKind("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd");
        assert_eq!(decide(&user, operation, kind), Err(Denied::NotAllowed), "{operation:?}");
        assert_eq!(
            decide(&user, operation, Target::Shell(&user)),
            Err(Denied::NotAllowed),
            "{operation:?}"
        );
    }
    assert_eq!(decide(&user, Operation::Identify, Target::Service), Ok(()));
}
