//! CredSSP around Kerberos: our halves, and each with pyspnego's. RC4's tokens have a header of another length.

use auth::credssp::{self, AcceptorOptions, InitiatorOptions};
use auth::kerberos::KerberosAccepted;
use auth::ntlm::Protection;
use auth::spnego::{AcceptorMechanism, InitiatorMechanism};
use auth::{
    AcceptStep, Account, Answer, CbtPolicy, Delegated, Error, Initiator as _, KerberosRefusal,
    PeerMisbehaved, Question,
};
use testkit::Realm;
use transport::kerberos::{Initiator, Keytab};
use transport::tls::{InnerServer, Level};

use super::{ALICE, HOST, PASSWORD, Random, alice, keytab, keytab_path, options, prepare};
use crate::credssp::{Peer, accept_by, initiator_by, log_in, pass, run_by};

const RC4: &str = "allow_weak_crypto = true\n allow_rc4 = true\n default_tkt_enctypes = arcfour-hmac\n default_tgs_enctypes = arcfour-hmac\n permitted_enctypes = arcfour-hmac";

fn client() -> credssp::Initiator {
    let initiator = Initiator::begin(&alice(false), &options(HOST), &mut Random).unwrap();
    let mechanisms: Vec<Box<dyn InitiatorMechanism>> = vec![Box::new(initiator)];
    initiator_by(mechanisms, Level::Modern, PASSWORD, InitiatorOptions::default())
}

fn service(server: &InnerServer) -> credssp::Acceptor {
    let options = auth::kerberos::AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: None,
        cbt_policy: CbtPolicy::None,
    };
    let mechanisms: Vec<Box<dyn AcceptorMechanism>> =
        vec![Box::new(auth::kerberos::Acceptor::new(options, &mut Random))];
    let channel = server.channel().unwrap();
    credssp::Acceptor::new(channel, mechanisms, AcceptorOptions::default()).unwrap()
}

/// What the owner of the keytab says.
fn answer(keytab: &Keytab, question: Question) -> Answer {
    let Question::Kerberos(attempt) = question else { panic!("nothing else is asked") };
    let accepted = keytab.accept(&attempt.token, attempt.channel_binding.as_ref()).unwrap();
    assert_eq!(accepted.principal, ALICE);
    Answer::Kerberos(Box::new(KerberosAccepted {
        account: Account { id: [1; 16], name: "alice".to_owned(), groups: vec![] },
        principal: accepted.principal,
        reply: accepted.reply,
        context: accepted.context,
        confidential: accepted.confidential,
        channel_bound: accepted.channel_bound,
        delegated: accepted.delegated,
    }))
}

fn agree(realm: &Realm) {
    let (server, keytab) = (InnerServer::self_signed().unwrap(), keytab(realm));
    let answer = |question| answer(&keytab, question);

    let (mut ours, login) = run_by(client(), service(&server), &answer).unwrap();
    assert_eq!((ours.mechanism(), login.mechanism), ("CredSSP/Kerberos", "CredSSP/Kerberos"));
    let Some(Delegated::Password { password, .. }) = &login.delegated else { panic!() };
    assert_eq!(password.expose(), PASSWORD);
    let (mut ours, mut theirs) = (ours.sealer().unwrap(), login.sealer.unwrap());
    pass(&mut *ours, &mut *theirs, 5000);
    pass(&mut *theirs, &mut *ours, 5000);

    let host = ["--host", HOST];
    let keys = keytab_path(realm).display().to_string();
    let mut peer = Peer::start_with("credssp_kerberos", "server", &host, &[("KRB5_KTNAME", &keys)]);
    let mut ours = client();
    log_in(&mut ours, &mut peer).unwrap();
    assert_eq!(ours.mechanism(), "CredSSP/Kerberos");
    peer.talk(ours.sealer().unwrap().as_mut());

    for inner in ["auto", "kerberos"] {
        let more = ["--host", HOST, "--user", ALICE, "--password", PASSWORD, "--inner", inner];
        let mut peer = Peer::start("credssp_kerberos", "client", &more);
        let mut acceptor = service(&server);
        let (_, mut token) = peer.step(None).unwrap();
        let login = loop {
            match accept_by(&mut acceptor, &token, &answer).unwrap() {
                AcceptStep::Reply(reply) => (_, token) = peer.step(Some(&reply)).unwrap(),
                AcceptStep::Done { login, .. } => break login,
                AcceptStep::Refused { refusal, .. } => panic!("{refusal}"),
                AcceptStep::Ask(_) => panic!("every question has an answer"),
            }
        };
        assert_eq!(login.mechanism, "CredSSP/Kerberos");
        peer.talk(login.sealer.unwrap().as_mut());
    }
}

#[test]
fn credssp_around_aes_agrees_with_pyspnego_both_ways() {
    let test = "kerberos::credssp::credssp_around_aes_agrees_with_pyspnego_both_ways";
    let Some(realm) = Realm::inside(test, "", prepare) else { return };
    agree(&realm);
}

#[test]
fn credssp_around_rc4_agrees_with_pyspnego_both_ways() {
    let test = "kerberos::credssp::credssp_around_rc4_agrees_with_pyspnego_both_ways";
    let Some(realm) = Realm::inside(test, RC4, prepare) else { return };
    agree(&realm);
}

/// A refusal of the mechanism inside goes with CredSSP's own.
#[test]
fn the_krb_error_of_a_refusal_reaches_the_client() {
    let test = "kerberos::credssp::the_krb_error_of_a_refusal_reaches_the_client";
    let Some(realm) = Realm::inside(test, "", prepare) else { return };
    let (server, keytab) = (InnerServer::self_signed().unwrap(), keytab(&realm));
    let replayed = |question| {
        let Question::Kerberos(attempt) = question else { panic!("nothing else is asked") };
        keytab.accept(&attempt.token, None).unwrap();
        let again = keytab.accept(&attempt.token, None).unwrap_err();
        Answer::KerberosRefused { refusal: again.refusal.into(), token: again.token }
    };
    let (error, refusal) = run_by(client(), service(&server), &replayed).unwrap_err();
    assert_eq!(refusal, KerberosRefusal::Replayed.into());
    let Some(Error::PeerMisbehaved(PeerMisbehaved::Kerberos { error, .. })) = error else {
        panic!("{error:?}")
    };
    // KRB_AP_ERR_REPEAT
    assert_eq!(error.code, 34);
}
