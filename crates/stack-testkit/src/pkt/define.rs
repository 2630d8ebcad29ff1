//! `--define NAME=value`, `-D NAME=value`: words of a script that stand for something else, as in packetdrill.

use super::ast::{Action, Expr, OptionLine};

/// The words that options define.
pub(super) struct Defines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Defines<'a> {
    pub(super) fn new(options: &'a [OptionLine]) -> Self {
        let defines = options.iter().filter(|option| option.name == "define" || option.name == "D");
        Self(defines.filter_map(|option| option.value.split_once('=')).collect())
    }

    /// What a word stands for; the last definition counts.
    pub(super) fn get(&self, word: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(name, _)| *name == word).map(|(_, value)| *value)
    }

    /// Puts values in the place of words in the arguments and the result of a call.
    pub(super) fn apply(&self, action: &mut Action) {
        if let (Action::Call(call), false) = (action, self.0.is_empty()) {
            call.arguments.iter_mut().for_each(|argument| self.replace(argument));
            self.replace(&mut call.result);
            for word in core::iter::once(&mut call.name).chain(&mut call.errno) {
                if let Some(value) = self.get(word) {
                    value.clone_into(word);
                }
            }
        }
    }

    fn replace(&self, expr: &mut Expr) {
        match expr {
            Expr::Word(word) => {
                if let Some(value) = self.get(word) {
                    *expr = value_of(value);
                }
            }
            Expr::Array(items) | Expr::Or(items) | Expr::Apply(_, items) => {
                items.iter_mut().for_each(|item| self.replace(item));
            }
            Expr::Struct(members) => members.iter_mut().for_each(|(_, value)| self.replace(value)),
            Expr::Ellipsis | Expr::Int(_) | Expr::Text(_) => {}
        }
    }
}

/// `"text"`, a number, or another word.
fn value_of(value: &str) -> Expr {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let hex = value.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16));
    match (quoted, hex.unwrap_or_else(|| value.parse())) {
        (Some(text), _) => Expr::Text(text.to_owned()),
        (None, Ok(number)) => Expr::Int(number),
        (None, Err(_)) => Expr::Word(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Script};
    use super::*;

    fn call(text: &str) -> Call {
        match Script::parse("t", text).unwrap().events.remove(0).action {
            Action::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_stand_for_values() {
        let options = "--define=LEVEL=SOL_IP\n--define=CC=\"reno\"\n--define=SIZE=0x10\n--define=EX=EPERM\n";
        let found = call(&format!("{options}0 f(LEVEL, [CC], {{a=SIZE}}, OTHER|LEVEL) = SIZE EX"));
        assert_eq!(found.errno.as_deref(), Some("EPERM"));
        let word = |word: &str| Expr::Word(word.to_owned());
        assert_eq!(found.arguments[0], word("SOL_IP"));
        assert_eq!(found.arguments[1], Expr::Array(vec![Expr::Text("reno".to_owned())]));
        assert_eq!(found.arguments[2], Expr::Struct(vec![(Some("a".to_owned()), Expr::Int(16))]));
        assert_eq!(found.arguments[3], Expr::Or(vec![word("OTHER"), word("SOL_IP")]));
        assert_eq!(found.result, Expr::Int(16));
    }

    #[test]
    fn a_word_can_stand_for_a_command() {
        let script = Script::parse("t", "--define=CLEAN=`rm x`\n0 CLEAN\n").unwrap();
        assert_eq!(script.events[0].action, Action::Command("rm x".to_owned()));
    }
}
