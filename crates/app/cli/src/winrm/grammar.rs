//! The command line: `OPERATION [ACTION] [URI] [-SWITCH:VALUE]… [@{KEY="VALUE"}]`.

use std::ffi::OsString;

use wsman::ErrorCode;
use wsman::enumeration::Mode;
use wsman::transfer::{Fragment, Locator};

use super::help::Topic;
use super::input::{self, Input};
use super::show::Format;
use super::switches::{self, ReturnType, Switches, Transport};
use super::uri;
use crate::command_error::CommandError;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Request {
    /// Show a help.
    Help(Topic),
    /// Say what an error code means.
    Message(ErrorCode),
    /// Talk to a service.
    Operate(Box<Invocation>),
}

/// An operation with everything that was said about it.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) operation: Operation,
    pub(super) format: Format,
    pub(super) switches: Switches,
    /// Whether a host is named, or a login that only a host wants.
    pub(super) names_host: bool,
}

/// The operations that talk to a service.
#[derive(Debug)]
pub(super) enum Operation {
    Get(Locator),
    Set(Locator, Input),
    Create(Locator, Option<Input>),
    Delete(Locator),
    Enumerate(Locator, Listing),
    Invoke {
        locator: Locator,
        method: String,
        input: Option<Input>,
    },
    Identify,
    QuickConfig {
        transport: Transport,
        quiet: bool,
        force: bool,
    },
    /// Who may do what with the resource of that URI, or with all that have no descriptor of their own.
    ConfigSddl(String),
}

/// What an enumeration shall bring.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) mode: Mode,
    pub(super) filter: Option<FilterText>,
    pub(super) shallow: bool,
    pub(super) base_properties_only: bool,
}

/// `-filter` in its dialect.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FilterText {
    /// The values of selectors.
    Selectors(wsman::SelectorSet),
    /// What an object is associated with; or the associations.
    Association { text: String, instances: bool },
    /// A text in the dialect of that URI.
    Text { dialect: String, text: String },
}

/// The dialect of queries.
const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";

/// The names of the operations, their short forms, and how many words belong to each.
const OPERATIONS: [(&str, &[&str], usize); 12] = [
    ("get", &["g"], 1),
    ("set", &["s", "put", "p"], 1),
    ("create", &["c"], 1),
    ("delete", &["d"], 1),
    ("enumerate", &["enum", "e"], 1),
    ("invoke", &["i"], 2),
    ("identify", &["id"], 0),
    ("quickconfig", &["qc"], 0),
    ("configsddl", &[], 1),
    ("helpmsg", &[], 1),
    ("help", &[], 1),
    ("?", &[], 1),
];

/// Reads the words after the program's name.
///
/// # Errors
/// They are none that `winrm` knows.
pub(super) fn read(words: &[OsString]) -> Result<Request, CommandError> {
    let Some((first, rest)) = words.split_first() else { return Ok(Request::Help(Topic::General)) };
    let first = text(first)?;
    if is_help(&first) {
        return Ok(Request::Help(Topic::General));
    }
    let wanted = first.to_ascii_lowercase();
    let known = OPERATIONS
        .iter()
        .find(|(name, short, _)| *name == wanted || short.contains(&wanted.as_str()));
    let Some(&(name, _, count)) = known else {
        return Err(
            CommandError::usage(format!("unknown operation name: '{first}'")).hint(HELP_HINT)
        );
    };
    let line = Line::take_apart(name, rest)?;
    if name == "help" || name == "?" {
        return help(&line.arguments);
    }
    let typed = switches::read(name, &line.switches).map_err(|error| error.hint(HELP_HINT))?;
    if typed.switches.help {
        return Ok(Request::Help(Topic::of(name).unwrap_or(Topic::General)));
    }
    if line.arguments.len() != count {
        return Err(wrong_count(name, count));
    }
    if name == "helpmsg" {
        let code = line.arguments.first().and_then(|code| error_code(code));
        return Ok(code.map_or(Request::Help(Topic::HelpMsg), Request::Message));
    }
    let operation = operation(name, &line, &typed.switches)?;
    let format = format(typed.switches.format.as_deref())?;
    let (switches, names_host) = (typed.switches, typed.names_host);
    Ok(Request::Operate(Box::new(Invocation { operation, format, switches, names_host })))
}

/// What follows a wrong command line.
pub(super) const HELP_HINT: &str = "type \"winrm -?\" for help";

/// The words behind the operation.
#[derive(Debug, Default)]
struct Line {
    /// Those before the first switch.
    arguments: Vec<String>,
    /// `@{…}` without its `@`.
    pairs: Option<String>,
    switches: Vec<OsString>,
}

impl Line {
    fn take_apart(operation: &str, words: &[OsString]) -> Result<Self, CommandError> {
        let mut line = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let known = word.to_str();
            if let Some(start) = known.filter(|word| word.starts_with("@{")) {
                let whole = whole_braces(start, &mut words)?;
                if line.pairs.is_some() {
                    return Err(CommandError::usage("@{...} is there twice"));
                }
                line.pairs = whole.strip_prefix('@').map(str::to_owned);
                continue;
            }
            // An error's number may be below zero.
            let is_number =
                operation == "helpmsg" && known.is_some_and(|word| error_code(word).is_some());
            let is_switch = known.is_some_and(|word| word.starts_with(['-', '/'])) && !is_number;
            if is_switch || !line.switches.is_empty() {
                line.switches.push(word.clone());
            } else {
                line.arguments.push(expanded(&text(word)?));
            }
        }
        Ok(line)
    }

    fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map(String::as_str).unwrap_or_default()
    }
}

/// Spaces inside braces may have made several words of them.
fn whole_braces<'w>(
    start: &str,
    words: &mut impl Iterator<Item = &'w OsString>,
) -> Result<String, CommandError> {
    let mut whole = start.to_owned();
    while !is_closed(&whole) {
        let Some(next) = words.next() else { break };
        whole.push(' ');
        whole.push_str(&text(next)?);
    }
    Ok(whole)
}

/// Whether the braces end here: a brace between quotes is text.
fn is_closed(text: &str) -> bool {
    text.ends_with('}') && text.matches('"').count().is_multiple_of(2)
}

fn text(word: &OsString) -> Result<String, CommandError> {
    let not_text = || CommandError::usage("the command line is not valid UTF-8");
    word.to_str().map(str::to_owned).ok_or_else(not_text)
}

fn is_help(word: &str) -> bool {
    matches!(word, "-?" | "/?" | "--help" | "-h")
}

/// `%NAME%` stands for a variable of the environment, where there is one of that name.
fn expanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let variable = after.split_once('%').and_then(|(name, behind)| {
            let value = (!name.is_empty()).then(|| std::env::var(name).ok()).flatten()?;
            Some((value, behind))
        });
        if let Some((value, behind)) = variable {
            out.push_str(&value);
            rest = behind;
        } else {
            out.push('%');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn help(arguments: &[String]) -> Result<Request, CommandError> {
    let Some(name) = arguments.first() else { return Ok(Request::Help(Topic::General)) };
    let topic = Topic::of(name).ok_or_else(|| {
        CommandError::usage(format!("there is no help on '{name}'")).hint(HELP_HINT)
    })?;
    Ok(Request::Help(topic))
}

fn wrong_count(name: &str, count: usize) -> CommandError {
    let needs = match (name, count) {
        ("invoke", _) => "an action and a resource URI",
        ("helpmsg", _) => "an error's number",
        (_, 0) => "no more words",
        (_, _) => "a resource URI",
    };
    CommandError::usage(format!("invalid use of command line: {name} takes {needs}"))
        .hint(HELP_HINT)
}

fn operation(name: &str, line: &Line, typed: &Switches) -> Result<Operation, CommandError> {
    let has_input = line.pairs.is_some() || typed.file.is_some();
    let takes_input = matches!(name, "set" | "create" | "invoke");
    if has_input && !takes_input {
        return Err(CommandError::usage(
            "input was supplied to an operation that does not accept input",
        ));
    }
    let target = || located(line.argument(0), typed);
    Ok(match name {
        "get" => Operation::Get(target()?),
        "set" => {
            let missing = || {
                CommandError::usage(
                    "no input provided through \"@{...}\" or \"-file:\" commandline parameters",
                )
            };
            Operation::Set(target()?, given(line, typed)?.ok_or_else(missing)?)
        }
        "create" => Operation::Create(target()?, given(line, typed)?),
        "delete" => Operation::Delete(target()?),
        "enumerate" => {
            // The dialect is the filter's.
            let locator = Locator { fragment: None, ..target()? };
            Operation::Enumerate(locator, listing(typed)?)
        }
        "invoke" => Operation::Invoke {
            locator: located(line.argument(1), typed)?,
            method: line.argument(0).to_owned(),
            input: given(line, typed)?,
        },
        "identify" => Operation::Identify,
        "configsddl" => Operation::ConfigSddl(uri::expanded(line.argument(0))),
        _ => Operation::QuickConfig {
            transport: typed.transport.unwrap_or(Transport::Http),
            quiet: typed.quiet || typed.force,
            force: typed.force,
        },
    })
}

/// The resource with options and fragment.
fn located(text: &str, typed: &Switches) -> Result<Locator, CommandError> {
    let mut locator = uri::locator(text)?;
    if let Some(options) = &typed.options {
        let pairs = input::pairs(options).map_err(|_| {
            CommandError::usage("the options parameter has no value or is malformed")
                .hint("write -options:{KEY=\"VALUE\"[;KEY=\"VALUE\"]}")
        })?;
        for input::Pair { key, value } in pairs {
            let item = wsman::OptionItem { name: key, value, ..wsman::OptionItem::default() };
            locator.options = locator.options.with_item(item);
        }
    }
    locator.fragment = match (&typed.fragment, &typed.dialect) {
        (Some(expression), dialect) => Some(Fragment {
            dialect: dialect.clone(),
            expression: unquoted(expression),
            bindings: Vec::new(),
        }),
        (None, Some(_)) if typed.filter.is_none() => {
            return Err(CommandError::usage("-dialect needs -fragment or -filter"));
        }
        (None, _) => None,
    };
    Ok(locator)
}

/// A value may be between quotes that no shell has taken away.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text).replace("\\\"", "\"")
}

fn given(line: &Line, typed: &Switches) -> Result<Option<Input>, CommandError> {
    match (&line.pairs, &typed.file) {
        (Some(_), Some(_)) => Err(CommandError::usage("input by @{...} and by -file: at once")),
        (Some(pairs), None) => Ok(Some(Input::Pairs(input::pairs(pairs)?))),
        (None, Some(file)) => Ok(Some(Input::File(file.clone()))),
        (None, None) => Ok(None),
    }
}

fn listing(typed: &Switches) -> Result<Listing, CommandError> {
    let mode = match typed.returntype {
        None | Some(ReturnType::Object) => Mode::Object,
        Some(ReturnType::Epr) => Mode::Reference,
        Some(ReturnType::ObjectAndEpr) => Mode::ObjectAndReference,
    };
    if typed.shallow && typed.basepropertiesonly {
        return Err(CommandError::usage("-shallow and -basepropertiesonly want different things"));
    }
    Ok(Listing {
        mode,
        filter: filter(typed)?,
        shallow: typed.shallow,
        base_properties_only: typed.basepropertiesonly,
    })
}

fn filter(typed: &Switches) -> Result<Option<FilterText>, CommandError> {
    let dialect = typed.dialect.as_deref().unwrap_or("wql");
    let is_association = dialect.eq_ignore_ascii_case("association");
    if typed.associations && !is_association {
        return Err(CommandError::usage("-associations needs -dialect:association"));
    }
    let Some(text) = typed.filter.as_deref() else {
        if is_association {
            return Err(CommandError::usage("-dialect:association needs -filter"));
        }
        return Ok(None);
    };
    if dialect.eq_ignore_ascii_case("selector") {
        let mut set = wsman::SelectorSet::default();
        for input::Pair { key, value } in input::pairs(text)? {
            set = set.with(&key, value.unwrap_or_default());
        }
        return Ok(Some(FilterText::Selectors(set)));
    }
    let text = unquoted(text);
    Ok(Some(if is_association {
        FilterText::Association { text, instances: typed.associations }
    } else if dialect.eq_ignore_ascii_case("wql") {
        FilterText::Text { dialect: WQL.to_owned(), text }
    } else {
        FilterText::Text { dialect: dialect.to_owned(), text }
    }))
}

fn format(word: Option<&str>) -> Result<Format, CommandError> {
    let Some(word) = word else { return Ok(Format::default()) };
    let word = word.strip_prefix('#').unwrap_or(word);
    let known = Format::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    known.map(|(_, format)| *format).ok_or_else(|| {
        CommandError::usage(format!("invalid option for -format: {word:?}"))
            .hint("it is one of text, xml, pretty and json")
    })
}

/// An error's number: `0x80338012`, `2150858770` or `-2144108526`.
fn error_code(text: &str) -> Option<ErrorCode> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None if text.starts_with('-') => text.parse::<i32>().ok()?.cast_unsigned(),
        None => text.parse().ok()?,
    };
    Some(ErrorCode(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    fn invocation(line: &[&str]) -> Invocation {
        match read(&words(line)) {
            Ok(Request::Operate(invocation)) => *invocation,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    fn refusal(line: &[&str]) -> String {
        match read(&words(line)) {
            Err(error) => error.error().to_owned(),
            Ok(other) => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn operations_have_short_names_in_any_case() {
        for name in ["get", "g", "GET"] {
            let Operation::Get(locator) = invocation(&[name, "winrm/config"]).operation else {
                panic!("{name}")
            };
            assert!(locator.resource_uri.ends_with("/wsman/1/config"));
        }
        for name in ["set", "s", "put", "P"] {
            assert!(matches!(invocation(&[name, "x", "@{A=\"1\"}"]).operation, Operation::Set(..)));
        }
        for name in ["enumerate", "enum", "e"] {
            assert!(matches!(invocation(&[name, "x"]).operation, Operation::Enumerate(..)));
        }
        assert!(matches!(invocation(&["id", "-r:h"]).operation, Operation::Identify));
        assert!(matches!(invocation(&["c", "x"]).operation, Operation::Create(_, None)));
        assert!(matches!(invocation(&["d", "x"]).operation, Operation::Delete(_)));
        let Operation::Invoke { method, locator, input } =
            invocation(&["i", "Restore", "winrm/config", "@{}"]).operation
        else {
            panic!()
        };
        assert_eq!((method.as_str(), input), ("Restore", Some(Input::Pairs(Vec::new()))));
        assert!(locator.resource_uri.ends_with("/config"));
    }

    #[test]
    fn line_of_the_ansible_documentation_is_understood() {
        let line = [
            "create",
            "winrm/config/Listener?Address=*+Transport=HTTPS",
            "@{Hostname=\"h.test\";CertificateThumbprint=\"AB\"}",
        ];
        let Operation::Create(locator, Some(Input::Pairs(pairs))) = invocation(&line).operation
        else {
            panic!()
        };
        assert_eq!(locator.selectors.text("Transport"), Some("HTTPS"));
        assert_eq!(pairs.len(), 2);
        let split = ["create", "x", "@{Hostname", "=", "\"h.test\"", ";Port=\"1\"}", "-r:h"];
        let Operation::Create(_, Some(Input::Pairs(pairs))) = invocation(&split).operation else {
            panic!()
        };
        assert_eq!(pairs.len(), 2);
    }

    #[test]
    fn switches_say_what_an_enumeration_brings() {
        let Operation::Enumerate(_, listing) = invocation(&[
            "e",
            "x",
            "-returntype:EPR",
            "-shallow",
            "-filter:\"select * from X where Name=\\\"a\\\"\"",
        ])
        .operation
        else {
            panic!()
        };
        assert_eq!((listing.mode, listing.shallow), (Mode::Reference, true));
        assert_eq!(
            listing.filter,
            Some(FilterText::Text {
                dialect: WQL.to_owned(),
                text: "select * from X where Name=\"a\"".to_owned()
            })
        );
        let Operation::Enumerate(_, listing) =
            invocation(&["e", "x", "-dialect:selector", "-filter:{A=\"1\"}"]).operation
        else {
            panic!()
        };
        assert!(
            matches!(listing.filter, Some(FilterText::Selectors(set)) if set.text("A") == Some("1"))
        );
        let Operation::Enumerate(_, listing) =
            invocation(&["e", "x", "-dialect:Association", "-associations", "-filter:{O}"])
                .operation
        else {
            panic!()
        };
        assert!(matches!(listing.filter, Some(FilterText::Association { instances: true, .. })));
    }

    #[test]
    fn fragment_options_and_format_are_taken() {
        let invocation = invocation(&[
            "get",
            "x",
            "-fragment:A/text()",
            "-dialect:urn:d",
            "-options:{K=\"V\"}",
            "-f:#pretty",
        ]);
        assert_eq!(invocation.format, Format::Pretty);
        let Operation::Get(locator) = invocation.operation else { panic!() };
        assert_eq!(
            locator.fragment,
            Some(Fragment {
                dialect: Some("urn:d".to_owned()),
                expression: "A/text()".to_owned(),
                bindings: Vec::new(),
            })
        );
        assert_eq!(locator.options.value("K"), Some("V"));
    }

    #[test]
    fn help_is_answered_everywhere() {
        for line in [&["-?"][..], &["/?"], &[], &["help"], &["?"]] {
            assert!(matches!(read(&words(line)), Ok(Request::Help(Topic::General))), "{line:?}");
        }
        assert!(matches!(read(&words(&["get", "-?"])), Ok(Request::Help(Topic::Get))));
        assert!(matches!(read(&words(&["help", "URIs"])), Ok(Request::Help(Topic::Uris))));
        assert!(matches!(read(&words(&["helpmsg", "what"])), Ok(Request::Help(Topic::HelpMsg))));
    }

    #[test]
    fn numbers_of_errors_are_read_in_every_form() {
        for text in ["0x80338012", "2150858770", "-2144108526"] {
            let Ok(Request::Message(code)) = read(&words(&["helpmsg", text])) else {
                panic!("{text}")
            };
            assert_eq!(code.0, 0x8033_8012);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            (&["fetch", "x"][..], "unknown operation name: 'fetch'"),
            (&["get"], "invalid use of command line"),
            (&["get", "x", "y"], "invalid use of command line"),
            (&["identify", "x"], "invalid use of command line"),
            (&["invoke", "x"], "an action and a resource URI"),
            (&["get", "x", "-nothing"], "unknown switch -nothing"),
            (&["get", "x", "-r:a", "-machine:b"], "twice"),
            (&["get", "x", "-r:a", "y"], "behind the switches"),
            (&["get", "x", "@{A=\"1\"}"], "does not accept input"),
            (&["set", "x"], "no input provided"),
            (&["get", "x", "-filter:a"], "not allowed with the given operation: -filter"),
            (&["quickconfig", "-r:a"], "not allowed with the given operation: -remote"),
            (&["get", "x", "-format:html"], "invalid option for -format"),
            (&["get", "x", "-options:{A}"], "options parameter"),
            (&["get", "x", "-a:basic", "-r:h"], "needs -username"),
            (&["get", "x", "-a:none", "-u:a"], "no user name"),
            (&["get", "x", "-c:aa", "-u:a"], "by certificate goes with no user name"),
            (&["get", "x", "-defaultcreds", "-u:a"], "-defaultcreds goes with no"),
            (&["get", "x", "-r:h", "-pa:basic"], "needs -proxyaccess"),
            (&["get", "x", "-r:h", "-pac:no_proxy", "-pu:u"], "needs -proxyauth"),
            (&["get", "x", "-r:h", "-pac:no_proxy", "-pa:basic", "-pp:p"], "needs -proxyusername"),
            (&["get", "x", "-encoding:utf-16"], "needs -remote"),
            (&["get", "x", "-r:h", "-timeout:soon"], "soon"),
            (&["enum", "x", "-associations"], "-dialect:association"),
            (&["enum", "x", "-dialect:association"], "needs -fragment or -filter"),
            (&["set", "x", "@{A=1}", "-file:f"], "at once"),
        ] {
            assert!(refusal(line).contains(part), "{line:?}: {}", refusal(line));
        }
    }
}
