//! CLIXML read and written, beside what the tokenizer alone needs for the same text.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use psrp::clixml::{Limits, Value, decode, encode};
use quick_xml::Reader;
use quick_xml::events::Event;

fn main() {
    divan::main();
}

/// A hundred objects as `Get-ChildItem` would send them. `cargo xtask bench clixml` gives the peers the same text.
const TEXT: &str = include_str!("objects.clixml");

fn objects() -> Value {
    decode(TEXT, &Limits::default()).expect("our own text")
}

#[divan::bench]
fn tokenizer_alone(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_str(TEXT)).bench(|| {
        let mut reader = Reader::from_str(black_box(TEXT));
        let mut events = 0;
        while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
            events += 1;
        }
        events
    });
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::of_str(TEXT)).bench(|| decode(black_box(TEXT), &Limits::default()));
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let objects = objects();
    bencher.counter(BytesCount::of_str(TEXT)).bench(|| encode(black_box(&objects)));
}
