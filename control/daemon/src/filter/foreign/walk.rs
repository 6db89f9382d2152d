//! The way of a packet through the chains of a hook.
//!
//! **Invariant:** no ruleset makes it walk without end: jumps are as deep as the kernel allows, steps are counted.

use serde_json::Value;

use super::facts::{Packet, Scene};
use super::ruleset::{Chain, Ruleset};

/// NFT_JUMP_STACK_SIZE of the kernel.
const DEPTH_MAX: usize = 16;
/// Rules that are looked at on one way.
const STEPS_MAX: usize = 50_000;

/// Who drops a packet.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Culprit {
    /// Family and name of the table.
    pub(super) table: String,
    pub(super) chain: String,
    /// The chain where the packet came in.
    pub(super) base: String,
    /// The rule; none if it is what the chain does with everything that no rule decides.
    pub(super) handle: Option<u64>,
    /// Whether every rule before that was understood.
    pub(super) sure: bool,
    /// Whether ufw made it.
    pub(super) ufw: bool,
}

/// What becomes of a packet in a chain.
enum End {
    Accept,
    /// By the rule with this handle in this chain; none if it is the one at hand.
    Drop(Option<(String, u64)>),
    /// The chain that was called decides nothing.
    Return,
    /// A program decides.
    Unknown,
}

struct Walk<'a> {
    scene: Scene<'a>,
    steps: usize,
    sure: bool,
}

/// The chain or rule that drops the packet before a socket of this machine sees it.
pub(super) fn culprit(ruleset: &Ruleset, ifname: &str, packet: &Packet) -> Option<Culprit> {
    let family = if packet.to.is_ipv4() { "ip" } else { "ip6" };
    let hooks = ["prerouting", "input"].into_iter().flat_map(|hook| ruleset.at(hook, family));
    for ((table, name), chain, base) in hooks {
        let mut walk = Walk { scene: Scene { ruleset, table, ifname, packet }, steps: 0, sure: true };
        let dropped = match walk.through(name, chain, 0) {
            End::Drop(by) => by.map(|(chain, handle)| (chain, Some(handle))),
            End::Return if base.drops => Some((name.clone(), None)),
            End::Return | End::Accept | End::Unknown => None,
        };
        if let Some((chain, handle)) = dropped {
            let ufw = ruleset.chain(table, "ufw-user-input").or(ruleset.chain(table, "ufw6-user-input"));
            let (table, base, ufw) = (table.clone(), name.clone(), ufw.is_some());
            return Some(Culprit { table, chain, base, handle, sure: walk.sure, ufw });
        }
    }
    None
}

impl Walk<'_> {
    fn through(&mut self, name: &str, chain: &Chain, depth: usize) -> End {
        for rule in &chain.rules {
            self.steps += 1;
            if self.steps > STEPS_MAX || depth > DEPTH_MAX {
                return End::Unknown;
            }
            match self.rule(&rule.statements, depth) {
                Some(End::Drop(None)) => return End::Drop(Some((name.to_owned(), rule.handle))),
                Some(end) => return end,
                None => {}
            }
        }
        End::Return
    }

    /// What a rule does; none if it does not fit or decides nothing.
    fn rule(&mut self, statements: &[Value], depth: usize) -> Option<End> {
        for statement in statements {
            let (kind, content) = statement.as_object()?.iter().next()?;
            match kind.as_str() {
                "match" => match self.scene.fits(content) {
                    Some(true) => {}
                    Some(false) => return None,
                    None => return self.not_understood(statements),
                },
                "vmap" => {
                    let Some(found) = self.scene.look_up(content) else {
                        self.sure = false;
                        return None;
                    };
                    let verdict = found?.clone();
                    return self.verdict(verdict.as_object()?.iter().next()?, depth);
                }
                // In JSON of older nft it has no name, and may be anything.
                "xt" => match content.get("name").and_then(Value::as_str) {
                    Some("comment" | "LOG" | "NFLOG") => {}
                    Some("REJECT" | "DROP") => return Some(End::Drop(None)),
                    _ => return self.not_understood(statements),
                },
                "accept" | "drop" | "reject" | "return" | "jump" | "goto" | "queue" => {
                    return self.verdict((kind, content), depth);
                }
                // Beyond a limit that nothing has reached yet.
                "limit" | "quota" | "ct count"
                    if content.get("inv").and_then(Value::as_bool) == Some(true) =>
                {
                    return None;
                }
                // Counters, limits, logs and marks let the next statement decide.
                _ => {}
            }
        }
        None
    }

    /// A rule that may fit or not: taken for one that does not. It matters if it could have let the packet pass.
    fn not_understood(&mut self, statements: &[Value]) -> Option<End> {
        let drops = |statement: &Value| statement.get("drop").is_some() || statement.get("reject").is_some();
        if !statements.iter().any(drops) {
            self.sure = false;
        }
        None
    }

    fn verdict(&mut self, (kind, content): (&String, &Value), depth: usize) -> Option<End> {
        match kind.as_str() {
            "accept" => Some(End::Accept),
            "drop" | "reject" => Some(End::Drop(None)),
            "return" => Some(End::Return),
            "jump" | "goto" => {
                let target = content.get("target")?.as_str()?;
                let chain = self.scene.ruleset.chain(self.scene.table, target)?;
                let end = self.through(target, chain, depth + 1);
                let goes_on = kind == "jump" && matches!(end, End::Return);
                (!goes_on).then_some(end)
            }
            _ => Some(End::Unknown),
        }
    }
}
