//! Which part of a Rust source a line belongs to: code, one of its tests, or what stands between tests.
//!
//! It is told from indentation, as rustfmt leaves it, not by parsing. A function is a test if a test attribute stands
//! above it, inside `proptest!` as well, or if its name is in the list of a macro of the same file that makes tests.

/// What a line belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Code,
    /// A test, with the modules inside the file: `tests::name`.
    Test(String),
    /// Among tests, but in none.
    Neither,
}

/// The lines of a file, and where among them its tests are.
pub(crate) struct Source<'a> {
    pub(crate) lines: Vec<&'a str>,
    tests_begin: usize,
    /// Names in the lists of macros that make tests.
    generated: Vec<&'a str>,
}

impl<'a> Source<'a> {
    /// Reads a file; one of tests has no code.
    pub(crate) fn new(text: &'a str, is_of_tests: bool) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let module = |pair: &[&str]| is_test_only(pair[0]) && declared(pair[1]).is_some_and(|(_, body)| body);
        let first = lines.windows(2).position(module).unwrap_or(lines.len());
        let tests_begin = if is_of_tests { 0 } else { first };
        let generated = generated(&lines);
        Self { lines, tests_begin, generated }
    }

    /// What the line with that index belongs to.
    pub(crate) fn part(&self, at: usize) -> Part {
        if at < self.tests_begin {
            return Part::Code;
        }
        let test = self.below_comments(at).or_else(|| self.around(at)).and_then(|line| self.test_at(line));
        test.map_or(Part::Neither, |name| Part::Test(self.with_modules(at, name)))
    }

    /// The line of the function that the comments and attributes from here on belong to.
    fn below_comments(&self, at: usize) -> Option<usize> {
        let is_above = |line: &&&str| is_comment(line) || is_attribute(line);
        let next = at + self.lines[at..].iter().take_while(is_above).count();
        (next > at && self.lines.get(next).is_some_and(|line| function(line).is_some())).then_some(next)
    }

    /// The line of the innermost function around this line.
    fn around(&self, at: usize) -> Option<usize> {
        let mut outer = self.outer(at);
        function(self.lines[at])
            .map(|_| at)
            .or_else(|| outer.find(|&line| function(self.lines[line]).is_some()))
    }

    /// The lines that open what is around this line, from the inside out.
    fn outer(&self, at: usize) -> impl Iterator<Item = usize> {
        let mut depth = indent(self.lines[at]);
        (0..at).rev().filter(move |&line| {
            let text = self.lines[line];
            let opens = !text.trim().is_empty() && indent(text) < depth;
            if opens {
                // `) {` ends what is declared some lines above, no deeper.
                depth = indent(text) + usize::from(text.trim_start().starts_with(')'));
            }
            opens
        })
    }

    /// The name of the function that a line begins, if it is a test.
    fn test_at(&self, line: usize) -> Option<&'a str> {
        let name = function(self.lines[line])?;
        let above = self.lines[..line].iter().rev();
        let mut attributes = above.take_while(|line| is_attribute(line) || is_comment(line));
        let has_attribute = attributes.any(|line| {
            let line = line.trim_start();
            line.starts_with("#[test]") || line.starts_with("#[tokio::test")
        });
        (has_attribute || self.generated.contains(&name)).then_some(name)
    }

    fn with_modules(&self, at: usize, name: &str) -> String {
        let modules = self.outer(at).filter_map(|line| declared(self.lines[line])).map(|(name, _)| name);
        let mut path: Vec<&str> = modules.collect();
        path.reverse();
        path.push(name);
        path.join("::")
    }
}

/// The beginnings of the paths of modules that a file declares for tests alone: `#[cfg(test)] mod testing;`.
pub(crate) fn test_modules(file: &str, text: &str) -> Vec<String> {
    let dir = ["/lib.rs", "/main.rs", "/mod.rs"].iter().find_map(|root| file.strip_suffix(root));
    let dir = dir.unwrap_or_else(|| file.trim_end_matches(".rs"));
    let lines: Vec<&str> = text.lines().collect();
    let modules = lines.windows(2).filter(|pair| is_test_only(pair[0])).filter_map(|pair| declared(pair[1]));
    let without_body = modules.filter(|(_, body)| !body);
    without_body.flat_map(|(name, _)| [format!("{dir}/{name}.rs"), format!("{dir}/{name}/")]).collect()
}

fn is_test_only(line: &str) -> bool {
    line.trim().starts_with("#[cfg(test)]") || line.trim().starts_with("#[cfg(all(test,")
}

/// The module that a line declares, and whether its body follows.
fn declared(line: &str) -> Option<(&str, bool)> {
    let rest = without_visibility(line).strip_prefix("mod ")?;
    let name = word(rest);
    match rest.strip_prefix(name)?.trim() {
        "{" | "{}" => Some((name, true)),
        ";" => Some((name, false)),
        _ => None,
    }
}

/// The function that a line declares.
fn function(line: &str) -> Option<&str> {
    let line = without_visibility(line);
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    Some(word(rest)).filter(|name| !name.is_empty())
}

fn without_visibility(line: &str) -> &str {
    let line = line.trim_start();
    ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line)
}

fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    &text[..end]
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_attribute(line: &str) -> bool {
    line.trim_start().starts_with("#[")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The names in the lists of all macros of a file whose text contains `#[test]`.
fn generated<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix("macro_rules! ").map(word) else { continue };
        if block(&lines[at..]).any(|line| line.contains("#[test]")) {
            let call = format!("{name}! {{");
            let calls = (0..lines.len()).filter(|&at| lines[at] == call);
            names.extend(calls.flat_map(|at| block(&lines[at + 1..])).map(|line| word(line.trim_start())));
        }
    }
    names
}

/// The lines up to the brace that ends a block at the margin.
fn block<'a, 'b>(lines: &'b [&'a str]) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
    lines.iter().copied().take_while(|line| *line != "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
fn code() {}
#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    fn helper() {
        shown();
    }

    /// Above.
    #[test]
    fn one() {
        for case in [1] {
            inside(case);
        }
    }

    const BETWEEN: u8 = 1;

    proptest! {
        // Above.
        #[test]
        fn two(
            first: u8,
        ) {
            inside();
        }
    }

    mod deeper {
        #[tokio::test(start_paused = true)]
        async fn three() {
            inside();
        }
    }
}
";

    fn parts(source: &Source<'_>, of: &str) -> Vec<Part> {
        let lines = source.lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(of));
        lines.map(|(at, _)| source.part(at)).collect()
    }

    fn test(name: &str) -> Part {
        Part::Test(name.to_owned())
    }

    #[test]
    fn code_tests_and_what_stands_between_them() {
        let source = Source::new(SOURCE, false);
        assert_eq!(parts(&source, "fn code"), [Part::Code]);
        assert_eq!(parts(&source, "mod testing"), [Part::Code]);
        assert_eq!(parts(&source, "shown"), [Part::Neither]);
        assert_eq!(parts(&source, "const BETWEEN"), [Part::Neither]);
        assert_eq!(parts(&source, "fn one"), [test("tests::one")]);
        let (one, two, three) = (test("tests::one"), test("tests::two"), test("tests::deeper::three"));
        assert_eq!(parts(&source, "inside"), [one.clone(), two.clone(), three]);
        assert_eq!(parts(&source, "// Above"), [two]);
        assert_eq!(parts(&source, "/// Above"), [one]);
    }

    #[test]
    fn tests_that_a_macro_makes() {
        let text = "macro_rules! both {\n    ($($name:ident)*) => { $(#[test] fn $name() {})* };\n}\n\nboth! {\n    \
                    one\n}\n\n/// Above.\nfn one<F: Family>() {\n    inside();\n}\n\nfn other() {\n    inside();\n}\n";
        let source = Source::new(text, true);
        assert_eq!(parts(&source, "inside"), [test("one"), Part::Neither]);
        assert_eq!(parts(&source, "/// Above"), [test("one")]);
    }

    #[test]
    fn files_that_only_tests_see() {
        assert_eq!(test_modules("a/src/lib.rs", SOURCE), ["a/src/testing.rs", "a/src/testing/"]);
        assert_eq!(test_modules("a/src/b/mod.rs", SOURCE), ["a/src/b/testing.rs", "a/src/b/testing/"]);
        assert_eq!(test_modules("a/src/b.rs", SOURCE), ["a/src/b/testing.rs", "a/src/b/testing/"]);
    }
}
