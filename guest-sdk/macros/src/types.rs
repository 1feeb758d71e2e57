//! Types which can be exported.

use std::fmt;

use syn::{Error, GenericArgument, PathArguments, PathSegment, Result, ReturnType};

use crate::names;

const SUPPORTED: &str = "supported are bool, char, u8 to u64, i8 to i64, f32, f64, String, Vec<T>, Option<T>, \
                         Result<T, E>, tuples, and public structs and enums of this module";

/// A type as WIT has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Primitive(&'static str),
    List(Box<Type>),
    Option(Box<Type>),
    /// `None`: the unit.
    Result(Option<Box<Type>>, Option<Box<Type>>),
    Tuple(Vec<Type>),
    /// A type of the module, by its name in kebab-case.
    Named(String),
}

impl Type {
    /// The type of a value. `known` are the types of the module.
    pub(crate) fn of(ty: &syn::Type, known: &[syn::Ident]) -> Result<Type> {
        match ty {
            syn::Type::Paren(inner) => Self::of(&inner.elem, known),
            syn::Type::Group(inner) => Self::of(&inner.elem, known),
            syn::Type::Tuple(tuple) if !tuple.elems.is_empty() => {
                let elements = tuple.elems.iter().map(|element| Self::of(element, known));
                Ok(Type::Tuple(elements.collect::<Result<_>>()?))
            }
            syn::Type::Path(path) if path.qself.is_none() => match path.path.segments.last() {
                Some(last) => Self::of_path(ty, last, path.path.segments.len(), known),
                None => Err(unsupported(ty)),
            },
            syn::Type::Reference(reference) => {
                let message = "a reference cannot be exported: take it by value, `&str` as String and `&[T]` as Vec<T>";
                Err(Error::new_spanned(reference, message))
            }
            _ => Err(unsupported(ty)),
        }
    }

    /// The type which a function returns, `None` for none.
    pub(crate) fn of_return(output: &ReturnType, known: &[syn::Ident]) -> Result<Option<Type>> {
        match output {
            ReturnType::Default => Ok(None),
            ReturnType::Type(_, ty) => Self::of_side(ty, known),
        }
    }

    fn of_path(ty: &syn::Type, last: &PathSegment, segments: usize, known: &[syn::Ident]) -> Result<Type> {
        let name = last.ident.to_string();
        let arguments = arguments(last);
        match (name.as_str(), arguments.as_slice()) {
            (primitive, []) if segments == 1 => match primitive_of(primitive) {
                Some(primitive) => Ok(Type::Primitive(primitive)),
                None if known.contains(&last.ident) => Ok(Type::Named(names::of_type(&last.ident)?)),
                None => Err(unsupported(ty)),
            },
            ("Vec", [element]) => Ok(Type::List(Box::new(Self::of(element, known)?))),
            ("Option", [inner]) => Ok(Type::Option(Box::new(Self::of(inner, known)?))),
            ("Result", [value, error]) => Ok(Type::Result(
                Self::of_side(value, known)?.map(Box::new),
                Self::of_side(error, known)?.map(Box::new),
            )),
            ("String", []) => Ok(Type::Primitive("string")),
            _ => Err(unsupported(ty)),
        }
    }

    /// A type which may be the unit.
    fn of_side(ty: &syn::Type, known: &[syn::Ident]) -> Result<Option<Type>> {
        match ty {
            syn::Type::Tuple(tuple) if tuple.elems.is_empty() => Ok(None),
            _ => Self::of(ty, known).map(Some),
        }
    }

    /// The types it is made of.
    pub(crate) fn parts(&self) -> Vec<&Type> {
        match self {
            Type::Primitive(_) | Type::Named(_) => Vec::new(),
            Type::List(inner) | Type::Option(inner) => vec![inner],
            Type::Result(value, error) => value.iter().chain(error).map(AsRef::as_ref).collect(),
            Type::Tuple(elements) => elements.iter().collect(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Primitive(name) => f.write_str(name),
            Type::List(element) => write!(f, "list<{element}>"),
            Type::Option(inner) => write!(f, "option<{inner}>"),
            Type::Result(None, None) => f.write_str("result"),
            Type::Result(Some(value), None) => write!(f, "result<{value}>"),
            Type::Result(None, Some(error)) => write!(f, "result<_, {error}>"),
            Type::Result(Some(value), Some(error)) => write!(f, "result<{value}, {error}>"),
            Type::Tuple(elements) => {
                let elements: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(f, "tuple<{}>", elements.join(", "))
            }
            Type::Named(name) => write!(f, "%{name}"),
        }
    }
}

fn primitive_of(rust: &str) -> Option<&'static str> {
    let primitive = match rust {
        "bool" => "bool",
        "char" => "char",
        "String" => "string",
        "u8" => "u8",
        "u16" => "u16",
        "u32" => "u32",
        "u64" => "u64",
        "i8" => "s8",
        "i16" => "s16",
        "i32" => "s32",
        "i64" => "s64",
        "f32" => "f32",
        "f64" => "f64",
        _ => return None,
    };
    Some(primitive)
}

fn arguments(segment: &PathSegment) -> Vec<&syn::Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

fn unsupported(ty: &syn::Type) -> Error {
    let name = quote::quote!(#ty).to_string().replace(' ', "");
    let hint = match name.as_str() {
        "usize" => "use u32 or u64; ",
        "isize" => "use i32 or i64; ",
        "()" => "leave it out; ",
        name if name.contains("HashMap<") || name.contains("BTreeMap<") => "use a Vec of pairs; ",
        _ => "",
    };
    Error::new_spanned(ty, format!("`{name}` cannot be exported: {hint}{SUPPORTED}"))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn each_type_has_its_wit() {
        let known = [parse_quote!(Hit)];
        let cases: [(syn::Type, &str); 8] = [
            (parse_quote!(i64), "s64"),
            (parse_quote!(std::string::String), "string"),
            (parse_quote!(Vec<Option<Hit>>), "list<option<%hit>>"),
            (parse_quote!((u8, f64)), "tuple<u8, f64>"),
            (parse_quote!(Result<(), ()>), "result"),
            (parse_quote!(Result<u8, ()>), "result<u8>"),
            (parse_quote!(Result<(), String>), "result<_, string>"),
            (parse_quote!(Result<Hit, (bool,)>), "result<%hit, tuple<bool>>"),
        ];
        for (rust, wit) in cases {
            assert_eq!(Type::of(&rust, &known).unwrap().to_string(), wit);
        }
    }

    #[test]
    fn what_is_unsupported_says_what_to_use() {
        let cases: [(syn::Type, &str); 6] = [
            (parse_quote!(usize), "use u32 or u64"),
            (parse_quote!(&str), "as String"),
            (parse_quote!(HashMap<String, u8>), "a Vec of pairs"),
            (parse_quote!(Box<u8>), "supported are"),
            (parse_quote!(Hit), "public structs"),
            (parse_quote!(Vec<()>), "leave it out"),
        ];
        for (rust, hint) in cases {
            let message = Type::of(&rust, &[]).unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
    }
}
