//! The numbers in the names of listeners and their like: the hash of a text that 64-bit .NET Framework computes, since scripts
//! name `Listener_1084132640`.

/// The hash without its sign, as it stands in names.
pub(in crate::powershell) fn number(text: &str) -> u32 {
    let units: Vec<u16> = text.encode_utf16().collect();
    let (mut even, mut odd) = (5381_u32, 5381_u32);
    let mix = |hash: u32, unit: u16| (hash << 5).wrapping_add(hash) ^ u32::from(unit);
    for pair in units.chunks(2) {
        // The framework's text ends with a zero unit, which ends the walk.
        if let Some(unit) = pair.first() {
            even = mix(even, *unit);
        }
        if let Some(unit) = pair.get(1) {
            odd = mix(odd, *unit);
        }
    }
    let hash = even.wrapping_add(odd.wrapping_mul(1_566_083_941));
    hash.cast_signed().unsigned_abs()
}

/// The name of a listener.
pub(in crate::powershell) fn listener(address: &str, transport: &str, port: &str) -> String {
    let key = format!("Port={port}Transport={transport}Address={address}");
    format!("Listener_{}", number(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_have_the_names_that_windows_gives_them() {
        assert_eq!(listener("*", "HTTP", "5985"), "Listener_1084132640");
        assert_eq!(listener("*", "HTTPS", "5986"), "Listener_1305953032");
    }

    #[test]
    fn empty_and_wide_texts_have_a_number() {
        assert_eq!(
            number(""),
            5381_u32
                .wrapping_add(5381_u32.wrapping_mul(1_566_083_941))
                .cast_signed()
                .unsigned_abs()
        );
        assert_ne!(number("ä😀"), number("😀ä"));
    }
}
