//! Where passwords come from: the terminal, standard input, a private file, or the kernel's randomness. Never from an argument,
//! where everybody on the machine could read them. Run by both commands.

use crate::proof::read_private;
use crate::scram::MAX_PASSWORD;
use std::io::{BufRead as _, Read as _};
use std::path::Path;
use zeroize::Zeroizing;

/// What is typed after `prompt`, without an echo. On the terminal of the process, wherever its standard input comes from.
pub(super) fn typed(prompt: &str) -> std::io::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}

/// The content of a file that only its owner can read; the end of its line is no part of it.
pub(super) fn from_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let missing = "write the password into it, and let nobody else read it (chmod 600)";
    let content = read_private(path, "password", MAX_PASSWORD + 2, missing)?;
    let line = content.strip_suffix(b"\n").unwrap_or(&content);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line);
    let text = text.map_err(|_| format!("password {}: not UTF-8", path.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// One line; its end is no part of it.
pub(super) fn from_stdin() -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::with_capacity(MAX_PASSWORD + 3));
    std::io::stdin()
        .lock()
        .take(MAX_PASSWORD as u64 + 3)
        .read_line(&mut line)
        .map_err(|error| format!("standard input: {error}"))?;
    if line.ends_with('\n') {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    if line.is_empty() {
        return Err("standard input has no password in its first line".into());
    }
    Ok(line)
}

/// 160 bits from the kernel, in groups of four of 32 signs that nobody mistakes for each other.
pub(super) fn generated() -> Result<Zeroizing<String>, String> {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|error| format!("no randomness: {error}"))?;
    let mut password = Zeroizing::new(String::with_capacity(40));
    for (i, byte) in random.iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            password.push('-');
        }
        // 256 is a multiple of 32: each sign is as likely as any other.
        password.push(char::from(SIGNS[usize::from(byte % 32)]));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram;

    #[test]
    fn generated_passwords_are_long_and_new() {
        let (one, other) = (generated().expect("one"), generated().expect("other"));
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 32 + 7);
        assert!(scram::password(&one).is_ok());
    }
}
