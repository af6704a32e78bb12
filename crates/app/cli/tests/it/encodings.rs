//! Compression, UTF-16 and code pages between our own client and our own service.

use client::{
    Charset, Client, CommandOptions, Config, Credentials, Endpoint, Event, Settings, ShellOptions,
};

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

#[test]
fn compressed_command_has_the_same_streams_and_exit_code() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let words = ["-compression", "echo out; echo err >&2; exit 7"];
        let ran = tool::run(&mut service.winrs(&words)).ended(7);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"), "{flavour:?}");
    }
}

#[test]
fn much_input_and_output_survive_compression() {
    let service = Service::start(flavours()[0]);
    let lines: String = (0..60_000).map(|line| format!("line {line} of the input\n")).collect();
    let ran = tool::run_with_input(&mut service.winrs(&["/comp", "cat"]), lines.as_bytes());
    assert!(ran.ended(0).stdout == lines);
    let words = ["/comp", "head -c 300000 /dev/urandom | tee /dev/stderr | cksum"];
    let ran = tool::run(&mut service.winrs(&words)).ended(0);
    assert!(ran.stdout.contains(" 300000"), "{}", ran.stdout);
}

#[test]
fn commands_begin_in_a_locale_of_utf_8() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let ran = service.run("echo \"$LANG\"").ended(0);
        let language = ran.stdout.trim().to_ascii_lowercase().replace("utf-8", "utf8");
        assert!(language.contains(".utf8"), "{flavour:?}: {language}");
    }
}

/// What a command tells when it is run by our client as a library.
async fn told(service: &Service, charset: Charset, shell: ShellOptions, line: &str) -> Vec<u8> {
    let endpoint: Endpoint = service.url.parse().unwrap();
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.into() };
    let settings = Settings::default();
    let config = Config { settings, charset, ..Config::new(endpoint, credentials) };
    let client = Client::new(config).unwrap();
    let info = client.identify().await.unwrap();
    assert_eq!(info.product_vendor.as_deref(), Some("Transom"));
    let shell = client.open_shell(shell).await.unwrap();
    let options = CommandOptions { command: line.to_owned(), ..CommandOptions::default() };
    let mut command = shell.start(options).await.unwrap();
    let input = command.input();
    let mut out = Vec::new();
    let data = vec![b'i'; 200_000];
    let (sent, ()) = tokio::join!(input.end(&data), async {
        while let Some(event) = command.next().await.unwrap() {
            match event {
                Event::Stdout(data) => out.extend(data),
                Event::Stderr(data) => panic!("{}", String::from_utf8_lossy(&data)),
                Event::Done { exit_code } => assert_eq!(exit_code, Some(0)),
            }
        }
    });
    sent.unwrap();
    shell.close().await.unwrap();
    out
}

#[tokio::test]
async fn every_way_to_write_the_conversation_says_the_same() {
    let service = Service::start(flavours()[0]);
    for charset in [Charset::Utf8, Charset::Utf16] {
        for compression in [false, true] {
            let shell = ShellOptions { compression, ..ShellOptions::default() };
            let out = told(&service, charset, shell, "wc -c; printf 'gr\\303\\274\\303\\237e'");
            let way = format!("{charset:?}, compression {compression}");
            assert_eq!(out.await, "200000\ngrüße".as_bytes(), "{way}");
        }
    }
}

#[tokio::test]
async fn code_page_holds_in_every_charset_and_compression() {
    let service = Service::start(flavours()[0]);
    for (number, expected) in
        [(437, &b"gr\x81\xE1e"[..]), (1_252, b"gr\xFC\xDFe"), (65_001, "grüße".as_bytes())]
    {
        for (charset, compression) in [(Charset::Utf8, false), (Charset::Utf16, true)] {
            let code_page = Some(number);
            let shell = ShellOptions { code_page, compression, ..ShellOptions::default() };
            let line = "cat >/dev/null; printf 'gr\\303\\274\\303\\237e'";
            assert_eq!(told(&service, charset, shell, line).await, expected, "{number}");
        }
    }
}

/// The same text in a page and in UTF-8.
const TEXTS: [(u32, &[u8], &str); 7] = [
    (437, b"gr\x81\xE1e \xAB \xB0", "grüße ½ ░"),
    (850, b"gr\x81\xE1e \xAB \x9E", "grüße ½ ×"),
    (1_252, b"gr\xFC\xDFe \x80", "grüße €"),
    (1_251, b"\xCF\xF0\xE8\xE2\xE5\xF2", "Привет"),
    (932, b"\x93\xFA\x96{\x8C\xEA \xB6\xC5", "日本語 ｶﾅ"),
    (936, b"\xBC\xF2\xCC\xE5\xD6\xD0\xCE\xC4", "简体中文"),
    (65_001, "grüße, 世界 😀".as_bytes(), "grüße, 世界 😀"),
];

#[tokio::test]
async fn code_pages_hold_in_both_directions_however_characters_are_split() {
    let service = Service::start(flavours()[0]);
    let endpoint: Endpoint = service.url.parse().unwrap();
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.into() };
    let client = Client::new(Config::new(endpoint, credentials)).unwrap();
    for (number, in_page, text) in TEXTS {
        let options = ShellOptions { code_page: Some(number), ..ShellOptions::default() };
        let shell = client.open_shell(options).await.unwrap();
        // The command reads and writes UTF-8, and pauses in the middle of a character.
        let place = 1 + text.bytes().position(|byte| byte >= 0x80).unwrap();
        let octal =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:03o}")).collect() };
        let (start, rest) = text.as_bytes().split_at(place);
        let (start, rest) = (octal(start), octal(rest));
        let command = format!(
            "[ \"$(cat)\" = '{text}' ] || exit 1; printf '{start}'; sleep 0.2; printf '{rest}'"
        );
        let options = CommandOptions { command, ..CommandOptions::default() };
        let mut command = shell.start(options).await.unwrap();
        let input = command.input();
        for byte in in_page {
            input.write(&[*byte]).await.unwrap();
        }
        input.end(b"").await.unwrap();
        let mut out = Vec::new();
        while let Some(event) = command.next().await.unwrap() {
            match event {
                Event::Stdout(data) => out.extend(data),
                Event::Stderr(data) => panic!("{}", String::from_utf8_lossy(&data)),
                Event::Done { exit_code } => assert_eq!(exit_code, Some(0), "{number}"),
            }
        }
        assert_eq!(out, in_page, "{number}");
        shell.close().await.unwrap();
    }
}

#[tokio::test]
async fn unknown_code_page_is_refused() {
    let service = Service::start(flavours()[0]);
    let endpoint: Endpoint = service.url.parse().unwrap();
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.into() };
    let client = Client::new(Config::new(endpoint, credentials)).unwrap();
    let shell = ShellOptions { code_page: Some(12_345), ..ShellOptions::default() };
    let error = client.open_shell(shell).await.unwrap_err().to_string();
    assert!(error.contains("12345"), "{error}");
}
