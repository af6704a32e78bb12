//! Runs what was read: variables, pipes, cmdlets.
//!
//! An error ends its statement and no more, as in PowerShell: the next one runs. `-ErrorAction Stop`, a signal and output
//! that nobody reads end the whole.

use std::fs::OpenOptions;
use std::io::Write as _;

use super::actions;
use super::binder::{self, BindError, Bound, CommandLine, Given, Word};
use super::context::Context;
use super::remote::input::{self, Input};
use super::show::Sink;
use super::syntax::{
    Argument, Command, Element, Expression, Part, Pipeline, Redirection, Script, Statement,
};
use super::table::Cmdlet;
use super::value::Value;
use super::waiter::Lines;
use super::{cmdlets, help, interactive, programs};
use crate::command_error::CommandError;

/// What comes after a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next one.
    Next,
    /// The end of the line and of a script: a signal came, or an error that ends them.
    Broken,
    /// The end, with this exit code.
    Exit(u8),
}

/// Why a statement ended early.
#[derive(Debug)]
pub(super) struct Failure {
    error: CommandError,
    /// No statement after it runs.
    is_last: bool,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let is_last = error.ends_everything();
        Self { error, is_last }
    }
}

/// Runs statements; variables, sessions and the place of output are in the context.
#[derive(Debug)]
pub(crate) struct Engine {
    context: Context,
}

impl Engine {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { context: Context::new(is_json) }
    }

    /// The exit code after the last statement.
    pub(crate) fn code(&self) -> u8 {
        u8::from(self.context.failed)
    }

    /// Tells an error, and that the statement failed.
    pub(crate) fn tell(&mut self, error: &CommandError) {
        self.context.tell(error);
    }

    /// Runs statement after statement.
    pub(crate) fn run(&mut self, script: &Script) -> Flow {
        for statement in &script.statements {
            self.context.failed = false;
            match self.statement(statement) {
                Ok(Flow::Next) => {}
                Ok(end @ (Flow::Exit(_) | Flow::Broken)) => return end,
                Err(failure) => {
                    self.tell(&failure.error);
                    if failure.is_last {
                        return Flow::Broken;
                    }
                }
            }
        }
        Flow::Next
    }

    /// Runs a line's statements; then somebody is in the session that one of them has entered, until it is left.
    pub(crate) fn run_line(&mut self, script: &Script) -> Flow {
        let flow = self.run(script);
        if self.talk() { flow } else { Flow::Broken }
    }

    /// Is in the session that was entered, if one was; whether there is something to do after it.
    fn talk(&mut self) -> bool {
        let Some(session) = self.context.entered.take() else { return true };
        match interactive::talk(&mut self.context, &session) {
            Ok(()) => true,
            Err(error) => {
                self.tell(&error);
                false
            }
        }
    }

    /// The next line of stdin.
    ///
    /// # Errors
    /// What is wrong with it, or that a signal came.
    pub(super) fn next_line(&mut self) -> Result<Option<String>, CommandError> {
        let Context { waiter, host, .. } = &mut self.context;
        host.lines().map_or(Ok(None), |lines| waiter.line(lines))
    }

    /// A line that somebody types; `None` where they leave, and no line where they gave it up.
    ///
    /// # Errors
    /// A signal ends the program, or the terminal fails.
    pub(super) fn typed(
        &mut self,
        is_continued: bool,
    ) -> Result<Option<Option<String>>, CommandError> {
        interactive::line(&mut self.context, is_continued)
    }

    /// Keeps what somebody typed for the arrow keys.
    pub(super) fn remember(&self, text: &str) {
        if let Some(editor) = &self.context.editor {
            editor.remember(text);
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow, Failure> {
        let (target, pipeline, redirection) = match statement {
            Statement::Exit(None) => return Ok(Flow::Exit(self.code())),
            Statement::Exit(Some(code)) => {
                let code = self.expression(code)?;
                let Value::Integer(number) = code else {
                    let message = format!("exit: \"{}\" is no exit code.", code.text());
                    return Err(CommandError::usage(message).into());
                };
                return Ok(Flow::Exit(u8::try_from(number.rem_euclid(256)).unwrap_or(1)));
            }
            Statement::Run { target, pipeline, redirection } => (target, pipeline, redirection),
        };
        if target.is_none() && redirection.is_none() {
            let mut shown = self.context.shown.sheet();
            let ran = self.pipeline(pipeline, &mut Sink::Shown(&mut shown));
            shown.finish()?;
            return ran.map(|()| Flow::Next);
        }
        let mut values = Vec::new();
        self.pipeline(pipeline, &mut Sink::Kept(&mut values))?;
        if let Some(redirection) = redirection {
            self.write(redirection, &values)?;
            values.clear();
        }
        if let Some(name) = target
            && !name.eq_ignore_ascii_case("null")
        {
            self.context.variables.insert(name.to_lowercase(), Value::of(values));
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, redirection: &Redirection, values: &[Value]) -> Result<(), Failure> {
        let path = self.expression(&redirection.file)?.text();
        let text = self.context.shown.text(values);
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(redirection.append).truncate(!redirection.append);
        let written = options.open(&path).and_then(|mut file| file.write_all(&text));
        written.map_err(|error| {
            CommandError::caused(format!("Out-File: writing {path}"), &error).into()
        })
    }

    fn pipeline(&mut self, pipeline: &Pipeline, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let mut input = None;
        let Some((last, before)) = pipeline.elements.split_last() else { return Ok(()) };
        for element in before {
            let mut values = Vec::new();
            self.element(element, input.take(), &mut Sink::Kept(&mut values))?;
            input = Some(values);
        }
        self.element(last, input, sink)
    }

    fn element(
        &mut self,
        element: &Element,
        input: Option<Vec<Value>>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        match element {
            Element::Expression(expression) => {
                let value = self.expression(expression)?;
                if matches!(value, Value::Null) {
                    return Ok(());
                }
                value.into_pipe().into_iter().try_for_each(|value| sink.put(value))?;
                Ok(())
            }
            Element::Command(command) => self.command(command, input, sink),
        }
    }

    fn command(
        &mut self,
        command: &Command,
        input: Option<Vec<Value>>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let Some(cmdlet) = cmdlets::find(&command.name) else {
            return self.program(command, input.as_deref(), sink);
        };
        let mut given = Vec::new();
        for argument in &command.arguments {
            given.push(match argument {
                Argument::Parameter { name, value: None } if name == "?" => {
                    sink.put(Value::Text(help::text(cmdlet).trim_end().to_owned()))?;
                    return Ok(());
                }
                Argument::Parameter { name, value } => {
                    let value = value.as_ref().map(|value| self.word(value)).transpose()?;
                    Given::Named { name: name.clone(), value }
                }
                Argument::Value(value) => Given::Plain(self.word(value)?),
                Argument::EndOfParameters => continue,
            });
        }
        let line = binder::bind(cmdlet, given).map_err(|error| refused(cmdlet, error))?;
        self.context.for_all = None;
        match input {
            Some(values) if cmdlet.action.takes_whole_pipe() => {
                self.act_on_all(line, Input::Values(values), sink)
            }
            None => {
                let bound = line.finish().map_err(|error| refused(cmdlet, error))?;
                self.act(&bound, sink)
            }
            Some(values) => values.iter().try_for_each(|value| self.act_on(&line, value, sink)),
        }
    }

    /// Runs a program that is no cmdlet.
    fn program(
        &mut self,
        command: &Command,
        input: Option<&[Value]>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let name = programs::find(&command.name).ok_or_else(|| unknown(&command.name))?;
        if input.is_some() {
            return Err(CommandError::usage(format!(
                "{name}: nothing can be piped into a program"
            ))
            .into());
        }
        let mut words = Vec::new();
        for argument in &command.arguments {
            words.push(match argument {
                Argument::Parameter { name, value: None } => format!("-{name}"),
                Argument::Parameter { name, value: Some(value) } => {
                    format!("-{name}:{}", programs::word(&self.typed_value(value)?))
                }
                Argument::Value(value) => programs::word(&self.typed_value(value)?),
                Argument::EndOfParameters => "--".to_owned(),
            });
        }
        programs::run(name, &words, &mut self.context, sink)?;
        Ok(())
    }

    /// A value for a program: numbers as they are typed.
    fn typed_value(&mut self, expression: &Expression) -> Result<Value, Failure> {
        let word = self.word(expression)?;
        Ok(word.literal.map_or(word.value, Value::Text))
    }

    /// Runs a cmdlet by itself.
    fn act(&mut self, bound: &Bound, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let ran = actions::run(bound, &mut self.context, sink);
        let reported = ran.or_else(|error| self.context.report(bound, error));
        // What is left ends the script.
        reported.map_err(|error| Failure { error: error.of(bound.cmdlet.name), is_last: true })
    }

    /// Runs a cmdlet once for everything that comes from a pipe.
    fn act_on_all(
        &mut self,
        line: CommandLine,
        input: Input,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let cmdlet = line.cmdlet();
        if !line.takes_input() {
            return Err(refused(cmdlet, binder::no_parameter_for_input()).into());
        }
        let bound = line.finish().map_err(|error| refused(cmdlet, error))?;
        self.context.input = Some(input);
        let ran = self.act(&bound, sink);
        self.context.input = None;
        ran
    }

    /// Runs a cmdlet on an object from a pipe; one that does not fit is told, and the next may.
    fn act_on(
        &mut self,
        line: &CommandLine,
        input: &Value,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        match line.with_input(input) {
            Ok(bound) => self.act(&bound, sink),
            Err(error) => {
                self.tell(&refused(line.cmdlet(), error));
                Ok(())
            }
        }
    }

    /// Puts everything in order: nothing runs after it.
    pub(crate) fn end(&mut self) {
        self.context.end();
    }

    /// The next line of stdin.
    ///
    /// # Errors
    /// See [`Waiter::line`].
    pub(super) fn line(&mut self, lines: &mut Lines) -> Result<Option<String>, CommandError> {
        self.context.waiter.line(lines)
    }

    /// Runs a cmdlet that a shell called, on the objects that come to it if there are any.
    pub(super) fn call(&mut self, line: &CommandLine, input: Option<Lines>) {
        self.context.is_alone = true;
        if input.is_some() {
            self.context.host.ask_on_terminal();
        }
        let mut sheet = self.context.shown.sheet();
        let ran = self.call_into(line, input, &mut Sink::Shown(&mut sheet));
        let finished = sheet.finish().map_err(Failure::from);
        if let Err(failure) = ran.and(finished) {
            self.tell(&failure.error);
        }
        self.talk();
    }

    fn call_into(
        &mut self,
        line: &CommandLine,
        input: Option<Lines>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let cmdlet = line.cmdlet();
        let (mut input, mut is_fed) = (input, false);
        if cmdlet.action.takes_whole_pipe()
            && let Some(lines) = input
        {
            return self.act_on_all(line.clone(), Input::Lines(lines), sink);
        }
        while let Some(lines) = &mut input {
            let next = self.line(lines).map_err(|error| error.of(cmdlet.name))?;
            let Some(text) = next else { break };
            if text.trim().is_empty() {
                continue;
            }
            is_fed = true;
            match input::object(text.trim()) {
                Ok(value) => {
                    let mut values = value.into_pipe().into_iter();
                    values.try_for_each(|value| self.act_on(line, &value, sink))?;
                }
                Err(error) => self.tell(&error.of(cmdlet.name)),
            }
        }
        if is_fed {
            return Ok(());
        }
        let bound = line.clone().finish().map_err(|error| refused(cmdlet, error))?;
        self.act(&bound, sink)
    }

    fn word(&mut self, expression: &Expression) -> Result<Word, Failure> {
        let literal =
            if let Expression::Integer { text, .. } | Expression::Real { text, .. } = expression {
                Some(text.clone())
            } else {
                None
            };
        Ok(Word { literal, ..Word::from(self.expression(expression)?) })
    }

    fn expression(&mut self, expression: &Expression) -> Result<Value, Failure> {
        Ok(match expression {
            Expression::Integer { value, .. } => Value::Integer(*value),
            Expression::Real { value, .. } => Value::Real(*value),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::ScriptBlock(text) => Value::ScriptBlock(text.clone()),
            Expression::Variable(name) => self.context.variable(name)?,
            Expression::Template(parts) => {
                let parts = parts.iter().map(|part| self.part(part));
                Value::Text(parts.collect::<Result<_, CommandError>>()?)
            }
            Expression::Member(value, name) => self.expression(value)?.member(name),
            Expression::List(items) => Value::List(
                items.iter().map(|item| self.expression(item)).collect::<Result<_, _>>()?,
            ),
            Expression::Hashtable(entries) => {
                let mut properties = Vec::new();
                for (key, value) in entries {
                    properties.push((key.clone(), self.expression(value)?));
                }
                Value::hashtable(properties)
            }
            Expression::Range(first, last) => Value::List(range(*first, *last)),
            Expression::Parentheses(pipeline) => {
                let mut values = Vec::new();
                self.pipeline(pipeline, &mut Sink::Kept(&mut values))?;
                Value::of(values)
            }
        })
    }

    fn part(&self, part: &Part) -> Result<String, CommandError> {
        match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Variable(name) => Ok(self.context.variable(name)?.text()),
        }
    }
}

/// The numbers from the first to the last, upwards or downwards.
fn range(first: i64, last: i64) -> Vec<Value> {
    let (low, high) = (first.min(last), first.max(last));
    let mut numbers: Vec<Value> = (low..=high).map(Value::Integer).collect();
    if last < first {
        numbers.reverse();
    }
    numbers
}

/// An error about a cmdlet's arguments.
pub(super) fn refused(cmdlet: &Cmdlet, error: BindError) -> CommandError {
    CommandError::usage(error.message).hints(error.hint).of(cmdlet.name)
}

fn unknown(name: &str) -> CommandError {
    CommandError::usage(format!(
        "{name}: The term '{name}' is not recognized as a name of a cmdlet, function, script file, or executable program.\n\
         Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
    ))
    .hint("`transom --help` shows the cmdlets of this version")
}

#[cfg(test)]
mod tests {
    use super::super::parser;
    use super::*;

    fn value(source: &str) -> Value {
        let script = parser::parse(source).unwrap();
        let mut engine = Engine::new(false);
        engine
            .context
            .variables
            .insert("s".to_owned(), serde_json::from_str(r#"{"Id":7,"Name":"n"}"#).unwrap());
        let mut values = Vec::new();
        for statement in &script.statements {
            if let Statement::Run { target: None, pipeline, .. } = statement {
                engine.pipeline(pipeline, &mut Sink::Kept(&mut values)).unwrap();
            } else {
                assert_eq!(engine.statement(statement).unwrap(), Flow::Next);
            }
        }
        Value::of(values)
    }

    #[test]
    fn expressions_have_the_values_that_powershell_gives_them() {
        for (source, json) in [
            ("$s.id", "7"),
            ("$S", r#"{"Id":7,"Name":"n"}"#),
            ("\"$s.Id and $x.`$y\"", r#""System.Collections.Hashtable.Id and .$y""#),
            ("$a = 1,'b',$null; $a", r#"[1,"b",null]"#),
            ("$a = @{ n = $s.Name; t = $TRUE; l = 1, 2 }; $a", r#"{"n":"n","t":true,"l":[1,2]}"#),
            ("$a = 5; ($a), 0x1F, 2kb, -1.5", "[5,31,2048,-1.5]"),
            ("$null = 3; $null", "null"),
            ("$a = 2..-1; $a", "[2,1,0,-1]"),
            ("{ Get-Process | sort }", r#"" Get-Process | sort ""#),
            ("$o = New-PSSessionOption -IdleTimeout 60000; $o.IdleTimeout", "60000"),
            ("(New-PSSessionOption -Cul de-DE).culture", r#""de-DE""#),
        ] {
            assert_eq!(
                String::from_utf8(value(source).json()).unwrap().trim_end(),
                json,
                "{source}"
            );
        }
    }
}
