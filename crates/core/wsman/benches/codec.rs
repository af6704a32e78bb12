//! Speed of the codec on the message that matters: an answer full of output.

use divan::Bencher;
use divan::counter::BytesCount;
use wsman::shell::{CommandState, ReceiveResponse, State, Stream};
use wsman::xml::Limits;
use wsman::{Envelope, Header, ns};

fn main() {
    divan::main();
}

/// Bytes of output: next to none, what fits the envelope of the oldest services, and today's.
const SIZES: [usize; 3] = [100, 112_500, 382_000];

/// An answer with `size` bytes of output, about 4/3 of it on the wire.
fn response(size: usize) -> ReceiveResponse {
    let stream = Stream {
        name: "stdout".to_owned(),
        command_id: Some("B0973E54-434E-4D99-B4BE-ADE584CE3BFB".to_owned()),
        data: (0_u8..=255).cycle().take(size).collect(),
        ..Stream::default()
    };
    ReceiveResponse {
        streams: vec![stream],
        state: Some(CommandState::new("B0973E54", State::Running, None)),
        ..ReceiveResponse::default()
    }
}

fn envelope(response: &ReceiveResponse) -> Envelope {
    let action = ns::action::RECEIVE_RESPONSE;
    Header::default().reply(action, uuid::Uuid::nil(), response.to_body())
}

#[divan::bench(args = SIZES)]
fn decode_receive_response(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = envelope(&response(size)).encode();
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| {
        let envelope = Envelope::decode(divan::black_box(&bytes), &Limits::default());
        envelope.and_then(|envelope| ReceiveResponse::from_body(&envelope.body))
    });
}

#[divan::bench(args = SIZES)]
fn encode_receive_response(bencher: Bencher<'_, '_>, size: usize) {
    let response = response(size);
    let bytes = envelope(&response).encode().len();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| envelope(divan::black_box(&response)).encode());
}
