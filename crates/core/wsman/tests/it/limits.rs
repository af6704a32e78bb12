//! What the reader refuses, and that it names it.

use wsman::xml::{self, Attribute, Binding, Element, ErrorKind, Limit, Limits, Node, decode};
use wsman::{Envelope, Error, ns};

fn kind(text: impl AsRef<[u8]>) -> ErrorKind {
    match decode(text.as_ref(), &Limits::default()) {
        Ok(element) => panic!("{:?} is read: {element:?}", String::from_utf8_lossy(text.as_ref())),
        Err(error) => error.kind,
    }
}

fn limit(text: impl AsRef<[u8]>) -> Limit {
    match kind(text) {
        ErrorKind::LimitExceeded { limit, .. } => limit,
        other => panic!("{other}"),
    }
}

#[test]
fn each_limit_is_named_at_its_edge() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(decode(nested(100).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(limit(nested(101)), Limit::Depth);
    assert_eq!(limit("<a>".repeat(100_000)), Limit::Depth);
    let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count));
    assert!(decode(many(49_999).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(limit(many(50_000)), Limit::Elements);
    let attributes = |count: usize| {
        let list: String = (0..count).map(|n| format!(" a{n}=''")).collect();
        format!("<a{list}/>")
    };
    assert!(decode(attributes(64).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(limit(attributes(65)), Limit::Attributes);
    assert_eq!(limit("x".repeat(512_001)), Limit::Bytes);
    assert_eq!(limit(format!("<{}/>", "n".repeat(2049))), Limit::NameLength);
    assert_eq!(limit(format!("<a xmlns:b='{}'/>", "u".repeat(2049))), Limit::NameLength);
    let declarations: String = (0..9)
        .map(|level| {
            let list: String = (0..30).map(|n| format!(" xmlns:p{level}x{n}='u'")).collect();
            format!("<a{list}>")
        })
        .collect();
    assert_eq!(limit(declarations), Limit::Namespaces);
}

#[test]
fn errors_quote_little_of_what_came() {
    let long = "n".repeat(400_000);
    for text in [
        format!("<a xmlns:{long}=''/>"),
        format!("<a xmlns:{long}='http://www.w3.org/2000/xmlns/'/>"),
        format!("<a xmlns::{long}='u'/>"),
        format!("<a {long}:b='u'/>"),
        format!("<a b='&{long};'/>"),
        format!("<a></{long}>"),
        format!("<?xml version='{long}'?><a/>"),
        format!("<?xml version='1.0' encoding='{long}'?><a/>"),
        format!("<a xmlns:p='u' p:{0}='' p:{0}=''/>", "n".repeat(2_000)),
    ] {
        let error = decode(text.as_bytes(), &Limits::default()).unwrap_err().to_string();
        assert!(error.len() < 1_000, "{} bytes for {}", error.len(), &text[..40]);
    }
}

#[test]
fn long_text_is_taken_once_and_whole() {
    let text = "A".repeat(500_000);
    let element = decode(format!("<a>{text}</a>").as_bytes(), &Limits::default()).unwrap();
    assert_eq!(element.text(), text);
}

#[test]
fn one_long_namespace_is_not_copied_for_each_element() {
    // 2,000 bytes for each of 40,000 elements would be 80 MB.
    let uri = "u".repeat(2_000);
    let text = format!("<p:a xmlns:p='{uri}'>{}</p:a>", "<p:b/>".repeat(40_000));
    let element = decode(text.as_bytes(), &Limits::default()).unwrap();
    let first = element.elements().next().unwrap();
    assert_eq!(first.name.namespace().as_ptr(), element.name.namespace().as_ptr());
}

/// Bytes that a tree holds: the vectors with their room, the text, and what the allocator adds to each.
fn held(element: &Element) -> usize {
    let block = |bytes: usize| if bytes == 0 { 0 } else { bytes.next_multiple_of(16) + 16 };
    let name = |name: &xml::Name| block(name.local().len());
    let attributes = element.attributes.iter().map(|a| name(&a.name) + block(a.value.capacity()));
    let children = element.children.iter().map(|node| match node {
        Node::Element(element) => held(element),
        Node::Text(text) => block(text.capacity()),
    });
    name(&element.name)
        + block(element.attributes.capacity() * size_of::<Attribute>())
        + block(element.children.capacity() * size_of::<Node>())
        + block(element.bindings.capacity() * size_of::<Binding>())
        + element.bindings.iter().map(|binding| block(binding.prefix().len())).sum::<usize>()
        + attributes.sum::<usize>()
        + children.sum::<usize>()
}

#[test]
fn memory_of_a_document_is_bounded_whatever_its_450_kilobytes_are() {
    let prefixes: String = (0..60).map(|n| format!(" xmlns:p{n}='u'")).collect();
    let names: String = (0..60).map(|n| format!("p{n}:")).collect();
    let repeated = |piece: &str| {
        let count = 450_000 / piece.len();
        format!("<a{prefixes}>{}</a>", piece.repeat(count))
    };
    let attributes: String = (0..60).map(|n| format!(" b{n}='c'")).collect();
    let (mut read, mut refused) = (0, 0);
    for piece in [
        "<b>c</b>".to_owned(),
        "<b/>".to_owned(),
        "<b><c/></b>".to_owned(),
        "<b><c/><d/></b>".to_owned(),
        "<b><c>d</c>e</b>".to_owned(),
        format!("<b{attributes}/>"),
        format!("<b>{names}</b>"),
        format!("<b c='{names}'/>"),
        "<b c='p1:d'/>".to_owned(),
        "x<b/>".to_owned(),
        "<ThirtyCharactersOfTheNameOfOne>x</ThirtyCharactersOfTheNameOfOne>".to_owned(),
    ] {
        for memory in [4 << 20, 8 << 20, 16 << 20] {
            let limits = Limits { memory, ..Limits::default() };
            match decode(repeated(&piece).as_bytes(), &limits) {
                Ok(tree) => {
                    let held = held(&tree);
                    // The last vector may have room for as many again.
                    assert!(held < memory + memory / 2, "{piece}: {held} bytes of {memory}");
                    read += 1;
                }
                Err(xml::Error { kind: ErrorKind::LimitExceeded { limit, .. }, .. }) => {
                    assert!(matches!(limit, Limit::Memory | Limit::Elements), "{piece}: {limit}");
                    refused += 1;
                }
                Err(error) => panic!("{piece}: {error}"),
            }
        }
    }
    assert!(read > 5 && refused > 5, "{read} read, {refused} refused");
}

#[test]
fn text_of_the_whole_size_needs_no_more_memory_than_itself() {
    let limits = Limits { memory: 520_000, ..Limits::default() };
    let text = format!("<a>{}</a>", "A".repeat(500_000));
    let tree = decode(text.as_bytes(), &limits).unwrap();
    assert!(held(&tree) < 520_000);
}

#[test]
fn what_soap_forbids_is_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>";
    assert_eq!(kind(bomb), ErrorKind::DocumentType);
    assert_eq!(kind("<!DOCTYPE a><a/>"), ErrorKind::DocumentType);
    assert_eq!(kind("<a><?php x?></a>"), ErrorKind::ProcessingInstruction);
    assert_eq!(kind("<?style x?><a/>"), ErrorKind::ProcessingInstruction);
    assert_eq!(kind(" <?xml version='1.0'?><a/>"), ErrorKind::ProcessingInstruction);
    assert_eq!(kind("<a>&b;</a>"), ErrorKind::UnknownEntity("b".to_owned()));
    assert_eq!(kind("<a b='&nbsp;'/>"), ErrorKind::UnknownEntity("nbsp".to_owned()));
}

#[test]
fn exactly_one_root_is_read() {
    assert_eq!(kind(""), ErrorKind::NoElement);
    assert_eq!(kind("  <!-- nothing -->"), ErrorKind::NoElement);
    for text in ["<a/><b/>", "<a/>x", "x<a/>", "<a/><![CDATA[x]]>", "<a></a><a>", "<a/>&lt;"] {
        assert_eq!(kind(text), ErrorKind::SecondRoot, "{text}");
    }
    let spaced = "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a --> <a/> <!-- b -->\n";
    assert!(decode(spaced.as_bytes(), &Limits::default()).is_ok());
}

#[test]
fn truncated_documents_are_refused_at_every_byte() {
    let whole =
        "<?xml version='1.0'?><s:a xmlns:s='u' b='c'><!-- x --><d>t&amp;</d><![CDATA[e]]></s:a>";
    assert!(decode(whole.as_bytes(), &Limits::default()).is_ok());
    for end in 0..whole.len() {
        assert!(decode(&whole.as_bytes()[..end], &Limits::default()).is_err(), "{end}");
    }
}

#[test]
fn prefixes_must_be_bound() {
    assert_eq!(kind("<p:a/>"), ErrorKind::UnboundPrefix("p".to_owned()));
    assert_eq!(kind("<a p:b=''/>"), ErrorKind::UnboundPrefix("p".to_owned()));
    assert_eq!(kind("<a><b xmlns:p='u'/><p:c/></a>"), ErrorKind::UnboundPrefix("p".to_owned()));
    for text in [
        "<a xmlns:p=''/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:xml='u'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<xmlns:a/>",
    ] {
        assert!(matches!(kind(text), ErrorKind::UnboundPrefix(_)), "{text}");
    }
    let text = "<a xmlns='u'><b xmlns='' c=''/><d xml:lang='x'/></a>";
    let element = decode(text.as_bytes(), &Limits::default()).unwrap();
    assert!(element.is("u", "a"));
    let mut children = element.elements();
    assert!(children.next().unwrap().is("", "b"));
    let last = children.next().unwrap();
    assert!(last.is("u", "d") && last.attribute_ns(ns::XML, "lang") == Some("x"));
}

#[test]
fn attributes_stand_once_by_expanded_name() {
    assert!(matches!(kind("<a b='' b=''/>"), ErrorKind::DuplicateAttribute(_)));
    let twice = "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>";
    assert!(matches!(kind(twice), ErrorKind::DuplicateAttribute(_)));
    assert!(matches!(kind("<a xmlns:p='u' xmlns:p='v'/>"), ErrorKind::DuplicateAttribute(_)));
    let apart = "<a xmlns:p='u' p:b='' b=''/>";
    assert_eq!(decode(apart.as_bytes(), &Limits::default()).unwrap().attributes.len(), 2);
}

#[test]
fn illegal_characters_are_refused_as_themselves_and_as_references() {
    assert_eq!(kind("<a>\0</a>"), ErrorKind::IllegalCharacter(0));
    assert_eq!(kind("<a b='\u{1}'/>"), ErrorKind::IllegalCharacter(1));
    assert_eq!(kind("<a>\u{FFFE}</a>"), ErrorKind::IllegalCharacter(0xFFFE));
    for (reference, number) in [
        ("&#0;", 0),
        ("&#x1;", 1),
        ("&#xD800;", 0xD800),
        ("&#xFFFF;", 0xFFFF),
        ("&#x110000;", 0x11_0000),
    ] {
        let refused = ErrorKind::IllegalCharacter(number);
        assert_eq!(kind(format!("<a>{reference}</a>")), refused);
        assert_eq!(kind(format!("<a b='{reference}'/>")), refused);
    }
    for bad in ["&#;", "&#x;", "&#-1;", "&#+1;", "&#x+1;", "&#99999999999;", "&;", "&# 1;"] {
        assert!(decode(format!("<a>{bad}</a>").as_bytes(), &Limits::default()).is_err(), "{bad}");
    }
    let text = "<a b='&#65;&#x42;&lt;&quot;\t\r\n'>&#x1F600;&apos;\r\n\r]</a>";
    let element = decode(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(element.attribute("b"), Some("AB<\"  "));
    assert_eq!(element.text(), "\u{1F600}'\n\n]");
}

#[test]
fn markup_that_is_no_xml_is_refused() {
    for text in [
        "<a></b>",
        "</a>",
        "<a",
        "<>",
        "<1a/>",
        "<a:b:c xmlns:a='u'/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a>&</a>",
        "<a>]]></a>",
        "<a><!-- -- --></a>",
        "<a:/>",
        "<:a/>",
        "<a xmlns:='u'/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='UTF-16'?><a/>",
        "<!a><a/>",
        "not xml at all",
    ] {
        assert!(decode(text.as_bytes(), &Limits::default()).is_err(), "{text}");
    }
    assert_eq!(kind([b'<', b'a', b'>', 0xC3, 0x28]), ErrorKind::NotUtf8);
}

#[test]
fn error_names_kind_and_place() {
    let error = decode(b"<a><b></c></a>", &Limits::default()).unwrap_err();
    assert!(error.to_string().ends_with(&format!(" at byte {}", error.position)));
    assert!(error.position >= 6 && error.position <= 10);
    let xml::Error { position, .. } = decode(b"<a>\0</a>", &Limits::default()).unwrap_err();
    assert_eq!(position, 3);
}

#[test]
fn restricted_characters_are_written_as_question_marks() {
    let element = Element::new("", "a")
        .with_attribute("b", "\u{1}\"\n<")
        .with_text("\u{0}\u{1F}\t\r\n\u{FFFE}é]]>");
    let text = String::from_utf8(xml::encode(&element)).unwrap();
    assert_eq!(text, "<a b=\"?&quot;&#10;&lt;\">??\t&#13;\n?é]]&gt;</a>");
}

#[test]
fn envelopes_have_one_header_before_one_body() {
    let soap = |content: &str| {
        let text = format!("<s:Envelope xmlns:s='{}'>{content}</s:Envelope>", ns::SOAP);
        Envelope::decode(text.as_bytes(), &Limits::default())
    };
    assert!(soap("<s:Header/><s:Body/>").is_ok() && soap("<s:Body/>").is_ok());
    assert_eq!(soap("<s:Header/>"), Err(Error::NoBody));
    for content in [
        "<s:Body/><s:Header/>",
        "<s:Body/><s:Body/>",
        "<s:Header/><s:Header/><s:Body/>",
        "<x/><s:Body/>",
        "<s:Body/><x/>",
    ] {
        assert!(matches!(soap(content), Err(Error::UnexpectedElement(_))), "{content}");
    }
}
