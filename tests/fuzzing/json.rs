//! JSON at random, and as a schema asks for it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

/// Texts which readers of numbers, base64 and names have their views on.
const TEXTS: [&str; 20] = [
    "",
    "a",
    "ok",
    "some",
    "null",
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "00",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "AA==",
    "AA=",
    "AAA",
    "\u{0}",
    "ü",
    "\u{1F600}",
    "\u{202e}\n\"",
];

/// How many parts a value gets before its lists stay empty and its options absent.
const PARTS: usize = 200;

/// JSON of any kind.
pub(crate) fn any(random: &mut ChaCha8Rng, depth: usize) -> Value {
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => number(random),
        3 => f64::from_bits(random.random()).into(),
        4 | 5 => text(random).into(),
        6 => (0..random.random_range(0..4)).map(|_| any(random, depth - 1)).collect(),
        _ => (0..random.random_range(0..3))
            .map(|_| (text(random), any(random, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// JSON which `schema` takes, as our schemas are.
pub(crate) fn matching(random: &mut ChaCha8Rng, schema: &Value) -> Value {
    Matching { random, left: PARTS }.value(schema)
}

/// Puts something else somewhere into `json`.
pub(crate) fn bend(random: &mut ChaCha8Rng, json: &mut Value) {
    let parts: Vec<&mut Value> = match json {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = parts.len();
    if count > 0 && random.random_ratio(4, 5) {
        let at = random.random_range(0..count);
        return parts.into_iter().nth(at).map_or((), |part| bend(random, part));
    }
    match json {
        Value::Object(members) if random.random_ratio(2, 3) => {
            let name = members.keys().nth(random.random_range(0..=count)).cloned();
            match name {
                Some(name) => drop(members.remove(&name)),
                None => drop(members.insert(text(random), any(random, 1))),
            }
        }
        Value::Array(items) if random.random_ratio(2, 3) => match items.pop() {
            Some(last) if random.random_ratio(1, 2) => items.extend([last.clone(), last]),
            Some(_) => {}
            None => items.push(any(random, 1)),
        },
        _ => *json = any(random, 2),
    }
}

fn number(random: &mut ChaCha8Rng) -> Value {
    let shift = random.random_range(0..64);
    match random.random_range(0..5) {
        0 => (random.random::<i64>() >> shift).into(),
        1 => (random.random::<u64>() >> shift).into(),
        2 => ((random.random::<i64>() >> shift) as f64).into(),
        3 => [-0.0, 0.1, 1e3, 1e308, 5e-324, 3.5e38, 9_007_199_254_740_992.0][random.random_range(0..7)].into(),
        _ => random.random_range(-300..300).into(),
    }
}

fn text(random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..4) {
        0 => (random.random::<i64>() >> random.random_range(0..64)).to_string(),
        1 => (0..random.random_range(0..20))
            .map(|_| random.random::<char>())
            .collect(),
        _ => TEXTS[random.random_range(0..TEXTS.len())].into(),
    }
}

struct Matching<'a> {
    random: &'a mut ChaCha8Rng,
    left: usize,
}

impl Matching<'_> {
    fn value(&mut self, schema: &Value) -> Value {
        self.left = self.left.saturating_sub(1);
        if let Some(schemas) = schema["anyOf"].as_array() {
            // The first of an option is `null`.
            let most = if self.left == 0 { 1 } else { schemas.len() };
            let chosen = self.random.random_range(0..most);
            return self.value(&schemas[chosen]);
        }
        if let Some(values) = schema["enum"].as_array() {
            return values[self.random.random_range(0..values.len())].clone();
        }
        match schema["type"].as_str() {
            Some("boolean") => self.random.random::<bool>().into(),
            Some("integer") => self.integer(schema),
            Some("number") => self.float(schema),
            Some("string") => self.text(schema),
            Some("array") => self.array(schema),
            Some("object") => self.object(schema),
            _ => Value::Null,
        }
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema[name].as_i64().unwrap_or_default();
        let (least, most) = (bound("minimum"), bound("maximum"));
        let value = [least, most, self.random.random_range(least..=most)][self.random.random_range(0..3)];
        match self.random.random_ratio(1, 4) {
            true => (value as f64).into(),
            false => value.into(),
        }
    }

    fn float(&mut self, schema: &Value) -> Value {
        let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
        let value = f64::from_bits(self.random.random());
        match value.is_finite() && value.abs() <= most {
            true => value.into(),
            false => number(self.random)
                .as_f64()
                .filter(|value| value.abs() <= most)
                .unwrap_or_default()
                .into(),
        }
    }

    fn text(&mut self, schema: &Value) -> Value {
        if schema["maxLength"] == 1 {
            return self.random.random::<char>().to_string().into();
        }
        if schema["contentEncoding"] == "base64" {
            return ["", "AA==", "/+8=", "AAECAwQF"][self.random.random_range(0..4)].into();
        }
        match schema["pattern"].as_str() {
            Some(pattern) if pattern.contains("-?") => self.random.random::<i64>().to_string().into(),
            Some(_) => self.random.random::<u64>().to_string().into(),
            None => text(self.random).into(),
        }
    }

    fn array(&mut self, schema: &Value) -> Value {
        if let Some(schemas) = schema["prefixItems"].as_array() {
            return schemas.iter().map(|schema| self.value(schema)).collect();
        }
        let least = schema["minItems"].as_u64().unwrap_or_default();
        let most = schema["maxItems"]
            .as_u64()
            .unwrap_or(if self.left == 0 { 0 } else { 4 });
        let items = (0..self.random.random_range(least..=most)).map(|_| self.value(&schema["items"]));
        let mut items: Vec<Value> = items.collect();
        if schema["uniqueItems"] == true {
            items.sort_by_key(Value::to_string);
            items.dedup();
        }
        items.into()
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut object = Map::new();
        for (name, schema) in properties {
            let is_required = required.iter().any(|required| required == name);
            if is_required || self.left > 0 && self.random.random_ratio(2, 3) {
                object.insert(name.clone(), self.value(schema));
            }
        }
        object.into()
    }
}
