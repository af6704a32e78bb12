//! A command that reads late: the input that the service has no room for yet is not lost.

use std::time::Duration;

use client::{Client, CommandOptions, Config, Credentials, Event, Settings, ShellOptions};

use crate::service::{PASSWORD, Service, USER, flavours};

#[test]
fn input_for_a_command_that_reads_later_than_a_send_may_take_arrives_whole_and_once() {
    let service = Service::start(flavours()[0]);
    let credentials = Credentials { user: USER.into(), password: PASSWORD.into() };
    let mut settings = Settings::default();
    settings.timing.operation = Duration::from_secs(1);
    let config = Config { settings, ..Config::new(service.url.parse().unwrap(), credentials) };
    // More than a pipe holds, in several Sends, each line once.
    let input: String = (1..=150_000).map(|number| format!("{number}\n")).collect();
    let run = async {
        let client = Client::new(config).unwrap();
        let shell = client.open_shell(ShellOptions::default()).await.unwrap();
        let line = "sleep 3; cat | cksum";
        let options = CommandOptions { command: line.into(), ..CommandOptions::default() };
        let mut command = shell.start(options).await.unwrap();
        let sender = command.input();
        let mut output = Vec::new();
        let received = async {
            while let Some(event) = command.next().await.unwrap() {
                if let Event::Stdout(bytes) = event {
                    output.extend(bytes);
                }
            }
        };
        let (sent, ()) = tokio::join!(sender.end(input.as_bytes()), received);
        sent.unwrap();
        shell.close().await.unwrap();
        String::from_utf8(output).unwrap()
    };
    let output = tokio::runtime::Runtime::new().unwrap().block_on(run);
    let expected =
        crate::tool::run_with_input(&mut crate::tool::program("cksum"), input.as_bytes());
    assert_eq!(output, expected.ended(0).stdout);
}
