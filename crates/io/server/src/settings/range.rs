//! Whole numbers with a legal range, named in the error.

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a whole number from `LEAST` to `MOST`.
pub(super) fn within<'de, D, const LEAST: u32, const MOST: u32>(
    deserializer: D,
) -> Result<u32, D::Error>
where
    D: Deserializer<'de>,
{
    let number = i64::deserialize(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|number| (LEAST..=MOST).contains(number))
        .ok_or_else(|| D::Error::custom(format_args!("{number} is not within {LEAST} to {MOST}")))
}
