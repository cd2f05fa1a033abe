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
