//! CLIXML read and written, beside what the tokenizer alone needs for the same text.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use psrp::clixml::{Limits, Object, Properties, Value, decode, encode};
use quick_xml::Reader;
use quick_xml::events::Event;

fn main() {
    divan::main();
}

/// A thousand objects as `Get-Process` or `Get-ChildItem` would send them.
fn objects() -> Value {
    let item = |number: i32| {
        let bag = Properties::default()
            .with("Name", format!("file_{number}.txt"))
            .with("FullName", format!("C:\\Users\\user\\some folder\\file_{number}.txt"))
            .with("Length", i64::from(number) * 1000)
            .with("IsReadOnly", number % 2 == 0)
            .with("Extension", ".txt")
            .with("Attributes", Object::enumeration("System.IO.FileAttributes", "Archive", 32))
            .with("Mode", "-a---")
            .with("Handles", number)
            .with("Cpu", f64::from(number) / 7.0)
            .with("VersionInfo", "File & <version>\r\nof several lines");
        Value::Object(Object::bag(bag))
    };
    Value::Object(Object::list("System.Collections.ArrayList", (0..1000).map(item).collect()))
}

#[divan::bench]
fn tokenizer_alone(bencher: Bencher<'_, '_>) {
    let text = encode(&objects());
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut reader = Reader::from_str(black_box(&text));
        let mut events = 0;
        while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
            events += 1;
        }
        events
    });
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let text = encode(&objects());
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| decode(black_box(&text), &Limits::default()));
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let objects = objects();
    let text = encode(&objects);
    bencher.counter(BytesCount::of_str(&text)).bench(|| encode(black_box(&objects)));
}
