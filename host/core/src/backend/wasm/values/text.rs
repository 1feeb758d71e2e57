//! The text of a value, as an interpreter gives it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::encode::{MEMBER, OBJECT};

/// Reads JSON which takes at most about `max_bytes` of memory: its text says little of that.
pub(crate) fn parse(text: &str, max_bytes: usize) -> Result<Value, serde_json::Error> {
    let mut left = max_bytes;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Bounded(&mut left).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Makes a value, which takes from what is left what it has in memory.
struct Bounded<'a>(&'a mut usize);

impl Bounded<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.0.checked_sub(bytes);
        *self.0 = left.ok_or_else(|| E::custom("the value takes too much memory"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Value, D::Error> {
        self.take(size_of::<Value>())?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number which is none"))
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<Value, E> {
        self.take(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Bounded(&mut *self.0))? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        self.take(OBJECT)?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.take(MEMBER + name.len())?;
            object.insert(name, members.next_value_seed(Bounded(&mut *self.0))?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_serde_reads_it() {
        let text = r#"{"a": [1, -2, 2.5, 18446744073709551615, null, true, "x\n"], "b": {}, "a": 1}"#;
        let read: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text, 1 << 20).unwrap(), read);
        for bad in ["", "{", "1 2", "nul", "[1,]", "1e999"] {
            assert!(parse(bad, 1 << 20).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_texts_of_large_values_are_refused() {
        for (text, bytes) in [
            ("[0,0,0,0]", 128),
            (r#"[{"":0},{"":0}]"#, 1000),
            (r#""aaaaaaaaaa""#, 40),
        ] {
            assert!(parse(text, bytes).is_err(), "{text}");
            assert!(parse(text, 4 * bytes).is_ok(), "{text}");
        }
    }
}
