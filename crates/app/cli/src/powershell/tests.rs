//! Tables: what lines mean, what is refused and where, and which parameter gets what.

use super::binder::{self, BindError, Bound, Given, Word};
use super::cmdlets;
use super::fuzz::cli_powershell::source_of;
use super::parser::parse;
use super::table::{Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter};
use super::value::Value;
use super::{argv, syntax::Statement};

/// What a text is read as, written out: bare words and names in quotes, the first letter of commands as an escape.
fn read(source: &str) -> String {
    let script = parse(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
    source_of(&script).trim_end().replace("`u{45}nter", "Enter").replace("`u{61}", "a")
}

#[test]
fn every_line_of_the_seeds_examples_is_read() {
    for (line, expected) in [
        ("Enter-PSSession", "Enter-PSSession"),
        ("Enter-PSSession -Computer Server01", "Enter-PSSession -Computer 'Server01'"),
        (
            r"Get-Process Powershell > C:\ps-test\Process.txt",
            r"`u{47}et-Process 'Powershell' > 'C:\ps-test\Process.txt'",
        ),
        ("exit", "exit"),
        (r"dir C:\ps-test\process.txt", r"`u{64}ir 'C:\ps-test\process.txt'"),
        (
            "$s = New-PSSession -ComputerName Server01",
            "$s = `u{4e}ew-PSSession -ComputerName 'Server01'",
        ),
        ("Enter-PSSession -Session $s", "Enter-PSSession -Session $s"),
        (
            r"Enter-PSSession -ComputerName Server01 -Port 90 -Credential Domain01\User01",
            r"Enter-PSSession -ComputerName 'Server01' -Port 90 -Credential 'Domain01\User01'",
        ),
        ("Enter-PSSession -ComputerName Server01", "Enter-PSSession -ComputerName 'Server01'"),
        ("Exit-PSSession", "`u{45}xit-PSSession"),
        (
            "winrm delete winrm/config/listener?Address=*+Transport=HTTP",
            "`u{77}inrm 'delete' 'winrm/config/listener?Address=*+Transport=HTTP'",
        ),
        (
            "winrm create winrm/config/listener?Address=*+Transport=HTTP @{Port=\"<port-number>\"}",
            "`u{77}inrm 'create' 'winrm/config/listener?Address=*+Transport=HTTP' @{'Port'='<port-number>';}",
        ),
    ] {
        assert_eq!(read(line), expected);
    }
}

#[test]
fn spelling_means_what_it_means_in_powershell() {
    for (source, expected) in [
        ("a -Name:x -Switch:$false -Other: 'y'", "a -Name:'x' -Switch:$false -Other:'y'"),
        ("a x,y, 'z'\n", "a 'x', 'y', 'z'"),
        ("a x,\n  y", "a 'x', 'y'"),
        ("a 'it''s' \"say \"\"hi\"\"\"", "a 'it''s' 'say \"hi\"'"),
        ("a \"$x`t`$y `u{41}\"", "a \"$x\t`u{24}y A\""),
        ("a User@Domain.com http://h:80/wsman #c", "a 'User@Domain.com' 'http://h:80/wsman'"),
        ("a b#c <# d #> e # f", "a 'b#c' 'e'"),
        ("a `\n  -b `\r\n  c", "a -b 'c'"),
        // An empty line ends what a backtick continues.
        ("a `\n  -b `\n\n", "a -b"),
        ("a `\r\n \r\na", "a\na"),
        ("a `#b `'c", "a '#b' '''c'"),
        ("a $s.Id, $s", "a $s.Id, $s"),
        ("a $f/x.txt", "a \"$f/x.txt\""),
        ("a (a b | a).Name", "a (a 'b' | a).Name"),
        ("a b|\n a c", "a 'b' | a 'c'"),
        ("a;a\r\na", "a\na\na"),
        ("$n = 1, 'x' | a", "$n = 1, 'x' | a"),
        ("a 007 0x1F -5 1.5 5x", "a 007 0x1F -5 1.5 '5x'"),
        ("a -- -b", "a -- '-b'"),
        ("a -b - c", "a -b '-' 'c'"),
        ("a \u{2013}b \u{201c}c\u{201d} \u{2018}d\u{2019}", "a -b 'c' 'd'"),
        ("@{ k = 1; 'l m' = a b\n n = @{ o = $p } }", "@{'k'=1;'l m'=(a 'b');'n'=@{'o'=$p;};}"),
        ("a { b } {c{d}}", "a { b } {c{d}}"),
        ("1..3 | a; $r = -1..-3", "1..3 | a\n$r = -1..-3"),
        ("a 1..3", "a '1..3'"),
        ("exit 3; exit", "exit 3\nexit"),
        ("", ""),
        ("# nothing\n\n;", ""),
    ] {
        assert_eq!(read(source), expected, "{source}");
    }
}

#[test]
fn script_blocks_are_kept_as_they_are_with_texts_and_comments_inside() {
    for block in [
        " Get-Process | ? { $_.Id -gt 5 } ",
        " '}' \"}\" \"`\"}\" ",
        " # }\n 1 ",
        " <# } #> ",
        " a#} ",
        " \"$( \"}\" )\" ",
        "\n@'\n}'\n'@\n",
        "\n@\"\n}\"\n\"@\n",
        " `} ",
        " $(if (1) { 2 }) ",
    ] {
        // A comment sign inside a word is none.
        let source = format!("a {{{block}}} b");
        let expected = if block == " a#} " { "a { a#} '}' 'b'" } else { "" };
        if expected.is_empty() {
            assert_eq!(read(&source), format!("a {{{block}}} 'b'"));
        } else {
            assert!(parse(&source).is_err(), "{source}");
        }
    }
}

/// The place and the message of an error, and whether more lines may help.
fn refusal(source: &str) -> (String, String, bool) {
    let error = parse(source).map(|script| source_of(&script)).expect_err(source);
    let wrong = source.get(error.place.clone()).unwrap().to_owned();
    (wrong, error.message, error.is_incomplete)
}

#[test]
fn what_is_wrong_is_named_at_its_place() {
    for (source, wrong, message) in [
        ("a | | b", "|", "An empty pipe element is not allowed."),
        ("| a", "|", "An empty pipe element is not allowed."),
        ("a ,b", ",", "Missing argument in parameter list."),
        ("a b,;", ",", "Missing expression after ','."),
        ("a )", ")", "Unexpected token ')' in expression or statement."),
        ("()", ")", "An expression was expected after '('."),
        ("(a; b)", ";", "Missing closing ')' in expression."),
        ("@{ a }", "}", "Missing '=' operator after key in hash literal."),
        ("@{ a = }", "}", "Missing statement after '=' in hash literal."),
        ("@{ = 1 }", "=", "Missing key before '=' in hash literal."),
        ("@{ a = 1; A = 2 }", "A", "Duplicate keys 'A' are not allowed in hash literals."),
        ("a -b: ;", ":", "The parameter -b requires an argument."),
        ("'a' | 'b'", "'b'", "Expressions are only allowed as the first element of a pipeline."),
        ("1 -eq 2", "-eq", "Unexpected token '-eq' in expression or statement."),
        ("$a + 1", "+", "Unexpected token '+' in expression or statement."),
        ("'a' b", "b", "Unexpected token 'b' in expression or statement."),
        (
            "$true = 1",
            "$true",
            "Cannot overwrite variable true because it is read-only or constant.",
        ),
        ("a < b", "<", "The '<' operator is reserved for future use."),
        ("a >", ">", "Missing file specification after redirection operator."),
        (
            "a \"`u{zz}\"",
            "u{",
            "The Unicode escape sequence is not valid: write `u{ and 1 to 6 hexadecimal digits.",
        ),
    ] {
        assert_eq!(refusal(source), (wrong.to_owned(), message.to_owned(), false), "{source}");
    }
}

#[test]
fn rest_of_the_language_is_refused_by_name() {
    for (source, wrong, what) in [
        ("foreach ($x in 1) { }", "foreach", "The keyword 'foreach'"),
        ("a; If (1) {}", "If", "The keyword 'If'"),
        ("function f { }", "function", "The keyword 'function'"),
        ("& a", "&", "The call operator '&'"),
        (". a", ".", "The dot sourcing operator '.'"),
        ("a &", "&", "The operator '&'"),
        ("a || b", "||", "The operator '||'"),
        ("[int] 5", "[", "A type in brackets"),
        ("@(1)", "@(", "An array expression @(…)"),
        ("a @'\nb\n'@", "@'", "A here-string"),
        ("a @b", "@b", "Splatting"),
        ("$x[0]", "[", "An index"),
        ("$x::y", "::", "A static member"),
        ("$x.y()", ".y", "The call of a method"),
        ("${a b}", "{", "A variable name in braces"),
        ("a \"$(b)\"", "$(", "A subexpression $(…)"),
        ("$env:PATH", "$env:PATH", "A variable with a scope or a drive"),
        ("$?", "$?", "An automatic variable of one sign"),
        ("$x += 1", "+=", "The operator '+='"),
        ("a 2>b", ">", "The redirection of a single stream"),
        ("a >&2", "&", "The redirection of a single stream"),
        ("$x = @{ $k = 1 }", "$", "An expression as a key"),
        ("a$b c", "a$b", "A command whose name holds a variable"),
    ] {
        let message = format!("{what} is not supported by pssession.");
        assert_eq!(refusal(source), (wrong.to_owned(), message, false), "{source}");
    }
}

#[test]
fn what_more_lines_may_end_is_incomplete() {
    for source in [
        "'a", "\"a", "(a", "(", "@{", "@{ a", "@{ a =", "@{ a = 1", "a {", "a { \"", "a |", "a b,",
        "$a =", "a `\n", "<# a",
    ] {
        assert!(refusal(source).2, "{source}");
    }
}

#[test]
fn texts_too_deep_or_too_long_are_refused() {
    for source in [
        "(".repeat(5000),
        "@{a=".repeat(5000),
        format!("a {}", "{".repeat(5000)),
        format!("$a{}", ".b".repeat(5000)),
    ] {
        assert!(refusal(&source).1.starts_with("Too deep"), "{source:.20}");
    }
    assert!(refusal(&" ".repeat(300_000)).1.contains("longer than 256 KiB"));
}

/// A table with several sets, as the cmdlets that open sessions have them.
const ENTER: Cmdlet = Cmdlet {
    name: "Enter-PSSession",
    aliases: &["etsn"],
    synopsis: "",
    description: "",
    sets: &["ComputerName", "Id", "Name", "Uri"],
    parameters: &[
        Parameter {
            aliases: &["Cn"],
            memberships: &[Membership {
                set: Some("ComputerName"),
                position: Some(0),
                is_mandatory: true,
            }],
            pipeline: FromPipeline::BOTH,
            ..plain("ComputerName", Kind::Text)
        },
        Parameter {
            memberships: &[Membership { set: Some("Id"), position: Some(0), is_mandatory: false }],
            pipeline: FromPipeline { value: false, property: true },
            ..plain("Id", Kind::Integer(0, i32::MAX))
        },
        Parameter {
            memberships: &[Membership { set: Some("Name"), position: None, is_mandatory: false }],
            is_list: true,
            ..plain("Name", Kind::Text)
        },
        Parameter {
            aliases: &["URI", "CU"],
            memberships: &[Membership { set: Some("Uri"), position: Some(1), is_mandatory: false }],
            ..plain("ConnectionUri", Kind::Text)
        },
        Parameter {
            memberships: &[
                Membership { set: Some("ComputerName"), position: Some(1), is_mandatory: false },
                Membership { set: Some("Uri"), position: Some(2), is_mandatory: false },
            ],
            pipeline: FromPipeline { value: false, property: true },
            ..plain("Credential", Kind::Credential)
        },
        Parameter {
            memberships: &[Membership {
                set: Some("ComputerName"),
                position: None,
                is_mandatory: false,
            }],
            ..plain("UseSSL", Kind::Switch)
        },
        plain("SessionOption", Kind::Table),
    ],
    examples: &[],
    action: Action::TestWsman,
};

const fn plain(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        aliases: &[],
        kind,
        is_list: false,
        about: "",
        memberships: NAMED,
        pipeline: FromPipeline::NOTHING,
    }
}

/// The arguments of a line, as the engine gives them.
fn given(source: &str) -> Vec<Given> {
    let script = parse(&format!("x {source}")).unwrap();
    let [Statement::Run { pipeline, .. }] = script.statements.as_slice() else {
        panic!("{source}")
    };
    let [super::syntax::Element::Command(command)] = pipeline.elements.as_slice() else {
        panic!("{source}")
    };
    command.arguments.iter().filter_map(super::fuzz::cli_powershell::given).collect()
}

/// Set and values, or the error.
fn told(bound: Result<Bound, BindError>) -> String {
    match bound {
        Ok(bound) => {
            let values = bound.cmdlet.all().filter_map(|parameter| {
                let value = bound.value(parameter.name)?;
                Some(format!(
                    " {}={}",
                    parameter.name,
                    String::from_utf8(value.json()).unwrap().trim_end()
                ))
            });
            format!("{}:{}", bound.set, values.collect::<String>())
        }
        Err(error) => error.message,
    }
}

fn bound(source: &str) -> String {
    told(binder::bind(&ENTER, given(source)).and_then(binder::CommandLine::finish))
}

fn from_shell(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    told(binder::bind(&ENTER, argv::read(&words).given).and_then(binder::CommandLine::finish))
}

#[test]
fn arguments_find_their_parameters_and_the_set() {
    for (source, expected) in [
        ("Server01", r#"ComputerName: ComputerName="Server01""#),
        ("-computer Server01 -USESSL", r#"ComputerName: ComputerName="Server01" UseSSL=true"#),
        (
            r"Server01 Domain01\User01",
            r#"ComputerName: ComputerName="Server01" Credential="Domain01\\User01""#,
        ),
        ("5", "Id: Id=5"),
        ("-Id 5", "Id: Id=5"),
        ("-cn 007", r#"ComputerName: ComputerName="007""#),
        ("-Name a,b", r#"Name: Name=["a","b"]"#),
        ("-Name a", r#"Name: Name=["a"]"#),
        ("-URI http://h -Credential u", r#"Uri: ConnectionUri="http://h" Credential="u""#),
        ("h -UseSSL:$false", r#"ComputerName: ComputerName="h" UseSSL=false"#),
        ("h -SessionOption @{ a = 1 }", r#"ComputerName: ComputerName="h" SessionOption={"a":1}"#),
        (
            "h -SessionOption 'a=1; b = x'",
            r#"ComputerName: ComputerName="h" SessionOption={"a":1,"b":"x"}"#,
        ),
        (
            "h -SessionOption '@{ a = $true; b = 1, 2 }'",
            r#"ComputerName: ComputerName="h" SessionOption={"a":true,"b":[1,2]}"#,
        ),
        ("-Id 5 -ea Stop", r#"Id: Id=5 ErrorAction="Stop""#),
        (
            "h -ErrorAction silent",
            r#"ComputerName: ComputerName="h" ErrorAction="SilentlyContinue""#,
        ),
    ] {
        assert_eq!(bound(source), expected, "{source}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused_in_powershells_words() {
    for (source, expected) in [
        ("-Foo 1", "A parameter cannot be found that matches parameter name 'Foo'."),
        (
            "-C x",
            "Parameter cannot be processed because the parameter name 'C' is ambiguous. Possible matches include: -ComputerName -ConnectionUri -Credential.",
        ),
        (
            "-cn",
            "Missing an argument for parameter 'ComputerName'. Specify a parameter of type 'System.String' and try again.",
        ),
        (
            "-cn -UseSSL",
            "Missing an argument for parameter 'ComputerName'. Specify a parameter of type 'System.String' and try again.",
        ),
        (
            "-Name",
            "Missing an argument for parameter 'Name'. Specify a parameter of type 'System.String[]' and try again.",
        ),
        (
            "-cn a -ComputerName b",
            "Cannot bind parameter because parameter 'ComputerName' is specified more than once.",
        ),
        ("-cn a -Id 5", "Parameter set cannot be resolved using the specified named parameters."),
        ("a b c", "A positional parameter cannot be found that accepts argument 'c'."),
        (
            "-cn ''",
            "Cannot bind argument to parameter 'ComputerName' because it is an empty string.",
        ),
        ("-cn $null", "Cannot bind argument to parameter 'ComputerName' because it is null."),
        (
            "-cn a,b",
            "Cannot convert 'System.Object[]' to the type 'System.String' required by parameter 'ComputerName'.",
        ),
        (
            "-cn @{a=1}",
            "Cannot convert 'System.Collections.Hashtable' to the type 'System.String' required by parameter 'ComputerName'.",
        ),
        (
            "-Id x",
            "Cannot bind parameter 'Id'. Cannot convert value \"x\" to type \"System.Int32\". Error: \"The input string 'x' was not in a correct format.\"",
        ),
        (
            "-Id 3000000000",
            "Cannot bind parameter 'Id'. Cannot convert value \"3000000000\" to type \"System.Int32\". Error: \"Value was either too large or too small for an Int32.\"",
        ),
        (
            "-Id -1",
            "Cannot validate argument on parameter 'Id'. The -1 argument is less than the minimum allowed range of 0. Supply an argument that is greater than or equal to 0 and then try the command again.",
        ),
        (
            "h -UseSSL:x",
            "Cannot bind parameter 'UseSSL'. Cannot convert value \"x\" to type \"System.Management.Automation.SwitchParameter\".",
        ),
        (
            "h -ErrorAction S",
            "Cannot bind parameter 'ErrorAction'. Cannot convert value \"S\" to type \"System.Management.Automation.ActionPreference\".",
        ),
        ("h -SessionOption x", "Cannot convert 'System.String' to the type"),
        (
            "",
            "Cannot process command because of one or more missing mandatory parameters: ComputerName.",
        ),
    ] {
        let found = bound(source);
        assert!(found.starts_with(expected), "{source}: {found}");
    }
}

#[test]
fn set_that_nothing_decides_is_an_error() {
    const TWO: Cmdlet = Cmdlet {
        sets: &["A", "B", "C"],
        parameters: &[
            Parameter {
                memberships: &[Membership { set: Some("A"), position: None, is_mandatory: true }],
                ..plain("First", Kind::Text)
            },
            Parameter {
                memberships: &[
                    Membership { set: Some("B"), position: None, is_mandatory: true },
                    Membership { set: Some("C"), position: None, is_mandatory: true },
                ],
                ..plain("Second", Kind::Text)
            },
        ],
        ..ENTER
    };
    let found = told(binder::bind(&TWO, given("-Second x")).and_then(binder::CommandLine::finish));
    assert!(found.starts_with("Parameter set cannot be resolved"), "{found}");
}

#[test]
fn words_of_a_shell_bind_like_those_of_a_line() {
    for (words, expected) in [
        (["--computer-name", "h"].as_slice(), r#"ComputerName: ComputerName="h""#),
        (&["--computer-name=h", "--use-ssl"], r#"ComputerName: ComputerName="h" UseSSL=true"#),
        (&["--computer=h", "--use-ssl=false"], r#"ComputerName: ComputerName="h" UseSSL=false"#),
        (&["-cn:h", "-UseSSL:$true"], r#"ComputerName: ComputerName="h" UseSSL=true"#),
        (
            &["true", "--credential", "DOM\\u"],
            r#"ComputerName: ComputerName="true" Credential="DOM\\u""#,
        ),
        (&["--name", "a,b"], r#"Name: Name=["a","b"]"#),
        (&["5"], "Id: Id=5"),
        (&["--", "-h"], r#"ComputerName: ComputerName="-h""#),
        (
            &["h", "--session-option", "@{a=1}"],
            r#"ComputerName: ComputerName="h" SessionOption={"a":1}"#,
        ),
        (
            &["h", "--session-option", "a=$true;b=x,y"],
            r#"ComputerName: ComputerName="h" SessionOption={"a":true,"b":"x,y"}"#,
        ),
        (&["--foo"], "A parameter cannot be found that matches parameter name 'foo'."),
    ] {
        assert_eq!(from_shell(words), expected, "{words:?}");
    }
}

#[test]
fn objects_from_a_pipe_bind_by_value_then_by_property() {
    let piped = |source: &str, json: &str| {
        let line = binder::bind(&ENTER, given(source)).unwrap();
        told(line.with_input(&serde_json::from_str::<Value>(json).unwrap()))
    };
    for (source, json, expected) in [
        ("", r#""h""#, r#"ComputerName: ComputerName="h""#),
        ("", r#"{"ID":3}"#, "Id: Id=3"),
        ("", r#"{"ID":"3"}"#, "Id: Id=3"),
        ("", r#"{"cn":"h","Id":"x"}"#, r#"ComputerName: ComputerName="h""#),
        (
            "",
            r#"{"ComputerName":"h","Credential":{"UserName":"u"}}"#,
            r#"ComputerName: ComputerName="h" Credential={"PSTypeName":"System.Management.Automation.PSCredential","UserName":"u"}"#,
        ),
        (
            "-Credential v",
            r#"{"ComputerName":"h","Credential":"u"}"#,
            r#"ComputerName: ComputerName="h" Credential="v""#,
        ),
        ("", "7", r#"ComputerName: ComputerName="7""#),
        ("", r#"{"x":1}"#, "The input object cannot be bound to any parameters for the command"),
        ("-Name a", r#""h""#, "The input object cannot be bound to any parameters for the command"),
        ("", r#"{"Id":"x"}"#, "Cannot bind parameter 'Id'."),
        ("", "null", "Cannot bind argument to parameter 'ComputerName' because it is null."),
    ] {
        let found = piped(source, json);
        assert!(found.starts_with(expected), "{source} {json}: {found}");
    }
    assert!(!binder::bind(&ENTER, given("-Id 5")).unwrap().takes_input());
}

#[test]
fn cmdlets_are_found_in_any_case_and_no_others() {
    assert_eq!(cmdlets::find("TEST-wsman").map(|cmdlet| cmdlet.name), Some("Test-WSMan"));
    assert_eq!(cmdlets::find("Test"), None);
    let word = Word::from_shell("1.5");
    assert!(matches!(word.value, Value::Real(_)) && word.literal.as_deref() == Some("1.5"));
}
