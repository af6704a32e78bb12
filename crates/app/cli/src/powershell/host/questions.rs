//! Questions of a host to the user: lines, secrets, fields, choices, accounts.

use psrp::clixml::{Content, Fields, Object, Properties, TypeNames, Value};
use psrp::session_key::Plain;
use zeroize::Zeroizing;

use super::parameters::{Choice, Field, Parameters};
use super::screen::{Color, NO_COLOR, YELLOW};
use super::{Host, Refused};
use client::pool::Pool;

const WHITE: Color = 15;
const BRIGHT_YELLOW: Color = 14;
const SECURE_STRING: &str = "System.Security.SecureString";
const CREDENTIAL: &str = "System.Management.Automation.PSCredential";
/// The most answers to one question that takes several.
const MAX_ANSWERS: usize = 10_000;

impl Host {
    /// `ReadLine`.
    pub(super) async fn read_line(&mut self) -> Result<Value, Refused> {
        self.line().await.map(Value::from)
    }

    /// `ReadLineAsSecureString`.
    pub(super) async fn read_secret(&mut self, pool: &Pool) -> Result<Value, Refused> {
        self.warn(
            "is asking to read a line securely. Enter sensitive information, such as your credentials, only if you trust \
             the remote computer and the application or script that is requesting it.",
        )?;
        self.encrypted(pool).await
    }

    /// `Prompt`.
    pub(super) async fn prompt(
        &mut self,
        parameters: Parameters<'_>,
        pool: &Pool,
    ) -> Result<Value, Refused> {
        let fields = parameters.fields(2)?;
        if fields.iter().any(|field| matches!(&*field.type_name, SECURE_STRING | CREDENTIAL)) {
            self.warn(
                "is sending a prompt request. When you are prompted, enter sensitive information, such as credentials or \
                 passwords, only if you trust the remote computer and the application or script that is requesting the \
                 data.",
            )?;
        }
        self.head(&parameters.text(0)?, &parameters.text(1)?)?;
        let mut answers = Vec::new();
        for field in &fields {
            answers.push((Value::from(field.name.as_str()), self.field(field, pool).await?));
        }
        Ok(Object::new(Fields {
            type_names: Some(TypeNames::new(["System.Collections.Hashtable", "System.Object"])),
            content: Content::Dictionary(answers),
            ..Fields::default()
        })
        .into())
    }

    async fn field(&mut self, field: &Field, pool: &Pool) -> Result<Value, Refused> {
        if !field.is_list {
            return Ok(self
                .item(field, &field.label, pool)
                .await?
                .unwrap_or_else(|| field.default.clone()));
        }
        let mut items = Vec::new();
        while items.len() < MAX_ANSWERS {
            let label = format!("{}[{}]", field.label, items.len());
            match self.item(field, &label, pool).await? {
                Some(item) => items.push(item),
                None => break,
            }
        }
        Ok(Object::list("System.Collections.ArrayList", items).into())
    }

    /// One answer; `None` is an empty one.
    async fn item(
        &mut self,
        field: &Field,
        label: &str,
        pool: &Pool,
    ) -> Result<Option<Value>, Refused> {
        if field.type_name == CREDENTIAL {
            self.screen.question(&[(NO_COLOR, label), (NO_COLOR, "\n")])?;
            return self.account(String::new(), "", pool).await.map(Some);
        }
        loop {
            self.screen.question(&[(NO_COLOR, label), (NO_COLOR, ": ")])?;
            if field.type_name == SECURE_STRING {
                return self.encrypted(pool).await.map(Some);
            }
            let line = self.line().await?;
            // As in PowerShell: `!?` is help, and the second of two marks is part of the answer.
            let answer = match line.strip_prefix('!') {
                Some("?") if field.help.is_empty() => {
                    let text = format!("No help is available for {}.\n", field.label);
                    self.screen.question(&[(NO_COLOR, &text)])?;
                    continue;
                }
                Some("?") => {
                    self.screen.question(&[(NO_COLOR, &field.help), (NO_COLOR, "\n")])?;
                    continue;
                }
                Some(rest) if rest.starts_with('!') => rest,
                _ => line.as_str(),
            };
            if answer.is_empty() && (field.is_list || !field.default.is_null()) {
                return Ok(None);
            }
            match typed(answer, &field.type_name) {
                Some(value) => return Ok(Some(value)),
                None => {
                    let name = &field.type_name;
                    let text = format!(
                        "Cannot recognize \"{answer}\" as a {name} due to a format error.\n"
                    );
                    self.screen.question(&[(NO_COLOR, &text)])?;
                }
            }
        }
    }

    /// `PromptForCredential1` and `2`.
    pub(super) async fn prompt_for_credential(
        &mut self,
        parameters: Parameters<'_>,
        pool: &Pool,
    ) -> Result<Value, Refused> {
        let caption = parameters.text(0)?;
        let warning = format!(
            "Warning: A script or application on the remote computer {} is requesting your credentials. Enter your \
             credentials only if you trust the remote computer and the application or script that is requesting \
             them.\n\n{}",
            self.computer.to_uppercase(),
            parameters.text(1)?
        );
        self.head(&format!("PowerShell Credential Request: {caption}"), &warning)?;
        self.account(parameters.text(2)?, &parameters.text(3)?, pool).await
    }

    async fn account(
        &mut self,
        known: String,
        target: &str,
        pool: &Pool,
    ) -> Result<Value, Refused> {
        let mut user = known;
        if user.is_empty() {
            self.screen.question(&[(NO_COLOR, "User: ")])?;
            user = self.line().await?;
        }
        if user.is_empty() {
            return Ok(Value::Null);
        }
        self.screen.question(&[(NO_COLOR, &format!("Password for user {user}: "))])?;
        let password = self.encrypted(pool).await?;
        self.screen.question(&[(NO_COLOR, "\n")])?;
        if !target.is_empty() && !user.contains(['\\', '@']) {
            user = format!("{target}\\{user}");
        }
        Ok(Object::new(Fields {
            type_names: Some(TypeNames::new([CREDENTIAL, "System.Object"])),
            to_string: Some(CREDENTIAL.into()),
            adapted: Properties::default().with("UserName", user).with("Password", password),
            ..Fields::default()
        })
        .into())
    }

    /// `PromptForChoice`.
    pub(super) async fn prompt_for_choice(
        &mut self,
        parameters: Parameters<'_>,
    ) -> Result<Value, Refused> {
        let choices = parameters.choices(2)?;
        let default = parameters.number(3)?;
        let default = usize::try_from(default).ok().filter(|index| *index < choices.len());
        self.head(&parameters.text(0)?, &parameters.text(1)?)?;
        loop {
            self.offer(&choices, default.as_slice())?;
            let hint = default.and_then(|index| choices.get(index));
            let hint = hint.map(|choice| format!("(default is \"{}\"): ", short(choice)));
            self.screen.question(&[(NO_COLOR, &hint.unwrap_or_default())])?;
            let line = self.line().await?;
            let index = match line.trim() {
                "" => default,
                "?" => {
                    self.explain(&choices)?;
                    continue;
                }
                answer => chosen(&choices, answer),
            };
            if let Some(index) = index.and_then(|index| i32::try_from(index).ok()) {
                return Ok(index.into());
            }
        }
    }

    /// `PromptForChoiceMultipleSelection`.
    pub(super) async fn prompt_for_choices(
        &mut self,
        parameters: Parameters<'_>,
    ) -> Result<Value, Refused> {
        let choices = parameters.choices(2)?;
        let defaults: Vec<usize> = parameters
            .numbers(3)?
            .into_iter()
            .filter_map(|index| usize::try_from(index).ok().filter(|index| *index < choices.len()))
            .collect();
        self.head(&parameters.text(0)?, &parameters.text(1)?)?;
        self.offer(&choices, &defaults)?;
        let names: Vec<&str> =
            defaults.iter().filter_map(|index| choices.get(*index)).map(short).collect();
        let hint = match names.as_slice() {
            [] => "\n".to_owned(),
            [one] => format!("(default is \"{one}\")\n"),
            several => format!("(default choices are {})\n", several.join(",")),
        };
        self.screen.question(&[(NO_COLOR, &hint)])?;
        let mut taken: Vec<usize> = Vec::new();
        while taken.len() < MAX_ANSWERS {
            self.screen.question(&[(NO_COLOR, &format!("Choice[{}]: ", taken.len()))])?;
            let line = self.line().await?;
            match line.trim() {
                "" => break,
                "?" => self.explain(&choices)?,
                answer => taken.extend(chosen(&choices, answer)),
            }
        }
        let taken = if taken.is_empty() { defaults } else { taken };
        let numbers = taken.into_iter().filter_map(|index| i32::try_from(index).ok());
        let numbers = numbers.map(Value::from).collect();
        Ok(Object::list("System.Collections.ArrayList", numbers).into())
    }

    /// The line with the choices.
    fn offer(&mut self, choices: &[Choice], defaults: &[usize]) -> Result<(), Refused> {
        let texts: Vec<(Color, String)> = choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                let color = if defaults.contains(&index) { BRIGHT_YELLOW } else { WHITE };
                (color, format!("[{}] {}  ", choice.key, choice.label))
            })
            .collect();
        let mut pieces: Vec<(Color, &str)> =
            texts.iter().map(|(color, text)| (*color, text.as_str())).collect();
        pieces.push((NO_COLOR, "[?] Help "));
        Ok(self.screen.question(&pieces)?)
    }

    fn explain(&mut self, choices: &[Choice]) -> Result<(), Refused> {
        for choice in choices {
            let text = format!("{} - {}", short(choice), choice.help);
            self.screen.question(&[(NO_COLOR, text.trim_end()), (NO_COLOR, "\n")])?;
        }
        Ok(())
    }

    /// Caption and message above a question.
    fn head(&mut self, caption: &str, message: &str) -> Result<(), Refused> {
        if !caption.is_empty() {
            let caption = wrapped(caption, self.screen.wrap());
            self.screen.question(&[(NO_COLOR, "\n"), (WHITE, &caption), (NO_COLOR, "\n")])?;
        }
        if !message.is_empty() {
            let message = wrapped(message, self.screen.wrap());
            self.screen.question(&[(NO_COLOR, &message), (NO_COLOR, "\n")])?;
        }
        Ok(())
    }

    /// Says that it is a computer far away that asks for a secret.
    fn warn(&mut self, what: &str) -> Result<(), Refused> {
        let computer = self.computer.to_uppercase();
        let text =
            format!("WARNING: A script or application on the remote computer {computer} {what}");
        Ok(self.screen.message(YELLOW, &text)?)
    }

    async fn encrypted(&mut self, pool: &Pool) -> Result<Value, Refused> {
        let secret = self.secret().await?;
        let plain = Plain::from(std::str::from_utf8(&secret).unwrap_or_default());
        let string = pool.encrypt(plain).await;
        string.map(Value::from).map_err(|error| Refused::Call(error.to_string()))
    }

    /// A line of the user.
    async fn line(&mut self) -> Result<String, Refused> {
        self.screen.end_line()?;
        self.input.line().await?.ok_or_else(unanswered)
    }

    async fn secret(&mut self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.screen.end_line()?;
        self.input.secret().await?.ok_or_else(unanswered)
    }
}

fn unanswered() -> Refused {
    Refused::Call("the input ended before the question was answered".to_owned())
}

/// What a choice is called in a hint: its key, or its label where it has none.
fn short(choice: &Choice) -> &str {
    if choice.key.is_empty() { &choice.label } else { &choice.key }
}

/// The choice with this key or this label.
fn chosen(choices: &[Choice], answer: &str) -> Option<usize> {
    let answer = answer.to_lowercase();
    let by = |name: fn(&Choice) -> &str| {
        choices.iter().position(|choice| name(choice).to_lowercase() == answer)
    };
    by(|choice| &choice.key).or_else(|| by(|choice| &choice.label))
}

/// An answer as the type that was asked for; `None` where it is none.
fn typed(answer: &str, type_name: &str) -> Option<Value> {
    let trimmed = answer.trim();
    Some(match type_name {
        "System.Int32" => trimmed.parse::<i32>().ok()?.into(),
        "System.Int64" => trimmed.parse::<i64>().ok()?.into(),
        "System.UInt32" => trimmed.parse::<u32>().ok()?.into(),
        "System.Double" => trimmed.parse::<f64>().ok()?.into(),
        "System.Boolean" if trimmed.eq_ignore_ascii_case("true") => true.into(),
        "System.Boolean" if trimmed.eq_ignore_ascii_case("false") => false.into(),
        "System.Boolean" => return None,
        _ => answer.into(),
    })
}

/// Breaks lines between words, so that they fit the terminal.
fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            let length = line.chars().count() + word.trim_end().chars().count();
            if !line.is_empty() && length >= width {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_type_that_was_asked_for() {
        assert_eq!(typed(" 5 ", "System.Int32"), Some(Value::Int32(5)));
        assert_eq!(typed("TRUE", "System.Boolean"), Some(Value::Bool(true)));
        assert_eq!(typed(" x ", "System.String"), Some(" x ".into()));
        for (answer, name) in
            [("x", "System.Int32"), ("", "System.Int64"), ("ja", "System.Boolean")]
        {
            assert_eq!(typed(answer, name), None, "{answer} {name}");
        }
    }

    #[test]
    fn choices_are_found_by_key_and_by_label() {
        let choice = |label: &str, key: &str| Choice {
            label: label.to_owned(),
            key: key.to_owned(),
            help: String::new(),
        };
        let choices = [choice("Yes", "Y"), choice("Y", "A"), choice("Later", "")];
        assert_eq!(chosen(&choices, "y"), Some(0));
        assert_eq!(chosen(&choices, "YES"), Some(0));
        assert_eq!(chosen(&choices, "later"), Some(2));
        assert_eq!(chosen(&choices, "zz"), None);
    }

    #[test]
    fn long_messages_break_between_words() {
        assert_eq!(wrapped("one two three\nfour", Some(9)), "one two\nthree\nfour");
        assert_eq!(wrapped("longerthanthat x", Some(5)), "longerthanthat\nx");
        assert_eq!(wrapped("one two", None), "one two");
    }
}
