//! Speed of the shell's compression both ways, in bytes before compression.

use divan::Bencher;
use divan::counter::BytesCount;
use wsman::compression::{compress, decompress};

fn main() {
    divan::main();
}

const SIZE: usize = 393_216;

/// What a command may write.
#[derive(Debug, Clone, Copy)]
enum Data {
    /// One byte again and again.
    Zeros,
    /// Lines of a log.
    Log,
    /// A listing with numbers that hardly repeat.
    Listing,
    /// Nothing that can be made shorter.
    Noise,
}

fn data(kind: Data) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    match kind {
        Data::Zeros => vec![0; SIZE],
        Data::Log => {
            let mut line = move |number: u64| {
                let service = random() % 9;
                let level = if random() % 4 == 0 { "WARN" } else { "INFO" };
                format!(
                    "2026-11-21T02:{:02}:{:02}Z {level} unit-{service}: request {} took {} ms\n",
                    number / 60 % 60,
                    number % 60,
                    random() % 100_000,
                    random() % 300
                )
            };
            (0..).flat_map(|number| line(number).into_bytes()).take(SIZE).collect()
        }
        Data::Listing => {
            let mut line = move || {
                let (size, name) = (random() % 10_000_000, random() % 1_000_000_000);
                format!("-rw-r--r-- 1 root root {size:>8} Nov 21 02:37 file-{name:x}.dat\n")
            };
            (0..).flat_map(|_: u64| line().into_bytes()).take(SIZE).collect()
        }
        Data::Noise => (0..SIZE).map(|_| random().to_le_bytes()[7]).collect(),
    }
}

const KINDS: [Data; 4] = [Data::Zeros, Data::Log, Data::Listing, Data::Noise];

#[divan::bench(args = KINDS)]
fn compress_stream(bencher: Bencher<'_, '_>, kind: Data) {
    let data = data(kind);
    bencher.counter(BytesCount::of_slice(&data)).bench(|| compress(divan::black_box(&data)));
}

#[divan::bench(args = KINDS)]
fn decompress_stream(bencher: Bencher<'_, '_>, kind: Data) {
    let compressed = compress(&data(kind));
    bencher
        .counter(BytesCount::new(SIZE))
        .bench(|| decompress(divan::black_box(&compressed), SIZE));
}
