//! A plug-in which sets prices: who buys ten of a thing pays for nine. What one costs, the embedder says.

wit_bindgen::generate!({ path: "wit" });

struct Discounts;

impl Guest for Discounts {
    fn total(order: Vec<Line>) -> Result<u32, String> {
        let cost = |line: &Line| {
            let price = example::shop::catalog::price(&line.name);
            let price = price.ok_or_else(|| format!("{} is not sold", line.name))?;
            Ok(price.saturating_mul(line.count - line.count / 10))
        };
        let costs = order.iter().map(cost).collect::<Result<Vec<u32>, String>>()?;
        Ok(costs.into_iter().fold(0, u32::saturating_add))
    }
}

export!(Discounts);
