//! CREATE_PIPELINE, [MS-PSRP] 2.2.2.10, 2.2.3.11 to 2.2.3.13.

use super::bag::Bag;
use super::{ApartmentState, Body, Error, HostInfo, PipelineResultTypes, RemoteStreamOptions};
use crate::clixml::{Object, Properties, Text, Value};

const MESSAGE: &str = "CREATE_PIPELINE";

/// Starts a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePipeline {
    /// No input follows.
    pub no_input: bool,
    /// The threading model.
    pub apartment_state: ApartmentState,
    /// Which records tell by what command they were written.
    pub remote_stream_options: RemoteStreamOptions,
    /// Whether the session's history keeps it.
    pub add_to_history: bool,
    /// What the client's host can, for this pipeline.
    pub host_info: HostInfo,
    /// What shall run.
    pub power_shell: PowerShell,
    /// Whether it runs inside another pipeline, as from a nested prompt.
    pub is_nested: bool,
}

/// What shall run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerShell {
    /// Whether it runs inside another pipeline.
    pub is_nested: bool,
    /// The statements, each with its commands; the first one is the only one as a rule.
    pub statements: Vec<Vec<Command>>,
    /// What the history keeps in the place of the commands.
    pub history: Option<Text>,
    /// Whether errors of the pipeline go to the error stream of the shell.
    pub redirect_shell_error_output_pipe: bool,
}

/// A command of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The command's name, or a script.
    pub command: Text,
    /// Whether it is a script.
    pub is_script: bool,
    /// Whether a script has variables of its own; `None` leaves that to the server.
    pub use_local_scope: Option<bool>,
    /// Which streams go where.
    pub merge: Merge,
    /// Its arguments, in order.
    pub arguments: Vec<Argument>,
}

/// Which streams of a command go where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The stream that goes to `to_result`: errors or none.
    pub my_result: PipelineResultTypes,
    /// Where that goes: output or none.
    pub to_result: PipelineResultTypes,
    /// The streams of the commands before that come in with their output.
    pub previous_results: PipelineResultTypes,
    /// Where errors go.
    pub error: PipelineResultTypes,
    /// Where warnings go.
    pub warning: PipelineResultTypes,
    /// Where verbose messages go.
    pub verbose: PipelineResultTypes,
    /// Where debug messages go.
    pub debug: PipelineResultTypes,
    /// Where information goes; since version 2.3.
    pub information: PipelineResultTypes,
}

/// An argument of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The parameter's name; `None` for one that has its place only.
    pub name: Option<Text>,
    /// The value.
    pub value: Value,
}

impl Command {
    /// A command of this name, without arguments.
    #[must_use]
    pub fn named(name: impl Into<Text>) -> Self {
        Self {
            command: name.into(),
            is_script: false,
            use_local_scope: None,
            merge: Merge::NONE,
            arguments: Vec::new(),
        }
    }

    /// A script.
    #[must_use]
    pub fn script(text: impl Into<Text>) -> Self {
        Self { is_script: true, ..Self::named(text) }
    }

    /// With one more argument.
    #[must_use]
    pub fn with(mut self, name: Option<&str>, value: impl Into<Value>) -> Self {
        self.arguments.push(Argument { name: name.map(Text::from), value: value.into() });
        self
    }
}

impl Merge {
    /// Each stream goes its own way.
    pub const NONE: Self = Self {
        my_result: PipelineResultTypes::None,
        to_result: PipelineResultTypes::None,
        previous_results: PipelineResultTypes::None,
        error: PipelineResultTypes::None,
        warning: PipelineResultTypes::None,
        verbose: PipelineResultTypes::None,
        debug: PipelineResultTypes::None,
        information: PipelineResultTypes::None,
    };
}

/// A list of .NET, whose full name says which version of PowerShell wrote it.
const LIST: &str = "System.Collections.Generic.List`1[[System.Management.Automation.PSObject, \
    System.Management.Automation, Version=3.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]";

impl Body for CreatePipeline {
    fn to_value(&self) -> Value {
        let bag = Properties::default()
            .with("NoInput", self.no_input)
            .with("ApartmentState", self.apartment_state)
            .with("RemoteStreamOptions", self.remote_stream_options)
            .with("AddToHistory", self.add_to_history)
            .with("HostInfo", self.host_info.to_value())
            .with("PowerShell", self.power_shell.to_value())
            .with("IsNested", self.is_nested);
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new(MESSAGE, &value)?;
        Ok(Self {
            no_input: bag.bool("NoInput")?,
            apartment_state: ApartmentState::from_number(bag.i32("ApartmentState")?),
            remote_stream_options: RemoteStreamOptions(bag.i32("RemoteStreamOptions")?),
            add_to_history: bag.bool("AddToHistory")?,
            host_info: HostInfo::from_bag(bag.part("HostInfo")?)?,
            power_shell: PowerShell::from_bag(bag.part("PowerShell")?)?,
            is_nested: bag.flag("IsNested")?,
        })
    }
}

impl PowerShell {
    fn to_value(&self) -> Value {
        let commands = |commands: &[Command]| -> Value {
            Object::list(LIST, commands.iter().map(Command::to_value).collect()).into()
        };
        let mut bag = Properties::default().with("IsNested", self.is_nested);
        if self.statements.len() > 1 {
            let statement = |statement: &Vec<Command>| -> Value {
                Object::bag(Properties::default().with("Cmds", commands(statement))).into()
            };
            bag.push(
                "ExtraCmds",
                Object::list(LIST, self.statements.iter().map(statement).collect()),
            );
        }
        // With several statements, this one repeats the first.
        bag.push("Cmds", commands(self.statements.first().map(Vec::as_slice).unwrap_or_default()));
        bag.push("History", self.history.clone());
        bag.push("RedirectShellErrorOutputPipe", self.redirect_shell_error_output_pipe);
        Object::bag(bag).into()
    }

    fn from_bag(bag: Bag<'_>) -> Result<Self, Error> {
        let commands = |bag: Bag<'_>| -> Result<Vec<Command>, Error> {
            bag.parts("Cmds")?.map(|part| Command::from_bag(part?)).collect()
        };
        let mut statements = Vec::new();
        for statement in bag.items("ExtraCmds")? {
            // [MS-PSRP] has lists of commands here, PowerShell writes objects that have one.
            let items = statement.as_object().and_then(|object| object.items());
            statements.push(match items {
                Some(items) => items
                    .iter()
                    .map(|item| Command::from_bag(Bag::new(MESSAGE, item)?))
                    .collect::<Result<_, _>>()?,
                None => commands(Bag::new(MESSAGE, statement)?)?,
            });
        }
        if statements.is_empty() {
            statements.push(commands(bag)?);
        }
        Ok(Self {
            is_nested: bag.flag("IsNested")?,
            statements,
            history: bag.optional_text("History")?,
            redirect_shell_error_output_pipe: bag.flag("RedirectShellErrorOutputPipe")?,
        })
    }
}

impl Command {
    fn to_value(&self) -> Value {
        let argument = |argument: &Argument| -> Value {
            let bag = Properties::default().with("N", argument.name.clone());
            Object::bag(bag.with("V", argument.value.clone())).into()
        };
        let arguments = Object::list(LIST, self.arguments.iter().map(argument).collect());
        let bag = Properties::default()
            .with("Cmd", self.command.clone())
            .with("IsScript", self.is_script)
            .with("UseLocalScope", self.use_local_scope)
            .with("MergeMyResult", self.merge.my_result)
            .with("MergeToResult", self.merge.to_result)
            .with("MergePreviousResults", self.merge.previous_results)
            .with("MergeError", self.merge.error)
            .with("MergeWarning", self.merge.warning)
            .with("MergeVerbose", self.merge.verbose)
            .with("MergeDebug", self.merge.debug)
            .with("MergeInformation", self.merge.information)
            .with("Args", arguments);
        Object::bag(bag).into()
    }

    fn from_bag(bag: Bag<'_>) -> Result<Self, Error> {
        let stream = |name| bag.i32_or(name, 0).map(PipelineResultTypes::from_number);
        let merge = Merge {
            my_result: stream("MergeMyResult")?,
            to_result: stream("MergeToResult")?,
            previous_results: stream("MergePreviousResults")?,
            error: stream("MergeError")?,
            warning: stream("MergeWarning")?,
            verbose: stream("MergeVerbose")?,
            debug: stream("MergeDebug")?,
            information: stream("MergeInformation")?,
        };
        let argument = |part: Result<Bag<'_>, Error>| {
            let part = part?;
            Ok(Argument { name: part.optional_text("N")?, value: part.value("V") })
        };
        Ok(Self {
            command: bag.text("Cmd")?,
            is_script: bag.bool("IsScript")?,
            use_local_scope: bag.optional("UseLocalScope").and_then(Value::as_bool),
            merge,
            arguments: bag.parts("Args")?.map(argument).collect::<Result<_, Error>>()?,
        })
    }
}
