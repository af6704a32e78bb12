//! What we put on the wire, byte for byte.

use std::time::Duration;

use uuid::Uuid;
use wsman::identify::{Identify, IdentifyResponse, profile};
use wsman::shell::{
    BufferMode, CommandLine, CommandOptions, CommandResponse, CommandState, Connect,
    ConnectResponse, CreateResponse, Disconnect, PROTOCOL_VERSION, Profile, Receive,
    ReceiveResponse, Reconnect, Request, RequestContext, Send, SendResponse, ShellDescription,
    ShellInfo, ShellOptions, Signal, SignalCode, SignalResponse, State, Stream, Variable,
};
use wsman::xml::Limits;
use wsman::{
    EndpointReference, Envelope, ErrorCode, Fault, HeaderValue, OptionItem, OptionSet, SelectorSet,
    guid, ns, uuid_uri,
};

const SHELL: &str = "0D6FCA9D-2D40-44C3-B691-E665BE7AA687";
const COMMAND: &str = "B0973E54-434E-4D99-B4BE-ADE584CE3BFB";

fn message_id() -> Uuid {
    Uuid::from_u128(0xB9C6_A568_20B0_4B50_93EE_E7BC_AD5C_20DB)
}

fn context() -> RequestContext {
    let session = Uuid::from_u128(0xE3ED_C93B_6629_44A6_8F70_2D94_D134_ACD3);
    RequestContext::new("http://h:5985/wsman", ns::resource::CMD, session)
}

fn request(request: &Request, shell: Option<&str>) -> String {
    let envelope = request.to_envelope(&context(), shell, message_id(), Duration::from_secs(60));
    envelope.header.check_request().unwrap();
    assert_eq!(Request::from_envelope(&envelope).as_ref(), Ok(request));
    let bytes = envelope.encode();
    let decoded = Envelope::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(Request::from_envelope(&decoded).as_ref(), Ok(request));
    assert_eq!(decoded.header.shell_id(), shell);
    String::from_utf8(bytes).unwrap()
}

/// The headers of every request, up to and with the timeout.
fn head(namespaces: &str, action: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" {namespaces}\
         xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <a:To>http://h:5985/wsman</a:To>\
         <w:ResourceURI s:mustUnderstand=\"true\">\
         http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">\
         http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">153600</w:MaxEnvelopeSize>\
         <a:MessageID>uuid:B9C6A568-20B0-4B50-93EE-E7BCAD5C20DB</a:MessageID>\
         <w:Locale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/>\
         <p:DataLocale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/>\
         <p:SessionId s:mustUnderstand=\"false\">\
         uuid:E3EDC93B-6629-44A6-8F70-2D94D134ACD3</p:SessionId>\
         <w:OperationTimeout>PT60.000S</w:OperationTimeout>"
    )
}

const RSP: &str = "xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\" ";
const SHELL_SELECTOR: &str = "<w:SelectorSet><w:Selector Name=\"ShellId\">\
    0D6FCA9D-2D40-44C3-B691-E665BE7AA687</w:Selector></w:SelectorSet>";
const OPTIONS: &str = "<w:OptionSet xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    s:mustUnderstand=\"true\">";

#[test]
fn create_is_written_as_windows_writes_it() {
    let shell = ShellDescription {
        environment: vec![Variable { name: "A".to_owned(), value: " b<&>\" ".to_owned() }],
        working_directory: Some(r"C:\Temp".to_owned()),
        lifetime: Some(wsman::Duration::seconds(Duration::from_secs(1000))),
        idle_timeout: Some(wsman::Duration::seconds(Duration::from_secs(7200))),
        input_streams: vec!["stdin".to_owned()],
        output_streams: vec!["stdout".to_owned(), "stderr".to_owned()],
        ..ShellDescription::default()
    };
    let options = ShellOptions {
        no_profile: Some(false),
        code_page: Some(65001),
        compression: true,
        other: Vec::new(),
    };
    let written = request(&Request::Create { shell: Box::new(shell), options }, None);
    let expected = [
        &head(RSP, ns::action::CREATE),
        OPTIONS,
        "<w:Option Name=\"WINRS_NOPROFILE\">FALSE</w:Option>",
        "<w:Option Name=\"WINRS_CODEPAGE\">65001</w:Option></w:OptionSet>",
        "<rsp:CompressionType s:mustUnderstand=\"true\">xpress</rsp:CompressionType></s:Header>",
        "<s:Body><rsp:Shell><rsp:Environment>",
        "<rsp:Variable Name=\"A\"> b&lt;&amp;&gt;\" </rsp:Variable></rsp:Environment>",
        r"<rsp:WorkingDirectory>C:\Temp</rsp:WorkingDirectory>",
        "<rsp:Lifetime>PT1000.000S</rsp:Lifetime><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>",
        "<rsp:InputStreams>stdin</rsp:InputStreams>",
        "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn command_is_written_as_windows_writes_it() {
    let command = CommandLine {
        command_id: Some(COMMAND.to_owned()),
        command: " dir ".to_owned(),
        arguments: vec!["/s".to_owned(), String::new(), "a b".to_owned()],
        ..CommandLine::default()
    };
    let options = CommandOptions { console_mode_stdin: Some(false), skip_cmd_shell: Some(true) };
    let written = request(&Request::Command { command, options }, Some(SHELL));
    let expected = [
        &head(RSP, ns::action::COMMAND),
        OPTIONS,
        "<w:Option Name=\"WINRS_CONSOLEMODE_STDIN\">FALSE</w:Option>",
        "<w:Option Name=\"WINRS_SKIP_CMD_SHELL\">TRUE</w:Option></w:OptionSet>",
        SHELL_SELECTOR,
        "</s:Header><s:Body><rsp:CommandLine CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\">",
        "<rsp:Command> dir </rsp:Command><rsp:Arguments>/s</rsp:Arguments><rsp:Arguments/>",
        "<rsp:Arguments>a b</rsp:Arguments></rsp:CommandLine></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn send_and_receive_are_written_as_windows_writes_them() {
    let stream = Stream {
        name: "stdin".to_owned(),
        command_id: Some(COMMAND.to_owned()),
        end: true,
        data: b"hello\r\n".to_vec(),
        ..Stream::default()
    };
    let send = Send { streams: vec![stream], ..Send::default() };
    let expected = [
        &head(RSP, ns::action::SEND),
        SHELL_SELECTOR,
        "</s:Header><s:Body><rsp:Send><rsp:Stream Name=\"stdin\" ",
        "CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\" End=\"true\">aGVsbG8NCg==",
        "</rsp:Stream></rsp:Send></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(request(&Request::Send(send), Some(SHELL)), expected);
    let receive = Receive { sequence_id: Some(0), ..Receive::command(COMMAND) };
    let expected = [
        &head(RSP, ns::action::RECEIVE),
        OPTIONS,
        "<w:Option Name=\"WSMAN_CMDSHELL_OPTION_KEEPALIVE\">TRUE</w:Option></w:OptionSet>",
        SHELL_SELECTOR,
        "</s:Header><s:Body><rsp:Receive SequenceId=\"0\">",
        "<rsp:DesiredStream CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\">stdout stderr",
        "</rsp:DesiredStream></rsp:Receive></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(request(&Request::Receive { receive, keep_alive: true }, Some(SHELL)), expected);
}

#[test]
fn signal_and_delete_are_written_as_windows_writes_them() {
    let signal = Signal::command(COMMAND, SignalCode::Terminate);
    let expected = [
        &head(RSP, ns::action::SIGNAL),
        SHELL_SELECTOR,
        "</s:Header><s:Body><rsp:Signal CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\">",
        "<rsp:Code>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate",
        "</rsp:Code></rsp:Signal></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(request(&Request::Signal(signal), Some(SHELL)), expected);
    let expected = [
        &head("", ns::action::DELETE),
        SHELL_SELECTOR,
        "</s:Header><s:Body></s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(request(&Request::Delete, Some(SHELL)), expected);
}

fn powershell(request: &Request) -> String {
    let resource_uri = [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat();
    let context = RequestContext { resource_uri, ..context() };
    let envelope =
        request.to_envelope(&context, Some(SHELL), message_id(), Duration::from_secs(60));
    envelope.header.check_request().unwrap();
    assert_eq!(Request::from_envelope(&envelope).as_ref(), Ok(request));
    String::from_utf8(envelope.encode()).unwrap()
}

#[test]
fn disconnect_and_reconnect_are_written_as_windows_writes_them() {
    let idle_timeout = Some(wsman::Duration::seconds(Duration::from_secs(240)));
    let buffer_mode = Some(BufferMode::Drop);
    let disconnect = Disconnect { idle_timeout, buffer_mode, ..Disconnect::default() };
    let written = powershell(&Request::Disconnect(disconnect));
    let body = "<s:Body><rsp:Disconnect><rsp:IdleTimeOut>PT240.000S</rsp:IdleTimeOut>\
        <rsp:BufferMode>Drop</rsp:BufferMode></rsp:Disconnect></s:Body>";
    assert!(written.contains(body), "{written}");
    assert!(written.contains(&[ns::action::DISCONNECT, "</a:Action>"].concat()));
    let written = powershell(&Request::Disconnect(Disconnect::default()));
    assert!(written.contains("<s:Body><rsp:Disconnect/></s:Body>"), "{written}");
    let written = powershell(&Request::Reconnect(Reconnect::default()));
    assert!(written.contains("<s:Body></s:Body>"), "{written}");
    assert!(written.contains(&[ns::action::RECONNECT, "</a:Action>"].concat()));
}

#[test]
fn connect_is_written_as_powershell_writes_it() {
    let options = OptionSet::default().with_item(OptionItem::required(PROTOCOL_VERSION, "2.3"));
    let connect = Box::new(Connect::shell(b"hello".to_vec()));
    let written = powershell(&Request::Connect { connect, options });
    let body = "<s:Body><rsp:Connect>\
        <connectXml xmlns=\"http://schemas.microsoft.com/powershell\">aGVsbG8=</connectXml>\
        </rsp:Connect></s:Body>";
    assert!(written.contains(body), "{written}");
    let option = "<w:Option Name=\"protocolversion\" MustComply=\"true\">2.3</w:Option>";
    assert!(written.contains(option), "{written}");
    let connect = Box::new(Connect::command(COMMAND));
    let written = powershell(&Request::Connect { connect, options: OptionSet::default() });
    let body = "<s:Body><rsp:Connect CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\"/></s:Body>";
    assert!(written.contains(body), "{written}");
}

#[test]
fn a_pool_and_a_pipeline_are_created_as_powershell_creates_them() {
    let shell = ShellDescription {
        shell_id: Some(SHELL.to_owned()),
        name: Some("Session1".to_owned()),
        input_streams: Profile::POWERSHELL.input_names(),
        output_streams: Profile::POWERSHELL.output_names(),
        creation_xml: Some(b"hello".to_vec()),
        ..ShellDescription::default()
    };
    let other = vec![OptionItem::required(PROTOCOL_VERSION, "2.3")];
    let no_profile = Some(true);
    let options = ShellOptions { no_profile, other, ..ShellOptions::default() };
    let written = powershell(&Request::Create { shell: Box::new(shell), options });
    let body = "<s:Body><rsp:Shell ShellId=\"0D6FCA9D-2D40-44C3-B691-E665BE7AA687\" \
        Name=\"Session1\"><rsp:InputStreams>stdin pr</rsp:InputStreams>\
        <rsp:OutputStreams>stdout</rsp:OutputStreams>\
        <creationXml xmlns=\"http://schemas.microsoft.com/powershell\">aGVsbG8=</creationXml>\
        </rsp:Shell></s:Body>";
    assert!(written.contains(body), "{written}");
    let options = "<w:Option Name=\"protocolversion\" MustComply=\"true\">2.3</w:Option>\
        <w:Option Name=\"WINRS_NOPROFILE\" MustComply=\"true\">1</w:Option></w:OptionSet>";
    assert!(written.contains(options), "{written}");
    let command = CommandLine::plug_in(Some(COMMAND.to_owned()), b"hello");
    assert_eq!(command.payload().as_deref(), Ok(&b"hello"[..]));
    let options = CommandOptions::default();
    let written = powershell(&Request::Command { command, options });
    let body = "<rsp:Command/><rsp:Arguments>aGVsbG8=</rsp:Arguments></rsp:CommandLine>";
    assert!(written.contains(body), "{written}");
    let bad = CommandLine { arguments: vec!["?".to_owned()], ..CommandLine::default() };
    assert!(bad.payload().is_err() && CommandLine::default().payload() == Ok(Vec::new()));
}

#[test]
fn connect_response_has_windowss_shape() {
    let response = ConnectResponse {
        input_streams: Profile::POWERSHELL.input_names(),
        output_streams: Profile::POWERSHELL.output_names(),
        connect_response_xml: Some(b"hello".to_vec()),
        ..ConnectResponse::default()
    };
    assert_eq!(ConnectResponse::from_body(&response.to_body()).as_ref(), Ok(&response));
    let action = ns::action::CONNECT_RESPONSE;
    let envelope = asked().reply(action, message_id(), response.to_body());
    let body = "<rsp:ConnectResponse><rsp:InputStreams>stdin pr</rsp:InputStreams>\
        <rsp:OutputStreams>stdout</rsp:OutputStreams>\
        <connectResponseXml xmlns=\"http://schemas.microsoft.com/powershell\">aGVsbG8=\
        </connectResponseXml></rsp:ConnectResponse>";
    reply(action, N_RSP, body, &envelope);
    let envelope = asked().reply(action, message_id(), ConnectResponse::default().to_body());
    reply(action, N_RSP, "<rsp:ConnectResponse/>", &envelope);
}

fn asked() -> Envelope {
    let mut envelope =
        Request::Get.to_envelope(&context(), Some(SHELL), message_id(), Duration::from_secs(60));
    for block in &mut envelope.header.blocks {
        if let HeaderValue::MessageId(id) = &mut block.value {
            "uuid:lower-Case".clone_into(id);
        }
    }
    envelope
}

fn reply(action: &str, namespaces: &str, body: &str, envelope: &Envelope) {
    let expected = [
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" ",
        "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"",
        namespaces,
        "><s:Header><a:Action>",
        action,
        "</a:Action><a:MessageID>uuid:B9C6A568-20B0-4B50-93EE-E7BCAD5C20DB</a:MessageID>",
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>",
        "<a:RelatesTo>uuid:lower-Case</a:RelatesTo></s:Header><s:Body>",
        body,
        "</s:Body></s:Envelope>",
    ]
    .concat();
    assert_eq!(String::from_utf8(envelope.encode()).unwrap(), expected);
    assert_eq!(Envelope::decode(expected.as_bytes(), &Limits::default()).as_ref(), Ok(envelope));
}

const N_X: &str = " xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\"";
const N_W: &str = " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"";
const N_RSP: &str = " xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"";

#[test]
fn create_response_has_windowss_shape() {
    let selectors = SelectorSet::shell(SHELL);
    let response = CreateResponse {
        resource_created: EndpointReference::resource(
            "http://h:5985/wsman",
            ns::resource::CMD,
            selectors,
        ),
        shell: Some(ShellInfo {
            shell_id: Some(SHELL.to_owned()),
            resource_uri: Some(ns::resource::CMD.to_owned()),
            owner: Some("vagrant".to_owned()),
            client_ip: Some("192.168.56.1".to_owned()),
            idle_timeout: Some(wsman::Duration::seconds(Duration::from_secs(7200))),
            input_streams: vec!["stdin".to_owned()],
            output_streams: vec!["stdout".to_owned(), "stderr".to_owned()],
            shell_run_time: Some(wsman::Duration::days(Duration::ZERO)),
            shell_inactivity: Some(wsman::Duration::days(Duration::ZERO)),
            ..ShellInfo::default()
        }),
        other: Vec::new(),
    };
    assert_eq!(CreateResponse::from_body(&response.to_body()).as_ref(), Ok(&response));
    assert_eq!(response.shell_id(), Some(SHELL));
    let action = ns::action::CREATE_RESPONSE;
    let envelope = asked().reply(action, message_id(), response.to_body());
    let body = "<x:ResourceCreated><a:Address>http://h:5985/wsman</a:Address>\
        <a:ReferenceParameters><w:ResourceURI>\
        http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI>\
        <w:SelectorSet><w:Selector Name=\"ShellId\">0D6FCA9D-2D40-44C3-B691-E665BE7AA687\
        </w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>\
        <rsp:Shell><rsp:ShellId>0D6FCA9D-2D40-44C3-B691-E665BE7AA687</rsp:ShellId>\
        <rsp:ResourceUri>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd\
        </rsp:ResourceUri><rsp:Owner>vagrant</rsp:Owner>\
        <rsp:ClientIP>192.168.56.1</rsp:ClientIP><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>\
        <rsp:InputStreams>stdin</rsp:InputStreams>\
        <rsp:OutputStreams>stdout stderr</rsp:OutputStreams>\
        <rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>\
        <rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>";
    reply(action, &[N_X, N_W, N_RSP].concat(), body, &envelope);
}

#[test]
fn shell_replies_have_windowss_shape() {
    let request = asked();
    let command = CommandResponse { command_id: COMMAND.to_owned(), other: Vec::new() };
    let bodies = [
        (
            ns::action::COMMAND_RESPONSE,
            command.to_body(),
            "<rsp:CommandResponse><rsp:CommandId>B0973E54-434E-4D99-B4BE-ADE584CE3BFB\
             </rsp:CommandId></rsp:CommandResponse>",
        ),
        (ns::action::SEND_RESPONSE, SendResponse::default().to_body(), "<rsp:SendResponse/>"),
        (ns::action::SIGNAL_RESPONSE, SignalResponse::default().to_body(), "<rsp:SignalResponse/>"),
    ];
    for (action, body, expected) in bodies {
        reply(action, N_RSP, expected, &request.reply(action, message_id(), body));
    }
    let action = ns::action::DELETE_RESPONSE;
    reply(action, "", "", &request.reply(action, message_id(), Vec::new()));
}

#[test]
fn receive_response_ends_its_streams_before_the_state() {
    let stream = |name: &str, data: &[u8], end| Stream {
        name: name.to_owned(),
        command_id: Some(COMMAND.to_owned()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    };
    let response = ReceiveResponse {
        streams: vec![
            stream("stdout", b"out", false),
            stream("stdout", b"", true),
            stream("stderr", b"", true),
        ],
        state: Some(CommandState::new(COMMAND, State::Done, Some(0x8007_0002))),
        ..ReceiveResponse::default()
    };
    assert_eq!(ReceiveResponse::from_body(&response.to_body()).as_ref(), Ok(&response));
    let action = ns::action::RECEIVE_RESPONSE;
    let envelope = asked().reply(action, message_id(), response.to_body());
    let id = "CommandId=\"B0973E54-434E-4D99-B4BE-ADE584CE3BFB\"";
    let body = format!(
        "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" {id}>b3V0</rsp:Stream>\
         <rsp:Stream Name=\"stdout\" {id} End=\"true\"/>\
         <rsp:Stream Name=\"stderr\" {id} End=\"true\"/>\
         <rsp:CommandState {id} \
         State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done\">\
         <rsp:ExitCode>2147942402</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    );
    reply(action, N_RSP, &body, &envelope);
}

#[test]
fn fault_has_windowss_shape() {
    let fault = Fault::new(ErrorCode::INVALID_PARAMETER, "The parameter is incorrect. ")
        .with_provider("Shell cmd plugin", r"%systemroot%\system32\winrscmd.dll");
    let envelope = fault.to_envelope(Some(&asked().header), message_id(), "host");
    let body = r#"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:InvalidParameter</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">The parameter is incorrect. </s:Text></s:Reason><s:Detail><w:FaultDetail>http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/InvalidValue</w:FaultDetail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="87" Machine="host"><f:Message><f:ProviderFault provider="Shell cmd plugin" path="%systemroot%\system32\winrscmd.dll">The parameter is incorrect. </f:ProviderFault></f:Message></f:WSManFault></s:Detail></s:Fault>"#;
    reply(ns::action::WSMAN_FAULT, N_W, body, &envelope);
}

#[test]
fn header_that_was_not_understood_is_named() {
    let mut request = asked();
    let unknown = wsman::xml::Element::new("urn:x", "Strange");
    request.header = request.header.with_must_understand(HeaderValue::Other(unknown), true);
    let fault = request.header.check_request().unwrap_err();
    let envelope = fault.to_envelope(Some(&request.header), message_id(), "");
    let text = String::from_utf8(envelope.encode()).unwrap();
    assert!(text.contains("<s:NotUnderstood xmlns:q=\"urn:x\" qname=\"q:Strange\"/>"), "{text}");
    assert!(text.contains("<s:Value>s:MustUnderstand</s:Value></s:Code>"), "{text}");
    let decoded = Envelope::decode(text.as_bytes(), &Limits::default()).unwrap();
    let again = Fault::from_envelope(&decoded).unwrap().unwrap();
    assert_eq!(again.not_understood, fault.not_understood);
}

#[test]
fn operation_id_is_echoed_with_the_first_sequence_number() {
    let mut request = asked();
    request.header = request
        .header
        .with_must_understand(HeaderValue::OperationId("uuid:O".to_owned()), false)
        .with(HeaderValue::SequenceId(1));
    let envelope = request.reply("urn:a", message_id(), Vec::new());
    let text = String::from_utf8(envelope.encode()).unwrap();
    assert!(
        text.contains(
            "</a:MessageID><p:OperationID s:mustUnderstand=\"false\">uuid:O</p:OperationID>\
             <p:SequenceId>1</p:SequenceId><a:To>"
        ),
        "{text}"
    );
}

#[test]
fn identify_has_no_headers() {
    let text = String::from_utf8(Identify::default().to_envelope().encode()).unwrap();
    assert_eq!(
        text,
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body>\
         <wsmid:Identify \
         xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/>\
         </s:Body></s:Envelope>"
    );
    let response = IdentifyResponse {
        protocol_versions: vec![ns::PROTOCOL_VERSION.to_owned()],
        product_vendor: Some("Transom".to_owned()),
        product_version: Some("OS: 6.1.0 SP: 0.0 Stack: 3.0".to_owned()),
        security_profiles: Some(vec![profile::HTTP_SPNEGO.to_owned()]),
        other: Vec::new(),
    };
    let text = String::from_utf8(response.to_envelope().encode()).unwrap();
    assert_eq!(
        text,
        "<s:Envelope xml:lang=\"en-US\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\
         <s:Header/><s:Body><wsmid:IdentifyResponse \
         xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
         <wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\
         </wsmid:ProtocolVersion><wsmid:ProductVendor>Transom</wsmid:ProductVendor>\
         <wsmid:ProductVersion>OS: 6.1.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>\
         <wsmid:SecurityProfiles><wsmid:SecurityProfileName>\
         http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos\
         </wsmid:SecurityProfileName></wsmid:SecurityProfiles></wsmid:IdentifyResponse>\
         </s:Body></s:Envelope>"
    );
}

#[test]
fn ids_are_written_in_capitals() {
    assert_eq!(uuid_uri(message_id()), "uuid:B9C6A568-20B0-4B50-93EE-E7BCAD5C20DB");
    assert_eq!(guid(message_id()), "B9C6A568-20B0-4B50-93EE-E7BCAD5C20DB");
    assert!(wsman::same_id("uuid:b9c6a568-20b0-4b50-93ee-e7bcad5c20db", &guid(message_id())));
    assert!(wsman::same_id("{ABC}", "urn:uuid:abc") && !wsman::same_id("abc", "abd"));
}
