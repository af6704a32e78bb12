//! Calls of the client's host: one table for both roles, [MS-PSRP] 2.2.3.17, 2.2.6.
//!
//! A pipeline that writes to its host, asks somebody or looks at the screen makes the server send a
//! call; the client's host does it and answers. [`METHODS`] says of each call what it is named,
//! what it takes and what it returns.

/// The number of calls to whose end nobody waits.
pub const NO_ANSWER: i64 = -100;

/// The type of a parameter or of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// Any object.
    Any,
    /// A Boolean.
    Bool,
    /// A cell of the screen: `character`, `foregroundColor`, `backgroundColor`, `bufferCellType`.
    BufferCell,
    /// Cells of the screen in lines: `mae` has them all, `mal` their numbers of lines and columns.
    BufferCells,
    /// A list of objects with `label` and `helpMessage`.
    Choices,
    /// A colour: a number of .NET's `ConsoleColor`, or -1.
    Color,
    /// A place on the screen: `x` and `y`.
    Coordinates,
    /// A dictionary from names of fields to what was answered.
    Answers,
    /// A list of objects that describe what is asked for.
    Fields,
    /// A GUID.
    Guid,
    /// A number of 32 bits.
    Int32,
    /// Numbers of 32 bits.
    Int32s,
    /// A number of 64 bits.
    Int64,
    /// A key that was pressed: `virtualKeyCode`, `character`, `controlKeyState`, `keyDown`.
    KeyInfo,
    /// A user name with a password.
    Credential,
    /// A progress record.
    Progress,
    /// A part of the screen: `left`, `top`, `right`, `bottom`.
    Rectangle,
    /// A string that travels encrypted.
    SecureString,
    /// Columns and lines: `width` and `height`.
    Size,
    /// A string.
    String,
    /// A version.
    Version,
}

/// What a call takes and returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The call.
    pub method: Method,
    /// The types of its parameters.
    pub parameters: &'static [Type],
    /// The type of its result; `None` where it returns nothing and nobody waits for its end.
    pub result: Option<Type>,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $number:literal ($($parameter:ident),*) $(-> $result:ident)?;)*) => {
        /// A call of the host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// A call that is not known here.
            Other(i32),
        }

        impl Method {
            /// The call of this number.
            #[must_use]
            pub const fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The name, or the number where there is none.
            #[must_use]
            pub fn name(self) -> String {
                match self {
                    $(Self::$variant => stringify!($variant).to_owned(),)*
                    Self::Other(number) => number.to_string(),
                }
            }
        }

        /// All calls, in the order of their numbers.
        pub const METHODS: &[Signature] = &[
            $(Signature {
                method: Method::$variant,
                parameters: &[$(Type::$parameter),*],
                result: methods!(@result $($result)?),
            },)*
        ];
    };
    (@result) => { None };
    (@result $result:ident) => { Some(Type::$result) };
}

methods! {
    /// The host's name.
    GetName = 1 () -> String;
    /// The host's version.
    GetVersion = 2 () -> Version;
    /// The host's id.
    GetInstanceId = 3 () -> Guid;
    /// The culture.
    GetCurrentCulture = 4 () -> Any;
    /// The culture of the user interface.
    GetCurrentUICulture = 5 () -> Any;
    /// The session shall end, with this exit code.
    SetShouldExit = 6 (Int32);
    /// A nested prompt shall begin.
    EnterNestedPrompt = 7 ();
    /// The nested prompt shall end.
    ExitNestedPrompt = 8 ();
    /// A native program begins.
    NotifyBeginApplication = 9 ();
    /// The native program has ended.
    NotifyEndApplication = 10 ();
    /// Reads a line.
    ReadLine = 11 () -> String;
    /// Reads a line without showing it.
    ReadLineAsSecureString = 12 () -> SecureString;
    /// Writes text.
    Write1 = 13 (String);
    /// Writes text in colours: foreground, background, text.
    Write2 = 14 (Color, Color, String);
    /// Ends a line.
    WriteLine1 = 15 ();
    /// Writes a line.
    WriteLine2 = 16 (String);
    /// Writes a line in colours.
    WriteLine3 = 17 (Color, Color, String);
    /// Writes an error.
    WriteErrorLine = 18 (String);
    /// Writes a debug message.
    WriteDebugLine = 19 (String);
    /// Shows progress: the source's number and the record.
    WriteProgress = 20 (Int64, Progress);
    /// Writes a verbose message.
    WriteVerboseLine = 21 (String);
    /// Writes a warning.
    WriteWarningLine = 22 (String);
    /// Asks for several things: caption, message, fields.
    Prompt = 23 (String, String, Fields) -> Answers;
    /// Asks for user and password: caption, message, user name, target.
    PromptForCredential1 = 24 (String, String, String, String) -> Credential;
    /// As before, with the kinds of credentials that are taken and options.
    PromptForCredential2 = 25 (String, String, String, String, Int32, Int32) -> Credential;
    /// Asks to choose: caption, message, choices, default.
    PromptForChoice = 26 (String, String, Choices, Int32) -> Int32;
    /// The colour of text.
    GetForegroundColor = 27 () -> Color;
    /// Sets the colour of text.
    SetForegroundColor = 28 (Color);
    /// The colour behind text.
    GetBackgroundColor = 29 () -> Color;
    /// Sets the colour behind text.
    SetBackgroundColor = 30 (Color);
    /// Where the cursor is.
    GetCursorPosition = 31 () -> Coordinates;
    /// Moves the cursor.
    SetCursorPosition = 32 (Coordinates);
    /// Where the window is.
    GetWindowPosition = 33 () -> Coordinates;
    /// Moves the window.
    SetWindowPosition = 34 (Coordinates);
    /// The cursor's size in percent.
    GetCursorSize = 35 () -> Int32;
    /// Sets the cursor's size.
    SetCursorSize = 36 (Int32);
    /// The buffer's size.
    GetBufferSize = 37 () -> Size;
    /// Sets the buffer's size.
    SetBufferSize = 38 (Size);
    /// The window's size.
    GetWindowSize = 39 () -> Size;
    /// Sets the window's size.
    SetWindowSize = 40 (Size);
    /// The window's title.
    GetWindowTitle = 41 () -> String;
    /// Sets the window's title.
    SetWindowTitle = 42 (String);
    /// The largest window that the buffer allows.
    GetMaxWindowSize = 43 () -> Size;
    /// The largest window that the screen allows.
    GetMaxPhysicalWindowSize = 44 () -> Size;
    /// Whether a key was pressed.
    GetKeyAvailable = 45 () -> Bool;
    /// Waits for a key: 1 takes Ctrl-C, 2 does not show it, 4 when it goes down, 8 when it comes up.
    ReadKey = 46 (Int32) -> KeyInfo;
    /// Forgets keys that were pressed.
    FlushInputBuffer = 47 ();
    /// Fills a part of the screen.
    SetBufferContents1 = 48 (Rectangle, BufferCell);
    /// Writes cells to the screen.
    SetBufferContents2 = 49 (Coordinates, BufferCells);
    /// Reads a part of the screen.
    GetBufferContents = 50 (Rectangle) -> BufferCells;
    /// Moves a part of the screen: source, destination, what may change, what to fill with.
    ScrollBufferContents = 51 (Rectangle, Coordinates, Rectangle, BufferCell);
    /// Goes on in another runspace.
    PushRunspace = 52 (Any);
    /// Leaves that runspace.
    PopRunspace = 53 ();
    /// Whether it is in another runspace.
    GetIsRunspacePushed = 54 () -> Bool;
    /// The runspace that it is in.
    GetRunspace = 55 () -> Any;
    /// Asks to choose several: caption, message, choices, defaults.
    PromptForChoiceMultipleSelection = 56 (String, String, Choices, Int32s) -> Int32s;
}

impl Method {
    /// What it takes and returns; `None` for a call that is not known.
    #[must_use]
    pub fn signature(self) -> Option<&'static Signature> {
        METHODS.iter().find(|signature| signature.method == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_1_to_56() {
        assert!((1..).zip(METHODS).all(|(number, signature)| signature.method.number() == number));
        assert_eq!(METHODS.len(), 56);
        assert_eq!(Method::from_number(26).name(), "PromptForChoice");
        assert_eq!(Method::Other(99).signature(), None);
    }
}
