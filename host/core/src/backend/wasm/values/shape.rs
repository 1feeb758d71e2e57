//! Types which can be given as JSON, written out.

use std::fmt::{self, Display};

use indexmap::{IndexMap, IndexSet};
use wasmtime::component::Type;

use super::integer::Integer;
use crate::tool::names::quoted;

/// How deep the types of a function may be nested. It keeps JSON well under the depth of 128 that serde_json reads.
const MAX_DEPTH: usize = 32;

/// How many parts the types of a function may have: types, fields, cases, and each 64 bytes of their names. Each time that
/// a type is used counts, so a few lines of a component may come to more than the host has memory.
pub(super) const MAX_NODES: usize = 10_000;

/// Bytes of a name that count as one part.
const NAME_PER_NODE: usize = 64;

/// A type which can be given as JSON. Unlike [`Type`], it finds names without looking through all.
#[derive(Debug)]
pub(super) enum Shape {
    Bool,
    Integer(Integer),
    Float32,
    Float64,
    Char,
    String,
    List(Box<Shape>),
    FixedLengthList(Box<Shape>, usize),
    Map(Box<Shape>, Box<Shape>),
    Record(IndexMap<String, Shape>),
    Tuple(Vec<Shape>),
    Variant(IndexMap<String, Option<Shape>>),
    Enum(IndexSet<String>),
    Option(Box<Shape>),
    Result {
        ok: Option<Box<Shape>>,
        error: Option<Box<Shape>>,
    },
    Flags(IndexSet<String>),
}

impl Shape {
    pub(super) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self, Self::String)
    }

    pub(super) fn is_byte(&self) -> bool {
        matches!(self, Self::Integer(Integer::U8))
    }
}

/// A type which cannot be given as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub(crate) struct Unsupported {
    /// Where: `parameter "x": field "y"`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// A place in a type, on the stack of those who walk there.
struct Place<'a> {
    before: Option<&'a Place<'a>>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Part(&'static str),
    Named(&'static str, &'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    fn root(step: Step<'a>) -> Self {
        Self {
            before: None,
            step,
            depth: 1,
        }
    }

    fn then(&'a self, step: Step<'a>) -> Self {
        Self {
            before: Some(self),
            step,
            depth: self.depth + 1,
        }
    }

    /// Whether a value may have any number of what is here.
    fn is_repeated(&self) -> bool {
        let here = matches!(self.step, Step::Part("element" | "key" | "value"));
        here || self.before.is_some_and(Place::is_repeated)
    }

    fn unsupported(&self, problem: impl Into<String>) -> Unsupported {
        Unsupported {
            place: self.to_string(),
            problem: problem.into(),
        }
    }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            write!(f, "{before}: ")?;
        }
        match self.step {
            Step::Part(part) => f.write_str(part),
            Step::Named(kind, name) => write!(f, "{kind} {}", quoted(name)),
            Step::Item(index) => write!(f, "item {index}"),
        }
    }
}

/// Writes out the types of one function, counting what it writes.
#[derive(Default)]
pub(super) struct Builder {
    nodes: usize,
    repeats_flags: bool,
}

impl Builder {
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether there are flags in a list.
    pub(super) fn repeats_flags(&self) -> bool {
        self.repeats_flags
    }

    pub(super) fn parameters<'a>(
        &mut self,
        parameters: impl IntoIterator<Item = (&'a str, Type)>,
    ) -> Result<IndexMap<String, Shape>, Unsupported> {
        let mut shapes = IndexMap::new();
        for (name, ty) in parameters {
            let at = Place::root(Step::Named("parameter", name));
            let name = self.name(name, &at)?;
            shapes.insert(name, self.shape(&ty, &at)?);
        }
        Ok(shapes)
    }

    pub(super) fn result(&mut self, ty: &Type) -> Result<Shape, Unsupported> {
        self.shape(ty, &Place::root(Step::Part("result")))
    }

    fn shape(&mut self, ty: &Type, at: &Place<'_>) -> Result<Shape, Unsupported> {
        if at.depth > MAX_DEPTH {
            return Err(at.unsupported(format!("the type is nested deeper than {MAX_DEPTH}")));
        }
        self.count(1, at)?;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::S8 => Shape::Integer(Integer::S8),
            Type::U8 => Shape::Integer(Integer::U8),
            Type::S16 => Shape::Integer(Integer::S16),
            Type::U16 => Shape::Integer(Integer::U16),
            Type::S32 => Shape::Integer(Integer::S32),
            Type::U32 => Shape::Integer(Integer::U32),
            Type::S64 => Shape::Integer(Integer::S64),
            Type::U64 => Shape::Integer(Integer::U64),
            Type::Float32 => Shape::Float32,
            Type::Float64 => Shape::Float64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => Shape::List(self.part(&list.ty(), "element", at)?),
            Type::FixedLengthList(list) => {
                Shape::FixedLengthList(self.part(&list.ty(), "element", at)?, list.len() as usize)
            }
            Type::Map(map) => Shape::Map(self.part(&map.key(), "key", at)?, self.part(&map.value(), "value", at)?),
            Type::Record(record) => {
                let fields = record.fields().map(|field| (field.name, Some(field.ty)));
                let fields = self.named("field", fields, at)?;
                Shape::Record(fields.into_iter().filter_map(|(name, ty)| Some((name, ty?))).collect())
            }
            Type::Tuple(tuple) => Shape::Tuple(self.items(tuple.types(), at)?),
            Type::Variant(variant) => {
                let cases = variant.cases().map(|case| (case.name, case.ty));
                Shape::Variant(self.named("case", cases, at)?)
            }
            Type::Enum(names) => Shape::Enum(self.names(names.names(), at)?),
            Type::Option(option) => Shape::Option(self.part(&option.ty(), "some", at)?),
            Type::Result(result) => Shape::Result {
                ok: result.ok().map(|ty| self.part(&ty, "ok", at)).transpose()?,
                error: result.err().map(|ty| self.part(&ty, "error", at)).transpose()?,
            },
            Type::Flags(names) => {
                self.repeats_flags |= at.is_repeated();
                Shape::Flags(self.names(names.names(), at)?)
            }
            Type::Own(_) | Type::Borrow(_) => return Err(at.unsupported("a resource cannot be given as JSON")),
            Type::Future(_) => return Err(at.unsupported("a future cannot be given as JSON")),
            Type::Stream(_) => return Err(at.unsupported("a stream cannot be given as JSON")),
            Type::ErrorContext => return Err(at.unsupported("an error context cannot be given as JSON")),
        })
    }

    fn part(&mut self, ty: &Type, part: &'static str, at: &Place<'_>) -> Result<Box<Shape>, Unsupported> {
        self.shape(ty, &at.then(Step::Part(part))).map(Box::new)
    }

    fn items(&mut self, types: impl Iterator<Item = Type>, at: &Place<'_>) -> Result<Vec<Shape>, Unsupported> {
        types
            .enumerate()
            .map(|(index, ty)| self.shape(&ty, &at.then(Step::Item(index))))
            .collect()
    }

    fn named<'a>(
        &mut self,
        kind: &'static str,
        parts: impl Iterator<Item = (&'a str, Option<Type>)>,
        at: &Place<'_>,
    ) -> Result<IndexMap<String, Option<Shape>>, Unsupported> {
        parts
            .map(|(name, ty)| {
                let at = at.then(Step::Named(kind, name));
                let shape = ty.map(|ty| self.shape(&ty, &at)).transpose()?;
                Ok((self.name(name, &at)?, shape))
            })
            .collect()
    }

    fn names<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        at: &Place<'_>,
    ) -> Result<IndexSet<String>, Unsupported> {
        names.map(|name| self.name(name, at)).collect()
    }

    fn name(&mut self, name: &str, at: &Place<'_>) -> Result<String, Unsupported> {
        self.count(1 + name.len() / NAME_PER_NODE, at)?;
        Ok(name.to_owned())
    }

    fn count(&mut self, nodes: usize, at: &Place<'_>) -> Result<(), Unsupported> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(at.unsupported(format!("the types have more than {MAX_NODES} parts when written out")));
        }
        Ok(())
    }
}
