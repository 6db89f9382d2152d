//! What `nft -j list ruleset` prints, sorted into tables and chains (libnftables-json(5)).
//!
//! **Invariant:** tables of ours are not in it, and what has another shape than expected is left out, not refused.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most rules that are looked at: machines with more have them made by programs.
const RULES_MAX: usize = 100_000;

/// The machine's rules but for ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ruleset {
    chains: BTreeMap<Key, Chain>,
    /// Named sets and maps: what they contain.
    sets: BTreeMap<Key, Vec<Value>>,
}

/// Table (`inet filter`) and name of a chain or set.
pub(super) type Key = (String, String);

/// One chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    /// Set for one that packets come to by themselves.
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
}

/// Where packets come to a chain.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) hook: String,
    pub(super) priority: i64,
    /// Whether it drops what none of its rules decides.
    pub(super) drops: bool,
}

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) handle: u64,
    pub(super) statements: Vec<Value>,
}

impl Ruleset {
    /// Reads the list; none if it is no JSON.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(json).ok()?;
        let mut read = Self::default();
        for item in value.get("nftables")?.as_array()?.iter().take(RULES_MAX) {
            let Some((kind, content)) = item.as_object().and_then(|item| item.iter().next()) else {
                continue;
            };
            read.take(kind, content);
        }
        Some(read)
    }

    fn take(&mut self, kind: &str, content: &Value) -> Option<()> {
        let text = |field: &str| content.get(field)?.as_str().map(str::to_owned);
        let key = |name: String| Some((format!("{} {}", text("family")?, text("table")?), name));
        if text("table")?.starts_with(crate::filter::PREFIX) {
            return None;
        }
        match kind {
            "chain" => self.chains.entry(key(text("name")?)?).or_default().base = base(content),
            "rule" => {
                let handle = content.get("handle")?.as_u64()?;
                let statements = content.get("expr")?.as_array()?.clone();
                self.chains.entry(key(text("chain")?)?).or_default().rules.push(Rule { handle, statements });
            }
            "set" | "map" => {
                let elements = content.get("elem").and_then(Value::as_array).cloned().unwrap_or_default();
                self.sets.insert(key(text("name")?)?, elements);
            }
            _ => {}
        }
        Some(())
    }

    /// The chains that a packet of this family (`ip` or `ip6`) comes to at a hook, in their order.
    pub(super) fn at(&self, hook: &str, family: &str) -> Vec<(&Key, &Chain, &Base)> {
        let ours =
            |table: &str| matches!(table.split_once(' '), Some((of, _)) if of == "inet" || of == family);
        let mut found: Vec<_> = self
            .chains
            .iter()
            .filter_map(|(key, chain)| Some((key, chain, chain.base.as_ref()?)))
            .filter(|((table, _), _, base)| base.hook == hook && ours(table))
            .collect();
        found.sort_by_key(|(_, _, base)| base.priority);
        found
    }

    /// A chain of a table.
    pub(super) fn chain(&self, table: &str, name: &str) -> Option<&Chain> {
        self.chains.get(&(table.to_owned(), name.to_owned()))
    }

    /// What a named set or map of a table contains.
    pub(super) fn set(&self, table: &str, name: &str) -> Option<&[Value]> {
        self.sets.get(&(table.to_owned(), name.to_owned())).map(Vec::as_slice)
    }
}

fn base(content: &Value) -> Option<Base> {
    Some(Base {
        hook: content.get("hook")?.as_str()?.to_owned(),
        priority: content.get("prio").and_then(Value::as_i64).unwrap_or(0),
        drops: content.get("policy").and_then(Value::as_str) == Some("drop"),
    })
}
