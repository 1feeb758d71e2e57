//! Names: of Rust in a WIT, and so in the JSON of a call.

use heck::{ToKebabCase, ToSnakeCase, ToUpperCamelCase};
use syn::{Error, Ident, Result};

/// The name in kebab-case of a function, a parameter or a field.
pub(crate) fn of_value(ident: &Ident) -> Result<String> {
    kebab(ident, ToSnakeCase::to_snake_case)
}

/// The name in kebab-case of a type or a case.
pub(crate) fn of_type(ident: &Ident) -> Result<String> {
    kebab(ident, ToUpperCamelCase::to_upper_camel_case)
}

/// Refuses a name which the bindings would not give back as it was.
fn kebab(ident: &Ident, back: fn(&str) -> String) -> Result<String> {
    let name = ident.to_string();
    if name.starts_with("r#") {
        return Err(Error::new(
            ident.span(),
            "a raw identifier cannot be exported: rename it",
        ));
    }
    let kebab = name.to_kebab_case();
    let returned = back(&kebab);
    if returned != name {
        let message = format!("`{name}` cannot be exported under its name: call it `{returned}`");
        return Err(Error::new(ident.span(), message));
    }
    if !kebab
        .split('-')
        .all(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        || !kebab.is_ascii()
    {
        let message = format!("`{name}` cannot be exported: each word must begin with an ASCII letter");
        return Err(Error::new(ident.span(), message));
    }
    Ok(kebab)
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn ident(name: &str) -> Ident {
        Ident::new(name, Span::call_site())
    }

    #[test]
    fn names_become_kebab_case() {
        assert_eq!(of_value(&ident("base64_encode")).unwrap(), "base64-encode");
        assert_eq!(of_type(&ident("NotFound")).unwrap(), "not-found");
    }

    #[test]
    fn a_name_which_would_not_come_back_is_refused() {
        for (name, hint) in [("HTTPServer", "HttpServer"), ("_hidden", "Hidden"), ("Größe", "ASCII")] {
            let message = of_type(&ident(name)).unwrap_err().to_string();
            assert!(message.contains(hint), "{name}: {message}");
        }
        for name in ["part_2", "readFile"] {
            of_value(&ident(name)).unwrap_err();
        }
    }
}
