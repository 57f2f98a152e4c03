//! Questions to a person. Nobody is asked without a terminal.

use std::io::{BufRead, IsTerminal as _, Write};

use crate::cli::settings::Global;

/// Returns whether a person can be asked: input and standard error are a terminal, and no program reads the result.
pub(super) fn can_ask(global: &Global) -> bool {
    !global.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question on the terminal, until the answer is good. An empty answer means the default.
pub(super) fn ask(question: &str, default: &str, good: impl Fn(&str) -> Result<(), String>) -> Option<String> {
    ask_by(&mut std::io::stdin().lock(), &mut std::io::stderr().lock(), question, default, good)
}

/// Asks by these streams. `None` if there is no answer any more.
fn ask_by(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    question: &str,
    default: &str,
    good: impl Fn(&str) -> Result<(), String>,
) -> Option<String> {
    loop {
        write!(output, "{question} [{default}]: ").and_then(|()| output.flush()).ok()?;
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match good(answer) {
            Ok(()) => return Some(answer.to_owned()),
            Err(why) => writeln!(output, "{why}").ok()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_answer_is_asked_again_and_an_empty_one_is_the_default() {
        let good = |answer: &str| if answer.len() < 4 { Ok(()) } else { Err(format!("`{answer}` is too long")) };
        let asked = |typed: &str| {
            let mut output = Vec::new();
            let answer = ask_by(&mut typed.as_bytes(), &mut output, "Name", "web", good);
            (answer, String::from_utf8(output).expect("text"))
        };
        assert_eq!(asked("\n"), (Some("web".to_owned()), "Name [web]: ".to_owned()));
        assert_eq!(asked("  db \n").0.as_deref(), Some("db"));
        let (answer, shown) = asked("endless\ndb\n");
        assert_eq!(
            (answer.as_deref(), shown.as_str()),
            (Some("db"), "Name [web]: `endless` is too long\nName [web]: ")
        );
        assert_eq!(asked("").0, None, "the input has ended");
    }
}
