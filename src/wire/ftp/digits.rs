//! Numbers as text, at the cost of their digits: a listing has a handful in each of its lines. Run by children that serve FTP.

/// Adds `value` in decimal, filled up to `width` bytes on the left.
pub(super) fn push_number(out: &mut Vec<u8>, value: u64, width: usize, fill: u8) {
    push(out, value, 10, width, fill);
}

/// Adds `value` in `base`, at most 16.
pub(super) fn push(out: &mut Vec<u8>, mut value: u64, base: u64, width: usize, fill: u8) {
    // 2^64 has 22 digits in base 8, the smallest that is used.
    let mut digits = [fill; 24];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first.min(digits.len().saturating_sub(width))..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_table() {
        for (value, base, width, expected) in [
            (0, 10, 1, "0"),
            (7, 10, 3, "__7"),
            (1234, 10, 2, "1234"),
            (u64::MAX, 10, 0, "18446744073709551615"),
            (u64::MAX, 16, 1, "ffffffffffffffff"),
            (u64::MAX, 8, 1, "1777777777777777777777"),
            (0o644, 8, 4, "_644"),
        ] {
            let mut out = Vec::new();
            push(&mut out, value, base, width, b'_');
            assert_eq!(out, expected.as_bytes());
        }
    }
}
