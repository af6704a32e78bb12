//! Namespace, action and URI constants of WS-Management and of Windows's extensions.

/// SOAP 1.2 envelope (`s`).
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing 2004/08 (`a`).
pub const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Transfer (`x`).
pub const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
/// WS-Eventing (`e`).
pub const EVENTING: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing";
/// WS-Enumeration (`n`).
pub const ENUMERATION: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
/// WS-Policy.
pub const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
/// DMTF WS-Management, DSP0226 (`w`).
pub const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// DMTF Identify (`wsmid`). [MS-WSMV] prints another path; this one is on the wire.
pub const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
/// DMTF CIM binding, DSP0227 (`b`).
pub const CIM_BINDING: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd";
/// DMTF CIM common types, DSP0230 (`cim`).
pub const CIM_COMMON: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
/// Microsoft's WS-Management extensions (`p`).
pub const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";
/// The configuration tree (`cfg`).
pub const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
/// The remote shell (`rsp`).
pub const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
/// Microsoft's fault detail (`f`).
pub const WSMAN_FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
/// Subscription descriptions (`sub`).
pub const SUBSCRIPTION: &str = "http://schemas.microsoft.com/wbem/wsman/1/subscription";
/// The MachineID header of event sources (`m`).
pub const MACHINE_ID: &str = "http://schemas.microsoft.com/wbem/wsman/1/machineid";
/// Interactive CIM operations (`i`).
pub const INTERACTIVE: &str = "http://schemas.microsoft.com/wbem/wsman/1/cim/interactive.xsd";
/// PowerShell's payload elements (`creationXml` and its sisters).
pub const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";
/// XML Schema instance attributes (`xsi`).
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// XML Schema (`xsd`).
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace that the prefix `xml` is always bound to.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace that the prefix `xmlns` is always bound to.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The error class that newer hosts put into a fault's detail instead of `f:WSManFault`.
pub const MSFT_WMI_ERROR: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError";

/// The anonymous address: the answer goes back on the same connection.
pub const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// What [`crate::identify::IdentifyResponse::protocol_versions`] holds for DSP0226.
pub const PROTOCOL_VERSION: &str = WSMAN;
/// Every DSP0226 fault detail URI starts with this.
pub const FAULT_DETAIL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/";
/// XPath 1.0, the default dialect of `w:FragmentTransfer` and `w:Filter`.
pub const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

/// The dialect of `w:Filter` whose content is a `w:SelectorSet`, DSP0226 8.3.
pub const SELECTOR_FILTER: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";

/// `a:Action` values of requests and replies.
pub mod action {
    /// WS-Transfer Get.
    pub const GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
    /// The reply to [`GET`].
    pub const GET_RESPONSE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/GetResponse";
    /// WS-Transfer Put.
    pub const PUT: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put";
    /// The reply to [`PUT`].
    pub const PUT_RESPONSE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/PutResponse";
    /// WS-Transfer Create.
    pub const CREATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
    /// The reply to [`CREATE`].
    pub const CREATE_RESPONSE: &str =
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/CreateResponse";
    /// WS-Transfer Delete.
    pub const DELETE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete";
    /// The reply to [`DELETE`].
    pub const DELETE_RESPONSE: &str =
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/DeleteResponse";
    /// Starts a command in a shell, [MS-WSMV] 3.1.4.11.
    pub const COMMAND: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command";
    /// The reply to [`COMMAND`].
    pub const COMMAND_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandResponse";
    /// Input for a command or a shell, [MS-WSMV] 3.1.4.13.
    pub const SEND: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send";
    /// The reply to [`SEND`].
    pub const SEND_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SendResponse";
    /// Asks for output, [MS-WSMV] 3.1.4.14.
    pub const RECEIVE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive";
    /// The reply to [`RECEIVE`].
    pub const RECEIVE_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReceiveResponse";
    /// Interrupts or ends a command, [MS-WSMV] 3.1.4.12.
    pub const SIGNAL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Signal";
    /// The reply to [`SIGNAL`].
    pub const SIGNAL_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SignalResponse";
    /// Leaves a shell without a client, [MS-WSMV] 3.1.4.15.
    pub const DISCONNECT: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Disconnect";
    /// The reply to [`DISCONNECT`].
    pub const DISCONNECT_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/DisconnectResponse";
    /// Takes up a shell from the same client session, [MS-WSMV] 3.1.4.16.
    pub const RECONNECT: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Reconnect";
    /// The reply to [`RECONNECT`].
    pub const RECONNECT_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReconnectResponse";
    /// Takes up a shell from another client session, [MS-WSMV] 3.1.4.17.
    pub const CONNECT: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Connect";
    /// The reply to [`CONNECT`].
    pub const CONNECT_RESPONSE: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ConnectResponse";
    /// Begins an enumeration, DSP0226 8.2.
    pub const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
    /// The reply to [`ENUMERATE`].
    pub const ENUMERATE_RESPONSE: &str =
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/EnumerateResponse";
    /// Asks for the next items, DSP0226 8.4.
    pub const PULL: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull";
    /// The reply to [`PULL`].
    pub const PULL_RESPONSE: &str =
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/PullResponse";
    /// Gives an enumeration up, DSP0226 8.5.
    pub const RELEASE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Release";
    /// The reply to [`RELEASE`].
    pub const RELEASE_RESPONSE: &str =
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/ReleaseResponse";

    /// The messages of an operation that have arrived, [MS-WSMV] 3.1.4.18.
    pub const ACKNOWLEDGE: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/Acknowledge";
    /// Asks for [`ACKNOWLEDGE`].
    pub const ACKNOWLEDGE_REQUEST: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/wsman/AcknowledgeRequest";
    /// Gives an operation up, [MS-WSMV] 3.1.4.20.
    pub const CANCEL: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/Cancel";
    /// No more input of an operation follows, [MS-WSMV] 3.1.4.19.
    pub const END: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/End";
    /// Keeps a connection from being idle, [MS-WSMV] 3.2.4.2.1.2; clients write `Keepalive`.
    pub const KEEP_ALIVE: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/KeepAlive";

    /// Faults of WS-Management itself.
    pub const WSMAN_FAULT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
    /// Faults of WS-Addressing, `s:MustUnderstand` and `s:VersionMismatch`.
    pub const ADDRESSING_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault";
    /// Faults of WS-Transfer.
    pub const TRANSFER_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/fault";
    /// Faults of WS-Enumeration.
    pub const ENUMERATION_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/fault";
    /// Faults of WS-Eventing.
    pub const EVENTING_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing/fault";
}

/// Resource URIs.
pub mod resource {
    /// The command shell.
    pub const CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
    /// Any shell: what Get and Enumerate name (Windows 7 and later).
    pub const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    /// The commands of a shell: what Enumerate names, with the shell in a selector filter.
    pub const SHELL_COMMAND: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command";
    /// PowerShell's endpoints start with this, the configuration name follows.
    pub const POWERSHELL_PREFIX: &str = "http://schemas.microsoft.com/powershell/";
    /// What messages about the answers of an operation name.
    pub const ROBUST_CONNECTION: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/wsman/RobustConnection";
    /// What messages about the input of an operation name.
    pub const FULL_DUPLEX: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/FullDuplex";
    /// The configuration tree.
    pub const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
}

/// Resource URIs of the configuration, each the namespace of its elements as well.
pub mod config {
    /// What Windows's alias `winrm/` stands for.
    pub const ROOT: &str = "http://schemas.microsoft.com/wbem/wsman/1/";
    /// The whole tree.
    pub const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
    /// What clients obey.
    pub const CLIENT: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/client";
    /// The logins that a client may use.
    pub const CLIENT_AUTH: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/client/auth";
    /// The ports that a client asks on.
    pub const CLIENT_DEFAULT_PORTS: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/config/client/defaultports";
    /// What the service obeys.
    pub const SERVICE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
    /// The logins that the service offers.
    pub const SERVICE_AUTH: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/auth";
    /// The ports that listeners have by default.
    pub const SERVICE_DEFAULT_PORTS: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/config/service/defaultports";
    /// Remote shells.
    pub const WINRS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/winrs";
    /// Where the service listens.
    pub const LISTENER: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";
    /// Whose account a client's certificate is for.
    pub const CERT_MAPPING: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
    /// Plug-ins; their elements are in [`PLUGIN_CONFIGURATION`].
    pub const PLUGIN: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/plugin";
    /// The namespace of a plug-in's elements.
    pub const PLUGIN_CONFIGURATION: &str =
        "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
}

/// The static spelling of a namespace that this crate knows.
pub(crate) fn known(uri: &str) -> Option<&'static str> {
    KNOWN.iter().copied().find(|known| *known == uri)
}

/// The prefix that Windows writes for a namespace, where it has a customary one.
pub(crate) fn preferred_prefix(uri: &str) -> Option<&'static str> {
    if uri == config::CERT_MAPPING {
        return Some("cert");
    }
    if uri == config::PLUGIN_CONFIGURATION {
        return Some("plugin");
    }
    // The resources of the configuration are namespaces of their own, and a message has one of them.
    if uri.strip_prefix(CONFIG).is_some_and(|rest| rest.starts_with('/')) {
        return Some("cfg");
    }
    PREFIXES.iter().find(|(_, known)| *known == uri).map(|(prefix, _)| *prefix)
}

/// The namespace that Windows usually means by a prefix.
pub(crate) fn usual_namespace(prefix: &str) -> Option<&'static str> {
    PREFIXES.iter().find(|(usual, _)| *usual == prefix).map(|(_, namespace)| *namespace)
}

/// Namespaces that are declared on the envelope when the message uses them, in Windows's order.
pub(crate) const ON_ENVELOPE: [(&str, &str); 8] = [
    ("s", SOAP),
    ("a", ADDRESSING),
    ("x", TRANSFER),
    ("e", EVENTING),
    ("n", ENUMERATION),
    ("w", WSMAN),
    ("rsp", SHELL),
    ("p", MICROSOFT),
];

const PREFIXES: [(&str, &str); 20] = [
    ("s", SOAP),
    ("a", ADDRESSING),
    ("x", TRANSFER),
    ("e", EVENTING),
    ("n", ENUMERATION),
    ("w", WSMAN),
    ("rsp", SHELL),
    ("p", MICROSOFT),
    ("f", WSMAN_FAULT),
    ("b", CIM_BINDING),
    ("cim", CIM_COMMON),
    ("cfg", CONFIG),
    ("wsmid", IDENTITY),
    ("wsp", POLICY),
    ("sub", SUBSCRIPTION),
    ("m", MACHINE_ID),
    ("i", INTERACTIVE),
    ("xsi", XSI),
    ("xsd", XSD),
    ("xml", XML),
];

const KNOWN: [&str; 23] = [
    SOAP,
    ADDRESSING,
    WSMAN,
    SHELL,
    MICROSOFT,
    TRANSFER,
    XML,
    XSI,
    WSMAN_FAULT,
    ENUMERATION,
    EVENTING,
    IDENTITY,
    CIM_BINDING,
    CIM_COMMON,
    CONFIG,
    POLICY,
    SUBSCRIPTION,
    MACHINE_ID,
    INTERACTIVE,
    POWERSHELL,
    XSD,
    XMLNS,
    MSFT_WMI_ERROR,
];
