//! Shell messages: what is read leniently, and the faults of bad requests.

use std::time::Duration;

use uuid::Uuid;
use wsman::shell::{
    CommandLine, CommandResponse, CreateResponse, Receive, ReceiveResponse, Request,
    RequestContext, ShellDescription, ShellInfo, SignalCode, State, Stream,
};
use wsman::xml::{Element, Limits, decode};
use wsman::{
    Envelope, Error, ErrorCode, Fault, HeaderValue, OptionItem, OptionSet, SelectorSet, ns,
};

fn rsp(markup: &str) -> Element {
    let markup = markup.replacen('>', &format!(" xmlns:r='{}'>", ns::SHELL), 1);
    decode(markup.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn receive_response_may_be_empty() {
    let response = ReceiveResponse::from_body(&[rsp("<r:ReceiveResponse></r:ReceiveResponse>")]);
    assert_eq!(response, Ok(ReceiveResponse::default()));
}

#[test]
fn exit_codes_are_read_signed_and_unsigned() {
    let state = |code: &str| {
        let body = rsp(&format!(
            "<r:ReceiveResponse><r:CommandState State='{}'><r:ExitCode>{code}</r:ExitCode>\
             </r:CommandState></r:ReceiveResponse>",
            State::Done.uri()
        ));
        ReceiveResponse::from_body(&[body]).map(|response| response.state.unwrap().exit_code)
    };
    assert_eq!(state("-1073741510"), Ok(Some(0xC000_013A)));
    assert_eq!(state("2147942402"), Ok(Some(0x8007_0002)));
    assert_eq!(state(" 0 "), Ok(Some(0)));
    for bad in ["", "x", "+1", "4294967296", "-2147483649", "0x1", "--1"] {
        assert_eq!(state(bad), Err(Error::Value("rsp:ExitCode")), "{bad}");
    }
}

#[test]
fn last_of_several_states_counts() {
    let body = rsp(&format!(
        "<r:ReceiveResponse><r:CommandState State='{}'/><r:Stream Name='stdout'>YQ==</r:Stream>\
         <r:CommandState State='{}'/></r:ReceiveResponse>",
        State::Pending.uri(),
        State::Done.uri()
    ));
    let response = ReceiveResponse::from_body(&[body]).unwrap();
    assert_eq!(response.state.unwrap().state, State::Done);
    assert_eq!(response.other.len(), 1);
}

#[test]
fn streams_are_read_with_breaks_in_their_base64_and_booleans_in_any_case() {
    let stream = rsp("<r:Stream Name='stdin' End=' TRUE '>aGVs\r\n bG8=\n</r:Stream>");
    let stream = Stream::from_element(&stream).unwrap();
    assert_eq!((stream.data.as_slice(), stream.end), (b"hello".as_slice(), true));
    for bad in [
        "<r:Stream Name='a'>%%%</r:Stream>",
        "<r:Stream Name='a'>YQ</r:Stream>",
        "<r:Stream Name='a'>YQ==YQ==</r:Stream>",
        "<r:Stream Name='a' End='maybe'></r:Stream>",
        "<r:Stream>YQ==</r:Stream>",
        "<r:Stream Name='a'><r:b/></r:Stream>",
    ] {
        assert!(Stream::from_element(&rsp(bad)).is_err(), "{bad}");
    }
}

#[test]
fn idle_timeout_is_read_under_both_spellings_and_children_in_any_order() {
    for name in ["IdleTimeOut", "IdleTimeout"] {
        let shell = rsp(&format!(
            "<r:Shell><r:OutputStreams> stdout\n stderr </r:OutputStreams><r:{name}>PT1H</r:{name}>\
             <r:Environment><r:Variable Name='A'> b </r:Variable></r:Environment></r:Shell>"
        ));
        let shell = ShellDescription::from_element(&shell).unwrap();
        assert_eq!(shell.idle_timeout.unwrap().length(), Some(Duration::from_secs(3600)));
        assert_eq!(shell.output_streams, ["stdout", "stderr"]);
        assert_eq!(shell.environment[0].value, " b ");
    }
}

#[test]
fn command_and_arguments_are_not_trimmed() {
    let line = rsp("<r:CommandLine><r:Command> a </r:Command><r:Arguments> b</r:Arguments>\
                    <r:Arguments/><r:Else/></r:CommandLine>");
    let line = CommandLine::from_body(&[line]).unwrap();
    assert_eq!(
        (line.command.as_str(), line.arguments.as_slice()),
        (" a ", &[" b".to_owned(), String::new()][..])
    );
    assert_eq!(line.other.len(), 1);
}

#[test]
fn answers_that_lack_their_point_are_refused() {
    assert!(CommandResponse::from_body(&[rsp("<r:CommandResponse></r:CommandResponse>")]).is_err());
    assert!(CreateResponse::from_body(&[]).is_err());
    assert!(ReceiveResponse::from_body(&[rsp("<r:SendResponse></r:SendResponse>")]).is_err());
    let twice = rsp("<r:SendResponse></r:SendResponse>");
    assert!(wsman::shell::SendResponse::from_body(&[twice.clone(), twice]).is_err());
    let info = rsp("<r:Shell><r:ProcessId>many</r:ProcessId></r:Shell>");
    assert_eq!(ShellInfo::from_element(&info), Err(Error::Value("rsp:ProcessId")));
}

#[test]
fn signal_codes_are_read_in_any_case() {
    let terminate = SignalCode::Terminate.uri().replace("terminate", "Terminate");
    assert_eq!(SignalCode::from_uri(&terminate), SignalCode::Terminate);
    assert_eq!(SignalCode::from_uri("powershell/signal/crtl_c"), SignalCode::PowerShellCtrlC);
    assert!(SignalCode::from_uri("powershell/signal/ctrl_c").is_powershell_ctrl_c());
    assert_eq!(SignalCode::from_uri("urn:x").uri(), "urn:x");
}

fn envelope(action: &str, resource: &str, selectors: SelectorSet, body: &[&str]) -> Envelope {
    let context = RequestContext::new("http://h/wsman", resource, Uuid::nil());
    let body = body.iter().map(|markup| rsp(markup)).collect();
    let options = OptionSet::default();
    context.request(action, Uuid::nil(), Duration::from_secs(60), options, selectors, body)
}

fn refused(action: &str, body: &[&str]) -> Box<Fault> {
    let selectors = SelectorSet::shell("S");
    Request::from_envelope(&envelope(action, ns::resource::CMD, selectors, body)).unwrap_err()
}

#[test]
fn bad_bodies_are_invalid_parameters() {
    use ns::action::{COMMAND, CREATE, DELETE, RECEIVE, SEND, SIGNAL};
    for (action, body) in [
        (CREATE, &[][..]),
        (CREATE, &["<r:Send></r:Send>"]),
        (CREATE, &["<r:Shell><r:Lifetime>long</r:Lifetime></r:Shell>"]),
        (CREATE, &["<r:Shell><r:Environment><r:X/></r:Environment></r:Shell>"]),
        (CREATE, &["<r:Shell><r:Environment><r:Variable/></r:Environment></r:Shell>"]),
        (CREATE, &["<r:Shell></r:Shell>", "<r:Shell></r:Shell>"]),
        (COMMAND, &["<r:CommandLine></r:CommandLine>"]),
        (SEND, &["<r:Send></r:Send>"]),
        (SEND, &["<r:Send><r:Stream Name='stdin'>?</r:Stream></r:Send>"]),
        (RECEIVE, &["<r:Receive></r:Receive>"]),
        (RECEIVE, &["<r:Receive SequenceId='x'><r:DesiredStream/></r:Receive>"]),
        (SIGNAL, &["<r:Signal></r:Signal>"]),
        (DELETE, &["<r:Shell></r:Shell>"]),
    ] {
        let fault = refused(action, body);
        assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_PARAMETER), "{action} {body:?}");
        assert!(fault.fault_detail.as_deref().is_some_and(|uri| uri.ends_with("/InvalidValue")));
    }
}

#[test]
fn receive_of_a_command_shell_needs_a_command() {
    let body = "<r:Receive><r:DesiredStream>stdout</r:DesiredStream></r:Receive>";
    let fault = refused(ns::action::RECEIVE, &[body]);
    let provider = fault.wsman_fault.as_ref().unwrap().message.provider.as_ref().unwrap();
    assert_eq!(provider.provider.as_deref(), Some("Shell cmd plugin"));
    let other = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";
    let request = envelope(ns::action::RECEIVE, other, SelectorSet::shell("S"), &[body]);
    let Ok(Request::Receive { receive, keep_alive: false }) = Request::from_envelope(&request)
    else {
        panic!("refused");
    };
    assert_eq!(receive, Receive::from_body(&request.body).unwrap());
}

#[test]
fn option_to_keep_alive_is_ignored_whatever_it_says() {
    let body = "<r:Receive><r:DesiredStream CommandId='C'>stdout</r:DesiredStream></r:Receive>";
    let selectors = SelectorSet::shell("S");
    let mut request = envelope(ns::action::RECEIVE, ns::resource::CMD, selectors, &[body]);
    let options = OptionSet::default().with("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "perhaps");
    request.header = request.header.with(HeaderValue::OptionSet(options));
    let read = Request::from_envelope(&request);
    assert!(matches!(read, Ok(Request::Receive { keep_alive: false, .. })), "{read:?}");
}

#[test]
fn get_of_the_command_shell_and_strange_actions_are_not_supported() {
    for action in [ns::action::GET, ns::action::PUT, "urn:x"] {
        let fault = refused(action, &[]);
        assert_eq!(fault.error_code(), Some(ErrorCode::ACTION_NOT_SUPPORTED), "{action}");
    }
    let selectors = SelectorSet::shell("S");
    let request = envelope(ns::action::GET, ns::resource::SHELL, selectors, &[]);
    assert_eq!(Request::from_envelope(&request), Ok(Request::Get));
}

#[test]
fn missing_shell_id_is_an_insufficient_selector() {
    let request = envelope(ns::action::DELETE, ns::resource::CMD, SelectorSet::default(), &[]);
    let fault = Request::from_envelope(&request).unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INSUFFICIENT_SELECTORS));
    let selectors = SelectorSet::default().with("SHELLID", "S");
    let request = envelope(ns::action::DELETE, ns::resource::CMD, selectors, &[]);
    assert_eq!(request.header.shell_id(), Some("S"));
    assert_eq!(Request::from_envelope(&request), Ok(Request::Delete));
}

#[test]
fn ids_that_a_client_chooses_must_be_guids() {
    let fault = refused(ns::action::CREATE, &["<r:Shell ShellId='x'></r:Shell>"]);
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_859_221)));
    let line = "<r:CommandLine CommandId='x'><r:Command>a</r:Command></r:CommandLine>";
    let fault = refused(ns::action::COMMAND, &[line]);
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_859_220)));
}

#[test]
fn options_with_bad_values_or_unknown_names_are_refused() {
    let with = |item: OptionItem| {
        let shell = "<r:Shell></r:Shell>";
        let selectors = SelectorSet::default();
        let mut envelope = envelope(ns::action::CREATE, ns::resource::CMD, selectors, &[shell]);
        let options = OptionSet::default().with_item(item);
        envelope.header = envelope.header.with(HeaderValue::OptionSet(options));
        Request::from_envelope(&envelope).map_err(|fault| fault.error_code().unwrap())
    };
    let option = |name: &str, value: &str, must_comply| OptionItem {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        must_comply: Some(must_comply),
        ..OptionItem::default()
    };
    let Ok(Request::Create { options, .. }) = with(option("winrs_noprofile", "True", true)) else {
        panic!("refused");
    };
    assert_eq!(options.no_profile, Some(true));
    assert_eq!(
        with(option("WINRS_NOPROFILE", "perhaps", false)),
        Err(ErrorCode::OPTIONS_INVALID_VALUE)
    );
    assert_eq!(with(option("WINRS_CODEPAGE", "x", false)), Err(ErrorCode::OPTIONS_INVALID_VALUE));
    assert_eq!(with(option("NEW", "x", true)), Err(ErrorCode::OPTIONS_NOT_SUPPORTED));
    assert!(with(option("NEW", "x", false)).is_ok());
}
