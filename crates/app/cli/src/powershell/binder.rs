//! Gives each argument to a parameter, as PowerShell does: by name or a beginning of it, by position, from the pipe; and
//! finds the parameter set that is meant.
//!
//! ```text
//!  named ──► positional ──► CommandLine ──┬─ finish ───────────────────► Bound
//!                                         └─ with_input, each object ──► Bound
//! ```

use super::convert::{convert, is_natural};
use super::literals;
use super::syntax::Expression;
use super::table::{Cmdlet, Parameter};
use super::value::Value;

/// The common parameters of PowerShell that cmdlets here do not have.
const NOT_COMMON: &[&str] = &[
    "Debug",
    "ErrorVariable",
    "InformationAction",
    "InformationVariable",
    "OutBuffer",
    "OutVariable",
    "PipelineVariable",
    "ProgressAction",
    "WarningAction",
    "WarningVariable",
];

/// An argument.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// `-Name`, `-Name:value`.
    Named { name: String, value: Option<Word> },
    /// A value by itself.
    Plain(Word),
}

/// A value, and how it was written if that may matter.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) value: Value,
    /// What a parameter that takes a text gets: `007` is not 7.
    pub(crate) literal: Option<String>,
    /// A shell took the command line apart: commas separate values.
    pub(crate) is_from_shell: bool,
}

impl From<Value> for Word {
    fn from(value: Value) -> Self {
        Self { value, literal: None, is_from_shell: false }
    }
}

impl Word {
    /// A word as a shell passes it on.
    pub(crate) fn from_shell(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let value = match (lower.as_str(), literals::number(text)) {
            ("$true" | "true", _) => Value::Bool(true),
            ("$false" | "false", _) => Value::Bool(false),
            ("$null", _) => Value::Null,
            (_, Some(Expression::Integer { value, .. })) => Value::Integer(value),
            (_, Some(Expression::Real { value, .. })) => Value::Real(value),
            _ => script_block(text).unwrap_or_else(|| Value::Text(text.to_owned())),
        };
        let literal = (!matches!(value, Value::Null)).then(|| text.to_owned());
        Self { value, literal, is_from_shell: true }
    }

    fn shown(&self) -> String {
        self.literal.clone().unwrap_or_else(|| self.value.text())
    }
}

/// A word in braces is a script block, unless it is an object of JSON.
fn script_block(word: &str) -> Option<Value> {
    let inside = word.trim().strip_prefix('{')?.strip_suffix('}')?;
    let is_json = serde_json::from_str::<Value>(word).is_ok();
    (!is_json).then(|| Value::ScriptBlock(inside.to_owned()))
}

/// Why arguments do not fit, in PowerShell's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BindError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl BindError {
    pub(super) const fn new(message: String) -> Self {
        Self { message, hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Which parameter gets which value.
pub(super) type Values = Vec<(&'static Parameter, Value)>;

/// The arguments of a command line, bound as far as no pipe is needed for it.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    cmdlet: &'static Cmdlet,
    values: Values,
    /// The sets to which all of them belong.
    sets: Vec<&'static str>,
}

/// A cmdlet with the values of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) cmdlet: &'static Cmdlet,
    /// The parameter set.
    pub(crate) set: &'static str,
    values: Values,
}

impl Bound {
    /// Values that are bound already.
    pub(super) const fn of(cmdlet: &'static Cmdlet, values: Values) -> Self {
        Self { cmdlet, set: "All", values }
    }

    /// Each parameter that has a value.
    pub(super) const fn values(&self) -> &Values {
        &self.values
    }

    /// The value of a parameter, if it has one.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(parameter, _)| parameter.name == name).map(|(_, value)| value)
    }

    /// A text, or one of several choices.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether a switch is set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }
}

/// Binds the arguments of a command line.
///
/// # Errors
/// [`BindError`].
pub(crate) fn bind(
    cmdlet: &'static Cmdlet,
    arguments: Vec<Given>,
) -> Result<CommandLine, BindError> {
    let mut line = CommandLine { cmdlet, values: Vec::new(), sets: cmdlet.sets.to_vec() };
    let mut plain = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument {
            Given::Plain(word) => {
                plain.push(word);
                continue;
            }
            Given::Named { name, value } => (name, value),
        };
        let parameter = resolve(cmdlet, &name)?;
        let word = match value {
            Some(word) => word,
            None if parameter.kind == super::table::Kind::Switch => Value::Bool(true).into(),
            None => match arguments.next_if(|next| matches!(next, Given::Plain(_))) {
                Some(Given::Plain(word)) => word,
                Some(Given::Named { .. }) | None => return Err(missing(parameter)),
            },
        };
        line.set(parameter, word)?;
    }
    if line.sets.is_empty() {
        return Err(ambiguous_sets());
    }
    for word in plain {
        line.place(word)?;
    }
    Ok(line)
}

impl CommandLine {
    fn has(&self, parameter: &Parameter) -> bool {
        self.values.iter().any(|(bound, _)| *bound == parameter)
    }

    fn set(&mut self, parameter: &'static Parameter, word: Word) -> Result<(), BindError> {
        if self.has(parameter) {
            return Err(BindError::new(format!(
                "Cannot bind parameter because parameter '{}' is specified more than once. To provide multiple values to \
                 parameters that can accept multiple values, use the array syntax. For example, \"-parameter \
                 value1,value2,value3\".",
                parameter.name
            )));
        }
        let value = convert(parameter, word)?;
        self.keep(parameter, value);
        Ok(())
    }

    fn keep(&mut self, parameter: &'static Parameter, value: Value) {
        self.values.push((parameter, value));
        self.sets.retain(|set| parameter.membership(set).is_some());
    }

    /// The parameters at the first position that is free, those of the default set first.
    fn open_position(&self) -> Vec<&'static Parameter> {
        let mut found: Vec<(u8, &'static Parameter)> = Vec::new();
        for set in &self.sets {
            let free = self.cmdlet.all().filter(|parameter| !self.has(parameter));
            let positions = free
                .filter_map(|parameter| Some((parameter.membership(set)?.position?, parameter)));
            found.extend(positions.min_by_key(|(position, _)| *position));
        }
        let first = found.iter().map(|(position, _)| *position).min();
        let mut parameters = Vec::new();
        for (position, parameter) in found {
            if Some(position) == first && !parameters.contains(&parameter) {
                parameters.push(parameter);
            }
        }
        parameters
    }

    /// Gives a value without a name to the first free position: to a parameter of the value's own type if there is one,
    /// else to one that can be made of it.
    fn place(&mut self, word: Word) -> Result<(), BindError> {
        let parameters = self.open_position();
        let natural = parameters.iter().find(|parameter| is_natural(parameter, &word.value));
        let mut failure = None;
        for parameter in natural.into_iter().chain(&parameters) {
            match convert(parameter, word.clone()) {
                Ok(value) => {
                    self.keep(parameter, value);
                    return Ok(());
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            let shown = word.shown();
            BindError::new(format!(
                "A positional parameter cannot be found that accepts argument '{shown}'."
            ))
        }))
    }

    pub(crate) const fn cmdlet(&self) -> &'static Cmdlet {
        self.cmdlet
    }

    /// Whether something from a pipe could still be bound.
    pub(crate) fn takes_input(&self) -> bool {
        self.open_for_input().next().is_some()
    }

    /// Whether a value itself from a pipe could still be bound, whatever properties it has.
    pub(crate) fn takes_values(&self) -> bool {
        self.open_for_input().any(|parameter| parameter.pipeline.value)
    }

    fn open_for_input(&self) -> impl Iterator<Item = &'static Parameter> {
        self.cmdlet.all().filter(|parameter| {
            parameter.pipeline.is_any()
                && !self.has(parameter)
                && self.sets.iter().any(|set| parameter.membership(set).is_some())
        })
    }

    /// Binds an object from the pipe: by its type first, by its properties next, then by what can be made of them.
    ///
    /// # Errors
    /// No parameter takes it, or what [`CommandLine::finish`] says.
    pub(crate) fn with_input(&self, input: &Value) -> Result<Bound, BindError> {
        let mut line = self.clone();
        line.take_value(input, true)?;
        line.take_properties(input, true)?;
        if line.values.len() == self.values.len() {
            line.take_value(input, false)?;
        }
        line.take_properties(input, false)?;
        if line.values.len() == self.values.len() {
            return Err(no_parameter_for_input());
        }
        line.finish()
    }

    fn take_value(&mut self, input: &Value, needs_nature: bool) -> Result<(), BindError> {
        let open: Vec<_> =
            self.open_for_input().filter(|parameter| parameter.pipeline.value).collect();
        let mut failure = None;
        for parameter in open {
            if needs_nature && !is_natural(parameter, input) {
                continue;
            }
            match convert(parameter, input.clone().into()) {
                Ok(value) => {
                    self.keep(parameter, value);
                    return Ok(());
                }
                // Its properties may fit better.
                Err(_) if matches!(input, Value::Object(_) | Value::Remote(_)) => {}
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// A property that does not fit is an error: what it asks for would be left out without a word.
    fn take_properties(&mut self, input: &Value, needs_nature: bool) -> Result<(), BindError> {
        let plain = if let Value::Remote(remote) = input { remote.plain() } else { Value::Null };
        let ((Value::Object(object), _) | (_, Value::Object(object))) = (input, &plain) else {
            return Ok(());
        };
        let open: Vec<_> =
            self.open_for_input().filter(|parameter| parameter.pipeline.property).collect();
        for parameter in open {
            // The sets have become fewer with each.
            if !self.sets.iter().any(|set| parameter.membership(set).is_some()) {
                continue;
            }
            let Some(value) = parameter.names().find_map(|name| object.property(name)) else {
                continue;
            };
            if !needs_nature || is_natural(parameter, value) {
                let value = convert(parameter, value.clone().into())?;
                self.keep(parameter, value);
            }
        }
        Ok(())
    }

    /// Decides for a parameter set.
    ///
    /// # Errors
    /// Mandatory parameters are missing, or it is not clear which set is meant.
    pub(crate) fn finish(self) -> Result<Bound, BindError> {
        let lacking = |set: &str| -> Vec<&'static str> {
            let is_mandatory = |parameter: &&Parameter| {
                parameter.membership(set).is_some_and(|membership| membership.is_mandatory)
            };
            let missing =
                self.cmdlet.all().filter(is_mandatory).filter(|parameter| !self.has(parameter));
            missing.map(|parameter| parameter.name).collect()
        };
        let whole: Vec<&'static str> =
            self.sets.iter().copied().filter(|set| lacking(set).is_empty()).collect();
        let default = self.cmdlet.sets.first().copied().filter(|set| self.sets.contains(set));
        let set = match (whole.as_slice(), self.sets.as_slice()) {
            ([only], _) => only,
            ([], [only]) => only,
            _ => default.ok_or_else(ambiguous_sets)?,
        };
        let lacking = lacking(set);
        if !lacking.is_empty() {
            return Err(BindError::new(format!(
                "Cannot process command because of one or more missing mandatory parameters: {}.",
                lacking.join(" ")
            )));
        }
        Ok(Bound { cmdlet: self.cmdlet, set, values: self.values })
    }
}

/// The parameter of this name or alias, or the only one that begins so.
fn resolve(cmdlet: &'static Cmdlet, name: &str) -> Result<&'static Parameter, BindError> {
    let is_called =
        |parameter: &&Parameter| parameter.names().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(parameter) = cmdlet.all().find(is_called) {
        return Ok(parameter);
    }
    let begins =
        |known: &str| known.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    let found: Vec<_> = cmdlet.all().filter(|parameter| parameter.names().any(begins)).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let error = BindError::new(format!(
                "A parameter cannot be found that matches parameter name '{name}'."
            ));
            let is_common = NOT_COMMON.iter().any(|common| common.eq_ignore_ascii_case(name));
            let hint = if is_common {
                "of PowerShell's common parameters there are -ErrorAction and -Verbose".to_owned()
            } else {
                format!("`{} -?` shows its parameters", cmdlet.name)
            };
            Err(error.hint(hint))
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|parameter| format!("-{}", parameter.name)).collect();
            Err(BindError::new(format!(
                "Parameter cannot be processed because the parameter name '{name}' is ambiguous. Possible matches include: {}.",
                names.join(" ")
            )))
        }
    }
}

fn missing(parameter: &Parameter) -> BindError {
    let list = if parameter.is_list { "[]" } else { "" };
    BindError::new(format!(
        "Missing an argument for parameter '{}'. Specify a parameter of type '{}{list}' and try again.",
        parameter.name,
        parameter.kind.type_name()
    ))
}

/// Nothing takes what comes from the pipe.
pub(crate) fn no_parameter_for_input() -> BindError {
    BindError::new(
        "The input object cannot be bound to any parameters for the command either because the command does not take \
         pipeline input or the input and its properties do not match any of the parameters that take pipeline input."
            .to_owned(),
    )
}

fn ambiguous_sets() -> BindError {
    BindError::new(
        "Parameter set cannot be resolved using the specified named parameters. One or more parameters issued cannot be used \
         together or an insufficient number of parameters were provided."
            .to_owned(),
    )
}
