//! Kerberos between this crate's two ends, in a realm of MIT's.

use std::path::PathBuf;
use std::time::Duration;

use auth::{ChannelBinding, Entropy, Initiator as _, KerberosRefusal, Secret, Step};
use testkit::Realm;
use transport::kerberos::{
    Accepted, Credential, Initiator, InitiatorOptions, KerberosErrorKind, Keytab, Source, Target,
};

/// Bytes that nobody foresees.
pub(crate) struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

pub(crate) const HOST: &str = "srv.transom.test";

/// A user and a service with a keytab.
pub(crate) fn prepare(realm: &Realm) {
    realm.add_user("alice", "wonderland", "");
    realm.add_service(&format!("HTTP/{HOST}"));
    realm.write_keytab(&realm.folder().join("http.keytab"), &[&format!("HTTP/{HOST}")]);
}

pub(crate) fn keytab(realm: &Realm) -> Keytab {
    Keytab::open(&realm.folder().join("http.keytab"), &realm.folder().join("replays")).unwrap()
}

pub(crate) fn password(text: &str) -> Source {
    Source::Password(Secret::new(text))
}

pub(crate) fn options(host: &str) -> InitiatorOptions {
    let target = Target { host: host.to_owned(), class: None, port: None, realm: None };
    InitiatorOptions { target, delegate: false, channel_binding: None, confidential: true }
}

pub(crate) fn begin(credential: &Credential, options: &InitiatorOptions) -> (Initiator, Vec<u8>) {
    let mut initiator = Initiator::begin(credential, options, &mut Random).unwrap();
    let Ok(Step::Last(token)) = initiator.step(None) else { panic!("the first token is the last") };
    (initiator, token)
}

fn log_in(credential: &Credential, options: &InitiatorOptions, keytab: &Keytab) -> Accepted {
    let (mut initiator, token) = begin(credential, options);
    let accepted = keytab.accept(&token, options.channel_binding.as_ref()).unwrap();
    assert!(!initiator.can_seal());
    assert_eq!(initiator.step(accepted.reply.as_deref()).unwrap(), Step::Done);
    assert!(initiator.can_seal());
    accepted
}

#[test]
fn a_password_logs_in() {
    let Some(realm) = Realm::inside("kerberos::a_password_logs_in", "", prepare) else { return };
    let credential =
        Credential::acquire(&password("wonderland"), Some("alice@TRANSOM.TEST"), false).unwrap();
    assert_eq!(credential.principal(), "alice@TRANSOM.TEST");
    assert!(credential.expires().is_some());
    let keytab = keytab(&realm);
    let accepted = log_in(&credential, &options(HOST), &keytab);
    assert_eq!(accepted.principal, "alice@TRANSOM.TEST");
    assert!(accepted.confidential && !accepted.channel_bound && accepted.delegated.is_none());
    credential.renew(Duration::from_secs(1_000_000)).unwrap();
    let (_, token) = begin(&credential, &options(HOST));
    keytab.accept(&token, None).unwrap();
    let refused = keytab.accept(&token, None).unwrap_err();
    println!(
        "{refused:?} {}",
        refused.token.as_ref().map_or(String::new(), |t| format!("{t:02x?}"))
    );
    assert_eq!(refused.refusal, KerberosRefusal::Replayed);
    let mut bound = options(HOST);
    bound.channel_binding = Some(ChannelBinding::from_tls_server_end_point(&[7; 32]));
    assert!(log_in(&credential, &bound, &keytab).channel_bound);
    let (_, token) = begin(&credential, &bound);
    let other = ChannelBinding::from_tls_server_end_point(&[8; 32]);
    let refused = keytab.accept(&token, Some(&other)).unwrap_err();
    println!("{refused:?}");
    assert_eq!(refused.refusal, KerberosRefusal::ChannelBindingWrong);
    let mut delegate = options(HOST);
    delegate.delegate = true;
    let error = Initiator::begin(&credential, &delegate, &mut Random).unwrap_err();
    println!("{error}");
    let forwardable = Credential::acquire(&password("wonderland"), Some("alice"), true).unwrap();
    let accepted = log_in(&forwardable, &delegate, &keytab);
    let path = realm.folder().join("delegated");
    std::fs::write(&path, accepted.delegated.unwrap().expose()).unwrap();
    let out = realm.command("klist").arg("-fe").arg("-c").arg(&path).output().unwrap();
    println!("{}", String::from_utf8_lossy(&[out.stdout, out.stderr].concat()));
    std::fs::write(&path, forwardable.ticket().unwrap().expose()).unwrap();
    let out = realm.command("klist").arg("-fe").arg("-c").arg(&path).output().unwrap();
    println!("{}", String::from_utf8_lossy(&[out.stdout, out.stderr].concat()));
    println!("{:?}", Credential::acquire(&password("x"), Some("alice"), true).unwrap_err());
    println!("{:?}", Credential::acquire(&password("x"), Some("bob"), true).unwrap_err());
    println!("{:?}", Credential::acquire(&password("x"), Some("bob@ELSE.TEST"), true).unwrap_err());
    println!("{:?}", Credential::acquire(&Source::Default, None, true).unwrap_err());
    println!("{:?}", Credential::acquire(&Source::Default, Some("alice"), true).unwrap_err());
    println!(
        "{:?}",
        Credential::acquire(&Source::Cache("FILE:/nowhere".into()), None, true).unwrap_err()
    );
    println!(
        "{:?}",
        Credential::acquire(&Source::Keytab(PathBuf::from("/nowhere")), None, true).unwrap_err()
    );
    println!(
        "{:?}",
        Credential::acquire(&Source::Keytab(PathBuf::from("/nowhere")), Some("alice"), true)
            .unwrap_err()
    );
    println!(
        "{:?}",
        Initiator::begin(&credential, &options("other.transom.test"), &mut Random).unwrap_err()
    );
    println!(
        "{:?}",
        Initiator::begin(&credential, &options("127.0.0.1"), &mut Random).unwrap_err()
    );
    println!(
        "{:?}",
        Initiator::begin(&credential, &options("other.else.test"), &mut Random).unwrap_err()
    );
    let mut ported = options(HOST);
    ported.target.port = Some(5985);
    println!("{:?}", Initiator::begin(&credential, &ported, &mut Random).unwrap_err());
    let kinit =
        Source::Kinit { command: vec!["kinit".into()], password: Secret::new("wonderland") };
    let bought = Credential::acquire(&kinit, Some("alice"), true).unwrap();
    log_in(&bought, &delegate, &keytab);
    let kinit = Source::Kinit { command: vec!["kinit".into()], password: Secret::new("wonder") };
    println!("{:?}", Credential::acquire(&kinit, Some("alice"), true).unwrap_err());
    assert_eq!(keytab.entries().unwrap().len(), 5);
    let _ = KerberosErrorKind::Other;
}
