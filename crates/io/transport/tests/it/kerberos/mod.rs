//! Kerberos in realms of MIT's that the tests make: our two ends, and each of them with other people's.

mod credssp;
mod errors;
mod logins;
mod peers;

mod refusals;

use std::path::PathBuf;

use auth::kerberos::{Context, KerberosSealer};
use auth::{ChannelBinding, Entropy, Initiator as _, Sealer, Secret, Step};
use testkit::Realm;
use transport::kerberos::{
    Accepted, Credential, Initiator, InitiatorOptions, KerberosError, Keytab, Source, Target,
};

const ALICE: &str = "alice@TRANSOM.TEST";
const PASSWORD: &str = "Pass-word1";
const HOST: &str = "srv.transom.test";

/// Bytes that nobody foresees.
struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// A user, and a service with its keytab where MIT's programs look for it.
fn prepare(realm: &Realm) {
    realm.add_user("alice", PASSWORD, "");
    realm.add_service("HTTP/srv.transom.test");
    realm.write_keytab(&keytab_path(realm), &["HTTP/srv.transom.test"]);
}

/// Says which part of a test a process of its own does.
const PART: &str = "TRANSOM_TEST_PART";

/// Runs a part of a test in a process of its own: under `wrapper` (as `faketime`), with other variables.
fn elsewhere(realm: &Realm, test: &str, part: &str, wrapper: &[&str], variables: &[(&str, &str)]) {
    let variables = [&[(PART, part)], variables].concat();
    realm.run_part(test, wrapper, &variables);
}

/// The part that this process does; `None` in the process of the test itself.
fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// The rest of a test in its realm; `None` where that is done.
fn inside(test: &str) -> Option<Realm> {
    Realm::inside(test, "", prepare)
}

fn keytab_path(realm: &Realm) -> PathBuf {
    realm.folder().join("nobodys-keytab")
}

fn keytab(realm: &Realm) -> Keytab {
    Keytab::open(&keytab_path(realm), &realm.folder().join("replays")).unwrap()
}

fn password() -> Source {
    Source::Password(Secret::new(PASSWORD))
}

fn alice(forwardable: bool) -> Credential {
    Credential::acquire(&password(), Some(ALICE), forwardable).unwrap()
}

fn target(host: &str) -> Target {
    Target { host: host.to_owned(), class: None, port: None, realm: None }
}

fn options(host: &str) -> InitiatorOptions {
    InitiatorOptions {
        target: target(host),
        delegate: false,
        channel_binding: None,
        confidential: true,
    }
}

fn binding(byte: u8) -> ChannelBinding {
    ChannelBinding::from_tls_server_end_point(&[byte; 32])
}

fn begin(
    credential: &Credential,
    options: &InitiatorOptions,
) -> Result<(Initiator, Vec<u8>), KerberosError> {
    let mut initiator = Initiator::begin(credential, options, &mut Random)?;
    let Ok(Step::Last(token)) = initiator.step(None) else { panic!("one token is all") };
    Ok((initiator, token))
}

/// A whole login between our two ends.
fn log_in(
    credential: &Credential,
    options: &InitiatorOptions,
    keytab: &Keytab,
) -> (Initiator, Accepted) {
    let (mut initiator, token) = begin(credential, options).unwrap();
    let accepted = keytab.accept(&token, options.channel_binding.as_ref()).unwrap();
    assert!(!initiator.can_seal());
    assert_eq!(initiator.step(accepted.reply.as_deref()), Ok(Step::Done));
    assert_eq!(initiator.can_seal(), options.confidential);
    (initiator, accepted)
}

fn sealer(context: Context) -> KerberosSealer {
    KerberosSealer::new(context, true, &mut Random)
}

/// Messages both ways, of several lengths.
fn talk(one: &mut (dyn Sealer + 'static), other: &mut (dyn Sealer + 'static)) {
    for length in [0, 1, 15, 16, 17, 5000] {
        for swap in [false, true] {
            let (from, to) = if swap { (&mut *other, &mut *one) } else { (&mut *one, &mut *other) };
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut data = plain.clone();
            let header = from.seal(&mut data).unwrap().header;
            assert!(length < 16 || data != plain);
            to.unseal(&header, &mut data).unwrap();
            assert_eq!(data, plain);
        }
    }
}
