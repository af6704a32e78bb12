//! What is made of a cmdlet's table: its help, and its options as clap knows them for completions and the manual.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::table::{COMMON, Cmdlet, Kind, Parameter};
use crate::winrs::wrapped;

/// The width of lines of help.
const WIDTH: usize = 74;

/// The help in the layout of `Get-Help`.
pub(crate) fn text(cmdlet: &Cmdlet) -> String {
    let mut text =
        format!("NAME\n    {}\n\nSYNOPSIS\n    {}.\n\nSYNTAX\n", cmdlet.name, cmdlet.synopsis);
    for set in cmdlet.sets {
        for (index, line) in wrapped(&syntax(cmdlet, set), WIDTH).into_iter().enumerate() {
            let _infallible = writeln!(text, "    {}{line}", if index == 0 { "" } else { "    " });
        }
    }
    text.push_str("\nDESCRIPTION\n");
    indent(&mut text, cmdlet.description, 4);
    text.push_str("\nPARAMETERS\n");
    for parameter in cmdlet.parameters {
        explain(&mut text, parameter);
    }
    text.push_str("COMMON PARAMETERS\n");
    for parameter in COMMON {
        explain(&mut text, parameter);
    }
    text.push_str("FROM A SHELL\n");
    let shell = format!(
        "As `transom {0}` or a link named {0}, the cmdlet takes the same parameters, in GNU's spelling too; --json writes \
         its output as JSON, one object per line.",
        cmdlet.name
    );
    indent(&mut text, &shell, 4);
    text.push_str("\nEXAMPLES\n");
    for example in cmdlet.examples {
        let _infallible = writeln!(text, "    {example}");
    }
    text
}

fn explain(text: &mut String, parameter: &Parameter) {
    let _infallible = writeln!(text, "    -{}{}", parameter.name, placeholder(parameter));
    indent(text, parameter.about, 8);
    let mut notes = vec![format!("--{}", parameter.long())];
    notes.extend(parameter.aliases.iter().map(|alias| format!("-{alias}")));
    let mut facts = format!("Also {}", notes.join(", "));
    if let Some(position) = parameter.memberships.iter().find_map(|membership| membership.position)
    {
        let _infallible = write!(facts, "; position {}", position + 1);
    }
    if let Kind::Integer(first, last) = parameter.kind {
        let _infallible = write!(facts, "; {first} to {last}");
    }
    if parameter.pipeline.is_any() {
        facts.push_str("; taken from the pipe");
    }
    facts.push('.');
    indent(text, &facts, 8);
    text.push('\n');
}

fn indent(text: &mut String, paragraph: &str, by: usize) {
    for line in wrapped(paragraph, WIDTH + 4 - by) {
        let _infallible = writeln!(text, "{:by$}{line}", "");
    }
}

/// One parameter set as PowerShell's help writes it.
fn syntax(cmdlet: &Cmdlet, set: &str) -> String {
    let mut text = cmdlet.name.to_owned();
    for parameter in cmdlet.parameters {
        let Some(membership) = parameter.membership(set) else { continue };
        let name = match membership.position {
            Some(_) => format!("[-{}]", parameter.name),
            None => format!("-{}", parameter.name),
        };
        let value = placeholder(parameter);
        let _infallible = match membership.is_mandatory {
            true => write!(text, " {name}{value}"),
            false => write!(text, " [{name}{value}]"),
        };
    }
    text.push_str(" [<CommonParameters>]");
    text
}

fn placeholder(parameter: &Parameter) -> String {
    let list = if parameter.is_list { "[]" } else { "" };
    match parameter.kind {
        Kind::Switch => String::new(),
        Kind::Choice(_, choices) => format!(" {{{}}}", choices.join(" | ")),
        kind @ (Kind::Text
        | Kind::AnyText
        | Kind::Boolean
        | Kind::Number
        | Kind::Hashtable
        | Kind::ConnectionOption
        | Kind::TransportOption
        | Kind::Integer(..)
        | Kind::Culture
        | Kind::Credential
        | Kind::Table
        | Kind::SessionOption
        | Kind::Guid
        | Kind::ScriptBlock
        | Kind::Session
        | Kind::Object) => {
            format!(" <{}{list}>", kind.type_name().rsplit('.').next().unwrap_or_default())
        }
    }
}

/// The cmdlet as a subcommand of `transom`, for completions, the manual, and the list of subcommands.
pub(crate) fn command(cmdlet: &'static Cmdlet) -> Command {
    let help = Arg::new("help")
        .long("help")
        .short('?')
        .action(ArgAction::SetTrue)
        .help("Shows the cmdlet's help");
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Writes output and errors as JSON, one object per line");
    Command::new(cmdlet.name)
        .about(cmdlet.synopsis)
        .long_about(cmdlet.description)
        .disable_help_flag(true)
        .args(cmdlet.all().map(arg))
        .args([json, help])
}

fn arg(parameter: &'static Parameter) -> Arg {
    let arg =
        Arg::new(parameter.name).long(parameter.long()).help(parameter.about.trim_end_matches('.'));
    match parameter.kind {
        Kind::Switch => arg.action(ArgAction::SetTrue),
        Kind::Choice(_, choices) => arg.value_parser(choices.to_vec()).value_name("NAME"),
        Kind::Integer(..) | Kind::Number => arg.value_name("NUMBER"),
        Kind::Boolean => arg.value_name("TRUE|FALSE"),
        Kind::Credential => arg.value_name("USER"),
        Kind::Table
        | Kind::Hashtable
        | Kind::SessionOption
        | Kind::ConnectionOption
        | Kind::TransportOption => arg.value_name("KEY=VALUE"),
        Kind::Guid => arg.value_name("GUID"),
        Kind::ScriptBlock => arg.value_name("SCRIPT"),
        Kind::Session => arg.value_name("SESSION"),
        Kind::Text | Kind::AnyText | Kind::Culture | Kind::Object => arg.value_name("TEXT"),
    }
}
