//! What kinds of shells there are: whose streams they have and what can be done with them.

use std::fmt;

use super::OutputStream;
use super::stream_name;

/// A stream that a client writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "[MS-WSMV] and [MS-PSRP] name these two")]
pub enum InputStream {
    /// `stdin`.
    #[default]
    Stdin,
    /// `pr`: what goes before anything that waits on `stdin`, [MS-PSRP] 3.1.5.3.5.
    Priority,
}

impl InputStream {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdin => stream_name::STDIN,
            Self::Priority => stream_name::PRIORITY,
        }
    }

    /// The stream of that name. Windows compares names without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Stdin, Self::Priority]
            .into_iter()
            .find(|stream| stream.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for InputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of shell.
///
/// A command shell's streams belong to its commands, and it ends with its client. A plug-in's shell
/// has streams of its own beside those of its commands, and can be left and taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(super) inputs: &'static [InputStream],
    pub(super) outputs: &'static [OutputStream],
    pub(super) is_plug_in: bool,
}

impl Profile {
    /// The command shell.
    pub const COMMAND: Self =
        Self { inputs: &[InputStream::Stdin], outputs: &OutputStream::ALL, is_plug_in: false };
    /// PowerShell's: `stdin` and `pr` in, `stdout` out.
    pub const POWERSHELL: Self = Self {
        inputs: &[InputStream::Stdin, InputStream::Priority],
        outputs: &[OutputStream::Stdout],
        is_plug_in: true,
    };

    /// The input streams.
    #[must_use]
    pub const fn inputs(&self) -> &'static [InputStream] {
        self.inputs
    }

    /// The output streams.
    #[must_use]
    pub const fn outputs(&self) -> &'static [OutputStream] {
        self.outputs
    }

    /// Names of the input streams, as a Create lists them.
    #[must_use]
    pub fn input_names(&self) -> Vec<String> {
        self.inputs.iter().map(|stream| stream.name().to_owned()).collect()
    }

    /// Names of the output streams, as a Create lists them.
    #[must_use]
    pub fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(|stream| stream.name().to_owned()).collect()
    }
}
