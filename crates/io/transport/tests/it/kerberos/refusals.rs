//! Tokens that the service's half must not take, why, and what the client's half makes of the answer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use auth::kerberos::KrbError;
use auth::{Error, Initiator as _, KerberosRefusal, PeerMisbehaved, Step};
use testkit::Realm;
use transport::kerberos::{KerberosErrorKind, Keytab, NotAccepted};

use super::{
    HOST, alice, begin, binding, elsewhere, inside, keytab, keytab_path, log_in, options, part,
};

/// The number that the client is told.
fn told(refused: &NotAccepted) -> Option<u32> {
    refused.token.as_ref().map(|token| KrbError::decode(token).unwrap().code)
}

#[test]
fn a_token_counts_once_over_restarts_too() {
    let test = "kerberos::refusals::a_token_counts_once_over_restarts_too";
    let Some(realm) = inside(test) else { return };
    let token_file = realm.folder().join("token");
    if part().is_some() {
        let refused = keytab(&realm).accept(&fs::read(token_file).unwrap(), None).unwrap_err();
        assert_eq!(refused.refusal, KerberosRefusal::Replayed);
        return;
    }
    let (mut initiator, token) = begin(&alice(false), &options(HOST)).unwrap();
    keytab(&realm).accept(&token, None).unwrap();
    let refused = keytab(&realm).accept(&token, None).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::Replayed);
    assert_eq!(told(&refused), Some(34));
    let error = initiator.step(refused.token.as_deref()).unwrap_err();
    assert!(error.to_string().contains("HTTP/srv.transom.test@TRANSOM.TEST"), "{error}");
    fs::write(token_file, &token).unwrap();
    elsewhere(&realm, test, "restarted", &[], &[]);
    // It is the folder that remembers.
    let forgetful = Keytab::open(&keytab_path(&realm), &realm.folder().join("other")).unwrap();
    forgetful.accept(&token, None).unwrap();
}

#[test]
fn a_token_for_another_channel_is_refused_without_a_word() {
    let test = "kerberos::refusals::a_token_for_another_channel_is_refused_without_a_word";
    let Some(realm) = inside(test) else { return };
    let mut bound = options(HOST);
    bound.channel_binding = Some(binding(7));
    let (_, token) = begin(&alice(false), &bound).unwrap();
    let refused = keytab(&realm).accept(&token, Some(&binding(8))).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::ChannelBindingWrong);
    assert_eq!(refused.text, "Incorrect channel bindings were supplied");
    assert_eq!(refused.token, None);
}

#[test]
fn a_ticket_for_another_service_is_refused() {
    let test = "kerberos::refusals::a_ticket_for_another_service_is_refused";
    let Some(realm) = inside(test) else { return };
    realm.add_service("HTTP/other.transom.test");
    let (_, token) = begin(&alice(false), &options("other.transom.test")).unwrap();
    let refused = keytab(&realm).accept(&token, None).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::NoKey, "{refused}");
    assert!(refused.text.contains("HTTP/other.transom.test"), "{refused}");
    assert!(told(&refused).is_some());
}

/// The service's key was changed, and its keytab was not; then the other way round.
#[test]
fn a_ticket_for_another_version_of_the_key_is_refused_until_the_keytab_has_it() {
    let test = "kerberos::refusals::a_ticket_for_another_version_of_the_key_is_refused_until_the_keytab_has_it";
    let Some(realm) = inside(test) else { return };
    let keytab = keytab(&realm);
    log_in(&alice(false), &options(HOST), &keytab);
    realm.administer("cpw -randkey HTTP/srv.transom.test");
    let credential = alice(false);
    let (_, token) = begin(&credential, &options(HOST)).unwrap();
    let refused = keytab.accept(&token, None).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::NoKey, "{refused}");
    // No restart is needed.
    realm.write_keytab(&keytab_path(&realm), &["HTTP/srv.transom.test"]);
    log_in(&credential, &options(HOST), &keytab);
    let versions: Vec<u32> =
        keytab.entries().unwrap().into_iter().map(|entry| entry.version).collect();
    assert!(versions.contains(&1) && versions.contains(&2), "{versions:?}");
}

/// Same name and version, another key: somebody made the service anew.
#[test]
fn a_ticket_that_does_not_open_is_refused() {
    let test = "kerberos::refusals::a_ticket_that_does_not_open_is_refused";
    let Some(realm) = inside(test) else { return };
    realm.administer("delprinc -force HTTP/srv.transom.test");
    realm.add_service("HTTP/srv.transom.test");
    let (_, token) = begin(&alice(false), &options(HOST)).unwrap();
    let refused = keytab(&realm).accept(&token, None).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::Integrity, "{refused}");
}

#[test]
fn clocks_that_differ_are_told_in_seconds() {
    let test = "kerberos::refusals::clocks_that_differ_are_told_in_seconds";
    let Some(realm) = inside(test) else { return };
    let (token_file, answer_file) = (realm.folder().join("token"), realm.folder().join("answer"));
    let expected = [
        ("-f +10m", KerberosRefusal::Skew),
        ("-f -10m", KerberosRefusal::NotYetValid),
        ("-f +11h", KerberosRefusal::Expired),
        ("-f -2d", KerberosRefusal::NotYetValid),
    ];
    if let Some(part) = part() {
        let refused = keytab(&realm).accept(&fs::read(token_file).unwrap(), None).unwrap_err();
        let expected = expected.iter().find(|(time, _)| *time == part).unwrap().1;
        assert_eq!(refused.refusal, expected, "{part}: {refused}");
        fs::write(answer_file, refused.token.unwrap()).unwrap();
        return;
    }
    let credential = alice(false);
    for (time, _) in expected {
        let (mut initiator, token) = begin(&credential, &options(HOST)).unwrap();
        fs::write(&token_file, &token).unwrap();
        let wrapper: Vec<&str> = ["faketime"].into_iter().chain(time.split(' ')).collect();
        elsewhere(&realm, test, time, &wrapper, &[]);
        let answer = fs::read(&answer_file).unwrap();
        let error = initiator.step(Some(&answer)).unwrap_err();
        let Error::PeerMisbehaved(PeerMisbehaved::Kerberos { error: said, clock_ahead }) = &error
        else {
            panic!("{error}")
        };
        match time {
            "-f +10m" => assert!((595..660).contains(clock_ahead), "{error}"),
            "-f -10m" => {
                assert!((-660..-540).contains(clock_ahead), "{error}");
                assert_eq!(said.code, 33);
            }
            "-f +11h" => assert_eq!(said.code, 32),
            _ => assert_eq!(said.code, 33),
        }
        let text = error.to_string();
        let word =
            if time.starts_with("-f -") { "seconds behind ours" } else { "seconds ahead of ours" };
        assert!(text.contains(word), "{text}");
        // It stays an error.
        assert_eq!(initiator.step(None), Err(error));
    }
}

#[test]
fn what_is_no_request_does_not_reach_the_library() {
    let test = "kerberos::refusals::what_is_no_request_does_not_reach_the_library";
    let Some(realm) = inside(test) else { return };
    let keytab = keytab(&realm);
    let (_, token) = begin(&alice(false), &options(HOST)).unwrap();
    let mut reply = token.clone();
    let kind = token.windows(2).position(|two| two == [1, 0]).unwrap();
    reply[kind] = 2;
    let long = [&token[..], &vec![0; 64 * 1024]].concat();
    let spnego = [0x60, 0x08, 6, 6, 0x2B, 6, 1, 5, 5, 2];
    for wrong in [&[][..], b"NTLMSSP\0", &spnego, &reply, &long, &token[..token.len() - 1]] {
        let refused = keytab.accept(wrong, None).unwrap_err();
        assert_eq!(refused.refusal, KerberosRefusal::Other);
        assert_eq!(refused.text, "it is no Kerberos token (AP-REQ)");
    }
    keytab.accept(&token, None).unwrap();
    // Changed anywhere behind its header it is refused: if it still opens, as the one that came before.
    for place in (kind + 2..token.len()).step_by(7) {
        let mut changed = token.clone();
        changed[place] ^= 0x20;
        keytab.accept(&changed, None).unwrap_err();
    }
}

#[test]
fn the_answer_must_be_the_services_own() {
    let test = "kerberos::refusals::the_answer_must_be_the_services_own";
    let Some(realm) = inside(test) else { return };
    let (credential, keytab) = (alice(false), keytab(&realm));
    let not_mutual = Err(Error::from(PeerMisbehaved::NotMutual));
    // No answer, somebody else's, an older one, our own token.
    let (mut initiator, _) = begin(&credential, &options(HOST)).unwrap();
    assert_eq!(initiator.step(None), not_mutual);
    assert_eq!(initiator.step(None), not_mutual);
    assert!(initiator.sealer().is_none());
    let (_, older) = begin(&credential, &options(HOST)).unwrap();
    let older = keytab.accept(&older, None).unwrap().reply.unwrap();
    let (mut initiator, own) = begin(&credential, &options(HOST)).unwrap();
    assert_eq!(initiator.step(Some(&own)), not_mutual);
    let (mut initiator, token) = begin(&credential, &options(HOST)).unwrap();
    let right = keytab.accept(&token, None).unwrap().reply.unwrap();
    assert_eq!(initiator.step(Some(&older)), not_mutual);
    assert_eq!(initiator.step(Some(&right)), not_mutual, "an error is final");
    let (mut initiator, token) = begin(&credential, &options(HOST)).unwrap();
    let mut changed = keytab.accept(&token, None).unwrap().reply.unwrap();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(initiator.step(Some(&changed)), not_mutual);
    // More than the login has.
    let (mut initiator, accepted) = log_in(&credential, &options(HOST), &keytab);
    assert_eq!(initiator.step(None), Ok(Step::Done));
    let again = initiator.step(accepted.reply.as_deref());
    assert_eq!(again, Err(PeerMisbehaved::TokenAfterEnd.into()));
}

#[test]
fn a_keytab_that_cannot_be_used_is_said_at_once() {
    let test = "kerberos::refusals::a_keytab_that_cannot_be_used_is_said_at_once";
    let Some(realm) = inside(test) else { return };
    let (folder, replays) = (realm.folder(), realm.folder().join("replays"));
    let error = |path: &str| {
        let error = Keytab::open(&folder.join(path), &replays).unwrap_err();
        assert_eq!(error.kind(), KerberosErrorKind::Keytab, "{error}");
        error.to_string()
    };
    assert!(error("nowhere").contains("nowhere"));
    let write = |name: &str, content: &[u8], mode: u32| {
        fs::write(folder.join(name), content).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("text", b"no keytab", 0o600);
    assert!(error("text").contains("text"));
    write("empty", &[5, 2], 0o640);
    assert!(error("empty").contains("has no key"));
    write("public", &fs::read(keytab_path(&realm)).unwrap(), 0o644);
    assert!(error("public").contains("open to everybody"));
    // The folder that remembers is this user's alone.
    let open = folder.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Keytab::open(&keytab_path(&realm), &open).unwrap_err();
    assert!(refused.to_string().contains("only this user"), "{refused}");
    std::os::unix::fs::symlink(&replays, folder.join("link")).unwrap();
    Keytab::open(&keytab_path(&realm), &folder.join("link")).unwrap_err();
    // What goes away later is said in the log, and not on the wire.
    let keytab = keytab(&realm);
    let (_, token) = begin(&alice(false), &options(HOST)).unwrap();
    fs::remove_file(keytab_path(&realm)).unwrap();
    let refused = keytab.accept(&token, None).unwrap_err();
    assert_eq!(refused.refusal, KerberosRefusal::NoKeytab, "{refused}");
    assert_eq!(refused.token, None);
}

/// RC4 is allowed by the KDC and by the client, and not by the service.
#[test]
fn an_encryption_type_that_is_not_allowed_here_is_refused() {
    let test = "kerberos::refusals::an_encryption_type_that_is_not_allowed_here_is_refused";
    let prepare = |realm: &Realm| {
        super::prepare(realm);
        realm.administer("cpw -randkey -e arcfour-hmac:normal HTTP/srv.transom.test");
        realm.write_keytab(&keytab_path(realm), &["HTTP/srv.transom.test"]);
    };
    let Some(realm) = Realm::inside(test, "allow_weak_crypto = true", prepare) else { return };
    let token_file = realm.folder().join("token");
    if part().is_some() {
        let refused = keytab(&realm).accept(&fs::read(token_file).unwrap(), None).unwrap_err();
        // The library passes the key over, and says that none opens the ticket.
        assert_eq!(refused.refusal, KerberosRefusal::Integrity, "{refused}");
        assert!(refused.text.contains("rc4-hmac"), "{refused}");
        return;
    }
    let (_, token) = begin(&alice(false), &options(HOST)).unwrap();
    fs::write(token_file, token).unwrap();
    let strict = realm.folder().join("strict.conf");
    let text = fs::read_to_string(realm.configuration()).unwrap();
    let permitted = "[libdefaults]\n permitted_enctypes = aes256-cts-hmac-sha1-96\n";
    fs::write(&strict, text.replacen("[libdefaults]\n", permitted, 1)).unwrap();
    let strict = strict.display().to_string();
    elsewhere(&realm, test, "strict", &[], &[("KRB5_CONFIG", &strict)]);
}
