//! Speed of the frame around a sealed message, without the cipher: what it costs beside the sealing itself.

use auth::{Error, Sealed, Sealer};
use divan::Bencher;
use divan::counter::BytesCount;
use session::http::sealed::{self, Dialect, Frame, Protocol};

const LENGTHS: [usize; 3] = [1_000, 153_600, 512_000];
const SOAP: &str = "application/soap+xml;charset=UTF-8";

fn main() {
    divan::main();
}

/// Changes nothing.
#[derive(Debug)]
struct Nothing;

impl Sealer for Nothing {
    fn can_seal(&self) -> bool {
        true
    }

    fn seal(&mut self, _data: &mut Vec<u8>) -> Result<Sealed, Error> {
        Ok(Sealed::new(vec![0; 16], 0))
    }

    fn unseal(&mut self, _header: &[u8], _data: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn mech_list_mic(&mut self, _mech_list: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn check_mech_list_mic(&mut self, _mech_list: &[u8], _mic: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn expect_mech_list_mic(&mut self, _mech_list: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn frame() -> Frame {
    Frame { protocol: Protocol::Spnego, dialect: Dialect::Tab }
}

#[divan::bench(args = LENGTHS)]
fn seal(bencher: Bencher<'_, '_>, length: usize) {
    bencher
        .counter(BytesCount::new(length))
        .with_inputs(|| vec![b'a'; length])
        .bench_values(|message| sealed::seal(&mut Nothing, frame(), SOAP, message));
}

#[divan::bench(args = LENGTHS)]
fn open(bencher: Bencher<'_, '_>, length: usize) {
    let sealed = sealed::seal(&mut Nothing, frame(), SOAP, vec![b'a'; length]).expect("a frame");
    bencher
        .counter(BytesCount::new(length))
        .with_inputs(|| sealed.body.clone())
        .bench_values(|body| sealed::open(&mut Nothing, &sealed.content_type, body));
}
