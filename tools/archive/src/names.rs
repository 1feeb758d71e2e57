//! Names in archives.

/// The longest that a name may be.
const MAX_BYTES: usize = 4_096;

/// Whether it holds a backslash or a control character.
pub fn is_odd(name: &str) -> bool {
    name.chars()
        .any(|character| character == '\\' || character.is_control())
}

/// The path below the folder that is unpacked to; `None` for that folder itself.
pub fn check(name: &str) -> Result<Option<String>, String> {
    let refused = |why: &str| {
        Err(format!(
            "refused: the name {:?} {why}",
            name.chars().take(100).collect::<String>()
        ))
    };
    if name.starts_with('/') {
        return refused("is absolute");
    }
    if name.split('/').any(|part| part == "..") {
        return refused("leads out of the folder");
    }
    if is_odd(name) {
        return refused("holds a backslash or a control character");
    }
    if name.len() > MAX_BYTES {
        return refused("is too long");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
