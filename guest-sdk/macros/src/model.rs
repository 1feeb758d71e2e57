//! What a module offers: its public functions and types.

use std::mem;

use syn::{Attribute, Error, Expr, ExprLit, Fields, FnArg, Ident, Item, ItemEnum, ItemFn, ItemMod, ItemStruct, Lit};
use syn::{Meta, Pat, Result, Signature, Visibility};

use crate::names;
use crate::types::Type;

/// A module whose functions are exported.
pub(crate) struct Tool {
    /// In kebab-case, as are all names here.
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) functions: Vec<Function>,
    pub(crate) types: Vec<Definition>,
}

pub(crate) struct Function {
    pub(crate) name: String,
    /// Those of its parameters too.
    pub(crate) docs: String,
    pub(crate) parameters: Vec<(String, Type)>,
    pub(crate) result: Option<Type>,
    pub(crate) signature: Signature,
}

/// A type of the module.
pub(crate) struct Definition {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) kind: Kind,
    /// The fields, or the cases, of which some have no type.
    pub(crate) members: Vec<Member>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Record,
    Enum,
    Variant,
}

pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) ty: Option<Type>,
}

impl Tool {
    /// Reads the module, and takes out of it what its bindings define instead, and the docs of parameters, which Rust
    /// does not have.
    pub(crate) fn take_from(module: &mut ItemMod) -> Result<Self> {
        let name = names::of_value(&module.ident);
        let docs = docs(&module.attrs);
        let Some((_, items)) = &mut module.content else {
            return Err(Error::new_spanned(
                module,
                "a tool is a module with its body: `mod name { .. }`",
            ));
        };
        let (types, rest): (Vec<Item>, Vec<Item>) = mem::take(items).into_iter().partition(is_exported_type);
        *items = rest;
        let known: Vec<Ident> = types.iter().filter_map(ident_of_type).collect();
        let functions = items.iter_mut().filter_map(|item| match item {
            Item::Fn(function) if is_public(&function.vis) => Some(Function::take_from(function, &known)),
            _ => None,
        });
        let mut errors = Errors::default();
        let functions: Vec<Function> = functions.filter_map(|function| errors.keep(function)).collect();
        let definitions = types.iter().map(|item| Definition::of(item, &known));
        let types: Vec<Definition> = definitions.filter_map(|definition| errors.keep(definition)).collect();
        let name = errors.keep(name);
        errors.finish()?;
        if functions.is_empty() {
            return Err(Error::new(module.ident.span(), "a tool needs a public function"));
        }
        let tool = Tool {
            name: name.unwrap_or_default(),
            docs,
            functions,
            types,
        };
        tool.check_recursion()?;
        Ok(tool)
    }

    /// The type of the module called `name`.
    pub(crate) fn definition(&self, name: &str) -> Option<&Definition> {
        self.types.iter().find(|definition| definition.name == name)
    }

    /// Whether a function takes or returns it.
    pub(crate) fn is_used(&self, definition: &Definition) -> bool {
        let functions = self.functions.iter();
        let types = functions.flat_map(|function| function.parameters.iter().map(|(_, ty)| ty).chain(&function.result));
        self.names_in(types.collect()).contains(&definition.name)
    }

    /// Refuses types which contain themselves.
    fn check_recursion(&self) -> Result<()> {
        let recursive = self.types.iter().find(|definition| {
            let inside = self.names_in(definition.member_types().collect());
            inside.contains(&definition.name)
        });
        recursive.map_or(Ok(()), |definition| {
            let message = format!("`{}` cannot be exported: it contains itself", definition.ident);
            Err(Error::new(definition.ident.span(), message))
        })
    }

    /// The names of all types of the module which `types` are made of.
    fn names_in<'a>(&'a self, mut types: Vec<&'a Type>) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(ty) = types.pop() {
            types.extend(ty.parts());
            if let Type::Named(name) = ty
                && !names.contains(name)
            {
                names.push(name.clone());
                types.extend(self.definition(name).into_iter().flat_map(Definition::member_types));
            }
        }
        names
    }
}

impl Function {
    fn take_from(function: &mut ItemFn, known: &[Ident]) -> Result<Self> {
        let signature = &mut function.sig;
        let problem = match signature {
            Signature { asyncness: Some(_), .. } => Some("async"),
            Signature { unsafety: Some(_), .. } => Some("unsafe"),
            Signature { generics, .. } if !generics.params.is_empty() => Some("generic"),
            _ => None,
        };
        if let Some(problem) = problem {
            let message = format!("a function which is {problem} cannot be exported");
            return Err(Error::new_spanned(signature, message));
        }
        let mut errors = Errors::default();
        let mut all_docs = docs(&function.attrs);
        let mut parameters = Vec::new();
        let mut documented = Vec::new();
        for input in &mut signature.inputs {
            if let Some((name, docs, ty)) = errors.keep(parameter(input, known)) {
                if !docs.is_empty() {
                    documented.push(format!("- `{name}`: {}", docs.replace('\n', "\n  ")));
                }
                parameters.push((name, ty));
            }
        }
        if !documented.is_empty() {
            let parameters = documented.join("\n");
            all_docs = format!("{all_docs}\n\n{parameters}").trim().to_owned();
        }
        let name = errors.keep(names::of_value(&signature.ident));
        let result = errors.keep(Type::of_return(&signature.output, known));
        errors.finish()?;
        Ok(Function {
            name: name.unwrap_or_default(),
            docs: all_docs,
            parameters,
            result: result.flatten(),
            signature: signature.clone(),
        })
    }
}

impl Definition {
    pub(crate) fn member_types(&self) -> impl Iterator<Item = &Type> {
        self.members.iter().filter_map(|member| member.ty.as_ref())
    }

    fn of(item: &Item, known: &[Ident]) -> Result<Self> {
        match item {
            Item::Struct(item) => Self::of_struct(item, known),
            Item::Enum(item) => Self::of_enum(item, known),
            _ => Err(Error::new_spanned(item, "neither a struct nor an enum")),
        }
    }

    fn of_struct(item: &ItemStruct, known: &[Ident]) -> Result<Self> {
        check_generated(&item.attrs, &item.generics, &["Clone", "Debug", "PartialEq"])?;
        let fields = match &item.fields {
            Fields::Named(fields) if !fields.named.is_empty() => &fields.named,
            _ => {
                let message = "a struct needs named fields to be exported";
                return Err(Error::new_spanned(item, message));
            }
        };
        let members = fields.iter().map(|field| {
            let ident = field.ident.as_ref().expect("the fields are named");
            if !is_public(&field.vis) {
                return Err(Error::new_spanned(
                    field,
                    "a field is exported with its struct: make it `pub`",
                ));
            }
            Ok(Member {
                name: names::of_value(ident)?,
                docs: docs(&field.attrs),
                ty: Some(Type::of(&field.ty, known)?),
            })
        });
        Self::with(&item.ident, &item.attrs, Kind::Record, members)
    }

    fn of_enum(item: &ItemEnum, known: &[Ident]) -> Result<Self> {
        let is_plain = item.variants.iter().all(|variant| variant.fields.is_empty());
        let (kind, derives): (_, &[&str]) = if is_plain {
            (Kind::Enum, &["Clone", "Copy", "Debug", "PartialEq", "Eq"])
        } else {
            (Kind::Variant, &["Clone", "Debug", "PartialEq"])
        };
        check_generated(&item.attrs, &item.generics, derives)?;
        if item.variants.is_empty() {
            return Err(Error::new_spanned(item, "an enum needs a variant to be exported"));
        }
        let members = item.variants.iter().map(|variant| {
            let ty = match &variant.fields {
                Fields::Unit if variant.discriminant.is_none() => None,
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(Type::of(&fields.unnamed[0].ty, known)?),
                _ => {
                    let message = "a variant has one value or none to be exported, and no number";
                    return Err(Error::new_spanned(variant, message));
                }
            };
            Ok(Member {
                name: names::of_type(&variant.ident)?,
                docs: docs(&variant.attrs),
                ty,
            })
        });
        Self::with(&item.ident, &item.attrs, kind, members)
    }

    fn with(
        ident: &Ident,
        attributes: &[Attribute],
        kind: Kind,
        members: impl Iterator<Item = Result<Member>>,
    ) -> Result<Self> {
        let mut errors = Errors::default();
        let members = members.filter_map(|member| errors.keep(member)).collect();
        let name = errors.keep(names::of_type(ident));
        errors.finish()?;
        Ok(Definition {
            ident: ident.clone(),
            name: name.unwrap_or_default(),
            docs: docs(attributes),
            kind,
            members,
        })
    }
}

/// Name, docs and type of a parameter, whose docs are taken out.
fn parameter(input: &mut FnArg, known: &[Ident]) -> Result<(String, String, Type)> {
    let FnArg::Typed(input) = input else {
        return Err(Error::new_spanned(input, "a method cannot be exported"));
    };
    let docs = docs(&input.attrs);
    input.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
    let Pat::Ident(pattern) = &*input.pat else {
        return Err(Error::new_spanned(
            &input.pat,
            "a parameter needs a name to be exported",
        ));
    };
    Ok((names::of_value(&pattern.ident)?, docs, Type::of(&input.ty, known)?))
}

/// The type is defined by the bindings, which keep none of its attributes and derive what is in `derives`.
fn check_generated(attributes: &[Attribute], generics: &syn::Generics, derives: &[&str]) -> Result<()> {
    if !generics.params.is_empty() {
        return Err(Error::new_spanned(generics, "a generic type cannot be exported"));
    }
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            attribute.parse_nested_meta(|meta| match meta.path.get_ident() {
                Some(derive) if derives.iter().any(|known| derive == known) => Ok(()),
                _ => Err(meta.error(format!("an exported type derives only {}", derives.join(", ")))),
            })?;
        } else if !attribute.path().is_ident("doc") {
            return Err(Error::new_spanned(
                attribute,
                "an exported type keeps no attributes but its docs",
            ));
        }
    }
    Ok(())
}

/// The text of the doc comments.
fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines
        .flat_map(|text| text.split('\n').map(unindented).collect::<Vec<_>>())
        .collect();
    lines.join("\n").trim().to_owned()
}

fn unindented(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
}

fn is_exported_type(item: &Item) -> bool {
    match item {
        Item::Struct(item) => is_public(&item.vis),
        Item::Enum(item) => is_public(&item.vis),
        _ => false,
    }
}

fn ident_of_type(item: &Item) -> Option<Ident> {
    match item {
        Item::Struct(item) => Some(item.ident.clone()),
        Item::Enum(item) => Some(item.ident.clone()),
        _ => None,
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// All problems, so that they are told at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error) => match &mut self.0 {
                Some(first) => first.combine(error),
                None => self.0 = Some(error),
            },
        }
        None
    }

    fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn problems(mut module: ItemMod) -> String {
        let Err(error) = Tool::take_from(&mut module) else {
            panic!("it was taken");
        };
        let messages: Vec<String> = error.into_iter().map(|error| error.to_string()).collect();
        messages.join("; ")
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let told = problems(parse_quote! {
            mod tool {
                pub fn count(text: &str) -> usize { 0 }
                pub struct Pair(u8, u8);
                #[derive(Default)]
                pub struct Hit { pub line: u32 }
            }
        });
        for part in ["as String", "use u32 or u64", "named fields", "derives only Clone"] {
            assert!(told.contains(part), "{part:?} is missing: {told}");
        }
    }

    #[test]
    fn types_of_other_forms_are_refused() {
        let cases: [(ItemMod, &str); 6] = [
            (
                parse_quote!(
                    mod a {
                        fn private() {}
                    }
                ),
                "needs a public function",
            ),
            (
                parse_quote!(
                    mod a {
                        pub fn f() {}
                        pub struct A {
                            pub a: Vec<B>,
                        }
                        pub enum B {
                            A(A),
                        }
                    }
                ),
                "itself",
            ),
            (
                parse_quote!(
                    mod a {
                        pub fn f() {}
                        pub struct A {
                            a: u8,
                        }
                    }
                ),
                "make it `pub`",
            ),
            (
                parse_quote!(
                    mod a {
                        pub fn f() {}
                        pub enum A {
                            B { c: u8 },
                        }
                    }
                ),
                "one value or none",
            ),
            (
                parse_quote!(
                    mod a {
                        pub async fn f() {}
                    }
                ),
                "async",
            ),
            (
                parse_quote!(
                    mod a {
                        pub fn f<T>() {}
                    }
                ),
                "generic",
            ),
        ];
        for (module, hint) in cases {
            let told = problems(module);
            assert!(told.contains(hint), "{told}");
        }
    }

    #[test]
    fn private_items_stay_as_they_are() {
        let mut module: ItemMod = parse_quote! {
            mod a {
                pub fn f(/** the first */ x: u8) {}
                struct Private;
                pub struct Public { pub a: u8 }
                pub(crate) fn helper(x: &str) {}
            }
        };
        let tool = Tool::take_from(&mut module).unwrap();
        assert_eq!(tool.functions.len(), 1);
        assert_eq!(tool.functions[0].docs, "- `x`: the first");
        let left = quote::quote!(#module).to_string();
        assert!(left.contains("Private") && left.contains("helper"), "{left}");
        assert!(!left.contains("Public") && !left.contains("the first"), "{left}");
    }
}
