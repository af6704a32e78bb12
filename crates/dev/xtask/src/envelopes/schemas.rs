//! The schemas that envelopes are validated with: copies of the published ones, with what is wrong or old in print put right.
//!
//! The DMTF's and the W3C submissions' schemas are complete but for imports that name no file. The ones that [MS-WSMV] prints are older
//! than what it describes: each amendment says why it is right.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the published schemas are below the corpora, and the copies' names.
const DMTF: &str = "xsd/schemas";
const PRINTED: &str = "ms-wsmv/xsd";

/// A text of a published schema, white space apart, and what stands there in the copy.
struct Amendment {
    from: &'static str,
    to: &'static str,
}

/// Why an amendment is right stands beside it.
const fn amend(from: &'static str, to: &'static str) -> Amendment {
    Amendment { from, to }
}

struct Schema {
    file: &'static str,
    copy: &'static str,
    amendments: &'static [Amendment],
}

const XML: &str = "schemaLocation=\"xml.xsd\"/>";

#[rustfmt::skip]
const DMTF_SCHEMAS: &[Schema] = &[
    Schema { file: "xml.xsd", copy: "xml.xsd", amendments: &[] },
    Schema { file: "addressing.xsd", copy: "addressing.xsd", amendments: &[] },
    Schema { file: "transfer.xsd", copy: "transfer.xsd", amendments: &[] },
    Schema { file: "enumeration.xsd", copy: "enumeration.xsd", amendments: &[
        amend("schemaLocation=\"http://www.w3.org/2001/xml.xsd\"/>", XML),
    ] },
    Schema { file: "eventing.xsd", copy: "eventing.xsd", amendments: &[
        amend("schemaLocation=\"http://www.w3.org/2001/xml.xsd\"/>", XML),
    ] },
    Schema { file: "soap.xsd", copy: "soap.xsd", amendments: &[
        amend("<xs:import namespace=\"http://www.w3.org/XML/1998/namespace\" />",
            "<xs:import namespace=\"http://www.w3.org/XML/1998/namespace\" schemaLocation=\"xml.xsd\"/>"),
    ] },
    Schema { file: "management.xsd", copy: "management.xsd", amendments: &[
        amend("<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" />",
            "<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" schemaLocation=\"addressing.xsd\"/>"),
        amend("<xs:import namespace=\"http://www.w3.org/XML/1998/namespace\" />",
            "<xs:import namespace=\"http://www.w3.org/XML/1998/namespace\" schemaLocation=\"xml.xsd\"/>"),
        // DSP0226 8.7 puts w:Item and 8.6 w:XmlFragment, which are of this namespace, among the items.
        amend("<xs:complexType name=\"anyListType\"> <xs:sequence> <xs:any namespace=\"##other\"",
            "<xs:complexType name=\"anyListType\"> <xs:sequence> <xs:any namespace=\"##any\""),
        // A filter by selectors holds w:SelectorSet, which is of this namespace (DSP0226 8.3).
        amend("<xs:complexType name=\"mixedDataType\"> <xs:complexContent mixed=\"true\"> <xs:restriction base=\"xs:anyType\"> \
            <xs:sequence> <xs:any namespace=\"##other\"",
            "<xs:complexType name=\"mixedDataType\"> <xs:complexContent mixed=\"true\"> <xs:restriction base=\"xs:anyType\"> \
            <xs:sequence> <xs:any namespace=\"##any\""),
        // An option without a value is nil: [MS-WSMV] 3.1.4.1.11 shows it.
        amend("<xs:element name=\"Option\" type=\"wsman:OptionType\"/>",
            "<xs:element name=\"Option\" type=\"wsman:OptionType\" nillable=\"true\"/>"),
    ] },
    Schema { file: "identity.xsd", copy: "identity.xsd", amendments: &[
        // DSP0226 11 has the profiles in this namespace since its version 1.0.
        amend("<xs:any namespace=\"##other\" minOccurs=\"0\" maxOccurs=\"unbounded\"/>",
            "<xs:element name=\"SecurityProfiles\" minOccurs=\"0\"><xs:complexType><xs:sequence>\
            <xs:element name=\"SecurityProfileName\" type=\"xs:anyURI\" maxOccurs=\"unbounded\"/>\
            </xs:sequence></xs:complexType></xs:element>\
            <xs:any namespace=\"##other\" minOccurs=\"0\" maxOccurs=\"unbounded\" processContents=\"lax\"/>"),
    ] },
];

#[rustfmt::skip]
const PRINTED_SCHEMAS: &[Schema] = &[
    Schema { file: "02_microsoft_com_wbem_wsman_1_config_service_wsmanfault.xsd", copy: "wsmanfault.xsd", amendments: &[
        // Every recorded fault is in this namespace, and its elements are qualified.
        amend("targetNamespace=\"http://schemas.microsoft.com/wbem/wsman/1/config/service/wsmanfault\"",
            "targetNamespace=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" elementFormDefault=\"qualified\""),
        amend("xmlns:wsmanFault=\"http://schemas.microsoft.com/wbem/wsman/1/config/service/wsmanfault\"",
            "xmlns:wsmanFault=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\""),
        // The element that the type is for.
        amend("</xs:schema>", "<xs:element name=\"WSManFault\" type=\"wsmanFault:WSManFaultType\"/></xs:schema>"),
    ] },
    Schema { file: "03_microsoft_com_wbem_wsman_1_config_service_certmapping.xsd", copy: "certmapping.xsd", amendments: &[
        // On the wire the elements are qualified, and policy marks what it sets.
        amend("<xs:schema ", "<xs:schema xmlns:cert=\"http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping\" \
            elementFormDefault=\"qualified\" "),
        amend("type=\"xs:string\"", "type=\"cert:Text\""),
        amend("type=\"xs:boolean\"", "type=\"cert:Flag\""),
        amend("</xs:schema>", "<xs:complexType name=\"Text\"><xs:simpleContent><xs:extension base=\"xs:string\">\
            <xs:attribute name=\"Source\" type=\"xs:string\"/></xs:extension></xs:simpleContent></xs:complexType>\
            <xs:complexType name=\"Flag\"><xs:simpleContent><xs:extension base=\"xs:boolean\">\
            <xs:attribute name=\"Source\" type=\"xs:string\"/></xs:extension></xs:simpleContent></xs:complexType>\
            <xs:element name=\"CertMapping\" type=\"cert:CertMappingType\"/></xs:schema>"),
        // A Create names a mapping by its selectors.
        amend("<xs:element name=\"URI\" type=\"cert:Text\" /> <xs:element name=\"Subject\" type=\"cert:Text\" /> \
            <xs:element name=\"Issuer\" type=\"cert:Text\"/>",
            "<xs:element name=\"URI\" type=\"cert:Text\" minOccurs=\"0\"/><xs:element name=\"Subject\" type=\"cert:Text\" minOccurs=\"0\"/>\
            <xs:element name=\"Issuer\" type=\"cert:Text\" minOccurs=\"0\"/>"),
        // A mapping is marked as a whole as well.
        amend("</xs:sequence> </xs:complexType>", "</xs:sequence><xs:anyAttribute processContents=\"lax\"/> </xs:complexType>"),
    ] },
    Schema { file: "04_microsoft_com_wbem_wsman_1_config.xsd", copy: "config.xsd", amendments: &[
        // What policy sets is marked on the wire: <cfg:Basic Source="GPO">.
        amend("type=\"xs:boolean\"", "type=\"cfg:Flag\""),
        amend("type=\"xs:string\"", "type=\"cfg:Text\""),
        amend("type=\"xs:unsignedInt\"", "type=\"cfg:Number\""),
        amend("type=\"xs:unsignedLong\"", "type=\"cfg:Number\""),
        // MaxConcurrentUsers is 2147483647 since Windows Server 2012.
        amend("type=\"xs:unsignedShort\"", "type=\"cfg:Number\""),
        // Settings that came after the print, in the order of Windows Server 2012 and later.
        amend("<xs:element name=\"CertificateThumbprint\" type=\"cfg:Text\" minOccurs=\"0\"/> </xs:sequence>",
            "<xs:element name=\"EnableCompatibilityHttpListener\" type=\"cfg:Flag\" minOccurs=\"0\"/>\
            <xs:element name=\"EnableCompatibilityHttpsListener\" type=\"cfg:Flag\" minOccurs=\"0\"/>\
            <xs:element name=\"CertificateThumbprint\" type=\"cfg:Text\" minOccurs=\"0\"/>\
            <xs:element name=\"AllowRemoteAccess\" type=\"cfg:Flag\" minOccurs=\"0\"/> </xs:sequence>"),
        // A Put may leave out what it does not change.
        amend("<xs:element name=\"MaxEnvelopeSizekb\" type=\"cfg:Number\" default=\"150\"/> \
            <xs:element name=\"MaxTimeoutms\" type=\"cfg:Number\" default=\"60000\"/> \
            <xs:element name=\"MaxBatchItems\" type=\"cfg:Number\" default=\"20\"/> \
            <xs:element name=\"MaxProviderRequests\" type=\"cfg:Number\" default=\"25\"/> \
            <xs:element name=\"Client\" type=\"cfg:ClientType\"/> <xs:element name=\"Service\" type=\"cfg:ServiceType\"/> \
            <xs:element name=\"Winrs\" type=\"cfg:WinrsType\"/>",
            "<xs:element name=\"MaxEnvelopeSizekb\" type=\"cfg:Number\" minOccurs=\"0\"/>\
            <xs:element name=\"MaxTimeoutms\" type=\"cfg:Number\" minOccurs=\"0\"/>\
            <xs:element name=\"MaxBatchItems\" type=\"cfg:Number\" minOccurs=\"0\"/>\
            <xs:element name=\"MaxProviderRequests\" type=\"cfg:Number\" minOccurs=\"0\"/>\
            <xs:element name=\"Client\" type=\"cfg:ClientType\" minOccurs=\"0\"/>\
            <xs:element name=\"Service\" type=\"cfg:ServiceType\" minOccurs=\"0\"/>\
            <xs:element name=\"Winrs\" type=\"cfg:WinrsType\" minOccurs=\"0\"/>"),
        // A listener without a name, and with nothing but what a Create is given.
        amend("<xs:element name=\"Port\" type=\"cfg:Number\"/> <xs:element name=\"Hostname\" type=\"cfg:Text\"/>",
            "<xs:element name=\"Port\" type=\"cfg:Number\" minOccurs=\"0\"/><xs:element name=\"Hostname\" type=\"cfg:Text\" minOccurs=\"0\"/>"),
        amend("<xs:element name=\"Address\" type=\"cfg:Text\"/> <xs:element name=\"Transport\" type=\"cfg:Text\"/>",
            "<xs:element name=\"Address\" type=\"cfg:Text\" minOccurs=\"0\"/><xs:element name=\"Transport\" type=\"cfg:Text\" minOccurs=\"0\"/>"),
        // The elements that the types are for. Auth and DefaultPorts are those of the client and of the service.
        amend("</xs:schema>", "<xs:complexType name=\"Flag\"><xs:simpleContent><xs:extension base=\"xs:boolean\">\
            <xs:attribute name=\"Source\" type=\"xs:string\" form=\"unqualified\"/></xs:extension></xs:simpleContent></xs:complexType>\
            <xs:complexType name=\"Text\"><xs:simpleContent><xs:extension base=\"xs:string\">\
            <xs:attribute name=\"Source\" type=\"xs:string\" form=\"unqualified\"/></xs:extension></xs:simpleContent></xs:complexType>\
            <xs:complexType name=\"Number\"><xs:simpleContent><xs:extension base=\"xs:unsignedLong\">\
            <xs:attribute name=\"Source\" type=\"xs:string\" form=\"unqualified\"/></xs:extension></xs:simpleContent></xs:complexType>\
            <xs:element name=\"Config\" type=\"cfg:ConfigType\"/><xs:element name=\"Client\" type=\"cfg:ClientType\"/>\
            <xs:element name=\"Service\" type=\"cfg:ServiceType\"/><xs:element name=\"Winrs\" type=\"cfg:WinrsType\"/>\
            <xs:element name=\"Listener\" type=\"cfg:ListenerType\"/>\
            <xs:element name=\"Auth\"><xs:complexType><xs:sequence><xs:element name=\"Basic\" type=\"cfg:Flag\"/>\
            <xs:element name=\"Digest\" type=\"cfg:Flag\" minOccurs=\"0\"/><xs:element name=\"Kerberos\" type=\"cfg:Flag\"/>\
            <xs:element name=\"Negotiate\" type=\"cfg:Flag\"/><xs:element name=\"Certificate\" type=\"cfg:Flag\"/>\
            <xs:element name=\"CredSSP\" type=\"cfg:Flag\" minOccurs=\"0\"/>\
            <xs:element name=\"CbtHardeningLevel\" type=\"cfg:Text\" minOccurs=\"0\"/></xs:sequence></xs:complexType></xs:element>\
            <xs:element name=\"DefaultPorts\" type=\"cfg:ServiceDefaultPortsType\"/></xs:schema>"),
        // A listener is marked as a whole: Source="GPO", Source="Compatibility".
        amend("<xs:element name=\"ListeningOn\" type=\"cfg:Text\" minOccurs=\"0\" maxOccurs=\"unbounded\"/> </xs:sequence>",
            "<xs:element name=\"ListeningOn\" type=\"cfg:Text\" minOccurs=\"0\" maxOccurs=\"unbounded\"/></xs:sequence>\
            <xs:attribute name=\"Source\" type=\"xs:string\" form=\"unqualified\"/>"),
    ] },
    Schema { file: "05_microsoft_com_wbem_wsman_1_config_PluginConfiguration.xsd", copy: "plugin.xsd", amendments: &[
        // The elements are qualified on the wire: 3.1.4.1.34.3 shows all of them with a default namespace.
        amend("<xs:schema ", "<xs:schema elementFormDefault=\"qualified\" "),
        // The spelling of the wire, same place.
        amend("<xs:attribute name=\"ResourceURI\" type=\"xs:anyURI\" />", "<xs:attribute name=\"ResourceUri\" type=\"xs:anyURI\" />"),
        // A capability of the WMI provider there.
        amend("<xs:enumeration value=\"Shell\" />", "<xs:enumeration value=\"Shell\" /><xs:enumeration value=\"Identify\" />"),
        // The quotas stand in words (2.2.4.33) and in the examples; so does the language. What policy sets is marked.
        amend("type=\"plugin:InitializationParametersType\" /> </xs:sequence>",
            "type=\"plugin:InitializationParametersType\" /> <xs:element name=\"Quotas\" minOccurs=\"0\"><xs:complexType>\
            <xs:attribute name=\"MaxConcurrentUsers\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"MaxConcurrentOperationsPerUser\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"MaxConcurrentOperations\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"MaxMemoryPerShellMB\" type=\"xs:unsignedInt\"/><xs:attribute name=\"MaxProcessesPerShell\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"IdleTimeoutms\" type=\"xs:unsignedInt\"/><xs:attribute name=\"MaxIdleTimeoutms\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"MaxConcurrentCommandsPerShell\" type=\"xs:unsignedInt\"/>\
            <xs:attribute name=\"MaxShells\" type=\"xs:unsignedInt\"/><xs:attribute name=\"MaxShellsPerUser\" type=\"xs:unsignedInt\"/>\
            </xs:complexType></xs:element></xs:sequence>"),
        amend("<xs:attribute name=\"Enabled\" type=\"xs:boolean\" use=\"optional\" default=\"true\" />",
            "<xs:attribute name=\"Enabled\" type=\"xs:boolean\" use=\"optional\" default=\"true\" />\
            <xs:attribute name=\"Source\" type=\"xs:string\"/>\
            <xs:anyAttribute namespace=\"http://www.w3.org/XML/1998/namespace\" processContents=\"lax\"/>"),
        amend("</xs:schema>", "<xs:element name=\"PlugInConfiguration\" type=\"plugin:PluginType\"/></xs:schema>"),
    ] },
    Schema { file: "07_dmtf_org_wbem_wsman_1_wsman_xsd.xsd", copy: "shell.xsd", amendments: &[
        // The shell's types are printed in the DMTF's namespace; the wire has them in the shell's own (recorded, all versions).
        amend("targetNamespace=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"",
            "targetNamespace=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\""),
        amend("xmlns:wsman=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"",
            "xmlns:wsman=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\""),
        // Attributes are without a namespace on the wire.
        amend("attributeFormDefault=\"qualified\"", "attributeFormDefault=\"unqualified\""),
        // Types of eventing, which stand there misspelt and belong to other namespaces; and imports that name no file.
        amend("minoccurs=\"1\" maxoccurs=\"unbounded\"", "minOccurs=\"1\" maxOccurs=\"unbounded\""),
        amend("<xs:element name=\"Envelope\" type=\"tns:Envelope\" />", "<xs:element name=\"Envelope\" />"),
        amend("<xs:import namespace=\"http://schemas.dmtf.org/wbem/wscim/1/common\" \
            schemaLocation=\"http://schemas.dmtf.org/wbem/wscim/1/common.xsd\" />", ""),
        amend("<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
            schemaLocation=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" />", ""),
        amend("<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" \
            schemaLocation=\"http://schemas.xmlsoap.org/ws/2004/09/transfer/transfer.xsd\" />", ""),
        amend("<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" \
            schemaLocation=\"http://schemas.xmlsoap.org/ws/2004/08/eventing/eventing.xsd\" />", ""),
        amend("<xs:import namespace=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
            schemaLocation=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration/enumeration.xsd\" />", ""),
        // Clients choose a command's id since Windows 8 (2.2.4.7).
        amend("<xs:element name=\"Arguments\" type=\"wsman:ArgumentType\" minOccurs=\"0\" maxOccurs=\"unbounded\" /> </xs:sequence>",
            "<xs:element name=\"Arguments\" type=\"wsman:ArgumentType\" minOccurs=\"0\" maxOccurs=\"unbounded\" /></xs:sequence>\
            <xs:attribute name=\"CommandId\" type=\"xs:anyURI\"/>"),
        // PowerShell's signal (MS-PSRP 3.1.5.3.13), which is misspelt on the wire.
        amend("value=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_break\" />",
            "value=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_break\" />\
            <xs:enumeration value=\"powershell/signal/crtl_c\"/>"),
        // Streams of a shell's own, as PowerShell's, end with it and with no command (3.1.4.14).
        amend("<xs:attribute name=\"CommandId\" type=\"xs:anyURI\" use=\"required\" /> <xs:attribute name=\"State\"",
            "<xs:attribute name=\"CommandId\" type=\"xs:anyURI\" /> <xs:attribute name=\"State\""),
        // A Receive is numbered by Windows's client (2.2.4.31); an answer without output has no stream (recorded, 3.1.4.14).
        amend("<xs:element name=\"DesiredStream\" type=\"wsman:DesiredStreamType\" minOccurs=\"1\" /> </xs:sequence>",
            "<xs:element name=\"DesiredStream\" type=\"wsman:DesiredStreamType\" minOccurs=\"1\" /></xs:sequence>\
            <xs:attribute name=\"SequenceId\" type=\"xs:unsignedLong\"/>"),
        amend("<xs:element name=\"Stream\" type=\"wsman:StreamType\" minOccurs=\"1\" maxOccurs=\"unbounded\" /> \
            <xs:element name=\"CommandState\"",
            "<xs:element name=\"Stream\" type=\"wsman:StreamType\" minOccurs=\"0\" maxOccurs=\"unbounded\" /> \
            <xs:element name=\"CommandState\""),
        // A shell in answers and lists (2.2.4.37 in words; recorded in this order), named by its client (since Windows 8).
        amend("<xs:element name=\"ShellId\" type=\"xs:anyURI\" minOccurs=\"0\" />",
            "<xs:element name=\"ShellId\" type=\"xs:anyURI\" minOccurs=\"0\" /><xs:element name=\"Name\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ResourceUri\" type=\"xs:anyURI\" minOccurs=\"0\"/><xs:element name=\"Owner\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ClientIP\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ProcessId\" type=\"xs:unsignedInt\" minOccurs=\"0\"/>"),
        // The spelling of the wire.
        amend("<xs:element name=\"IdleTimeout\" type=\"xs:duration\" minOccurs=\"0\" />",
            "<xs:element name=\"IdleTimeOut\" type=\"xs:duration\" minOccurs=\"0\" />"),
        amend("<xs:element name=\"OutputStreams\" type=\"wsman:StreamNameList\" minOccurs=\"0\" /> \
            <xs:any minOccurs=\"0\" maxOccurs=\"unbounded\" namespace=\"##other\" /> </xs:sequence>",
            "<xs:element name=\"OutputStreams\" type=\"wsman:StreamNameList\" minOccurs=\"0\" />\
            <xs:element name=\"MaxIdleTimeOut\" type=\"xs:duration\" minOccurs=\"0\"/>\
            <xs:element name=\"Locale\" type=\"xs:language\" minOccurs=\"0\"/><xs:element name=\"DataLocale\" type=\"xs:language\" minOccurs=\"0\"/>\
            <xs:element name=\"CompressionMode\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ProfileLoaded\" type=\"xs:string\" minOccurs=\"0\"/><xs:element name=\"Encoding\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"BufferMode\" type=\"xs:string\" minOccurs=\"0\"/><xs:element name=\"State\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ShellRunTime\" type=\"xs:duration\" minOccurs=\"0\"/>\
            <xs:element name=\"ShellInactivity\" type=\"xs:duration\" minOccurs=\"0\"/>\
            <xs:element name=\"MemoryUsed\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"ChildProcesses\" type=\"xs:unsignedInt\" minOccurs=\"0\"/>\
            <xs:any minOccurs=\"0\" maxOccurs=\"unbounded\" namespace=\"##other\" processContents=\"lax\" /></xs:sequence>\
            <xs:attribute name=\"ShellId\" type=\"xs:anyURI\"/><xs:attribute name=\"Name\" type=\"xs:string\"/>"),
        // What came after the print: 3.1.4.15 to 3.1.4.17, the list of a shell's commands (recorded), the header of compression.
        amend("</xs:schema>",
            "<xs:element name=\"Shell\" type=\"wsman:Shell\"/>\
            <xs:element name=\"Disconnect\"><xs:complexType><xs:sequence>\
            <xs:element name=\"IdleTimeOut\" type=\"xs:duration\" minOccurs=\"0\"/><xs:element name=\"BufferMode\" type=\"xs:string\" minOccurs=\"0\"/>\
            </xs:sequence></xs:complexType></xs:element>\
            <xs:element name=\"Reconnect\"><xs:complexType><xs:sequence>\
            <xs:element name=\"BufferMode\" type=\"xs:string\" minOccurs=\"0\"/></xs:sequence>\
            <xs:attribute name=\"CommandId\" type=\"xs:anyURI\"/></xs:complexType></xs:element>\
            <xs:element name=\"Connect\"><xs:complexType><xs:sequence>\
            <xs:element name=\"BufferMode\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:any minOccurs=\"0\" namespace=\"##other\" processContents=\"lax\"/></xs:sequence>\
            <xs:attribute name=\"CommandId\" type=\"xs:anyURI\"/></xs:complexType></xs:element>\
            <xs:element name=\"ConnectResponse\"><xs:complexType><xs:sequence>\
            <xs:element name=\"InputStreams\" type=\"wsman:StreamNameList\" minOccurs=\"0\"/>\
            <xs:element name=\"OutputStreams\" type=\"wsman:StreamNameList\" minOccurs=\"0\"/>\
            <xs:any minOccurs=\"0\" namespace=\"##other\" processContents=\"lax\"/></xs:sequence></xs:complexType></xs:element>\
            <xs:element name=\"Command\"><xs:complexType><xs:sequence>\
            <xs:element name=\"CommandId\" type=\"xs:anyURI\"/><xs:element name=\"CommandLine\" type=\"xs:string\" minOccurs=\"0\"/>\
            <xs:element name=\"CommandState\" type=\"xs:string\" minOccurs=\"0\"/></xs:sequence></xs:complexType></xs:element>\
            <xs:element name=\"CompressionType\"><xs:complexType><xs:simpleContent><xs:extension base=\"xs:string\">\
            <xs:anyAttribute namespace=\"##other\" processContents=\"lax\"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>\
            </xs:schema>"),
    ] },
];

/// The headers of [MS-WSMV] 2.2.4 that have a description in words and no printed schema.
const HEADERS: &str = r###"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
targetNamespace="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd" elementFormDefault="qualified">
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="xml.xsd"/>
<xs:complexType name="Id"><xs:simpleContent><xs:extension base="p:IdText"><xs:anyAttribute namespace="##other" processContents="lax"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:simpleType name="IdText"><xs:restriction base="xs:string"><xs:minLength value="1"/><xs:maxLength value="2048"/></xs:restriction></xs:simpleType>
<xs:complexType name="Sequence"><xs:simpleContent><xs:extension base="xs:unsignedLong"><xs:anyAttribute namespace="##other" processContents="lax"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:element name="SessionId" type="p:Id"/><xs:element name="OperationID" type="p:Id"/><xs:element name="ActivityId" type="p:Id"/>
<xs:element name="SequenceId" type="p:Sequence"/><xs:element name="LastSequenceIdReceived" type="p:Sequence"/>
<xs:element name="DataLocale"><xs:complexType><xs:attribute ref="xml:lang" use="required"/><xs:anyAttribute namespace="##other" processContents="lax"/></xs:complexType></xs:element>
</xs:schema>"###;

/// Makes the copies and gives the schema that imports all of them.
///
/// A schema in which an amendment finds nothing is another one than it was: that is an error.
pub(super) fn prepare(corpora: &Path, folder: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut main = "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">".to_owned();
    let all = DMTF_SCHEMAS.iter().map(|schema| (DMTF, schema));
    for (place, schema) in all.chain(PRINTED_SCHEMAS.iter().map(|schema| (PRINTED, schema))) {
        let path = corpora.join(place).join(schema.file);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = amended(&text, schema)?;
        write(schema.copy, &text)?;
        import(&mut main, &text, schema.copy)?;
    }
    write("headers.xsd", HEADERS)?;
    import(&mut main, HEADERS, "headers.xsd")?;
    main.push_str("</xs:schema>");
    write("main.xsd", &main)?;
    Ok(folder.join("main.xsd"))
}

fn import(main: &mut String, text: &str, copy: &str) -> Result<(), String> {
    let namespace = text.split("targetNamespace=\"").nth(1).and_then(|rest| rest.split('"').next());
    let namespace = namespace.ok_or_else(|| format!("{copy} has no target namespace"))?;
    main.push_str(&format!("<xs:import namespace=\"{namespace}\" schemaLocation=\"{copy}\"/>"));
    Ok(())
}

/// The schema's text with its amendments; white space is one blank in both.
fn amended(text: &str, schema: &Schema) -> Result<String, String> {
    // Declarations and documentation in comments may hold what is looked for.
    let body = text.find("<xs:schema").and_then(|start| text.get(start..)).unwrap_or(text);
    let mut text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    for Amendment { from, to } in schema.amendments {
        if !text.contains(from) {
            return Err(format!("{} is another schema than it was: it has no {from}", schema.file));
        }
        text = text.replace(from, to);
    }
    Ok(text)
}
