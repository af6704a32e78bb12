//! Sealing against its bare primitives, in the same run: for NTLM one pass of HMAC-MD5 and one of RC4 over the same bytes,
//! for Kerberos with AES one of HMAC and one of CBC.
//!
//! The target is at least 80 % of the bare throughput for bodies of 4 KiB and more.

use auth::{
    AcceptStep, Acceptor as _, Account, Answer, Entropy, FileTime, Initiator as _, Input, Question,
    Sealer, Secret, Step, UserName,
    kerberos::{Context, EncryptionType, KerberosSealer, Role},
    ntlm::{self, AcceptorOptions, Credential, InitiatorOptions, TargetNames},
};
use cbc::cipher::{Block, BlockModeEncrypt as _, KeyIvInit as _};
use divan::{Bencher, counter::BytesCount};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use rc4::{Rc4, StreamCipher as _};

/// Numbers of Kerberos's encryption types: AES with SHA-1 and SHA-2, and RC4.
const TYPES: [i32; 5] = [17, 18, 19, 20, 23];

const LENGTHS: [usize; 4] = [512, 4096, 32_768, 512_000];

fn main() {
    divan::main();
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Both contexts of a login.
fn contexts() -> (Box<dyn Sealer>, Box<dyn Sealer>) {
    let password = Secret::from("password");
    let credential = Credential::from_password(UserName::parse("alice"), &password);
    let mut client =
        ntlm::Initiator::new(credential, InitiatorOptions::default(), &mut Fixed, FileTime(0))
            .expect("a user name");
    let mut acceptor = ntlm::Acceptor::new(AcceptorOptions::default());
    let mut reply = None;
    loop {
        let (Ok(Step::Send(token)) | Ok(Step::Last(token))) = client.step(reply.as_deref()) else {
            unreachable!("the client has a token")
        };
        let mut step = acceptor.step(Input::Token(&token));
        while let Ok(AcceptStep::Ask(question)) = step {
            step = acceptor.step(Input::Answer(answer(question, &password)));
        }
        match step.expect("a right password") {
            AcceptStep::Reply(token) => reply = Some(token),
            AcceptStep::Done { login, .. } => {
                return (client.sealer().expect("sealing"), login.sealer.expect("sealing"));
            }
            AcceptStep::Refused { .. } | AcceptStep::Ask(_) => unreachable!("answered above"),
        }
    }
}

fn answer(question: Question, password: &Secret) -> Answer {
    match question {
        Question::Ntlm(attempt) => Answer::Accepted {
            account: Account { id: [0; 16], name: String::new(), groups: Vec::new() },
            session_key: ntlm::verify(&ntlm::nt_hash(password), &attempt),
        },
        Question::Challenge => Answer::Challenge {
            server_challenge: [1; 8],
            names: TargetNames::standalone("HOST", "host"),
            now: FileTime(0),
        },
        Question::Password { .. } | _ => Answer::Refused,
    }
}

#[divan::bench(args = LENGTHS)]
fn bare(bencher: Bencher<'_, '_>, length: usize) {
    let mac = Hmac::<Md5>::new_from_slice(&[1; 16]).expect("any length");
    let mut stream = Rc4::new_from_slice(&[2; 16]).expect("16 bytes");
    let mut data = vec![0x5A; length];
    bencher.counter(BytesCount::new(length)).bench_local(|| {
        let mut mac = mac.clone();
        mac.update(&data);
        let mut checksum = mac.finalize().into_bytes();
        stream.apply_keystream(&mut data);
        stream.apply_keystream(&mut checksum);
        checksum
    });
}

#[divan::bench(args = LENGTHS)]
fn seal(bencher: Bencher<'_, '_>, length: usize) {
    let (mut client, _) = contexts();
    let mut data = vec![0x5A; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| client.seal(&mut data).expect("a whole context"));
}

#[divan::bench(args = LENGTHS)]
fn seal_and_unseal(bencher: Bencher<'_, '_>, length: usize) {
    let (mut client, mut service) = contexts();
    let mut data = vec![0x5A; length];
    bencher.counter(BytesCount::new(length * 2)).bench_local(|| {
        let sealed = client.seal(&mut data).expect("a whole context");
        service.unseal(&sealed.header, &mut data).expect("an untouched message");
    });
}

/// What a message still takes where both ends had time to prepare for it.
#[divan::bench(args = LENGTHS)]
fn seal_and_unseal_prepared(bencher: Bencher<'_, '_>, length: usize) {
    let (client, service) = contexts();
    let ends = std::cell::RefCell::new((client, service));
    let data = vec![0x5A; length];
    bencher
        .counter(BytesCount::new(length * 2))
        .with_inputs(|| {
            let (client, service) = &mut *ends.borrow_mut();
            client.prepare();
            service.prepare();
            data.clone()
        })
        .bench_local_values(|mut data| {
            let (client, service) = &mut *ends.borrow_mut();
            let sealed = client.seal(&mut data).expect("a whole context");
            service.unseal(&sealed.header, &mut data).expect("an untouched message");
            data
        });
}

fn kerberos<const TYPE: i32>(role: Role) -> KerberosSealer {
    let encryption_type = EncryptionType::from_number(TYPE).expect("a known type");
    let context = Context {
        role,
        encryption_type,
        key: vec![9; encryption_type.key_length()].into(),
        acceptor_subkey: true,
        sending_sequence: 5,
        receiving_sequence: 5,
    };
    KerberosSealer::new(context, true, &mut Fixed)
}

/// What aes256-cts-hmac-sha1-96 cannot do without.
#[divan::bench(args = LENGTHS)]
fn kerberos_bare_aes256_sha1(bencher: Bencher<'_, '_>, length: usize) {
    let mac = Hmac::<sha1::Sha1>::new_from_slice(&[1; 32]).expect("any length");
    let mut cipher =
        cbc::Encryptor::<aes::Aes256Enc>::new_from_slices(&[2; 32], &[0; 16]).expect("32 bytes");
    let mut data = vec![0x5A; length];
    bencher.counter(BytesCount::new(length)).bench_local(|| {
        let mut mac = mac.clone();
        mac.update(&data);
        let (blocks, _) = Block::<aes::Aes256Enc>::slice_as_chunks_mut(&mut data);
        cipher.encrypt_blocks(blocks);
        mac.finalize().into_bytes()
    });
}

#[divan::bench(args = LENGTHS, consts = TYPES)]
fn kerberos_seal<const TYPE: i32>(bencher: Bencher<'_, '_>, length: usize) {
    let mut client = kerberos::<TYPE>(Role::Initiator);
    let mut data = Vec::with_capacity(length + 1);
    bencher.counter(BytesCount::new(length)).bench_local(|| {
        data.resize(length, 0x5A);
        client.seal(&mut data).expect("a whole context")
    });
}

#[divan::bench(args = LENGTHS, consts = TYPES)]
fn kerberos_seal_and_unseal<const TYPE: i32>(bencher: Bencher<'_, '_>, length: usize) {
    let mut client = kerberos::<TYPE>(Role::Initiator);
    let mut service = kerberos::<TYPE>(Role::Acceptor);
    let mut data = vec![0x5A; length];
    bencher.counter(BytesCount::new(length * 2)).bench_local(|| {
        let sealed = client.seal(&mut data).expect("a whole context");
        service.unseal(&sealed.header, &mut data).expect("an untouched message");
    });
}
