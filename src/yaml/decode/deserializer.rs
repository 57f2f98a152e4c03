//! The serde deserializer of a [`Node`].

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::error::{Error, Fault};
use super::terms::Terms;
use crate::yaml::diagnostic::list;
use crate::yaml::node::{Key, Map, Node, Style, Value};
use crate::yaml::source::Span;

static EMPTY: Map = Map { entries: Vec::new(), faulty: Vec::new() };

/// A value that serde reads.
#[derive(Clone, Copy)]
pub(super) struct View<'de> {
    pub(super) node: &'de Node,
    pub(super) terms: &'de Terms,
}

impl<'de> View<'de> {
    fn unexpected(self) -> Unexpected<'de> {
        match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Int(value) => Unexpected::Signed(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::Str(value) => Unexpected::Str(value),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    fn mismatch<V: Visitor<'de>>(self, visitor: &V) -> Error {
        Error::invalid_type(self.unexpected(), visitor).at(self.node.span)
    }

    fn visit_map<V: Visitor<'de>>(self, map: &'de Map, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { map, terms: self.terms, next: 0 }).map_err(|mut error| {
            if let (Some(field), true) = (error.missing, error.span.is_none()) {
                error.follows = map.faulty.iter().any(|name| name == field);
            }
            error.at(self.node.span)
        })
    }

    fn visit_list<V: Visitor<'de>>(self, list: &'de [Node], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { list, terms: self.terms, next: 0 }).map_err(|error| error.at(self.node.span))
    }
}

/// Methods that leave the type to the value itself.
macro_rules! by_value {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.deserialize_any(visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for View<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Str(value) => visitor.visit_str(value),
            Value::List(list) => return self.visit_list(list, visitor),
            Value::Map(map) => return self.visit_map(map, visitor),
        }
        .map_err(|error: Error| error.at(self.node.span))
    }

    by_value! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_ignored_any
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.printed() {
            Some(text) => visitor.visit_string(text).map_err(|error: Error| error.at(self.node.span)),
            None => {
                let error = self.mismatch(&visitor);
                Err(match quoting_help(self.node) {
                    Some(help) => error.help(help),
                    None => error,
                })
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self).map_err(|error: Error| error.at(self.node.span))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Null => self.visit_list(&[], visitor),
            Value::List(list) => self.visit_list(list, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Null => visitor.visit_map(Entries { map: &EMPTY, terms: self.terms, next: 0 }),
            Value::Map(map) => self.visit_map(map, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Map(map) => self.visit_map(map, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        kind: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (terms, kind) = (self.terms, (self.terms.kind)(kind));
        let error = match &self.node.value {
            Value::Str(name) => {
                let access = Choice { terms, kind, name, span: self.node.span, content: None };
                return visitor.visit_enum(access).map_err(|error| error.at(self.node.span));
            }
            Value::Map(map) => match map.entries.as_slice() {
                [(key, content)] => {
                    let access = Choice { terms, kind, name: &key.text, span: key.span, content: Some(content) };
                    return visitor.visit_enum(access).map_err(|error| error.at(self.node.span));
                }
                [] if !map.faulty.is_empty() => Error(Box::new(Fault { follows: true, ..Fault::default() })),
                entries => {
                    let found: Vec<&str> = entries.iter().map(|(key, _)| key.text.as_str()).collect();
                    let found = match found.as_slice() {
                        [] => "found 0".to_owned(),
                        names => format!("found {}: {}", names.len(), list(names)),
                    };
                    Error::new(format!("expected one key, {found}"))
                        .help("each entry has one key; what belongs to it is indented below it")
                }
            },
            _ => Error::new(format!("expected a name or a map with one key, found {}", self.node.describe())),
        };
        Err(error.help(format!("known here: {}", list(names))).at(self.node.span))
    }
}

struct Items<'de> {
    list: &'de [Node],
    terms: &'de Terms,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.list.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(View { node: item, terms: self.terms })
            .map(Some)
            .map_err(|error| error.at(item.span).under(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len() - self.next)
    }
}

struct Entries<'m> {
    map: &'m Map,
    terms: &'m Terms,
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, _)) = self.map.entries.get(self.next) else { return Ok(None) };
        let index = self.next;
        seed.deserialize(key.text.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: Error| error.at(key.span).under(index))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.map.entries.get(self.next) else {
            return Err(Error::new("a value was asked for where there is none"));
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(View { node: value, terms: self.terms })
            .map_err(|error| owned(error, key).at(value.span).under(index))
    }
}

/// A missing field is shown at the key whose value lacks it.
fn owned(mut error: Error, key: &Key) -> Error {
    if error.missing.take().is_some() && error.path.is_empty() {
        error.message = format!("{} in `{}`", error.message, key.text);
        error.span = Some(key.span);
    }
    error
}

/// Returns a hint for a plain scalar that is no text: quotes make it one.
fn quoting_help(node: &Node) -> Option<&'static str> {
    let scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    (scalar && node.style == Style::Plain).then_some("write it in quotes to make it a string")
}

/// A variant of an enum: its name, and its content.
struct Choice<'de> {
    terms: &'de Terms,
    kind: &'static str,
    name: &'de str,
    span: Span,
    content: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: de::value::StrDeserializer<'_, Error> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|mut error| {
            error.message = format!("unknown {} `{}`", self.kind, self.name);
            if let Some(reason) = (self.terms.reason)(self.kind, self.name) {
                error.help.insert(0, reason.to_owned());
            }
            error.at(self.span)
        })?;
        Ok((variant, self))
    }
}

impl<'de> Choice<'de> {
    fn content(&self) -> Result<&'de Node, Error> {
        self.content
            .ok_or_else(|| Error::new(format!("`{0}` needs a value: write `{0}: ...`", self.name)).at(self.span))
    }

    /// Sets the path of an error in the content: the map's only entry. If the content as a whole is wrong, so is the map.
    fn place(&self, mut error: Error) -> Error {
        if error.path.is_empty() {
            let key = Key { text: self.name.to_owned(), span: self.span };
            error = owned(error, &key);
        } else {
            error.path.push(0);
        }
        error
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(content) => Err(Error::new(format!("`{}` has no value", self.name)).at(content.span)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let content = self.content()?;
        seed.deserialize(View { node: content, terms: self.terms }).map_err(|error| self.place(error.at(content.span)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let content = self.content()?;
        View { node: content, terms: self.terms }.deserialize_seq(visitor).map_err(|error| self.place(error))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let content = self.content()?;
        View { node: content, terms: self.terms }.deserialize_map(visitor).map_err(|error| self.place(error))
    }
}
