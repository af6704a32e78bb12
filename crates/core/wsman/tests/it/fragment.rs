//! Parts of a resource: cut out, written, added, taken away.

use wsman::transfer::Fragment;
use wsman::xml::{Binding, Element, Limits, decode, encode};
use wsman::{ErrorCode, Fault, fragment, ns};

const SERVICE: &str = "<cfg:Service xmlns:cfg='http://schemas.microsoft.com/wbem/wsman/1/config' xmlns:o='urn:o' Kind='a'>\
    <cfg:MaxConnections>300</cfg:MaxConnections>\
    <cfg:Auth o:Mark='m'><cfg:Basic>false</cfg:Basic><cfg:Kerberos Source='GPO'>true</cfg:Kerberos></cfg:Auth>\
    <o:Basic>other</o:Basic>\
    <cfg:ListeningOn>127.0.0.1</cfg:ListeningOn><cfg:ListeningOn>10.0.0.1</cfg:ListeningOn>\
    <cfg:Empty/></cfg:Service>";

fn element(text: &str) -> Element {
    decode(text.as_bytes(), &Limits::default()).unwrap()
}

fn service() -> Element {
    element(SERVICE)
}

/// The part without its own tag, namespaces shortened.
fn written(part: &Element) -> String {
    assert!(part.is(ns::WSMAN, "XmlFragment"));
    let text = encode(part);
    let text = String::from_utf8(text).unwrap();
    let text = text
        .replace(&format!(" xmlns:w=\"{}\"", ns::WSMAN), "")
        .replace(&format!(" xmlns:cfg=\"{}\"", ns::CONFIG), "")
        .replace(&format!(" xmlns:xsi=\"{}\"", ns::XSI), "");
    text.strip_prefix("<w:XmlFragment").unwrap().to_owned()
}

fn select(path: &str) -> String {
    written(&fragment::select(&service(), &Fragment::xpath(path)).unwrap())
}

fn part(content: &str) -> Element {
    element(&format!(
        "<w:XmlFragment xmlns:w='{}' xmlns:cfg='{}' xmlns:xsi='{}'>{content}</w:XmlFragment>",
        ns::WSMAN,
        ns::CONFIG,
        ns::XSI
    ))
}

fn code(result: Result<impl Sized, Box<Fault>>) -> ErrorCode {
    let Err(fault) = result else { panic!("nothing was refused") };
    assert!(fault.reason.ends_with(". "), "{fault:?}");
    fault.error_code().unwrap()
}

#[test]
fn elements_texts_and_attributes_are_selected() {
    assert_eq!(
        select("MaxConnections"),
        "><cfg:MaxConnections>300</cfg:MaxConnections></w:XmlFragment>"
    );
    assert_eq!(select("MaxConnections/text()"), ">300</w:XmlFragment>");
    assert_eq!(select(" Auth / Basic / text( ) "), ">false</w:XmlFragment>");
    assert_eq!(select("./Auth/./Basic/text()"), ">false</w:XmlFragment>");
    assert_eq!(select("child::Auth/child::Basic/text()"), ">false</w:XmlFragment>");
    assert_eq!(select("ListeningOn[2]/text()"), ">10.0.0.1</w:XmlFragment>");
    assert_eq!(
        select("ListeningOn"),
        "><cfg:ListeningOn>127.0.0.1</cfg:ListeningOn><cfg:ListeningOn>10.0.0.1</cfg:ListeningOn></w:XmlFragment>"
    );
    assert_eq!(select("Auth/Kerberos/@Source"), ">GPO</w:XmlFragment>");
    assert_eq!(select("@Kind"), ">a</w:XmlFragment>");
    assert_eq!(select("attribute::Kind"), ">a</w:XmlFragment>");
    assert_eq!(select("Auth/*/text()"), ">falsetrue</w:XmlFragment>");
    assert_eq!(select("Empty/text()"), "></w:XmlFragment>".replace("></w:XmlFragment>", "/>"));
    assert!(select(".").starts_with("><cfg:Service"));
}

#[test]
fn what_is_not_there_is_nil() {
    for path in ["Nothing", "Auth/Nothing/text()", "@Nothing", "ListeningOn[3]", "auth"] {
        assert_eq!(select(path), " xsi:nil=\"true\"/>", "{path}");
    }
}

#[test]
fn prefixes_mean_what_the_header_declares() {
    // Without a prefix every namespace fits.
    assert!(select("Basic").contains("other"));
    let path = |prefix: &str, namespace: &str| Fragment {
        bindings: vec![Binding::new(prefix, namespace)],
        ..Fragment::xpath(format!("{prefix}:Auth/{prefix}:Basic/text()"))
    };
    let select = |fragment: &Fragment| fragment::select(&service(), fragment);
    assert_eq!(written(&select(&path("c", ns::CONFIG)).unwrap()), ">false</w:XmlFragment>");
    assert_eq!(written(&select(&path("c", "urn:o")).unwrap()), " xsi:nil=\"true\"/>");
    let any =
        Fragment { bindings: vec![Binding::new("o", "urn:o")], ..Fragment::xpath("o:*/text()") };
    assert_eq!(written(&select(&any).unwrap()), ">other</w:XmlFragment>");
    assert_eq!(code(select(&Fragment::xpath("c:Auth"))), ErrorCode::INVALID_FRAGMENT_PATH);
    // The header keeps its declarations on the way.
    let header = path("c", ns::CONFIG).to_element();
    let read = element(&String::from_utf8(encode(&header)).unwrap());
    assert_eq!(written(&select(&Fragment::from_element(&read)).unwrap()), ">false</w:XmlFragment>");
}

#[test]
fn other_expressions_are_refused() {
    let long = "a/".repeat(2_000);
    for path in [
        "",
        " ",
        "/Auth",
        "/",
        "//Auth",
        "Auth//Basic",
        "Auth/",
        "..",
        "Auth/..",
        "Auth[Basic]",
        "Auth[0]",
        "Auth[-1]",
        "Auth[1",
        "Auth[]",
        "Auth[99999999999999999999999]",
        "Auth[@x='y']",
        "count(Auth)",
        "text()/Auth",
        "@Kind/x",
        "Auth|Basic",
        "Auth Basic",
        "parent::x",
        "*:x",
        ":x",
        "a:",
        "a::b",
        "1a",
        "text(",
        "x:text()",
        "node()",
        "Auth[1][1]",
        "$x",
        "@",
        long.trim_end_matches('/'),
    ] {
        let result = fragment::select(&service(), &Fragment::xpath(path));
        assert_eq!(code(result), ErrorCode::INVALID_FRAGMENT_PATH, "{path}");
    }
}

#[test]
fn another_dialect_is_refused_with_the_one_that_is_known() {
    let foreign = Fragment { dialect: Some("urn:dialect".to_owned()), ..Fragment::xpath("Auth") };
    let fault = fragment::select(&service(), &foreign).unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::FRAGMENT_DIALECT_UNAVAILABLE));
    assert_eq!(fault.subcode.as_ref().unwrap().local(), "FragmentDialectNotSupported");
    assert_eq!(fault.other[0].text(), ns::XPATH);
    let own = Fragment { dialect: Some(ns::XPATH.to_owned()), ..Fragment::xpath("Auth") };
    fragment::select(&service(), &own).unwrap();
}

#[test]
fn parts_are_replaced() {
    let replaced = |path: &str, content: &str| {
        let mut whole = service();
        fragment::replace(&mut whole, &Fragment::xpath(path), &part(content)).unwrap();
        move |path: &str| written(&fragment::select(&whole, &Fragment::xpath(path)).unwrap())
    };
    let after = replaced("Auth/Basic", "<cfg:Basic>true</cfg:Basic>");
    assert_eq!(after("Auth/*/text()"), ">truetrue</w:XmlFragment>");
    assert_eq!(after("*[1]/text()"), ">300</w:XmlFragment>");
    assert_eq!(
        replaced("MaxConnections/text()", "7")("MaxConnections"),
        "><cfg:MaxConnections>7</cfg:MaxConnections></w:XmlFragment>"
    );
    assert_eq!(
        replaced("MaxConnections/text()", "")("MaxConnections"),
        "><cfg:MaxConnections/></w:XmlFragment>"
    );
    let list = "<cfg:ListeningOn>a</cfg:ListeningOn><cfg:ListeningOn>b</cfg:ListeningOn><cfg:ListeningOn>c</cfg:ListeningOn>";
    let after = replaced("ListeningOn", list);
    assert_eq!(after("ListeningOn/text()"), ">abc</w:XmlFragment>");
    assert_eq!(after("*[7]"), "><cfg:Empty/></w:XmlFragment>", "the order is kept");
    assert_eq!(
        replaced("ListeningOn[1]", "<cfg:ListeningOn>a</cfg:ListeningOn>")("ListeningOn/text()"),
        ">a10.0.0.1</w:XmlFragment>"
    );
    assert_eq!(replaced("@Kind", "b")("@Kind"), ">b</w:XmlFragment>");
    let mut whole = service();
    let nil = part("").with_attribute_ns(ns::XSI, "nil", "true");
    fragment::replace(&mut whole, &Fragment::xpath("Auth/Basic"), &nil).unwrap();
    fragment::replace(&mut whole, &Fragment::xpath("MaxConnections/text()"), &nil).unwrap();
    let select = |path| written(&fragment::select(&whole, &Fragment::xpath(path)).unwrap());
    assert_eq!(select("Auth/Basic"), "><cfg:Basic xsi:nil=\"true\"/></w:XmlFragment>");
    assert_eq!(select("MaxConnections"), "><cfg:MaxConnections xsi:nil=\"true\"/></w:XmlFragment>");
    let mut whole = service();
    fragment::replace(&mut whole, &Fragment::xpath("."), &part("<cfg:Service/>")).unwrap();
    assert!(whole.is_empty());
}

#[test]
fn parts_that_do_not_fit_change_nothing() {
    use ErrorCode as Code;
    for (path, content, expected) in [
        ("Nothing", "<cfg:Nothing/>", Code::INVALID_FRAGMENT_PATH),
        ("Auth/Nothing/text()", "x", Code::INVALID_FRAGMENT_PATH),
        ("@Nothing", "x", Code::INVALID_FRAGMENT_PATH),
        ("Auth/*/text()", "x", Code::INVALID_FRAGMENT_PATH),
        ("MaxConnections", "7", Code::INVALID_XML_FRAGMENT),
        ("MaxConnections", "", Code::INVALID_XML_FRAGMENT),
        ("MaxConnections", "<cfg:Other>7</cfg:Other>", Code::INVALID_XML_FRAGMENT),
        (
            "MaxConnections",
            "x<cfg:MaxConnections>7</cfg:MaxConnections>",
            Code::INVALID_XML_FRAGMENT,
        ),
        (
            "MaxConnections/text()",
            "<cfg:MaxConnections>7</cfg:MaxConnections>",
            Code::INVALID_XML_FRAGMENT,
        ),
        ("Auth/text()", "x", Code::INVALID_XML_FRAGMENT),
        (".", "<cfg:Other/>", Code::INVALID_XML_FRAGMENT),
        (".", "<cfg:Service/><cfg:Service/>", Code::INVALID_XML_FRAGMENT),
        ("/Auth", "<cfg:Auth/>", Code::INVALID_FRAGMENT_PATH),
    ] {
        let mut whole = service();
        let result = fragment::replace(&mut whole, &Fragment::xpath(path), &part(content));
        assert_eq!(code(result), expected, "{path} {content}");
        assert_eq!(whole, service(), "{path} {content}");
    }
    let mut whole = service();
    let bare = element("<cfg:MaxConnections xmlns:cfg='urn:x'>7</cfg:MaxConnections>");
    let result = fragment::replace(&mut whole, &Fragment::xpath("MaxConnections"), &bare);
    assert_eq!(code(result), Code::INVALID_XML_FRAGMENT);
}

#[test]
fn parts_are_added_where_they_belong() {
    let added = |path: &str, content: &str, look: &str| {
        let mut whole = service();
        fragment::insert(&mut whole, &Fragment::xpath(path), &part(content)).unwrap();
        written(&fragment::select(&whole, &Fragment::xpath(look)).unwrap())
    };
    let new = "<cfg:ListeningOn>new</cfg:ListeningOn>";
    let all = "ListeningOn/text()";
    assert_eq!(added("ListeningOn", new, all), ">127.0.0.110.0.0.1new</w:XmlFragment>");
    assert_eq!(added("ListeningOn", new, "*[6]/text()"), ">new</w:XmlFragment>");
    assert_eq!(added("ListeningOn[1]", new, all), ">new127.0.0.110.0.0.1</w:XmlFragment>");
    assert_eq!(added("ListeningOn[2]", new, all), ">127.0.0.1new10.0.0.1</w:XmlFragment>");
    assert_eq!(added("ListeningOn[3]", new, all), ">127.0.0.110.0.0.1new</w:XmlFragment>");
    assert_eq!(
        added("Auth/CredSSP", "<cfg:CredSSP>1</cfg:CredSSP>", "Auth/*[3]/text()"),
        ">1</w:XmlFragment>"
    );
    assert_eq!(added("Empty/text()", "x", "Empty/text()"), ">x</w:XmlFragment>");
    assert_eq!(added("Empty/@New", "x", "Empty/@New"), ">x</w:XmlFragment>");
    for (path, content, expected) in [
        ("ListeningOn[4]", new, ErrorCode::INVALID_FRAGMENT_PATH),
        ("Nothing/ListeningOn", new, ErrorCode::INVALID_FRAGMENT_PATH),
        ("Auth", new, ErrorCode::INVALID_XML_FRAGMENT),
        (".", new, ErrorCode::INVALID_FRAGMENT_PATH),
        ("@Kind", "x", ErrorCode::ALREADY_EXISTS),
        ("@*", "x", ErrorCode::ALREADY_EXISTS),
        ("Empty/@*", "x", ErrorCode::INVALID_FRAGMENT_PATH),
        ("MaxConnections/text()", "x", ErrorCode::ALREADY_EXISTS),
    ] {
        let mut whole = service();
        let result = fragment::insert(&mut whole, &Fragment::xpath(path), &part(content));
        assert_eq!(code(result), expected, "{path} {content}");
        assert_eq!(whole, service(), "{path}");
    }
}

#[test]
fn parts_are_taken_away() {
    let removed = |path: &str| {
        let mut whole = service();
        fragment::remove(&mut whole, &Fragment::xpath(path)).unwrap();
        String::from_utf8(encode(&whole)).unwrap()
    };
    assert!(!removed("Auth").contains("Kerberos"));
    assert!(!removed("ListeningOn").contains("ListeningOn"));
    let rest = removed("ListeningOn[1]");
    assert!(rest.contains("10.0.0.1") && !rest.contains("127.0.0.1"));
    assert!(!removed("@Kind").contains("Kind"));
    assert!(!removed("MaxConnections/text()").contains("300"));
    let rest = removed("*/Basic");
    assert!(!rest.contains(">false<") && rest.contains("other"));
    for path in ["Nothing", "@Nothing", "Empty/text()", ".", "ListeningOn[3]"] {
        let mut whole = service();
        let result = fragment::remove(&mut whole, &Fragment::xpath(path));
        assert_eq!(code(result), ErrorCode::INVALID_FRAGMENT_PATH, "{path}");
        assert_eq!(whole, service(), "{path}");
    }
}
