//! HostInfo: what the client's host can, and how it looks at first, [MS-PSRP] 2.2.3.14.

use super::Error;
use super::bag::Bag;
use crate::clixml::{Content, Fields, Object, Properties, TypeNames, Value};

/// What the client's host can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// There is no host.
    pub is_host_null: bool,
    /// The host has no user interface.
    pub is_host_ui_null: bool,
    /// The user interface is no screen with a keyboard.
    pub is_host_raw_ui_null: bool,
    /// For a pipeline: the host is the pool's.
    pub use_runspace_host: bool,
    /// The screen at the beginning.
    pub default_data: Option<HostDefaultData>,
}

/// The screen at the beginning. A colour is a number of .NET's `ConsoleColor`, or -1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDefaultData {
    /// The colour of text.
    pub foreground_color: i32,
    /// The colour behind text.
    pub background_color: i32,
    /// Where the cursor is, in the buffer.
    pub cursor_position: Coordinates,
    /// Where the window is, in the buffer.
    pub window_position: Coordinates,
    /// How much of a cell the cursor fills, in percent.
    pub cursor_size: i32,
    /// Columns and lines of the buffer.
    pub buffer_size: Size,
    /// Columns and lines of the window.
    pub window_size: Size,
    /// The largest window that the buffer allows.
    pub max_window_size: Size,
    /// The largest window that the screen allows.
    pub max_physical_window_size: Size,
    /// The window's title.
    pub window_title: String,
}

/// A place on a screen, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coordinates {
    /// The column.
    pub x: i32,
    /// The line.
    pub y: i32,
}

/// Columns and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Columns.
    pub width: i32,
    /// Lines.
    pub height: i32,
}

const COORDINATES: &str = "System.Management.Automation.Host.Coordinates";
const SIZE: &str = "System.Management.Automation.Host.Size";
const COLOR: &str = "System.ConsoleColor";

impl HostInfo {
    /// No host: calls of the host fail on the server already.
    pub const NONE: Self = Self {
        is_host_null: true,
        is_host_ui_null: true,
        is_host_raw_ui_null: true,
        use_runspace_host: true,
        default_data: None,
    };

    pub(super) fn to_value(&self) -> Value {
        let mut bag = Properties::default()
            .with("_isHostNull", self.is_host_null)
            .with("_isHostUINull", self.is_host_ui_null)
            .with("_isHostRawUINull", self.is_host_raw_ui_null)
            .with("_useRunspaceHost", self.use_runspace_host);
        if let Some(data) = &self.default_data {
            bag.push(
                "_hostDefaultData",
                Object::bag(Properties::default().with("data", data.to_value())),
            );
        }
        Object::bag(bag).into()
    }

    pub(super) fn from_bag(bag: Bag<'_>) -> Result<Self, Error> {
        let data = match bag.optional("_hostDefaultData") {
            Some(_) => {
                Some(HostDefaultData::from_bag(bag.part("_hostDefaultData")?.part("data")?)?)
            }
            None => None,
        };
        Ok(Self {
            is_host_null: bag.bool("_isHostNull")?,
            is_host_ui_null: bag.bool("_isHostUINull")?,
            is_host_raw_ui_null: bag.bool("_isHostRawUINull")?,
            use_runspace_host: bag.bool("_useRunspaceHost")?,
            default_data: data,
        })
    }
}

impl HostDefaultData {
    fn to_value(&self) -> Value {
        let values: [(&str, Value); 10] = [
            (COLOR, self.foreground_color.into()),
            (COLOR, self.background_color.into()),
            (COORDINATES, self.cursor_position.into()),
            (COORDINATES, self.window_position.into()),
            ("System.Int32", self.cursor_size.into()),
            (SIZE, self.buffer_size.into()),
            (SIZE, self.window_size.into()),
            (SIZE, self.max_window_size.into()),
            (SIZE, self.max_physical_window_size.into()),
            ("System.String", self.window_title.as_str().into()),
        ];
        let entry = |(key, (type_name, value)): (i32, (&str, Value))| {
            let typed = Properties::default().with("T", type_name).with("V", value);
            (key.into(), Object::bag(typed).into())
        };
        Object::new(Fields {
            type_names: Some(TypeNames::new(["System.Collections.Hashtable", "System.Object"])),
            content: Content::Dictionary((0..).zip(values).map(entry).collect()),
            ..Fields::default()
        })
        .into()
    }

    fn from_bag(data: Bag<'_>) -> Result<Self, Error> {
        let wrong = || data.error("_hostDefaultData");
        let entries = data.fields().entries().ok_or_else(wrong)?;
        let find = |key: i32| {
            let entry = entries.iter().find(|(known, _)| known.as_i32() == Some(key));
            entry.and_then(|(_, value)| value.as_object()?.property("V"))
        };
        let number = |key| find(key).map_or(Some(0), Value::as_i32).ok_or_else(wrong);
        let place = |key| {
            find(key)
                .map_or_else(|| Some(Coordinates::default()), Coordinates::of)
                .ok_or_else(wrong)
        };
        let size =
            |key| find(key).map_or_else(|| Some(Size::default()), Size::of).ok_or_else(wrong);
        let title = find(9).and_then(Value::as_text);
        Ok(Self {
            foreground_color: number(0)?,
            background_color: number(1)?,
            cursor_position: place(2)?,
            window_position: place(3)?,
            cursor_size: number(4)?,
            buffer_size: size(5)?,
            window_size: size(6)?,
            max_window_size: size(7)?,
            max_physical_window_size: size(8)?,
            window_title: title
                .map(|title| title.to_string_lossy().into_owned())
                .unwrap_or_default(),
        })
    }
}

impl Coordinates {
    /// The place that an object tells.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let number = |name| object.property(name).and_then(Value::as_i32);
        Some(Self { x: number("x")?, y: number("y")? })
    }
}

impl From<Coordinates> for Value {
    fn from(place: Coordinates) -> Self {
        Object::bag(Properties::default().with("x", place.x).with("y", place.y)).into()
    }
}

impl Size {
    /// The size that an object tells.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let number = |name| object.property(name).and_then(Value::as_i32);
        Some(Self { width: number("width")?, height: number("height")? })
    }
}

impl From<Size> for Value {
    fn from(size: Size) -> Self {
        Object::bag(Properties::default().with("width", size.width).with("height", size.height))
            .into()
    }
}
