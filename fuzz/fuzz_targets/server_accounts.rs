//! The file of accounts: what is accepted is written and read again the same, and no name stands
//! for two.
#![cfg_attr(not(test), no_main)]

use server::accounts::Accounts;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let accounts = match Accounts::parse(bytes) {
        Ok(accounts) => accounts,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let text = accounts.to_text();
    assert_eq!(Accounts::parse(text.as_bytes()).as_ref(), Ok(&accounts));
    for account in accounts.iter() {
        assert!(!account.name.contains(char::is_control));
        for name in [account.name.to_lowercase(), account.name.clone()] {
            assert_eq!(accounts.find(&name).map(|found| found.id), Some(account.id));
        }
    }
}
